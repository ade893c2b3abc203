"""Whatever fails: a clear error in bounded time, nothing left behind, and the next run works."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from threading import Thread, Timer
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from lava_helpers import Wrong, assert_gone, engine_of, loop, members

import neuro as nr

MODES = ("fused", "expanded")

#: More steps than any test waits for.
FOREVER = 50_000_000


def compiled(mode: str, sessions: list[int], **options: Any) -> nr.Simulation:
    """A simulation of the loop that has begun, so that its processes exist."""
    sim = nr.compile(loop(traces=False), "lava", mode=mode, **options)
    sim.run_steps(3, progress=False)
    child = engine_of(sim)._child
    assert child is not None
    sessions.append(child.pid)
    return sim


def assert_works(mode: str) -> None:
    """A new simulation gives what the reference does."""
    with nr.compile(loop(), "lava", mode=mode) as sim, nr.compile(loop()) as expected:
        found = sim.run_steps(40, progress=False)
        theirs = expected.run_steps(40, progress=False)
        np.testing.assert_array_equal(found.trace("cells", "v"), theirs.trace("cells", "v"))


@pytest.mark.parametrize("mode", MODES)
def test_exception_in_a_process(mode: str) -> None:
    """The traceback of the process is in the error."""
    wrong = loop(source=Wrong([0], [0]))
    with nr.compile(wrong, "lava", mode=mode) as sim:
        child = engine_of(sim)._child
        assert child is not None
        begun = monotonic()
        with pytest.raises(nr.errors.BackendError, match=r"(?s)IndexError.*Traceback.*work.py"):
            sim.run_steps(100, progress=False)
        assert monotonic() - begun < 20
        assert_gone(child.pid)
    assert_works(mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_process_of_lava_is_killed(mode: str, gone: list[int]) -> None:
    """As the kernel does when memory runs out."""
    with compiled(mode, gone) as sim:
        victim = engine_of(sim).processes[-2]
        Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
        begun = monotonic()
        with pytest.raises(nr.errors.BackendError, match="died, exit code -9"):
            sim.run_steps(FOREVER, progress=False)
        assert monotonic() - begun < 10
        with pytest.raises(nr.errors.NeuroError, match="restore"):
            sim.run_steps(1, progress=False)
    assert_works(mode)


def test_the_child_is_killed(gone: list[int]) -> None:
    """And with it all that it forked."""
    with compiled("expanded", gone) as sim:
        Timer(0.3, os.kill, (gone[0], signal.SIGKILL)).start()
        with pytest.raises(nr.errors.BackendError, match="killed by SIGKILL"):
            sim.run_steps(FOREVER, progress=False)


@pytest.mark.parametrize("mode", MODES)
def test_no_progress(mode: str, gone: list[int]) -> None:
    """A process that does not go on, and those that wait for it, end after the timeout."""
    with compiled(mode, gone, timeout=1.0) as sim:
        Timer(0.3, os.kill, (engine_of(sim).processes[0], signal.SIGSTOP)).start()
        begun = monotonic()
        with pytest.raises(nr.errors.BackendError, match="did not make progress for 1 s"):
            sim.run_steps(FOREVER, progress=False)
        assert 1.0 < monotonic() - begun < 10


@pytest.mark.parametrize("mode", MODES)
def test_a_run_longer_than_the_timeout(mode: str) -> None:
    """The timeout counts from the last progress, not from the beginning."""
    with nr.compile(loop(traces=False), "lava", mode=mode, timeout=0.5) as sim:
        steps, begun = 1000, monotonic()
        while monotonic() - begun < 1.0:
            steps, begun = steps * 2, monotonic()
            sim.run_steps(steps, progress=False)


class Interrupting:
    """A progress meter that interrupts its own process, as Ctrl-C does."""

    begun = 0.0

    def advance(self, amount: int = 1) -> None:
        """Interrupt."""
        self.begun = monotonic()
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("mode", MODES)
def test_interrupt(mode: str, gone: list[int]) -> None:
    """Ctrl-C ends the run at once; a checkpoint continues bit for bit in a new child."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with compiled(mode, gone) as sim:
            begin = sim.state()
            interrupt = Interrupting()
            with pytest.raises(KeyboardInterrupt):
                sim.run_steps(FOREVER, progress=interrupt)
            assert monotonic() - interrupt.begun < 5
            assert_gone(gone[0])
            sim.restore(begin)
            sim.run_steps(50, progress=False)
            with nr.compile(loop(traces=False)) as other:
                other.restore(begin)
                other.run_steps(50, progress=False)
                np.testing.assert_array_equal(sim.weights("back"), other.weights("back"))
                assert (sim.weights("back") != 0.05).any()
    finally:
        signal.signal(signal.SIGINT, previous)


class Failing:
    """A progress meter that fails."""

    def advance(self, amount: int = 1) -> None:
        """Fail."""
        raise ZeroDivisionError("meter")


@pytest.mark.parametrize("mode", MODES)
def test_exception_in_the_caller(mode: str, gone: list[int]) -> None:
    """It comes through, and the child ends."""
    with compiled(mode, gone) as sim:
        with pytest.raises(ZeroDivisionError):
            sim.run_steps(FOREVER, progress=Failing())
        assert_gone(gone[0])


def test_no_names_in_shared_memory(gone: list[int]) -> None:
    """Nothing that a crash could leave behind exists in the first place."""
    before = set(os.listdir("/dev/shm"))
    with compiled("expanded", gone):
        mine = {name for pid in members(gone[0]) for name in _segments(pid)}
    assert not mine - before


def _segments(pid: int) -> list[str]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError:
        return []
    named = [line for line in lines if "/dev/shm/" in line and "(deleted)" not in line]
    return [line.rpartition("/dev/shm/")[2] for line in named]


# --- other processes ---

SCRIPT = """
import signal, sys
sys.path.insert(0, {tests!r})
import neuro as nr
from lava_helpers import engine_of, loop
signal.signal(signal.SIGINT, signal.default_int_handler)
sim = nr.compile(loop(traces=False), "lava", mode={mode!r})
sim.run_steps(3, progress=False)
print(engine_of(sim)._child.pid, flush=True)
{rest}
"""


def script(mode: str, rest: str) -> subprocess.Popen[str]:
    """A Python process that has begun a simulation and told the session of its child."""
    text = SCRIPT.format(tests=str(Path(__file__).parent), mode=mode, rest=textwrap.dedent(rest))
    return subprocess.Popen(
        [sys.executable, "-c", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def session_of(process: subprocess.Popen[str]) -> int:
    """The session that a script told."""
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.parametrize("mode", MODES)
def test_parent_is_killed(mode: str) -> None:
    """Lava ends with it, even in the middle of a run."""
    with script(mode, f"sim.run_steps({FOREVER}, progress=False)") as process:
        session = session_of(process)
        sleep(0.3)
        assert members(session)
        process.kill()
        assert_gone(session)


def test_interrupt_of_a_group() -> None:
    """Ctrl-C in a terminal reaches every process of the group; Lava is not in it."""
    with script("expanded", f"sim.run_steps({FOREVER}, progress=False)") as process:
        session = session_of(process)
        sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=10)
        assert "KeyboardInterrupt" in errors
        assert "Traceback" not in errors.partition("KeyboardInterrupt")[2]
        assert_gone(session)


@pytest.mark.parametrize("mode", MODES)
def test_script_that_closes_nothing(mode: str) -> None:
    """The interpreter ends as usual, and Lava with it."""
    with script(mode, "") as process:
        session = session_of(process)
        assert process.communicate(timeout=10)[1] == ""
        assert process.returncode == 0
        assert_gone(session)


def test_parent_stays_clean() -> None:
    """Lava is not imported here, and how processes start is not changed."""
    rest = """
        import multiprocessing
        assert not [m for m in sys.modules if m.startswith("lava.") and sys.modules[m].__file__]
        assert multiprocessing.get_start_method(allow_none=True) is None
    """
    with script("fused", rest) as process:
        session_of(process)
        assert process.communicate(timeout=10)[1] == ""
        assert process.returncode == 0


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_a_process_of_multiprocessing(method: str) -> None:
    """It runs in processes started either way; a fork does not end the child of its parent."""
    rest = f"""
        import multiprocessing
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            worker = context.Process(target=__import__("lava_helpers").work, args=("fused",))
            worker.start(), worker.join()
            print(worker.exitcode, flush=True)
            if {method == "fork"}:
                import os
                if os.fork() == 0:
                    sim.close()
                    os._exit(0)
                os.wait()
            sim.run_steps(5, progress=False)
            print("goes on", flush=True)
    """
    with script("fused", rest) as process:
        session_of(process)
        output, errors = process.communicate(timeout=30)
        assert output.split("\n")[:2] == ["0", "goes on"], errors


def test_compiled_in_a_thread_that_ended(gone: list[int]) -> None:
    """The kernel tells of a parent's end when only the thread ends that started the child."""
    made: list[nr.Simulation] = []
    thread = Thread(target=lambda: made.append(compiled("expanded", gone)))
    thread.start()
    thread.join()
    sleep(0.2)
    with made[0] as sim:
        sim.run_steps(5, progress=False)


# --- leaks ---


def footprint() -> tuple[int, int, int]:
    """Open descriptors, children, and kilobytes of memory of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return len(os.listdir("/proc/self/fd")), len(children), memory


def cycle(count: int) -> None:
    """Compile, run, close; sometimes without closing."""
    for index in range(count):
        sim = nr.compile(loop(), "lava", mode=MODES[index % 2])
        sim.run_steps(5, progress=False)
        if index % 5:
            sim.close()


@pytest.mark.slow
@pytest.mark.parametrize("cycles", [4, 200])
def test_many_compilations(cycles: int) -> None:
    """Compile, run, close, again and again: no handles, no children, no memory."""
    cycle(3)
    files, children, memory = footprint()
    cycle(cycles)
    now = footprint()
    assert now[:2] == (files, children)
    assert now[2] - memory < 4096 + 20 * cycles

"""Time and memory of one network on one backend, within limits, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True)
class Cost:
    """What a network takes.

    Attributes
    ----------
    neurons, synapses : int
    problem : str
        Why there are no figures: empty, or a limit, or the last line of an error.
    compile, seconds : float
        To compile (a build of C++ apart), and for a simulated second, in seconds; of one core.
    memory : float
        Most that the process and its children held at a time, bytes; without a compiler's.
    process, program : float
        Peak of the Python process, and of a compiled program (0 without one), bytes.
    spikes : int
        In the last simulated second.
    """

    neurons: int
    synapses: int
    problem: str = ""
    compile: float = 0.0
    seconds: float = 0.0
    memory: float = 0.0
    process: float = 0.0
    program: float = 0.0
    spikes: int = 0


@dataclass(frozen=True)
class Limits:
    """Of one network: seconds of the clock, with its build, and bytes."""

    seconds: float
    memory: float


def free_memory() -> float:
    """Bytes that can be had without harm."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))


def cost(
    kind: str, neurons: int, degree: int, backend: str, options: Mapping[str, Any], limits: Limits
) -> Cost:
    """Measure one network (:mod:`neuro.benchmarks._cost_run`)."""
    with tempfile.TemporaryDirectory() as cache:
        if "target" in options and kind == "sparse":  # built with few synapses: Brian2 goes again
            _run(kind, neurons, 1, backend, options, limits, cache)
        return _run(kind, neurons, degree, backend, options, limits, cache)


def _run(
    kind: str,
    neurons: int,
    degree: int,
    backend: str,
    options: Mapping[str, Any],
    limits: Limits,
    cache: str,
) -> Cost:
    synapses = neurons * degree if kind == "sparse" else (neurons // 2) ** 2
    command = [sys.executable, "-W", "ignore", "-m", "neuro.benchmarks._cost_run"]
    command += [kind, str(neurons), str(degree), backend, json.dumps(dict(options))]
    environment = {**os.environ, "NEURO_CACHE": cache, "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert child.stdout is not None
        watch = _Watch(child.pid, limits)
        watch.start()
        built = child.stdout.readline()
        watch.forget()  # a compiler's memory is not the network's
        done = child.stdout.readline()
        code = child.wait()
        watch.end()
        if watch.problem or code:
            return Cost(neurons, synapses, watch.problem or _last_line(errors, code))
    ready, found = json.loads(built), json.loads(done)
    return Cost(
        neurons,
        found["synapses"],
        "",
        ready["compile"],
        found["seconds"],
        max(watch.peak, float(found["memory"])),
        float(found["memory"]),
        watch.children,
        found["spikes"],
    )


def _last_line(errors: TextIO, code: int) -> str:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    if lines:
        return lines[-1][:200]
    return f"killed by signal {-code} of somebody else" if code < 0 else f"failed, code {code}"


class _Watch(threading.Thread):
    """Looks at the memory of a process and its children, and ends it at a limit."""

    def __init__(self, pid: int, limits: Limits) -> None:
        super().__init__(daemon=True)
        self.peak = self.children = 0.0
        self.problem = ""
        self._pid, self._limits = pid, limits
        self._deadline = time.monotonic() + limits.seconds
        self._over = threading.Event()

    def forget(self) -> None:
        """Begin anew."""
        self.peak = self.children = 0.0

    def end(self) -> None:
        """Stop looking."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Look fifty times a second."""
        while not self._over.wait(0.02):
            own, others = _resident(self._pid), sum(map(_resident, _below(self._pid)))
            self.peak = max(self.peak, own + others)
            self.children = max(self.children, others)
            if own + others > self._limits.memory:
                self._kill(f"more than {self._limits.memory / 1e9:.1f} GB")
            elif time.monotonic() > self._deadline:
                self._kill(f"more than {self._limits.seconds:g} s")

    def _kill(self, problem: str) -> None:
        if not self.problem:
            self.problem = problem
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)


def _resident(pid: int) -> float:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):  # it has just ended
        return 0.0
    return float(pages) * os.sysconf("SC_PAGE_SIZE")


def _below(pid: int) -> list[int]:
    """All processes that a process has started, and those that these have started."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *_below(child)]
    return found

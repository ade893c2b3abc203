"""The child process as its parent sees it: started, asked, and ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from neuro.backends.lava.sharing import anonymous_file
from neuro.backends.lava.wire import receive_answer, send_object
from neuro.errors import BackendError

#: Seconds that the child may take to import Lava and build the processes, at least.
START = 120.0


class Child:
    """A process that runs Lava, in a session of its own.

    Parameters
    ----------
    contents : dict
        See :func:`neuro.backends.lava.contents.described`.
    options : dict
        Of :meth:`.LavaBackend.compile`.
    """

    def __init__(self, contents: dict[str, Any], options: dict[str, Any]) -> None:
        self._owner = os.getpid()
        orders_out, self._orders = os.pipe()
        self._answers, answers_in = os.pipe()
        self._log = anonymous_file("log")
        inherited = (orders_out, answers_in, *contents["descriptors"])
        try:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "neuro.backends.lava.worker"),
                    *map(str, (self._owner, orders_out, answers_in)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=inherited,
                start_new_session=True,
                env=_environment(),
            )
        finally:
            os.close(orders_out)
            os.close(answers_in)
        self.pid = self._process.pid
        self._ended = False
        self._building = True
        try:
            self._tell({"contents": contents, "options": options})
        except BaseException:
            self.end()
            raise

    def run(self, steps: int, timeout: float, watch: Callable[[], bool]) -> list[int]:
        """Run some steps; returns the numbers of Lava's processes.

        Parameters
        ----------
        steps : int
        timeout : float, second
            How long ``watch`` may see no progress.
        watch : callable
            Called now and then; tells whether there was progress since.

        Raises
        ------
        BackendError
            With the traceback of the process that failed, if there is one.
        """
        if self._building:
            self._answer(max(START, timeout), lambda: False, "build its processes")
            self._building = False
            timeout_now = max(START, timeout)  # processes are forked with the first run
        else:
            timeout_now = timeout
        self._tell({"steps": steps})
        answer = self._answer(timeout_now, watch, "make progress", timeout)
        processes: list[int] = answer["processes"]
        return processes

    def _tell(self, message: Any) -> None:
        with contextlib.suppress(BrokenPipeError):  # why it ended is found when it is asked
            send_object(self._orders, message)

    def _answer(
        self, timeout: float, watch: Callable[[], bool], what: str, later: float | None = None
    ) -> dict[str, Any]:
        """Wait for the answer; after the first progress, ``later`` is the limit of time."""
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        limit, wait = time.monotonic() + timeout, 1
        while not poll.poll(wait):
            wait = min(50, wait * 2)
            if watch():
                timeout = timeout if later is None else later
                limit = time.monotonic() + timeout
            elif time.monotonic() > limit:
                raise BackendError(
                    f"Lava did not {what} for {timeout:g} s; its processes were ended. Give more"
                    f" time with timeout=, or look where they wait{self._last_words()}"
                )
        watch()
        try:
            answer = receive_answer(self._answers)
        except EOFError:
            words = self._last_words()
            raise BackendError(
                f"the process that ran Lava ended, {self._exit_code()}{words}"
            ) from None
        if "error" in answer:
            raise BackendError(f"Lava failed: {answer['error']}\n\n{answer['trace'].rstrip()}")
        return answer

    def _exit_code(self) -> str:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self.end()
        code = self._process.returncode
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def _last_words(self) -> str:
        size = os.fstat(self._log).st_size
        text = os.pread(self._log, 2000, max(0, size - 2000)).decode(errors="replace").strip()
        return f":\n{text}" if text else ""

    def end(self) -> None:
        """End the child and all its processes, at once. Calling it again does nothing."""
        if self._ended or os.getpid() != self._owner:  # a fork of the parent is not the parent
            return
        self._ended = True
        # The child is still there, if only as a zombie, so the number of its group is its own.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        for descriptor in (self._orders, self._answers, self._log):
            os.close(descriptor)


def _environment() -> dict[str, str]:
    """Where modules are found is the same as here; each process computes on one thread."""
    path = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

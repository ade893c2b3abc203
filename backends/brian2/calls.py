"""Calls of a compiler as processes: several at a time, and none that outlives an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from neuro.errors import BackendError


class Calls:
    """Calls in a folder; none of them outlives an error or an interrupt.

    Parameters
    ----------
    folder : Path
    target : str
        Whose compiler it is, for errors.
    mend : str
        What a user can do when it fails, a sentence.
    """

    def __init__(self, folder: Path, target: str, mend: str) -> None:
        self._folder, self._target, self._mend = folder, target, mend
        self._running: set[subprocess.Popen[str]] = set()

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs, which is something only after an error or an interrupt."""
        for process in list(self._running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()

    def run_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Run several at a time, as many as there are processors."""
        with ThreadPoolExecutor(_processors()) as pool:
            jobs = [pool.submit(self.run, command) for command in commands]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.__exit__()
                raise

    def run(self, command: Sequence[str]) -> None:
        """Run one to its end.

        Raises
        ------
        BackendError
            It cannot be run, or fails.
        """
        try:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # the compiler's own children end with it
            )
        except OSError as error:
            raise BackendError(
                f"{self._target}: cannot run the compiler {command[0]} ({error.strerror})."
                f" {self._mend}"
            ) from error
        self._running.add(process)
        output = process.communicate()[0]
        self._running.discard(process)
        if process.returncode:
            lines = "\n".join(output.strip().splitlines()[-20:])
            raise BackendError(
                f"{self._target}: the compiler failed ({' '.join(command)}):\n{lines}\n{self._mend}"
            )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

"""Compiled targets: each piece is one run of the compiled program in its own process."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from pathlib import Path

from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.buildcache import build
from neuro.backends.brian2.exchange import read_output, write_input
from neuro.backends.brian2.piece import Outcome, Piece
from neuro.backends.brian2.toolchain import Toolchain
from neuro.errors import BackendError
from neuro.progress import Progress
from neuro.scratch import scratch_folder


class ProcessRunner:
    """Runs pieces with the compiled program.

    Parameters
    ----------
    plan : Blueprint
    cache : Path
        Folder of compiled programs.
    tools : Toolchain
        What compiles the program.
    threads : int
        How many threads of the processor the program may use.
    """

    def __init__(self, plan: Blueprint, cache: Path, tools: Toolchain, threads: int = 1) -> None:
        self._plan, self._target, self._threads = plan, tools.target, threads
        self._folder = build(plan, cache, tools)

    def run(self, piece: Piece, progress: Progress) -> Outcome:
        """Run one piece; files live in a temporary folder, so runs can be made side by side."""
        with scratch_folder("neuro-brian2-") as folder:
            write_input(self._plan, piece, folder)
            self._call(folder, piece.steps, progress)
            return read_output(self._plan, piece.steps, folder)

    def _call(self, folder: Path, steps: int, progress: Progress) -> None:
        receive, send = os.pipe()
        output, errors = folder / "output.txt", folder / "errors.txt"
        try:
            with output.open("wb") as stdout, errors.open("wb") as stderr:
                child = subprocess.Popen(
                    [str(self._folder / "main"), "--results_dir", f"{folder}/", str(send)],
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=(send,),
                    env=_environment(self._threads),
                )
            os.close(send)
            send = -1
            try:
                _follow(receive, steps, progress)
                code = child.wait()
            except BaseException:
                child.kill()
                child.wait()
                raise
        finally:
            os.close(receive)
            if send >= 0:
                os.close(send)
        if code:
            texts = (path.read_text(errors="replace").strip() for path in (errors, output))
            text = next(filter(None, texts), "")[-2000:]
            raise BackendError(
                f"brian2 ({self._target}): the compiled program {_ended(code)}"
                f"{': ' + text if text else ''} ({self._folder}/main); remove that folder to build"
                " it anew, or use target='numpy'"
            )


def _environment(threads: int) -> dict[str, str]:
    """That of this process, with the number of threads.

    Threads that wait give their processor away within some ten microseconds, unless the user says
    otherwise: the default of GCC is to hold it for milliseconds, and a program whose threads wait
    for each other in every step then is ten times slower than one thread on a busy machine.
    """
    patience = {} if "OMP_WAIT_POLICY" in os.environ else {"GOMP_SPINCOUNT": "1000"}
    return {**patience, **os.environ, "OMP_NUM_THREADS": str(threads)}


def _ended(code: int) -> str:
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"failed with code {code}"


def _follow(pipe: int, steps: int, progress: Progress) -> None:
    """Report the numbers (int64) that arrive until the other end is closed."""
    done, data = 0, b""
    while True:
        select.select([pipe], [], [])
        part = os.read(pipe, 4096)
        if not part:
            break
        data += part
        whole = len(data) // 8 * 8
        if whole:
            now = int.from_bytes(data[whole - 8 : whole], "little")
            progress.advance(now - done)
            done, data = now, data[whole:]
    progress.advance(steps - done)

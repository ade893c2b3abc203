"""Compiling the sources of a program with the C++ compiler, several files at a time.

Every file that Brian2 writes includes the same headers, which take most of the time to read; they
are read once, as a precompiled header.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from neuro.errors import BackendError

#: No fast-math and no fused multiply-add: each operation rounds once, as in NumPy. The two last
#: flags change no value; they only give up errno and floating-point exceptions.
COMPILE_FLAGS = (
    "-w",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-std=c++14",
    "-fno-math-errno",
    "-fno-trapping-math",
)

#: Added for programs that may use several threads; without it, OpenMP pragmas mean nothing.
THREAD_FLAGS = ("-fopenmp",)

PRECOMPILED = "neuro_all.h"
_HEADERS = (
    "objects.h",
    "synapses_classes.h",
    "brianlib/common_math.h",
    "brianlib/stdint_compat.h",
    "neuro_io.h",
)
_SYSTEM_HEADERS = ("cmath", "climits", "ctime", "cstring", "fstream", "iostream", "stdlib.h")


def compiler() -> str:
    """Path of the compiler: ``$CXX`` or g++.

    Raises
    ------
    BackendError
        When there is none.
    """
    wanted = os.environ.get("CXX", "g++")
    found = shutil.which(wanted)
    if found is None:
        raise BackendError(
            f"brian2 (cpp): the C++ compiler {wanted} was not found; install g++ (for example:"
            " apt install g++), set CXX to another compiler, or use target='numpy'"
        )
    return found


def compiler_id() -> str:
    """Name and version of the compiler and the processor that it compiles for."""
    version = subprocess.run(
        [compiler(), "--version"], capture_output=True, text=True, check=False
    ).stdout.partition("\n")[0]
    return f"{version}; {_processor()}"


def _processor() -> str:
    """What ``-march=native`` looks at."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return " ".join(os.uname())
    kept = ("flags", "Features", "model name", "CPU part")
    return "; ".join(line for line in lines if line.startswith(kept))


def flags(threaded: bool) -> tuple[str, ...]:
    """What the compiler is told, apart from the names of files."""
    return COMPILE_FLAGS + THREAD_FLAGS if threaded else COMPILE_FLAGS


def compile_program(folder: Path, sources: Sequence[str], threaded: bool = False) -> Path:
    """Compile and link C++ files, for one thread or for any number; returns the program.

    Raises
    ------
    BackendError
        With the last lines of the compiler's messages.
    """
    includes = [f'#include "{h}"' for h in _HEADERS] + [f"#include <{h}>" for h in _SYSTEM_HEADERS]
    (folder / PRECOMPILED).write_text("\n".join(includes) + "\n")
    command = [compiler(), *flags(threaded), "-I."]
    objects = [f"{Path(source).with_suffix('')}.o" for source in sources]
    calls = _Calls(folder)
    try:
        calls.run([*command, "-x", "c++-header", PRECOMPILED, "-o", f"{PRECOMPILED}.gch"])
        command += ["-include", PRECOMPILED, "-c"]
        calls.run_all(
            [
                [*command, *_effort(source), source, "-o", made]
                for source, made in zip(sources, objects, strict=True)
            ]
        )
        calls.run([compiler(), *flags(threaded), *objects, "-o", "main"])
    except BaseException:
        calls.end()
        raise
    return folder / "main"


def _effort(source: str) -> list[str]:
    """Less optimisation for what runs once: it halves the time of those files."""
    name = Path(source).name
    once = ("main.cpp", "objects.cpp", "run.cpp", "before_run_", "after_run_")
    return ["-O1"] if name.startswith(once) else []


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Calls:
    """Calls of the compiler in a folder; none of them outlives an error or an interrupt."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: set[subprocess.Popen[str]] = set()

    def run_all(self, commands: Sequence[Sequence[str]]) -> None:
        """Run several at a time, as many as there are processors."""
        with ThreadPoolExecutor(_processors()) as pool:
            jobs = [pool.submit(self.run, command) for command in commands]
            try:
                for job in jobs:
                    job.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.end()
                raise

    def run(self, command: Sequence[str]) -> None:
        """Run one to its end."""
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
                f"brian2 (cpp): cannot run the compiler {command[0]} ({error.strerror}); set CXX"
                " to another compiler or use target='numpy'"
            ) from error
        self._running.add(process)
        output = process.communicate()[0]
        self._running.discard(process)
        if process.returncode:
            lines = "\n".join(output.strip().splitlines()[-20:])
            raise BackendError(
                f"brian2 (cpp): the compiler failed ({' '.join(command)}):\n{lines}\n"
                "Use target='numpy', which needs no compiler, or set CXX to another compiler."
            )

    def end(self) -> None:
        """Kill what still runs."""
        for process in list(self._running):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout:
                process.stdout.close()

"""Compiling the sources of a program with the C++ compiler, several files at a time.

Every file that Brian2 writes includes the same headers, which take most of the time to read; they
are read once, as a precompiled header.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from neuro.backends.brian2.calls import Calls
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

#: What helps when the compiler fails.
MEND = "Use target='numpy', which needs no compiler, or set CXX to another compiler."

#: The libraries of C++ within the program: it starts quicker and takes a megabyte less.
STATIC_FLAGS = ("-static-libstdc++", "-static-libgcc")

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
    with Calls(folder, "brian2 (cpp)", MEND) as calls:
        calls.run([*command, "-x", "c++-header", PRECOMPILED, "-o", f"{PRECOMPILED}.gch"])
        command += ["-include", PRECOMPILED, "-c"]
        calls.run_all(
            [
                [*command, *_effort(source), source, "-o", made]
                for source, made in zip(sources, objects, strict=True)
            ]
        )
        link = [compiler(), *flags(threaded), *objects, "-o", "main"]
        try:
            calls.run([*link, *STATIC_FLAGS])
        except BackendError:  # not every system has these libraries
            calls.run(link)
    return folder / "main"


def _effort(source: str) -> list[str]:
    """Less optimisation for what runs once: it halves the time of those files."""
    name = Path(source).name
    once = ("main.cpp", "objects.cpp", "run.cpp", "before_run_", "after_run_")
    return ["-O1"] if name.startswith(once) else []

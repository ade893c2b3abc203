"""Time and peak memory of a program, taken around that program and nothing else.

A small program in C stands in for it and starts it. (The peak that Python is told of its own
children begins with what Python itself holds, because a child starts as a copy of it.)
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from neuro.backends.brian2.compiler import compiler
from neuro.errors import BackendError

STAND_IN = r"""
#include <cstdio>
#include <ctime>
#include <string>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int, char** arguments)
{
    const std::string program = arguments[0];
    timespec start, stop;
    clock_gettime(CLOCK_MONOTONIC, &start);
    const pid_t child = fork();
    if (child == 0) {
        execv((program + ".measured").c_str(), arguments);
        _exit(127);
    }
    rusage usage;
    int status = 1;
    wait4(child, &status, 0, &usage);
    clock_gettime(CLOCK_MONOTONIC, &stop);
    const double wall = stop.tv_sec - start.tv_sec + 1e-9 * (stop.tv_nsec - start.tv_nsec);
    const double busy = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
        + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    if (FILE* log = std::fopen((program + ".usage").c_str(), "a")) {
        std::fprintf(log, "%.9f %.6f %ld\n", wall, busy, usage.ru_maxrss);
        std::fclose(log);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
"""


@dataclass(frozen=True)
class Usage:
    """Of one run, or of several in a row.

    Attributes
    ----------
    wall, busy : float
        Seconds from start to end, and of the processor.
    peak : float
        Most resident memory at any time, bytes.
    """

    wall: float
    busy: float
    peak: float


class Watched:
    """A program whose runs are measured from now on, whoever starts it.

    Parameters
    ----------
    program : Path
        It is renamed, and the stand-in takes its name.
    """

    def __init__(self, program: Path) -> None:
        self._log = program.with_name(f"{program.name}.usage")
        program.rename(program.with_name(f"{program.name}.measured"))
        with TemporaryDirectory() as name:
            source = Path(name) / "stand_in.cpp"
            source.write_text(STAND_IN)
            command = [compiler(), "-O1", str(source), "-o", str(program)]
            made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode:
            raise BackendError(f"the stand-in cannot be compiled: {made.stderr[-500:]}")

    def usage(self) -> Usage:
        """Of all runs since the last call, together."""
        lines = self._log.read_text().splitlines()
        self._log.unlink()
        runs = [tuple(map(float, line.split())) for line in lines]
        wall, busy, peak = zip(*runs, strict=True)
        return Usage(sum(wall), sum(busy), 1024 * max(peak))

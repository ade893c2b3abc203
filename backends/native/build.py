"""Compiling the C source of a program, once: the library is kept by what it was made of."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from neuro.atomic import replacing
from neuro.errors import BackendError

#: No fast-math and no fused multiply-add: each operation rounds once, as in NumPy. The two after
#: that change no value; they only give up errno and floating-point exceptions.
FLAGS = (
    *("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"),
    *("-std=c11", "-w", "-shared", "-fPIC", "-x", "c", "-", "-lm"),
)

MEND = "install gcc (for example: apt install gcc), or set CC to a C compiler"


def compiler() -> str:
    """Path of the C compiler: ``$CC``, else gcc, cc or clang.

    Raises
    ------
    BackendError
        When there is none.
    """
    names = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "cc", "clang"]
    for name in names:
        if found := shutil.which(name):
            return found
    raise BackendError(f"backend 'native': no C compiler ({', '.join(names)}) was found; {MEND}")


@cache
def _machine() -> str:
    """The compiler's version, and the processor that ``-march=native`` looks at."""
    version = subprocess.run(
        [compiler(), "--version"], capture_output=True, text=True, check=False
    ).stdout.partition("\n")[0]
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n", 1)[0].splitlines()
    except OSError:
        return f"{version}; {' '.join(os.uname())}"
    kept = ("flags", "Features", "model name", "CPU part")
    return "; ".join([version, *(line for line in lines if line.startswith(kept))])


def library(source: str, folder: Path) -> ctypes.CDLL:
    """The compiled source, from the folder if it is there.

    Parameters
    ----------
    source : str
        C.
    folder : Path
        Of the cache.

    Raises
    ------
    BackendError
        No compiler, an error of the compiler, or a folder that cannot be written.
    """
    key = hashlib.sha256("\0".join([source, _machine(), *FLAGS]).encode()).hexdigest()[:32]
    path = folder / "native" / f"{key}.so"
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".c").write_text(source)  # for whoever wants to read it
            with replacing(path) as temporary:
                _compile(source, temporary)
        except OSError as error:
            raise BackendError(
                f"backend 'native': cannot write to the cache {str(folder)!r} ({error.strerror});"
                " set NEURO_CACHE or the option cache_dir to a folder that you can write to"
            ) from error
    return ctypes.CDLL(str(path))


def _compile(source: str, target: Path) -> None:
    command = [compiler(), *FLAGS, "-o", str(target)]
    done = subprocess.run(
        command, input=source, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = "\n".join(done.stderr.strip().splitlines()[-20:])
        raise BackendError(
            f"backend 'native': the compiler failed ({' '.join(command)}):\n{lines}\n"
            "Use backend='reference', which needs no compiler, or set CC to another one."
        )

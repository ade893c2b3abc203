"""The CUDA compiler and the GPU: finding them, compiling the project of a program.

nvcc comes with the CUDA toolkit, or from PyPI (``nvidia-cuda-nvcc``, ``nvidia-cuda-cccl``).
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

from neuro.backends.brian2.calls import Calls
from neuro.errors import BackendError

#: No fast mathematics and no fused multiply-add: each operation rounds once, as on a processor.
COMPILE_FLAGS = ("-w", "-O3", "-std=c++17", "--fmad=false", "-Xcompiler", "-ffp-contract=off")

#: Compiled for when there is no GPU to ask: Ampere. Its code runs on all later ones.
DEFAULT_CAPABILITY = 8.0

#: The one file to compile, which includes all others: most of the time goes into reading Thrust.
SOURCE = "program.cu"

OBJECT = "program.o"

#: What helps when nvcc fails.
MEND = "Is it the nvcc of a whole CUDA toolkit (from 11 on)? CUDACXX chooses another."

NEEDS = (
    "brian2 (cuda): target='cuda' generates code here (sim.engine.write_sources(folder)), but"
    " running needs an NVIDIA GPU and nvcc"
)

# Attributes of a device in the driver's interface (cuda.h, CUdevice_attribute).
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76


def nvcc() -> str:
    """Path of nvcc: ``$CUDACXX``, in ``$PATH``, in ``/usr/local/cuda`` or installed from PyPI.

    Raises
    ------
    BackendError
        When there is none.
    """
    if wanted := os.environ.get("CUDACXX"):
        if found := shutil.which(wanted):
            return found
        raise BackendError(f"brian2 (cuda): $CUDACXX is {wanted!r}, which was not found")
    if found := shutil.which("nvcc"):
        return found
    wheels = Path(sysconfig.get_path("purelib"), "nvidia")
    for path in (Path("/usr/local/cuda/bin/nvcc"), *sorted(wheels.glob("*/bin/nvcc"))):
        if os.access(path, os.X_OK):
            return str(path)
    raise BackendError(
        f"{NEEDS}; nvcc was not found: install the CUDA toolkit, or set CUDACXX to its nvcc"
    )


def nvcc_version() -> str:
    """What nvcc says about itself."""
    return subprocess.run(
        [nvcc(), "--version"], capture_output=True, text=True, check=False
    ).stdout.strip()


def gpu_capability() -> float | None:
    """Compute capability of the first GPU, for example 9.0; None when there is no GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    count, device = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return None
    driver.cuDeviceGet(ctypes.byref(device), 0)
    found = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        found.append(value.value)
    return found[0] + found[1] / 10


def architecture(capability: float) -> str:
    """The option of nvcc for a compute capability: ``-arch=sm_80`` for 8.0."""
    return f"-arch=sm_{round(10 * capability)}"


def compile_project(folder: Path, capability: float, link: bool = True) -> Path:
    """Compile the project in a folder; returns the program, or the object file without ``link``.

    Raises
    ------
    BackendError
        No nvcc, or its messages.
    """
    command = [nvcc(), architecture(capability)]
    with Calls(folder, "brian2 (cuda)", MEND) as calls:
        calls.run([*command, *COMPILE_FLAGS, "-I.", "-dc", SOURCE, "-o", OBJECT])
        if not link:
            return folder / OBJECT
        calls.run([*command, OBJECT, "-o", "main"])
    return folder / "main"


def makefile(capability: float) -> str:
    """The same as a makefile, for who compiles the project elsewhere."""
    flags = " ".join((architecture(capability), *COMPILE_FLAGS))
    return (
        f"NVCC ?= nvcc\nFLAGS = {flags}\n\n"
        f"main: {OBJECT}\n\t$(NVCC) $(FLAGS) $< -o $@\n\n"
        f"{OBJECT}: {SOURCE} $(wildcard *.cu *.h code_objects/*)\n"
        f"\t$(NVCC) $(FLAGS) -I. -dc $< -o $@\n"
    )

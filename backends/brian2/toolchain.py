"""What makes a program of a blueprint: code generation and compiler of the compiled targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from neuro.backends.brian2 import compiler, nvcc
from neuro.backends.brian2.blueprint import Blueprint


class Toolchain(Protocol):
    """How a target gets its programs."""

    @property
    def target(self) -> str:
        """Name of the target."""
        ...

    def depends(self) -> Mapping[str, str]:
        """What a compiled program depends on, apart from the blueprint and this package."""
        ...

    def write(self, plan: Blueprint, folder: Path) -> list[str]:
        """Write the sources into a folder; names of those to compile."""
        ...

    def compile(self, folder: Path, sources: list[str]) -> Path:
        """Compile sources in their folder; returns the program."""
        ...


@dataclass(frozen=True)
class Cpp:
    """C++ for the processor; a ``threaded`` program takes the number of threads when it starts."""

    threaded: bool = False
    target = "cpp"

    def depends(self) -> Mapping[str, str]:
        """Compiler, processor and flags."""
        return {
            "compiler": compiler.compiler_id(),
            "flags": " ".join(compiler.flags(self.threaded)),
        }

    def write(self, plan: Blueprint, folder: Path) -> list[str]:
        """Brian2's C++ standalone project, with our main."""
        from neuro.backends.brian2.sandbox import import_brian2

        import_brian2()
        from neuro.backends.brian2.standalone import write_sources

        return write_sources(plan, folder)

    def compile(self, folder: Path, sources: list[str]) -> Path:
        """With the C++ compiler, several files at a time."""
        return compiler.compile_program(folder, sources, self.threaded)


#: C++ for one thread.
SERIAL = Cpp()


@dataclass(frozen=True)
class Cuda:
    """CUDA for a GPU of some compute capability."""

    capability: float
    target = "cuda"

    def depends(self) -> Mapping[str, str]:
        """Code generation, compiler and flags."""
        return {
            "brian2cuda": version("brian2cuda"),
            "compiler": nvcc.nvcc_version(),
            "flags": " ".join((nvcc.architecture(self.capability), *nvcc.COMPILE_FLAGS)),
        }

    def write(self, plan: Blueprint, folder: Path) -> list[str]:
        """Brian2CUDA's project, with our main."""
        from neuro.backends.brian2.sandbox import import_brian2

        import_brian2()
        from neuro.backends.brian2.cuda import write_sources

        return write_sources(plan, folder, self.capability)

    def compile(self, folder: Path, sources: list[str]) -> Path:
        """With nvcc, all in one."""
        return nvcc.compile_project(folder, self.capability)

"""The reference backend: NumPy, the oracle that every other backend is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from neuro.engine import Variant
from neuro.errors import CompileError
from neuro.program import Program

if TYPE_CHECKING:
    from neuro.backends.reference.engine import ReferenceEngine


class ReferenceBackend:
    """Entry point of the group ``neuro.backends``."""

    name = "reference"

    def available(self) -> bool | str:
        """Always: it needs only NumPy."""
        return True

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """One input at a time; everything else it can."""
        return {"batch": "the oracle runs one input at a time; use backend='torch'"}

    def variants(self) -> Sequence[Variant]:
        """One."""
        return (Variant("reference"),)

    def compile(self, program: Program, **options: Any) -> Any:
        """Make an engine; there are no options."""
        if options:
            raise CompileError(
                f"backend 'reference' has no option {', '.join(map(repr, options))}; remove it"
            )
        return self.engine(program)

    def engine(
        self, program: Program, arrays: Mapping[str, NDArray[Any]] | None = None
    ) -> ReferenceEngine:
        """An engine for a backend that runs a program, or a part of one, in a place of its own.

        Parameters
        ----------
        program : Program
        arrays : mapping, optional
            Where the values of the program's arrays live (shared memory, for example).
        """
        from neuro.backends.reference.engine import ReferenceEngine

        return ReferenceEngine(program, arrays)


BACKEND = ReferenceBackend()

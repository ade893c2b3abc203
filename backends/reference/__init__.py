"""The reference backend: NumPy, the oracle that every other backend is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuro.engine import Variant
from neuro.errors import CompileError
from neuro.program import Program


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
        from neuro.backends.reference.engine import ReferenceEngine

        return ReferenceEngine(program)


BACKEND = ReferenceBackend()

"""The entry of the group ``neuro.backends``: options and availability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neuro.engine import Variant
from neuro.errors import BackendError, CompileError
from neuro.program import Program


class NativeBackend:
    """Runs programs as C code that is written for them.

    Option of :meth:`compile`: ``cache_dir`` keeps compiled code, by default ``$NEURO_CACHE`` or
    ``neuro`` in the user's cache.
    """

    name = "native"

    def available(self) -> bool | str:
        """``True``, or what is missing."""
        from neuro.backends.native.build import compiler

        try:
            compiler()
        except BackendError as error:
            return str(error).partition(": ")[2]
        return True

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """One input at a time."""
        return {"batch": "compiled code runs one input at a time; use backend='torch'"}

    def variants(self) -> Sequence[Variant]:
        """One."""
        return (Variant("native"),)

    def compile(self, program: Program, **options: Any) -> Any:
        """Make an engine; compiles, unless the cache has a program of the same structure."""
        cache_dir = options.pop("cache_dir", None)
        if options:
            raise CompileError(
                f"backend 'native' has no option {', '.join(map(repr, options))}; it has cache_dir"
            )
        from neuro.backends.native.engine import NativeEngine
        from neuro.cache import cache_folder

        folder = cache_folder() if cache_dir is None else Path(cache_dir).expanduser()
        return NativeEngine(program, folder)


BACKEND = NativeBackend()

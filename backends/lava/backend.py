"""The entry of the group ``neuro.backends``: options and availability."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from neuro.engine import Variant
from neuro.errors import CompileError
from neuro.program import Program

MODES = ("fused", "expanded")

LEARNING = ("exact", "loihi")

#: The release that this adapter is made for; the last one, as Lava is archived.
LAVA = "0.10.0"

_INSTALL = f"pip install --no-deps --ignore-requires-python lava-nc=={LAVA}"


class LavaBackend:
    """Runs programs with Intel's Lava, in a process of its own.

    Options of :meth:`compile`: ``mode="fused"`` runs the whole program in one Lava process;
    ``"expanded"`` makes a Lava process of every population and projection, joined by ports.
    ``learning="loihi"`` computes rules as Lava's learning engine does, translated
    (:func:`neuro.loihi.translate`): expanded, in Lava's process ``LearningDense``; fused, the
    same numbers to the bit. ``"exact"`` computes them as written.
    ``timeout`` is how many seconds a run may pass without any process making progress, before
    it is ended with an error.
    """

    name = "lava"

    def available(self) -> bool | str:
        """``True``, or what is missing and the command that mends it."""
        if not sys.platform.startswith("linux"):
            return f"Lava processes are forked, which works on Linux only, not on {sys.platform}"
        try:
            version = metadata.version("lava-nc")
        except metadata.PackageNotFoundError:
            return f"Lava is not installed; run: {_INSTALL}"
        if version != LAVA:
            return f"lava-nc is {version}, but must be {LAVA}; run: {_INSTALL}"
        needed = ("lava.magma.compiler.var_model", "lava.proc.lif.models")
        if not all(map(_found, needed)):
            return f"the installation of Lava is broken; run: {_INSTALL} --force-reinstall"
        missing = [name for name in ("asteval", "networkx", "scipy") if not _found(name)]
        if missing:
            return f"Lava needs {', '.join(missing)}; run: pip install {' '.join(missing)}"
        return True

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """What Lava cannot do."""
        return {"batch": "Lava runs one input at a time; use backend='torch'"}

    def variants(self) -> Sequence[Variant]:
        """One per mode."""
        return (
            Variant("lava", {"mode": "fused"}),
            Variant("lava, expanded", {"mode": "expanded"}, quick=False),
        )

    def compile(self, program: Program, **options: Any) -> Any:
        """Make an engine; its process starts at once, Lava's processes with the first run."""
        mode = options.pop("mode", "fused")
        timeout = options.pop("timeout", 60.0)
        learning = options.pop("learning", "exact")
        if options:
            raise CompileError(
                f"backend 'lava' has no option {', '.join(map(repr, options))};"
                " it has mode, timeout and learning"
            )
        if mode not in MODES:
            raise CompileError(f"mode {mode!r} of backend 'lava' is not one of {MODES}")
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout > 0:
            raise CompileError(
                f"backend 'lava': timeout={timeout!r} is not a positive number of seconds"
            )
        if learning not in LEARNING:
            raise CompileError(
                f"learning {learning!r} of backend 'lava' is unknown; choose from"
                f" {', '.join(map(repr, LEARNING))}"
            )
        made = {"mode": mode, "timeout": float(timeout), "learning": learning}
        if learning == "loihi":
            from neuro.backends.lava.learning_engine import LavaLearningEngine

            return LavaLearningEngine(program, made)
        from neuro.backends.lava.engine import LavaEngine

        return LavaEngine(program, made)


def _found(module: str) -> bool:
    """Whether a module's file is there; parents that are packages are imported, it is not."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False

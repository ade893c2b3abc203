"""The entry of the group ``neuro.backends``: options, availability, and the choice of a target."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from neuro.engine import Variant
from neuro.errors import BackendError, CompileError
from neuro.program import Program

TARGETS = ("auto", "numpy", "cython", "cpp", "cuda")


class Brian2Backend:
    """Runs programs with the simulator Brian2 (Stimberg et al. 2019, eLife 8:e47314).

    Options of :meth:`compile`: ``target`` is ``"numpy"`` (no compiler), ``"cython"``, ``"cpp"``
    (C++ standalone; fastest for long runs) or ``"auto"``; ``threads`` is how many threads ``cpp``
    may use, with the same bits for any number; ``cache_dir`` keeps compiled code, by default
    ``$NEURO_CACHE`` or ``neuro`` in the user's cache. ``"cuda"`` (code by Brian2CUDA) needs an
    NVIDIA GPU and nvcc to run; ``compute_capability``, for example 9.0, is by default the GPU's.
    """

    name = "brian2"

    def available(self) -> bool | str:
        """``True``, or what is missing."""
        if importlib.util.find_spec("brian2") is None:
            return "Brian2 is not installed; run: pip install brian2"
        return True

    def ways(self) -> Mapping[str, bool | str]:
        """Targets that need a compiler or a GPU."""
        from neuro.backends.brian2.compiler import compiler

        compiled = _able(compiler)
        cython: bool | str = compiled
        if importlib.util.find_spec("Cython") is None:
            cython = "Cython is not installed; run: pip install cython"
        return {"target='cpp'": compiled, "target='cython'": cython, "target='cuda'": _cuda()}

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """What Brian2 cannot do."""
        return {"batch": "Brian2 runs one input at a time; use backend='torch'"}

    def variants(self) -> Sequence[Variant]:
        """One per target."""
        return (
            Variant("brian2, numpy", {"target": "numpy"}),
            Variant("brian2, C++", {"target": "cpp"}, quick=False),
            Variant("brian2, Cython", {"target": "cython"}, quick=False),
        )

    def compile(self, program: Program, **options: Any) -> Any:
        """Make an engine; nothing is compiled before the first run."""
        target = options.pop("target", "auto")
        cache_dir = options.pop("cache_dir", None)
        threads = options.pop("threads", 1)
        capability = options.pop("compute_capability", None)
        if options:
            raise CompileError(
                f"backend 'brian2' has no option {', '.join(map(repr, options))};"
                " it has target, threads, compute_capability and cache_dir"
            )
        if target not in TARGETS:
            raise CompileError(f"target {target!r} of backend 'brian2' is not one of {TARGETS}")
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise CompileError(f"backend 'brian2': threads={threads!r} is not a number from 1 on")
        if threads > 1 and target not in ("cpp", "auto"):
            raise CompileError(
                f"backend 'brian2': target {target!r} runs on one thread; threads={threads} goes"
                " with target='cpp'"
            )
        if target == "cuda" and importlib.util.find_spec("brian2cuda") is None:
            raise BackendError(
                "backend 'brian2': target='cuda' needs Brian2CUDA, which is not installed; run:"
                " pip install 'neuro[cuda]'"
            )
        if capability is not None and (target != "cuda" or not _is_capability(capability)):
            raise CompileError(
                f"backend 'brian2': compute_capability={capability!r} must be a number such as 9.0,"
                " and goes with target='cuda'"
            )
        from neuro.backends.brian2.drawing import draw
        from neuro.backends.brian2.engine import Brian2Engine
        from neuro.backends.brian2.targets import Chooser
        from neuro.cache import cache_folder

        folder = cache_folder() if cache_dir is None else Path(cache_dir).expanduser()
        plan = draw(program)
        return Brian2Engine(plan, Chooser(plan, target, folder, threads, capability))


def _able(find: Callable[[], object]) -> bool | str:
    """True, or what the error says."""
    try:
        find()
    except BackendError as error:
        return str(error)
    return True


def _cuda() -> bool | str:
    from neuro.backends.brian2.nvcc import gpu_capability, nvcc

    if importlib.util.find_spec("brian2cuda") is None:
        return "Brian2CUDA is not installed; run: pip install 'neuro[cuda]'"
    if gpu_capability() is None:
        return "there is no NVIDIA GPU (code is generated without one)"
    return _able(nvcc)


def _is_capability(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 5 <= value < 100

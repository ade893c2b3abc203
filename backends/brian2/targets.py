"""Which target runs a program: as asked, or the one that should be done first."""

from __future__ import annotations

import os
from pathlib import Path

from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.piece import Runner


def cache_folder() -> Path:
    """``$NEURO_CACHE``, else ``neuro`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if chosen := os.environ.get("NEURO_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neuro"


class Chooser:
    """Makes the runner at the first run, when the number of steps is known."""

    def __init__(self, plan: Blueprint, target: str, cache: Path) -> None:
        self._plan, self._target, self._cache = plan, target, cache

    def __call__(self, steps: int) -> tuple[str, Runner]:
        """Target and runner for a first run of some steps."""
        target = "numpy"
        if self._target != "auto":
            target = self._target
        if target == "cpp":
            from neuro.backends.brian2.process import ProcessRunner

            return target, ProcessRunner(self._plan, self._cache)
        from neuro.backends.brian2.sandbox import import_brian2

        import_brian2()
        from neuro.backends.brian2.runtime import RuntimeRunner

        return target, RuntimeRunner(self._plan, target, self._cache)

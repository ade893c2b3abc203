"""Which backends are installed, and finding one by its name. Imports none of them by itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from neuro.engine import Backend
from neuro.errors import BackendError

GROUP = "neuro.backends"


@cache
def _registered() -> Mapping[str, Any]:
    return {point.name: point for point in entry_points(group=GROUP)}


def backends() -> dict[str, bool | str]:
    """Every installed backend: ``True``, or the reason why it cannot be used and the mend."""
    found: dict[str, bool | str] = {}
    for name, point in sorted(_registered().items()):
        try:
            found[name] = point.load().available()
        except (ImportError, AttributeError) as error:
            found[name] = f"cannot be loaded: {error}"
    return found


def installed_backends() -> list[Backend]:
    """Every installed backend that can be imported, usable or not; the reference first."""
    made: list[Backend] = []
    for _, point in sorted(_registered().items(), key=lambda item: (item[0] != "reference", item)):
        with suppress(ImportError):
            made.append(point.load())
    return made


def find_backend(name: str) -> Backend:
    """The backend of a name, ready to compile.

    Raises
    ------
    BackendError
        Unknown name, or not available here; the message says why.
    """
    point = _registered().get(name)
    if point is None:
        known = ", ".join(sorted(_registered())) or "none (is neuro installed?)"
        raise BackendError(f"no backend {name!r}; installed: {known}")
    try:
        backend: Backend = point.load()
    except ImportError as error:
        raise BackendError(f"backend {name!r} cannot be imported: {error}") from error
    available = backend.available()
    if available is not True:
        raise BackendError(f"backend {name!r} is not available: {available}")
    return backend

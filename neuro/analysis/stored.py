"""Analyses as plain data for JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

import numpy as np

T = TypeVar("T")


def to_json(thing: Any) -> Any:
    """Plain data of a dataclass or mapping of numbers, texts, arrays, tuples and more of these.

    NaN, which JSON does not have, becomes None.
    """
    if is_dataclass(thing):
        return {f.name: to_json(getattr(thing, f.name)) for f in fields(thing)}
    if isinstance(thing, Mapping):
        return {name: to_json(value) for name, value in thing.items()}
    if isinstance(thing, np.ndarray):
        return to_json(thing.tolist())
    if isinstance(thing, (list, tuple)):
        return [to_json(item) for item in thing]
    if isinstance(thing, float):
        return None if np.isnan(thing) else thing
    return thing


def from_json(kind: type[T], data: Mapping[str, Any]) -> T:
    """Rebuild a dataclass from what :func:`to_json` made of it.

    Parameters
    ----------
    kind : type
        The dataclass.
    data : mapping

    Raises
    ------
    KeyError, TypeError, ValueError
        If ``data`` is not of that kind.
    """
    hints = get_type_hints(kind)
    return kind(**{name: _value(hint, data[name]) for name, hint in hints.items()})


def _value(hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        return from_json(hint, value)
    arguments = get_args(hint)
    if hint is float:
        return float("nan") if value is None else float(value)
    if hint in (int, str):
        return hint(value)
    if getattr(hint, "__origin__", None) is tuple:  # tuple[kind, ...]
        return tuple(_value(arguments[0], item) for item in value)
    array = np.array(value)
    # A None among the numbers stood for NaN.
    return array.astype(np.float64) if array.dtype == object else array

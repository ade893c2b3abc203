"""SHA-256 of nested content: equal digests mean equal numbers, bit for bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def digest(*values: Any) -> str:
    """SHA-256 of values, in hexadecimal.

    Parameters
    ----------
    *values
        None, truth values, numbers, text, arrays; sequences and mappings of such, in order;
        dataclasses; other objects, by class and attributes. The attribute ``_cached`` is left
        out: what an object keeps there follows from the rest.

    Raises
    ------
    TypeError
        For an object without attributes of its own, whose content cannot be seen.
    """
    total = hashlib.sha256()
    for value in values:
        for part in _parts(value):
            # The length keeps ("ab", "c") apart from ("a", "bc").
            total.update(len(part).to_bytes(8, "little"))
            total.update(part)
    return total.hexdigest()


def _parts(value: Any) -> Iterator[bytes | memoryview]:
    """The content of a value as pieces of bytes, each nesting opened with its kind and length."""
    if isinstance(value, np.generic | np.ndarray):
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"digest: an array of {array.dtype} holds objects")
        yield f"array {array.dtype.str} {np.shape(value)}".encode()
        yield array.reshape(-1).view(np.uint8).data
    elif value is None or isinstance(value, bool | int | str):
        yield f"{type(value).__name__} {value}".encode()
    elif isinstance(value, float):
        yield f"float {value.hex()}".encode()
    elif isinstance(value, list | tuple):
        yield f"sequence {len(value)}".encode()
        for item in value:
            yield from _parts(item)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for key, item in value.items():
            yield from _parts(key)
            yield from _parts(item)
    else:
        yield f"object {type(value).__module__}.{type(value).__qualname__}".encode()
        yield from _parts(_attributes(value))


def _attributes(value: Any) -> Mapping[str, Any]:
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        raise TypeError(f"digest: the content of {value!r} cannot be seen")
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return {name: item for name, item in vars(value).items() if name != "_cached"}

"""What all settings have in common: named values that options can change."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from neuro.errors import DescriptionError

SPIKE_IMPORTANCE = ("isi-cv", "uniform", "shuffled")
"""Regularisers of spiking learners: importance by inter-spike intervals, and its two controls."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Named values, checked; the base of all settings.

    Raises
    ------
    DescriptionError
        On construction, if a number is not finite.
    """

    def __post_init__(self) -> None:
        for setting in dataclasses.fields(self):
            value = getattr(self, setting.name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, float) and not math.isfinite(number):
                    raise DescriptionError(f"preset: {setting.name} is {value}; it must be finite")

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """A copy with some fields replaced; values may be plain JSON (lists, whole floats).

        Raises
        ------
        DescriptionError
            If a name is no field, a value does not have the field's type, or it may not be
            changed.
        """
        kinds = typing.get_type_hints(type(self))
        known = [f.name for f in dataclasses.fields(self)]
        unknown = [name for name in values if name not in known]
        if unknown:
            raise DescriptionError(
                f"preset: unknown setting {unknown[0]!r}; known are {', '.join(known)}"
            )
        fitted = {n: _fitted(n, v, kinds[n]) for n, v in values.items()}
        for name in (n for n, v in fitted.items() if v != getattr(self, n)):
            self._check_changeable(name, fitted[name])
        return replace(self, **fitted)

    def _check_changeable(self, name: str, value: Any) -> None:
        """Refuse a change that makes no sense; any does here."""

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary, accepted by :meth:`with_values`."""
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Settings(Options):
    """Settings of a learner; a subclass adds those of its kind.

    Attributes
    ----------
    learner : str
        Name in :data:`neuro.models.learners.LEARNERS`.
    regulariser : str
        What protects earlier tasks while a new one is learned.
    epochs, batch_size : int
        Passes over a task's images; images per update.
    images_per_task : int or None
        Training images drawn for each task; None: all.
    """

    #: Names of settings that make another learner of this one.
    FIXED: ClassVar[tuple[str, ...]] = ("learner", "regulariser")

    learner: str
    regulariser: str = "none"
    epochs: int = 1
    batch_size: int = 20
    images_per_task: int | None = None

    def steps(self, task: int) -> int:
        """Time steps of the sleep after a task (counted from 0); 0: no sleep."""
        return 0

    def _check_changeable(self, name: str, value: Any) -> None:
        """Refuse a change that would have no effect, or make another learner of this one."""
        if name in self.FIXED:
            raise DescriptionError(
                f"preset: these are settings for {name} {getattr(self, name)!r}, not {value!r}; "
                f"ask for the {name} by name (--{name} {value})"
            )
        reads = self.__dataclass_fields__[name].metadata.get("learners", (self.learner,))
        if self.learner not in reads:
            raise DescriptionError(
                f"preset: {name} means nothing to learner {self.learner!r}; it is a setting of "
                f"{', '.join(reads)}"
            )


def _fitted(name: str, value: Any, kind: Any) -> Any:
    """``value`` as ``kind``, which is the type of a field of settings."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)[0]
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(_fitted(name, item, inner) for item in items)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise DescriptionError(f"preset: {name} is {value!r}; expected {kind.__name__}")
    return value

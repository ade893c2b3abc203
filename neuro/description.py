"""What every described thing (model, rule, source, connector) shares: equality by content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.units import to_si

Value = float | NDArray[np.float64]


class Described:
    """Base of immutable descriptions; two are equal when their public content is equal."""

    def content(self) -> Mapping[str, Any]:
        """Everything that defines this description, by name."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Described):
            return NotImplemented
        return type(self) is type(other) and same(self.content(), other.content())

    __hash__ = None  # type: ignore[assignment]  # holds arrays

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={_brief(v)}" for k, v in self.content().items())
        return f"{type(self).__name__}({inside})"


def same(a: Any, b: Any) -> bool:
    """Equality of nested content that may hold arrays."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and bool(np.array_equal(a, b))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"array{value.shape}"
    return repr(value)


@dataclass(frozen=True)
class Parameter:
    """Declaration of a parameter: its unit and the range that makes sense.

    Attributes
    ----------
    unit : str or None
        SI unit, see :data:`neuro.units.UNITS`; None: any.
    minimum : float
        Smallest value allowed.
    exclusive : bool
        Whether the minimum itself is refused.
    """

    unit: str | None = "1"
    minimum: float = -np.inf
    exclusive: bool = False

    def read(self, value: Any, where: str) -> Value:
        """The value in SI units, checked; arrays are copied and frozen.

        Raises
        ------
        UnitError, DescriptionError
            Wrong dimension; NaN or infinity; outside the range.
        """
        number: Value = to_si(value, self.unit, where)
        array = np.asarray(number)
        if not np.all(np.isfinite(array)):
            raise DescriptionError(f"{where} is {value!r}; it must be finite")
        below = array <= self.minimum if self.exclusive else array < self.minimum
        if np.any(below):
            worst = float(array.min())
            sign = ">" if self.exclusive else ">="
            unit = "" if self.unit in (None, "1") else f" {self.unit}"
            raise DescriptionError(
                f"{where} is {worst:g}{unit}; it must be {sign} {self.minimum:g}"
            )
        if isinstance(number, np.ndarray):
            number.flags.writeable = False
        return number


def whole_steps(seconds: float, dt: float, where: str) -> int:
    """Number of time steps in a duration that must be a multiple of dt.

    Raises
    ------
    CompileError
        When it is none; the message names the nearest values that are.
    """
    from neuro.errors import CompileError

    steps = round(seconds / dt)
    if abs(seconds / dt - steps) > 1e-6 * max(1.0, abs(steps)):
        low = int(np.floor(seconds / dt)) * dt
        raise CompileError(
            f"{where} is {seconds:g} s, not a multiple of dt = {dt:g} s;"
            f" use {low:g} or {low + dt:g} s, or another dt"
        )
    return steps

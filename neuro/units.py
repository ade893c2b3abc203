"""Physical dimensions, and conversion of quantities with units to plain SI floats.

Users pass SI floats, Brian2 quantities or pint quantities. Neither package is imported here:
Brian2 quantities carry their dimension as exponents of the seven SI base units, pint's convert
themselves to base units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import UnitError

_BASE = ("m", "kg", "s", "A", "K", "mol", "cd")


@dataclass(frozen=True)
class Dimension:
    """Exponents of the SI base units (m, kg, s, A, K, mol, cd)."""

    exponents: tuple[float, ...] = (0.0,) * 7

    def __mul__(self, other: Dimension) -> Dimension:
        return Dimension(tuple(a + b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def __truediv__(self, other: Dimension) -> Dimension:
        return Dimension(tuple(a - b for a, b in zip(self.exponents, other.exponents, strict=True)))

    def power(self, exponent: float) -> Dimension:
        """The dimension raised to a power."""
        return Dimension(tuple(a * exponent for a in self.exponents))

    def __str__(self) -> str:
        for name, dimension in UNITS.items():
            if dimension == self:
                return name
        parts = [
            base if power == 1 else f"{base}^{power:g}"
            for base, power in zip(_BASE, self.exponents, strict=True)
            if power
        ]
        return " ".join(parts)


def _dimension(**powers: float) -> Dimension:
    return Dimension(tuple(float(powers.get(base, 0)) for base in _BASE))


#: Units that model descriptions may name; values are always in the SI unit itself.
UNITS: dict[str, Dimension] = {
    "1": _dimension(),
    "second": _dimension(s=1),
    "hertz": _dimension(s=-1),
    "volt": _dimension(m=2, kg=1, s=-3, A=-1),
    "ampere": _dimension(A=1),
    "siemens": _dimension(m=-2, kg=-1, s=3, A=2),
    "ohm": _dimension(m=2, kg=1, s=-3, A=-2),
    "farad": _dimension(m=-2, kg=-1, s=4, A=2),
    "coulomb": _dimension(s=1, A=1),
    "meter": _dimension(m=1),
}

DIMENSIONLESS = UNITS["1"]


def dimension_of(unit: str, where: str) -> Dimension:
    """Dimension of a unit text such as ``"volt"`` or ``"volt/second"``.

    Raises
    ------
    UnitError
        For a unit that is not in :data:`UNITS`.
    """
    result = DIMENSIONLESS
    operator = "*"
    for token in unit.replace("*", " * ").replace("/", " / ").split():
        if token in "*/":
            operator = token
        elif token in UNITS:
            result = result * UNITS[token] if operator == "*" else result / UNITS[token]
        else:
            raise UnitError(f"{where}: unknown unit {token!r}; known: {', '.join(UNITS)}")
    return result


def given_dimension(value: Any, where: str) -> Dimension | None:
    """Dimension of a Brian2 or pint quantity; None for anything else."""
    dimension = getattr(value, "dim", None)
    if dimension is not None and hasattr(dimension, "get_dimension"):  # Brian2
        return Dimension(tuple(float(p) for p in dimension._dims))
    if hasattr(value, "to_base_units") and hasattr(value, "dimensionality"):  # pint
        return _pint_dimension(value.to_base_units(), where)
    return None


def to_si(value: Any, unit: str | None, where: str) -> Any:
    """A number or array in SI units, from a plain number or a quantity with units.

    Parameters
    ----------
    value : float, array_like, Brian2 quantity or pint quantity
        A plain number is taken to be in SI already.
    unit : str or None
        The expected unit (its dimension is what counts), e.g. ``"second"``; None: any.
    where : str
        What the value is, for the message ("tau_m of LIF").

    Returns
    -------
    float or ndarray of float64

    Raises
    ------
    UnitError
        When a quantity has another dimension, or the value is not a number.
    """
    given = given_dimension(value, where)
    if given is None:
        return _plain(value, where)
    if unit is not None:
        _check_dimension(given, dimension_of(unit, where), value, unit, where)
    pint = hasattr(value, "to_base_units")
    return _plain(value.to_base_units().magnitude if pint else np.asarray(value), where)


def _check_dimension(
    given: Dimension, expected: Dimension, value: object, unit: str, where: str
) -> None:
    if not np.allclose(given.exponents, expected.exponents):
        raise UnitError(
            f"{where}: {value} has dimension {given}, expected {unit};"
            f" pass a quantity in {unit} or a plain number in SI units"
        )


_PINT_BASE = {
    "[length]": "m",
    "[mass]": "kg",
    "[time]": "s",
    "[current]": "A",
    "[temperature]": "K",
    "[substance]": "mol",
    "[luminosity]": "cd",
}


def _pint_dimension(quantity: Any, where: str) -> Dimension:
    powers = {}
    for name, power in dict(quantity.dimensionality).items():
        if name not in _PINT_BASE:
            raise UnitError(f"{where}: {quantity} has the unknown base dimension {name}")
        powers[_PINT_BASE[name]] = float(power)
    return _dimension(**powers)


def _plain(value: Any, where: str) -> float | NDArray[np.float64]:
    if isinstance(value, bool | str) or value is None:
        raise UnitError(f"{where}: {value!r} is not a number; pass a float in SI units")
    try:
        array = np.array(value, dtype=np.float64)  # a copy: the description owns its data
    except (TypeError, ValueError):
        raise UnitError(f"{where}: {value!r} is not a number or an array of numbers") from None
    return float(array) if array.ndim == 0 else array

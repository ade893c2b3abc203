"""Recipes: functions as fixed sequences of elementary operations that every backend can repeat.

Each elementary operation is one that IEEE 754 rounds exactly, or that only moves bits, so it has
the same result on every machine; so has the sequence, as long as a backend does these operations
and no others (no fused multiply-add, no reordering). A recipe is written once, as a Python
function of :class:`Value` objects, which record what is done to them (:func:`record`). NumPy runs
the list (:mod:`neuro.equations.functions`), compiled backends print it, tensor backends need one
table of these operations:

==================== =============================================================================
``add`` and so on    ``add``, ``subtract``, ``multiply``, ``divide``, ``absolute``, ``floor``
``minimum, maximum`` Of a value and a literal that is not 0; NaN for NaN.
``less, equal``      Truth values; false for NaN.
``both``             Whether two truth values are true.
``where(c, a, b)``   ``a`` where the truth value ``c`` holds, else ``b``.
``copysign(a, b)``   ``a`` with the sign of ``b``, also that of a zero.
``ldexp(a, k)``      ``a 2^k``, rounded once, for whole ``|k| <= 1100``. Either the product is a
                     normal number or ``0.5 < |a| < 2``, so ``(a 2^h) 2^(k-h)`` with
                     ``h = floor(k/2)`` does it too. NaN for a NaN ``a``, whatever ``k`` is.
``exponent(a)``      Whole ``e`` of a normal ``a = m 2^e > 0`` with m from 0.7071 to 1.4142:
                     ``((bits(a) + EXPONENT_OFFSET) >> 52) - 1023``. Any number for other ``a``.
==================== =============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Union

#: Added to the bits of a double, it carries into the exponent where the mantissa is over sqrt(2).
EXPONENT_OFFSET = 0x0009_5F62_0000_0000

#: Operations whose result is a truth value; that of all others is a double.
TRUTHS = frozenset({"less", "equal", "both"})

Number = Union["Value", float]


@dataclass(frozen=True)
class Operation:
    """One elementary operation; an operand is the number of an earlier value, or a literal."""

    name: str
    operands: tuple[int | float, ...]


@dataclass(frozen=True)
class Recipe:
    """A straight line of operations.

    Attributes
    ----------
    arguments : int
        Number of arguments, float64; they are the values 0, 1, ...
    operations : tuple of Operation
        Each makes the value with the next number; the last one is the result.
    """

    arguments: int
    operations: tuple[Operation, ...]

    def last_uses(self) -> dict[int, int]:
        """For each value that is used, the index of the last operation that does."""
        return {
            operand: i
            for i, operation in enumerate(self.operations)
            for operand in operation.operands
            if isinstance(operand, int)
        }


class Value:
    """A number that is known only when the recipe runs; operators record what is done to it."""

    def __init__(self, number: int, arguments: int, operations: list[Operation]) -> None:
        self._number, self._arguments, self._operations = number, arguments, operations

    def record(self, name: str, *operands: Number) -> Value:
        """Append an operation to the recipe that this value belongs to."""
        known = tuple(x._number if isinstance(x, Value) else float(x) for x in operands)
        self._operations.append(Operation(name, known))
        number = self._arguments + len(self._operations) - 1
        return Value(number, self._arguments, self._operations)

    def __add__(self, other: Number) -> Value:
        return self.record("add", self, other)

    def __radd__(self, other: float) -> Value:
        return self.record("add", other, self)

    def __sub__(self, other: Number) -> Value:
        return self.record("subtract", self, other)

    def __rsub__(self, other: float) -> Value:
        return self.record("subtract", other, self)

    def __mul__(self, other: Number) -> Value:
        return self.record("multiply", self, other)

    def __rmul__(self, other: float) -> Value:
        return self.record("multiply", other, self)

    def __truediv__(self, other: Number) -> Value:
        return self.record("divide", self, other)

    def __rtruediv__(self, other: float) -> Value:
        return self.record("divide", other, self)

    def __lt__(self, other: Number) -> Value:
        return self.record("less", self, other)

    def __gt__(self, other: Number) -> Value:
        return self.record("less", other, self)

    def __and__(self, other: Value) -> Value:
        return self.record("both", self, other)


def record(function: Callable[..., Value], arguments: int) -> Recipe:
    """The recipe of a Python function of ``arguments`` values."""
    operations: list[Operation] = []
    function(*(Value(i, arguments, operations) for i in range(arguments)))
    return Recipe(arguments, tuple(operations))


def absolute(x: Value) -> Value:
    """``|x|``."""
    return x.record("absolute", x)


def floor(x: Value) -> Value:
    """Largest whole number up to ``x``."""
    return x.record("floor", x)


def minimum(x: Value, bound: float) -> Value:
    """The smaller of ``x`` and a bound other than 0."""
    return x.record("minimum", x, bound)


def maximum(x: Value, bound: float) -> Value:
    """The larger of ``x`` and a bound other than 0."""
    return x.record("maximum", x, bound)


def equal(x: Value, y: Number) -> Value:
    """Whether two numbers are equal."""
    return x.record("equal", x, y)


def where(condition: Value, x: Number, y: Number) -> Value:
    """``x`` where the condition holds, else ``y``; both are computed."""
    return condition.record("where", condition, x, y)


def copysign(x: Number, sign: Value) -> Value:
    """``x`` with the sign of another number."""
    return sign.record("copysign", x, sign)


def ldexp(x: Number, k: Value) -> Value:
    """``x 2^k``."""
    return k.record("ldexp", x, k)


def exponent(x: Value) -> Value:
    """Binary exponent of a normal positive number."""
    return x.record("exponent", x)


def polynomial(x: Value, coefficients: Sequence[float], monic: bool = False) -> Value:
    """By Horner's rule, highest power first; a monic one has a 1 before the coefficients."""
    total = x + coefficients[0] if monic else x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[1 if monic else 2 :]:
        total = total * x + coefficient
    return total

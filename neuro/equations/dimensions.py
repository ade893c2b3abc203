"""Dimension check of expressions: volts are not added to seconds."""

from __future__ import annotations

from collections.abc import Mapping

from neuro.equations.expression import (
    COMPARISON,
    DRAWS,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    to_text,
)
from neuro.errors import EquationError, UnitError
from neuro.units import DIMENSIONLESS, Dimension

#: Functions that return the dimension of their (equal) arguments.
_SAME = {"abs", "min", "max", "clip", "floor", "trunc"}


def dimension(expr: Expr, known: Mapping[str, Dimension], where: str) -> Dimension | None:
    """Dimension of an expression, or None for a literal number (which fits any dimension).

    Literal numbers are accepted beside any dimension (``v > 0``, ``max(x - 1, 0)``), since model
    texts give values in SI; everything with a name is checked.

    Raises
    ------
    UnitError
        When dimensions that must agree do not; the message quotes the operation.
    EquationError
        For a name that is not known.
    """
    match expr:
        case Const():
            return None
        case Name(id=name):
            if name not in known:
                raise EquationError(f"{where}: unknown name {name!r}; known: {', '.join(known)}")
            return known[name]
        case Unary(op="not"):
            dimension(expr.operand, known, where)
            return DIMENSIONLESS
        case Unary(operand=operand):
            return dimension(operand, known, where)
        case Binary():
            return _binary(expr, known, where)
        case Call():
            return _call(expr, known, where)
    raise AssertionError(f"unknown expression node {expr!r}")


def _agree(dimensions: list[Dimension | None], expr: Expr, where: str) -> Dimension | None:
    found: Dimension | None = None
    for candidate in dimensions:
        if candidate is None:
            continue
        if found is not None and candidate != found:
            raise UnitError(f"{where}: {to_text(expr)} mixes {found} with {candidate}")
        found = candidate
    return found


def _binary(expr: Binary, known: Mapping[str, Dimension], where: str) -> Dimension | None:
    left, right = dimension(expr.left, known, where), dimension(expr.right, known, where)
    if expr.op in ("+", "-", "%"):
        return _agree([left, right], expr, where)
    if expr.op in ("*", "/"):
        if left is None and right is None:
            return None
        a, b = left or DIMENSIONLESS, right or DIMENSIONLESS
        return a * b if expr.op == "*" else a / b
    if expr.op == "**":
        if right not in (None, DIMENSIONLESS):
            raise UnitError(f"{where}: the exponent in {to_text(expr)} has dimension {right}")
        if left in (None, DIMENSIONLESS):
            return left
        assert left is not None
        if not isinstance(expr.right, Const):
            raise UnitError(
                f"{where}: {to_text(expr)} needs a literal exponent, its base has units"
            )
        return left.power(float(expr.right.value))
    if expr.op in COMPARISON:
        _agree([left, right], expr, where)
    return DIMENSIONLESS


def _call(expr: Call, known: Mapping[str, Dimension], where: str) -> Dimension | None:
    if expr.function in DRAWS:
        return DIMENSIONLESS
    arguments = [dimension(a, known, where) for a in expr.args]
    if expr.function in _SAME:
        return _agree(arguments, expr, where)
    if expr.function == "where":
        return _agree(arguments[1:], expr, where)
    if expr.function == "sign":
        return DIMENSIONLESS
    if expr.function == "sqrt":
        return arguments[0].power(0.5) if arguments[0] is not None else None
    if arguments[0] not in (None, DIMENSIONLESS):
        raise UnitError(
            f"{where}: {expr.function} of {to_text(expr.args[0])}, which has dimension"
            f" {arguments[0]}; divide it by a scale first"
        )
    return DIMENSIONLESS


def check_assignment(
    target: str, expr: Expr, expected: Dimension, known: Mapping[str, Dimension], where: str
) -> None:
    """Refuse an expression whose dimension is not the target's."""
    found = dimension(expr, known, where)
    if found is not None and found != expected:
        raise UnitError(f"{where}: {target} is in {expected}, but {to_text(expr)} is in {found}")

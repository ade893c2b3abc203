"""Expressions that are affine in a name: taken apart, and put together without needless terms."""

from __future__ import annotations

from neuro.equations.evaluation import fold
from neuro.equations.expression import Binary, Const, Expr, Name, Unary, names, negate

ZERO, ONE = Const(0.0), Const(1.0)


def affine(expr: Expr, x: str) -> tuple[Expr, Expr] | None:
    """``(a, b)`` where the expression is ``a x + b``, terms in their order; None if it is not."""
    if x not in names(expr):
        return ZERO, expr
    match expr:
        case Name():
            return ONE, ZERO
        case Unary(op="-", operand=operand) if inner := affine(operand, x):
            return minus(inner[0]), minus(inner[1])
        case Binary(op="+" | "-" as op, left=left, right=right):
            first, second = affine(left, x), affine(right, x)
            if first is None or second is None:
                return None
            if op == "-":
                second = minus(second[0]), minus(second[1])
            return plus(first[0], second[0]), plus(first[1], second[1])
        case Binary(op="*", left=left, right=right) if x not in names(left):
            inner = affine(right, x)
            return inner and (times(left, inner[0]), times(left, inner[1]))
        case Binary(op="*" | "/" as op, left=left, right=right) if x not in names(right):
            inner = affine(left, x)
            return inner and (times(inner[0], right, op), times(inner[1], right, op))
    return None


def plus(a: Expr, b: Expr) -> Expr:
    """``a + b``."""
    if ZERO in (a, b):
        return b if a == ZERO else a
    if isinstance(b, Unary) and b.op == "-":
        return Binary("-", a, b.operand)
    return Binary("+", a, b)


def minus(a: Expr) -> Expr:
    """``-a``."""
    if a == ZERO:
        return a
    return a.operand if isinstance(a, Unary) and a.op == "-" else negate(a)


def times(a: Expr, b: Expr, op: str = "*") -> Expr:
    """``a * b`` or ``a / b``."""
    if a == ZERO or (op == "*" and b == ZERO):
        return ZERO
    if op == "*" and Const(-1.0) in (a, b):
        return minus(fold(b if a == Const(-1.0) else a))
    return fold(Binary(op, a, b))

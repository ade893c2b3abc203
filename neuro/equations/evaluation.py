"""Plain NumPy evaluation of an expression: the meaning of the tree, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import numpy as np

from neuro.equations.expression import (
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    children,
    is_condition,
    with_children,
)
from neuro.equations.functions import clip, cos, exp, exprel, log, power, sin, tanh

DOUBLE: np.dtype[np.floating] = np.dtype(np.float64)

#: NumPy function of each operator and function of the language; all take and return arrays.
OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "%": np.mod,
    "**": power,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
    "not": np.logical_not,
    "negative": np.negative,
    "abs": np.abs,
    "clip": clip,
    "cos": cos,
    "exp": exp,
    "exprel": exprel,
    "floor": np.floor,
    "log": log,
    "max": np.maximum,
    "min": np.minimum,
    "sign": np.sign,
    "sin": sin,
    "sqrt": np.sqrt,
    "tanh": tanh,
    "trunc": np.trunc,
    "where": np.where,
}


def operation(expr: Unary | Binary | Call) -> Callable[..., Any]:
    """NumPy function that computes the topmost node from its children's values."""
    match expr:
        case Unary(op="-"):
            return OPERATIONS["negative"]
        case Unary(op=op) | Binary(op=op):
            return OPERATIONS[op]
        case Call(function=function):
            return OPERATIONS[function]


def evaluate(expr: Expr, values: Mapping[str, Any]) -> Any:
    """Value of an expression; ``values`` maps each of its names to a number or array."""
    return evaluator(expr)(values)


def evaluator(
    expr: Expr, dtype: np.dtype[np.floating] = DOUBLE
) -> Callable[[Mapping[str, Any]], Any]:
    """The expression as a function of its names' values; walks the tree only once.

    Parameters
    ----------
    expr : Expr
    dtype : numpy dtype
        Type of literals. Given the arrays' own, a float32 program computes in float32
        throughout, as C does with float: a truth value and a literal would else make a double.
    """
    match expr:
        case Const():
            number = literal(expr, dtype)
            return lambda values: number
        case Name(id=name):
            return lambda values: values[name]
        case Unary(operand=operand):
            apply, inner = operation(expr), evaluator(operand, dtype)
            return lambda values: apply(inner(values))
        case Binary(left=left, right=right):
            apply, a, b = operation(expr), evaluator(left, dtype), evaluator(right, dtype)
            return lambda values: apply(a(values), b(values))
        case Call(args=args):
            apply, parts = operation(expr), [evaluator(a, dtype) for a in args]
            return lambda values: apply(*(part(values) for part in parts))
    raise AssertionError(f"unknown expression node {expr!r}")


def literal(expr: Const, dtype: np.dtype[np.floating]) -> Any:
    """Value of a literal: a truth value, or a number in the given type."""
    return expr.value if isinstance(expr.value, bool) else dtype.type(expr.value)


def fold(expr: Expr, truths: Container[str] = ()) -> Expr:
    """The expression with every operation on literals alone done once, in double precision.

    ``0.1 * 0.2 * v`` then has one constant, and float32 programs round it once. Operations that
    leave a number as it is (``x + 0``, ``1 * x``) are dropped. Truth values count 1 and 0 in
    arithmetic: where they stand alone there (``(v > 1) + (v > 2)``), NumPy would take ``or``.

    Parameters
    ----------
    expr : Expr
    truths : container of str
        Names that hold truth values.
    """
    if not isinstance(expr, Unary | Binary | Call):
        return expr
    parts = _numbers(expr, tuple(fold(child, truths) for child in children(expr)), truths)
    folded = with_children(expr, parts)
    if not all(isinstance(part, Const) for part in parts):
        return _without_neutral(folded, truths)
    value = np.asarray(evaluate(folded, {}))
    return Const(bool(value) if value.dtype.kind == "b" else float(value))


def _is_truth(expr: Expr, truths: Container[str]) -> bool:
    return expr.id in truths if isinstance(expr, Name) else is_condition(expr)


def _numbers(
    expr: Unary | Binary | Call, parts: tuple[Expr, ...], truths: Container[str]
) -> tuple[Expr, ...]:
    """The operands, as numbers where an operation on numbers has nothing but truth values."""
    if is_condition(expr):
        return parts
    first = 1 if isinstance(expr, Call) and expr.function == "where" else 0
    if not all(_is_truth(part, truths) for part in parts[first:]):
        return parts
    made = (fold(Call("where", (part, Const(1.0), Const(0.0)))) for part in parts[first:])
    return (*parts[:first], *made)


def _without_neutral(expr: Expr, truths: Container[str]) -> Expr:
    match expr:
        case Binary(op="+" | "-", left=kept, right=Const(value=0.0)):
            found = kept
        case Binary(op="+", left=Const(value=0.0), right=kept):
            found = kept
        case Binary(op="*" | "/", left=kept, right=Const(value=1.0)):
            found = kept
        case Binary(op="*", left=Const(value=1.0), right=kept):
            found = kept
        case _:
            return expr
    return expr if _is_truth(found, truths) else found

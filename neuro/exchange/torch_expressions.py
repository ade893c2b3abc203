"""Expressions of the equation language in differentiable torch operations.

Values are those of the language but for the last bits: functions are torch's own, which have
derivatives. Truth values are tensors of 0 and 1; comparisons of a threshold have the derivative of
a surrogate, all others none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from neuro.equations.expression import COMPARISON, LOGIC, Binary, Call, Const, Expr, Name, Unary

Compute = Callable[[Mapping[str, Tensor]], Tensor]
Surrogate = Callable[[Tensor], Tensor]


def fast_sigmoid(slope: float) -> Surrogate:
    """Derivative ``1 / (1 + slope |x|)^2`` of a step at 0 (Zenke & Ganguli 2018).

    Parameters
    ----------
    slope : float
        Of what a threshold compares, in its units; larger is narrower.
    """

    def derivative(margin: Tensor) -> Tensor:
        return 1.0 / (1.0 + slope * margin.abs()) ** 2

    return derivative


class _Step(torch.autograd.Function):
    """1 where a truth value holds; the derivative by the margin is the surrogate's."""

    @staticmethod
    def forward(ctx: Any, margin: Tensor, holds: Tensor, derivative: Surrogate) -> Tensor:
        ctx.save_for_backward(margin)
        ctx.derivative = derivative
        return holds.to(margin.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (margin,) = ctx.saved_tensors
        return gradient * ctx.derivative(margin), None, None


_COMPARE: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
}

_ARITHMETIC: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "%": torch.remainder,
    "**": torch.pow,
}


def _exprel(x: Tensor) -> Tensor:
    small = x.abs() < 1e-5
    safe = torch.where(small, torch.ones_like(x), x)
    return torch.where(small, 1.0 + 0.5 * x, torch.expm1(safe) / safe)


def _clip(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x, low), high)


_FUNCTIONS: Mapping[str, Callable[..., Tensor]] = {
    "abs": torch.abs,
    "clip": _clip,
    "cos": torch.cos,
    "exp": torch.exp,
    "exprel": _exprel,
    "floor": torch.floor,
    "log": torch.log,
    "max": torch.maximum,
    "min": torch.minimum,
    "sign": torch.sign,
    "sin": torch.sin,
    "sqrt": torch.sqrt,
    "tanh": torch.tanh,
    "trunc": torch.trunc,
}


def number(expr: Expr, dtype: torch.dtype) -> Compute:
    """A function that computes an expression; truth values count 0 and 1."""
    match expr:
        case Const(value=value):
            literal = torch.tensor(float(value), dtype=dtype)
            return lambda values: literal.to(next(iter(values.values())).device)
        case Name(id=name):
            return lambda values: values[name]
        case Unary(op="-", operand=operand):
            inner = number(operand, dtype)
            return lambda values: -inner(values)
        case Unary():
            inner = number(expr.operand, dtype)
            return lambda values: 1.0 - (inner(values) != 0).to(dtype)
        case Binary(op=op, left=left, right=right) if op in _ARITHMETIC:
            combine, a, b = _ARITHMETIC[op], number(left, dtype), number(right, dtype)
            return lambda values: combine(a(values), b(values))
        case Binary(op=op, left=left, right=right) if op in COMPARISON:
            compare, a, b = _COMPARE[op], number(left, dtype), number(right, dtype)
            return lambda values: compare(a(values), b(values)).to(dtype)
        case Binary(op=op, left=left, right=right):
            a, b = number(left, dtype), number(right, dtype)
            return lambda values: _logic(op, a(values), b(values))
        case Call(function="where", args=args):
            condition, a, b = (number(arg, dtype) for arg in args)
            return lambda values: torch.where(condition(values) != 0, a(values), b(values))
        case Call(function=function, args=args):
            call, computes = _FUNCTIONS[function], [number(arg, dtype) for arg in args]
            return lambda values: call(*(compute(values) for compute in computes))
    raise AssertionError(f"unknown expression node {expr!r}")


def condition(expr: Expr, dtype: torch.dtype, derivative: Surrogate) -> Compute:
    """A condition as 0 or 1, whose derivative by what it compares is the surrogate's."""
    match expr:
        case Binary(op=">" | ">=" | "<" | "<=" as op, left=left, right=right):
            compare, a, b = _COMPARE[op], number(left, dtype), number(right, dtype)
            sign = 1.0 if op.startswith(">") else -1.0

            def step(values: Mapping[str, Tensor]) -> Tensor:
                x, y = a(values), b(values)
                margin, holds = sign * (x - y), compare(x, y)
                found: Tensor = _Step.apply(margin, holds, derivative)  # type: ignore[no-untyped-call]
                return found

            return step
        case Binary(op=op, left=left, right=right) if op in LOGIC:
            p, q = condition(left, dtype, derivative), condition(right, dtype, derivative)
            return lambda values: _logic(op, p(values), q(values))
        case Unary(op="not", operand=operand):
            inner = condition(operand, dtype, derivative)
            return lambda values: 1.0 - inner(values)
    return number(expr, dtype)


def _logic(op: str, p: Tensor, q: Tensor) -> Tensor:
    return p * q if op == "and" else p + q - p * q

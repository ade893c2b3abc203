"""Expressions of the equation language as functions of tensors.

The tree is walked once; what remains is a chain of torch calls. All numbers are in the type of the
program, literals included: a number of Python in a torch operation may be rounded, or inverted
before a division, in ways that depend on the device. A truth value in arithmetic counts 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from neuro.backends.torch.functions import clip, portable, sign
from neuro.equations.expression import (
    COMPARISON,
    LOGIC,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    children,
)
from neuro.program import Assign


class Values(Protocol):
    """Where an expression finds what its names stand for."""

    def __getitem__(self, name: str, /) -> Tensor: ...


#: Operations that can put their result into a tensor (``out=``).
_DIRECT: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "%": torch.remainder,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "negative": torch.neg,
    "abs": torch.abs,
    "floor": torch.floor,
    "max": torch.maximum,
    "min": torch.minimum,
    "sqrt": torch.sqrt,
    "where": torch.where,
}


@dataclass(frozen=True)
class Function:
    """A compiled expression.

    Attributes
    ----------
    apply : callable
        The topmost operation.
    operands : tuple of callables
        Each computes one of its arguments from the values of names.
    truth : bool
        Whether the result is a truth value.
    direct : bool
        Whether ``apply`` takes ``out=``.
    """

    apply: Callable[..., Tensor]
    operands: tuple[Callable[[Values], Tensor], ...]
    truth: bool
    direct: bool = False

    def __call__(self, values: Values) -> Tensor:
        """The value."""
        return self.apply(*[operand(values) for operand in self.operands])

    def into(self, values: Values, out: Tensor) -> None:
        """Compute the value into a tensor of its type, to whose shape it is broadcast."""
        operands = [operand(values) for operand in self.operands]
        if self.direct and any(operand.shape == out.shape for operand in operands):
            self.apply(*operands, out=out)
        else:
            out.copy_(self.apply(*operands))


class Expressions:
    """Compiles expressions of one program.

    Parameters
    ----------
    dtype : torch.dtype
        Floating-point type of the program.
    device : torch.device
    truths : callable
        Whether a name stands for truth values.
    """

    def __init__(
        self, dtype: torch.dtype, device: torch.device, truths: Callable[[str], bool]
    ) -> None:
        self._dtype, self._device, self._truths = dtype, device, truths
        self._functions = portable(device)
        self._local_truths: dict[str, bool] = {}

    def assigned(self, assign: Assign) -> Function:
        """A function that gives what is assigned, in the type of the target."""
        function = self.function(assign.expression)
        if assign.local:
            self._local_truths[assign.target] = function.truth
            return function
        truth = self._truths(assign.target)
        if truth == function.truth:
            return function
        convert = _as_truth(function) if truth else self._as_number(function)
        return Function(_same, (convert,), truth)

    def function(self, expr: Expr) -> Function:
        """A function that gives what the expression gives."""
        match expr:
            case Const(value=value):
                dtype = torch.bool if isinstance(value, bool) else self._dtype
                literal = torch.tensor(value, dtype=dtype, device=self._device)
                return Function(_same, (lambda values: literal,), isinstance(value, bool))
            case Name(id=name):
                truth = self._local_truths.get(name, False) or self._truths(name)
                return Function(_same, (lambda values: values[name],), truth)
            case Unary(op=op):
                return self._operation("negative" if op == "-" else op, expr)
            case Binary(op=op):
                return self._operation("power" if op == "**" else op, expr)
            case Call(function=name):
                return self._operation(name, expr)
        raise AssertionError(f"unknown expression node {expr!r}")

    def condition(self, expr: Expr) -> Function:
        """A function that gives a truth value, also for a number."""
        function = self.function(expr)
        return function if function.truth else Function(_same, (_as_truth(function),), True)

    def _operation(self, op: str, expr: Unary | Binary | Call) -> Function:
        parts = [self.function(child) for child in children(expr)]
        operands: list[Callable[[Values], Tensor]]
        if op in LOGIC or op == "not":
            operands, truth = [_as_truth(part) for part in parts], True
        elif op == "where":
            condition, *choices = parts
            truth = all(choice.truth for choice in choices)
            operands = [_as_truth(condition)]
            operands += choices if truth else [self._as_number(choice) for choice in choices]
        else:
            operands, truth = [self._as_number(part) for part in parts], op in COMPARISON
        apply = _DIRECT.get(op) or self._functions.get(op) or {"clip": clip, "sign": sign}[op]
        return Function(apply, tuple(operands), truth, op in _DIRECT)

    def _as_number(self, function: Function) -> Callable[[Values], Tensor]:
        dtype = self._dtype
        return (lambda values: function(values).to(dtype)) if function.truth else function


def _as_truth(function: Function) -> Callable[[Values], Tensor]:
    return function if function.truth else (lambda values: function(values) != 0)


def _same(value: Tensor) -> Tensor:
    return value

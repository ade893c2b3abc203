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

from neuro.backends.torch.functions import clip, exact, portable, sign
from neuro.backends.torch.memory import Memory
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
from neuro.program import Assign, array_of, group_of, side_of


class Values(Protocol):
    """Where an expression finds what its names stand for."""

    local: dict[str, Tensor]

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values of an array, indexed as a name with this side (of groups of units) says."""
        ...


Compute = Callable[[Values], Tensor]

#: Numbers from which a CPU compares quicker in two passes.
_MANY = 8192


def _comparison(compare: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A comparison for a CPU, where torch has no vector instructions for truth values."""

    def call(a: Tensor, b: Tensor, *, out: Tensor | None = None) -> Tensor:
        if a.numel() + b.numel() < _MANY or a.is_cuda:
            return compare(a, b) if out is None else compare(a, b, out=out)
        found = compare(a, b, out=a.new_empty(0))  # 0 or 1, in the type of a
        return found.to(torch.bool) if out is None else out.copy_(found)

    return call


#: Operations that can put their result into a tensor (``out=``).
_DIRECT: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "<": _comparison(torch.lt),
    "<=": _comparison(torch.le),
    ">": _comparison(torch.gt),
    ">=": _comparison(torch.ge),
    "==": _comparison(torch.eq),
    "!=": _comparison(torch.ne),
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "negative": torch.neg,
    "abs": torch.abs,
    "floor": torch.floor,
    "max": torch.maximum,
    "min": torch.minimum,
    "trunc": torch.trunc,
    "where": torch.where,
}


@dataclass(frozen=True)
class Function:
    """A compiled expression.

    Attributes
    ----------
    compute : callable
        The value, from the values of names.
    truth : bool
        Whether that is a truth value.
    last, operands : callable, tuple of callables
        The topmost operation, if it takes ``out=``, and what computes its arguments.
    """

    compute: Compute
    truth: bool
    last: Callable[..., Tensor] | None = None
    operands: tuple[Compute, ...] = ()

    def into(self, values: Values, out: Tensor) -> None:
        """Compute the value into a tensor of its type, to whose shape it is broadcast."""
        if self.last is None:
            out.copy_(self.compute(values))
            return
        operands = [operand(values) for operand in self.operands]
        if any(x.shape == out.shape for x in operands):
            self.last(*operands, out=out)
        else:
            out.copy_(self.last(*operands))


@dataclass(frozen=True)
class Assignment:
    """A compiled assignment.

    Attributes
    ----------
    target : str
        Name of an array, without side, or of what is local to the step.
    local : bool
        Which of the two.
    function : Function
        What is assigned, in the type of the target.
    """

    target: str
    local: bool
    function: Function


class Expressions:
    """Compiles expressions of one program.

    Parameters
    ----------
    memory : Memory
        Its arrays.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._functions: dict[str, Callable[..., Tensor]] = {
            **portable(memory.device),
            **exact(memory.device),
            "clip": clip,
            "sign": sign,
        }
        self._local_truths: dict[str, bool] = {}

    def assignment(self, assign: Assign) -> Assignment:
        """Compile an assignment."""
        function = self.function(assign.expression)
        if assign.local:
            self._local_truths[assign.target] = function.truth
            return Assignment(assign.target, True, function)
        target = array_of(assign.target)
        if self._memory.truth(target) and not function.truth:
            function = Function(_as_truth(function), True)
        elif function.truth and not self._memory.truth(target):
            function = Function(self._as_number(function), False)
        return Assignment(target, False, function)

    def condition(self, expr: Expr) -> Function:
        """A function that gives a truth value, also for a number."""
        function = self.function(expr)
        return function if function.truth else Function(_as_truth(function), True)

    def function(self, expr: Expr) -> Function:
        """A function that gives what the expression gives."""
        match expr:
            case Const(value=value):
                truth = isinstance(value, bool)
                dtype = torch.bool if truth else self._memory.dtype
                literal = torch.tensor(value, dtype=dtype, device=self._memory.device)
                return Function(lambda values: literal, truth)
            case Name(id=name):
                return self._name(name)
            case Unary(op=op):
                return self._operation("negative" if op == "-" else op, expr)
            case Binary(op=op):
                return self._operation("power" if op == "**" else op, expr)
            case Call(function=name):
                return self._operation(name, expr)
        raise AssertionError(f"unknown expression node {expr!r}")

    def _name(self, name: str) -> Function:
        if name.startswith("_"):
            return Function(lambda values: values.local[name], self._local_truths[name])
        array, side, group = array_of(name), side_of(name), group_of(name)
        if self._memory.scalar(array):
            number = self._memory.tensors[array]
            return Function(lambda values: number, self._memory.truth(array))
        return Function(lambda values: values.value(array, side, group), self._memory.truth(array))

    def _operation(self, op: str, expr: Unary | Binary | Call) -> Function:
        parts = [self.function(child) for child in children(expr)]
        if op in LOGIC or op == "not":
            operands, truth = [_as_truth(part) for part in parts], True
        elif op == "where":
            condition, *choices = parts
            truth = all(choice.truth for choice in choices)
            operands = [_as_truth(condition)]
            operands += [c.compute if truth else self._as_number(c) for c in choices]
        else:
            operands, truth = [self._as_number(part) for part in parts], op in COMPARISON
        if op in _DIRECT:
            return Function(_chain(_DIRECT[op], operands), truth, _DIRECT[op], tuple(operands))
        return Function(_chain(self._functions[op], operands), truth)

    def _as_number(self, function: Function) -> Compute:
        if not function.truth:
            return function.compute
        compute, dtype = function.compute, self._memory.dtype
        return lambda values: compute(values).to(dtype)


def _as_truth(function: Function) -> Compute:
    compute = function.compute
    return compute if function.truth else (lambda values: compute(values) != 0)


def _chain(apply: Callable[..., Tensor], operands: list[Compute]) -> Compute:
    """``apply`` of what the operands give; written out, because most of a small step is this."""
    match operands:
        case [a]:
            return lambda values: apply(a(values))
        case [a, b]:
            return lambda values: apply(a(values), b(values))
        case [a, b, c]:
            return lambda values: apply(a(values), b(values), c(values))
    raise AssertionError(f"{len(operands)} operands")

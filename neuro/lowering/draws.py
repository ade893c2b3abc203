"""Random numbers inside a population, the same on every backend.

Each unit has a generator of its own, whose state is kept in arrays of the program and advanced by
its assignments, as everything else: Wichmann & Hill's (1982, Applied Statistics 31:188, AS 183).
Three numbers below 30323 are multiplied and divided with whole numbers, exactly also in single
precision, and a sum of three fractions is the result; its period is 7e12. The states are drawn
when the network is compiled. Normal numbers come in the way of Box & Muller (1958).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.equations.expression import (
    DRAWS,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    children,
    with_children,
)
from neuro.errors import CompileError
from neuro.lowering.arrays import Arrays
from neuro.members import Population
from neuro.neurons import NeuronModel
from neuro.program import Assign
from neuro.random import stream

GENERATORS = ((171.0, 30269.0), (172.0, 30307.0), (170.0, 30323.0))
"""Factor and modulus of each of the three."""


@dataclass(frozen=True)
class _Seeds:
    """First states of one of the three generators of every unit, for any item of a batch."""

    seed: int
    owner: str
    size: int
    number: int

    def __call__(self, item: int) -> NDArray[np.float64]:
        generator = stream(self.seed, f"draws of {self.owner}", self.number, item)
        below = int(GENERATORS[self.number - 1][1])
        return generator.integers(1, below, self.size).astype(np.float64)


class Draws:
    """Replaces draws in the expressions of a population by names, and says how they are filled."""

    def __init__(self, made: Arrays, population: Population) -> None:
        self._made, self._population = made, population
        self._states: tuple[str, ...] = ()
        self._count = 0

    def local(self, expression: Expr) -> tuple[list[Assign], Expr]:
        """Assignments that draw, and the expression with what they drew, within one step kind."""
        return self._replaced(expression, lambda number: f"_draw_{number}")

    def kept(self, expression: Expr) -> tuple[list[Assign], Expr]:
        """As :meth:`local`, but what is drawn is there in later kinds of steps too."""
        owner = self._population.name
        return self._replaced(
            expression, lambda number: self._made.array(self._free(f"draw_{number}"), owner, 0.0)
        )

    def normal(self, target: str, scale: float) -> list[Assign]:
        """Draw a normal number with some standard deviation into a local name."""
        assigns, drawn = self.local(Call("randn", ()))
        return [*assigns, Assign(target, Binary("*", drawn, Const(scale)))]

    def _replaced(self, expression: Expr, named: Callable[[int], str]) -> tuple[list[Assign], Expr]:
        assigns: list[Assign] = []

        def replace(part: Expr) -> Expr:
            if isinstance(part, Const | Name):
                return part
            if isinstance(part, Call) and part.function in DRAWS:
                self._count += 1
                name = named(self._count)
                assigns.extend(self._drawn(part.function, name))
                return Name(name)
            return with_children(part, tuple(replace(c) for c in children(part)))

        return assigns, replace(expression)

    def _drawn(self, function: str, name: str) -> list[Assign]:
        if function == "rand":
            return self._uniform(name)
        first, second = f"_first_{self._count}", f"_second_{self._count}"
        # 1 - u is above 0.
        size = Call("log", (Binary("-", Const(1.0), Name(first)),))
        size = Call("sqrt", (Binary("*", Const(-2.0), size),))
        turn = Call("cos", (Binary("*", Const(2.0 * math.pi), Name(second)),))
        return [
            *self._uniform(first),
            *self._uniform(second),
            Assign(name, Binary("*", size, turn)),
        ]

    def _uniform(self, name: str) -> list[Assign]:
        assigns: list[Assign] = []
        fractions: list[Expr] = []
        for state, (factor, modulus) in zip(self._generator(), GENERATORS, strict=True):
            product = Binary("*", Const(factor), Name(state))
            whole = Call("floor", (Binary("/", product, Const(modulus)),))
            rest = Binary("-", product, Binary("*", Const(modulus), whole))
            assigns.append(Assign(state, rest))
            fractions.append(Binary("/", Name(state), Const(modulus)))
        total = f"_sum_{name.rpartition('.')[2].lstrip('_')}"
        summed = functools.reduce(lambda a, b: Binary("+", a, b), fractions)
        fraction = Binary("-", Name(total), Call("floor", (Name(total),)))
        return [*assigns, Assign(total, summed), Assign(name, fraction)]

    def _free(self, variable: str) -> str:
        """Name of an array, which the model must not use itself."""
        owner, model = self._population.name, self._population.model
        assert isinstance(model, NeuronModel)
        if variable in (*model.variables, *model.constants):
            raise CompileError(
                f"population {owner!r}: random numbers of {model.name} are kept as {variable!r},"
                " which is a name of its own; rename that"
            )
        return f"{owner}.{variable}"

    def _generator(self) -> tuple[str, ...]:
        """Arrays of the states; made when first needed."""
        if not self._states:
            owner, size = self._population.name, self._population.size
            states = [_Seeds(self._made.network.seed, owner, size, n) for n in (1, 2, 3)]
            self._states = tuple(
                self._made.array(self._free(f"random_{s.number}"), owner, s(0), items=s)
                for s in states
            )
        return self._states

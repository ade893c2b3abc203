"""Populations: update, threshold and reset of one neuron model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from neuro.description import Value, whole_steps
from neuro.distributions import Distribution
from neuro.equations.evaluation import fold
from neuro.equations.expression import Binary, Call, Const, Expr, Name, names, substitute
from neuro.equations.integration import integrate
from neuro.equations.statements import Statement
from neuro.errors import CompileError
from neuro.lowering.arrays import Arrays
from neuro.lowering.draws import Draws
from neuro.lowering.projections import delay_steps, payload
from neuro.members import Population
from neuro.neurons import NeuronModel
from neuro.program import Assign, Reset, Step, Threshold, Update
from neuro.random import stream


class Neurons:
    """The steps of one population."""

    def __init__(self, made: Arrays, population: Population, model: NeuronModel) -> None:
        self.made, self.population, self.model = made, population, model
        #: How the equations were integrated, for people to read.
        self.integrator = "no equations"
        name = population.name
        self.constants = {
            key: self.number(key, value, key in model.positive)
            for key, value in model.constants.items()
        }
        for d in model.derivatives:
            given = model.initial.get(d.name, 0.0)
            initial = (
                self.constants[given]
                if isinstance(given, str)
                else self.number(f"initial {d.name}", given, False)
            )
            made.array(f"{name}.{d.name}", name, initial, unit=d.unit)
        self.ports = {port: self.port(port) for port in model.ports}
        self.draws = Draws(made, population)
        self.kept_draws: list[Assign] = []
        condition = model.threshold_condition
        self.condition = None if condition is None else self.read_later(condition)
        self.resets = [
            Statement(s.target, self.read_later(s.expression)) for s in model.reset_statements
        ]
        self.refractory = self.refractory_steps()
        if self.refractory is not None:
            made.array(f"{name}.refractory", name, 0, "int")

    def number(self, key: str, value: Value | Distribution, positive: bool) -> Value:
        """A value, drawn if it is a distribution."""
        return drawn(value, key, self.population, self.made.network.seed, positive)

    def port(self, port: str) -> Expr:
        """Sum of the buffers of all projections that arrive here, in the order of definition."""
        total: Expr | None = None
        for projection in self.made.network.projections.values():
            if projection.post is not self.population or projection.port != port:
                continue
            term: Expr = Name(f"{projection.name}.input")
            if projection.gain != 1.0:
                term = Binary("*", Name(f"{projection.name}.gain"), term)
            total = term if total is None else Binary("+", total, term)
        return Const(0.0) if total is None else total

    def refractory_steps(self) -> Expr | None:
        """Length of the refractory period in steps; None when no unit has any."""
        if not self.model.refractory:
            return None
        where = f"{self.model.refractory} of population {self.population.name!r}"
        seconds = np.asarray(self.constants[self.model.refractory])
        steps = [whole_steps(float(s), self.made.dt, where) for s in np.unique(seconds)]
        if max(steps) <= 1:  # a unit can spike in every step: nothing to hold
            return None
        if seconds.ndim == 0:
            return Const(float(steps[0]))
        per_unit = np.rint(seconds / self.made.dt)
        name = f"{self.population.name}.refractory_steps"
        return Name(self.made.array(name, self.population.name, per_unit, "int"))

    def resolve(self, name: str) -> Expr:
        """Program expression of a name in the model's text."""
        owner = self.population.name
        if name in self.ports:
            return self.ports[name]
        if name in self.constants:
            return self.made.constant(f"{owner}.{name}", owner, self.constants[name])
        if name in self.model.noises:
            return Name(f"_{name}")
        if name.startswith("_") or "." in name:  # local to the step, or drawn for another
            return Name(name)
        return Name(f"{owner}.{name}")

    def update(self) -> list[Step]:
        """Everything that happens in a step before the threshold; empty when nothing does."""
        owner, model = self.population.name, self.model
        integration = integrate(
            model.derivatives,
            self.constants,
            self.made.dt,
            f"population {owner!r} ({model.name})",
            model.integrator,
        )
        self.integrator = integration.method
        coefficients = {
            key: self.made.constant(f"{owner}.{key}", owner, value)
            for key, value in integration.coefficients.items()
        }

        def resolve(name: str) -> Expr:
            return coefficients[name] if name in coefficients else self.resolve(name)

        assigns: list[Assign] = []
        for noise in model.noises:  # held over the step
            assigns += self.draws.normal(f"_{noise}", self.made.dt**-0.5)
        statements = (*model.before_statements, *integration.statements, *model.after_statements)
        for s in statements:
            drawn, expression = self.draws.local(s.expression)
            assigns += drawn
            expression = fold(substitute(expression, resolve))
            target = s.target if s.target.startswith("_") else f"{owner}.{s.target}"
            if expression != Name(target):  # a port without projections
                assigns.append(Assign(target, expression))
        assigns = _fused(assigns)
        if self.refractory is not None:
            assigns = [self.hold(a) for a in assigns]
            counter = Name(f"{owner}.refractory")
            one_less = Binary("-", counter, Const(1.0))
            assigns.insert(0, Assign(counter.id, Call("max", (one_less, Const(0.0)))))
        assigns += [*self.emit(), *self.kept_draws]
        return [Update(owner, tuple(assigns))] if assigns else []

    def emit(self) -> list[Assign]:
        """What the events of this step carry, and that of earlier steps one step further on."""
        if self.model.emits_expression is None:
            return []
        owner = self.population.name
        delays = [
            delay_steps(p, self.made.dt)
            for p in self.made.network.projections.values()
            if p.pre is self.population and (p.delay is None or isinstance(p.delay, float))
        ]
        lines = [
            self.made.array(payload(owner, k), owner, 0.0)
            for k in range(1, max(delays, default=0) + 1)
        ]
        shifts = [Assign(after, Name(before)) for before, after in pairwise(lines)]
        if not lines:
            return []
        drawn, expression = self.draws.local(self.model.emits_expression)
        value = fold(substitute(expression, self.resolve))
        return [*drawn, *reversed(shifts), Assign(lines[0], value)]

    def read_later(self, expression: Expr) -> Expr:
        """An expression of threshold or reset: all units draw for it at the end of the update."""
        drawn, expression = self.draws.kept(expression)
        self.kept_draws += drawn
        return expression

    def hold(self, assign: Assign) -> Assign:
        """A held variable keeps its value while the unit is refractory."""
        if assign.target.partition(".")[2] not in self.model.held:
            return assign
        resting = Binary(">", Name(f"{self.population.name}.refractory"), Const(0.0))
        kept = Call("where", (resting, Name(assign.target), assign.expression))
        return Assign(assign.target, kept)

    def threshold(self) -> list[Step]:
        """The condition for a spike; empty for a model that never spikes."""
        owner = self.population.name
        if self.condition is None:
            return []
        condition = fold(substitute(self.condition, self.resolve))
        if self.refractory is not None:
            free = Binary("==", Name(f"{owner}.refractory"), Const(0.0))
            condition = Binary("and", condition, free)
        return [Threshold(owner, condition)]

    def reset(self) -> list[Step]:
        """What units that spiked do; empty when nothing."""
        owner = self.population.name
        assigns = [
            Assign(f"{owner}.{s.target}", fold(substitute(s.expression, self.resolve)))
            for s in self.resets
        ]
        if self.refractory is not None:
            assigns.append(Assign(f"{owner}.refractory", self.refractory))
        return [Reset(owner, tuple(assigns))] if assigns else []


def drawn(
    value: Value | Distribution, key: str, population: Population, seed: int, positive: bool
) -> Value:
    """A number of a population, drawn if it is a distribution."""
    if not isinstance(value, Distribution):
        return value
    where = f"{key} of population {population.name!r}"
    numbers = value.draw(stream(seed, where), population.size)
    if positive and not np.all(numbers > 0):
        raise CompileError(
            f"{where}: {value!r} gave {numbers.min():g}; it must be above 0; choose bounds"
        )
    return numbers


def _fused(assigns: list[Assign]) -> list[Assign]:
    """``v = a * v; v = v + i`` becomes ``v = (a * v) + i``: the same operations, in one pass."""
    fused: list[Assign] = []
    for assign in assigns:
        target = assign.target
        if fused and fused[-1].target == target and [*names(assign.expression)].count(target) == 1:
            fused[-1] = Assign(target, _inlined(assign.expression, fused[-1]))
        else:
            fused.append(assign)
    return fused


def _inlined(expression: Expr, earlier: Assign) -> Expr:
    """The expression with an earlier assignment's target replaced by what was assigned."""
    return substitute(
        expression, lambda name: earlier.expression if name == earlier.target else Name(name)
    )

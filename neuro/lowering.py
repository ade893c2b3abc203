"""How a network becomes a discrete-time program.

Walk: every model's text is already a tree; lowering renames its names to program arrays, turns
differential equations into statements (:mod:`neuro.equations.integration`), computes every
constant, and puts the steps in the normative order. After this, nothing knows about equations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Sparse
from neuro.connectors import Transpose
from neuro.description import Parameter, Value, whole_steps
from neuro.distributions import Distribution
from neuro.equations.evaluation import fold
from neuro.equations.expression import Binary, Call, Const, Expr, Name, names, substitute
from neuro.equations.integration import integrate
from neuro.equations.statements import Derivative, Statement
from neuro.errors import CompileError
from neuro.network import Network, Population, Projection, factor_side
from neuro.neurons import NeuronModel
from neuro.plasticity.short_term import EFFICACY, ShortTermPlasticity
from neuro.program import (
    Array,
    Arrive,
    Assign,
    EventSource,
    Plasticity,
    Program,
    Record,
    Reset,
    Step,
    Threshold,
    Update,
)
from neuro.random import stream
from neuro.sources import Source

PRECISIONS = ("float64", "float32")


def lower(network: Network, dt: Any, precision: str = "float64") -> Program:
    """Lower a network to the program that every backend runs.

    Parameters
    ----------
    network : Network
    dt : float, second
        Time step.
    precision : {"float64", "float32"}
        Type of all states, weights and constants.

    Raises
    ------
    CompileError
        When the description does not fit the time step (delay or refractory period that is no
        multiple of dt, a rate above one spike per step) or precision is unknown.
    """
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt")
    if not isinstance(seconds, float):
        raise CompileError(f"dt has shape {np.shape(seconds)}; expected one number in seconds")
    if precision not in PRECISIONS:
        raise CompileError(f"precision {precision!r} is unknown; choose from {PRECISIONS}")
    if not network.populations:
        raise CompileError(f"network {network.name!r} has no populations; add one first")
    return _Lowering(network, seconds, precision).program()


class _Lowering:
    """The arrays and steps made so far."""

    def __init__(self, network: Network, dt: float, precision: str) -> None:
        self.network, self.dt, self.precision = network, dt, precision
        self.arrays: dict[str, Array] = {}
        self.connectivity: dict[str, Connectivity] = {}
        self.sources: dict[str, EventSource] = {}
        self.integrators: dict[str, str] = {}

    def program(self) -> Program:
        populations = self.network.populations.values()
        projections = self.network.projections.values()
        steps: list[Step] = []
        for projection in projections:
            arrival = self.arrive(projection)
            if projection.short_term is not None:
                steps.append(self.short_term(projection, projection.short_term, arrival))
            steps.append(arrival)
        updates: list[Step] = []
        thresholds: list[Step] = []
        resets: list[Step] = []
        for population in populations:
            model = population.model
            if isinstance(model, Source):
                self.sources[population.name] = model.lower(
                    self.network.seed, population.name, population.size, self.dt
                )
                continue
            neurons = _Neurons(self, population, model)
            if update := neurons.update():
                updates.append(update)
            if model.threshold_condition is not None:
                thresholds.append(neurons.threshold())
                if reset := neurons.reset():
                    resets.append(reset)
        arrivals = {s.projection: s for s in steps if isinstance(s, Arrive)}
        rules: list[Step] = [
            self.plasticity(p, arrivals[p.name]) for p in projections if p.plasticity
        ]
        ordered = (*steps, *updates, *thresholds, *resets, *rules)
        written = {name for step in ordered for name in step.writes}
        flags = {f for s in rules if isinstance(s, Plasticity) for f in (s.pre_flag, s.post_flag)}
        for name, array in self.arrays.items():
            if name not in written | flags:
                self.arrays[name] = replace(array, constant=True)
        return Program(
            name=self.network.name,
            dt=self.dt,
            precision=self.precision,
            sizes={p.name: p.size for p in populations},
            sources=self.sources,
            arrays=self.arrays,
            connectivity=self.connectivity,
            steps=ordered,
            records=tuple(
                self.record(r.owner, r.variable, r.units, r.every) for r in self.network.recorders
            ),
            integrators=self.integrators,
        )

    def array(
        self,
        name: str,
        domain: str,
        initial: NDArray[Any] | float,
        kind: str = "float",
        unit: str = "",
    ) -> str:
        """Make an array; a scalar initial value is spread over the domain."""
        dtype: np.dtype[Any] = np.dtype(
            {"float": self.precision, "int": "int32", "bool": "bool"}[kind]
        )
        values = np.asarray(initial, dtype=dtype)
        if domain in self.network.populations:
            values = np.broadcast_to(values, (self.network.populations[domain].size,))
        elif domain in self.connectivity:
            values = np.broadcast_to(values, self.connectivity[domain].weight_shape)
        values = values.copy()
        values.flags.writeable = False
        self.arrays[name] = Array(name, domain, values, unit=unit)
        return name

    def constant(self, name: str, domain: str, value: Value) -> Expr:
        """One number becomes a literal; one per unit becomes an array."""
        if isinstance(value, float):
            return Const(value)
        return Name(self.array(name, domain, value))

    # --- projections ---

    def delay(self, projection: Projection) -> int:
        """Delay of all synapses of a projection, in steps."""
        if projection.delay is None:
            return 1
        assert isinstance(projection.delay, float)
        where = f"delay of projection {projection.name!r}"
        steps = whole_steps(projection.delay, self.dt, where)
        if steps < 1:
            raise CompileError(
                f"{where} is {projection.delay:g} s, shorter than dt = {self.dt:g} s;"
                " a spike needs at least one step"
            )
        return steps

    def synaptic_delays(self, projection: Projection, synapses: Sparse) -> NDArray[np.int32]:
        """Delay of every synapse in steps; drawn ones are rounded."""
        where = f"delay of projection {projection.name!r}"
        given = projection.delay
        if isinstance(given, Distribution):
            generator = stream(self.network.seed, f"delays of {projection.name}")
            drawn = given.draw(generator, synapses.count)
            return np.asarray(np.maximum(1, np.rint(drawn / self.dt)), np.int32)
        assert isinstance(given, np.ndarray)
        seconds = given[synapses.rows, synapses.targets]
        steps = np.rint(seconds / self.dt)
        wrong = (steps < 1) | (np.abs(seconds / self.dt - steps) > 1e-6 * np.maximum(1.0, steps))
        if np.any(wrong):
            bad = int(np.flatnonzero(wrong)[0])
            pre, post = int(synapses.rows[bad]), int(synapses.targets[bad])
            raise CompileError(
                f"{where} at [{pre}, {post}] is {seconds[bad]:g} s; it must be a multiple of dt ="
                f" {self.dt:g} s, at least one step"
            )
        return steps.astype(np.int32)

    def arrive(self, projection: Projection) -> Arrive:
        name, connector = projection.name, projection.connector
        owner, delays, delay = name, None, 0
        if isinstance(connector, Transpose):
            owner = connector.projection
        else:
            generator = stream(self.network.seed, f"synapses of {name}")
            synapses, weights = connector.build(generator, projection.pre, projection.post)
            if isinstance(projection.delay, np.ndarray | Distribution):
                synapses, index = synapses.expand()
                weights = weights.reshape(-1)[index]
                steps = self.synaptic_delays(projection, synapses)
                delay = int(steps.max(initial=1))
            self.connectivity[name] = synapses
            assert isinstance(projection.post.model, NeuronModel)
            unit = projection.post.model.ports[projection.port]
            self.array(f"{name}.w", name, weights, unit=unit)
            if delay:
                delays = self.array(f"{name}.delay", name, steps, "int")
        self.array(f"{name}.input", projection.post.name, 0.0)
        if projection.gain != 1.0:
            self.array(f"{name}.gain", "", projection.gain)
        delay = delay or self.delay(projection)
        factors = []
        if getattr(projection.pre.model, "emits_expression", None) is not None:
            if delays is not None:
                raise CompileError(
                    f"projection {name!r}: events of {projection.pre.name!r} carry numbers, which"
                    " travel with one delay for all synapses; give delay= one number"
                )
            factors.append(f"{payload(projection.pre.name, delay)}@pre")
        if projection.short_term is not None:
            factors.append(f"{name}.{EFFICACY}" + ("" if delays else "@pre"))
        return Arrive(
            projection=name,
            source=projection.pre.name,
            target=projection.post.name,
            delay=delay,
            synapses=owner,
            weights=f"{owner}.w",
            into=f"{name}.input",
            transposed=owner != name,
            delays=delays,
            factors=tuple(factors),
        )

    def short_term(
        self, projection: Projection, rule: ShortTermPlasticity, arrival: Arrive
    ) -> Plasticity:
        names = _RuleNames(self, projection, arrival)
        names.traces(rule.derivatives, rule.initial, "pre")
        names.trace(EFFICACY, 1.0, "pre")
        names.constants(rule.parameters)
        where = f"{rule.name} at {projection.name!r}"
        return Plasticity(
            projection=projection.name,
            source=arrival.source,
            target=arrival.target,
            delay=arrival.delay,
            synapses=arrival.synapses,
            decay=names.decay(rule.derivatives, rule.parameters, "pre", where),
            on_pre=names.assigns(rule.on_pre_statements),
            on_post=(),
            transposed=arrival.transposed,
            delays=arrival.delays,
            short_term=True,
        )

    def plasticity(self, projection: Projection, arrival: Arrive) -> Plasticity:
        rule = projection.plasticity
        assert rule is not None
        where = f"{rule.name} at {projection.name!r}"
        names = _RuleNames(self, projection, arrival)
        names.constants(rule.parameters)
        for side in ("pre", "post"):
            names.state_variables(side)
        names.third_factors(projection.factors)
        decay: list[Assign] = []
        for side, derivatives in (
            ("pre", rule.pre_derivatives),
            ("post", rule.post_derivatives),
            ("synapse", rule.synapse_derivatives),
        ):
            names.traces(derivatives, rule.initial, side)
            decay += names.decay(derivatives, rule.parameters, side, where)
        flags: dict[str, str | None] = {
            side: names.flag(side) if rule.uses(f"{side}_spike") else None
            for side in ("pre", "post")
        }

        def assigns(statements: tuple[Statement, ...]) -> tuple[Assign, ...]:
            made = names.assigns(statements)
            if any(s.target == "w" for s in statements):
                made += tuple(self.bounds(arrival.weights, rule.w_min, rule.w_max))
            return made

        every = 1
        if rule.every is not None:
            every = max(1, whole_steps(rule.every, self.dt, f"every of {where}"))
        names.constants({"dt": every * self.dt})
        return Plasticity(
            projection=projection.name,
            source=arrival.source,
            target=arrival.target,
            delay=arrival.delay,
            synapses=arrival.synapses,
            decay=tuple(decay),
            on_pre=assigns(rule.on_pre_statements),
            on_post=assigns(rule.on_post_statements),
            on_step=assigns(rule.on_step_statements),
            every=every,
            pre_flag=flags["pre"],
            post_flag=flags["post"],
            transposed=arrival.transposed,
            delays=arrival.delays,
        )

    @staticmethod
    def bounds(weights: str, low: float | None, high: float | None) -> list[Assign]:
        w: Expr = Name(weights)
        if low is not None:
            w = Call("max", (w, Const(low)))
        if high is not None:
            w = Call("min", (w, Const(high)))
        return [] if low is None and high is None else [Assign(weights, w)]

    def record(
        self, owner: str, variable: str, units: NDArray[np.int64] | None, every: int
    ) -> Record:
        if owner in self.connectivity and variable == "w" and units is not None:
            count = self.connectivity[owner].count
            if units.max() >= count:
                raise CompileError(
                    f"record: synapse {units.max()} of {owner!r} does not exist; it has {count}"
                )
        return Record(owner, variable, units, every)


class _RuleNames:
    """What the names in a rule's text stand for, as program names with their sides.

    In a projection with a delay for every synapse, what belongs to arrivals of a presynaptic
    unit (its traces, its flag) has one value per synapse instead.
    """

    def __init__(self, lowering: _Lowering, projection: Projection, arrival: Arrive) -> None:
        self._lowering, self._projection, self._arrival = lowering, projection, arrival
        self._resolved: dict[str, Expr] = {"w": Name(arrival.weights)}
        self._truths: set[str] = set()

    def constants(self, parameters: Mapping[str, float]) -> None:
        self._resolved |= {key: Const(value) for key, value in parameters.items()}

    def state_variables(self, side: str) -> None:
        population = self._projection.pre if side == "pre" else self._projection.post
        if isinstance(population.model, NeuronModel):
            for v in population.model.variables:
                self._resolved[f"{v}_{side}"] = Name(f"{population.name}.{v}@{side}")

    def third_factors(self, factors: Mapping[str, tuple[str, str]]) -> None:
        pre, post = self._projection.pre, self._projection.post
        for key, (population, variable) in factors.items():
            size = self._lowering.network.populations[population].size
            side = factor_side(size, pre.size, post.size)
            self._resolved[key] = Name(f"{population}.{variable}@{side}")

    def _suffix(self, side: str) -> str:
        synaptic = side == "synapse" or (side == "pre" and self._arrival.delays is not None)
        return "" if synaptic else f"@{side}"

    def trace(self, name: str, initial: float, side: str, unit: str = "1") -> None:
        """Make the array of a trace."""
        suffix = self._suffix(side)
        domain = {"": self._projection.name, "@pre": self._arrival.source}.get(
            suffix, self._arrival.target
        )
        qualified = f"{self._projection.name}.{name}"
        array = self._lowering.array(qualified, domain, initial, unit=unit)
        self._resolved[name] = Name(f"{array}{suffix}")

    def traces(
        self, derivatives: tuple[Derivative, ...], initial: Mapping[str, float], side: str
    ) -> None:
        for d in derivatives:
            self.trace(d.name, initial.get(d.name, 0.0), side, d.unit)

    def flag(self, side: str) -> str:
        """Make the array that tells where a spike arrives (pre) or was emitted (post)."""
        suffix = self._suffix(side)
        domain = {"": self._projection.name, "@pre": self._arrival.source}.get(
            suffix, self._arrival.target
        )
        name = f"{self._projection.name}.{side}_spike"
        self._lowering.array(name, domain, False, "bool")
        self._resolved[f"{side}_spike"] = Name(f"{name}{suffix}")
        self._truths.add(f"{name}{suffix}")
        return name

    def decay(
        self,
        derivatives: tuple[Derivative, ...],
        parameters: Mapping[str, float],
        side: str,
        where: str,
    ) -> tuple[Assign, ...]:
        """Statements that advance traces by one step."""
        step = integrate(derivatives, parameters, self._lowering.dt, where)
        known = {k: Const(float(v)) for k, v in step.coefficients.items()}
        suffix = self._suffix(side)

        def rename(name: str) -> Expr:  # what is not known is local to the step
            if name in known:
                return known[name]
            return self._resolved.get(name, Name(f"{name}{suffix}"))

        return _renamed(step.statements, rename, self._truths)

    def assigns(self, statements: tuple[Statement, ...]) -> tuple[Assign, ...]:
        return _renamed(statements, self._resolved.__getitem__, self._truths)


def _renamed(
    statements: tuple[Statement, ...], rename: Callable[[str], Expr], truths: set[str]
) -> tuple[Assign, ...]:
    made = []
    for s in statements:
        target = rename(s.target)
        assert isinstance(target, Name)
        made.append(Assign(target.id, fold(substitute(s.expression, rename), truths)))
    return tuple(made)


def payload(population: str, delay: int) -> str:
    """Array with the numbers of a population's events of so many steps ago."""
    return f"{population}.payload_{delay}"


class _Neurons:
    """The steps of one population."""

    def __init__(self, lowering: _Lowering, population: Population, model: NeuronModel) -> None:
        self.lowering, self.population, self.model = lowering, population, model
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
            lowering.array(f"{name}.{d.name}", name, initial, unit=d.unit)
        self.ports = {port: self.port(port) for port in model.ports}
        self.refractory = self.refractory_steps()
        if self.refractory is not None:
            lowering.array(f"{name}.refractory", name, 0, "int")

    def number(self, key: str, value: Value | Distribution, positive: bool) -> Value:
        """A value, drawn if it is a distribution."""
        if not isinstance(value, Distribution):
            return value
        where = f"{key} of population {self.population.name!r}"
        generator = stream(self.lowering.network.seed, where)
        drawn = value.draw(generator, self.population.size)
        if positive and not np.all(drawn > 0):
            raise CompileError(
                f"{where}: {value!r} gave {drawn.min():g}; it must be above 0; choose bounds"
            )
        return drawn

    def port(self, port: str) -> Expr:
        """Sum of the buffers of all projections that arrive here, in the order of definition."""
        total: Expr | None = None
        for projection in self.lowering.network.projections.values():
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
        steps = [whole_steps(float(s), self.lowering.dt, where) for s in np.unique(seconds)]
        if max(steps) <= 1:  # a unit can spike in every step: nothing to hold
            return None
        if seconds.ndim == 0:
            return Const(float(steps[0]))
        per_unit = np.rint(seconds / self.lowering.dt)
        name = f"{self.population.name}.refractory_steps"
        return Name(self.lowering.array(name, self.population.name, per_unit, "int"))

    def resolve(self, name: str) -> Expr:
        """Program expression of a name in the model's text."""
        owner = self.population.name
        if name in self.ports:
            return self.ports[name]
        if name in self.constants:
            return self.lowering.constant(f"{owner}.{name}", owner, self.constants[name])
        if name.startswith("_"):
            return Name(name)
        return Name(f"{owner}.{name}")

    def update(self) -> Update | None:
        owner, model = self.population.name, self.model
        integration = integrate(
            model.derivatives,
            self.constants,
            self.lowering.dt,
            f"population {owner!r} ({model.name})",
            model.integrator,
        )
        self.lowering.integrators[owner] = integration.method
        coefficients = {
            key: self.lowering.constant(f"{owner}.{key}", owner, value)
            for key, value in integration.coefficients.items()
        }

        def resolve(name: str) -> Expr:
            return coefficients[name] if name in coefficients else self.resolve(name)

        assigns: list[Assign] = []
        statements = (*model.before_statements, *integration.statements, *model.after_statements)
        for s in statements:
            expression = fold(substitute(s.expression, resolve))
            target = s.target if s.target.startswith("_") else f"{owner}.{s.target}"
            if expression != Name(target):  # a port without projections
                assigns.append(Assign(target, expression))
        assigns = _fused(assigns)
        if self.refractory is not None:
            assigns = [self.hold(a) for a in assigns]
            counter = Name(f"{owner}.refractory")
            one_less = Binary("-", counter, Const(1.0))
            assigns.insert(0, Assign(counter.id, Call("max", (one_less, Const(0.0)))))
        assigns += self.emit()
        return Update(owner, tuple(assigns)) if assigns else None

    def emit(self) -> list[Assign]:
        """What the events of this step carry, and that of earlier steps one step further on."""
        if self.model.emits_expression is None:
            return []
        owner = self.population.name
        delays = [
            self.lowering.delay(p)
            for p in self.lowering.network.projections.values()
            if p.pre is self.population and (p.delay is None or isinstance(p.delay, float))
        ]
        lines = [
            self.lowering.array(payload(owner, k), owner, 0.0)
            for k in range(1, max(delays, default=0) + 1)
        ]
        shifts = [Assign(after, Name(before)) for before, after in pairwise(lines)]
        value = fold(substitute(self.model.emits_expression, self.resolve))
        return [*reversed(shifts), Assign(lines[0], value)] if lines else []

    def hold(self, assign: Assign) -> Assign:
        """A held variable keeps its value while the unit is refractory."""
        if assign.target.partition(".")[2] not in self.model.held:
            return assign
        resting = Binary(">", Name(f"{self.population.name}.refractory"), Const(0.0))
        kept = Call("where", (resting, Name(assign.target), assign.expression))
        return Assign(assign.target, kept)

    def threshold(self) -> Threshold:
        owner = self.population.name
        assert self.model.threshold_condition is not None
        condition = fold(substitute(self.model.threshold_condition, self.resolve))
        if self.refractory is not None:
            free = Binary("==", Name(f"{owner}.refractory"), Const(0.0))
            condition = Binary("and", condition, free)
        return Threshold(owner, condition)

    def reset(self) -> Reset | None:
        owner = self.population.name
        assigns = [
            Assign(f"{owner}.{s.target}", fold(substitute(s.expression, self.resolve)))
            for s in self.model.reset_statements
        ]
        if self.refractory is not None:
            assigns.append(Assign(f"{owner}.refractory", self.refractory))
        return Reset(owner, tuple(assigns)) if assigns else None


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

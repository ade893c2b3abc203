"""How a network becomes a discrete-time program.

Walk: every model's text is already a tree; lowering renames its names to program arrays, turns
differential equations into statements (:mod:`neuro.equations.integration`), computes every
constant, and puts the steps in the normative order. After this, nothing knows about equations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity
from neuro.connectors import Transpose
from neuro.description import Parameter, Value, whole_steps
from neuro.equations.evaluation import fold
from neuro.equations.expression import Binary, Call, Const, Expr, Name, names, substitute
from neuro.equations.integration import integrate
from neuro.equations.statements import Derivative, Statement
from neuro.errors import CompileError
from neuro.network import Network, Population, Projection
from neuro.neurons import NeuronModel
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
        steps: list[Step] = [self.arrive(p) for p in projections]
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
        rules: list[Step] = [self.plasticity(p) for p in projections if p.plasticity]
        ordered = (*steps, *updates, *thresholds, *resets, *rules)
        written = {name for step in ordered for name in step.writes}
        flags = {f for s in rules if isinstance(s, Plasticity) for f in (s.pre_flag, s.post_flag)}
        for name, array in self.arrays.items():
            if name not in written | flags:
                self.arrays[name] = Array(name, array.domain, array.initial, constant=True)
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
                self.record(r.owner, r.variable, r.units) for r in self.network.recorders
            ),
            integrators=self.integrators,
        )

    def array(
        self, name: str, domain: str, initial: NDArray[Any] | float, kind: str = "float"
    ) -> str:
        """Make an array; a scalar initial value is spread over the domain."""
        dtype: np.dtype[Any] = np.dtype(
            {"float": self.precision, "int": "int32", "bool": "bool"}[kind]
        )
        values = np.asarray(initial, dtype=dtype)
        if domain in self.network.populations:
            values = np.broadcast_to(values, (self.network.populations[domain].size,))
        values = values.copy()
        values.flags.writeable = False
        self.arrays[name] = Array(name, domain, values)
        return name

    def constant(self, name: str, domain: str, value: Value) -> Expr:
        """One number becomes a literal; one per unit becomes an array."""
        if isinstance(value, float):
            return Const(value)
        return Name(self.array(name, domain, value))

    # --- projections ---

    def delay(self, projection: Projection) -> int:
        if projection.delay is None:
            return 1
        where = f"delay of projection {projection.name!r}"
        steps = whole_steps(projection.delay, self.dt, where)
        if steps < 1:
            raise CompileError(
                f"{where} is {projection.delay:g} s, shorter than dt = {self.dt:g} s;"
                " a spike needs at least one step"
            )
        return steps

    def arrive(self, projection: Projection) -> Arrive:
        name, connector = projection.name, projection.connector
        owner = name
        if isinstance(connector, Transpose):
            owner = connector.projection
        else:
            generator = stream(self.network.seed, f"synapses of {name}")
            synapses, weights = connector.build(
                generator, projection.pre.size, projection.post.size
            )
            self.connectivity[name] = synapses
            self.array(f"{name}.w", name, weights)
        self.array(f"{name}.input", projection.post.name, 0.0)
        if projection.gain != 1.0:
            self.array(f"{name}.gain", "", projection.gain)
        return Arrive(
            projection=name,
            source=projection.pre.name,
            target=projection.post.name,
            delay=self.delay(projection),
            synapses=owner,
            weights=f"{owner}.w",
            into=f"{name}.input",
            transposed=owner != name,
        )

    def plasticity(self, projection: Projection) -> Plasticity:
        rule, name = projection.plasticity, projection.name
        assert rule is not None
        connector = projection.connector
        owner = connector.projection if isinstance(connector, Transpose) else name
        resolve: dict[str, Expr] = {"w": Name(f"{owner}.w")}
        resolve |= {k: Const(v) for k, v in rule.parameters.items()}
        decay: list[Assign] = []
        for side, population, derivatives in (
            ("pre", projection.pre, rule.pre_derivatives),
            ("post", projection.post, rule.post_derivatives),
        ):
            for d in derivatives:
                array = self.array(f"{name}.{d.name}", population.name, 0.0)
                resolve[d.name] = Name(f"{array}@{side}")
            if isinstance(population.model, NeuronModel):
                for v in population.model.variables:
                    resolve[f"{v}_{side}"] = Name(f"{population.name}.{v}@{side}")
            where = f"{rule.name} at {name!r}"
            decay += self.decay(derivatives, rule.parameters, resolve, side, where)
        flags: dict[str, str | None] = {"pre": None, "post": None}
        for side, population in (("pre", projection.pre), ("post", projection.post)):
            if rule.uses(f"{side}_spike"):
                flags[side] = self.array(f"{name}.{side}_spike", population.name, False, "bool")
                resolve[f"{side}_spike"] = Name(f"{flags[side]}@{side}")

        def assigns(statements: tuple[Statement, ...]) -> tuple[Assign, ...]:
            made = []
            for s in statements:
                target = resolve[s.target]
                assert isinstance(target, Name)
                made.append(Assign(target.id, fold(substitute(s.expression, resolve.__getitem__))))
            if any(s.target == "w" for s in statements):
                made += self.bounds(f"{owner}.w", rule.w_min, rule.w_max)
            return tuple(made)

        return Plasticity(
            projection=name,
            source=projection.pre.name,
            target=projection.post.name,
            delay=self.delay(projection),
            synapses=owner,
            decay=tuple(decay),
            on_pre=assigns(rule.on_pre_statements),
            on_post=assigns(rule.on_post_statements),
            pre_flag=flags["pre"],
            post_flag=flags["post"],
            transposed=owner != name,
        )

    def decay(
        self,
        derivatives: tuple[Derivative, ...],
        parameters: Mapping[str, float],
        resolve: Mapping[str, Expr],
        side: str,
        where: str,
    ) -> list[Assign]:
        step = integrate(derivatives, parameters, self.dt, where)
        known = dict(resolve) | {k: Const(float(v)) for k, v in step.coefficients.items()}

        def rename(name: str) -> Expr:  # what is not known is local to the step
            return known.get(name, Name(f"{name}@{side}"))

        assigns = []
        for s in step.statements:
            target = rename(s.target)
            assert isinstance(target, Name)
            assigns.append(Assign(target.id, fold(substitute(s.expression, rename))))
        return assigns

    @staticmethod
    def bounds(weights: str, low: float | None, high: float | None) -> list[Assign]:
        w: Expr = Name(weights)
        if low is not None:
            w = Call("max", (w, Const(low)))
        if high is not None:
            w = Call("min", (w, Const(high)))
        return [] if low is None and high is None else [Assign(weights, w)]

    def record(self, owner: str, variable: str, units: NDArray[np.int64] | None) -> Record:
        if owner in self.connectivity and variable == "w" and units is not None:
            count = self.connectivity[owner].count
            if units.max() >= count:
                raise CompileError(
                    f"record: synapse {units.max()} of {owner!r} does not exist; it has {count}"
                )
        return Record(owner, variable, units)


class _Neurons:
    """The steps of one population."""

    def __init__(self, lowering: _Lowering, population: Population, model: NeuronModel) -> None:
        self.lowering, self.population, self.model = lowering, population, model
        name = population.name
        for v in model.variables:
            lowering.array(f"{name}.{v}", name, model.initial.get(v, 0.0))
        self.ports = {port: self.port(port) for port in model.inputs}
        self.refractory = self.refractory_steps()
        if self.refractory is not None:
            lowering.array(f"{name}.refractory", name, 0, "int")

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
        seconds = np.asarray(self.model.parameters[self.model.refractory])
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
        if name in self.model.parameters:
            value = self.model.parameters[name]
            return self.lowering.constant(f"{owner}.{name}", owner, value)
        if name.startswith("_"):
            return Name(name)
        return Name(f"{owner}.{name}")

    def update(self) -> Update | None:
        owner, model = self.population.name, self.model
        integration = integrate(
            model.derivatives,
            model.parameters,
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
            assigns.append(Assign(target, expression))
        assigns = _fused(assigns)
        if self.refractory is not None:
            assigns = [self.hold(a) for a in assigns]
            counter = Name(f"{owner}.refractory")
            one_less = Binary("-", counter, Const(1.0))
            assigns.insert(0, Assign(counter.id, Call("max", (one_less, Const(0.0)))))
        return Update(owner, tuple(assigns)) if assigns else None

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

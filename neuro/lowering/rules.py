"""Plasticity rules: what their names stand for, and their steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from neuro.description import whole_steps
from neuro.equations.evaluation import fold
from neuro.equations.expression import Call, Const, Expr, Name, substitute
from neuro.equations.integration import integrate
from neuro.equations.statements import Derivative, Statement
from neuro.lowering.arrays import Arrays
from neuro.members import Projection, factor_side
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule
from neuro.plasticity.short_term import EFFICACY, ShortTermPlasticity
from neuro.program import Arrive, Assign, Plasticity


def short_term(
    made: Arrays, projection: Projection, rule: ShortTermPlasticity, arrival: Arrive
) -> Plasticity:
    """The step of a short-term rule, which prepares a factor of the arrival."""
    names = _RuleNames(made, projection, arrival)
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


def plasticity(
    made: Arrays, projection: Projection, rule: PlasticityRule, arrival: Arrive
) -> Plasticity:
    """The step of a learning rule."""
    where = f"{rule.name} at {projection.name!r}"
    names = _RuleNames(made, projection, arrival)
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
        side: names.flag(side) if rule.uses(f"{side}_spike") else None for side in ("pre", "post")
    }

    def assigns(statements: tuple[Statement, ...]) -> tuple[Assign, ...]:
        assigned = names.assigns(statements)
        if any(s.target == "w" for s in statements):
            assigned += tuple(_bounds(arrival.weights, rule.w_min, rule.w_max))
        return assigned

    every = 1
    if rule.every is not None:
        every = max(1, whole_steps(rule.every, made.dt, f"every of {where}"))
    names.constants({"dt": every * made.dt})
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


def _bounds(weights: str, low: float | None, high: float | None) -> list[Assign]:
    w: Expr = Name(weights)
    if low is not None:
        w = Call("max", (w, Const(low)))
    if high is not None:
        w = Call("min", (w, Const(high)))
    return [] if low is None and high is None else [Assign(weights, w)]


class _RuleNames:
    """What the names in a rule's text stand for, as program names with their sides.

    In a projection with a delay for every synapse, what belongs to arrivals of a presynaptic
    unit (its traces, its flag) has one value per synapse instead.
    """

    def __init__(self, made: Arrays, projection: Projection, arrival: Arrive) -> None:
        self._made, self._projection, self._arrival = made, projection, arrival
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
            size = self._made.network.populations[population].size
            side = factor_side(size, pre.size, post.size)
            self._resolved[key] = Name(f"{population}.{variable}@{side}")

    def _suffix(self, side: str) -> str:
        synaptic = side == "synapse" or (side == "pre" and self._arrival.delays is not None)
        return "" if synaptic else f"@{side}"

    def trace(self, name: str, initial: float, side: str, unit: str = "1") -> None:
        """Make the array of a trace."""
        suffix = self._suffix(side)
        domain = {"": self._arrival.synapses, "@pre": self._arrival.source}.get(
            suffix, self._arrival.target
        )
        qualified = f"{self._projection.name}.{name}"
        array = self._made.array(qualified, domain, initial, unit=unit)
        self._resolved[name] = Name(f"{array}{suffix}")

    def traces(
        self, derivatives: tuple[Derivative, ...], initial: Mapping[str, float], side: str
    ) -> None:
        for d in derivatives:
            self.trace(d.name, initial.get(d.name, 0.0), side, d.unit)

    def flag(self, side: str) -> str:
        """Make the array that tells where a spike arrives (pre) or was emitted (post)."""
        suffix = self._suffix(side)
        domain = {"": self._arrival.synapses, "@pre": self._arrival.source}.get(
            suffix, self._arrival.target
        )
        name = f"{self._projection.name}.{side}_spike"
        self._made.array(name, domain, False, "bool")
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
        step = integrate(derivatives, parameters, self._made.dt, where)
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

"""Plasticity rules: data in the equation language, like neuron models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from neuro.description import Described, Parameter
from neuro.distributions import finite
from neuro.equations.expression import names
from neuro.equations.statements import (
    Derivative,
    Statement,
    check_name,
    parse_derivatives,
    parse_statements,
)
from neuro.errors import DescriptionError, EquationError

#: Names of every rule: the weight, and flags that are 1 in a step in which a spike of the
#: presynaptic unit arrives (the postsynaptic unit spikes), else 0.
BUILT_IN = ("w", "pre_spike", "post_spike")


class PlasticityRule(Described):
    """A learning rule from statements; the built-in rules use the same path.

    In each step: traces decay; then ``on_pre`` runs for the synapses of units whose spikes
    arrive; then ``on_post`` for the synapses of units that spike; then, where it is time,
    ``on_step`` for all synapses. A pre-arrival and a post-spike in the same step therefore count
    as pre before post.

    Parameters
    ----------
    on_pre, on_post, on_step : str
        Statements. They may assign to ``w``, to synaptic traces, and ``on_pre`` (``on_post``,
        ``on_step``) to pre (post, all) traces. They may read everything: ``w``, all traces,
        parameters, third factors, ``pre_spike``, ``post_spike``, and state variables of the two
        neurons with the suffix ``_pre`` or ``_post`` (``v_post``); ``on_step`` also ``dt``, the
        seconds between two of its runs.
    every : float, second, optional
        Time between two runs of ``on_step``; each step by default. It costs a visit to every
        synapse each time.
    pre_traces, post_traces : str
        Differential equations of traces, one value per unit: ``"dx/dt = -x / tau_plus : 1"``.
        Beside parameters they may read traces and state variables of their own side.
    synapse_traces : str
        The same with one value per synapse (eligibility); these may read everything. They decay
        last, and cost a visit to every synapse in every step.
    parameters : mapping of str to (value, unit) or value
        Scalars.
    factors : sequence of str
        Names of third factors (reward, error): ``Network.connect(..., factors=...)`` says which
        variable of which population each one is.
    initial : mapping of str to float
        Values of traces before the first step; 0 where not given.
    w_min, w_max : float, optional
        Weights are clipped to these bounds after each change.
    name : str
        For messages and printing.

    Notes
    -----
    In a projection with a delay for every synapse a spike arrives at each synapse at another
    time; pre traces then have one value per synapse too.

    Raises
    ------
    EquationError
        Text outside the language or unknown targets. Names that depend on the two neurons are
        checked by ``Network.connect``.
    """

    def __init__(
        self,
        on_pre: str = "",
        on_post: str = "",
        *,
        on_step: str = "",
        every: Any = None,
        pre_traces: str = "",
        post_traces: str = "",
        synapse_traces: str = "",
        parameters: Mapping[str, Any] | None = None,
        factors: Sequence[str] = (),
        initial: Mapping[str, float] | None = None,
        w_min: float | None = None,
        w_max: float | None = None,
        name: str = "plasticity rule",
    ) -> None:
        self.name = name
        self.on_pre, self.on_post, self.on_step = on_pre, on_post, on_step
        self.pre_traces, self.post_traces = pre_traces, post_traces
        self.synapse_traces = synapse_traces
        self.parameters = read_scalars(parameters or {}, name)
        self.factors = tuple(check_name(f, f"factors of {name}") for f in factors)
        self.every: float | None = None
        if every is not None:
            if not on_step:
                raise DescriptionError(f"every of {name}: there is no on_step to repeat; give one")
            period = Parameter("second", 0.0, exclusive=True).read(every, f"every of {name}")
            if not isinstance(period, float):
                raise DescriptionError(f"every of {name} is an array; expected one number")
            self.every = period
        self.w_min = None if w_min is None else finite(w_min, f"w_min of {name}")
        self.w_max = None if w_max is None else finite(w_max, f"w_max of {name}")
        if self.w_min is not None and self.w_max is not None and self.w_min > self.w_max:
            raise DescriptionError(
                f"{name}: w_min {self.w_min:g} is above w_max {self.w_max:g}; swap them"
            )
        self._traces = {
            "pre": parse_derivatives(pre_traces, f"pre_traces of {name}"),
            "post": parse_derivatives(post_traces, f"post_traces of {name}"),
            "synapse": parse_derivatives(synapse_traces, f"synapse_traces of {name}"),
        }
        self._statements = {
            "pre": parse_statements(on_pre, f"on_pre of {name}"),
            "post": parse_statements(on_post, f"on_post of {name}"),
            "step": parse_statements(on_step, f"on_step of {name}"),
        }
        self.initial = read_initial(initial or {}, self.derivatives, name)
        self._check()

    # --- what lowering reads ---

    @property
    def derivatives(self) -> tuple[Derivative, ...]:
        """Equations of all traces: of pre units, post units, synapses."""
        return tuple(d for group in self._traces.values() for d in group)

    @property
    def pre_derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``pre_traces``."""
        return self._traces["pre"]

    @property
    def post_derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``post_traces``."""
        return self._traces["post"]

    @property
    def synapse_derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``synapse_traces``."""
        return self._traces["synapse"]

    @property
    def on_pre_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_pre``."""
        return self._statements["pre"]

    @property
    def on_post_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_post``."""
        return self._statements["post"]

    @property
    def on_step_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_step``."""
        return self._statements["step"]

    def uses(self, name: str) -> bool:
        """Whether any event statement reads a name."""
        return any(
            name in names(s.expression) for group in self._statements.values() for s in group
        )

    # --- checks ---

    def _own(self, side: str) -> set[str]:
        return {d.name for d in self._traces[side]}

    def _check(self) -> None:
        declared = [d.name for d in self.derivatives]
        declared += [*self.parameters, *self.factors, *BUILT_IN]
        for name in declared:
            if declared.count(name) > 1:
                raise EquationError(f"{self.name}: {name!r} is declared twice")
        pre, post, synapse = self._own("pre"), self._own("post"), self._own("synapse")
        targets = {"pre": pre, "post": post, "step": pre | post}
        for title, statements in self._statements.items():
            for s in statements:
                if s.target not in targets[title] | synapse | {"w"}:
                    allowed = ", ".join(["w", *sorted(targets[title] | synapse)])
                    raise EquationError(
                        f"on_{title} of {self.name}: cannot assign to {s.target!r};"
                        f" it may assign to {allowed}"
                    )
                if s.target not in synapse | {"w"}:
                    side = "pre" if s.target in pre else "post"
                    synaptic = {"w"} | synapse | (post if side == "pre" else pre)
                    if other := set(names(s.expression)) & synaptic:
                        raise EquationError(
                            f"on_{title} of {self.name}: the trace {s.target!r} has one value per"
                            f" {side} unit and cannot depend on {min(other)!r}"
                        )

    def check_names(self, pre: Set[str], post: Set[str], shared: Set[str], where: str) -> None:
        """Refuse names that nobody declares, once the two neurons are known.

        Parameters
        ----------
        pre, post, shared : set of str
            State variables of the neurons, with their suffixes, and third factors, by side.
        where : str
            The projection, for messages.
        """
        constants = set(self.parameters)
        sides = {
            "pre": self._own("pre") | pre | constants,
            "post": self._own("post") | post | constants,
        }
        everything = sides["pre"] | sides["post"] | self._own("synapse") | shared | {"w"}
        known = {side: sides[side] - set(self.factors) for side in sides} | {"synapse": everything}
        for side, derivatives in self._traces.items():
            for d in derivatives:
                self._known(names(d.expression), known[side], f"d{d.name}/dt of", where)
        for title, statements in self._statements.items():
            extra = {"dt"} if title == "step" else set()
            for s in statements:
                used = set(names(s.expression))
                self._known(used, everything | set(BUILT_IN) | extra, f"on_{title} of", where)
                for side in sides:
                    foreign = used - sides[side] - shared - extra - {f"{side}_spike"}
                    if s.target in self._own(side) and foreign:
                        raise EquationError(
                            f"on_{title} of {self.name} at {where}: the trace {s.target!r} has one"
                            f" value per {side} unit and cannot depend on {min(foreign)!r}"
                        )

    def _known(self, used: Iterable[str], known: Set[str], what: str, where: str) -> None:
        for name in used:
            if name not in known:
                raise EquationError(
                    f"{what} {self.name} at {where}: unknown name {name!r};"
                    f" known: {', '.join(sorted(known))}"
                )


def read_scalars(parameters: Mapping[str, Any], name: str) -> dict[str, float]:
    """Parameters of a rule, which are single numbers, in SI units."""
    found: dict[str, float] = {}
    for key, given in parameters.items():
        value, unit = given if isinstance(given, tuple) else (given, "1")
        where = f"{key} of {name}"
        read = Parameter(unit).read(value, where)
        if not isinstance(read, float):
            raise DescriptionError(f"{where} has {read.size} values; expected one number")
        found[check_name(key, where)] = read
    return found


def read_initial(
    initial: Mapping[str, Any], derivatives: Iterable[Derivative], name: str
) -> dict[str, float]:
    """Initial values of traces."""
    units = {d.name: d.unit for d in derivatives}
    for key in initial:
        if key not in units:
            raise DescriptionError(
                f"initial {key} of {name}: no such trace; it has {', '.join(units) or 'none'}"
            )
    return read_scalars({k: (v, units[k]) for k, v in initial.items()}, name)

"""Plasticity rules: data in the equation language, like neuron models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuro.description import Described, Parameter
from neuro.equations.expression import names
from neuro.equations.statements import Derivative, Statement, check_name, parse_statements
from neuro.equations.statements import parse_derivatives as _derivatives
from neuro.errors import DescriptionError, EquationError

#: Names of every rule: the weight, and flags that are 1 in a step in which a spike of the
#: presynaptic unit arrives (the postsynaptic unit spikes), else 0.
BUILT_IN = ("w", "pre_spike", "post_spike")


class PlasticityRule(Described):
    """A learning rule from statements; the built-in rules use the same path.

    In each step: traces decay; then ``on_pre`` runs for the synapses of units whose spikes
    arrive; then ``on_post`` for the synapses of units that spike. A pre-arrival and a post-spike
    in the same step therefore count as pre before post.

    Parameters
    ----------
    on_pre, on_post : str
        Statements. They may assign to ``w`` and to the traces of their own side (``on_pre`` to
        pre traces, ``on_post`` to post traces) and read everything: ``w``, all traces,
        parameters, ``pre_spike``, ``post_spike``, and state variables of the two neurons with
        the suffix ``_pre`` or ``_post`` (``v_post``).
    pre_traces, post_traces : str
        Differential equations of traces, one per unit: ``"dx/dt = -x / tau_plus : 1"``. They
        start at 0.
    parameters : mapping of str to (value, unit) or value
        Scalars.
    w_min, w_max : float, optional
        Weights are clipped to these bounds after each change.
    name : str
        For messages and printing.

    Raises
    ------
    EquationError
        Text outside the language or unknown targets. Unknown names in expressions are refused by
        ``Network.connect``, which knows the neurons.
    """

    def __init__(
        self,
        on_pre: str = "",
        on_post: str = "",
        *,
        pre_traces: str = "",
        post_traces: str = "",
        parameters: Mapping[str, Any] | None = None,
        w_min: float | None = None,
        w_max: float | None = None,
        name: str = "plasticity rule",
    ) -> None:
        self.name = name
        self.on_pre, self.on_post = on_pre, on_post
        self.pre_traces, self.post_traces = pre_traces, post_traces
        self.parameters: dict[str, float] = {}
        for key, given in (parameters or {}).items():
            value, unit = given if isinstance(given, tuple) else (given, "1")
            where = f"{key} of {name}"
            read = Parameter(unit).read(value, where)
            if not isinstance(read, float):
                raise DescriptionError(f"{where} has {read.size} values; expected one number")
            self.parameters[check_name(key, where)] = read
        self.w_min = None if w_min is None else float(w_min)
        self.w_max = None if w_max is None else float(w_max)
        if self.w_min is not None and self.w_max is not None and self.w_min > self.w_max:
            raise DescriptionError(f"{name}: w_min {w_min} is above w_max {w_max}; swap them")
        self._pre = _derivatives(pre_traces, f"pre_traces of {name}")
        self._post = _derivatives(post_traces, f"post_traces of {name}")
        self._on_pre = parse_statements(on_pre, f"on_pre of {name}")
        self._on_post = parse_statements(on_post, f"on_post of {name}")
        self._check()

    @property
    def pre_derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``pre_traces``."""
        return self._pre

    @property
    def post_derivatives(self) -> tuple[Derivative, ...]:
        """Parsed ``post_traces``."""
        return self._post

    @property
    def on_pre_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_pre``."""
        return self._on_pre

    @property
    def on_post_statements(self) -> tuple[Statement, ...]:
        """Parsed ``on_post``."""
        return self._on_post

    def uses(self, name: str) -> bool:
        """Whether any event statement reads a name."""
        return any(name in names(s.expression) for s in self._on_pre + self._on_post)

    def _check(self) -> None:
        pre, post = {d.name for d in self._pre}, {d.name for d in self._post}
        declared = [*pre, *post, *self.parameters, *BUILT_IN]
        for name in declared:
            if declared.count(name) > 1:
                raise EquationError(f"{self.name}: {name!r} is declared twice")
        for side, statements, own in (("pre", self._on_pre, pre), ("post", self._on_post, post)):
            for s in statements:
                if s.target not in own | {"w"}:
                    allowed = ", ".join(["w", *sorted(own)])
                    raise EquationError(
                        f"on_{side} of {self.name}: cannot assign to {s.target!r};"
                        f" it may assign to {allowed}"
                    )
                if s.target != "w":
                    other = set(names(s.expression)) & ({"w"} | (post if side == "pre" else pre))
                    if other:
                        raise EquationError(
                            f"on_{side} of {self.name}: the trace {s.target!r} has one value per"
                            f" {side} unit and cannot depend on {min(other)!r}"
                        )
        for trace in self._pre + self._post:
            allowed_names = {d.name for d in (self._pre if trace in self._pre else self._post)}
            unknown = set(names(trace.expression)) - allowed_names - set(self.parameters)
            if unknown:
                raise EquationError(f"d{trace.name}/dt of {self.name}: unknown {min(unknown)!r}")


class PairSTDP(PlasticityRule):
    r"""Pair-based spike-timing-dependent plasticity, additive, all-to-all.

    .. math::
        \dot x = -x/\tau_+,\; x \leftarrow x + 1 \text{ (pre)};\quad
        \dot y = -y/\tau_-,\; y \leftarrow y + 1 \text{ (post)} \\
        w \leftarrow w - A_-\,y \text{ (pre)};\quad w \leftarrow w + A_+\,x \text{ (post)}

    Source: Song, Miller & Abbott 2000; Morrison et al. 2008, eq. 3-4.

    Parameters
    ----------
    tau_plus, tau_minus : float, second
        Time constants of the pre and post trace.
    a_plus, a_minus : float
        Amplitudes of potentiation and depression, in the unit of the weight; both positive for
        the usual window.
    w_min, w_max : float, optional
        Bounds.
    """

    def __init__(
        self,
        tau_plus: Any = 20e-3,
        tau_minus: Any = 20e-3,
        a_plus: float = 0.01,
        a_minus: float = 0.012,
        w_min: float | None = None,
        w_max: float | None = None,
    ) -> None:
        for key, value in (("tau_plus", tau_plus), ("tau_minus", tau_minus)):
            Parameter("second", 0.0, exclusive=True).read(value, f"{key} of PairSTDP")
        super().__init__(
            on_pre="x += 1; w -= a_minus * y",
            on_post="y += 1; w += a_plus * x",
            pre_traces="dx/dt = -x / tau_plus : 1",
            post_traces="dy/dt = -y / tau_minus : 1",
            parameters={
                "tau_plus": (tau_plus, "second"),
                "tau_minus": (tau_minus, "second"),
                "a_plus": a_plus,
                "a_minus": a_minus,
            },
            w_min=w_min,
            w_max=w_max,
            name="PairSTDP",
        )


class SleepReplay(PlasticityRule):
    r"""The rule of sleep replay consolidation.

    At each postsynaptic spike, for every presynaptic unit,

    .. math::
        w \leftarrow w + \begin{cases} +\Delta_+\, g(w) & \text{pre spike arrived in this step}\\
        -\Delta_-\, g(w) & \text{otherwise}\end{cases},\qquad
        g(w) = \frac{2}{1 + e^{w/s}}

    Weights well above the slope s are frozen, negative ones move most. Source: Tadros et al. 2022
    (Nat. Commun. 13:7742) as released, where s = 0.001; ``gate="hard"`` is the limit s -> 0,
    g(w) = 2 for w <= 0, else 0, which suits integer chips.

    Parameters
    ----------
    increment, decrement : float
        :math:`\Delta_+, \Delta_-`, in raw weight units.
    slope : float
        s, in raw weight units; ignored by the hard gate.
    gate : {"sigmoid", "hard"}
        Form of g.
    """

    def __init__(
        self, increment: float, decrement: float, slope: float = 0.001, gate: str = "sigmoid"
    ) -> None:
        if gate not in ("sigmoid", "hard"):
            raise DescriptionError(f"gate of SleepReplay is {gate!r}; use 'sigmoid' or 'hard'")
        for key, value in (("increment", increment), ("decrement", decrement)):
            Parameter(minimum=0.0).read(value, f"{key} of SleepReplay")
        Parameter(minimum=0.0, exclusive=True).read(slope, "slope of SleepReplay")
        g = (
            "2 / (1 + exp(clip(w / slope, -60, 60)))"
            if gate == "sigmoid"
            else "where(w <= 0, 2, 0)"
        )
        super().__init__(
            on_post=f"w += (increment * pre_spike - decrement * (1 - pre_spike)) * {g}",
            parameters={"increment": increment, "decrement": decrement}
            | ({"slope": slope} if gate == "sigmoid" else {}),
            name="SleepReplay",
        )

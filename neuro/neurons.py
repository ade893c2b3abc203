"""Neuron models: data in the equation language, each with its equation, units and source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuro.description import Described, Parameter, Value
from neuro.equations.dimensions import check_assignment, dimension
from neuro.equations.expression import Expr, is_condition, names, parse_expression
from neuro.equations.methods import METHODS
from neuro.equations.statements import (
    Derivative,
    Statement,
    check_name,
    parse_derivatives,
    parse_statements,
)
from neuro.errors import DescriptionError, EquationError
from neuro.units import Dimension, dimension_of


class NeuronModel(Described):
    """A population's dynamics, written as equations; the built-in models use the same path.

    One time step of a unit is: ``before``, then ``equations`` over dt, then ``after``, then the
    ``threshold`` and, where it holds, ``reset``. Input ports are names that hold, in each step,
    the weights that arrived; ``before`` and ``after`` say what they do.

    Parameters
    ----------
    equations : str
        Differential equations, one a line: ``"dv/dt = (v_rest - v) / tau_m : volt"``.
    parameters : mapping of str to (value, unit) or value
        Numbers in SI units or quantities; one for all units or one per unit.
    inputs : mapping of str to str
        Input ports and the unit of the weights that arrive there.
    before, after : str
        Statements run before and after integration, e.g. ``"v += delta"``.
    threshold : str
        Condition for a spike, e.g. ``"v >= v_threshold"``; empty: never.
    reset : str
        Statements for units that spiked.
    refractory : str
        Name of the parameter that holds the refractory period in seconds; a unit that spikes at
        step k cannot spike before step ``k + t_ref/dt``. Empty: none.
    held : sequence of str
        Variables that keep their value during the refractory period.
    initial : mapping
        Values before the first step; 0 where not given.
    integrator : str
        ``"auto"`` or one of :data:`neuro.equations.methods.METHODS`.
    name : str
        For messages and printing.

    Raises
    ------
    EquationError
        Text outside the language, unknown names, assignments to parameters.
    UnitError
        Dimensions that do not agree.
    """

    def __init__(
        self,
        equations: str = "",
        *,
        parameters: Mapping[str, Any] | None = None,
        inputs: Mapping[str, str] | None = None,
        before: str = "",
        after: str = "",
        threshold: str = "",
        reset: str = "",
        refractory: str = "",
        held: Sequence[str] = (),
        initial: Mapping[str, Any] | None = None,
        integrator: str = "auto",
        name: str = "neuron model",
    ) -> None:
        self.name = name
        self.equations = equations
        self.inputs = dict(inputs or {})
        self.before, self.after = before, after
        self.threshold, self.reset = threshold, reset
        self.refractory, self.held = refractory, tuple(held)
        self.integrator = integrator
        if integrator not in METHODS:
            raise EquationError(f"{name}: integrator {integrator!r}; choose from {METHODS}")

        self._derivatives = parse_derivatives(equations, f"equations of {name}")
        self._before = parse_statements(before, f"'before' of {name}")
        self._after = parse_statements(after, f"'after' of {name}")
        self._reset = parse_statements(reset, f"reset of {name}")
        self._threshold = parse_expression(threshold, f"threshold of {name}") if threshold else None
        self._variables = {
            d.name: dimension_of(d.unit, f"d{d.name}/dt of {name}") for d in self._derivatives
        }
        self.parameters: dict[str, Value] = {}
        self.units: dict[str, str] = {}
        self._parameter_units: dict[str, Dimension] = {}
        for key, given in (parameters or {}).items():
            value, unit = given if isinstance(given, tuple) else (given, "1")
            where = f"{key} of {name}"
            self.parameters[check_name(key, where)] = Parameter(unit).read(value, where)
            self.units[key] = unit
            self._parameter_units[key] = dimension_of(unit, where)
        self.initial = {
            key: self._read_initial(key, value) for key, value in (initial or {}).items()
        }
        self._check()

    # --- what lowering reads ---

    @property
    def derivatives(self) -> tuple[Derivative, ...]:
        """The parsed equations."""
        return self._derivatives

    @property
    def variables(self) -> tuple[str, ...]:
        """State variables, in order."""
        return tuple(self._variables)

    @property
    def before_statements(self) -> tuple[Statement, ...]:
        """Parsed ``before``."""
        return self._before

    @property
    def after_statements(self) -> tuple[Statement, ...]:
        """Parsed ``after``."""
        return self._after

    @property
    def reset_statements(self) -> tuple[Statement, ...]:
        """Parsed ``reset``."""
        return self._reset

    @property
    def threshold_condition(self) -> Expr | None:
        """Parsed ``threshold``; None for a model that never spikes."""
        return self._threshold

    # --- checks ---

    def _read_initial(self, key: str, value: Any) -> Value:
        where = f"initial {key} of {self.name}"
        for derivative in self._derivatives:
            if derivative.name == key:
                return Parameter(derivative.unit).read(value, where)
        raise DescriptionError(
            f"{where}: no such variable; {self.name} has {', '.join(self._variables) or 'none'}"
        )

    def _check(self) -> None:
        name = self.name
        ports = {
            check_name(port, f"input port of {name}"): dimension_of(unit, f"port {port} of {name}")
            for port, unit in self.inputs.items()
        }
        groups = [set(self._variables), set(self.parameters), set(ports)]
        for i, group in enumerate(groups):
            for other in groups[i + 1 :]:
                if group & other:
                    raise EquationError(f"{name}: {min(group & other)!r} is declared twice")
        known = {**self._variables, **self._parameter_units, **ports}
        time = dimension_of("second", name)
        for d in self._derivatives:
            where = f"d{d.name}/dt of {name}"
            slope = self._variables[d.name] / time
            check_assignment(f"d{d.name}/dt", d.expression, slope, known, where)
        for title, statements in (
            ("before", self._before),
            ("after", self._after),
            ("reset", self._reset),
        ):
            for s in statements:
                where = f"'{title}' of {name}"
                if s.target not in self._variables:
                    raise EquationError(
                        f"{where}: cannot assign to {s.target!r};"
                        f" state variables are {', '.join(self._variables) or 'none'}"
                    )
                if title == "reset" and (found := set(names(s.expression)) & set(ports)):
                    raise EquationError(f"{where}: the input {min(found)!r} is not read in a reset")
                expected = self._variables[s.target]
                check_assignment(s.target, s.expression, expected, known, where)
        if self._threshold is not None:
            where = f"threshold of {name}"
            if not is_condition(self._threshold):
                raise EquationError(
                    f"{where}: {self.threshold!r} is not a condition such as 'v > 1'"
                )
            if found := set(names(self._threshold)) & set(ports):
                raise EquationError(f"{where}: the input {min(found)!r} is not read there")
            dimension(self._threshold, known, where)
        elif self.reset:
            raise EquationError(f"{name}: a reset without a threshold never happens; give both")
        if self.refractory:
            if self._parameter_units.get(self.refractory) != time:
                raise EquationError(
                    f"refractory of {name}: {self.refractory!r} must name a parameter in seconds"
                )
            Parameter("second", minimum=0.0).read(
                self.parameters[self.refractory], f"{self.refractory} of {name}"
            )
        for variable in self.held:
            if variable not in self._variables:
                raise EquationError(f"held of {name}: {variable!r} is not a state variable")


class LIF(NeuronModel):
    r"""Leaky integrate-and-fire neuron with delta synapses.

    .. math:: \tau_m \frac{dv}{dt} = v_\mathrm{rest} - v, \qquad v \leftarrow v + \sum w

    Integrated exactly: v decays first, then the weights that arrived in this step are added, then
    the threshold is tested, as in Tadros et al. 2022 and in Loihi's compartments. Model: Lapicque
    1907; Gerstner et al. 2014, *Neuronal Dynamics*, ch. 1.3.

    Parameters
    ----------
    tau_m : float or array, second, default 20 ms
        Membrane time constant.
    v_threshold : float or array, volt, default 1
        Spike threshold.
    v_reset : float or array, volt, default 0
        Value after a spike.
    v_rest : float or array, volt, default 0
        Resting value.
    t_ref : float or array, second, default 0
        Refractory period: after a spike at step k, v is held at v_reset and inputs are ignored
        before step ``k + t_ref/dt``. Must be a multiple of dt.
    v_init : float or array, volt, optional
        Value before the first step; v_rest by default.
    comparison : {">=", ">"}
        Whether a unit exactly at threshold spikes.
    """

    def __init__(
        self,
        tau_m: Any = 20e-3,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
        v_rest: Any = 0.0,
        t_ref: Any = 0.0,
        v_init: Any = None,
        *,
        comparison: str = ">=",
    ) -> None:
        if comparison not in (">=", ">"):
            raise DescriptionError(f"comparison of LIF is {comparison!r}; use '>=' or '>'")
        Parameter("second", minimum=0.0, exclusive=True).read(tau_m, "tau_m of LIF")
        super().__init__(
            "dv/dt = (v_rest - v) / tau_m : volt",
            parameters={
                "tau_m": (tau_m, "second"),
                "v_threshold": (v_threshold, "volt"),
                "v_reset": (v_reset, "volt"),
                "v_rest": (v_rest, "volt"),
                "t_ref": (t_ref, "second"),
            },
            inputs={"delta": "volt"},
            after="v += delta",
            threshold=f"v {comparison} v_threshold",
            reset="v = v_reset",
            refractory="t_ref",
            held=("v",),
            initial={"v": v_rest if v_init is None else v_init},
            name="LIF",
        )

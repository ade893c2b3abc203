"""The neuron model: a population's dynamics as data in the equation language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuro.description import Described, Parameter, Value
from neuro.distributions import Distribution
from neuro.equations.affine import affine
from neuro.equations.dimensions import check_assignment, dimension
from neuro.equations.expression import Expr, is_condition, names, parse_expression
from neuro.equations.methods import METHODS
from neuro.equations.statements import (
    NOISE,
    Derivative,
    Statement,
    check_name,
    parse_derivatives,
    parse_statements,
)
from neuro.errors import DescriptionError, EquationError, UnitError
from neuro.synapses import INPUT_CURRENT, Synapse, SynapseParts, with_input_current
from neuro.units import Dimension, dimension_of


class NeuronModel(Described):
    """A population's dynamics, written as equations; the built-in models use the same path.

    One time step of a unit is: ``before``, then ``equations`` over dt, then ``after``, then the
    ``threshold`` and, where it holds, ``reset``. Input ports are names that hold, in each step,
    the weights that arrived; ``before`` and ``after`` say what they do.

    Parameters
    ----------
    equations : str
        Differential equations, one a line: ``"dv/dt = (v_rest - v) / tau_m : volt"``; a line
        ``"y : volt"`` declares a variable that only statements change. ``xi`` is white noise
        (unit ``second ** -0.5``, of each unit its own), to be added with a factor that holds no
        variable: ``"dv/dt = -v / tau + sigma * sqrt(2 / tau) * xi : volt"``; ``xi_2`` and so on
        are further noises.
    parameters : mapping of str to (value, unit) or value
        Numbers in SI units or quantities; one for all units or one per unit.
    inputs : mapping of str to str
        Input ports and the unit of the weights that arrive there.
    synapses : mapping of str to Synapse
        Further input ports, each with the course that an arrival takes (:mod:`neuro.synapses`):
        ``{"exc": Exponential(5e-3)}``. Equations read the sum of their currents as ``I_syn``.
    current : str
        Unit of ``I_syn``.
    before, after : str
        Statements run before and after integration, e.g. ``"v += delta"``. As threshold, reset
        and emits they may draw random numbers, a new one at every ``rand()`` (uniform, from 0 to
        below 1) and ``randn()`` (standard normal): ``threshold="rand() < p"``.
    threshold : str
        Condition for a spike, e.g. ``"v >= v_threshold"``; empty: never.
    reset : str
        Statements for units that spiked.
    refractory : str
        Name of the parameter that holds the refractory period in seconds; a unit that spikes at
        step k cannot spike before step ``k + t_ref/dt``. Empty: none.
    held : sequence of str
        Variables that keep their value during the refractory period.
    emits : str
        Expression, evaluated before the reset, of the number that an event carries: arrivals
        then add weight times number. Empty: plain spikes, which count 1.
    initial : mapping
        Values before the first step; 0 where not given. As parameters, one for all units, one
        per unit, or a distribution such as ``Uniform(0, 1)``, drawn when compiled; or the name
        of a parameter, whose value (also a drawn one) it then is.
    positive : sequence of str
        Parameters that must be above zero.
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
        synapses: Mapping[str, Synapse] | None = None,
        current: str = "volt",
        before: str = "",
        after: str = "",
        threshold: str = "",
        reset: str = "",
        refractory: str = "",
        held: Sequence[str] = (),
        emits: str = "",
        initial: Mapping[str, Any] | None = None,
        positive: Sequence[str] = (),
        integrator: str = "auto",
        name: str = "neuron model",
    ) -> None:
        self.name = name
        self.equations = equations
        self.inputs = dict(inputs or {})
        self.synapses, self.current = dict(synapses or {}), current
        self.before, self.after = before, after
        self.threshold, self.reset = threshold, reset
        self.refractory, self.held = refractory, tuple(held)
        self.emits = emits
        self.integrator = integrator
        self.positive = tuple(positive)
        if integrator not in METHODS:
            raise EquationError(f"{name}: integrator {integrator!r}; choose from {METHODS}")

        parts = [self._synapse(port, given) for port, given in self.synapses.items()]
        self._ports = {**self.inputs, **{p.port: p.weight_unit for p in parts}}
        text = "\n".join([equations, *(p.equations for p in parts)])
        self._derivatives = with_input_current(
            parse_derivatives(text, f"equations of {name}"), [p.current for p in parts if p.current]
        )
        if any(p.current for p in parts) and INPUT_CURRENT not in equations:
            raise EquationError(
                f"{name}: the synapses give a current, but no equation reads {INPUT_CURRENT}"
            )
        self._before = parse_statements(before, f"'before' of {name}", draws=True)
        text = "\n".join([*(p.after for p in parts), after])
        self._after = parse_statements(text, f"'after' of {name}", draws=True)
        self._reset = parse_statements(reset, f"reset of {name}", draws=True)
        self._threshold = (
            parse_expression(threshold, f"threshold of {name}", draws=True) if threshold else None
        )
        self._emits = parse_expression(emits, f"emits of {name}", draws=True) if emits else None
        self._variables = {
            d.name: dimension_of(d.unit, f"d{d.name}/dt of {name}") for d in self._derivatives
        }
        self.parameters: dict[str, Value | Distribution] = {}
        self.units: dict[str, str] = {}
        self._constants: dict[str, Value | Distribution] = {}
        self._parameter_units: dict[str, Dimension] = {}
        for key, given in (parameters or {}).items():
            value, unit = given if isinstance(given, tuple) else (given, "1")
            self.parameters[key] = self._read_parameter(key, value, unit)
            self.units[key] = unit
        for part in parts:
            for key, (value, unit) in part.parameters.items():
                self._read_parameter(key, value, unit)
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
    def ports(self) -> Mapping[str, str]:
        """All input ports, those of synapses included, with the unit of their weights."""
        return self._ports

    @property
    def constants(self) -> Mapping[str, Value | Distribution]:
        """All parameters, those of synapses included."""
        return self._constants

    @property
    def emits_expression(self) -> Expr | None:
        """Parsed ``emits``; None for plain spikes."""
        return self._emits

    @property
    def variables(self) -> tuple[str, ...]:
        """State variables, in order."""
        return tuple(self._variables)

    @property
    def noises(self) -> tuple[str, ...]:
        """Names of white noise in the equations, in order."""
        used = (name for d in self._derivatives for name in names(d.expression))
        return tuple(dict.fromkeys(name for name in used if NOISE.match(name)))

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

    def _synapse(self, port: str, given: Any) -> SynapseParts:
        where = f"synapse {port!r} of {self.name}"
        if not isinstance(given, Synapse):
            raise DescriptionError(f"{where}: {given!r} is not a synapse such as Exponential(5e-3)")
        return given.parts(check_name(port, where), self.current)

    def _read_parameter(self, key: str, value: Any, unit: str) -> Value | Distribution:
        where = f"{key} of {self.name}"
        check_name(key, where)
        if key in self._constants:
            raise EquationError(f"{self.name}: parameter {key!r} is declared twice")
        self._parameter_units[key] = dimension_of(unit, where)
        minimum = 0.0 if key in self.positive else -np.inf
        read = read_number(value, unit, where, minimum, exclusive=True)
        self._constants[key] = read
        return read

    def _read_initial(self, key: str, value: Any) -> Value | Distribution | str:
        where = f"initial {key} of {self.name}"
        unit = next((d.unit for d in self._derivatives if d.name == key), None)
        if unit is None:
            raise DescriptionError(
                f"{where}: no such variable; {self.name} has {', '.join(self._variables) or 'none'}"
            )
        if not isinstance(value, str):
            return read_number(value, unit, where)
        if value not in self._constants:
            raise DescriptionError(
                f"{where} is {value!r}; expected a number or the name of a parameter, one of"
                f" {', '.join(self._constants) or 'none'}"
            )
        if self._parameter_units[value] != self._variables[key]:
            raise UnitError(
                f"{where}: {value} is in {self._parameter_units[value]}, expected {unit}"
            )
        return value

    def _check(self) -> None:
        name = self.name
        ports = {
            check_name(port, f"input port of {name}"): dimension_of(unit, f"port {port} of {name}")
            for port, unit in self._ports.items()
        }
        groups = [set(self._variables), set(self._constants), set(ports)]
        for i, group in enumerate(groups):
            for other in groups[i + 1 :]:
                if group & other:
                    raise EquationError(f"{name}: {min(group & other)!r} is declared twice")
        known = {**self._variables, **self._parameter_units, **ports}
        time = dimension_of("second", name)
        noises = dict.fromkeys(self.noises, time.power(-0.5))
        for d in self._derivatives:
            where = f"d{d.name}/dt of {name}"
            slope = self._variables[d.name] / time
            check_assignment(f"d{d.name}/dt", d.expression, slope, {**known, **noises}, where)
            self._check_additive(d, where)
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
        self._check_events(known)
        if self.refractory:
            if self._parameter_units.get(self.refractory) != time:
                raise EquationError(
                    f"refractory of {name}: {self.refractory!r} must name a parameter in seconds"
                )
            read_number(
                self._constants[self.refractory], "second", f"{self.refractory} of {name}", 0.0
            )
        for key in self.positive:
            if key not in self._constants:
                raise EquationError(f"positive of {name}: {key!r} is not a parameter")
        for variable in self.held:
            if variable not in self._variables:
                raise EquationError(f"held of {name}: {variable!r} is not a state variable")

    def _check_additive(self, d: Derivative, where: str) -> None:
        """Noise is added: what it is multiplied with holds no variable, nor other noise."""
        for noise in self.noises:
            parts = affine(d.expression, noise)
            factor = set(names(parts[0])) if parts else {noise}
            if found := factor & {*self._variables, *self.noises}:
                raise EquationError(
                    f"{where}: noise {noise} with a factor that depends on {min(found)!r};"
                    " noise can be added only, times parameters and inputs (in 'after',"
                    " randn() can be used in any way)"
                )

    def _check_events(self, known: Mapping[str, Dimension]) -> None:
        name, ports = self.name, set(self._ports)
        if self._threshold is not None:
            where = f"threshold of {name}"
            if not is_condition(self._threshold):
                raise EquationError(
                    f"{where}: {self.threshold!r} is not a condition such as 'v > 1'"
                )
            if found := set(names(self._threshold)) & ports:
                raise EquationError(f"{where}: the input {min(found)!r} is not read there")
            dimension(self._threshold, known, where)
        elif self.emits:
            raise EquationError(f"{name}: emits without a threshold: there are no events; give one")
        elif self.reset:
            raise EquationError(f"{name}: a reset without a threshold never happens; give both")
        if self._emits is not None:
            where = f"emits of {name}"
            if found := set(names(self._emits)) & ports:
                raise EquationError(f"{where}: the input {min(found)!r} is not read there")
            dimension(self._emits, known, where)


def read_number(
    value: Any, unit: str, where: str, minimum: float = -np.inf, *, exclusive: bool = False
) -> Value | Distribution:
    """A value in SI units, or a distribution (whose numbers are checked when they are drawn)."""
    if not isinstance(value, Distribution):
        return Parameter(unit, minimum, exclusive).read(value, where)
    if value.dimension is not None and value.dimension != dimension_of(unit, where):
        raise UnitError(f"{where}: {value!r} is in {value.dimension}, expected {unit}")
    return value

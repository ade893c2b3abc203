"""Synapses: the course that an arrival takes at a neuron.

A synapse is a few lines of the equation language that a neuron model takes in, once per input
port: ``LIF(synapses={"exc": Exponential(5e-3), "inh": Exponential(10e-3)})``. All arrivals at a
port share its variables, which is exact because the equations are linear in them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuro.description import Described, Parameter
from neuro.equations.expression import Binary, Const, Expr, Name, parse_expression, substitute
from neuro.equations.statements import Derivative
from neuro.errors import DescriptionError

#: Name by which the equations of a neuron read the sum of the currents of its synapses.
INPUT_CURRENT = "I_syn"


@dataclass(frozen=True)
class SynapseParts:
    """What a synapse adds to a neuron model.

    Attributes
    ----------
    port : str
        Name of the input port.
    weight_unit : str
        Unit of the weights that arrive there.
    after : str
        Statements that take up the arrivals of a step, after integration.
    equations : str
        Differential equations of its variables.
    current : str
        Expression of its current; empty when arrivals act on the membrane at once.
    parameters : dict
        (value, unit) by name.
    """

    port: str
    weight_unit: str
    after: str
    equations: str = ""
    current: str = ""
    parameters: Mapping[str, tuple[Any, str]] = field(default_factory=dict)


class Synapse(Described, ABC):
    """Base of synapses."""

    @abstractmethod
    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """What the port adds to a neuron.

        Parameters
        ----------
        port : str
        current : str
            Unit of the neuron's input current.
        symbol : str
            Of the quantity whose course this is: I, or g for a conductance.
        """


class Delta(Synapse):
    r"""Arrivals step the membrane potential.

    .. math:: v \leftarrow v + \sum w

    Weights in volts. Source: Gerstner et al. 2014, ch. 1.3.
    """

    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """One statement."""
        return SynapseParts(port, "volt", after=f"v += {port}")


class Exponential(Synapse):
    r"""Exponential current.

    .. math:: \tau \dot I = -I, \qquad I \leftarrow I + \sum w

    Weights have the unit of the neuron's input current; w is the current's peak. An arrival acts
    on the membrane from the next step on. Source: Gerstner et al. 2014, ch. 3.1.

    Parameters
    ----------
    tau : float or array, second, default 5 ms
        Time constant.
    """

    def __init__(self, tau: Any = 5e-3) -> None:
        self.tau = _time(tau, "tau of Exponential")

    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """One variable, ``I_<port>``."""
        course = f"{symbol}_{port}"
        return SynapseParts(
            port,
            current,
            after=f"{course} += {port}",
            equations=f"d{course}/dt = -{course} / tau_{port} : {current}",
            current=course,
            parameters={f"tau_{port}": (self.tau, "second")},
        )


class Alpha(Synapse):
    r"""Alpha-function current, which rises and falls with one time constant.

    .. math:: I(t) = w\, \frac{t}{\tau}\, e^{1 - t/\tau}

    Its peak, after :math:`\tau`, is w. Source: Rall 1967; Gerstner et al. 2014, ch. 3.1.

    Parameters
    ----------
    tau : float or array, second, default 5 ms
        Time constant.
    """

    def __init__(self, tau: Any = 5e-3) -> None:
        self.tau = _time(tau, "tau of Alpha")

    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """Two variables: ``I_<port>`` and ``h_<port>``, which drives it."""
        course = f"{symbol}_{port}"
        return SynapseParts(
            port,
            current,
            after=f"h_{port} += {np.e!r} * {port}",
            equations=f"d{course}/dt = (h_{port} - {course}) / tau_{port} : {current}\n"
            f"dh_{port}/dt = -h_{port} / tau_{port} : {current}",
            current=course,
            parameters={f"tau_{port}": (self.tau, "second")},
        )


class DoubleExponential(Synapse):
    r"""Difference of two exponentials.

    .. math:: I(t) = w N \left(e^{-t/\tau_d} - e^{-t/\tau_r}\right)

    N makes the peak w. Source: Roth & van Rossum 2009, eq. 6.4-6.5.

    Parameters
    ----------
    tau_rise, tau_decay : float, second, default 1 and 5 ms
        Time constants; rise must be the shorter.
    """

    def __init__(self, tau_rise: Any = 1e-3, tau_decay: Any = 5e-3) -> None:
        self.tau_rise = _one_time(tau_rise, "tau_rise of DoubleExponential")
        self.tau_decay = _one_time(tau_decay, "tau_decay of DoubleExponential")
        if not self.tau_rise < self.tau_decay:
            raise DescriptionError(
                f"DoubleExponential: tau_rise {self.tau_rise:g} s must be below tau_decay"
                f" {self.tau_decay:g} s; use Alpha when they are equal"
            )

    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """Two variables, ``fall_<port>`` and ``rise_<port>``, whose difference is the current."""
        rise, decay = self.tau_rise, self.tau_decay
        peak = rise * decay / (decay - rise) * np.log(decay / rise)
        scale = float(1 / (np.exp(-peak / decay) - np.exp(-peak / rise)))
        return SynapseParts(
            port,
            current,
            after=f"fall_{port} += {scale!r} * {port}; rise_{port} += {scale!r} * {port}",
            equations=f"dfall_{port}/dt = -fall_{port} / tau_decay_{port} : {current}\n"
            f"drise_{port}/dt = -rise_{port} / tau_rise_{port} : {current}",
            current=f"(fall_{port} - rise_{port})",
            parameters={
                f"tau_rise_{port}": (rise, "second"),
                f"tau_decay_{port}": (decay, "second"),
            },
        )


class Conductance(Synapse):
    r"""A conductance with the course of another synapse.

    .. math:: I = g\,(E - v)

    where g follows the given course. Weights have the unit of the neuron's input current per
    volt: siemens for currents in amperes; multiples of the leak for currents times resistance.
    Source: Gerstner et al. 2014, ch. 3.1.

    Parameters
    ----------
    course : Exponential, Alpha or DoubleExponential
        Course of g.
    reversal : float or array, volt
        Reversal potential E.
    """

    def __init__(self, course: Synapse, reversal: Any) -> None:
        if not isinstance(course, Exponential | Alpha | DoubleExponential):
            raise DescriptionError(
                f"course of Conductance is {course!r}; use Exponential, Alpha or DoubleExponential"
            )
        self.course = course
        self.reversal = Parameter("volt").read(reversal, "reversal of Conductance")

    def parts(self, port: str, current: str, symbol: str = "I") -> SynapseParts:
        """The variables of the course; the reversal potential is ``E_<port>``."""
        unit = {"volt": "1", "ampere": "siemens"}.get(current, f"{current}/volt")
        course = self.course.parts(port, unit, "g")
        return SynapseParts(
            port,
            unit,
            after=course.after,
            equations=course.equations,
            current=f"{course.current} * (E_{port} - v)",
            parameters={**course.parameters, f"E_{port}": (self.reversal, "volt")},
        )


#: Classes that a file may name.
KINDS: tuple[type[Synapse], ...] = (Delta, Exponential, Alpha, DoubleExponential, Conductance)


def with_input_current(
    derivatives: Sequence[Derivative], currents: Sequence[str]
) -> tuple[Derivative, ...]:
    """The equations with the sum of the currents in the place of ``I_syn``."""
    total: Expr = Const(0.0)
    for i, text in enumerate(currents):
        term = parse_expression(text)
        total = term if i == 0 else Binary("+", total, term)

    def replace(name: str) -> Expr:
        return total if name == INPUT_CURRENT else Name(name)

    return tuple(
        Derivative(d.name, substitute(d.expression, replace), d.unit) for d in derivatives
    )


def _time(value: Any, where: str) -> Any:
    return Parameter("second", 0.0, exclusive=True).read(value, where)


def _one_time(value: Any, where: str) -> float:
    read = _time(value, where)
    if not isinstance(read, float):
        raise DescriptionError(f"{where} has {read.size} values; expected one number")
    return read

"""The equations of PyNN's point neurons, and how a neuron model is made of them.

PyNN names quantities in mV, ms, nA, nF and uS; here everything is in SI units, but for synaptic
currents, which are counted in nA: next to potentials in volts, amperes would be so small that the
exact propagator lost digits. The equations are those that PyNN documents for its standard models,
so each is a text of its own and not one of the library's neurons (which scale currents by the
membrane's resistance).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.synapses import Synapse

#: The course of an arrival: a current or conductance that jumps or rises, or a step of v.
Course = Literal["exponential", "alpha", "step"]

#: State variable with the part of the injected current that changes between runs only.
STEADY = "i_steady"
#: State variable with the part that changes in every step, the port where it arrives, and the
#: flag that is 0 until something has arrived.
WAVE, WAVES, BEGUN = "i_wave", "waves", "begun"


@dataclass(frozen=True)
class Receptors:
    """The input ports of a neuron: all of one kind.

    Attributes
    ----------
    course : {"exponential", "alpha", "step"}
    conductance : bool
        Whether the course is that of a conductance; its reversal potential is the parameter
        ``E_<port>``, its time constant ``tau_<port>``.
    """

    course: Course
    conductance: bool = False

    @property
    def unit(self) -> float:
        """PyNN's unit of weights in the unit of the port: uS in S, nA in nA, or mV in V."""
        if self.course == "step":
            return 1e-3
        return 1e-6 if self.conductance else 1.0

    def synapse(self, port: str, native: Mapping[str, Any]) -> Synapse:
        """The synapse of one port."""
        if self.course == "step":
            return nr.Delta()
        tau = native[f"tau_{port}"]
        course = nr.Exponential(tau) if self.course == "exponential" else nr.Alpha(tau)
        return nr.Conductance(course, native[f"E_{port}"]) if self.conductance else course


@dataclass(frozen=True)
class Membrane:
    """Equations of a neuron without its synapses and injected currents.

    Attributes
    ----------
    equations : str
        ``I_in`` stands for all currents that enter, in amperes.
    units : dict
        SI unit of each parameter.
    threshold, reset, before : str
        As in :class:`neuro.NeuronModel`.
    held : tuple of str
        Variables that do not move during the refractory period ``t_ref``.
    constants : dict
        (value, unit) of numbers that PyNN does not name.
    linear : bool
        Whether the equations (with synapses that are currents) are linear.
    positive : tuple of str
        Parameters that must be above zero.
    """

    equations: str
    units: Mapping[str, str]
    threshold: str = "v > v_thresh"
    reset: str = "v = v_reset"
    before: str = ""
    held: tuple[str, ...] = ("v",)
    constants: Mapping[str, tuple[float, str]] = field(default_factory=dict)
    linear: bool = False
    positive: tuple[str, ...] = ("c_m",)


_LEAKY = {
    "v_rest": "volt",
    "v_reset": "volt",
    "v_thresh": "volt",
    "c_m": "farad",
    "tau_m": "second",
    "t_ref": "second",
    "i_offset": "ampere",
}

#: Leaky integrate-and-fire.
LEAKY = Membrane(
    "dv/dt = (v_rest - v) / tau_m + I_in / c_m : volt",
    _LEAKY,
    linear=True,
    positive=("c_m", "tau_m"),
)

#: Leaky integrate-and-fire with two conductances that each spike opens: one for adaptation (s),
#: one for relative refractoriness (r). Muller et al. 2007, Neural Computation 19:2958.
ADAPTING = Membrane(
    "dv/dt = (v_rest - v) / tau_m + (g_s * (E_s - v) + g_r * (E_r - v) + I_in) / c_m : volt\n"
    "dg_s/dt = -g_s / tau_s : siemens\n"
    "dg_r/dt = -g_r / tau_r : siemens",
    {
        **_LEAKY,
        "tau_s": "second",
        "tau_r": "second",
        "E_s": "volt",
        "E_r": "volt",
        "q_s": "siemens",
        "q_r": "siemens",
    },
    reset="v = v_reset; g_s += q_s; g_r += q_r",
    positive=("c_m", "tau_m", "tau_s", "tau_r"),
)

#: Leaky integrate-and-fire by its leak conductance.
LEAK_CONDUCTANCE = Membrane(
    "dv/dt = (g_leak * (v_rest - v) + I_in) / c_m : volt",
    {
        "v_rest": "volt",
        "v_reset": "volt",
        "v_thresh": "volt",
        "g_leak": "siemens",
        "c_m": "farad",
        "t_ref": "second",
    },
)

#: Adaptive exponential integrate-and-fire. Brette & Gerstner 2005, J. Neurophysiol. 94:3637.
EXPONENTIAL = Membrane(
    "dv/dt = (v_rest - v + delta_T * exp((v - v_thresh) / delta_T)) / tau_m"
    " + (I_in - w) / c_m : volt\n"
    "dw/dt = (a * (v - v_rest) - w) / tau_w : ampere",
    {
        **_LEAKY,
        "v_spike": "volt",
        "delta_T": "volt",
        "tau_w": "second",
        "a": "siemens",
        "b": "ampere",
    },
    threshold="v > v_spike",
    reset="v = v_reset; w += b",
    positive=("c_m", "tau_m", "delta_T", "tau_w"),
)

#: Izhikevich 2003, IEEE Trans. Neural Networks 14:1569. PyNN's current acts as if on 1 pF.
QUADRATIC = Membrane(
    "dv/dt = quadratic * v * v + linear * v + constant - u + I_in / c_m : volt\n"
    "du/dt = a * (b * v - u) : volt/second",
    {
        "a": "hertz",
        "b": "hertz",
        "v_reset": "volt",
        "d": "volt/second",
        "i_offset": "ampere",
    },
    threshold="v >= v_peak",
    reset="v = v_reset; u += d",
    held=(),
    constants={
        "quadratic": (40e3, "hertz/volt"),
        "linear": (5e3, "hertz"),
        "constant": (140.0, "volt/second"),
        "c_m": (1e-12, "farad"),
        "v_peak": (30e-3, "volt"),
    },
    positive=(),
)

#: Hodgkin-Huxley with the channels of Traub & Miles 1991. A spike is where v rises through
#: -40 mV: nothing resets v, which stays above for a millisecond.
CHANNELS = Membrane(
    "dv/dt = (g_leak * (E_leak - v) + g_Na * m * m * m * h * (E_Na - v)"
    " + g_K * n * n * n * n * (E_K - v) + I_in) / c_m : volt\n"
    "dm/dt = 0.32 * 4 / exprel((13 * mV - v + v_offset) / (4 * mV)) / ms * (1 - m)"
    " - 0.28 * 5 / exprel((v - v_offset - 40 * mV) / (5 * mV)) / ms * m : 1\n"
    "dh/dt = 0.128 * exp((17 * mV - v + v_offset) / (18 * mV)) / ms * (1 - h)"
    " - 4 / (1 + exp((40 * mV - v + v_offset) / (5 * mV))) / ms * h : 1\n"
    "dn/dt = 0.032 * 5 / exprel((15 * mV - v + v_offset) / (5 * mV)) / ms * (1 - n)"
    " - 0.5 * exp((10 * mV - v + v_offset) / (40 * mV)) / ms * n : 1\n"
    "v_before : volt",
    {
        "g_leak": "siemens",
        "g_Na": "siemens",
        "g_K": "siemens",
        "E_leak": "volt",
        "E_Na": "volt",
        "E_K": "volt",
        "v_offset": "volt",
        "c_m": "farad",
        "i_offset": "ampere",
    },
    before="v_before = v",
    threshold="v > v_spike and v_before <= v_spike",
    reset="",
    held=(),
    constants={"mV": (1e-3, "volt"), "ms": (1e-3, "second"), "v_spike": (-40e-3, "volt")},
)


def neuron_model(
    membrane: Membrane,
    receptors: Receptors,
    ports: tuple[str, ...],
    native: Mapping[str, NDArray[np.float64]],
    initial: Mapping[str, NDArray[np.float64]],
    *,
    name: str,
    integrator: str,
    injected: bool,
    waves: bool,
) -> nr.NeuronModel:
    """A neuron model with these receptors and parameters.

    Parameters
    ----------
    membrane : Membrane
    receptors : Receptors
    ports : tuple of str
        Names of the receptors.
    native, initial : dict of arrays of shape (size,)
        Parameters and initial values in SI units; refractory periods are whole steps already.
    name : str
        For messages.
    integrator : {"auto", "Euler"}
        Euler: where the equations are not linear, all of them by the Euler method.
    injected, waves : bool
        Whether currents are injected, and whether any changes in every step.
    """
    values = {key: plain(value) for key, value in native.items()}
    currents = [term for term in ("i_offset",) if term in membrane.units]
    equations, before = membrane.equations, [membrane.before] if membrane.before else []
    inputs: dict[str, str] = {}
    if injected:
        currents.append(STEADY)
        equations += f"\n{STEADY} : ampere"
    if waves:
        currents.append(WAVE)
        equations += f"\n{WAVE} : ampere\n{BEGUN} : 1"
        inputs[WAVES] = "ampere"
        # Nothing can arrive in the first step: the initial value stands for it.
        before.append(f"{WAVE} = where({BEGUN} > 0, {WAVES}, {WAVE}); {BEGUN} = 1")
    in_nanoamperes = receptors.course != "step" and not receptors.conductance
    if receptors.course != "step":
        currents.append("I_syn * nA" if in_nanoamperes else "I_syn")
    synapses = {port: receptors.synapse(port, values) for port in ports}
    linear = membrane.linear and not receptors.conductance
    parameters: dict[str, Any] = {k: (values[k], unit) for k, unit in membrane.units.items()}
    if in_nanoamperes:
        parameters["nA"] = (1e-9, "ampere")
    return nr.NeuronModel(
        equations.replace("I_in", f"({' + '.join(currents) or '0'})"),
        parameters={**parameters, **membrane.constants},
        inputs=inputs,
        synapses=synapses,
        current="1" if in_nanoamperes else "ampere",
        before="\n".join(before),
        threshold=membrane.threshold,
        reset=membrane.reset,
        refractory="t_ref" if "t_ref" in membrane.units else "",
        held=membrane.held,
        initial={key: plain(value) for key, value in initial.items()},
        positive=membrane.positive,
        integrator="auto" if linear else integrator,
        name=name,
    )


def plain(values: NDArray[np.float64]) -> float | NDArray[np.float64]:
    """One number where all units have the same, which becomes a literal of the program."""
    if values.size and np.all(values == values.flat[0]):
        return float(values.flat[0])
    return values

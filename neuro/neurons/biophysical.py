"""Neurons with nonlinear membranes: AdEx, Izhikevich, Hodgkin-Huxley."""

from __future__ import annotations

from typing import Any

import numpy as np

from neuro.distributions import Distribution
from neuro.errors import DescriptionError
from neuro.neurons.integrate_and_fire import Synapses, membrane_synapses
from neuro.neurons.model import NeuronModel
from neuro.synapses import Conductance, Exponential
from neuro.units import to_si


class AdEx(NeuronModel):
    r"""Adaptive exponential integrate-and-fire neuron.

    .. math::
        C \dot v &= -g_L (v - E_L) + g_L \Delta_T e^{(v - V_T)/\Delta_T} - w + b + I \\
        \tau_w \dot w &= a (v - E_L) - w

    Where :math:`v \ge v_\mathrm{peak}` a unit spikes: :math:`v \leftarrow v_\mathrm{reset}`,
    :math:`w \leftarrow w + \Delta_w`. v by the Euler method, w by exponential Euler. Source:
    Brette & Gerstner 2005, J. Neurophysiol. 94:3637, with its parameters as defaults.

    Parameters
    ----------
    C : float or array, farad, default 281 pF
    g_L : float or array, siemens, default 30 nS
    E_L, v_T, delta_T : float or array, volt, default -70.6, -50.4 and 2 mV
        Leak reversal, threshold of the exponential, and its slope.
    tau_w : float or array, second, default 144 ms
    a : float or array, siemens, default 4 nS
        Subthreshold adaptation.
    increment : float or array, ampere, default 80.5 pA
        Spike-triggered adaptation (b in the paper).
    v_reset, v_peak : float or array, volt, default -70.6 and 20 mV
    t_ref : float or array, second, default 0
    bias : float or array, ampere, default 0
        Constant input current.
    v_init : float or array, volt, optional
        E_L by default.
    synapses : mapping of str to Synapse, optional
        Input ports; currents are in amperes. Delta synapses by default.
    """

    def __init__(
        self,
        C: Any = 281e-12,
        g_L: Any = 30e-9,
        E_L: Any = -70.6e-3,
        v_T: Any = -50.4e-3,
        delta_T: Any = 2e-3,
        tau_w: Any = 144e-3,
        a: Any = 4e-9,
        increment: Any = 80.5e-12,
        v_reset: Any = -70.6e-3,
        v_peak: Any = 20e-3,
        t_ref: Any = 0.0,
        bias: Any = 0.0,
        v_init: Any = None,
        *,
        synapses: Synapses | None = None,
    ) -> None:
        super().__init__(
            "dv/dt = (g_L * (E_L - v) + g_L * delta_T * exp((v - v_T) / delta_T) - w + bias"
            " + I_syn) / C : volt\n"
            "dw/dt = (a * (v - E_L) - w) / tau_w : ampere",
            parameters={
                "C": (C, "farad"),
                "g_L": (g_L, "siemens"),
                "E_L": (E_L, "volt"),
                "v_T": (v_T, "volt"),
                "delta_T": (delta_T, "volt"),
                "tau_w": (tau_w, "second"),
                "a": (a, "siemens"),
                "increment": (increment, "ampere"),
                "v_reset": (v_reset, "volt"),
                "v_peak": (v_peak, "volt"),
                "t_ref": (t_ref, "second"),
                "bias": (bias, "ampere"),
            },
            synapses=membrane_synapses(synapses),
            current="ampere",
            threshold="v >= v_peak",
            reset="v = v_reset; w += increment",
            refractory="t_ref",
            held=("v",),
            initial={"v": "E_L" if v_init is None else v_init},
            positive=("C", "g_L", "delta_T", "tau_w"),
            name="AdEx",
        )


class Izhikevich(NeuronModel):
    r"""Izhikevich's simple model of spiking neurons.

    .. math::
        \dot v &= 0.04 v^2 + 5 v + 140 - u + I \\
        \dot u &= a (b v - u), \qquad
        v \ge 30: v \leftarrow c,\; u \leftarrow u + d

    in millivolts and milliseconds; here in SI units: v in volts, u and I in volts per second. v by
    the Euler method, u by exponential Euler, both over the whole step (the paper's program takes
    two half steps for v). Source: Izhikevich 2003, IEEE Trans. Neural Networks
    14:1569; defaults are its regular-spiking neuron (a = 0.02, b = 0.2, c = -65, d = 8).

    Parameters
    ----------
    a, b : float or array, hertz, default 20 and 200 Hz
        The paper's a and b per millisecond.
    c : float or array, volt, default -65 mV
    d : float or array, volt/second, default 8
        The paper's d in mV/ms.
    bias : float or array, volt/second, default 0
        Constant input; the paper's I in mV/ms.
    v_peak : float or array, volt, default 30 mV
    v_init : float or array, volt, optional
        c by default.
    u_init : float or array, volt/second, optional
        b times v_init by default.
    synapses : mapping of str to Synapse, optional
        Input ports; currents are in volt/second. Delta synapses by default.
    """

    def __init__(
        self,
        a: Any = 20.0,
        b: Any = 200.0,
        c: Any = -65e-3,
        d: Any = 8.0,
        bias: Any = 0.0,
        v_peak: Any = 30e-3,
        v_init: Any = None,
        u_init: Any = None,
        *,
        synapses: Synapses | None = None,
    ) -> None:
        start = c if v_init is None else v_init
        super().__init__(
            "dv/dt = quadratic * v * v + linear * v + constant - u + bias + I_syn : volt\n"
            "du/dt = a * (b * v - u) : volt/second",
            parameters={
                "a": (a, "hertz"),
                "b": (b, "hertz"),
                "c": (c, "volt"),
                "d": (d, "volt/second"),
                "bias": (bias, "volt/second"),
                "v_peak": (v_peak, "volt"),
                "quadratic": (40e3, "hertz/volt"),
                "linear": (5e3, "hertz"),
                "constant": (140.0, "volt/second"),
            },
            synapses=membrane_synapses(synapses),
            current="volt/second",
            threshold="v >= v_peak",
            reset="v = c; u += d",
            initial={
                "v": "c" if v_init is None else v_init,
                "u": _product(b, start) if u_init is None else u_init,
            },
            name="Izhikevich",
        )


class HodgkinHuxley(NeuronModel):
    r"""Hodgkin-Huxley neuron with the channels of Traub and Miles.

    .. math::
        C \dot v = g_L (E_L - v) + \bar g_{Na} m^3 h (E_{Na} - v) + \bar g_K n^4 (E_K - v) + b + I

    with :math:`\dot x = \alpha_x (1 - x) - \beta_x x` for the gates m, h, n. All by exponential
    Euler. Source: Traub & Miles 1991, in the form and with the parameters of Brette et al. 2007
    (J. Comput. Neurosci. 23:349, benchmark 3).

    Parameters
    ----------
    C : float or array, farad, default 200 pF
    g_L, g_Na, g_K : float or array, siemens, default 10 nS, 20 uS and 6 uS
    E_L, E_Na, E_K : float or array, volt, default -60, 50 and -90 mV
    v_T : float or array, volt, default -63 mV
        Shift of the rate functions.
    v_threshold : float or array, volt, default -20 mV
        Where a spike is noticed.
    t_ref : float or array, second, default 3 ms
        For so long after a spike none is noticed again; v moves on.
    bias : float or array, ampere, default 0
    v_init : float or array, volt, optional
        E_L by default. Gates start at 0.
    synapses : mapping of str to Synapse, optional
        Input ports; currents are in amperes. By default excitatory and inhibitory exponential
        conductances ``exc`` (5 ms, 0 mV) and ``inh`` (10 ms, -80 mV), as in the benchmark.
    """

    def __init__(
        self,
        C: Any = 200e-12,
        g_L: Any = 10e-9,
        g_Na: Any = 20e-6,
        g_K: Any = 6e-6,
        E_L: Any = -60e-3,
        E_Na: Any = 50e-3,
        E_K: Any = -90e-3,
        v_T: Any = -63e-3,
        v_threshold: Any = -20e-3,
        t_ref: Any = 3e-3,
        bias: Any = 0.0,
        v_init: Any = None,
        *,
        synapses: Synapses | None = None,
    ) -> None:
        if synapses is None:
            synapses = {
                "exc": Conductance(Exponential(5e-3), 0.0),
                "inh": Conductance(Exponential(10e-3), -80e-3),
            }
        super().__init__(
            "dv/dt = (g_L * (E_L - v) + g_Na * m * m * m * h * (E_Na - v)"
            " + g_K * n * n * n * n * (E_K - v) + bias + I_syn) / C : volt\n"
            "dm/dt = 0.32 * 4 / exprel((13 * mV - v + v_T) / (4 * mV)) / ms * (1 - m)"
            " - 0.28 * 5 / exprel((v - v_T - 40 * mV) / (5 * mV)) / ms * m : 1\n"
            "dh/dt = 0.128 * exp((17 * mV - v + v_T) / (18 * mV)) / ms * (1 - h)"
            " - 4 / (1 + exp((40 * mV - v + v_T) / (5 * mV))) / ms * h : 1\n"
            "dn/dt = 0.032 * 5 / exprel((15 * mV - v + v_T) / (5 * mV)) / ms * (1 - n)"
            " - 0.5 * exp((10 * mV - v + v_T) / (40 * mV)) / ms * n : 1",
            parameters={
                "C": (C, "farad"),
                "g_L": (g_L, "siemens"),
                "g_Na": (g_Na, "siemens"),
                "g_K": (g_K, "siemens"),
                "E_L": (E_L, "volt"),
                "E_Na": (E_Na, "volt"),
                "E_K": (E_K, "volt"),
                "v_T": (v_T, "volt"),
                "v_threshold": (v_threshold, "volt"),
                "t_ref": (t_ref, "second"),
                "bias": (bias, "ampere"),
                "mV": (1e-3, "volt"),
                "ms": (1e-3, "second"),
            },
            synapses=synapses,
            current="ampere",
            threshold="v > v_threshold",
            refractory="t_ref",
            initial={"v": "E_L" if v_init is None else v_init},
            positive=("C",),
            name="HodgkinHuxley",
        )


def _product(b: Any, v: Any) -> Any:
    """The starting value ``b v`` of u; drawn values of b or v need u_init."""
    if isinstance(b, Distribution) or isinstance(v, Distribution):
        raise DescriptionError("Izhikevich: with drawn b, c or v_init give u_init as well")
    one, two = to_si(b, "hertz", "b of Izhikevich"), to_si(v, "volt", "v_init of Izhikevich")
    if np.ndim(one) and np.ndim(two) and np.shape(one) != np.shape(two):
        raise DescriptionError(
            f"b of shape {np.shape(one)} and v_init (or c) of shape {np.shape(two)} of Izhikevich:"
            " one number, or one for each unit"
        )
    return one * two

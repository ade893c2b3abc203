"""Integrate-and-fire neurons: linear membranes with a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuro.errors import DescriptionError
from neuro.neurons.model import NeuronModel
from neuro.synapses import Delta, Synapse

Synapses = Mapping[str, Synapse]


def membrane_synapses(synapses: Synapses | None) -> Synapses:
    """One port of delta synapses unless others are given."""
    return {"delta": Delta()} if synapses is None else synapses


def threshold_text(variable: str, limit: str, comparison: str, name: str) -> str:
    """Condition for a spike; exactly at threshold a unit spikes with ">=", not with ">"."""
    if comparison not in (">=", ">"):
        raise DescriptionError(f"comparison of {name} is {comparison!r}; use '>=' or '>'")
    return f"{variable} {comparison} {limit}"


def reset_text(reset: str, threshold: str, name: str) -> str:
    """Statement of a reset to a value, or by subtraction of the threshold."""
    texts = {"value": "v = v_reset", "subtract": f"v -= {threshold} - v_reset"}
    if reset not in texts:
        raise DescriptionError(f"reset of {name} is {reset!r}; use 'value' or 'subtract'")
    return texts[reset]


class IF(NeuronModel):
    r"""Integrate-and-fire neuron without leak.

    .. math:: \tau \frac{dv}{dt} = b + I, \qquad v \leftarrow v + \sum w

    Integrated exactly. Model: Lapicque 1907; the "perfect integrator" of Gerstner et al. 2014,
    *Neuronal Dynamics*, ch. 1.3.

    Parameters
    ----------
    v_threshold, v_reset : float or array, volt, default 1 and 0
        Threshold, and value after a spike.
    bias : float or array, volt, default 0
        Constant input b.
    tau : float or array, second, default 1 s
        Time in which an input current of one volt raises v by one volt.
    t_ref : float or array, second, default 0
        Refractory period, as in :class:`LIF`.
    v_init : float or array, volt, default 0
    synapses : mapping of str to Synapse, optional
        Input ports; delta synapses at the port ``"delta"`` by default.
    reset : {"value", "subtract"}
        ``v = v_reset``, or ``v -= v_threshold - v_reset``, which keeps what lies above threshold.
    comparison : {">=", ">"}
        Whether a unit exactly at threshold spikes.
    """

    def __init__(
        self,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
        bias: Any = 0.0,
        tau: Any = 1.0,
        t_ref: Any = 0.0,
        v_init: Any = 0.0,
        *,
        synapses: Synapses | None = None,
        reset: str = "value",
        comparison: str = ">=",
    ) -> None:
        super().__init__(
            "dv/dt = (bias + I_syn) / tau : volt",
            parameters={
                "v_threshold": (v_threshold, "volt"),
                "v_reset": (v_reset, "volt"),
                "bias": (bias, "volt"),
                "tau": (tau, "second"),
                "t_ref": (t_ref, "second"),
            },
            synapses=membrane_synapses(synapses),
            threshold=threshold_text("v", "v_threshold", comparison, "IF"),
            reset=reset_text(reset, "v_threshold", "IF"),
            refractory="t_ref",
            held=("v",),
            initial={"v": v_init},
            positive=("tau",),
            name="IF",
        )


class LIF(NeuronModel):
    r"""Leaky integrate-and-fire neuron.

    .. math:: \tau_m \frac{dv}{dt} = v_\mathrm{rest} - v + b + I, \qquad v \leftarrow v + \sum w

    Integrated exactly (with conductances: by exponential Euler): v decays first, then the weights
    that arrived in this step are added, then the threshold is tested, as in Tadros et al. 2022
    and in Loihi's compartments. Model: Lapicque 1907; Gerstner et al. 2014, *Neuronal Dynamics*,
    ch. 1.3.

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
    bias : float or array, volt, default 0
        Constant input current times membrane resistance.
    synapses : mapping of str to Synapse, optional
        Input ports, e.g. ``{"exc": Exponential(5e-3), "inh": Exponential(10e-3)}``; currents are
        in volts, that is times the membrane resistance. By default delta synapses at the port
        ``"delta"``.
    reset : {"value", "subtract"}
        ``v = v_reset``, or ``v -= v_threshold - v_reset``, which keeps what lies above threshold.
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
        bias: Any = 0.0,
        synapses: Synapses | None = None,
        reset: str = "value",
        comparison: str = ">=",
    ) -> None:
        super().__init__(
            "dv/dt = (v_rest - v + bias + I_syn) / tau_m : volt",
            parameters={
                "tau_m": (tau_m, "second"),
                "v_threshold": (v_threshold, "volt"),
                "v_reset": (v_reset, "volt"),
                "v_rest": (v_rest, "volt"),
                "bias": (bias, "volt"),
                "t_ref": (t_ref, "second"),
            },
            synapses=membrane_synapses(synapses),
            threshold=threshold_text("v", "v_threshold", comparison, "LIF"),
            reset=reset_text(reset, "v_threshold", "LIF"),
            refractory="t_ref",
            held=("v",),
            initial={"v": "v_rest" if v_init is None else v_init},
            positive=("tau_m",),
            name="LIF",
        )


class AdaptiveLIF(NeuronModel):
    r"""Leaky integrate-and-fire neuron with a threshold that rises with each spike.

    .. math::
        \tau_m \dot v = v_\mathrm{rest} - v + b + I, \qquad
        \tau_a \dot a = -a, \qquad \text{spike where } v \ge v_\mathrm{threshold} + a:\;
        v \leftarrow v_\mathrm{reset},\; a \leftarrow a + \Delta_a

    Source: Gerstner et al. 2014, *Neuronal Dynamics*, ch. 6.1; the ALIF unit of Bellec et al.
    2018 (NeurIPS, eq. 1-3).

    Parameters
    ----------
    tau_m, tau_a : float or array, second, default 20 ms and 100 ms
        Time constants of membrane and threshold.
    v_threshold, v_reset, v_rest : float or array, volt, default 1, 0 and 0
    increment : float or array, volt, default 0.1
        Rise :math:`\Delta_a` of the threshold at a spike.
    t_ref : float or array, second, default 0
    v_init : float or array, volt, optional
        v_rest by default.
    bias : float or array, volt, default 0
    synapses : mapping of str to Synapse, optional
    reset : {"value", "subtract"}
        As in :class:`LIF`; the unadapted threshold is subtracted.
    comparison : {">=", ">"}
    """

    def __init__(
        self,
        tau_m: Any = 20e-3,
        tau_a: Any = 100e-3,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
        v_rest: Any = 0.0,
        increment: Any = 0.1,
        t_ref: Any = 0.0,
        v_init: Any = None,
        *,
        bias: Any = 0.0,
        synapses: Synapses | None = None,
        reset: str = "value",
        comparison: str = ">=",
    ) -> None:
        super().__init__(
            "dv/dt = (v_rest - v + bias + I_syn) / tau_m : volt\nda/dt = -a / tau_a : volt",
            parameters={
                "tau_m": (tau_m, "second"),
                "tau_a": (tau_a, "second"),
                "v_threshold": (v_threshold, "volt"),
                "v_reset": (v_reset, "volt"),
                "v_rest": (v_rest, "volt"),
                "increment": (increment, "volt"),
                "bias": (bias, "volt"),
                "t_ref": (t_ref, "second"),
            },
            synapses=membrane_synapses(synapses),
            threshold=threshold_text("v", "v_threshold + a", comparison, "AdaptiveLIF"),
            reset=f"{reset_text(reset, 'v_threshold', 'AdaptiveLIF')}; a += increment",
            refractory="t_ref",
            held=("v",),
            initial={"v": "v_rest" if v_init is None else v_init},
            positive=("tau_m", "tau_a"),
            name="AdaptiveLIF",
        )


class ResonateAndFire(NeuronModel):
    r"""Resonate-and-fire neuron: a damped oscillator with a threshold.

    .. math:: \dot z = (b + i\omega) z, \quad z = x + i y, \qquad x \leftarrow x + \sum w

    A unit spikes where :math:`y > v_\mathrm{threshold}` and is then set to
    :math:`z = i\,v_\mathrm{reset}`. Integrated exactly. Source: Izhikevich 2001, Neural Networks
    14:883, eq. 2 (who resets to :math:`z = i`; with the strict comparison it does not spike
    again at once, since b < 0).

    Parameters
    ----------
    frequency : float or array, hertz, default 50 Hz
        Of the oscillation, :math:`\omega / 2\pi`.
    damping : float or array, hertz, default -10 Hz
        b, in 1/second; negative for a stable rest.
    v_threshold, v_reset : float or array, default 1 and 0
        On y, which is without unit, as are weights.
    """

    def __init__(
        self,
        frequency: Any = 50.0,
        damping: Any = -10.0,
        v_threshold: Any = 1.0,
        v_reset: Any = 0.0,
    ) -> None:
        super().__init__(
            "dx/dt = damping * x - 6.283185307179586 * frequency * y : 1\n"
            "dy/dt = 6.283185307179586 * frequency * x + damping * y : 1",
            parameters={
                "frequency": (frequency, "hertz"),
                "damping": (damping, "hertz"),
                "v_threshold": v_threshold,
                "v_reset": v_reset,
            },
            inputs={"delta": "1"},
            after="x += delta",
            threshold="y > v_threshold",
            reset="x = 0; y = v_reset",
            name="ResonateAndFire",
        )

"""Units whose events carry numbers, and units that only integrate."""

from __future__ import annotations

from typing import Any

from neuro.errors import DescriptionError
from neuro.neurons.integrate_and_fire import Synapses, membrane_synapses
from neuro.neurons.model import NeuronModel

#: Activation functions of graded units, as expressions of their argument.
ACTIVATIONS = {
    "relu": "max({0}, 0)",
    "identity": "{0}",
    "sigmoid": "1 / (1 + exp(-{0}))",
    "tanh": "tanh({0})",
}


def _activation(name: str, argument: str, where: str) -> str:
    if name not in ACTIVATIONS:
        raise DescriptionError(
            f"activation of {where} is {name!r}; choose from {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name].format(argument)


class LeakyIntegrator(NeuronModel):
    r"""Leaky integrator that never spikes: a readout.

    .. math:: \tau_m \frac{dv}{dt} = v_\mathrm{rest} - v + b + I, \qquad v \leftarrow v + \sum w

    Integrated exactly. Source: the membrane of :class:`LIF`, without its threshold.

    Parameters
    ----------
    tau_m : float or array, second, default 20 ms
    v_rest, bias : float or array, volt, default 0 and 0
        Resting value, and constant input b.
    v_init : float or array, volt, optional
        v_rest by default.
    synapses : mapping of str to Synapse, optional
        As in :class:`LIF`.
    """

    def __init__(
        self,
        tau_m: Any = 20e-3,
        v_rest: Any = 0.0,
        bias: Any = 0.0,
        v_init: Any = None,
        *,
        synapses: Synapses | None = None,
    ) -> None:
        super().__init__(
            "dv/dt = (v_rest - v + bias + I_syn) / tau_m : volt",
            parameters={
                "tau_m": (tau_m, "second"),
                "v_rest": (v_rest, "volt"),
                "bias": (bias, "volt"),
            },
            synapses=membrane_synapses(synapses),
            initial={"v": "v_rest" if v_init is None else v_init},
            positive=("tau_m",),
            name="LeakyIntegrator",
        )


class Graded(NeuronModel):
    r"""Graded (analogue) unit: a leaky integrator that sends its activation in every step.

    .. math:: \tau \dot x = -x + b + \sum_j w_j r_j, \qquad r = f(x)

    The input of a step is held over the step. Every unit has an event in every step: a projection
    from graded units costs a full matrix product. Source: the rate equation of Wilson & Cowan
    1972 in the form of Dayan & Abbott 2001, eq. 7.11.

    Parameters
    ----------
    tau : float or array, second, default 10 ms
    bias : float or array, default 0
        Constant input b.
    activation : {"relu", "identity", "sigmoid", "tanh"}
        f.
    x_init : float or array, default 0
    """

    def __init__(
        self,
        tau: Any = 10e-3,
        bias: Any = 0.0,
        activation: str = "relu",
        x_init: Any = 0.0,
    ) -> None:
        super().__init__(
            "dx/dt = (bias - x + rates) / tau : 1",
            parameters={"tau": (tau, "second"), "bias": bias},
            inputs={"rates": "1"},
            threshold="True",
            emits=_activation(activation, "x", "Graded"),
            initial={"x": x_init},
            positive=("tau",),
            name="Graded",
        )


class SigmaDelta(NeuronModel):
    r"""Sigma-delta unit: sends the change of its activation when it is large enough.

    .. math::
        x \leftarrow x + \sum_j w_j\, e_j, \quad y = f(x + b); \qquad
        |y - s| \ge \theta:\; e = y - s,\; s \leftarrow s + e

    x sums up the changes that others send (sigma); s is the sum of what has been sent so far
    (delta), which stays closer to y than the threshold. Source: Yoon 2017, *LIF and simplified
    SRM neurons encode signals into spikes via a form of asynchronous pulse sigma-delta
    modulation*; the unit of Lava's ``SigmaDelta``.

    Parameters
    ----------
    threshold : float or array, default 0.1
        Smallest change that is sent.
    bias : float or array, default 0
    activation : {"relu", "identity", "sigmoid", "tanh"}
        f.
    """

    def __init__(self, threshold: Any = 0.1, bias: Any = 0.0, activation: str = "relu") -> None:
        f = _activation(activation, "(x + bias)", "SigmaDelta")
        super().__init__(
            "x : 1; y : 1; sent : 1",
            parameters={"theta": threshold, "bias": bias},
            inputs={"changes": "1"},
            after=f"x += changes; y = {f}",
            threshold="abs(y - sent) >= theta",
            emits="y - sent",
            reset="sent += y - sent",  # as receivers add up: equal to the bit
            positive=("theta",),
            name="SigmaDelta",
        )

"""Rules with a third factor, and slow homeostasis."""

from __future__ import annotations

from typing import Any

from neuro.description import Parameter
from neuro.plasticity.rule import PlasticityRule
from neuro.plasticity.stdp import check_times


class RewardSTDP(PlasticityRule):
    r"""Reward-modulated STDP: pairs leave a trace of eligibility, reward turns it into weight.

    .. math::
        \dot c = -c/\tau_c,\quad c \leftarrow c - a_-\,y \text{ (pre)},\;
        c \leftarrow c + a_+\,x \text{ (post)};\qquad \dot w = \eta\, c\, r

    x and y are the traces of :class:`PairSTDP`; r is the third factor ``reward``, for example
    ``factors={"reward": (dopamine, "v")}`` with a population of one leaky integrator. Source:
    Izhikevich 2007, Cereb. Cortex 17:2443, eq. 1-2; Frémaux & Gerstner 2016, eq. 8-9.

    Parameters
    ----------
    tau_plus, tau_minus, tau_c : float, second, default 20, 20 and 1000 ms
        Time constants of the traces of pre spikes, post spikes, and eligibility.
    a_plus, a_minus : float, default 0.01 and 0.012
        Amplitudes, in the unit of the weight.
    learning_rate : float, 1/second per unit of reward, default 1
    w_min, w_max : float, optional
        Bounds.
    every : float, second, optional
        Time step of the weights; each step by default.
    """

    def __init__(
        self,
        tau_plus: Any = 20e-3,
        tau_minus: Any = 20e-3,
        tau_c: Any = 1.0,
        a_plus: float = 0.01,
        a_minus: float = 0.012,
        learning_rate: float = 1.0,
        w_min: float | None = None,
        w_max: float | None = None,
        *,
        every: Any = None,
    ) -> None:
        name = "RewardSTDP"
        times = {"tau_plus": tau_plus, "tau_minus": tau_minus, "tau_c": tau_c}
        check_times(name, **times)
        super().__init__(
            on_pre="x += 1; c -= a_minus * y",
            on_post="y += 1; c += a_plus * x",
            on_step="w += learning_rate * reward * c * dt",
            every=every,
            pre_traces="dx/dt = -x / tau_plus : 1",
            post_traces="dy/dt = -y / tau_minus : 1",
            synapse_traces="dc/dt = -c / tau_c : 1",
            parameters={
                **{key: (value, "second") for key, value in times.items()},
                "a_plus": a_plus,
                "a_minus": a_minus,
                "learning_rate": learning_rate,
            },
            factors=("reward",),
            w_min=w_min,
            w_max=w_max,
            name=name,
        )


class ErrorHebbian(PlasticityRule):
    r"""Error-modulated Hebbian rule: presynaptic activity times postsynaptic error.

    .. math:: \dot x = -x/\tau,\; x \leftarrow x + 1 \text{ (pre)};\qquad \dot w = \eta\, x\, e

    e is the third factor ``error`` (target minus actual), one value per postsynaptic unit:
    ``factors={"error": (error_units, "v")}``. Source: the delta rule (Widrow & Hoff 1960) with a
    presynaptic trace; Rao & Ballard 1999, eq. 9, for predictive coding.

    Parameters
    ----------
    learning_rate : float, 1/second per unit of error, default 0.1
    tau : float, second, default 20 ms
        Time constant of the presynaptic trace.
    w_min, w_max : float, optional
        Bounds.
    every : float, second, optional
        Time step of the weights; each step by default.
    """

    def __init__(
        self,
        learning_rate: float = 0.1,
        tau: Any = 20e-3,
        w_min: float | None = None,
        w_max: float | None = None,
        *,
        every: Any = None,
    ) -> None:
        name = "ErrorHebbian"
        check_times(name, tau=tau)
        super().__init__(
            on_pre="x += 1",
            on_step="w += learning_rate * x * error * dt",
            every=every,
            pre_traces="dx/dt = -x / tau : 1",
            parameters={"tau": (tau, "second"), "learning_rate": learning_rate},
            factors=("error",),
            w_min=w_min,
            w_max=w_max,
            name=name,
        )


class VoltageHomeostasis(PlasticityRule):
    r"""Synaptic scaling towards a mean potential of the target.

    .. math:: \tau \dot u = v_\mathrm{post} - u,\qquad \dot w = \eta\, w\, (u_\mathrm{target} - u)

    All weights of a neuron scale by the same factor, so their ratios stay. Source: the integral
    controller of van Rossum, Bi & Turrigiano 2000, J. Neurosci. 20:8812, eq. 5, on the low-passed
    potential instead of the rate.

    Parameters
    ----------
    target : float, volt
        Mean potential to reach.
    learning_rate : float, 1/(volt second), default 1
    tau : float, second, default 1 s
        Time constant of the mean.
    u_init : float, volt, default 0
        The mean before the first step.
    w_min, w_max : float, optional
        Bounds.
    every : float, second, default 10 ms
        Time step of the weights.
    """

    def __init__(
        self,
        target: Any,
        learning_rate: float = 1.0,
        tau: Any = 1.0,
        u_init: Any = 0.0,
        w_min: float | None = None,
        w_max: float | None = None,
        *,
        every: Any = 10e-3,
    ) -> None:
        name = "VoltageHomeostasis"
        check_times(name, tau=tau)
        Parameter("volt").read(target, f"target of {name}")
        super().__init__(
            on_step="w += learning_rate * w * (target - u) * dt",
            every=every,
            post_traces="du/dt = (v_post - u) / tau : volt",
            parameters={
                "tau": (tau, "second"),
                "target": (target, "volt"),
                "learning_rate": learning_rate,
            },
            initial={"u": u_init},
            w_min=w_min,
            w_max=w_max,
            name=name,
        )

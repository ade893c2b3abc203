"""Spike-timing-dependent plasticity: pairs, triplets, and the voltage of the target."""

from __future__ import annotations

from typing import Any

from neuro.description import Parameter
from neuro.errors import DescriptionError
from neuro.plasticity.rule import PlasticityRule


def check_times(name: str, **times: Any) -> None:
    """Refuse time constants that are not positive."""
    for key, value in times.items():
        Parameter("second", 0.0, exclusive=True).read(value, f"{key} of {name}")


def choose(name: str, what: str, given: str, allowed: tuple[str, ...]) -> None:
    """Refuse a choice that is not one of those allowed."""
    if given not in allowed:
        raise DescriptionError(f"{what} of {name} is {given!r}; choose from {', '.join(allowed)}")


class PairSTDP(PlasticityRule):
    r"""Pair-based spike-timing-dependent plasticity.

    .. math::
        \dot x = -x/\tau_+,\; x \leftarrow x + 1 \text{ (pre)};\quad
        \dot y = -y/\tau_-,\; y \leftarrow y + 1 \text{ (post)} \\
        w \leftarrow w - A_-(w)\,y \text{ (pre)};\quad w \leftarrow w + A_+(w)\,x \text{ (post)}

    Additive: :math:`A_\pm = a_\pm`. Multiplicative: :math:`A_+ = a_+ (w_\mathrm{max} - w)`,
    :math:`A_- = a_- (w - w_\mathrm{min})`. Nearest-spike pairing: :math:`x \leftarrow 1`,
    :math:`y \leftarrow 1`. Sources: Song, Miller & Abbott 2000 (additive); Rubin, Lee & Sompolinsky
    2001 (multiplicative); Morrison, Diesmann & Gerstner 2008, eq. 3-6 (both, and pairings).

    Parameters
    ----------
    tau_plus, tau_minus : float, second, default 20 and 20 ms
        Time constants of the pre and post trace.
    a_plus, a_minus : float, default 0.01 and 0.012
        Amplitudes of potentiation and depression, in the unit of the weight (multiplicative:
        without unit); both positive for the usual window.
    w_min, w_max : float, optional
        Bounds; the multiplicative rule needs both.
    dependence : {"additive", "multiplicative"}
        How changes depend on the weight.
    pairing : {"all", "nearest"}
        Whether a spike forms pairs with all earlier spikes of the other side, or the last one.
    """

    def __init__(
        self,
        tau_plus: Any = 20e-3,
        tau_minus: Any = 20e-3,
        a_plus: float = 0.01,
        a_minus: float = 0.012,
        w_min: float | None = None,
        w_max: float | None = None,
        *,
        dependence: str = "additive",
        pairing: str = "all",
    ) -> None:
        name = "PairSTDP"
        check_times(name, tau_plus=tau_plus, tau_minus=tau_minus)
        choose(name, "dependence", dependence, ("additive", "multiplicative"))
        choose(name, "pairing", pairing, ("all", "nearest"))
        parameters: dict[str, Any] = {
            "tau_plus": (tau_plus, "second"),
            "tau_minus": (tau_minus, "second"),
            "a_plus": a_plus,
            "a_minus": a_minus,
        }
        down, up = "a_minus", "a_plus"
        if dependence == "multiplicative":
            if w_min is None or w_max is None:
                raise DescriptionError(
                    f"{name}: multiplicative changes shrink towards the bounds; give w_min and"
                    " w_max"
                )
            parameters |= {"low": w_min, "high": w_max}
            down, up = "a_minus * (w - low)", "a_plus * (high - w)"
        count = {"all": "+= 1", "nearest": "= 1"}[pairing]
        super().__init__(
            on_pre=f"x {count}; w -= {down} * y",
            on_post=f"y {count}; w += {up} * x",
            pre_traces="dx/dt = -x / tau_plus : 1",
            post_traces="dy/dt = -y / tau_minus : 1",
            parameters=parameters,
            w_min=w_min,
            w_max=w_max,
            name=name,
        )


class TripletSTDP(PlasticityRule):
    r"""Triplet rule: pairs whose effect grows with the rate of the same side.

    .. math::
        w &\leftarrow w - o_1 (A_2^- + A_3^- r_2), \; r_1, r_2 \leftarrow r_1 + 1, r_2 + 1
            \text{ (pre)} \\
        w &\leftarrow w + r_1 (A_2^+ + A_3^+ o_2), \; o_1, o_2 \leftarrow o_1 + 1, o_2 + 1
            \text{ (post)}

    where :math:`r_1, r_2, o_1, o_2` decay with :math:`\tau_+, \tau_x, \tau_-, \tau_y`; weights
    change before :math:`r_2, o_2` step. Source: Pfister & Gerstner 2006, J. Neurosci. 26:9673,
    eq. 3-4, and as defaults its table 4, visual cortex, all-to-all, full model.

    Parameters
    ----------
    tau_plus, tau_minus, tau_x, tau_y : float, second, default 16.8, 33.7, 101 and 125 ms
    a2_plus, a3_plus, a2_minus, a3_minus : float, default 5e-10, 6.2e-3, 7e-3 and 2.3e-4
        Pair and triplet amplitudes, in the unit of the weight.
    w_min, w_max : float, optional
        Bounds.
    """

    def __init__(
        self,
        tau_plus: Any = 16.8e-3,
        tau_minus: Any = 33.7e-3,
        tau_x: Any = 101e-3,
        tau_y: Any = 125e-3,
        a2_plus: float = 5e-10,
        a3_plus: float = 6.2e-3,
        a2_minus: float = 7e-3,
        a3_minus: float = 2.3e-4,
        w_min: float | None = None,
        w_max: float | None = None,
    ) -> None:
        name = "TripletSTDP"
        times = {"tau_plus": tau_plus, "tau_minus": tau_minus, "tau_x": tau_x, "tau_y": tau_y}
        check_times(name, **times)
        super().__init__(
            on_pre="w -= o1 * (a2_minus + a3_minus * r2); r1 += 1; r2 += 1",
            on_post="w += r1 * (a2_plus + a3_plus * o2); o1 += 1; o2 += 1",
            pre_traces="dr1/dt = -r1 / tau_plus : 1; dr2/dt = -r2 / tau_x : 1",
            post_traces="do1/dt = -o1 / tau_minus : 1; do2/dt = -o2 / tau_y : 1",
            parameters={
                **{key: (value, "second") for key, value in times.items()},
                "a2_plus": a2_plus,
                "a3_plus": a3_plus,
                "a2_minus": a2_minus,
                "a3_minus": a3_minus,
            },
            w_min=w_min,
            w_max=w_max,
            name=name,
        )


class VoltageSTDP(PlasticityRule):
    r"""Voltage-based plasticity with homeostasis.

    .. math::
        w &\leftarrow w - A_\mathrm{LTD} \frac{\bar{\bar u}^2}{u_\mathrm{ref}^2}
            [\bar u_- - \theta_-]_+ \text{ at an arrival} \\
        \dot w &= A_\mathrm{LTP}\, \bar x\, [u - \theta_+]_+ [\bar u_+ - \theta_-]_+

    u is the potential of the target, :math:`\bar u_\pm` its low-passes, :math:`\bar x` a trace of
    arrivals that steps by 1; :math:`\bar{\bar u}`, a slow average of :math:`[u - E_L]`, makes
    depression stronger in active neurons (the homeostatic factor). Source: Clopath, Büsing,
    Vasilaki & Gerstner 2010, Nature Neurosci. 13:344, eq. 1-3, with thresholds and time constants
    of its visual-cortex fit. Amplitudes are in SI units; where the paper's trace of arrivals
    steps by 1 ms / tau_x, ours steps by 1. The factor is that of the paper, the square of an
    average; the authors' program averages the square.

    Parameters
    ----------
    a_ltd : float, 1/volt, default 0.14
    a_ltp : float, 1/(volt² second), default 5.3e3
    theta_minus, theta_plus : float, volt, default -70.6 and -45.3 mV
        Thresholds of the low-passes and of the potential.
    tau_minus, tau_plus, tau_x, tau_homeostatic : float, second, default 10, 7, 15 and 1000 ms
        Time constants of :math:`\bar u_-, \bar u_+, \bar x, \bar{\bar u}`.
    E_L : float, volt, default -70.6 mV
        Resting potential of the target; low-passes start there.
    u_ref : float, volt, default 7.75 mV
        Reference of the homeostatic factor; None: no homeostasis.
    w_min : float or None, default 0
    w_max : float, optional
        Bounds.
    every : float, second, optional
        Time step of potentiation, which visits every synapse; each step by default.
    """

    def __init__(
        self,
        a_ltd: float = 0.14,
        a_ltp: float = 5.3e3,
        theta_minus: Any = -70.6e-3,
        theta_plus: Any = -45.3e-3,
        tau_minus: Any = 10e-3,
        tau_plus: Any = 7e-3,
        tau_x: Any = 15e-3,
        tau_homeostatic: Any = 1.0,
        E_L: Any = -70.6e-3,
        u_ref: Any = 7.75e-3,
        w_min: float | None = 0.0,
        w_max: float | None = None,
        *,
        every: Any = None,
    ) -> None:
        name = "VoltageSTDP"
        times = {
            "tau_minus": tau_minus,
            "tau_plus": tau_plus,
            "tau_x": tau_x,
            "tau_homeostatic": tau_homeostatic,
        }
        check_times(name, **times)
        scale = "" if u_ref is None else " * (u_slow * u_slow / (u_ref * u_ref))"
        slow = "\ndu_slow/dt = (v_post - E_L - u_slow) / tau_homeostatic : volt"
        parameters: dict[str, Any] = {
            **{key: (value, "second") for key, value in times.items()},
            "a_ltd": a_ltd,
            "a_ltp": a_ltp,
            "theta_minus": (theta_minus, "volt"),
            "theta_plus": (theta_plus, "volt"),
            "E_L": (E_L, "volt"),
        }
        if u_ref is not None:
            parameters["u_ref"] = (u_ref, "volt")
        super().__init__(
            on_pre=f"w -= a_ltd{scale} * max(u_minus - theta_minus, 0); x += 1",
            on_step="w += a_ltp * x * max(v_post - theta_plus, 0)"
            " * max(u_plus - theta_minus, 0) * dt",
            every=every,
            pre_traces="dx/dt = -x / tau_x : 1",
            post_traces="du_minus/dt = (v_post - u_minus) / tau_minus : volt\n"
            f"du_plus/dt = (v_post - u_plus) / tau_plus : volt{slow if u_ref is not None else ''}",
            parameters=parameters,
            initial={"u_minus": E_L, "u_plus": E_L},
            w_min=w_min,
            w_max=w_max,
            name=name,
        )

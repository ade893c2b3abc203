"""Spike-timing-dependent plasticity of pairs and triplets of spikes."""

from __future__ import annotations

from typing import Any

from neuro.description import Parameter
from neuro.plasticity.rule import PlasticityRule


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

"""Layers in one Lava process by neuro, and as Lava processes written by hand, in floats.

Run ``python -m neuro.benchmarks.lava_fused``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import neuro as nr
from neuro.benchmarks._lava_case import WARM, Layers, time_of_a_step
from neuro.random import stream

#: How many times faster a step must be.
BAR = 10.0

DT, TAU = 1e-3, 20e-3


def case(
    layer_count: int = 4, units: int = 200, steps: int = 2000, repeats: int = 5, quick: bool = False
) -> dict[str, Any]:
    """Time of a step in the median of the runs; all layers spike at about 40 Hz.

    Raises
    ------
    BackendError
        The peer fails, or its voltages are not ours.
    """
    if quick:
        steps, repeats = 200, 2
    generator = stream(0, "benchmark of fused layers")
    weights = [generator.normal(0.0, 2.0 * units**-0.5, (units, units)) for _ in range(layer_count)]
    layers = Layers(
        neuron=nr.LIF(tau_m=TAU),
        weights=weights,
        spikes=generator.random((units, WARM + steps)) < 0.05,
        by_hand={"du": 1.0, "dv": -np.expm1(-DT / TAU), "threshold": 1.0, "whole": False},
    )
    ours, theirs, _ = time_of_a_step(layers, repeats, DT, backend="lava", mode="fused")
    return {
        "case": f"{layer_count} layers of {units} in Lava, per step",
        "peer": "Lava processes by hand",
        "ours": ours,
        "theirs": theirs,
        "ratio": theirs / ours,
        "bar": BAR,
        "holds": theirs / ours >= BAR,
    }


if __name__ == "__main__":
    print(case())

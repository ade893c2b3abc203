"""Loihi's whole numbers without Lava, and by Lava's bit-accurate processes.

Run ``python -m neuro.benchmarks.loihi_reference``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import neuro as nr
from neuro.benchmarks._lava_case import WARM, Layers, time_of_a_step
from neuro.random import stream

#: How many times faster a step of the reference must be.
BAR = 50.0

#: Decays of current and voltage [1/4096], and thresholds (in units of 64) with the mean rate of
#: the layers at steps of 1 ms.
DU, DV = 1000, 200
THRESHOLDS = {"16 Hz": 5000, "37 Hz": 4000}


def case(
    layer_count: int = 4, units: int = 200, steps: int = 2000, repeats: int = 5, quick: bool = False
) -> list[dict[str, Any]]:
    """Time of a step in the median of the runs; the voltages at the end are compared.

    The C++ code of the backend ``brian2`` is shown beside the reference.

    Raises
    ------
    BackendError
        The peer fails, or its voltages are not ours.
    """
    if quick:
        steps, repeats = 200, 2
    generator = stream(0, "benchmark of whole numbers")
    shape = (layer_count, units, units)
    weights = list(2.0 * generator.integers(-128, 128, shape).astype(np.float64))
    spikes = generator.random((units, WARM + steps)) < 0.05
    results = []
    for activity, threshold in THRESHOLDS.items():
        layers = Layers(
            neuron=nr.loihi.LIF(DU, DV, threshold),
            weights=weights,
            spikes=spikes,
            by_hand={"du": DU, "dv": DV, "threshold": threshold, "whole": True},
        )
        for name, bar in (("reference", BAR), ("brian2", None)):
            options = {"target": "cpp"} if name == "brian2" else {}
            ours, theirs, rate = time_of_a_step(
                layers, repeats, 1e-3, backend=name, precision="loihi", **options
            )
            results.append(
                {
                    "case": f"{layer_count} layers of {units} in whole numbers on {name}, "
                    f"{activity}, per step",
                    "peer": "Lava's bit-accurate processes by hand",
                    "ours": ours,
                    "theirs": theirs,
                    "ratio": theirs / ours,
                    "bar": bar,
                    "holds": None if bar is None else theirs / ours >= bar,
                    "details": {"spikes of the last layer in a step": f"{rate:.2f}"},
                }
            )
    return results


if __name__ == "__main__":
    print(case())

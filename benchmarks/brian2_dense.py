"""Dense layers 784-1200-1200-10 under Poisson input, by neuro and by hand in Brian2.

Weights are random, the same for both. The sleep network, which learns, is
:mod:`neuro.benchmarks.sleep_brian2`.

Run ``python -m neuro.benchmarks.brian2_dense``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.benchmarks._brian2_pair import Pair, compare
from neuro.random import stream

SIZES = (784, 1200, 1200, 10)


def layers(weights: Sequence[NDArray[np.float64]], rates: NDArray[np.float64]) -> nr.Network:
    """The network; spikes of all layers but the input are recorded."""
    net = nr.Network("dense", seed=0)
    below = net.population("input", nr.Poisson(rates), len(rates))
    for number, w in enumerate(weights, start=1):
        layer = net.population(f"layer{number}", nr.LIF(tau_m=20e-3), w.shape[1])
        net.connect(below, layer, w)
        net.record(layer)
        below = layer
    return net


def case(
    sizes: Sequence[int] = SIZES, duration: float = 20.0, repeats: int = 7
) -> list[dict[str, Any]]:
    """Time, and peak of memory; inputs spike at up to 40 Hz."""
    generator = stream(0, "benchmark of dense layers")
    weights = [generator.normal(0.0, 1.3 * pre**-0.5, (pre, post)) for pre, post in pairwise(sizes)]
    rates = generator.uniform(0.0, 40.0, sizes[0])
    pair = Pair(
        title=f"dense {'-'.join(map(str, sizes))}, {duration:g} s",
        network=layers(weights, rates),
        dt=1e-3,
        duration=duration,
        peer="_handwritten_dense",
        data={f"w{i}": w for i, w in enumerate(weights)} | {"layers": len(weights), "rates": rates},
        tolerance=0.02,
        native_bar=3.0,
    )
    return compare(pair, repeats)


if __name__ == "__main__":
    for row in case():
        print(row)

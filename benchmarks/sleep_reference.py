"""The sleep network on the reference backend beside a dense NumPy loop.

784-1200-1200-10, the network of Tadros et al. 2022: 14 input spikes and about 0.25 hidden ones in a
step (theirs falls from about 0.9 to a mean of 0.1 in the first hidden layer). The peer is a direct
transcription of the algorithm: currents by matrix products, weight changes only at the units that
spiked. Both have one core: the reference is single-threaded, a BLAS with two threads makes the
peer up to twice as fast (docs/results.md has that figure, and the one at higher activity).

Run ``python -m neuro.benchmarks.sleep_reference``.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from neuro.benchmarks._sleep_case import SleepCase, sleep_case
from neuro.simulation import compile

BAR = 10.0


def dense_loop(case: SleepCase, steps: int) -> list[NDArray[np.float64]]:
    """All layers in one step, all currents computed; returns the weights after sleep."""
    c = case.config
    weights = [w.copy() for w in case.weights]
    voltages = [np.zeros(w.shape[1]) for w in weights]
    raster = np.zeros((c.steps, weights[0].shape[0]))
    raster[case.steps, case.units] = 1.0
    for z in raster[:steps]:
        below = z
        for layer, w in enumerate(weights):
            voltages[layer] = c.decay * voltages[layer] + below @ w
            above = (voltages[layer] >= c.thresholds[layer]).astype(float)
            for unit in np.flatnonzero(above):
                gate = 2 / (1 + np.exp(np.clip(w[:, unit] / c.slope, -60, 60)))
                w[:, unit] += np.where(below > 0, c.increment, -c.decrement) * gate
            voltages[layer][above > 0] = 0.0
            below = above
    return weights


def case(repeats: int = 5, steps: int = 4000, dense_steps: int = 1000) -> dict[str, object]:
    """Time both; figures are network steps per second."""
    sleep = sleep_case((784, 1200, 1200, 10), (2.5, 0.3, 0.1), steps)
    ours: list[float] = []
    theirs: list[float] = []
    with threadpool_limits(1):
        for _ in range(repeats):
            start = time.perf_counter()
            dense_loop(sleep, dense_steps)
            theirs.append(dense_steps / (time.perf_counter() - start))
            with compile(sleep.network()) as sim:
                start = time.perf_counter()
                sim.run_steps(steps, False)
                ours.append(steps / (time.perf_counter() - start))
    ratio = statistics.median(ours) / statistics.median(theirs)
    return {
        "case": "sleep 784-1200-1200-10 on reference, one core each",
        "peer": "dense NumPy loop",
        "ours": statistics.median(ours),
        "theirs": statistics.median(theirs),
        "ratio": ratio,
        "bar": BAR,
        "holds": ratio >= BAR,
    }


if __name__ == "__main__":
    print(case())

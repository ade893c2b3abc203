"""The sleep network that several benchmarks share: replayed input, random weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from neuro.learning.sleep import SleepConfig, spiking_network
from neuro.network import Network
from neuro.plasticity import SleepReplay
from neuro.random import stream
from neuro.sources import SpikeTimes, WindowedPoisson


@dataclass(frozen=True, eq=False)
class SleepCase:
    """Weights, settings and input spikes of one sleep."""

    weights: list[NDArray[np.float64]]
    config: SleepConfig
    steps: NDArray[np.int64]
    units: NDArray[np.int64]

    def network(self) -> Network:
        """The network as neuro describes it, with the input replayed."""
        c = self.config
        return spiking_network(
            self.weights,
            SpikeTimes(self.steps, self.units),
            thresholds=c.thresholds,
            decay=c.decay,
            plasticity=SleepReplay(c.increment, c.decrement, c.slope),
        )


def sleep_case(sizes: Sequence[int], thresholds: Sequence[float], steps: int) -> SleepCase:
    """Sparse replay: about 14 input spikes a step, fewer above, as in the papers.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer; 784 inputs, a 28 x 28 image.
    thresholds : sequence of float
        One per layer above the input.
    steps : int
        Time steps.
    """
    draw = stream(0, "benchmark weights")
    weights = [draw.normal(0.0, a**-0.5, (a, b)) for a, b in pairwise(sizes)]
    config = SleepConfig(
        rate=120.0,
        increment=0.001,
        decrement=0.0002,
        thresholds=tuple(thresholds),
        steps=steps,
        decay=0.97,
        window=11,
        slope=0.01,
    )
    image = draw.random(sizes[0])
    source = WindowedPoisson(2 * config.rate * image, (28, 28), config.window)
    k, i = source.lower(0, "benchmark", sizes[0], 1e-3).events(0, steps)
    return SleepCase(weights, config, k, i)

"""Layers of LIF neurons, by neuro and as Lava processes written by hand, in turns.

Both get the same weights and input spikes. The peer is one process per layer and per connection
(from Lava's own library), which is how Lava is meant.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.errors import BackendError

#: Steps before the clock starts: Lava compiles and forks.
WARM = 50


@dataclass(frozen=True)
class Layers:
    """A feed-forward network.

    Attributes
    ----------
    neuron : model
        Of every layer.
    weights : list of arrays ``[pre, post]``
        From layer to layer.
    spikes : bool array ``[unit, step]``
        Of the input.
    by_hand : mapping
        ``du``, ``dv`` and ``threshold`` for Lava's LIF, and ``whole``: in whole numbers or not.
    """

    neuron: Any
    weights: Sequence[NDArray[np.float64]]
    spikes: NDArray[np.bool_]
    by_hand: Mapping[str, float | bool]

    def network(self) -> nr.Network:
        """For neuro; spikes of the last layer are recorded."""
        net = nr.Network("layers", seed=0)
        units, steps = np.nonzero(self.spikes)
        below = net.population("input", nr.SpikeTimes(steps, units), len(self.spikes))
        for number, w in enumerate(self.weights, start=1):
            layer = net.population(f"layer{number}", self.neuron, w.shape[1])
            net.connect(below, layer, w)
            below = layer
        net.record(below)
        return net


def time_of_a_step(
    layers: Layers, repeats: int, dt: float, **options: Any
) -> tuple[float, float, float]:
    """Seconds of a step in the median of the runs, ours and theirs, and our output's rate.

    Parameters
    ----------
    layers : Layers
        The network.
    repeats : int
        Runs of each, by turns.
    dt : float
        Time step [s].
    **options
        For :func:`neuro.compile`.

    Returns
    -------
    tuple of three floats
        Our seconds, their seconds, spikes of the last layer in a step.

    Raises
    ------
    BackendError
        The peer fails, or its voltages at the end are not ours.
    """
    steps = layers.spikes.shape[1] - WARM
    ours, theirs, rates = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        data: dict[str, Any] = {f"w{i}": w for i, w in enumerate(layers.weights)}
        data |= {"layers": len(layers.weights), "spikes": layers.spikes}
        data |= {"steps": steps, "warm": WARM, **layers.by_hand}
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        for _ in range(repeats):
            seconds, voltages = _by_hand(path)
            theirs.append(seconds)
            seconds, rate = _ours(layers, steps, voltages, dt, options)
            ours.append(seconds)
            rates.append(rate)
    return statistics.median(ours) / steps, statistics.median(theirs) / steps, rates[0]


def _ours(
    layers: Layers, steps: int, voltages: list[float], dt: float, options: Mapping[str, Any]
) -> tuple[float, float]:
    last = f"layer{len(layers.weights)}"
    with nr.compile(layers.network(), dt=dt, **options) as sim:
        sim.run_steps(WARM, progress=False)
        begun = time.perf_counter()
        recording = sim.run_steps(steps, progress=False)
        seconds = time.perf_counter() - begun
        mine = sim.state().arrays[f"{last}.v"]
    spikes = len(recording.spikes(last)[0])
    if not np.allclose(mine, voltages, atol=1e-6) or not spikes:
        raise BackendError("the hand-written Lava network does something else")
    return seconds, spikes / steps


def _by_hand(data: Path) -> tuple[float, list[float]]:
    module = "neuro.benchmarks._lava_layers.network"
    command = [sys.executable, "-W", "ignore", "-m", module, str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise BackendError(f"the hand-written Lava network failed: {done.stderr[-500:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"], result["voltages"]

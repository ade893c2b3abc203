"""Layers in one Lava process by neuro, and as Lava processes written by hand.

Both run through Lava's runtime, in floats, with the same input spikes, by turns. The peer is one
process per layer and per connection (from Lava's own library), which is how Lava is meant.

Run ``python -m neuro.benchmarks.lava_fused``.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.errors import BackendError
from neuro.random import stream

#: How many times faster a step must be.
BAR = 10.0

DT, TAU = 1e-3, 20e-3

#: Steps before the clock starts: Lava compiles and forks.
WARM = 50


def layers(weights: list[NDArray[np.float64]], spikes: NDArray[np.bool_]) -> nr.Network:
    """The network; spikes of the last layer are recorded."""
    net = nr.Network("layers", seed=0)
    units, steps = np.nonzero(spikes)
    below = net.population("input", nr.SpikeTimes(steps, units), len(spikes))
    for number, w in enumerate(weights, start=1):
        layer = net.population(f"layer{number}", nr.LIF(tau_m=TAU), w.shape[1])
        net.connect(below, layer, w)
        below = layer
    net.record(below)
    return net


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
    weights = [
        generator.normal(0.0, 2.0 * units**-0.5, (units, units)) for _ in range(layer_count)
    ]
    total = WARM + steps
    spikes = generator.random((units, total)) < 0.05
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        data: dict[str, Any] = {f"w{i}": w for i, w in enumerate(weights)}
        data |= {"layers": layer_count, "runs": 1}
        data |= {"spikes": spikes, "steps": steps, "warm": WARM, "threshold": 1.0}
        np.savez(Path(folder) / "data.npz", dv=-np.expm1(-DT / TAU), **data)
        for _ in range(repeats):
            seconds, voltages = _by_hand(Path(folder) / "data.npz")
            theirs.append(seconds)
            ours.append(_ours(weights, spikes, steps, voltages))
    ours_step, theirs_step = (statistics.median(times) / steps for times in (ours, theirs))
    ratio = theirs_step / ours_step
    return {
        "case": f"{layer_count} layers of {units} in Lava, per step",
        "peer": "Lava processes by hand",
        "ours": ours_step,
        "theirs": theirs_step,
        "ratio": ratio,
        "bar": BAR,
        "holds": ratio >= BAR,
    }


def _ours(
    weights: list[NDArray[np.float64]],
    spikes: NDArray[np.bool_],
    steps: int,
    voltages: list[float],
) -> float:
    with nr.compile(layers(weights, spikes), "lava", DT, mode="fused") as sim:
        sim.run_steps(WARM, progress=False)
        begun = time.perf_counter()
        recording = sim.run_steps(steps, progress=False)
        seconds = time.perf_counter() - begun
        last = f"layer{len(weights)}"
        mine = sim.state().arrays[f"{last}.v"]
        if not np.allclose(mine, voltages, atol=1e-6) or len(recording.spikes(last)[0]) < steps:
            raise BackendError("the hand-written Lava network does something else")
    return seconds


def _by_hand(data: Path) -> tuple[float, list[float]]:
    module = "neuro.benchmarks._lava_layers.network"
    command = [sys.executable, "-W", "ignore", "-m", module, str(data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise BackendError(f"the hand-written Lava network failed: {done.stderr[-500:]}")
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"][0], result["voltages"]


if __name__ == "__main__":
    print(case())

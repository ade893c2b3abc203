"""The sleep network as a Brian2 user would write it by hand, for C++ standalone.

Run as a program by :mod:`neuro.benchmarks.sleep_brian2`, in a process of its own because Brian2's
device is global: ``python -m neuro.benchmarks._handwritten_sleep CASE.npz FOLDER REPEATS``.
Prints one JSON line: seconds from nothing but the imports to the first results, run seconds of
each repeat, spikes per layer.
"""

from __future__ import annotations

import json
import sys
import time

import brian2 as b2
import numpy as np


def main(path: str, folder: str, repeats: int) -> None:
    """Build once, run ``repeats`` times."""
    begin = time.perf_counter()
    case = np.load(path)
    steps, decay = int(case["n_steps"]), float(case["decay"])
    weights = [case[f"w{i}"] for i in range(len(case["thresholds"]))]
    b2.prefs.logging.file_log = False
    b2.set_device("cpp_standalone", build_on_run=False)
    b2.defaultclock.dt = 1 * b2.ms
    # Spikes reach their synapses first in a step, and the rule sees this step's spikes.
    b2.magic_network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
    names = {
        "tau": -1 * b2.ms / np.log(decay),
        "inc": float(case["increment"]),
        "dec": float(case["decrement"]),
        "slope": float(case["slope"]),
    }
    below = b2.SpikeGeneratorGroup(
        weights[0].shape[0], case["units"], case["steps"] * b2.ms, sorted=True
    )
    objects = [below]
    monitors = []
    for w, threshold in zip(weights, case["thresholds"], strict=True):
        # The input is added before the decay here, so the threshold is scaled by the decay.
        layer = b2.NeuronGroup(
            w.shape[1],
            "dv/dt = -v / tau : 1",
            threshold=f"v >= {float(threshold) * decay!r}",
            reset="v = 0",
            method="exact",
            namespace=names,
        )
        synapses = b2.Synapses(
            below,
            layer,
            "w : 1\narrived_at : second",
            on_pre="v_post += w\narrived_at = t",
            on_post="w += (int(arrived_at == t) * (inc + dec) - dec)"
            " * 2 / (1 + exp(clip(w / slope, -60, 60)))",
            namespace=names,
        )
        synapses.connect()
        synapses.w = w.ravel()
        synapses.arrived_at = -1 * b2.second
        synapses.post.when = "after_resets"
        monitor = b2.SpikeMonitor(layer)
        objects += [layer, synapses, monitor]
        monitors.append(monitor)
        below = layer
    network = b2.Network(objects)
    network.schedule = b2.magic_network.schedule
    network.run(steps * b2.ms)
    b2.device.build(directory=folder, compile=True, run=True, with_output=False)
    first = time.perf_counter() - begin
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        b2.device.run(folder, with_output=False)
        seconds.append(time.perf_counter() - start)
    spikes = [int(m.num_spikes) for m in monitors]
    print(json.dumps({"first": [first], "run": seconds, "spikes": spikes}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

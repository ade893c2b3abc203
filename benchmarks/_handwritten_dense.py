"""Dense layers of LIF neurons as a Brian2 user would write them.

Run as a program by :mod:`neuro.benchmarks._brian2_pair`.
"""

from __future__ import annotations

import json
import sys

import brian2 as b2
import numpy as np


def main(path: str, folder: str) -> None:
    """Build and run once; print the number of spikes."""
    case = np.load(path)
    weights = [case[f"w{i}"] for i in range(int(case["layers"]))]
    b2.prefs.logging.file_log = False
    b2.set_device("cpp_standalone", directory=folder)
    b2.defaultclock.dt = float(case["dt"]) * b2.second
    # Spikes reach their synapses first in a step; that comes before the decay, so the threshold is
    # scaled by the decay. (In Brian2's usual order, input that comes with a spike is lost.)
    schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]
    decay = float(np.exp(-float(case["dt"]) / 20e-3))
    below = b2.PoissonGroup(weights[0].shape[0], rates=case["rates"] * b2.Hz)
    objects, monitors = [below], []
    for w in weights:
        layer = b2.NeuronGroup(
            w.shape[1],
            "dv/dt = -v / tau : 1",
            threshold=f"v >= {decay!r}",
            reset="v = 0",
            method="exact",
            namespace={"tau": 20 * b2.ms},
        )
        synapses = b2.Synapses(below, layer, "w : 1", on_pre="v_post += w")
        synapses.connect()
        synapses.w = w.ravel()
        monitor = b2.SpikeMonitor(layer)
        objects += [layer, synapses, monitor]
        monitors.append(monitor)
        below = layer
    network = b2.Network(objects)
    network.schedule = schedule
    network.run(float(case["duration"]) * b2.second)
    print(json.dumps({"spikes": sum(int(m.num_spikes) for m in monitors)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

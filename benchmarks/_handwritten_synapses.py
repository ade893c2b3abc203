"""The networks of :mod:`neuro.benchmarks._cost_network` as a Brian2 user would write them.

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
    kind, neurons, degree = str(case["kind"]), int(case["neurons"]), int(case["degree"])
    b2.prefs.logging.file_log = False
    b2.set_device("cpp_standalone", directory=folder)
    b2.defaultclock.dt = float(case["dt"]) * b2.second
    sizes = [neurons] if kind == "sparse" else [neurons // 2] * 2
    groups = [
        b2.NeuronGroup(
            size,
            "dv/dt = (1.5 - v) / (20*ms) : 1 (unless refractory)",
            threshold="v >= 1",
            reset="v = 0",
            refractory=78 * b2.ms,
            method="exact",
        )
        for size in sizes
    ]
    for group in groups:
        group.v = "rand()"
    if kind == "plastic":  # as in Brian2's example of STDP
        synapses = b2.Synapses(
            groups[0],
            groups[-1],
            """
            w : 1
            dApre/dt = -Apre / (20*ms) : 1 (event-driven)
            dApost/dt = -Apost / (20*ms) : 1 (event-driven)
            """,
            on_pre="v_post += w\nApre += 1e-9\nw = w + Apost",
            on_post="Apost -= 1e-9\nw = w + Apre",
        )
    else:
        synapses = b2.Synapses(groups[0], groups[-1], "w : 1", on_pre="v_post += w")
    synapses.connect(p=degree / neurons if kind == "sparse" else 1.0)
    synapses.w = "1e-6 * randn()"
    spikes = b2.SpikeMonitor(groups[-1])
    network = b2.Network(*groups, synapses, spikes)
    network.run(float(case["duration"]) * b2.second)
    print(json.dumps({"spikes": int(spikes.num_spikes)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

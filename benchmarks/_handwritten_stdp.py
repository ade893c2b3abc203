"""STDP as a Brian2 user would write it, after the example of that name in Brian2's documentation.

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
    b2.prefs.logging.file_log = False
    b2.set_device("cpp_standalone", directory=folder)
    b2.defaultclock.dt = float(case["dt"]) * b2.second
    gmax = float(case["gmax"])
    names = {
        "taum": 10 * b2.ms,
        "taupre": 20 * b2.ms,
        "taupost": 20 * b2.ms,
        "taue": 5 * b2.ms,
        "Ee": 0 * b2.mV,
        "vt": -54 * b2.mV,
        "vr": -60 * b2.mV,
        "El": -74 * b2.mV,
        "gmax": gmax,
        "dApre": 0.01 * gmax,
        "dApost": -0.01 * 1.05 * gmax,
    }
    inputs = b2.PoissonGroup(int(case["inputs"]), rates=15 * b2.Hz)
    cell = b2.NeuronGroup(
        1,
        """
        dv/dt = (ge * (Ee - v) + El - v) / taum : volt
        dge/dt = -ge / taue : 1
        """,
        threshold="v > vt",
        reset="v = vr",
        method="euler",
        namespace=names,
    )
    cell.v = -74 * b2.mV
    synapses = b2.Synapses(
        inputs,
        cell,
        """
        w : 1
        dApre/dt = -Apre / taupre : 1 (event-driven)
        dApost/dt = -Apost / taupost : 1 (event-driven)
        """,
        on_pre="ge += w\nApre += dApre\nw = clip(w + Apost, 0, gmax)",
        on_post="Apost += dApost\nw = clip(w + Apre, 0, gmax)",
        namespace=names,
    )
    synapses.connect()
    synapses.w = "rand() * gmax"
    spikes = b2.SpikeMonitor(cell)
    network = b2.Network(inputs, cell, synapses, spikes)
    network.run(float(case["duration"]) * b2.second)
    print(json.dumps({"spikes": int(spikes.num_spikes)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

"""CUBA as a Brian2 user would write it, after the example of that name in Brian2's documentation.

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
    neurons, p = int(case["neurons"]), float(case["probability"])
    b2.prefs.logging.file_log = False
    b2.set_device("cpp_standalone", directory=folder)
    b2.defaultclock.dt = float(case["dt"]) * b2.second
    names = {
        "taum": 20 * b2.ms,
        "taue": 5 * b2.ms,
        "taui": 10 * b2.ms,
        "Vt": -50 * b2.mV,
        "Vr": -60 * b2.mV,
        "El": -49 * b2.mV,
        "we": 1.62 * b2.mV,
        "wi": -9 * b2.mV,
    }
    cells = b2.NeuronGroup(
        neurons,
        """
        dv/dt = (ge + gi - (v - El)) / taum : volt (unless refractory)
        dge/dt = -ge / taue : volt
        dgi/dt = -gi / taui : volt
        """,
        threshold="v > Vt",
        reset="v = Vr",
        refractory=5 * b2.ms,
        method="exact",
        namespace=names,
    )
    cells.v = "Vr + rand() * (Vt - Vr)"
    exciting = b2.Synapses(cells, cells, on_pre="ge += we", namespace=names)
    inhibiting = b2.Synapses(cells, cells, on_pre="gi += wi", namespace=names)
    excitatory = neurons * 4 // 5
    exciting.connect(f"i < {excitatory}", p=p)
    inhibiting.connect(f"i >= {excitatory}", p=p)
    spikes = b2.SpikeMonitor(cells)
    network = b2.Network(cells, exciting, inhibiting, spikes)
    network.run(float(case["duration"]) * b2.second)
    print(json.dumps({"spikes": int(spikes.num_spikes)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])

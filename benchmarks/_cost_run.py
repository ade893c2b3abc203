"""One network on one backend: how long a simulated second takes.

Run as a program by :mod:`neuro.benchmarks._cost`: ``python -m neuro.benchmarks._cost_run KIND
NEURONS DEGREE BACKEND OPTIONS``. It prints two lines of JSON: one when everything is compiled, and
one with the results.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from neuro.benchmarks._cost_network import DT, dense, recurrent
from neuro.network import Network
from neuro.simulation import compile


def network(kind: str, neurons: int, degree: int) -> Network:
    """The network of a kind: ``"sparse"``, ``"dense"`` or ``"plastic"``."""
    return recurrent(neurons, degree) if kind == "sparse" else dense(neurons, kind == "plastic")


def memory(field: str) -> int:
    """A field of this process's status, in bytes: ``VmHWM`` is the peak, ``VmRSS`` what is now."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def main(kind: str, neurons: str, degree: str, backend: str, options: str) -> None:
    """Compile, then run seconds until one of the clock has passed."""
    net = network(kind, int(neurons), int(degree))
    begin = time.perf_counter()
    with compile(net, backend, DT, **json.loads(options)) as sim:
        compiled = time.perf_counter() - begin
        sim.run_steps(1, False)  # builds, where there is something to build
        print(json.dumps({"compile": compiled, "memory": memory("VmHWM")}), flush=True)
        seconds: list[float] = []
        spikes = 0
        while sum(seconds) < 1.0 and len(seconds) < 7:
            begin = time.perf_counter()
            recording = sim.run(1.0, progress=False)
            seconds.append(time.perf_counter() - begin)
            spikes = len(recording.spikes(sim.program.records[0].owner)[0])
        synapses = sim.program.connectivity["synapses"].count
    results = {"seconds": statistics.median(seconds), "spikes": spikes, "synapses": synapses}
    print(json.dumps({**results, "memory": memory("VmHWM"), "after": memory("VmRSS")}))


if __name__ == "__main__":
    main(*sys.argv[1:])

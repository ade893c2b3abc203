"""The compiled sleep network beside the same network written by hand in Brian2.

Both are C++ standalone programs of Brian2, both get the same input spikes from files, and both
are timed from the start of the process to the results (no compilation). The peer is
:mod:`neuro.benchmarks._handwritten_sleep`; that both replay the same spikes is checked.

Run ``python -m neuro.benchmarks.sleep_brian2``.
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

from neuro.benchmarks._sleep_case import SleepCase, sleep_case
from neuro.errors import BackendError
from neuro.simulation import compile

#: Ours may take at most 1.05 times as long.
BAR = 1 / 1.05


def handwritten(case: SleepCase, folder: Path, repeats: int) -> dict[str, list[float]]:
    """Run the hand-written program in a process of its own."""
    path = folder / "case.npz"
    c = case.config
    arrays: dict[str, Any] = {f"w{i}": w for i, w in enumerate(case.weights)}
    for name in ("thresholds", "decay", "increment", "decrement", "slope"):
        arrays[name] = getattr(c, name)
    np.savez(path, steps=case.steps, units=case.units, n_steps=c.steps, **arrays)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "neuro.benchmarks._handwritten_sleep",
            str(path),
            str(folder / "handwritten"),
            str(repeats),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise BackendError(f"the hand-written Brian2 program failed: {done.stderr[-500:]}")
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def case(steps: int = 20_000, repeats: int = 7) -> dict[str, object]:
    """Time both; figures are network steps per second."""
    sleep = sleep_case((784, 256, 10), (1.2, 0.2), steps)
    with (
        tempfile.TemporaryDirectory() as name,
        compile(sleep.network(), "brian2", target="cpp") as sim,
    ):
        fresh = sim.state()
        first = sim.run_steps(steps, False)  # builds, or finds the build
        ours: list[float] = []
        theirs: list[float] = []
        peer = handwritten(sleep, Path(name), 1)
        for layer, spikes in enumerate(peer["spikes"], start=1):
            found = len(first.spikes(f"layer{layer}")[0])
            if abs(found - spikes) > 0.01 * spikes:
                raise BackendError(f"layer {layer}: {found} spikes, the peer has {spikes}")
        binary = Path(name) / "handwritten"
        for _ in range(repeats):
            start = time.perf_counter()
            subprocess.run(["./main"], cwd=binary, check=True, capture_output=True)
            theirs.append(time.perf_counter() - start)
            sim.restore(fresh)
            start = time.perf_counter()
            sim.run_steps(steps, False)
            ours.append(time.perf_counter() - start)
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    return {
        "case": "sleep network 784-256-10, run time",
        "peer": "hand-written Brian2 cpp_standalone",
        "ours": steps / statistics.median(ours),
        "theirs": steps / statistics.median(theirs),
        "ratio": ratio,
        "bar": BAR,
        "holds": ratio >= BAR,
    }


if __name__ == "__main__":
    print(case())

"""A layer of LIF neurons, many inputs at once: ours and the peers', run by turns.

The peers live in an environment of their own (``make bench-env``); its Python is
``.venv-bench/bin/python`` of the working directory, or what ``NEURO_BENCH_PYTHON`` says. Weights,
input spikes and number of threads are the same for all, and the number of spikes that come out must
agree to 0.5 % (the peers round differently).
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.engine import State
from neuro.errors import BackendError
from neuro.simulation import Simulation

#: Ours must be faster than the fastest.
BAR = 1.0
#: Share by which numbers of spikes may differ.
TOLERANCE = 0.005
#: Membrane time constant and time step in seconds.
TAU, DT = 20e-3, 1e-3


@dataclass(frozen=True, eq=False)
class LayerCase:
    """A layer ``pre -> post``, its input and how long it runs.

    Attributes
    ----------
    weights : ndarray ``[pre, post]``
    spikes : tuple of three arrays
        (steps, items, units) of the input.
    steps, batch, threads : int
    """

    weights: NDArray[np.float32]
    spikes: tuple[NDArray[np.int64], ...]
    steps: int
    batch: int
    threads: int

    def network(self) -> nr.Network:
        """The layer in neuro."""
        steps, items, units = self.spikes
        sources = [nr.SpikeTimes(steps[items == b], units[items == b]) for b in range(self.batch)]
        net = nr.Network("layer")
        source = net.population("source", nr.PerItem(sources), size=self.weights.shape[0])
        layer = net.population("layer", nr.LIF(tau_m=TAU), size=self.weights.shape[1])
        net.connect(source, layer, self.weights)
        net.record(layer)
        return net

    def save(self, path: Path) -> None:
        """Write what the peers need."""
        np.savez(
            path,
            weights=self.weights,
            spikes=np.array(self.spikes),
            steps=self.steps,
            batch=self.batch,
            threads=self.threads,
            decay=np.exp(-DT / TAU),
        )


def layer_case(
    density: float, pre: int = 1000, post: int = 1000, batch: int = 32, steps: int = 1000
) -> LayerCase:
    """Random weights and input; ``density`` is the share of units that spike in a step.

    The last input spike comes in the last step but one, because ours take a step to arrive.
    """
    import torch

    rng = np.random.default_rng(20270301)
    weights = rng.normal(0.0, 0.05, (pre, post)).astype(np.float32)
    emitted = rng.random((steps, batch, pre), dtype=np.float32) < density
    emitted[-1] = False
    spikes = tuple(np.ascontiguousarray(i) for i in np.nonzero(emitted))
    return LayerCase(weights, spikes, steps, batch, torch.get_num_threads())


class Peers:
    """The process in which the peers run."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        heading = self._answer()
        #: Version of each peer, or why it is missing.
        self.versions: dict[str, str] = heading["versions"]
        #: Names of those that can run.
        self.ready: list[str] = heading["ready"]

    def run(self, name: str) -> tuple[float, int]:
        """Seconds and number of spikes of one run."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{name}\n")
        self._process.stdin.flush()
        seconds, spikes = self._answer()
        return seconds, spikes

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BackendError("the process of the peers ended; its error output is above")
        return json.loads(line)


@contextmanager
def peers(case: LayerCase) -> Iterator[Peers]:
    """Start the peers on a case.

    Raises
    ------
    BackendError
        Their environment is missing.
    """
    python = Path(os.environ.get("NEURO_BENCH_PYTHON", ".venv-bench/bin/python"))
    if not python.exists():
        raise BackendError(
            f"the environment of the peers is missing: no {python}; run `make bench-env`, or set"
            " NEURO_BENCH_PYTHON to a Python that has snntorch, norse and spikingjelly"
        )
    script = Path(__file__).with_name("_layer_peers.py")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        case.save(path)
        process = subprocess.Popen(
            [str(python), "-W", "ignore", str(script), str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Peers(process)
        finally:
            process.kill()
            process.wait()


def ours(sim: Simulation, fresh: State, case: LayerCase) -> tuple[float, int]:
    """Seconds and number of spikes of one run."""
    sim.restore(fresh)
    start = time.perf_counter()
    record = sim.run_steps(case.steps, False)
    seconds = time.perf_counter() - start
    return seconds, len(record.batch_spikes("layer")[0])


def measure(density: float, repeats: int = 9, **options: Any) -> dict[str, object]:
    """Time ours and every peer by turns; options are those of the torch backend.

    Raises
    ------
    BackendError
        No peer can run, or the spikes do not agree.
    """
    case = layer_case(density)
    times: dict[str, list[float]] = {}
    options = {"device": "cpu", "batch": case.batch, **options}
    with (
        nr.compile(case.network(), "torch", DT, "float32", **options) as sim,
        peers(case) as others,
    ):
        if not others.ready:
            raise BackendError(f"no peer can run: {others.versions}")
        fresh = sim.state()
        for repeat in range(repeats + 1):  # the first one warms up
            seconds, expected = ours(sim, fresh, case)
            times.setdefault("ours", []).append(seconds)
            for name in others.ready:
                seconds, spikes = others.run(name)
                times.setdefault(name, []).append(seconds)
                if abs(spikes - expected) > TOLERANCE * expected:
                    raise BackendError(f"{name} has {spikes} spikes, ours has {expected}")
            if not repeat:
                times.clear()
    ratios = {
        name: statistics.median(t / o for t, o in zip(times[name], times["ours"], strict=True))
        for name in others.ready
    }
    fastest = min(ratios, key=ratios.__getitem__)
    rates = {name: case.steps / statistics.median(t) for name, t in times.items()}
    missing = [f"{n} ({v})" for n, v in others.versions.items() if n not in others.ready]
    slower = [f"{n} {others.versions[n]} ({ratios[n]:.2f})" for n in others.ready if n != fastest]
    return {
        "case": f"LIF layer 1000-1000, batch {case.batch}, {density:.0%} active, steps/s",
        "peer": "; ".join([f"{fastest} {others.versions[fastest]}", *slower, *missing]),
        "ours": rates["ours"],
        "theirs": rates[fastest],
        "ratio": ratios[fastest],
        "bar": BAR,
        "holds": ratios[fastest] > BAR,
    }

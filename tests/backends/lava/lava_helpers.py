"""Small networks for the tests, and a look at processes."""

from __future__ import annotations

from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.backends.lava.engine import LavaEngine


def loop(source: nr.Source | None = None, traces: bool = True) -> nr.Network:
    """A source, and cells with a plastic loop; spikes, voltages and weights recorded."""
    net = nr.Network("loop", seed=4)
    given = net.population("in", source or nr.Poisson(200.0), 6)
    cells = net.population("cells", nr.LIF(tau_m=10e-3), 8)
    weights = np.random.default_rng(1).uniform(0.1, 0.9, (6, 8))
    net.connect(given, cells, weights, name="feed")
    net.connect(
        cells,
        cells,
        np.full((8, 8), 0.05),
        delay=3e-3,
        plasticity=nr.PairSTDP(a_plus=0.01, a_minus=0.011),
        name="back",
    )
    net.record("cells", "spikes")
    if traces:
        net.record("cells", "v")
        net.record("back", "w")
    return net


class Wrong(nr.SpikeTimes):
    """A source that emits spikes of a unit that does not exist, from some step on."""

    def lower(self, seed: int, name: str, size: int, dt: float) -> Any:
        """A source without sense."""
        return _Wrong(size)


class _Wrong:
    def __init__(self, size: int) -> None:
        self._size = size

    def events(self, start: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        steps = np.arange(max(start, 5), stop)
        return steps, np.full(len(steps), self._size + 3)

    def replica(self, item: int) -> _Wrong:
        return self


def engine_of(sim: nr.Simulation) -> LavaEngine:
    """The Lava engine of a simulation."""
    engine = sim.engine
    assert isinstance(engine, LavaEngine)
    return engine


def work(mode: str) -> None:
    """Compile and run, for a process of its own."""
    with nr.compile(loop(), "lava", mode=mode) as sim:
        sim.run_steps(5, progress=False)


def members(session: int) -> list[int]:
    """Processes of a session that still run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def assert_gone(session: int, seconds: float = 5.0) -> None:
    """All processes of a session end within some seconds."""
    limit = monotonic() + seconds
    while left := members(session):
        assert monotonic() < limit, f"processes {left} are left"
        sleep(0.01)

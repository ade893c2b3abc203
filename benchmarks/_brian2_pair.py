"""A network compiled by neuro beside the same one written by hand in Brian2, in one run.

Neuro compiles it twice: by Brian2's code generation, as the peer is made, and by the backend
``native``. All run by turns. Of Brian2's programs three figures are compared: the time of a whole
run, the time of the compiled program alone (neuro draws the spikes of sources before it starts),
and the program's peak of memory; of the native one, that runs in this process, the time of a whole
run. Compiling is not counted.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neuro.benchmarks._usage import Usage, Watched
from neuro.errors import BackendError
from neuro.network import Network
from neuro.simulation import Simulation, compile

#: Ours may take 1.05 times as long, and no more memory.
TIME_BAR, MEMORY_BAR = 1 / 1.05, 1.0


@dataclass(frozen=True, eq=False)
class Pair:
    """What is compared.

    Attributes
    ----------
    title : str
    network : Network
        Records the spikes that are counted.
    dt, duration : float
        Seconds.
    peer : str
        Module beside this one that builds the Brian2 program: run as a program with the path of
        ``data`` and a folder, it leaves the program ``main`` there and prints the number of spikes
        of a first run.
    data : dict
        What the peer needs to know.
    tolerance : float
        Share by which the two numbers of spikes may differ, beside what chance allows.
    native_bar : float
        How many times as fast as the peer the native backend is to be.
    """

    title: str
    network: Network
    dt: float
    duration: float
    peer: str
    data: Mapping[str, ArrayLike]
    tolerance: float
    native_bar: float = 1.0


def compare(pair: Pair, repeats: int) -> list[dict[str, Any]]:
    """Build both, run them by turns; one result for each figure (see ``neuro bench``).

    Raises
    ------
    BackendError
        The peer fails, or the two networks are not equally active.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = {"dt": pair.dt, "duration": pair.duration, **pair.data}
        peer, theirs = build_by_hand(pair.peer, data, folder)
        cache = folder / "cache"
        with (
            compile(pair.network, "brian2", pair.dt, target="cpp", cache_dir=cache) as sim,
            compile(pair.network, "native", pair.dt, cache_dir=cache) as native,
        ):
            fresh = sim.state()
            sim.run_steps(1, False)  # builds
            program = Watched(next(p for p in cache.rglob("main") if p.is_file()))
            runs: list[tuple[_Run, _Run]] = []
            natively: list[float] = []
            ours = 0
            for turn in range(repeats):
                sim.restore(fresh)
                native.restore(fresh)
                begin = time.perf_counter()
                native.run(pair.duration, progress=False)
                natively.append(time.perf_counter() - begin)
                if turn % 2:
                    other = _run_theirs(peer, folder)
                    ours, own = _run_ours(sim, pair, program)
                else:
                    ours, own = _run_ours(sim, pair, program)
                    other = _run_theirs(peer, folder)
                runs.append((own, other))
    apart = abs(ours - theirs)
    if apart > pair.tolerance * theirs + 4 * math.sqrt(ours + theirs):
        raise BackendError(f"{pair.title}: {ours} spikes, the peer has {theirs}")
    pairs = [(own, other.whole) for own, (_, other) in zip(natively, runs, strict=True)]
    fast = _result(f"{pair.title}: native, run [s]", pairs, pair.native_bar)
    results = _results(pair.title, runs, {"spikes": f"{ours}, by hand {theirs}"})
    return [{**fast, **_details(pairs)}, *results]


@dataclass(frozen=True)
class _Run:
    whole: float
    program: Usage


def build_by_hand(peer: str, data: Mapping[str, Any], folder: Path) -> tuple[Watched, int]:
    """Build a hand-written program, and run it once; the program and the number of its spikes."""
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in data.items()}
    np.savez(folder / "data.npz", **arrays)
    module = f"neuro.benchmarks.{peer}"
    command = [sys.executable, "-W", "ignore", "-m", module, str(folder / "data.npz"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BackendError(f"the hand-written Brian2 program failed: {done.stderr[-500:]}")
    return Watched(folder / "main"), int(json.loads(done.stdout.splitlines()[-1])["spikes"])


def run_by_hand(program: Watched, folder: Path) -> Usage:
    """Run it as ``device.run`` does."""
    subprocess.run(["./main"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return program.usage()


def _run_ours(sim: Simulation, pair: Pair, program: Watched) -> tuple[int, _Run]:
    begin = time.perf_counter()
    recording = sim.run(pair.duration, progress=False)
    whole = time.perf_counter() - begin
    counted = [r.owner for r in sim.program.records]
    spikes = sum(len(recording.spikes(p)[0]) for p in counted)
    return spikes, _Run(whole, program.usage())


def _run_theirs(program: Watched, folder: Path) -> _Run:
    begin = time.perf_counter()
    usage = run_by_hand(program, folder)
    return _Run(time.perf_counter() - begin, usage)


def _results(
    title: str, runs: list[tuple[_Run, _Run]], details: Mapping[str, str]
) -> list[dict[str, Any]]:
    whole = [(a.whole, b.whole) for a, b in runs]
    alone = [(a.program.wall, b.program.wall) for a, b in runs]
    busy = [(a.program.busy, b.program.busy) for a, b in runs]
    peak = [(a.program.peak / 1e6, b.program.peak / 1e6) for a, b in runs]
    return [
        {**_result(f"{title}: run [s]", whole, TIME_BAR), **_details(whole, **details)},
        {
            **_result(f"{title}: program alone [s]", alone, TIME_BAR),
            **_details(alone, **{"ratio of processor time": _spread(busy)}),
        },
        {**_result(f"{title}: peak memory [MB]", peak, MEMORY_BAR), **_details(peak)},
    ]


def _result(case: str, measured: list[tuple[float, float]], bar: float) -> dict[str, Any]:
    ratio = statistics.median(b / a for a, b in measured)
    return {
        "case": case,
        "peer": "hand-written Brian2 cpp_standalone",
        "ours": statistics.median(a for a, _ in measured),
        "theirs": statistics.median(b for _, b in measured),
        "ratio": ratio,
        "bar": bar,
        "holds": ratio >= bar,
    }


def _details(measured: list[tuple[float, float]], **more: str) -> dict[str, Any]:
    return {"details": {"ratio of single runs": _spread(measured), **more}}


def _spread(measured: list[tuple[float, float]]) -> str:
    ratios = sorted(b / a for a, b in measured)
    middle = statistics.median(ratios)
    return f"{middle:.3g}, from {ratios[0]:.3g} to {ratios[-1]:.3g} in {len(ratios)} runs"

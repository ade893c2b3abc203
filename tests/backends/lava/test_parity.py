"""Bit for bit the reference, where the conformance suite does not look."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lava_helpers import engine_of, loop

import neuro as nr
from neuro.backends.lava import engine as engine_module
from neuro.conformance.comparison import assert_equal, run
from neuro.conformance.scenarios import SCENARIOS
from neuro.engine import Engine
from neuro.lowering import lower
from neuro.program import Program
from neuro.progress import Silent
from neuro.simulation import find_backend

MODES = ("fused", "expanded")


def compiled(program: Program, **options: Any) -> Engine:
    """An engine of the Lava backend."""
    made: Engine = find_backend("lava").compile(program, **options)
    return made


def same(ours: Engine, theirs: Engine, steps: int) -> None:
    """Both run; everything that they record, and their states, are equal."""
    found, expected = ours.run(steps, Silent()), theirs.run(steps, Silent())
    for population, parts in expected.spikes.items():
        for mine, other in zip(found.spikes[population], parts, strict=True):
            np.testing.assert_array_equal(mine, other)
    for index, rows in expected.traces.items():
        np.testing.assert_array_equal(found.traces[index], rows)
    state, other_state = ours.state(), theirs.state()
    assert state.step == other_state.step
    for name, value in state.arrays.items():
        np.testing.assert_array_equal(value, other_state.arrays[name], name)
    for population, events in other_state.recent.items():
        for mine, other in zip(state.recent[population], events, strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize(
    "name",
    [
        "user_rule",
        "reward_stdp",
        pytest.param("sigma_delta", marks=pytest.mark.slow),
        pytest.param("convolution_and_pooling", marks=pytest.mark.slow),
    ],
)
def test_expanded_in_the_fast_tests(name: str) -> None:
    """All scenarios in expanded mode take minutes: ``--neuro-backend lava:mode=expanded``."""
    scenario = replace(SCENARIOS[name], steps=250)
    found = run(scenario, "lava", {"mode": "expanded"}, exact=False)
    expected = run(scenario, "reference", {}, exact=False)
    assert_equal(found, expected)
    assert sum(len(steps) for steps, _ in found.spikes.values()) > 100


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_stretches_and_arrays_set_from_outside(mode: str, precision: str) -> None:
    """Runs of any length, weights and states set between them, a checkpoint back in time."""
    program = lower(loop(), 1e-3, precision)
    ours, theirs = compiled(program, mode=mode), find_backend("reference").compile(program)
    for steps in (7, 1, 0, 40):
        same(ours, theirs, steps)
    early = theirs.state()
    same(ours, theirs, 20)
    weights = theirs.read("feed.w") * 1.5
    for engine in (ours, theirs):
        engine.write("feed.w", weights)
        engine.write("cells.v", np.linspace(0, 0.9, 8).astype(precision))
    same(ours, theirs, 30)
    for engine in (ours, theirs):
        engine.restore(early)
    same(ours, theirs, 60)
    ours.close()


@pytest.mark.parametrize("mode", MODES)
def test_pieces(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is cut into pieces records as one that is not."""
    program = lower(loop(), 1e-3)
    monkeypatch.setattr(engine_module, "TRACE_BYTES", 5000)
    ours, theirs = compiled(program, mode=mode), find_backend("reference").compile(program)
    same(ours, theirs, 100)
    same(ours, theirs, 11)
    ours.close()


def test_parts_without_connection() -> None:
    """Lava runs what is connected with one process; here all of it runs."""
    net = nr.Network("apart", seed=2)
    for name in ("a", "b"):
        source = net.population(f"in_{name}", nr.Poisson(100.0), 4)
        cells = net.population(name, nr.LIF(), 3)
        net.connect(source, cells, np.full((4, 3), 0.5))
        net.record(name, "spikes")
    net.population("alone", nr.Poisson(100.0), 2)
    net.population("driven", nr.LIF(v_init=0.9), 2)
    net.record("alone", "spikes")
    net.record("driven", "v")
    program = lower(net, 1e-3)
    ours, theirs = compiled(program, mode="expanded"), find_backend("reference").compile(program)
    same(ours, theirs, 80)
    ours.close()


def test_names_of_any_kind() -> None:
    """Names that mean something to Lava's processes, or look like each other."""
    net = nr.Network("names", seed=2)
    for name in ("run", "stop", "name", "s_out", "a_b"):
        net.population(name, nr.Poisson(200.0), 3)
        cells = net.population(f"{name}_c", nr.LIF(), 3)
        net.connect(name, cells, np.full((3, 3), 0.4), name=f"vars_{name}")
        net.record(f"{name}_c", "v")
    program = lower(net, 1e-3)
    ours, theirs = compiled(program, mode="expanded"), find_backend("reference").compile(program)
    same(ours, theirs, 30)
    ours.close()


@pytest.mark.parametrize("mode", MODES)
def test_recorded_units_and_sources_of_the_user(mode: str) -> None:
    """Some units only; a source whose class no other process can import."""

    class Mine(nr.SpikeTimes):
        pass

    net = loop(source=Mine([0, 3, 3, 9], [1, 0, 5, 2]))
    net.record("in", "spikes", units=[0, 2])
    net.record("feed", "w", units=[1, 5])
    program = lower(net, 1e-3)
    ours, theirs = compiled(program, mode=mode), find_backend("reference").compile(program)
    same(ours, theirs, 30)
    ours.close()


@pytest.mark.parametrize("mode", MODES)
def test_progress(mode: str) -> None:
    """The meter sees all steps, and some of them on the way."""

    class Meter:
        def __init__(self) -> None:
            self.calls: list[int] = []

        def advance(self, amount: int = 1) -> None:
            self.calls.append(amount)

    meter = Meter()
    with nr.compile(loop(traces=False), "lava", mode=mode) as sim:
        sim.run_steps(3, progress=False)
        sim.run_steps(20_000 if mode == "fused" else 2000, progress=meter)
        assert engine_of(sim).program.name == "loop"
    assert sum(meter.calls) == (20_000 if mode == "fused" else 2000)
    assert len(meter.calls) > 2

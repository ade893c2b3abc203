"""Runs a scenario on a backend and compares it with the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.conformance.scenario import SCENARIOS, Scenario
from neuro.engine import Recorded, State
from neuro.program import Program
from neuro.progress import Silent
from neuro.simulation import find_backend

#: Largest relative difference of states that another order of additions may make before the
#: first differing spike, by precision.
TOLERANCE = {"float64": 1e-9, "float32": 1e-3}

Events = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Everything that a run shows: spikes, recorded traces (by owner and variable), state."""

    spikes: Mapping[str, Events]
    traces: Mapping[tuple[str, str], NDArray[Any]]
    state: State


def run(
    scenario: Scenario,
    backend: str,
    options: Mapping[str, Any],
    *,
    exact: bool,
    precision: str | None = None,
    pieces: tuple[int, ...] = (),
    start: State | None = None,
) -> Outcome:
    """Run a scenario to its end, cut at the steps of ``pieces``, from a checkpoint if given."""
    net = scenario.network(exact)
    precision = precision or scenario.precision
    with nr.compile(net, backend, scenario.dt, precision, **options) as sim:
        if start is not None:
            sim.restore(start)
        recordings = []
        for stop in (*pieces, scenario.steps):
            recordings.append(sim.run_steps(stop - sim.step, progress=False))
        spikes: dict[str, Events] = {}
        traces: dict[tuple[str, str], NDArray[Any]] = {}
        for recorder in net.recorders:
            owner, variable = recorder.owner, recorder.variable
            if variable == "spikes":
                parts = [r.spikes(owner) for r in recordings]
                steps, units = (np.concatenate(column) for column in zip(*parts, strict=True))
                spikes[owner] = steps, units
            else:
                traces[owner, variable] = np.concatenate(
                    [r.trace(owner, variable) for r in recordings]
                )
        return Outcome(spikes, traces, sim.state())


def run_program(
    program: Program, backend: str, options: Mapping[str, Any], steps: int
) -> Recorded:
    """Run a lowered program without the wrapping of a simulation."""
    engine = find_backend(backend).compile(program, **options)
    try:
        return engine.run(steps, Silent())
    finally:
        engine.close()


@cache
def reference(name: str, exact: bool, precision: str | None = None) -> Outcome:
    """What the reference backend makes of a scenario."""
    return run(SCENARIOS[name], "reference", {}, exact=exact, precision=precision)


@cache
def reference_state(name: str, exact: bool, step: int) -> State:
    """A checkpoint of the reference backend in the middle of a scenario."""
    scenario = SCENARIOS[name]
    precision = scenario.precision
    with nr.compile(scenario.network(exact), "reference", scenario.dt, precision) as sim:
        sim.run_steps(step, progress=False)
        return sim.state()


def first_difference(found: Outcome, expected: Outcome) -> int | None:
    """First step in which the spikes of any population differ; None when all are equal."""
    first: list[int] = []
    for population, (steps, units) in expected.spikes.items():
        mine = set(zip(*(a.tolist() for a in found.spikes[population]), strict=True))
        theirs = set(zip(steps.tolist(), units.tolist(), strict=True))
        if different := mine ^ theirs:
            first.append(min(different)[0])
    return min(first, default=None)


def assert_equal(found: Outcome, expected: Outcome, start: int = 0) -> None:
    """Every spike and every variable equal, bit for bit, from step ``start`` on."""
    assert found.spikes.keys() == expected.spikes.keys()
    for population, (steps, units) in expected.spikes.items():
        late = steps >= start
        mine = found.spikes[population]
        assert len(mine[0]) == np.count_nonzero(late), (
            f"{population!r}: {len(mine[0])} spikes, expected {np.count_nonzero(late)}"
        )
        np.testing.assert_array_equal(mine[0], steps[late], f"steps of spikes of {population!r}")
        np.testing.assert_array_equal(mine[1], units[late], f"units of spikes of {population!r}")
    for (owner, variable), trace in expected.traces.items():
        rows = trace[start:]
        np.testing.assert_array_equal(found.traces[owner, variable], rows, f"{owner}.{variable}")
    for name, value in found.state.arrays.items():
        np.testing.assert_array_equal(value, expected.state.arrays[name], name)
    assert found.state.step == expected.state.step


def assert_close(found: Outcome, expected: Outcome, tolerance: float) -> None:
    """Equal but for the order of additions: traces agree before the first differing spike."""
    until = first_difference(found, expected)

    def compare(mine: Any, theirs: Any, name: str) -> None:
        scale = float(np.max(np.abs(theirs), initial=1e-300))
        np.testing.assert_allclose(
            mine, theirs, rtol=tolerance, atol=tolerance * scale, err_msg=name
        )

    for (owner, variable), trace in expected.traces.items():
        compare(found.traces[owner, variable][:until], trace[:until], f"{owner}.{variable}")
    if until is None:
        for name, value in found.state.arrays.items():
            if value.dtype.kind == "f":
                compare(value, expected.state.arrays[name], name)

"""The tests; parameters come from the plugin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro import capabilities
from neuro.conformance.comparison import (
    TOLERANCE,
    Outcome,
    assert_close,
    assert_equal,
    first_difference,
    reference,
    reference_state,
    run,
    run_program,
)
from neuro.conformance.plugin import Target
from neuro.conformance.scenarios import SCENARIOS, Scenario
from neuro.lowering import lower
from neuro.simulation import find_backend

EVERY = list(SCENARIOS)
STATIC = [name for name, scenario in SCENARIOS.items() if scenario.static]

#: Scenarios whose state is hardest to carry over: queues, flags, phases, graded events.
DEEP = [
    "everything_in_one_loop",
    "user_rule",
    "sigma_delta",
    "short_term_plasticity_with_synaptic_delays",
    "reward_stdp",
    "lif_refractory_per_unit",
    "stdp_on_tied_weights",
]

#: Scenarios that run as a batch.
BATCHED = [
    "lif_exponential",
    "everything_in_one_loop",
    "user_rule",
    "factors_of_groups",
    "columns_of_graded_units",
]


def missing(target: Target, scenario: Scenario, precision: str | None = None) -> dict[str, str]:
    """What the scenario needs and the target declares that it lacks, with reasons."""
    program = lower(scenario.network(True), scenario.dt, precision or scenario.precision)
    lacks = find_backend(target.backend).lacks(**target.options)
    return {f: lacks[f] for f in capabilities.required(program) if f in lacks}


def skip_where_declared(
    target: Target, scenario: Scenario, precision: str | None = None
) -> None:
    """A declared gap is checked (the reason must be raised at compile time), then skipped."""
    gaps = missing(target, scenario, precision)
    if not gaps:
        return
    with pytest.raises(nr.CompileError) as raised:
        nr.compile(
            scenario.network(True),
            target.backend,
            scenario.dt,
            precision or scenario.precision,
            **target.options,
        )
    assert any(reason in str(raised.value) for reason in gaps.values())
    pytest.skip(f"declared: {'; '.join(gaps.values())}")


def ordered(target: Target) -> bool:
    """Whether the target adds in the stated order."""
    return "ordered sums" not in find_backend(target.backend).lacks(**target.options)


@pytest.mark.parametrize("name", EVERY)
def test_the_scenario_is_alive(name: str) -> None:
    """A network in which nothing happens would prove nothing."""
    outcome: Outcome = reference(name, True)
    cells = [
        p
        for p, population in SCENARIOS[name].network(True).populations.items()
        if not population.is_source and p in outcome.spikes
    ]
    spikes = {p: len(outcome.spikes[p][0]) for p in cells}
    assert not spikes or max(spikes.values()) > 20, spikes


@pytest.mark.parametrize("name", STATIC)
def test_exact_weights(conformance_target: Target, name: str) -> None:
    """Weights that are exact in binary: every spike also from a backend that reorders sums."""
    target, scenario = conformance_target, SCENARIOS[name]
    if ordered(target):
        pytest.skip("adds in the stated order: test_any_weights demands more")
    skip_where_declared(target, scenario)
    found = run(scenario, target.backend, target.options, exact=True)
    assert first_difference(found, reference(name, True)) is None


@pytest.mark.parametrize("name", EVERY)
def test_any_weights(conformance_target: Target, name: str) -> None:
    """Any weights: equal to the bit, or as close as another order of additions allows."""
    target, scenario = conformance_target, SCENARIOS[name]
    skip_where_declared(target, scenario)
    found = run(scenario, target.backend, target.options, exact=False)
    if ordered(target):
        assert_equal(found, reference(name, False))
    else:
        assert_close(found, reference(name, False), TOLERANCE["float64"])


@pytest.mark.parametrize("name", ["lif_exponential", "user_model", "pair_stdp", "sigma_delta"])
def test_single_precision(conformance_target: Target, name: str) -> None:
    """float32 throughout."""
    target, scenario = conformance_target, SCENARIOS[name]
    skip_where_declared(target, scenario, "float32")
    found = run(scenario, target.backend, target.options, exact=False, precision="float32")
    expected = reference(name, False, "float32")
    if ordered(target):
        assert_equal(found, expected)
    else:
        assert_close(found, expected, TOLERANCE["float32"])


@pytest.mark.parametrize("name", DEEP)
def test_pieces_and_checkpoints(conformance_target: Target, name: str) -> None:
    """From a checkpoint of the reference, cut in pieces, to the end, and the state back."""
    target, scenario = conformance_target, SCENARIOS[name]
    skip_where_declared(target, scenario)
    if not ordered(target):
        pytest.skip("compared to the bit, which needs the stated order of additions")
    start = reference_state(name, False, 301)
    pieces = (302, 305, 640)
    found = run(
        scenario, target.backend, target.options, exact=False, pieces=pieces, start=start
    )
    assert_equal(found, reference(name, False), start=301)
    with nr.compile(scenario.network(False), "reference", scenario.dt) as sim:
        sim.restore(found.state)
        sim.run_steps(50, progress=False)
        onward = sim.state()
    with nr.compile(scenario.network(False), "reference", scenario.dt) as sim:
        sim.restore(reference(name, False).state)
        sim.run_steps(50, progress=False)
        for array, value in sim.state().arrays.items():
            assert (value == onward.arrays[array]).all(), array


@pytest.mark.parametrize("name", BATCHED)
def test_items_of_a_batch(conformance_target: Target, name: str) -> None:
    """Every item of a batch is the run that it would have been alone."""
    target, scenario = conformance_target, SCENARIOS[name]
    lacks = find_backend(target.backend).lacks(**target.options)
    if "batch" in lacks:
        pytest.skip(f"declared: {lacks['batch']}")
    program = lower(scenario.network(False), scenario.dt)
    options = {**target.options, "batch": 3}
    recorded = run_program(program, target.backend, options, steps=400)
    for item in range(3):
        sources = {name: source.replica(item) for name, source in program.sources.items()}
        alone = run_program(replace(program, sources=sources), "reference", {}, steps=400)
        for population, (steps, units) in alone.spikes.items():
            mine = recorded.spikes[population]
            chosen = mine[2] == item
            if ordered(target):
                assert np.array_equal(mine[0][chosen], steps)
                assert np.array_equal(mine[1][chosen], units)
            elif population in program.sources:
                assert np.array_equal(mine[0][chosen], steps)

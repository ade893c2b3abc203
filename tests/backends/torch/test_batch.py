"""Item b of a batched run is the unbatched run whose sources are their replicas b."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro.conformance.scenarios import SCENARIOS
from neuro.engine import State
from neuro.lowering import lower
from neuro.progress import Silent

#: Scenarios that together use every step kind and field of a program.
DEEP = [
    "convolution_and_pooling",
    "everything_in_one_loop",
    "lif_refractory_per_unit",
    "reward_stdp",
    "short_term_plasticity_with_synaptic_delays",
    "sigma_delta",
    "stdp_on_tied_weights",
    "stdp_with_synaptic_delays",
    "synaptic_delays",
    "user_rule",
    "voltage_homeostasis",
]


@pytest.mark.parametrize("name", DEEP)
def test_items_are_runs_of_their_own(
    name, engine, reference, item_of, recorded_item, same_record, delivery
):
    scenario = SCENARIOS[name]
    program = lower(scenario.network(exact=False), scenario.dt)
    batched = engine(program, batch=3, delivery=delivery)
    pieces = 90, 60
    records = [batched.run(steps, Silent()) for steps in pieces]
    assert all(record.batch == 3 for record in records)
    state = batched.state()
    for item in range(3):
        alone = reference(item_of(program, item))
        for steps, record in zip(pieces, records, strict=True):
            same_record(recorded_item(record, item), alone.run(steps, Silent()))
        ending = alone.state()
        for array, value in state.arrays.items():
            assert np.array_equal(value[item], ending.arrays[array]), array
        for population, (steps, units, items) in state.recent.items():
            own = items == item
            assert np.array_equal(steps[own], ending.recent[population][0]), population
            assert np.array_equal(units[own], ending.recent[population][1]), population


def test_items_see_replicas_of_the_sources(loop, engine):
    steps, units, items = engine(loop(), batch=3).run(300, Silent()).spikes["source"]
    trains = [(steps[items == b] * 20 + units[items == b]).tolist() for b in range(3)]
    assert all(trains)
    assert trains[0] != trains[1] != trains[2] != trains[0]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_batch_of_one_is_no_batch(loop, engine, recorded_item, same_record, delivery, precision):
    program = loop(precision)
    one, none = (engine(program, batch=b, delivery=delivery) for b in (1, None))
    record, expected = (e.run(200, Silent()) for e in (one, none))
    assert (record.batch, expected.batch) == (1, None)
    same_record(recorded_item(record, 0), expected)
    for name, value in none.state().arrays.items():
        assert np.array_equal(one.state().arrays[name], value[None]), name


def test_checkpoint_of_a_batch(loop, engine, same_record, same_state, delivery):
    program = loop()
    first, second = (engine(program, batch=3, delivery=delivery) for _ in range(2))
    first.run(60, Silent())
    state = first.state()
    for steps, units, items in state.recent.values():
        assert np.array_equal(np.lexsort((units, steps, items)), np.arange(len(steps)))
    second.run(10, Silent())
    second.restore(state)
    same_state(second.state(), state)
    same_record(second.run(60, Silent()), first.run(60, Silent()))


def test_all_items_continue_from_a_checkpoint_without_items(
    loop, engine, reference, item_of, recorded_item, same_record
):
    program = loop()
    start = reference(program)
    start.run(60, Silent())
    batched = engine(program, batch=2)
    batched.restore(start.state())
    record = batched.run(40, Silent())
    for item in range(2):
        alone = reference(item_of(program, item))
        alone.restore(start.state())
        same_record(recorded_item(record, item), alone.run(40, Silent()))


def test_what_steps_write_has_items_and_the_rest_is_shared(loop, engine):
    program = loop()
    batched = engine(program, batch=4)
    assert batched.read("a.w").shape == (4, 20, 24)  # plastic
    assert batched.read("e.w").shape == (8, 24)  # static
    assert batched.read("exc.v").shape == (4, 24)
    assert batched.read("exc.refractory").dtype == np.int32
    with pytest.raises(nr.CompileError, match=r"'e.w' has no item axis"):
        batched.write("e.w", np.zeros((4, 8, 24)))


def test_arrays_are_set_for_all_items_or_each(loop, engine):
    batched = engine(loop(), batch=2)
    batched.write("exc.v", np.linspace(0, 0.5, 24))
    assert np.array_equal(batched.read("exc.v"), [np.linspace(0, 0.5, 24)] * 2)
    batched.write("exc.v", np.arange(48.0).reshape(2, 24))
    assert np.array_equal(batched.read("exc.v"), np.arange(48.0).reshape(2, 24))


def test_a_batched_state_does_not_fit_an_unbatched_simulation(loop):
    net = nr.Network("one")
    net.population("cells", nr.LIF(), size=3)
    with (
        nr.compile(net, backend="torch", device="cpu", batch=2) as two,
        nr.compile(net, backend="torch", device="cpu") as one,
    ):
        state: State = two.state()
        with pytest.raises(nr.CompileError, match=r"shape \(2, 3\)"):
            one.restore(state)
        two.restore(replace(one.state(), step=5))
        assert two.step == 5


def test_each_item_its_own_source():
    net = nr.Network("own")
    source = net.population(
        "source", nr.PerItem([nr.SpikeTimes([0], [0]), nr.SpikeTimes([1], [1])]), size=2
    )
    cells = net.population("cells", nr.LIF(tau_m=1.0), size=1)
    net.connect(source, cells, np.array([[0.25], [0.5]]))
    net.record(cells, "v")
    with nr.compile(net, backend="torch", device="cpu", batch=2) as sim:
        v = sim.run_steps(3, progress=False).trace("cells", "v")
    decay = np.exp(-1e-3)
    expected = [[0, 0.25, 0.25 * decay], [0, 0, 0.5]]
    assert np.allclose(v[..., 0], expected, rtol=1e-14)


def test_a_batch_is_saved_and_streamed(tmp_path):
    """Checkpoints go through a file; a run to a folder records what one in memory does."""
    net = nr.Network("saved", seed=1)
    source = net.population("source", nr.Poisson(rate=80.0), size=20)
    cells = net.population("cells", nr.LIF(), size=10)
    weights = np.random.default_rng(0).random((20, 10)) * 0.3
    net.connect(source, cells, weights, plasticity=nr.PairSTDP(), delay=3e-3)
    net.record(cells)
    net.record(cells, "v")
    with nr.compile(net, backend="torch", device="cpu", batch=3) as sim:
        sim.run_steps(50, progress=False)
        nr.save(sim.state(), tmp_path / "state.h5")
        kept = sim.run_steps(40, progress=False)
        sim.restore(nr.load(tmp_path / "state.h5"))
        streamed = sim.run_steps(40, progress=False, to=tmp_path / "run")
    assert len(kept.batch_spikes("cells")[0]) > 100
    for ours, theirs in zip(
        streamed.batch_spikes("cells"), kept.batch_spikes("cells"), strict=True
    ):
        assert np.array_equal(ours, theirs)
    assert np.array_equal(streamed.trace("cells", "v"), kept.trace("cells", "v"))

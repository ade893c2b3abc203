"""Each part of a learning rule alone, against weights worked out by hand.

``pre`` unit i spikes in the steps ``pre[i]``; its spikes arrive a delay (2 steps) later. ``post``
unit j spikes in the steps ``post[j]``. The plastic projection itself has gain 0.
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower
from neuro.progress import Silent

START = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def times(trains):
    steps = [k for train in trains for k in train]
    units = [i for i, train in enumerate(trains) for _ in train]
    return nr.SpikeTimes(np.array(steps, int), np.array(units, int))


def network(rule, pre, post, *, delay=2e-3, form="dense", record="w", **options):
    """Three units, two neurons that spike when told to, and one rule between them."""
    net = nr.Network("rule")
    source = net.population("source", times(pre), size=3)
    force = net.population("force", times([[k - 1 for k in train] for train in post]), size=2)
    cells = net.population("cells", nr.LIF(v_threshold=0.5), size=2)
    net.connect(force, cells, nr.one_to_one(1.0))
    weights = {"dense": START, "sparse": scipy.sparse.csr_array(START)}[form]
    net.connect(
        source, cells, weights, plasticity=rule, delay=delay, gain=0.0, name="con", **options
    )
    net.record("con", record)
    net.record(cells)
    return net


def weights(net, delivery, steps=8, variable="w"):
    """Synaptic values ``[steps, pre, post]``."""
    with nr.compile(net, backend="torch", device="cpu", delivery=delivery) as sim:
        record = sim.run_steps(steps, progress=False)
        return record.trace("con", variable).reshape(steps, 3, 2)


@pytest.fixture(params=["dense", "sparse"])
def form(request):
    return request.param


def test_on_pre_acts_on_the_rows_of_arrivals(delivery, form):
    rule = nr.PlasticityRule(on_pre="w = 2 * w + 1")
    found = weights(network(rule, [[], [1], [1, 4]], [[], []], form=form), delivery)
    expected = np.tile(START, (8, 1, 1))
    expected[3:, 1] = [7.0, 9.0]
    expected[3:, 2] = [11.0, 13.0]
    expected[6:, 2] = [23.0, 27.0]
    assert np.array_equal(found, expected)


def test_on_post_acts_on_the_columns_of_spikes(delivery, form):
    rule = nr.PlasticityRule(on_post="w = 2 * w + 1")
    found = weights(network(rule, [[], [1], []], [[3], [5, 6]], form=form), delivery)
    expected = np.tile(START, (8, 1, 1))
    expected[3:, :, 0] = [3.0, 7.0, 11.0]
    expected[5:, :, 1] = [5.0, 9.0, 13.0]
    expected[6:, :, 1] = [11.0, 19.0, 27.0]
    assert np.array_equal(found, expected)


def test_arrivals_come_before_spikes_of_the_same_step(delivery, form):
    rule = nr.PlasticityRule(on_pre="w += 10", on_post="w *= 2")
    found = weights(network(rule, [[2], [], []], [[4], []], form=form), delivery)
    assert np.array_equal(found[3], START)
    assert np.array_equal(found[4], [[22.0, 12.0], [6.0, 4.0], [10.0, 6.0]])


def test_statements_run_in_the_order_written(delivery, form):
    """A trace that is raised after, and before, the weight reads it."""
    late = nr.PlasticityRule(on_pre="w += x; x += 1", pre_traces="dx/dt = 0 * x : 1")
    soon = nr.PlasticityRule(on_pre="x += 1; w += x", pre_traces="dx/dt = 0 * x : 1")
    pre = [[0, 1, 2], [], [3]]
    found = [weights(network(r, pre, [[], []], form=form), delivery)[-1] for r in (late, soon)]
    assert np.array_equal(found[0], START + np.array([[0 + 1 + 2], [0], [0]]))
    assert np.array_equal(found[1], START + np.array([[1 + 2 + 3], [0], [1]]))


def test_traces_decay_before_they_are_read(delivery, form):
    """Pair STDP: a pre arrival at step 3, a post spike at step 5, another arrival at step 6."""
    rule = nr.PairSTDP(tau_plus=20e-3, tau_minus=10e-3, a_plus=0.5, a_minus=0.25)
    found = weights(network(rule, [[1, 4], [], []], [[5], []], form=form), delivery)
    x, y = np.exp(-1 / 20) ** 2, np.exp(-1 / 10)
    expected = np.tile(START, (8, 1, 1))
    expected[5:, 0, 0] += 0.5 * x
    expected[6:, 0, 0] -= 0.25 * y
    assert np.allclose(found, expected, rtol=1e-15, atol=0)
    assert not np.array_equal(found[5], START)


def test_flags_hold_in_the_step_only(delivery, form):
    rule = nr.PlasticityRule(
        on_post="w += 1 * pre_spike + 100 * (1 - pre_spike)", on_pre="w += 1000 * post_spike"
    )
    found = weights(network(rule, [[2], [3], []], [[4, 6], []], form=form), delivery)
    at_4 = START + np.array([[1000 + 1, 0], [100, 0], [100, 0]])
    assert np.array_equal(found[4], at_4)
    assert np.array_equal(found[5], at_4)  # an arrival at unit 1 without a post spike
    assert np.array_equal(found[6], at_4 + np.array([[100, 0], [100, 0], [100, 0]]))


def test_bounds_follow_every_change(delivery, form):
    rule = nr.PlasticityRule(on_pre="w += 10", on_post="w -= 20", w_min=-1.5, w_max=9.0)
    found = weights(network(rule, [[1], [], []], [[], [5]], form=form), delivery)
    assert np.array_equal(found[3], [[9.0, 9.0], [3.0, 4.0], [5.0, 6.0]])
    assert np.array_equal(found[5], [[9.0, -1.5], [3.0, -1.5], [5.0, -1.5]])


def test_variables_of_both_neurons(delivery, form):
    """v_post is the value after the reset of this step."""
    rule = nr.PlasticityRule(on_pre="w += v_post", on_post="w = v_post")
    net = network(rule, [[1, 2], [], []], [[4], []], form=form)
    with nr.compile(net, backend="torch", device="cpu", delivery=delivery) as sim:
        state = sim.state()
        state.arrays["cells.v"][:] = [0.25, 0.125]
        sim.restore(state)
        found = sim.run_steps(8, progress=False).trace("con", "w").reshape(8, 3, 2)
    decay = np.exp(-1 / 20)
    v = np.array([0.25, 0.125]) * decay**4  # after the update of step 3
    assert np.allclose(found[3], START + np.array([v, [0, 0], [0, 0]]), rtol=1e-14)
    column = [0.0, 0.0, 0.0]  # of the neuron that spiked at step 4 and was reset
    rest = START[:, 1] + [v[1] + v[1] * decay, 0, 0]
    assert np.allclose(found[4], np.array([column, rest]).T, rtol=1e-14)


def test_synaptic_traces_decay_everywhere(delivery, form):
    rule = nr.PlasticityRule(
        on_pre="tag += 1",
        on_post="tag += 10",
        synapse_traces="dtag/dt = -tag / tau : 1",
        parameters={"tau": (5e-3, "second")},
    )
    net = network(rule, [[1], [], []], [[], [5]], form=form, record="tag")
    found = weights(net, delivery, variable="tag")
    decay = np.exp(-1 / 5)
    expected = np.zeros((8, 3, 2))
    for k in range(3, 8):
        expected[k, 0] += decay ** (k - 3)
    for k in range(5, 8):
        expected[k, :, 1] += 10 * decay ** (k - 5)
    assert np.allclose(found, expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("every", [1, 3])
def test_on_step_runs_last_and_every_so_often(delivery, form, every):
    rule = nr.PlasticityRule(
        on_pre="w += 1", on_post="w *= 2", on_step="w = -w", every=every * 1e-3
    )
    found = weights(network(rule, [[3], [], []], [[5], []], form=form), delivery)
    w = START.copy()
    for k in range(8):
        if k == 5:
            w[0] += 1
            w[:, 0] *= 2
        if (k + 1) % every == 0:
            w = -w
        assert np.array_equal(found[k], w), k


def test_third_factors(delivery, form):
    """A shared one, and one for every post unit, which never spike and only integrate."""
    rule = nr.PlasticityRule(
        on_pre="w += reward * error",
        on_post="tag += reward",
        factors=("reward", "error"),
        synapse_traces="dtag/dt = 0 * tag : 1",
    )
    net = nr.Network("factors")
    source = net.population("source", times([[1], [], []]), size=3)
    force = net.population("force", times([[4], []]), size=2)
    cells = net.population("cells", nr.LIF(v_threshold=0.5), size=2)
    net.connect(force, cells, nr.one_to_one(1.0))
    still = nr.NeuronModel("v : 1", initial={"v": 3.0}, name="still")
    dopamine = net.population("dopamine", still, size=1)
    apart = nr.NeuronModel("v : 1", initial={"v": [0.5, 2.0]}, name="apart")
    errors = net.population("errors", apart, size=2)
    start = {"dense": START, "sparse": scipy.sparse.csr_array(START)}[form]
    net.connect(
        source,
        cells,
        start,
        plasticity=rule,
        delay=2e-3,
        gain=0.0,
        factors={"reward": (dopamine, "v"), "error": (errors, "v")},
        name="con",
    )
    net.record("con", "w")
    net.record("con", "tag")
    found = weights(net, delivery)
    assert np.array_equal(found[3], START + np.array([[1.5, 6.0], [0, 0], [0, 0]]))
    assert np.array_equal(weights(net, delivery, variable="tag")[7], [[3.0, 0.0]] * 3)


def test_tied_weights_learn_backwards(delivery):
    """The rule sits on the projection back; its pre units are the owner's post units."""
    rule = nr.PlasticityRule(on_pre="w += 10", on_post="w *= 2")
    net = nr.Network("tied")
    force_a = net.population("force_a", times([[], [5], []]), size=3)
    force_b = net.population("force_b", times([[1], []]), size=2)
    a = net.population("a", nr.LIF(v_threshold=0.5), size=3)
    b = net.population("b", nr.LIF(v_threshold=0.5), size=2)
    net.connect(force_a, a, nr.one_to_one(1.0))
    net.connect(force_b, b, nr.one_to_one(1.0))
    owner = net.connect(a, b, START, gain=0.0, name="con")
    net.connect(b, a, nr.transpose_of(owner), plasticity=rule, gain=0.0, delay=2e-3)
    net.record("con", "w")
    found = weights(net, delivery)
    assert np.array_equal(found[3], START)
    assert np.array_equal(found[4], START + np.array([10.0, 0.0]))  # b 0 spiked at step 2
    assert np.array_equal(
        found[6], (START + np.array([10.0, 0.0])) * [[1], [2], [1]]
    )  # a 1 at step 6


def test_synapses_with_delays_of_their_own(delivery):
    """Arrivals, pre traces and the flag belong to single synapses."""
    rule = nr.PlasticityRule(
        on_pre="x += 1; w += 10 * x",
        on_post="w += 100 * pre_spike",
        pre_traces="dx/dt = 0 * x : 1",
    )
    delays = np.array([[1e-3, 3e-3], [2e-3, 2e-3], [1e-3, 1e-3]])
    found = weights(network(rule, [[2, 3], [], []], [[], [5]], delay=delays), delivery)
    assert np.array_equal(found[3], START + np.array([[10, 0], [0, 0], [0, 0]]))
    assert np.array_equal(found[4], START + np.array([[10 + 20, 0], [0, 0], [0, 0]]))
    assert np.array_equal(found[5], START + np.array([[30, 10 + 100], [0, 0], [0, 0]]))
    assert np.array_equal(found[6], START + np.array([[30, 110 + 20], [0, 0], [0, 0]]))


@pytest.mark.parametrize("delay", [2e-3, np.full((3, 2), 2e-3)])
def test_short_term_plasticity_prepares_the_arrival(delivery, form, delay):
    """Tsodyks-Markram without facilitation: each arrival takes half of what is there."""
    net = nr.Network("depression")
    source = net.population("source", times([[0, 1], [1], []]), size=3)
    keep = nr.NeuronModel("x : 1", inputs={"arrived": "1"}, after="x = arrived", name="keep")
    target = net.population("target", keep, size=2)
    start = {"dense": START, "sparse": scipy.sparse.csr_array(START)}[form]
    halve = nr.ShortTermPlasticity(
        "dx/dt = 0 * x : 1", "efficacy = 0.5 * x; x -= efficacy", initial={"x": 1.0}
    )
    net.connect(source, target, start, short_term=halve, delay=delay)
    net.record(target, "x")
    with nr.compile(net, backend="torch", device="cpu", delivery=delivery) as sim:
        found = sim.run_steps(5, progress=False).trace("target", "x")
    expected = np.zeros((5, 2))
    expected[2] = 0.5 * START[0]
    expected[3] = 0.25 * START[0] + 0.5 * START[1]
    assert np.array_equal(found, expected)


def test_items_learn_apart(delivery, form):
    """Two items with other spikes end with other weights; memory grows with the batch."""
    rule = nr.PlasticityRule(on_pre="w += 1", on_post="w *= 2")
    net = network(rule, [[], [], []], [[5], []], form=form)
    net.drive("source", nr.PerItem([times([[1], [], []]), times([[], [], [2]])]))
    with nr.compile(net, backend="torch", device="cpu", delivery=delivery, batch=2) as sim:
        sim.run_steps(8, progress=False)
        found = sim.engine.read("con.w").reshape(2, 3, 2)
    first = (START + np.array([[1], [0], [0]])) * [2, 1]
    second = (START + np.array([[0], [0], [1]])) * [2, 1]
    assert np.array_equal(found, [first, second])


def test_many_events_take_the_way_through_all_synapses(engine, reference, same_record):
    """Most units spike in most steps: the masked update must give the same bits."""
    rng = np.random.default_rng(8)
    net = nr.Network("storm")
    source = net.population("source", nr.Poisson(rate=850.0), size=12)
    cells = net.population("cells", nr.LIF(v_threshold=0.2), size=9)
    rule = nr.PairSTDP(a_plus=0.01, a_minus=0.011, w_min=0.0, w_max=0.4)
    net.connect(source, cells, rng.random((12, 9)) * 0.3, plasticity=rule, name="con")
    net.record("con", "w")
    net.record(cells)
    program = lower(net, 1e-3)
    record = reference(program).run(100, Silent())
    assert len(record.spikes["cells"][0]) > 500
    same_record(engine(program).run(100, Silent()), record)

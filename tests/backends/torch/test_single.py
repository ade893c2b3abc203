"""Projections with one synapse a target: the same input as on the reference, whatever the form."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr

SENDERS = 5


def matrix(kind):
    """Weights ``[pre, post]`` with one synapse in every column."""
    once = scipy.sparse.eye_array(SENDERS, format="csr")
    if kind == "copies":
        return scipy.sparse.hstack([2.0 * once, -0.5 * once, once]).tocsr()
    source = np.array([3, 3, 0, 4, 1, 0, 2])
    return scipy.sparse.csr_array(
        (np.arange(1.0, 8.0), (source, np.arange(7))), shape=(SENDERS, 7)
    )


def network(kind, plastic, source):
    model = nr.NeuronModel(
        "x : 1", parameters={"pace": source}, before="x += pace", threshold="x >= 1", reset="x -= 1"
    )
    sum_up = nr.NeuronModel("y : 1", inputs={"given": "1"}, before="y = 0.5 * y + given")
    weights = matrix(kind)
    net = nr.Network()
    net.population("pre", model, SENDERS)
    net.population("post", sum_up, weights.shape[1])
    rule = nr.PlasticityRule(on_pre="w += 0.25") if plastic else None
    net.connect("pre", "post", weights, plasticity=rule, name="con")
    net.record("post", "y")
    return net


@pytest.mark.parametrize("delivery", ["sparse", "dense"])
@pytest.mark.parametrize("plastic", [False, True])
@pytest.mark.parametrize("kind", ["copies", "any"])
def test_single_synapses(kind, plastic, delivery):
    net = network(kind, plastic, np.array([0.9, 0.3, 0.0, 0.5, 1.0]))
    with nr.compile(net) as sim:
        expected = sim.run_steps(20, False).trace("post", "y")
    assert np.count_nonzero(expected) > 50
    with nr.compile(net, "torch", delivery=delivery) as sim:
        assert np.array_equal(sim.run_steps(20, False).trace("post", "y"), expected)
    with nr.compile(net, "torch", delivery=delivery, batch=3) as sim:
        sim.set_values("pre", "x", np.array([[0.0] * 5, [0.5] * 5, [0.0] * 5]))
        recording = sim.run_steps(20, False)
    for item in (0, 2):  # as the single run; the one between started elsewhere
        assert np.array_equal(recording.trace("post", "y", item=item), expected)
    assert not np.array_equal(recording.trace("post", "y", item=1), expected)


def test_one_synapse_a_target_in_pieces_of_a_block():
    # What a source sends in many steps is delivered together; the last piece is shorter.
    net = nr.Network(seed=2)
    source = net.population("in", nr.Poisson(200.0), 4)
    cells = net.population("cells", nr.LeakyIntegrator(tau_m=10e-3), (3, 4))
    net.connect(source, cells, scipy.sparse.csr_array(np.tile(np.diag([0.3, 1.0, -2.0, 0.7]), 3)))
    turned = scipy.sparse.csr_array(np.roll(np.tile(np.eye(4), 3), 1, axis=1))
    net.connect(source, cells, turned, name="turned")
    net.record("cells", "v")
    with nr.compile(net) as sim:
        expected = sim.run_steps(23, False).trace("cells", "v")
    with nr.compile(net, "torch", device="cpu", batch=2) as sim:
        sim.engine._block = 5
        assert np.array_equal(sim.run_steps(23, False).trace("cells", "v")[0], expected)

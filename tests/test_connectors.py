"""Connectors: statistics, shapes, determinism."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower


def weights(connector, n_pre, n_post, seed=0, name="c"):
    net = nr.Network(seed=seed)
    a = net.population("a", nr.Poisson(1.0), n_pre)
    b = net.population("b", nr.LIF(), n_post)
    net.connect(a, b, connector, name=name)
    with nr.compile(net) as sim:
        w = sim.weights(name)
        assert np.array_equal(sim.weights(name, sparse=True).toarray(), w)
        return w


def test_all_to_all_and_arrays():
    assert np.array_equal(weights(0.5, 3, 2), np.full((3, 2), 0.5))
    assert np.array_equal(weights(nr.dense(0.5), 3, 2), np.full((3, 2), 0.5))
    w = np.arange(6.0).reshape(3, 2)
    for given in (w, w.tolist(), nr.dense(w), nr.from_array(w), w.astype(np.float32)):
        assert np.array_equal(weights(given, 3, 2), w)


def test_sparse_keeps_stored_zeros_and_sums_duplicates():
    m = scipy.sparse.coo_array(
        ([1.0, 2.0, 0.0, 5.0], ([2, 2, 0, 1], [1, 1, 0, 0])), shape=(3, 2)
    )
    net = nr.Network()
    a, b = net.population("a", nr.Poisson(1.0), 3), net.population("b", nr.LIF(), 2)
    net.connect(a, b, m)
    program = lower(net, 1e-3)
    c = program.connectivity["a_b"]
    assert c.count == 3
    assert c.row_start.tolist() == [0, 1, 2, 3]
    assert c.targets.tolist() == [0, 0, 1]
    assert program.arrays["a_b.w"].initial.tolist() == [0, 5, 3]


def test_fixed_probability_statistics():
    w = weights(nr.fixed_probability(0.2, 1.0), 300, 400)
    n = 300 * 400
    assert abs(w.sum() - 0.2 * n) < 4 * np.sqrt(n * 0.2 * 0.8)
    rows, columns = w.sum(1), w.sum(0)
    assert rows.var() == pytest.approx(400 * 0.16, rel=0.4)
    assert columns.var() == pytest.approx(300 * 0.16, rel=0.4)


def test_fixed_probability_edges_and_autapses():
    assert weights(nr.fixed_probability(0.0, 1.0), 5, 5).sum() == 0
    assert np.array_equal(weights(nr.fixed_probability(1.0, 2.0), 5, 4), np.full((5, 4), 2.0))
    net = nr.Network()
    a = net.population("a", nr.LIF(), 6)
    net.connect(a, a, nr.fixed_probability(1.0, 1.0, autapses=False))
    with nr.compile(net) as sim:
        assert np.array_equal(sim.weights("a_a"), 1 - np.eye(6))


def test_one_to_one():
    assert np.array_equal(weights(nr.one_to_one(2.0), 4, 4), 2 * np.eye(4))
    assert np.array_equal(weights(nr.one_to_one([1.0, 2.0, 3.0]), 3, 3), np.diag([1.0, 2, 3]))


def test_distributions():
    u = weights(nr.Uniform(-1.0, 3.0), 100, 100)
    assert u.min() >= -1
    assert u.max() < 3
    assert u.mean() == pytest.approx(1.0, abs=0.05)
    n = weights(nr.dense(nr.Normal(2.0, 0.5)), 100, 100)
    assert n.mean() == pytest.approx(2.0, abs=0.03)
    assert n.std() == pytest.approx(0.5, rel=0.05)


def test_random_weights_depend_on_seed_and_name_only():
    def make(seed, name):
        return weights(nr.fixed_probability(0.3, nr.Normal(0.0, 1.0)), 20, 20, seed, name)

    assert np.array_equal(make(1, "x"), make(1, "x"))
    assert not np.array_equal(make(1, "x"), make(2, "x"))
    assert not np.array_equal(make(1, "x"), make(1, "y"))

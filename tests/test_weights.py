"""Weights as users see them: matrices, vectors, kernels, tables of synapses."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr


def compiled(weights, shape=(4,), back=False, **options):
    net = nr.Network("weights")
    pre = net.population("pre", nr.Poisson(10.0) if not back else nr.LIF(), shape)
    post = net.population("post", nr.LIF(), options.pop("post", 3))
    con = net.connect(pre, post, weights, name="con", **options)
    if back:
        net.connect(post, pre, nr.transpose_of(con), name="back")
    return nr.compile(net)


def test_multapses_are_single_synapses():
    sim = compiled(nr.fixed_in_degree(6, nr.Uniform(0.0, 1.0), multapses=True), shape=(2,))
    table = sim.synapses("con")
    assert len(table) == 18
    assert np.array_equal(np.bincount(table.post), [6, 6, 6])
    expected = np.zeros((2, 3))
    np.add.at(expected, (table.pre, table.post), table.weight)
    np.testing.assert_allclose(sim.weights("con"), expected, rtol=1e-15)
    with pytest.raises(nr.DescriptionError, match=r"several synapses.*\(18,\)"):
        sim.set_weights("con", expected)
    new = np.arange(18.0)
    sim.set_weights("con", new)
    assert np.array_equal(sim.synapses("con").weight, new)


def test_the_kernel_of_a_convolution():
    kernel = np.arange(8.0).reshape(2, 1, 2, 2)
    sim = compiled(nr.convolution(kernel), shape=(1, 3, 3), post=(2, 2, 2))
    assert np.array_equal(sim.kernel("con"), kernel)
    matrix = sim.weights("con")
    assert matrix.shape == (9, 8)
    # out channel 1, row 0, column 1 sees pixel (1, 2) through kernel element (1, 1)
    assert matrix[1 * 3 + 2, 1 * 4 + 0 * 2 + 1] == kernel[1, 0, 1, 1]
    assert np.array_equal(sim.weights("con", sparse=True).toarray(), matrix)
    sim.set_weights("con", kernel + 1)
    assert np.array_equal(sim.kernel("con"), kernel + 1)
    with pytest.raises(nr.DescriptionError, match="one kernel"):
        sim.set_weights("con", matrix)
    with pytest.raises(nr.DescriptionError, match="no convolution"):
        compiled(1.0).kernel("con")


def test_sparse_matrices_are_set_without_becoming_dense():
    matrix = scipy.sparse.csr_array(([1.0, 2.0, 3.0], ([0, 1, 3], [2, 0, 1])), (4, 3))
    sim = compiled(matrix)
    sim.set_weights("con", (matrix * 2).tocoo())
    assert np.array_equal(sim.weights("con"), matrix.toarray() * 2)
    wrong = matrix.toarray()
    wrong[2, 2] = 1.0
    for given in (wrong, scipy.sparse.csr_array(wrong)):
        with pytest.raises(nr.DescriptionError, match="no synapse"):
            sim.set_weights("con", given)
    with pytest.raises(nr.DescriptionError, match="NaN"):
        sim.set_weights("con", np.array([1.0, np.nan, 1.0]))
    with pytest.raises(nr.DescriptionError, match="transposed"):
        sim.set_weights("con", matrix.toarray().T)


def test_tables_of_tied_weights_and_delays():
    weights = np.arange(12.0).reshape(4, 3)
    sim = compiled(weights, back=True)
    forward, back = sim.synapses("con"), sim.synapses("back")
    assert np.array_equal(forward.pre, back.post)
    assert np.array_equal(forward.post, back.pre)
    assert np.array_equal(weights[forward.pre, forward.post], forward.weight)
    delays = np.arange(1, 13).reshape(4, 3) * 1e-3
    table = compiled(weights, delay=delays).synapses("con")
    np.testing.assert_allclose(delays[table.pre, table.post], table.delay)

"""Lowering needs little more memory than the synapses themselves: 16 bytes each when sparse."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import neuro as nr

UNITS, DEGREE = 20_000, 50

CONNECTORS = {
    "fixed out-degree": nr.fixed_out_degree(DEGREE, weight=0.1),
    "fixed in-degree": nr.fixed_in_degree(DEGREE, weight=nr.Normal(0.0, 1.0)),
    "fixed probability": nr.fixed_probability(DEGREE / UNITS, weight=0.1, autapses=False),
}


@pytest.mark.parametrize("name", CONNECTORS)
def test_bytes_per_synapse_of_drawn_connections(name):
    net = nr.Network("large", seed=0)
    cells = net.population("cells", nr.LIF(), UNITS)
    net.connect(cells, cells, CONNECTORS[name], name="con")
    nr.lower(net, 1e-3)  # imports and caches
    tracemalloc.start()
    program = nr.lower(net, 1e-3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    units = 20 * 8 * UNITS  # state and whatever else there is per unit
    assert peak - units < 20 * program.connectivity["con"].count


@pytest.mark.parametrize("kind", ["array", "sparse", "one to one"])
def test_weights_of_a_program_are_not_the_users_array(kind):
    given = np.arange(1.0, 10.0).reshape(3, 3)
    weights = {
        "array": lambda: given,
        "sparse": lambda: scipy.sparse.csr_array(given),
        "one to one": lambda: nr.one_to_one(given[0]),
    }[kind]()
    net = nr.Network("n")
    a, b = net.population("a", nr.LIF(), 3), net.population("b", nr.LIF(), 3)
    net.connect(a, b, weights, name="con")
    program = nr.lower(net, 1e-3)
    before = program.arrays["con.w"].initial.copy()
    given[:] = -1.0
    if kind == "sparse":
        weights.data[:] = -1.0
    assert np.array_equal(program.arrays["con.w"].initial, before)
    assert not program.arrays["con.w"].initial.flags.writeable


def test_a_user_can_still_write_to_his_own_array():
    given = np.ones((3, 3))
    net = nr.Network("n")
    a = net.population("a", nr.LIF(v_init=given[0]), 3)
    net.connect(a, a, given)
    nr.lower(net, 1e-3)
    given[:] = 2.0
    assert given.flags.writeable

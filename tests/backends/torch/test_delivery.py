"""Every way from spikes to input: the stated sums, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower
from neuro.progress import Silent

#: Three numbers whose sum depends on the order: (a + b) + c = 1, but 0 in any other.
ORDER = (2.0**60, -(2.0**60), 1.0)
COLUMNS = (ORDER, ORDER[::-1], (ORDER[0], 1.0, ORDER[1]), (1.0, *ORDER[:2]))

#: Weights that another projection owns.
TIED = object()


def summing(pre: int, post: int, weights, *, times=None, hop: bool = False, **options):
    """Spikes that meet at units which keep the input of each step; returns a network.

    With ``hop`` they come from neurons that repeat the source, not from the source itself.
    """
    steps, units = times if times is not None else (np.zeros(pre, int), np.arange(pre))
    net = nr.Network("summing")
    source = net.population("source", nr.SpikeTimes(steps, units), size=pre)
    if hop:
        relay = net.population("relay", nr.LIF(v_threshold=0.5), size=pre)
        net.connect(source, relay, nr.one_to_one(1.0))
        source = relay
    keep = nr.NeuronModel("x : volt", inputs={"arrived": "volt"}, after="x = arrived", name="keep")
    target = net.population("target", keep, size=post)
    if weights is TIED:
        owner = net.connect(target, source, np.array(COLUMNS))
        weights = nr.transpose_of(owner)
    net.connect(source, target, weights, name="sum", **options)
    net.record(target, "x")
    return net


def inputs(net, engine, steps=6, precision="float64", **options):
    return engine(lower(net, 1e-3, precision), **options).run(steps, Silent()).traces[0]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    ("form", "hop"),
    [
        *((form, hop) for form in ("dense", "sparse", "plastic") for hop in (False, True)),
        ("tied", True),  # nothing can project to a source
    ],
)
def test_additions_run_in_ascending_order_of_the_source(engine, delivery, form, hop, precision):
    matrix = np.array(COLUMNS).T
    weights = {"sparse": scipy.sparse.csr_array(matrix), "tied": TIED}.get(form, matrix)
    rule = nr.PlasticityRule(on_pre="w += 0 * w") if form == "plastic" else None
    net = summing(3, 4, weights, hop=hop, plasticity=rule)
    found = inputs(net, engine, precision=precision, delivery=delivery)
    when = 2 if hop else 1
    assert found[when].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert not np.any(np.delete(found, when, 0))


@pytest.mark.parametrize("hop", [False, True])
def test_late_arrivals_are_added_oldest_emission_first(engine, delivery, hop):
    """At one target: emitted first by the last unit, last by the first."""
    weights = np.array(ORDER)[:, None]
    delays = np.array([[1e-3], [2e-3], [3e-3]])
    net = summing(3, 1, weights, times=([2, 1, 0], [0, 1, 2]), hop=hop, delay=delays)
    found = inputs(net, engine, delivery=delivery)[:, 0]
    expected = np.zeros(6)
    expected[4 if hop else 3] = (ORDER[2] + ORDER[1]) + ORDER[0]
    assert expected.sum() == 0.0  # by ascending unit it would be 1
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("hop", [False, True])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_busy_layer(engine, reference, delivery, hop, ordered):
    """Enough spikes that a matrix product is taken where it is allowed; wider than a block."""
    rng = np.random.default_rng(1)
    weights = rng.normal(0, 40, (50, 300))
    if not ordered:
        weights = np.round(weights) / 256
    steps, units = np.nonzero(rng.random((30, 50)) < 0.6)
    net = summing(50, 300, weights, times=(steps, units), hop=hop)
    program = lower(net, 1e-3, "float32")
    expected = reference(program).run(32, Silent()).traces[0]
    found = engine(program, ordered=ordered, delivery=delivery).run(32, Silent()).traces[0]
    assert np.array_equal(found, expected)
    assert np.count_nonzero(found) > 29 * 300 * 0.9


@pytest.mark.parametrize("density", [0.01, 0.3])
def test_a_static_sparse_projection_as_list_or_matrix(engine, reference, delivery, density):
    """The denser one is kept as a matrix; both must follow weights that are set later."""
    rng = np.random.default_rng(2)
    matrix = scipy.sparse.random_array((60, 70), density=density, rng=rng).tocsr()
    steps, units = np.nonzero(rng.random((20, 60)) < 0.2)
    program = lower(summing(60, 70, matrix, times=(steps, units)), 1e-3)
    ours, theirs = engine(program, delivery=delivery), reference(program)
    for one in (ours, theirs):
        one.write("sum.w", -2 * one.read("sum.w"))
    expected = theirs.run(21, Silent()).traces[0]
    assert np.array_equal(ours.run(21, Silent()).traces[0], expected)
    assert expected.min() < 0 == expected.max()


def test_multapses_are_added_one_by_one(engine, reference, delivery):
    """Two synapses between one pair are no matrix entry."""
    program = lower(summing(3, 1, nr.fixed_in_degree(8, multapses=True, weight=0.1)), 1e-3)
    expected = reference(program).run(3, Silent()).traces[0]
    assert expected[1, 0] == np.add.reduce([0.1] * 8, dtype=object)  # not 8 * 0.1
    assert np.array_equal(engine(program, delivery=delivery).run(3, Silent()).traces[0], expected)


CONVOLUTIONS = {
    "plain": {},
    "strides and padding": {"stride": (2, 1), "padding": (0, 2)},
    "dilation": {"dilation": (1, 2), "padding": 1},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4},
}


@pytest.mark.parametrize("hop", [False, True])
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution_is_its_expanded_sparse_projection(engine, reference, delivery, name, hop):
    options = CONVOLUTIONS[name]
    rng = np.random.default_rng(3)
    kernel = rng.normal(size=(8, 4 // options.get("groups", 1), 3, 2))
    steps, units = np.nonzero(rng.random((4, 4 * 7 * 6)) < 0.4)
    net = nr.Network("images")
    source = net.population("source", nr.SpikeTimes(steps, units), size=(4, 7, 6))
    if hop:
        relay = net.population("relay", nr.LIF(v_threshold=0.5), size=(4, 7, 6))
        net.connect(source, relay, nr.one_to_one(1.0))
        source = relay
    connector = nr.convolution(kernel, **options)
    keep = nr.NeuronModel("x : volt", inputs={"arrived": "volt"}, after="x = arrived", name="keep")
    shape = connector.connectivity((4, 7, 6)).out_shape
    target = net.population("target", keep, size=shape)
    net.connect(source, target, connector, name="sum")
    net.record(target, "x")
    program = lower(net, 1e-3)
    expected = reference(program).run(7, Silent()).traces[0]
    assert np.count_nonzero(expected) > 3 * np.prod(shape)
    found = engine(program, delivery=delivery).run(7, Silent()).traces[0]
    assert np.array_equal(found, expected)
    other = engine(program, delivery=delivery, ordered=False).run(7, Silent()).traces[0]
    assert np.allclose(other, expected, rtol=1e-12, atol=1e-12)
    twice = engine(program, delivery=delivery)
    twice.write("sum.w", 2 * twice.read("sum.w"))
    assert np.array_equal(twice.run(7, Silent()).traces[0], 2 * expected)
    sparse, index = program.connectivity["sum"].expand()
    weights = replace(program.arrays["sum.w"], initial=kernel.reshape(-1)[index])
    spread = replace(
        program,
        connectivity={**program.connectivity, "sum": sparse},
        arrays={**program.arrays, "sum.w": weights},
    )
    assert np.array_equal(engine(spread).run(7, Silent()).traces[0], expected)


def test_patches_are_made_in_parts(engine, reference, delivery, monkeypatch):
    import neuro.backends.torch.convolution as module

    monkeypatch.setattr(module, "ELEMENTS", 500)
    kernel = np.random.default_rng(4).normal(size=(2, 1, 3, 3))
    net = nr.Network("parts")
    source = net.population("source", nr.Poisson(rate=300.0), size=(1, 6, 6))
    keep = nr.NeuronModel("x : volt", inputs={"arrived": "volt"}, after="x = arrived", name="keep")
    target = net.population("target", keep, size=(2, 4, 4))
    net.connect(source, target, nr.convolution(kernel))
    net.record(target, "x")
    program = lower(net, 1e-3)
    expected = reference(program).run(30, Silent()).traces[0]
    assert np.array_equal(engine(program, delivery=delivery).run(30, Silent()).traces[0], expected)


@pytest.mark.parametrize("form", ["dense", "sparse", "convolution"])
@pytest.mark.parametrize("ordered", [True, False])
def test_graded_events_are_products_before_sums(engine, reference, delivery, form, ordered):
    """0.1 * 0.7 + 0.1 * 0.7 and so on: a fused multiply-add would differ in the last bit."""
    rng = np.random.default_rng(6)
    net = nr.Network("graded")
    levels = rng.random(36)
    units = net.population("units", nr.Graded(bias=levels, x_init=levels), size=(1, 6, 6))
    keep = nr.NeuronModel("x : 1", inputs={"arrived": "1"}, after="x = arrived", name="keep")
    target = net.population("target", keep, size=(2, 5, 5))
    matrix = rng.normal(size=(36, 50))
    connectors = {
        "dense": matrix,
        "sparse": scipy.sparse.csr_array(np.where(matrix > 0.3, matrix, 0)),
        "convolution": nr.convolution(rng.normal(size=(2, 1, 2, 2))),
    }
    net.connect(units, target, connectors[form], short_term=nr.TsodyksMarkram())
    net.record(target, "x")
    program = lower(net, 1e-3)
    expected = reference(program).run(20, Silent()).traces[0]
    found = engine(program, delivery=delivery, ordered=ordered).run(20, Silent()).traces[0]
    assert np.count_nonzero(expected) >= 19 * 50
    if ordered:
        assert np.array_equal(found, expected)
    else:
        assert np.allclose(found, expected, rtol=1e-12)

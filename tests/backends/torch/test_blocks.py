"""Blocks along the diagonal in every shape: the reference's bits, or its sums in another order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro.backends.torch import blocks as module
from neuro.progress import Silent
from neuro.registry import find_backend

SHAPES = [(3, 4, 5), (1, 6, 3), (4, 9, 1), (4, 1, 9), (1, 30, 1), (5, 1, 1)]
WAYS = {
    "listed": {},
    "rows only": {"BUSY_ORDERED": 2.0, "BUSY_OWN": 2.0, "BUSY_SHARED": 2.0},
    "blocks only": {"BUSY_ORDERED": 0.0, "BUSY_OWN": 0.0, "BUSY_SHARED": 0.0, "ADDED_BY_ROW": 0},
    "cut": {"BUSY_ORDERED": 0.0, "ADDED_BY_ROW": 0, "SUMS": 8},
}


def network(shape, kind, threshold):
    """Graded units through blocks, and spikes back through the same blocks."""
    count, a, b = shape
    random = np.random.default_rng(4)
    graded = nr.NeuronModel(
        "v : 1", inputs={"i": "1"}, after="v = 0.8 * v + 0.2 * i", threshold=threshold, emits="v"
    )
    rule = nr.PlasticityRule(
        on_pre="w -= 0.01 * v_pre * v_post",
        on_post="w += 0.01 * gate",
        on_step="w += 0.1 * gate * v_pre",
        every=4e-3,
        factors=("gate",),
    )
    net = nr.Network("blocks", seed=9)
    source = net.population("in", nr.Poisson(200.0), (count, a))
    pre = net.population("pre", graded, (count, a))
    post = net.population("post", nr.LIF(tau_m=10e-3), (count, b))
    gate = net.population("gate", nr.LeakyIntegrator(bias=0.3), count)
    plastic = {"plasticity": rule, "factors": {"gate": (gate, "v")}} if kind == "plastic" else {}
    net.connect(source, pre, nr.one_to_one(random.normal(0.5, 1.0, count * a)))
    weights = nr.block_diagonal(random.normal(0.1, 1.0, shape))
    up = net.connect(pre, post, weights, **plastic, name="up")
    net.connect(post, pre, nr.transpose_of(up), gain=0.1, name="back")
    net.connect(source, post, nr.block_diagonal(random.normal(0.1, 0.5, shape)), name="straight")
    for name, variable in (("pre", "v"), ("post", "v"), ("up", "w")):
        net.record(name, variable)
    net.record("post", "spikes")
    return net




@pytest.mark.parametrize("threshold", ["v > 0.1", "v < 1e9"])
@pytest.mark.parametrize("kind", ["static", "plastic"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("way", [*WAYS, "masked"])
def test_the_bits_of_the_reference(monkeypatch, way, shape, kind, threshold):
    for name, value in WAYS.get(way, {}).items():
        monkeypatch.setattr(module, name, value)
    delivery = "dense" if way == "masked" else "auto"
    net = network(shape, kind, threshold)
    with nr.compile(net) as sim:
        expected = sim.run_steps(60, False)
    with nr.compile(net, "torch", device="cpu", delivery=delivery) as sim:
        found = sim.run_steps(60, False)
    assert len(expected.spikes("post")[0]) > 3
    for name in ("pre", "post", "up"):
        variable = "w" if name == "up" else "v"
        if kind == "static" and name == "up":
            continue
        a, b = found.trace(name, variable), expected.trace(name, variable)
        assert np.array_equal(a, b), name


@pytest.mark.parametrize("options", [{}, {"delivery": "dense"}, {"ordered": False}])
@pytest.mark.parametrize("kind", ["static", "plastic"])
def test_items_of_a_batch_are_runs_of_their_own(options, kind):
    net = network((3, 4, 5), kind, "v > 0.1")
    with nr.compile(net, "torch", device="cpu", batch=3, **options) as sim:
        found = sim.run_steps(40, False)
        program = sim.program
    for item in range(3):
        sources = {name: source.replica(item) for name, source in program.sources.items()}
        alone = find_backend("reference").compile(replace(program, sources=sources))
        recorded = alone.run(40, Silent())
        for i, record in enumerate(program.records):
            if record.variable == "v":
                mine = found.trace(record.owner, "v")[item]
                if options.get("ordered", True):
                    assert np.array_equal(mine, recorded.traces[i])
                else:
                    np.testing.assert_allclose(mine, recorded.traces[i], rtol=1e-9, atol=1e-11)

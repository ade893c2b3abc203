"""Networks as NIR graphs: the same network comes back, and others read what can be said."""

import nir
import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.errors import DescriptionError

DT = 1e-3
DRAW = np.random.default_rng(3)


def rich():
    """A network of which NIR cannot say much."""
    net = nr.Network("rich", seed=4)
    inp = net.population("inp", nr.Poisson(rate=40.0), 12)
    exc = net.population("exc", nr.LIF(tau_m=nr.Uniform(10e-3, 20e-3), t_ref=2e-3), 8)
    out = net.population("out", nr.LeakyIntegrator(), 3)
    net.connect(inp, exc, nr.fixed_probability(0.4, weight=0.5), plasticity=nr.PairSTDP())
    net.connect(exc, exc, -0.1, delay=3e-3, name="again")
    net.connect(exc, out, scipy.sparse.csr_array(np.eye(8, 3)), gain=2.0)
    net.record(exc)
    net.record(out, "v", every=2)
    return net


def images():
    net = nr.Network("images")
    inp = net.population("inp", nr.Poisson(rate=100.0), (2, 6, 6))
    hid = net.population("hid", nr.IF(bias=np.repeat([0.1, 0.2, 0.3], 16)), (3, 4, 4))
    pool = net.population("pool", nr.IF(), (3, 2, 2))
    out = net.population("out", nr.IF(bias=0.05), 5)
    net.connect(inp, hid, nr.convolution(DRAW.normal(size=(3, 2, 3, 3))))
    net.connect(hid, pool, nr.pooling(2, 0.5))
    net.connect(pool, out, DRAW.normal(size=(12, 5)))
    net.record(out)
    return net


def kinds(graph):
    return {name: type(node).__name__ for name, node in graph.nodes.items()}


@pytest.mark.parametrize("make", [rich, images])
def test_the_same_network_comes_back(make, tmp_path):
    net, file = make(), tmp_path / "net.nir"
    graph = nr.to_nir(net, file, dt=DT)
    assert nr.from_nir(graph, DT) == net
    assert nr.from_nir(file, dt=DT) == net
    assert nr.from_nir(str(file), DT, original=False) != net


@pytest.mark.parametrize("make", [rich, images])
def test_nir_itself_accepts_the_file(make, tmp_path):
    nr.to_nir(make(), tmp_path / "net.nir", dt=DT)
    assert nir.read(tmp_path / "net.nir").check_types()


def test_what_becomes_of_it():
    graph = nr.to_nir(rich(), dt=DT)
    assert kinds(graph) == {
        "inp": "Input", "exc": "LIF", "out": "LI", "inp_exc": "Linear", "again_delay": "Delay",
        "again": "Linear", "exc_out": "Linear", "output_exc": "Output", "output_out": "Output",
    }  # fmt: skip
    assert graph.nodes["exc_out"].weight.tolist() == (2 * np.eye(3, 8)).tolist()
    np.testing.assert_allclose(graph.nodes["again_delay"].delay, 2e-3)
    assert ("exc", "again_delay") in graph.edges
    program = nr.lower(rich(), DT)
    tau = -DT / np.log(program.arrays["exc.P_v_v"].initial)
    np.testing.assert_allclose(graph.nodes["exc"].tau, tau, rtol=1e-9)
    assert kinds(nr.to_nir(images(), dt=DT)) == {
        "inp": "Input", "hid": "IF", "pool": "IF", "out": "IF", "inp_hid": "Conv2d",
        "hid_pool": "SumPool2d", "hid_pool_scale": "Scale", "pool_out_flat": "Flatten",
        "pool_out": "Affine", "output_out": "Output",
    }  # fmt: skip


def spikes(net, name, steps=300):
    with nr.compile(net, dt=DT) as sim:
        return sim.run_steps(steps, False).spikes(name)


@pytest.mark.parametrize("comparison", [">", ">="])
def test_others_read_the_same_spikes(comparison):
    """Without the metadata: equations of NIR, and here those of the library."""
    net = nr.Network("plain", seed=2)
    inp = net.population("inp", nr.Poisson(rate=50.0), 20)
    exc = net.population("exc", nr.LIF(tau_m=15e-3, v_reset=-0.2, comparison=comparison), 10)
    net.connect(inp, exc, DRAW.normal(0.2, 0.2, (20, 10)))
    net.connect(exc, exc, DRAW.normal(0, 0.2, (10, 10)), delay=4e-3)
    net.record(exc)
    read = nr.from_nir(nr.to_nir(net, dt=DT), DT, original=False)
    read.drive("inp", nr.Poisson(rate=50.0))
    read.seed = net.seed
    assert len(spikes(net, "exc")[0]) > 50
    assert np.array_equal(spikes(net, "exc"), spikes(read, "exc"))


def test_images_are_read_the_same():
    net = images()
    for population in net.populations.values():  # NIR compares with >
        if population.name != "inp":
            bias = population.model.parameters["bias"]
            population.model = nr.IF(bias=bias, comparison=">")
    read = nr.from_nir(nr.to_nir(net, dt=DT), DT, original=False)
    read.drive("inp", nr.Poisson(rate=100.0))
    for population in net.populations.values():
        if population.name != "inp":  # in NIR a bias is for a step, ours for a second
            model = read.populations[population.name].model
            np.testing.assert_allclose(
                model.parameters["bias"], population.model.parameters["bias"] * DT, rtol=1e-12
            )
    assert np.array_equal(spikes(net, "out"), spikes(read, "out"))


def test_exponential_synapses_agree_to_the_order_of_the_step():
    def late(dt):
        net = nr.Network("cuba", seed=2)
        inp = net.population("inp", nr.SpikeTimes(np.array([0.01, 0.02]), [0, 0]), 1)
        synapses = {"exc": nr.Exponential(5e-3)}
        cell = net.population("cell", nr.LIF(15e-3, v_threshold=9.0, synapses=synapses), 1)
        net.connect(inp, cell, 1.5)
        net.record(cell, "v")
        read = nr.from_nir(nr.to_nir(net, dt=dt), dt, original=False)
        read.drive("inp", inp.model)
        read.record("cell", "v")
        made = []
        for one in (net, read):
            with nr.compile(one, dt=dt) as sim:
                made.append(sim.run(0.1, progress=False).trace("cell", "v"))
        assert made[0].max() > 0.3
        return np.abs(made[0] - made[1]).max()

    assert late(1e-3) < 0.1
    assert late(1e-4) == pytest.approx(late(1e-3) / 10, rel=0.3)


def test_what_was_read_is_written_as_it_was():
    draw = np.random.default_rng(0)
    nodes = {
        "input": nir.Input(np.array([4])),
        "w": nir.Affine(draw.normal(size=(3, 4)), draw.normal(size=3)),
        "cells": nir.CubaLIF(*(draw.uniform(1e-3, 1, 3) for _ in range(6)), w_in=np.ones(3)),
        "read": nir.Affine(draw.normal(size=(2, 3)), draw.normal(size=2)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "w"), ("w", "cells"), ("cells", "read"), ("read", "output")]
    net = nr.from_nir(nir.NIRGraph(nodes, edges, type_check=False), DT, reset="subtract")
    graph = nr.to_nir(net, dt=DT)
    assert kinds(graph) == {
        "input": "Input", "cells": "CubaLIF", "input_cells": "Affine", "cells_output": "Affine",
        "output_output": "Output",
    }  # fmt: skip
    for name in ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"):
        assert np.array_equal(getattr(graph.nodes["cells"], name), getattr(nodes["cells"], name))
    for written, read in (("input_cells", "w"), ("cells_output", "read")):
        assert np.array_equal(graph.nodes[written].weight, nodes[read].weight)
        assert np.array_equal(graph.nodes[written].bias, nodes[read].bias)
    assert nr.from_nir(graph, DT) == net
    again = nr.from_nir(graph, DT, original=False, reset="subtract")
    assert [p.model for p in again.populations.values()] == [
        p.model for p in net.populations.values()
    ]


def test_groups_become_one_convolution():
    kernel = DRAW.normal(size=(4, 1, 2, 2))
    net = nr.Network("groups")
    a = net.population("a", nr.Poisson(200.0), (2, 4, 4))
    b = net.population("b", nr.IF(comparison=">"), (4, 3, 3))
    net.connect(a, b, nr.convolution(kernel, groups=2), name="con")
    net.record(b)
    graph = nr.to_nir(net, dt=DT)
    weight = graph.nodes["con"].weight
    assert np.array_equal(weight[:2, :1], kernel[:2])
    assert np.array_equal(weight[2:, 1:], kernel[2:])
    assert not weight[:2, 1].any()
    assert not weight[2:, 0].any()
    read = nr.from_nir(graph, DT, original=False)
    read.drive("a", a.model)
    assert len(spikes(net, "b")[0]) > 50
    assert np.array_equal(spikes(net, "b"), spikes(read, "b"))


def test_two_synapses_of_one_pair_add_up():
    net = nr.Network("twice")
    a = net.population("a", nr.Poisson(10.0), 3)
    b = net.population("b", nr.LIF(), 2)
    net.connect(a, b, nr.fixed_in_degree(5, weight=0.25, multapses=True), name="con")
    weight = nr.to_nir(net, dt=DT).nodes["con"].weight
    assert weight.sum() == 2 * 5 * 0.25


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nr.AdEx(), "AdEx .* has no counterpart in NIR"),
        (nr.LIF(synapses={"exc": nr.Alpha()}), "LIF with Alpha synapses has no counterpart"),
        (
            nr.LIF(synapses={"exc": nr.Exponential(), "inh": nr.Exponential()}),
            r"LIF \(inputs exc, inh\) has no counterpart",
        ),
        (nr.IF(synapses={"exc": nr.Exponential()}), "IF with Exponential synapses"),
        (nr.NeuronModel("v : 1", inputs={"I": "1"}, before="v = I", name="NIR LIF"), "NIR LIF"),
        (nr.IF(bias=np.array([0.1, 0.2, 0.3])), "'cells' has a bias, but no dense projection"),
    ],
)
def test_what_nir_does_not_have_is_refused(model, message):
    net = nr.Network("odd")
    net.population("cells", model, 3)
    with pytest.raises(DescriptionError, match=message):
        nr.to_nir(net, dt=DT)


def test_delays_of_synapses_are_refused():
    net = nr.Network("odd")
    cells = net.population("cells", nr.LIF(), 3)
    net.connect(cells, cells, 0.1, delay=np.arange(1, 10).reshape(3, 3) * DT)
    with pytest.raises(DescriptionError, match="has a delay for every synapse"):
        nr.to_nir(net, dt=DT)


def test_the_time_step_must_be_given_and_be_the_same(tmp_path):
    with pytest.raises(DescriptionError, match="to_nir: give dt"):
        nr.to_nir(rich())
    graph = nr.to_nir(rich(), dt=DT)
    with pytest.raises(DescriptionError, match=r"written for dt = 0.001 s, not 0.0005 s"):
        nr.from_nir(graph, 5e-4)
    graph.metadata["neuro"] = graph.metadata["neuro"].replace('"version": 1', '"version": 9', 1)
    with pytest.raises(DescriptionError, match="has version 9"):
        nr.from_nir(graph, DT)

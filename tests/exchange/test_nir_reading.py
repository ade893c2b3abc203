"""NIR graphs as networks: neurons against their equations, maps against torch, structure."""

from itertools import pairwise

import nir
import numpy as np
import pytest
import torch
from torch.nn import functional

import neuro as nr
from neuro.errors import DescriptionError
from neuro.exchange.nir_paths import Path, total_bias

DT = 1e-3
DRAW = np.random.default_rng(5)


def graph(nodes, edges, shape=(3,), out=None):
    ends = {"input": nir.Input(np.array(shape)), "output": nir.Output(np.array(out or shape))}
    return nir.NIRGraph({**ends, **nodes}, edges, type_check=False)


def chain(*nodes, shape=(3,), out=None):
    names = [f"n{i}" for i in range(len(nodes))]
    ends = ["input", *names, "output"]
    return graph(dict(zip(names, nodes, strict=True)), list(pairwise(ends)), shape, out)


def run(net, spikes, steps=60, record=None):
    """Recording with given input spikes [steps, units]."""
    net.drive(net.inputs[0], nr.SpikeTimes(*np.nonzero(spikes)))
    if record:
        net.record(*record)
    with nr.compile(net, dt=DT) as sim:
        return sim.run_steps(steps, False)


def given(steps=60, units=3, p=0.3):
    return DRAW.random((steps, units)) < p


def full(*values, size=3):
    return [np.full(size, value) for value in values]


# --- neurons against their equations -----------------------------------------------------------


def by_hand(kind, spikes, reset, euler, weight=0.9):
    """NIR's equations, an input current of a step held over it, which arrives a step later."""
    tau, tau_syn, r, leak, limit, v_reset, w_in = 12e-3, 5e-3, 1.7, 0.2, 0.8, -0.1, 2.5
    v = np.full(3, leak if "L" in kind else 0.0)
    current = np.zeros(3)
    keep, keep_syn = (1 - DT / t if euler else np.exp(-DT / t) for t in (tau, tau_syn))
    # Exact step of the pair (current, v) by a fine Euler integration of each step.
    potentials, fired = [], []
    for step in range(len(spikes)):
        push = weight * spikes[step - 1] if step else np.zeros(3)
        if kind in ("I", "IF"):
            v = v + r * push
        elif kind in ("LI", "LIF"):
            v = keep * v + (1 - keep) * (leak + r * push)
        elif euler:
            v, current = (
                keep * v + (1 - keep) * (leak + r * current),
                keep_syn * current + (1 - keep_syn) * w_in * push,
            )
        else:
            goal, start = w_in * push, current
            current = goal + (start - goal) * keep_syn
            # v' = (leak - v + r i) / tau with i relaxing exponentially to its goal, solved.
            bend = r * (start - goal) * tau_syn / (tau_syn - tau)
            rest = leak + r * goal
            v = rest + bend * keep_syn + (v - rest - bend) * keep
        spiked = (v > limit) if kind.endswith("F") else np.zeros(3, bool)
        v = np.where(spiked, v_reset if reset == "value" else v - (limit - v_reset), v)
        potentials.append(v.copy())
        fired.append(spiked)
    return np.array(potentials), np.array(fired)


def node(kind, size=3):
    tau, tau_syn, r, leak, limit, v_reset, w_in = full(
        12e-3, 5e-3, 1.7, 0.2, 0.8, -0.1, 2.5, size=size
    )
    return {
        "I": lambda: nir.I(r=r),
        "IF": lambda: nir.IF(r=r, v_threshold=limit, v_reset=v_reset),
        "LI": lambda: nir.LI(tau=tau, r=r, v_leak=leak),
        "LIF": lambda: nir.LIF(tau=tau, r=r, v_leak=leak, v_threshold=limit, v_reset=v_reset),
        "CubaLI": lambda: nir.CubaLI(tau_syn=tau_syn, tau_mem=tau, r=r, v_leak=leak, w_in=w_in),
        "CubaLIF": lambda: nir.CubaLIF(
            tau_syn=tau_syn, tau_mem=tau, r=r, v_leak=leak, v_threshold=limit, v_reset=v_reset,
            w_in=w_in,
        ),
        "Threshold": lambda: nir.Threshold(threshold=limit),
    }[kind]()  # fmt: skip


@pytest.mark.parametrize("reset", ["value", "subtract"])
@pytest.mark.parametrize("integrator", ["auto", "Euler"])
@pytest.mark.parametrize("kind", ["I", "IF", "LI", "LIF", "CubaLI", "CubaLIF"])
def test_neurons_follow_their_equations(kind, integrator, reset):
    spikes = given(p=0.7)
    made = nr.from_nir(
        chain(nir.Linear(0.9 * np.eye(3)), node(kind)), DT, reset=reset, integrator=integrator
    )
    spiking = kind.endswith("F")
    found = run(made, spikes, record=("n1", "v") if spiking else None)
    v, fired = by_hand(kind, spikes, reset, integrator == "Euler")
    np.testing.assert_allclose(found.trace("n1", "v"), v, rtol=1e-9, atol=1e-12)
    if spiking:
        assert fired.sum() > 5
        assert np.array_equal(np.transpose(found.spikes("n1")), np.argwhere(fired))


def test_a_threshold_compares_what_arrives():
    spikes = given()
    weight = np.array([[0.5, 0.5, 0], [0.8, 0, 0], [0.5, 0.2, 0.2]])
    found = run(nr.from_nir(chain(nir.Linear(weight), node("Threshold")), DT), spikes)
    expected = np.argwhere(spikes[:-1] @ weight.T > 0.8) + np.array([1, 0])
    assert len(expected) > 3
    assert np.array_equal(np.transpose(found.spikes("n1")), expected)


def test_parameters_may_differ_from_unit_to_unit():
    neuron = node("LIF")
    neuron.tau = np.array([5e-3, 10e-3, 20e-3])
    made = nr.from_nir(chain(nir.Linear(0.3 * np.eye(3)), neuron), DT)
    v = run(made, np.ones((2, 3)), 2, ("n1", "v")).trace("n1", "v")[1]
    keep = np.exp(-DT / neuron.tau)
    np.testing.assert_allclose(v, 0.2 + (1 - keep) * 1.7 * 0.3, rtol=1e-12)


# --- maps against torch ------------------------------------------------------------------------

IMAGE = DRAW.normal(size=(4, 9, 8))
KERNEL = DRAW.normal(size=(6, 2, 3, 2))
MAPS = {
    "convolution": (
        [nir.Conv2d((9, 8), KERNEL, (2, 1), (1, 0), (1, 2), 2, DRAW.normal(size=6))],
        lambda x, n: functional.conv2d(
            x, t(n[0].weight), t(n[0].bias), (2, 1), (1, 0), (1, 2), 2
        ),
    ),
    "same": (
        [nir.Conv2d(None, KERNEL[:, :, :, [0, 1, 0]], 1, "same", 1, 2, np.zeros(6))],
        lambda x, n: functional.conv2d(x, t(n[0].weight), padding="same", groups=2),
    ),
    "average pooling": (
        [nir.AvgPool2d(np.array([3, 2]), np.array([2, 2]), np.array([1, 1]))],
        lambda x, n: functional.avg_pool2d(x, (3, 2), (2, 2), (1, 1)),
    ),
    "sum pooling, flatten, affine": (
        [
            nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            nir.Flatten({"input": None}, 0, -1),
            nir.Affine(DRAW.normal(size=(5, 64)), DRAW.normal(size=5)),
        ],
        lambda x, n: functional.linear(
            (4 * functional.avg_pool2d(x, 2)).flatten(), t(n[2].weight), t(n[2].bias)
        ),
    ),
    "pooling, convolution, scale": (
        [
            nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            nir.Conv2d((4, 4), KERNEL, 1, 1, 1, 2, DRAW.normal(size=6)),
            nir.Scale(DRAW.normal(size=(6, 4, 5))),
        ],
        lambda x, n: t(n[2].scale) * functional.conv2d(
            functional.avg_pool2d(x, 2), t(n[1].weight), t(n[1].bias), 1, 1, 1, 2
        ),
    ),
    "affine twice": (
        [
            nir.Flatten({"input": None}, 0, -1),
            nir.Affine(DRAW.normal(size=(7, 288)), DRAW.normal(size=7)),
            nir.Affine(DRAW.normal(size=(3, 7)), DRAW.normal(size=3)),
        ],
        lambda x, n: functional.linear(
            functional.linear(x.flatten(), t(n[1].weight), t(n[1].bias)),
            t(n[2].weight), t(n[2].bias),
        ),
    ),
}  # fmt: skip


def t(array):
    return torch.as_tensor(np.asarray(array, np.float64))


@pytest.mark.parametrize("name", MAPS)
def test_maps_and_biases_are_those_of_torch(name):
    nodes, torch_map = MAPS[name]
    path = Path("input", IMAGE.shape)
    for number, one in enumerate(nodes):
        path = path.through(str(number), one)
    expected = torch_map(t(IMAGE)[None] if "affine" not in name else t(IMAGE), nodes).numpy()
    assert path.shape == tuple(n for n in expected.shape if n != 1) or path.shape == expected.shape
    found = IMAGE.ravel() @ path.matrix() + total_bias([path], int(np.prod(path.shape)))
    np.testing.assert_allclose(found, expected.ravel(), rtol=1e-12, atol=1e-12)


def test_a_convolution_in_one_dimension_is_that_of_torch():
    signal, kernel = DRAW.normal(size=(2, 11)), DRAW.normal(size=(3, 2, 4))
    conv = nir.Conv1d(11, kernel, 2, 3, 1, 1, DRAW.normal(size=3))
    path = Path("input", (2, 11)).through("conv", conv)
    expected = functional.conv1d(t(signal)[None], t(kernel), t(conv.bias), 2, 3).numpy()[0]
    assert path.shape == expected.shape
    np.testing.assert_allclose(
        signal.ravel() @ path.matrix() + total_bias([path], int(np.prod(path.shape))),
        expected.ravel(),
        rtol=1e-12,
    )


def test_the_simplest_connector_carries_a_map():
    def kind(*nodes, shape):
        path = Path("input", shape)
        for number, one in enumerate(nodes):
            path = path.through(str(number), one)
        return type(path.connector()).__name__

    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    conv = MAPS["convolution"][0][0]
    assert kind(conv, shape=(4, 9, 8)) == kind(pool, shape=(4, 9, 8)) == "Convolve"
    assert (
        kind(pool, nir.Conv2d(None, KERNEL, 1, 1, 1, 2, np.zeros(6)), shape=(4, 9, 8)) == "_Sparse"
    )
    assert kind(nir.Linear(np.ones((2, 3))), shape=(3,)) == "_Array"
    assert kind(nir.Scale(np.ones(3)), shape=(3,)) == kind(shape=(3,)) == "_OneToOne"


def test_a_network_of_images_spikes_as_its_maps_say():
    spikes = given(30, 288, 0.1)
    pool, conv = MAPS["pooling, convolution, scale"][0][:2]
    limit = np.full((6, 4, 5), 0.5)
    net = nr.from_nir(chain(pool, conv, nir.Threshold(limit), shape=(4, 9, 8), out=(6, 4, 5)), DT)
    found = run(net, spikes, 30)
    arrives = functional.conv2d(
        functional.avg_pool2d(t(spikes.reshape(30, 4, 9, 8)), 2),
        t(conv.weight), t(conv.bias), 1, 1, 1, 2,
    ).numpy()  # fmt: skip
    before = np.broadcast_to(conv.bias[:, None, None], (6, 4, 5))
    arrived = np.concatenate([before[None], arrives[:-1]]).reshape(30, -1)
    expected = np.argwhere(arrived > 0.5)
    assert np.array_equal(np.transpose(found.spikes("n2")), expected)


# --- structure ---------------------------------------------------------------------------------


def test_delays_come_on_top_of_the_step():
    relay = nir.Threshold(np.full(3, 0.5))
    spikes = np.zeros((20, 3))
    spikes[2] = 1
    for delay, expected in ((full(4e-3)[0], [7, 7, 7]), (np.array([0, 1e-3, 5e-3]), [3, 4, 8])):
        net = nr.from_nir(chain(nir.Delay(delay), relay), DT)
        steps, units = run(net, spikes, 20).spikes("n1")
        assert steps[np.argsort(units)].tolist() == expected
    after = nr.from_nir(
        chain(nir.Linear(np.eye(3)), nir.Delay(np.array([0, 1e-3, 5e-3])), relay), DT
    )
    steps, units = run(after, spikes, 20).spikes("n2")
    assert steps[np.argsort(units)].tolist() == [3, 4, 8]


def test_recurrence_and_several_ways_add_up():
    weight = np.array([[0.0, 0.6, 0.0], [0.0, 0.0, 0.6], [0.6, 0.0, 0.0]])
    edges = [("input", "n"), ("input", "twice"), ("twice", "n"), ("n", "back"), ("back", "n"),
             ("n", "output")]  # fmt: skip
    net = nr.from_nir(
        graph(
            {
                "n": nir.IF(*full(1.0, 1.5, 0.0)),
                "twice": nir.Affine(np.eye(3), np.array([0.1, 0.0, 0.0])),
                "back": nir.Linear(weight),
            },
            edges,
        ),
        DT,
    )
    spikes = given(40)
    fired = np.array(np.transpose(run(net, spikes, 40).spikes("n")))
    v, last, expected = np.zeros(3), np.zeros(3), []
    for step in range(40):
        push = 2.0 * spikes[step - 1] if step else np.zeros(3)
        v = v + push + weight @ last + [0.1, 0, 0]
        last = (v > 1.5).astype(float)
        v[last > 0] = 0
        expected += [(step, unit) for unit in np.flatnonzero(last)]
    assert fired.tolist() == [list(pair) for pair in expected]


def test_a_bias_that_several_ways_pass_counts_once():
    ways = {"a": nir.Scale(np.full(3, 2.0)), "b": nir.Scale(np.full(3, 3.0))}
    shared = {"shared": nir.Affine(np.eye(3), np.array([0.5, 0.0, 0.25])), "n": node("IF")}
    edges = [("input", "a"), ("input", "b"), ("a", "shared"), ("b", "shared"), ("shared", "n"),
             ("n", "output")]  # fmt: skip
    net = nr.from_nir(graph({**ways, **shared}, edges), DT)
    np.testing.assert_allclose(net.populations["n"].model.parameters["bias"], [0.5, 0.0, 0.25])
    both = [p.connector.build(None, p.pre, p.post)[1].sum() for p in net.projections.values()]
    assert sorted(both) == [6.0, 9.0]


def test_nested_graphs_are_opened():
    inner = nir.NIRGraph(
        {"in": nir.Input(np.array([3])), "out": nir.Output(np.array([3])),
         "w": nir.Linear(9.0 * np.eye(3)), "cells": node("LIF")},
        [("in", "w"), ("w", "cells"), ("cells", "out")], type_check=False,
    )  # fmt: skip
    deeper = nir.NIRGraph(
        {"in": nir.Input(np.array([3])), "out": nir.Output(np.array([3])), "layer": inner},
        [("in", "layer"), ("layer", "out")], type_check=False,
    )  # fmt: skip
    nested = nr.from_nir(chain(deeper, inner), DT)
    flat = nr.from_nir(
        chain(nir.Linear(9.0 * np.eye(3)), node("LIF"), nir.Linear(9.0 * np.eye(3)), node("LIF")),
        DT,
    )
    assert list(nested.populations) == ["input", "n0_layer_cells", "n1_cells"]
    assert nested.outputs == ["n1_cells"]
    spikes = given(p=0.6)
    one, other = run(nested, spikes), run(flat, spikes)
    assert len(one.spikes("n1_cells")[0]) > 3
    assert np.array_equal(one.spikes("n1_cells"), other.spikes("n3"))


def test_an_output_that_no_neuron_gives_is_read_by_a_relay():
    weight, bias = DRAW.normal(size=(2, 3)), np.array([0.5, -0.25])
    net = nr.from_nir(chain(node("IF"), nir.Affine(weight, bias), out=(2,)), DT)
    assert net.outputs == ["output"]
    net.record("n0")
    found = run(net, given())
    fired = np.zeros((60, 3))
    fired[found.spikes("n0")] = 1
    assert fired.sum() > 10
    v = found.trace("output", "v")
    np.testing.assert_allclose(v[1:], fired[:-1] @ weight.T + bias, rtol=1e-12)


def test_a_relay_adds_bias_and_maps():
    weight, bias = DRAW.normal(size=(2, 3)), np.array([0.5, -0.25])
    spikes = given()
    net = nr.from_nir(chain(nir.Affine(weight, bias), out=(2,)), DT)
    v = run(net, spikes).trace("output", "v")
    np.testing.assert_allclose(v[1:], spikes[:-1] @ weight.T + bias, rtol=1e-12)


def test_inputs_and_outputs_are_in_the_order_of_the_graph():
    nodes = {"b": nir.Input(np.array([2])), "a": nir.Input(np.array([3])),
             "wb": nir.Linear(np.ones((3, 2))), "z": node("LIF"), "y": node("IF"),
             "2nd": nir.Output(np.array([3])), "1st": nir.Output(np.array([3]))}  # fmt: skip
    edges = [("a", "z"), ("b", "wb"), ("wb", "y"), ("z", "1st"), ("y", "2nd")]
    net = nr.from_nir(nir.NIRGraph(nodes, edges, type_check=False), DT)
    assert net.inputs == ["b", "a"]
    assert net.outputs == ["y", "z"]


def test_names_that_the_language_does_not_have_are_mended():
    nodes = {"0": node("IF"), "a.b": node("IF"), "a_b": node("IF")}
    edges = [("input", "0"), ("0", "a.b"), ("a.b", "a_b"), ("a_b", "output")]
    net = nr.from_nir(graph(nodes, edges), DT)
    assert list(net.populations) == ["input", "node_0", "a_b", "a_b_2"]


# --- refusals ----------------------------------------------------------------------------------

INNER = nir.NIRGraph(
    {"a": nir.Input(np.array([3])), "b": nir.Input(np.array([3])), "o": nir.Output(np.array([3]))},
    [("a", "o"), ("b", "o")], type_check=False,
)  # fmt: skip


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: chain(nir.Linear(np.ones((3, 4))), node("IF")), r"Linear 'n0' has a weight of"),
        (lambda: chain(nir.Linear(np.ones((4, 3))), node("IF")), r"values of shape \(4,\) arrive"),
        (lambda: chain(nir.Delay(np.full(3, 1.5e-3)), node("IF")), "no multiple of dt = 0.001 s"),
        (lambda: chain(INNER, node("IF")), "nested graph 'n0' has 2 inputs and 1 outputs"),
        (
            lambda: graph(
                {"a": nir.Scale(np.ones(3)), "b": nir.Scale(np.ones(3))},
                [("input", "a"), ("a", "b"), ("b", "a"), ("a", "output")],
            ),
            "a -> b -> a is a loop without a neuron",
        ),
        (lambda: graph({}, [("input", "nowhere")]), "there is no node 'nowhere'"),
        (lambda: graph({"n": node("IF")}, [("input", "n")]), "nothing leads to output 'output'"),
        (
            lambda: chain(nir.Conv2d((3, 3), KERNEL, 1, 0, 1, 1, np.zeros(6)), shape=(3, 3, 3)),
            "gets 3 channels",
        ),
        (lambda: chain(nir.Conv1d(3, KERNEL[0], 1, 0, 1, 1, np.zeros(2))), "gets values of shape"),
        (
            lambda: chain(
                nir.Linear(np.ones((3, 3))), nir.Delay(np.array([0, DT, DT])),
                nir.Linear(np.ones((3, 3))), node("IF"),
            ),
            "lie between maps that mix units",
        ),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_refused(made, message):
    with pytest.raises(DescriptionError, match=message):
        nr.from_nir(made(), DT)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give dt, the time step in seconds"),
        ({"dt": -1.0}, "dt of from_nir"),
        ({"dt": DT, "integrator": "Heun"}, "integrator 'Heun'; choose 'auto' or 'Euler'"),
        ({"dt": DT, "reset": "none"}, "reset of from_nir is 'none'"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(DescriptionError, match=message):
        nr.from_nir(chain(node("IF")), **arguments)


def test_files_that_are_none(tmp_path):
    with pytest.raises(DescriptionError, match=r"no\.nir does not exist"):
        nr.from_nir(tmp_path / "no.nir", DT)
    (tmp_path / "odd.nir").write_text("hello")
    with pytest.raises(DescriptionError, match=r"odd\.nir is no NIR file, or damaged"):
        nr.from_nir(tmp_path / "odd.nir", DT)
    with pytest.raises(DescriptionError, match="neither a nir.NIRGraph nor a file"):
        nr.from_nir(3, DT)

"""The LIF graph of the NIR paper gives the spikes that the paper's simulators agree on."""

import os
from pathlib import Path

import nir
import numpy as np
import pytest

import neuro as nr

DT = 1e-4
STEPS = 1000

#: The input of the paper's first experiment: steps at which a current of 1 flows for one step.
INPUT = 10 * np.array(
    [6, 22, 27, 31, 32, 35, 37, 40, 41, *range(43, 54), *range(67, 79), 84, 85]
)  # fmt: skip

#: Spikes in exact integration and in four of its simulators.
SPIKES = [460, 510, 710, 760]


#: The paper's file lif_norse.nir.
LIF_NORSE = {"tau": 0.0025, "r": 1.0, "v_leak": 0.0, "v_threshold": 0.1, "v_reset": 0.0}


@pytest.fixture
def graph():
    lif = nir.LIF(**{key: np.array([value], np.float32) for key, value in LIF_NORSE.items()})
    affine = nir.Affine(weight=np.ones((1, 1), np.float32), bias=np.zeros(1, np.float32))
    return nir.NIRGraph.from_list(affine, lif)


def test_the_graph_is_that_of_the_file(graph):
    path = Path(os.environ.get("NEURO_DATA", "")) / "nir" / "lif_norse.nir"
    if not path.is_file():
        pytest.skip("the file is not here; set NEURO_DATA to the folder that holds nir/")
    (lif, weight, bias), (lif_read, *affine_read) = parameters(graph), parameters(nir.read(path))
    assert [weight, bias] == affine_read
    for key in LIF_NORSE:
        assert getattr(lif, key) == getattr(lif_read, key), key


def parameters(graph):
    lif = next(n for n in graph.nodes.values() if isinstance(n, nir.LIF))
    affine = next(n for n in graph.nodes.values() if isinstance(n, nir.Affine))
    return lif, float(affine.weight.item()), float(affine.bias.item())


def run(model, weight, precision="float64"):
    net = nr.Network("lif_norse")
    assert len(INPUT) == 34
    # A spike of step k - 1 arrives at step k and is held over that step, as the current is.
    src = net.population("input", nr.SpikeTimes(INPUT - 1, np.zeros(34, int)), 1)
    out = net.population("lif", model, 1)
    net.connect(src, out, weight)
    net.record(out)
    net.record(out, "v")
    with nr.compile(net, dt=DT, precision=precision) as sim:
        rec = sim.run_steps(STEPS, False)
    return rec.spikes(out)[0].tolist(), rec.trace(out, "v")[:, 0]


def test_current_held_over_a_step(graph):
    # tau dv/dt = (v_leak - v) + r I, as the specification of NIR has it.
    lif, weight, bias = parameters(graph)
    model = nr.NeuronModel(
        "dv/dt = (v_leak - v + r * (current + bias)) / tau : volt",
        parameters={
            "tau": (float(lif.tau.item()), "second"),
            "r": (float(lif.r.item()), "1"),
            "v_leak": (float(lif.v_leak.item()), "volt"),
            "v_threshold": (float(lif.v_threshold.item()), "volt"),
            "v_reset": (float(lif.v_reset.item()), "volt"),
            "bias": (bias, "volt"),
        },
        inputs={"current": "volt"},
        threshold="v >= v_threshold",
        reset="v = v_reset",
        name="NIR LIF",
    )
    spikes, v = run(model, weight)
    assert spikes == SPIKES
    # Between resets v is the sum of the responses to each pulse, in closed form.
    tau = float(lif.tau.item())
    since = np.arange(STEPS)[:, None] - INPUT
    pulse = (1 - np.exp(-DT / tau)) * np.exp(-np.maximum(since, 0) * DT / tau) * (since >= 0)
    expected = pulse.sum(1)
    np.testing.assert_allclose(v[:460], expected[:460], rtol=1e-10, atol=1e-15)
    assert np.all(v[SPIKES] == 0)
    late = pulse[:, INPUT > 760].sum(1)
    np.testing.assert_allclose(v[761:], late[761:], rtol=1e-10, atol=1e-15)


def test_built_in_neuron_with_the_weight_of_a_pulse(graph):
    # A pulse of one step adds r (1 - e^(-dt / tau)): the same neuron with delta synapses.
    lif, weight, bias = parameters(graph)
    assert bias == 0
    tau = float(lif.tau.item())
    kick = weight * float(lif.r.item()) * -np.expm1(-DT / tau)
    model = nr.LIF(
        tau,
        v_threshold=float(lif.v_threshold.item()),
        v_reset=float(lif.v_reset.item()),
        v_rest=float(lif.v_leak.item()),
    )
    spikes, _ = run(model, kick)
    assert spikes == SPIKES


def test_whole_numbers_of_loihi(graph):
    lif, weight, _ = parameters(graph)
    tau = float(lif.tau.item())
    kick = weight * float(lif.r.item()) * -np.expm1(-DT / tau)
    model = nr.LIF(
        tau,
        v_threshold=float(lif.v_threshold.item()),
        v_reset=float(lif.v_reset.item()),
        v_rest=float(lif.v_leak.item()),
    )
    spikes, _ = run(model, kick, "loihi")
    assert len(spikes) == len(SPIKES)
    assert np.abs(np.array(spikes) - SPIKES).max() <= 1, spikes

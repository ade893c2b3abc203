"""Weights in safetensors: what comes back, what is refused, and that others read it."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import neuro as nr


def network(seed=0, rule=None):
    net = nr.Network("net", seed=seed)
    inp = net.population("inp", nr.Poisson(rate=200.0), (1, 4, 4))
    mid = net.population("mid", nr.LIF(), (2, 3, 3))
    out = net.population("out", nr.LIF(), 5)
    draw = np.random.default_rng(seed)
    net.connect(inp, mid, nr.convolution(draw.random((2, 1, 2, 2))), name="conv")
    dense = net.connect(mid, out, draw.random((18, 5)) * 0.3, name="dense", plasticity=rule)
    net.connect(out, out, nr.fixed_probability(0.5, nr.Normal(-0.1, 0.02)), name="few")
    net.connect(out, mid, nr.transpose_of(dense), name="tied", gain=0.1)
    net.record(out)
    return net


@pytest.mark.parametrize("backend", ["reference", "torch"])
def test_learned_weights_come_back(tmp_path, backend):
    rule = nr.PairSTDP(w_min=0, w_max=1)
    file = tmp_path / "w.safetensors"
    with nr.compile(network(rule=rule), dt=1e-3) as sim:
        sim.run(0.2)
        nr.save_weights(sim, file)
        learned = sim.weights("dense")
        first = sim.weights("few", sparse=True)
    with nr.compile(network(rule=rule), backend, dt=1e-3) as sim:
        assert not np.array_equal(sim.weights("dense"), learned)
        nr.load_weights(sim, file)
        assert np.array_equal(sim.weights("dense"), learned)
        assert np.array_equal(sim.weights("tied"), learned.T)
        assert np.array_equal(sim.weights("few"), first.toarray())
    tensors = load_file(file)  # as any other program reads it
    assert tensors.keys() == {"conv", "dense", "few", "few.pre", "few.post"}
    assert np.array_equal(tensors["dense"], learned)
    made = np.zeros((5, 5))
    made[tensors["few.pre"], tensors["few.post"]] = tensors["few"]
    assert np.array_equal(made, first.toarray())


def test_from_a_module_to_a_simulation_and_back(tmp_path):
    net = network()
    del net.projections["tied"]
    module = nr.to_torch(net, dt=1e-3)
    with torch.no_grad():
        for weight in module.weights.values():
            weight.mul_(1.5)
    nr.save_weights(module, tmp_path / "w.safetensors")
    with nr.compile(net, dt=1e-3, precision="float32") as sim:
        nr.load_weights(sim, tmp_path / "w.safetensors")
        for name, weight in module.weights.items():
            assert np.array_equal(sim.engine.read(f"{name}.w"), weight.detach().numpy())
        sim.set_weights("dense", sim.weights("dense") * 2)
        nr.save_weights(sim, tmp_path / "w.safetensors")
    before = module.weights["dense"].detach().clone()
    nr.load_weights(module, tmp_path / "w.safetensors")
    assert torch.equal(module.weights["dense"], before * 2)
    assert module.weights["dense"].requires_grad


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("conv"), "no weights of projection 'conv'"),
        (lambda t: t.update(more=np.ones(2)), "'more', which is no projection"),
        (lambda t: t.update(tied=np.ones((5, 18))), "'tied', which is no projection"),
        (lambda t: t.update(dense=np.ones((5, 18))), r"\(5, 18\), the projection has \(18, 5\)"),
        (lambda t: t["dense"].fill(np.nan), "'dense' has NaN"),
        (lambda t: t.update({"few.pre": t["few.pre"][::-1].copy()}), "joins other pairs"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_set(tmp_path, change, message):
    file = tmp_path / "w.safetensors"
    with nr.compile(network(), dt=1e-3) as sim:
        nr.save_weights(sim, file)
        tensors = load_file(file)
        tensors["dense"] = tensors["dense"] + 1
        change(tensors)
        save_file(tensors, file)
        before = sim.weights("dense")
        with pytest.raises(nr.DescriptionError, match=message):
            nr.load_weights(sim, file)
        assert np.array_equal(sim.weights("dense"), before)


def test_files_that_are_none(tmp_path):
    (tmp_path / "text").write_text("weights")
    with nr.compile(network(), dt=1e-3) as sim:
        with pytest.raises(nr.DescriptionError, match="no safetensors file"):
            nr.load_weights(sim, tmp_path / "text")
        with pytest.raises(nr.DescriptionError, match="does not exist"):
            nr.load_weights(sim, tmp_path / "none")


def test_items_that_learned_apart_are_not_one_network(tmp_path):
    with nr.compile(network(rule=nr.PairSTDP()), "torch", dt=1e-3, batch=2) as sim:
        sim.run(0.05)
        with pytest.raises(
            nr.DescriptionError, match="learned apart; save sim.weights"
        ):
            nr.save_weights(sim, tmp_path / "w.safetensors")
    assert list(tmp_path.iterdir()) == []

"""Noisy recurrent networks: the loop and its gradient against a plain one with autograd."""

import numpy as np
import pytest
import torch

from neuro.errors import DescriptionError
from neuro.models.reactivation.network import NoisyRNN
from neuro.random import stream

SIZES = {"inputs": 2, "units": 7, "cells": 5}
LEAK = 0.3


def network(**options):
    made = NoisyRNN(**SIZES, leak=LEAK, precision="float64", seed=3, **options)
    if "bias" in made.weights:
        made.weights["bias"] = made.tensor(draw(0).normal(0, 0.3, made.weights["bias"].shape))
    return made


def draw(*counters):
    return stream(5, "test", *counters)


def data(net, steps=6, trajectories=37, noise=0.2):
    code = net.tensor(draw(1).random((trajectories, 5)))
    inputs = net.tensor(draw(2).normal(size=(steps, trajectories, 2)))
    targets = net.tensor(draw(3).random((steps, trajectories, 5)))
    return code, inputs, targets, net.noise(noise, steps, trajectories, draw(4))


def plain(net, w, code, inputs, noise, activation="relu"):
    """The equations, one line each, as autograd follows them."""
    r, states, n = code @ w["encoder"], [], net.units
    act = {"identity": lambda x: x}.get(activation) or getattr(torch, activation)
    for step, u in enumerate(inputs):
        d = u @ w["inputs"] + w.get("bias", 0.0)
        if net.kind == "leaky":
            r = (1 - LEAK) * r + LEAK * act(r @ w["recurrent"] + d)
        else:
            rec = w["recurrent"]
            z = torch.sigmoid(r @ rec[:, :n] + d[:, :n])
            g = torch.sigmoid(r @ rec[:, n : 2 * n] + d[:, n : 2 * n])
            c = torch.tanh((g * r) @ rec[:, 2 * n :] + d[:, 2 * n :])
            r = r + LEAK * (1 - z) * (c - r)
        if noise is not None:
            r = r + noise[step]
        states.append(r)
    return torch.stack(states)


@pytest.fixture(params=["compiled", "torch"])
def loop(request, monkeypatch):
    """Both ways in which leaky networks run; the second is that of other devices."""
    if request.param == "torch":
        monkeypatch.setattr("neuro.models.reactivation.recurrence.COMPILED_ON", ())


@pytest.mark.usefixtures("loop")
@pytest.mark.parametrize("noise", [0.2, 0.0])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False},
        {"activation": "tanh"},
        {"activation": "sigmoid"},
        {"activation": "identity", "bias": False},
        {"kind": "gated"},
        {"kind": "gated", "bias": False},
    ],
    ids=str,
)
def test_states_loss_and_gradients_are_those_of_the_equations(options, noise):
    net = network(**options)
    code, inputs, targets, noises = data(net, noise=noise)
    w = {name: value.clone().requires_grad_() for name, value in net.weights.items()}
    states = plain(net, w, code, inputs, noises, options.get("activation", "relu"))
    loss = (states @ w["decoder"] - targets).square().mean()
    loss.backward()
    for _ in range(2):  # buffers that were used before change nothing
        assert torch.allclose(net.run(net.encode(code), inputs, noises), states, rtol=0, atol=1e-14)
        found, gradients = net.loss_and_gradients(code, inputs, targets, noises)
        assert found == pytest.approx(loss.item(), rel=1e-12)
        assert set(gradients) == set(w)
        for name, tensor in w.items():
            assert torch.allclose(gradients[name], tensor.grad, rtol=1e-10, atol=1e-14), name


@pytest.mark.parametrize("kind", ["leaky", "gated"])
def test_a_run_in_pieces_is_the_whole_run(kind):
    net = network(kind=kind)
    code, inputs, _, noise = data(net, steps=9)
    whole = net.run(net.encode(code), inputs, noise).clone()
    first = net.run(net.encode(code), inputs[:4], noise[:4]).clone()
    rest = net.run(first[-1], inputs[4:], noise[4:])
    assert torch.equal(torch.cat([first, rest]), whole)


def test_without_bias_and_input_a_rectified_network_has_no_scale():
    net = network(bias=False)
    code = net.tensor(draw(1).random((4, 5)))
    still = net.tensor(np.zeros((20, 4, 2)))
    start = net.encode(code)
    once = net.run(start, still).clone()
    assert torch.allclose(net.run(3 * start, still), 3 * once, rtol=1e-12)
    with_bias = network()
    once = with_bias.run(start, still).clone()
    assert not torch.allclose(with_bias.run(3 * start, still), 3 * once, rtol=1e-2)


def test_noise_is_data():
    net = network()
    a = net.noise(0.5, 400, 10, draw(0))
    assert torch.equal(a, net.noise(0.5, 400, 10, draw(0)))
    assert (a.mean().item(), a.std().item()) == pytest.approx((0, 0.5), abs=0.01)
    b = net.noise(0.5, 400, 10, draw(0), "uniform01")
    assert b.min() >= 0 and b.max() < 0.5
    assert (b.mean().item(), b.std().item()) == pytest.approx((0.25, 0.5 / 12**0.5), abs=0.01)
    assert net.noise(0.0, 4, 10, draw(0)) is None


def test_weights_go_out_and_in():
    net, other = network(), network()
    other.load_weights({name: w + 1 for name, w in net.get_weights().items()})
    for name, w in net.get_weights().items():
        assert np.array_equal(other.get_weights()[name], w + 1)
    limit = 7**-0.5
    assert np.abs(net.get_weights()["recurrent"]).max() < limit
    with pytest.raises(DescriptionError, match="given bias; this network has bias, decoder, enc"):
        net.load_weights({"bias": np.zeros(7)})
    with pytest.raises(DescriptionError, match="do not fit"):
        net.load_weights({name: np.zeros(3) for name in net.weights})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leak": 0.0}, "leak is 0; above 0 and at most 1"),
        ({"units": 0}, "NoisyRNN units: 0; at least 1"),
        ({"kind": "lstm"}, "network 'lstm' is unknown; choose leaky, gated"),
        ({"activation": "gelu"}, "activation 'gelu' is unknown"),
        ({"kind": "gated", "activation": "tanh"}, "means nothing to a gated network"),
    ],
)
def test_impossible_networks_are_refused(options, message):
    with pytest.raises(DescriptionError, match=message):
        NoisyRNN(**{**SIZES, "leak": 0.5, **options})


def test_impossible_noise_is_refused():
    with pytest.raises(DescriptionError, match="noise of size -1.0; finite"):
        network().noise(-1.0, 2, 2, draw(0))
    with pytest.raises(DescriptionError, match="noise 'pink' is unknown"):
        network().noise(1.0, 2, 2, draw(0), "pink")

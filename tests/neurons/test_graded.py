"""Graded units, sigma-delta units and readouts against linear algebra and bookkeeping."""

import numpy as np
import pytest
from scipy.linalg import expm

import neuro as nr

DT = 1e-3


def activation(name, x):
    return {
        "identity": x,
        "relu": np.maximum(x, 0),
        "sigmoid": 1 / (1 + np.exp(-x)),
        "tanh": np.tanh(x),
    }[name]


# --- leaky integrator --------------------------------------------------------------------------


def test_leaky_integrator_is_a_lif_that_never_spikes():
    rng = np.random.default_rng(1)
    spikes = rng.random((200, 5)) < 0.3
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes(*np.nonzero(spikes)), 5)
    w = rng.normal(0, 1, (5, 3))
    for name, model in (
        ("readout", nr.LeakyIntegrator(30e-3, v_rest=0.1, bias=0.2)),
        ("lif", nr.LIF(30e-3, v_rest=0.1, bias=0.2, v_threshold=1e6)),
    ):
        net.population(name, model, 3)
        net.connect(src, name, w)
        net.record(name, "v")
    net.record("readout")
    with nr.compile(net) as sim:
        rec = sim.run_steps(200, False)
    v = rec.trace("readout", "v")
    assert np.array_equal(v, rec.trace("lif", "v"))
    assert not len(rec.spikes("readout")[0])
    # Closed form: a sum of decayed kicks around the fixed point.
    k = np.arange(200)
    kernel = np.exp(-np.maximum(0, k[:, None] - k) * DT / 30e-3) * (k[:, None] >= k)
    arrived = np.vstack([np.zeros((1, 5)), spikes[:-1]]) @ w
    level = 0.2 * (1 - np.exp(-(k + 1) * DT / 30e-3)) + 0.1
    np.testing.assert_allclose(v, kernel @ arrived + level[:, None], rtol=1e-10, atol=1e-12)


# --- graded units ------------------------------------------------------------------------------


def graded(w, b, name, steps, delay=1, dt=DT):
    n = len(b)
    net = nr.Network()
    units = net.population("units", nr.Graded(20e-3, bias=b, activation=name), n)
    net.connect(units, units, w, delay=delay * dt)
    net.record(units, "x")
    with nr.compile(net, dt=dt) as sim:
        return sim.run_steps(steps, False).trace(units, "x")


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize("name", ["identity", "relu", "sigmoid", "tanh"])
def test_graded_network_equals_its_recursion(name, delay):
    # x(k+1) = P x(k) + (1 - P)(b + r W), r being the activation `delay` steps ago.
    rng = np.random.default_rng(3)
    w, b = rng.normal(0, 0.4, (6, 6)), rng.normal(0, 1, 6)
    x = graded(w, b, name, 80, delay)
    p = np.exp(-DT / 20e-3)
    state, sent = np.zeros(6), [np.zeros(6)] * delay
    for k in range(80):
        state = p * state + (1 - p) * (b + sent[k] @ w)
        sent.append(activation(name, state))
        np.testing.assert_allclose(x[k], state, rtol=1e-12, atol=1e-14)


def test_linear_graded_network_converges_to_the_linear_solution():
    rng = np.random.default_rng(4)
    w, b = rng.normal(0, 0.3, (5, 5)), rng.normal(0, 1, 5)
    a = (w.T - np.eye(5)) / 20e-3
    # During the run: x(t) = A^-1 (e^(A t) - 1) b / tau, to the order of dt (the delay of a step).
    errors = []
    for dt in (1e-3, 0.5e-3):
        x = graded(w, b, "identity", round(30e-3 / dt), dt=dt)
        exact = np.linalg.solve(a, (expm(a * 30e-3) - np.eye(5)) @ b / 20e-3)
        errors.append(np.abs(x[-1] - exact).max())
    assert errors[1] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    # In the end: x = (1 - W^T)^-1 b exactly.
    x = graded(w, b, "identity", 2000)[-1]
    np.testing.assert_allclose(x, np.linalg.solve(np.eye(5) - w.T, b), rtol=1e-12)


def test_graded_events_are_scaled_by_weight_gain_and_short_term_plasticity():
    net = nr.Network()
    a = net.population("a", nr.Graded(bias=3.0, x_init=3.0, activation="identity"), 2)
    b = net.population("b", nr.LeakyIntegrator(tau_m=1e9), 1)
    net.connect(a, b, np.array([[0.5], [0.25]]), gain=2.0)
    net.connect(a, b, 1.0, short_term=nr.TsodyksMarkram(0.5, 1e9, 1e9), name="tm")
    net.record(b, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(3, False).trace(b, "v")[:, 0]
    # Efficacies with U = 0.5 and no recovery: 0.5, then u = 0.75, x = 0.5.
    assert v == pytest.approx([0.0, 3 * 1.5 + 6 * 0.5, 2 * 3 * 1.5 + 6 * (0.5 + 0.375)], rel=1e-6)


def test_delay_of_every_synapse_is_refused_for_graded_events():
    net = nr.Network()
    a = net.population("a", nr.Graded(), 2)
    net.connect(a, a, 1.0, delay=np.full((2, 2), 2e-3))
    with pytest.raises(nr.CompileError, match="'a_a'.*'a' carry numbers.*one number"):
        nr.compile(net)


# --- sigma-delta -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["identity", "relu", "sigmoid", "tanh"])
def test_sigma_delta_stays_within_its_threshold(name):
    rng = np.random.default_rng(5)
    theta = np.array([0.05, 0.1, 0.3, 0.01])
    net = nr.Network()
    drive = net.population("drive", nr.Poisson(300.0), 6)
    a = net.population("a", nr.SigmaDelta(theta, bias=0.2, activation=name), 4)
    copies = net.population("copies", nr.SigmaDelta(1e-9, activation="identity"), 4)
    far = net.population("far", nr.LeakyIntegrator(tau_m=1e12), 4)
    net.connect(drive, a, rng.normal(0, 0.2, (6, 4)))
    net.connect(a, copies, nr.one_to_one(1.0))
    net.connect(a, far, nr.one_to_one(0.5), delay=4e-3)
    net.record(a)
    for population, v in ((a, "x"), (a, "y"), (a, "sent"), (copies, "x"), (far, "v")):
        net.record(population, v)
    with nr.compile(net) as sim:
        rec = sim.run_steps(400, False)
    x, y, sent = (rec.trace(a, v) for v in ("x", "y", "sent"))
    np.testing.assert_allclose(y, activation(name, x + 0.2), rtol=1e-12, atol=1e-15)
    assert np.all(np.abs(y - sent) < theta)
    steps, units = rec.spikes(a)
    before = np.vstack([np.zeros((1, 4)), sent[:-1]])
    spiked = np.zeros((400, 4), bool)
    spiked[steps, units] = True
    assert np.array_equal(spiked, np.abs(y - before) >= theta)  # sends where, and only where
    assert np.array_equal(sent[~spiked], before[~spiked])
    assert 0 < spiked.mean() < 1
    # The sum of events at a receiver is what the sender says it sent, to the last bit.
    assert np.array_equal(rec.trace(copies, "x")[1:], sent[:-1])
    np.testing.assert_allclose(rec.trace(far, "v")[4:], 0.5 * sent[:-4], rtol=1e-9, atol=1e-12)


def test_sigma_delta_with_an_offset_sends_it_at_once():
    net = nr.Network()
    a = net.population("a", nr.SigmaDelta(activation="sigmoid"), 1)
    net.record(a)
    net.record(a, "sent")
    with nr.compile(net) as sim:
        rec = sim.run_steps(5, False)
    assert rec.spikes(a)[0].tolist() == [0]
    assert rec.trace(a, "sent")[:, 0].tolist() == [0.5] * 5


@pytest.mark.parametrize("make", [nr.Graded, nr.SigmaDelta])
def test_unknown_activation(make):
    with pytest.raises(nr.DescriptionError, match=f"activation of {make.__name__} is 'softplus'"):
        make(activation="softplus")

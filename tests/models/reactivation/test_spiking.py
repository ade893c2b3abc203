"""A trained network in spikes: exact rates, the rate network's numbers, every backend alike."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import neuro as nr
from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import ReactivationSettings
from neuro.models.reactivation.life import Rates, awake, offline
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.spiking import Pools, Spikes, spiking_network
from neuro.models.reactivation.training import make_task, train
from neuro.random import stream

SMALL = ReactivationSettings(
    task="anchor", units=24, cells=24, steps=20, batches=400, batch_size=32, learning_rate=5e-3
)


M = Pools().substeps


def draw(*counters):
    return stream(5, "test", *counters)


@pytest.fixture(scope="module")
def task():
    return make_task(SMALL, biased=False, seed=0)


@pytest.fixture(scope="module")
def noisy(task):
    return train(SMALL, task, noise=SMALL.noise, seed=1).network


def apart(**options):
    """Units that nothing connects, each with its own bias as drive."""
    net = NoisyRNN(1, 5, 3, leak=0.5, precision="float64", **options)
    weights = {name: np.zeros_like(w) for name, w in net.get_weights().items()}
    weights["bias"] = np.array([-0.3, 0.0, 0.2, 0.55, 1.0])
    net.load_weights(weights)
    return net


def test_a_cell_spikes_as_often_as_its_drive_says():
    net = spiking_network(apart(), pools=Pools(cells=4, rate=50.0))
    net.record("pool", "spikes")
    sim = nr.compile(net, dt=Pools().dt)
    recording = sim.run_steps(200 * M + 1)
    _, cells = recording.spikes("pool")
    counts = np.bincount(cells, minlength=20).reshape(5, 4)
    # rho max(J, 0) in four seconds, to a spike.
    expected = 50.0 * 4.0 * np.array([0.0, 0.0, 0.2, 0.55, 1.0])
    assert np.abs(counts - expected[:, None]).max() <= 1
    # The trace neither gains nor loses: its mean is the drive (sampled every 20 ms).
    r = recording.trace("units", "r")[40:].mean(axis=0)
    assert r == pytest.approx([0, 0, 0.2, 0.55, 1.0], abs=0.03)


def test_noise_has_the_variance_of_the_rate_network():
    net = spiking_network(apart(), trajectories=200, noise=0.1)
    sim = nr.compile(net, dt=Pools().dt)
    sim.run_steps(15 * M, False)
    recording = sim.run_steps(30 * M, False)
    silent = recording.trace("units", "r").reshape(30, 200, 5)[:, :, :2]
    # r <- (1 - a / m) r + kicks: variance s^2 / m / (1 - (1 - a / m)^2).
    leak = 0.5 / M
    assert silent.var() == pytest.approx(0.01 / M / (1 - (1 - leak) ** 2), rel=0.1)
    assert silent.mean() == pytest.approx(0, abs=0.01)
    assert "more" not in spiking_network(apart()).populations


def test_stochastic_pools_are_as_noisy_as_asked_for():
    network = apart()
    pools = Pools.as_noisy_as(0.1, leak=0.5, drive=0.55)
    assert pools.cells == round(0.25 * 0.55 / (0.01 * pools.rate * 0.02))
    assert Pools.as_noisy_as(0.2, leak=0.5, drive=0.55).cells == round(pools.cells / 4)
    sim = nr.compile(spiking_network(network, trajectories=200, pools=pools), dt=pools.dt)
    sim.run_steps(15 * M, False)
    r = sim.run_steps(40 * M, False).trace("units", "r").reshape(40, 200, 5)
    assert r.mean(axis=(0, 1)) == pytest.approx([0, 0, 0.2, 0.55, 1.0], abs=0.01)
    # Of the kicks of m time steps together s^2 = a^2 J / (K rho D), as in the rate network, less
    # the part by which a cell that spikes at most once a time step is more regular.
    leak, rest = 0.5 / M, 1 - np.array([0.2, 0.55, 1.0]) * pools.rate * pools.dt
    kicks = 0.25 * np.array([0.2, 0.55, 1.0]) * rest / (pools.cells * pools.rate * 0.02)
    expected = kicks / M / (1 - (1 - leak) ** 2)
    assert r.var(axis=(0, 1))[2:] == pytest.approx(expected, rel=0.1)
    assert r.var(axis=(0, 1))[:2] == pytest.approx([0, 0])


def test_negative_drive_does_not_pile_up():
    net = apart()
    sim = nr.compile(spiking_network(net, pools=Pools(cells=1)), dt=Pools().dt)
    sim.run_steps(25 * M, False)
    assert sim.values("pool", "v").min() >= 0
    # The first unit's drive turns positive at once, as if it had never been inhibited.
    weights = net.get_weights()
    weights["inputs"][0, 0] = 1.0
    net.load_weights(weights)
    sim = nr.compile(spiking_network(net, pools=Pools(cells=1)), dt=Pools().dt)
    sim.run_steps(25 * M, False)
    sim.set_values("inputs", "u", [1.3])
    r = sim.run_steps(50 * M, False).trace("units", "r")[:, 0]
    assert r[-20:].mean() == pytest.approx(1.0, abs=0.1)


def test_spikes_live_as_rates_do(task, noisy):
    lived = task.trajectories(40, SMALL.steps, draw(0))
    rate = awake(Rates(noisy, 0.1, draw(1)), task, lived)
    spikes = awake(Spikes(noisy, 0.1, "torch", seed=1), task, lived)
    blind = np.abs(lived.states).mean()
    assert rate.error < 0.5 * blind
    assert spikes.error < 1.5 * rate.error
    assert spikes.stretch.norm == pytest.approx(rate.stretch.norm, rel=0.1)
    asleep = offline(Spikes(noisy, 0.1, "torch", seed=2), task, lived.start, 25)
    assert asleep.decoded.shape == (25, 40)
    assert asleep.states.shape == (25, 40, 24)
    assert asleep.peaks.mean() == pytest.approx(rate.stretch.peaks.mean(), rel=0.2)


@pytest.mark.parametrize("kind", ["integrate", "stochastic"])
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("torch", {}),
        ("brian2", {"target": "numpy"}),
        pytest.param("brian2", {"target": "cpp"}, marks=[pytest.mark.build, pytest.mark.slow]),
        ("lava", {}),
        pytest.param("lava", {"mode": "expanded"}, marks=pytest.mark.slow),
    ],
)
def test_the_same_spikes_and_states_on_every_backend(backend, options, kind):
    network = NoisyRNN(1, 6, 5, leak=0.5, seed=2, precision="float64")
    weights = network.get_weights()
    weights["bias"] = draw(3).uniform(0, 0.8, 6)
    network.load_weights(weights)
    inputs = draw(4).normal(size=(4, 2, 1))
    start = network.encode(torch.as_tensor(draw(5).random((2, 5))))
    found, pools = {}, Pools(kind=kind, cells=3)
    for name, chosen in (("reference", {}), (backend, options)):
        runner = Spikes(network, 0.1, name, pools=pools, seed=4, options=chosen)
        found[name] = torch.cat(list(runner.pieces(start, inputs)))
    assert found["reference"].std() > 0.05
    assert torch.equal(found["reference"], found[backend])


def test_trajectories_do_not_touch_each_other(noisy):
    start = noisy.encode(torch.as_tensor(draw(5).random((3, 24))))
    inputs = draw(6).normal(size=(5, 3, 1)) * 0.2
    runner = Spikes(noisy, 0.0, seed=4)
    before = torch.cat(list(runner.pieces(start, inputs)))
    other = inputs.copy()
    other[:, 1] += 1.0
    after = torch.cat(list(runner.pieces(start, other)))
    assert torch.equal(before[:, [0, 2]], after[:, [0, 2]])
    assert not torch.equal(before[:, 1], after[:, 1])


def test_an_input_holds_for_the_whole_step(noisy):
    """Pieces of equal inputs are run together; that changes nothing."""
    start = noisy.encode(torch.as_tensor(draw(5).random((1, 24))))
    inputs = np.array([0.1, 0.1, 0.1, -0.2, -0.2, 0.1]).reshape(6, 1, 1)
    runner = Spikes(noisy, 0.1, seed=4)
    pieces = list(runner.pieces(start, inputs))
    assert [len(piece) for piece in pieces] == [3, 2, 1]
    alone = torch.cat(list(runner.pieces(start, inputs + 1e-12 * np.arange(6).reshape(6, 1, 1))))
    np.testing.assert_allclose(torch.cat(pieces), alone, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pools(cells=0), "Pools cells: 0; at least 1"),
        (lambda: Pools(kind="quiet"), "Pools kind 'quiet' is unknown; choose integrate, stoch"),
        (lambda: Pools.as_noisy_as(0.0, leak=0.5, drive=1.0), "noise: 0; above 0"),
        (lambda: Pools(rate=0.0), "Pools rate: 0 Hz; above 0"),
        (lambda: Pools(noise_rate=4000.0), "noise_rate: 4000 Hz is 2 spikes in a step"),
        (
            lambda: spiking_network(NoisyRNN(1, 3, 3, leak=0.5, kind="gated")),
            "this network is gated",
        ),
        (
            lambda: spiking_network(NoisyRNN(1, 3, 3, leak=0.5, activation="tanh")),
            "leaky with activation tanh",
        ),
        (lambda: spiking_network(apart(), trajectories=0), "trajectories: 0; at least 1"),
    ],
)
def test_what_has_no_spikes_is_refused(make, message):
    with pytest.raises(DescriptionError, match=message):
        make()


def test_settings_of_pools_name_the_time_step():
    assert Pools().dt == pytest.approx(5e-4)
    assert replace(Pools(), substeps=10, noise_rate=50.0).dt == pytest.approx(2e-3)

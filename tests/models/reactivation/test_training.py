"""Training, resumption, and the lives of trained networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from neuro.analysis.reactivation import compare
from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import ReactivationSettings, reactivation_settings
from neuro.models.reactivation.life import CHUNK, Rates, awake, offline
from neuro.models.reactivation.training import KEPT_EVERY, Training, make_network, make_task, train
from neuro.progress import Silent
from neuro.random import stream

pytestmark = pytest.mark.xdist_group("reactivation training")  # they share a network

SMALL = ReactivationSettings(
    task="anchor", units=32, cells=24, steps=20, batches=300, batch_size=32, trajectories=100,
    offline_steps=250, learning_rate=5e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def task():
    return make_task(SMALL, biased=False, seed=0)


@pytest.fixture(scope="module")
def noisy(task):
    return train(SMALL, task, noise=SMALL.noise, seed=1)


def draw(*counters):
    return stream(5, "test", *counters)


def test_training_learns_where_it_is_and_noise_makes_states_large(task, noisy):
    clean = train(SMALL, task, noise=0.0, seed=1)
    lived = task.trajectories(200, SMALL.steps, draw(0))
    blind = awake(Rates(make_network(SMALL, task, 1, "cpu"), 0.1, draw(1)), task, lived)
    seeing = awake(Rates(noisy.network, 0.1, draw(1)), task, lived)
    sober = awake(Rates(clean.network, 0.0, draw(1)), task, lived)
    assert np.mean(noisy.losses[-20:]) < np.mean(noisy.losses[:20]) / 4
    assert sober.error < seeing.error < 0.5 * blind.error
    assert seeing.stretch.norm > 1.5 * sober.stretch.norm


def test_offline_life_is_a_function_of_its_noise(task, noisy):
    start = task.trajectories(50, 2, draw(0)).start
    once, again, other = (
        offline(Rates(noisy.network, 0.1, draw(i)), task, start, 250) for i in (1, 1, 2)
    )
    assert np.array_equal(once.decoded, again.decoded)
    assert not np.array_equal(once.decoded, other.decoded)
    still = [offline(Rates(noisy.network, 0.0, draw(i)), task, start, 250) for i in (1, 2)]
    assert np.array_equal(still[0].decoded, still[1].decoded)
    assert once.decoded.shape == once.peaks.shape == (250, 50)
    assert once.states.shape == (250, 50, 32)
    # It moves, less without noise, and stays near where it may be.
    moved = compare(task.space, once, once, stream=draw(3))["step"]
    assert moved > 5 * compare(task.space, still[0], once, stream=draw(3))["step"]


def test_pieces_of_a_long_run_fit_together(task, noisy):
    start = task.trajectories(4, 2, draw(0)).start
    first, steps = noisy.network.encode(task.code(start)), 2 * CHUNK + 30
    whole = noisy.network.run(first, torch.zeros(steps, 4, 1))
    expected = task.decode(noisy.network.outputs(whole))
    found = offline(Rates(noisy.network, 0.0, draw(1)), task, start, steps)
    assert np.array_equal(found.decoded, expected)
    assert found.states.shape == (steps, 4, 32)
    long = offline(Rates(noisy.network, 0.0, draw(1)), task, start, 1000)
    again = noisy.network.run(first, torch.zeros(1000, 4, 1))
    np.testing.assert_allclose(long.states, again[::5], rtol=1e-5, atol=1e-6)


def test_training_goes_on_where_it_was_cut_off(task, tmp_path, monkeypatch):
    settings = replace(SMALL, batches=8)
    whole = train(settings, task, noise=0.1, seed=2)
    monkeypatch.setattr("neuro.models.reactivation.training.KEPT_EVERY", 3)

    class Fuse(Silent):
        left = 5

        def advance(self, amount=1):
            self.left -= amount
            if self.left < 0:
                raise InterruptedError

    file = tmp_path / "net.npz"
    with pytest.raises(InterruptedError):
        train(settings, task, noise=0.1, seed=2, checkpoint=file, progress=Fuse())
    rest = train(settings, task, noise=0.1, seed=2, checkpoint=file)
    assert rest.losses == whole.losses
    for name, w in whole.network.get_weights().items():
        assert np.array_equal(rest.network.get_weights()[name], w)
    done = train(settings, task, noise=0.1, seed=2, checkpoint=file)
    assert done.losses == whole.losses
    assert KEPT_EVERY % 50 == 0


def test_the_first_step_is_that_of_adam(task):
    settings = replace(SMALL, batches=1)
    made = Training(settings, task, 0.1, 3, make_network(settings, task, 3, "cpu"))
    before = made.network.get_weights()
    made.run()
    for name, w in made.network.get_weights().items():
        moved = np.abs(w - before[name])
        # Adam's first step has the size of the rate wherever there is a gradient.
        assert moved.max() == pytest.approx(settings.learning_rate, rel=1e-3)


def test_rates_fall_to_nothing_or_stay():
    assert SMALL.rate(0) == SMALL.learning_rate
    assert SMALL.rate(150) == pytest.approx(SMALL.learning_rate / 2)
    assert replace(SMALL, annealed=False).rate(299) == SMALL.learning_rate


def test_presets_have_the_sizes_of_the_paper():
    paper = reactivation_settings("position", "paper")
    assert (paper.units, paper.cells, paper.leak, paper.noise) == (512, 512, 0.2, 0.01)
    assert (paper.steps, paper.batch_size, paper.batches, paper.bias) == (100, 200, 2500, False)
    heads = reactivation_settings("head-direction", "paper")
    assert (heads.units, heads.leak, heads.noise, heads.batches) == (128, 0.5, 0.1, 20_000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "chess"}, "task 'chess' is unknown"),
        ({"noise": 0.0}, "noise is 0; above 0"),
        ({"cells": 2}, "cells is 2; at least 3"),
        ({"learning_rate": -1.0}, "learning_rate is -1; above 0"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    with pytest.raises(DescriptionError, match=message):
        replace(SMALL, **change)


def test_what_there_is_not_is_refused():
    with pytest.raises(DescriptionError, match="preset 'best' is unknown; choose quick, paper"):
        reactivation_settings("anchor", "best")
    with pytest.raises(DescriptionError, match="has its anchor for a bias"):
        make_task(SMALL, biased=True, seed=0)


def test_a_loss_that_runs_away_is_refused(task):
    wild = replace(SMALL, learning_rate=1e6, annealed=False, batches=30)
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        train(wild, task, noise=0.1, seed=0)

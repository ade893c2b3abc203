"""Sources: statistics, independence of how time is cut, images and windows."""

from itertools import pairwise

import numpy as np
import pytest

import neuro as nr
from neuro.sources import BLOCK


def draw(source, size, steps, seed=0, dt=1e-3, name="s"):
    k, i = source.lower(seed, name, size, dt).events(0, steps)
    spikes = np.zeros((steps, size), bool)
    spikes[k, i] = True
    assert np.all(np.diff(k * size + i) > 0)  # sorted by step, then unit; no doubles
    return spikes


def test_poisson_rate_per_unit():
    rates = np.array([0.0, 20.0, 200.0, 1000.0])
    spikes = draw(nr.Poisson(rates), 4, 20_000)
    mean = spikes.mean(0) / 1e-3
    sd = np.sqrt(rates * 1e-3 * (1 - rates * 1e-3) / 20_000) / 1e-3
    assert np.all(np.abs(mean - rates) <= 4 * sd)
    assert mean[0] == 0
    assert mean[3] == 1000


def test_names_and_seeds_give_independent_trains():
    trains = [
        draw(nr.Poisson(200.0), 50, 2000, seed, name=name).ravel()
        for seed, name in ((0, "a"), (0, "b"), (1, "a"))
    ]
    correlation = np.corrcoef(trains)
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.02
    assert np.array_equal(trains[0], draw(nr.Poisson(200.0), 50, 2000, 0, name="a").ravel())


@pytest.mark.parametrize(
    "source",
    [
        nr.Poisson(100.0),
        nr.WindowedPoisson(np.full(36, 400.0), (6, 6), 3, stop=0.5),
        nr.PoissonImages(np.eye(36)[:7], 500.0, duration=0.05, gap=0.02),
        nr.SpikeTimes([700, 3, 3], [1, 5, 2]),
    ],
)
def test_any_cut_of_time_gives_the_same_spikes(source):
    lowered = source.lower(3, "s", 36, 1e-3)
    whole = lowered.events(0, 900)
    cuts = [0, 1, 100, BLOCK, BLOCK + 1, 3 * BLOCK, 899, 900]
    parts = [lowered.events(a, b) for a, b in pairwise(cuts)]
    for i in range(2):
        assert np.array_equal(whole[i], np.concatenate([p[i] for p in parts]))
    assert len(whole[0])


def test_window_support_and_uniform_position():
    # The window of the released code: "10" covers 11 x 11 pixels, corners 0..17 of 28 - 11.
    source = nr.WindowedPoisson(np.full(784, 1000.0), (28, 28), 11)
    spikes = draw(source, 784, 6000).reshape(-1, 28, 28)
    assert np.all(spikes.sum((1, 2)) == 121)
    corners = []
    for frame in spikes:
        rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
        assert np.ptp(rows) == np.ptp(columns) == 10
        corners.append((rows[0], columns[0]))
    for axis in np.array(corners).T:
        counts = np.bincount(axis, minlength=18)
        assert len(counts) == 18
        expected = 6000 / 18
        assert ((counts - expected) ** 2 / expected).sum() < 40.8  # chi2, 17 dof, p = 0.001
    assert abs(np.corrcoef(np.array(corners).T)[0, 1]) < 0.05


def test_window_probability_is_clipped_and_follows_the_image():
    # A pixel of the 6 x 6 corner is covered by 1 of 16 window positions, the centre by 9.
    image = np.zeros((6, 6))
    image[0, 0], image[2, 2], image[5, 5] = 0.3, 0.3, 5.0
    spikes = draw(nr.WindowedPoisson(image.ravel() * 1000, (6, 6), 3), 36, 40_000)
    mean = spikes.mean(0).reshape(6, 6)
    assert mean[0, 0] == pytest.approx(0.3 / 16, rel=0.1)
    assert mean[2, 2] == pytest.approx(0.3 * 9 / 16, rel=0.05)
    assert mean[5, 5] == pytest.approx(1.0 / 16, rel=0.1)
    assert np.count_nonzero(mean) == 3


def test_source_stops():
    spikes = draw(nr.WindowedPoisson(np.full(4, 900.0), (2, 2), stop=0.1), 4, 300)
    assert spikes[:100].any(1).all()
    assert not spikes[100:].any()


def test_images_in_sequence():
    images = np.array([[1.0, 0.0], [0.0, 0.5]])
    spikes = draw(nr.PoissonImages(images, 1000.0, duration=0.4, gap=0.1), 2, 1500)
    assert spikes[:400, 0].all()
    assert not spikes[:400, 1].any()
    assert not spikes[400:500].any()
    assert spikes[500:900, 1].mean() == pytest.approx(0.5, abs=0.1)
    assert not spikes[500:900, 0].any()
    assert not spikes[900:].any()


def test_spike_times_in_steps_and_seconds():
    for source in (
        nr.SpikeTimes([5, 2], [0, 1]),
        nr.SpikeTimes([5e-3, 2.0004e-3], [0, 1]),
        nr.SpikeTimes(np.array([5, 2], np.uint8), np.array([0, 1], np.int8)),
    ):
        k, i = source.lower(0, "s", 2, 1e-3).events(0, 10)
        assert k.tolist() == [2, 5]
        assert i.tolist() == [1, 0]
    assert not len(nr.SpikeTimes([], []).lower(0, "s", 2, 1e-3).events(0, 10)[0])

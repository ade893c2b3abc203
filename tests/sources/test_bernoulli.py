"""Spikes drawn from gap to gap are independent, with the probability of each unit."""

from itertools import pairwise

import numpy as np
import pytest

from neuro.sources.bernoulli import BLOCK, Steady


def drawn(p, steps, seed=0):
    k, i = Steady(seed, "s", np.asarray(p, float)).events(0, steps)
    spikes = np.zeros((steps, len(p)), bool)
    spikes[k, i] = True
    assert len(k) == spikes.sum()  # no spike twice
    return spikes


@pytest.mark.parametrize("p", [(0.5, 0.2), (0.07, 0.3), (0.9, 0.9)])
def test_patterns_have_the_probability_of_independent_spikes(p):
    steps = 200 * BLOCK
    spikes = drawn(p, steps)
    window = np.concatenate([spikes[:-1:2], spikes[1::2]], 1)  # two steps of two units
    found = np.bincount(window @ [8, 4, 2, 1], minlength=16)
    bits = (np.arange(16)[:, None] >> np.arange(3, -1, -1)) & 1
    chance = np.array([*p, *p])
    expected = np.prod(np.where(bits, chance, 1 - chance), 1) * len(window)
    chi2 = np.sum((found - expected) ** 2 / expected)
    assert chi2 < 37.7  # 15 degrees of freedom: once in a thousand seeds


def test_ends_of_a_block_are_like_its_middle():
    block = Steady(0, "s", np.full(40, 0.03)).block
    assert block > BLOCK
    spikes = drawn([0.03] * 40, 30 * block).reshape(30, block, 40).mean((0, 2))
    sd = np.sqrt(0.03 * 0.97 / 1200)
    assert np.all(np.abs(spikes[[0, 1, -2, -1]] - 0.03) < 4 * sd)


def test_any_cut_of_time_gives_the_same_spikes():
    source = Steady(0, "s", np.linspace(0.0, 0.02, 30))
    whole = source.events(0, 3 * source.block)
    for cuts in ([0, 5, source.block, source.block + 1, 3 * source.block], [0, 3 * source.block]):
        parts = [source.events(a, b) for a, b in pairwise(cuts)]
        for axis in range(2):
            assert np.array_equal(whole[axis], np.concatenate([p[axis] for p in parts]))


def test_rare_spikes_have_the_counts_of_a_poisson_process():
    counts = np.array([drawn([1e-4] * 50, 8 * BLOCK, seed).sum() for seed in range(400)])
    mean = 1e-4 * 50 * 8 * BLOCK
    assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / 400)
    assert 0.8 < counts.var() / mean < 1.2


@pytest.mark.parametrize("p", [0.0, 1e-15, 1.0])
def test_extreme_probabilities(p):
    spikes = drawn([p, p], 3 * BLOCK)
    assert spikes.all() if p == 1 else not spikes.any()
    mixed = drawn([p, 0.5], 40 * BLOCK)
    assert mixed[:, 0].all() if p == 1 else not mixed[:, 0].any()
    assert abs(mixed[:, 1].mean() - 0.5) < 0.02


def test_numbers_do_not_depend_on_the_library_of_the_machine():
    k, i = Steady(0, "golden", np.full(100, 0.0015)).events(0, 60)
    found = list(zip(k.tolist(), i.tolist(), strict=True))
    assert found[:4] == [(6, 5), (6, 72), (12, 22), (13, 13)]


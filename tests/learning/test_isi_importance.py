"""Importance by spike intervals, against statistics of the intervals themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.feedforward import Pass
from neuro.learning.isi_importance import SpikeImportance
from neuro.learning.regulariser import Learned
from neuro.learning.spike_intervals import Importance, IntervalCounters


def trains(seed: int = 0) -> NDArray[np.bool_]:
    """[steps, samples, units]; unit 0 is silent, unit 1 spikes in every fourth step."""
    rng = np.random.default_rng(seed)
    spikes = rng.random((40, 6, 5)) < np.array([0.0, 0.0, 0.1, 0.3, 0.6])
    spikes[::4, :, 1] = True
    return np.asarray(spikes, bool)


def intervals(spikes: NDArray[np.bool_], unit: int) -> NDArray[np.int64]:
    samples = range(spikes.shape[1])
    return np.concatenate([np.diff(np.flatnonzero(spikes[:, n, unit])) for n in samples])


def test_counters_give_mean_and_deviation_of_the_intervals() -> None:
    spikes = trains()
    counters = IntervalCounters(5)
    counters.add(spikes[:, :2])
    counters.add(spikes[:, 2:])
    assert counters.n.dtype == counters.s1.dtype == counters.s2.dtype == np.int64
    cv = counters.cv()
    for unit in range(1, 5):
        d = intervals(spikes, unit)
        assert counters.n[unit] == len(d)
        assert counters.s1[unit] / counters.n[unit] == pytest.approx(d.mean())
        assert cv[unit] == pytest.approx(d.std() / d.mean(), abs=1e-12)
        assert counters.importance()[unit] == pytest.approx(1 / (1 + d.std() / d.mean()))
    assert counters.importance()[1] == 1.0
    assert np.isnan(cv[0])
    assert counters.importance()[0] == 0.0


def test_step_by_step_counts_the_same_and_never_across_samples() -> None:
    spikes = trains(1)
    whole, single = IntervalCounters(5), IntervalCounters(5)
    whole.add(spikes)
    for sample in range(spikes.shape[1]):
        for step, units in enumerate(spikes[:, sample]):
            single.spiked(step, units)
        single.next_sample()
    for name in ("n", "s1", "s2"):
        assert getattr(whole, name).tolist() == getattr(single, name).tolist()


def test_what_neurons_counted_themselves_is_added() -> None:
    whole, parts = IntervalCounters(5), IntervalCounters(5)
    for spikes in (trains(1), trains(2)):
        alone = IntervalCounters(5)
        alone.add(spikes)
        whole.add(spikes)
        parts.add_sums(alone.n.astype(np.float32), alone.s1 + 1e-6, alone.s2)
    assert parts.importance().tolist() == whole.importance().tolist()


def test_one_interval_is_not_enough() -> None:
    counters = IntervalCounters(2)
    train = np.zeros((9, 2), bool)
    train[[1, 4], 0] = train[[1, 4, 7], 1] = True
    counters.add(train)
    assert counters.n.tolist() == [1, 2]
    assert counters.importance().tolist() == [0.0, 1.0]
    assert counters.regular(1, 10).tolist() == [False, True]


def test_regularity_is_decided_by_integers() -> None:
    counters = IntervalCounters(5)
    counters.add(trains(2))
    for numerator in range(1, 13):
        cv = counters.cv()
        assert counters.regular(numerator, 10).tolist() == (cv < numerator / 10).tolist()


def test_the_largest_importance_of_all_tasks_counts() -> None:
    layer = Importance(2, "isi-cv", np.arange(2))
    assert layer.omega.tolist() == [0.0, 0.0]
    found = []
    for seed in range(3):
        spikes = np.random.default_rng(seed).random((60, 2)) < 0.4
        alone = IntervalCounters(2)
        alone.add(spikes)
        found.append(alone.importance())
        layer.counters.add(spikes)
        layer.finish()
        assert layer.counters.n.tolist() == [0, 0]
        np.testing.assert_array_equal(layer.omega, np.max(found, axis=0))
    assert np.argmax(found, axis=0).tolist() != [2, 2]
    np.testing.assert_array_equal(layer.plasticity(0.5), 1 - 0.5 * layer.omega)


def finished(kind: str, strength: float = 2.0) -> tuple[SpikeImportance, NDArray[np.bool_]]:
    """After one task of a network 4-5-5-3 whose hidden layers spike as trains 3 and 4."""
    first, second = trains(3), trains(4)
    guard = SpikeImportance(strength, kind, images=100)
    weights = [torch.rand(5, 5), torch.rand(6, 5), torch.rand(6, 3)]
    guard.begin(weights, frozenset({0, 1}))
    assert guard.tethers() == []

    def look(x: torch.Tensor) -> Pass:
        chosen = x[:, 0].long()
        layers = [torch.tensor(s, dtype=torch.float32)[:, chosen] for s in (first, second)]
        return Pass([x, *layers], [])

    numbers = torch.arange(6.0)[:, None]
    guard.finish(Learned(weights, numbers, None, look, np.random.default_rng(5)))
    guard.begin([w + 1 for w in weights], frozenset({2}))
    return guard, first


def test_a_synapse_has_the_importance_of_its_target_and_the_readout_that_of_its_source() -> None:
    guard, first = finished("isi-cv")
    hidden, deep, readout = guard.tethers()
    omega = [layer.omega for layer in guard.layers]
    d = intervals(first, 3)
    assert omega[0][3] == pytest.approx(1 / (1 + d.std() / d.mean()))
    assert hidden.stiffness.shape == (5, 5)
    np.testing.assert_allclose(hidden.stiffness, np.tile(2 * omega[0], (5, 1)), rtol=1e-6)
    np.testing.assert_allclose(deep.stiffness, np.tile(2 * omega[1], (6, 1)), rtol=1e-6)
    # The readout's last row are biases: weights of a unit that is always on.
    expected = 2 * np.append(omega[1], 1.0)[:, None] * np.ones(3)
    np.testing.assert_allclose(readout.stiffness, expected, rtol=1e-6)
    assert torch.equal(readout.anchor, guard.anchor[2])


def test_controls_have_the_same_values_elsewhere_or_their_mean_everywhere() -> None:
    real, shuffled, uniform = (finished(k)[0] for k in ("isi-cv", "shuffled", "uniform"))
    for a, b, c in zip(real.layers, shuffled.layers, uniform.layers, strict=True):
        assert sorted(a.omega) == sorted(b.omega)
        assert a.omega.tolist() != b.omega.tolist()
        assert c.omega == pytest.approx([a.omega.mean()] * 5)
        assert a.omega.std() > 0.1


def test_mistakes_are_named() -> None:
    with pytest.raises(DescriptionError, match="importance 'cv' is unknown"):
        SpikeImportance(1.0, "cv")
    with pytest.raises(DescriptionError, match="importance 'cv' is unknown"):
        Importance(2, "cv", np.arange(2))
    with pytest.raises(DescriptionError, match="strength of uniform is -1"):
        SpikeImportance(-1.0, "uniform")
    with pytest.raises(DescriptionError, match="images of isi-cv is 0"):
        SpikeImportance(1.0, images=0)
    with pytest.raises(DescriptionError, match="units: 0"):
        IntervalCounters(0)
    with pytest.raises(DescriptionError, match=r"shape \(4, 3\) do not fit"):
        IntervalCounters(2).add(np.zeros((4, 3), bool))

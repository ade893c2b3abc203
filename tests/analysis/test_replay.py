"""Reactivation: planted patterns are found, chance is not, and p-values of chance are uniform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest

from neuro.analysis import find_replay
from neuro.errors import DescriptionError
from neuro.random import stream

UNITS, STEPS, CLASSES = 40, 2000, 4


def awake(seed: int = 0, per_class: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Ten units of each class are active for it, with noise."""
    labels = np.repeat(np.arange(CLASSES), per_class)
    active = np.arange(UNITS) // 10 == labels[:, None]
    return active * 0.8 + 0.2 * stream(seed, "awake").random((len(labels), UNITS)), labels


def raster(probability: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Spikes with a probability [steps, units]."""
    steps, units = np.nonzero(stream(seed, "asleep").random(probability.shape) < probability)
    return steps, units


def look(spikes: Any, layer: Any = None, labels: Any = None, **options: Any) -> Any:
    if layer is None:
        layer, labels = awake()
    options = {"windows": 60, "shuffles": 199, "stream": stream(3, "test")} | options
    return find_replay(layer, labels, spikes, STEPS, **options)


def test_a_planted_class_is_found_and_the_others_are_not() -> None:
    probability = np.full((STEPS, UNITS), 0.002)
    probability[:, 20:30] = 0.02  # the units of class 2 fire
    found = look(raster(probability))
    assert found.classes.tolist() == [0, 1, 2, 3]
    assert found.correlation[2] > 0.7 and found.p_values[2] == pytest.approx(1 / 200)
    assert max(found.correlation[[0, 1, 3]]) < 0 and min(found.p_values[[0, 1, 3]]) > 0.5
    assert found.correlation[2] > found.shuffled_high[2] > 0
    # A tenth of 40 units, all of class 2, fire at 0.02.
    assert found.top_rates[2] == pytest.approx(0.02, rel=0.25)
    assert max(found.top_rates[[0, 1, 3]]) < 0.004
    assert found.rate == pytest.approx(0.0065, rel=0.1)
    assert found.windows == 60


def test_replay_of_class_after_class_is_specific() -> None:
    probability = np.full((STEPS, UNITS), 0.002)
    for start in range(0, STEPS, 100):
        unit = 10 * (start // 100 % CLASSES)
        probability[start : start + 100, unit : unit + 10] = 0.05
    found = look(raster(probability), window=50)
    assert found.specific.observed > found.specific.high
    assert found.specific.p_value == pytest.approx(1 / 200)
    # Every unit fires alike over the whole sleep: nothing to find without the classes.
    assert found.match.p_value > 0.05


def test_units_that_are_always_active_are_matched_but_say_nothing_of_classes() -> None:
    layer, labels = awake()
    layer[:, :20] += 2.0  # active for every class
    probability = np.full((STEPS, UNITS), 0.002)
    probability[:, :20] = 0.02
    found = look(raster(probability), layer, labels)
    assert found.match.p_value == pytest.approx(1 / 200) and found.match.observed > 0.5
    assert found.top.p_value == pytest.approx(1 / 200)
    assert found.specific.p_value > 0.05


def test_chance_gives_uniform_p_values() -> None:
    match, top, specific = [], [], []
    for seed in range(60):
        draw = stream(seed, "rates")
        probability = np.broadcast_to(draw.random(UNITS) * 0.01, (STEPS, UNITS))
        layer, labels = awake(seed, per_class=5)
        found = look(
            raster(probability, seed), layer, labels, windows=20, shuffles=59,
            stream=stream(seed, "test"),
        )  # fmt: skip
        match.append(found.match.p_value)
        top.append(found.top.p_value)
        specific.append(found.specific.p_value)
    for values in (match, top, specific):
        assert kstest(values, "uniform").pvalue > 0.01
        assert np.mean(np.array(values) <= 0.1) < 0.25


def test_correlation_is_the_mean_over_windows() -> None:
    """One window that is the whole sleep: the correlation of means with counts."""
    probability = np.full((STEPS, UNITS), 0.002)
    probability[:, :10] = 0.01
    layer, labels = awake()
    steps, units = raster(probability)
    found = look((steps, units), layer, labels, window=STEPS, windows=3)
    counts = np.bincount(units, minlength=UNITS)
    for c in range(CLASSES):
        expected = np.corrcoef(layer[labels == c].mean(axis=0), counts)[0, 1]
        assert found.correlation[c] == pytest.approx(expected)
    chosen = layer[labels == 0].mean(axis=0).argsort()[-4:]
    assert found.top_rates[0] == pytest.approx(counts[chosen].mean() / STEPS)
    assert found.match.observed == pytest.approx(found.correlation.mean())
    assert found.top.observed == pytest.approx(found.top_rates.mean())
    # Equal windows do not fluctuate, so nothing can be specific.
    assert np.isnan(found.specific.p_value)


def test_windows_hold_their_first_step_and_not_the_one_after_the_last() -> None:
    """Unit 0 fires in even steps, unit 1 in odd ones: windows of one step tell them apart."""
    steps = np.arange(STEPS)
    layer, labels = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 0])
    found = find_replay(layer, labels, (steps, steps % 2), STEPS, window=1, stream=stream(0, "t"))
    assert abs(found.correlation[0]) <= 1 and found.windows == 200
    two = find_replay(layer, labels, (steps, steps % 2), STEPS, window=2, stream=stream(0, "t"))
    assert two.windows == 0  # both fire once in any two steps
    assert np.isnan(two.correlation).all() and np.isnan(two.match.p_value)
    assert two.rate == 0.5


def test_unit_correlation_is_the_mean_over_pairs_of_units() -> None:
    layer, labels = awake()
    found = look(raster(np.full((STEPS, UNITS), 0.01)), layer, labels)
    r = np.corrcoef(layer[labels == 1].T)
    assert found.unit_correlation[1] == pytest.approx(r[~np.eye(UNITS, dtype=bool)].mean())
    assert found.normalised[1] == pytest.approx(found.correlation[1] / found.unit_correlation[1])


def test_a_silent_layer_gives_no_numbers() -> None:
    found = look((np.empty(0, int), np.empty(0, int)))
    assert found.windows == 0 and found.rate == 0
    assert np.isnan(found.correlation).all() and np.isnan(found.p_values).all()
    for test in (found.match, found.top, found.specific):
        assert np.isnan(test.p_value)


def test_a_single_class_cannot_be_specific() -> None:
    layer, labels = awake()
    found = look(raster(np.full((STEPS, UNITS), 0.01)), layer[labels == 0], labels[labels == 0])
    assert np.isnan(found.specific.p_value) and not np.isnan(found.match.p_value)


def test_a_layer_that_is_silent_awake_for_one_class_leaves_the_others() -> None:
    layer, labels = awake()
    layer[labels == 3] = 0
    probability = np.full((STEPS, UNITS), 0.002)
    probability[:, :10] = 0.02
    found = look(raster(probability), layer, labels)
    assert np.isnan(found.correlation[3]) and np.isnan(found.p_values[3])
    assert found.p_values[0] < 0.05 and found.match.observed == pytest.approx(
        np.nanmean(found.correlation)
    )


def test_equal_streams_give_equal_results() -> None:
    spikes = raster(np.full((STEPS, UNITS), 0.005))
    first, second = (look(spikes, stream=stream(1, "same")) for _ in range(2))
    assert first.p_values.tolist() == second.p_values.tolist()
    assert first.specific == second.specific


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 2001}, "window=2001"),
        ({"windows": 0}, "windows=0"),
        ({"top": 41}, "top=41"),
        ({"spikes": ([0, 1], [0])}, "same length"),
        ({"spikes": ([2000], [0])}, "steps span 2000 to 2000, outside 0 to 1999"),
        ({"spikes": ([0], [40])}, "units span 40 to 40, outside 0 to 39"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    spikes = options.pop("spikes", ([1], [1]))
    with pytest.raises(DescriptionError, match=message):
        look(spikes, **options)

"""Confusion, old-data curve and courses over time, on numbers known beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuro.analysis import (
    Confusion,
    accuracy_course,
    confusion,
    crossing_point,
    layer_spikes,
    old_data_curve,
)
from neuro.errors import DescriptionError

# --- confusion -------------------------------------------------------------------------------


def test_rows_are_actual_classes_and_columns_answers() -> None:
    found = confusion([0, 0, 0, 1, 1, 3], [0, 3, 3, 1, 1, 1], 4)
    assert found.counts.tolist() == [[1, 0, 0, 2], [0, 2, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert found.fractions[0] == pytest.approx([1 / 3, 0, 0, 2 / 3])
    assert np.isnan(found.fractions[2]).all()  # a class without images
    assert found.accuracy == 0.5
    assert found.answered([3]) == pytest.approx(2 / 6)
    assert found.answered([1, 3, 3]) == pytest.approx(5 / 6)
    assert np.isnan(Confusion(np.zeros((2, 2), int)).accuracy)


@pytest.mark.parametrize("counts", [np.zeros((2, 3), int), np.zeros((2, 2)), -np.eye(2, dtype=int)])
def test_only_square_counts_are_a_confusion(counts: np.ndarray) -> None:
    with pytest.raises(DescriptionError, match="square matrix of counts"):
        Confusion(counts)


# --- old data --------------------------------------------------------------------------------


def test_crossing_point_of_two_known_lines() -> None:
    x = np.array([0.0, 0.1, 0.2, 0.5])
    assert crossing_point(x, 0.2 + 2 * x, 0.5) == pytest.approx(0.15)
    assert crossing_point(x, 0.2 + 2 * x, 0.2) == 0.0
    assert crossing_point(x, 0.2 + 2 * x, 0.1) == 0.0
    assert crossing_point(x, 0.2 + 2 * x, 1.2) == pytest.approx(0.5)
    assert np.isnan(crossing_point(x, 0.2 + 2 * x, 1.21))
    # The first of several crossings, between points that are not evenly spaced.
    assert crossing_point([0, 0.2, 0.3, 0.4], [0, 1, 0, 1], 0.5) == pytest.approx(0.1)


def test_curve_crosses_where_the_means_meet_and_seed_by_seed() -> None:
    shares = [0.5, 0.0, 0.1]  # given in any order
    awake = np.array([[0.9, 0.7], [0.2, 0.2], [0.4, 0.3]])
    curve = old_data_curve(shares, awake, [0.5, 0.6], both=awake + 0.05)
    assert curve.shares.tolist() == [0.0, 0.1, 0.5]
    assert curve.awake.tolist() == [[0.2, 0.2], [0.4, 0.3], [0.9, 0.7]]
    assert curve.both is not None and curve.both[0] == pytest.approx([0.25, 0.25])
    # Means 0.2, 0.35, 0.8 against 0.55.
    assert curve.crossing == pytest.approx(0.1 + 0.4 * 0.2 / 0.45)
    assert curve.crossings == pytest.approx([0.1 + 0.4 * 0.1 / 0.5, 0.1 + 0.4 * 0.3 / 0.4])
    assert np.isnan(old_data_curve(shares, awake, [0.9, 0.9]).crossing)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 0.1], [[1.0], [1.0]], [0.5, 0.5]), r"\[shares, seeds\]"),
        (([0, 0], [[1.0], [1.0]], [0.5]), "different fractions"),
        (([0, 10], [[1.0], [1.0]], [0.5]), "from 0 to 1"),
        (([0, 0.1], [[1.0], [1.0]], [0.5], [[1.0]]), r"both: shape \(1, 1\)"),
    ],
)
def test_curves_that_do_not_fit_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        old_data_curve(*arguments)


def test_a_line_must_rise_in_x() -> None:
    with pytest.raises(DescriptionError, match="must rise"):
        crossing_point([0, 0], [1, 2], 1)
    with pytest.raises(DescriptionError, match="same length"):
        crossing_point([0, 1], [1], 1)


# --- courses ---------------------------------------------------------------------------------


def test_accuracy_rows_alternate_between_training_and_sleep() -> None:
    matrix = [[1.0, None, 0.5], [0.9, None, 0.45], [0.2, 1.0, 0.6], [0.7, 0.8, 0.75]]
    course = accuracy_course([matrix, matrix])
    assert course.trained[1, :, -1].tolist() == [0.5, 0.6]
    assert course.slept[1, :, 0].tolist() == [0.9, 0.7]
    assert course.gain[0] == pytest.approx([-0.05, 0.15])
    np.testing.assert_array_equal(course.phases[0], np.array(matrix, float))
    with pytest.raises(DescriptionError, match=r"\(1, 3, 3\)"):
        accuracy_course([matrix[:3]])


def test_rates_are_spikes_per_unit_and_step() -> None:
    counts = [[[40, 4, 0], [80, 0, 0]], [[20, 2, 1], [0, 0, 0]]]
    found = layer_spikes(counts, sizes=[4, 2, 1], steps=[10, 20])
    assert found.rates[0].tolist() == [[1.0, 0.2, 0.0], [1.0, 0.0, 0.0]]
    assert found.rates[1, 0] == pytest.approx([0.5, 0.1, 0.1])
    assert found.silent.tolist() == [1, 2, 3]
    with pytest.raises(DescriptionError, match=r"steps \(1,\)"):
        layer_spikes(counts, sizes=[4, 2, 1], steps=[10])
    with pytest.raises(DescriptionError, match="at least 1"):
        layer_spikes(counts, sizes=[4, 2, 0], steps=[10, 20])

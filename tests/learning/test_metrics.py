"""Metrics of continual learning on cases worked out by hand."""

import math

import numpy as np
import pytest

from neuro.errors import DescriptionError
from neuro.learning import metrics
from neuro.learning.continual_results import merits

# Task 0 falls 0.9 -> 0.5 -> 0.6; task 1 rises to 0.8, then falls to 0.7; task 2 ends at 1.0.
R = np.array([[0.9, 0.1, 0.0], [0.5, 0.8, 0.2], [0.6, 0.7, 1.0]])


def test_average_accuracy_is_the_mean_of_the_last_row() -> None:
    assert metrics.average_accuracy(R) == pytest.approx(2.3 / 3)


def test_backward_transfer_compares_the_end_with_the_diagonal() -> None:
    assert metrics.backward_transfer(R) == pytest.approx(((0.6 - 0.9) + (0.7 - 0.8)) / 2)


def test_forgetting_is_the_drop_from_the_best() -> None:
    assert metrics.forgetting(R) == pytest.approx(((0.9 - 0.6) + (0.8 - 0.7)) / 2)


def test_forgetting_and_transfer_differ_when_a_task_peaks_later() -> None:
    late = np.array([[0.5, 0, 0], [0.9, 0.5, 0], [0.5, 0.5, 0.5]])
    assert metrics.backward_transfer(late) == pytest.approx(0.0)
    assert metrics.forgetting(late) == pytest.approx(0.2)


def test_one_task_has_neither_forgetting_nor_transfer() -> None:
    one = np.array([[0.97]])
    assert math.isnan(metrics.forgetting(one))
    assert math.isnan(metrics.backward_transfer(one))
    assert metrics.average_accuracy(one) == pytest.approx(0.97)


def test_what_was_not_measured_before_a_task_was_learned_counts_for_nothing() -> None:
    nan = math.nan
    seen = np.array([[0.9, nan, nan], [0.5, 0.8, nan], [0.6, 0.7, 1.0]])
    assert metrics.average_accuracy(seen) == pytest.approx(2.3 / 3)
    assert metrics.backward_transfer(seen) == pytest.approx(-0.2)
    assert metrics.forgetting(seen) == pytest.approx(0.2)
    lost = merits(seen)
    assert lost["backward_transfer"] == pytest.approx(-0.2)
    seen[1, 0] = nan  # task 0 was learned, and not tested since
    assert merits(seen)["forgetting"] is None


LABELS = np.array([0, 0, 1, 1, 2, 3])
PREDICTED = np.array([0, 1, 1, 1, 0, 3])


def test_group_accuracies_end_with_the_overall_accuracy() -> None:
    row = metrics.group_accuracies(LABELS, PREDICTED, [(0, 1), (2, 3), (8, 9)])
    assert row[[0, 1, 3]] == pytest.approx([3 / 4, 1 / 2, 4 / 6])
    assert math.isnan(row[2])
    assert metrics.accuracy(LABELS, PREDICTED) == pytest.approx(4 / 6)


def test_per_class_accuracy_is_recall() -> None:
    got = metrics.per_class_accuracy(LABELS, PREDICTED, 5)
    assert got[:4] == pytest.approx([1 / 2, 1, 0, 1])
    assert math.isnan(got[4])


def test_confusion_rows_are_actual_classes() -> None:
    expected = [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert metrics.confusion_matrix(LABELS, PREDICTED, 4).tolist() == expected


def test_confusion_refuses_classes_outside() -> None:
    with pytest.raises(DescriptionError, match="predictions span 0 to 3, outside 0 to 2"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0, 3]), 3)


def test_mean_and_sd_use_the_sample_deviation() -> None:
    assert metrics.mean_and_sd([1.0, 3.0]) == pytest.approx((2.0, math.sqrt(2)))
    assert metrics.mean_and_sd([0.5]) == (0.5, 0.0)
    with pytest.raises(DescriptionError, match="at least one"):
        metrics.mean_and_sd([])


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.zeros(4), np.zeros((0, 0))])
def test_an_accuracy_matrix_must_be_square(bad: np.ndarray) -> None:
    with pytest.raises(DescriptionError, match="square"):
        metrics.forgetting(bad)


def test_labels_and_predictions_must_match() -> None:
    with pytest.raises(DescriptionError, match="same length"):
        metrics.accuracy(np.array([1, 2]), np.array([1]))

"""Figures of merit of continual learning.

The central object is the accuracy matrix ``R``: ``R[i, j]`` is the accuracy on task ``j`` after
task ``i`` has been learned (and slept on), measured on test images of task ``j`` with all classes
as possible answers. Accuracies are fractions. ``R[i, j]`` may be NaN, not measured, where
``j > i``; the figures of merit need the others only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def _pair(labels: IntArray, predicted: IntArray) -> tuple[IntArray, IntArray]:
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    if labels.ndim != 1 or labels.shape != predicted.shape or len(labels) == 0:
        raise DescriptionError(
            f"labels {labels.shape} and predictions {predicted.shape} must be two vectors of the "
            "same length, not empty"
        )
    return labels, predicted


def _matrix(matrix: FloatArray) -> FloatArray:
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) == 0:
        raise DescriptionError(
            f"an accuracy matrix is square, [after task, on task]; this one is {matrix.shape}"
        )
    return matrix


def accuracy(labels: IntArray, predicted: IntArray) -> float:
    """Fraction of predictions that equal their label; both of shape [n]."""
    labels, predicted = _pair(labels, predicted)
    return float(np.mean(labels == predicted))


def group_accuracies(
    labels: IntArray, predicted: IntArray, groups: Sequence[Sequence[int]]
) -> FloatArray:
    """Accuracy on each group of classes, and over all images: one row of an accuracy matrix.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape [n]
        True and predicted classes.
    groups : sequence of sequences of int
        The classes of each task, none in two of them.

    Returns
    -------
    ndarray, shape [groups + 1]
        Accuracy per group, then overall. NaN for a group without any image.
    """
    labels, predicted = _pair(labels, predicted)
    columns = np.full(len(labels), -1, np.intp)
    for i, classes in enumerate(groups):
        columns[np.isin(labels, classes)] = i
    return column_accuracies(labels, predicted, columns, len(groups))


def column_accuracies(
    labels: IntArray, predicted: IntArray, columns: NDArray[np.intp], n_columns: int
) -> FloatArray:
    """Accuracy on the images of each column, and over all: one row of an accuracy matrix.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape [n]
        True and predicted classes.
    columns : ndarray of int, shape [n]
        Column that each image counts for; it may be none of them.
    n_columns : int
        Number of columns.

    Returns
    -------
    ndarray, shape [n_columns + 1]
        Accuracy per column, then overall. NaN for a column without any image.
    """
    labels, predicted = _pair(labels, predicted)
    right = labels == predicted
    row = np.full(n_columns + 1, np.nan)
    for i in range(n_columns):
        chosen = columns == i
        if chosen.any():
            row[i] = right[chosen].mean()
    row[-1] = right.mean()
    return row


def per_class_accuracy(labels: IntArray, predicted: IntArray, n_classes: int) -> FloatArray:
    """Accuracy on the images of each class (recall), shape [n_classes]; NaN where none."""
    return group_accuracies(labels, predicted, [(c,) for c in range(n_classes)])[:-1]


def confusion_matrix(labels: IntArray, predicted: IntArray, n_classes: int) -> IntArray:
    """Counts of (actual, predicted) pairs.

    Parameters
    ----------
    labels, predicted : ndarray of int, shape [n]
        True and predicted classes, ``0 <= class < n_classes``.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of int64, shape [n_classes, n_classes]
        Rows are actual classes, columns predicted ones.
    """
    labels, predicted = _pair(labels, predicted)
    for name, values in (("labels", labels), ("predictions", predicted)):
        if values.min() < 0 or values.max() >= n_classes:
            raise DescriptionError(
                f"{name} span {values.min()} to {values.max()}, outside 0 to {n_classes - 1}"
            )
    counts = np.bincount(labels * n_classes + predicted, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes).astype(np.int64)


def average_accuracy(matrix: FloatArray) -> float:
    r"""Mean accuracy over tasks at the end (Lopez-Paz & Ranzato 2017, eq. 2).

    .. math:: \mathrm{ACC} = \frac{1}{T} \sum_{j=1}^{T} R_{T,j}

    Parameters
    ----------
    matrix : ndarray, shape [T, T]
        ``R[i, j]``, accuracy on task j after task i.
    """
    return float(_matrix(matrix)[-1].mean())


def backward_transfer(matrix: FloatArray) -> float:
    r"""How later learning changed earlier tasks (Lopez-Paz & Ranzato 2017, eq. 3).

    .. math:: \mathrm{BWT} = \frac{1}{T-1} \sum_{j=1}^{T-1} \left( R_{T,j} - R_{j,j} \right)

    Negative values mean forgetting. NaN for a single task.

    Parameters
    ----------
    matrix : ndarray, shape [T, T]
        ``R[i, j]``, accuracy on task j after task i.
    """
    matrix = _matrix(matrix)
    if len(matrix) < 2:
        return float("nan")
    return float(np.mean((matrix[-1] - np.diag(matrix))[:-1]))


def forgetting(matrix: FloatArray) -> float:
    r"""Mean drop of earlier tasks from the best they ever were (Chaudhry et al. 2018, eq. 3).

    .. math:: F = \frac{1}{T-1} \sum_{j=1}^{T-1}
              \left( \max_{i \in \{1, \dots, T-1\}} R_{i,j} - R_{T,j} \right)

    Positive values mean forgetting. NaN for a single task.

    Parameters
    ----------
    matrix : ndarray, shape [T, T]
        ``R[i, j]``, accuracy on task j after task i.
    """
    matrix = _matrix(matrix)
    if len(matrix) < 2:
        return float("nan")
    # What was not measured, before a task was learned, cannot be its best.
    best = np.fmax.reduce(matrix[:-1, :-1], axis=0)
    return float(np.mean(best - matrix[-1, :-1]))


def mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1); the deviation of one value is 0."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) == 0:
        raise DescriptionError("mean and deviation need at least one value")
    return float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else 0.0

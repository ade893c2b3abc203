"""What is taken for what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError
from neuro.learning import metrics

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Confusion:
    """Answers to the images of each class.

    Attributes
    ----------
    counts : int64 array [classes, classes]
        Images; rows are actual classes, columns answers.
    """

    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        counts = np.asarray(self.counts)
        square = counts.ndim == 2 and counts.shape[0] == counts.shape[1] and counts.size > 0
        if not square or counts.dtype.kind not in "iu" or counts.min() < 0:
            raise DescriptionError(
                f"Confusion counts: shape {counts.shape}, dtype {counts.dtype}; give a square "
                "matrix of counts, rows actual classes, columns answers"
            )
        object.__setattr__(self, "counts", counts.astype(np.int64))

    @property
    def fractions(self) -> FloatArray:
        """Share of each row, [classes, classes]; NaN in the row of a class without images."""
        total = self.counts.sum(axis=1, keepdims=True)
        shares = np.full(self.counts.shape, np.nan)
        np.divide(self.counts, total, out=shares, where=total > 0)
        return shares

    @property
    def accuracy(self) -> float:
        """Fraction of all images whose answer is right; NaN without images."""
        total = self.counts.sum()
        return float(np.trace(self.counts) / total) if total else float("nan")

    def answered(self, classes: Iterable[int]) -> float:
        """Fraction of all answers, right or wrong, that name one of these classes.

        For the classes of the newest task this is how strongly they attract everything: near 1
        after training in sequence, near their share of the images if nothing is forgotten.
        """
        total = self.counts.sum()
        named = self.counts[:, sorted(set(classes))].sum()
        return float(named / total) if total else float("nan")


def confusion(labels: ArrayLike, predicted: ArrayLike, n_classes: int) -> Confusion:
    """Count answers by actual class.

    Parameters
    ----------
    labels, predicted : array of int, shape [images]
        Actual classes and answers, ``0 <= class < n_classes``.
    n_classes : int
        Number of classes.

    Returns
    -------
    Confusion
    """
    actual, answers = np.asarray(labels), np.asarray(predicted)
    return Confusion(metrics.confusion_matrix(actual, answers, n_classes))

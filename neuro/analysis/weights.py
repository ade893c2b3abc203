"""How a sleep changed the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class WeightChange:
    """Weights of one matrix before and after, as histograms.

    Attributes
    ----------
    edges : float64 array [bins + 1]
        Edges of the bins of weights; they hold every weight of both times.
    before, after : int64 array [bins]
        Number of weights.
    rose_before, rose_after : int64 array [bins]
        The same of those weights alone that rose.
    fell_before, fell_after : int64 array [bins]
        The same of those that fell.
    change_edges : float64 array [bins + 1]
        Edges of the bins of changes.
    change : int64 array [bins]
        Number of weights by change, after minus before, unchanged ones included.
    up, down : float
        Fraction of all weights that rose, that fell.
    mean_before, mean_after : float
        Mean weights.
    """

    edges: FloatArray
    before: IntArray
    after: IntArray
    rose_before: IntArray
    rose_after: IntArray
    fell_before: IntArray
    fell_after: IntArray
    change_edges: FloatArray
    change: IntArray
    up: float
    down: float
    mean_before: float
    mean_after: float

    @property
    def unchanged(self) -> float:
        """Fraction of all weights that are exactly what they were."""
        moved = self.rose_before.sum() + self.fell_before.sum()
        return float(1 - moved / self.before.sum())


def weight_change(before: ArrayLike, after: ArrayLike, bins: int = 60) -> WeightChange:
    """Compare a matrix with what became of it.

    Parameters
    ----------
    before, after : arrays of the same shape
        Weights of the same synapses; finite.
    bins : int
        Of each histogram.

    Returns
    -------
    WeightChange
    """
    old, new = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if old.shape != new.shape or old.size == 0:
        raise DescriptionError(
            f"weight_change: before has shape {old.shape}, after {new.shape}; give the same "
            "matrix twice, not empty"
        )
    if not (np.isfinite(old).all() and np.isfinite(new).all()):
        raise DescriptionError("weight_change: not all weights are finite; has the sleep diverged?")
    if bins < 1:
        raise DescriptionError(f"weight_change bins: {bins}; give at least 1")
    edges = np.histogram_bin_edges(np.concatenate([old.ravel(), new.ravel()]), bins)
    difference = new - old
    change, change_edges = np.histogram(difference, bins)
    rose, fell = difference > 0, difference < 0

    def counted(weights: FloatArray) -> IntArray:
        return np.histogram(weights, edges)[0].astype(np.int64)

    return WeightChange(
        edges=edges,
        before=counted(old),
        after=counted(new),
        rose_before=counted(old[rose]),
        rose_after=counted(new[rose]),
        fell_before=counted(old[fell]),
        fell_after=counted(new[fell]),
        change_edges=change_edges,
        change=change.astype(np.int64),
        up=float(rose.mean()),
        down=float(fell.mean()),
        mean_before=float(old.mean()),
        mean_after=float(new.mean()),
    )

"""Accuracy and firing in the course of learning and sleeping."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AccuracyCourse:
    """Accuracy after every training and every sleep.

    Attributes
    ----------
    trained, slept : float64 array [seeds, tasks, groups + 1]
        Accuracy on each group of classes, and on all (last), after the training of each task and
        after the sleep that followed; NaN where a group has no test images.
    """

    trained: FloatArray
    slept: FloatArray

    @property
    def gain(self) -> FloatArray:
        """What each sleep added to the accuracy on all classes, [seeds, tasks]."""
        gained: FloatArray = self.slept[..., -1] - self.trained[..., -1]
        return gained

    @property
    def phases(self) -> FloatArray:
        """Both in order of time, [seeds, 2 * tasks, groups + 1]."""
        seeds, tasks, columns = self.trained.shape
        return np.stack([self.trained, self.slept], axis=2).reshape(seeds, 2 * tasks, columns)


def accuracy_course(matrices: ArrayLike) -> AccuracyCourse:
    """Sort the accuracy matrices of several runs by phase.

    Parameters
    ----------
    matrices : array [seeds, 2 * tasks, groups + 1]
        As :attr:`neuro.learning.continual_results.SeedResult.accuracy_matrix`: rows after
        training and after sleep in turn; columns the groups of classes, then all. None counts as
        undefined.

    Returns
    -------
    AccuracyCourse
    """
    array = np.array(matrices, dtype=np.float64)
    if array.ndim != 3 or array.shape[1] % 2 or array.size == 0:
        raise DescriptionError(
            f"accuracy_course matrices: shape {array.shape}; give [seeds, 2 * tasks, groups + 1]"
        )
    return AccuracyCourse(trained=array[:, 0::2], slept=array[:, 1::2])


@dataclass(frozen=True, eq=False)
class LayerSpikes:
    """Firing of each layer in each sleep.

    Attributes
    ----------
    counts : int64 array [seeds, sleeps, layers]
        Spikes, input layer first.
    rates : float64 array [seeds, sleeps, layers]
        Spikes per unit and step.
    """

    counts: NDArray[np.int64]
    rates: FloatArray

    @property
    def silent(self) -> NDArray[np.int64]:
        """Number of sleeps without a spike, [layers]; no weight onto such a layer can change."""
        return np.asarray((self.counts == 0).sum(axis=(0, 1)), np.int64)


def layer_spikes(counts: ArrayLike, sizes: ArrayLike, steps: ArrayLike) -> LayerSpikes:
    """Spikes and firing rates by layer.

    Parameters
    ----------
    counts : array of int [seeds, sleeps, layers]
        Spikes, input layer first.
    sizes : array of int [layers]
        Units.
    steps : array of int [sleeps]
        Time steps of each sleep.

    Returns
    -------
    LayerSpikes
    """
    spikes, units, length = (np.asarray(a) for a in (counts, sizes, steps))
    if spikes.ndim != 3 or units.shape != spikes.shape[2:] or length.shape != spikes.shape[1:2]:
        raise DescriptionError(
            f"layer_spikes: counts {spikes.shape}, sizes {units.shape}, steps {length.shape}; "
            "give [seeds, sleeps, layers], [layers] and [sleeps]"
        )
    if np.any(units < 1) or np.any(length < 1):
        raise DescriptionError("layer_spikes: sizes and steps must be at least 1")
    return LayerSpikes(spikes.astype(np.int64), spikes / (length[:, None] * units))

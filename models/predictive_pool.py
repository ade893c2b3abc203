"""Columns and their bookkeeping: which stands for which class, which learns an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.predictive import PredictiveSettings
from neuro.models.predictive import ColumnWeights
from neuro.random import stream

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FREE = -1
"""Label of a column that stands for no class yet."""

STEPS, LARGEST = 256, 127
"""Integer weights: steps per unit, and the largest number of them."""


class ColumnPool:
    """Columns: their weights, labels, and how much each has learned.

    Parameters
    ----------
    settings : PredictiveSettings
    inputs, n_classes : int
    seed : int
        Of the weights of fresh columns.

    Attributes
    ----------
    weights : ColumnWeights
        Of the whole pool.
    label : ndarray of int, shape [columns]
        Class; :data:`FREE` for a column that has none.
    learned : ndarray of int, shape [columns]
        Samples.
    """

    def __init__(
        self, settings: PredictiveSettings, inputs: int, n_classes: int, seed: int
    ) -> None:
        if settings.columns < n_classes:
            raise DescriptionError(
                f"preset: columns is {settings.columns}, but there are {n_classes} classes; every "
                "class needs at least one"
            )
        self.settings, self.n_classes = settings, n_classes
        k, m = settings.columns, settings.latents
        draw, size = stream(seed, "predictive columns"), settings.initial_weights
        self.weights = ColumnWeights(
            draw.normal(0.0, size, (k, m, inputs)),
            draw.normal(0.0, size, (k, inputs, m)),
            np.full((k, m), settings.prior),
        )
        self.label = np.full(k, FREE, np.int64)
        self.learned = np.zeros(k, np.int64)

    def of_class(self, label: int) -> IntArray:
        """Columns that stand for a class."""
        return np.flatnonzero(self.label == label)

    @property
    def used(self) -> IntArray:
        """Columns that stand for any class."""
        return np.flatnonzero(self.label != FREE)

    def candidates(self, labels: Sequence[int]) -> dict[int, IntArray]:
        """Columns that may learn an image of each class: its own, and one that may be recruited.

        A free column for every class that has none yet is kept back, so that a class that comes
        late finds one.
        """
        free = list(np.flatnonzero(self.label == FREE))
        found = {}
        for label in dict.fromkeys(labels):
            own = self.of_class(label)
            young = np.any(self.learned[own] < self.settings.maturity)
            unseen = self.n_classes - len(set(self.label[self.used]) | {label})
            if free and (not len(own) or (not young and len(free) > unseen)):
                own = np.append(own, free.pop(0))
            found[label] = own
        return found

    def learner(self, label: int, candidates: IntArray, power: FloatArray, total: float) -> int:
        """Which of the candidates learns an image: its place among them.

        Parameters
        ----------
        label : int
            Class of the image.
        candidates : ndarray of int
            As :meth:`candidates` gives them.
        power : ndarray, shape [candidates]
            Error that each leaves.
        total : float
            Power of the image itself.
        """
        mine = self.label[candidates] == label
        mature = mine & (self.learned[candidates] >= self.settings.maturity)
        young = np.flatnonzero(~mature)
        new = not mine.any()
        if mature.any():
            new = new or bool(power[mature].min() > self.settings.surprise * total)
        if new and len(young):
            return int(young[0])
        return int(np.where(mine, power, np.inf).argmin())

    def add(
        self, changes: Sequence[tuple[int, ColumnWeights]], rounding: np.random.Generator
    ) -> None:
        """Take what samples changed: pairs of a column and the change of its weights."""
        for column, change in changes:
            self.weights.feedback[column] += change.feedback
            self.weights.feedforward[column] += change.feedforward
            self.weights.prior[column] += change.prior
            self.learned[column] += 1
        if self.settings.integer_weights:
            for column in sorted({column for column, _ in changes}):
                for values in (self.weights.feedback, self.weights.feedforward):
                    values[column] = rounded(values[column], rounding)


def rounded(values: FloatArray, generator: np.random.Generator) -> FloatArray:
    """Whole 256ths from -127 to 127, up or down at random so that the mean stays."""
    steps = np.floor(values * STEPS + generator.random(values.shape))
    return np.clip(steps, -LARGEST, LARGEST) / STEPS

"""Columns and their bookkeeping: which stands for which class, which learns an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.learning.spike_intervals import Importance
from neuro.models.predictive.network import ColumnWeights
from neuro.random import stream

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FREE = -1
"""Label of a column that stands for no class yet."""

UNKNOWN = -1
"""Label of an image whose class nobody tells."""

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
    precision : {"float32", "float64"}
        Of all weights.

    Attributes
    ----------
    weights : ColumnWeights
        Of the whole pool.
    label : ndarray of int, shape [columns]
        Class; :data:`FREE` for a column that has none.
    learned : ndarray of int, shape [columns]
        Samples.
    importance : list of Importance
        Of the latent units of each column; empty without a regulariser.
    """

    def __init__(
        self,
        settings: PredictiveSettings,
        inputs: int,
        n_classes: int,
        seed: int,
        precision: str = "float64",
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
        ).astype(precision)
        self.label = np.full(k, FREE, np.int64)
        self.learned = np.zeros(k, np.int64)
        protected = settings.regulariser != "none"
        self.importance = [
            Importance(
                m, settings.regulariser, stream(seed, "column importance", c).permutation(m)
            )
            for c in range(k * protected)
        ]

    def of_class(self, label: int) -> IntArray:
        """Columns that stand for a class."""
        return np.flatnonzero(self.label == label)

    def candidates(self, label: int) -> IntArray:
        """Columns that may learn an image: those of its class, or all used if it is unknown."""
        return self.used if label == UNKNOWN else self.of_class(label)

    @property
    def used(self) -> IntArray:
        """Columns that stand for any class."""
        return np.flatnonzero(self.label != FREE)

    def spares(self, labels: Sequence[int]) -> dict[int, int]:
        """Free columns that may be recruited for classes: none for a class with a young one.

        An image whose class is unknown recruits none.

        A free column for every class that has none yet is kept back, so that a class that comes
        late finds one.
        """
        free = list(np.flatnonzero(self.label == FREE))
        found = {}
        for label in dict.fromkeys(label for label in labels if label != UNKNOWN):
            own = self.of_class(label)
            young = np.any(self.learned[own] < self.settings.maturity)
            unseen = self.n_classes - len(set(self.label[self.used]) | {label})
            if free and (not len(own) or (not young and len(free) > unseen)):
                found[label] = int(free.pop(0))
        return found

    def learner(self, columns: IntArray, power: FloatArray, total: float, spare: int | None) -> int:
        """Which column learns an image.

        Parameters
        ----------
        columns : ndarray of int
            Those of the image's class.
        power : ndarray, shape [columns]
            Error that each leaves.
        total : float
            Power of the image itself.
        spare : int or None
            Free column that may be recruited.

        Returns
        -------
        int
            The column of least error. When all mature columns are surprised, the class's young
            column, or else the spare one.
        """
        mature = self.learned[columns] >= self.settings.maturity
        surprised = mature.any() and power[mature].min() > self.settings.surprise * total
        if surprised and not mature.all():
            return int(columns[~mature][0])
        if surprised and spare is not None:
            return spare
        return int(columns[power.argmin()])

    def guessed(self, columns: IntArray, power: FloatArray) -> int | None:
        """Which column learns an image whose class is unknown.

        Returns
        -------
        int or None
            The column of least error; None when a column of another class comes close, so that it
            may well be the wrong one.
        """
        best = int(power.argmin())
        others = power[self.label[columns] != self.label[columns[best]]]
        close = others.size and others.min() < self.settings.certainty * power[best]
        return None if close else int(columns[best])

    def finish_task(self) -> None:
        """Protect what the spikes since the last call say is important, with a regulariser."""
        for importance in self.importance:
            importance.finish()

    def plasticity(self, columns: IntArray) -> FloatArray | None:
        """Factors on the learning rates of latent units, shape [..., latents]; None: all are 1.

        Parameters
        ----------
        columns : ndarray of int, any shape
        """
        if not self.importance:
            return None
        strength = self.settings.strength
        factors = {c: self.importance[c].plasticity(strength) for c in np.unique(columns)}
        return np.array([factors[c] for c in columns.flat]).reshape(*columns.shape, -1)

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

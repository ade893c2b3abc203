"""How much rehearsed old data is worth a sleep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class OldDataCurve:
    """Final accuracy against the share of old data that is rehearsed.

    Attributes
    ----------
    shares : float64 array [shares]
        Fraction of all earlier training images that is mixed into each new task, rising.
    awake : float64 array [shares, seeds]
        Final accuracy without sleep.
    asleep : float64 array [seeds]
        Final accuracy with sleep and no old data.
    both : float64 array [shares, seeds] or None
        Final accuracy with sleep and old data, if it was measured.
    """

    shares: FloatArray
    awake: FloatArray
    asleep: FloatArray
    both: FloatArray | None = None

    @property
    def crossing(self) -> float:
        """Share at which the mean of ``awake`` reaches the mean of ``asleep``.

        See :func:`crossing_point`; NaN if no measured share is enough.
        """
        return crossing_point(self.shares, self.awake.mean(axis=1), float(self.asleep.mean()))

    @property
    def crossings(self) -> FloatArray:
        """The same seed by seed, [seeds]."""
        pairs = zip(self.awake.T, self.asleep, strict=True)
        return np.array([crossing_point(self.shares, line, level) for line, level in pairs])


def crossing_point(x: ArrayLike, y: ArrayLike, level: float) -> float:
    """Where a line through points first reaches a level.

    Parameters
    ----------
    x, y : array [points]
        The line, straight between neighbouring points; ``x`` rises.
    level : float
        To be reached from below.

    Returns
    -------
    float
        Smallest x at which the line is at ``level`` or above: ``x[0]`` if it starts there, NaN
        if it never gets there.
    """
    places, values = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if places.ndim != 1 or places.shape != values.shape or len(places) == 0:
        raise DescriptionError(
            f"crossing_point: x has shape {places.shape}, y {values.shape}; give two vectors of "
            "the same length"
        )
    if np.any(np.diff(places) <= 0):
        raise DescriptionError(f"crossing_point x: {places.tolist()} must rise")
    reached = np.flatnonzero(values >= level)
    if len(reached) == 0:
        return float("nan")
    last = int(reached[0])
    if last == 0:
        return float(places[0])
    part = (level - values[last - 1]) / (values[last] - values[last - 1])
    return float(places[last - 1] + part * (places[last] - places[last - 1]))


def old_data_curve(
    shares: ArrayLike, awake: ArrayLike, asleep: ArrayLike, both: ArrayLike | None = None
) -> OldDataCurve:
    """Put measured accuracies together; the order of shares does not matter.

    Parameters
    ----------
    shares : array [shares]
        Fractions, 0 to 1, all different.
    awake : array [shares, seeds]
        Final accuracy without sleep.
    asleep : array [seeds]
        Final accuracy with sleep and no old data, of the same seeds.
    both : array [shares, seeds], optional
        Final accuracy with sleep and old data.

    Returns
    -------
    OldDataCurve
    """
    x, y, level = (np.asarray(a, np.float64) for a in (shares, awake, asleep))
    if x.ndim != 1 or level.ndim != 1 or y.shape != (len(x), len(level)) or y.size == 0:
        raise DescriptionError(
            f"old_data_curve: shares {x.shape}, awake {y.shape}, asleep {level.shape}; give "
            "[shares], [shares, seeds] and [seeds]"
        )
    order = np.argsort(x)
    if x.min() < 0 or x.max() > 1 or np.any(np.diff(x[order]) == 0):
        raise DescriptionError(
            f"old_data_curve shares: {x.tolist()} must be different fractions from 0 to 1"
        )
    with_sleep = None
    if both is not None:
        with_sleep = np.asarray(both, np.float64)
        if with_sleep.shape != y.shape:
            raise DescriptionError(
                f"old_data_curve both: shape {with_sleep.shape}; give {y.shape} as for awake"
            )
        with_sleep = with_sleep[order]
    return OldDataCurve(x[order], y[order], level, with_sleep)

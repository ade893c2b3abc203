"""Spike sources: given times and Poisson processes, as sources of a neuro network."""

from __future__ import annotations

from collections.abc import Sequence
from logging import getLogger

import numpy as np
from numpy.typing import NDArray
from pyNN import errors

import neuro as nr
from neuro.connectivity import IntArray
from neuro.program import EventSource
from neuro.sources import Source

logger = getLogger("PyNN")


def step_of(seconds: NDArray[np.float64], dt: float) -> IntArray:
    """The step that a time lies in: that from k dt to (k + 1) dt.

    A thousandth of a step is forgiven, since multiples of dt are seldom exact.
    """
    return np.floor(seconds / dt + 1e-3).astype(np.int64)


class SpikeTimesError(nr.DescriptionError, errors.InvalidParameterValueError):
    """Spike times that mean nothing; a PyNN script may know it by PyNN's name."""


def check_times(trains: Sequence[NDArray[np.float64]], where: str) -> None:
    """Refuse times that are negative, not finite, or descend.

    Raises
    ------
    SpikeTimesError
    """
    for unit, train in enumerate(trains):
        if not np.all(np.isfinite(train)) or np.any(np.diff(train) < 0) or np.any(train < 0):
            raise SpikeTimesError(
                f"spike_times of unit {unit} of {where}: times must be finite, not negative and"
                " in ascending order; sort them"
            )


def spike_times(trains: Sequence[NDArray[np.float64]], dt: float, where: str) -> nr.SpikeTimes:
    """Replayed spikes.

    A step has one spike of a unit at most; where a train has more, the later ones go to the
    next steps that are free, and the log says how many did.

    Parameters
    ----------
    trains : sequence of arrays, second
        One of each unit, in ascending order.
    dt : float, second
    where : str
        The population, for messages.
    """
    steps: list[IntArray] = []
    moved = 0
    for train in trains:
        found = step_of(train, dt)
        order = np.arange(len(found))
        free = np.maximum.accumulate(found - order) + order if len(found) else found
        moved += int(np.count_nonzero(free != found))
        steps.append(free)
    if moved:
        logger.warning(
            "%d spikes of %s fell into a step of %g ms in which their unit had one already;"
            " they go to the next step",
            moved,
            where,
            dt * 1e3,
        )
    units = np.repeat(np.arange(len(steps)), [len(s) for s in steps])
    return nr.SpikeTimes(np.concatenate([np.zeros(0, np.int64), *steps]), units)


class WindowedRates(Source):
    """Poisson spikes of units that each begin and stop at a time of their own.

    Parameters
    ----------
    rate : array of shape (size,), hertz
    start, stop : array of shape (size,), second
        A unit may spike in the steps that begin at ``start`` or later, and before ``stop``.
    key : str
        Names the random numbers.
    """

    def __init__(
        self,
        rate: NDArray[np.float64],
        start: NDArray[np.float64],
        stop: NDArray[np.float64],
        key: str,
    ) -> None:
        self.rate, self.start, self.stop, self.key = rate, start, stop, key

    def check(self, size: int, where: str) -> None:
        """Refuse rates that are negative or not finite."""
        nr.Poisson(self.rate).check(size, where)

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Poisson spikes of all units, of which those outside of the windows are left out."""
        rates = nr.Poisson(self.rate)
        first, last = (
            np.minimum(np.rint(t / dt), 2.0**62).astype(np.int64) for t in (self.start, self.stop)
        )
        return _Windows(rates.lower(seed, self.key, size, dt), first, last)


class _Windows:
    def __init__(self, source: EventSource, first: IntArray, last: IntArray) -> None:
        self._source, self._first, self._last = source, first, last

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        steps, units = self._source.events(start, stop)
        kept = (steps >= self._first[units]) & (steps < self._last[units])
        return steps[kept], units[kept]

    def replica(self, item: int) -> EventSource:
        return _Windows(self._source.replica(item), self._first, self._last)

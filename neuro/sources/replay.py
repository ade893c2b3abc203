"""Replayed spikes, and sources of their own for the items of a batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.connectivity import IntArray
from neuro.description import Parameter
from neuro.errors import CompileError, DescriptionError
from neuro.program import EventSource
from neuro.sources.base import Source


class SpikeTimes(Source):
    """Replayed spikes.

    Parameters
    ----------
    times : array of int or float, or a quantity in seconds
        Integers are time steps; floats and quantities are seconds, each rounded to the nearest
        step when the network is compiled.
    units : array of int
        Unit of each spike, same length as times. Any order.
    """

    def __init__(self, times: Any, units: ArrayLike) -> None:
        name = "SpikeTimes"
        plain = np.asarray(times)
        quantity = hasattr(times, "dim") or hasattr(times, "dimensionality")
        self.in_steps = plain.dtype.kind in "iu" and not quantity
        if self.in_steps:
            self.times: NDArray[Any] = plain.astype(np.int64).reshape(-1)
        elif plain.size == 0:
            self.times, self.in_steps = np.zeros(0, np.int64), True
        else:
            self.times = np.atleast_1d(Parameter("second").read(times, f"times of {name}"))
        given = np.asarray(units)
        if given.size and given.dtype.kind not in "iu":
            raise DescriptionError(f"units of {name} are {given.dtype}; expected whole numbers")
        self.units = given.astype(np.int64).reshape(-1)
        if self.times.ndim != 1 or len(self.times) != len(self.units):
            raise DescriptionError(
                f"{name}: {self.times.size} times but {self.units.size} units;"
                " give one unit for each time"
            )
        if len(self.times) and self.times.min() < 0:
            raise DescriptionError(f"{name}: time {self.times.min()} is negative; start at 0")
        for array in (self.times, self.units):
            array.flags.writeable = False

    def check(self, size: int, where: str) -> None:
        """Refuse units outside the population."""
        if len(self.units) and not 0 <= self.units.min() <= self.units.max() < size:
            bad = int(self.units.min() if self.units.min() < 0 else self.units.max())
            raise DescriptionError(
                f"{where}: unit {bad} does not exist; the population has units 0..{size - 1}"
            )

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Sort; two spikes of one unit in one step are refused."""
        steps = self.times if self.in_steps else np.rint(self.times / dt).astype(np.int64)
        order = np.lexsort((self.units, steps))
        steps, units = steps[order], self.units[order]
        twice = np.flatnonzero((np.diff(steps) == 0) & (np.diff(units) == 0))
        if len(twice):
            k, i = int(steps[twice[0]]), int(units[twice[0]])
            raise CompileError(
                f"{name}: unit {i} has two spikes in step {k} (dt = {dt:g} s);"
                " remove one or use a smaller dt"
            )
        return _Replay(steps, units)


class _Replay:
    def __init__(self, steps: IntArray, units: IntArray) -> None:
        self._steps, self._units = steps, units

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        low, high = np.searchsorted(self._steps, [start, stop])
        return self._steps[low:high], self._units[low:high]

    def replica(self, item: int) -> EventSource:
        return self


class PerItem(Source):
    """Another source for each item of a batch.

    Parameters
    ----------
    sources : iterable of Source
        Source b drives item b. A run without batch sees the first.

    Examples
    --------
    >>> net.drive("image", nr.PerItem([nr.Poisson(rate=200 * image) for image in images]))
    >>> sim = nr.compile(net, backend="torch", batch=len(images))
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        if isinstance(sources, Source) or not isinstance(sources, Iterable):
            raise DescriptionError(
                f"sources of PerItem are {sources!r}; expected a sequence of sources"
            )
        self.sources = tuple(sources)
        if not self.sources:
            raise DescriptionError("sources of PerItem are empty; give at least one source")
        for i, source in enumerate(self.sources):
            if not isinstance(source, Source):
                raise DescriptionError(
                    f"sources of PerItem: item {i} is {source!r}, not a source such as"
                    " Poisson(rate=…)"
                )

    def check(self, size: int, where: str) -> None:
        """Refuse when one of the sources does not fit."""
        for i, source in enumerate(self.sources):
            source.check(size, f"{where}, item {i}")

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Each on its own random stream: item b is what the source would be as item b."""
        return _Items([s.lower(seed, name, size, dt) for s in self.sources], name)


class _Items:
    def __init__(self, sources: list[EventSource], name: str) -> None:
        self._sources, self._name = sources, name

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        return self._sources[0].events(start, stop)

    def replica(self, item: int) -> EventSource:
        if item >= len(self._sources):
            raise CompileError(
                f"{self._name}: PerItem has {len(self._sources)} sources, but the batch has an item"
                f" {item}; give one source per item"
            )
        return self._sources[item].replica(item)

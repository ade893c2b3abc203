"""Independent spikes with given probabilities, drawn in blocks of steps.

The numbers of a block depend only on seed, name and block, so any stretch of time can be drawn at
any moment, in any order, with equal results.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.equations.functions import log
from neuro.random import stream

#: Steps drawn from one random stream at a time, by sources whose rates change in time.
BLOCK = 256

#: Steady sources draw longer blocks when spikes are few, so that each is worth its overhead.
SPIKES_OF_A_BLOCK, LONGEST_BLOCK = 4096, 1 << 16


class Bernoulli(ABC):
    """An event source (:class:`neuro.program.EventSource`) of ``size`` units."""

    def __init__(self, seed: int, name: str, size: int, block: int = BLOCK) -> None:
        self.seed, self.name, self.size, self.block = seed, name, size, block
        self._stream = f"spikes of {name}"
        self._cached: tuple[int, IntArray] | None = None

    def replica(self, item: int) -> Self:
        """The same statistics, in a batch: item 0 has these numbers, others their own."""
        if item == 0:
            return self
        made = copy(self)
        made._stream, made._cached = f"{self._stream}, item {item}", None
        return made

    @abstractmethod
    def draw(self, first: int, generator: np.random.Generator) -> IntArray:
        """Spikes of the block that begins at step ``first``.

        They are given as ``(step - first) * size + unit``, in ascending order.
        """

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Spikes of steps ``start <= k < stop``, sorted by step, then unit."""
        places = [np.zeros(0, np.int64)]
        for index in range(start // self.block, -(-stop // self.block)):
            first = index * self.block
            found = self._block(index)
            limits = np.array([start - first, stop - first]) * self.size
            low, high = np.searchsorted(found, limits)
            places.append(found[low:high] + first * self.size)
        steps, units = np.divmod(np.concatenate(places), max(self.size, 1))
        return steps, units

    def _block(self, index: int) -> IntArray:
        if self._cached is None or self._cached[0] != index:
            generator = stream(self.seed, self._stream, index)
            self._cached = index, self.draw(index * self.block, generator)
        return self._cached[1]


class Varying(Bernoulli):
    """Probabilities that differ from step to step: a number is drawn for each step and unit."""

    @abstractmethod
    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Probability of a spike, broadcastable to ``[BLOCK, size]``, from step ``first`` on.

        May draw from the generator (before the spikes do).
        """

    def draw(self, first: int, generator: np.random.Generator) -> IntArray:
        """Spikes of a block."""
        p = self.probabilities(first, generator)
        return np.flatnonzero(generator.random((BLOCK, self.size)) < p)


class Steady(Bernoulli):
    """Probabilities that stay the same, ``p`` of shape (size,): drawn from spike to spike.

    The work grows with the number of spikes, not of steps. Gaps between successes of equal
    probability are geometric, drawn by inversion (Devroye 1986, *Non-Uniform Random Variate
    Generation*, ch. X.2). They are drawn for the largest of the probabilities; of the spikes so
    found each unit keeps the part that is due to it.
    """

    def __init__(self, seed: int, name: str, p: NDArray[np.float64]) -> None:
        # Below 1e-12 no spike comes in a lifetime, and 1 - p would soon be 1.
        self._p, self._top = p, max(p.max(initial=0.0), 1e-12)
        block = BLOCK
        while block < LONGEST_BLOCK and block * len(p) * self._top < SPIKES_OF_A_BLOCK:
            block *= 2
        super().__init__(seed, name, len(p), block)

    def draw(self, first: int, generator: np.random.Generator) -> IntArray:
        """Spikes of a block."""
        slots, top = self.block * self.size, self._top
        expected = slots * top
        count = int(expected + 4 * np.sqrt(expected)) + 4  # seldom too few
        found, last = [], -1
        while last < slots:
            gaps = np.minimum(np.floor(log(1.0 - generator.random(count)) / log(1.0 - top)), slots)
            found.append(last + np.cumsum(gaps.astype(np.int64) + 1))
            last = int(found[-1][-1])
        places = np.concatenate(found)
        places = places[places < slots]
        kept = generator.random(len(places)) * top < self._p[places % self.size]
        return np.asarray(places[kept])

"""What every source is, and independent random spikes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.description import Described, Value
from neuro.errors import DescriptionError
from neuro.program import EventSource
from neuro.random import stream

#: Steps drawn from one random stream at a time.
BLOCK = 256


class Source(Described, ABC):
    """Base of all sources; what a network calls when it meets one."""

    @abstractmethod
    def check(self, size: int, where: str) -> None:
        """Refuse, when the population is made, what cannot drive ``size`` units."""

    @abstractmethod
    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """The spikes as data, for time steps of dt seconds."""


class Bernoulli(ABC):
    """Independent spikes with given probabilities per step, drawn in blocks of steps.

    The numbers of a block depend only on seed, name and block, so any stretch of time can be
    drawn at any moment, in any order, with equal results.
    """

    def __init__(self, seed: int, name: str, size: int) -> None:
        self.seed, self.name, self.size = seed, name, size
        self._stream = f"spikes of {name}"
        self._cached: tuple[int, NDArray[np.bool_]] | None = None

    def replica(self, item: int) -> EventSource:
        """The same statistics, in a batch: item 0 has these numbers, others their own."""
        if item == 0:
            return self
        made = copy(self)
        made._stream, made._cached = f"{self._stream}, item {item}", None
        return made

    @abstractmethod
    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Probability of a spike, broadcastable to ``[BLOCK, size]``, from step ``first`` on.

        May draw from the generator (before the spikes do).
        """

    def _block(self, index: int) -> NDArray[np.bool_]:
        if self._cached is None or self._cached[0] != index:
            generator = stream(self.seed, self._stream, index)
            p = self.probabilities(index * BLOCK, generator)
            self._cached = index, generator.random((BLOCK, self.size)) < p
        return self._cached[1]

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Spikes of steps ``start <= k < stop``, sorted by step, then unit."""
        steps, units = [], []
        for index in range(start // BLOCK, -(-stop // BLOCK)):
            low, high = max(start, index * BLOCK), min(stop, (index + 1) * BLOCK)
            k, i = np.nonzero(self._block(index)[low - index * BLOCK : high - index * BLOCK])
            steps.append(k + low)
            units.append(i)
        if not steps:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(steps), np.concatenate(units)


def check_shape(value: Value, size: int, where: str) -> None:
    """Refuse a per-unit array whose length is not the population's size."""
    if np.ndim(value) and np.shape(value) != (size,):
        raise DescriptionError(
            f"{where} has shape {np.shape(value)}; expected one number or shape ({size},)"
        )

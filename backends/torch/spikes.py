"""The spikes of a population: those of the running chunk of steps, and those still on their way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.connectivity import IntArray
from neuro.program import EventSource

#: Steps and units of spikes.
Train = tuple[IntArray, IntArray]

NONE: IntArray = np.zeros(0, np.int64)
SILENCE: Train = NONE, NONE


@dataclass(frozen=True, eq=False)
class Events:
    """Spikes of several items, sorted by step, item, unit or by item, step, unit."""

    steps: IntArray
    items: IntArray
    units: IntArray

    def by_item(self) -> Events:
        """Sorted by item; the order within an item stays."""
        # A stable sort of short numbers is a radix sort.
        short = self.items.astype(np.uint16) if self.items.max(initial=0) < 2**16 else self.items
        order = np.argsort(short, kind="stable")
        return Events(self.steps[order], self.items[order], self.units[order])


NO_EVENTS = Events(NONE, NONE, NONE)


def joined(parts: list[Events]) -> Events:
    """One after the other."""
    return Events(
        np.concatenate([NONE, *(p.steps for p in parts)]),
        np.concatenate([NONE, *(p.items for p in parts)]),
        np.concatenate([NONE, *(p.units for p in parts)]),
    )


class SpikeList(ABC):
    """Spikes of some rows (the items of a step, or steps of items) as numbers, in order.

    Attributes
    ----------
    rows, size : int
        Number of rows; units of the population.
    """

    def __init__(self, rows: int, size: int, device: torch.device) -> None:
        self.rows, self.size, self._device = rows, size, device

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def flat(self) -> IntArray:
        """``row * size + unit`` of each spike, ascending."""

    @property
    @abstractmethod
    def unit(self) -> IntArray:
        """Unit of each spike."""

    @property
    @abstractmethod
    def edges(self) -> IntArray:
        """Where the spikes of each row begin, and where the last end."""

    @cached_property
    def row(self) -> IntArray:
        """Row of each spike."""
        return np.repeat(np.arange(self.rows), np.diff(self.edges))

    @cached_property
    def places(self) -> Tensor:
        """``flat`` as a tensor."""
        return self._tensor(self.flat)

    @cached_property
    def row_index(self) -> Tensor:
        """``row`` as a tensor."""
        return self._tensor(self.row)

    @cached_property
    def unit_index(self) -> Tensor:
        """``unit`` as a tensor."""
        return self._tensor(self.unit)

    @cached_property
    def bounds(self) -> Tensor:
        """``edges`` as a tensor."""
        return self._tensor(self.edges)

    def mask(self) -> Tensor:
        """The spikes as truth values ``[rows, size]``."""
        mask = torch.zeros(self.rows * self.size, dtype=torch.bool, device=self._device)
        mask.index_fill_(0, self.places, True)
        return mask.view(self.rows, self.size)

    def _tensor(self, values: IntArray) -> Tensor:
        found = torch.from_numpy(values)
        return found if self._device.type == "cpu" else found.to(self._device)


class FlatSpikes(SpikeList):
    """Spikes given by their places.

    Parameters
    ----------
    flat : array of int
    rows, size : int
    device : torch.device
    """

    def __init__(self, flat: IntArray, rows: int, size: int, device: torch.device) -> None:
        super().__init__(rows, size, device)
        self._flat = flat

    def __len__(self) -> int:
        return len(self._flat)

    @property
    def flat(self) -> IntArray:
        """As given."""
        return self._flat

    @cached_property
    def unit(self) -> IntArray:
        """The rest of a division."""
        return self._flat if self.rows == 1 else self._flat % self.size

    @cached_property
    def edges(self) -> IntArray:
        """Found by search."""
        return np.searchsorted(self._flat, np.arange(self.rows + 1) * self.size)


class MaskedSpikes(SpikeList):
    """Spikes given by truth values, listed only when somebody asks for the list.

    Parameters
    ----------
    mask : Tensor ``[rows, size]``
        On a CPU; it must stay as it is.
    """

    def __init__(self, mask: Tensor) -> None:
        rows, size = mask.shape
        super().__init__(rows, size, mask.device)
        self._mask, self._on_host = mask, mask.numpy().reshape(-1)

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return int(np.count_nonzero(self._on_host))

    @cached_property
    def _list(self) -> FlatSpikes:
        flat = np.flatnonzero(self._on_host)
        return FlatSpikes(flat, self.rows, self.size, self._device)

    @property
    def flat(self) -> IntArray:
        """Where they are true."""
        return self._list.flat

    @property
    def unit(self) -> IntArray:
        """Of the list."""
        return self._list.unit

    @property
    def edges(self) -> IntArray:
        """Of the list."""
        return self._list.edges

    def mask(self) -> Tensor:
        """As given."""
        return self._mask


class RowSpikes(SpikeList):
    """Spikes given row by row.

    Parameters
    ----------
    unit, edges : array of int
    size : int
    device : torch.device
    """

    def __init__(self, unit: IntArray, edges: IntArray, size: int, device: torch.device) -> None:
        super().__init__(len(edges) - 1, size, device)
        self._unit, self._edges = unit, edges

    def __len__(self) -> int:
        return len(self._unit)

    @property
    def unit(self) -> IntArray:
        """As given."""
        return self._unit

    @property
    def edges(self) -> IntArray:
        """As given."""
        return self._edges

    @cached_property
    def flat(self) -> IntArray:
        """Computed."""
        return self.row * self.size + self._unit


@dataclass(frozen=True, eq=False)
class Chosen:
    """Single synapses, each with its row, in the order of arrival.

    Attributes
    ----------
    row, synapse : array of int
    rows : int
        Number of rows.
    """

    row: IntArray
    synapse: IntArray
    rows: int

    def __len__(self) -> int:
        return len(self.synapse)


#: Spikes: a list, or truth values ``[rows, units]``.
Spikes = Union[SpikeList, Tensor]
#: What arrives: spikes; or, where each synapse has a delay, synapses, which as truth values
#: are ``[rows, synapses]``.
Arriving = Union[Spikes, Chosen]


def possible(found: Arriving | None) -> bool:
    """Whether there can be something to do; truth values are not looked at."""
    return found is not None and (isinstance(found, Tensor) or len(found) > 0)


class Feed:
    """What a source emits, one replica of it an item.

    Parameters
    ----------
    source : EventSource
    items : int
    before : int
        Steps for which its spikes can be on their way.
    """

    def __init__(self, source: EventSource, items: int, before: int) -> None:
        self._replicas = [source.replica(item) for item in range(items)]
        self._before, self._stop = before, 0
        #: Steps and units of the spikes of each item, in two pieces: older ones, the last loaded.
        self._emitted: list[tuple[Train, Train]] = [(SILENCE, SILENCE)] * items

    def load(self, start: int, stop: int) -> None:
        """Have at hand the spikes of the steps ``start - before <= k < stop``."""
        for item, replica in enumerate(self._replicas):
            old = [_window(train, start - self._before, start) for train in self._emitted[item]]
            steps, units = (np.concatenate(both) for both in zip(*old, strict=True))
            self._emitted[item] = (steps, units), replica.events(start, stop)
        self._stop = stop

    def within(self, start: int, stop: int) -> list[tuple[Train, Train]]:
        """Steps and units of the spikes with ``start <= step < stop``: for each item two pieces."""
        return [
            (_window(old, start, stop), _window(new, start, stop)) for old, new in self._emitted
        ]

    def listed(self, start: int, stop: int, size: int, device: torch.device) -> SpikeList:
        """The same as a list; its rows are the steps of the first item, of the second, ..."""
        ends, units, count = [np.zeros(1, np.int64)], [NONE], 0
        steps = np.arange(start + 1, stop + 1)
        for pieces in self.within(start, stop):
            end = np.full(len(steps), count)
            for k, unit in pieces:
                if len(k):
                    end += np.searchsorted(k, steps)
                    units.append(unit)
                    count += len(k)
            ends.append(end)
        return RowSpikes(np.concatenate(units), np.concatenate(ends), size, device)

    def events(self, start: int, stop: int) -> Events:
        """The same, sorted by item, step, unit."""
        parts = [
            Events(steps, np.full(len(steps), item), units)
            for item, pieces in enumerate(self.within(start, stop))
            for steps, units in pieces
        ]
        return joined(parts)

    def recent(self) -> Events:
        """Spikes that are still on their way."""
        return self.events(self._stop - self._before, self._stop)

    def restore(self, events: Events, stop: int) -> None:
        """Set the spikes that are still on their way before step ``stop``."""
        self._stop = stop
        for item in range(len(self._emitted)):
            own = events.items == item
            self._emitted[item] = (events.steps[own], events.units[own]), SILENCE


def _window(train: Train, start: int, stop: int) -> Train:
    steps, units = train
    low, high = np.searchsorted(steps, (start, stop))
    return steps[low:high], units[low:high]


class History:
    """Spikes of a population as truth values, a row for each step; as lists when asked for.

    Row ``before + j`` is step j of the running chunk; the rows in front are the steps before it.

    Parameters
    ----------
    items, size : int
        Shape of a row.
    before, chunk : int
        Number of rows before the chunk and of it.
    device : torch.device
    """

    def __init__(
        self, items: int, size: int, before: int, chunk: int, device: torch.device
    ) -> None:
        self.items, self.size, self.before = items, size, before
        self.masks = torch.zeros((before + chunk, items, size), dtype=torch.bool, device=device)
        #: One tensor ``[items, size]`` a step.
        self.rows: list[Tensor] = list(self.masks.unbind(0))
        self._on_host: NDArray[Any] | None = None
        if device.type == "cpu":
            self._on_host = self.masks.numpy().reshape(before + chunk, -1)
        self._lists: list[SpikeList | None] = [None] * (before + chunk)

    def changed(self, row: int) -> None:
        """Say that the truth values of a step are new."""
        self._lists[row] = None

    def spikes(self, row: int) -> SpikeList:
        """The spikes of a step as a list (on a CPU)."""
        found = self._lists[row]
        if found is None:
            found = self._lists[row] = MaskedSpikes(self.rows[row])
        return found

    def load(self, events: Events, start: int, steps: int = 0) -> None:
        """Take over what was emitted until the end of the first ``steps`` steps of the chunk.

        ``start`` is the first of them. Truth values of later ones mean nothing.
        """
        self.masks[: self.before + steps].zero_()
        self._lists = [None] * len(self._lists)
        row = (events.steps - (start - self.before)) * self.items + events.items
        place = torch.from_numpy(row * self.size + events.units).to(self.masks.device)
        self.masks.view(-1).index_fill_(0, place, True)

    def events(self, low: int, high: int, first: int) -> Events:
        """Spikes of the rows ``low <= row < high``, of which the first is step ``first``."""
        if self._on_host is None:
            flat = self.masks[low:high].reshape(high - low, -1).nonzero().cpu().numpy()
            rows, both = flat[:, 0], flat[:, 1]
        else:
            lists = [self.spikes(row).flat for row in range(low, high)]
            rows = np.repeat(np.arange(high - low), [len(found) for found in lists])
            both = np.concatenate([NONE, *lists])
        return Events(rows + first, both // self.size, both % self.size)

    def advance(self, steps: int) -> None:
        """Go on to the next chunk, ``steps`` later."""
        self._lists = [None] * len(self._lists)
        if self.before:
            self.masks[: self.before] = self.masks[steps : steps + self.before].clone()

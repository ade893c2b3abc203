"""What is kept of a run: traces in a buffer on the device, spikes from the history."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.backends.torch.memory import Memory
from neuro.backends.torch.spikes import Events, joined
from neuro.connectivity import IntArray
from neuro.program import Program, Record


class Trace:
    """Rows of one recorded array; read from the device once a chunk.

    Parameters
    ----------
    memory : Memory
    record : Record
    dtype : numpy dtype
        Type of the array in the program.
    chunk : int
        Steps of a chunk.
    """

    def __init__(self, memory: Memory, record: Record, dtype: np.dtype[Any], chunk: int) -> None:
        self._memory, self._name, self._dtype = memory, record.array, dtype
        self._units = None
        if record.units is not None:
            self._units = torch.from_numpy(record.units.copy()).to(memory.device)
        width = self._values().shape[-1]
        kind = memory.tensors[self._name].dtype
        self._buffer = torch.empty((chunk, memory.items, width), dtype=kind, device=memory.device)
        self._rows = self._buffer.unbind(0)
        self._parts: list[NDArray[Any]] = []

    def _values(self) -> Tensor:
        values = self._memory.tensors[self._name]
        values = values.reshape(self._memory.items if self._memory.per_item(self._name) else 1, -1)
        return values if self._units is None else values.index_select(1, self._units)

    def keep(self, j: int) -> None:
        """Copy the values of this moment, the end of step j of the chunk."""
        self._rows[j].copy_(self._values())

    def end_chunk(self, steps: int) -> None:
        """Take the chunk's rows from the device."""
        rows = self._buffer[:steps].cpu().numpy()
        self._parts.append(rows.astype(self._dtype))

    def take(self, batch: int | None) -> NDArray[Any]:
        """All rows since the last call, ``[steps, units]`` or ``[items, steps, units]``."""
        empty = np.empty((0, *self._buffer.shape[1:]), self._dtype)
        rows, self._parts = np.concatenate([empty, *self._parts]), []
        return np.asarray(rows[:, 0] if batch is None else rows.swapaxes(0, 1))


def width_of(program: Program, record: Record) -> int:
    """Number of values in a row of a trace."""
    if record.units is not None:
        return len(record.units)
    return program.arrays[record.array].initial.size


def spike_arrays(
    parts: list[Events], units: IntArray | None, batch: int | None
) -> tuple[IntArray, ...]:
    """Recorded spikes in the form of :class:`neuro.engine.Recorded`; ``units``: only those."""
    events = joined(parts)
    if units is not None:
        keep = np.isin(events.units, units)
        events = Events(events.steps[keep], events.items[keep], events.units[keep])
    return as_arrays(events, batch)


def as_arrays(events: Events, batch: int | None) -> tuple[IntArray, ...]:
    """(steps, units), or (steps, units, items) sorted by item when there is a batch."""
    if batch is None:
        return events.steps, events.units
    events = events.by_item()
    return events.steps, events.units, events.items

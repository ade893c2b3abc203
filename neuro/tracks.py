"""What a program records, and the pieces in which an engine returns it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neuro.connectivity import IntArray
from neuro.engine import Recorded
from neuro.program import Program, Record

SPIKES = "spikes"


@dataclass(frozen=True, eq=False)
class Track:
    """One recorded thing.

    Attributes
    ----------
    owner, variable : str
        Population or projection, and ``"spikes"`` or a variable of it.
    width : int
        How many units (synapses) were recorded.
    units : array of int, optional
        Which ones; None: all, 0 to width - 1.
    every : int
        Steps from one row to the next.
    axis : str
        What a column is: ``"unit"`` or ``"synapse"``.
    unit : str
        SI unit of the values; empty where the description says none.
    dtype : str
        NumPy type of the values.
    """

    owner: str
    variable: str
    width: int
    units: IntArray | None = None
    every: int = 1
    axis: str = "unit"
    unit: str = ""
    dtype: str = "int64"

    @property
    def name(self) -> str:
        """Qualified name, ``owner.variable``."""
        return f"{self.owner}.{self.variable}"

    @property
    def indices(self) -> IntArray:
        """Index of the unit (synapse) in each column."""
        return np.arange(self.width) if self.units is None else self.units

    def columns(self, units: IntArray) -> IntArray:
        """Column of each unit."""
        if self.units is None:
            return units
        order = np.argsort(self.units)
        return order[np.searchsorted(self.units[order], units)]

    def steps(self, start: int, stop: int) -> IntArray:
        """The steps ``start <= k < stop`` whose values are kept."""
        return np.arange(start + -(start + 1) % self.every, stop, self.every)

    def rows(self, start: int, stop: int, first: int = 0) -> slice:
        """Rows of the steps ``start <= k < stop`` among the kept ones from step first on."""
        before = first // self.every
        return slice(start // self.every - before, stop // self.every - before)


@dataclass(frozen=True, eq=False)
class Heading:
    """What is known of a recording before its data are read.

    Attributes
    ----------
    name : str
        Of the network.
    dt : float
        Time step in seconds.
    start, stop : int
        First step, and the one after the last.
    tracks : tuple
        What was recorded.
    batch : int, optional
        Number of items of a batched run.
    planned : int, optional
        Where the run would have stopped, had it not been cut off.
    """

    name: str
    dt: float
    start: int
    stop: int
    tracks: tuple[Track, ...]
    batch: int | None = None
    planned: int | None = None


def tracks(program: Program) -> tuple[Track, ...]:
    """What a program records; traces in the order of ``program.records``, spikes among them."""
    return tuple(_track(program, record) for record in program.records)


def _track(program: Program, record: Record) -> Track:
    if record.variable == SPIKES:
        size = program.sizes[record.owner]
        return Track(record.owner, SPIKES, _width(record, size), record.units)
    array = program.arrays[record.array]
    return Track(
        record.owner,
        record.variable,
        _width(record, array.initial.size),
        record.units,
        record.every,
        "unit" if array.domain in program.sizes else "synapse",
        array.unit,
        array.initial.dtype.str,
    )


def _width(record: Record, size: int) -> int:
    return size if record.units is None else len(record.units)


def thinned(recorded: Recorded, records: Sequence[Record], start: int) -> Recorded:
    """Only the rows that are kept, of a piece that began at step start with a row per step."""
    kept = {}
    for index, rows in recorded.traces.items():
        every = records[index].every
        chosen = rows[..., -(start + 1) % every :: every, :]
        # A view would keep all rows in memory.
        kept[index] = rows if every == 1 else chosen.copy()
    return Recorded(recorded.spikes, kept, recorded.batch)


def joined(parts: Sequence[Recorded]) -> Recorded:
    """Successive pieces as one."""
    first = parts[0]
    spikes = {name: joined_spikes([p.spikes[name] for p in parts]) for name in first.spikes}
    traces = {i: np.concatenate([p.traces[i] for p in parts], axis=-2) for i in first.traces}
    return Recorded(spikes, traces, first.batch)


def joined_spikes(parts: Sequence[tuple[IntArray, ...]]) -> tuple[IntArray, ...]:
    """Spikes of successive pieces as one; batched ones are sorted by item again."""
    found = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
    if len(found) < 3:
        return found
    order = np.argsort(found[2], kind="stable")
    return tuple(column[order] for column in found)


def size(recorded: Recorded) -> int:
    """Bytes of what a piece recorded."""
    spikes = sum(column.nbytes for found in recorded.spikes.values() for column in found)
    return spikes + sum(rows.nbytes for rows in recorded.traces.values())

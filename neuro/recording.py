"""What a run recorded: spikes and traces by name, from memory or from a folder."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.description import Parameter, whole_steps
from neuro.engine import Recorded
from neuro.errors import DescriptionError
from neuro.members import Population, Projection
from neuro.notebook import table
from neuro.program import Program
from neuro.tracks import SPIKES, Heading, Track, tracks

if TYPE_CHECKING:
    import neo
    import pandas as pd
    import xarray as xr

    from neuro.plotting.recording import RecordingPlots


class Store(Protocol):
    """Where the data of a recording are. Windows of steps lie within the recording."""

    def windows(self) -> Sequence[tuple[int, int]]:
        """Stretches of steps, in order, that fit into memory one at a time."""
        ...

    def spikes(self, population: str, start: int, stop: int) -> tuple[IntArray, ...]:
        """Spikes of steps ``start <= k < stop`` as in :class:`neuro.engine.Recorded`."""
        ...

    def count(self, population: str) -> int:
        """Number of all spikes."""
        ...

    def trace(self, index: int, start: int, stop: int) -> NDArray[Any]:
        """Kept rows of the steps ``start <= k < stop``, ``[(items,) rows, columns]``."""
        ...


class Memory:
    """The data of a run that was not streamed."""

    def __init__(self, heading: Heading, recorded: Recorded) -> None:
        self._heading, self._recorded = heading, recorded

    def windows(self) -> Sequence[tuple[int, int]]:
        """The whole run."""
        return [(self._heading.start, self._heading.stop)]

    def spikes(self, population: str, start: int, stop: int) -> tuple[IntArray, ...]:
        """Spikes of a stretch."""
        found = self._recorded.spikes[population]
        if (start, stop) == (self._heading.start, self._heading.stop):
            return found
        inside = (found[0] >= start) & (found[0] < stop)
        return tuple(part[inside] for part in found)

    def count(self, population: str) -> int:
        """Number of all spikes."""
        return len(self._recorded.spikes[population][0])

    def trace(self, index: int, start: int, stop: int) -> NDArray[Any]:
        """Kept rows of a stretch."""
        rows = self._heading.tracks[index].rows(start, stop, self._heading.start)
        return np.asarray(self._recorded.traces[index])[..., rows, :]


class Recording:
    """What one run recorded. Steps are absolute: they count from the first run.

    Made by :meth:`neuro.Simulation.run` and :func:`neuro.open_recording`. In a batched recording
    ``item=`` picks one item; without it arrays have an item axis in front.
    """

    def __init__(self, heading: Heading, store: Store) -> None:
        self._heading, self._store = heading, store
        #: First step of the run, and the one after its last.
        self.start, self.stop = heading.start, heading.stop
        #: Time step in seconds.
        self.dt = heading.dt
        #: Number of items of a batched run, else None.
        self.batch = heading.batch
        #: Name of the network.
        self.name = heading.name

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return (self.stop - self.start) * self.dt

    @property
    def complete(self) -> bool:
        """False for a folder whose run was cut off; calling that run again completes it."""
        return self._heading.planned in (None, self.stop)

    @property
    def populations(self) -> list[str]:
        """Populations whose spikes were recorded."""
        return [t.owner for t in self._heading.tracks if t.variable == SPIKES]

    @property
    def traces(self) -> list[tuple[str, str]]:
        """(owner, variable) of everything recorded beside spikes."""
        return [(t.owner, t.variable) for t in self._heading.tracks if t.variable != SPIKES]

    # --- data ---

    def spikes(
        self,
        population: Population | str,
        *,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
    ) -> tuple[IntArray, IntArray]:
        """Spikes as (steps, units), sorted by step, then unit.

        Parameters
        ----------
        population : Population or str
        start, stop : int, optional
            Only the steps ``start <= k < stop``.
        item : int, optional
            Which item of a batched recording; :meth:`batch_spikes` gives those of all.

        Raises
        ------
        DescriptionError
            When the population's spikes were not recorded, or the window lies outside.
        """
        chosen = self._one_item(item, "spikes", "batch_spikes")
        steps, units, *items = self._spikes(population, start, stop)
        if chosen is None:
            return steps, units
        mask = items[0] == chosen
        return steps[mask], units[mask]

    def batch_spikes(
        self,
        population: Population | str,
        *,
        start: int | None = None,
        stop: int | None = None,
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Spikes of a batched recording as (steps, units, items), sorted by item, step and unit."""
        if self.batch is None:
            raise DescriptionError("batch_spikes: this recording is not batched; use spikes")
        steps, units, items = self._spikes(population, start, stop)
        return steps, units, items

    def _spikes(
        self, population: Population | str, start: int | None, stop: int | None
    ) -> tuple[IntArray, ...]:
        _, track = self._find(population, SPIKES)
        return self._store.spikes(track.owner, *self._window(start, stop))

    def trace(
        self,
        owner: Population | Projection | str,
        variable: str,
        *,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
    ) -> NDArray[Any]:
        """Values at the end of steps, shape ``[rows, units]``, batched ``[items, rows, units]``.

        Rows belong to the steps of :meth:`trace_steps`, columns to the indices of :meth:`units`.

        Raises
        ------
        DescriptionError
            When the variable was not recorded, or the window lies outside.
        """
        index, track = self._find(owner, variable)
        if variable == SPIKES:
            raise DescriptionError(f"spikes are no trace; call rec.spikes({track.owner!r})")
        low, high = self._window(start, stop)
        chosen = self._item(item)
        rows = self._store.trace(index, low, high)
        return rows if chosen is None else rows[chosen]

    def trace_steps(
        self,
        owner: Population | Projection | str,
        variable: str,
        *,
        start: int | None = None,
        stop: int | None = None,
    ) -> IntArray:
        """Step of each row of :meth:`trace`."""
        _, track = self._find(owner, variable)
        return track.steps(*self._window(start, stop))

    def units(self, owner: Population | Projection | str, variable: str = SPIKES) -> IntArray:
        """Which units (synapses) were recorded, in the order of the columns."""
        return self._find(owner, variable)[1].indices

    def si_unit(self, owner: Population | Projection | str, variable: str) -> str:
        """SI unit of a trace, e.g. ``"volt"``; empty where the description says none."""
        return self._find(owner, variable)[1].unit

    # --- statistics ---

    def counts(
        self,
        population: Population | str,
        *,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
    ) -> IntArray:
        """Number of spikes per recorded unit, ``[units]`` in the order of :meth:`units`."""
        _, track = self._find(population, SPIKES)
        total = np.zeros((self.batch or 1, track.width), np.int64)
        for found in self._parts(track, start, stop):
            items = found[2] if len(found) > 2 else 0
            place = items * track.width + track.columns(found[1])
            total += np.bincount(place, minlength=total.size).reshape(total.shape)
        return self._picked(total, item)

    def rate(
        self,
        population: Population | str,
        bin_width: Any = 10e-3,
        *,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean firing rate of the recorded units in bins of time.

        Parameters
        ----------
        population : Population or str
        bin_width : float, second
            A multiple of dt. The first bin begins at ``start``; the last may be shorter, which
            its rate takes into account.
        start, stop, item
            As in :meth:`spikes`.

        Returns
        -------
        times : array of float, second
            Where each bin begins.
        rates : array of float, hertz
            ``[bins]``, batched ``[items, bins]``.
        """
        _, track = self._find(population, SPIKES)
        low, high = self._window(start, stop)
        edges = self._edges(low, high, bin_width)
        total = np.zeros((self.batch or 1, len(edges) - 1), np.int64)
        for found in self._parts(track, start, stop):
            items = found[2] if len(found) > 2 else 0
            place = items * total.shape[1] + np.searchsorted(edges, found[0], "right") - 1
            total += np.bincount(place, minlength=total.size).reshape(total.shape)
        rates = (total / (track.width * np.diff(edges) * self.dt)).astype(np.float64)
        times = np.asarray(edges[:-1] * self.dt, np.float64)
        return times, self._picked(rates, item)

    def isi(
        self, population: Population | str, unit: int | None = None, *, item: int | None = None
    ) -> NDArray[np.float64]:
        """Intervals between successive spikes of a unit, in seconds.

        Parameters
        ----------
        population : Population or str
        unit : int, optional
            Of one unit; by default those of all units, one after the other.
        item : int, optional
            Of one item of a batched recording.
        """
        if self.batch is None or item is not None:
            found: tuple[IntArray, ...] = self.spikes(population, item=item)
        else:
            found = self.batch_spikes(population)
        if unit is not None:
            if unit not in self.units(population):
                raise DescriptionError(
                    f"isi: spikes of unit {unit!r} of {self._find(population, SPIKES)[1].owner!r}"
                    " were not recorded"
                )
            found = tuple(part[found[1] == unit] for part in found)
        order = np.lexsort(found)
        steps, *trains = (part[order] for part in found)
        same = np.ones(max(len(steps) - 1, 0), bool)
        for train in trains:
            same &= np.diff(train) == 0
        intervals: NDArray[np.float64] = np.diff(steps)[same] * self.dt
        return intervals

    def _parts(
        self, track: Track, start: int | None, stop: int | None
    ) -> Iterator[tuple[IntArray, ...]]:
        """Spikes window by window."""
        low, high = self._window(start, stop)
        for first, last in self._store.windows():
            first, last = max(first, low), min(last, high)
            if first < last:
                yield self._store.spikes(track.owner, first, last)

    def _edges(self, low: int, high: int, width: Any) -> IntArray:
        seconds = Parameter("second", 0.0, exclusive=True).read(width, "bin_width of rate")
        if not isinstance(seconds, float):
            raise DescriptionError("bin_width of rate is an array; expected one number in seconds")
        length = whole_steps(seconds, self.dt, "bin_width of rate")
        if length < 1:
            raise DescriptionError(f"bin_width of rate is {seconds:g} s, below dt = {self.dt:g} s")
        return np.append(np.arange(low, high, length), high)

    def _picked(self, values: NDArray[Any], item: int | None) -> NDArray[Any]:
        """Of one row per item: the only one, the chosen one, or all."""
        chosen = self._item(item)
        if self.batch is None:
            chosen = 0
        return values if chosen is None else np.asarray(values[chosen])

    # --- other formats ---

    def to_pandas(
        self,
        owner: Population | Projection | str,
        variable: str = SPIKES,
        *,
        item: int | None = None,
    ) -> pd.DataFrame:
        """A table of spikes or of a trace.

        Returns
        -------
        pandas.DataFrame
            Spikes: columns ``time`` (seconds), ``step``, ``unit`` (and ``item``), one row a
            spike. A trace: one row a recorded step, indexed by ``time``; columns are units.

        Raises
        ------
        ImportError
            When pandas is missing; the message says how to get it.
        """
        from neuro.conversion import to_pandas

        return to_pandas(self, self._find(owner, variable)[1], item)

    def to_xarray(
        self, owner: Population | Projection | str, variable: str, *, item: int | None = None
    ) -> xr.DataArray:
        """A trace with named axes ``(item,) time, unit``, coordinates and its SI unit.

        Raises
        ------
        ImportError
            When xarray is missing; the message says how to get it.
        """
        from neuro.conversion import to_xarray

        return to_xarray(self, self._find(owner, variable)[1], item)

    def to_neo(self, *, item: int | None = None) -> neo.Block:
        """Everything recorded, as one block with one segment.

        Returns
        -------
        neo.Block
            A ``SpikeTrain`` for each recorded unit and an ``AnalogSignal`` for each trace. Of a
            batched recording: of one item.

        Raises
        ------
        ImportError
            When neo is missing; the message says how to get it.
        """
        from neuro.conversion import to_neo

        return to_neo(self, self._heading.tracks, self._one_item(item, "to_neo"))

    @property
    def plot(self) -> RecordingPlots:
        """Figures: ``plot.raster()``, ``plot.rate("exc")``, ``plot.trace("exc", "v")``."""
        from neuro.plotting.recording import RecordingPlots

        return RecordingPlots(self)

    # --- printing ---

    def __repr__(self) -> str:
        return f"Recording({self.name!r}, steps {self.start} to {self.stop})"

    def __str__(self) -> str:
        lines = [f"recording of {self._title()}"]
        for name, what, values in self._rows():
            lines.append(f"  {name}: {what}{', ' if values else ''}{values}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return table(
            f"recording of {self._title()}", ("recorded", "what", "mean rate"), self._rows()
        )

    def _title(self) -> str:
        items = "" if self.batch is None else f", {self.batch} items"
        title = f"{self.name!r}: {self.duration:g} s (steps {self.start} to {self.stop})"
        if not self.complete:
            assert self._heading.planned is not None
            whole = (self._heading.planned - self.start) * self.dt
            items += f", cut off before its end at {whole:g} s"
        return f"{title}, dt = {self.dt:g} s{items}"

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for t in self._heading.tracks:
            if t.variable == SPIKES:
                count = self._store.count(t.owner)
                seconds = t.width * self.duration * (self.batch or 1)
                rate = f"{count / seconds:.3g} Hz" if seconds else ""
                yield t.owner, f"{count} spikes of {t.width} units", rate
            else:
                rows = len(t.steps(self.start, self.stop))
                plural = "units" if t.axis == "unit" else "synapses"
                often = "" if t.every == 1 else f", every {t.every} steps"
                yield t.name, f"{rows} rows of {t.width} {plural}{often}", ""

    # --- checks ---

    def _find(self, owner: Population | Projection | str, variable: str) -> tuple[int, Track]:
        name = owner if isinstance(owner, str) else owner.name
        for index, track in enumerate(self._heading.tracks):
            if (track.owner, track.variable) == (name, variable):
                return index, track
        what = f"spikes of {name!r} were" if variable == SPIKES else f"{variable!r} of {name!r} was"
        raise DescriptionError(
            f"{what} not recorded; call net.record({name!r}, {variable!r}) before compiling"
        )

    def _window(self, start: int | None, stop: int | None) -> tuple[int, int]:
        try:
            low = self.start if start is None else operator.index(start)
            high = self.stop if stop is None else operator.index(stop)
        except TypeError:
            raise DescriptionError(
                f"window {start!r} to {stop!r}: start and stop are whole numbers of steps; use"
                " round(seconds / rec.dt)"
            ) from None
        if not self.start <= low <= high <= self.stop:
            raise DescriptionError(
                f"window {low} to {high} lies outside of this recording, which has the steps"
                f" {self.start} to {self.stop}"
            )
        return low, high

    def _one_item(self, item: int | None, what: str, instead: str = "") -> int | None:
        """The item of a batched recording, where there must be one."""
        if self.batch is not None and item is None:
            other = f" (or call {instead})" if instead else ""
            raise DescriptionError(
                f"{what}: this recording has {self.batch} items; choose one with item={other}"
            )
        return self._item(item)

    def _item(self, item: int | None) -> int | None:
        if item is None:
            return None
        if self.batch is None:
            raise DescriptionError(f"item = {item!r}: this recording is not batched; leave it out")
        if isinstance(item, bool) or not isinstance(item, int | np.integer):
            raise DescriptionError(f"item = {item!r}; expected a whole number")
        if not 0 <= item < self.batch:
            raise DescriptionError(f"item {item} does not exist; there are 0..{self.batch - 1}")
        return int(item)


def in_memory(program: Program, recorded: Recorded, start: int, stop: int) -> Recording:
    """The recording of a run whose data (already thinned out) are in memory."""
    heading = Heading(program.name, program.dt, start, stop, tracks(program), recorded.batch)
    return Recording(heading, Memory(heading, recorded))

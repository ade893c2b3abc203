"""What the processes of a network do, apart from Lava: the engine of the reference, step by step.

It runs where Lava puts it. All values are in shared memory, so they are read and set without
Lava; what a run records goes to the outbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.contents import (
    GENERATION,
    START,
    STOP,
    Delivered,
    Events,
    Shared,
    pack_events,
    read_events,
    recent_of,
    spikes_in,
    trace_of,
)
from neuro.backends.lava.slices import Slice, spikes_of
from neuro.connectivity import IntArray
from neuro.engine import Recorded, State
from neuro.program import Program
from neuro.progress import Silent
from neuro.registry import find_backend

#: Seconds between two signs of life of a process that runs many steps in one go.
BEAT = 0.1

#: Bytes of rows that a process gathers before it sends them.
ROWS = 1 << 22


class _Engine(Protocol):
    """The engine of the reference backend, as far as it is used here."""

    spikes: dict[str, IntArray]

    def run(self, steps: int, progress: Any) -> Recorded: ...
    def begin_step(self, k: int) -> None: ...
    def end_step(self, given: Mapping[str, IntArray]) -> None: ...
    def recent(self, step: int) -> dict[str, Events]: ...
    def restore(self, state: State) -> None: ...


def engine(program: Program, arrays: Mapping[str, NDArray[Any]]) -> _Engine:
    """The engine of the reference backend, on these arrays."""
    reference: Any = find_backend("reference")
    made: _Engine = reference.engine(program, arrays)
    return made


class Work(ABC):
    """One process of the network.

    Parameters
    ----------
    shared : Shared
    place : int or None
        Where it counts its steps; None: another does.
    """

    def __init__(self, shared: Shared, place: int | None) -> None:
        self.shared = shared
        self._done = np.zeros(1) if place is None else shared.done[place : place + 1]
        self._generation = -1

    def begin_run(self) -> None:
        """Before the first step of a run: take up what was set from outside."""
        generation = int(self.shared.orders[GENERATION])
        if generation != self._generation:
            self._generation = generation
            self.refresh(int(self.shared.orders[START]))

    @abstractmethod
    def refresh(self, step: int) -> None:
        """Take up arrays and recent spikes that were set from outside."""

    def _receive_spikes(self, source: str) -> Delivered:
        """The spikes of a source in this run."""
        delivered = self.shared.program.sources[source]
        assert isinstance(delivered, Delivered)
        delivered.spikes = read_events(self.shared.inbox, spikes_in(source))
        return delivered

    def _restore(self, engine: _Engine, step: int, delays: Mapping[str, int]) -> None:
        recent = {}
        for population, delay in delays.items():
            steps, units = read_events(self.shared.inbox, recent_of(population))
            late = steps >= step - delay
            recent[population] = steps[late], units[late]
        engine.restore(State(step, {}, recent))


class WholeWork(Work):
    """The whole program."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared, 0)
        self._run = engine(shared.program, shared.arrays)
        self._stretch = 16

    def refresh(self, step: int) -> None:
        """Take up recent spikes (arrays are shared)."""
        self._restore(self._run, step, self.shared.program.max_delays)

    def run(self, steps: int) -> None:
        """Run some time steps in one go; a sign of life every now and then."""
        self.begin_run()
        for source in self.shared.program.sources:
            self._receive_spikes(source)
        step, stop = int(self.shared.orders[START]), int(self.shared.orders[START]) + steps
        outbox = self.shared.outbox
        while step < stop:
            length, begun = min(self._stretch, stop - step), perf_counter()
            recorded = self._run.run(length, Silent())
            for population, spikes in recorded.spikes.items():
                if len(spikes[0]):
                    outbox.put(spikes_of(population), pack_events((spikes[0], spikes[1])))
            for record, rows in recorded.traces.items():
                outbox.put(trace_of(record), rows)
            step += length
            self._done += length
            self._stretch = _longer(self._stretch, perf_counter() - begun)
        for population, events in self._run.recent(stop).items():
            outbox.put(recent_of(population), pack_events(events))


def _longer(stretch: int, seconds: float) -> int:
    return max(1, stretch // 2) if seconds > BEAT else min(4096, stretch * 2)


#: Receive or send an array under a title.
Receive = Callable[[str], NDArray[Any]]
Send = Callable[[str, NDArray[Any]], None]


class SliceWork(Work):
    """One slice of the program.

    Parameters
    ----------
    shared : Shared
    part : Slice
    messages : sequence of str
        Titles of what it sends.
    reported : sequence of str
        Populations whose recent spikes it tells at the end of a run.
    place : int
    """

    def __init__(
        self, shared: Shared, part: Slice, messages: list[str], reported: list[str], place: int
    ) -> None:
        super().__init__(shared, place)
        self.part = part
        arrays = {n: shared.arrays[n] for n in part.program.arrays}
        #: Others change these while this process still needs the old values.
        self._copies = {n: arrays[n].copy() for n in part.copied}
        self._arrays = arrays | self._copies
        self._run = engine(part.program, self._arrays)
        sent = [n for n in messages if n in arrays]
        self._buffers, self._states = (sent, []) if part.is_projection else ([], sent)
        self._spikes = [p for p in part.program.sizes if spikes_of(p) in messages]
        self._reported = reported
        self._source = part.name if part.name in shared.program.sources else None
        self._emits = Delivered()
        self._step = self._stop = 0
        self._rows = Rows(shared, part, self._arrays)

    def refresh(self, step: int) -> None:
        """Take up recent spikes, and arrays of others."""
        for name, copy in self._copies.items():
            copy[...] = self.shared.arrays[name]
        self._restore(self._run, step, self.part.program.max_delays)

    def begin_run(self) -> None:
        """Before the first step of a run: also what the source emits in it."""
        super().begin_run()
        self._step, self._stop = (int(self.shared.orders[i]) for i in (START, STOP))
        if self._source is not None:
            self._emits = self._receive_spikes(self._source)

    def step(self, receive: Receive, send: Send) -> None:
        """One time step."""
        if self._step == self._stop:
            self.begin_run()
        for name in self.part.buffers:
            self._copies[name][...] = receive(name)
        self._run.begin_step(self._step)
        for name in self._buffers:
            send(name, self._arrays[name])
        given = {p: np.flatnonzero(receive(spikes_of(p))) for p in self.part.spikes}
        for name in self.part.states:
            self._copies[name][...] = receive(name)
        if self._source is not None:
            given[self._source] = self._emits.events(self._step, self._step + 1)[1]
        self._run.end_step(given)
        for population in self._spikes:
            mask = np.zeros(self.part.program.sizes[population], np.bool_)
            mask[self._run.spikes[population]] = True
            send(spikes_of(population), mask)
        for name in self._states:
            send(name, self._arrays[name])
        self._rows.add(self._step, self._run.spikes)
        self._step += 1
        self._done += 1
        if self._step == self._stop:
            self._end_run()

    def _end_run(self) -> None:
        self._rows.send()
        recent = self._run.recent(self._step)
        for population in self._reported:
            self.shared.outbox.put(recent_of(population), pack_events(recent[population]))


class Rows:
    """Gathers what a slice records, and sends it now and then."""

    def __init__(self, shared: Shared, part: Slice, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._outbox = shared.outbox
        self._spikes: dict[str, list[tuple[int, IntArray]]] = {}
        self._wanted: dict[str, IntArray | None] = {}
        self._traces: list[tuple[str, NDArray[Any], Any, list[NDArray[Any]]]] = []
        for index, record in enumerate(shared.program.records):
            if record.owner not in part.owners:
                continue
            if record.variable == "spikes":
                self._spikes[record.owner], self._wanted[record.owner] = [], record.units
            else:
                units = slice(None) if record.units is None else record.units
                values = arrays[record.array].reshape(-1)
                self._traces.append((trace_of(index), values, units, []))
        self._bytes = 0

    def add(self, step: int, spikes: Mapping[str, IntArray]) -> None:
        """Keep what a step recorded."""
        """At the end of a step, with the units that spiked in it."""
        for population, found in self._spikes.items():
            units, wanted = spikes[population], self._wanted[population]
            if wanted is not None:
                units = units[np.isin(units, wanted)]
            if len(units):
                found.append((step, units))
                self._bytes += 16 * len(units)
        for _, values, units, rows in self._traces:
            rows.append(values[units].copy())
            self._bytes += rows[-1].nbytes
        if self._bytes > ROWS:
            self.send()

    def send(self) -> None:
        """Send what was gathered."""
        for population, found in self._spikes.items():
            if found:
                steps = np.repeat([k for k, _ in found], [len(u) for _, u in found])
                units = np.concatenate([u for _, u in found])
                self._outbox.put(spikes_of(population), pack_events((steps, units)))
                found.clear()
        for title, _, _, rows in self._traces:
            if rows:
                self._outbox.put(title, np.stack(rows))
                rows.clear()
        self._bytes = 0

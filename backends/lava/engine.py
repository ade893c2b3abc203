"""The engine: it holds the state in shared memory, and a child process that may be lost.

A run is cut into pieces; before each, the spikes of sources go to the inbox, after it, what was
recorded comes from the outbox. When anything goes wrong (an exception in a Lava process or in
the caller, Ctrl-C, no progress) the child is ended; a new one continues after :meth:`restore`.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.child import Child
from neuro.backends.lava.contents import (
    GENERATION,
    START,
    STOP,
    Events,
    Shared,
    described,
    join_events,
    pack_events,
    recent_of,
    share,
    spikes_in,
    unpack_events,
)
from neuro.backends.lava.fitting import fixed
from neuro.backends.lava.slices import cut
from neuro.engine import Engine, Recorded, State
from neuro.errors import BackendError
from neuro.program import Program, Record
from neuro.progress import Progress

#: Bytes of rows, and units times steps of sources, that one piece may hold.
TRACE_BYTES = 1 << 26
SOURCE_SLOTS = 1_000_000


class LavaEngine(Engine):
    """Runs a program with Lava.

    Parameters
    ----------
    program : Program
    options : dict
        Of :meth:`.LavaBackend.compile`, complete.

    Attributes
    ----------
    processes : list of int
        Numbers (of the operating system) of Lava's processes; empty before the first run.
    """

    def __init__(self, program: Program, options: dict[str, Any]) -> None:
        self.program, self._options = program, options
        self.processes: list[int] = []
        count = len(cut(program)) if options["mode"] == "expanded" else 1
        self._shared: Shared = share(program, count)
        self._release = weakref.finalize(self, self._shared.close)
        self._arrays = self._shared.arrays
        self._fixed = fixed(program) if options["mode"] == "expanded" else set()
        self._step = 0
        self._recent: dict[str, Events] = dict.fromkeys(program.max_delays, join_events([]))
        self._set: set[str] = set()
        self._changed = True
        self._torn = False
        self._closed = False
        self._child: Child | None = None
        self._end_child: weakref.finalize[..., Any] | None = None
        self._start()

    def _start(self) -> None:
        child = Child(described(self._shared), self._options)
        self._child, self._changed = child, True
        self._end_child = weakref.finalize(self, child.end)

    # --- running ---

    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more steps, in pieces."""
        if self._closed:
            raise BackendError("this engine is closed; compile the network again")
        if self._torn:
            raise BackendError(
                "the last run ended in the middle of a step; restore a checkpoint, or compile"
                " the network again"
            )
        spikes: dict[str, list[Events]] = {
            r.owner: [] for r in self.program.records if r.variable == "spikes"
        }
        traces = {
            i: np.empty((steps, self._width(r)), self.program.arrays[r.array].initial.dtype)
            for i, r in enumerate(self.program.records)
            if r.variable != "spikes"
        }
        stop, longest = self._step + steps, self._longest_piece()
        while self._step < stop:
            rows = self._step - (stop - steps)  # that are there already
            length = min(stop - self._step, longest)
            self._piece(length, progress, spikes, {i: t[rows:] for i, t in traces.items()})
        return Recorded({p: join_events(parts) for p, parts in spikes.items()}, traces)

    def _piece(
        self,
        steps: int,
        progress: Progress,
        spikes: dict[str, list[Events]],
        traces: dict[int, NDArray[Any]],
    ) -> None:
        """Run a piece; ``traces`` begin with its first row."""
        shared, stop = self._shared, self._step + steps
        shared.inbox.clear()
        shared.outbox.clear()
        for source, events in self.program.sources.items():
            shared.inbox.put(spikes_in(source), pack_events(events.events(self._step, stop)))
        if self._changed:
            for population, recent in self._recent.items():
                shared.inbox.put(recent_of(population), pack_events(recent))
            shared.orders[GENERATION] += 1
        shared.orders[START], shared.orders[STOP] = self._step, stop
        self._torn = True
        try:
            self._order(steps, progress)
        except BaseException:
            self._end()
            raise
        self._torn = self._changed = False
        self._step = stop
        rows = dict.fromkeys(traces, 0)
        for title, content in shared.outbox.packets():
            kind, _, name = title.partition(" ")
            if kind == "recent":
                population = name.partition(" ")[2]
                self._recent[population] = unpack_events(content)
            elif kind == "trace":
                index = int(name)
                trace = traces[index][rows[index] :]
                found = content.view(trace.dtype).reshape(-1, trace.shape[1])
                trace[: len(found)] = found
                rows[index] += len(found)
            else:
                spikes[title.removesuffix(".spikes")].append(unpack_events(content))

    def _order(self, steps: int, progress: Progress) -> None:
        """Let the child run; tell ``progress`` what all processes have done."""
        if self._child is None:
            self._start()
        assert self._child is not None
        done = self._shared.done
        begin, told, seen = done.copy(), 0, done.copy()

        def watch() -> bool:
            nonlocal told, seen
            now = done.copy()
            moved, seen = bool((now != seen).any()), now
            least = int((now - begin).min())
            if least > told:
                progress.advance(least - told)
                told = least
            return moved

        self.processes = self._child.run(steps, self._options["timeout"], watch)
        if told < steps:
            progress.advance(steps - told)

    def _width(self, record: Record) -> int:
        """Values in one row of a recorded trace."""
        size = self.program.arrays[record.array].initial.size
        return size if record.units is None else len(record.units)

    def _longest_piece(self) -> int:
        row = 0
        for r in self.program.records:
            if r.variable != "spikes":
                row += self._width(r) * self.program.arrays[r.array].initial.itemsize
        slots = sum(self.program.sizes[p] for p in self.program.sources)
        return int(max(1, min(TRACE_BYTES // max(row, 1), SOURCE_SLOTS // max(slots, 1), 1 << 30)))

    # --- state ---

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value."""
        return self._arrays[name].copy()

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value."""
        array = self._arrays[name]
        if name in self._fixed and not np.array_equal(array, value):
            raise BackendError(
                f"{name!r} is a parameter of a process of Lava's library, which takes it up once;"
                " change the network and compile it again, or use mode='fused'"
            )
        array[...] = value
        self._set.add(name)
        self._changed = True

    def state(self) -> State:
        """A checkpoint."""
        kept = {
            n: a.copy()
            for n, a in self._arrays.items()
            if not self.program.arrays[n].constant or n in self._set
        }
        return State(self._step, kept, dict(self._recent))

    def restore(self, state: State) -> None:
        """Go back to a checkpoint."""
        for name, value in state.arrays.items():
            self.write(name, value)
        self._step = state.step
        for population in self.program.max_delays:
            steps, units = state.recent.get(population, join_events([]))
            self._recent[population] = steps, units
        self._changed, self._torn = True, False

    # --- the end ---

    def _end(self) -> None:
        if self._end_child is not None:
            self._end_child()
        self._child, self.processes = None, []

    def close(self) -> None:
        """End the child and release the shared memory."""
        if not self._closed:
            self._closed = True
            self._end()
            self._release()


"""The engine: arrays in Python, time steps in C."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.native.build import library
from neuro.backends.native.source import Writer
from neuro.backends.native.tables import Key, delay_tables, synapse_table
from neuro.connectivity import IntArray, Sparse
from neuro.engine import Engine, Recorded, State
from neuro.program import Arrive, Plasticity, Program
from neuro.progress import Progress

#: Time steps in one call of the compiled function, and room for recorded spikes in it.
CHUNK, ROOM = 1024, 1 << 16

#: Lists of synapses, see :mod:`.tables`.
_LISTS = ("start", "target", "weight", "column start", "column source", "column synapse")

_NONE: IntArray = np.zeros(0, np.int64)


class NativeEngine(Engine):
    """Runs a program as compiled code.

    Parameters
    ----------
    program : Program
    cache : Path
        Folder of compiled code.
    """

    def __init__(self, program: Program, cache: Path) -> None:
        self.program = program
        self._step = 0
        self._slots = {p: program.max_delays.get(p, 0) + 1 for p in program.sizes}
        writer = Writer(program)
        self._function = library(writer.text(), cache).neuro_run
        self._function.restype = ctypes.c_int64
        self._function.argtypes = [ctypes.c_void_p, *[ctypes.c_int64] * 3]
        self._index = writer.pointers.keys
        self._pointers = (ctypes.c_void_p * len(self._index))()
        self._held: dict[Key, NDArray[Any]] = {}
        self._set: set[str] = set()
        self._room = max(ROOM, 2 * max(program.sizes.values(), default=0))
        self._place()

    def _place(self) -> None:
        """Make everything that the function is given."""
        program = self.program
        tables: dict[Key, NDArray[Any]] = {}
        for key in self._index:
            what, name = key[0], key[-1]
            if what == "array":
                tables[key] = np.array(program.arrays[name].initial, order="C")
            elif what == "ring":
                tables[key] = np.zeros((self._slots[name], program.sizes[name]), np.int32)
            elif what == "count":
                tables[key] = np.zeros(self._slots[name], np.int64)
            elif what == "mask":
                tables[key] = np.zeros(program.sizes[name] + 8, np.uint8)
            elif what == "clear":
                tables[key] = np.zeros(1, np.uint8)
            elif what in ("spikes", "units"):
                tables[key] = np.zeros(self._room, np.int64)
            elif what == "spike count":
                tables[key] = np.zeros(1, np.int64)
            elif key not in tables and what in _LISTS:
                tables |= synapse_table(program, name, what)
            elif key not in tables and what.startswith("delay"):
                tables |= self._delays(name)
        for name, array in program.arrays.items():  # those that no step uses are kept as well
            tables.setdefault(("array", name), np.array(array.initial, order="C"))
        for key, value in tables.items():
            self._hold(key, value)

    def _delays(self, name: str) -> dict[Key, NDArray[Any]]:
        owner = next(
            step.synapses
            for step in self.program.steps
            if isinstance(step, Arrive | Plasticity) and step.delays == name
        )
        synapses = self.program.connectivity[owner]
        assert isinstance(synapses, Sparse)
        return delay_tables(synapses, owner, name, self.program.arrays[name].initial)

    def _hold(self, key: Key, value: NDArray[Any]) -> None:
        """Keep an array, and tell the function where it is."""
        self._held[key] = value
        if key in self._index:
            self._pointers[self._index[key]] = value.ctypes.data

    # --- running ---

    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more steps."""
        records = self.program.records
        spikes: dict[str, list[tuple[IntArray, IntArray]]] = {
            r.owner: [] for r in records if r.variable == "spikes"
        }
        traces = {
            i: np.empty((steps, self._width(i)), self.program.arrays[r.array].initial.dtype)
            for i, r in enumerate(records)
            if r.variable != "spikes"
        }
        begin, stop = self._step, self._step + steps
        for i, rows in traces.items():
            self._hold(("trace", str(i)), rows)
            chosen = records[i].units
            units = _NONE if chosen is None else np.asarray(chosen, np.int64)
            self._hold(("chosen", str(i)), np.concatenate([[begin], units]).astype(np.int64))
        while self._step < stop:
            last = min(stop, self._step + CHUNK)
            self._give(self._step, last)
            while self._step < last:
                for population in spikes:
                    self._held["spike count", population][0] = 0
                done = int(
                    self._function(self._pointers, self._step, last - self._step, self._room)
                )
                for population, found in spikes.items():
                    n = int(self._held["spike count", population][0])
                    pair = (self._held[what, population][:n].copy() for what in ("spikes", "units"))
                    found.append((next(pair), next(pair)))
                self._step += done
                progress.advance(done)
        return Recorded({p: self._recorded(p, found) for p, found in spikes.items()}, traces)

    def _give(self, first: int, last: int) -> None:
        """Spikes of sources in some steps."""
        for population, source in self.program.sources.items():
            steps, units = source.events(first, last)
            edges = np.searchsorted(steps, np.arange(first, last + 1))
            self._hold(("given", population), np.append(units, 0).astype(np.int32))
            self._hold(("given start", population), np.append(first, edges).astype(np.int64))

    def _width(self, index: int) -> int:
        record = self.program.records[index]
        size = self.program.arrays[record.array].initial.size
        return size if record.units is None else len(record.units)

    def _recorded(
        self, population: str, found: list[tuple[IntArray, IntArray]]
    ) -> tuple[IntArray, IntArray]:
        steps = np.concatenate([_NONE, *(s for s, _ in found)])
        units = np.concatenate([_NONE, *(u for _, u in found)])
        wanted = next(
            r.units
            for r in self.program.records
            if r.owner == population and r.variable == "spikes"
        )
        if wanted is not None:
            mask = np.isin(units, wanted)
            steps, units = steps[mask], units[mask]
        return steps, units

    # --- state ---

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value."""
        return self._held["array", name].copy()

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value, in place."""
        self._held["array", name][...] = value
        if ("clear", name) in self._held:
            self._held["clear", name][0] = 0

    def state(self) -> State:
        """A checkpoint."""
        arrays = {n: self.read(n) for n in self.program.arrays}
        recent = {p: self._recent(p) for p in self.program.max_delays}
        return State(self._step, arrays, recent)

    def _recent(self, population: str) -> tuple[IntArray, IntArray]:
        slots, ring = self._slots[population], self._held["ring", population]
        counts = self._held["count", population]
        steps = range(max(0, self._step - slots + 1), self._step)
        lists = [ring[k % slots, : counts[k % slots]].astype(np.int64) for k in steps]
        return (
            np.repeat(np.array(steps, np.int64), [len(u) for u in lists]),
            np.concatenate([_NONE, *lists]),
        )

    def restore(self, state: State) -> None:
        """Go back to a checkpoint."""
        for name, value in state.arrays.items():
            self.write(name, value)
        self._step = state.step
        for population in self.program.max_delays:
            self._held["count", population].fill(0)
        for population, (steps, units) in state.recent.items():
            slots = self._slots[population]
            for k in np.unique(steps):
                own = units[steps == k]
                self._held["ring", population][k % slots, : len(own)] = own
                self._held["count", population][k % slots] = len(own)

"""The engine: state, stretches of limited size, what was recorded; a runner does the steps.

State lives here as plain arrays, in the program's own terms. A run is cut into pieces that fit
into memory; each goes to the runner of the chosen target with everything it depends on, and comes
back as new arrays. So checkpoints are portable, and every target continues in the same way.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.piece import Events, Outcome, Piece, Runner
from neuro.backends.brian2.targets import Chooser
from neuro.connectivity import IntArray
from neuro.engine import Engine, Recorded, State
from neuro.errors import BackendError
from neuro.program import Record
from neuro.progress import Progress

#: Bytes of traces, and units times steps of sources, that one piece may hold.
TRACE_BYTES = 1 << 28
SOURCE_SLOTS = 50_000_000

_log = logging.getLogger("neuro.backends.brian2")
_NONE: IntArray = np.zeros(0, dtype=np.int64)


class Brian2Engine(Engine):
    """Runs a program with Brian2.

    Parameters
    ----------
    plan : Blueprint
    choose : Chooser
        From the number of steps of a run to (target, runner).
    """

    def __init__(self, plan: Blueprint, choose: Chooser) -> None:
        self.program = plan.program
        #: What the last run used: "numpy", "cython", "cpp" or "cuda"; empty before the first.
        self.target = ""
        self._plan, self._choose = plan, choose
        self._runner: Runner | None = None
        self._closed = False
        self._step = 0
        self._arrays: dict[str, NDArray[Any]] = {
            name: array.initial.copy() for name, array in self.program.arrays.items()
        }
        self._set: set[str] = set()
        self._recent: dict[str, Events] = dict.fromkeys(self.program.max_delays, (_NONE, _NONE))

    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more steps, in pieces."""
        if self._closed:
            raise BackendError("this engine is closed; compile the network again")
        spikes: dict[str, list[Events]] = {
            r.owner: [] for r in self.program.records if r.variable == "spikes"
        }
        traces: dict[int, list[NDArray[Any]]] = {
            i: [] for i, r in enumerate(self.program.records) if r.variable != "spikes"
        }
        if steps:
            self.target, self._runner = self._choose(max(steps, self.ahead))
            _log.info("%s: brian2 target %s", self.program.name, self.target)
        left, longest = steps, self._longest_piece()
        while left:
            length = min(left, longest)
            self._piece(length, progress, spikes, traces)
            left -= length
        return Recorded(
            {p: self._chosen(p, parts) for p, parts in spikes.items()},
            {i: self._joined(i, parts) for i, parts in traces.items()},
        )

    def _piece(
        self,
        steps: int,
        progress: Progress,
        spikes: dict[str, list[Events]],
        traces: dict[int, list[NDArray[Any]]],
    ) -> None:
        assert self._runner is not None
        start = self._step
        events = {
            p: _shifted(source.events(start, start + steps), -start)
            for p, source in self.program.sources.items()
        }
        recent = {p: _shifted(e, -start) for p, e in self._recent.items()}
        outcome = self._runner.run(Piece(start, steps, self._arrays, recent, events), progress)
        self._arrays.update({n: np.array(a) for n, a in outcome.arrays.items()})
        self._step += steps
        found = {p: _shifted(e, start) for p, e in (events | dict(outcome.spikes)).items()}
        for population, delay in self.program.max_delays.items():
            old, new = self._recent[population], found.get(population, (_NONE, _NONE))
            all_steps, all_units = (
                np.concatenate([old[0], new[0]]),
                np.concatenate([old[1], new[1]]),
            )
            keep = all_steps >= self._step - delay
            self._recent[population] = all_steps[keep], all_units[keep]
        for population, parts in spikes.items():
            parts.append(found.get(population, (_NONE, _NONE)))
        for index, rows in traces.items():
            rows.append(self._trace(index, outcome, steps))

    def _trace(self, index: int, outcome: Outcome, steps: int) -> NDArray[Any]:
        """Recorded rows; what no step writes has the same value in all of them."""
        if index in outcome.traces:
            return outcome.traces[index]
        record = self.program.records[index]
        row = self._arrays[record.array].reshape(-1)
        row = row if record.units is None else row[record.units]
        return np.broadcast_to(row, (steps, row.size))

    def _joined(self, index: int, parts: list[NDArray[Any]]) -> NDArray[Any]:
        record = self.program.records[index]
        initial = self.program.arrays[record.array].initial
        width = initial.size if record.units is None else len(record.units)
        return np.concatenate([np.empty((0, width), initial.dtype), *parts])

    def _chosen(self, population: str, parts: list[Events]) -> Events:
        steps = np.concatenate([_NONE, *(s for s, _ in parts)])
        units = np.concatenate([_NONE, *(u for _, u in parts)])
        record: Record = next(
            r for r in self.program.records if r.owner == population and r.variable == "spikes"
        )
        if record.units is None:
            return steps, units
        mask = np.isin(units, record.units)
        return steps[mask], units[mask]

    def _longest_piece(self) -> int:
        row = 0
        for r in self.program.records:
            if r.variable != "spikes":
                initial = self.program.arrays[r.array].initial
                count = initial.size if r.units is None else len(r.units)
                row += count * initial.itemsize
        slots = sum(self.program.sizes[p] for p in self.program.sources)
        return int(max(1, min(TRACE_BYTES // max(row, 1), SOURCE_SLOTS // max(slots, 1), 1 << 30)))

    def write_sources(self, folder: str | Path) -> None:
        """Write the C++ program (CUDA with ``target="cuda"``) into a folder; needs no compiler.

        The program's input and output are files; see :mod:`neuro.backends.brian2.exchange`.
        """
        self._choose.write_sources(Path(folder))

    # --- state ---

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value."""
        return self._arrays[name].copy()

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value."""
        array = self._arrays[name]
        self._arrays[name] = np.array(value, dtype=array.dtype).reshape(array.shape)
        self._set.add(name)

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
            steps, units = state.recent.get(population, (_NONE, _NONE))
            self._recent[population] = steps, units

    # --- for people ---

    def to_script(self, steps: int, path: Path | None) -> str:
        """The program as a Brian2 script that begins at step 0 (see :func:`.write_script`)."""
        from neuro.backends.brian2.sandbox import import_brian2

        import_brian2()
        from neuro.backends.brian2.script import write_script

        return write_script(self.program, steps, path)

    def close(self) -> None:
        """Let the Brian2 objects go; compiled code stays in the cache."""
        self._runner, self._closed = None, True


def _shifted(events: Events, by: int) -> Events:
    return events[0] + by, events[1]

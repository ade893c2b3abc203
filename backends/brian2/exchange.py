"""The two files between this process and a compiled program; both sides follow the blueprint.

Input: the first step and the number of steps (int64); connections of every projection that is not
dense (count, pre and post as int32); every array in its own type; per population with outgoing
projections the spikes under way; per source its spikes (count, steps and units as int32 each).
Output: every array that changes; the spikes of monitored populations; traces.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neuro.backends.brian2.blueprint import Blueprint
from neuro.backends.brian2.piece import Events, Outcome, Piece
from neuro.connectivity import Dense
from neuro.errors import BackendError

INPUT, OUTPUT = "input.bin", "output.bin"

_NONE: Events = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def write_input(plan: Blueprint, piece: Piece, folder: Path) -> None:
    """Write the input of a piece."""
    program = plan.program
    with (folder / INPUT).open("wb") as file:

        def put(values: NDArray[np.generic]) -> None:
            file.write(np.ascontiguousarray(values).data)

        put(np.array([piece.start, piece.steps], dtype=np.int64))
        for connectivity in program.connectivity.values():
            if not isinstance(connectivity, Dense):
                sparse, _ = connectivity.expand()
                put(np.array([sparse.count], dtype=np.int64))
                put(sparse.rows.astype(np.int32))
                put(sparse.targets.astype(np.int32))
        for name in plan.places:
            put(plan.values(name, piece.arrays[name]))
        for population in program.max_delays:
            put(_packed(piece.recent.get(population, _NONE)))
        for population in program.sources:
            put(_packed(piece.events[population]))


def _packed(events: Events) -> NDArray[np.generic]:
    steps, units = events
    count = np.array([len(steps)], dtype=np.int64).view(np.int32)
    return np.concatenate([count, steps.astype(np.int32), units.astype(np.int32)])


def read_output(plan: Blueprint, steps: int, folder: Path) -> Outcome:
    """Read the output of a piece of some steps."""
    data = (folder / OUTPUT).read_bytes()
    at = 0

    def take(count: int, dtype: np.dtype[np.generic]) -> NDArray[np.generic]:
        nonlocal at
        values = np.frombuffer(data, dtype, count, at)
        at += values.nbytes
        return values

    int32, int64 = np.dtype(np.int32), np.dtype(np.int64)
    arrays = {}
    for name in plan.outputs:
        initial = plan.program.arrays[name].initial
        arrays[name] = take(initial.size, initial.dtype).reshape(initial.shape)
    spikes = {}
    for population in plan.monitored:
        count = int(take(1, int64)[0])
        spikes[population] = (
            take(count, int32).astype(np.int64),
            take(count, int32).astype(np.int64),
        )
    traces = {}
    for trace in plan.traces:
        name = plan.program.records[trace.record].array
        values = take(steps * len(trace.units), plan.program.arrays[name].initial.dtype)
        traces[trace.record] = values.reshape(steps, len(trace.units))
    if at != len(data):
        raise BackendError("brian2 (cpp): the compiled program wrote results of another shape")
    return Outcome(arrays, spikes, traces)

"""What the compiled function is given: a table of pointers, and what each of them points to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.native.printing import C_TYPES
from neuro.connectivity import Convolution, Sparse
from neuro.errors import CompileError
from neuro.program import Program

Key = tuple[str, ...]

#: C type of what is not an array of the program, by the first word of its key.
_TYPES = {
    "ring": "int32_t",  # units that spiked, by slot
    "count": "int64_t",  # how many, by slot
    "mask": "uint8_t",  # which units are over the threshold
    "clear": "uint8_t",  # whether what arrives at a port is zero everywhere
    "given": "int32_t",  # units of a source that spike, and where those of each step begin
    "given start": "int64_t",
    "spikes": "int64_t",  # recorded: steps, units, and how many
    "units": "int64_t",
    "spike count": "int64_t",
    "chosen": "int64_t",  # units of a trace
    "start": "int64_t",  # synapses of a row (of a column: "column ...")
    "target": "int32_t",
    "weight": "int32_t",  # of a synapse, in the kernel
    "column start": "int64_t",
    "column source": "int32_t",
    "column synapse": "int32_t",
    "delay": "int64_t",  # delays that occur, the longest first, and the synapses that have them
    "delay count": "int64_t",
    "delay start": "int64_t",
    "delay synapse": "int32_t",
    "delay target": "int32_t",
}


@dataclass
class Pointers:
    """The table: an index for every key, in the order in which keys were first asked for."""

    program: Program
    keys: dict[Key, int] = field(default_factory=dict)

    def __call__(self, *key: str) -> int:
        """Index of a key."""
        return self.keys.setdefault(key, len(self.keys))

    def c_type(self, key: Key) -> str:
        """Type of what a key points to."""
        if key[0] == "array":
            return C_TYPES[self.program.arrays[key[1]].kind]
        if key[0] == "trace":
            record = self.program.records[int(key[1])]
            return C_TYPES[self.program.arrays[record.array].kind]
        return _TYPES[key[0]]


def synapse_table(program: Program, owner: str, what: str) -> dict[Key, NDArray[Any]]:
    """A list of the synapses of a projection that is not dense; those of columns come together."""
    connectivity = program.connectivity[owner]
    assert isinstance(connectivity, Sparse | Convolution)
    synapses, weight = connectivity.expand()
    if synapses.count >= 2**31:
        raise CompileError(
            f"projection {owner!r} has {synapses.count} synapses; backend 'native' counts them in "
            "32 bits: split the projection"
        )
    if what == "start":
        return {(what, owner): synapses.row_start.astype(np.int64)}
    if what == "target":
        return {(what, owner): synapses.targets.astype(np.int32)}
    if what == "weight":
        return {(what, owner): weight.astype(np.int32)}
    rows = synapses.rows
    order = np.lexsort((rows, synapses.targets))
    start = np.searchsorted(synapses.targets[order], np.arange(synapses.n_post + 1))
    return {
        ("column start", owner): start.astype(np.int64),
        ("column source", owner): rows[order].astype(np.int32),
        ("column synapse", owner): order.astype(np.int32),
    }


def delay_tables(
    synapses: Sparse, owner: str, name: str, delays: NDArray[Any]
) -> dict[Key, NDArray[Any]]:
    """Synapses by delay, the longest first, then by row: in the order in which they are added."""
    values = np.unique(delays)[::-1]
    rows = synapses.rows
    order = np.lexsort((rows, -delays))
    starts = [
        np.searchsorted(rows[order[delays[order] == d]], np.arange(synapses.n_pre + 1))
        + np.count_nonzero(delays > d)
        for d in values
    ]
    return {
        ("delay", name): values.astype(np.int64),
        ("delay count", name): np.array([len(values)], np.int64),
        ("delay start", name): np.concatenate([*starts, [0]]).astype(np.int64),
        ("delay synapse", name): order.astype(np.int32),
        ("delay target", name): synapses.targets[order].astype(np.int32),
    }

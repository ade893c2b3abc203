"""What this process and its child share: the arrays of a program, orders, progress, mailboxes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.sharing import Block, Entry, Mailbox
from neuro.connectivity import IntArray
from neuro.program import EventSource, Plasticity, Program

#: Steps and units of spikes.
Events = tuple[IntArray, IntArray]

#: Places in the array of orders: first step of the run, the step after its last, and a number
#: that changes when arrays or spikes were set from outside.
START, STOP, GENERATION = range(3)

_ORDERS, _DONE, _FROZEN = "@orders", "@done", "@frozen"


class Delivered:
    """A source whose spikes the other side draws; ``spikes`` are those of the present run."""

    def __init__(self) -> None:
        self.spikes: Events = (np.zeros(0, np.int64), np.zeros(0, np.int64))

    def events(self, start: int, stop: int) -> Events:
        """Spikes of some steps of the present run."""
        steps, units = self.spikes
        first, last = np.searchsorted(steps, [start, stop])
        return steps[first:last], units[first:last]

    def replica(self, item: int) -> EventSource:
        """Itself: there are no batches."""
        return self


@dataclass(frozen=True, eq=False)
class Shared:
    """A program whose arrays are in shared memory, and what is exchanged about it.

    Attributes
    ----------
    program : Program
        In the child: the initial value of each array is the shared array itself.
    block : Block
        The arrays, and orders and progress.
    inbox, outbox : Mailbox
        To and from the processes of the network.
    """

    program: Program
    block: Block
    inbox: Mailbox
    outbox: Mailbox

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The program's arrays."""
        return {n: a for n, a in self.block.arrays.items() if not n.startswith("@")}

    @property
    def orders(self) -> NDArray[np.int64]:
        """See ``START``, ``STOP``, ``GENERATION``."""
        return self.block.arrays[_ORDERS]

    @property
    def done(self) -> NDArray[np.int64]:
        """Steps done by each process of the network, ever."""
        return self.block.arrays[_DONE]

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """Of each learning rule of the program, in order: whether its engine stands still."""
        return self.block.arrays[_FROZEN]

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """Of all shared files."""
        return self.block.descriptor, self.inbox.descriptor, self.outbox.descriptor

    def close(self) -> None:
        """Close the files; memory goes when the last array does."""
        for descriptor in self.descriptors:
            os.close(descriptor)


def share(program: Program, processes: int) -> Shared:
    """Put the arrays of a program into shared memory."""
    arrays = {name: a.initial for name, a in program.arrays.items()}
    entries: list[Entry] = [(name, a.dtype.str, a.shape) for name, a in arrays.items()]
    entries += [(_ORDERS, "=i8", (3,)), (_DONE, "=i8", (processes,))]
    rules = sum(isinstance(s, Plasticity) for s in program.steps)
    entries += [(_FROZEN, "|b1", (rules,))]
    block = Block(entries)
    for name, values in arrays.items():
        block.arrays[name][...] = values
    return Shared(program, block, Mailbox(), Mailbox())


def described(shared: Shared) -> dict[str, Any]:
    """What the child needs to :func:`attach`: no array travels, and no source of the user."""
    program = shared.program
    bare = {n: replace(a, initial=np.zeros(0)) for n, a in program.arrays.items()}
    sources = {name: Delivered() for name in program.sources}
    return {
        "program": replace(program, arrays=bare, sources=sources),
        "entries": shared.block.entries,
        "descriptors": shared.descriptors,
    }


def attach(description: dict[str, Any]) -> Shared:
    """The same memory, in the child."""
    block_file, inbox_file, outbox_file = description["descriptors"]
    block = Block(description["entries"], block_file)
    inbox, outbox = Mailbox(inbox_file), Mailbox(outbox_file)
    program: Program = description["program"]
    program = replace(
        program,
        arrays={n: replace(a, initial=block.arrays[n]) for n, a in program.arrays.items()},
        sources={name: Delivered() for name in program.sources},
    )
    return Shared(program, block, inbox, outbox)


# --- packets ---


def spikes_in(source: str) -> str:
    """Title of the packet with the spikes that a source emits in the coming run."""
    return f"spikes of {source}"


def recent_of(population: str) -> str:
    """Title of the packet with spikes that are still on their way."""
    return f"recent of {population}"


def trace_of(record: int) -> str:
    """Title of the packets with rows of a record."""
    return f"trace {record}"


def pack_events(events: Events) -> NDArray[np.int64]:
    """Spikes as one array."""
    return np.stack([np.asarray(part, np.int64) for part in events])


def unpack_events(content: NDArray[np.uint8]) -> Events:
    """The spikes of a packet, copied."""
    steps, units = np.frombuffer(content.tobytes(), np.int64).reshape(2, -1)
    return steps, units


def read_events(box: Mailbox, title: str) -> Events:
    """All spikes under a title."""
    return join_events([unpack_events(c) for found, c in box.packets() if found == title])


def join_events(parts: Sequence[Events]) -> Events:
    """Spikes of consecutive stretches."""
    none = np.zeros(0, np.int64)
    steps = np.concatenate([none, *(s for s, _ in parts)])
    return steps, np.concatenate([none, *(u for _, u in parts)])

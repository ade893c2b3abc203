"""Where a statement acts: what its names stand for there, and where its result goes.

The same statement runs for a whole population, for the units that spiked (as truth values or as a
list), for all synapses, or for those of the units that spiked. A name with a side is an array
with one value per unit of that side; a name without is synaptic, or a scalar of the network.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from neuro.backends.torch.expressions import Assignment, Function
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.sparse import Wiring
from neuro.backends.torch.spikes import Arriving, Chosen, SpikeList, Spikes

#: Share of units with an event from which it is quicker to visit a whole matrix than the lines of
#: these units: for lines that are rows of the matrix in memory, and for columns.
BUSY_ROWS, BUSY_COLUMNS = 0.7, 0.2


def put(values: Tensor, index: Tensor, found: Tensor) -> None:
    """Set lines of ``values``; unlike an index in brackets never shared out among threads."""
    if found.dim():
        values.index_copy_(0, index, found.expand(len(index), *values.shape[1:]))
    else:
        values.index_fill_(0, index, found)


def spread(values: Tensor, group: int) -> Tensor:
    """Values of groups of units, ``[..., groups]``, as those of units."""
    if group == 1:
        return values
    several = values.unsqueeze(-1).expand(*values.shape, group)
    return several.reshape(*values.shape[:-1], -1)


class Scope(ABC):
    """Values of names, all broadcastable among each other."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        #: What is local to the step.
        self.local: dict[str, Tensor] = {}

    def assign(self, assignment: Assignment) -> None:
        """Do an assignment."""
        if assignment.local:
            self.local[assignment.target] = assignment.function.compute(self)
        else:
            self._store(assignment.target, assignment.function)

    @abstractmethod
    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """What the name of an array with a side stands for; ``group`` units share a value."""

    @abstractmethod
    def _store(self, array: str, function: Function) -> None:
        """Compute a value and put it into an array."""


class Units(Scope):
    """All units of a population, ``[items, units]``."""

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """The array itself."""
        return spread(self._memory.tensors[array], group)

    def _store(self, array: str, function: Function) -> None:
        function.into(self, self._memory.tensors[array])


class MaskedUnits(Units):
    """Units where truth values hold."""

    def __init__(self, memory: Memory, mask: Tensor) -> None:
        super().__init__(memory)
        self._mask = mask

    def _store(self, array: str, function: Function) -> None:
        target = self._memory.tensors[array]
        torch.where(self._mask, function.compute(self), target, out=target)


def _places(spikes: SpikeList, own: bool, group: int) -> Tensor:
    """Where the value of each spike's unit, or of its group, stands in a flat array."""
    if group == 1:
        return spikes.places if own else spikes.unit_index
    place = spikes.unit_index // group
    return spikes.row_index * (spikes.size // group) + place if own else place


class ListedUnits(Scope):
    """Units in a list, ``[spikes]``."""

    def __init__(self, memory: Memory, spikes: SpikeList) -> None:
        super().__init__(memory)
        self._spikes = spikes

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """One number for each spike."""
        values, own = self._memory.tensors[array].reshape(-1), self._memory.per_item(array)
        if side == "shared":
            return values.index_select(0, self._spikes.row_index) if own else values
        return values.index_select(0, _places(self._spikes, own, group))

    def _store(self, array: str, function: Function) -> None:
        values = self._memory.tensors[array].view(-1)
        put(values, self._spikes.places, function.compute(self))


def units(memory: Memory, spikes: Spikes) -> Scope:
    """The units that spiked."""
    if isinstance(spikes, SpikeList):
        return ListedUnits(memory, spikes)
    return MaskedUnits(memory, spikes)


class Synapses(ABC):
    """The synapses of a projection as scopes."""

    @abstractmethod
    def every(self) -> Scope:
        """All of them."""

    @abstractmethod
    def of_pre(self, arriving: Arriving) -> Scope:
        """Those that leave the source units that spiked; or those that are named themselves."""

    @abstractmethod
    def of_post(self, spikes: Spikes) -> Scope:
        """Those that reach the target units that spiked."""


class MatrixSynapses(Synapses):
    """All-to-all: synaptic arrays are matrices.

    Parameters
    ----------
    memory : Memory
    transposed : bool
        The matrices are ``[post, pre]``, because another projection owns them.
    """

    def __init__(self, memory: Memory, transposed: bool) -> None:
        self._memory, self._transposed = memory, transposed

    def every(self) -> Scope:
        """All of them."""
        return _Matrix(self._memory, self._transposed)

    def of_pre(self, arriving: Arriving) -> Scope:
        """Rows."""
        assert not isinstance(arriving, Chosen), "only sparse synapses have delays of their own"
        return self._of(arriving, "pre")

    def of_post(self, spikes: Spikes) -> Scope:
        """Columns."""
        return self._of(spikes, "post")

    def _of(self, spikes: Spikes, side: str) -> Scope:
        if isinstance(spikes, SpikeList):
            rows = self._transposed == (side == "post")
            busy = BUSY_ROWS if rows else BUSY_COLUMNS
            if len(spikes) < busy * spikes.rows * spikes.size:
                return _Lines(self._memory, self._transposed, side, spikes)
            spikes = spikes.mask()
        mask = spikes.unsqueeze(-1 if side == "pre" else -2)
        return _MaskedMatrix(self._memory, self._transposed, mask)


class _Matrix(Scope):
    """``[items, pre, post]``."""

    def __init__(self, memory: Memory, transposed: bool) -> None:
        super().__init__(memory)
        self._transposed = transposed

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values along the axes of this scope."""
        values = self._memory.tensors[array]
        if side == "":
            return values.transpose(-1, -2) if self._transposed else values
        return spread(values, group).unsqueeze(-2 if side == "post" else -1)

    def _store(self, array: str, function: Function) -> None:
        function.into(self, self.value(array, ""))


class _MaskedMatrix(_Matrix):
    """Only where truth values hold, which are broadcast."""

    def __init__(self, memory: Memory, transposed: bool, mask: Tensor) -> None:
        super().__init__(memory, transposed)
        self._mask = mask

    def _store(self, array: str, function: Function) -> None:
        target = self.value(array, "")
        torch.where(self._mask, function.compute(self), target, out=target)


class _Lines(Scope):
    """Rows or columns of the units on one side that spiked, ``[spikes, units of the other]``."""

    def __init__(self, memory: Memory, transposed: bool, side: str, spikes: SpikeList) -> None:
        super().__init__(memory)
        self._side, self._spikes = side, spikes
        self._turned = transposed != (side == "post")

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values along the axes of this scope."""
        values, own = self._memory.tensors[array], self._memory.per_item(array)
        if side == self._side:
            index = _places(self._spikes, own, group)
            return values.reshape(-1).index_select(0, index).unsqueeze(-1)
        if side:  # the other side, or shared: one row an item
            values = spread(values, group)
            several = own and self._spikes.rows > 1
            return values.index_select(0, self._spikes.row_index) if several else values
        lines, index = self._lines(values, own)
        if lines.dim() == 2:
            return lines.index_select(0, index)
        return lines[self._spikes.row_index, index]

    def _store(self, array: str, function: Function) -> None:
        lines, index = self._lines(self._memory.tensors[array], True)
        found = function.compute(self)
        if lines.dim() == 2:
            put(lines, index, found)
        else:
            lines.index_put_((self._spikes.row_index, index), found)

    def _lines(self, values: Tensor, own: bool) -> tuple[Tensor, Tensor]:
        """All lines of this side, and which are those of the spikes; in one axis where possible."""
        if own and not self._turned:
            return values.view(-1, values.shape[-1]), self._spikes.places
        if self._turned:
            values = values.transpose(-1, -2)
        if own and self._spikes.rows == 1:
            values = values[0]
        return values, self._spikes.unit_index


class SparseSynapses(Synapses):
    """Synaptic arrays are lists.

    Parameters
    ----------
    memory : Memory
    wiring : Wiring
    by_synapse : bool
        What arrives are synapses, not units: each has its own delay.
    """

    def __init__(self, memory: Memory, wiring: Wiring, by_synapse: bool) -> None:
        self._memory, self._wiring, self._by_synapse = memory, wiring, by_synapse

    def every(self) -> Scope:
        """All of them."""
        return _List(self._memory, self._wiring)

    def of_pre(self, arriving: Arriving) -> Scope:
        """Those of some rows, or those that are named."""
        if isinstance(arriving, Chosen):
            return _Chosen(self._memory, self._wiring, arriving)
        if isinstance(arriving, SpikeList):
            return _Chosen(self._memory, self._wiring, self._wiring.of_pre(arriving))
        mask = arriving if self._by_synapse else arriving[:, self._wiring.pre_index]
        return _MaskedList(self._memory, self._wiring, mask)

    def of_post(self, spikes: Spikes) -> Scope:
        """Those of some columns."""
        if isinstance(spikes, SpikeList):
            return _Chosen(self._memory, self._wiring, self._wiring.of_post(spikes))
        return _MaskedList(self._memory, self._wiring, spikes[:, self._wiring.post_index])


class _List(Scope):
    """``[items, synapses]``."""

    def __init__(self, memory: Memory, wiring: Wiring) -> None:
        super().__init__(memory)
        self._wiring = wiring

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values along the axes of this scope."""
        values = self._memory.tensors[array]
        match side:
            case "pre":
                return spread(values, group)[..., self._wiring.pre_index]
            case "post":
                return spread(values, group)[..., self._wiring.post_index]
        return values

    def _store(self, array: str, function: Function) -> None:
        function.into(self, self._memory.tensors[array])


class _MaskedList(_List):
    """Only where truth values hold."""

    def __init__(self, memory: Memory, wiring: Wiring, mask: Tensor) -> None:
        super().__init__(memory, wiring)
        self._mask = mask

    def _store(self, array: str, function: Function) -> None:
        target = self._memory.tensors[array]
        torch.where(self._mask, function.compute(self), target, out=target)


class _Chosen(Scope):
    """``[chosen synapses]``."""

    def __init__(self, memory: Memory, wiring: Wiring, chosen: Chosen) -> None:
        super().__init__(memory)
        self._wiring, self._chosen = wiring, chosen
        self._places = self._index("")

    def _index(self, side: str, own: bool = True, group: int = 1) -> Tensor:
        row, synapse = self._chosen.row, self._chosen.synapse
        match side:
            case "pre":
                place = self._wiring.pre[synapse] // group
                place = row * (self._wiring.n_pre // group) + place if own else place
            case "post":
                place = self._wiring.post[synapse] // group
                place = row * (self._wiring.n_post // group) + place if own else place
            case "shared":
                place = row
            case _:
                place = row * self._wiring.count + synapse if own else synapse
        return torch.from_numpy(place).to(self._wiring.device)

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values along the axes of this scope."""
        values, own = self._memory.tensors[array].reshape(-1), self._memory.per_item(array)
        if side == "shared" and not own:
            return values
        return values.index_select(0, self._index(side, own, group))

    def _store(self, array: str, function: Function) -> None:
        put(self._memory.tensors[array].view(-1), self._places, function.compute(self))

"""Projections of full blocks along the diagonal: batched matrices, without any list of synapses.

Weights are seen as ``[K, pre, post]``, or ``[items, K, pre, post]`` where each item has its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuro.backends.torch.delivery import Delivery, add_rows
from neuro.backends.torch.expressions import Function
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.scopes import BUSY_ROWS, Scope, SparseSynapses, spread
from neuro.backends.torch.sparse import Wiring
from neuro.backends.torch.spikes import Arriving, Chosen, SpikeList, Spikes
from neuro.program import Arrive, Program, array_of, side_of

#: Share of units that spike from which all synapses are visited: by a product with weights that
#: items share, with weights of their own, and in the stated order (20 blocks of 196 to 20, batch
#: 20); and most numbers that are added row by row whatever the share.
BUSY_SHARED, BUSY_OWN, BUSY_ORDERED, ADDED_BY_ROW = 0.05, 0.2, 0.15, 2**16

#: Most sums that are made side by side in the stated order; they stay in the cache.
SUMS = 2**14


@dataclass(frozen=True)
class Blocks:
    """K full blocks ``[pre, post]`` as one projection reads them.

    Attributes
    ----------
    count, n_pre, n_post : int
        K; units of one block.
    transposed : bool
        Synaptic arrays hold the blocks the other way round.
    """

    count: int
    n_pre: int
    n_post: int
    transposed: bool

    @classmethod
    def of(cls, shape: tuple[int, int, int], transposed: bool) -> Blocks:
        """Of :attr:`neuro.connectivity.Sparse.blocks`."""
        count, rows, columns = shape
        return cls(count, *((columns, rows) if transposed else (rows, columns)), transposed)

    def synaptic(self, values: Tensor) -> Tensor:
        """A synaptic array ``[..., synapses]`` as ``[..., K, pre, post]``."""
        lead = values.shape[:-1]
        if self.transposed:
            return values.view(*lead, self.count, self.n_post, self.n_pre).transpose(-1, -2)
        return values.view(*lead, self.count, self.n_pre, self.n_post)

    def of_side(self, values: Tensor, side: str, group: int = 1) -> Tensor:
        """Values of units ``[..., units]``, to be broadcast over ``[..., K, pre, post]``."""
        lead, length = values.shape[:-1], self.n_pre if side == "pre" else self.n_post
        if group == length:
            return values.reshape(*lead, self.count, 1, 1)
        ends = (length, 1) if side == "pre" else (1, length)
        return spread(values, group).reshape(*lead, self.count, *ends)


def deliverable(program: Program, step: Arrive) -> bool:
    """Whether :class:`BlockDelivery` can do a step."""
    shape = getattr(program.connectivity[step.synapses], "blocks", None)
    return shape is not None and step.delays is None and all(map(side_of, step.factors))


class BlockDelivery(Delivery[SpikeList]):
    """A batched product, or the same sums in the stated order.

    Parameters
    ----------
    memory : Memory
    blocks : Blocks
    weights : str
    factors : tuple of str
        As in :class:`neuro.program.Arrive`, all of source units.
    ordered : bool
    """

    def __init__(
        self, memory: Memory, blocks: Blocks, weights: str, factors: tuple[str, ...], ordered: bool
    ) -> None:
        self._memory, self._blocks, self._ordered = memory, blocks, ordered
        self._weights, self._factors = weights, [array_of(f) for f in factors]
        self._nothing: Tensor | None = None
        own = memory.per_item(weights)
        self._busy = BUSY_ORDERED if ordered else BUSY_OWN if own else BUSY_SHARED

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """Rows of the units that spiked, or everything if these are many."""
        every = arriving.rows * arriving.size
        few = self._ordered and len(arriving) * self._blocks.n_post <= ADDED_BY_ROW
        if self._blocks.n_pre > 1 and (few or len(arriving) < self._busy * every):
            self._by_row(arriving, out)
        else:
            self._by_block(None if len(arriving) == every else arriving.mask(), out)

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """Everything."""
        self._by_block(arriving, out)

    def _by_row(self, arriving: SpikeList, out: Tensor) -> None:
        blocks = self._blocks
        matrix = blocks.synaptic(self._memory.tensors[self._weights]).reshape(-1, blocks.n_post)
        index = arriving.places if self._memory.per_item(self._weights) else arriving.unit_index
        if self._factors:
            matrix = matrix.index_select(0, index)
            for name in self._factors:
                place = arriving.places if self._memory.per_item(name) else arriving.unit_index
                values = self._memory.tensors[name].view(-1).index_select(0, place)
                matrix = matrix * values.unsqueeze(-1)
            index = torch.arange(len(arriving), device=out.device)
        ends = torch.arange(arriving.rows * blocks.count + 1, device=out.device) * blocks.n_pre
        bounds = torch.searchsorted(arriving.places, ends)
        sums = out.new_empty((len(bounds) - 1, blocks.n_post))
        add_rows(matrix, index, bounds, sums)
        out.copy_(sums.view(out.shape))

    def _by_block(self, arriving: Tensor | None, out: Tensor) -> None:
        """All synapses; what does not arrive counts 0. ``arriving`` None: everything does."""
        blocks = self._blocks
        weights = blocks.synaptic(self._memory.tensors[self._weights])
        factors = [self._memory.tensors[name] for name in self._factors]
        if arriving is not None:
            if factors:
                if self._nothing is None:  # where() takes longer with a single 0
                    self._nothing = torch.zeros_like(factors[0])
                factors[0] = torch.where(arriving, factors[0], self._nothing)
            else:
                factors = [arriving.to(weights.dtype)]
        elif not factors:
            factors = [weights.new_ones((1, blocks.count * blocks.n_pre))]
        rows = out.numel() // (blocks.count * blocks.n_post)
        shares = [f.view(-1, blocks.count, blocks.n_pre) for f in factors]
        if blocks.n_pre == 1:
            found = _product(weights.squeeze(-2), [s.squeeze(-1) for s in shares])
        elif self._ordered:
            found = self._in_order(weights, shares, rows)
        else:
            share = shares[0]
            for other in shares[1:]:
                share = share * other
            found = _sums(share, weights)
        target = out.view(*out.shape[:-1], blocks.count, blocks.n_post)
        if len(found) != rows:  # the same for all items
            found = found.expand(rows, *found.shape[1:])
        target.copy_(found if target.dim() == 3 else found.reshape(target.shape))

    def _in_order(self, weights: Tensor, shares: list[Tensor], rows: int) -> Tensor:
        """One source unit of each block after the other, for some rows at a time."""
        blocks = self._blocks
        sums = weights.new_zeros((rows, blocks.count, blocks.n_post))
        length = max(1, SUMS // (blocks.count * blocks.n_post))
        for low in range(0, rows, length):
            part = sums[low : low + length]
            own = weights[low : low + length] if weights.dim() == 4 else weights
            some = [s[low : low + length] if len(s) > 1 else s for s in shares]
            turned = [s.permute(2, 0, 1).contiguous().unbind(0) for s in some]
            for unit, values in enumerate(own.unbind(-2)):
                part.add_(_product(values, [s[unit] for s in turned]))
        return sums


def _product(weights: Tensor, shares: list[Tensor]) -> Tensor:
    """Weights ``[..., K, post]`` of one unit of each block, times ``[rows, K]``, in order."""
    for share in shares:
        weights = weights * share.unsqueeze(-1)
    return weights


def _sums(share: Tensor, weights: Tensor) -> Tensor:
    """Products of ``[rows, K, pre]`` with weights, ``[rows, K, post]``."""
    if weights.dim() == 4:
        return torch.matmul(share.unsqueeze(-2), weights).squeeze(-2)
    return torch.bmm(share.transpose(0, 1), weights).transpose(0, 1)


class BlockSynapses(SparseSynapses):
    """All synapses, or those of units that spiked, as blocks.

    Parameters
    ----------
    memory : Memory
    wiring : Wiring
    blocks : Blocks
    """

    def __init__(self, memory: Memory, wiring: Wiring, blocks: Blocks) -> None:
        super().__init__(memory, wiring, by_synapse=False)
        self._blocks = blocks

    def every(self) -> Scope:
        """All of them."""
        return _All(self._memory, self._blocks)

    def of_pre(self, arriving: Arriving) -> Scope:
        """Those of some rows."""
        assert not isinstance(arriving, Chosen), "these blocks have no delays of their own"
        return self._of(arriving, "pre") or super().of_pre(arriving)

    def of_post(self, spikes: Spikes) -> Scope:
        """Those of some columns."""
        return self._of(spikes, "post") or super().of_post(spikes)

    def _of(self, spikes: Spikes, side: str) -> Scope | None:
        """As blocks, unless it is quicker to list synapses."""
        if isinstance(spikes, SpikeList):
            every = spikes.rows * spikes.size
            if len(spikes) == every:
                return self.every()
            if len(spikes) < BUSY_ROWS * every:
                return None
            spikes = spikes.mask()
        return _Masked(self._memory, self._blocks, self._blocks.of_side(spikes, side))


class _All(Scope):
    """``[items, K, pre, post]``."""

    def __init__(self, memory: Memory, blocks: Blocks) -> None:
        super().__init__(memory)
        self._blocks = blocks

    def value(self, array: str, side: str, group: int = 1) -> Tensor:
        """Values along the axes of this scope."""
        values = self._memory.tensors[array]
        if side == "":
            return self._blocks.synaptic(values)
        if side == "shared":
            return values.unsqueeze(-1).unsqueeze(-1)
        return self._blocks.of_side(values, side, group)

    def _store(self, array: str, function: Function) -> None:
        function.into(self, self.value(array, ""))


class _Masked(_All):
    """Only where truth values hold, which are broadcast."""

    def __init__(self, memory: Memory, blocks: Blocks, mask: Tensor) -> None:
        super().__init__(memory, blocks)
        self._mask = mask

    def _store(self, array: str, function: Function) -> None:
        target = self.value(array, "")
        torch.where(self._mask, function.compute(self), target, out=target)

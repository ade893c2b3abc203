"""Spikes become input: what every way to do it has in common, and projections between all units.

The stated order of additions is that of ascending presynaptic units, one after the other. A
matrix product adds in an order of its own. ``torch.embedding_bag`` adds up rows of a matrix in the
order in which they are listed, on a CPU (FBGEMM; tested) as on a GPU (one thread makes a sum, says
its source), so it is what ordered sums are made of; with few spikes it is also the quicker way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from torch import Tensor

from neuro.backends.torch.memory import Memory
from neuro.backends.torch.spikes import Chosen, SpikeList
from neuro.program import array_of

#: Columns of a float32 matrix that are added up at a time on a CPU, if its rows are listed so many
#: times each: this part of the matrix and the sums stay in the cache, which was twice as fast.
COLUMNS, OFTEN = 256, 8

#: Share of units that spike from which a matrix product is quicker (1000 to 1000, batch 32).
BUSY = {torch.float32: 0.15, torch.float64: 0.1}

Listed = TypeVar("Listed", SpikeList, Chosen)


class Delivery(ABC, Generic[Listed]):
    """Input of the target units from what arrives.

    There are as many rows of input as there are rows of arrivals: items, or steps of items where
    weights and factors are the same for all of these.
    """

    def __call__(self, arriving: Listed | Tensor, out: Tensor) -> None:
        """Put the input into ``out``, ``[..., post]``."""
        if isinstance(arriving, Tensor):
            self.masked(arriving, out)
        elif len(arriving):
            self.listed(arriving, out)
        else:
            out.zero_()

    @abstractmethod
    def listed(self, arriving: Listed, out: Tensor) -> None:
        """From a list, which is not empty; work for what is listed only."""

    @abstractmethod
    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """From truth values, without a look at them, so that a GPU need not wait."""


def add_rows(
    matrix: Tensor, index: Tensor, bounds: Tensor, out: Tensor, shares: Tensor | None = None
) -> None:
    """``out[i]`` = sum of the rows ``index[bounds[i]:bounds[i + 1]]``, one after the other.

    Parameters
    ----------
    matrix : Tensor ``[m, n]``
    index, bounds : Tensor of int
    out : Tensor ``[..., n]``
    shares : Tensor, optional
        A factor of each listed row: 0 or 1, with which a fused multiply-add is exact.
    """
    height, width = matrix.shape
    in_parts = matrix.dtype == torch.float32 and len(index) > OFTEN * height and not matrix.is_cuda
    block = COLUMNS if in_parts else width
    for low in range(0, width, block):
        part = matrix[:, low : low + block]
        sums = torch.embedding_bag(part, index, bounds, False, 0, False, shares, True)[0]
        out[..., low : low + block] = sums.view(*out.shape[:-1], -1)


class SharedRows(Delivery[SpikeList]):
    """A matrix that all items share and that no step changes.

    Parameters
    ----------
    matrix : Tensor ``[pre, post]``
    ordered : bool
        Whether sums must be made in the stated order.
    """

    def __init__(self, matrix: Tensor, ordered: bool) -> None:
        self._matrix, self._ordered = matrix, ordered

    def replace(self, matrix: Tensor) -> None:
        """Take another matrix of the same shape, in place."""
        self._matrix.copy_(matrix)

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """Add the rows of the units that spiked; many of them, in any order, by a product."""
        busy = BUSY[self._matrix.dtype] * arriving.rows * arriving.size
        if self._ordered or len(arriving) < busy:
            add_rows(self._matrix, arriving.unit_index, arriving.bounds, out)
        else:
            self.masked(arriving.mask(), out)

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """A matrix product, or all rows one after the other."""
        shares = arriving.to(self._matrix.dtype)
        if not self._ordered:
            out.copy_((shares @ self._matrix).view(out.shape))
            return
        rows, size = arriving.shape
        index = torch.arange(size, device=arriving.device).repeat(rows)
        bounds = torch.arange(rows + 1, device=arriving.device) * size
        add_rows(self._matrix, index, bounds, out, shares.reshape(-1))


class ItemRows(Delivery[SpikeList]):
    """A matrix of each item: plastic weights, or factors that change.

    Parameters
    ----------
    memory : Memory
    weights : str
        Array ``[pre, post]``.
    factors : tuple of str
        As in :class:`neuro.program.Arrive`.
    transposed, ordered : bool
    """

    def __init__(
        self,
        memory: Memory,
        weights: str,
        factors: tuple[str, ...],
        transposed: bool,
        ordered: bool,
    ) -> None:
        self._memory, self._weights, self._factors = memory, weights, factors
        self._transposed, self._ordered = transposed, ordered

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """Add the rows of the units that spiked."""
        matrix = self._memory.tensors[self._weights]
        if self._factors or self._transposed:
            rows = self._rows(self._weights, arriving)
            for name in self._factors:
                rows = rows * self._of_units(name, arriving)
            index = torch.arange(len(arriving), device=out.device)
            add_rows(rows, index, arriving.bounds, out)
        else:
            add_rows(matrix.view(-1, matrix.shape[-1]), arriving.places, arriving.bounds, out)

    def _rows(self, name: str, arriving: SpikeList) -> Tensor:
        """Values of a synaptic array for the units that spiked, ``[spikes, post]``."""
        matrix = self._oriented(name)
        if not self._memory.per_item(name):
            return matrix.index_select(0, arriving.unit_index)
        if arriving.rows == 1:
            return matrix[0].index_select(0, arriving.unit_index)
        return matrix[arriving.row_index, arriving.unit_index]

    def _of_units(self, name: str, arriving: SpikeList) -> Tensor:
        array = array_of(name)
        if array == name:
            return self._rows(name, arriving)
        values = self._memory.tensors[array]
        index = arriving.places if self._memory.per_item(array) else arriving.unit_index
        return values.view(-1).index_select(0, index).unsqueeze(-1)

    def _oriented(self, name: str) -> Tensor:
        matrix = self._memory.tensors[name]
        return matrix.transpose(-1, -2) if self._transposed else matrix

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """A matrix product for each item, or all its rows one after the other."""
        matrix = self._oriented(self._weights)
        for name in self._factors:
            array = array_of(name)
            if array == name:
                matrix = matrix * self._oriented(name)
            else:
                matrix = matrix * self._memory.tensors[array].unsqueeze(-1)
        matrix = matrix.expand(len(arriving), *matrix.shape[-2:])
        shares = arriving.to(matrix.dtype)
        if not self._ordered:
            out.copy_(torch.bmm(shares.unsqueeze(1), matrix).squeeze(1))
            return
        items, size = arriving.shape
        index = torch.arange(items * size, device=arriving.device)
        bounds = torch.arange(items + 1, device=arriving.device) * size
        add_rows(matrix.reshape(items * size, -1), index, bounds, out, shares.view(-1))

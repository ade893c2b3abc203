"""Spike delivery and selection of synapses, dense and sparse, forwards and transposed.

Additions are made in ascending order of the presynaptic unit, one after the other, which is the
order that the program states. ``numpy.sum`` along a contiguous axis would add pairwise instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Dense, IntArray, Sparse
from neuro.program import group_of, side_of

Units = IntArray | slice

#: Share of units with an event, and most events in one block, up to which a projection of blocks
#: visits their rows only.
FEW, FEW_IN_ONE_BLOCK = 0.3, 32

#: Names with sides, and the arrays, of what multiplies the weights of an arrival.
Factors = Sequence[tuple[str, NDArray[Any]]]


def of_units(name: str, array: NDArray[Any], units: Units) -> NDArray[Any]:
    """Values of a name with a side for some units of that side (a slice: all of them)."""
    group = group_of(name)
    if group == 1:
        return np.asarray(array[units])
    return np.repeat(array, group) if isinstance(units, slice) else array[units // group]


class Synapses(ABC):
    """The synapses of one projection as seen from its source ("pre") and target ("post")."""

    @abstractmethod
    def deliver(
        self, weights: NDArray[Any], pre: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        """``into[post] = sum of weights[pre, post] * factors`` over the pre units, in order."""

    def deliver_synapses(
        self, weights: NDArray[Any], chosen: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        """The same over single synapses, in the order given."""
        raise AssertionError("only sparse synapses have delays of their own")

    @abstractmethod
    def of_pre(self, units: IntArray) -> Selection:
        """The synapses that leave some pre units."""

    @abstractmethod
    def of_post(self, units: IntArray) -> Selection:
        """The synapses that reach some post units."""

    @abstractmethod
    def all(self) -> Selection:
        """All synapses."""

    def single(self, chosen: IntArray) -> Selection:
        """Some synapses by their index."""
        raise AssertionError("only sparse synapses are chosen one by one")


class Selection(ABC):
    """Some synapses: how to read the values of names there, and write weights back."""

    @abstractmethod
    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Values at the selected synapses, broadcastable among each other."""

    @abstractmethod
    def scatter(self, array: NDArray[Any], values: Any) -> None:
        """Write values of a synaptic array at the selected synapses."""


def synapses(connectivity: Connectivity, transposed: bool) -> Synapses:
    """The implementation for a connectivity and a direction."""
    if isinstance(connectivity, Dense):
        return _DenseSynapses(transposed)
    if isinstance(connectivity, Sparse):
        if connectivity.blocks is not None:
            return _BlockSynapses(connectivity, transposed)
        return _SparseSynapses(connectivity, transposed)
    return _SharedWeights(*connectivity.expand())


class _DenseSynapses(Synapses):
    def __init__(self, transposed: bool) -> None:
        self._transposed = transposed

    def deliver(
        self, weights: NDArray[Any], pre: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        rows = weights.T if self._transposed else weights
        if factors:
            block = rows[pre]
            for _, factor in factors:
                block = block * factor[pre][:, None]
            into[:] = block[0]
            for row in block[1:]:
                np.add(into, row, into)
        elif len(pre) == 1 or self._transposed or into.size == 1:
            into[:] = rows[pre[0]]
            for unit in pre[1:]:
                np.add(into, rows[unit], into)
        else:
            # Reduction over the outer axis of a C-ordered block adds row after row.
            np.add.reduce(rows.take(pre, 0), 0, None, into)

    def of_pre(self, units: IntArray) -> Selection:
        return _DenseSelection((units, slice(None)), self._transposed)

    def of_post(self, units: IntArray) -> Selection:
        return _DenseSelection((slice(None), units), self._transposed)

    def all(self) -> Selection:
        return _DenseSelection((slice(None), slice(None)), self._transposed)


class _DenseSelection(Selection):
    def __init__(self, index: tuple[Any, Any], transposed: bool) -> None:
        self._index, self._transposed = index, transposed

    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 0:
            return array
        side = side_of(name)
        if side == "shared":
            values = array[0]
        elif side == "pre":
            values = of_units(name, array, self._index[0])[:, None]
        elif side == "post":
            values = of_units(name, array, self._index[1])[None, :]
        else:
            values = (array.T if self._transposed else array)[self._index]
        return np.asarray(values)

    def scatter(self, array: NDArray[Any], values: Any) -> None:
        (array.T if self._transposed else array)[self._index] = values


class _SparseSynapses(Synapses):
    def __init__(self, c: Sparse, transposed: bool) -> None:
        rows = np.repeat(np.arange(c.n_pre), np.diff(c.row_start))
        by_column = np.lexsort((rows, c.targets))  # synapses by target, then by row
        column_start = np.searchsorted(c.targets[by_column], np.arange(c.n_post + 1))
        by_row = _Lists(c.row_start, None)
        columns = _Lists(column_start, by_column)
        if transposed:
            self._by_pre, self._by_post = columns, by_row
            self._pre, self._post = c.targets, rows
        else:
            self._by_pre, self._by_post = by_row, columns
            self._pre, self._post = rows, c.targets

    def deliver(
        self, weights: NDArray[Any], pre: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        self.deliver_synapses(weights, self._by_pre(pre), factors, into)

    def deliver_synapses(
        self, weights: NDArray[Any], chosen: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        values = weights[chosen]
        for name, factor in factors:
            values = values * factor[self._pre[chosen] if side_of(name) else chosen]
        into.fill(0)
        np.add.at(into, self._post[chosen], values)

    def of_pre(self, units: IntArray) -> Selection:
        return _SparseSelection(self._by_pre(units), self._pre, self._post)

    def of_post(self, units: IntArray) -> Selection:
        return _SparseSelection(self._by_post(units), self._pre, self._post)

    def all(self) -> Selection:
        return _SparseSelection(slice(None), self._pre, self._post)

    def single(self, chosen: IntArray) -> Selection:
        return _SparseSelection(chosen, self._pre, self._post)


class _BlockSynapses(_SparseSynapses):
    """Full blocks on the diagonal, which are worked on as ``[K, pre, post]``, without any lists.

    Sums begin with 0, as those of single synapses do, so that nothing differs in any bit.
    """

    def __init__(self, c: Sparse, transposed: bool) -> None:
        super().__init__(c, transposed)
        assert c.blocks is not None
        self._shape, self._transposed = c.blocks, transposed
        self._blocks, *sides = c.blocks
        self._n_pre, self._n_post = reversed(sides) if transposed else sides
        self._products: NDArray[Any] | None = None

    def view(self, array: NDArray[Any]) -> NDArray[Any]:
        """A synaptic array as ``[K, pre, post]``."""
        blocks = array.reshape(self._shape)
        return blocks.swapaxes(1, 2) if self._transposed else blocks

    def deliver(
        self, weights: NDArray[Any], pre: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        sums = into.reshape(self._blocks, self._n_post)
        if len(pre) > FEW * self._blocks * self._n_pre:
            self._deliver_all(weights, pre, factors, sums)
            return
        block = pre // self._n_pre
        rank = np.arange(len(pre)) - np.searchsorted(block, block)
        deepest = int(rank.max()) + 1
        if deepest > FEW_IN_ONE_BLOCK:
            self._deliver_all(weights, pre, factors, sums)
            return
        rows = self.view(weights)[block, pre - block * self._n_pre]
        for name, factor in factors:
            if side_of(name):
                rows = rows * factor[pre][:, None]
            else:
                rows = rows * self.view(factor)[block, pre - block * self._n_pre]
        sums.fill(0)
        for depth in range(deepest):  # the units of a block one after the other
            chosen = np.flatnonzero(rank == depth)
            sums[block[chosen]] += rows[chosen]

    def _deliver_all(
        self, weights: NDArray[Any], pre: IntArray, factors: Factors, sums: NDArray[Any]
    ) -> None:
        """Every synapse; what does not arrive counts 0, which changes no sum."""
        if self._products is None:  # reduction over the outer axis will add row after row
            shape = self._n_pre, self._blocks, self._n_post
            self._products = np.empty(shape, weights.dtype)
        products, view = self._products, self._products.swapaxes(0, 1)
        values = self.view(weights)
        for name, factor in factors:
            values = np.multiply(values, self.spread(name, factor), view)
        if not factors:
            np.copyto(view, values)
        if len(pre) < self._blocks * self._n_pre:
            silent = np.ones(self._blocks * self._n_pre, bool)
            silent[pre] = False
            view[silent.reshape(self._blocks, self._n_pre)] = 0
        if sums.size == 1:  # of one column NumPy would add pairwise
            sums[...] = np.add.accumulate(np.append(0, products).astype(sums.dtype))[-1]
        else:
            np.add.reduce(products, 0, None, sums, initial=0)

    def of_pre(self, units: IntArray) -> Selection:
        every = len(units) == self._blocks * self._n_pre
        return self.all() if every else super().of_pre(units)

    def of_post(self, units: IntArray) -> Selection:
        every = len(units) == self._blocks * self._n_post
        return self.all() if every else super().of_post(units)

    def all(self) -> Selection:
        return _BlockSelection(self)

    def spread(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        """Values of a name, to be broadcast over ``[K, pre, post]``."""
        side = side_of(name)
        if not side:
            return self.view(array)
        length = self._n_pre if side == "pre" else self._n_post
        shape = (-1, length, 1) if side == "pre" else (-1, 1, length)
        if group_of(name) == length > 1:
            return array.reshape(-1, 1, 1)
        return of_units(name, array, slice(None)).reshape(shape)


class _BlockSelection(Selection):
    """All synapses."""

    def __init__(self, synapses: _BlockSynapses) -> None:
        self._synapses = synapses

    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 0:
            return array
        if side_of(name) == "shared":
            return np.asarray(array[0])
        return self._synapses.spread(name, array)

    def scatter(self, array: NDArray[Any], values: Any) -> None:
        self._synapses.view(array)[...] = values


class _SharedWeights(_SparseSynapses):
    """A convolution, spread out: every synapse knows the index of its weight in the kernel."""

    def __init__(self, c: Sparse, weight: IntArray) -> None:
        super().__init__(c, transposed=False)
        self._weight = weight

    def deliver_synapses(
        self, weights: NDArray[Any], chosen: IntArray, factors: Factors, into: NDArray[Any]
    ) -> None:
        spread = weights.reshape(-1)[self._weight[chosen]]
        into.fill(0)
        for name, factor in factors:
            assert side_of(name), "a convolution has no synaptic factors"
            spread = spread * factor[self._pre[chosen]]
        np.add.at(into, self._post[chosen], spread)


class DelayedSynapses:
    """Which synapses have an arrival, when each has its own delay."""

    def __init__(self, c: Sparse, delays: NDArray[np.integer[Any]]) -> None:
        rows = c.rows
        self._lists = []
        for delay in np.unique(delays)[::-1]:  # what was emitted first arrives first
            chosen = np.flatnonzero(delays == delay)
            start = np.searchsorted(rows[chosen], np.arange(c.n_pre + 1))
            self._lists.append((int(delay), _Lists(start, chosen)))

    def arriving(self, emitted: Callable[[int], IntArray]) -> IntArray:
        """Indices of synapses; ``emitted(d)`` gives the units that spiked d steps ago."""
        found = [lists(units) for d, lists in self._lists if len(units := emitted(d))]
        return np.concatenate(found) if found else np.zeros(0, np.int64)


class _Lists:
    """Ragged lists of synapses, one a unit; concatenated for several units, in order."""

    def __init__(self, start: IntArray, order: IntArray | None) -> None:
        self._start, self._order = start, order

    def __call__(self, units: IntArray) -> IntArray:
        first, count = self._start[units], self._start[units + 1] - self._start[units]
        ends = np.cumsum(count)
        flat = np.arange(ends[-1] if len(ends) else 0) + np.repeat(first - (ends - count), count)
        return flat if self._order is None else np.asarray(self._order[flat])


class _SparseSelection(Selection):
    def __init__(self, chosen: IntArray | slice, pre: IntArray, post: IntArray) -> None:
        self._chosen, self._pre, self._post = chosen, pre, post

    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 0:
            return array
        match side_of(name):
            case "shared":
                return np.asarray(array[0])
            case "pre":
                return of_units(name, array, self._pre[self._chosen])
            case "post":
                return of_units(name, array, self._post[self._chosen])
        return array[self._chosen]

    def scatter(self, array: NDArray[Any], values: Any) -> None:
        array[self._chosen] = values

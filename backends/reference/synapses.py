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
from neuro.program import side_of

#: Names with sides, and the arrays, of what multiplies the weights of an arrival.
Factors = Sequence[tuple[str, NDArray[Any]]]


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
            values = array[self._index[0]][:, None]
        elif side == "post":
            values = array[self._index[1]][None, :]
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
                return array[self._pre[self._chosen]]
            case "post":
                return array[self._post[self._chosen]]
        return array[self._chosen]

    def scatter(self, array: NDArray[Any], values: Any) -> None:
        array[self._chosen] = values

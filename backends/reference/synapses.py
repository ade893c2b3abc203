"""Spike delivery and selection of synapses, dense and sparse, forwards and transposed.

Additions are made in ascending order of the presynaptic unit, one after the other, which is the
order that the program states. ``numpy.sum`` along a contiguous axis would add pairwise instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Dense, IntArray, Sparse
from neuro.program import side_of

Arrays = Mapping[str, NDArray[Any]]


class Synapses(ABC):
    """The synapses of one projection as seen from its source ("pre") and target ("post")."""

    @abstractmethod
    def deliver(self, weights: NDArray[Any], pre: IntArray, into: NDArray[Any]) -> None:
        """``into[post] = sum of weights[pre, post]`` over the given pre units, in order."""

    @abstractmethod
    def of_pre(self, units: IntArray) -> Selection:
        """The synapses that leave some pre units."""

    @abstractmethod
    def of_post(self, units: IntArray) -> Selection:
        """The synapses that reach some post units."""


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
    return _SparseSynapses(connectivity, transposed)


class _DenseSynapses(Synapses):
    def __init__(self, transposed: bool) -> None:
        self._transposed = transposed

    def deliver(self, weights: NDArray[Any], pre: IntArray, into: NDArray[Any]) -> None:
        rows = weights.T if self._transposed else weights
        if len(pre) == 1 or self._transposed or into.size == 1:
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


class _DenseSelection(Selection):
    def __init__(self, index: tuple[Any, Any], transposed: bool) -> None:
        self._index, self._transposed = index, transposed

    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 0:
            return array
        side = side_of(name)
        if side == "pre":
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

    def deliver(self, weights: NDArray[Any], pre: IntArray, into: NDArray[Any]) -> None:
        chosen = self._by_pre(pre)
        into.fill(0)
        np.add.at(into, self._post[chosen], weights[chosen])

    def of_pre(self, units: IntArray) -> Selection:
        return _SparseSelection(self._by_pre(units), self._pre, self._post)

    def of_post(self, units: IntArray) -> Selection:
        return _SparseSelection(self._by_post(units), self._pre, self._post)


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
    def __init__(self, chosen: IntArray, pre: IntArray, post: IntArray) -> None:
        self._chosen, self._pre, self._post = chosen, pre, post

    def gather(self, name: str, array: NDArray[Any]) -> NDArray[Any]:
        if array.ndim == 0:
            return array
        match side_of(name):
            case "pre":
                return array[self._pre[self._chosen]]
            case "post":
                return array[self._post[self._chosen]]
        return array[self._chosen]

    def scatter(self, array: NDArray[Any], values: Any) -> None:
        array[self._chosen] = values

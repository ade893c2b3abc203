"""Weights as the matrices ``[post, pre]`` of whole numbers that Lava's processes want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Dense, IntArray


def matrix(c: Connectivity, values: NDArray[Any], transposed: bool) -> Any:
    """Weights (or delays) of all synapses: an array, or a scipy ``csr_matrix``."""
    whole = values.astype(np.int32)
    if isinstance(c, Dense):
        return np.ascontiguousarray(whole if transposed else whole.T)
    from scipy.sparse import csr_matrix

    sparse, index = c.expand()
    pre, post, data = sparse.rows, sparse.targets, whole.reshape(-1)[index]
    if transposed:
        return csr_matrix((data, (pre, post)), (sparse.n_pre, sparse.n_post))
    return csr_matrix((data, (post, pre)), (sparse.n_post, sparse.n_pre))


class Arrivals:
    """Sums of the weights of what arrives, for any delays, as whole numbers.

    Parameters
    ----------
    weights : array or csr_matrix ``[post, pre]``
    delays : int or csr_matrix
        In steps, from 1 on; a matrix has those of the synapses of ``weights``.
    """

    def __init__(self, weights: Any, delays: Any) -> None:
        if isinstance(delays, int):
            self._parts = [(delays, _columns(weights))]
        else:
            found = np.unique(delays.data)
            self._parts = [(int(d), _columns(_where(weights, delays, d))) for d in found]
        self._size = weights.shape[0]

    def __call__(self, emitted: Sequence[IntArray]) -> NDArray[np.int64]:
        """Sums over spikes; ``emitted[-d]`` are the units that spiked d steps ago."""
        total = np.zeros(self._size, np.int64)
        for delay, columns in self._parts:
            if delay <= len(emitted) and len(units := emitted[-delay]):
                total += np.asarray(columns[units].sum(axis=0)).reshape(-1)
        return total


def _columns(weights: Any) -> Any:
    """The transposed matrix, whose rows are picked."""
    turned = weights.T
    return np.ascontiguousarray(turned) if isinstance(turned, np.ndarray) else turned.tocsr()


def _where(weights: Any, delays: Any, delay: int) -> Any:
    chosen = delays.data == delay
    part = weights.copy()
    part.data = np.where(chosen, part.data, 0)
    part.eliminate_zeros()
    return part

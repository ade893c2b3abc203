"""Weights of a projection as users see them: matrices ``[pre, post]``, vectors, kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Convolution, Dense, IntArray, Sparse
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    import scipy.sparse


@dataclass(frozen=True, eq=False)
class SynapseTable:
    """Every synapse of a projection, in the order in which all synaptic arrays are kept.

    Attributes
    ----------
    pre, post : int arrays of shape (n,)
        Units.
    weight : array of shape (n,), or (items, n) of a batch
    delay : array of shape (n,), second
    """

    pre: IntArray
    post: IntArray
    weight: NDArray[Any]
    delay: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.pre)


def matrix(
    values: NDArray[Any], connectivity: Connectivity, turned: bool, sparse: bool
) -> NDArray[Any] | scipy.sparse.csr_array:
    """The matrix of weights in the connectivity's own shape; synapses of one pair are summed.

    Parameters
    ----------
    values : array
        In :attr:`weight_shape`.
    connectivity : Connectivity
    turned : bool
        Whether the projection reads it backwards.
    sparse : bool
        Whether to return a scipy.sparse array of the synapses that exist.
    """
    if isinstance(connectivity, Dense) and not sparse:
        return np.ascontiguousarray(values.T) if turned else values
    import scipy.sparse  # only here: it takes longer to import than all else that this needs

    synapses, index = connectivity.expand()
    parts = (values.reshape(-1)[index], synapses.targets, synapses.row_start)
    made = scipy.sparse.csr_array(parts, (synapses.n_pre, synapses.n_post))
    made = made.T.tocsr() if turned else made
    return made if sparse else made.toarray()


def values_from(
    given: Any, connectivity: Connectivity, turned: bool, dtype: np.dtype[np.floating], where: str
) -> NDArray[Any]:
    """Weights in the connectivity's own shape, from what a user gives.

    Parameters
    ----------
    given : array ``[pre, post]``, scipy.sparse, vector of all synapses, or kernel
    connectivity, turned
        As in :func:`matrix`.
    dtype : numpy dtype
    where : str
        For messages.

    Raises
    ------
    DescriptionError
        Other shape, NaN, or a weight where there is no synapse.
    """
    c = connectivity
    sparse = hasattr(given, "tocsr")
    weights: Any = given.tocsr() if sparse else np.asarray(given)
    plain = weights.data if sparse else weights
    if plain.dtype.kind not in "fiub" or not np.all(np.isfinite(plain)):
        raise DescriptionError(f"{where}: NaN, infinite or no numbers; all must be finite")
    if not sparse and weights.shape == c.weight_shape and not (turned and weights.ndim == 2):
        return np.asarray(weights, dtype)
    expected = (c.n_post, c.n_pre) if turned else (c.n_pre, c.n_post)
    if weights.shape != expected:
        hint = " (it looks transposed)" if weights.shape == expected[::-1] else ""
        raise DescriptionError(
            f"{where}: shape {weights.shape}; expected [pre, post] = {expected}"
            f"{_other_shape(c)}{hint}"
        )
    if isinstance(c, Convolution):
        raise DescriptionError(
            f"{where}: the synapses of a convolution share one kernel; give it, of shape"
            f" {c.weight_shape}"
        )
    if turned:
        weights = weights.T.tocsr() if sparse else weights.T
    if not isinstance(c, Sparse):
        return np.asarray(weights.toarray() if sparse else weights, dtype)
    if c.has_multapses:
        raise DescriptionError(
            f"{where}: some pairs are joined by several synapses; give one weight per synapse,"
            f" shape ({c.count},), in the order of sim.synapses()"
        )
    chosen = np.asarray(weights[c.rows, c.targets]).reshape(-1) if c.count else np.zeros(0)
    existing = weights.count_nonzero() if sparse else np.count_nonzero(weights)
    if existing != np.count_nonzero(chosen):
        raise DescriptionError(f"{where}: a weight where there is no synapse; connect it")
    return np.asarray(chosen, dtype)


def _other_shape(c: Connectivity) -> str:
    if isinstance(c, Sparse):
        return f" or one weight per synapse, ({c.count},),"
    return f" or the kernel, {c.weight_shape}," if isinstance(c, Convolution) else ""

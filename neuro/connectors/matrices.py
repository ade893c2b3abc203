"""Connectors that name every synapse: dense, one to one, arrays, tied transposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Dense, Sparse
from neuro.connectors.base import Connector, check_matrix
from neuro.connectors.images import Convolve
from neuro.connectors.weights import Weight, as_weight, draw, finite_array
from neuro.distributions import Distribution
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    import scipy.sparse

    from neuro.members import Population, Projection


class _AllToAll(Connector):
    def __init__(self, weight: Weight) -> None:
        self.weight = weight

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        weights = draw(self.weight, generator, pre.size * post.size).reshape(pre.size, post.size)
        return Dense(pre.size, post.size), weights


class _Array(Connector):
    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    def check(self, pre: Population, post: Population, where: str) -> None:
        check_matrix(self.weights.shape, pre, post, where)

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        return Dense(pre.size, post.size), self.weights


class _Sparse(Connector):
    def __init__(self, matrix: scipy.sparse.csr_array) -> None:
        self.shape = tuple(int(n) for n in matrix.shape)
        self.row_start = matrix.indptr.astype(np.int64)
        self.targets = matrix.indices.astype(np.int64)
        self.values = matrix.data.astype(np.float64)
        self.values.flags.writeable = False

    def check(self, pre: Population, post: Population, where: str) -> None:
        check_matrix(self.shape, pre, post, where)

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        return Sparse(pre.size, post.size, self.row_start, self.targets), self.values


class _OneToOne(Connector):
    def __init__(self, weight: Weight | NDArray[np.float64]) -> None:
        self.weight = weight

    def check(self, pre: Population, post: Population, where: str) -> None:
        if pre.size != post.size:
            raise DescriptionError(
                f"{where}: one_to_one needs equal sizes, got {pre.size} pre and {post.size} post"
                " units"
            )
        if isinstance(self.weight, np.ndarray) and self.weight.shape != (pre.size,):
            raise DescriptionError(
                f"weight of {where} has shape {self.weight.shape}; expected one number"
                f" or shape ({pre.size},)"
            )

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        index = np.arange(pre.size + 1, dtype=np.int64)
        if isinstance(self.weight, np.ndarray):
            weights = self.weight
        else:
            weights = draw(self.weight, generator, pre.size)
        return Sparse(pre.size, post.size, index, index[:-1]), weights


class _Blocks(Connector):
    """Block k of the source to block k of the target, all-to-all inside."""

    def __init__(self, weight: Weight | NDArray[np.float64], blocks: int) -> None:
        self.weight, self.blocks = weight, blocks

    def check(self, pre: Population, post: Population, where: str) -> None:
        for side, population in (("pre", pre), ("post", post)):
            if population.size % self.blocks:
                raise DescriptionError(
                    f"{where}: the {population.size} {side} units do not divide into"
                    f" {self.blocks} equal blocks; change the population or the blocks"
                )
        expected = self._shape(pre, post)
        if isinstance(self.weight, np.ndarray) and self.weight.shape != expected:
            raise DescriptionError(
                f"weights of {where} have shape {self.weight.shape}; expected"
                f" [blocks, pre units of a block, post units of a block] = {expected}"
            )

    def _shape(self, pre: Population, post: Population) -> tuple[int, int, int]:
        return self.blocks, pre.size // self.blocks, post.size // self.blocks

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        _, _, width = self._shape(pre, post)
        rows = np.arange(pre.size + 1, dtype=np.int64) * width
        block = np.arange(pre.size, dtype=np.int64) // (pre.size // self.blocks)
        targets = (block[:, None] * width + np.arange(width, dtype=np.int64)).reshape(-1)
        if isinstance(self.weight, np.ndarray):
            weights = self.weight.reshape(-1)
        else:
            weights = draw(self.weight, generator, len(targets))
        return Sparse(pre.size, post.size, rows, targets), weights


class Transpose(Connector):
    """The weights of another projection, read backwards: one matrix used both ways.

    The projection runs from that one's target to its source; whatever changes the matrix
    (plasticity at either, ``set_weights``) is seen by both. Made by :func:`transpose_of`.
    """

    title = "a tied transpose"

    def __init__(self, projection: str, n_pre: int, n_post: int) -> None:
        self.projection = projection
        self.n_pre, self.n_post = n_pre, n_post

    def check(self, pre: Population, post: Population, where: str) -> None:
        """Refuse populations that are not the tied projection's, turned round."""
        check_matrix((self.n_pre, self.n_post), pre, post, where)

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        """Never called: the tied projection owns the synapses."""
        raise AssertionError("a transposed projection has no weights of its own")


#: Classes that a file may name.
KINDS: tuple[type[Connector], ...] = (
    _AllToAll,
    _Array,
    _Blocks,
    _Sparse,
    _OneToOne,
)

# --- what users call ---


def dense(weight: Any) -> Connector:
    """Every pre unit to every post unit.

    Parameters
    ----------
    weight : float, Uniform, Normal, or array of shape (n_pre, n_post)
        In the unit of the target's input port.
    """
    if np.ndim(weight) == 2:
        return from_array(weight)
    return _AllToAll(as_weight(weight, "weight of dense")).of(weight)


def one_to_one(weight: Any) -> Connector:
    """Unit i to unit i.

    Parameters
    ----------
    weight : float, Uniform, Normal, or array of shape (n,)
        In the unit of the target's input port.
    """
    if np.ndim(weight) == 1:
        return _OneToOne(finite_array(weight, "weight of one_to_one")).of(weight)
    return _OneToOne(as_weight(weight, "weight of one_to_one")).of(weight)


def block_diagonal(weights: Any, blocks: int | None = None) -> Connector:
    """Block k of the source to block k of the target, all-to-all inside: columns side by side.

    Blocks are consecutive units, as a population of shape ``(blocks, units)`` has them in order.

    Parameters
    ----------
    weights : array of shape (blocks, pre units, post units); float, Uniform or Normal
        Units are those of one block. In the unit of the target's input port.
    blocks : int, optional
        How many; needed with a number or a distribution, an array says it itself.

    Raises
    ------
    DescriptionError
        Another shape; no blocks; populations that do not divide into them (when connected).
    """
    where = "weights of block_diagonal"
    if isinstance(weights, Distribution) or np.ndim(weights) == 0:
        if blocks is None:
            raise DescriptionError(f"{where} are {weights!r}; say how many: blocks=…")
        if isinstance(blocks, bool) or not isinstance(blocks, int | np.integer) or blocks < 1:
            raise DescriptionError(f"blocks of block_diagonal is {blocks!r}; at least 1")
        return _Blocks(as_weight(weights, where), int(blocks)).of(weights)
    values = finite_array(weights, where)
    if values.ndim != 3 or 0 in values.shape:
        raise DescriptionError(
            f"{where} have shape {values.shape}; expected three axes, [blocks, pre, post]"
        )
    if blocks is not None and blocks != len(values):
        raise DescriptionError(
            f"blocks of block_diagonal is {blocks}, but the weights have {len(values)};"
            " leave it out"
        )
    return _Blocks(values, len(values)).of(weights)


def from_array(weights: Any, where: str = "weights") -> Connector:
    """A dense weight matrix of shape (n_pre, n_post). The array is copied."""
    matrix = finite_array(weights, where)
    if matrix.ndim != 2:
        raise DescriptionError(
            f"{where} have shape {matrix.shape}; expected two axes, [n_pre, n_post]"
        )
    return _Array(matrix).of(weights)


def from_sparse(matrix: Any) -> Connector:
    """A scipy.sparse matrix or array of shape (n_pre, n_post); duplicates are summed.

    Stored zeros are kept as synapses of weight 0 (they may be plastic).
    """
    import scipy.sparse  # only here: it takes longer to import than the rest of the description

    csr = scipy.sparse.csr_array(matrix, dtype=np.float64, copy=True)
    csr.sum_duplicates()  # also sorts the targets of each row
    finite_array(csr.data, "weights")
    return _Sparse(csr)


def from_rows(synapses: Sparse, weights: NDArray[np.float64]) -> Connector:
    """The given synapses, several of one pair included, with one weight each."""
    import scipy.sparse

    shape = synapses.n_pre, synapses.n_post
    return _Sparse(scipy.sparse.csr_array((weights, synapses.targets, synapses.row_start), shape))


def transpose_of(projection: Projection) -> Connector:
    """Tied feedback weights: the matrix of another projection, read from post to pre.

    Parameters
    ----------
    projection : Projection
        Must own its weights (not be a transposed projection itself).

    Raises
    ------
    DescriptionError
        If it is no projection.
    """
    if not hasattr(projection, "connector"):
        raise DescriptionError(
            f"transpose_of({projection!r}): give the projection itself, what net.connect returned"
            " or net.projections[name]"
        )
    if isinstance(projection.connector, Convolve):
        raise DescriptionError(
            f"transpose_of: {projection.name!r} is a convolution, whose weights are one kernel;"
            " give the backward projection a kernel of its own"
        )
    if isinstance(projection.connector, Transpose):
        raise DescriptionError(
            f"transpose_of: {projection.name!r} is itself the transpose of"
            f" {projection.connector.projection!r}; use that one"
        )
    return Transpose(projection.name, projection.post.size, projection.pre.size)


def as_connector(weights: Any, where: str) -> Connector:
    """What ``Network.connect(weights=...)`` accepts: connector, number, array, scipy.sparse."""
    if isinstance(weights, Connector):
        return weights
    if hasattr(weights, "tocsr"):
        return from_sparse(weights)
    try:
        ndim = np.ndim(weights)
    except ValueError:
        ndim = -1
    if isinstance(weights, Distribution) or ndim == 0:
        return _AllToAll(as_weight(weights, f"weights of {where}")).of(weights)
    if ndim == 2:
        return from_array(weights, f"weights of {where}")
    raise DescriptionError(
        f"weights of {where} have shape {np.shape(weights) if ndim >= 0 else 'ragged'};"
        " pass a connector, a number, an array [n_pre, n_post] or a scipy.sparse matrix"
    )

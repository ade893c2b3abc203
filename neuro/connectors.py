"""Connectors: who connects to whom, with which weights. Weights are always ``[pre, post]``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Dense, Sparse
from neuro.description import Described, Parameter, Value
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    import scipy.sparse

    from neuro.network import Projection


class Uniform(Described):
    """Weights drawn uniformly from ``[low, high)``."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low = _finite(low, "low of Uniform")
        self.high = _finite(high, "high of Uniform")
        if self.high < self.low:
            raise DescriptionError(f"Uniform: high {self.high:g} is below low {self.low:g}; swap")

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` numbers."""
        return generator.uniform(self.low, self.high, count)


class Normal(Described):
    """Weights drawn from a normal distribution."""

    def __init__(self, mean: Any, sd: Any) -> None:
        self.mean = _finite(mean, "mean of Normal")
        self.sd = _finite(sd, "sd of Normal")
        if self.sd < 0:
            raise DescriptionError(f"Normal: sd {self.sd:g} is negative")

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` numbers."""
        return generator.normal(self.mean, self.sd, count)


Weight = Union[float, Uniform, Normal]


class Connector(Described, ABC):
    """Base of all connectors."""

    def check(self, n_pre: int, n_post: int, where: str) -> None:
        """Refuse, when the projection is made, what does not fit the two populations."""

    @abstractmethod
    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        """Connectivity, and weights in its shape (dense ``[pre, post]``, sparse in CSR order)."""


class _AllToAll(Connector):
    def __init__(self, weight: Weight) -> None:
        self.weight = weight

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        weights = _draw(self.weight, generator, n_pre * n_post).reshape(n_pre, n_post)
        return Dense(n_pre, n_post), weights


class _Array(Connector):
    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    def check(self, n_pre: int, n_post: int, where: str) -> None:
        _check_matrix(self.weights.shape, n_pre, n_post, where)

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        return Dense(n_pre, n_post), self.weights.copy()


class _Sparse(Connector):
    def __init__(self, matrix: scipy.sparse.csr_array) -> None:
        self.shape = tuple(int(n) for n in matrix.shape)
        self.row_start = matrix.indptr.astype(np.int64)
        self.targets = matrix.indices.astype(np.int64)
        self.values = matrix.data.astype(np.float64)

    def check(self, n_pre: int, n_post: int, where: str) -> None:
        _check_matrix(self.shape, n_pre, n_post, where)

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        return Sparse(n_pre, n_post, self.row_start, self.targets), self.values.copy()


class _FixedProbability(Connector):
    def __init__(self, probability: float, weight: Weight, autapses: bool) -> None:
        self.probability, self.weight, self.autapses = probability, weight, autapses

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        # Row by row: how many targets, then which. Memory stays at the synapses really made.
        counts = generator.binomial(n_post, self.probability, n_pre)
        rows = []
        for pre, count in enumerate(counts):
            chosen = np.sort(generator.choice(n_post, count, replace=False, shuffle=False))
            rows.append(chosen if self.autapses else chosen[chosen != pre])
        targets = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        row_start = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
        weights = _draw(self.weight, generator, len(targets))
        return Sparse(n_pre, n_post, row_start, targets.astype(np.int64)), weights


class _OneToOne(Connector):
    def __init__(self, weight: Weight | NDArray[np.float64]) -> None:
        self.weight = weight

    def check(self, n_pre: int, n_post: int, where: str) -> None:
        if n_pre != n_post:
            raise DescriptionError(
                f"{where}: one_to_one needs equal sizes, got {n_pre} pre and {n_post} post units"
            )
        if isinstance(self.weight, np.ndarray) and self.weight.shape != (n_pre,):
            raise DescriptionError(
                f"weight of {where} has shape {self.weight.shape}; expected one number"
                f" or shape ({n_pre},)"
            )

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        index = np.arange(n_pre + 1, dtype=np.int64)
        if isinstance(self.weight, np.ndarray):
            weights = self.weight.copy()
        else:
            weights = _draw(self.weight, generator, n_pre)
        return Sparse(n_pre, n_post, index, index[:-1]), weights


class Transpose(Connector):
    """The weights of another projection, read backwards: one matrix used both ways.

    The projection runs from that one's target to its source; whatever changes the matrix
    (plasticity at either, ``set_weights``) is seen by both. Made by :func:`transpose_of`.
    """

    def __init__(self, projection: str, n_pre: int, n_post: int) -> None:
        self.projection = projection
        self.n_pre, self.n_post = n_pre, n_post

    def check(self, n_pre: int, n_post: int, where: str) -> None:
        """Refuse populations that are not the tied projection's, turned round."""
        _check_matrix((self.n_pre, self.n_post), n_pre, n_post, where)

    def build(
        self, generator: np.random.Generator, n_pre: int, n_post: int
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        """Never called: the tied projection owns the synapses."""
        raise AssertionError("a transposed projection has no weights of its own")


#: The connectors that the functions below make.
KINDS: tuple[type[Connector], ...] = (_AllToAll, _Array, _Sparse, _FixedProbability, _OneToOne)


# --- what users call ---------------------------------------------------------------------------


def dense(weight: Any) -> Connector:
    """Every pre unit to every post unit.

    Parameters
    ----------
    weight : float, Uniform, Normal, or array of shape (n_pre, n_post)
        In the unit of the target's input port.
    """
    if np.ndim(weight) == 2:
        return from_array(weight)
    return _AllToAll(_weight(weight, "weight of dense"))


def fixed_probability(probability: float, weight: Any, *, autapses: bool = True) -> Connector:
    """Each pair is connected independently with a given probability.

    Parameters
    ----------
    probability : float in [0, 1]
    weight : float, Uniform or Normal
        In the unit of the target's input port.
    autapses : bool
        Whether unit i may connect to unit i (meaningful within one population).
    """
    p = _finite(probability, "probability of fixed_probability")
    if not 0 <= p <= 1:
        raise DescriptionError(f"probability of fixed_probability is {p:g}; it must lie in [0, 1]")
    return _FixedProbability(p, _weight(weight, "weight of fixed_probability"), bool(autapses))


def one_to_one(weight: Any) -> Connector:
    """Unit i to unit i.

    Parameters
    ----------
    weight : float, Uniform, Normal, or array of shape (n,)
        In the unit of the target's input port.
    """
    if np.ndim(weight) == 1:
        return _OneToOne(_finite_array(weight, "weight of one_to_one"))
    return _OneToOne(_weight(weight, "weight of one_to_one"))


def from_array(weights: Any) -> Connector:
    """A dense weight matrix of shape (n_pre, n_post). The array is copied."""
    matrix = _finite_array(weights, "weights")
    if matrix.ndim != 2:
        raise DescriptionError(
            f"weights have shape {matrix.shape}; expected two axes, [n_pre, n_post]"
        )
    return _Array(matrix)


def from_sparse(matrix: Any) -> Connector:
    """A scipy.sparse matrix or array of shape (n_pre, n_post); duplicates are summed.

    Stored zeros are kept as synapses of weight 0 (they may be plastic).
    """
    import scipy.sparse  # only here: it takes longer to import than the rest of the description

    csr = scipy.sparse.csr_array(matrix, dtype=np.float64, copy=True)
    csr.sum_duplicates()  # also sorts the targets of each row
    _finite_array(csr.data, "weights")
    return _Sparse(csr)


def transpose_of(projection: Projection) -> Connector:
    """Tied feedback weights: the matrix of another projection, read from post to pre.

    Parameters
    ----------
    projection : Projection
        Must own its weights (not be a transposed projection itself).
    """
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
    if isinstance(weights, Uniform | Normal) or ndim == 0:
        return _AllToAll(_weight(weights, f"weights of {where}"))
    if ndim == 2:
        return _Array(_finite_array(weights, f"weights of {where}"))
    raise DescriptionError(
        f"weights of {where} have shape {np.shape(weights) if ndim >= 0 else 'ragged'};"
        " pass a connector, a number, an array [n_pre, n_post] or a scipy.sparse matrix"
    )


# --- helpers -----------------------------------------------------------------------------------


def _draw(weight: Weight, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    if isinstance(weight, Uniform | Normal):
        return weight.draw(generator, count)
    return np.full(count, weight)


def _weight(value: Any, where: str) -> Weight:
    if isinstance(value, Uniform | Normal):
        return value
    return _finite(value, where)


def _finite(value: Any, where: str) -> float:
    number: Value = Parameter(_unit_of(value)).read(value, where)
    if isinstance(number, np.ndarray):
        raise DescriptionError(f"{where} has shape {number.shape}; expected one number")
    return number


def _unit_of(value: Any) -> str:
    """Weights of a quantity type are volts (delta synapses); plain numbers fit any port."""
    return "volt" if hasattr(value, "dim") or hasattr(value, "dimensionality") else "1"


def _finite_array(value: Any, where: str) -> NDArray[np.float64]:
    plain = value if _unit_of(value) == "volt" else np.asarray(value)
    if isinstance(plain, np.ndarray) and plain.dtype.kind not in "fiub":
        raise DescriptionError(f"{where} have dtype {plain.dtype}; expected real numbers")
    from neuro.units import to_si

    array = np.asarray(to_si(plain, _unit_of(plain), where))
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = ", ".join(map(str, bad[0]))
        raise DescriptionError(
            f"{where}: {len(bad)} value(s) are NaN or infinite, the first is"
            f" {array[tuple(bad[0])]} at [{at}]; all must be finite"
        )
    array.flags.writeable = False
    return array


def _check_matrix(shape: tuple[int, ...], n_pre: int, n_post: int, where: str) -> None:
    if tuple(shape) != (n_pre, n_post):
        turned = " (it looks transposed)" if tuple(shape) == (n_post, n_pre) else ""
        raise DescriptionError(
            f"weights of {where} have shape {tuple(shape)}; expected [pre, post] ="
            f" ({n_pre}, {n_post}){turned}"
        )

"""Connectors that draw who is connected to whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, IntArray, Sparse
from neuro.connectors.base import Connector
from neuro.connectors.weights import Weight, as_weight, draw
from neuro.distributions import finite
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    from neuro.members import Population


def sparse_from_rows(rows: Iterable[IntArray], n_pre: int, n_post: int, room: int) -> Sparse:
    """Connectivity from the targets of each presynaptic unit, which must ascend.

    Rows may come one by one; ``room`` is the number of synapses that they have at most.
    """
    row_start = np.zeros(n_pre + 1, np.int64)
    targets = np.empty(room, np.int64)
    end = 0
    for unit, row in enumerate(rows):
        targets[end : end + len(row)] = row
        end += len(row)
        row_start[unit + 1] = end
    return Sparse(n_pre, n_post, row_start, targets[:end])


class _FixedProbability(Connector):
    def __init__(self, probability: float, weight: Weight, autapses: bool) -> None:
        self.probability, self.weight, self.autapses = probability, weight, autapses

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        # Row by row: how many targets, then which. Memory stays at the synapses really made.
        others = post.size
        counts = generator.binomial(others, self.probability, pre.size)

        def rows() -> Iterator[IntArray]:
            for unit, count in enumerate(counts):
                chosen = generator.choice(others, count, replace=False, shuffle=False)
                chosen.sort()
                yield chosen if self.autapses else chosen[chosen != unit]

        synapses = sparse_from_rows(rows(), pre.size, others, int(counts.sum()))
        return synapses, draw(self.weight, generator, synapses.count)


class _FixedDegree(Connector):
    """Every unit of one side has the same number of partners on the other."""

    def __init__(
        self, side: str, degree: int, weight: Weight, autapses: bool, multapses: bool
    ) -> None:
        self.side, self.degree, self.weight = side, degree, weight
        self.autapses, self.multapses = autapses, multapses

    def check(self, pre: Population, post: Population, where: str) -> None:
        available = self._available(0, self._sides(pre, post)[1])
        if (not self.multapses and self.degree > available) or (self.degree and not available):
            raise DescriptionError(
                f"{where}: {self.side}-degree {self.degree} needs as many partners, there are"
                f" {available}; lower it or allow multapses"
            )

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        units, others = self._sides(pre, post)
        partners = (self._partners(generator, unit, others) for unit in range(units))
        if self.side == "in":
            synapses = self._turned(partners, pre.size, post.size)
        else:
            synapses = sparse_from_rows(partners, pre.size, post.size, units * self.degree)
        return synapses, draw(self.weight, generator, synapses.count)

    def _turned(self, partners: Iterator[IntArray], n_pre: int, n_post: int) -> Sparse:
        """Connectivity from the sources of each postsynaptic unit."""
        sources = np.empty((n_post, self.degree), np.int32)
        for unit, row in enumerate(partners):
            sources[unit] = row
        row_start = np.zeros(n_pre + 1, np.int64)
        np.cumsum(np.bincount(sources.reshape(-1), minlength=n_pre), out=row_start[1:])
        targets = np.argsort(sources, axis=None, kind="stable")
        targets //= max(self.degree, 1)  # the sources of a unit lie side by side
        return Sparse(n_pre, n_post, row_start, targets)

    def _sides(self, pre: Population, post: Population) -> tuple[int, int]:
        """Number of units that have the degree, and of those they choose from."""
        return (post.size, pre.size) if self.side == "in" else (pre.size, post.size)

    def _available(self, unit: int, others: int) -> int:
        """Partners to choose from; beyond the end of a smaller population none is its own."""
        return others if self.autapses or unit >= others else others - 1

    def _partners(self, generator: np.random.Generator, unit: int, others: int) -> IntArray:
        """Ascending partners of one unit; without autapses its own index is stepped over."""
        available = self._available(unit, others)
        if self.multapses:
            chosen = generator.integers(0, available, self.degree)
        else:
            chosen = generator.choice(available, self.degree, replace=False, shuffle=False)
        chosen.sort()
        return chosen if self.autapses else chosen + (chosen >= unit)


#: Classes that a file may name.
KINDS: tuple[type[Connector], ...] = (_FixedProbability, _FixedDegree)

# --- what users call ---


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
    p = finite(probability, "probability of fixed_probability")
    if not 0 <= p <= 1:
        raise DescriptionError(f"probability of fixed_probability is {p:g}; it must lie in [0, 1]")
    number = as_weight(weight, "weight of fixed_probability")
    return _FixedProbability(p, number, bool(autapses)).of(weight)


def fixed_in_degree(
    degree: int, weight: Any, *, autapses: bool = True, multapses: bool = False
) -> Connector:
    """Every postsynaptic unit receives the same number of synapses, from random units.

    Parameters
    ----------
    degree : int
        Synapses per postsynaptic unit.
    weight : float, Uniform or Normal
        In the unit of the target's input port.
    autapses : bool
        Whether unit i may connect to unit i (meaningful within one population).
    multapses : bool
        Whether a pair may be joined by several synapses (drawn with replacement).
    """
    return _fixed_degree("in", degree, weight, autapses, multapses)


def fixed_out_degree(
    degree: int, weight: Any, *, autapses: bool = True, multapses: bool = False
) -> Connector:
    """Every presynaptic unit makes the same number of synapses, to random units.

    Parameters are those of :func:`fixed_in_degree`.
    """
    return _fixed_degree("out", degree, weight, autapses, multapses)


def _fixed_degree(
    side: str, degree: int, weight: Any, autapses: bool, multapses: bool
) -> Connector:
    name = f"fixed_{side}_degree"
    if isinstance(degree, bool) or not isinstance(degree, int | np.integer) or degree < 0:
        raise DescriptionError(f"degree of {name} is {degree!r}; expected a whole number >= 0")
    number = as_weight(weight, f"weight of {name}")
    made = _FixedDegree(side, int(degree), number, bool(autapses), bool(multapses))
    return made.of(weight)

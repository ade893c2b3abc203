"""Connectors that look at where units are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity
from neuro.connectors.base import Connector
from neuro.connectors.random import sparse_from_rows
from neuro.connectors.weights import Weight, as_weight, draw
from neuro.description import Parameter, Value
from neuro.distributions import finite
from neuro.equations.evaluation import evaluate, fold
from neuro.equations.expression import Expr, names, parse_expression
from neuro.equations.statements import check_name
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neuro.members import Population


def positions(population: Population) -> NDArray[np.float64]:
    """Where the units are, shape (size, d): as given, or a grid of the population's shape."""
    if population.positions is not None:
        return population.positions
    grid = np.indices(population.shape, dtype=np.float64)
    return grid.reshape(len(population.shape), -1).T


class _DistanceDependent(Connector):
    def __init__(
        self,
        probability: str,
        weight: Weight | str,
        parameters: Mapping[str, float],
        extent: tuple[float, ...] | None,
        autapses: bool,
    ) -> None:
        self.probability, self.weight = probability, weight
        self.parameters, self.extent, self.autapses = dict(parameters), extent, autapses

    def check(self, pre: Population, post: Population, where: str) -> None:
        dimensions = positions(pre).shape[1], positions(post).shape[1]
        if dimensions[0] != dimensions[1] or dimensions[0] > 3:
            raise DescriptionError(
                f"{where}: units of {pre.name!r} have {dimensions[0]} coordinates, those of"
                f" {post.name!r} have {dimensions[1]}; both need the same number, 1 to 3 (give"
                " positions= or a shape to the populations)"
            )
        if self.extent is not None and len(self.extent) != dimensions[0]:
            raise DescriptionError(
                f"{where}: extent has {len(self.extent)} sides, positions have {dimensions[0]}"
                " coordinates"
            )

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        probability = fold(parse_expression(self.probability))
        here, there = positions(pre), positions(post)
        rows, distances = [], []
        for unit, place in enumerate(here):
            d = self._distance(place, there)
            p = self._values(probability, d)
            if not np.all((p >= 0) & (p <= 1)):  # also refuses NaN
                bad = int(np.flatnonzero(~((p >= 0) & (p <= 1)))[0])
                raise DescriptionError(
                    f"distance_dependent from {pre.name!r} to {post.name!r}: probability"
                    f" {p[bad]:g} at distance {d[bad]:g}; it must lie in [0, 1]"
                )
            chosen = np.flatnonzero(generator.random(post.size) < p)
            chosen = chosen if self.autapses else chosen[chosen != unit]
            rows.append(chosen)
            distances.append(d[chosen])
        synapses = sparse_from_rows(rows, pre.size, post.size, sum(map(len, rows)))
        if isinstance(self.weight, str):
            d = np.concatenate(distances)
            weights = self._values(fold(parse_expression(self.weight)), d)
            if not np.all(np.isfinite(weights)):
                bad = int(np.flatnonzero(~np.isfinite(weights))[0])
                raise DescriptionError(
                    f"weight of distance_dependent from {pre.name!r} to {post.name!r} is"
                    f" {weights[bad]:g} at distance {d[bad]:g}; it must be finite"
                )
            return synapses, weights
        return synapses, draw(self.weight, generator, synapses.count)

    def _distance(
        self, place: NDArray[np.float64], others: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        apart = np.abs(others - place)
        if self.extent is not None:
            apart = apart % np.asarray(self.extent)
            apart = np.minimum(apart, np.asarray(self.extent) - apart)
        return np.asarray(np.sqrt(np.sum(apart * apart, axis=1)))

    def _values(self, expression: Expr, d: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):  # what is not finite is refused, with its distance
            values = np.asarray(evaluate(expression, {**self.parameters, "d": d}), np.float64)
        return np.broadcast_to(values, d.shape).copy()


#: Classes that a file may name.
KINDS: tuple[type[Connector], ...] = (_DistanceDependent,)


def distance_dependent(
    probability: Any,
    weight: Any,
    *,
    parameters: Mapping[str, Any] | None = None,
    extent: Any = None,
    autapses: bool = True,
) -> Connector:
    """Units are connected with a probability, and a weight, that depend on their distance.

    Parameters
    ----------
    probability : str or float
        Expression of the distance ``d``, for example ``"0.5 * exp(-d * d / (2 * s * s))"``.
    weight : str, float, Uniform or Normal
        Expression of ``d``, or as in the other connectors.
    parameters : mapping of str to float
        Further names in the expressions.
    extent : float or sequence of float, optional
        Side lengths of a space that wraps round (a ring, a torus); distances are then the
        shortest.
    autapses : bool
        Whether unit i may connect to unit i (meaningful within one population).

    Notes
    -----
    Distances are Euclidean, between the positions given to ``Network.population`` (1 to 3
    coordinates), or else between the points of a grid with the population's shape.
    """
    name = "distance_dependent"
    known: dict[str, float] = {}
    for key, value in (parameters or {}).items():
        number: Value = Parameter().read(value, f"{key} of {name}")
        if isinstance(number, np.ndarray):
            raise DescriptionError(f"{key} of {name} is an array; expected one number")
        known[check_name(key, f"parameter of {name}")] = number
    if "d" in known:
        raise DescriptionError(f"parameter 'd' of {name}: d is the distance; rename it")

    def expression(given: Any, what: str) -> str:
        text = given if isinstance(given, str) else repr(finite(given, f"{what} of {name}"))
        for used in names(parse_expression(text, f"{what} of {name}")):
            if used not in {"d", *known}:
                raise DescriptionError(
                    f"{what} of {name}: unknown name {used!r};"
                    f" known: {', '.join(['d', *sorted(known)])}"
                )
        return text

    sides = None
    if extent is not None:
        positive = Parameter(None, 0.0, exclusive=True)
        lengths = np.atleast_1d(positive.read(extent, f"extent of {name}"))
        sides = tuple(float(side) for side in lengths.reshape(-1))
    number_or_text = (
        expression(weight, "weight")
        if isinstance(weight, str)
        else as_weight(weight, f"weight of {name}")
    )
    chance = expression(probability, "probability")
    return _DistanceDependent(chance, number_or_text, known, sides, bool(autapses)).of(weight)

"""What a network consists of: populations, projections, recorders."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Connector
from neuro.description import Described
from neuro.distributions import Distribution
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule, ShortTermPlasticity
from neuro.sources import Source

#: In seconds: one for all synapses, an array ``[pre, post]``, or drawn for each synapse.
Delay = float | NDArray[np.float64] | Distribution


class Population(Described):
    """Units with one model. Made by :meth:`Network.population`.

    Attributes
    ----------
    name : str
    model : NeuronModel or Source
    shape : tuple of int
        Of the array of units; their number is its product, their order row-major.
    positions : array of shape (size, dimensions), optional
        Where the units are, for connectors that look at distance.
    """

    def __init__(
        self,
        name: str,
        model: NeuronModel | Source,
        shape: tuple[int, ...],
        positions: NDArray[np.float64] | None = None,
    ) -> None:
        self.name, self.model = name, model
        self.shape, self.positions = shape, positions

    @property
    def size(self) -> int:
        """Number of units."""
        return prod(self.shape)

    @property
    def is_source(self) -> bool:
        """Whether the population has no inputs and its spikes are given."""
        return isinstance(self.model, Source)

    def __len__(self) -> int:
        return self.size


class Projection(Described):
    """Synapses from one population to another. Made by :meth:`Network.connect`."""

    def __init__(
        self,
        name: str,
        pre: Population,
        post: Population,
        connector: Connector,
        port: str,
        delay: Delay | None,
        gain: float,
        plasticity: PlasticityRule | None,
        short_term: ShortTermPlasticity | None,
        factors: Mapping[str, tuple[str, str]],
    ) -> None:
        self.name, self.pre, self.post = name, pre, post
        self.connector, self.port = connector, port
        self.delay, self.gain = delay, gain
        self.plasticity, self.short_term, self.factors = plasticity, short_term, factors

    def __repr__(self) -> str:
        rule = f", {self.plasticity.name}" if self.plasticity else ""
        return f"Projection({self.name!r}: {self.pre.name} -> {self.post.name}{rule})"


class Recorder(Described):
    """One thing to record. Made by :meth:`Network.record`."""

    def __init__(
        self, owner: str, variable: str, units: NDArray[np.int64] | None, every: int
    ) -> None:
        self.owner, self.variable, self.units, self.every = owner, variable, units, every


def factor_side(size: int, pre: int, post: int) -> str | None:
    """Which units a third factor of a population of ``size`` units belongs to; None: it fits none.

    A side as :class:`neuro.program.Plasticity` has it: ``"shared"``, ``"post"``, ``"pre"``, or
    with the length of its groups (``"post/4"``) where ``size`` divides that of the side.
    """
    sides = {pre: "pre", post: "post", 1: "shared"}
    if size in sides:
        return sides[size]
    groups = (f"{side}/{n // size}" for side, n in (("post", post), ("pre", pre)) if not n % size)
    return next(groups, None)

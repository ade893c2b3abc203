"""What a scenario is, and how one is declared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr


class Weights:
    """Where a scenario's weights come from.

    Parameters
    ----------
    exact : bool
        True: multiples of 1/256, whose sums are exact in binary, in any order. False: any number.
    """

    def __init__(self, exact: bool) -> None:
        self.exact = exact
        self._generator = np.random.default_rng(20270101)

    def __call__(self, *shape: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        """An array of weights between two values."""
        drawn = self._generator.uniform(low, high, shape)
        return np.round(drawn * 256) / 256 if self.exact else drawn

    def sparse(
        self, pre: int, post: int, probability: float, low: float = 0.0, high: float = 1.0
    ) -> Any:
        """A matrix in which most weights are missing, as a scipy.sparse array."""
        import scipy.sparse

        mask = self._generator.random((pre, post)) < probability
        weights = np.where(mask, self(pre, post, low=low, high=high), 0.0)
        return scipy.sparse.csr_array(weights)


Builder = Callable[[Weights], nr.Network]


@dataclass(frozen=True)
class Scenario:
    """A network to run everywhere.

    Attributes
    ----------
    name : str
    title : str
        What it tests, one line.
    build : callable
        Makes the network from :class:`Weights`.
    dt : float, second
    steps : int
    static : bool
        Whether all that is added up are the weights as given, so that with exact weights the
        order of additions cannot matter (no plasticity, no graded values of any size).
    precision : str
        Of :func:`neuro.compile`, where a test asks for none.
    """

    name: str
    title: str
    build: Builder
    dt: float
    steps: int
    static: bool
    precision: str = "float64"

    def network(self, exact: bool) -> nr.Network:
        """The network, with the spikes of every population recorded."""
        net = self.build(Weights(exact))
        recorded = {r.owner for r in net.recorders if r.variable == "spikes"}
        for name, population in net.populations.items():
            if _spikes(population) and name not in recorded:
                net.record(name, "spikes")
        return net


def _spikes(population: nr.Population) -> bool:
    model = population.model
    return not isinstance(model, nr.NeuronModel) or model.threshold_condition is not None


#: All scenarios by name, in order of declaration.
SCENARIOS: dict[str, Scenario] = {}


def scenario(
    *, dt: float = 1e-3, steps: int = 1000, static: bool = True, precision: str = "float64"
) -> Callable[[Builder], Builder]:
    """Declare the decorated function as a scenario; its docstring is the title."""

    def declare(build: Builder) -> Builder:
        name = build.__name__
        assert name not in SCENARIOS, f"two scenarios are called {name!r}"
        title = (build.__doc__ or "").strip().rstrip(".")
        SCENARIOS[name] = Scenario(name, title, build, dt, steps, static, precision)
        return build

    return declare

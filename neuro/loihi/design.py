"""A network as the chip sees it, in plain numbers: what placement and design rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.loihi.chip import Compartments, Integers, SynapseFormat
from neuro.loihi.placement import Placement, Units, Wiring
from neuro.loihi.target import Target


@dataclass(frozen=True, eq=False)
class Layer:
    """A population of the chip.

    Attributes
    ----------
    count : int
        Number of units.
    model : str
        Name of its model.
    compartments : Compartments, optional
        None: its model has no integer form.
    problem : str
        Why it has none.
    refractory : int
        Longest refractory period in steps.
    error : float
        Predicted error of the voltage by quantisation, as a share of the threshold.
    graded : bool
        Whether its spikes carry numbers.
    """

    count: int
    model: str
    compartments: Compartments | None
    problem: str = ""
    refractory: int = 0
    error: float = 0.0
    graded: bool = False

    def units(self) -> Units:
        """What placement needs to know."""
        if self.compartments is None:
            return Units(self.count)
        c = self.compartments
        return Units(
            self.count,
            {
                "compartment profiles": self._kinds(c.du, c.dv, c.refractory_steps),
                "threshold profiles": self._kinds(c.vth),
            },
        )

    def _kinds(self, *settings: Integers) -> IntArray:
        """A number for every unit, the same where all settings are."""
        if all(np.ndim(s) == 0 for s in settings):
            return np.zeros(self.count, np.int64)
        rows = np.stack([np.broadcast_to(np.asarray(s), (self.count,)) for s in settings], axis=1)
        return np.asarray(np.unique(rows, axis=0, return_inverse=True)[1], np.int64).reshape(-1)


@dataclass(frozen=True, eq=False)
class Link:
    """A projection of the chip.

    Attributes
    ----------
    wiring : Wiring
    format : SynapseFormat, optional
        None: it has no integer form.
    weights : array, optional
        Integer weight of every synapse, in the order of the wiring's synapses.
    delay : int
        Longest, in steps beyond the one that every connection takes.
    problem : str
        Why it has no integer form.
    rule : str
        Name of its plasticity rule; empty: none.
    refusal : str
        Why the chip cannot learn by that rule; empty: it can.
    learning : str
        The rule as the chip computes it.
    """

    wiring: Wiring
    format: SynapseFormat | None
    weights: NDArray[np.float64] | None = None
    delay: int = 0
    problem: str = ""
    rule: str = ""
    refusal: str = ""
    learning: str = ""


@dataclass(frozen=True, eq=False)
class Design:
    """A placed network, as the rules see it.

    Attributes
    ----------
    target : Target
    chips : int
        How many there may be.
    layers, links : mapping
        Populations of the chip, and projections to them, by name.
    placement : Placement
    """

    target: Target
    chips: int
    layers: Mapping[str, Layer]
    links: Mapping[str, Link]
    placement: Placement

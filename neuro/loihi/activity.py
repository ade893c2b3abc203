"""How much happens on the chip: spikes, and in how many steps each neuron is busy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Dense, IntArray
from neuro.loihi.placement import Wiring

#: Synaptic events that are spread out at a time, to bound memory.
_PIECE = 1 << 22

Spikes = tuple[IntArray, IntArray]


@dataclass(frozen=True, eq=False)
class Activity:
    """Activity of a number of steps.

    Attributes
    ----------
    steps : int
    spikes : mapping of str to float array
        Spikes of every unit of a population, sources included.
    busy : mapping of str to float array
        Steps in which a unit of a layer was reached by a spike or spiked itself.
    origin : str
        Where the numbers come from, in words.
    """

    steps: int
    spikes: Mapping[str, NDArray[np.float64]]
    busy: Mapping[str, NDArray[np.float64]]
    origin: str


def measured(
    sizes: Mapping[str, int],
    wiring: Sequence[Wiring],
    delays: Mapping[str, IntArray],
    spikes: Mapping[str, Spikes],
    steps: int,
    origin: str,
) -> Activity:
    """Activity of a simulation.

    Parameters
    ----------
    sizes : mapping of str to int
        Units of every population.
    wiring : sequence of Wiring
    delays : mapping of str to int array
        Of each projection: steps from a spike to its arrival, one number or one per synapse.
    spikes : mapping of str to (steps, units)
        Of every population, counted from the first step.
    steps : int
    origin : str
        For :attr:`Activity.origin`.
    """
    counts = {n: _floats(np.bincount(spikes[n][1], minlength=size)) for n, size in sizes.items()}
    busy = {}
    for name in dict.fromkeys(w.target for w in wiring):
        reached = np.zeros((steps, sizes[name]), bool)
        reached[spikes[name]] = True
        for w in (w for w in wiring if w.target == name):
            _mark(reached, w, delays[w.name], *spikes[w.source])
        busy[name] = _floats(reached.sum(axis=0))
    return Activity(steps, counts, {**counts, **busy}, origin)


def _floats(counts: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(counts, np.float64)


def _mark(
    reached: NDArray[np.bool_], wiring: Wiring, delay: IntArray, when: IntArray, who: IntArray
) -> None:
    """Mark the steps in which spikes arrive at their targets; later ones are left out."""
    steps = len(reached)
    if isinstance(wiring.synapses, Dense):
        arrivals = np.unique(when) + int(delay)
        reached[arrivals[arrivals < steps]] = True
        return
    start = wiring.synapses.row_start
    fan_out = np.diff(start)[who]
    pieces = np.searchsorted(np.cumsum(fan_out), np.arange(_PIECE, fan_out.sum(), _PIECE))
    for part in np.split(np.arange(len(who)), pieces):
        many = fan_out[part]
        total = int(many.sum())
        # Synapses of the units of this piece, unit after unit.
        before = np.cumsum(many) - many
        synapse = np.arange(total) + np.repeat(start[who[part]] - before, many)
        late = delay if np.ndim(delay) == 0 else delay[synapse]
        arrival = np.repeat(when[part], many) + late
        inside = arrival < steps
        reached[arrival[inside], wiring.synapses.targets[synapse[inside]]] = True


def assumed(
    sizes: Mapping[str, int], wiring: Sequence[Wiring], rate: float, steps: int
) -> Activity:
    """Activity if every unit spiked at random with one probability per step.

    A unit with k synapses onto it is then busy in a step with probability
    ``1 - (1 - rate)^(k + 1)``.

    Parameters
    ----------
    rate : float
        Spikes per step, 0 to 1.
    """
    spikes = {name: np.full(size, rate * steps) for name, size in sizes.items()}
    fan_in = {name: np.zeros(size) for name, size in sizes.items()}
    for w in wiring:
        fan_in[w.target] += (
            w.synapses.n_pre
            if isinstance(w.synapses, Dense)
            else np.bincount(w.synapses.targets, minlength=w.synapses.n_post)
        )
    busy = {name: steps * (1 - (1 - rate) ** (k + 1)) for name, k in fan_in.items()}
    return Activity(steps, spikes, busy, f"assumed: every unit spikes in {rate:.3g} of all steps")

"""Energy and time of a placed network, from activity and the figures published for Loihi 1.

An estimate of dynamic energy: no static power, no host, no input and output. For Loihi 2 no table
of energy per operation is published; the figures of Loihi 1 are used as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Dense
from neuro.loihi.activity import Activity
from neuro.loihi.placement import Core, Placement, Wiring, reach

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Figure:
    """A published number.

    Attributes
    ----------
    value : float
        In joule or second.
    unit : str
    meaning : str
    source : str
    """

    value: float
    unit: str
    meaning: str
    source: str


_TABLE = (
    "Davies et al., Loihi: a neuromorphic manycore processor with on-chip learning, IEEE Micro"
    " 38(1), 2018, table 2 (14 nm, 0.75 V, pre-silicon simulation)"
)

#: Energy of one event, by the name of what is counted in a :class:`Load`.
ENERGY: Mapping[str, Figure] = {
    "synaptic operations": Figure(23.6e-12, "joule", "synaptic operation, at least", _TABLE),
    "active updates": Figure(81e-12, "joule", "update of an active neuron", _TABLE),
    "idle updates": Figure(52e-12, "joule", "update of an inactive neuron", _TABLE),
    "learning updates": Figure(120e-12, "joule", "synaptic update, pairwise STDP", _TABLE),
    "messages": Figure(1.7e-12, "joule", "spike within a tile", _TABLE),
    "east-west hops": Figure(3.0e-12, "joule", "hop to the next tile, east or west", _TABLE),
    "north-south hops": Figure(4.0e-12, "joule", "hop to the next tile, north or south", _TABLE),
}

#: Time of one event; a core does one after the other.
TIME: Mapping[str, Figure] = {
    "synaptic operations": Figure(3.5e-9, "second", "synaptic operation, at most", _TABLE),
    "active updates": Figure(8.4e-9, "second", "update of an active neuron", _TABLE),
    "idle updates": Figure(5.3e-9, "second", "update of an inactive neuron", _TABLE),
    "learning updates": Figure(6.1e-9, "second", "synaptic update, pairwise STDP", _TABLE),
}

#: Time of the barrier between two steps, for 1 tile and for all tiles of a chip.
BARRIER = (
    Figure(113e-9, "second", "barrier between steps, 1 tile", _TABLE),
    Figure(465e-9, "second", "barrier between steps, 32 tiles", _TABLE),
)

#: Tiles of a chip, and cores of a tile: the table's 32 tiles for 128 cores. Eight columns by four
#: rows is the usual reading of the floor plan; the paper gives no number of rows.
TILES, CORES_PER_TILE, COLUMNS = 32, 4, 8

NOTES = (
    "An estimate: dynamic energy only, without static power, host, input and output.",
    "All figures are Loihi 1's, from simulations before the chip was made; some are minima. No"
    " table of energy per operation is published for Loihi 2, and nothing is scaled.",
    "Active updates: neurons that a spike reaches in the step, or that spike; the paper does not"
    " define the word.",
    "Each spike sends one message to each core that it reaches, along the shortest way between"
    " tiles; cores fill tiles of four in order, chips stand side by side. Ways from the host, and"
    " links between chips (which cost more than a hop), are not counted: a lower bound.",
    "Time: one step takes the barrier and the work of the busiest core, at its mean activity."
    " Steps of much activity take longer, and so do barriers across chips; the time of a synaptic"
    " operation is a largest one.",
)


@dataclass(frozen=True, eq=False)
class Load:
    """What happens in a run.

    Attributes
    ----------
    steps : int
    cores : mapping of str to float array
        By name of a figure in :data:`TIME`: events on every core of the placement.
    mesh : mapping of str to float
        Messages, and their hops between tiles.
    """

    steps: int
    cores: Mapping[str, FloatArray]
    mesh: Mapping[str, float]

    @property
    def totals(self) -> dict[str, float]:
        """Events by name of a figure in :data:`ENERGY`."""
        return {**{name: float(n.sum()) for name, n in self.cores.items()}, **self.mesh}


def load(
    placement: Placement, wiring: Sequence[Wiring], activity: Activity, plastic: Sequence[str] = ()
) -> Load:
    """Count the events on every core, and the messages between cores.

    A spike counts as delivered even if it was still on its way when the run ended.

    Parameters
    ----------
    placement : Placement
    wiring : sequence of Wiring
        The same as it was placed with.
    activity : Activity
    plastic : sequence of str
        Projections that learn: each spike of either side updates its synapses there once.
    """
    cores = {name: np.zeros(len(placement.cores)) for name in TIME}
    mesh = {"messages": 0.0, "east-west hops": 0.0, "north-south hops": 0.0}
    where: dict[str, list[int]] = {}
    for i, core in enumerate(placement.cores):
        where.setdefault(core.layer, []).append(i)
        busy = float(activity.busy[core.layer][core.start : core.stop].sum())
        cores["active updates"][i] = busy
        cores["idle updates"][i] = (core.stop - core.start) * activity.steps - busy
    for w in wiring:
        own = where[w.target]
        operations = _operations(w, activity.spikes[w.source], placement, own)
        cores["synaptic operations"][own] += operations
        if w.name in plastic:
            cores["learning updates"][own] += operations
            cores["learning updates"][own] += _posts(w, activity.spikes[w.target], placement, own)
        sent = _messages(w, activity.spikes[w.source], placement, where.get(w.source), own)
        mesh["messages"] += float(sent.sum())
        if w.source in where:
            a = np.array([tile(placement.cores[i]) for i in where[w.source]])
            b = np.array([tile(placement.cores[i]) for i in own])
            way = np.abs(a[:, None, :] - b[None, :, :])
            mesh["east-west hops"] += float((sent * way[..., 0]).sum())
            mesh["north-south hops"] += float((sent * way[..., 1]).sum())
    return Load(activity.steps, cores, mesh)


def tile(core: Core) -> tuple[int, int]:
    """Column and row of a core's tile; chips stand side by side."""
    row, column = divmod(core.index // CORES_PER_TILE, COLUMNS)
    return core.chip * COLUMNS + column, row


def _bounds(placement: Placement, own: Sequence[int]) -> NDArray[np.int64]:
    return np.array([placement.cores[i].start for i in own] + [placement.cores[own[-1]].stop])


def _operations(
    w: Wiring, spikes: FloatArray, placement: Placement, own: Sequence[int]
) -> FloatArray:
    """Synaptic operations on every core of the target."""
    bounds = _bounds(placement, own)
    if isinstance(w.synapses, Dense):
        return np.asarray(spikes.sum() * np.diff(bounds), np.float64)
    found = reach(w.synapses, bounds)
    counts = np.bincount(found.parts, spikes[found.units] * found.synapses, minlength=len(own))
    return np.asarray(counts, np.float64)


def _posts(w: Wiring, spikes: FloatArray, placement: Placement, own: Sequence[int]) -> FloatArray:
    """Synapses whose target spiked, on every core of the target."""
    bounds = _bounds(placement, own)
    if isinstance(w.synapses, Dense):
        fan_in = np.full(w.synapses.n_post, float(w.synapses.n_pre))
    else:
        fan_in = np.bincount(w.synapses.targets, minlength=w.synapses.n_post) * 1.0
    return np.add.reduceat(spikes * fan_in, bounds[:-1])


def _messages(
    w: Wiring,
    spikes: FloatArray,
    placement: Placement,
    source: Sequence[int] | None,
    own: Sequence[int],
) -> FloatArray:
    """Messages from every core of the source (outside: one row) to every core of the target."""
    starts = np.array([0]) if source is None else _bounds(placement, source)[:-1]
    if isinstance(w.synapses, Dense):
        return np.repeat(np.add.reduceat(spikes, starts)[:, None], len(own), axis=1)
    found = reach(w.synapses, _bounds(placement, own))
    sent = np.zeros((len(starts), len(own)))
    sender = np.searchsorted(starts, found.units, side="right") - 1
    np.add.at(sent, (sender, found.parts), spikes[found.units])
    return sent


@dataclass(frozen=True)
class Estimate:
    """Energy and time of a run.

    Attributes
    ----------
    seconds : float
        Length of the run in model time.
    steps : int
    events : mapping of str to float
    joule : mapping of str to float
        By the same names.
    step_seconds : float
        Time that the chip needs for one step.
    """

    seconds: float
    steps: int
    events: Mapping[str, float]
    joule: Mapping[str, float]
    step_seconds: float

    @property
    def energy(self) -> float:
        """Of the run, in joule."""
        return sum(self.joule.values())

    @property
    def power(self) -> float:
        """In watt, when the chip runs in real time: energy per second of model time."""
        return self.energy / self.seconds

    @property
    def latency(self) -> float:
        """Time in seconds that the chip needs for the run."""
        return self.steps * self.step_seconds


def estimate(placement: Placement, counted: Load, dt: float) -> Estimate:
    """Energy and time of what was counted.

    Parameters
    ----------
    placement : Placement
    counted : Load
    dt : float, second
        Time step of the model.
    """
    events = counted.totals
    busiest = sum((TIME[name].value * counted.cores[name] for name in TIME), start=np.zeros(1))
    work = float(np.max(busiest, initial=0.0)) / counted.steps
    used = [core for core in placement.cores if core.chip == 0]
    tiles = max(1, -(-len(used) // CORES_PER_TILE))
    low, high = (figure.value for figure in BARRIER)
    barrier = low + (high - low) * (tiles - 1) / (TILES - 1)
    return Estimate(
        seconds=counted.steps * dt,
        steps=counted.steps,
        events=events,
        joule={name: ENERGY[name].value * number for name, number in events.items()},
        step_seconds=barrier + work,
    )

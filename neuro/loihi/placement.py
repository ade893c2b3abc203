"""Which core holds which neurons: populations split over cores, cores over chips.

An estimate: cores hold neurons of one population each, in order, and every axon reaches every
core with synapses for it by an entry of its own. A compiler may share cores and axons, and needs
room for routing, so real numbers are larger or smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Dense, IntArray, Sparse
from neuro.loihi.target import RESOURCES, Target

#: Synapses of an axon are kept in blocks of so many, each with a head, in words of so many bits.
_BLOCK, _HEAD, _WORD = 64, 10, 64
#: Bits in which a weight can be kept: 7 take the room of 8.
_STORED_WEIGHT_BITS = (1, 2, 3, 4, 5, 6, 8)


@dataclass(frozen=True, eq=False)
class Wiring:
    """One projection as the chip keeps it.

    Attributes
    ----------
    name, source, target : str
    synapses : Dense or Sparse
        Who reaches whom.
    weight_bits, delay_bits, tag_bits : int
        What each synapse takes, without its index.
    setting : hashable
        Equal for projections that can share a synapse format.
    """

    name: str
    source: str
    target: str
    synapses: Dense | Sparse
    weight_bits: int = 8
    delay_bits: int = 0
    tag_bits: int = 0
    setting: object = None

    @property
    def synapse_bits(self) -> int:
        """Bits of a synapse, without its index."""
        stored = next((b for b in _STORED_WEIGHT_BITS if b >= self.weight_bits), self.weight_bits)
        return stored + self.delay_bits + self.tag_bits


@dataclass(frozen=True, eq=False)
class Units:
    """The neurons of a population, and how their settings differ.

    Attributes
    ----------
    count : int
    profiles : mapping of str to int array
        Per limited kind of setting (a name in :attr:`Target.core`): a number for every unit,
        0 or more, equal where units can share the setting.
    """

    count: int
    profiles: Mapping[str, IntArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Core:
    """Units ``start <= i < stop`` of a layer on one core, and what they use of it.

    Attributes
    ----------
    layer : str
        Population.
    start, stop : int
    chip, index : int
        Chip, and core of that chip.
    used : mapping of str to int
        By name of a limit of :attr:`Target.core`.
    """

    layer: str
    start: int
    stop: int
    chip: int
    index: int
    used: Mapping[str, int]

    def utilisation(self, target: Target) -> dict[str, float]:
        """Per cent of each of :data:`~neuro.loihi.target.RESOURCES`."""
        return {r: 100.0 * self.used[r] / target.core[r].value for r in RESOURCES}


@dataclass(frozen=True)
class Placement:
    """All cores in order: layer by layer, and filling one chip after the other."""

    target: Target
    cores: tuple[Core, ...]

    @property
    def chips(self) -> int:
        """Number of chips."""
        return self.cores[-1].chip + 1 if self.cores else 0

    def layer(self, name: str) -> tuple[Core, ...]:
        """The cores of a layer."""
        return tuple(core for core in self.cores if core.layer == name)

    def utilisation(self, name: str) -> float:
        """Per cent of the resource that is fullest on any core of a layer."""
        return max(max(core.utilisation(self.target).values()) for core in self.layer(name))


def axon_bits(synapses: NDArray[np.int64] | int, bits: NDArray[np.int64] | int) -> IntArray:
    """Memory of axons with so many synapses on a core.

    Per block of at most 64 synapses ``64 ceil((m bits + 10) / 64)``: NengoLoihi, block.py.

    Parameters
    ----------
    synapses : int array
        Of each axon.
    bits : int array or int
        Of each synapse: weight, delay, tag, index.
    """
    count, each = np.asarray(synapses, np.int64), np.asarray(bits, np.int64)
    full, rest = np.divmod(count, _BLOCK)
    return np.asarray(full * _block(_BLOCK * each) + np.where(rest > 0, _block(rest * each), 0))


def _block(bits: IntArray) -> IntArray:
    return -(-(bits + _HEAD) // _WORD) * _WORD


def index_bits(units: int) -> int:
    """Bits in which a synapse names one of so many neurons of a core: at least 6."""
    return max(6, (units - 1).bit_length())


def split(count: int, cores: int) -> IntArray:
    """Bounds of even contiguous parts: part i is ``bounds[i] <= unit < bounds[i + 1]``."""
    return np.arange(cores + 1, dtype=np.int64) * count // cores


@dataclass(frozen=True)
class Reach:
    """Which source units reach which parts of a split target, with how many synapses.

    One entry per pair of them that have a synapse.
    """

    units: IntArray
    parts: IntArray
    synapses: IntArray


def reach(synapses: Sparse, bounds: IntArray) -> Reach:
    """Pairs of source unit and part of the target, in order of unit, then part."""
    parts = len(bounds) - 1
    part = np.repeat(np.arange(parts), np.diff(bounds))
    key = synapses.rows * parts + part[synapses.targets]  # ascending: targets are
    first = np.flatnonzero(np.diff(key, prepend=-1))
    counts = np.diff(first, append=len(key))
    return Reach(key[first] // parts, key[first] % parts, counts)


def _arriving(wiring: Wiring, bounds: IntArray) -> tuple[IntArray, IntArray]:
    """Axons that come in, and bits of their synapses, for every part of the target."""
    sizes = np.diff(bounds)
    synapses, bits = wiring.synapses, wiring.synapse_bits
    if isinstance(synapses, Dense):
        return np.full(len(sizes), synapses.n_pre), synapses.n_pre * axon_bits(sizes, bits)
    found = reach(synapses, bounds)
    # An axon that reaches every neuron of the core is kept as a run, without indices.
    run = np.zeros(len(found.parts), bool)
    if not synapses.has_multapses:
        run = found.synapses == sizes[found.parts]
    index = np.array([index_bits(int(size)) for size in sizes], np.int64)
    memory = axon_bits(found.synapses, bits + np.where(run, 0, index[found.parts]))
    total = np.zeros(len(sizes), np.int64)
    np.add.at(total, found.parts, memory)
    return np.bincount(found.parts, minlength=len(sizes)), total


def _leaving(wiring: Wiring, own: IntArray, target: IntArray) -> IntArray:
    """Axons that go out, for every part of the source: one per unit and part it reaches."""
    if isinstance(wiring.synapses, Dense):
        return np.diff(own) * (len(target) - 1)
    found = reach(wiring.synapses, target)
    per_unit = np.bincount(found.units, minlength=wiring.synapses.n_pre)
    return np.diff(np.concatenate([[0], np.cumsum(per_unit)])[own])


class _Splitter:
    """Number of parts of every layer, growing until every core holds what it is given."""

    def __init__(
        self, layers: Mapping[str, Units], wiring: Sequence[Wiring], target: Target
    ) -> None:
        self.layers, self.target = layers, target
        self.incoming = {n: [w for w in wiring if w.target == n] for n in layers}
        self.outgoing = {
            n: [w for w in wiring if w.source == n and w.target in layers] for n in layers
        }
        self.parts = dict.fromkeys(layers, 1)

    def used(self, name: str, parts: int) -> dict[str, IntArray]:
        """What every core would use, if the layer were split into so many parts."""
        layer = self.layers[name]
        bounds = split(layer.count, parts)
        sizes = np.diff(bounds)
        axons, bits = np.zeros(parts, np.int64), sizes * self.target.state_bits
        for w in self.incoming[name]:
            more_axons, more_bits = _arriving(w, bounds)
            axons, bits = axons + more_axons, bits + more_bits
        leaving = np.zeros(parts, np.int64)
        for w in self.outgoing[name]:
            others = self.layers[w.target].count
            ends = bounds if w.target == name else split(others, self.parts[w.target])
            leaving = leaving + _leaving(w, bounds, ends)
        formats = len({w.setting for w in self.incoming[name]})
        return {
            "neurons": sizes,
            "synaptic memory": bits,
            "axons in": axons,
            "axons out": leaving,
            "synapse formats": np.full(parts, formats),
            **{kind: _different(values, bounds) for kind, values in layer.profiles.items()},
        }

    def too_much(self, name: str, parts: int) -> set[str]:
        """Limits that some core would exceed."""
        used = self.used(name, parts)
        limits = {n: limit.value for n, limit in self.target.core.items() if n in used}
        return {n for n, limit in limits.items() if int(used[n].max()) > limit}

    def grow(self, name: str) -> bool:
        """Split a layer further if it must be; whether it was.

        Finds the smallest number of parts by bisection (with more parts, each has less). What
        exceeds a limit even with one neuron a core cannot be mended by splitting, and is left
        to the design rules.
        """
        low, high = self.parts[name], self.layers[name].count
        excess = self.too_much(name, low)
        hopeless = self.too_much(name, high) if excess else excess
        if excess <= hopeless:
            return False
        while high - low > 1:
            middle = (low + high) // 2
            if self.too_much(name, middle) <= hopeless:
                high = middle
            else:
                low = middle
        self.parts[name] = high
        return True


def _different(values: IntArray, bounds: IntArray) -> IntArray:
    """Number of different values in every part."""
    parts = len(bounds) - 1
    part = np.repeat(np.arange(parts), np.diff(bounds))
    kinds = int(values.max(initial=0)) + 1
    return np.bincount(np.unique(part * kinds + values) // kinds, minlength=parts)


def place(layers: Mapping[str, Units], wiring: Sequence[Wiring], target: Target) -> Placement:
    """Split every layer over the fewest cores that hold it.

    Parameters
    ----------
    layers : mapping of str to Units
        The populations that live on the chip, in order.
    wiring : sequence of Wiring
        All projections; the source of one need not be a layer (input comes from outside).
    target : Target

    Returns
    -------
    Placement
        The same for the same arguments. A core may exceed a limit where splitting cannot help
        (a neuron with more axons than a core takes); the design rules find it.
    """
    splitter = _Splitter(layers, wiring, target)
    # More parts of one layer mean more axons out of those that lead to it, so again until all fit.
    while any(splitter.grow(name) for name in layers):
        pass
    cores: list[Core] = []
    for name, layer in layers.items():
        parts = splitter.parts[name]
        used, bounds = splitter.used(name, parts), split(layer.count, parts)
        for i in range(parts):
            chip, index = divmod(len(cores), target.cores_per_chip.value)
            own = {kind: int(values[i]) for kind, values in used.items()}
            cores.append(Core(name, int(bounds[i]), int(bounds[i + 1]), chip, index, own))
    return Placement(target, tuple(cores))

"""The discrete-time program: what a network means, as named arrays and ordered steps.

A network is lowered once to a :class:`Program`; every backend runs that same program, in the
order of :attr:`Program.steps`, once per time step. Each step declares what it reads and writes.

Names are qualified: array ``"exc.v"`` belongs to population (or projection) ``exc``; a name that
begins with ``_`` is local to one step. Every array has a *domain*:

====================  ==============================================================
domain                one value per
====================  ==============================================================
name of a population  unit of that population
name of a projection  synapse (dense: ``[pre, post]``; sparse: CSR order, one axis;
                      the weights of a convolution: its kernel)
``""``                network (a scalar that may change between runs)
====================  ==============================================================

The order of one time step is normative (see ``docs/architecture.md``): arrive, update,
threshold, reset, plasticity, record. Additions happen in a stated order: within a projection by
presynaptic index into that projection's own buffer, then buffer by buffer in the order in which
the projections were made. That is what makes spike trains equal on all backends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, IntArray
from neuro.equations.expression import Expr, names, to_text
from neuro.fingerprint import digest

if TYPE_CHECKING:
    from neuro.loihi.chip import Chip
    from neuro.loihi.quantisation_report import QuantisationReport


def float_type(precision: str) -> np.dtype[np.floating]:
    """Type of the float arrays of a precision: the integers of "loihi" are carried in float64."""
    return np.dtype("float64" if precision == "loihi" else precision)


Items = Callable[[int], NDArray[Any]]
"""From the number of an item of a batch to its initial values."""


@dataclass(frozen=True, eq=False)
class Array:
    """One named array of the program.

    Attributes
    ----------
    name : str
        Qualified name, ``owner.variable``.
    domain : str
        What it has one value per (see the module's table).
    initial : ndarray
        Values before the first step: float (in the precision of the program), int32 or bool.
    constant : bool
        True when no step writes it (parameters, static weights).
    unit : str
        SI unit of a state variable, weight or trace, as its description says; empty: not said.
    items : callable, optional
        Gives the initial values of an item of a batch (random numbers); None: those of all are
        the same.
    """

    name: str
    domain: str
    initial: NDArray[np.generic]
    constant: bool = False
    unit: str = ""
    items: Items | None = None

    @property
    def owner(self) -> str:
        """Population or projection that the array belongs to."""
        return self.name.partition(".")[0]

    @property
    def variable(self) -> str:
        """The part of the name after the owner."""
        return self.name.partition(".")[2]

    def replica(self, item: int) -> NDArray[np.generic]:
        """Initial values as item ``item`` of a batch sees them; item 0 sees :attr:`initial`."""
        if item == 0 or self.items is None:
            return self.initial
        return self.items(item).astype(self.initial.dtype)

    @property
    def kind(self) -> str:
        """``"float"``, ``"int"`` or ``"bool"``."""
        return {"f": "float", "i": "int", "b": "bool"}[self.initial.dtype.kind]


@dataclass(frozen=True)
class Assign:
    """``target = expression``; the target is an array, or a step-local name (leading ``_``)."""

    target: str
    expression: Expr

    @property
    def local(self) -> bool:
        """Whether the target lives only within its step."""
        return self.target.startswith("_")

    def __str__(self) -> str:
        return f"{self.target} = {to_text(self.expression)}"


@runtime_checkable
class EventSource(Protocol):
    """A population without inputs: its spikes are data, the same on every backend."""

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Spikes of steps ``start <= k < stop`` as (steps, units), sorted by step, then unit."""
        ...

    def replica(self, item: int) -> EventSource:
        """The source as item ``item`` of a batch sees it; item 0 sees the source itself."""
        ...


@dataclass(frozen=True)
class Arrive:
    """Spikes emitted ``delay`` steps ago reach their synapses (normative step 1).

    ``into[post] = sum of weights[pre, post] * factors`` over the pre units that spiked at step
    ``k - delay``, added in order of ascending pre; zero where none arrives. With ``transposed``
    the weights (and connectivity) of ``synapses`` are read the other way round: the projection
    runs from that projection's target back to its source (tied feedback weights).

    ``delays``, when not None, names an int array with the delay of every synapse in steps (the
    connectivity is then sparse); ``delay`` is the longest. What arrives in one step is added in
    order of emission, oldest first, then of ascending pre.

    ``factors`` are multiplied with the weight one after the other, ``(w * f1) * f2``: per source
    unit (``"exc.payload_1@pre"``: graded events, short-term plasticity) or per synapse (no side).
    """

    projection: str
    source: str
    target: str
    delay: int
    synapses: str  # projection that owns the connectivity (itself, unless tied)
    weights: str
    into: str
    transposed: bool = False
    delays: str | None = None
    factors: tuple[str, ...] = ()

    @property
    def reads(self) -> tuple[str, ...]:
        """Arrays read."""
        delays = (self.delays,) if self.delays else ()
        return (self.weights, *delays, *(array_of(f) for f in self.factors))

    @property
    def writes(self) -> tuple[str, ...]:
        """Arrays written."""
        return (self.into,)


def _reads(assigns: tuple[Assign, ...]) -> tuple[str, ...]:
    seen = dict.fromkeys(n for a in assigns for n in names(a.expression) if not n.startswith("_"))
    return tuple(seen)


def _writes(assigns: tuple[Assign, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(a.target for a in assigns if not a.local))


@dataclass(frozen=True)
class Update:
    """Every unit of a population goes to its next state (2); assignments run in order."""

    population: str
    assigns: tuple[Assign, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """Arrays read."""
        return _reads(self.assigns)

    @property
    def writes(self) -> tuple[str, ...]:
        """Arrays written."""
        return _writes(self.assigns)


@dataclass(frozen=True)
class Threshold:
    """Units where ``condition`` holds emit a spike of this step (3)."""

    population: str
    condition: Expr

    @property
    def reads(self) -> tuple[str, ...]:
        """Arrays read."""
        return tuple(dict.fromkeys(names(self.condition)))

    @property
    def writes(self) -> tuple[str, ...]:
        """Arrays written (none: spikes are events)."""
        return ()


@dataclass(frozen=True)
class Reset:
    """Assignments for the units that spiked in this step (4)."""

    population: str
    assigns: tuple[Assign, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """Arrays read."""
        return _reads(self.assigns)

    @property
    def writes(self) -> tuple[str, ...]:
        """Arrays written."""
        return _writes(self.assigns)


@dataclass(frozen=True)
class Plasticity:
    """A learning rule at one projection (5): decay, arrivals, post spikes, then every so often.

    Names say which side they are on: ``"con.x@pre"`` is the array ``con.x`` indexed by the
    source unit, ``"exc.v@post"`` one indexed by the target unit, ``"reward.r@shared"`` the one
    value of an array of a population of size 1; a name without side is synaptic (indexed by the
    synapse) or a scalar. Targets are written the same way. A sided array may belong to any
    population of the same size (a third factor).

    A side may say how many consecutive units share a value: ``"gate.v@post/4"`` is an array of a
    quarter as many values as there are target units, and unit u reads value ``u // 4`` (a third
    factor for groups of units; it is read, never assigned).

    ``decay`` runs in each step for all units of a trace, and all synapses of a synaptic array.
    ``on_pre`` runs for the source units whose spikes arrive in this step, ``on_post`` for the
    target units that spiked in this step; in both, an assignment to a trace runs once per unit,
    one to a synaptic array once per synapse of those units, in the order written. Arrivals come
    first. ``on_step`` runs last, for all units and synapses, in the steps k in which ``k + 1`` is
    a multiple of ``every``.

    ``pre_flag`` (``post_flag``), when not None, names a bool array that is true, during this
    step's plasticity, for source units whose spikes arrive (target units that spiked).
    With ``transposed`` the synapses belong to a projection that runs the other way (tied
    weights); sides still mean the source and target of *this* projection.

    ``delays`` is as in :class:`Arrive`: arrivals are then those of single synapses, and what
    would be per source unit (pre traces, ``pre_flag``) has one value per synapse.

    A rule of ``short_term`` plasticity stands before its projection's :class:`Arrive` instead
    (1) and has only ``decay`` and ``on_pre``: it prepares a factor of the arrival.
    """

    projection: str
    source: str
    target: str
    delay: int
    synapses: str
    decay: tuple[Assign, ...]
    on_pre: tuple[Assign, ...]
    on_post: tuple[Assign, ...]
    on_step: tuple[Assign, ...] = ()
    every: int = 1
    pre_flag: str | None = None
    post_flag: str | None = None
    transposed: bool = False
    delays: str | None = None
    short_term: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """Arrays read."""
        reads = _reads(self.decay + self.on_pre + self.on_post + self.on_step)
        delays = (self.delays,) if self.delays else ()
        return tuple(dict.fromkeys([*(array_of(n) for n in reads), *delays]))

    @property
    def writes(self) -> tuple[str, ...]:
        """Arrays written."""
        writes = _writes(self.decay + self.on_pre + self.on_post + self.on_step)
        return tuple(dict.fromkeys(array_of(n) for n in writes))


def array_of(name: str) -> str:
    """Array name of a name in a plasticity step: ``"con.x@pre"`` -> ``"con.x"``."""
    return name.partition("@")[0]


def side_of(name: str) -> str:
    """Side of a name in a plasticity step: ``"pre"``, ``"post"``, ``"shared"`` or ``""``."""
    return name.partition("@")[2].partition("/")[0]


def group_of(name: str) -> int:
    """How many consecutive units of its side share a value: ``"gate.v@post/4"`` -> 4; else 1."""
    return int(name.partition("@")[2].partition("/")[2] or 1)


Step = Union[Arrive, Update, Threshold, Reset, Plasticity]


@dataclass(frozen=True, eq=False)
class Record:
    """What is kept (6): spikes of a population, or an array at the end of each step.

    Engines return a row of every step. Of these the simulation keeps, while it runs, those of
    the steps k in which ``k + 1`` is a multiple of ``every``.
    """

    owner: str
    variable: str  # "spikes" or a variable of the owner
    units: IntArray | None = None  # None: all
    every: int = 1

    @property
    def array(self) -> str:
        """Qualified name of the recorded array."""
        return f"{self.owner}.{self.variable}"


@dataclass(frozen=True, eq=False)
class Program:
    """A lowered network.

    Attributes
    ----------
    name, dt, precision
        Name of the network; time step in seconds; ``"float64"``, ``"float32"`` or ``"loihi"``
        (whole numbers, carried in float64).
    sizes : dict
        Units per population, sources included, in order of definition.
    sources : dict
        Event source of each population that has no inputs.
    arrays : dict
        Every array by qualified name.
    connectivity : dict
        Of each projection that owns synapses.
    steps : tuple
        The steps of one time step, in order.
    records : tuple
        What is recorded.
    integrators : dict
        Per population: how its equations were integrated ("exact", "exponential Euler", "Euler").
    chip : Chip, optional
        With precision "loihi": the integers of every population and projection.
    quantisation : QuantisationReport, optional
        With precision "loihi": what became of a network of floats on the way to integers.
    """

    name: str
    dt: float
    precision: str
    sizes: Mapping[str, int]
    sources: Mapping[str, EventSource]
    arrays: Mapping[str, Array]
    connectivity: Mapping[str, Connectivity]
    steps: tuple[Step, ...]
    records: tuple[Record, ...]
    integrators: Mapping[str, str] = field(default_factory=dict)
    chip: Chip | None = None
    quantisation: QuantisationReport | None = None

    @property
    def dtype(self) -> np.dtype[np.floating]:
        """Floating-point type of all float arrays."""
        return float_type(self.precision)

    @property
    def max_delays(self) -> dict[str, int]:
        """Longest delay, in steps, of the projections that leave each population."""
        longest: dict[str, int] = {}
        for step in self.steps:
            if isinstance(step, Arrive | Plasticity):
                longest[step.source] = max(longest.get(step.source, 0), step.delay)
        return longest

    def fingerprint(self) -> str:
        """SHA-256 of the program's structure, without data.

        Two programs with the same fingerprint differ at most in array values, connectivity
        of sparse projections and source events: compiled code of one runs the other.
        """
        structure = {
            "dt": float(self.dt).hex(),
            "precision": self.precision,
            "sizes": dict(self.sizes),
            "sources": sorted(self.sources),
            "arrays": [(a.name, a.domain, a.kind, a.constant) for a in self.arrays.values()],
            "connectivity": {n: type(c).__name__ for n, c in self.connectivity.items()},
            "steps": [_step_text(s) for s in self.steps],
            "records": [
                (r.owner, r.variable, None if r.units is None else r.units.tolist())
                for r in self.records
            ],
        }
        return hashlib.sha256(json.dumps(structure).encode()).hexdigest()

    def content_fingerprint(self) -> str:
        """SHA-256 of everything: two programs with the same one record the same, bit for bit."""
        records = [(r.array, r.units, r.every) for r in self.records]
        arrays = {name: array.initial for name, array in self.arrays.items()}
        return digest(self.fingerprint(), arrays, self.connectivity, self.sources, records)

    def _repr_html_(self) -> str:
        from neuro.summary import program_html

        return program_html(self)

    def __str__(self) -> str:
        lines = [f"program {self.name!r}: dt = {self.dt:g} s, {self.precision}"]
        for name, size in self.sizes.items():
            what = "source" if name in self.sources else self.integrators.get(name, "no equations")
            lines.append(f"  {name}: {size} units ({what})")
        lines.append("each time step:")
        lines += [f"  {line}" for step in self.steps for line in _step_text(step).splitlines()]
        for record in self.records:
            lines.append(f"  record {record.array}")
        return "\n".join(lines)


def _step_text(step: Step) -> str:
    """Complete, human-readable text of one step (also what the fingerprint covers)."""
    match step:
        case Arrive():
            turn = " (transposed)" if step.transposed else ""
            factors = "".join(f" * {f}" for f in step.factors)
            return (
                f"arrive {step.projection}: {step.into} = sum of {step.weights}{turn}{factors}"
                f" over spikes of {step.source} {_delay_text(step)} ago -> {step.target}"
            )
        case Update() | Reset():
            head = f"{type(step).__name__.lower()} {step.population}:"
            return "\n  ".join([head, *map(str, step.assigns)])
        case Threshold():
            return f"threshold {step.population}: {to_text(step.condition)}"
        case Plasticity():
            turn = f", on {step.synapses} transposed" if step.transposed else ""
            flags = ", ".join(f for f in (step.pre_flag, step.post_flag) if f)
            head = "short-term plasticity" if step.short_term else "plasticity"
            lines = [
                f"{head} {step.projection} ({step.source} -> {step.target}, delay"
                f" {_delay_text(step)}{turn}{f'; flags {flags}' if flags else ''}):"
            ]
            for title, assigns in (
                ("decay", step.decay),
                ("on arrival", step.on_pre),
                ("on spike", step.on_post),
                (f"every {step.every} step(s)", step.on_step),
            ):
                lines += [f"  {title}: {assign}" for assign in assigns]
            return "\n".join(lines)


def _delay_text(step: Arrive | Plasticity) -> str:
    return f"{step.delay} step(s)" if step.delays is None else f"{step.delays} steps"

"""The Brian2 model of a program, as plain data: which objects, which code, in which slot.

Every population becomes a group and every projection that owns synapses a ``Synapses`` object.
Brian2 runs the slots of a time step in the order of :data:`SCHEDULE`, which is the normative one:

===========  ================================================================================
slot         what happens
===========  ================================================================================
start        input buffers are cleared
synapses     arrivals: spikes of earlier steps add their weights to the buffers
groups       updates
thresholds   spikes; sources emit theirs
resets       of the units that spiked
plasticity   per rule: decay, flags, arrivals, then spikes (:mod:`.rules`)
end          monitors
===========  ================================================================================

Because spikes are pushed into Brian2's queues where a pathway runs, and arrivals run *before*
this step's thresholds, a delay of d steps is a queue of d - 1 steps there; plasticity runs after
the thresholds, so there it is d.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neuro.backends.brian2.printing import Printer
from neuro.errors import CompileError
from neuro.program import Program

SCHEDULE = ("start", "synapses", "groups", "thresholds", "resets", "plasticity", "end")


@dataclass(frozen=True)
class Variable:
    """One variable of a Brian2 object; ``shared`` when it has one value for the whole object."""

    name: str
    kind: str
    shared: bool = False


@dataclass
class Group:
    """A ``NeuronGroup``, or for a source a ``SpikeGeneratorGroup``."""

    name: str
    population: str
    size: int
    source: bool
    threshold: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)


@dataclass(frozen=True)
class Routine:
    """Code for all units of a group, or for those that spiked in this step."""

    group: str
    slot: str
    order: int
    code: str
    spiking: bool = False


@dataclass(frozen=True)
class Pathway:
    """Code for all synapses of units whose spikes come out of a queue.

    ``lag`` is the length of the queue in steps; ``before_threshold`` says that spikes of a step
    are pushed in the next one.
    """

    name: str
    side: str
    slot: str
    order: int
    code: str
    lag: int

    @property
    def before_threshold(self) -> bool:
        """Whether the queue takes up the spikes of a step in the next step."""
        return self.slot == "synapses"


@dataclass
class Synapses:
    """A ``Synapses`` object; ``projection`` is None where unit k is connected to unit k only."""

    name: str
    projection: str | None
    source: str
    target: str
    variables: dict[str, Variable] = field(default_factory=dict)
    pathways: list[Pathway] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where an array lives: a variable of a group or of a ``Synapses`` object."""

    owner: str
    variable: str


@dataclass(frozen=True, eq=False)
class Trace:
    """A recorded array: index into ``program.records``, its place, the recorded elements."""

    record: int
    place: Place
    units: NDArray[np.int64]


@dataclass
class Blueprint:
    """Everything that is needed to make the Brian2 objects, and to move data in and out."""

    program: Program
    groups: dict[str, Group] = field(default_factory=dict)
    synapses: dict[str, Synapses] = field(default_factory=dict)
    routines: list[Routine] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=dict)
    monitored: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()
    outputs: tuple[str, ...] = ()

    def group(self, population: str) -> Group:
        """Group of a population."""
        return self.groups[population]

    def owner(self, name: str) -> Group | Synapses:
        """Group or synapses by the name of the Brian2 object."""
        owners: list[Group | Synapses] = [*self.groups.values(), *self.synapses.values()]
        return next(owner for owner in owners if owner.name == name)

    def kind(self, name: str) -> str:
        """Kind of a program array, with or without side."""
        return self.program.arrays[name.partition("@")[0]].kind

    def place(self, name: str, owner: Group | Synapses) -> str:
        """Make sure that an array lives in (or, shared, also in) an object; its Brian2 name."""
        array = self.program.arrays[name]
        index = list(self.program.arrays).index(name)
        variable = f"{clean(array.variable)}_a{index}"
        if variable not in owner.variables:
            owner.variables[variable] = Variable(variable, array.kind, array.domain == "")
            self.places.setdefault(name, []).append(Place(owner.name, variable))
        return variable

    def printer(self, group: Group) -> Printer:
        """Printer for code that runs per unit of a group."""

        def rename(name: str) -> str:
            array = self.program.arrays[name.partition("@")[0]]
            if array.domain not in (group.population, ""):
                raise CompileError(
                    f"brian2: {name!r} belongs to {array.domain!r} and cannot be used in code of"
                    f" population {group.population!r}"
                )
            return self.place(array.name, group)

        return Printer(rename, self.kind, self.program.precision)

    def synaptic_printer(self, synapses: Synapses, sides: dict[str, str]) -> Printer:
        """Printer for code per synapse; ``sides`` maps program sides to Brian2's sides."""

        def rename(name: str) -> str:
            array, _, side = name.partition("@")
            if not side:
                return self.place(array, synapses)
            population = synapses.source if sides[side] == "pre" else synapses.target
            if self.program.arrays[array].domain not in (population, ""):
                raise CompileError(f"brian2: {name!r} does not belong to {population!r}")
            return f"{self.place(array, self.groups[population])}_{sides[side]}"

        return Printer(rename, self.kind, self.program.precision)


def clean(name: str) -> str:
    """A name that C++ accepts; uniqueness comes from the index that stands beside it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)

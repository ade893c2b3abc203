"""The Brian2 model of a program, as plain data: which objects, which code, in which slot.

Every population becomes a group and every projection that owns synapses a ``Synapses`` object.
Brian2 runs the slots of a time step in the order of :data:`SCHEDULE`, which is the normative one:

===========  ================================================================================
slot         what happens
===========  ================================================================================
start        input buffers are cleared
synapses     arrivals: spikes of earlier steps add their weights to the buffers; before those of
             its projection, each rule of short-term plasticity
groups       updates
thresholds   spikes; sources emit theirs
resets       of the units that spiked
plasticity   per rule: decay, flags, arrivals, spikes, then every so often (:mod:`.rules`)
end          monitors
===========  ================================================================================

Within a slot, objects run in the order in which they were drawn.

Because spikes are pushed into Brian2's queues where a pathway runs, and arrivals run *before*
this step's thresholds, a delay of d steps is a queue of d - 1 steps there; plasticity runs after
the thresholds, so there it is d.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from neuro.backends.brian2.notation import Notation
from neuro.backends.brian2.printing import Printer
from neuro.connectivity import Convolution
from neuro.errors import CompileError
from neuro.program import Arrive, Program, array_of, group_of, side_of

SCHEDULE = ("start", "synapses", "groups", "thresholds", "resets", "plasticity", "end")


@dataclass(frozen=True)
class Variable:
    """One variable of a Brian2 object; ``shared`` when it has one value for the whole object."""

    name: str
    kind: str
    shared: bool = False


@dataclass(frozen=True)
class Reference:
    """A variable of a group that another object reads or writes under a name of its own.

    ``index`` says which element is seen: that of the same ``"unit"`` (between groups), of the
    ``"pre"`` or ``"post"`` unit (from synapses), or the only one (``"shared"``). Between groups,
    ``length`` consecutive units see the same element.
    """

    name: str
    group: str
    variable: str
    index: str
    length: int = 1

    @property
    def index_array(self) -> str:
        """Name of an array that says which element each unit sees; empty: none is needed."""
        return f"_group_of_{self.length}" if self.length > 1 else ""


@dataclass
class Group:
    """A ``NeuronGroup``, or for a source a ``SpikeGeneratorGroup``."""

    name: str
    population: str
    size: int
    source: bool
    threshold: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)


@dataclass(frozen=True)
class Routine:
    """Code for all units of a group, for those that spiked in this step, or for all synapses.

    ``owner`` is the name of the group or ``Synapses`` object. The code runs in the steps k in
    which ``k + 1`` is a multiple of ``every``, counted from the first step of the simulation.
    It belongs to ``part_of``, a population or projection; ``note`` tells a reader what it does.
    """

    owner: str
    slot: str
    order: int
    code: str
    spiking: bool = False
    every: int = 1
    part_of: str = ""
    note: str = ""


@dataclass(frozen=True)
class Pathway:
    """Code for all synapses of units whose spikes come out of a queue.

    ``lag`` is the length of the queue in steps; ``before_threshold`` says that spikes of a step
    are pushed in the next one. With ``delays``, an int variable of the ``Synapses`` object,
    each synapse has a delay of its own, and the queue is as long as the longest asks.
    """

    name: str
    side: str
    slot: str
    order: int
    code: str
    delay: int
    delays: str | None = None
    note: str = ""

    @property
    def lag(self) -> int:
        """Steps that the longest delay spends in the queue."""
        return self.delay - int(self.before_threshold)

    @property
    def before_threshold(self) -> bool:
        """Whether the queue takes up the spikes of a step in the next step."""
        return self.slot == "synapses"


@dataclass
class Synapses:
    """A ``Synapses`` object.

    ``projection`` is None where unit k is connected to unit k only; it then belongs to the
    projection ``part_of``.
    """

    name: str
    projection: str | None
    source: str
    target: str
    variables: dict[str, Variable] = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    pathways: list[Pathway] = field(default_factory=list)
    part_of: str = ""


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
    notation: Notation = field(default_factory=Notation)
    groups: dict[str, Group] = field(default_factory=dict)
    synapses: dict[str, Synapses] = field(default_factory=dict)
    routines: list[Routine] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=dict)
    monitored: tuple[str, ...] = ()
    traces: tuple[Trace, ...] = ()
    outputs: tuple[str, ...] = ()
    _objects: int = 0

    def group(self, population: str) -> Group:
        """Group of a population."""
        return self.groups[population]

    @property
    def owners(self) -> list[Group | Synapses]:
        """All groups, then all synapses."""
        return [*self.groups.values(), *self.synapses.values()]

    def owner(self, name: str) -> Group | Synapses:
        """Group or synapses by the name of the Brian2 object."""
        return next(owner for owner in self.owners if owner.name == name)

    def kind(self, name: str) -> str:
        """Kind of a program array, with or without side."""
        return self.program.arrays[array_of(name)].kind

    def next_order(self) -> int:
        """Number of the next object; within a slot, objects run in this order."""
        self._objects += 1
        return self._objects

    def place(self, name: str, owner: Group | Synapses) -> str:
        """Make sure that an array lives in (or, shared, also in) an object; its Brian2 name."""
        array = self.program.arrays[name]
        home = owner.population if isinstance(owner, Group) else owner.projection
        variable = self.notation.variable(
            array, self._number(name), home or owner.name, owner.name
        )
        if variable not in owner.variables:
            owner.variables[variable] = Variable(variable, array.kind, array.domain == "")
            self.places.setdefault(name, []).append(Place(owner.name, variable))
        return variable

    def refer(self, name: str, owner: Group | Synapses, index: str) -> str:
        """Make sure that an object sees an array of another group; the name it has there."""
        array = self.program.arrays[name]
        group = self.groups[array.domain]
        seen = self.notation.reference(array, self._number(name), index, owner.name)
        owner.references[seen] = Reference(seen, group.name, self.place(name, group), index)
        return seen

    def copied(self, name: str, group: Group, length: int, part_of: str) -> str:
        """An array of which ``length`` units of a group share a value, copied to each unit.

        A routine does this in every step before anything that is drawn later; the name there.
        """
        array, number = self.program.arrays[name], self._number(name)
        copy = self.notation.reference(array, number, f"each_of_{length}", group.name)
        if copy not in group.variables:
            home = self.groups[array.domain]
            seen = self.notation.reference(array, number, f"group_of_{length}", group.name)
            place = self.place(name, home)
            group.references[seen] = Reference(seen, home.name, place, "unit", length)
            group.variables[copy] = Variable(copy, array.kind)
            note = f"{length} units share a value of {name}"
            order, code = self.next_order(), f"{copy} = {seen}"
            self.routines.append(
                Routine(group.name, "plasticity", order, code, part_of=part_of, note=note)
            )
        return copy

    def _number(self, name: str) -> int:
        return list(self.program.arrays).index(name)

    def values(self, name: str, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Values of an array as Brian2 has them: flat; of a kernel, one for each synapse."""
        connectivity = self.program.connectivity.get(self.program.arrays[name].domain)
        if isinstance(connectivity, Convolution) and name in self._weights:
            return array.reshape(-1)[connectivity.expand()[1]]
        return array.reshape(-1)

    @cached_property
    def _weights(self) -> set[str]:
        return {s.weights for s in self.program.steps if isinstance(s, Arrive)}

    def printer(self, group: Group, side: str = "", part_of: str = "") -> Printer:
        """Printer for code that runs per unit of a group, which is on one side of a rule."""

        def rename(name: str) -> str:
            array, of, length = array_of(name), side_of(name), group_of(name)
            domain = self.program.arrays[array].domain
            if of == "shared":
                return self._shared(name, group)
            if of == side and domain in (group.population, ""):
                return self.place(array, group)
            if not of and domain == "":
                return self.place(array, group)
            if of and of == side and self._units(domain, length) == group.size:
                if length > 1:
                    return self.copied(array, group, length, part_of)
                return self.refer(array, group, "unit")
            raise CompileError(
                f"brian2: {name!r} has one value per element of {domain!r} and cannot be used in"
                f" code of population {group.population!r}"
            )

        return self._printer(group, rename)

    def synaptic_printer(self, synapses: Synapses, sides: Mapping[str, str]) -> Printer:
        """Printer for code per synapse; ``sides`` maps program sides to Brian2's sides."""

        def rename(name: str) -> str:
            array, of, length = array_of(name), side_of(name), group_of(name)
            domain = self.program.arrays[array].domain
            if of == "shared":
                return self._shared(name, synapses)
            if not of and domain not in self.program.sizes:
                return self.place(array, synapses)
            if of:
                group = self.groups[synapses.source if sides[of] == "pre" else synapses.target]
                if domain in (group.population, "") and length == 1:
                    return f"{self.place(array, group)}_{sides[of]}"
                if self._units(domain, length) == group.size:
                    if length > 1:
                        copy = self.copied(array, group, length, synapses.projection or "")
                        return f"{copy}_{sides[of]}"
                    return self.refer(array, synapses, sides[of])
            raise CompileError(
                f"brian2: {name!r} has one value per element of {domain!r} and cannot be used in"
                f" code of the synapses of {synapses.projection!r}"
            )

        return self._printer(synapses, rename)

    def _units(self, domain: str, length: int) -> int:
        """Units that the values of a population serve, ``length`` units each."""
        return self.program.sizes.get(domain, 0) * length

    def _printer(self, owner: Group | Synapses, rename: Callable[[str], str]) -> Printer:
        return self.notation.printer(owner.name, rename, self.kind, self.program.dtype.name)

    def _shared(self, name: str, owner: Group | Synapses) -> str:
        array = array_of(name)
        domain = self.program.arrays[array].domain
        if self.program.sizes.get(domain) != 1:
            raise CompileError(f"brian2: {name!r} is no array of a population of size 1")
        return self.refer(array, owner, "shared")

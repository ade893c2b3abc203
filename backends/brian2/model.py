"""Brian2 objects from a blueprint, the same for every target.

Importing this module imports Brian2. Objects are kept in an explicit ``Network`` and are given
every name and clock, so that neither Brian2's magic nor the user's objects play a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import brian2
import numpy as np
from brian2.groups.group import CodeRunner
from numpy.typing import NDArray

from neuro.backends.brian2.blueprint import SCHEDULE, Blueprint, Group, Routine, Synapses
from neuro.backends.brian2.functions import functions
from neuro.connectivity import Dense

#: Brian2's name of the index of a :class:`~neuro.backends.brian2.blueprint.Reference`.
_INDICES = {
    "unit": "_idx",
    "pre": "_presynaptic_idx",
    "post": "_postsynaptic_idx",
    "shared": "0",
}

_TYPES = {"float": "1", "int": "integer", "bool": "boolean"}


@dataclass
class Model:
    """The objects of one network.

    Attributes
    ----------
    network : brian2.Network
        All of them, in the normative schedule.
    clock : brian2.Clock
        The only one.
    owners : dict
        Groups and synapses by name.
    spikes : dict
        Spike monitor of each monitored population.
    traces : dict
        State monitor of each recorded array, by index of the record.
    every : dict
        Of each routine, by its name: it runs in every so many steps.
    namespace : dict
        Functions that the code uses.
    """

    network: Any
    clock: Any
    owners: dict[str, Any]
    spikes: dict[str, Any]
    traces: dict[int, Any]
    every: dict[str, int]
    namespace: Mapping[str, Any]

    def pathway(self, synapses: str, name: str) -> Any:
        """A pathway of a ``Synapses`` object."""
        return getattr(self.owners[synapses], name)


def build(plan: Blueprint, connect: bool) -> Model:
    """Make the objects; ``connect`` creates the synapses at once (not in C++ standalone)."""
    program = plan.program
    clock = brian2.Clock(dt=program.dt * brian2.second, name="neuro_clock")
    network = brian2.Network(name="neuro_network")
    network.schedule = list(SCHEDULE)
    owners: dict[str, Any] = {}
    for group in plan.groups.values():
        owners[group.name] = _source(group, clock) if group.source else _neurons(group, clock)
    for synapses in plan.synapses.values():
        made = _synapses(plan, synapses, owners, clock)
        if connect:
            pre, post = pairs(plan, synapses)
            if len(pre):
                made.connect(i=pre, j=post)
            else:  # Brian2 refuses to make none
                made.active = False
        else:  # tell the device that their number is known only to the compiled program
            brian2.get_device().array_cache[made.variables["N"]] = None
        owners[synapses.name] = made
    network.add(*owners.values())
    for drawn in plan.owners:
        for reference in drawn.references.values():
            seen, index = owners[reference.group], _INDICES[reference.index]
            if reference.index_array:
                index = reference.index_array
                _index_array(owners[drawn.name], index, reference.length)
            owners[drawn.name].variables.add_reference(
                reference.name, seen, reference.variable, index
            )
    runners = {}
    for number, routine in enumerate(plan.routines):
        name = f"routine{number}"
        runners[name] = _runner(plan, owners[routine.owner], routine, name, clock)
    network.add(*runners.values())
    spikes = {
        p: brian2.SpikeMonitor(owners[plan.group(p).name], when="end", name=f"spikes{k}")
        for k, p in enumerate(plan.monitored)
    }
    traces = {
        t.record: brian2.StateMonitor(
            owners[t.place.owner],
            t.place.variable,
            record=t.units,
            clock=clock,
            when="end",
            name=f"trace{t.record}",
        )
        for t in plan.traces
    }
    network.add(*spikes.values(), *traces.values())
    every = {name: r.every for name, r in zip(runners, plan.routines, strict=True)}
    return Model(network, clock, owners, spikes, traces, every, functions(program.dtype.name))


def pairs(
    plan: Blueprint, synapses: Synapses
) -> tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]]:
    """Presynaptic and postsynaptic unit of every synapse, in the order of the weights."""
    if synapses.projection is None:
        units = np.arange(plan.group(synapses.source).size)
        return units, units
    expanded, _ = plan.program.connectivity[synapses.projection].expand()
    return expanded.rows, expanded.targets


def _index_array(owner: Any, name: str, length: int) -> None:
    """Give a group an array that says to which group of units each unit belongs."""
    if name not in owner.variables:
        values = np.arange(len(owner), dtype=np.int32) // length
        owner.variables.add_array(
            name, len(owner), values=values, dtype=np.int32, constant=True, read_only=True
        )


def _equations(owner: Group | Synapses) -> str:
    return "\n".join(
        f"{v.name} : {_TYPES[v.kind]}{' (shared)' if v.shared else ''}"
        for v in owner.variables.values()
    )


def _neurons(group: Group, clock: Any) -> Any:
    """A group of neurons; without threshold in the program it has one that never holds."""
    neurons = brian2.NeuronGroup(
        group.size,
        _equations(group),
        threshold=group.threshold or "1 < 0",
        reset="",
        clock=clock,
        name=group.name,
    )
    neurons.state_updater.active = False  # updates are routines; Brian2 integrates nothing
    return neurons


def _source(group: Group, clock: Any) -> Any:
    """A spike generator; traces of its outgoing projections live in it as well."""
    none = np.zeros(0, dtype=np.int32)
    source = brian2.SpikeGeneratorGroup(
        group.size, none, none * brian2.second, clock=clock, when="thresholds", name=group.name
    )
    for variable in group.variables.values():
        source.variables.add_array(
            variable.name,
            size=1 if variable.shared else group.size,
            scalar=variable.shared,
            dtype={
                "float": brian2.prefs.core.default_float_dtype,
                "int": np.int32,
                "bool": np.bool_,
            }[variable.kind],
        )
    return source


def _synapses(plan: Blueprint, synapses: Synapses, owners: Mapping[str, Any], clock: Any) -> Any:
    dt = plan.program.dt * brian2.second
    code: dict[str, dict[str, str]] = {"pre": {}, "post": {}}
    for pathway in synapses.pathways:
        code[pathway.side][pathway.name] = pathway.code
    made = brian2.Synapses(
        owners[plan.group(synapses.source).name],
        owners[plan.group(synapses.target).name],
        model=_equations(synapses),
        on_pre=code["pre"],
        on_post=code["post"] or None,
        # without an entry here, each synapse of a pathway has a delay of its own
        delay={p.name: p.lag * dt for p in synapses.pathways if p.delays is None},
        clock=clock,
        name=synapses.name,
    )
    for pathway in synapses.pathways:
        runner = getattr(made, pathway.name)
        runner.when, runner.order = pathway.slot, pathway.order
        # for the templates of C++
        runner.template_kwds["dense"] = _shape(plan, synapses)
        runner.template_kwds["delays"] = pathway.delays
        runner.template_kwds["early"] = int(pathway.before_threshold)
    return made


def _shape(plan: Blueprint, synapses: Synapses) -> tuple[int, int] | None:
    """Units on both sides when every pair is connected."""
    if synapses.projection is None:
        return None
    connectivity = plan.program.connectivity[synapses.projection]
    dense = isinstance(connectivity, Dense)
    return (connectivity.n_pre, connectivity.n_post) if dense else None


def _runner(plan: Blueprint, owner: Any, routine: Routine, name: str, clock: Any) -> Any:
    """Code for all units or synapses, or (as ``run_on_event`` does, once) for units that spiked."""
    drawn = plan.owner(routine.owner)
    details: dict[str, Any] = {
        "every": routine.every,
        "dense": _shape(plan, drawn) if isinstance(drawn, Synapses) else None,
    }
    needed = []
    if routine.spiking:
        needed = ["_spikespace"]
        details["eventspace_variable"] = owner.variables["_spikespace"]
    return CodeRunner(
        owner,
        "reset" if routine.spiking else "stateupdate",
        code=routine.code,
        clock=clock,
        when=routine.slot,
        order=routine.order,
        name=name,
        needed_variables=needed,
        template_kwds=details,
    )

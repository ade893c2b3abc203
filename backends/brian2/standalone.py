"""The sources of the target ``cpp``: Brian2's C++ standalone device writes them, with our main.

The binary serves every network of the same structure: state, weights, connections, spikes of
sources and the number of steps come from a file (:mod:`.exchange`), and results go to another.
Brian2's own way to run (fixed duration, arrays baked in or set one by one) is passed over by code
in the slots that its device offers for that.

Importing this module imports Brian2.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import brian2
from brian2.devices.cpp_standalone.codeobject import CPPStandaloneCodeObject
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice

from neuro.backends.brian2.blueprint import Blueprint, Group, Synapses
from neuro.backends.brian2.exchange import INPUT, OUTPUT
from neuro.backends.brian2.model import Model, build
from neuro.backends.brian2.sandbox import sandbox
from neuro.connectivity import Dense

HEADER = "neuro_io.h"


class CodeObject(CPPStandaloneCodeObject):  # type: ignore[misc]
    """C++ code from Brian2's templates and those of ours."""

    templater = CPPStandaloneCodeObject.templater.derive(__package__, templates_dir=".")


class Device(CPPStandaloneDevice):  # type: ignore[misc]
    """A device of our own: that of the user, with whatever he has begun there, stays his."""

    def code_object_class(
        self, codeobj_class: type | None = None, fallback_pref: str | None = None
    ) -> type:
        """Class of all code objects."""
        return codeobj_class or CodeObject


def write_sources(plan: Blueprint, folder: Path) -> list[str]:
    """Write the C++ files of a program into a folder; names of those to compile."""
    device = Device()
    device.activate(build_on_run=False)
    header = (Path(__file__).parent / HEADER).read_text()
    with sandbox(device, plan.program.dtype.name, {"codegen.target": "auto"}):
        device.headers.append(f'"{HEADER}"')
        model = build(plan, connect=False)
        writer = Main(plan, model, device)
        device.insert_code("main", writer.load())
        device.insert_code("before_network_run", writer.run())
        model.network.run(0 * brian2.second, namespace=dict(model.namespace))
        device.build(
            directory=str(folder), compile=False, run=False, with_output=False, direct_call=False
        )
    (folder / HEADER).write_text(header)
    return sorted(device.writer.source_files)


class Main:
    """The lines of ``main`` that are ours: what every device of Brian2 needs, for that of C++."""

    def __init__(self, plan: Blueprint, model: Model, device: Any) -> None:
        self._plan, self._model, self._device = plan, model, device

    def load(self) -> str:
        """Read the input into Brian2's arrays, before the queues are made."""
        plan, program = self._plan, self._plan.program
        lines = [
            f'neuro::Reader input(brian::results_dir + "{INPUT}");',
            "neuro::first_step() = input.integer();",
            "const int64_t neuro_steps = input.integer();",
        ]
        for synapses in plan.synapses.values():
            lines += self._connections(synapses)
        for places in plan.places.values():
            first = ""
            for place in places:
                owner = plan.owner(place.owner)
                array = self._array(place.owner, place.variable)
                count = self._size(owner, owner.variables[place.variable].shared)
                values = array
                if isinstance(owner, Synapses) and not owner.variables[place.variable].shared:
                    lines.append(f"{array}.resize({count});")
                    values = f"{array}.data()"
                if first:
                    lines.append(f"{values}[0] = {first}[0];")
                else:
                    lines.append(f"input.array({values}, {count});")
                lines += self._loaded(array, values, count)
                first = first or values
        for population in program.max_delays:
            lines.append(f"neuro::Events {self._recent(population)};")
            lines.append(f"input.events({self._recent(population)});")
            lines.append(self._spiked(population))
        for population in program.sources:
            lines += ["{", "    neuro::Events events;", "    input.events(events);"]
            lines += [f"    {line}" for line in self._emits(population)] + ["}"]
        return "\n".join(lines)

    def _loaded(self, array: str, values: str, count: str) -> list[str]:
        """What has to be done after an array of variables has got its values."""
        return []

    def _spiked(self, population: str) -> str:
        """Take the spikes of the last step for those that just happened."""
        group = self._plan.group(population)
        space = self._array(group.name, "_spikespace")
        return f"neuro::last_spikes({self._recent(population)}, {space}, {group.size});"

    def _emits(self, population: str) -> list[str]:
        """Give a source its spikes, ``events``."""
        group = self._plan.group(population).name
        steps, neurons = self._array(group, "_timebins"), self._array(group, "neuron_index")
        return [f"{steps}.swap(events.steps);", f"{neurons}.swap(events.units);"]

    def run(self) -> str:
        """Fill the queues, run, write the results and leave, before Brian2's own run."""
        plan, program = self._plan, self._plan.program
        lines = self._queued()
        clock = self._model.clock.name
        lines += [
            f"neuro::progress(std::atoi(args[0].c_str()), {clock}.timestep, true);",
            f"{self._model.network.name}.run(neuro_steps * {program.dt!r}, NULL, 10.0);",
            f"neuro::progress(-1, {clock}.timestep, false);",
            f'neuro::Writer output(brian::results_dir + "{OUTPUT}");',
        ]
        for name in plan.outputs:
            place = plan.places[name][0]
            owner = plan.owner(place.owner)
            array = self._array(place.owner, place.variable)
            values = f"{array}.data()" if isinstance(owner, Synapses) else array
            count = self._size(owner, False)
            lines += [*self._changed(array, values, count), f"output.array({values}, {count});"]
        for monitor in self._model.spikes.values():
            t, i = (self._name(monitor.variables[v]) for v in ("t", "i"))
            lines += [*self._monitored(t), *self._monitored(i)]
            lines.append(f"output.spikes({t}, {i}, {program.dt!r});")
        for trace in plan.traces:
            variable = self._model.traces[trace.record].variables[trace.place.variable]
            lines.append(self._traced(self._name(variable), len(trace.units)))
        return "\n".join([*lines, "output.close();", self._leave])

    #: How the program ends.
    _leave = "return 0;"

    def _queued(self) -> list[str]:
        """Fill the queues with the spikes that are under way."""
        lines = []
        for synapses in self._plan.synapses.values():
            for pathway in synapses.pathways:
                side = synapses.source if pathway.side == "pre" else synapses.target
                if pathway.lag or pathway.delays:
                    name = self._model.pathway(synapses.name, pathway.name).name
                    late = int(pathway.before_threshold)
                    lines.append(f"neuro::fill_queue({name}, {self._recent(side)}, {late});")
        return lines

    def _changed(self, array: str, values: str, count: str) -> list[str]:
        """What has to be done before the values of an array of variables can be written."""
        return []

    def _monitored(self, array: str) -> list[str]:
        """What has to be done before what a monitor has recorded can be written."""
        return []

    def _traced(self, matrix: str, columns: int) -> str:
        """Write what a monitor of variables has recorded."""
        return f"output.trace({matrix}, neuro_steps, {columns});"

    def _connections(self, synapses: Synapses) -> list[str]:
        pre, post = (self._array(synapses.name, f"_synaptic_{s}") for s in ("pre", "post"))
        n_pre = self._plan.group(synapses.source).size
        count = self._size(synapses, False)
        number = f"{self._array(synapses.name, 'N')}[0] = {count};"
        if synapses.projection is None:
            return [f"neuro::one_to_one({pre}, {post}, {n_pre});", number]
        if isinstance(self._plan.program.connectivity[synapses.projection], Dense):
            return [number]  # no indices: the template knows where the synapses of a unit lie
        return [
            f"const int64_t {count} = input.integer();",
            f"input.vector({pre}, {count});",
            f"input.vector({post}, {count});",
            number,
        ]

    def _size(self, owner: Group | Synapses, shared: bool) -> str:
        if shared:
            return "1"
        if isinstance(owner, Group):
            return str(owner.size)
        if owner.projection is None:
            return str(self._plan.group(owner.source).size)
        connectivity = self._plan.program.connectivity[owner.projection]
        if isinstance(connectivity, Dense):
            return str(connectivity.count)
        return f"count_{owner.name}"

    def _recent(self, population: str) -> str:
        return f"recent_{self._plan.group(population).name}"

    def _array(self, owner: str, variable: str) -> str:
        return self._name(self._model.owners[owner].variables[variable])

    def _name(self, variable: Any) -> str:
        return str(self._device.get_array_name(variable, access_data=False))

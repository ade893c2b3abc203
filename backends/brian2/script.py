"""A program as a Brian2 script for people: the third builder of a blueprint, which writes text.

The script holds everything: it imports NumPy and Brian2 only. It begins at the first step of the
simulation, with the initial values of the program.

Importing this module imports Brian2.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro._version import __version__
from neuro.atomic import replacing
from neuro.backends.brian2.blueprint import (
    SCHEDULE,
    Blueprint,
    Group,
    Pathway,
    Routine,
    Synapses,
    Variable,
)
from neuro.backends.brian2.drawing import draw
from neuro.backends.brian2.script_functions import library
from neuro.backends.brian2.script_notation import ScriptNotation
from neuro.connectivity import Convolution, Dense
from neuro.program import Program

_FROM_BRIAN2 = (
    "Clock",
    "Function",
    "Network",
    "NeuronGroup",
    "SpikeGeneratorGroup",
    "SpikeMonitor",
    "StateMonitor",
    "Synapses",
    "prefs",
    "second",
)

#: Arrays of up to so many values stand in the text, unless there is no other place.
INLINE = 16

_TYPES = {"float": "1", "int": "integer", "bool": "boolean"}
_INDICES = {"unit": "_idx", "pre": "_presynaptic_idx", "post": "_postsynaptic_idx", "shared": "0"}

_ROUTINE = '''
class Routine(CodeRunner):
    """Code for all units or synapses, or for the units that spiked in this step.

    It runs in the steps k in which k + 1 is a multiple of "every".
    """

    def __init__(self, group, code, when, order, spiking=False, every=1):
        events = {}
        if spiking:
            space = group.variables["_spikespace"]
            events["needed_variables"] = ["_spikespace"]
            events["template_kwds"] = {"eventspace_variable": space}
        template = "reset" if spiking else "stateupdate"
        super().__init__(group, template, code, clock=clock, when=when, order=order, **events)
        self.every = every
        network.add(self)

    def run(self):
        if (clock.variables["timestep"].get_value()[0] + 1) % self.every == 0:
            super().run()
'''


def write_script(program: Program, steps: int, path: Path | None) -> str:
    """The text of the script for a run of some steps.

    Parameters
    ----------
    program : Program
    steps : int
    path : Path or None
        Where the script is written; larger arrays then go to a file of the same name with the
        ending ``.npz`` beside it. Without, they all stand in the text.
    """
    writer = _Writer(program, steps, None if path is None else path.with_suffix(".npz").name)
    text = writer.text()
    if path is not None:
        if writer.arrays:
            with replacing(path.with_suffix(".npz")) as temporary, temporary.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **writer.arrays)
        with replacing(path) as temporary:
            temporary.write_text(text)
    return text


class _Writer:
    def __init__(self, program: Program, steps: int, data: str | None) -> None:
        self._program, self._steps, self._data = program, steps, data
        self._notation = ScriptNotation()
        self._plan: Blueprint = draw(program, self._notation)
        self._values: dict[str, list[tuple[str, str]]] = {}
        for array, places in self._plan.places.items():
            for place in places:
                self._values.setdefault(place.owner, []).append((place.variable, array))
        #: What goes into the file beside the script.
        self.arrays: dict[str, NDArray[Any]] = {}

    def text(self) -> str:
        """The whole script."""
        groups = self._plan.groups.values()
        blocks = [self._group(group) for group in groups]
        if references := [line for group in groups for line in self._references(group)]:
            blocks.append("\n".join([_title("values of other populations"), *references]))
        for name in self._program.connectivity:
            blocks.append(self._projection(name))
        blocks += self._tied()
        body = [*blocks, self._records(), self._ending()]
        code = "\n".join(body)
        used = set(re.findall(r"[A-Za-z_]\w*", code))
        functions = library(used, self._program.dtype.name)
        used |= {"Clock", "Network", "prefs", "second", *(["Function"] if functions else [])}
        parts = [self._head(used), *([functions] if functions else []), _ROUTINE.strip(), *body]
        return "\n\n\n".join(part.strip("\n") for part in parts) + "\n"

    # --- settings ---

    def _head(self, used: set[str]) -> str:
        program = self._program
        path = "from pathlib import Path\n\n" if self.arrays else "\n"
        imports = "".join(f"    {name},\n" for name in _FROM_BRIAN2 if name in used)
        file = f"\nThe file {self._data} beside it holds its larger arrays.\n"
        single = "prefs.core.default_float_dtype = np.float32\n"
        single = single if program.dtype == np.float32 else ""
        load = f'data = np.load(Path(__file__).with_name("{self._data}"))\n'
        return f'''
"""The network {program.name!r} as a program for Brian2, written by neuro {__version__}.

It runs without neuro and gives the spikes that neuro gives on every backend, bit for bit:

    python <this file> [results.npz]
{file if self.arrays else ""}
All values are in SI units; numbers named ..._k1, ..._k2 were computed for this time step. In each
step come arrivals (slot "synapses"), updates ("groups"), thresholds, resets and learning
("plasticity"), and within a slot what has the lower order. Arrivals run before the thresholds, so
they take up the spikes of a step in the next one: where a spike is to arrive after d steps, their
delay is d - 1.
"""

import sys
{path}import numpy as np
from brian2 import (
{imports})
from brian2.groups.group import CodeRunner

prefs.codegen.target = "numpy"
prefs.codegen.loop_invariant_optimisations = False  # they may reorder sums
{single}np.seterr(all="ignore")  # what is not defined is NaN

STEPS = {self._steps}
DT = {program.dt!r} * second
{load if self.arrays else ""}
clock = Clock(dt=DT, name="neuro_clock")
network = Network()
network.schedule = {list(SCHEDULE)!r}'''

    # --- populations ---

    def _group(self, group: Group) -> str:
        integrator = self._program.integrators.get(group.population)
        how = "a source" if group.source else f"integration: {integrator or 'none'}"
        lines = [_title(f"population {group.population}: {group.size} unit(s), {how}")]
        lines += self._numbers(group.name)
        lines += self._generator(group) if group.source else self._neurons(group)
        lines.append(f"network.add({group.name})")
        lines += self._initial(group)
        lines += self._routines(group.population, own_reset=not group.source)
        return "\n".join(lines)

    def _neurons(self, group: Group) -> list[str]:
        options = []
        if group.threshold:
            options.append(f'threshold="{_tidy(group.threshold)}"')
        elif self._is_watched(group):
            options.append('threshold="False"')
        reset = self._reset(group)
        if options:
            options.append("reset=" + ('""' if reset is None else _code(reset.code)))
        return [
            f"{group.name} = NeuronGroup(",
            f"    {group.size},",
            *self._equations(group),
            *(textwrap.indent(option, "    ") + "," for option in options),
            "    clock=clock,",
            f'    name="{group.name}",',
            ")",
        ]

    def _is_watched(self, group: Group) -> bool:
        """Whether a pathway looks at the spikes of a population that has none."""
        return any(
            group.population == (s.source if p.side == "pre" else s.target)
            for s in self._plan.synapses.values()
            for p in s.pathways
        )

    def _reset(self, group: Group) -> Routine | None:
        """The reset that the group does itself."""
        return next(
            (r for r in self._plan.routines if r.owner == group.name and r.slot == "resets"), None
        )

    def _generator(self, group: Group) -> list[str]:
        steps, units = self._program.sources[group.population].events(0, self._steps)
        lines = [
            f"{group.name} = SpikeGeneratorGroup(",
            f"    {group.size},",
            f"    indices={self._array(f'{group.name}_units', units)},",
            f"    times={self._array(f'{group.name}_steps', steps)} * DT,",
            "    clock=clock,",
            '    when="thresholds",',
            f'    name="{group.name}",',
            ")",
        ]
        if group.variables:
            lines.append("# a generator has no equations; these belong to its projections")
        for variable in group.variables.values():
            dtype = {"float": self._program.dtype.name, "int": "int32", "bool": "bool_"}
            size = "1, scalar=True" if variable.shared else str(group.size)
            lines.append(
                f'{group.name}.variables.add_array("{variable.name}", size={size},'
                f" dtype=np.{dtype[variable.kind]})"
            )
        return lines

    # --- projections ---

    def _projection(self, name: str) -> str:
        synapses, connectivity = self._plan.synapses[name], self._program.connectivity[name]
        what = f"{connectivity.count} synapses"
        if isinstance(connectivity, Dense):
            what = "every pair of units"
        if isinstance(connectivity, Convolution):
            what = f"a convolution with a kernel of {connectivity.kernel}; every synapse has a copy"
        title = f"projection {name}: {synapses.source} -> {synapses.target}, {what}"
        lines = [_title(title), *self._numbers(synapses.name), *self._synapses(synapses)]
        if connectivity.count:
            lines.append(f"{synapses.name}.connect({self._pairs(synapses, name)})")
        else:
            lines.append(f"{synapses.name}.active = False  # there are no synapses")
        lines.append(f"network.add({synapses.name})")
        lines += self._initial(synapses) if connectivity.count else []
        lines += self._delays(synapses) if connectivity.count else []
        return "\n".join([*lines, *self._relays(name), *self._routines(name)])

    def _tied(self) -> list[str]:
        """What belongs to projections that use the synapses of another one."""
        owners = set(self._program.connectivity) | set(self._program.sizes)
        names = dict.fromkeys(
            [r.part_of for r in self._plan.routines]
            + [s.part_of for s in self._plan.synapses.values() if s.part_of]
        )
        return [
            "\n".join([_title(f"projection {name}, on the synapses of another one"), *lines])
            for name in names
            if name not in owners and (lines := [*self._relays(name), *self._routines(name)])
        ]

    def _relays(self, projection: str) -> list[str]:
        lines = []
        for synapses in self._plan.synapses.values():
            if synapses.part_of == projection:
                lines += [*self._synapses(synapses), f'{synapses.name}.connect(j="i")']
                lines.append(f"network.add({synapses.name})")
        return lines

    def _synapses(self, synapses: Synapses) -> list[str]:
        groups = self._plan.groups
        source, target = groups[synapses.source].name, groups[synapses.target].name
        lines = [f"{synapses.name} = Synapses(", f"    {source},", f"    {target},"]
        lines += self._equations(synapses)
        for side in ("pre", "post"):
            pathways = [p for p in synapses.pathways if p.side == side]
            if pathways:
                lines.append(f"    on_{side}={{")
                for p in pathways:
                    lines.append(f"        # {p.note}")
                    lines.append(textwrap.indent(f'"{p.name}": {_code(p.code)},', "        "))
                lines.append("    },")
        if any(p.delays is None for p in synapses.pathways):
            lines.append(f"    delay={{{', '.join(self._lags(synapses.pathways))}}},")
        lines += ["    clock=clock,", f'    name="{synapses.name}",', ")"]
        for p in synapses.pathways:
            runner = f"{synapses.name}.{p.name}"
            lines.append(f'{runner}.when, {runner}.order = "{p.slot}", {p.order}')
        return lines + self._references(synapses)

    @staticmethod
    def _lags(pathways: Iterable[Pathway]) -> Iterable[str]:
        """Time in Brian2's queue; before the thresholds, that of the last step is over."""
        for p in pathways:
            if p.delays is None:
                steps = f"({p.delay} - 1)" if p.before_threshold else str(p.delay)
                yield f'"{p.name}": {steps} * DT'

    def _delays(self, synapses: Synapses) -> list[str]:
        lines = []
        for p in synapses.pathways:
            if p.delays is not None:
                steps = f"np.array({synapses.name}.{p.delays})"
                steps = f"({steps} - 1)" if p.before_threshold else steps
                lines.append(f"{synapses.name}.{p.name}.delay = {steps} * DT")
        return lines

    def _pairs(self, synapses: Synapses, projection: str) -> str:
        connectivity = self._program.connectivity[projection]
        if isinstance(connectivity, Dense):
            return ""
        sparse, _ = connectivity.expand()
        pre = self._array(f"{synapses.name}_pre", sparse.rows)
        post = self._array(f"{synapses.name}_post", sparse.targets)
        return f"i={pre}, j={post}"

    # --- what both have ---

    def _equations(self, owner: Group | Synapses) -> list[str]:
        if not owner.variables:
            return ['    model="",'] if isinstance(owner, Group) else []
        rows = [_equation(v) for v in owner.variables.values()]
        return ['    model="""', *(f"        {row}" for row in rows), '    """,']

    @staticmethod
    def _references(owner: Group | Synapses) -> list[str]:
        lines = []
        lengths = {r.length: r.index_array for r in owner.references.values() if r.index_array}
        for length, name in lengths.items():
            size = f"len({owner.name})"
            lines.append(f"# {length} consecutive units share a value")
            lines.append(
                f'{owner.name}.variables.add_array("{name}", {size}, dtype=np.int32, constant=True,'
                f" read_only=True, values=np.arange({size}, dtype=np.int32) // {length})"
            )
        return lines + [
            f'{owner.name}.variables.add_reference("{r.name}", {r.group}, "{r.variable}",'
            f' index="{r.index_array or _INDICES[r.index]}")'
            for r in owner.references.values()
        ]

    def _numbers(self, owner: str) -> list[str]:
        numbers = self._notation.numbers.get(owner, {})
        return [f"{name} = {value!r}" for value, name in numbers.items()]

    def _initial(self, owner: Group | Synapses) -> list[str]:
        lines = []
        for variable, name in self._values.get(owner.name, ()):
            values = self._plan.values(name, self._program.arrays[name].initial)
            if np.any(values):
                text = self._array(f"{owner.name}_{variable}", values)
                lines.append(f"{owner.name}.{variable} = {text}")
        return lines

    def _routines(self, part_of: str, own_reset: bool = False) -> list[str]:
        lines = []
        routines = [r for r in self._plan.routines if r.part_of == part_of]
        for r in sorted(routines, key=lambda r: (SCHEDULE.index(r.slot), r.order)):
            if own_reset and r is self._reset(self._plan.groups[part_of]):
                continue
            options = [f'"{r.slot}"', str(r.order)]
            options += ["spiking=True"] if r.spiking else []
            options += [f"every={r.every}"] if r.every > 1 else []
            lines.append(f"# {r.note}")
            lines.append(f"Routine({r.owner}, {_code(r.code)}, {', '.join(options)})")
        return lines

    def _array(self, name: str, values: NDArray[Any]) -> str:
        """Text of an array: one number if all are equal, else itself or its name in the file."""
        values = values.reshape(-1)
        if len(values) and np.all(values == values[0]) and values.dtype.kind != "i":
            return _number(values[0].item())
        if self._data is None or len(values) <= INLINE:
            numbers = ", ".join(map(_number, values.tolist()))
            rows = textwrap.fill(numbers, 96, initial_indent="    ", subsequent_indent="    ")
            body = numbers if len(numbers) < 60 else f"\n{rows}\n"
            return f'np.array([{body}], dtype="{values.dtype}")'
        self.arrays[name] = values
        return f'data["{name}"]'

    # --- records ---

    def _records(self) -> str:
        lines = [_title("what is recorded")]
        lines.append("spikes, traces = {}, {}")
        traces = {t.record: t for t in self._plan.traces}
        for index, record in enumerate(self._program.records):
            if record.variable == "spikes":
                group = self._plan.groups[record.owner].name
                lines.append(f'spikes["{record.owner}"] = SpikeMonitor({group}, when="end")')
            elif index in traces:
                place, units = traces[index].place, record.units
                chosen = "True" if units is None else repr(units.tolist())
                lines.append(
                    f'traces["{record.array}"] = StateMonitor('
                    f'{place.owner}, "{place.variable}", record={chosen}, when="end", clock=clock)'
                )
            else:
                lines.append(f"# {record.array} does not change")
        lines.append("network.add(*spikes.values(), *traces.values())")
        return "\n".join(lines)

    def _ending(self) -> str:
        records = self._program.records
        units = {
            r.owner: r.units.tolist()
            for r in records
            if r.variable == "spikes" and r.units is not None
        }
        every = {r.array: r.every for r in records if r.every > 1}
        lines = [_title("run"), "network.run(STEPS * DT)", "results = {}"]
        lines += [f"chosen = {units!r}  # units whose spikes are wanted; else all"] if units else []
        lines.append("for name, monitor in spikes.items():")
        lines.append("    steps, units = np.rint(monitor.t / DT).astype(int), np.array(monitor.i)")
        if units:
            lines.append("    kept = np.isin(units, chosen.get(name, units))")
            lines.append("    steps, units = steps[kept], units[kept]")
        lines.append('    results[f"{name}.steps"], results[f"{name}.units"] = steps, units')
        lines.append('    print(f"{name}: {len(units)} spikes")')
        lines += [f"every = {every!r}  # steps between two rows; else 1"] if every else []
        lines.append("for name, monitor in traces.items():")
        lines.append("    rows = getattr(monitor, monitor.record_variables[0]).T")
        if every:
            lines.append("    rows = rows[every.get(name, 1) - 1 :: every.get(name, 1)]")
        lines.append("    results[name] = rows")
        return "\n".join([*lines, "if len(sys.argv) > 1:", "    np.savez(sys.argv[1], **results)"])


def _title(text: str) -> str:
    return f"# --- {text} ---"


def _number(value: float) -> str:
    return repr(value) if np.isfinite(value) else f"np.{value!r}"


def _equation(variable: Variable) -> str:
    shared = " (shared)" if variable.shared else ""
    return f"{variable.name} : {_TYPES[variable.kind]}{shared}"


def _tidy(code: str) -> str:
    """The same statements without brackets that are not needed."""
    return ast.unparse(ast.parse(code))


def _code(code: str) -> str:
    """A block of code as a literal; several lines stand on lines of their own."""
    lines = _tidy(code).splitlines()
    if len(lines) == 1:
        return f'"{lines[0]}"'
    return "\n".join(['"""', *(f"    {line}" for line in lines), '"""'])

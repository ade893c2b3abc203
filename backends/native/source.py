"""A program as one function in C: a few lines a step kind.

``neuro_run`` does some time steps, as many as the room for recorded spikes allows, and returns how
many. Every step of the program is a function of its own, whose pointers are ``restrict``: arrays of
a program never overlap. Within a step all is done in the order that the program states; units, and
synapses of different units, do not depend on each other and are left to the compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from neuro.backends.native.printing import Printer, functions
from neuro.backends.native.tables import Key, Pointers
from neuro.connectivity import Convolution, Dense
from neuro.program import (
    Arrive,
    Assign,
    Plasticity,
    Program,
    Reset,
    Threshold,
    Update,
    array_of,
    group_of,
    side_of,
)

#: Rows that are added in one pass over what arrives.
TOGETHER = 4

HEAD = """\
#include <math.h>
#include <stdint.h>
#include <string.h>
typedef {real} real;
"""


@dataclass
class Function:
    """A function of one step, while it is written.

    Attributes
    ----------
    pointers : Pointers
    name : str
    body : list of str
    """

    pointers: Pointers
    name: str
    body: list[str] = field(default_factory=list)
    _used: dict[Key, int] = field(default_factory=dict)

    def pointer(self, *key: str) -> str:
        """C name of a pointer, which becomes a parameter."""
        self._used.setdefault(key, self.pointers(*key))
        return f"p{self._used[key]}"

    def array(self, name: str) -> str:
        """C name of an array of the program."""
        return self.pointer("array", name)

    def definition(self) -> str:
        """The function."""
        typed = [f"{self.pointers.c_type(k)} *restrict p{i}" for k, i in self._used.items()]
        head = ", ".join(["int64_t k", *typed])
        lines = "\n".join("    " + line for line in self.body)
        return f"static __attribute__((noinline)) void {self.name}({head})\n{{\n{lines}\n}}\n"

    def call(self) -> str:
        """A call of it."""
        return f"{self.name}({', '.join(['k', *(f'p[{i}]' for i in self._used.values())])});"


class Writer:
    """Writes the C source of a program.

    Parameters
    ----------
    program : Program

    Attributes
    ----------
    pointers : Pointers
        What the function wants to be given.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.pointers = Pointers(program)
        self._slots = {p: program.max_delays.get(p, 0) + 1 for p in program.sizes}
        self._functions: list[Function] = []

    def text(self) -> str:
        """The whole source."""
        for population in self.program.sources:
            self._take(population)
        write = {
            Arrive: self._arrive,
            Update: self._update,
            Threshold: self._threshold,
            Reset: self._reset,
            Plasticity: self._plasticity,
        }
        for step in self.program.steps:
            write[type(step)](step)  # type: ignore[operator]
        self._record()
        precision = "float32" if self.program.dtype.itemsize == 4 else "float64"
        real = {"float32": "float", "float64": "double"}[precision]
        calls = "\n".join("        " + function.call() for function in self._functions)
        return "\n".join(
            [
                HEAD.format(real=real),
                functions(precision),
                *(function.definition() for function in self._functions),
                "int64_t neuro_run(void **p, int64_t first, int64_t steps, int64_t room)",
                "{",
                "    for (int64_t step = 0; step < steps; step++) {",
                "        const int64_t k = first + step;",
                *(f"        {line}" for line in self._full()),
                calls,
                "    }",
                "    return steps;",
                "}",
                "",
            ]
        )

    def _full(self) -> list[str]:
        """Stop where the spikes of one more step might not find room."""
        recorded = [r.owner for r in self.program.records if r.variable == "spikes"]
        return [
            f"if (((int64_t *)p[{self.pointers('spike count', p)}])[0] + {self.program.sizes[p]} "
            "> room) return step;"
            for p in recorded
        ]

    def _new(self, what: str) -> Function:
        function = Function(self.pointers, f"step_{len(self._functions)}_{what}")
        self._functions.append(function)
        return function

    # --- spikes ---

    def _slot(self, f: Function, population: str, ago: str = "0") -> tuple[str, str]:
        """Units that spiked some steps ago, and how many, as C texts."""
        slots = self._slots[population]
        at = f"((k - {ago} + {slots}) % {slots})"
        units = f"({f.pointer('ring', population)} + {at} * {self.program.sizes[population]})"
        return units, f"{f.pointer('count', population)}[{at}]"

    def _take(self, population: str) -> None:
        """Spikes of a source."""
        f = self._new("source")
        units, count = self._slot(f, population)
        given, start = f.pointer("given", population), f.pointer("given start", population)
        f.body += [
            f"const int64_t now = k - {start}[0];",
            f"const int64_t from = {start}[1 + now], n = {start}[2 + now] - from;",
            f"memcpy({units}, {given} + from, n * sizeof(int32_t));",
            f"{count} = n;",
        ]

    def _threshold(self, step: Threshold) -> None:
        f, size = self._new("threshold"), self.program.sizes[step.population]
        mask = f.pointer("mask", step.population)
        units, count = self._slot(f, step.population)
        condition = self._in_population(f).condition(step.condition)
        f.body += [
            f"for (int64_t i = 0; i < {size}; i++) {mask}[i] = {condition};",
            f"int32_t *found = {units};",
            "int64_t n = 0;",
            f"for (int64_t b = 0; b < {size}; b += 8) {{",
            "    uint64_t eight;",
            f"    memcpy(&eight, {mask} + b, 8);",  # the mask is padded with zeros
            "    if (!eight) continue;",
            f"    for (int64_t i = b; i < b + 8; i++) if ({mask}[i]) found[n++] = (int32_t)i;",
            "}",
            f"{count} = n;",
        ]

    def _record(self) -> None:
        f = self._new("record")
        for i, record in enumerate(self.program.records):
            if record.variable == "spikes":
                units, count = self._slot(f, record.owner)
                steps = f.pointer("spikes", record.owner)
                chosen = f.pointer("units", record.owner)
                n = f.pointer("spike count", record.owner)
                f.body += [
                    f"for (int64_t e = 0; e < {count}; e++) {{",
                    f"    {steps}[{n}[0]] = k;",
                    f"    {chosen}[{n}[0]++] = {units}[e];",
                    "}",
                ]
                continue
            array, rows = f.array(record.array), f.pointer("trace", str(i))
            width = self.width(i)
            f.body.append("{")
            f.body.append(f"    const int64_t row = k - {f.pointer('chosen', str(i))}[0];")
            if record.units is None:
                f.body.append(
                    f"    memcpy({rows} + row * {width}, {array}, {width} * sizeof *{array});"
                )
            else:
                f.body.append(
                    f"    for (int64_t u = 0; u < {width}; u++) {rows}[row * {width} + u] ="
                    f" {array}[{f.pointer('chosen', str(i))}[1 + u]];"
                )
            f.body.append("}")

    def width(self, index: int) -> int:
        """Values in a row of a recorded trace."""
        record = self.program.records[index]
        size = self.program.arrays[record.array].initial.size
        return size if record.units is None else len(record.units)

    # --- populations ---

    def _in_population(self, f: Function) -> Printer:
        arrays = self.program.arrays

        def place(name: str) -> str:
            return f"{f.array(name)}[{'i' if arrays[name].initial.ndim else '0'}]"

        return Printer(place, lambda name: arrays[name].kind)

    def _update(self, step: Update) -> None:
        f, size = self._new("update"), self.program.sizes[step.population]
        printer = self._in_population(f)
        f.body += [
            f"for (int64_t i = 0; i < {size}; i++) {{",
            *("    " + printer.assign(a) for a in step.assigns),
            "}",
        ]

    def _reset(self, step: Reset) -> None:
        f = self._new("reset")
        units, count = self._slot(f, step.population)
        printer = self._in_population(f)
        f.body += [
            f"const int32_t *spiked = {units};",
            f"const int64_t n = {count};",
            "for (int64_t e = 0; e < n; e++) {",
            "    const int64_t i = spiked[e];",
            *("    " + printer.assign(a) for a in step.assigns),
            "}",
        ]

    # --- synapses ---

    def _arrive(self, step: Arrive) -> None:
        f, size = self._new("arrive"), self.program.sizes[step.target]
        into, clear = f.array(step.into), f.pointer("clear", step.into)
        zero = f"memset({into}, 0, {size} * sizeof(real));"
        synapses = Synapses(self, f, step)
        if step.delays is None:
            units, count = self._slot(f, step.source, str(step.delay))
            f.body += [
                f"const int32_t *arriving = {units};",
                f"const int64_t n = {count};",
                f"if (!n && {clear}[0]) return;",
                zero,
                f"{clear}[0] = !n;",
            ]
            f.body += self._add_rows(step, f, synapses)
        else:
            add = f"{into}[i] += {self._product(step, f, synapses)};"
            f.body += [zero, *synapses.by_delay([add])]

    def _add_rows(self, step: Arrive, f: Function, synapses: Synapses) -> list[str]:
        into = f.array(step.into)
        if not (synapses.dense and not step.transposed and not step.factors):
            add = f"{into}[i] += {self._product(step, f, synapses)};"
            lines = ["    const int64_t j = arriving[e];", *synapses.of_pre([add], "    ")]
            return ["for (int64_t e = 0; e < n; e++) {", *lines, "}"]
        # Several rows in one pass: each element is added to in the same order.
        width, weights = synapses.n_post, f.array(step.weights)
        rows = range(TOGETHER)
        total = f"{into}[i]"
        for r in rows:
            total = f"({total} + r{r}[i])"
        return [
            "int64_t e = 0;",
            f"for (; e + {TOGETHER} <= n; e += {TOGETHER}) {{",
            *(
                f"    const real *restrict r{r} = {weights} + (int64_t)arriving[e + {r}] * {width};"
                for r in rows
            ),
            f"    for (int64_t i = 0; i < {width}; i++) {into}[i] = {total};",
            "}",
            "for (; e < n; e++) {",
            f"    const real *restrict r0 = {weights} + (int64_t)arriving[e] * {width};",
            f"    for (int64_t i = 0; i < {width}; i++) {into}[i] += r0[i];",
            "}",
        ]

    def _product(self, step: Arrive, f: Function, synapses: Synapses) -> str:
        """The weight of a synapse times its factors, one after the other."""
        product = f"{f.array(step.weights)}[{synapses.weight}]"
        for factor in step.factors:
            at = "j" if side_of(factor) else "s"
            product = f"({product} * {f.array(array_of(factor))}[{at}])"
        return product

    def _plasticity(self, step: Plasticity) -> None:
        f = self._new("plasticity")
        arrays, synapses = self.program.arrays, Synapses(self, f, step)

        def place(name: str) -> str:
            array, side, group = array_of(name), side_of(name), group_of(name)
            if side == "shared" or not arrays[array].initial.ndim:
                return f"{f.array(array)}[0]"
            at = {"pre": "j", "post": "i", "": "s"}[side]
            return f"{f.array(array)}[{at if group == 1 else f'{at} / {group}'}]"

        printer = Printer(place, lambda name: arrays[array_of(name)].kind)

        def statements(assigns: Iterable[Assign]) -> list[str]:
            return [printer.assign(a) for a in assigns]

        for side, letter, population in (("pre", "j", step.source), ("post", "i", step.target)):
            own = [a for a in step.decay if side_of(a.target) == side]
            if own:
                size = self.program.sizes[population]
                f.body += [
                    f"for (int64_t {letter} = 0; {letter} < {size}; {letter}++) {{",
                    *("    " + line for line in statements(own)),
                    "}",
                ]
        synaptic = [a for a in step.decay if not side_of(a.target)]
        if synaptic:
            f.body += synapses.all(statements(synaptic))
        f.body += self._events(step, f, synapses, statements)

    def _events(
        self,
        step: Plasticity,
        f: Function,
        synapses: Synapses,
        statements: Callable[[Iterable[Assign]], list[str]],
    ) -> list[str]:
        """What arrivals and spikes do, and what is done every so often, between flags."""
        units, count = self._slot(f, step.source, str(step.delay))
        spiking, number = self._slot(f, step.target)
        lines = [f"const int32_t *arriving = {units};", f"const int64_t n = {count};"]
        if not step.short_term:
            lines += [f"const int32_t *spiked = {spiking};", f"const int64_t m = {number};"]

        def flags(value: int) -> list[str]:
            made = []
            if step.pre_flag and step.delays is None:
                flag = f.array(step.pre_flag)
                made.append(f"for (int64_t e = 0; e < n; e++) {flag}[arriving[e]] = {value};")
            elif step.pre_flag:
                made += synapses.by_delay([f"{f.array(step.pre_flag)}[s] = {value};"])
            if step.post_flag and not step.short_term:
                flag = f.array(step.post_flag)
                made.append(f"for (int64_t e = 0; e < m; e++) {flag}[spiked[e]] = {value};")
            return made

        lines += flags(1)
        if step.on_pre and step.delays is not None:
            lines += synapses.by_delay(statements(step.on_pre))
        elif step.on_pre:
            lines += ["for (int64_t e = 0; e < n; e++) {", "    const int64_t j = arriving[e];"]
            lines += self._runs(step.on_pre, statements, synapses.of_pre)
            lines.append("}")
        if step.on_post and not step.short_term:
            lines += ["for (int64_t e = 0; e < m; e++) {", "    const int64_t i = spiked[e];"]
            lines += self._runs(step.on_post, statements, synapses.of_post)
            lines.append("}")
        if step.on_step:
            lines.append(f"if ((k + 1) % {step.every} == 0) {{")
            lines += ["    " + line for line in self._everything(step, synapses, statements)]
            lines.append("}")
        return lines + flags(0)

    def _everything(
        self,
        step: Plasticity,
        synapses: Synapses,
        statements: Callable[[Iterable[Assign]], list[str]],
    ) -> list[str]:
        """Statements for all units and synapses, each for all before the next."""
        lines: list[str] = []
        for side, run in _together(step.on_step):
            made = statements(run)
            if not side:
                lines += synapses.all(made)
                continue
            letter, population = ("j", step.source) if side == "pre" else ("i", step.target)
            size = self.program.sizes[population]
            lines += [f"for (int64_t {letter} = 0; {letter} < {size}; {letter}++) {{"]
            lines += [*("    " + line for line in made), "}"]
        return lines

    def _runs(
        self,
        assigns: Iterable[Assign],
        statements: Callable[[Iterable[Assign]], list[str]],
        loop: Callable[[list[str], str], list[str]],
    ) -> list[str]:
        """Statements of one unit, and of its synapses, in the order written."""
        lines: list[str] = []
        for side, run in _together(assigns):
            made = statements(run)
            lines += ["    " + line for line in made] if side else loop(made, "    ")
        return lines


def _together(assigns: Iterable[Assign]) -> list[tuple[str, list[Assign]]]:
    """Neighbouring statements that change things of the same side."""
    runs: list[tuple[str, list[Assign]]] = []
    for assign in assigns:
        side = side_of(assign.target)
        if not runs or runs[-1][0] != side:
            runs.append((side, []))
        runs[-1][1].append(assign)
    return runs


class Synapses:
    """Loops over the synapses of a projection, seen from its source (j) and target (i).

    In a loop ``s`` is the index of the synapse.
    """

    def __init__(self, writer: Writer, f: Function, step: Arrive | Plasticity) -> None:
        self._f, self._step, self._owner = f, step, step.synapses
        self._connectivity = writer.program.connectivity[step.synapses]
        self.dense = isinstance(self._connectivity, Dense)
        self.n_pre = writer.program.sizes[step.source]
        self.n_post = writer.program.sizes[step.target]
        self._writer = writer

    @property
    def weight(self) -> str:
        """Index of the weight of synapse s."""
        if isinstance(self._connectivity, Convolution):
            return f"{self._f.pointer('weight', self._owner)}[s]"
        return "s"

    def of_pre(self, body: list[str], indent: str = "") -> list[str]:
        """Those of the source unit j."""
        if self.dense:
            return self._dense("i", self.n_post, body, indent)
        return self._listed(not self._step.transposed, "j", "i", body, indent)

    def of_post(self, body: list[str], indent: str = "") -> list[str]:
        """Those of the target unit i."""
        if self.dense:
            return self._dense("j", self.n_pre, body, indent)
        return self._listed(self._step.transposed, "i", "j", body, indent)

    def all(self, body: list[str]) -> list[str]:
        """All of them, in the order in which they lie."""
        if self._step.transposed:
            outer, size, inner = "i", self.n_post, self.of_post
        else:
            outer, size, inner = "j", self.n_pre, self.of_pre
        return [
            f"for (int64_t {outer} = 0; {outer} < {size}; {outer}++) {{",
            *inner(body, "    "),
            "}",
        ]

    def by_delay(self, body: list[str]) -> list[str]:
        """Those at which something arrives, by their own delays: the oldest emissions first."""
        f, name = self._f, str(self._step.delays)
        at = self._step.source
        delay, start = f.pointer("delay", name), f.pointer("delay start", name)
        units, count = self._writer._slot(f, at, "ago")
        return [
            f"for (int64_t q = 0; q < {f.pointer('delay count', name)}[0]; q++) {{",
            f"    const int64_t ago = {delay}[q];",
            f"    const int32_t *late = {units};",
            f"    const int64_t *begin = {start} + q * {self.n_pre + 1};",
            f"    for (int64_t e = 0, c = {count}; e < c; e++) {{",
            "        const int64_t j = late[e];",
            "        for (int64_t z = begin[j]; z < begin[j + 1]; z++) {",
            f"            const int64_t s = {f.pointer('delay synapse', name)}[z];",
            f"            const int64_t i = {f.pointer('delay target', name)}[z];",
            *("            " + line for line in body),
            "        }",
            "    }",
            "}",
        ]

    def _dense(self, letter: str, size: int, body: list[str], indent: str) -> list[str]:
        index = f"i * {self.n_pre} + j" if self._step.transposed else f"j * {self.n_post} + i"
        lines = [
            f"for (int64_t {letter} = 0; {letter} < {size}; {letter}++) {{",
            f"    const int64_t s = {index};",
            *("    " + line for line in body),
            "}",
        ]
        return [indent + line for line in lines]

    def _listed(
        self, by_row: bool, own: str, other: str, body: list[str], indent: str
    ) -> list[str]:
        f, owner = self._f, self._owner
        if by_row:
            start = f.pointer("start", owner)
            head = [
                f"for (int64_t s = {start}[{own}]; s < {start}[{own} + 1]; s++) {{",
                f"    const int64_t {other} = {f.pointer('target', owner)}[s];",
            ]
        else:
            start = f.pointer("column start", owner)
            head = [
                f"for (int64_t q = {start}[{own}]; q < {start}[{own} + 1]; q++) {{",
                f"    const int64_t s = {f.pointer('column synapse', owner)}[q];",
                f"    const int64_t {other} = {f.pointer('column source', owner)}[q];",
            ]
        return [indent + line for line in [*head, *("    " + line for line in body), "}"]]

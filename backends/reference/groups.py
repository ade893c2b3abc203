"""Populations of the same form, whose arrays lie side by side so that one call serves them all.

A NumPy call on a few hundred units takes hardly longer than the call itself. Populations whose
updates, thresholds and resets differ only in names and numbers are therefore computed together;
each still has its own arrays, which are parts of the common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.equations.expression import Const, Expr, Name, children, to_text, with_children
from neuro.program import Assign, Program, Reset, Threshold, Update

#: Most units of a group: beyond, calls no longer matter and what they work on leaves the cache.
MOST_UNITS = 4096

Arrays = dict[str, NDArray[Any]]

#: A step of a population alone.
Step = Update | Threshold | Reset


@dataclass(frozen=True)
class Group:
    """Populations of one form.

    Attributes
    ----------
    members : tuple of str
        In order of definition.
    bounds : tuple of int
        Where the units of each begin in the common arrays; one more at the end.
    steps : tuple of Step
        What happens, in the names of the first member. Numbers in which members differ have
        names that begin with ``#``.
    names : tuple of tuple of str
        Of each member: the arrays that its steps use, in order of appearance. What stands at the
        same place plays the same part.
    numbers : dict
        The numbers in which members differ, by name.
    """

    members: tuple[str, ...]
    bounds: tuple[int, ...]
    steps: tuple[Step, ...]
    names: tuple[tuple[str, ...], ...]
    numbers: Mapping[str, tuple[float, ...]]


def groups(program: Program, most: int = MOST_UNITS) -> list[Group]:
    """All populations that have steps, in groups of one, or of several with ``most`` units."""
    latest: dict[str, list[_Form]] = {}
    found: list[list[_Form]] = []
    for population, size in program.sizes.items():
        form = _Form(program, population)
        if not form.steps:
            continue
        members = latest.get(form.text, [])
        units = sum(program.sizes[m.population] for m in members)
        taken = {n for m in members for n in m.names}
        if not members or units + size > most or not taken.isdisjoint(form.names):
            members = latest[form.text] = []
            found.append(members)
        members.append(form)
    return [_group(program, members) for members in found]


def _group(program: Program, members: Sequence[_Form]) -> Group:
    bounds = np.cumsum([0, *(program.sizes[m.population] for m in members)])
    columns = list(zip(*(m.numbers for m in members), strict=True))
    numbers = {f"#{i}": c for i, c in enumerate(columns) if len({*map(repr, c)}) > 1}
    first = members[0]
    return Group(
        tuple(m.population for m in members),
        tuple(map(int, bounds)),
        first.with_names(numbers),
        tuple(tuple(m.names) for m in members),
        numbers,
    )


class _Form:
    """The steps of a population, and as text in which arrays and numbers are numbered."""

    def __init__(self, program: Program, population: str) -> None:
        self.population = population
        self.steps = [
            step
            for step in program.steps
            if isinstance(step, Step) and step.population == population
        ]
        #: Arrays in order of appearance, with their places; numbers likewise, with repeats.
        self.names: dict[str, int] = {}
        self.numbers: list[float] = []
        kinds = []
        lines = [_text(_map(step, self._name, self._number)) for step in self.steps]
        for name in self.names:
            array = program.arrays[name]
            kinds.append(f"{array.initial.dtype} {array.initial.ndim}")
            if array.initial.ndim == 0 and not array.constant:
                kinds.append(population)  # one number that steps change cannot be repeated
        self.text = "\n".join([*lines, *kinds])

    def _name(self, name: str) -> str:
        return name if name.startswith("_") else f"x{self.names.setdefault(name, len(self.names))}"

    def _number(self, number: Const) -> Expr:
        if isinstance(number.value, bool):
            return number
        self.numbers.append(number.value)
        return Name("#")

    def with_names(self, numbers: Container[str]) -> tuple[Step, ...]:
        """The steps with names instead of some numbers."""
        places = count()

        def named(number: Const) -> Expr:
            if isinstance(number.value, bool):
                return number
            name = f"#{next(places)}"
            return Name(name) if name in numbers else number

        return tuple(_map(step, str, named) for step in self.steps)


def _map(step: Step, name: Callable[[str], str], number: Callable[[Const], Expr]) -> Step:
    """A step with other names and numbers."""

    def expression(tree: Expr) -> Expr:
        if isinstance(tree, Name):
            return Name(name(tree.id))
        if isinstance(tree, Const):
            return number(tree)
        return with_children(tree, tuple(expression(child) for child in children(tree)))

    if isinstance(step, Threshold):
        return Threshold(step.population, expression(step.condition))
    assigns = (Assign(name(a.target), expression(a.expression)) for a in step.assigns)
    return type(step)(step.population, tuple(assigns))


def _text(step: Step) -> str:
    what = (
        to_text(step.condition)
        if isinstance(step, Threshold)
        else "; ".join(map(str, step.assigns))
    )
    return f"{type(step).__name__}: {what}"


class Memory:
    """The values of a program's arrays; those that play the same part lie side by side.

    Parameters
    ----------
    program : Program
    grouped : sequence of Group
    given : mapping, optional
        Where the values live (in memory that is shared, say), by array. What groups of several
        need side by side is copied from there and back: :meth:`pull`, :meth:`push`.

    Attributes
    ----------
    arrays : dict
        Every array by name.
    common : dict
        By the first member of each group: what its steps compute with, by the names in these.
        In a group of several, numbers that hold for all units of a member are repeated.
    """

    def __init__(
        self, program: Program, grouped: Sequence[Group], given: Arrays | None = None
    ) -> None:
        self._repeated: Arrays = {}
        self._lent: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.arrays: Arrays = {}
        placed = {g.members[0]: self._place(program, g) for g in grouped if len(g.members) > 1}
        for name, array in program.arrays.items():
            if given is not None and name in self.arrays:
                self._lent.append((given[name], self.arrays[name]))
            elif given is not None:
                self.arrays[name] = given[name]
            else:
                self.arrays.setdefault(name, np.empty_like(array.initial))
                self.write(name, array.initial)
        if given is not None:
            for name in self._repeated:
                self.write(name, given[name])
        self.common = {g.members[0]: placed.get(g.members[0], self.arrays) for g in grouped}

    def _place(self, program: Program, group: Group) -> Arrays:
        common: Arrays = {}
        for names in zip(*group.names, strict=True):
            array = np.empty(group.bounds[-1], program.arrays[names[0]].initial.dtype)
            common[names[0]] = array
            for name, low, high in zip(names, group.bounds, group.bounds[1:], strict=False):
                repeated = program.arrays[name].initial.ndim == 0
                (self._repeated if repeated else self.arrays)[name] = array[low:high]
        lengths = np.diff(group.bounds)
        for name, values in group.numbers.items():
            common[name] = np.repeat(np.array(values, program.dtype), lengths)
        return common

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value, in place: others hold on to the array itself."""
        self.arrays[name][...] = value
        if name in self._repeated:
            self._repeated[name][...] = value

    def pull(self) -> None:
        """Take the values from where they live."""
        for given, own in self._lent:
            own[...] = given
        for name, repeated in self._repeated.items():
            repeated[...] = self.arrays[name]

    def push(self) -> None:
        """Bring the values back to where they live."""
        for given, own in self._lent:
            given[...] = own

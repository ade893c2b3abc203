"""Populations of the same form, whose arrays lie side by side so that one call serves them all.

A NumPy call on a few hundred units takes hardly longer than the call itself. Populations whose
updates, thresholds and resets differ only in names and numbers are therefore computed together;
each still has its own arrays, which are parts of the common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.equations.expression import Expr, Name, substitute, to_text
from neuro.program import Assign, Program, Reset, Threshold, Update

#: Most units of a group: beyond, calls no longer matter and what they work on leaves the cache.
MOST_UNITS = 4096

#: Makes memory for an array of a shape and type.
Allocate = Callable[[tuple[int, ...], np.dtype[Any]], NDArray[Any]]


@dataclass(frozen=True)
class Group:
    """Populations of one form.

    Attributes
    ----------
    members : tuple of str
        In order of definition.
    bounds : tuple of int
        Where the units of each begin in the common arrays; one more at the end.
    names : tuple of tuple of str
        Of each member: the arrays that its steps use, in order of appearance. What stands at the
        same place plays the same part.
    """

    members: tuple[str, ...]
    bounds: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]


def groups(program: Program, most: int = MOST_UNITS) -> list[Group]:
    """Every population that has steps, in groups of at most ``most`` units (or one member)."""
    open_groups: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    found: list[list[tuple[str, tuple[str, ...]]]] = []
    for population, size in program.sizes.items():
        form, names = _form(program, population)
        if not form:
            continue
        members = open_groups.get(form, [])
        units = sum(program.sizes[p] for p, _ in members)
        taken = {n for _, used in members for n in used}
        if not members or units + size > most or not taken.isdisjoint(names):
            members = open_groups[form] = []
            found.append(members)
        members.append((population, names))
    return [_group(program, members) for members in found]


def _group(program: Program, members: Sequence[tuple[str, tuple[str, ...]]]) -> Group:
    ends = np.cumsum([0, *(program.sizes[p] for p, _ in members)])
    return Group(
        tuple(p for p, _ in members), tuple(map(int, ends)), tuple(names for _, names in members)
    )


def _form(program: Program, population: str) -> tuple[str, tuple[str, ...]]:
    """The steps of a population as text in which arrays are numbered, and these arrays."""
    places: dict[str, int] = {}

    def numbered(name: str) -> Expr:
        return Name(name if name.startswith("_") else f"x{places.setdefault(name, len(places))}")

    def line(assign: Assign) -> str:
        target = to_text(numbered(assign.target))
        return f"{target} = {to_text(substitute(assign.expression, numbered))}"

    lines = []
    for step in program.steps:
        match step:
            case Update(population=owner, assigns=assigns) if owner == population:
                lines += ["update", *map(line, assigns)]
            case Threshold(population=owner, condition=condition) if owner == population:
                lines += ["threshold", to_text(substitute(condition, numbered))]
            case Reset(population=owner, assigns=assigns) if owner == population:
                lines += ["reset", *map(line, assigns)]
    if lines:
        arrays = [program.arrays[n] for n in places]
        lines += [f"{a.initial.dtype} {a.initial.ndim}" for a in arrays]
        if any(a.initial.ndim == 0 and not a.constant for a in arrays):
            lines.append(population)  # one number that steps change cannot be repeated
    return "\n".join(lines), tuple(places)


class Memory:
    """The arrays of a program; those that play the same part in a group lie side by side.

    Parameters
    ----------
    program : Program
    grouped : sequence of Group
    allocate : callable
        Makes the memory, which may be shared with other processes.

    Attributes
    ----------
    arrays : dict
        Every array by name.
    common : tuple of dict
        Of each group: the common array for each name of its first member, ``[units]``. In a
        group of several, numbers that hold for all units of a member are repeated.
    """

    def __init__(self, program: Program, grouped: Sequence[Group], allocate: Allocate) -> None:
        self._repeated: dict[str, NDArray[Any]] = {}
        self.arrays: dict[str, NDArray[Any]] = {}
        self.common = [self._place(program, g, allocate) for g in grouped if len(g.members) > 1]
        for name, array in program.arrays.items():
            if name not in self.arrays:
                self.arrays[name] = allocate(array.initial.shape, array.initial.dtype)
            self.write(name, array.initial)

    def _place(
        self, program: Program, group: Group, allocate: Allocate
    ) -> dict[str, NDArray[Any]]:
        common = {}
        for names in zip(*group.names, strict=True):
            array = allocate((group.bounds[-1],), program.arrays[names[0]].initial.dtype)
            common[names[0]] = array
            for name, low, high in zip(names, group.bounds, group.bounds[1:], strict=False):
                repeated = program.arrays[name].initial.ndim == 0
                (self._repeated if repeated else self.arrays)[name] = array[low:high]
        return common

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value, in place."""
        self.arrays[name][...] = value
        if name in self._repeated:
            self._repeated[name][...] = value

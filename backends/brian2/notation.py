"""How a blueprint names its objects and variables, and how its code is printed.

The targets want names that are short, unique and legal in C++; a script wants those of the user
(:mod:`.script_notation`). Both print the same statements in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from neuro.backends.brian2.printing import Printer
from neuro.program import Array


class Notation:
    """The notation of the targets: the number of an object or array makes its name unique."""

    def group(self, number: int, population: str) -> str:
        """Brian2 name of a population's group."""
        return f"pop{number}_{clean(population)}"

    def synapses(self, number: int, projection: str) -> str:
        """Brian2 name of a projection's synapses."""
        return f"con{number}_{clean(projection)}"

    def variable(self, array: Array, number: int, home: str, owner: str) -> str:
        """Brian2 name of an array.

        ``home`` is the population or projection of the object in which it lives, ``owner`` the
        Brian2 name of that object.
        """
        return f"{clean(array.variable)}_a{number}"

    def reference(self, array: Array, number: int, index: str, owner: str) -> str:
        """Name under which an object sees an array of another group, by some index."""
        return f"{self.variable(array, number, '', owner)}_{index}"

    def printer(
        self, owner: str, rename: Callable[[str], str], kind: Callable[[str], str], precision: str
    ) -> Printer:
        """Printer of a block of code of an object."""
        return Printer(rename, kind, precision)


def clean(name: str) -> str:
    """A name that C++ accepts; uniqueness comes from the index that stands beside it."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)

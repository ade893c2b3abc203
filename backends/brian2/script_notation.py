"""The notation of a script: the user's names wherever they are free, and code that reads well.

Importing this module imports Brian2, which says what names it keeps for itself.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

from brian2 import NeuronGroup, SpikeGeneratorGroup, StateMonitor, Synapses
from brian2.equations.equations import Equations

from neuro.backends.brian2.notation import Notation, clean
from neuro.backends.brian2.printing import Printer
from neuro.equations.expression import Binary, Call, Expr, Unary, children
from neuro.program import Array, Assign

#: Functions of the language that the script defines, and two that Brian2 has. What is missing
#: here is an operator of Python that Brian2 leaves as it is when its target is NumPy.
FUNCTIONS: Mapping[str, str] = {
    "**": "portable_power",
    "abs": "abs",
    "clip": "limited",
    "cos": "portable_cos",
    "exp": "portable_exp",
    "exprel": "portable_exprel",
    "floor": "floor_of",
    "log": "portable_log",
    "max": "maximum",
    "min": "minimum",
    "sign": "sign_of",
    "sin": "portable_sin",
    "sqrt": "sqrt",
    "tanh": "portable_tanh",
    "trunc": "trunc_of",
    "where": "where",
}

#: Names that scripts use for something else.
GLOBALS = frozenset(
    {"STEPS", "DT", "data", "network", "clock", "np", "sys", "Path", "Routine", "CodeRunner"}
    | {"spikes", "traces", "results", "chosen", "every", "name", "monitor", "steps", "units"}
    | {"rows", "kept", "real", "whole", "portable", "function", "ldexp", "exponent"}
    | {"Clock", "Function", "Network", "NeuronGroup", "SpikeGeneratorGroup", "SpikeMonitor"}
    | {"StateMonitor", "Synapses", "prefs", "second", *FUNCTIONS.values(), *dir(builtins)}
)

#: Attributes of Brian2's objects, which a variable of that name would replace or be hidden by.
_TAKEN = frozenset(
    {"abstract_code", "check_units", "codeobj", "codeobj_class", "default_event", "equations"}
    | {"event_codes", "event_driven", "events", "group", "indices", "multisynaptic_index"}
    | {"n_indices", "namespace", "needed_variables", "order", "pre", "post", "record"}
    | {"record_all", "record_variables", "recorded_variables", "resetter", "source", "start"}
    | {"state_updater", "stop", "subexpression_updater", "summed_updaters", "target", "template"}
    | {"template_kwds", "thresholder", "variables", "when", "i", "j", "k", "lastspike"}
    | {"lastupdate", "not_refractory"}
).union(*(dir(kind) for kind in (NeuronGroup, SpikeGeneratorGroup, StateMonitor, Synapses)))

#: Beginnings and endings of names that we or Brian2 make.
_OURS = re.compile(r"_|new_|local_|arrived_|.*_(pre|post|shared|unit)$|N_")

#: A literal with more characters than this is named before its block of code.
_SHORT = 8


class ScriptNotation(Notation):
    """Gives out names and remembers them.

    Attributes
    ----------
    numbers : dict
        Per object, the names of the numbers that its code uses.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, dict[float, str]] = {}
        self._objects: set[str] = set(GLOBALS)
        self._variables: dict[tuple[str, str], str] = {}

    def group(self, number: int, population: str) -> str:
        """The population's name."""
        return self._object(clean(population))

    def synapses(self, number: int, projection: str) -> str:
        """The projection's name."""
        return self._object(clean(projection))

    def _object(self, name: str) -> str:
        while name in self._objects or keyword.iskeyword(name):
            name += "_"
        self._objects.add(name)
        return name

    def variable(self, array: Array, number: int, home: str, owner: str) -> str:
        """The array's name in the network; of guests, behind that of their own object."""
        long = f"{clean(array.owner)}_{clean(array.variable)}"
        names = [clean(array.variable)] if array.owner == home else []
        return self._variable((owner, array.name), (*names, long, f"{long}_{number}"))

    def reference(self, array: Array, number: int, index: str, owner: str) -> str:
        """The array's name behind that of its population."""
        long = f"{clean(array.owner)}_{clean(array.variable)}"
        names = (long, f"{long}_of_{index}", f"{long}_{number}_of_{index}")
        return self._variable((owner, f"{array.name}@{index}"), names)

    def _variable(self, key: tuple[str, str], names: Iterable[str]) -> str:
        """The first of some names that is free in an object; always the same for the same key."""
        if key not in self._variables:
            taken = {name for (owner, _), name in self._variables.items() if owner == key[0]}
            free = (name for name in names if name not in taken and _is_free(name))
            self._variables[key] = next(free, f"variable_{len(self._variables)}")
        return self._variables[key]

    def printer(
        self, owner: str, rename: Callable[[str], str], kind: Callable[[str], str], precision: str
    ) -> Printer:
        """Printer of a block of code of an object."""
        numbers = self.numbers.setdefault(owner, {})
        return ScriptPrinter(rename, kind, precision, owner, numbers)


def _is_free(name: str) -> bool:
    """Whether Brian2 lets a variable have this name, and it cannot be mistaken for another."""
    if name in _TAKEN or _OURS.match(name):
        return False
    try:
        Equations.check_identifier(name)
    except SyntaxError:
        return False
    return True


class ScriptPrinter(Printer):
    """Prints statements for people: operators, named numbers, one line where that is safe."""

    functions: ClassVar[Mapping[str, str]] = FUNCTIONS
    real: ClassVar[str] = "real"
    whole: ClassVar[str] = "whole"

    def __init__(
        self,
        rename: Callable[[str], str],
        kind: Callable[[str], str],
        precision: str,
        owner: str,
        numbers: dict[float, str],
    ) -> None:
        super().__init__(rename, kind, precision)
        self._owner, self._numbers = owner, numbers
        self._used: list[str] = []
        self._copied: set[str] = set()

    def _value(self, assign: Assign) -> tuple[str, str]:
        """As for the targets; remembers of which names there is a second one."""
        value, kind = super()._value(assign)
        if value.isidentifier():
            self._copied |= {value, "" if assign.local else self.rename(assign.target)}
        return value, kind

    def _literal(self, value: float) -> str:
        text = super()._literal(value)
        if self.precision == "float32" or len(text) <= _SHORT or value != value:
            return text
        return self._numbers.setdefault(value, f"{self._owner}_k{len(self._numbers) + 1}")

    def _local(self, name: str) -> str:
        plain = clean(name.partition("@")[0].lstrip("_"))
        return self._fresh(f"local_{plain}")

    def _fresh(self, name: str) -> str:
        self._used.append(name)
        count = self._used.count(name)
        return name if count == 1 else f"{name}_{count}"

    def _store(self, assign: Assign, value: str, guarded: bool) -> list[str]:
        """``x += ...`` and plain values in one line; else the new value gets a name first.

        Brian2 sends ``x = f(x)`` through SymPy, which may reorder a sum. ``x += ...`` works in
        place, so it would change ``y`` after ``y = x``, which copies no array.
        """
        target, expr = self.rename(assign.target), assign.expression
        if not guarded and self.kind(assign.target) == "float":
            if isinstance(expr, Binary) and expr.op in "+-*":
                left, right = self.number(expr.left), self.number(expr.right)
                copied = target in self._copied
                if left == target and not copied and not _mentions(right, target):
                    return [f"{target} {expr.op}= {right}"]
            if not _mentions(value, target) and _is_arithmetic(expr):
                return [f"{target} = {value}"]
        fresh = self._fresh(f"new_{target}")
        return [f"{fresh} = {value}", f"{target} = {fresh}"]


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"\b{re.escape(name)}\b", text) is not None


def _is_arithmetic(expr: Expr) -> bool:
    """Whether SymPy can read an expression without knowing our functions."""
    if isinstance(expr, Call) or (isinstance(expr, Binary) and expr.op not in "+-*/"):
        return False
    if isinstance(expr, Unary) and expr.op == "not":
        return False
    return all(_is_arithmetic(child) for child in children(expr))

"""Expressions as C text.

Everything is bracketed as the tree says, and computed in the program's floating-point type; truth
values count 1 and 0 in arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from neuro.equations.c_functions import C_FUNCTIONS
from neuro.equations.expression import (
    COMPARISON,
    LOGIC,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    is_condition,
)
from neuro.program import Assign

#: C name of each operator and function of the language that C knows otherwise.
OWN: Mapping[str, str] = {
    symbol: "neuro_" + {"/": "divide", "%": "mod", "**": "power"}.get(symbol, symbol)
    for symbol in C_FUNCTIONS
}

#: Division rounds alike everywhere.
_PLAIN = frozenset("+-*/")

C_TYPES: Mapping[str, str] = {"float": "real", "int": "int32_t", "bool": "uint8_t"}
"""Type of an element of an array of each kind."""


def functions(precision: str) -> str:
    """Definitions of all functions for ``"float64"`` or ``"float32"``."""
    return "\n".join(C_FUNCTIONS[symbol].text(name, precision) for symbol, name in OWN.items())


@dataclass
class Printer:
    """Prints the statements of one block of a loop.

    Attributes
    ----------
    place : callable
        C text of the element that a name of the program stands for.
    kind : callable
        ``"float"``, ``"int"`` or ``"bool"`` of a name of the program.
    """

    place: Callable[[str], str]
    kind: Callable[[str], str]
    _locals: dict[str, tuple[str, str]] = field(default_factory=dict)
    _logic: ClassVar[Mapping[str, str]] = {"and": "&&", "or": "||"}

    def assign(self, assign: Assign) -> str:
        """A statement."""
        truth = self._is_truth(assign.expression)
        kind = ("bool" if truth else "float") if assign.local else self.kind(assign.target)
        if kind == "bool":
            value = self.condition(assign.expression)
        else:
            value = self.number(assign.expression)
        value = f"({C_TYPES[kind]})({value})" if kind == "int" else value
        if not assign.local:
            return f"{self.place(assign.target)} = {value};"
        name = f"local_{len(self._locals)}"
        self._locals[assign.target] = name, kind
        return f"const {C_TYPES[kind]} {name} = {value};"

    def condition(self, expr: Expr) -> str:
        """Text whose value is 0 or 1."""
        match expr:
            case Const(value=bool() as value):
                return str(int(value))
            case Name(id=name) if self._kind(name) == "bool":
                return self._name(name)
            case Unary(op="not", operand=operand):
                return f"(!{self.condition(operand)})"
            case Binary(op=op, left=left, right=right) if op in LOGIC:
                return f"({self.condition(left)} {self._logic[op]} {self.condition(right)})"
            case Binary(op=op, left=left, right=right) if op in COMPARISON:
                return f"({self.number(left)} {op} {self.number(right)})"
            case _:
                return f"({self.number(expr)} != 0)"

    def number(self, expr: Expr) -> str:
        """Text whose value is of the floating-point type."""
        if self._is_truth(expr):
            if isinstance(expr, Const):
                return self._literal(float(expr.value))
            return f"((real){self.condition(expr)})"
        match expr:
            case Const(value=value):
                return self._literal(float(value))
            case Name(id=name):
                text = self._name(name)
                return text if self._kind(name) == "float" else f"((real){text})"
            case Unary(operand=operand):
                return f"(-{self.number(operand)})"
            case Binary(op=op, left=left, right=right):
                first, second = self.number(left), self.number(right)
                if op in _PLAIN:
                    return f"({first} {op} {second})"
                return f"{OWN[op]}({first}, {second})"
            case Call(function="where", args=(test, yes, no)):
                return f"({self.condition(test)} ? {self.number(yes)} : {self.number(no)})"
            case Call(function=function, args=args):
                return f"{OWN[function]}({', '.join(map(self.number, args))})"
        raise AssertionError(f"unknown expression node {expr!r}")

    def _is_truth(self, expr: Expr) -> bool:
        if isinstance(expr, Name):
            return self._kind(expr.id) == "bool"
        return is_condition(expr)

    def _kind(self, name: str) -> str:
        return self._locals[name][1] if name in self._locals else self.kind(name)

    def _name(self, name: str) -> str:
        return self._locals[name][0] if name in self._locals else self.place(name)

    @staticmethod
    def _literal(value: float) -> str:
        text = repr(value)
        if value != value:
            text = "NAN"
        elif abs(value) == float("inf"):
            text = "HUGE_VAL" if value > 0 else "-HUGE_VAL"
        return f"((real){text})"

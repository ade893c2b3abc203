"""Expressions and assignments as text for Brian2's code generation.

Three habits of Brian2 are kept out. It runs ``x = f(x)`` through SymPy, which may reorder a sum,
so every value first goes to a new local name (a plain copy is left alone). It divides integers
in ways that differ by target, so int and bool arrays enter arithmetic through ``neuro_real``.
And it writes float literals in double precision, so float32 programs wrap them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

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

#: Operators and functions that become calls of our own functions (see ``functions``): those
#: whose meaning differs between NumPy, Cython and C++, or whose rounding must be the same.
OWN: Mapping[str, str] = {
    "/": "neuro_divide",
    "%": "neuro_mod",
    "**": "neuro_power",
    "abs": "neuro_abs",
    "clip": "neuro_clip",
    "cos": "neuro_cos",
    "exp": "neuro_exp",
    "exprel": "neuro_exprel",
    "floor": "neuro_floor",
    "log": "neuro_log",
    "max": "neuro_max",
    "min": "neuro_min",
    "sign": "neuro_sign",
    "sin": "neuro_sin",
    "sqrt": "neuro_sqrt",
    "tanh": "neuro_tanh",
    "trunc": "neuro_trunc",
    "where": "neuro_where",
}


@dataclass
class Printer:
    """Prints the statements of one code block.

    Attributes
    ----------
    rename : callable
        Brian2 name of a program name in this block (local names excepted).
    kind : callable
        ``"float"``, ``"int"`` or ``"bool"`` of a program name.
    precision : str
        ``"float64"`` or ``"float32"``.
    """

    rename: Callable[[str], str]
    kind: Callable[[str], str]
    precision: str
    functions: ClassVar[Mapping[str, str]] = OWN
    real: ClassVar[str] = "neuro_real"
    whole: ClassVar[str] = "neuro_int"
    _locals: dict[str, tuple[str, str]] = field(default_factory=dict)
    _count: int = 0

    def block(self, assigns: Iterable[Assign], guard: str = "") -> str:
        """Statements, one per line, in the order given.

        With ``guard``, the Brian2 name of a bool variable, array targets change only where it
        is true.
        """
        lines: list[str] = []
        for assign in assigns:
            value, kind = self._value(assign)
            if assign.local:
                fresh = self._local(assign.target)
                self._locals[assign.target] = (fresh, kind)
                lines.append(f"{fresh} = {value}")
                continue
            if guard:
                value = self._guarded(guard, value, Name(assign.target), kind)
            lines += self._store(assign, value, bool(guard))
        return "\n".join(lines)

    def value(self, expr: Expr) -> str:
        """Text of a number on its own."""
        return self.number(expr)

    def _guarded(self, guard: str, value: str, old: Name, kind: str) -> str:
        if kind == "bool":
            return f"({guard} and {value}) or ((not {guard}) and {self.condition(old)})"
        value = f"{self.functions['where']}({guard}, {value}, {self.number(old)})"
        return f"{self.whole}({value})" if kind == "int" else value

    def _local(self, name: str) -> str:
        """A name that no variable and no other local name has."""
        self._count += 1
        return f"new_{self._count - 1}"

    def _store(self, assign: Assign, value: str, guarded: bool) -> list[str]:
        """Statements that give a value to the target of an assignment."""
        fresh = self._local(assign.target)
        return [f"{fresh} = {value}", f"{self.rename(assign.target)} = {fresh}"]

    def _value(self, assign: Assign) -> tuple[str, str]:
        """Text of the right-hand side and the kind of value that it has."""
        truth = self._is_truth(assign.expression)
        wanted = ("bool" if truth else "float") if assign.local else self.kind(assign.target)
        if wanted == "bool":
            return self.condition(assign.expression), "bool"
        number = self.number(assign.expression)
        return (f"{self.whole}({number})", "int") if wanted == "int" else (number, "float")

    def condition(self, expr: Expr) -> str:
        """Text whose value is a truth value."""
        match expr:
            case Const(value=bool() as value):
                return repr(value)
            case Name(id=name) if self._kind(name) == "bool":
                return self._name(name)
            case Unary(op="not", operand=operand):
                return f"(not {self.condition(operand)})"
            case Binary(op=op, left=left, right=right) if op in LOGIC:
                return f"({self.condition(left)} {op} {self.condition(right)})"
            case Binary(op=op, left=left, right=right) if op in COMPARISON:
                return f"({self.number(left)} {op} {self.number(right)})"
            case _:
                return f"({self.number(expr)} != {self._literal(0.0)})"

    def number(self, expr: Expr) -> str:
        """Text whose value is a float; truth values count as 0 and 1."""
        if self._is_truth(expr):
            if isinstance(expr, Const):
                return self._literal(float(expr.value))
            return f"{self.real}({self.condition(expr)})"
        match expr:
            case Const(value=value):
                return self._literal(float(value))
            case Name(id=name):
                text = self._name(name)
                return text if self._kind(name) == "float" else f"{self.real}({text})"
            case Unary(operand=operand):
                return f"(-{self.number(operand)})"
            case Binary(op=op, left=left, right=right):
                first, second = self.number(left), self.number(right)
                if op in self.functions:
                    return f"{self.functions[op]}({first}, {second})"
                return f"({first} {op} {second})"
            case Call(function="where", args=(test, yes, no)):
                texts = self.condition(test), self.number(yes), self.number(no)
                return f"{self.functions['where']}({', '.join(texts)})"
            case Call(function=function, args=args):
                return f"{self.functions[function]}({', '.join(map(self.number, args))})"
        raise AssertionError(f"unknown expression node {expr!r}")

    def _is_truth(self, expr: Expr) -> bool:
        if isinstance(expr, Name):
            return self._kind(expr.id) == "bool"
        return is_condition(expr)

    def _kind(self, name: str) -> str:
        return self._locals[name][1] if name in self._locals else self.kind(name)

    def _name(self, name: str) -> str:
        return self._locals[name][0] if name in self._locals else self.rename(name)

    def _literal(self, value: float) -> str:
        if self.precision == "float32":
            return f"{self.real}({value!r})"
        return f"({value!r})" if value < 0 else repr(value)

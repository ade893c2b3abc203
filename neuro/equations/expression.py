"""Expressions of the equation language: a small immutable tree, and the parser that fills it.

Text is parsed with :mod:`ast` and translated node by node through a whitelist; it is never
evaluated. The tree keeps the order of operations exactly as written, because floating-point
addition is not associative: every backend prints the same tree, so every backend rounds alike.
(Symbolic algebra, which reorders terms, is confined to :mod:`neuro.equations.integration`.)
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from neuro.errors import EquationError

Expr = Union["Const", "Name", "Unary", "Binary", "Call"]


@dataclass(frozen=True)
class Const:
    """A literal number (always a float in arithmetic) or truth value."""

    value: float | bool


@dataclass(frozen=True)
class Name:
    """A variable, parameter or, after lowering, a program array or step-local name."""

    id: str


@dataclass(frozen=True)
class Unary:
    """``-x`` or ``not x``."""

    op: str
    operand: Expr


@dataclass(frozen=True)
class Binary:
    """``left op right``; op is one of ``+ - * / ** % < <= > >= == != and or``."""

    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True)
class Call:
    """A function of the language applied to its arguments."""

    function: str
    args: tuple[Expr, ...]


#: Functions of the language and their number of arguments.
FUNCTIONS: Mapping[str, int] = {
    "abs": 1,
    "clip": 3,
    "cos": 1,
    "exp": 1,
    "exprel": 1,
    "floor": 1,
    "log": 1,
    "max": 2,
    "min": 2,
    "sign": 1,
    "sin": 1,
    "sqrt": 1,
    "tanh": 1,
    "trunc": 1,
    "where": 3,
}

#: Random numbers: uniform from 0 to below 1, and standard normal. Each call draws another one.
DRAWS: Mapping[str, int] = {"rand": 0, "randn": 0}

_CALLED: Mapping[str, int] = {**FUNCTIONS, **DRAWS}

COMPARISON = frozenset({"<", "<=", ">", ">=", "==", "!="})
LOGIC = frozenset({"and", "or"})

_BINARY_NODES: Mapping[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.Mod: "%",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.And: "and",
    ast.Or: "or",
}

#: Deeper trees are refused: no model needs them and they would exhaust the Python stack.
MAX_DEPTH = 100


def parse_expression(text: str, where: str = "expression", *, draws: bool = False) -> Expr:
    """Parse one expression of the equation language.

    Parameters
    ----------
    text : str
        For example ``"(v_rest - v) / tau_m"`` or ``"v >= v_threshold and not resting"``.
    where : str
        What the text is, for error messages ("threshold of LIF").
    draws : bool
        Whether it may draw random numbers.

    Raises
    ------
    EquationError
        When the text is not an expression of the language; the message quotes the part.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or str(error)
        raise EquationError(f"{where}: cannot read {text!r}: {reason}") from None
    expression = _translate(tree.body, text, where, 0)
    if not draws and (drawn := next((f for f in functions(expression) if f in DRAWS), None)):
        raise EquationError(
            f"{where}: {drawn}() in {text!r}: random numbers are drawn in 'before', 'after',"
            " 'threshold', 'reset' and 'emits' of a neuron model; in its equations write xi"
        )
    return expression


def _translate(node: ast.AST, text: str, where: str, depth: int) -> Expr:
    def refuse(what: str) -> EquationError:
        part = ast.get_source_segment(text.strip(), node) if hasattr(node, "lineno") else None
        return EquationError(f"{where}: {what} in {part or text!r}")

    if depth > MAX_DEPTH:
        raise refuse(f"more than {MAX_DEPTH} nested operations")

    def sub(child: ast.AST) -> Expr:
        return _translate(child, text, where, depth + 1)

    match node:
        case ast.Constant(value=bool() as truth):
            return Const(truth)
        case ast.Constant(value=int() | float() as number):
            return Const(float(number))
        case ast.Name(id=name):
            return Name(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return negate(sub(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return sub(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return Unary("not", sub(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY_NODES:
            return _binary(_BINARY_NODES[type(op)], sub(left), sub(right))
        case ast.BoolOp(op=op, values=values):
            joined = sub(values[0])
            for term in values[1:]:
                joined = Binary(_BINARY_NODES[type(op)], joined, sub(term))
            return joined
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _BINARY_NODES:
            return Binary(_BINARY_NODES[type(op)], sub(left), sub(right))
        case ast.Compare():
            raise refuse("chained comparison (write 'a < b and b < c')")
        case ast.Call(func=ast.Name(id=function), args=args, keywords=[]):
            if function not in _CALLED:
                raise refuse(f"unknown function {function!r}; known: {', '.join(_CALLED)}")
            if len(args) != _CALLED[function]:
                raise refuse(
                    f"{function} takes {_CALLED[function]} argument(s), {len(args)} given,"
                )
            return Call(function, tuple(sub(a) for a in args))
        case _:
            raise refuse(f"{type(node).__name__} is not part of the equation language,")


def _binary(op: str, left: Expr, right: Expr) -> Expr:
    """Small whole powers become products, which are quicker."""
    if op == "**" and isinstance(right, Const) and right.value in (2.0, 3.0, 4.0):
        product = left
        for _ in range(int(right.value) - 1):
            product = Binary("*", product, left)
        return product
    return Binary(op, left, right)


def negate(expr: Expr) -> Expr:
    """The negative of an expression; a literal keeps being a literal."""
    if isinstance(expr, Const) and not isinstance(expr.value, bool):
        return Const(-expr.value)
    return Unary("-", expr)


def children(expr: Expr) -> tuple[Expr, ...]:
    """Direct sub-expressions, in order."""
    match expr:
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Call(args=args):
            return args
        case _:
            return ()


def names(expr: Expr) -> Iterator[str]:
    """Every name in the expression, in order of appearance, repeats included."""
    if isinstance(expr, Name):
        yield expr.id
    for child in children(expr):
        yield from names(child)


def functions(expr: Expr) -> Iterator[str]:
    """Every function that is called in the expression, repeats included."""
    if isinstance(expr, Call):
        yield expr.function
    for child in children(expr):
        yield from functions(child)


def with_children(expr: Unary | Binary | Call, parts: tuple[Expr, ...]) -> Expr:
    """The same operation on other operands."""
    match expr:
        case Unary(op=op):
            return Unary(op, *parts)
        case Binary(op=op):
            return Binary(op, *parts)
        case Call(function=function):
            return Call(function, parts)


def substitute(expr: Expr, replace: Callable[[str], Expr]) -> Expr:
    """The expression with each name replaced by what ``replace(name)`` returns."""
    if isinstance(expr, Name):
        return replace(expr.id)
    if isinstance(expr, Const):
        return expr
    return with_children(expr, tuple(substitute(c, replace) for c in children(expr)))


def is_condition(expr: Expr) -> bool:
    """Whether the expression yields a truth value by its form."""
    match expr:
        case Const(value=value):
            return isinstance(value, bool)
        case Unary(op="not"):
            return True
        case Binary(op=op):
            return op in COMPARISON or op in LOGIC
        case _:
            return False


def to_text(expr: Expr) -> str:
    """Fully bracketed text, which parses back to the same tree."""
    match expr:
        case Const(value=value):
            return repr(value)
        case Name(id=name):
            return name
        case Unary(op="not", operand=operand):
            return f"(not {to_text(operand)})"
        case Unary(op=op, operand=operand):
            return f"({op}{to_text(operand)})"
        case Binary(op=op, left=left, right=right):
            return f"({to_text(left)} {op} {to_text(right)})"
        case Call(function=function, args=args):
            return f"{function}({', '.join(to_text(a) for a in args)})"
    raise AssertionError(f"unknown expression node {expr!r}")

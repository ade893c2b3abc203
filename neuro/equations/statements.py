"""Statements of the equation language: ``v = v_reset``, ``w += rate * x``, ``dv/dt = ...``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from keyword import iskeyword

from neuro.equations.expression import DRAWS, FUNCTIONS, Binary, Expr, Name, parse_expression
from neuro.errors import EquationError

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_DERIVATIVE = re.compile(r"d\s*(?P<name>[A-Za-z][A-Za-z0-9_]*)\s*/\s*dt\Z")
_ASSIGNMENT = re.compile(
    r"(?P<left>[^=<>!]*?)\s*(?P<op>[-+*/]?=)(?!=)\s*(?P<right>.*)\Z", re.DOTALL
)

#: Words that cannot name a variable or parameter.
RESERVED = frozenset({"and", "or", "not", "dt", "t", "True", "False", *FUNCTIONS, *DRAWS})

#: Names of white noise in differential equations: ``xi``, and ``xi_2`` and so on for further ones.
NOISE = re.compile(r"xi(_[A-Za-z0-9_]+)?\Z")


@dataclass(frozen=True)
class Statement:
    """``target = expression`` in user names (augmented assignments are already spelled out)."""

    target: str
    expression: Expr


@dataclass(frozen=True)
class Derivative:
    """``d(name)/dt = expression``, the variable having the given unit."""

    name: str
    expression: Expr
    unit: str


def _lines(text: str) -> list[str]:
    without_comments = (line.partition("#")[0] for line in text.splitlines())
    return [part.strip() for line in without_comments for part in line.split(";") if part.strip()]


def check_name(name: str, where: str, *, in_text: bool = True) -> str:
    """Refuse names that are not plain identifiers or that the language uses itself.

    Names that stand in no expression (``in_text=False``) may be keywords of Python, such as
    ``in``: only texts go through its parser.
    """
    if not _IDENTIFIER.match(name):
        raise EquationError(
            f"{where}: {name!r} is not a name (a letter, then letters, digits and underscores)"
        )
    if name in RESERVED or NOISE.match(name) or (in_text and iskeyword(name)):
        raise EquationError(f"{where}: {name!r} is reserved by the equation language; rename it")
    return name


def parse_statements(text: str, where: str, *, draws: bool = False) -> tuple[Statement, ...]:
    """Parse assignments, one a line or separated by semicolons; ``#`` starts a comment.

    ``draws`` says whether they may draw random numbers.
    """
    return tuple(_parse_statement(line, where, draws) for line in _lines(text))


def _parse_statement(line: str, where: str, draws: bool) -> Statement:
    match = _ASSIGNMENT.match(line)
    if match is None:
        raise EquationError(f"{where}: {line!r} is not an assignment such as 'v = v_reset'")
    target = check_name(match["left"].strip(), where)
    expression = parse_expression(match["right"], where, draws=draws)
    if match["op"] != "=":
        expression = Binary(match["op"][0], Name(target), expression)
    return Statement(target, expression)


def parse_derivatives(text: str, where: str) -> tuple[Derivative, ...]:
    """Parse differential equations ``dv/dt = expression : unit``, one a line.

    A line ``y : unit`` declares a variable that the equations leave alone: its slope is 0.
    """
    derivatives: dict[str, Derivative] = {}
    for line in _lines(text):
        body, colon, unit = line.rpartition(":")
        if _IDENTIFIER.match(body.strip()):
            body = f"d{body.strip()}/dt = 0"
        match = _ASSIGNMENT.match(body) if colon else None
        left = _DERIVATIVE.match(match["left"].strip()) if match and match["op"] == "=" else None
        if match is None or left is None:
            raise EquationError(
                f"{where}: {line!r} is not a differential equation such as"
                " 'dv/dt = -v / tau_m : volt' (the unit of v after the colon)"
            )
        name = check_name(left["name"], where)
        if name in derivatives:
            raise EquationError(f"{where}: d{name}/dt is given twice; keep one")
        expression = parse_expression(match["right"], where)
        derivatives[name] = Derivative(name, expression, unit.strip())
    return tuple(derivatives.values())

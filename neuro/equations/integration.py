"""From differential equations to the statements of one time step.

The only place where symbolic algebra (sympy) is used: to see whether equations are linear and to
separate coefficients. Numbers are computed once, here, and handed to backends as data.

Methods, in order of preference:

exact
    ``dx/dt = A x + b`` with constant A, and b held over the step: ``x(t+dt) = P x + Q b``,
    ``P = exp(A dt)``, ``Q = integral of exp(A s) ds over 0..dt``.
    Applied to the largest set of equations that is closed and linear (synaptic currents, say),
    even where others are not.
exponential Euler
    per variable, ``dx/dt = a x + b`` where a and b do not contain x: ``x(t+dt) = x e^(a dt) +
    b (e^(a dt) - 1) / a``, other variables frozen over the step. Where a changes from step to
    step this is written ``x + (a x + b) dt exprel(a dt)``, ``exprel(z) = (e^z - 1) / z``.
Euler
    ``x(t+dt) = x + dt f(x)``.

White noise ``xi`` is one more input that is held over the step, with variance ``1 / dt``. With
Euler's method this is that of Euler and Maruyama; with the exact method an Ornstein-Uhlenbeck
process ``dx/dt = -x / tau + sigma sqrt(2 / tau) xi`` has, in the long run, ``tanh(h) / h`` of its
variance, ``h = dt / (2 tau)``: 0.08 % less than all with steps of a tenth of tau.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy.core.function import AppliedUndef

from neuro.equations.affine import ZERO, affine, plus, times
from neuro.equations.evaluation import evaluate, fold
from neuro.equations.expression import (
    FUNCTIONS,
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    children,
    names,
    with_children,
)
from neuro.equations.functions import exp
from neuro.equations.matrix_exponential import expm
from neuro.equations.methods import METHODS
from neuro.equations.statements import Derivative, Statement
from neuro.errors import CompileError

Value = float | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Integration:
    """One step of a system of equations.

    Attributes
    ----------
    method : str
        What was done, for people to read.
    statements : tuple of Statement
        In order; targets that begin with ``_`` are local. Names are those of the equations plus
        those of ``coefficients``.
    coefficients : dict
        Numbers (or arrays, one value per unit) that the statements use.
    """

    method: str
    statements: tuple[Statement, ...]
    coefficients: Mapping[str, Value]


class _NotSymbolicError(Exception):
    """The expression contains something that sympy's calculus cannot take (a truth value)."""


def integrate(
    derivatives: Sequence[Derivative],
    constants: Mapping[str, Value],
    dt: float,
    where: str,
    method: str = "auto",
) -> Integration:
    """Turn equations into statements that advance all variables by ``dt`` seconds.

    Parameters
    ----------
    derivatives : sequence of Derivative
        The system; right-hand sides may name variables, constants, and inputs held over a step.
    constants : mapping
        Parameters that never change during a run, in SI units.
    dt : float
        Time step in seconds.
    where : str
        Whose equations these are, for messages.
    method : str
        One of :data:`neuro.equations.methods.METHODS`.

    Raises
    ------
    CompileError
        When the asked method does not apply.
    """
    if method not in METHODS:
        raise CompileError(f"{where}: unknown integrator {method!r}; choose from {METHODS}")
    derivatives = [d for d in derivatives if d.expression != Const(0.0)]
    if not derivatives:
        return Integration("no equations", (), {})
    linear: list[Derivative] = []
    if method in ("auto", "exact"):
        linear = _linear(derivatives, constants)
        if method == "exact" and len(linear) < len(derivatives):
            raise CompileError(
                f"{where}: not linear with constant coefficients, so no exact integration;"
                " choose integrator='auto'"
            )
    rest = [d for d in derivatives if d not in linear]
    parts = [_exact(linear, constants, dt)] if linear else []
    parts += [_per_variable(rest, constants, dt, where, method)] if rest else []
    if len(parts) == 1:
        done = parts[0]
    else:
        text = f"exact ({', '.join(d.name for d in linear)}); {parts[1].method}"
        if "(" not in parts[1].method:
            text += f" ({', '.join(d.name for d in rest)})"
        # The rest first: it reads the linear variables as they were at the start of the step.
        statements = [*parts[1].statements, *parts[0].statements]
        coefficients = {**parts[0].coefficients, **parts[1].coefficients}
        done = Integration(text, tuple(statements), coefficients)
    return replace(done, statements=_simultaneous(list(done.statements)))


# --- exact -------------------------------------------------------------------------------------


def _linear(derivatives: Sequence[Derivative], constants: Mapping[str, Value]) -> list[Derivative]:
    """The largest set of equations that are linear, with constant coefficients, in themselves."""
    symbolic: dict[str, sympy.Expr] = {}
    for d in derivatives:
        try:
            symbolic[d.name] = sympy.expand(_to_sympy(d.expression))
        except _NotSymbolicError:
            continue
    states = {d.name for d in derivatives}
    while True:
        symbols = [sympy.Symbol(name) for name in symbolic]
        foreign = states - set(symbolic)
        kept = {
            name: f
            for name, f in symbolic.items()
            if not foreign & {s.name for s in f.free_symbols}
            and all(
                {s.name for s in sympy.diff(f, x).free_symbols} <= set(constants) for x in symbols
            )
            and not f.subs(dict.fromkeys(symbols, 0)).has(sympy.zoo, sympy.nan)
        }
        if len(kept) == len(symbolic):
            return [d for d in derivatives if d.name in kept]
        symbolic = kept


def _exact(
    derivatives: Sequence[Derivative], constants: Mapping[str, Value], dt: float
) -> Integration:
    states = [d.name for d in derivatives]
    symbols = [sympy.Symbol(s) for s in states]
    rows: list[list[Value]] = []
    held: list[sympy.Expr] = []
    for d in derivatives:
        f = sympy.expand(_to_sympy(d.expression))
        rows.append([_number(sympy.diff(f, x), constants) for x in symbols])
        held.append(sympy.expand(f.subs(dict.fromkeys(symbols, 0))))
    propagator, integral = _propagators(rows, dt)

    coefficients: dict[str, Value] = {}
    new: list[Statement] = []
    for i, state in enumerate(states):
        terms: list[Expr] = []
        order = [i] + [j for j in range(len(states)) if j != i]
        for j in order:
            if np.any(propagator[i][j] != 0):
                terms.append(
                    _scaled(
                        f"P_{state}_{states[j]}", propagator[i][j], Name(states[j]), coefficients
                    )
                )
        offset: Value = 0.0
        for j in range(len(states)):
            if held[j] == 0 or not np.any(integral[i][j] != 0):
                continue
            if {s.name for s in held[j].free_symbols} <= set(constants):
                offset = offset + integral[i][j] * _number(held[j], constants)
            else:
                terms.append(
                    _scaled(
                        f"Q_{state}_{states[j]}", integral[i][j], _from_sympy(held[j]), coefficients
                    )
                )
        if np.any(np.asarray(offset) != 0):
            coefficients[f"c_{state}"] = _tidy(offset)
            terms.append(Name(f"c_{state}"))
        new.append(Statement(state, _sum(terms)))
    return Integration("exact", tuple(new), coefficients)


def _propagators(rows: list[list[Value]], dt: float) -> tuple[list[list[Value]], list[list[Value]]]:
    """``P = exp(A dt)`` and ``Q = integral exp(A s) ds``, entry by entry, per unit where needed."""
    n = len(rows)
    pattern = np.array([[bool(np.any(np.asarray(a) != 0)) for a in row] for row in rows])
    if not (pattern & ~np.eye(n, dtype=bool)).any():  # independent variables: closed form
        p: list[list[Value]] = [[0.0] * n for _ in range(n)]
        q: list[list[Value]] = [[0.0] * n for _ in range(n)]
        for i in range(n):
            a = np.asarray(rows[i][i], dtype=np.float64)
            p[i][i] = _tidy(np.asarray(exp(a * dt)))
            safe = np.where(a == 0, 1.0, a)
            q[i][i] = _tidy(np.where(a == 0, dt, np.expm1(a * dt) / safe))
        return p, q
    shape = np.broadcast_shapes(*(np.shape(a) for row in rows for a in row))
    augmented = np.zeros((*shape, 2 * n, 2 * n))
    for i in range(n):
        for j in range(n):
            augmented[..., i, j] = rows[i][j]
        augmented[..., i, n + i] = 1.0
    result = expm(augmented * dt)
    reach = np.eye(n, dtype=bool)  # entries that are zero by structure stay exactly zero
    for _ in range(n):
        reach = reach | (reach @ pattern)
    result_p = [
        [_tidy(result[..., i, j]) if reach[i, j] else 0.0 for j in range(n)] for i in range(n)
    ]
    result_q = [
        [_tidy(result[..., i, n + j]) if reach[i, j] else 0.0 for j in range(n)] for i in range(n)
    ]
    return result_p, result_q


# --- exponential Euler and Euler ---------------------------------------------------------------


def _per_variable(
    derivatives: Sequence[Derivative],
    constants: Mapping[str, Value],
    dt: float,
    where: str,
    method: str,
) -> Integration:
    coefficients: dict[str, Value] = {}
    new: list[Statement] = []
    used: dict[str, list[str]] = {}
    for d in derivatives:
        parts = None if method == "Euler" else _affine(d)
        if parts is None:
            if method == "exponential Euler":
                raise CompileError(
                    f"{where}: d{d.name}/dt is not affine in {d.name}, so no exponential Euler;"
                    " choose integrator='auto'"
                )
            step = Binary("+", Name(d.name), Binary("*", Const(dt), d.expression))
            new.append(Statement(d.name, step))
            used.setdefault("Euler", []).append(d.name)
            continue
        slope, rest = parts
        if set(names(slope)) <= set(constants):
            a = np.asarray(evaluate(slope, constants), dtype=np.float64)
            coefficients[f"P_{d.name}"] = _tidy(np.asarray(exp(a * dt)))
            coefficients[f"Q_{d.name}"] = _tidy(
                np.where(a == 0, dt, np.expm1(a * dt) / np.where(a == 0, 1.0, a))
            )
            kept = Binary("*", Name(d.name), Name(f"P_{d.name}"))
            new.append(Statement(d.name, plus(kept, times(rest, Name(f"Q_{d.name}")))))
        else:
            rate = Name(f"_a_{d.name}")
            new.append(Statement(rate.id, slope))
            f = plus(Binary("*", rate, Name(d.name)), rest)
            # Not e^(a dt) - 1 divided by a: that is 0 or noise where a is small.
            reach = Binary("*", Const(dt), Call("exprel", (Binary("*", rate, Const(dt)),)))
            new.append(Statement(d.name, Binary("+", Name(d.name), Binary("*", f, reach))))
        used.setdefault("exponential Euler", []).append(d.name)
    text = "; ".join(f"{m} ({', '.join(v)})" if len(used) > 1 else m for m, v in used.items())
    return Integration(text, tuple(_shared(new)), coefficients)


def _shared(statements: list[Statement]) -> list[Statement]:
    """Parts with functions that occur several times, computed once: a gate has each rate twice.

    The statements must all read the variables as they were at the start of the step.
    """
    counts = Counter(part for s in statements for part in _parts_with_calls(s.expression))
    found: dict[Expr, Name] = {}
    made: list[Statement] = []

    def rewrite(expr: Expr, outside: int) -> Expr:
        if expr in found:
            return found[expr]
        if isinstance(expr, Const | Name):
            return expr
        inside = max(outside, counts[expr])
        whole = with_children(expr, tuple(rewrite(c, inside) for c in children(expr)))
        if counts[expr] <= outside:  # once, or only within a part that is shared itself
            return whole
        found[expr] = Name(f"_s_{len(found)}")
        made.append(Statement(found[expr].id, whole))
        return found[expr]

    rewritten = [Statement(s.target, rewrite(s.expression, 1)) for s in statements]
    return [*made, *rewritten]


def _parts_with_calls(expr: Expr) -> list[Expr]:
    """All parts of an expression that contain a function and no local of the step."""
    below = [part for child in children(expr) for part in _parts_with_calls(child)]
    local = any(name.startswith("_") for name in names(expr))
    return [*below, expr] if (below or isinstance(expr, Call)) and not local else below


def _affine(d: Derivative) -> tuple[Expr, Expr] | None:
    """``(a, b)`` of ``dx/dt = a x + b`` with a, b free of x and a not zero; else None."""
    parts = affine(d.expression, d.name)
    if parts is None or fold(parts[0]) == ZERO:
        return None
    return parts


# --- helpers -----------------------------------------------------------------------------------


def _simultaneous(statements: list[Statement]) -> tuple[Statement, ...]:
    """All variables advance from their old values: through locals where the order would show."""
    written: set[str] = set()
    for statement in statements:
        if any(n in written for n in names(statement.expression) if not n.startswith("_")):
            break
        written.add(statement.target)
    else:
        return tuple(statements)
    ahead = [
        s if s.target.startswith("_") else Statement(f"_new_{s.target}", s.expression)
        for s in statements
    ]
    after = [
        Statement(s.target, Name(f"_new_{s.target}"))
        for s in statements
        if not s.target.startswith("_")
    ]
    return (*ahead, *after)


def _scaled(name: str, factor: Value, expr: Expr, coefficients: dict[str, Value]) -> Expr:
    if np.ndim(factor) == 0 and factor == 1.0:
        return expr
    coefficients[name] = factor
    return Binary("*", Name(name), expr)


def _sum(terms: list[Expr]) -> Expr:
    if not terms:
        return Const(0.0)
    total = terms[0]
    for term in terms[1:]:
        total = Binary("+", total, term)
    return total


def _tidy(value: Any) -> Value:
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


def _number(expression: sympy.Expr, constants: Mapping[str, Value]) -> Value:
    return _tidy(evaluate(_from_sympy(expression), constants))


_SYMPY_FUNCTIONS: Mapping[str, Any] = {
    "cos": sympy.cos,
    "exp": sympy.exp,
    "log": sympy.log,
    "sin": sympy.sin,
    "sqrt": sympy.sqrt,
    "tanh": sympy.tanh,
}


def _to_sympy(expr: Expr) -> sympy.Expr:
    match expr:
        case Const(value=value) if not isinstance(value, bool):
            return sympy.Integer(int(value)) if value == int(value) else sympy.Float(value, 17)
        case Name(id=name):
            return sympy.Symbol(name)
        case Unary(op="-", operand=operand):
            return -_to_sympy(operand)
        case Binary(op=op, left=left, right=right) if op in ("+", "-", "*", "/", "**"):
            a, b = _to_sympy(left), _to_sympy(right)
            match op:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "/":
                    return a / b
                case _:
                    return a**b
        case Call(function=function, args=args) if function in _SYMPY_FUNCTIONS:
            return _SYMPY_FUNCTIONS[function](*(_to_sympy(a) for a in args))
        # Of the rest sympy needs to know only what it depends on: gates with a rate such as
        # where(v > v0, a, b) or exprel(v) are still linear in themselves.
        case Call(function=name) | Binary(op=name) | Unary(op=name):
            return sympy.Function(name)(*(_to_sympy(a) for a in children(expr)))
        case _:
            raise _NotSymbolicError


def _from_sympy(expression: sympy.Expr) -> Expr:
    """Back to the neuro tree; sympy's argument order is canonical, so the result is stable."""
    if expression.is_Symbol:
        return Name(expression.name)
    if expression.is_Number or expression.is_NumberSymbol:
        return Const(float(expression))
    if expression.is_Add:
        return _sum([_from_sympy(a) for a in expression.as_ordered_terms()])
    if expression.is_Mul:
        above, below = expression.as_numer_denom()
        if below != 1:
            return Binary("/", _from_sympy(above), _from_sympy(below))
        factors = [_from_sympy(a) for a in expression.as_ordered_factors()]
        product = factors[0]
        for factor in factors[1:]:
            product = Binary("*", product, factor)
        return product
    if expression.is_Pow:
        base, power = expression.as_base_exp()
        if power == sympy.Rational(1, 2):
            return Call("sqrt", (_from_sympy(base),))
        if power.is_Integer and 0 < int(power) <= 4:
            factor = _from_sympy(base)
            product = factor
            for _ in range(int(power) - 1):
                product = Binary("*", product, factor)
            return product
        if power.is_number and power.is_negative:
            return Binary("/", Const(1.0), _from_sympy(base ** (-power)))
        return Binary("**", _from_sympy(base), _from_sympy(power))
    for name, function in _SYMPY_FUNCTIONS.items():
        if name != "sqrt" and expression.func == function:
            return Call(name, tuple(_from_sympy(a) for a in expression.args))
    if isinstance(expression, AppliedUndef):
        name, args = expression.func.__name__, tuple(_from_sympy(a) for a in expression.args)
        if name in FUNCTIONS:
            return Call(name, args)
        return Unary(name, *args) if len(args) == 1 else Binary(name, *args)
    raise AssertionError(f"cannot translate {expression!r} back")

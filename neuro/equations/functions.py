"""The functions of the equation language for NumPy, with the same bits as on every other backend.

Each runs its recipe of :mod:`neuro.equations.elementary`, where method, accuracy and ranges are
stated. Arguments are numbers or arrays, dimensionless. float32 is computed in double precision and
rounded once. Nothing warns: what is not defined is NaN, what is too large is infinite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.equations.elementary import RECIPES
from neuro.equations.recipe import EXPONENT_OFFSET, TRUTHS, Recipe

#: Elements that go through a recipe together: few enough for all their values to stay in cache.
BLOCK = 8192


def exp(x: Any) -> Any:
    """Exponential: infinity above 709.78, 0 below -745.13, NaN for NaN."""
    return _exp(x)


def exprel(x: Any) -> Any:
    """``(e^x - 1) / x``, and 1 for 0."""
    return _exprel(x)


def log(x: Any) -> Any:
    """Natural logarithm: -infinity for 0, NaN below."""
    return _log(x)


def sin(x: Any) -> Any:
    """Sine of radians: accurate up to 2^25, less so beyond, NaN from 2^45."""
    return _sin(x)


def cos(x: Any) -> Any:
    """Cosine of radians: as the sine."""
    return _cos(x)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return _tanh(x)


def power(x: Any, y: Any) -> Any:
    """``x`` to the power ``y``, with the special cases of ``numpy.power`` (those of C)."""
    return _power(x, y)


def clip(x: Any, low: Any, high: Any) -> Any:
    """``x`` limited to ``[low, high]``; NaN for NaN. Quicker than ``numpy.clip`` for few values."""
    return np.minimum(np.maximum(x, low), high)


# --- running recipes ---------------------------------------------------------------------------


def _where(condition: Any, x: Any, y: Any, _: Any) -> Any:
    return np.where(condition, x, y)


def _ldexp(x: Any, k: Any, out: Any) -> Any:
    return np.ldexp(x, k.astype(np.int32), out)


def _exponent(x: Any, out: Any) -> Any:
    bits = x.view(np.int64) + EXPONENT_OFFSET
    bits >>= 52
    return np.subtract(bits, 1023.0, out)


#: NumPy function of each elementary operation. The last argument is an array for the result, or
#: None for a new one.
_ELEMENTARY: Mapping[str, Callable[..., Any]] = {
    "absolute": np.absolute,
    "add": np.add,
    "both": np.logical_and,
    "copysign": np.copysign,
    "divide": np.divide,
    "equal": np.equal,
    "exponent": _exponent,
    "floor": np.floor,
    "ldexp": _ldexp,
    "less": np.less,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "subtract": np.subtract,
    "where": _where,
}


def _function(recipe: Recipe) -> Callable[..., Any]:
    """A recipe as a function of arrays."""
    run = _runner(recipe)

    def call(*arguments: Any) -> Any:
        arrays = [np.asarray(a) for a in arguments]
        if len(arrays) > 1:
            arrays = list(np.broadcast_arrays(*arrays))
        shape, size = arrays[0].shape, arrays[0].size
        dtype = np.result_type(*arrays)
        dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
        flat = [a.reshape(-1) for a in arrays]
        with np.errstate(all="ignore"):
            if size <= BLOCK:
                values = run(flat).astype(dtype, copy=False)
            else:
                values = np.empty(size, dtype)
                for i in range(0, size, BLOCK):
                    values[i : i + BLOCK] = run([a[i : i + BLOCK] for a in flat])
        return values.reshape(shape)[()]

    return call


def _runner(recipe: Recipe) -> Callable[[list[NDArray[Any]]], NDArray[np.float64]]:
    """The loop over a recipe's operations, which writes over values that are done with.

    Most time goes to calls and memory, so it is worked out beforehand in which place of a list
    each value will be: arguments, then literals, then results.
    """
    places: dict[int | str, int] = {i: i for i in range(recipe.arguments)}
    start: list[Any] = []
    for x in (x for o in recipe.operations for x in o.operands if isinstance(x, float)):
        if repr(x) not in places:  # by text, which tells -0.0 from 0.0 and finds NaN
            places[repr(x)] = recipe.arguments + len(start)
            start.append(np.array(x))
    last = recipe.last_uses()
    free: dict[bool, list[int]] = {False: [], True: []}  # numbers, truth values
    steps: list[tuple[Callable[..., Any], Callable[[Any], Any], int]] = []
    for i, operation in enumerate(recipe.operations):
        used = [places[x if isinstance(x, int) else repr(x)] for x in operation.operands]
        for x in {x for x in operation.operands if isinstance(x, int)}:
            if last[x] == i and x >= recipe.arguments:
                free[recipe.operations[x - recipe.arguments].name in TRUTHS].append(places[x])
        spare = free[operation.name in TRUTHS]
        if spare:
            place = spare.pop()
        else:
            place = recipe.arguments + len(start)
            start.append(None)  # the operation makes an array
        places[recipe.arguments + i] = place
        steps.append((_ELEMENTARY[operation.name], itemgetter(*used, place), place))

    def run(arguments: list[NDArray[Any]]) -> NDArray[np.float64]:
        values: list[Any] = [np.asarray(a, np.float64) for a in arguments]
        values += start
        for function, operands, place in steps:
            values[place] = function(*operands(values))
        result: NDArray[np.float64] = values[place]
        return result

    return run


_exp, _exprel, _log, _sin, _cos, _tanh, _power = (
    _function(RECIPES[name]) for name in ("exp", "exprel", "log", "sin", "cos", "tanh", "power")
)

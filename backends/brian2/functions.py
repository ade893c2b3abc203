"""The functions of the equation language for Brian2's three code generators.

C++ and Cython share one C text per function; NumPy uses the functions that the reference
backend uses. All of them give the same bits, because the C text does what NumPy does: NaN passes
through ``min``, ``max`` and ``clip``, ``%`` takes the sign of the divisor, and ``exp`` is the
portable one of :mod:`neuro.equations.functions`. (``log``, ``sin``, ``cos``, ``tanh`` and ``**``
are those of the C library and of NumPy, which may differ in the last bit.)

Importing this module imports Brian2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from brian2.core.functions import Function

from neuro.equations.functions import EXP_MAX, EXP_MIN, EXP_P, EXP_Q, LN2_HIGH, LN2_LOW, LOG2_E, exp


@dataclass(frozen=True)
class _Definition:
    """NumPy function, and parameters, C body and kind of result of its C twin.

    Parameters are letters: ``b`` is a truth value, ``r`` a number of any type, others a ``real``,
    which stands for the floating-point type of the program.
    """

    numpy: Callable[..., Any]
    parameters: str
    body: str
    returns: str = "float"


# Without branches, so that compilers can do several at once. 2^k is a product of two factors
# because one of them may not be representable; y * 2^(k/2) is exact, so only the last
# multiplication rounds, as ldexp does.
_EXP = f"""
    double a = (double)x;
    double t = a < {EXP_MIN - 1.0!r} ? {EXP_MIN - 1.0!r} : a;
    t = t > {EXP_MAX + 1.0!r} ? {EXP_MAX + 1.0!r} : t;
    double k = floor(t * {LOG2_E!r} + 0.5);
    double r = (t - k * {LN2_HIGH!r}) - k * {LN2_LOW!r};
    double rr = r * r;
    double p = r * (({EXP_P[0]!r} * rr + {EXP_P[1]!r}) * rr + {EXP_P[2]!r});
    double q = (({EXP_Q[0]!r} * rr + {EXP_Q[1]!r}) * rr + {EXP_Q[2]!r}) * rr + {EXP_Q[3]!r};
    double e = p / (q - p);
    double h = floor(k * 0.5);
    double y = (1.0 + 2.0 * e) * neuro_power_of_two(h) * neuro_power_of_two(k - h);
    y = a > {EXP_MAX!r} ? HUGE_VAL : y;
    y = a < {EXP_MIN!r} ? 0.0 : y;
    return (real)y;"""

# 1.5 * 2^52 + k has k in its last bits.
_POWER_OF_TWO = """
#ifndef NEURO_POWER_OF_TWO
#define NEURO_POWER_OF_TWO
static inline double neuro_power_of_two(double k) {
    double shifted = k + (6755399441055744.0 + 1023.0);
    int64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (int64_t)((uint64_t)bits << 52);
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}
#endif
"""

_DEFINITIONS: Mapping[str, _Definition] = {
    "abs": _Definition(np.abs, "x", "return (real)fabs(x);"),
    "clip": _Definition(
        np.clip,
        "xyz",
        "real m = (x != x || x > y) ? x : y; return (m != m || m < z) ? m : z;",
    ),
    "cos": _Definition(np.cos, "x", "return (real)cos((double)x);"),
    "divide": _Definition(np.true_divide, "xy", "return x / y;"),
    "exp": _Definition(exp, "x", _EXP),
    "floor": _Definition(np.floor, "x", "return (real)floor((double)x);"),
    "log": _Definition(np.log, "x", "return (real)log((double)x);"),
    "max": _Definition(np.maximum, "xy", "return (x != x || x > y) ? x : y;"),
    "min": _Definition(np.minimum, "xy", "return (x != x || x < y) ? x : y;"),
    "mod": _Definition(
        np.mod,
        "xy",
        """real m = (real)fmod((double)x, (double)y);
    if (m != m) return m;
    if (m == 0) return (real)copysign(0.0, (double)y);
    return ((y < 0) != (m < 0)) ? m + y : m;""",
    ),
    "power": _Definition(np.power, "xy", "return (real)pow((double)x, (double)y);"),
    "sign": _Definition(
        np.sign, "x", "return x > 0 ? (real)1 : (x < 0 ? (real)-1 : (x == 0 ? (real)0 : x));"
    ),
    "sin": _Definition(np.sin, "x", "return (real)sin((double)x);"),
    "sqrt": _Definition(np.sqrt, "x", "return (real)sqrt((double)x);"),
    "tanh": _Definition(np.tanh, "x", "return (real)tanh((double)x);"),
    "where": _Definition(np.where, "bxy", "return b ? x : y;"),
}


@cache
def functions(precision: str) -> dict[str, Function]:
    """All functions, by the name that :mod:`.printing` uses, for one precision."""
    made = {
        f"neuro_{name}": _function(f"neuro_{name}", d, precision)
        for name, d in _DEFINITIONS.items()
    }
    casts = {
        "neuro_real": _Definition(_cast(np.dtype(precision)), "r", "return (real)r;"),
        "neuro_int": _Definition(_cast(np.dtype(np.int32)), "r", "return (int32_t)r;", "integer"),
    }
    return made | {name: _function(name, d, precision) for name, d in casts.items()}


def _cast(dtype: np.dtype[Any]) -> Callable[[Any], Any]:
    return lambda x: np.asarray(x).astype(dtype)[()]


def _function(name: str, definition: _Definition, precision: str) -> Function:
    letters = definition.parameters
    function = Function(
        definition.numpy,
        arg_units=[1 if letter in "xyz" else None for letter in letters],
        arg_types=["boolean" if letter == "b" else "any" for letter in letters],
        return_unit=1,
        return_type=definition.returns,
    )
    real = "double" if precision == "float64" else "float"
    result = real if definition.returns == "float" else "int32_t"
    # a truth value is a char in Brian2's C++, an int counter fits a double exactly
    types = [{"b": "char", "r": "double"}.get(letter, real) for letter in letters]
    parameters = ", ".join(f"{t} {letter}" for t, letter in zip(types, letters, strict=True))
    body = definition.body.replace("(real)", f"({real})").replace("real m", f"{real} m")
    before = _POWER_OF_TWO if "neuro_power_of_two" in body else ""
    text = f"{before}static inline {result} {name}({parameters}) {{\n    {body.strip()}\n}}\n"
    verbatim = [
        "cdef extern from *:",
        '    """',
        *(
            "    " + line
            for line in ("#include <math.h>", "#include <stdint.h>", "#include <string.h>")
        ),
        *("    " + line for line in text.splitlines()),
        '    """',
        f"    {result} {name}({parameters}) nogil",
    ]
    function.implementations.add_implementation("numpy", code=definition.numpy)
    function.implementations.add_implementation("cpp", code=text, name=name)
    function.implementations.add_implementation("cython", code="\n".join(verbatim), name=name)
    return function

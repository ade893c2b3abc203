"""The functions of the equation language in C, for the backends that compile.

The C text does what NumPy does: NaN passes through ``min``, ``max`` and ``clip``, ``%`` takes the
sign of the divisor, and the functions of :mod:`neuro.equations.elementary` are printed from their
recipes. Compiled without fast-math and without fused multiply-add, it gives the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neuro.equations.elementary import RECIPES
from neuro.equations.recipe import EXPONENT_OFFSET, TRUTHS, Recipe


@dataclass(frozen=True)
class CFunction:
    """Parameters, body and kind of result of a C function.

    Parameters are letters: ``b`` is a truth value, ``r`` a number of any type, others a ``real``,
    which stands for the floating-point type of the program.
    """

    parameters: str
    body: str
    returns: str = "float"

    def text(self, name: str, precision: str) -> str:
        """The function in C, with the helpers that it needs."""
        body = self.body.replace("(real)", f"({_real(precision)})")
        body = body.replace("real m", f"{_real(precision)} m").strip()
        before = _ELEMENTARY if "neuro_" in body else ""
        return f"{before}static inline {self.head(name, precision)} {{\n    {body}\n}}\n"

    def head(self, name: str, precision: str) -> str:
        """The function's declaration."""
        # a truth value is a char in Brian2's C++, an int counter fits a double exactly
        types = {"b": "char", "r": "double"}
        parameters = ", ".join(f"{types.get(p, _real(precision))} {p}" for p in self.parameters)
        result = _real(precision) if self.returns == "float" else "int32_t"
        return f"{result} {name}({parameters})"


def _real(precision: str) -> str:
    return {"float64": "double", "float32": "float"}[precision]


# --- recipes ------------------------------------------------------------------------------------

# Without branches, so that compilers can do several at once. 1.5 * 2^52 + k has k in its last
# bits, and 2^52 with whole bits in its last ones is 2^52 more than these. 2^k is a product of two
# factors because one of them may not be representable.
_ELEMENTARY = f"""
#ifndef NEURO_ELEMENTARY
#define NEURO_ELEMENTARY
static inline double neuro_power_of_two(double k) {{
    double shifted = k + (6755399441055744.0 + 1023.0);
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}}
static inline double neuro_ldexp(double a, double k) {{
    double h = floor(k * 0.5);
    return a * neuro_power_of_two(h) * neuro_power_of_two(k - h);
}}
static inline double neuro_exponent(double a) {{
    uint64_t bits;
    memcpy(&bits, &a, sizeof bits);
    bits = ((bits + {EXPONENT_OFFSET:#x}u) >> 52) | 0x4330000000000000u;
    double e;
    memcpy(&e, &bits, sizeof e);
    return e - (4503599627370496.0 + 1023.0);
}}
static inline double neuro_minimum(double a, double b) {{ return a > b ? b : a; }}
static inline double neuro_maximum(double a, double b) {{ return a < b ? b : a; }}
#endif
"""

_OPERATIONS: Mapping[str, str] = {
    "absolute": "fabs({})",
    "add": "({} + {})",
    "both": "({} & {})",
    "copysign": "copysign({}, {})",
    "divide": "({} / {})",
    "equal": "({} == {})",
    "exponent": "neuro_exponent({})",
    "floor": "floor({})",
    "ldexp": "neuro_ldexp({}, {})",
    "less": "({} < {})",
    "maximum": "neuro_maximum({}, {})",
    "minimum": "neuro_minimum({}, {})",
    "multiply": "({} * {})",
    "subtract": "({} - {})",
    "where": "({} ? {} : {})",
}


def _from_recipe(recipe: Recipe) -> CFunction:
    """In double precision; values that are used once stand where they are used."""
    letters = "xyz"[: recipe.arguments]
    lines = [f"const double v{i} = (double){letter};" for i, letter in enumerate(letters)]
    texts = {i: f"v{i}" for i in range(recipe.arguments)}
    used = [x for o in recipe.operations for x in o.operands if isinstance(x, int)]
    value = recipe.arguments
    for operation in recipe.operations:
        operands = (texts[x] if isinstance(x, int) else _literal(x) for x in operation.operands)
        texts[value] = _OPERATIONS[operation.name].format(*operands)
        if used.count(value) > 1:
            kind = "int" if operation.name in TRUTHS else "double"
            lines.append(f"const {kind} v{value} = {texts[value]};")
            texts[value] = f"v{value}"
        value += 1
    lines.append(f"return (real){texts[value - 1]};")
    return CFunction(letters, "\n    ".join(lines))


def _literal(value: float) -> str:
    if value != value:
        return "NAN"
    if abs(value) == float("inf"):
        return "HUGE_VAL" if value > 0 else "(-HUGE_VAL)"
    return f"({value!r})" if value < 0 else repr(value)


# --- all functions ------------------------------------------------------------------------------

#: C function of each operator and function of the language that C and C++ know otherwise.
C_FUNCTIONS: Mapping[str, CFunction] = {
    "/": CFunction("xy", "return x / y;"),
    "%": CFunction(
        "xy",
        """real m = (real)fmod((double)x, (double)y);
    if (m != m) return m;
    if (m == 0) return (real)copysign(0.0, (double)y);
    return ((y < 0) != (m < 0)) ? m + y : m;""",
    ),
    "**": _from_recipe(RECIPES["power"]),
    "abs": CFunction("x", "return (real)fabs(x);"),
    "clip": CFunction(
        "xyz", "real m = (x != x || x > y) ? x : y; return (m != m || m < z) ? m : z;"
    ),
    "floor": CFunction("x", "return (real)floor((double)x);"),
    "max": CFunction("xy", "return (x != x || x > y) ? x : y;"),
    "min": CFunction("xy", "return (x != x || x < y) ? x : y;"),
    "sign": CFunction("x", "return x > 0 ? (real)1 : (x < 0 ? (real)-1 : (x == 0 ? (real)0 : x));"),
    "sqrt": CFunction("x", "return (real)sqrt((double)x);"),
    "trunc": CFunction("x", "return (real)trunc((double)x);"),
    "where": CFunction("bxy", "return b ? x : y;"),
} | {name: _from_recipe(recipe) for name, recipe in RECIPES.items() if name != "power"}

#: Conversions to the floating-point type of the program, and to the type of counters.
CASTS: Mapping[str, CFunction] = {
    "neuro_real": CFunction("r", "return (real)r;"),
    "neuro_int": CFunction("r", "return (int32_t)r;", "integer"),
}

"""The functions of the equation language as text for a script: NumPy, and Brian2's wrapper."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from neuro.equations.elementary import RECIPES
from neuro.equations.recipe import EXPONENT_OFFSET, Recipe

#: Brian2's declaration of a NumPy function; "b" is a truth value, "x" a number.
WRAPPER = '''
def function(numpy_function, arguments, returns="float"):
    """A NumPy function for the code below: one letter an argument, b for a truth value."""
    made = Function(
        numpy_function,
        arg_units=[None if letter == "b" else 1 for letter in arguments],
        arg_types=["boolean" if letter == "b" else "any" for letter in arguments],
        return_unit=1,
        return_type=returns,
    )
    made.implementations.add_implementation("numpy", code=numpy_function)
    return made
'''

_PORTABLE = f'''
# Functions of C libraries and of NumPy differ in the last bit from one machine to another; these
# are made of operations that do not. Arguments are float64 arrays.
def portable(recipe):
    def call(*arguments):
        kind = np.result_type(*arguments)
        kind = kind if kind.kind == "f" else np.float64
        arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arguments))
        return np.asarray(recipe(*arrays), np.float64).astype(kind)[()]

    return call


def ldexp(x, k):
    return np.ldexp(x, np.asarray(k).astype(np.int32))


def exponent(x):
    """Binary exponent of x = m 2^e with m from 0.7071 to 1.4142."""
    return ((np.array(x, np.float64).view(np.int64) + {EXPONENT_OFFSET:#x}) >> 52) - 1023.0
'''

_OPERATIONS: Mapping[str, str] = {
    "absolute": "np.absolute({})",
    "add": "({} + {})",
    "both": "np.logical_and({}, {})",
    "copysign": "np.copysign({}, {})",
    "divide": "({} / {})",
    "equal": "({} == {})",
    "exponent": "exponent({})",
    "floor": "np.floor({})",
    "ldexp": "ldexp({}, {})",
    "less": "({} < {})",
    "maximum": "np.maximum({}, {})",
    "minimum": "np.minimum({}, {})",
    "multiply": "({} * {})",
    "subtract": "({} - {})",
    "where": "np.where({}, {}, {})",
}

_SIMPLE: Mapping[str, str] = {
    "floor_of": 'function(np.floor, "x")',
    "limited": 'function(lambda x, low, high: np.minimum(np.maximum(x, low), high), "xxx")',
    "maximum": 'function(np.maximum, "xx")',
    "minimum": 'function(np.minimum, "xx")',
    "real": "function(lambda x: np.asarray(x).astype(np.{precision})[()], \"x\")",
    "sign_of": 'function(np.sign, "x")',
    "trunc_of": 'function(np.trunc, "x")',
    "where": 'function(np.where, "bxx")',
    "whole": 'function(lambda x: np.asarray(x).astype(np.int32)[()], "x", "integer")',
}


def library(used: set[str], precision: str) -> str:
    """Definitions of the functions of these names, which are those of :mod:`.script_notation`."""
    simple = [
        f"{name} = {text.replace('{precision}', precision)}"
        for name, text in _SIMPLE.items()
        if name in used
    ]
    recipes = {name: RECIPES[name] for name in RECIPES if f"portable_{name}" in used}
    if not simple and not recipes:
        return ""
    parts = [WRAPPER.strip()]
    if recipes:
        parts.append(_PORTABLE.strip())
        parts += [_from_recipe(name, recipe) for name, recipe in recipes.items()]
    letters = {name: "x" * recipe.arguments for name, recipe in recipes.items()}
    wrapped = [
        f'portable_{name} = function(portable({name}_recipe), "{letters[name]}")'
        for name in recipes
    ]
    return "\n\n\n".join([*parts, "\n".join([*simple, *wrapped])])


def _from_recipe(name: str, recipe: Recipe) -> str:
    """The operations of a recipe; short values that are used once stand where they are."""
    letters = "xyz"[: recipe.arguments]
    texts: dict[int, str] = dict(enumerate(letters))
    used = [x for o in recipe.operations for x in o.operands if isinstance(x, int)]
    lines = [f"def {name}_recipe({', '.join(letters)}):"]
    value = recipe.arguments
    for operation in recipe.operations:
        operands = (texts[x] if isinstance(x, int) else _literal(x) for x in operation.operands)
        texts[value] = _OPERATIONS[operation.name].format(*operands)
        if used.count(value) > 1 or len(texts[value]) > 70:
            lines.append(f"    v{value} = {texts[value]}")
            texts[value] = f"v{value}"
        value += 1
    lines.append(f"    return {texts[value - 1]}")
    return ast.unparse(ast.parse("\n".join(lines)))  # without brackets that are not needed


def _literal(value: float) -> str:
    if value != value:
        return "np.nan"
    if abs(value) == float("inf"):
        return "np.inf" if value > 0 else "(-np.inf)"
    return f"({value!r})" if value < 0 else repr(value)

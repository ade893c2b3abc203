"""The functions of the equation language as functions of Brian2, for its three code generators.

C++ and Cython share the C texts of :mod:`neuro.equations.c_functions`; NumPy uses the functions
that the reference backend uses. Both give the same bits.

Importing this module imports Brian2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from brian2.core.functions import Function

from neuro.backends.brian2.printing import OWN
from neuro.equations.c_functions import C_FUNCTIONS, CASTS, CFunction
from neuro.equations.evaluation import OPERATIONS


@cache
def functions(precision: str) -> dict[str, Function]:
    """All functions, by the name that :mod:`.printing` uses, for one precision."""
    made = {
        name: _function(name, OPERATIONS[symbol], C_FUNCTIONS[symbol], precision)
        for symbol, name in OWN.items()
    }
    types = {"neuro_real": np.dtype(precision), "neuro_int": np.dtype(np.int32)}
    casts = {n: _function(n, _cast(t), CASTS[n], precision) for n, t in types.items()}
    return made | casts


def _cast(dtype: np.dtype[Any]) -> Callable[[Any], Any]:
    return lambda x: np.asarray(x).astype(dtype)[()]


def _function(name: str, numpy: Callable[..., Any], c: CFunction, precision: str) -> Function:
    letters = c.parameters
    function = Function(
        numpy,
        arg_units=[1 if letter in "xyz" else None for letter in letters],
        arg_types=["boolean" if letter == "b" else "any" for letter in letters],
        return_unit=1,
        return_type=c.returns,
    )
    text = c.text(name, precision)
    verbatim = [
        "cdef extern from *:",
        '    """',
        *(f"    #include <{header}>" for header in ("math.h", "stdint.h", "string.h")),
        *("    " + line for line in text.splitlines()),
        '    """',
        f"    {c.head(name, precision)} nogil",
    ]
    function.implementations.add_implementation("numpy", code=numpy)
    function.implementations.add_implementation("cpp", code=text, name=name)
    function.implementations.add_implementation("cython", code="\n".join(verbatim), name=name)
    return function

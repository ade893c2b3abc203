"""Weights as users give them: a number, a distribution, an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.distributions import Distribution, finite
from neuro.errors import DescriptionError
from neuro.units import given_dimension, to_si

Weight = float | Distribution


def draw(weight: Weight, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    """``count`` weights, frozen."""
    if isinstance(weight, Distribution):
        values = weight.draw(generator, count)
    else:
        values = np.full(count, weight)
    values.flags.writeable = False
    return values


def as_weight(value: Any, where: str) -> Weight:
    """A finite number or a distribution."""
    return value if isinstance(value, Distribution) else finite(value, where)


def finite_array(value: Any, where: str) -> NDArray[np.float64]:
    """A frozen array of finite numbers, in SI units."""
    plain = value if given_dimension(value, where) else np.asarray(value)
    if isinstance(plain, np.ndarray) and plain.dtype.kind not in "fiub":
        raise DescriptionError(f"{where} have dtype {plain.dtype}; expected real numbers")
    array = np.asarray(to_si(plain, None, where))
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = ", ".join(map(str, bad[0]))
        raise DescriptionError(
            f"{where}: {len(bad)} value(s) are NaN or infinite, the first is"
            f" {array[tuple(bad[0])]} at [{at}]; all must be finite"
        )
    array.flags.writeable = False
    return array

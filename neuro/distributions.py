"""Numbers that are drawn when the network is compiled: weights, delays, parameters."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.description import Described, Parameter
from neuro.errors import DescriptionError, UnitError
from neuro.units import Dimension, given_dimension


class Distribution(Described):
    """Base of distributions. A drawn number is the same in every run with the same seed."""

    _dimension: Dimension | None = None

    @property
    def dimension(self) -> Dimension | None:
        """Dimension of the quantities it was made from; None for plain numbers."""
        return self._dimension

    @abstractmethod
    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` numbers."""


class Uniform(Distribution):
    """Numbers drawn uniformly from ``[low, high)``."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low = finite(low, "low of Uniform")
        self.high = finite(high, "high of Uniform")
        self._dimension = _common("Uniform", low=low, high=high)
        if self.high < self.low:
            raise DescriptionError(f"Uniform: high {self.high:g} is below low {self.low:g}; swap")

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` numbers."""
        return generator.uniform(self.low, self.high, count)


class Normal(Distribution):
    """Numbers drawn from a normal distribution."""

    def __init__(self, mean: Any, sd: Any) -> None:
        self.mean = finite(mean, "mean of Normal")
        self.sd = finite(sd, "sd of Normal")
        self._dimension = _common("Normal", mean=mean, sd=sd)
        if self.sd < 0:
            raise DescriptionError(f"Normal: sd {self.sd:g} is negative")

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """``count`` numbers."""
        return generator.normal(self.mean, self.sd, count)


def _common(name: str, **given: Any) -> Dimension | None:
    """Dimension of the quantities among the arguments, which must be one; None without any."""
    found = {k: given_dimension(v, f"{k} of {name}") for k, v in given.items()}
    dimensions = {k: d for k, d in found.items() if d is not None}
    if len(set(dimensions.values())) > 1:
        texts = " and ".join(f"{k} in {d}" for k, d in dimensions.items())
        raise UnitError(f"{name}: {texts}; give both in one unit")
    return next(iter(dimensions.values()), None)


def finite(value: Any, where: str) -> float:
    """One finite number, in SI units when it is a quantity."""
    number = Parameter(None).read(value, where)
    if isinstance(number, np.ndarray):
        raise DescriptionError(f"{where} has shape {number.shape}; expected one number")
    return number

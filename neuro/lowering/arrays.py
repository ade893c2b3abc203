"""The arrays made so far, and what the other modules need to make more."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity
from neuro.description import Value
from neuro.equations.expression import Const, Expr, Name
from neuro.network import Network
from neuro.program import Array, Items, float_type


class Arrays:
    """Named arrays and connectivity of a program that is being made.

    Attributes
    ----------
    network : Network
        What is lowered.
    dt : float, second
    precision : str
    arrays, connectivity : dict
        Made so far, by name.
    """

    def __init__(self, network: Network, dt: float, precision: str) -> None:
        self.network, self.dt, self.precision = network, dt, precision
        self.arrays: dict[str, Array] = {}
        self.connectivity: dict[str, Connectivity] = {}

    def array(
        self,
        name: str,
        domain: str,
        initial: NDArray[Any] | float,
        kind: str = "float",
        unit: str = "",
        items: Items | None = None,
    ) -> str:
        """Make an array; a scalar initial value is spread over the domain.

        An array that is frozen already is taken as it is: weights can be large. ``items`` gives
        the initial values of the items of a batch, where they differ.
        """
        floating = float_type(self.precision).name
        dtype: np.dtype[Any] = np.dtype({"float": floating, "int": "int32", "bool": "bool"}[kind])
        values = np.asarray(initial, dtype=dtype)
        shape: tuple[int, ...] = values.shape
        if domain in self.network.populations:
            shape = (self.network.populations[domain].size,)
        elif domain in self.connectivity:
            shape = self.connectivity[domain].weight_shape
        if values.shape != shape or values.flags.writeable or not values.flags.c_contiguous:
            values = np.broadcast_to(values, shape).copy()
            values.flags.writeable = False
        self.arrays[name] = Array(name, domain, values, unit=unit, items=items)
        return name

    def constant(self, name: str, domain: str, value: Value) -> Expr:
        """One number becomes a literal; one per unit becomes an array."""
        if isinstance(value, float):
            return Const(value)
        return Name(self.array(name, domain, value))

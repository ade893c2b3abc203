"""What every connector is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity
from neuro.description import Described
from neuro.distributions import Distribution
from neuro.errors import DescriptionError, UnitError
from neuro.units import Dimension, dimension_of, given_dimension

if TYPE_CHECKING:
    from neuro.members import Population


class Connector(Described, ABC):
    """Base of all connectors."""

    #: For messages.
    title = "a connector"

    #: Of weights given as quantities; None for plain numbers, which fit any port.
    _dimension: Dimension | None = None

    def of(self, weights: Any) -> Self:
        """Itself, knowing the dimension of the weights that the user gave."""
        if isinstance(weights, Distribution):
            self._dimension = weights.dimension
        else:
            self._dimension = given_dimension(weights, "weights")
        return self

    def check_dimension(self, unit: str, where: str) -> None:
        """Refuse weights of another dimension than the input port's."""
        expected = dimension_of(unit, where)
        if self._dimension is not None and self._dimension != expected:
            raise UnitError(
                f"weights of {where} are in {self._dimension}, but the input port takes {unit}"
            )

    def check(self, pre: Population, post: Population, where: str) -> None:
        """Refuse, when the projection is made, what does not fit the two populations."""

    @abstractmethod
    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        """Connectivity, and weights in its :attr:`weight_shape`, as every run with this seed.

        Weights that are frozen (not writeable) become the program's as they are; others are copied.
        """


def check_matrix(shape: tuple[int, ...], pre: Population, post: Population, where: str) -> None:
    """Refuse a matrix whose shape is not ``[pre, post]``."""
    expected = (pre.size, post.size)
    if tuple(shape) != expected:
        turned = " (it looks transposed)" if tuple(shape) == expected[::-1] else ""
        raise DescriptionError(
            f"weights of {where} have shape {tuple(shape)}; expected [pre, post] ="
            f" {expected}{turned}"
        )

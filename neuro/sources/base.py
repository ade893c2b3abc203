"""What every source is."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from neuro.description import Described, Value
from neuro.errors import DescriptionError
from neuro.program import EventSource


class Source(Described, ABC):
    """Base of all sources; what a network calls when it meets one."""

    @abstractmethod
    def check(self, size: int, where: str) -> None:
        """Refuse, when the population is made, what cannot drive ``size`` units."""

    @abstractmethod
    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """The spikes as data, for time steps of dt seconds."""


def check_shape(value: Value, size: int, where: str) -> None:
    """Refuse a per-unit array whose length is not the population's size."""
    if np.ndim(value) and np.shape(value) != (size,):
        raise DescriptionError(
            f"{where} has shape {np.shape(value)}; expected one number or shape ({size},)"
        )

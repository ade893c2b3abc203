"""One uninterrupted stretch of a simulation: what goes in and what comes out.

Every target is a :class:`Runner`: a function from a :class:`Piece` to an :class:`Outcome`. State
lives with the caller, so nothing is left over between stretches. Steps count from the beginning
of the piece: its own are 0, 1, ...; the spikes still under way have negative numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.progress import Progress

Events = tuple[IntArray, IntArray]


@dataclass(frozen=True, eq=False)
class Piece:
    """Input of a stretch.

    Attributes
    ----------
    start, steps : int
        Steps of the simulation before it; its length.
    arrays : dict
        Value of every array at its beginning.
    recent : dict
        Per population: (steps, units) of spikes that may still be on their way.
    events : dict
        Per source: (steps, units) of its spikes.
    """

    start: int
    steps: int
    arrays: Mapping[str, NDArray[np.generic]]
    recent: Mapping[str, Events]
    events: Mapping[str, Events]


@dataclass(frozen=True, eq=False)
class Outcome:
    """Output of a stretch: new array values, spikes of monitored populations, traces."""

    arrays: Mapping[str, NDArray[np.generic]]
    spikes: Mapping[str, Events]
    traces: Mapping[int, NDArray[np.generic]]


class Runner(Protocol):
    """A target."""

    def run(self, piece: Piece, progress: Progress) -> Outcome:
        """Run one piece."""
        ...

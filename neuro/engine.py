"""What a backend provides: an :class:`Engine` that runs a program, and a :class:`Backend` entry.

A backend lives in its own folder, never imports another, and is found through the entry-point
group ``neuro.backends``. Users meet neither class: :func:`neuro.compile` wraps an engine in a
:class:`neuro.Simulation`, which validates, records and converts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.program import Program
from neuro.progress import Progress


@dataclass(frozen=True, eq=False)
class State:
    """A checkpoint: portable between backends, continues bit for bit.

    Attributes
    ----------
    step : int
        Steps already run; the next step has this number.
    arrays : dict
        Value of every non-constant array and of every array that was set since compilation.
    recent : dict
        Per population with outgoing projections: (steps, units) of the spikes that may still
        be on their way, those of steps ``step - longest delay <= k < step``, in order. Of an
        engine that runs a batch (steps, units, items), sorted by item, then step, then unit.
    """

    step: int
    arrays: Mapping[str, NDArray[np.generic]]
    recent: Mapping[str, tuple[IntArray, ...]]


@dataclass(frozen=True, eq=False)
class Recorded:
    """What one call of :meth:`Engine.run` recorded.

    ``spikes[population]`` holds (steps, units), absolute step numbers, sorted by step, then
    unit. ``traces[i]``, i the index into ``program.records``, has shape ``[steps, units]``: a row
    of every step, whatever ``every`` of the record says.

    Of an engine that runs ``batch`` items at once, ``spikes[population]`` holds (steps, units,
    items), sorted by item, then step, then unit, and ``traces[i]`` has shape
    ``[items, steps, units]``.
    """

    spikes: Mapping[str, tuple[IntArray, ...]]
    traces: Mapping[int, NDArray[np.generic]] = field(default_factory=dict)
    batch: int | None = None


class Engine(ABC):
    """A compiled program with its state. Constructed by :meth:`Backend.compile`.

    Attributes
    ----------
    ahead : int
        Steps that the caller is going to run in all, of which the next call of :meth:`run` is a
        part; 0 when that is not known. For planning only.
    batch : int, optional
        Items that run at once. Arrays of a state, and what :meth:`read` gives, may then have an
        item axis in front.
    """

    ahead: int = 0
    batch: int | None = None

    @abstractmethod
    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more time steps; ``progress.advance(n)`` is called as they pass."""

    @abstractmethod
    def read(self, name: str) -> NDArray[np.generic]:
        """A copy of an array's current value, in its program shape and dtype."""

    @abstractmethod
    def write(self, name: str, value: NDArray[np.generic]) -> None:
        """Replace an array's value (already checked: shape and dtype are the program's)."""

    def was_set(self, name: str) -> bool:
        """Whether an array may have been written since compilation; True if nobody knows."""
        return True

    @abstractmethod
    def state(self) -> State:
        """A checkpoint of everything that the next step depends on."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Go back (or forward) to a checkpoint of this program, made by any backend."""

    def close(self) -> None:
        """Release processes, folders and memory; the engine cannot run afterwards."""


@dataclass(frozen=True)
class Variant:
    """One way of using a backend that tests and tables name.

    Attributes
    ----------
    title : str
        For the table of backends.
    options : dict
        Options of :func:`neuro.compile`.
    quick : bool
        Whether the conformance suite runs it by default (a compiler takes minutes for all).
    """

    title: str
    options: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = True


class Backend(Protocol):
    """What an entry point of the group ``neuro.backends`` must be."""

    name: str

    def available(self) -> bool | str:
        """``True``, or one sentence: what is missing and how to mend it. Must be quick."""
        ...

    def ways(self) -> Mapping[str, bool | str]:
        """Ways of running that need more than :meth:`available` asks, as options are written.

        ``True``, or what is missing and how to mend it. For ``neuro backends``; may be left out.
        """
        return {}

    def lacks(self, **options: Any) -> Mapping[str, str]:
        """Features that it cannot run with these options, each with the reason.

        The features are those of :data:`neuro.capabilities.FEATURES`.
        """
        ...

    def variants(self) -> Sequence[Variant]:
        """Its ways of running, for the conformance suite and the table of backends."""
        ...

    def compile(self, program: Program, **options: Any) -> Engine:
        """Make an engine. Unknown options raise :class:`neuro.errors.CompileError`."""
        ...

"""The chain of areas at work: images and labels in, answers and new weights out.

The network is :func:`neuro.models.predictive.chain_network.chain_network`; what is here only
starts it afresh for every image and adds up what the rules of the network changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.engine import State
from neuro.errors import DescriptionError
from neuro.learning.chain_settings import ChainSettings
from neuro.learning.spike_intervals import Importance
from neuro.models.predictive.chain_network import chain_network, initial_weights, read_sizes
from neuro.models.predictive.interval_counting import COUNTED, FACTOR, VARIABLES
from neuro.models.predictive.simulation import compiled, quick
from neuro.program import Arrive, Program
from neuro.random import stream

Array = NDArray[np.floating[Any]]

ANSWERED = 100
"""Images that are answered at once, where a backend can."""

KINDS = {
    "weights": ("w",),
    "traces": ("z", "e"),
    "membranes": ("v", "u", "phase"),
    "inputs": ("rate", "label"),
    "importance": VARIABLES,
}
"""State variables by what they are for; counters of spikes serve the report only."""


@dataclass(frozen=True, eq=False)
class Responses:
    """What a chain did when it was shown images.

    Attributes
    ----------
    classes : ndarray, shape [n, classes]
        Activity of the class units at the end, spikes per step.
    errors : ndarray, shape [n, areas - 1]
        Sum of the squared error traces of each area.
    events : dict of str to ndarray, shape [n]
        Spikes of each population of areas, events of each of error units.
    """

    classes: Array
    errors: Array
    events: dict[str, Array]


class PredictiveChain:
    """A chain of areas that learns from labelled images, each shown once for a few steps.

    Parameters
    ----------
    area_sizes : sequence of int
        Units of each area: pixels first, classes last, any number of areas between.
    settings : ChainSettings, optional
        Its ``hidden`` is not read: the sizes are given.
    seed : int
        Seed of the initial weights and of the phases in which units start.
    backend, precision : str
        See :func:`neuro.compile`. On ``torch`` the images of an update, ``batch_size`` of them,
        are simulated at once, elsewhere one after another; the result is the same but for
        rounding.
    **options
        Of the backend; for ``torch`` dense sums in any order unless told otherwise.

    Attributes
    ----------
    weights : dict of str to ndarray
        Current weights ``[pre, post]`` by the projection's name: ``W0``, ``F0``, ``W1``, …
    seen : int
        Images learned from so far.
    importance : dict of int to Importance
        Of the units of each latent area; empty without a regulariser.

    Examples
    --------
    >>> chain = PredictiveChain([64, 32, 10], seed=1, backend="reference", precision="float64")
    >>> chain.learn(np.ones((1, 64)), np.array([3]), rate=0.1)
    >>> chain.respond(np.ones((1, 64))).classes.shape
    (1, 10)
    """

    def __init__(
        self,
        area_sizes: Sequence[int],
        settings: ChainSettings | None = None,
        *,
        seed: int = 0,
        backend: str = "torch",
        precision: str = "float32",
        **options: Any,
    ) -> None:
        self.sizes = read_sizes(area_sizes)
        self.settings = ChainSettings() if settings is None else settings
        self.seed, self.seen = seed, 0
        self.importance = {
            area: Importance(
                size,
                self.settings.regulariser,
                stream(seed, "chain importance", area).permutation(size),
            )
            for area, size in enumerate(self.sizes[1:-1], start=1)
            if self.settings.regulariser != "none"
        }
        start = initial_weights(self.sizes, self.settings.initial_weights, seed)
        chosen = quick(backend, options)

        def stage(plastic: bool, items: int) -> _Stage:
            net = chain_network(self.sizes, self.settings, start, plastic=plastic)
            return _Stage(compiled(net, items, backend, precision, chosen))

        # Weights change in the last step only. Before it a network without plasticity, whose
        # weights all images share, does the same with less memory to move.
        self._quick = stage(False, self.settings.batch_size)
        self._plastic = stage(True, self.settings.batch_size)
        self._answering = stage(False, ANSWERED)
        self.weights = {name: w.astype(self.program.dtype) for name, w in start.items()}

    @property
    def program(self) -> Program:
        """The program that learns."""
        return self._plastic.simulation.program

    def learn(self, images: Array, labels: NDArray[np.int64], rate: float) -> None:
        """Learn from images: the changes that each would make alone are added.

        Parameters
        ----------
        images : ndarray, shape [n, pixels]
            Brightness, not negative.
        labels : ndarray of int, shape [n]
        rate : float
            Learning rate.

        Raises
        ------
        DescriptionError
            Other shapes, a label without a unit, or a rate at which weights grow without bound.
        """
        images, labels = self._checked(images), np.asarray(labels)
        top = len(self.sizes) - 1
        taught = self._taught(len(images), labels)
        values = self._shown(images, [self.seen + i for i in range(len(images))])
        values[f"A{top}.label"] = taught
        before = self._shared()
        before["learning.rate"] = np.array([rate], self.program.dtype)
        after = {name: w.copy() for name, w in self.weights.items()}
        for piece, count in self._quick.pieces(values):
            state = self._quick.run(self._quick.begin({**before, **piece}), self._steps - 1)
            self._plastic.run(replace(state, arrays={**state.arrays, **before}), 1)
            for name, w in after.items():
                for item in self._plastic.read(f"{name}.w", count):
                    w += item - self.weights[name]
            for area, importance in self.importance.items():
                n, s1, s2 = (self._plastic.read(f"A{area}.{c}", count) for c in COUNTED)
                importance.counters.add_sums(n.sum(axis=0), s1.sum(axis=0), s2.sum(axis=0))
        for name, w in after.items():
            if not np.isfinite(w).all():
                raise DescriptionError(
                    f"weights {name} of the chain grow without bound at learning rate {rate:g}"
                    f" with {len(images)} images an update; lower one of the two"
                )
        self.weights = after
        self.seen += len(images)

    def finish_task(self) -> None:
        """Protect what the spikes since the last call say is important, with a regulariser."""
        for importance in self.importance.values():
            importance.finish()

    def respond(self, images: Array) -> Responses:
        """Show images without labels; nothing is learned.

        Units start in the same phases with every image, so that a response depends on nothing
        but the image and the weights.
        """
        images, top = self._checked(images), len(self.sizes) - 1
        values = self._shown(images, [-1] * len(images))
        owners = [f"{kind}{i}" for i in range(top) for kind in "AE"] + [f"A{top}"]
        names = [f"A{top}.z", *(f"E{i}.e" for i in range(top)), *(f"{o}.spikes" for o in owners)]
        sizes = self.program.sizes
        parts: dict[str, list[Array]] = {
            name: [np.zeros((0, sizes[name.split(".")[0]]))] for name in names
        }
        for piece, count in self._answering.pieces(values):
            self._answering.run(self._answering.begin({**self._shared(), **piece}), self._steps)
            for name in names:
                parts[name].append(self._answering.read(name, count))
        found = {name: np.concatenate(rows) for name, rows in parts.items()}
        norm = self.settings.trace_norm
        errors = [np.square(found[f"E{i}.e"] / norm).sum(axis=1) for i in range(top)]
        return Responses(
            found[f"A{top}.z"] / norm,
            np.stack(errors, axis=1),
            {owner: found[f"{owner}.spikes"].sum(axis=1) for owner in owners},
        )

    def get_weights(self) -> list[NDArray[np.float64]]:
        """Copies of the weights: W0, F0, W1, F1, …."""
        return [w.astype(np.float64) for w in self.weights.values()]

    def fan_out(self) -> dict[str, float]:
        """Synapses that an event of each population meets."""
        program = self.program
        found: dict[str, float] = {}
        for step in program.steps:
            if isinstance(step, Arrive):
                synapses, _ = program.connectivity[step.synapses].expand()
                mean = synapses.count / program.sizes[step.source]
                found[step.source] = found.get(step.source, 0.0) + mean
        return found

    def memory(self) -> dict[str, int]:
        """Bytes of the arrays with which an image is learned, by what they are for.

        Those of one image at a time: a simulation of several at once has as many copies of all.
        """
        total: dict[str, int] = {}
        for kind, variables in KINDS.items():
            arrays = [a for a in self.program.arrays.values() if a.variable in variables]
            if kind == "weights":
                arrays = [a for a in arrays if a.owner in self.weights]
            total[kind] = sum(a.initial.nbytes for a in arrays)
        return {**total, "total": sum(total.values())}

    @property
    def _steps(self) -> int:
        return self.settings.presentation

    def _shared(self) -> dict[str, Array]:
        """Weights, and factors on their learning rates, as arrays of a state."""
        shared = {f"{name}.w": w for name, w in self.weights.items()}
        for area, importance in self.importance.items():
            factor = importance.plasticity(self.settings.strength)
            owners = [f"A{area}", *[f"E{area}"] * (area == len(self.sizes) - 2)]
            shared |= {f"{owner}.{FACTOR}": factor.astype(self.program.dtype) for owner in owners}
        return shared

    def _shown(self, images: Array, counters: Sequence[int]) -> dict[str, Array]:
        """Values that each image starts with; a counter keys the phases of the units."""
        total = sum(self.sizes)
        start = {c: stream(self.seed, "chain phases", c).random(total) for c in set(counters)}
        phases = np.array([start[c] for c in counters]).reshape(len(images), total)
        parts = np.split(phases, np.cumsum(self.sizes)[:-1], axis=1)
        rates = self.settings.encoding.rates(images)
        values: dict[str, Array] = {"A0.rate": rates, "A0.phase": parts[0]}
        return values | {f"A{i}.v": part for i, part in enumerate(parts) if i}

    def _taught(self, count: int, labels: NDArray[Any]) -> Array:
        """Rates of the class units that labels drive."""
        top = self.sizes[-1]
        if labels.shape != (count,) or labels.dtype.kind not in "iu":
            raise DescriptionError(
                f"labels have shape {labels.shape} and type {labels.dtype}; {count} images need"
                f" {count} whole numbers"
            )
        for label in labels[(labels < 0) | (labels >= top)]:
            raise DescriptionError(
                f"label {label} has no unit: the last area has units 0..{top - 1}"
            )
        rates = np.zeros((count, top))
        rates[np.arange(count), labels] = self.settings.label_rate
        return rates

    def _checked(self, images: Array) -> Array:
        images = np.asarray(images, np.float64)
        if images.ndim != 2 or images.shape[1] != self.sizes[0]:
            raise DescriptionError(
                f"images have shape {images.shape}; the first area has {self.sizes[0]} units,"
                f" which needs [n, {self.sizes[0]}]"
            )
        if not np.isfinite(images).all() or images.min(initial=0) < 0:
            raise DescriptionError("images have negative or infinite pixels; brightness is >= 0")
        return images


class _Stage:
    """A compiled chain that is shown images, as many at once as it was compiled for."""

    def __init__(self, simulation: nr.Simulation) -> None:
        self.simulation = simulation
        self._fresh = simulation.state()
        self._batch = simulation.engine.batch

    def pieces(self, values: Mapping[str, Array]) -> Iterator[tuple[dict[str, Array], int]]:
        """Cut rows, one per image, into what is shown at once, and say how many rows that is.

        The last piece is filled up with copies of its last row.
        """
        width, dtype = self._batch or 1, self.simulation.program.dtype
        total = len(next(iter(values.values())))
        for first in range(0, total, width):
            chosen = np.minimum(np.arange(first, first + width), total - 1)
            rows = {name: v[chosen].astype(dtype) for name, v in values.items()}
            if self._batch is None:
                rows = {name: v[0] for name, v in rows.items()}
            yield rows, min(width, total - first)

    def begin(self, arrays: Mapping[str, Array]) -> State:
        """The state before the first step, with some arrays changed."""
        return replace(self._fresh, arrays={**self._fresh.arrays, **arrays})

    def run(self, state: State, steps: int) -> State:
        """Run from a state."""
        self.simulation.restore(state)
        self.simulation.run_steps(steps, progress=False)
        return self.simulation.state()

    def read(self, name: str, count: int) -> Array:
        """An array of the first images shown, ``[count, …]``."""
        value: NDArray[Any] = self.simulation.engine.read(name)
        return value[None] if self._batch is None else value[:count]

"""Predictive columns that learn a stream of labelled images, and answer.

All dynamics and all learning happen in the network (:mod:`neuro.models.predictive.network`), on any
backend. Between the steps of an image the driver only does bookkeeping: which columns stand for
which class, which of them learns an image, how many samples each has learned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.atomic import replacing
from neuro.errors import DescriptionError
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.network import ColumnWeights
from neuro.models.predictive.pool import UNKNOWN, ColumnPool
from neuro.models.predictive.simulation import quick
from neuro.models.predictive.stage import Stage, Start
from neuro.random import stream

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

TEST_ITEMS = 100
"""Images that are tested at once, where a backend can."""

STARTS = 256
"""Images whose random starts are drawn together."""


Change = tuple[int, ColumnWeights]
"""A column, and what an image changes of its weights."""

RECORDED = ("A0", "E0", "A1")
"""Populations whose events are counted."""


@dataclass
class Effort:
    """What judging images took.

    Attributes
    ----------
    events : dict
        Spikes (or graded events) by population: A0, E0, A1.
    sensed : int
        Spikes of A0 times the columns that got them.
    steps, column_steps : int
        Time steps of an image; the same for each of its columns.
    """

    events: dict[str, int] = field(default_factory=lambda: dict.fromkeys(RECORDED, 0))
    sensed: int = 0
    steps: int = 0
    column_steps: int = 0

    def add(self, stage: Stage, steps: int) -> None:
        """Count what was just shown on a stage."""
        for population in self.events:
            self.events[population] += stage.spikes(population)
        self.sensed += stage.spikes("A0") * stage.columns
        self.steps += steps * stage.shown
        self.column_steps += steps * stage.shown * stage.columns


class PredictiveColumns:
    """A pool of predictive columns with its driver.

    Parameters
    ----------
    settings : PredictiveSettings
    inputs, n_classes : int
    seed : int
        Of fresh columns and of the random state in which the network meets an image.
    backend : str
        What simulates the network.
    precision : {"float32", "float64"}
        Of the simulation and of the weights.
    **options
        Of the backend; for ``torch`` sums in any order (``ordered=False``) unless told otherwise.

    Attributes
    ----------
    pool : ColumnPool
        Weights, labels and counts.
    shown : int
        Training images so far.
    """

    def __init__(
        self,
        settings: PredictiveSettings,
        inputs: int,
        n_classes: int,
        seed: int = 0,
        *,
        backend: str = "torch",
        precision: str = "float32",
        **options: Any,
    ) -> None:
        self.settings, self.seed, self.inputs = settings, seed, inputs
        self.pool = ColumnPool(settings, inputs, n_classes, seed, precision)
        self.shown = 0
        self._where: dict[str, Any] = {
            "backend": backend,
            "precision": precision,
            "options": quick(backend, options),
        }
        self._lessons: dict[tuple[int, int], Stage] = {}

    def on(
        self, backend: str, *, precision: str | None = None, **options: Any
    ) -> PredictiveColumns:
        """A copy of these columns that another backend simulates.

        Parameters
        ----------
        backend : str
        precision : {"float32", "float64"}, optional
            As here when not given.
        **options
            Of the backend.

        Returns
        -------
        PredictiveColumns
            With what was learned so far; neither learns from the other any more.
        """
        precision = precision or self._where["precision"]
        sizes = self.inputs, self.pool.n_classes, self.seed
        other = PredictiveColumns(
            self.settings, *sizes, backend=backend, precision=precision, **options
        )
        other.pool, other.shown = deepcopy(self.pool), self.shown
        other.pool.weights = self.pool.weights.astype(precision)
        return other

    # --- learning ---

    def learn(self, images: NDArray[np.floating], labels: IntArray) -> None:
        """Learn one mini-batch: weights are those before it for all its images.

        Parameters
        ----------
        images : ndarray, shape [n, inputs]
            Brightness, not negative.
        labels : ndarray of int, shape [n]
            -1 where the class is unknown: the column that predicts the image best learns it, if no
            column of another class comes close. For images of all classes mixed, once a few of
            each have been learned: class after class it does harm.
        """
        if images.ndim != 2 or images.shape[1] != self.inputs or len(images) != len(labels):
            raise DescriptionError(
                f"learn: images {images.shape} and labels {np.shape(labels)}; expected"
                f" [n, {self.inputs}] and [n]"
            )
        given = [int(label) for label in labels]
        for label in given:
            if label != UNKNOWN and not 0 <= label < self.pool.n_classes:
                raise DescriptionError(
                    f"learn: label {label} is no class; expected 0 to {self.pool.n_classes - 1}, or"
                    " -1 if it is unknown"
                )
        columns = [self.pool.candidates(label) for label in given]
        spares = self.pool.spares(given)
        start = self._starts("training", self.shown, images)
        changes: dict[int, Change] = {}
        known = [i for i, own in enumerate(columns) if len(own)]
        if known:
            stage = self._lesson(max(map(len, columns)), len(known))
            for first in range(0, len(known), stage.items):
                part = known[first : first + stage.items]
                shown = [(given[i], columns[i]) for i in part]
                found = self._learn_among(stage, shown, start[part], spares)
                changes |= {part[row]: change for row, change in found.items()}
        recruits = {
            i: spares[label]
            for i, label in enumerate(given)
            if label in spares and i not in changes
        }
        if recruits:
            changes |= self._recruit(recruits, start)
            self.pool.label[list(recruits.values())] = [given[i] for i in recruits]
        in_order = [changes[i] for i in sorted(changes)]
        self.pool.add(in_order, stream(self.seed, "rounding", self.shown))
        self.shown += len(images)

    def _learn_among(
        self,
        stage: Stage,
        images: Sequence[tuple[int, IntArray]],
        start: Start,
        spares: Mapping[int, int],
    ) -> dict[int, Change]:
        """Show images, each to columns of its own, one of which may learn it.

        Parameters
        ----------
        stage : Stage
        images : sequence of (int, ndarray)
            Label of each image, and its columns.
        start : Start
            The images.
        spares : mapping
            Free column of a class.

        Returns
        -------
        dict
            By the place of the image. Those that a free column is to learn are not there.
        """
        slots = stage.columns
        places = np.array([np.resize(columns, slots) for _, columns in images])
        before = self.pool.weights[places]
        power = stage.show(start, before, plasticity=self.pool.plasticity(places))
        totals = stage.totals(len(images))
        gates = np.zeros(places.shape)
        for row, (label, columns) in enumerate(images):
            left = power[row, : len(columns)]
            if label == UNKNOWN:
                column = self.pool.guessed(columns, left)
            else:
                column = self.pool.learner(columns, left, totals[row], spares.get(label))
            if column is not None and column in columns:
                gates[row, np.flatnonzero(columns == column)] = self._rate(column)
        return self._changes(stage, places, before, gates)

    def _recruit(self, recruits: dict[int, int], start: Start) -> dict[int, Change]:
        """Images by number, and the free column that each is shown to and that learns it.

        A column meets an image in the same way whether others are there or not, so those that are
        rarely needed are not simulated for every image.
        """
        stage = self._lesson(1, len(recruits))
        changes: dict[int, Change] = {}
        for first in range(0, len(recruits), stage.items):
            part = list(recruits)[first : first + stage.items]
            places = np.array([[recruits[i]] for i in part])
            before = self.pool.weights[places]
            stage.show(start[part], before)
            gates = np.array([[self._rate(recruits[i])] for i in part])
            found = self._changes(stage, places, before, gates)
            changes |= {part[row]: change for row, change in found.items()}
        return changes

    def _changes(
        self, stage: Stage, places: IntArray, before: ColumnWeights, gates: FloatArray
    ) -> dict[int, Change]:
        """Open gates of columns, and tell by image what the column that learns it changes."""
        after = stage.learn(gates)
        learners = list(zip(*np.nonzero(gates), strict=True))
        if self.pool.importance:
            n, s1, s2 = stage.intervals(len(gates))
            for one in learners:
                self.pool.importance[places[one]].counters.add_sums(n[one], s1[one], s2[one])
        return {one[0]: (int(places[one]), after[one] - before[one]) for one in learners}

    def _rate(self, column: int) -> float:
        return self.settings.rate(self.pool.learned[column])

    def _lesson(self, slots: int, images: int) -> Stage:
        """The network in which so many columns learn, for so many images or some more."""
        items = self.settings.batch_size
        while items < images:
            items *= 2
        if (slots, items) not in self._lessons:
            blank = self.pool.weights[np.zeros(slots, np.int64)]
            self._lessons[slots, items] = Stage(
                self.settings, blank, learning=True, items=items, **self._where
            )
        return self._lessons[slots, items]

    def _starts(self, purpose: str, first: int, images: NDArray[np.floating]) -> Start:
        """Rates of the images, and the random state in which the network meets them.

        Latent units of all columns start alike, so that a column meets an image in the same way
        however many others there are.
        """
        width = self.inputs + self.settings.latents
        numbers = np.empty((len(images), width))
        for block in range(first // STARTS, -(-(first + len(images)) // STARTS)):
            drawn = stream(self.seed, f"{purpose} starts", block).random((STARTS, width))
            begin = block * STARTS
            low, high = max(first, begin), min(first + len(images), begin + STARTS)
            numbers[low - first : high - first] = drawn[low - begin : high - begin]
        phases, membranes = np.split(numbers, [self.inputs], axis=1)
        return Start(self.settings.encoding.rates(images), phases, membranes)

    # --- answers ---

    def errors(
        self, images: NDArray[np.floating], effort: Effort | None = None
    ) -> FloatArray:
        """Error power that each used column leaves; infinite for columns that were dropped.

        Parameters
        ----------
        images : ndarray, shape [n, inputs]
        effort : Effort, optional
            Is told what it took.

        Returns
        -------
        ndarray, shape [n, used columns]
        """
        settings = self.settings
        steps = settings.answer_after or settings.presentation
        start, weights = self._starts("test", 0, images), self.pool.weights[self.pool.used]
        if not 0 < settings.shortlist < weights.columns:
            return self._shown(start, weights, steps, effort)
        first = self._shown(start, weights, settings.glance, effort)
        best = np.sort(np.argpartition(first, settings.shortlist)[:, : settings.shortlist], axis=1)
        found = np.full(first.shape, np.inf)
        np.put_along_axis(found, best, self._shown(start, weights, steps, effort, best), axis=1)
        return found

    def _shown(
        self,
        start: Start,
        weights: ColumnWeights,
        steps: int,
        effort: Effort | None,
        chosen: IntArray | None = None,
    ) -> FloatArray:
        """Errors of all columns, or of those that are chosen for each image."""
        where = {**self._where, "record": () if effort is None else RECORDED}
        items = min(TEST_ITEMS, max(len(start), 1))
        if chosen is None:
            stage = Stage(self.settings, weights, items=items, **where)
        else:  # columns of its own for every image: weights that can differ, though none learns
            stage = Stage(self.settings, weights[chosen[0]], items=items, learning=True, **where)
        found = [np.empty((0, weights.columns if chosen is None else chosen.shape[1]))]
        for first in range(0, len(start), stage.items):
            part = slice(first, first + stage.items)
            own = None if chosen is None else weights[chosen[part]]
            found.append(stage.show(start[part], own, steps=steps))
            if effort is not None:
                effort.add(stage, steps)
        return np.concatenate(found)

    def scores(self, images: NDArray[np.floating]) -> FloatArray:
        """Less the smallest error of each class's columns, ``[n, classes]``; -inf for none."""
        errors, label = self.errors(images), self.pool.label[self.pool.used]
        found = np.full((len(images), self.pool.n_classes), -np.inf)
        for k, c in enumerate(label):
            np.maximum(found[:, c], -errors[:, k], out=found[:, c])
        return found

    def predict(self, images: NDArray[np.floating]) -> IntArray:
        """Class of the column that predicts best, shape [n]."""
        return np.asarray(self.scores(images).argmax(axis=1))

    # --- on disk ---

    def save(self, path: Path, *, done: int = 0) -> None:
        """Keep what was learned in a file, which is whole or absent whenever the power fails.

        Parameters
        ----------
        path : Path
        done : int
            A number to keep with it, for example of the images of a task learned so far.
        """
        pool, used = self.pool, self.pool.used
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                settings=json.dumps(self.settings.to_json()),
                numbers=np.array([self.seed, self.inputs, pool.n_classes, self.shown, done]),
                used=used,
                label=pool.label[used],
                learned=pool.learned[used],
                feedback=pool.weights.feedback[used],
                feedforward=pool.weights.feedforward[used],
                prior=pool.weights.prior[used],
                importance=[pool.importance[c].largest for c in used if pool.importance],
                intervals=[pool.importance[c].counters.sums() for c in used if pool.importance],
            )

    def load(self, path: Path) -> int:
        """Take back what :meth:`save` kept, and the number kept with it.

        Raises
        ------
        DescriptionError
            If it was learned with other settings, sizes or another seed.
        """
        with np.load(path) as kept:
            seed, inputs, n_classes, shown, done = (int(n) for n in kept["numbers"])
            ours = (self.seed, self.inputs, self.pool.n_classes, self.settings.to_json())
            theirs = (seed, inputs, n_classes, json.loads(str(kept["settings"])))
            if json.dumps(ours) != json.dumps(theirs):
                raise DescriptionError(
                    f"{path} holds columns of another run (seed, inputs, classes, settings):"
                    f" {theirs}; here they are {ours}"
                )
            pool = ColumnPool(self.settings, inputs, n_classes, seed, self._where["precision"])
            used = kept["used"]
            pool.label[used], pool.learned[used] = kept["label"], kept["learned"]
            pool.weights.feedback[used] = kept["feedback"]
            pool.weights.feedforward[used] = kept["feedforward"]
            pool.weights.prior[used] = kept["prior"]
            for c, largest, sums in zip(used, kept["importance"], kept["intervals"], strict=False):
                pool.importance[c].largest = largest
                pool.importance[c].counters.add_sums(*sums)
        self.pool, self.shown = pool, shown
        return done

    def get_weights(self) -> list[FloatArray]:
        """Copies of feedback, feedforward and prior weights of the used columns."""
        w = self.pool.weights[self.pool.used]
        return [w.feedback, w.feedforward, w.prior]

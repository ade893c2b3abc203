"""Continual learning: tasks in order, one shared output, sleep after each task.

:mod:`neuro.learning.protocol` says what may be asked for, :mod:`neuro.learning.tasks` which images
that makes of a data set. Each task is trained on its own images (plus a rehearsed fraction of the
earlier ones), then the network may sleep. After every training and every sleep the network is
tested on all classes, without being told the task (in the scenario ``"task"`` it is told, and
answers with a class of that task).

The module knows neither the network nor the sleep: a :class:`Learner` and a
:class:`Consolidation` are passed in. All randomness comes from
:func:`neuro.random.stream`, keyed by the seed, a purpose and the task.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning import metrics
from neuro.learning.continual_results import SeedResult, SleepSummary, defined, merits
from neuro.learning.protocol import ContinualProtocol
from neuro.learning.tasks import (
    Exam,
    Images,
    Indices,
    Labels,
    Schedule,
    Task,
    class_groups,
    rehearsed,
    schedule,
    stored,
    task_groups,
)
from neuro.progress import Progress, Silent
from neuro.random import stream

__all__ = [
    "Consolidation",
    "ContinualProtocol",
    "Exam",
    "Learner",
    "Measured",
    "Meter",
    "Moment",
    "Observer",
    "Schedule",
    "ScoringLearner",
    "SeedResult",
    "SleepSummary",
    "Task",
    "class_groups",
    "rehearsed",
    "run_seed",
    "schedule",
    "silent_meter",
    "task_groups",
    "within_task",
]

Meter = Callable[[int, str, str], AbstractContextManager[Progress]]
"""Makes a progress meter from (total, label, unit); :class:`neuro.progress.Bar` is one."""


def silent_meter(total: int, label: str, unit: str) -> AbstractContextManager[Progress]:
    """A meter that shows nothing."""
    return nullcontext(Silent())


@runtime_checkable
class Learner(Protocol):
    """A classifier that is trained on one task after another."""

    epochs: int

    def fit(
        self, images: Images, labels: Labels, stream: np.random.Generator, progress: Progress
    ) -> None:
        """Train on images [n, features] in [0, 1]; ``progress`` counts presented images.

        They come in no order that a learner may rely on; one that minds shuffles them with
        ``stream``.
        """
        ...

    def predict(self, images: Images) -> Labels:
        """Predicted classes, shape [n], of images [n, features]."""
        ...


@runtime_checkable
class ScoringLearner(Learner, Protocol):
    """A learner that says how much each class fits, needed by the scenario ``"task"``."""

    def scores(self, images: Images) -> NDArray[np.floating]:
        """Scores [n, classes] of images [n, features]; the largest is the answer."""
        ...


@runtime_checkable
class Measured(Protocol):
    """A learner that measures more than its answers: its size, its memory, its spikes."""

    def measures(self) -> Mapping[str, Any]:
        """Plain data for JSON by name, as things are now."""
        ...


@runtime_checkable
class Consolidation(Protocol):
    """What happens to a learner between two tasks."""

    def steps(self, task: int) -> int:
        """Time steps that the sleep after this task takes; 0: no sleep."""
        ...

    def __call__(
        self,
        learner: Any,
        task: int,
        seen_mean_image: NDArray[np.float64],
        seed: int,
        progress: Progress,
    ) -> SleepSummary:
        """Change the learner in place.

        ``seen_mean_image`` has shape [features]: the mean of all images trained on so far, all
        that sleep is told of them. ``seed`` differs between sleeps.
        """
        ...


def within_task(
    scores: NDArray[np.floating], labels: Labels, groups: Sequence[Sequence[int]]
) -> Labels:
    """Best class of each image among those of its task.

    Parameters
    ----------
    scores : ndarray, shape [n, classes]
        The larger, the better.
    labels : ndarray, shape [n]
        Actual classes, which say the task.
    groups : sequence of sequences of int
        Classes of each task.
    """
    answers = np.empty(len(labels), np.int64)
    for group in groups:
        rows = np.isin(labels, group)
        answers[rows] = np.asarray(group)[scores[rows][:, list(group)].argmax(axis=1)]
    return answers


@dataclass(frozen=True, eq=False)
class Moment:
    """What an observer sees just before or just after a sleep.

    Attributes
    ----------
    learner : Learner
        As it is now; to be looked at, not changed.
    task : int
        Zero-based index of the task just learned.
    plan : Schedule
        All images and tasks.
    predicted : int64 array [test images]
        The learner's answers to ``plan.test_images``.
    """

    learner: Any
    task: int
    plan: Schedule
    predicted: Labels

    @property
    def seen(self) -> tuple[int, ...]:
        """Classes learned so far."""
        learned = (c for task in self.plan.tasks[: self.task + 1] for c in task.classes)
        return tuple(dict.fromkeys(learned))


Raster = Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]


@runtime_checkable
class Observer(Protocol):
    """Looks on while a learner sleeps; it changes nothing, and draws from no stream of the run."""

    def before_sleep(self, moment: Moment) -> None:
        """Called by the protocol after a training, if a sleep follows."""
        ...

    def asleep(self, steps: int, raster: Raster) -> None:
        """Called by a :class:`Consolidation` that has spikes, once a sleep.

        ``raster`` holds (steps, units) of every spike of each layer, input first; layer l runs l
        steps behind the input, so ``step < steps + l``.
        """
        ...

    def after_sleep(self, moment: Moment) -> None:
        """Called by the protocol after the sleep."""
        ...


@dataclass
class _SeenMean:
    """Running mean of the images trained on; rehearsed ones are not counted twice."""

    total: NDArray[np.float64]
    count: int = field(default=0)

    def add(self, images: Images) -> NDArray[np.float64]:
        self.total += images.sum(axis=0, dtype=np.float64)
        self.count += len(images)
        return self.total / self.count


def run_seed(
    dataset: Dataset,
    protocol: ContinualProtocol,
    learner: Learner,
    sleep: Consolidation | None,
    seed: int,
    *,
    meter: Meter = silent_meter,
    observer: Observer | None = None,
) -> SeedResult:
    """Run the whole protocol once.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    protocol : ContinualProtocol
        What is trained and tested.
    learner : Learner
        Fresh; it is changed.
    sleep : Consolidation or None
        Called after each task for which it announces steps; None: never.
    seed : int
        Seed of image choice, rehearsal, presentation order and sleep (the learner's initial
        weights are its own affair).
    meter : callable
        Makes the progress meter of each training and each sleep.
    observer : Observer, optional
        Sees the learner before and after each sleep (its spikes, if the sleep shows them).

    Returns
    -------
    SeedResult
    """
    if protocol.scenario == "task" and not isinstance(learner, ScoringLearner):
        raise DescriptionError("scenario 'task' needs a learner that scores classes")
    if protocol.is_domain and observer is not None:
        raise DescriptionError(
            f"an observer looks on at tasks of different classes; protocol {protocol.kind!r} has "
            "all classes in each"
        )
    plan = schedule(dataset, protocol, seed)
    told = protocol.scenario == "task"

    rows: list[NDArray[np.float64]] = []
    summaries: list[SleepSummary] = []
    trained: list[int] = []
    now = before = _Answers.none()
    seen = _SeenMean(np.zeros(plan.train_images.shape[1]))
    for number, task in enumerate(plan.tasks):
        again = _again(plan.tasks[:number], len(task.chosen), protocol, seed)
        images, labels = plan.training(np.concatenate([task.chosen, again]))
        trained.append(len(labels))
        what = f"task {number + 1}/{len(plan.tasks)}"
        with meter(len(labels) * learner.epochs, f"seed {seed}, {what}: train", "image") as bar:
            learner.fit(images, labels, stream(seed, "training", number), bar)
        mean_image = seen.add(images[: len(task.chosen)])
        now = _asked(learner, plan, number, told)
        rows.append(now.accuracies(len(plan.groups)))
        steps = sleep.steps(number) if sleep is not None else 0
        if sleep is not None and steps > 0:
            before = now
            if observer is not None:
                observer.before_sleep(Moment(learner, number, plan, now.predicted))
            night = int(stream(seed, "sleep", number).integers(2**31))
            with meter(steps, f"seed {seed}, {what}: sleep", "step") as bar:
                summaries.append(sleep(learner, number, mean_image, night, bar))
            now = _asked(learner, plan, number, told)
            if observer is not None:
                observer.after_sleep(Moment(learner, number, plan, now.predicted))
        rows.append(now.accuracies(len(plan.groups)))
    if not summaries:
        before = now
    return SeedResult(
        seed=seed,
        final_accuracy=float(rows[-1][-1]),
        accuracy_matrix=tuple(defined(row) for row in rows),
        per_class=defined(now.per_class(dataset.n_classes)),
        confusion_before=before.confusion(dataset.n_classes),
        confusion_after=now.confusion(dataset.n_classes),
        sleep=tuple(summaries),
        images_trained=tuple(trained),
        measures=_measures(learner, plan, protocol.rehearsal),
        **merits(np.array(rows)[1::2, :-1]),
    )


def _again(previous: Sequence[Task], new: int, protocol: ContinualProtocol, seed: int) -> Indices:
    """Earlier samples that are mixed into the next task's, of which there are ``new``."""
    if protocol.rehearsed_from == "store":
        draw = partial(stream, seed, "store")
        return stored(previous, protocol.rehearsal, new, draw)
    generator = stream(seed, "rehearsal", len(previous))
    return rehearsed(previous, protocol.rehearsal, generator)


def _measures(learner: Learner, plan: Schedule, rehearsal: float) -> dict[str, Any]:
    """What a learner measured of itself, and the memory that rehearsal takes beside it.

    ``memory_bytes``, if it has parts, gets the part ``buffer``: float32 images and int64 labels of
    the rehearsed share of all that was trained on. (The fresh draw of every task would need all of
    them; a method that keeps one draw needs the share.)
    """
    if not isinstance(learner, Measured):
        return {}
    found = dict(learner.measures())
    memory = found.get("memory_bytes")
    if rehearsal and isinstance(memory, Mapping):
        kept = round(rehearsal * sum(len(task.chosen) for task in plan.tasks))
        size = kept * (4 * plan.train_images.shape[1] + 8)
        parts = {**memory, "buffer": memory.get("buffer", 0) + size}
        if "total" in parts:
            parts["total"] += size
        found["memory_bytes"] = parts
    return found


@dataclass(frozen=True, eq=False)
class _Answers:
    """Answers to all that was asked after a task: true and given class, and column, of each."""

    labels: Labels
    predicted: Labels
    columns: NDArray[np.intp]

    @classmethod
    def none(cls) -> _Answers:
        empty = np.empty(0, np.int64)
        return cls(empty, empty, np.empty(0, np.intp))

    def accuracies(self, n_columns: int) -> NDArray[np.float64]:
        """A row of the accuracy matrix."""
        return metrics.column_accuracies(self.labels, self.predicted, self.columns, n_columns)

    def per_class(self, n_classes: int) -> NDArray[np.float64]:
        return metrics.per_class_accuracy(self.labels, self.predicted, n_classes)

    def confusion(self, n_classes: int) -> tuple[tuple[int, ...], ...]:
        counts = metrics.confusion_matrix(self.labels, self.predicted, n_classes)
        return tuple(tuple(int(n) for n in row) for row in counts)


def _asked(learner: Learner, plan: Schedule, task: int, told: bool) -> _Answers:
    """Ask all that is to be asked after a task."""
    exams = plan.exams_after(task)
    labels, predicted = [], []
    for exam in exams:
        images, actual = plan.testing(exam.samples)
        labels.append(actual)
        if told and isinstance(learner, ScoringLearner):
            predicted.append(within_task(learner.scores(images), actual, plan.groups))
        else:
            predicted.append(learner.predict(images))
    columns = [exam.columns for exam in exams]
    return _Answers(np.concatenate(labels), np.concatenate(predicted), np.concatenate(columns))

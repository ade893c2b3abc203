"""The class-incremental protocol: tasks in order, one shared output, sleep after each task.

Classes come in label order, ``classes_per_task`` at a time (in a sequence of data sets, a task
has classes of one set only). Each task is trained on its own
images (plus a rehearsed fraction of the earlier ones), then the network may sleep. After every
training and every sleep the network is tested on all classes, without being told the task (in
the scenario ``"task"`` it is told, and answers with a class of that task).

The module knows neither the network nor the sleep: a :class:`Learner` and a
:class:`Consolidation` are passed in. All randomness comes from
:func:`neuro.random.stream`, keyed by the seed, a purpose and the task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning import metrics
from neuro.learning.continual_results import SeedResult, SleepSummary, defined, merits
from neuro.progress import Progress, Silent
from neuro.random import stream

Images = NDArray[np.float32]
Labels = NDArray[np.int64]

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
        """Train on images [n, features] in [0, 1]; ``progress`` counts presented images."""
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


@dataclass(frozen=True)
class ContinualProtocol:
    """Which images are learned when, and which are tested; see the module's docstring.

    Attributes
    ----------
    classes_per_task : int
        Classes that arrive together, in label order; see :func:`task_groups`.
    images_per_task : int or None
        Training images drawn for each task, without replacement and without class balancing;
        None: all.
    rehearsal : float
        Fraction, 0 to 1, of the pooled training images of all previous tasks that is mixed into
        the next task's images: a fresh draw for every task, uniform, not balanced by class,
        rounded to the nearest image. It is drawn from images that were trained on before, never
        from images beyond ``images_per_task``.
    joint : bool
        All tasks in one: the upper bound. The images are those of the separate tasks.
    evaluate_on : {"test", "validation"}
        ``"validation"`` withholds the last ``validation_fraction`` of the training set, never
        trains on it and tests on it: what tuning must use. ``"test"`` trains on the whole
        training set and tests on the test set.
    validation_fraction : float
        See ``evaluate_on``.
    scenario : {"class", "task"}
        What is asked: ``"class"``, which of all classes (class-incremental learning);
        ``"task"``, which class of the image's own task (task-incremental learning, van de Ven &
        Tolias 2019, arXiv:1904.07734), for a :class:`ScoringLearner`.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    classes_per_task: int = 2
    images_per_task: int | None = None
    rehearsal: float = 0.0
    joint: bool = False
    evaluate_on: str = "test"
    validation_fraction: float = 1 / 6
    scenario: str = "class"

    def __post_init__(self) -> None:
        if self.classes_per_task < 1:
            raise DescriptionError(f"classes_per_task is {self.classes_per_task}; at least 1")
        if self.images_per_task is not None and self.images_per_task < 1:
            raise DescriptionError(
                f"images_per_task is {self.images_per_task}; at least 1, or None for all"
            )
        if not 0 <= self.rehearsal <= 1:
            raise DescriptionError(f"rehearsal is {self.rehearsal}; a fraction from 0 to 1")
        if self.evaluate_on not in ("test", "validation"):
            raise DescriptionError(
                f"evaluate_on is {self.evaluate_on!r}; choose 'test' or 'validation'"
            )
        if not 0 < self.validation_fraction < 1:
            raise DescriptionError(
                f"validation_fraction is {self.validation_fraction}; between 0 and 1"
            )
        if self.scenario not in ("class", "task"):
            raise DescriptionError(f"scenario is {self.scenario!r}; choose 'class' or 'task'")


@dataclass(frozen=True, eq=False)
class Task:
    """The training images of one task, before rehearsal: indices into the training set."""

    classes: tuple[int, ...]
    chosen: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Schedule:
    """A protocol applied to a data set with one seed.

    Attributes
    ----------
    tasks : tuple of Task
        In the order of learning (one, if joint).
    groups : tuple of tuples of int
        Classes of each column of the accuracy matrix: the tasks, also when training is joint.
    train_images, train_labels, test_images, test_labels : ndarray
        Flattened; the test part is what ``evaluate_on`` says.
    """

    tasks: tuple[Task, ...]
    groups: tuple[tuple[int, ...], ...]
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


def class_groups(n_classes: int, classes_per_task: int) -> tuple[tuple[int, ...], ...]:
    """Classes in label order, a few at a time; the last group may be smaller."""
    classes = range(n_classes)
    return tuple(
        tuple(classes[i : i + classes_per_task]) for i in range(0, n_classes, classes_per_task)
    )


def task_groups(dataset: Dataset, classes_per_task: int) -> tuple[tuple[int, ...], ...]:
    """Classes of each task of a data set.

    In a sequence of data sets no task has classes of two of them: with as many classes a task as
    the largest set has, each set is one task.
    """
    groups: list[tuple[int, ...]] = []
    first = 0
    for _, count in dataset.parts:
        own = class_groups(count, classes_per_task)
        groups += [tuple(first + c for c in group) for group in own]
        first += count
    return tuple(groups)


def schedule(dataset: Dataset, protocol: ContinualProtocol, seed: int) -> Schedule:
    """Choose the images of every task.

    Raises
    ------
    DescriptionError
        If a task has no training image.
    """
    images, labels = dataset.train_images, dataset.train_labels
    test_images, test_labels = dataset.test_images, dataset.test_labels
    if protocol.evaluate_on == "validation":
        kept = len(labels) - round(len(labels) * protocol.validation_fraction)
        test_images, test_labels = images[kept:], labels[kept:]
        images, labels = images[:kept], labels[:kept]
        if len(labels) == 0 or len(test_labels) == 0:
            raise DescriptionError(
                f"{dataset.name!r} has too few training images to withhold a validation part"
            )
    groups = task_groups(dataset, protocol.classes_per_task)
    tasks = []
    for number, classes in enumerate(groups):
        pool = np.flatnonzero(np.isin(labels, classes))
        if len(pool) == 0:
            raise DescriptionError(f"{dataset.name!r} has no training image of classes {classes}")
        if protocol.images_per_task is not None:
            draw = stream(seed, "task images", number)
            pool = np.sort(draw.permutation(pool)[: protocol.images_per_task])
        tasks.append(Task(classes, pool))
    if protocol.joint:
        everything = np.concatenate([task.chosen for task in tasks])
        tasks = [Task(tuple(c for group in groups for c in group), everything)]
    return Schedule(
        tuple(tasks),
        groups,
        dataset.flat(images),
        labels,
        dataset.flat(test_images),
        test_labels,
    )


def rehearsed(
    previous: Sequence[Task], fraction: float, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Indices of the earlier training images that are mixed into the next task.

    Parameters
    ----------
    previous : sequence of Task
        Tasks already learned.
    fraction : float
        Part of their pooled images, 0 to 1; the count is rounded to the nearest image.
    generator : numpy.random.Generator
        Draws uniformly, without replacement and without class balancing.
    """
    if not previous or fraction == 0:
        return np.empty(0, dtype=np.intp)
    pool = np.concatenate([task.chosen for task in previous])
    return generator.permutation(pool)[: round(fraction * len(pool))]


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
        return tuple(c for task in self.plan.tasks[: self.task + 1] for c in task.classes)


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
    plan = schedule(dataset, protocol, seed)

    def tested() -> tuple[NDArray[np.float64], Labels]:
        if isinstance(learner, ScoringLearner) and protocol.scenario == "task":
            scores = learner.scores(plan.test_images)
            predicted = within_task(scores, plan.test_labels, plan.groups)
        else:
            predicted = learner.predict(plan.test_images)
        return metrics.group_accuracies(plan.test_labels, predicted, plan.groups), predicted

    rows: list[NDArray[np.float64]] = []
    summaries: list[SleepSummary] = []
    trained: list[int] = []
    predicted = before = np.empty(0, dtype=np.int64)
    seen = _SeenMean(np.zeros(plan.train_images.shape[1]))
    for number, task in enumerate(plan.tasks):
        again = rehearsed(
            plan.tasks[:number], protocol.rehearsal, stream(seed, "rehearsal", number)
        )
        chosen = np.concatenate([task.chosen, again])
        trained.append(len(chosen))
        what = f"task {number + 1}/{len(plan.tasks)}"
        with meter(len(chosen) * learner.epochs, f"seed {seed}, {what}: train", "image") as bar:
            learner.fit(
                plan.train_images[chosen],
                plan.train_labels[chosen],
                stream(seed, "training", number),
                bar,
            )
        mean_image = seen.add(plan.train_images[task.chosen])
        row, predicted = tested()
        rows.append(row)
        steps = sleep.steps(number) if sleep is not None else 0
        if sleep is not None and steps > 0:
            before = predicted
            if observer is not None:
                observer.before_sleep(Moment(learner, number, plan, predicted))
            night = int(stream(seed, "sleep", number).integers(2**31))
            with meter(steps, f"seed {seed}, {what}: sleep", "step") as bar:
                summaries.append(sleep(learner, number, mean_image, night, bar))
            row, predicted = tested()
            if observer is not None:
                observer.after_sleep(Moment(learner, number, plan, predicted))
        rows.append(row)
    if not summaries:
        before = predicted

    def confusion(guesses: Labels) -> tuple[tuple[int, ...], ...]:
        counts = metrics.confusion_matrix(plan.test_labels, guesses, dataset.n_classes)
        return tuple(tuple(int(n) for n in counts_row) for counts_row in counts)

    per_class = metrics.per_class_accuracy(plan.test_labels, predicted, dataset.n_classes)
    return SeedResult(
        seed=seed,
        final_accuracy=float(rows[-1][-1]),
        accuracy_matrix=tuple(defined(row) for row in rows),
        per_class=defined(per_class),
        confusion_before=confusion(before),
        confusion_after=confusion(predicted),
        sleep=tuple(summaries),
        images_trained=tuple(trained),
        **merits(np.array(rows)[1::2, :-1]),
    )

"""A protocol applied to a data set: the images of every task, and how each task sees them.

All randomness comes from :func:`neuro.random.stream`, keyed by the seed, a purpose and the task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning.protocol import ContinualProtocol
from neuro.random import stream

Images = NDArray[np.float32]
Labels = NDArray[np.int64]
Indices = NDArray[np.intp]
Groups = tuple[tuple[int, ...], ...]

View = Callable[[Images], Images]
"""How a task sees images: changes rows ``[n, features]``, one image each."""


# --- how a task sees images ------------------------------------------------------------------


def unchanged(images: Images) -> Images:
    """The view of a task that takes images as they are."""
    return images


def permuted(shape: tuple[int, ...], order: Indices) -> View:
    """The view through a permutation of pixels; the colours of a pixel stay together.

    Parameters
    ----------
    shape : tuple of int
        Of one image, ``(height, width)`` or ``(height, width, colour)``.
    order : ndarray, shape [height * width]
        Pixel ``i`` shows what pixel ``order[i]`` had.
    """

    def view(images: Images) -> Images:
        pixels = images.reshape(len(images), shape[0] * shape[1], -1)
        return pixels[:, order].reshape(images.shape)

    return view


def rotated(shape: tuple[int, ...], degrees: float) -> View:
    """The view of images turned anticlockwise about their centre.

    Values are interpolated linearly; corners that come from outside are black.

    Parameters
    ----------
    shape : tuple of int
        Of one image, ``(height, width)`` or ``(height, width, colour)``.
    degrees : float
        Angle.
    """
    from scipy.ndimage import rotate

    if degrees % 360 == 0:
        return unchanged

    def view(images: Images) -> Images:
        turned = rotate(
            images.reshape(len(images), *shape), degrees, axes=(2, 1), reshape=False, order=1
        )
        clipped: Images = np.clip(turned, 0, 1).reshape(images.shape).astype(np.float32)
        return clipped

    return view


def _views(shape: tuple[int, ...], protocol: ContinualProtocol, seed: int) -> tuple[View, ...]:
    """The views of all tasks; those of split tasks are one.

    Task 0 of a domain-incremental sequence sees images as they are. Angles are spaced evenly over
    180 degrees: the range of Lopez-Paz & Ranzato 2017 (arXiv:1706.08840, MNIST rotations), who
    draw each task's angle within such a step.
    """
    if protocol.kind == "split":
        return (unchanged,)
    count = protocol.domain_tasks
    if protocol.kind == "rotated":
        return tuple(rotated(shape, task * 180 / count) for task in range(count))
    pixels = shape[0] * shape[1]
    others = (
        permuted(shape, stream(seed, "pixel permutation", task).permutation(pixels))
        for task in range(1, count)
    )
    return (unchanged, *others)


# --- which classes make a task ---------------------------------------------------------------


def class_groups(n_classes: int, classes_per_task: int) -> Groups:
    """Classes in label order, a few at a time; the last group may be smaller."""
    return _in_groups(range(n_classes), classes_per_task)


def _in_groups(classes: Sequence[int], size: int) -> Groups:
    return tuple(
        tuple(int(c) for c in classes[i : i + size]) for i in range(0, len(classes), size)
    )


def task_groups(dataset: Dataset, classes_per_task: int) -> Groups:
    """Classes of each task of a data set, in label order.

    In a sequence of data sets no task has classes of two of them: with as many classes a task as
    the largest set has, each set is one task.
    """
    return _task_groups(dataset, classes_per_task, None)


def _task_groups(dataset: Dataset, classes_per_task: int, seed: int | None) -> Groups:
    groups: list[tuple[int, ...]] = []
    first = 0
    for number, (_, count) in enumerate(dataset.parts):
        classes = np.arange(first, first + count)
        if seed is not None:
            classes = stream(seed, "class order", number).permutation(classes)
        groups += _in_groups(classes.tolist(), classes_per_task)
        first += count
    return tuple(groups)


def column_classes(dataset: Dataset, protocol: ContinualProtocol, seed: int) -> Groups:
    """Classes of each column of the accuracy matrix: of each task, also when training is joint.

    Raises
    ------
    DescriptionError
        If the classes cannot be shared out among as many tasks.
    """
    if protocol.is_domain:
        return (tuple(range(dataset.n_classes)),) * protocol.domain_tasks
    size = protocol.classes_per_task
    if protocol.tasks is not None:
        size = max(1, dataset.n_classes // protocol.tasks)
    groups = _task_groups(dataset, size, seed if protocol.class_order == "shuffled" else None)
    if protocol.tasks is not None and (
        len(groups) != protocol.tasks or len({len(group) for group in groups}) > 1
    ):
        sets = " + ".join(f"{count} of {name}" for name, count in dataset.parts)
        raise DescriptionError(
            f"tasks is {protocol.tasks}, but the classes ({sets}) cannot be shared out evenly "
            "among as many; give a number that divides them, or classes_per_task"
        )
    return groups


# --- the schedule ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Task:
    """The training images of one task, before rehearsal.

    Attributes
    ----------
    classes : tuple of int
        That its images are of.
    chosen : ndarray of int
        Numbers of its samples, see :class:`Schedule`; with blurred borders in the order in which
        they are shown.
    """

    classes: tuple[int, ...]
    chosen: Indices


@dataclass(frozen=True, eq=False)
class Exam:
    """Test samples that are asked together.

    Attributes
    ----------
    samples : ndarray of int, shape [n]
        Their numbers, see :class:`Schedule`.
    columns : ndarray of int, shape [n]
        Column of the accuracy matrix that each counts for.
    """

    samples: Indices
    columns: Indices


@dataclass(frozen=True, eq=False)
class Schedule:
    """A protocol applied to a data set with one seed.

    A *sample* is an image as a task sees it. Number s of a set of n images is image ``s % n``
    through view ``s // n``; where there is one view only, that is the image's index.

    Attributes
    ----------
    tasks : tuple of Task
        In the order of learning (one, if joint).
    groups : tuple of tuples of int
        Classes of each column of the accuracy matrix: the tasks, also when training is joint.
    train_images, train_labels, test_images, test_labels : ndarray
        Flattened, as they are; the test part is what ``evaluate_on`` says (and, for ``"split"``,
        what was drawn of it).
    views : tuple of View
        See above.
    exams : tuple of Exam
        ``"split"``: one, of all test images; otherwise one for each task.
    """

    tasks: tuple[Task, ...]
    groups: Groups
    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels
    views: tuple[View, ...]
    exams: tuple[Exam, ...]

    def training(self, samples: Indices) -> tuple[Images, Labels]:
        """Training samples and their labels."""
        return self._seen(self.train_images, self.train_labels, samples)

    def testing(self, samples: Indices) -> tuple[Images, Labels]:
        """Test samples and their labels."""
        return self._seen(self.test_images, self.test_labels, samples)

    def _seen(self, images: Images, labels: Labels, samples: Indices) -> tuple[Images, Labels]:
        through, index = np.divmod(samples, len(labels))
        found = images[index]
        for number in np.unique(through[through > 0]):
            rows = through == number
            found[rows] = self.views[number](found[rows])
        return found, labels[index]

    def exams_after(self, task: int) -> tuple[Exam, ...]:
        """What is asked after a task (counted from 0).

        All classes, learned or not; but of the views that tasks have, only those seen so far.
        """
        last = task + 1 == len(self.tasks)
        return self.exams if last or len(self.exams) == 1 else self.exams[: task + 1]


def schedule(dataset: Dataset, protocol: ContinualProtocol, seed: int) -> Schedule:
    """Choose the images of every task.

    Raises
    ------
    DescriptionError
        If a task has no training image, or fewer of a class than are asked for, or the classes
        do not make that many tasks.
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
    groups = column_classes(dataset, protocol, seed)
    tasks = []
    for number, classes in enumerate(groups):
        own = _training(dataset.name, labels, protocol, seed, number, classes)
        view = number if protocol.is_domain else 0
        tasks.append(Task(classes, own + view * len(labels)))
    asked = [_tested(test_labels, protocol, seed, n, own) for n, own in enumerate(groups)]
    if protocol.is_domain:
        exams = [
            Exam(own + number * len(test_labels), np.full(len(own), number))
            for number, own in enumerate(asked)
        ]
    else:
        column = np.empty(dataset.n_classes, np.intp)
        for number, classes in enumerate(groups):
            column[list(classes)] = number
        drawn = np.sort(np.concatenate(asked))
        test_images, test_labels = test_images[drawn], test_labels[drawn]
        exams = [Exam(np.arange(len(drawn)), column[test_labels])]
    if protocol.joint:
        everything = np.concatenate([task.chosen for task in tasks])
        every_class = tuple(dict.fromkeys(c for group in groups for c in group))
        tasks = [Task(every_class, everything)]
    elif protocol.blur > 0:
        tasks = _blurred(tasks, protocol.blur, labels, stream(seed, "blur"))
    return Schedule(
        tuple(tasks),
        groups,
        dataset.flat(images),
        labels,
        dataset.flat(test_images),
        test_labels,
        _views(dataset.shape, protocol, seed),
        tuple(exams),
    )


def _tested(
    labels: Labels, protocol: ContinualProtocol, seed: int, number: int, classes: Sequence[int]
) -> Indices:
    """Indices of a task's test images."""
    pool = np.flatnonzero(np.isin(labels, classes))
    if protocol.test_images is None:
        return pool
    draw = stream(seed, "test images", number)
    return balanced(pool, labels[pool], protocol.test_images, draw)


def _training(
    name: str,
    labels: Labels,
    protocol: ContinualProtocol,
    seed: int,
    number: int,
    classes: Sequence[int],
) -> Indices:
    """Indices of a task's own training images."""
    pool = np.flatnonzero(np.isin(labels, classes))
    if len(pool) == 0:
        raise DescriptionError(f"{name!r} has no training image of classes {classes}")
    if protocol.images_per_task is not None:
        draw = stream(seed, "task images", number)
        return np.sort(draw.permutation(pool)[: protocol.images_per_task])
    if protocol.images_per_class is None:
        return pool
    for label in classes:
        there = int(np.count_nonzero(labels == label))
        if there < protocol.images_per_class:
            raise DescriptionError(
                f"images_per_class is {protocol.images_per_class}, but {name!r} has {there} "
                f"training images of class {label}; give at most that"
            )
    draw = stream(seed, "task images", number)
    return balanced(pool, labels[pool], protocol.images_per_class * len(classes), draw)


def balanced(
    pool: Indices, labels: Labels, count: int, generator: np.random.Generator
) -> Indices:
    """Draw images so that no class has two more than another, as far as their images go.

    Parameters
    ----------
    pool : ndarray of int, shape [n]
        What is drawn from, without replacement.
    labels : ndarray of int, shape [n]
        Their classes.
    count : int
        How many; all, if there are fewer.
    generator : numpy.random.Generator
        Draws.

    Returns
    -------
    ndarray of int
        In rising order.
    """
    order = generator.permutation(len(pool))
    turn = np.empty(len(pool), np.intp)  # an image's place among those of its class
    place = np.empty(len(pool), np.intp)  # of its class in a turn
    classes = np.unique(labels)
    for number, label in enumerate(generator.permutation(classes)):
        own = order[labels[order] == label]
        turn[own], place[own] = np.arange(len(own)), number
    return np.sort(pool[np.lexsort((place, turn))[:count]])


def _blurred(
    tasks: Sequence[Task], blur: float, labels: Labels, generator: np.random.Generator
) -> list[Task]:
    """The same samples in as many pieces of the same lengths, with blurred borders.

    The samples of task t are spread evenly, in random order, over the time from t to t + 1, then
    every one is moved by a Gaussian jitter. A piece lists its samples in the order of time.
    """
    times = [
        number + (generator.permutation(len(task.chosen)) + 0.5) / len(task.chosen)
        for number, task in enumerate(tasks)
    ]
    moved = np.concatenate(times)
    moved += blur * generator.standard_normal(len(moved))
    shown = np.concatenate([task.chosen for task in tasks])[np.argsort(moved, kind="stable")]
    borders = np.cumsum([len(task.chosen) for task in tasks])[:-1]
    return [
        Task(tuple(np.unique(labels[piece % len(labels)]).tolist()), piece)
        for piece in np.split(shown, borders)
    ]


def rehearsed(
    previous: Sequence[Task], fraction: float, generator: np.random.Generator
) -> Indices:
    """Numbers of the earlier training samples that are mixed into the next task.

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


def stored(
    previous: Sequence[Task],
    fraction: float,
    count: int,
    draw: Callable[[int], np.random.Generator],
) -> Indices:
    """Numbers of earlier training samples that were kept, repeated to a count.

    Parameters
    ----------
    previous : sequence of Task
        Tasks already learned.
    fraction : float
        Part of each task's images that is kept, rounded to the nearest image.
    count : int
        How many are wanted.
    draw : callable
        Makes the generator that chose what is kept of a task, from its number.
    """
    kept = [
        draw(number).permutation(task.chosen)[: round(fraction * len(task.chosen))]
        for number, task in enumerate(previous)
    ]
    pool = np.concatenate([np.empty(0, dtype=np.intp), *kept])
    return np.resize(pool, count) if len(pool) else pool

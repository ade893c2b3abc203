"""What is learned in which order, and what is asked: the options of continual learning.

Three kinds of sequences, after van de Ven & Tolias 2019 (arXiv:1904.07734):

``"split"``
    Class-incremental: a task is a few classes of the data set.
``"permuted"``
    Domain-incremental: every task has all classes, its images seen through a pixel permutation of
    its own; the first task's are as they are.
``"rotated"``
    Domain-incremental: the images of task t of T are turned by ``t * 180 / T`` degrees.

No task is ever told in any of them, but for ``"split"`` in the scenario ``"task"``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from neuro.errors import DescriptionError

KINDS = ("split", "permuted", "rotated")
"""Kinds of sequences."""

DOMAIN_TASKS = 10
"""Tasks of a domain-incremental sequence that names no number."""

_CLASSES_PER_TASK = 2
_LATER = (
    "kind",
    "tasks",
    "images_per_class",
    "test_images",
    "class_order",
    "blur",
    "rehearsed_from",
)


@dataclass(frozen=True)
class ContinualProtocol:
    """Which images are learned when, and which are tested; see :mod:`neuro.learning.continual`.

    Attributes
    ----------
    classes_per_task : int
        Classes that arrive together (``"split"``); see :func:`neuro.learning.tasks.task_groups`.
    images_per_task : int or None
        Training images drawn for each task, without replacement and without class balancing;
        None: all.
    rehearsal : float
        Fraction, 0 to 1, of the pooled training images of all previous tasks that is mixed into
        the next task's images: a fresh draw for every task, uniform, not balanced by class,
        rounded to the nearest image. It is drawn from images that were trained on before (seen as
        they were then), never from images beyond ``images_per_task``.
    rehearsed_from : {"all", "store"}
        ``"all"``: the fresh draw just said, mixed in as it is. ``"store"``: that fraction of
        each task is drawn once and kept for good, and repeated until it is as many as the images
        of the new task, half and half, as replay methods do.
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
        Tolias 2019, arXiv:1904.07734), for a :class:`~neuro.learning.continual.ScoringLearner`
        and ``"split"``.
    kind : {"split", "permuted", "rotated"}
        See the module's docstring.
    tasks : int or None
        Number of tasks. ``"split"``: instead of ``classes_per_task``; must divide the classes.
        Otherwise None means ten.
    images_per_class : int or None
        Instead of ``images_per_task``: training images drawn of each class in each task.
    test_images : int or None
        Test images drawn for each task and seed, balanced by class as far as they go; None: all.
    class_order : {"label", "shuffled"}
        Order in which ``"split"`` takes classes: of their labels, or drawn for each seed (within
        each data set of a sequence).
    blur : float
        Standard deviation of the jitter of the time at which a training image is shown, in
        lengths of a task: blurred borders between tasks. 0: sharp.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range, or two contradict each other.
    """

    classes_per_task: int = _CLASSES_PER_TASK
    images_per_task: int | None = None
    rehearsal: float = 0.0
    joint: bool = False
    evaluate_on: str = "test"
    validation_fraction: float = 1 / 6
    scenario: str = "class"
    kind: str = "split"
    tasks: int | None = None
    images_per_class: int | None = None
    test_images: int | None = None
    class_order: str = "label"
    blur: float = 0.0
    rehearsed_from: str = "all"

    def __post_init__(self) -> None:
        if self.classes_per_task < 1:
            raise DescriptionError(f"classes_per_task is {self.classes_per_task}; at least 1")
        for name, without in (
            ("images_per_task", "all"),
            ("images_per_class", "all"),
            ("test_images", "all"),
            ("tasks", "the usual number"),
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DescriptionError(f"{name} is {value}; at least 1, or None for {without}")
        if not 0 <= self.rehearsal <= 1:
            raise DescriptionError(f"rehearsal is {self.rehearsal}; a fraction from 0 to 1")
        if not 0 < self.validation_fraction < 1:
            raise DescriptionError(
                f"validation_fraction is {self.validation_fraction}; between 0 and 1"
            )
        if not 0 <= self.blur < float("inf"):
            raise DescriptionError(f"blur is {self.blur}; give 0 or more lengths of a task")
        self._check_choices()
        self._check_together()

    def _check_choices(self) -> None:
        for name, choices in (
            ("evaluate_on", ("test", "validation")),
            ("scenario", ("class", "task")),
            ("class_order", ("label", "shuffled")),
            ("rehearsed_from", ("all", "store")),
        ):
            if getattr(self, name) not in choices:
                raise DescriptionError(
                    f"{name} is {getattr(self, name)!r}; choose {choices[0]!r} or {choices[1]!r}"
                )
        if self.kind not in KINDS:
            raise DescriptionError(
                f"protocol is {self.kind!r}; choose {', '.join(map(repr, KINDS[:-1]))} or "
                f"{KINDS[-1]!r}"
            )

    def _check_together(self) -> None:
        if self.images_per_task is not None and self.images_per_class is not None:
            raise DescriptionError(
                f"images_per_task is {self.images_per_task} and images_per_class "
                f"{self.images_per_class}; give one of them"
            )
        usual = self.classes_per_task == _CLASSES_PER_TASK
        if self.kind == "split":
            if self.tasks is not None and not usual:
                raise DescriptionError(
                    f"tasks is {self.tasks} and classes_per_task {self.classes_per_task}; "
                    "give one of them"
                )
            return
        for name, idle in (
            ("scenario", self.scenario == "class"),
            ("class_order", self.class_order == "label"),
            ("classes_per_task", usual),
        ):
            if not idle:
                raise DescriptionError(
                    f"{name} is {getattr(self, name)!r}, but every task of protocol "
                    f"{self.kind!r} has all classes; leave it out, or choose 'split'"
                )

    @property
    def is_domain(self) -> bool:
        """Whether tasks differ by how images look, not by which classes they have."""
        return self.kind != "split"

    @property
    def domain_tasks(self) -> int:
        """Number of tasks of a domain-incremental sequence."""
        return self.tasks or DOMAIN_TASKS

    def to_json(self) -> dict[str, Any]:
        """Everything that influences results, as plain data.

        Options that came later are left out where they have their default: results of a protocol
        that was always possible keep their key.
        """
        usual = {f.name: f.default for f in fields(self)}
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in _LATER or value != usual[name]
        }

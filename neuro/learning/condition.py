"""One way to learn task after task: settings, protocol, and what simulates the sleep.

``neuro continual`` and ``neuro compare`` both make their conditions here, so that the same options
mean the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from neuro.dataset_name import CONV, DatasetName
from neuro.datasets import Dataset, pooled
from neuro.errors import JobError
from neuro.learning import presets
from neuro.learning.presets import Preset, read_preset
from neuro.learning.protocol import ContinualProtocol
from neuro.learning.settings import Settings
from neuro.learning.sleep import BACKEND_GATES

SLEEPING: tuple[str, ...] = get_args(presets.Sleeping)
"""Learners whose network can sleep."""

PREDICTIVE = ("pc", "pc-chain")
"""Learners by predictive coding."""

POOLED = (*PREDICTIVE, "sg")
"""Learners that are shown large images in coarser pixels, unless told otherwise."""

LARGE_SIDE = 28
"""Pixels on each side from which on an image is large."""


def usual_pool(learner: str, shape: tuple[int, ...]) -> int:
    """By how much a learner's images of a shape are pooled, see :func:`neuro.datasets.pooled`.

    By two for large images of learners whose work grows with every pixel and step; otherwise not.
    """
    return 2 if learner in POOLED and min(shape[:2]) >= LARGE_SIDE else 1


@dataclass(frozen=True)
class Condition:
    """How a network learns, and whether it sleeps.

    Attributes
    ----------
    preset : Settings
        Settings of learner and, if it sleeps, of sleep.
    protocol : ContinualProtocol
        Tasks, rehearsal, evaluation.
    backend : str or None
        What simulates the sleeping network; None: it never sleeps.
    pool : int or None
        See :func:`neuro.datasets.pooled`; None: what :func:`usual_pool` says.
    """

    preset: Settings
    protocol: ContinualProtocol
    backend: str | None
    pool: int | None = None

    @property
    def sleeper(self) -> Preset:
        """The settings, of a learner that can sleep.

        Raises
        ------
        JobError
            If it cannot.
        """
        if not isinstance(self.preset, Preset):
            raise JobError(_no_sleep(self.preset.learner))
        return self.preset

    def shown(self, dataset: Dataset) -> Dataset:
        """A data set as the learner is shown it.

        Raises
        ------
        DatasetError
            If its images cannot be pooled so.
        """
        pool = self.pool
        if pool is None:
            pool = usual_pool(self.preset.learner, dataset.shape)
        return pooled(dataset, pool)

    def to_json(self) -> dict[str, Any]:
        """Everything that influences its results, as plain data."""
        return {
            "preset": self.preset.to_json(),
            "protocol": self.protocol.to_json(),
            "sleep": self.backend or "none",
            **({} if self.pool is None else {"pool": self.pool}),
        }


def _no_sleep(learner: str) -> str:
    return (
        f"learner {learner!r} does not sleep (only {', '.join(SLEEPING)} do); leave sleep out, "
        "or give none"
    )


def condition(
    dataset: str,
    *,
    learner: str = "ep",
    regulariser: str = "none",
    sleep: str = "none",
    rehearsal: float = 0.0,
    joint: bool = False,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    scenario: str = "class",
    evaluate_on: str = "test",
    classes_per_task: int = 2,
    protocol: str = "split",
    tasks: int | None = None,
    images_per_class: int | None = None,
    test_images: int | None = None,
    class_order: str = "label",
    blur: float = 0.0,
    pool: int | None = None,
) -> Condition:
    """The condition that options describe; they are those of ``neuro continual``.

    Parameters
    ----------
    dataset : str
        Name of the data set, which chooses the settings that ship for it.
    learner, regulariser : str
        See :func:`neuro.learning.presets.preset`.
    sleep : str
        Name of a backend, or ``"none"``. Joint training never sleeps.
    rehearsal, joint, scenario, evaluate_on, classes_per_task, tasks, test_images, class_order, blur
        See :class:`~neuro.learning.protocol.ContinualProtocol`.
    protocol : str
        Its ``kind``.
    images_per_class : int, optional
        See there; instead of the settings' ``images_per_task``.
    pool : int, optional
        See :class:`Condition`.
    preset : str, optional
        Settings to start from instead: ``"best"`` (:func:`neuro.learning.presets.best`), the name
        of another data set, or a ``.json`` file.
    settings : mapping, optional
        Values that replace those of the preset.

    Raises
    ------
    NeuroError
        If a preset does not exist or a setting is unknown or impossible, be it only where it
        is to sleep.
    """
    changes = dict(settings or {})
    base = _base(dataset, learner, regulariser, preset, joint, protocol != "split")
    made = base.with_values(changes)
    sleeps = sleep != "none" and not joint
    if sleeps:
        if not isinstance(made, Preset):
            raise JobError(_no_sleep(learner))
        made = _gated(made, sleep, changes)
    if pool is not None and pool < 1:
        raise JobError(f"pool is {pool}; give 1, as images are, or more")
    if images_per_class is not None and changes.get("images_per_task") is not None:
        raise JobError(
            f"images_per_task is {changes['images_per_task']} and images_per_class "
            f"{images_per_class}; give one of them"
        )
    meant = ContinualProtocol(
        classes_per_task=classes_per_task,
        images_per_task=made.images_per_task if images_per_class is None else None,
        rehearsal=rehearsal,
        joint=joint,
        evaluate_on=evaluate_on,
        scenario=scenario,
        kind=protocol,
        tasks=tasks,
        images_per_class=images_per_class,
        test_images=test_images,
        class_order=class_order,
        blur=blur,
    )
    _check_features(DatasetName.parse(dataset), meant)
    return Condition(made, meant, sleep if sleeps else None, pool)


def _gated(made: Preset, sleep: str, changes: Mapping[str, Any]) -> Preset:
    """Settings with the gate that a backend's sleep has, if it has one only."""
    if sleep not in BACKEND_GATES:
        return made
    needed = BACKEND_GATES[sleep]
    if changes.get("gate", needed) != needed:
        raise JobError(
            f"gate is {made.gate!r}, but sleep on {sleep!r} learns with {needed!r} only; "
            f"leave gate out, or sleep on another backend"
        )
    return replace(made, gate=needed)


def _check_features(name: DatasetName, protocol: ContinualProtocol) -> None:
    """Refuse what features of images do not allow."""
    if name.features is None:
        return
    if protocol.kind == "rotated":
        raise JobError(
            f"features {name.features!r} are no pixels that could be rotated; leave them out, or "
            "choose another protocol"
        )
    if name.features != CONV or protocol.is_domain:
        return
    if protocol.classes_per_task == 1:
        raise JobError(
            f"features {CONV!r} are learned on the first two classes, which must then be one "
            "task; give classes_per_task 2 or more"
        )
    if protocol.tasks is not None or protocol.class_order != "label":
        raise JobError(
            f"features {CONV!r} are learned on classes 0 and 1, which must then be in the first "
            "task; leave class_order out, and give classes_per_task instead of tasks"
        )


def _base(
    dataset: str, learner: str, regulariser: str, chosen: str | None, joint: bool, domain: bool
) -> Settings:
    def shipped(name: str, ask: Callable[..., Settings] = presets.preset) -> Settings:
        return ask(name, joint=joint, learner=learner, regulariser=regulariser, domain=domain)

    if chosen == "best":
        return shipped(dataset, presets.best)
    if chosen is not None and chosen.endswith(".json"):
        base = shipped(dataset)
        # A file is the result of a search for learning in sequence; joint training keeps its own.
        return base if joint else read_preset(Path(chosen), base)
    return shipped(chosen or dataset)

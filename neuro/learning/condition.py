"""One way to learn task after task: settings, protocol, and what simulates the sleep.

``neuro continual`` and ``neuro compare`` both make their conditions here, so that the same options
mean the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from neuro.dataset_name import CONV, DatasetName
from neuro.errors import JobError
from neuro.learning import presets
from neuro.learning.continual import ContinualProtocol
from neuro.learning.presets import Preset, read_preset
from neuro.learning.sleep import BACKEND_GATES


@dataclass(frozen=True)
class Condition:
    """How a network learns, and whether it sleeps.

    Attributes
    ----------
    preset : Preset
        Settings of learner and sleep.
    protocol : ContinualProtocol
        Tasks, rehearsal, evaluation.
    backend : str or None
        What simulates the sleeping network; None: it never sleeps.
    """

    preset: Preset
    protocol: ContinualProtocol
    backend: str | None

    def to_json(self) -> dict[str, Any]:
        """Everything that influences its results, as plain data."""
        return {
            "preset": self.preset.to_json(),
            "protocol": asdict(self.protocol),
            "sleep": self.backend or "none",
        }


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
    rehearsal, joint, scenario, evaluate_on, classes_per_task
        See :class:`~neuro.learning.continual.ContinualProtocol`.
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
    made = _base(dataset, learner, regulariser, preset, joint).with_values(changes)
    sleeps = sleep != "none" and not joint
    if sleeps and sleep in BACKEND_GATES:
        needed = BACKEND_GATES[sleep]
        if changes.get("gate", needed) != needed:
            raise JobError(
                f"gate is {made.gate!r}, but sleep on {sleep!r} learns with {needed!r} only; "
                f"leave gate out, or sleep on another backend"
            )
        made = replace(made, gate=needed)
    if classes_per_task == 1 and DatasetName.parse(dataset).features == CONV:
        raise JobError(
            f"features {CONV!r} are learned on the first two classes, which must then be one "
            "task; give classes_per_task 2 or more"
        )
    protocol = ContinualProtocol(
        classes_per_task=classes_per_task,
        images_per_task=made.images_per_task,
        rehearsal=rehearsal,
        joint=joint,
        evaluate_on=evaluate_on,
        scenario=scenario,
    )
    return Condition(made, protocol, sleep if sleeps else None)


def _base(
    dataset: str, learner: str, regulariser: str, chosen: str | None, joint: bool
) -> Preset:
    def shipped(name: str) -> Preset:
        return presets.preset(name, joint=joint, learner=learner, regulariser=regulariser)

    if chosen == "best":
        return presets.best(dataset, joint=joint, learner=learner, regulariser=regulariser)
    if chosen is not None and chosen.endswith(".json"):
        base = shipped(dataset)
        # A file is the result of a search for learning in sequence; joint training keeps its own.
        return base if joint else read_preset(Path(chosen), base)
    return shipped(chosen or dataset)

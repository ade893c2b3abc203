"""Settings of the spiking network that learns by a surrogate gradient, one set per data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from neuro.errors import DescriptionError
from neuro.learning.settings import Settings


@dataclass(frozen=True, kw_only=True)
class SurrogateSettings(Settings):
    r"""How a :class:`~neuro.models.surrogate.SurrogateLIF` learns.

    Attributes
    ----------
    regulariser : {"none", "ewc", "isi-cv", "uniform", "shuffled"}
        What protects earlier tasks: nothing, elastic weight consolidation, or importance by
        spike intervals with its two controls (:mod:`neuro.learning.spike_intervals`).
    hidden : tuple of int
        Units of the hidden layers.
    learning_rate : float
        Of Adam.
    restart : bool
        Whether Adam's averages start anew with each task.
    time_steps : int
        Steps that an image is shown for.
    decay, slope, readout : float, float, str
        See :class:`~neuro.models.surrogate.SurrogateLIF`.
    strength : float
        Weight :math:`\lambda` of the regulariser's term in the loss.
    importance_images : int
        Images of a task from which the regulariser computes importance.

    Raises
    ------
    DescriptionError
        On construction, if a number is not finite or there is no hidden layer.
    """

    learner: str = "sg"
    epochs: int = 3
    batch_size: int = 32
    hidden: tuple[int, ...] = (200,)
    learning_rate: float = 5e-3
    restart: bool = False
    time_steps: int = 32
    decay: float = 0.95
    slope: float = 25.0
    readout: str = "mean"
    strength: float = 0.0
    importance_images: int = 200

    def __post_init__(self) -> None:
        if not self.hidden:
            raise DescriptionError("preset: hidden is empty; give at least one hidden layer")
        super().__post_init__()


#: Strengths for class-incremental learning. That of ewc was not tuned; the others are the best of
#: 0.03, 3 and 300 for isi-cv on validation images of MNIST (two seeds).
#: Permuted images go better with 100 for ewc, and about 0.1 for importance by spike intervals.
STRENGTHS: dict[str, float] = {"ewc": 1e3, "isi-cv": 3.0, "uniform": 3.0, "shuffled": 3.0}
_DOMAIN_STRENGTHS: dict[str, float] = {"ewc": 100.0}

_DIGITS = SurrogateSettings(hidden=(100,), epochs=10)
_IMAGES = SurrogateSettings()

SETS: Mapping[str, SurrogateSettings] = {
    "digits": _DIGITS,
    "mnist": _IMAGES,
    "fashion-mnist": _IMAGES,
}
"""Settings by data set; :data:`DEFAULT` for any other one."""

DEFAULT = replace(_IMAGES, hidden=(400,))

_JOINT_EPOCHS: Mapping[str, int] = {"digits": 20, "mnist": 12, "fashion-mnist": 12}


def surrogate_settings(
    dataset: str, *, joint: bool = False, regulariser: str = "none", domain: bool = False
) -> SurrogateSettings:
    """The settings for a data set.

    Parameters
    ----------
    dataset : str
        Name whose settings are wanted.
    joint : bool
        For training on all classes at once; there is then nothing to protect.
    regulariser : str
        See :class:`SurrogateSettings`.
    domain : bool
        For tasks of all classes that differ by how images look.

    Raises
    ------
    DescriptionError
        If there is no such regulariser.
    """
    if regulariser != "none" and regulariser not in STRENGTHS:
        known = ", ".join(("none", *STRENGTHS))
        raise DescriptionError(f"learner 'sg' has no regulariser {regulariser!r}; it has {known}")
    base = SETS.get(dataset, DEFAULT)
    joint_epochs = _JOINT_EPOCHS.get(dataset, 10)
    if domain:
        base, joint_epochs = replace(base, hidden=(400,), batch_size=50), 5
    if joint:
        return replace(base, epochs=joint_epochs)
    changes: dict[str, Any] = {"regulariser": regulariser}
    if regulariser != "none":
        strengths = STRENGTHS | _DOMAIN_STRENGTHS if domain else STRENGTHS
        changes["strength"] = strengths[regulariser]
    return replace(base, **changes)

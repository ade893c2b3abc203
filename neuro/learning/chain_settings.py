"""Settings of the chain of areas (:mod:`neuro.models.predictive.chain`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from neuro.errors import DescriptionError
from neuro.learning.local_settings import LocalSettings, check_regulariser


@dataclass(frozen=True, kw_only=True)
class ChainSettings(LocalSettings):
    r"""Constants of a chain of areas; the symbols are those of its equations.

    Decays are factors per time step, rates are spikes per step.

    Attributes
    ----------
    hidden : tuple of int
        Units of the areas between image and classes.
    error_gain, upper_gain : float
        g of the lowest error units, and of all others, which see weaker activity.
    own_gain : float
        k; 0: predictions do not reach the area itself.
    tonic : float
        :math:`\mu`, current into every latent unit. Without it an untrained chain stays silent.
    inhibition : float
        What a spike of a class unit takes from the others.
    label_rate : float
        Rate of the class unit that a label drives.
    silent : float
        Error units emit where abs(u) is above this; 0: in every step.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    learner: str = "pc-chain"
    hidden: tuple[int, ...] = (256, 128)
    presentation: int = 64
    upper_gain: float = 6.0
    own_gain: float = 0.1
    tonic: float = 0.01
    inhibition: float = 0.6
    label_rate: float = 0.2
    learning_rate: float = 0.05
    rate_samples: float = 3000.0
    rate_floor: float = 0.01
    weight_decay: float = 0.002
    initial_weights: float = 0.02
    silent: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden and min(self.hidden) < 1:
            raise DescriptionError(f"preset: hidden is {self.hidden}; at least 1")
        for name in ("label_rate", "rate_samples"):
            if getattr(self, name) <= 0:
                raise DescriptionError(f"preset: {name} is {getattr(self, name):g}; above 0")
        if self.label_rate > 1:
            raise DescriptionError(
                f"preset: label_rate is {self.label_rate:g}; at most 1, as a unit spikes at most "
                "once a step"
            )
        for name in (
            "error_gain", "upper_gain", "own_gain", "inhibition", "learning_rate", "rate_floor",
            "weight_decay", "initial_weights", "silent",
        ):  # fmt: skip
            if getattr(self, name) < 0:
                raise DescriptionError(f"preset: {name} is {getattr(self, name):g}; 0 or more")
        if self.regulariser != "none" and not self.hidden:
            raise DescriptionError(
                f"preset: regulariser {self.regulariser!r} protects latent units, and hidden is"
                " empty; give at least one latent area"
            )

    @property
    def trace_norm(self) -> float:
        """What a trace of constant input 1 reaches in a presentation, having started at 0."""
        return 1.0 - self.trace_decay**self.presentation


# The defaults were chosen on validation images of MNIST (14 x 14 pixels, 300 images a class, seeds
# 100 and 101), in sequence and jointly, among some 50 drawn at random. They serve all data; about
# small images there is less to be said, by fewer units, and of digits there are so few that a new
# class is learned in time only at a higher rate.
_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "digits": {
        "hidden": (64, 32),
        "presentation": 48,
        "batch_size": 10,
        "learning_rate": 0.2,
    }
}


def chain_settings(
    dataset: str, *, joint: bool = False, regulariser: str = "none", domain: bool = False
) -> ChainSettings:
    """The settings that ship for a data set; the same in any order and kind of tasks.

    Raises
    ------
    DescriptionError
        If there is no such regulariser: the others need gradients.
    """
    check_regulariser("pc-chain", regulariser)
    settings = replace(ChainSettings(), **_CHANGES.get(dataset, {}))
    # Joint training has no earlier task to protect.
    return settings if joint else replace(settings, regulariser=regulariser)

"""Settings of the chain of areas (:mod:`neuro.models.predictive.chain`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from neuro.errors import DescriptionError
from neuro.learning.encoding import Encoding
from neuro.learning.settings import SPIKE_IMPORTANCE, Settings

REGULARISERS = ("none", *SPIKE_IMPORTANCE)


@dataclass(frozen=True, kw_only=True)
class ChainSettings(Settings):
    r"""Constants of a chain of areas; the symbols are those of its equations.

    Decays are factors per time step, rates are spikes per step.

    Attributes
    ----------
    regulariser : {"none", "isi-cv", "uniform", "shuffled"}
        What protects earlier tasks: nothing, or importance by spike intervals with its two
        controls (:mod:`neuro.learning.spike_intervals`).
    strength : float
        Of the regulariser, from 0 to 1: a unit of importance :math:`\Omega` learns at
        1 - strength :math:`\Omega` times the rate.
    hidden : tuple of int
        Units of the areas between image and classes.
    presentation : int
        Time steps that an image is shown.
    norm, clip, gain : float
        See :class:`neuro.learning.encoding.Encoding`.
    error_decay : float
        a, of the membrane of error units.
    trace_decay : float
        :math:`a_s`, of the slow traces of errors and spikes.
    latent_decay : float
        b, of the membrane of all other units.
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
    learning_rate : float
        :math:`\eta_0`, at first.
    rate_samples : float
        :math:`n_0`, samples after which that begins to fall, as one over the root.
    rate_floor : float
        Smallest learning rate.
    weight_decay : float
        :math:`\lambda`, per sample, times the learning rate.
    initial_weights : float
        Standard deviation of the weights at the start. Small, or W and the transpose of F never
        align.
    silent : float
        Error units emit where abs(u) is above this; 0: in every step.
    backend : str
        What simulates the network.
    precision : {"float32", "float64"}
        Of states and weights.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    learner: str = "pc-chain"
    hidden: tuple[int, ...] = (256, 128)
    presentation: int = 64
    norm: float = 4.0
    clip: float = 2.0
    gain: float = 0.5
    error_decay: float = 0.9
    trace_decay: float = 0.95
    latent_decay: float = 0.95
    error_gain: float = 2.0
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
    backend: str = "torch"
    precision: str = "float32"
    strength: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("presentation", "epochs", "batch_size", *["hidden"] * bool(self.hidden)):
            value = getattr(self, name)
            if (min(value) if name == "hidden" else value) < 1:
                raise DescriptionError(f"preset: {name} is {value}; at least 1")
        for name in ("error_decay", "trace_decay", "latent_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise DescriptionError(
                    f"preset: {name} is {getattr(self, name):g}; a factor from 0 to below 1"
                )
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
        if not 0 <= self.strength <= 1:
            raise DescriptionError(f"preset: strength is {self.strength:g}; from 0 to 1")
        if self.regulariser != "none" and not self.hidden:
            raise DescriptionError(
                f"preset: regulariser {self.regulariser!r} protects latent units, and hidden is"
                " empty; give at least one latent area"
            )
        _ = self.encoding

    @property
    def encoding(self) -> Encoding:
        """How images become spikes."""
        return Encoding(self.norm, self.clip, self.gain)

    @property
    def trace_norm(self) -> float:
        """What a trace of constant input 1 reaches in a presentation, having started at 0."""
        return 1.0 - self.trace_decay**self.presentation

    def rate(self, learned: float) -> float:
        r"""Learning rate after so many samples.

        .. math:: \eta = \max(\eta_0 / \sqrt{1 + n / n_0},\, \eta_{min})
        """
        falling: float = self.learning_rate / (1.0 + learned / self.rate_samples) ** 0.5
        return max(falling, self.rate_floor)


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
    if regulariser not in REGULARISERS:
        raise DescriptionError(
            f"learner 'pc-chain' has no regulariser {regulariser!r}; it has "
            f"{', '.join(REGULARISERS)}"
        )
    settings = replace(ChainSettings(), **_CHANGES.get(dataset, {}))
    # Joint training has no earlier task to protect.
    return settings if joint else replace(settings, regulariser=regulariser)

"""What settings of learners with local rules have in common: columns and the chain of areas."""

from __future__ import annotations

import math
from dataclasses import dataclass

from neuro.errors import DescriptionError
from neuro.learning.encoding import Encoding
from neuro.learning.settings import SPIKE_IMPORTANCE, Settings

REGULARISERS = ("none", *SPIKE_IMPORTANCE)


@dataclass(frozen=True, kw_only=True)
class LocalSettings(Settings):
    r"""Constants of areas that predict each other; the symbols are those of their equations.

    Decays are factors per time step, rates are spikes per step.

    Attributes
    ----------
    regulariser : {"none", "isi-cv", "uniform", "shuffled"}
        What protects latent units of earlier tasks: nothing, or importance by spike intervals with
        its two controls (:mod:`neuro.learning.spike_intervals`).
    strength : float
        :math:`\gamma`, of the regulariser, from 0 to 1: a unit of importance :math:`\Omega` learns
        at :math:`1 - \gamma\Omega` times the rate.
    presentation : int
        T, time steps that an image is shown.
    norm, clip, gain : float
        See :class:`neuro.learning.encoding.Encoding`.
    error_decay : float
        a, of the membrane of error units.
    trace_decay : float
        :math:`a_s`, of the slow traces of errors and spikes.
    latent_decay : float
        b, of the membrane of other units.
    error_gain : float
        g, of errors in latent units.
    learning_rate : float
        :math:`\eta_0`, at first.
    rate_samples : float
        :math:`n_0`, samples after which that begins to fall, as one over the root.
    rate_floor : float
        Smallest learning rate.
    weight_decay : float
        :math:`\lambda`, per sample, times the learning rate.
    initial_weights : float
        Standard deviation of the weights at the start. Small, or feedback and feedforward weights
        never align.
    backend : str
        What simulates the network; the same weights on each, to rounding.
    precision : {"float32", "float64"}
        Of states and weights.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    strength: float = 1.0
    presentation: int
    norm: float = 4.0
    clip: float = 2.0
    gain: float = 0.5
    error_decay: float = 0.9
    trace_decay: float = 0.95
    latent_decay: float = 0.95
    error_gain: float = 2.0
    learning_rate: float
    rate_samples: float
    rate_floor: float
    weight_decay: float
    initial_weights: float
    backend: str = "torch"
    precision: str = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("presentation", "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise DescriptionError(f"preset: {name} is {getattr(self, name)}; at least 1")
        for name in ("error_decay", "trace_decay", "latent_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise DescriptionError(
                    f"preset: {name} is {getattr(self, name):g}; a factor from 0 to below 1"
                )
        if not 0 <= self.strength <= 1:
            raise DescriptionError(f"preset: strength is {self.strength:g}; from 0 to 1")
        _ = self.encoding

    @property
    def encoding(self) -> Encoding:
        """How images become spikes."""
        return Encoding(self.norm, self.clip, self.gain)

    def rate(self, learned: float) -> float:
        r"""Learning rate after so many samples.

        .. math:: \eta = \max(\eta_0 / \sqrt{1 + n / n_0},\, \eta_{min})
        """
        falling = self.learning_rate / math.sqrt(1.0 + learned / self.rate_samples)
        return max(falling, self.rate_floor)

    def refuse_heads(self, heads: object) -> None:
        """Refuse to be told which classes a task has.

        Raises
        ------
        DescriptionError
        """
        if heads is not None:
            raise DescriptionError(
                f"learner {self.learner!r} is never told the task of an image; use scenario"
                " 'class'"
            )


def check_regulariser(learner: str, regulariser: str) -> None:
    """Refuse a regulariser that a learner with local rules lacks: the others need gradients.

    Raises
    ------
    DescriptionError
    """
    if regulariser not in REGULARISERS:
        raise DescriptionError(
            f"learner {learner!r} has no regulariser {regulariser!r}; it has "
            f"{', '.join(REGULARISERS)}"
        )

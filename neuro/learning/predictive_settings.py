"""Settings of inter-areal predictive coding in columns (:mod:`neuro.models.predictive.network`)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from neuro.errors import DescriptionError
from neuro.learning.local_settings import LocalSettings, check_regulariser

EVENTS = ("graded", "spiking")


@dataclass(frozen=True, kw_only=True)
class PredictiveSettings(LocalSettings):
    r"""How columns of latent units learn to predict their input, and when a new one is recruited.

    An image is shown for ``presentation`` steps before it is judged; one more step learns. A
    learning rate is that of a column, by the samples that it has learned; importance is uniform
    and shuffled within a column. The defaults hold for all data sets.

    Attributes
    ----------
    batch_size, batch_limit : int
        Images per update while columns are fresh, and the most later on: learning rates fall, and
        more images then add up to as much (:meth:`batch`). 1 and 1: online.
    latents : int
        M, latent units of a column.
    columns : int
        Size of the pool that columns are recruited from.
    events : {"graded", "spiking"}
        What error units send: a signed number in every step, or signed spikes.
    error_threshold : float
        :math:`\theta_e`, size of a spike of an error unit; only for ``"spiking"``.
    prior_rate, prior : float
        :math:`\eta_\mu`, learning rate of the mean that top-down synapses give to latent units, and
        that mean at first, in spikes per step.
    surprise : float
        :math:`\rho`; an image is new to a class when its columns leave more than this part of its
        power unpredicted.
    maturity : int
        Samples that a column learns before it may be surprised.
    certainty : float
        An image whose class is unknown is learned by the column of least error if those of every
        other class leave at least so many times that error; with 1 always.
    answer_after : int
        Time steps after which an image is judged when it is tested; as long as in training if 0.
    shortlist, glance : int
        Not 0: columns that go on judging a test image, and the time steps after which the others
        are dropped. The image is then shown to those few from the beginning. 0: all judge to the
        end.
    integer_weights : bool
        Whether weights are whole 256ths between -127 and 127, rounded at random.
    checkpoint_every : int
        Images between two checkpoints, where learning is kept while it goes on.
    """

    learner: str = "pc"
    batch_size: int = 10
    batch_limit: int = 40
    latents: int = 20
    columns: int = 200
    presentation: int = 32
    events: str = "graded"
    error_threshold: float = 0.3
    learning_rate: float = 0.6
    rate_samples: float = 50.0
    rate_floor: float = 0.005
    weight_decay: float = 0.005
    prior_rate: float = 0.01
    prior: float = 0.2
    initial_weights: float = 0.01
    surprise: float = 0.42
    maturity: int = 40
    certainty: float = 1.3
    answer_after: int = 0
    shortlist: int = 0
    glance: int = 8
    integer_weights: bool = False
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("latents", "columns", "glance"):
            if getattr(self, name) < 1:
                raise DescriptionError(f"preset: {name} is {getattr(self, name)}; at least 1")
        for name in ("answer_after", "shortlist"):
            if getattr(self, name) < 0:
                raise DescriptionError(f"preset: {name} is {getattr(self, name)}; at least 0")
        if self.certainty < 1:
            raise DescriptionError(f"preset: certainty is {self.certainty:g}; at least 1")
        if self.events not in EVENTS:
            raise DescriptionError(f"preset: events is {self.events!r}; choose from {EVENTS}")
        if self.error_threshold <= 0:
            raise DescriptionError(
                f"preset: error_threshold is {self.error_threshold:g}; above 0"
            )

    def batch(self, learned: float) -> int:
        r"""Images per update when each class of the task has learned so many samples.

        .. math:: B = \min(B_0 \sqrt{1 + n / n_0},\, B_{max})

        Changes of a batch are added up. Their sum stays what it was at first.
        """
        grown = int(self.batch_size * math.sqrt(1.0 + learned / self.rate_samples))
        return max(self.batch_size, min(grown, self.batch_limit))


_DEFAULT = PredictiveSettings()
# Small images need fewer latent units, and few of them are there to learn from.
_DIGITS = PredictiveSettings(latents=12, columns=40)
# 800 features "dct" share the length of an image, and all images have much of it in common: larger
# batches overshoot. Found on validation images of Fashion-MNIST.
_FEATURES = PredictiveSettings(norm=5.0, weight_decay=0.01, batch_size=4, batch_limit=10)

# For all training images, chosen on the last sixth of them (seeds 100 and 101). Slower: more
# columns, a longer look.
_STRONGEST = {
    "mnist": PredictiveSettings(latents=30, surprise=0.3, maturity=100, weight_decay=0.01),
    "fashion-mnist": PredictiveSettings(presentation=48),
}


def predictive_settings(
    dataset: str,
    *,
    joint: bool = False,
    regulariser: str = "none",
    domain: bool = False,
    strongest: bool = False,
) -> PredictiveSettings:
    """The settings for a data set: the same for all but features and small images, in any order.

    Raises
    ------
    DescriptionError
        If there is no such regulariser: the others need gradients.
    """
    check_regulariser("pc", regulariser)
    base = {"digits": _DIGITS, "features": _FEATURES}.get(dataset, _DEFAULT)
    if strongest:
        base = _STRONGEST.get(dataset, base)
    if not joint:  # which has no earlier task to protect
        base = replace(base, regulariser=regulariser)
    # Where all classes come together, a batch has about as many images of each as of two classes.
    # Tasks that look different recruit fresh columns for old classes, so batches do not grow there
    # (Fashion-MNIST, four permutations, validation: 75 against 68 % with growing ones).
    if domain:
        few = 5 * base.batch_size // 2
        return replace(base, batch_size=few, batch_limit=few)
    if joint:
        return replace(
            base, batch_size=5 * base.batch_size, batch_limit=5 * base.batch_limit // 2
        )
    return base

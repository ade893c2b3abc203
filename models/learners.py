"""The learners of the continual-learning job, one per kind of network and training.

:data:`LEARNERS` is the table: each entry makes a learner from the settings of a preset. What all
learners share is :class:`NetworkLearner`, what the sleep asks of some is :class:`SleepingLearner`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.ewc import ElasticWeights
from neuro.learning.lwf import LearningWithoutForgetting
from neuro.learning.presets import Preset
from neuro.learning.regulariser import Regulariser
from neuro.learning.synaptic_intelligence import SynapticIntelligence
from neuro.models.feedforward import FeedForward
from neuro.models.mrnn import MRNN
from neuro.models.predictive.chain_learner import ChainLearner
from neuro.models.predictive.learner import PredictiveLearner
from neuro.models.surrogate_learner import SGLearner
from neuro.progress import Progress

Heads = Sequence[Sequence[int]]
"""Classes of each task, for learners that are told the task of an image."""


class Model(Protocol):
    """A network with weights."""

    def get_weights(self) -> list[NDArray[np.float64]]:
        """Copies of the weights, an array a projection."""
        ...


class SleepingModel(Model, Protocol):
    """A layered network whose weights can sleep: matrices ``[pre, post]``."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units per layer, input first."""
        ...

    def load_weights(self, weights: Sequence[NDArray[np.float64]], /) -> None:
        """Take weight matrices back."""
        ...

    def states(self, images: NDArray[np.float32], /) -> Sequence[NDArray[np.floating]]:
        """Activity of each layer above the input, ``[images, units]``."""
        ...


class NetworkLearner(Protocol):
    """A :class:`~neuro.learning.continual.Learner` with a network."""

    epochs: int

    @property
    def model(self) -> Model:
        """The network."""
        ...

    def fit(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: np.random.Generator,
        progress: Progress,
    ) -> None:
        """Train on images ``[n, features]``."""
        ...

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Predicted classes."""
        ...

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.floating]:
        """Outputs ``[n, classes]``; the largest is the answer."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A learner that keeps what it has learned while a training goes on.

    Attributes
    ----------
    checkpoints : Path or None
        Folder for that. A learner made anew with the same folder and given the same tasks goes on
        where the last one was killed, with the same result.
    """

    checkpoints: Path | None


class SleepingLearner(NetworkLearner, Protocol):
    """A learner with a network that can sleep.

    Attributes
    ----------
    model : SleepingModel
        The network.
    activity_max : list of float
        Largest activity of each layer above the input over all images trained on, each
        measured just after its training. Empty unless the preset asks for normalised gains.
    """

    activity_max: list[float]

    @property
    def model(self) -> SleepingModel:
        """The network."""
        ...


def _largest(
    before: list[float], model: SleepingModel, images: NDArray[np.float32]
) -> list[float]:
    """Largest activity of each layer so far, with the images just trained on."""
    now = [float(layer.max(initial=0)) for layer in model.states(images)]
    return [max(a, b) for a, b in zip(before or [0.0] * len(now), now, strict=True)]


class MRNNLearner:
    """An :class:`~neuro.models.mrnn.MRNN` with the learning settings of a preset.

    Parameters
    ----------
    preset : Preset
        Settings.
    features, n_classes : int
        Sizes of the input and output layers.
    seed : int
        Seed of the initial weights.
    device : str
        Torch device.
    heads : sequence of sequences of int, optional
        Not possible here: refused.
    rule : {"equilibrium", "bptt", "bptt-open"}
        How it learns, see :meth:`neuro.models.mrnn.MRNN.gradients`.

    Attributes
    ----------
    model : MRNN
        The network.
    activity_max : list of float
        See :class:`SleepingLearner`.
    """

    def __init__(
        self,
        preset: Preset,
        features: int,
        n_classes: int,
        seed: int,
        device: str = "cpu",
        heads: Heads | None = None,
        *,
        rule: str = "equilibrium",
    ) -> None:
        if heads is not None:
            raise DescriptionError(
                f"learner {preset.learner!r} cannot be told the task of an image; "
                "use scenario 'class', or learner 'ff'"
            )
        self.preset = preset
        self.rule = rule
        self.epochs = preset.epochs
        self.model = MRNN(
            (features, *preset.hidden, n_classes),
            dynamics=preset.dynamics,
            activation=preset.activation,
            step_size=preset.step_size,
            free_steps=preset.free_steps,
            nudged_steps=preset.nudged_steps,
            beta=preset.beta,
            estimator=preset.estimator,
            loss=preset.loss,
            readout=preset.readout,
            seed=seed,
            device=device,
        )
        self.activity_max: list[float] = []

    def fit(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: np.random.Generator,
        progress: Progress,
    ) -> None:
        """Train; see :class:`neuro.learning.continual.Learner`."""
        shown = 0

        def advance(done: int) -> None:
            nonlocal shown
            progress.advance(done - shown)
            shown = done

        self.model.fit(
            images,
            labels,
            learning_rates=self.preset.learning_rates,
            epochs=self.preset.epochs,
            batch_size=self.preset.batch_size,
            stream=stream,
            rule=self.rule,
            progress=advance,
        )
        if self.preset.normalise:
            self.activity_max = _largest(self.activity_max, self.model, images)

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Most active output of each image."""
        return self.model.predict(images)

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.floating]:
        """Outputs of each image."""
        return self.model.outputs(images)


class FeedForwardLearner:
    """A :class:`~neuro.models.feedforward.FeedForward` with the settings of a preset.

    Parameters are those of :class:`MRNNLearner`; ``heads`` gives each task outputs of its own.

    Attributes
    ----------
    model : FeedForward
        The network.
    regulariser : Regulariser
        What protects earlier tasks.
    activity_max : list of float
        See :class:`SleepingLearner`.
    """

    def __init__(
        self,
        preset: Preset,
        features: int,
        n_classes: int,
        seed: int,
        device: str = "cpu",
        heads: Heads | None = None,
    ) -> None:
        self.preset = preset
        self.epochs = preset.epochs
        self.model = FeedForward(
            (features, *preset.hidden, n_classes),
            loss=preset.loss,
            dropout=preset.dropout,
            initial_weights=preset.initial_weights,
            heads=heads,
            seed=seed,
            device=device,
        )
        self.regulariser = REGULARISERS[preset.regulariser](preset, heads)
        self.activity_max: list[float] = []

    def fit(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: np.random.Generator,
        progress: Progress,
    ) -> None:
        """Train; see :class:`neuro.learning.continual.Learner`."""
        self.model.fit(
            images,
            labels,
            learning_rates=self.preset.learning_rates,
            epochs=self.preset.epochs,
            batch_size=self.preset.batch_size,
            momentum=self.preset.momentum,
            stream=stream,
            regulariser=self.regulariser,
            progress=progress.advance,
        )
        if self.preset.normalise:
            self.activity_max = _largest(self.activity_max, self.model, images)

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Most active output of each image."""
        return self.model.predict(images)

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.floating]:
        """Outputs of each image."""
        return self.model.outputs(images)


REGULARISERS: Mapping[str, Callable[[Preset, Heads | None], Regulariser]] = {
    "none": lambda p, heads: Regulariser(),
    "ewc": lambda p, heads: ElasticWeights(p.strength, p.fisher_images),
    "si": lambda p, heads: SynapticIntelligence(p.strength, p.damping),
    "lwf": lambda p, heads: LearningWithoutForgetting(
        p.strength, p.temperature, 1.0 - p.dropout, heads
    ),
}
"""Regularisers by the name that a preset gives them, made from the preset and the heads."""


class MakeLearner(Protocol):
    """Makes a fresh learner."""

    def __call__(
        self,
        preset: Any,
        features: int,
        n_classes: int,
        seed: int,
        device: str = ...,
        heads: Heads | None = ...,
    ) -> NetworkLearner:
        """See :class:`MRNNLearner`; the preset has settings of the learner's own kind."""
        ...


LEARNERS: Mapping[str, MakeLearner] = {
    "ep": MRNNLearner,
    "bptt": partial(MRNNLearner, rule="bptt-open"),
    "ff": FeedForwardLearner,
    "sg": SGLearner,
    "pc": PredictiveLearner,
    "pc-chain": ChainLearner,
}
"""Learners by the name that a preset gives them."""

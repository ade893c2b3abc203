"""The surrogate-gradient network as a learner of the continual-learning job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.ewc import ElasticWeights
from neuro.learning.isi_importance import SpikeImportance
from neuro.learning.ledger import array_bytes, arrays_of, inference_energy, saved_bytes
from neuro.learning.regulariser import Regulariser
from neuro.learning.settings import SPIKE_IMPORTANCE
from neuro.learning.surrogate import diagonal_fisher
from neuro.learning.surrogate_settings import SurrogateSettings
from neuro.models.surrogate import SurrogateLIF
from neuro.progress import Progress

__all__ = ["REGULARISERS", "SGLearner", "SurrogateSettings"]

REGULARISERS: Mapping[str, Callable[[SurrogateSettings], Regulariser]] = {
    "none": lambda s: Regulariser(),
    "ewc": lambda s: ElasticWeights(s.strength, s.importance_images, diagonal_fisher),
    **dict.fromkeys(
        SPIKE_IMPORTANCE, lambda s: SpikeImportance(s.strength, s.regulariser, s.importance_images)
    ),
}
"""Regularisers by the name that the settings give them."""


class SGLearner:
    """A :class:`~neuro.models.surrogate.SurrogateLIF` with its settings.

    Parameters
    ----------
    preset : SurrogateSettings
        Settings.
    features, n_classes : int
        Sizes of the input and output layers.
    seed : int
        Seed of the initial weights and of the spikes.
    device : str
        Torch device.
    heads : sequence of sequences of int, optional
        Classes of each task, where the task of an image is told.

    Attributes
    ----------
    model : SurrogateLIF
        The network.
    regulariser : Regulariser
        What protects earlier tasks.
    """

    def __init__(
        self,
        preset: SurrogateSettings,
        features: int,
        n_classes: int,
        seed: int,
        device: str = "cpu",
        heads: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if preset.regulariser not in REGULARISERS:
            raise DescriptionError(
                f"learner 'sg' has no regulariser {preset.regulariser!r}; it has "
                f"{', '.join(REGULARISERS)}"
            )
        self.preset = preset
        self.epochs = preset.epochs
        self.model = SurrogateLIF(
            (features, *preset.hidden, n_classes),
            steps=preset.time_steps,
            decay=preset.decay,
            slope=preset.slope,
            readout=preset.readout,
            heads=heads,
            seed=seed,
            device=device,
        )
        self.regulariser = REGULARISERS[preset.regulariser](preset)

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
            learning_rate=self.preset.learning_rate,
            epochs=self.preset.epochs,
            batch_size=self.preset.batch_size,
            restart=self.preset.restart,
            stream=stream,
            regulariser=self.regulariser,
            progress=progress.advance,
        )

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Class of the largest output of each image."""
        return self.model.predict(images)

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.floating]:
        """Outputs of each image."""
        return self.model.outputs(images)

    def measures(self) -> dict[str, Any]:
        """What learning and answering cost, as plain JSON.

        Returns
        -------
        dict
            ``memory_bytes``: of ``weights``, ``gradients``, ``optimiser``, ``regulariser``,
            ``activations`` (what autograd keeps for a batch; the errors of its backward pass come
            on top) and ``total``, from the arrays themselves; the protocol adds the images that
            rehearsal keeps. The next, for an image of the last prediction (None before one):
            ``spikes_per_sample`` (of all units, the image's included), ``input_spikes_per_sample``,
            ``synaptic_operations_per_sample`` and ``joule_per_sample``
            (:func:`neuro.learning.ledger.inference_energy`).
        """
        return {"memory_bytes": self._memory(), **self._work()}

    def _memory(self) -> dict[str, int]:
        model = self.model
        memory = {
            "weights": array_bytes(model.weights),
            "gradients": array_bytes(w.grad for w in model.weights if w.grad is not None),
            "optimiser": array_bytes(model.optimiser_arrays),
            "regulariser": array_bytes(arrays_of(self.regulariser)),
            "activations": self._activations(),
        }
        return {**memory, "total": sum(memory.values())}

    def _activations(self) -> int:
        blank = np.zeros((self.preset.batch_size, self.model.sizes[0]), np.float32)
        labels = self.model.labels(np.zeros(len(blank), np.int64))

        def run() -> object:
            trains = self.model.encode(blank, np.random.default_rng(0))
            return self.model.loss(self.model.run(trains).output, labels)

        return saved_bytes(run, self.model.weights)

    def _work(self) -> dict[str, float | None]:
        counted, sizes = self.model.counted, self.model.sizes
        names = ("spikes", "input_spikes", "synaptic_operations", "joule")
        if counted is None or counted.images == 0:
            return {f"{name}_per_sample": None for name in names}
        layers = [n / counted.images for n in counted.layers]
        operations = sum(n * post for n, post in zip(layers, sizes[1:], strict=True))
        joule = inference_energy(operations, self.model.steps * sum(sizes[1:]), sum(layers))
        values = (sum(layers), layers[0], operations, joule)
        return {f"{name}_per_sample": value for name, value in zip(names, values, strict=True)}

"""The chain of areas as a learner of the continual-learning protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.learning.chain_settings import ChainSettings
from neuro.learning.ledger import inference_energy
from neuro.models.predictive.chain import PredictiveChain
from neuro.progress import Progress

__all__ = ["ChainLearner", "ChainSettings"]


class ChainLearner:
    """A :class:`~neuro.models.predictive.chain.PredictiveChain` for the protocol.

    Parameters
    ----------
    preset : ChainSettings
        Settings.
    features, n_classes : int
        Pixels of an image; classes.
    seed : int
        Seed of everything random but the order of images.
    device : str
        Torch device, where torch simulates.
    heads : optional
        Not possible here: the network is never told the task.

    Attributes
    ----------
    model : PredictiveChain
        The network.
    """

    def __init__(
        self,
        preset: ChainSettings,
        features: int,
        n_classes: int,
        seed: int,
        device: str = "cpu",
        heads: Sequence[Sequence[int]] | None = None,
    ) -> None:
        preset.refuse_heads(heads)
        self.preset, self.epochs = preset, preset.epochs
        options = {"device": device} if preset.backend == "torch" else {}
        self.model = PredictiveChain(
            (features, *preset.hidden, n_classes),
            preset,
            seed=seed,
            backend=preset.backend,
            precision=preset.precision,
            **options,
        )
        self._events: dict[str, float] | None = None

    def fit(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: np.random.Generator,
        progress: Progress,
    ) -> None:
        """Learn each image once an epoch; see :class:`neuro.learning.continual.Learner`."""
        batch = self.preset.batch_size
        for _ in range(self.epochs):
            order = stream.permutation(len(labels))
            for first in range(0, len(order), batch):
                chosen = order[first : first + batch]
                rate = self.preset.rate(self.model.seen)
                self.model.learn(images[chosen], labels[chosen], rate)
                progress.advance(len(chosen))
        self.model.finish_task()

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Most active class unit of each image."""
        answers: NDArray[np.int64] = self.scores(images).argmax(axis=1)
        return answers

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.floating]:
        """Activity of the class units, ``[n, classes]``."""
        found = self.model.respond(images)
        if len(images):
            self._events = {owner: float(n.mean()) for owner, n in found.events.items()}
        return found.classes

    def measures(self) -> dict[str, Any]:
        """What learning and answering cost, as plain JSON.

        Returns
        -------
        dict
            ``memory_bytes``: see :meth:`PredictiveChain.memory`. The next are for an image of the
            last prediction (None before one): ``spikes_per_sample`` (of all units, the image's
            included), ``error_events_per_sample`` (numbers that error units send),
            ``synaptic_operations_per_sample`` (events times synapses) and ``joule_per_sample``
            (:func:`neuro.learning.ledger.inference_energy`).
        """
        names = ("spikes", "error_events", "synaptic_operations", "joule")
        values: tuple[float | None, ...] = (None,) * len(names)
        if self._events is not None:
            events, fan_out = self._events, self.model.fan_out()
            operations = sum(n * fan_out[owner] for owner, n in events.items())
            updates = self.preset.presentation * sum(self.model.program.sizes.values())
            values = (
                sum(n for owner, n in events.items() if owner.startswith("A")),
                sum(n for owner, n in events.items() if owner.startswith("E")),
                operations,
                inference_energy(operations, updates, sum(events.values())),
            )
        work = {f"{name}_per_sample": v for name, v in zip(names, values, strict=True)}
        return {"memory_bytes": self.model.memory(), **work}

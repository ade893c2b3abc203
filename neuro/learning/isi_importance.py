"""A penalty on changes of what regularly spiking neurons know: importance by spike intervals.

What importance is, and its controls: :mod:`neuro.learning.spike_intervals`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.regulariser import Learned, Regulariser, Tether
from neuro.learning.settings import SPIKE_IMPORTANCE
from neuro.learning.spike_intervals import Importance

BATCH = 250
"""Images whose spikes are counted at a time."""


class SpikeImportance(Regulariser):
    r"""Ties the synapses of important neurons of a spiking network to where they were.

    Intervals are those of the network just trained, on images of its task.

    Parameters
    ----------
    strength : float
        :math:`\lambda`.
    kind : {"isi-cv", "uniform", "shuffled"}
        See :mod:`neuro.learning.spike_intervals`.
    images : int
        Images of a task, drawn at random, whose spikes are counted.

    Attributes
    ----------
    layers : list of Importance
        Of the hidden layers; empty before the first task is learned.
    """

    losses = ("cross-entropy",)

    def __init__(self, strength: float, kind: str = "isi-cv", images: int = 1000) -> None:
        if not 0 <= strength < float("inf"):
            raise DescriptionError(f"strength of {kind} is {strength}; it must be finite and >= 0")
        if kind not in SPIKE_IMPORTANCE:
            known = ", ".join(SPIKE_IMPORTANCE)
            raise DescriptionError(f"importance {kind!r} is unknown; there are {known}")
        if images < 1:
            raise DescriptionError(f"images of {kind} is {images}; at least 1")
        self.strength = strength
        self.kind = kind
        self.images = images
        self.layers: list[Importance] = []
        self.anchor: list[Tensor] = []

    def begin(self, weights: Sequence[Tensor], classes: frozenset[int]) -> None:
        """Remember where the weights are."""
        self.anchor = [w.detach().clone() for w in weights]

    def synapses(self) -> list[NDArray[np.float64]]:
        """Importance of each weight, one array for each matrix that broadcasts to its shape."""
        posts = [layer.omega[None, :] for layer in self.layers]
        return [*posts, np.append(self.layers[-1].omega, 1.0)[:, None]]

    def tethers(self) -> list[Tether]:
        """The quadratic term, from the second task on."""
        if not self.layers:
            return []
        return [
            Tether(torch.as_tensor(self.strength * o).to(w0).expand_as(w0), w0)
            for o, w0 in zip(self.synapses(), self.anchor, strict=True)
        ]

    def finish(self, learned: Learned) -> None:
        """Count the intervals of the task."""
        if not self.layers:
            sizes = [w.shape[1] for w in learned.weights[:-1]]
            self.layers = [Importance(n, self.kind, learned.stream.permutation(n)) for n in sizes]
        chosen = torch.from_numpy(learned.stream.permutation(len(learned.images))[: self.images])
        for part in torch.split(chosen.to(learned.images.device), BATCH):
            with torch.no_grad():
                seen = learned.look(learned.images[part])
            for layer, spikes in zip(self.layers, seen.inputs[1:], strict=True):
                layer.counters.add(spikes.cpu().numpy() > 0)
        for layer in self.layers:
            layer.finish()

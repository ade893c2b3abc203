r"""Synaptic intelligence: weights that did the work of earlier tasks are held back.

While a task is learned, every weight adds up what its steps contributed to the fall of the loss,
:math:`\omega_i = -\sum_t g_i(t)\,\Delta\theta_i(t)` with the gradient :math:`g` of the task's own
loss. After the task

.. math:: \Omega_i \leftarrow \Omega_i
   + \frac{\max(0, \omega_i)}{(\theta_i - \theta^*_i)^2 + \xi},

and the next tasks' losses get the term :math:`c \sum_i \Omega_i (\theta_i - \theta^*_i)^2`, where
:math:`\theta^*` are the weights at the beginning of the task. Source: Zenke, Poole & Ganguli 2017
(ICML); :math:`\omega` below 0 counts as 0, which keeps the term from rewarding distance.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.regulariser import Learned, Regulariser, Tether


class SynapticIntelligence(Regulariser):
    r"""Synaptic intelligence.

    Parameters
    ----------
    strength : float
        c.
    damping : float
        :math:`\xi`, > 0: a bound on the importance of weights that hardly moved.

    Attributes
    ----------
    path : list of Tensor
        :math:`\omega` of the task being learned, or of the last one.
    importance : list of Tensor
        :math:`\Omega`; empty before the first task is learned.
    """

    def __init__(self, strength: float, damping: float = 0.1) -> None:
        if not 0 <= strength < float("inf"):
            raise DescriptionError(f"strength of si is {strength}; it must be finite and >= 0")
        if not 0 < damping < float("inf"):
            raise DescriptionError(f"damping of si is {damping}; it must be finite and > 0")
        self.strength = strength
        self.damping = damping
        self.path: list[Tensor] = []
        self.importance: list[Tensor] = []
        self.anchor: list[Tensor] = []

    def begin(self, weights: Sequence[Tensor], classes: frozenset[int]) -> None:
        """Remember where the weights are, and count from zero."""
        self.anchor = [w.detach().clone() for w in weights]
        self.path = [torch.zeros_like(w) for w in self.anchor]

    def tethers(self) -> list[Tether]:
        """The quadratic term, from the second task on."""
        if not self.importance:
            return []
        return [
            Tether(2.0 * self.strength * o, w0)
            for o, w0 in zip(self.importance, self.anchor, strict=True)
        ]

    def stepped(
        self, gradients: Sequence[Tensor], before: Sequence[Tensor], after: Sequence[Tensor]
    ) -> None:
        """Add what this step contributed."""
        for path, g, old, new in zip(self.path, gradients, before, after, strict=True):
            path.addcmul_(g, new - old, value=-1.0)

    def finish(self, learned: Learned) -> None:
        """Turn contributions into importance."""
        earlier = self.importance or [torch.zeros_like(w) for w in self.anchor]
        self.importance = [
            o + path.clamp(min=0.0) / ((w.detach() - w0).square() + self.damping)
            for o, path, w, w0 in zip(earlier, self.path, learned.weights, self.anchor, strict=True)
        ]

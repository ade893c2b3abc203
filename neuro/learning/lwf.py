r"""Learning without forgetting: the new network answers as the old one did, on the new data.

Each mini-batch of a new task adds the cross-entropy between the softened answers of the network
as it was before the task and as it is now,

.. math:: -\lambda T^2 \sum_h \sum_{k \in h} q_k \ln p_k,\qquad
   q = \mathrm{softmax}(u_{old,h} / T),\; p = \mathrm{softmax}(u_h / T),

meant over images. The sum runs over heads h: with one shared output all earlier classes are one
head, with a head per task each earlier task is one. Source: Li & Hoiem 2017 (TPAMI 40:2935),
without the warm-up of new outputs; the factor :math:`T^2` is that of Hinton et al. 2015
(arXiv:1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from neuro.errors import DescriptionError
from neuro.learning.feedforward import forward
from neuro.learning.regulariser import Regulariser


def distillation(
    currents: Tensor, old: Tensor, heads: Sequence[Sequence[int]], temperature: float
) -> Tensor:
    """The term without its strength, averaged over the batch.

    Parameters
    ----------
    currents, old : Tensor
        ``[batch, classes]``: outputs of the new and of the old network for the same images.
    heads : sequence of sequences of int
        Classes that were told apart from each other.
    temperature : float
        T.
    """
    total = currents.new_zeros(())
    for head in heads:
        classes = list(head)
        wanted = (old[:, classes] / temperature).softmax(-1)
        given = functional.log_softmax(currents[:, classes] / temperature, -1)
        total = total - (wanted * given).sum(-1).mean()
    return total * temperature**2


class LearningWithoutForgetting(Regulariser):
    r"""Learning without forgetting.

    Parameters
    ----------
    strength : float
        :math:`\lambda`.
    temperature : float
        T, > 0.
    keep : float
        Factor of hidden activity in test mode, 1 without dropout.
    heads : sequence of sequences of int, optional
        Classes of each task, where each task has its own head; None: one shared output.
    """

    losses = ("cross-entropy",)

    def __init__(
        self,
        strength: float,
        temperature: float = 2.0,
        keep: float = 1.0,
        heads: Sequence[Sequence[int]] | None = None,
    ) -> None:
        if not 0 <= strength < float("inf"):
            raise DescriptionError(f"strength of lwf is {strength}; it must be finite and >= 0")
        if not 0 < temperature < float("inf"):
            raise DescriptionError(
                f"temperature of lwf is {temperature}; it must be finite and > 0"
            )
        self.strength = strength
        self.temperature = temperature
        self.keep = keep
        self.heads = heads
        self.known: frozenset[int] = frozenset()
        self.arriving: frozenset[int] = frozenset()
        self.old: list[Tensor] = []

    def begin(self, weights: Sequence[Tensor], classes: frozenset[int]) -> None:
        """Keep the network as it is before the task."""
        # Rehearsed images bring classes that are known already.
        self.known |= self.arriving
        self.arriving = classes
        self.old = [w.detach().clone() for w in weights]

    def old_heads(self) -> list[list[int]]:
        """Heads of the classes learned in earlier tasks."""
        heads = [sorted(self.known)] if self.heads is None else self.heads
        return [list(head) for head in heads if head and self.known.issuperset(head)]

    def loss(self, weights: Sequence[Tensor], x: Tensor, currents: Tensor) -> Tensor | None:
        """The distillation term, from the second task on."""
        heads = self.old_heads()
        if not heads:
            return None
        with torch.no_grad():
            old = forward(x, self.old, [self.keep] * (len(self.old) - 1)).currents[-1]
        return self.strength * distillation(currents, old, heads, self.temperature)

r"""Elastic weight consolidation: important weights are tied to where they were.

While a task is learned its loss gets the term

.. math:: \frac{\lambda}{2} \sum_i F_i (\theta_i - \theta^*_i)^2,

with :math:`\theta^*` the weights at the beginning of the task and :math:`F` the diagonal of the
Fisher information, summed over the tasks before. Source: Kirkpatrick et al. 2017 (PNAS 114:3521);
one quadratic term around the latest weights, not one per task, as Huszár 2018 (PNAS 115:E2496)
derives and Schwarz et al. 2018 (ICML, "online EWC" with decay 1) do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.feedforward import Pass, softmax_within
from neuro.learning.regulariser import Learned, Regulariser, Tether

BATCH = 250
"""Images whose Fisher information is computed at a time."""


def diagonal_fisher(seen: Pass, allowed: Tensor | None = None) -> list[Tensor]:
    r"""Sum over images of the diagonal Fisher information of a softmax network.

    The expectation over classes is exact: :math:`\sum_n \sum_k p_k(x_n) (\partial \ln p_k(x_n) /
    \partial W)^2`. As :math:`\partial \ln p / \partial W = a\,\delta^T` for each image, the
    squares of all images are one matrix product :math:`(a^2)^T (\delta^2)` per class.

    Parameters
    ----------
    seen : Pass
        A pass that autograd recorded.
    allowed : Tensor, optional
        Classes that each image was told apart from, bool ``[batch, classes]``.

    Returns
    -------
    list of Tensor
        ``[pre, post]`` per weight matrix.
    """
    output = seen.currents[-1]
    p = softmax_within(output.detach(), allowed)
    squared = [a.detach().square() for a in seen.inputs]
    sizes = [(a.shape[1], u.shape[1]) for a, u in zip(seen.inputs, seen.currents, strict=True)]
    total = [output.new_zeros(size, requires_grad=False) for size in sizes]
    for k in range(p.shape[1]):
        if not bool(p[:, k].any()):
            continue
        score = -p  # d ln p_k / d output
        score[:, k] += 1.0
        deltas = torch.autograd.grad(output, seen.currents, score, retain_graph=True)
        for into, a, delta in zip(total, squared, deltas, strict=True):
            into.addmm_(a.t(), delta.square() * p[:, k : k + 1])
    return total


class ElasticWeights(Regulariser):
    r"""Elastic weight consolidation.

    Parameters
    ----------
    strength : float
        :math:`\lambda`; with F the mean over images, not the sum.
    fisher_images : int
        Images of a task, drawn at random, from which its F is computed.
    information : callable
        Sum over images of F, from a pass and the allowed classes, as :func:`diagonal_fisher`
        finds it for rectified units.
    """

    losses = ("cross-entropy",)

    def __init__(
        self,
        strength: float,
        fisher_images: int = 1000,
        information: Callable[[Pass, Tensor | None], list[Tensor]] = diagonal_fisher,
    ) -> None:
        if not 0 <= strength < float("inf"):
            raise DescriptionError(f"strength of ewc is {strength}; it must be finite and >= 0")
        if fisher_images < 1:
            raise DescriptionError(f"fisher_images of ewc is {fisher_images}; at least 1")
        self.strength = strength
        self.fisher_images = fisher_images
        self.information = information
        self.fisher: list[Tensor] = []
        self.anchor: list[Tensor] = []

    def begin(self, weights: Sequence[Tensor], classes: frozenset[int]) -> None:
        """Remember where the weights are."""
        self.anchor = [w.detach().clone() for w in weights]

    def tethers(self) -> list[Tether]:
        """The quadratic term, from the second task on."""
        if not self.fisher:
            return []
        return [
            Tether(self.strength * f, w0)
            for f, w0 in zip(self.fisher, self.anchor, strict=True)
        ]

    def finish(self, learned: Learned) -> None:
        """Add the Fisher information of the task."""
        count = min(self.fisher_images, len(learned.images))
        chosen = torch.from_numpy(learned.stream.permutation(len(learned.images))[:count])
        chosen = chosen.to(learned.images.device)
        found = [torch.zeros_like(w) for w in learned.weights]
        for part in torch.split(chosen, BATCH):
            with torch.enable_grad():
                seen = learned.look(learned.images[part])
            allowed = None if learned.allowed is None else learned.allowed[part]
            for into, more in zip(found, self.information(seen, allowed), strict=True):
                into.add_(more, alpha=1.0 / count)
        earlier = self.fisher or [torch.zeros_like(w) for w in found]
        self.fisher = [a + b for a, b in zip(earlier, found, strict=True)]

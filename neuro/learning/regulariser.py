"""What can protect earlier tasks while a new one is learned: the common form.

A regulariser belongs to a feed-forward network (:mod:`neuro.models.feedforward`), which calls it
at four moments: before a task, for every mini-batch, after every step, and after the task. What
happens to the weights between two tasks (sleep) is so part of what the next task must keep.

Terms of the loss come in two forms. What is quadratic in the weights is a :class:`Tether`. Its
strengths span many orders of magnitude, and explicit descent diverges where strength times
learning rate exceeds 2, so it is descended implicitly (a proximal step, Parikh & Boyd 2014,
Foundations and Trends in Optimization 1:127): same minima, stable for every strength.
Everything else is :meth:`Regulariser.loss`, which is descended like the task's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from neuro.learning.feedforward import Pass


@dataclass(frozen=True)
class Learned:
    """A task that was just learned, as its regulariser may look at it.

    Attributes
    ----------
    weights : sequence of Tensor
        ``[pre, post]``, after training.
    images : Tensor
        ``[n, features]``, all that the task was trained on.
    allowed : Tensor or None
        Classes among which each image was told apart, bool ``[n, classes]``; None: all.
    look : callable
        The network's pass in test mode on some images.
    stream : numpy.random.Generator
        For choosing images.
    """

    weights: Sequence[Tensor]
    images: Tensor
    allowed: Tensor | None
    look: Callable[[Tensor], Pass]
    stream: np.random.Generator


@dataclass(frozen=True)
class Tether:
    r"""The term :math:`\frac12 \sum_i k_i (\theta_i - \theta^*_i)^2` of one weight matrix.

    Attributes
    ----------
    stiffness, anchor : Tensor
        :math:`k \ge 0` and :math:`\theta^*`, both ``[pre, post]``.
    """

    stiffness: Tensor
    anchor: Tensor

    def pull(self, w: Tensor, rate: float) -> None:
        """Move ``w`` in place to where one implicit step of the rate leads."""
        reach = self.stiffness * rate
        w.lerp_(self.anchor, reach / (1.0 + reach))


class Regulariser:
    """Protects nothing; the others redefine what they need."""

    losses: tuple[str, ...] = ("mse", "cross-entropy")
    """Losses of the network with which it makes sense."""

    def begin(self, weights: Sequence[Tensor], classes: frozenset[int]) -> None:
        """Before the first step of a task that brings ``classes``."""

    def tethers(self) -> list[Tether]:
        """One for each weight matrix, input side first; none: the weights are free."""
        return []

    def loss(self, weights: Sequence[Tensor], x: Tensor, currents: Tensor) -> Tensor | None:
        """A scalar to be added to the mean loss of a mini-batch; None: nothing.

        Parameters
        ----------
        weights : sequence of Tensor
            Autograd follows them.
        x, currents : Tensor
            ``[batch, features]`` and ``[batch, classes]``: images, output currents for them.
        """
        return None

    def stepped(self, gradients: Sequence[Tensor], before: Sequence[Tensor],
                after: Sequence[Tensor]) -> None:  # fmt: skip
        """After a step that moved the weights from ``before`` to ``after``.

        ``gradients`` are those of the task's own loss.
        """

    @property
    def watches_steps(self) -> bool:
        """Whether :meth:`stepped` must be called: it costs a copy of the weights."""
        return type(self).stepped is not Regulariser.stepped

    def finish(self, learned: Learned) -> None:
        """After the last step of a task."""

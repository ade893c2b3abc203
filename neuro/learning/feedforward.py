r"""A feed-forward network of rectified units without biases: one pass, and what its errors are.

:math:`u^l = a^{l-1} W^l` and :math:`a^l = c^l \max(0, u^l)` for the hidden layers, with
:math:`a^0 = x`. The factor :math:`c^l` is dropout: a mask of zeros and ones while training, the
share of units that is kept while testing (Srivastava et al. 2014, as in the released code of
Tadros et al. 2022; no factor while training, so trained weights are used unchanged). What the
output current :math:`u^L` means is a :class:`Readout`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neuro.errors import DescriptionError


@dataclass(frozen=True)
class Pass:
    """What one pass leaves behind, layer by layer.

    Attributes
    ----------
    inputs : list of Tensor
        ``[batch, pre]``: what enters each weight matrix.
    currents : list of Tensor
        ``[batch, post]``: what comes out of it, before rectification.
    """

    inputs: list[Tensor]
    currents: list[Tensor]


def forward(x: Tensor, weights: Sequence[Tensor], kept: Sequence[Tensor | float]) -> Pass:
    """Send a batch through the network; autograd can follow it.

    Parameters
    ----------
    x : Tensor
        ``[batch, features]``.
    weights : sequence of Tensor
        ``[pre, post]``, input side first.
    kept : sequence of Tensor or float
        Factor of each hidden layer: masks ``[batch, units]``, or a number.
    """
    inputs, currents = [x], [x @ weights[0]]
    for w, factor in zip(weights[1:], kept, strict=True):
        inputs.append(currents[-1].relu() * factor)
        currents.append(inputs[-1] @ w)
    return Pass(inputs, currents)


def softmax_within(currents: Tensor, allowed: Tensor | None) -> Tensor:
    """Class probabilities ``[batch, classes]``; those outside ``allowed`` (bool) are 0."""
    if allowed is not None:
        currents = currents.masked_fill(~allowed, -torch.inf)
    return currents.softmax(-1)


def _squared_error(currents: Tensor, targets: Tensor, allowed: Tensor | None) -> Tensor:
    error = currents.relu() - targets
    return error if allowed is None else error * allowed


def _cross_entropy(currents: Tensor, targets: Tensor, allowed: Tensor | None) -> Tensor:
    return softmax_within(currents, allowed) - targets


@dataclass(frozen=True)
class Readout:
    """How output currents are read and taught.

    Attributes
    ----------
    outputs : callable
        Outputs from currents ``[batch, classes]``; the largest is the answer.
    error : callable
        From currents, one-hot targets and allowed classes (bool ``[batch, classes]``, or None
        for all) to what is sent back through the network, ``[batch, classes]``.
    """

    outputs: Callable[[Tensor], Tensor]
    error: Callable[[Tensor, Tensor, Tensor | None], Tensor]


READOUTS: Mapping[str, Readout] = {
    # Half the squared error of rectified outputs, the derivative of the rectifier taken as 1:
    # silent outputs learn too (Tadros et al. 2022, released code).
    "mse": Readout(torch.relu, _squared_error),
    "cross-entropy": Readout(lambda currents: currents, _cross_entropy),
}


def readout(loss: str) -> Readout:
    """The readout of a loss.

    Raises
    ------
    DescriptionError
        If the loss is unknown; the message lists the choices.
    """
    if loss not in READOUTS:
        raise DescriptionError(f"loss: {loss!r} is unknown; choose one of {', '.join(READOUTS)}")
    return READOUTS[loss]

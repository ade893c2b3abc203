r"""A feed-forward network of spiking units: its pass, surrogate gradient and Fisher information.

In each step t a hidden layer does

.. math::
    u_t = b\,u_{t-1} + I_t - r\,s_{t-1}, \qquad s_t = [u_t \ge 1], \qquad I_t = W^T a_t + \beta,

where :math:`a_t` are the spikes of the layer below in the same step. With r = b the threshold is
subtracted as soon as a unit spikes (soft reset, then leak); with r = 1 it is subtracted one step
later, after the leak, as ``snntorch.Leaky`` does. The readout is leaky and does not spike:
:math:`y_t = b\,y_{t-1} + I_t`.

Gradients take :math:`\partial s / \partial u = 1 / (1 + k|u - 1|)^2`, the derivative of a fast
sigmoid (Zenke & Ganguli 2018, Neural Computation 30:1514), and none goes back through the reset.
What is left of back-propagation through time is then linear: the errors of a layer are leaky sums
that run backwards, one product with the matrix :math:`K_{tt'} = b^{t-t'}` transposed.

A bias is the weight of a unit that is always on: the last row of each weight matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neuro.learning.feedforward import Pass, softmax_within

FISHER_IMAGES = 25
"""Images whose gradients are held at once, one by one, for the Fisher information."""


@dataclass(frozen=True)
class SpikingPass(Pass):
    """What one pass leaves behind; as :class:`~neuro.learning.feedforward.Pass`, with time.

    Attributes
    ----------
    inputs : list of Tensor
        ``[steps, batch, pre]``: spikes that enter each weight matrix, without the unit that is
        always on.
    currents : list of Tensor
        ``[steps, batch, post]``.
    output : Tensor
        ``[batch, classes]``: what was read from the last layer.
    """

    output: Tensor


READOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": lambda y: y.mean(0),
    "max": lambda y: y.amax(0),
    "last": lambda y: y[-1],
}
"""Outputs ``[batch, classes]`` from the readout's potentials ``[steps, batch, classes]``."""


@dataclass(frozen=True)
class Dynamics:
    """Constants of the units.

    Attributes
    ----------
    decay : float
        b, factor of a potential per step.
    reset : float
        r, what a spike takes off the next step's potential.
    slope : float
        k of the surrogate; 0: as if units were linear.
    readout : str
        Name in :data:`READOUTS`.
    """

    decay: float
    reset: float
    slope: float
    readout: str


def leak(steps: int, decay: float, like: Tensor) -> Tensor:
    """K, ``[steps, steps]``: a leaky sum over time as one matrix product."""
    t = torch.arange(steps, device=like.device, dtype=like.dtype)
    return (decay ** (t[:, None] - t).clamp(min=0)).tril()


class _Spikes(torch.autograd.Function):
    """Spikes of a layer from its currents."""

    @staticmethod
    def forward(ctx: Any, currents: Tensor, dynamics: Dynamics) -> Tensor:
        potentials, spikes = torch.empty_like(currents), torch.empty_like(currents)
        u = s = torch.zeros_like(currents[0])
        for current, potential, spike in zip(currents, potentials, spikes, strict=True):
            u = torch.add(current, u, alpha=dynamics.decay, out=potential)
            u.sub_(s, alpha=dynamics.reset)
            s = torch.ge(u, 1.0, out=spike)
        ctx.save_for_backward(potentials)
        ctx.dynamics = dynamics
        return spikes

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None]:
        (potentials,) = ctx.saved_tensors
        steepness = (potentials - 1.0).abs_().mul_(ctx.dynamics.slope).add_(1.0).square_()
        local = errors[0] / steepness
        k = leak(len(local), ctx.dynamics.decay, local)
        return (k.t() @ local.flatten(1)).view_as(local), None


def forward(spikes: Tensor, weights: Sequence[Tensor], dynamics: Dynamics) -> SpikingPass:
    """Send spike trains through the network; autograd can follow it.

    Parameters
    ----------
    spikes : Tensor
        ``[steps, batch, features]`` of zeros and ones.
    weights : sequence of Tensor
        ``[pre + 1, post]``, input side first.
    dynamics : Dynamics
        Constants of the units.
    """
    inputs, currents = [spikes], [_current(spikes, weights[0])]
    for w in weights[1:]:
        emitted: Tensor = _Spikes.apply(currents[-1], dynamics)  # type: ignore[no-untyped-call]
        inputs.append(emitted)
        currents.append(_current(emitted, w))
    last = currents[-1]
    y = (leak(len(last), dynamics.decay, last) @ last.flatten(1)).view_as(last)
    return SpikingPass(inputs, currents, READOUTS[dynamics.readout](y))


def _current(spikes: Tensor, w: Tensor) -> Tensor:
    """Currents of all steps, one matrix product."""
    return torch.addmm(w[-1], spikes.flatten(0, 1), w[:-1]).view(*spikes.shape[:2], -1)


def diagonal_fisher(seen: Pass, allowed: Tensor | None = None) -> list[Tensor]:
    r"""Sum over images of the diagonal Fisher information of a spiking softmax network.

    As :func:`neuro.learning.ewc.diagonal_fisher`, the expectation over classes is exact. The
    gradient of one image is a sum over steps, which must be squared as a whole.

    Parameters
    ----------
    seen : SpikingPass
        A pass that autograd recorded.
    allowed : Tensor, optional
        Classes that each image was told apart from, bool ``[batch, classes]``.

    Returns
    -------
    list of Tensor
        ``[pre + 1, post]`` per weight matrix.
    """
    assert isinstance(seen, SpikingPass)
    p = softmax_within(seen.output.detach(), allowed)
    ones = p.new_ones(*seen.inputs[0].shape[:2], 1)
    inputs = [torch.cat([a.detach(), ones], 2).movedim(0, 2) for a in seen.inputs]
    total = [
        p.new_zeros(a.shape[1], u.shape[2]) for a, u in zip(inputs, seen.currents, strict=True)
    ]
    for k in range(p.shape[1]):
        if not bool(p[:, k].any()):
            continue
        score = -p  # d ln p_k / d output
        score[:, k] += 1.0
        # Squares are weighted by p_k: put its root into the gradient.
        score *= p[:, k : k + 1].sqrt()
        deltas = torch.autograd.grad(seen.output, seen.currents, score, retain_graph=True)
        for into, a, delta in zip(total, inputs, deltas, strict=True):
            parts = zip(
                torch.split(a, FISHER_IMAGES), torch.split(delta, FISHER_IMAGES, 1), strict=True
            )
            for pre, post in parts:
                into += torch.bmm(pre, post.movedim(1, 0)).square_().sum(0)
    return total

r"""The relaxation as plain differentiable equations, and back-propagation through it.

:func:`step` is one step of the dynamics of :mod:`neuro.learning.relaxation` written as the
equations read, without buffers, so that autograd can follow it. Two things are built on it:
truncated back-propagation through time, which is the baseline that equilibrium propagation is
compared with (Ernoult et al. 2019, NeurIPS; Laborieux et al. 2021), and gradient checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from neuro.errors import DescriptionError
from neuro.learning.activations import Activation
from neuro.learning.equilibrium import EquilibriumSettings


def drive(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
    """Return the current of the first hidden layer from the clamped input, [..., batch, units]."""
    return x @ weights[0] + (biases[0] if biases else 0.0)


def step(
    states: Sequence[Tensor],
    driven: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    targets: Tensor | None = None,
    beta: float = 0.0,
    *,
    open_outputs: bool = False,
) -> list[Tensor]:
    """Return the states after one synchronous step.

    Parameters
    ----------
    states : sequence of Tensor
        [..., batch, units] per layer after the input.
    driven : Tensor
        Result of :func:`drive`.
    weights, biases : sequence of Tensor
        ``[..., pre, post]`` and ``[units]`` (or empty); leading axes broadcast.
    settings : EquilibriumSettings
        Form, activation, loss and step size.
    targets : Tensor, optional
        [batch, outputs]; needed for ``beta`` other than 0.
    beta : float
        Strength of the nudge.
    open_outputs : bool
        Let gradients through outputs that sit on a bound, see :func:`truncated_gradients`.

    Returns
    -------
    list of Tensor
        New states, same shapes.
    """
    rho, last = settings.rho, len(states) - 1
    energy = settings.dynamics == "energy"
    rates = [rho(s) if energy and i < last else s for i, s in enumerate(states)]
    currents = []
    for i in range(last + 1):
        u = driven if i == 0 else rates[i - 1] @ weights[i]
        if i > 0 and biases:
            u = u + biases[i]
        if i < last:
            u = u + rates[i + 1] @ weights[i + 1].mT
        currents.append(u)

    nudge: Tensor | float = 0.0
    if targets is not None and beta != 0.0:
        cross_entropy = settings.loss == "cross-entropy"
        read = torch.softmax(states[-1], -1) if cross_entropy else states[-1]
        nudge = beta * (targets - read)

    new = []
    for i, (s, u) in enumerate(zip(states, currents, strict=True)):
        output = i == last
        squash = not output or settings.output_is_squashed
        pull = nudge if output else 0.0
        bounded = _open(rho) if open_outputs and output else rho
        if settings.dynamics == "prototypical":
            new.append(bounded(u + pull) if squash else u + pull)
        elif settings.dynamics == "leaky":
            new.append(s + settings.step_size * (-s + (bounded(u) if squash else u) + pull))
        else:
            force = u + pull if output else rho.slope(rates[i]) * u
            moved = s + settings.step_size * (-s + force)
            clip = _open(UNIT_CLIP) if open_outputs and output else UNIT_CLIP
            new.append(clip(moved) if squash else moved)
    return new


UNIT_CLIP = Activation("hard_sigmoid", "clamp")
"""The bounds of the states in ``energy``."""


def _open(rho: Activation) -> Callable[[Tensor], Tensor]:
    """The same values; where a clamp would stop the gradient, that of the line inside it."""
    if rho.squash != "clamp":
        return rho

    def through(u: Tensor) -> Tensor:
        line = u * rho.gain + rho.offset
        return line + (rho(u) - line).detach()

    return through


def rest(driven: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the all-zero states from which every relaxation begins."""
    batch = driven.shape[:-1]
    return [driven.new_zeros((*batch, w.shape[-1])) for w in weights]


def output_loss(outputs: Tensor, targets: Tensor, settings: EquilibriumSettings) -> Tensor:
    """Return the loss of each example, [..., batch]: half the squared error, or cross-entropy."""
    if settings.loss == "cross-entropy":
        return -(targets * functional.log_softmax(outputs, -1)).sum(-1)
    return 0.5 * (outputs - targets).square().sum(-1)


def matched_loss(outputs: Tensor, targets: Tensor, settings: EquilibriumSettings) -> Tensor:
    r"""Return the loss whose gradient equilibrium propagation estimates, [..., batch].

    That is :func:`output_loss`, except in ``leaky`` with ``mse``. There the nudge
    :math:`\beta (y - s)` is added outside :math:`\rho`, which equals a nudge of
    :math:`\beta (y - s) / \rho'(u)` inside it to first order, so the loss has the derivative
    :math:`(s - y) / \rho'(\rho^{-1}(s))`:

    ================= ==================================================
    activation        matched loss per output
    ================= ==================================================
    hard_sigmoid      :math:`\frac12 (s - y)^2`
    wide_hard_sigmoid :math:`(s - y)^2`
    steep_sigmoid     :math:`-\frac14 [y \ln s + (1 - y) \ln (1 - s)]`
    tanh              :math:`-\frac12 \ln(1 - s^2) - y\,\mathrm{artanh}(s)`
    ================= ==================================================

    It holds for outputs off the bounds of a clamping activation. On a bound :math:`\rho' = 0`
    and no loss matches: the rule still moves such an output, back-propagation does not.
    """
    if settings.dynamics != "leaky" or settings.loss != "mse":
        return output_loss(outputs, targets, settings)
    rho, s, y = settings.rho, outputs, targets
    if rho.squash == "clamp":
        each = (s - y).square() / (2.0 * rho.gain)
    elif rho.squash == "sigmoid":
        each = -(y * s.log() + (1.0 - y) * (-s).log1p()) / rho.gain
    else:
        each = (-0.5 * (-s * s).log1p() - y * s.atanh()) / rho.gain
    return each.sum(-1)


def truncated_gradients(
    x: Tensor,
    targets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    *,
    matched: bool = False,
    open_outputs: bool = False,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the gradient of the batch-mean loss, back-propagated through the last steps.

    ``free_steps - nudged_steps`` free steps run without a graph, then ``nudged_steps`` free
    steps with one (Laborieux et al. 2021): what equilibrium propagation with the same settings
    estimates.

    Parameters
    ----------
    x, targets : Tensor
        [batch, sizes[0]] and [batch, sizes[-1]].
    weights, biases : sequence of Tensor
        ``[pre, post]`` and ``[units]`` (or empty).
    settings : EquilibriumSettings
        ``nudged_steps`` must not exceed ``free_steps``.
    matched : bool
        Use :func:`matched_loss` instead of :func:`output_loss`.
    open_outputs : bool
        Count the derivative of a clamping activation as its slope for outputs on a bound too.
        Otherwise an output that is 0 for every image of a class (as those of classes still to
        come are, having been pushed down by all tasks before) can never learn it. The nudge of
        ``leaky`` and ``energy`` moves such outputs, so this is the closer counterpart there.

    Returns
    -------
    weight_gradients, bias_gradients : list of Tensor
        Shaped as ``weights`` and ``biases``.
    """
    if settings.nudged_steps > settings.free_steps:
        raise DescriptionError(
            f"bptt: nudged_steps {settings.nudged_steps} exceeds free_steps "
            f"{settings.free_steps}; back-propagation runs through the last nudged_steps of the "
            f"free phase, so lower one or raise the other"
        )
    w = [v.detach().clone().requires_grad_() for v in weights]
    b = [v.detach().clone().requires_grad_() for v in biases]
    with torch.no_grad():
        driven = drive(x, w, b)
        states = rest(driven, w)
        for _ in range(settings.free_steps - settings.nudged_steps):
            states = step(states, driven, w, b, settings)
    with torch.enable_grad():
        driven = drive(x, w, b)
        for _ in range(settings.nudged_steps):
            states = step(states, driven, w, b, settings, open_outputs=open_outputs)
        loss = (matched_loss if matched else output_loss)(states[-1], targets, settings).mean()
        # One step through the graph does not reach the deeper layers: their gradient is zero.
        found = torch.autograd.grad(loss, [*w, *b], allow_unused=True, materialize_grads=True)
    return list(found[: len(w)]), list(found[len(w) :])

r"""Equilibrium propagation in explicit updates: relax, nudge, contrast.

A layered network with symmetric feedback settles into a *free* state; a weak pull of its output
towards the target moves it to a *nudged* state; the difference of the two is the gradient of the
loss (Scellier & Bengio 2017, *Front. Comput. Neurosci.* 11:24). Nothing here uses autograd.

The dynamics and the notation are those of :mod:`neuro.learning.relaxation`.

In the ``leaky`` form the nudge acts outside :math:`\rho`, so the contrast is the gradient of a
loss whose derivative is :math:`-e / \rho'(u^L)`, see :func:`neuro.learning.bptt.matched_loss`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from neuro.learning.relaxation import (
    DYNAMICS,
    ESTIMATORS,
    LOSSES,
    EquilibriumSettings,
    Phase,
    PreparedNetwork,
    Workspace,
    prepare,
    read_rates,
    relax,
    set_drive,
)

__all__ = [
    "DYNAMICS",
    "ESTIMATORS",
    "LOSSES",
    "EquilibriumSettings",
    "Workspace",
    "add_gradients",
    "ep_gradients",
    "free_states",
]


def _run_free(
    x: Tensor, net: PreparedNetwork, settings: EquilibriumSettings, work: Workspace
) -> Phase:
    phase = work.phase("free", x.shape[0])
    set_drive(phase, x, net)
    phase.state.flat.zero_()
    phase.pull_to[0].copy_(net.base[-1])
    relax(phase, settings.free_steps, net, settings, nudged=False)
    return phase


def _run_nudged(
    free: Phase,
    targets: Tensor,
    signed_betas: Sequence[float],
    net: PreparedNetwork,
    settings: EquilibriumSettings,
    work: Workspace,
) -> Phase:
    """Relax once with each beta from the free state; all of them as one batch, stacked."""
    phase = work.phase("nudged", free.batch, len(signed_betas))
    inside = net.output_gain  # the nudge is part of the current, scaled as the current is
    outside = settings.dynamics == "leaky"
    for i, beta in enumerate(signed_betas):
        phase.drive[1 + i].copy_(free.drive[0])
        for mine, its in zip(phase.state.parts[i], free.state.layer, strict=True):
            mine.copy_(its)
        phase.pull_by[1 + i].fill_(-beta if outside else -beta * inside)
        if outside:
            phase.pull_to[1 + i].copy_(net.base[-1])
            torch.mul(targets, beta, out=phase.target_pull[1 + i])
        else:
            torch.add(net.base[-1], targets, alpha=beta * inside, out=phase.pull_to[1 + i])
    relax(phase, settings.nudged_steps, net, settings, nudged=True)
    return phase


@torch.no_grad()
def free_states(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    work: Workspace,
) -> list[Tensor]:
    """Relax freely from zero.

    Parameters
    ----------
    x : Tensor
        Clamped input, [batch, sizes[0]].
    weights : sequence of Tensor
        [pre, post], one per pair of layers.
    biases : sequence of Tensor
        [units] per layer; empty for a network without biases.
    settings : EquilibriumSettings
        Form, activation and number of steps.
    work : Workspace
        Buffers for this network.

    Returns
    -------
    list of Tensor
        States [batch, units] of each layer after the input. They are views into ``work``: copy
        them before the next call.
    """
    return _run_free(x, prepare(weights, biases, settings), settings, work).state.layer


@torch.no_grad()
def add_gradients(
    into_weights: Sequence[Tensor],
    into_biases: Sequence[Tensor],
    x: Tensor,
    targets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    work: Workspace,
    *,
    keep: float = 0.0,
    scales: Sequence[float] | None = None,
    sign: int = 1,
) -> None:
    r"""Run both phases and write ``into <- keep * into + scale * gradient``.

    ``keep=0, scale=1`` gives the gradient, ``keep=momentum, scale=1`` a momentum buffer, and
    ``keep=1, scale=-rate`` on the weights themselves one step of gradient descent.

    With states + and - of the two phases, a distance :math:`d` between their betas and batch
    size B the gradient of the batch-mean loss is (Laborieux et al. 2021, eq. 5, for d = 2 beta)

    .. math:: \hat g_{W^l} = -\frac{1}{d B} \left[(s_+^{l-1})^T s_+^l
              - (s_-^{l-1})^T s_-^l\right], \quad
              \hat g_{b^l} = -\frac{1}{d B} \sum (s_+^l - s_-^l)

    with :math:`\rho(s)` for the hidden s in ``energy``. The bracket is computed as
    :math:`(\Delta s^{l-1})^T s_+^l + (s_-^{l-1})^T \Delta s^l`, which differs only in rounding:
    two nearly equal outer products are never subtracted.

    Parameters
    ----------
    into_weights, into_biases : sequence of Tensor
        Where the result goes, shaped as ``weights`` and ``biases``; may be those themselves.
    x, targets : Tensor
        [batch, sizes[0]] and [batch, sizes[-1]].
    weights, biases, settings, work
        As in :func:`free_states`.
    keep : float
        Factor of what ``into`` held.
    scales : sequence of float, optional
        One factor of the gradient per weight matrix (and its bias); 1 by default.
    sign : {1, -1}
        Sign of beta in the ``random-sign`` estimator; others ignore it.
    """
    net = prepare(weights, biases, settings)
    free = _run_free(x, net, settings, work)
    beta = settings.beta
    if settings.estimator == "symmetric":
        nudged = _run_nudged(free, targets, (beta, -beta), net, settings, work)
        distance = 2.0 * beta
    else:
        distance = sign * beta if settings.estimator == "random-sign" else beta
        nudged = _run_nudged(free, targets, (distance,), net, settings, work)
    plus, minus = _contrasted(free, nudged, settings)
    # The free phase is over, so what its steps wrote to is free to hold the difference.
    deltas = free.spare.layer
    for a, b, delta in zip(plus, minus, deltas, strict=True):
        torch.sub(a, b, out=delta)
    per_gradient = -1.0 / (distance * free.batch)
    factors = [per_gradient * s for s in ([1.0] * len(weights) if scales is None else scales)]
    into_weights[0].addmm_(x.t(), deltas[0], beta=keep, alpha=factors[0])
    for i in range(1, len(deltas)):
        into_weights[i].addmm_(deltas[i - 1].t(), plus[i], beta=keep, alpha=factors[i])
        into_weights[i].addmm_(minus[i - 1].t(), deltas[i], alpha=factors[i])
    for into, delta, factor in zip(into_biases, deltas, factors, strict=False):
        total = delta.sum(0).mul_(factor)
        into.copy_(total) if keep == 0.0 else into.mul_(keep).add_(total)


def _contrasted(
    free: Phase, nudged: Phase, settings: EquilibriumSettings
) -> tuple[list[Tensor], list[Tensor]]:
    """The presynaptic and postsynaptic factors of both phases, [batch, units] per layer."""
    if nudged.rate is not None:
        read_rates(nudged, settings.rho)
    parts = (nudged.rate or nudged.state).parts
    if settings.estimator == "symmetric":
        return parts[0], parts[1]
    if free.rate is not None:
        read_rates(free, settings.rho)
    return parts[0], (free.rate or free.state).layer


def ep_gradients(
    x: Tensor,
    targets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    *,
    work: Workspace | None = None,
    sign: int = 1,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the equilibrium-propagation gradient of the batch-mean loss, to be descended.

    Parameters are those of :func:`add_gradients`; without ``work`` buffers are made for the call.

    Returns
    -------
    weight_gradients, bias_gradients : list of Tensor
        New tensors shaped as ``weights`` and ``biases``.
    """
    if work is None:
        sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
        work = Workspace(sizes, settings, device=x.device, dtype=x.dtype)
    into_w = [torch.empty_like(w, requires_grad=False) for w in weights]
    into_b = [torch.empty_like(b, requires_grad=False) for b in biases]
    add_gradients(into_w, into_b, x, targets, weights, biases, settings, work, sign=sign)
    return into_w, into_b

"""The spiking pass, its surrogate gradient and its Fisher information, against plain loops."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neuro.learning.surrogate import Dynamics, SpikingPass, diagonal_fisher, forward

STEPS, BATCH, SIZES = 14, 3, (5, 6, 4, 3)


def network(seed: int = 0) -> tuple[Tensor, list[Tensor]]:
    """Spike trains, and weights strong enough that all hidden layers spike."""
    rng = np.random.default_rng(seed)
    spikes = torch.tensor(rng.random((STEPS, BATCH, SIZES[0])) < 0.5, dtype=torch.float64)
    weights = [
        torch.tensor(rng.normal(0.2, 0.7, (pre + 1, post))).requires_grad_()
        for pre, post in pairwise(SIZES)
    ]
    return spikes, weights


class Heaviside(torch.autograd.Function):
    """Spikes of one step, with the derivative of a fast sigmoid."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.slope = slope
        return (u >= 1).to(u)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None]:
        (u,) = ctx.saved_tensors
        return errors[0] / (1 + ctx.slope * (u - 1).abs()) ** 2, None


def by_steps(spikes: Tensor, weights: list[Tensor], d: Dynamics) -> Tensor:
    """The same network step by step, as the equations of the module say."""
    u = [torch.zeros(BATCH, n, dtype=torch.float64) for n in SIZES[1:]]
    s = [torch.zeros_like(layer) for layer in u[:-1]]
    potentials = []
    for now in spikes:
        below = now
        for i, w in enumerate(weights[:-1]):
            u[i] = d.decay * u[i] + below @ w[:-1] + w[-1] - d.reset * s[i].detach()
            s[i] = below = Heaviside.apply(u[i], d.slope)
        u[-1] = d.decay * u[-1] + below @ weights[-1][:-1] + weights[-1][-1]
        potentials.append(u[-1])
    y = torch.stack(potentials)
    return {"mean": y.mean(0), "max": y.max(0).values, "last": y[-1]}[d.readout]


DYNAMICS = [
    Dynamics(0.9, 0.9, 5.0, "mean"),
    Dynamics(0.9, 1.0, 25.0, "max"),
    Dynamics(0.7, 0.7, 2.0, "last"),
]


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_pass_and_gradient_are_those_of_a_loop_over_steps(dynamics: Dynamics) -> None:
    spikes, weights = network()
    seen = forward(spikes, weights, dynamics)
    expected = by_steps(spikes, weights, dynamics)
    assert all(0.1 < float(s.detach().mean()) < 0.9 for s in seen.inputs)
    torch.testing.assert_close(seen.output, expected)
    error = torch.tensor(np.random.default_rng(1).normal(size=expected.shape))
    ours = torch.autograd.grad(seen.output, weights, error)
    theirs = torch.autograd.grad(expected, weights, error)
    torch.testing.assert_close(ours, theirs)
    assert all(float(g.abs().min(dim=1).values.max()) > 0 for g in ours)


def test_soft_reset_subtracts_the_threshold_before_the_leak() -> None:
    """One unit, a constant current of 0.8 and decay 0.5: checked by hand.

    u = 0.8, 1.2 (spike; 0.2 is left), 0.9, 1.25 (spike; 0.25 is left), 0.925.
    """
    weights = [torch.tensor([[0.8], [0.0]]), torch.tensor([[1.0], [0.0]])]
    seen = forward(torch.ones(5, 1, 1), weights, Dynamics(0.5, 0.5, 1.0, "last"))
    assert seen.inputs[1].flatten().tolist() == [0, 1, 0, 1, 0]
    # The readout leaks: a spike in step 2 and one in step 4, read in step 5.
    assert float(seen.output) == pytest.approx(0.5**3 + 0.5)


def test_a_unit_at_the_threshold_spikes() -> None:
    weights = [torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [0.0]])]
    seen = forward(torch.ones(1, 1, 1), weights, Dynamics(0.5, 0.5, 1.0, "last"))
    assert float(seen.inputs[1]) == 1.0


@pytest.mark.parametrize("told", [False, True])
def test_fisher_information_is_that_of_image_after_image(told: bool) -> None:
    dynamics = DYNAMICS[0]
    spikes, weights = network(2)
    allowed = torch.tensor([[True, True, False]] * 2 + [[False, True, True]]) if told else None
    found = diagonal_fisher(forward(spikes, weights, dynamics), allowed)
    expected = [torch.zeros_like(w) for w in weights]
    for n in range(BATCH):
        output = forward(spikes[:, n : n + 1], weights, dynamics).output[0]
        classes = [0, 1, 2] if allowed is None else allowed[n].nonzero().flatten().tolist()
        log_p = output[classes].log_softmax(0)
        for k in range(len(classes)):
            gradients = torch.autograd.grad(log_p[k], weights, retain_graph=True)
            for into, g in zip(expected, gradients, strict=True):
                into += log_p[k].exp().detach() * g.square()
    torch.testing.assert_close(found, [e.detach() for e in expected])
    assert all(float(f.max()) > 0 for f in found)


def test_a_pass_keeps_time() -> None:
    spikes, weights = network()
    seen = forward(spikes, weights, DYNAMICS[0])
    assert isinstance(seen, SpikingPass)
    assert [tuple(a.shape) for a in seen.inputs] == [(STEPS, BATCH, n) for n in SIZES[:-1]]
    assert [tuple(u.shape) for u in seen.currents] == [(STEPS, BATCH, n) for n in SIZES[1:]]

"""Back-propagation through outputs that sit on a bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuro.learning.bptt import drive, rest, step, truncated_gradients
from neuro.learning.equilibrium import EquilibriumSettings

X = torch.tensor([[0.9, 0.2], [0.1, 0.8]], dtype=torch.float64)
Y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]], dtype=torch.float64)
WEIGHTS = [
    torch.tensor([[0.5, 0.3], [0.2, 0.6]], dtype=torch.float64),
    # The first output is far below its bound for every image, the last one far above.
    torch.tensor([[-2.0, 0.4, 3.0], [-3.0, 0.3, 4.0]], dtype=torch.float64),
]


def settled(settings: EquilibriumSettings, steps: int) -> list[torch.Tensor]:
    driven = drive(X, WEIGHTS, [])
    states = rest(driven, WEIGHTS)
    for _ in range(steps):
        states = step(states, driven, WEIGHTS, [], settings)
    return states


@pytest.mark.parametrize(("dynamics", "factor"), [("prototypical", 1.0), ("leaky", 0.5)])
def test_open_outputs_learn_by_the_delta_rule(dynamics: str, factor: float) -> None:
    # One step back: the output is s' = ... + factor * rho(h W), so with rho' = 1 everywhere the
    # gradient is factor * h^T (s' - y), averaged over images.
    st = EquilibriumSettings(dynamics=dynamics, step_size=0.5, free_steps=7, nudged_steps=1)
    before, after = settled(st, 6), settled(st, 7)
    expected = factor * before[0].T @ (after[-1] - Y) / len(X)
    opened = truncated_gradients(X, Y, WEIGHTS, [], st, open_outputs=True)[0][1]
    np.testing.assert_allclose(opened, expected, rtol=1e-12, atol=1e-15)
    usual = truncated_gradients(X, Y, WEIGHTS, [], st)[0][1]
    np.testing.assert_allclose(usual[:, 1], expected[:, 1], rtol=1e-12)
    assert not usual[:, [0, 2]].any()  # silent, and saturated: never learned
    assert expected[:, 0].abs().min() > 0.1


@pytest.mark.parametrize("dynamics", ["prototypical", "leaky", "energy"])
def test_open_outputs_have_the_same_values(dynamics: str) -> None:
    st = EquilibriumSettings(dynamics=dynamics, free_steps=9, nudged_steps=9)
    driven = drive(X, WEIGHTS, [])
    a = b = rest(driven, WEIGHTS)
    for _ in range(9):
        a = step(a, driven, WEIGHTS, [], st)
        b = step(b, driven, WEIGHTS, [], st, open_outputs=True)
    for ours, theirs in zip(a, b, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)

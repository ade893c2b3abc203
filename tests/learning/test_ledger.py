"""Bytes and joules against counts by hand and published figures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neuro.learning.ledger import (
    array_bytes,
    arrays_of,
    inference_energy,
    memory_formula,
    saved_bytes,
)


@pytest.mark.parametrize(
    ("batch", "copies", "kept", "expected"),
    [
        (32, 2, 0, 4_336_176),
        (1, 2, 0, 1_098_288),
        (32, 0, 0, 4_004_896),
        (1, 0, 0, 767_008),
        # 5 % of 600 images of five tasks
        (32, 0, 150, 4_123_696),
        (1, 0, 150, 885_808),
    ],
)
def test_formula_gives_the_figures_of_the_specification(
    batch: int, copies: int, kept: int, expected: int
) -> None:
    assert memory_formula(196, 200, 10, batch=batch, copies=copies, kept=kept) == expected


def test_shared_memory_is_counted_once() -> None:
    a, b = torch.zeros(10, 3), np.zeros((4, 5))
    thing = SimpleNamespace(first=[a, a[2:]], second=(SimpleNamespace(x=b), b[1:][::2], "text", 3))
    assert array_bytes(arrays_of(thing)) == 10 * 3 * 4 + 4 * 5 * 8


def test_saved_bytes_are_what_the_backward_pass_needs() -> None:
    w = torch.rand(5, 7, requires_grad=True)
    x = torch.rand(11, 5)

    def run() -> torch.Tensor:
        return (x @ w).exp()  # keeps x for the product, the result for the exponential

    assert saved_bytes(run) == 4 * (11 * 5 + 11 * 7)
    assert saved_bytes(lambda: run() @ w.t(), [w]) == 4 * (11 * 5 + 11 * 7)
    assert saved_bytes(lambda: run() @ w.t()) == 4 * (11 * 5 + 11 * 7 + 5 * 7)
    assert saved_bytes(lambda: x @ x.t()) == 0


def test_energy_is_the_sum_of_the_published_figures() -> None:
    assert inference_energy(1e6, 0, 0) == pytest.approx(23.6e-6)
    assert inference_energy(0, 1e6, 0) == pytest.approx(52e-6)
    assert inference_energy(0, 0, 1e6) == pytest.approx(1.7e-6)
    assert inference_energy(1e6, 1e6, 1e6) == pytest.approx(77.3e-6)

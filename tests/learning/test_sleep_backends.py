"""One sleep on every backend: the same weights, whether or not spikes travel down."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from neuro.learning.sleep import SleepConfig, SleepResult, sleep

SIZES = (36, 20, 15, 5)
CONFIG = SleepConfig(
    rate=150.0,
    increment=0.01,
    decrement=0.002,
    thresholds=(0.5, 0.3, 0.3),
    steps=400,
    decay=0.95,
    window=4,
    slope=0.05,
    feedback_gain=0.4,
)
CONFIGS = {
    "no feedback": CONFIG,
    "tied": replace(CONFIG, feedback_spikes=True),
    "both": replace(CONFIG, feedback_spikes=True, feedback_plasticity="both"),
    "separate": replace(CONFIG, feedback_spikes=True, feedback_plasticity="separate"),
    "normalised": replace(CONFIG, normalise=True, gain_scale=2.0),
}


def weights() -> list[NDArray[np.float64]]:
    draw = np.random.default_rng(0)
    return [draw.normal(0.05, 0.25, shape) for shape in pairwise(SIZES)]


def asleep(name: str, backend: str, **options: str) -> SleepResult:
    image = np.random.default_rng(1).random(SIZES[0])
    return sleep(
        weights(),
        image,
        CONFIGS[name],
        backend=backend,
        activity=[1.0, 0.8, 0.6],
        seed=4,
        backend_options=options,
    )


@cache
def reference(name: str) -> SleepResult:
    return asleep(name, "reference")


COMPILED = pytest.mark.build


@pytest.mark.parametrize(
    ("backend", "options", "name"),
    [
        *[pytest.param("brian2", {"target": "numpy"}, name) for name in CONFIGS],
        # tests/models/test_continual.py runs compiled code in the fast set.
        *[
            pytest.param("brian2", {"target": "cpp"}, name, marks=[COMPILED, pytest.mark.slow])
            for name in ("no feedback", "tied")
        ],
        *[pytest.param("torch", {}, name) for name in CONFIGS],
    ],
)
def test_bit_identical_weights(backend: str, options: dict[str, str], name: str) -> None:
    expected = reference(name)
    found = asleep(name, backend, **options)
    assert found.spikes_per_layer == expected.spikes_per_layer
    for before, ours, theirs in zip(weights(), found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert np.abs(theirs - before).max() > 0.005


def test_each_way_to_sleep_is_another() -> None:
    """So that equality above is equality of five things."""
    for one, other in pairwise(CONFIGS):
        assert not np.array_equal(reference(one).weights[1], reference(other).weights[1])

"""Predictive columns that learned digits: the raster of an image on Brian2."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.datasets import load
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.columns import PredictiveColumns
from neuro.models.predictive.network import predictive_network

SETTINGS = PredictiveSettings(latents=12, columns=12)


@pytest.fixture(scope="module")
def digits() -> nr.Network:
    """Columns of ten classes, shown an image that they have not seen."""
    data = load("digits")
    images, labels = data.flat(data.train_images), data.train_labels
    model = PredictiveColumns(SETTINGS, 64, 10)
    for first in range(0, 200, 20):
        part = slice(first, first + 20)
        model.learn(images[part], labels[part])
    weights = model.pool.weights[model.pool.used]
    assert weights.columns >= 10
    rates = SETTINGS.encoding.rates(data.flat(data.test_images)[:1])[0]
    net = predictive_network(SETTINGS, weights, rates=rates)
    net.record("A1", "spikes")
    net.record("E0", "es")
    return net


def shown(net: nr.Network, backend: str, **options: str) -> tuple[NDArray[np.generic], ...]:
    with nr.compile(net, backend, 1e-3, **options) as sim:
        recording = sim.run_steps(SETTINGS.presentation, False)
        return *recording.spikes("A1"), recording.trace("E0", "es")


@pytest.mark.parametrize(
    "made_for",
    [
        "numpy",
        pytest.param("cpp", marks=[pytest.mark.build, pytest.mark.slow]),
        pytest.param("cython", marks=[pytest.mark.build, pytest.mark.slow]),
    ],
)
def test_raster_and_errors_of_an_image_are_those_of_the_reference(
    digits: nr.Network, made_for: str
) -> None:
    expected, found = shown(digits, "reference"), shown(digits, "brian2", target=made_for)
    assert len(expected[0]) > 500
    assert expected[0].max() == SETTINGS.presentation - 1
    for one, other in zip(expected, found, strict=True):
        assert np.array_equal(one, other)

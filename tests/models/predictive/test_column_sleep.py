"""Sleep of predictive columns: shut gates keep all, open ones pull every column to the mean."""

from __future__ import annotations

import numpy as np

from neuro.datasets import load
from neuro.learning.continual import Consolidation
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.column_sleep import ColumnSleep
from neuro.models.predictive.learner import PredictiveLearner
from neuro.progress import Silent

SMALL = PredictiveSettings(latents=5, columns=12, presentation=16, precision="float64")


def test_shut_gates_change_nothing_and_open_ones_teach_all_columns_the_mean_image() -> None:
    data = load("digits")
    images, labels = data.flat(data.train_images)[:80], data.train_labels[:80]
    made = PredictiveLearner(SMALL, 64, 10, 0)
    made.fit(images, labels, np.random.default_rng(0), Silent())
    mean = images.mean(axis=0).astype(float)
    before, spread = made.model.get_weights(), made.model.errors(images).std(axis=1).mean()
    assert isinstance(ColumnSleep(), Consolidation)
    ColumnSleep(images=3, gate=0.0)(made, 0, mean, 1, Silent())
    for old, new in zip(before, made.model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    free = np.setdiff1d(np.arange(12), made.model.pool.used)
    untouched = made.model.pool.weights[free].feedback.copy()
    ColumnSleep(images=60)(made, 0, mean, 1, Silent())
    np.testing.assert_array_equal(made.model.pool.weights[free].feedback, untouched)
    # Columns that all know the same are hard to tell apart.
    assert made.model.errors(images).std(axis=1).mean() < 0.8 * spread

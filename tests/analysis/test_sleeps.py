"""The analyst: sees what the protocol shows it, changes nothing, survives JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuro.analysis import SleepAnalysis, SleepAnalyst, over_seeds
from neuro.analysis.over_seeds import combined, sign_test
from neuro.analysis.stored import from_json, to_json
from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning.continual import ContinualProtocol, Observer, run_seed
from neuro.learning.continual_results import SleepSummary


@pytest.fixture
def data() -> Dataset:
    """Four classes; the first pixels say which."""
    draw = np.random.default_rng(0)
    labels = np.tile(np.arange(4), 10)
    images = (0.2 * draw.random((40, 2, 4))).astype(np.float32)
    images[np.arange(40), 0, labels] = 1.0
    return Dataset("toy", images, labels, images[:20], labels[:20], n_classes=4)


class Model:
    """States are the images: through the weights, all classes alike until it has slept."""

    def __init__(self) -> None:
        self.weights = [np.zeros((8, 8)), np.zeros((8, 4))]
        self.blur = 5.0

    def states(self, images: np.ndarray) -> list[np.ndarray]:
        common = self.blur * np.arange(8)
        return [images + common, images[:, :4] + common[:4]]

    def get_weights(self) -> list[np.ndarray]:
        return self.weights  # not copies: the analyst must make its own


class Learner:
    epochs = 1

    def __init__(self) -> None:
        self.model = Model()

    def fit(self, images: Any, labels: Any, stream: Any, progress: Any) -> None:
        self.newest = int(max(labels))
        self.model.blur = 5.0

    def predict(self, images: np.ndarray) -> np.ndarray:
        answers: np.ndarray = images[:, :4].argmax(axis=1)
        return np.full(len(images), self.newest) if self.model.blur else answers


class Sleep:
    """Sharpens the states; the hidden units 0 to 3 fire, which are active awake."""

    def __init__(self, observer: Observer | None) -> None:
        self.observer = observer

    def steps(self, task: int) -> int:
        return 50

    def __call__(
        self, learner: Learner, task: int, mean: np.ndarray, seed: int, progress: Any
    ) -> SleepSummary:
        learner.model.blur = 0.0
        learner.model.weights[0][0, :2] += [0.5, -0.5]
        learner.model.weights[0][1, 0] -= 0.5
        if self.observer is not None:
            steps = np.arange(1, 51)  # a step late: the last lies beyond the sleep
            raster = [(steps - 1, steps % 8), (steps, steps % 4), (steps + 1, steps % 2)]
            self.observer.asleep(50, raster)
        return SleepSummary(task, 50, (8, 8, 4), (50, 50, 50))


def analysed(data: Dataset, seed: int = 0) -> tuple[SleepAnalyst, Any]:
    analyst = SleepAnalyst(seed, shuffles=19)
    result = run_seed(
        data, ContinualProtocol(), Learner(), Sleep(analyst), seed, observer=analyst
    )
    return analyst, result


def test_every_sleep_is_seen_before_and_after(data: Dataset) -> None:
    analyst, result = analysed(data)
    assert isinstance(analyst, Observer)
    assert [sleep.task for sleep in analyst.sleeps] == [0, 1]
    first, last = analyst.sleeps
    assert first.classes.tolist() == [0, 1] and last.classes.tolist() == [0, 1, 2, 3]
    assert first.newest.tolist() == [0, 1] and last.newest.tolist() == [2, 3]
    assert tuple(map(tuple, last.before.counts.tolist())) == result.confusion_before
    assert tuple(map(tuple, last.after.counts.tolist())) == result.confusion_after
    assert last.before.answered(last.newest) == 1 and last.after.answered(last.newest) == 0.5
    hidden, output = last.layers
    assert hidden.before.between > 0.9 > 0.5 > hidden.after.between
    assert output.after.between < 0 < output.before.between
    assert hidden.weights.up == 1 / 64 and hidden.weights.down == 2 / 64
    assert output.weights.unchanged == 1
    # States before sleep rise with the number of the unit, and the first ones fire.
    assert hidden.reactivation.match.observed < 0
    assert hidden.reactivation.rate == pytest.approx(50 / (8 * 52))


def test_looking_changes_nothing(data: Dataset) -> None:
    _, watched = analysed(data)
    alone = run_seed(data, ContinualProtocol(), Learner(), Sleep(None), 0)
    assert watched == alone


def test_analyses_survive_json(data: Dataset) -> None:
    analyst, _ = analysed(data)
    for sleep in analyst.sleeps:
        plain = json.loads(json.dumps(to_json(sleep), allow_nan=False))
        again = from_json(SleepAnalysis, plain)
        assert to_json(again) == plain == to_json(sleep)
        assert isinstance(again.layers, tuple)
        layer, old = again.layers[0], sleep.layers[0]
        np.testing.assert_array_equal(layer.before.matrix, old.before.matrix)
        assert layer.weights.before.dtype == np.int64
        assert layer.reactivation.match == old.reactivation.match
    broken = to_json(analyst.sleeps[0])
    del broken["layers"][0]["before"]["matrix"]
    with pytest.raises(KeyError):
        from_json(SleepAnalysis, broken)


def test_undefined_numbers_survive_json(data: Dataset) -> None:
    analyst, _ = analysed(data)
    sleep = analyst.sleeps[0]
    layer = sleep.layers[0]
    holes = np.array([[np.nan, 1.0], [1.0, np.nan]])
    layer = replace(
        layer,
        before=replace(layer.before, matrix=holes),
        reactivation=replace(layer.reactivation, rate=float("nan"), correlation=holes[0]),
    )
    plain = json.loads(json.dumps(to_json(replace(sleep, layers=(layer,))), allow_nan=False))
    again = from_json(SleepAnalysis, plain).layers[0]
    np.testing.assert_array_equal(again.before.matrix, holes)
    np.testing.assert_array_equal(again.reactivation.correlation, holes[0])
    assert np.isnan(again.reactivation.rate)


def test_a_sleep_that_shows_no_spikes_is_refused(data: Dataset) -> None:
    analyst = SleepAnalyst(0)
    with pytest.raises(DescriptionError, match="spikes of 3 layers .* it showed none"):
        run_seed(data, ContinualProtocol(), Learner(), Sleep(None), 0, observer=analyst)


def test_a_learner_without_a_model_is_refused(data: Dataset) -> None:
    learner = Learner()
    del learner.model
    learner.predict = lambda images: np.zeros(len(images), int)  # type: ignore[method-assign]
    learner.fit = lambda *arguments: None  # type: ignore[method-assign]
    analyst = SleepAnalyst(0)
    with pytest.raises(DescriptionError, match="Learner cannot be analysed: it has no attribute"):
        run_seed(data, ContinualProtocol(), learner, Sleep(analyst), 0, observer=analyst)


# --- over seeds ------------------------------------------------------------------------------


def test_layers_over_seeds(data: Dataset) -> None:
    last = [analysed(data, seed)[0].sleeps[-1] for seed in range(3)]
    hidden, output = over_seeds(last)
    assert hidden.between_before.tolist() == [s.layers[0].before.between for s in last]
    assert hidden.within_after.tolist() == [s.layers[0].after.within for s in last]
    assert output.between_after.tolist() == [s.layers[1].after.between for s in last]
    assert (hidden.fell, hidden.fell_p) == (3, 1 / 8)
    assert hidden.down.tolist() == [2 / 64] * 3
    assert hidden.match_p_values.tolist() == [s.layers[0].reactivation.match.p_value for s in last]
    with pytest.raises(DescriptionError, match=r"0 sleeps with \[\] layers"):
        over_seeds([])


def test_sign_test_and_fisher_in_closed_form() -> None:
    assert sign_test([1, 1, 1, 1, 1], [0, 0, 0, 0, 2]) == (4, pytest.approx(6 / 32))
    assert sign_test([1, 1, np.nan, 1], [0, 0, 0, 1]) == (2, 0.25)  # equal and undefined: no say
    assert np.isnan(sign_test([1.0], [1.0])[1])
    # Fisher: for two p-values the product q has the tail q (1 - ln q).
    q = 0.1 * 0.02
    assert combined([0.1, np.nan, 0.02]) == pytest.approx(q * (1 - np.log(q)))
    assert combined([0.3]) == pytest.approx(0.3)
    assert np.isnan(combined([np.nan]))


# --- imports ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("neuro", ["neuro.analysis", "scipy"]),
        ("neuro.analysis", ["scipy", "torch", "matplotlib"]),
        ("neuro.plotting", ["neuro.analysis", "matplotlib.pyplot"]),
        ("neuro.plotting.analysis", ["scipy.stats", "torch", "matplotlib.pyplot"]),
    ],
)
def test_imports_are_light(module: str, absent: list[str]) -> None:
    code = f"import sys, {module}; sys.exit(str([m for m in {absent} if m in sys.modules] or ''))"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr

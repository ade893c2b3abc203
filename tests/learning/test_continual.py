"""The class-incremental protocol, with a learner and a sleep that do exactly what they are told."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pytest

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning.continual import (
    Consolidation,
    ContinualProtocol,
    Learner,
    SeedResult,
    SleepSummary,
    class_groups,
    rehearsed,
    run_seed,
    schedule,
)
from neuro.learning.continual_results import summary
from neuro.random import stream


def labelled_images(per_class: int, offset: int) -> tuple[np.ndarray, np.ndarray]:
    """Images whose first pixel is the class and whose second is a serial number."""
    labels = np.tile(np.arange(10), per_class)
    images = np.zeros((len(labels), 2, 2), np.float32)
    images[:, 0, 0] = labels / 10
    images[:, 0, 1] = (offset + np.arange(len(labels))) / 10_000
    return images, labels


@pytest.fixture
def data() -> Dataset:
    train, test = labelled_images(30, 0), labelled_images(5, 5000)
    return Dataset("toy", *train, *test)


class Forgetful:
    """Knows the classes of its last training, and whatever sleep gave back."""

    epochs = 3

    def __init__(self) -> None:
        self.known: set[int] = set()
        self.ever: set[int] = set()
        self.fits: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, images: Any, labels: Any, stream: Any, progress: Any) -> None:
        self.fits.append((images.copy(), labels.copy()))
        self.known = set(labels.tolist())
        self.ever |= self.known
        stream.random()
        progress.advance(len(images) * self.epochs)

    def predict(self, images: np.ndarray) -> np.ndarray:
        actual = np.rint(images[:, 0] * 10).astype(int)
        return np.where(np.isin(actual, list(self.known)), actual, max(self.known))


class Dreams:
    """Gives all classes back, from the second task on."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, np.ndarray, int]] = []

    def steps(self, task: int) -> int:
        return 0 if task == 0 else 100 * task

    def __call__(
        self, learner: Forgetful, task: int, seen_mean_image: np.ndarray, seed: int, progress: Any
    ) -> SleepSummary:
        self.calls.append((task, seen_mean_image.copy(), seed))
        learner.known = set(learner.ever)
        progress.advance(self.steps(task))
        return SleepSummary(task, self.steps(task), (4, 3, 10), (40, 3, 0))


def test_the_fakes_follow_the_protocols() -> None:
    assert isinstance(Forgetful(), Learner)
    assert isinstance(Dreams(), Consolidation)


def test_sequential_training_forgets_everything_but_the_last_task(data: Dataset) -> None:
    learner = Forgetful()
    result = run_seed(data, ContinualProtocol(), learner, None, seed=0)
    assert [sorted(set(labels.tolist())) for _, labels in learner.fits] == [
        [0, 1], [2, 3], [4, 5], [6, 7], [8, 9],
    ]  # fmt: skip
    assert result.final_accuracy == pytest.approx(0.2)
    matrix = np.array(result.accuracy_matrix)
    assert matrix.shape == (10, 6)
    assert np.array_equal(matrix[0::2], matrix[1::2])
    assert np.array_equal(matrix[1::2, :5], np.eye(5))
    assert matrix[:, 5] == pytest.approx(0.2)
    assert result.forgetting == pytest.approx(1.0)
    assert result.backward_transfer == pytest.approx(-1.0)
    assert result.average_accuracy == pytest.approx(0.2)
    assert result.per_class == (0,) * 8 + (1, 1)
    assert result.sleep == ()
    assert np.array(result.confusion_after)[:, 9].sum() == 45
    assert result.confusion_before == result.confusion_after


def test_sleep_restores_and_both_sides_of_it_are_recorded(data: Dataset) -> None:
    dreams = Dreams()
    result = run_seed(data, ContinualProtocol(), Forgetful(), dreams, seed=0)
    matrix = np.array(result.accuracy_matrix)
    assert np.array_equal(matrix[0], matrix[1])  # no sleep was announced after the first task
    assert np.array_equal(matrix[0::2, :5], np.eye(5))
    assert np.array_equal(matrix[1::2, :5], np.tri(5))
    assert matrix[1::2, 5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert result.final_accuracy == 1.0
    assert np.trace(result.confusion_before) == 10
    assert np.trace(result.confusion_after) == 50
    assert [s.task for s in result.sleep] == [1, 2, 3, 4]
    assert result.sleep[0].rates == (0.1, 0.01, 0.0)
    assert result.forgetting == pytest.approx(0.0)


def test_sleep_sees_the_mean_of_all_images_trained_so_far_and_a_new_seed(data: Dataset) -> None:
    dreams = Dreams()
    run_seed(data, ContinualProtocol(rehearsal=0.5), Forgetful(), dreams, seed=0)
    for task, mean, _ in dreams.calls:
        seen = data.train_labels < 2 * (task + 1)
        expected = data.flat(data.train_images)[seen].mean(axis=0, dtype=np.float64)
        assert mean == pytest.approx(expected)
    assert len({seed for _, _, seed in dreams.calls}) == 4
    other = Dreams()
    run_seed(data, ContinualProtocol(rehearsal=0.5), Forgetful(), other, seed=1)
    assert {s for *_, s in other.calls}.isdisjoint(s for *_, s in dreams.calls)


def test_images_per_task_are_drawn_once_per_seed(data: Dataset) -> None:
    protocol = ContinualProtocol(images_per_task=7)
    first, again, other = (schedule(data, protocol, seed) for seed in (0, 0, 1))
    for task, same, different in zip(first.tasks, again.tasks, other.tasks, strict=True):
        assert len(task.chosen) == len(set(task.chosen.tolist())) == 7
        assert set(data.train_labels[task.chosen].tolist()) <= set(task.classes)
        assert np.array_equal(task.chosen, same.chosen)
        assert not np.array_equal(task.chosen, different.chosen)


def test_rehearsal_draws_only_from_images_trained_before(data: Dataset) -> None:
    learner = Forgetful()
    protocol = ContinualProtocol(images_per_task=20, rehearsal=0.1)
    result = run_seed(data, protocol, learner, None, seed=3)
    assert result.images_trained == (20, 22, 24, 26, 28)
    trained: set[float] = set()
    draws = []
    for task, (images, labels) in enumerate(learner.fits):
        old = labels < 2 * task
        assert old.sum() == 2 * task
        serial = images[:, 1]
        assert set(serial[old].tolist()) <= trained
        draws.append(set(serial[old].tolist()))
        trained |= set(serial[~old].tolist())
    assert not draws[2] <= draws[3]  # a fresh draw for each task


def test_rehearsed_count_is_rounded_and_drawn_without_replacement(data: Dataset) -> None:
    tasks = schedule(data, ContinualProtocol(images_per_task=30), 0).tasks
    for fraction, count in ((0.0, 0), (0.02, 1), (0.03, 2), (0.5, 30), (1.0, 60)):
        chosen = rehearsed(tasks[:2], fraction, stream(0, "x"))
        assert len(chosen) == len(set(chosen.tolist())) == count
    assert len(rehearsed((), 0.5, stream(0, "x"))) == 0


def test_rehearsal_is_not_balanced_by_class() -> None:
    labels = np.repeat([0, 1, 2, 3], [900, 100, 10, 10])
    images = np.zeros((len(labels), 2, 2), np.float32)
    skewed = Dataset("skewed", images, labels, images, labels, n_classes=4)
    tasks = schedule(skewed, ContinualProtocol(), 0).tasks
    drawn = labels[rehearsed(tasks[:1], 0.5, stream(0, "x"))]
    assert 430 < (drawn == 0).sum() < 470


def test_validation_images_are_the_last_of_the_training_set_and_never_trained_on(
    data: Dataset,
) -> None:
    learner = Forgetful()
    protocol = ContinualProtocol(evaluate_on="validation", validation_fraction=0.1, rehearsal=1.0)
    plan = schedule(data, protocol, 0)
    assert np.array_equal(plan.test_images, data.flat(data.train_images)[-30:])
    assert np.array_equal(plan.test_labels, data.train_labels[-30:])
    run_seed(data, protocol, learner, None, seed=0)
    trained = {serial for images, _ in learner.fits for serial in images[:, 1].tolist()}
    assert len(trained) == 270
    assert trained.isdisjoint(plan.test_images[:, 1].tolist())


def test_joint_training_is_one_task_with_the_same_columns(data: Dataset) -> None:
    learner = Forgetful()
    result = run_seed(data, ContinualProtocol(images_per_task=7, joint=True), learner, None, 0)
    assert result.images_trained == (35,)
    assert np.array(result.accuracy_matrix).shape == (2, 6)
    assert result.final_accuracy == 1.0
    assert result.forgetting is None and result.average_accuracy is None
    separate = schedule(data, ContinualProtocol(images_per_task=7), 0)
    wanted = np.concatenate([task.chosen for task in separate.tasks])
    serial = np.rint(learner.fits[0][0][:, 1] * 10_000)
    assert np.array_equal(np.sort(serial), np.sort(wanted))


def test_progress_counts_images_and_steps(data: Dataset) -> None:
    seen: list[list[Any]] = []

    class Meter:
        def __init__(self, total: int, label: str, unit: str) -> None:
            seen.append([label, total, 0])

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def advance(self, amount: int = 1) -> None:
            seen[-1][2] += amount

    run_seed(data, ContinualProtocol(), Forgetful(), Dreams(), seed=4, meter=Meter)
    assert [label for label, *_ in seen[:3]] == [
        "seed 4, task 1/5: train",
        "seed 4, task 2/5: train",
        "seed 4, task 2/5: sleep",
    ]
    assert all(total == done for _, total, done in seen)
    assert [total for label, total, _ in seen if "sleep" in label] == [100, 200, 300, 400]


def test_results_survive_json(data: Dataset) -> None:
    import json

    result = run_seed(data, ContinualProtocol(), Forgetful(), Dreams(), seed=0)
    with_raster = SleepSummary(4, 9, (2, 1), (3, 0), (((0, 1, 1), (0, 0, 1)), ((), ())))
    result = SeedResult(**{**vars(result), "sleep": (*result.sleep, with_raster)})
    assert SeedResult.from_json(json.loads(json.dumps(result.to_json()))) == result
    with pytest.raises((KeyError, TypeError)):
        SeedResult.from_json({"seed": 1})


def test_summary_has_means_and_no_rasters(data: Dataset) -> None:
    results = [run_seed(data, ContinualProtocol(), Forgetful(), None, seed) for seed in (0, 1)]
    slept = run_seed(data, ContinualProtocol(), Forgetful(), Dreams(), seed=2)
    whole = summary([*results, slept])
    assert whole["mean"] == pytest.approx(1.4 / 3)
    assert whole["sd"] == pytest.approx(np.std([0.2, 0.2, 1.0], ddof=1))
    assert whole["per_task"] == pytest.approx((1 / 3,) * 4 + (1,))
    assert whole["seeds"][2]["sleep"][0]["spikes_per_layer"] == (40, 3, 0)
    assert "raster" not in whole["seeds"][2]["sleep"][0]


def test_class_groups_may_end_with_a_smaller_one() -> None:
    assert class_groups(10, 4) == ((0, 1, 2, 3), (4, 5, 6, 7), (8, 9))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rehearsal": 1.1}, "rehearsal is 1.1"),
        ({"rehearsal": float("nan")}, "rehearsal is nan"),
        ({"images_per_task": 0}, "images_per_task is 0"),
        ({"classes_per_task": 0}, "classes_per_task is 0"),
        ({"evaluate_on": "train"}, "'test' or 'validation'"),
        ({"validation_fraction": 1.0}, "validation_fraction is 1.0"),
    ],
)
def test_impossible_protocols_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        ContinualProtocol(**changes)


def test_a_class_without_images_is_refused() -> None:
    images = np.zeros((4, 2, 2), np.float32)
    labels = np.array([0, 0, 1, 1])
    poor = Dataset("poor", images, labels, images, labels, n_classes=4)
    with pytest.raises(DescriptionError, match=r"'poor' has no training image of classes \(2, 3\)"):
        schedule(poor, ContinualProtocol(), 0)

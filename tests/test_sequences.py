"""Sequences of data sets: images of one shape, classes one set after the other."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from neuro import datasets
from neuro._imageshape import area_weights, grey_square
from neuro.cli import main
from neuro.datasets import Dataset, in_sequence
from neuro.learning.condition import condition
from neuro.learning.continual import ContinualProtocol, class_groups, schedule, task_groups
from neuro.learning.continual_results import SeedResult, per_dataset


def toy(
    name: str,
    classes: int = 4,
    n: int = 60,
    shape: tuple[int, ...] = (28, 28),
    seed: int = 0,
) -> Dataset:
    """Images of one value each, so that each can be told from all others."""
    draw = np.random.default_rng(seed)

    def part(count: int, first: int) -> tuple[np.ndarray, np.ndarray]:
        values = (first + np.arange(count)).astype(np.uint8)
        images = np.broadcast_to(values.reshape(-1, *(1 for _ in shape)), (count, *shape))
        return images.copy(), draw.permutation(np.arange(count) % classes)

    return Dataset(name, *part(n, 0), *part(n // 2, 100), n_classes=classes, source=f"{name}!")


# --- shapes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "side"), [(32, 28), (8, 28), (28, 28), (7, 3), (3, 7)])
def test_area_weights_are_exact(length: int, side: int) -> None:
    weights = area_weights(length, side)
    pixel = Fraction(length, side)
    for i in range(side):
        for j in range(length):
            covered = min((i + 1) * pixel, Fraction(j + 1)) - max(i * pixel, Fraction(j))
            assert weights[i, j] == pytest.approx(float(max(covered, 0) / pixel), abs=1e-15)
    assert weights.sum(axis=1) == pytest.approx(np.ones(side), abs=1e-14)


def test_halving_takes_means_of_two_by_two_of_the_middle_square() -> None:
    draw = np.random.default_rng(0)
    images = draw.random((3, 56, 60)).astype(np.float32)
    means = images[:, :, 2:58].reshape(3, 28, 2, 28, 2).mean(axis=(2, 4))
    assert grey_square(images, 28) == pytest.approx(means, abs=1e-6)
    # Not square the other way round.
    turned = grey_square(images.transpose(0, 2, 1), 28)
    assert turned == pytest.approx(means.transpose(0, 2, 1), abs=1e-6)


def test_grey_is_luminance_and_rounded() -> None:
    colours = np.zeros((4, 28, 28, 3), np.uint8)
    colours[0, ..., 0] = colours[1, ..., 1] = colours[2, ..., 2] = 200
    colours[3] = 200
    assert [int(i) for i in grey_square(colours, 28)[:, 5, 5]] == [60, 117, 23, 200]


def test_images_of_the_right_shape_stay_as_they_are() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    assert np.array_equal(grey_square(images, 28), images)


# --- sequences -------------------------------------------------------------------------------


def test_a_single_data_set_is_itself() -> None:
    data = toy("a")
    assert in_sequence([data]) is data
    assert datasets.load("digits").fingerprint() == datasets._digits().fingerprint()
    assert datasets.load("digits").parts == (("digits", 10),)


def test_labels_follow_one_another_and_no_image_is_lost_or_doubled() -> None:
    first = toy("a", 4, 60)
    second = toy("b", 3, 30, seed=1)
    both = in_sequence([first, second])
    assert both.parts == (("a", 4), ("b", 3)) and both.n_classes == 7
    assert both.name == "a+b" and both.source == "a! + b!"
    for part in ("train", "test"):
        images, labels = getattr(both, f"{part}_images"), getattr(both, f"{part}_labels")
        for own, offset, classes in ((first, 0, 4), (second, 4, 3)):
            mine = (labels >= offset) & (labels < offset + classes)
            # In their own order, each with its own label.
            assert np.array_equal(images[mine], getattr(own, f"{part}_images"))
            assert np.array_equal(labels[mine] - offset, getattr(own, f"{part}_labels"))
        assert len(labels) == len(getattr(first, f"{part}_labels")) + len(
            getattr(second, f"{part}_labels")
        )


def test_the_last_sixth_is_the_last_sixth_of_each() -> None:
    both = in_sequence([toy("a", 4, 60), toy("b", 4, 30, seed=1)])
    held = both.train_labels[-15:]
    assert (held < 4).sum() == 10 and (held >= 4).sum() == 5
    plan = schedule(both, ContinualProtocol(evaluate_on="validation"), seed=0)
    tested = plan.test_images[plan.test_labels < 4]
    assert np.array_equal(tested[:, 0] * 255, np.arange(50, 60))


def test_different_shapes_become_grey_and_28_by_28() -> None:
    both = in_sequence([toy("a"), toy("b", shape=(32, 32, 3)), toy("c", shape=(40, 64))])
    assert both.shape == (28, 28) and both.train_images.dtype == np.uint8
    second = both.train_images[(both.train_labels >= 4) & (both.train_labels < 8)]
    assert np.array_equal(second[:, 3, 4], np.arange(60))


def test_equal_shapes_are_kept() -> None:
    both = in_sequence([toy("a", shape=(16, 16, 3)), toy("b", shape=(16, 16, 3))])
    assert both.shape == (16, 16, 3)


def test_float_and_byte_images_mix_as_floats() -> None:
    both = in_sequence([datasets.load("digits"), toy("b")])
    assert both.train_images.dtype == np.float32 and both.shape == (28, 28)
    mine = both.train_images[both.train_labels >= 10]
    assert mine[:, 0, 0] * 255 == pytest.approx(np.arange(60), abs=1e-4)
    # Stretched digits keep their mean brightness: each pixel counts by its area.
    digits = datasets.load("digits").train_images
    stretched = both.train_images[both.train_labels < 10]
    assert stretched.mean(axis=(1, 2)) == pytest.approx(digits.mean(axis=(1, 2)), abs=1e-6)


# --- tasks -----------------------------------------------------------------------------------


def test_tasks_follow_the_sets_and_none_has_classes_of_two() -> None:
    both = in_sequence([toy("a", 3), toy("b", 4, seed=1)])
    assert task_groups(both, 2) == ((0, 1), (2,), (3, 4), (5, 6))
    assert task_groups(both, 4) == ((0, 1, 2), (3, 4, 5, 6))
    assert task_groups(both, 10) == ((0, 1, 2), (3, 4, 5, 6))
    assert task_groups(toy("a"), 3) == class_groups(4, 3)
    plan = schedule(both, ContinualProtocol(classes_per_task=4), seed=0)
    assert [task.classes for task in plan.tasks] == [(0, 1, 2), (3, 4, 5, 6)]
    for task in plan.tasks:
        assert set(plan.train_labels[task.chosen]) == set(task.classes)


def test_settings_are_those_of_the_first_set() -> None:
    assert condition("digits+mnist").preset == condition("digits").preset
    assert condition("mnist+digits").preset == condition("mnist").preset


def test_accuracy_per_data_set() -> None:
    # Set a: 3 of 4 right before, 1 of 4 after; set b: 0 of 2, then 1 of 2 (one right answer of a
    # class of the other set does not count).
    before = ((2, 0, 0), (0, 1, 1), (2, 0, 0))
    after = ((1, 1, 0), (2, 0, 0), (0, 1, 1))
    result = SeedResult(0, 0.0, (), (), before, after, (), ())
    first, second = per_dataset([result], [("a", 2), ("b", 1)])
    assert first == {
        "dataset": "a",
        "classes": [0, 1],
        "before_mean": 0.75,
        "before_sd": 0.0,
        "mean": 0.25,
        "sd": 0.0,
    }
    assert second["classes"] == [2, 2]
    assert (second["before_mean"], second["mean"]) == (0.0, 0.5)


def test_the_command_reports_each_data_set(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NEURO_DATA", str(tmp_path))
    other = toy("fashion-mnist", 10, 200)
    np.savez(
        tmp_path / "fashion-mnist.npz",
        train_images=other.train_images,
        train_labels=other.train_labels,
        test_images=other.test_images,
        test_labels=other.test_labels,
    )
    out = tmp_path / "out"
    command = ["continual", "--dataset", "digits+fashion-mnist", "--seeds", "0", "--no-joint"]
    command += ["--sleep", "reference", "--images-per-task", "30", "--set", "sleep_steps=20"]
    command += ["--set", "hidden=20", "--classes-per-task", "10", "--out", str(out)]
    assert main(command) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["tasks"] == [list(range(10)), list(range(10, 20))]
    (run,) = found["seeds"]
    assert len(run["accuracy_matrix"]) == 4 and len(run["per_class"]) == 20
    shares = {part["dataset"]: part for part in found["per_dataset"]}
    assert list(shares) == ["digits", "fashion-mnist"]
    # One task a set: the columns of the matrix are the sets.
    assert shares["digits"]["mean"] == pytest.approx(run["accuracy_matrix"][-1][0])
    assert shares["digits"]["before_mean"] == pytest.approx(run["accuracy_matrix"][-2][0])
    assert shares["fashion-mnist"]["mean"] == pytest.approx(run["accuracy_matrix"][-1][1])
    assert "per_dataset" in found["baselines"]["sequential"]
    shown = " ".join(capsys.readouterr().out.split())
    assert "Before → after the last sleep: digits" in shown
    assert "then per data set" in shown
    assert "10 classes at a time" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes-per-task", "0"], "--classes-per-task 0: give at least 1"),
        (["--classes-per-task", "1", "--features", "conv"], "must then be one task"),
    ],
)
def test_impossible_groups(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["continual", "--dataset", "digits", *options]) != 0
    assert message in capsys.readouterr().err

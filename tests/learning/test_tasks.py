"""Sequences of tasks: which images, in which order, seen how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning.continual import ContinualProtocol, run_seed, schedule
from neuro.learning.continual_results import SeedResult, summary
from neuro.learning.tasks import balanced, column_classes, permuted, rotated
from neuro.random import stream


@pytest.fixture
def data() -> Dataset:
    """Images of 4 x 6 random pixels: no two alike, so that an image says which one it is."""
    random = np.random.default_rng(0)
    train, test = random.random((2, 120, 4, 6), dtype=np.float32)
    return Dataset("noise", train, np.arange(120) % 6, test, np.arange(120) % 6, n_classes=6)


class Lookup:
    """Knows images by heart; of those it never saw it says class 0.

    With a limited memory it forgets all but the last training.
    """

    epochs = 1

    def __init__(self, *, forgets: bool) -> None:
        self.forgets = forgets
        self.known: dict[bytes, int] = {}
        self.fits: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, images: Any, labels: Any, stream: Any, progress: Any) -> None:
        self.fits.append((images.copy(), labels.copy()))
        if self.forgets:
            self.known = {}
        for image, label in zip(images, labels, strict=True):
            self.known[image.tobytes()] = int(label)

    def predict(self, images: np.ndarray) -> np.ndarray:
        return np.array([self.known.get(image.tobytes(), 0) for image in images])

    def measures(self) -> dict[str, Any]:
        return {"columns": len(self.known), "memory_bytes": {"weights": 3, "total": 5}}


# --- views -----------------------------------------------------------------------------------


def test_the_inverse_permutation_gives_images_back(data: Dataset) -> None:
    images = data.flat(data.train_images)
    order = stream(0, "x").permutation(24)
    there, back = permuted(data.shape, order), permuted(data.shape, np.argsort(order))
    assert not np.array_equal(there(images), images)
    assert np.array_equal(back(there(images)), images)
    assert np.array_equal(there(images)[:, 7], images[:, order[7]])


def test_colours_of_a_pixel_stay_together() -> None:
    pixels = np.arange(2 * 6 * 3, dtype=np.float32).reshape(2, 18)
    seen = permuted((2, 3, 3), np.array([5, 4, 3, 2, 1, 0]))(pixels)
    assert seen[0].tolist() == [15, 16, 17, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2]


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3)])
def test_rotation_is_anticlockwise_about_the_centre(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(1).random((3, *shape), dtype=np.float32)
    flat = images.reshape(3, -1)
    assert rotated(shape, 0)(flat) is flat
    for turns in (1, 2, 3):
        expected = np.rot90(images, turns, axes=(1, 2)).reshape(3, -1)
        assert rotated(shape, 90 * turns)(flat) == pytest.approx(expected, abs=1e-5)


def test_rotated_values_stay_in_range() -> None:
    flat = np.ones((1, 49), np.float32)
    seen = rotated((7, 7), 45)(flat)
    assert seen.dtype == np.float32 and seen.min() == 0.0 and seen.max() <= 1.0
    assert seen[0, 0] == 0.0 and seen[0, 24] == pytest.approx(1.0)


def test_tasks_of_a_kind_see_what_they_should(data: Dataset) -> None:
    images = data.flat(data.train_images)
    turned = schedule(data, ContinualProtocol(kind="rotated", tasks=4), 0)
    for task, degrees in enumerate((0, 45, 90, 135)):
        assert np.array_equal(turned.views[task](images), rotated(data.shape, degrees)(images))
    mixed, other = (schedule(data, ContinualProtocol(kind="permuted", tasks=3), s) for s in (0, 1))
    longer = schedule(data, ContinualProtocol(kind="permuted"), 0)
    assert len(longer.tasks) == len(longer.views) == 10
    seen = [view(images) for view in mixed.views]
    assert np.array_equal(seen[0], images)
    assert not np.array_equal(seen[1], seen[2])
    assert not np.array_equal(seen[1], other.views[1](images))
    assert np.array_equal(seen[2], longer.views[2](images))  # more tasks change none before


def test_samples_are_images_through_the_view_of_their_task(data: Dataset) -> None:
    plan = schedule(data, ContinualProtocol(kind="permuted", tasks=3), 0)
    images = data.flat(data.train_images)
    found, labels = plan.training(np.array([7, 247, 8, 127]))
    expected = [images[7], plan.views[2](images[[7]])[0], images[8], plan.views[1](images[[7]])[0]]
    assert np.array_equal(found, expected)
    assert labels.tolist() == [1, 1, 2, 1]
    assert np.array_equal(plan.train_images, images)  # not changed in place


# --- which images ----------------------------------------------------------------------------


def test_balanced_draws_go_round_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 2])
    pool = np.arange(len(labels)) + 1000
    for count, expected in ((3, [1, 1, 1]), (6, [2, 2, 2]), (10, [4, 4, 2]), (70, [38, 30, 2])):
        drawn = balanced(pool, labels, count, stream(0, "x", count))
        assert len(set(drawn.tolist())) == count
        assert np.array_equal(drawn, np.sort(drawn))
        assert np.bincount(labels[drawn - 1000], minlength=3).tolist() == expected
    odd = [
        np.bincount(labels[balanced(pool, labels, 4, stream(s, "x")) - 1000]).tolist()
        for s in range(20)
    ]
    assert {(2, 1, 1), (1, 2, 1), (1, 1, 2)} == set(map(tuple, odd))
    assert len(balanced(pool, labels, 500, stream(0, "x"))) == 82


@pytest.mark.parametrize("kind", ["split", "permuted"])
def test_images_per_class_and_test_images_are_drawn_for_each_task_and_seed(
    data: Dataset, kind: str
) -> None:
    protocol = ContinualProtocol(kind=kind, tasks=3, images_per_class=4, test_images=6)
    plan, other = schedule(data, protocol, 0), schedule(data, protocol, 1)
    classes = 2 if kind == "split" else 6
    indices = []
    for task, different in zip(plan.tasks, other.tasks, strict=True):
        images, labels = plan.training(task.chosen)
        assert np.bincount(labels)[list(task.classes)].tolist() == [4] * classes
        assert len(np.unique(images, axis=0)) == 4 * classes
        assert not np.array_equal(task.chosen, different.chosen)
        indices.append(task.chosen % 120)
    assert not np.array_equal(indices[0], indices[1])
    columns = np.concatenate([exam.columns for exam in plan.exams])
    assert np.bincount(columns).tolist() == [6, 6, 6]
    for exam in plan.exams:
        images, labels = plan.testing(exam.samples)
        for column in set(exam.columns.tolist()):
            drawn = np.bincount(labels[exam.columns == column], minlength=6)
            assert drawn[list(plan.groups[column])].tolist() == [6 // classes] * classes


def test_classes_are_shuffled_for_each_seed_within_their_data_set() -> None:
    images = np.zeros((10, 2, 2), np.float32)
    labels = np.arange(10)
    two = Dataset("two", images, labels, images, labels, parts=(("a", 4), ("b", 6)))
    shuffled = ContinualProtocol(class_order="shuffled")
    seen = {seed: column_classes(two, shuffled, seed) for seed in range(5)}
    assert len(set(seen.values())) > 1
    for groups in seen.values():
        assert sorted(c for group in groups for c in group) == list(range(10))
        assert sorted(c for group in groups[:2] for c in group) == [0, 1, 2, 3]
    plan = schedule(two, shuffled, 3)
    assert [task.classes for task in plan.tasks] == list(seen[3])
    assert all(set(plan.training(t.chosen)[1].tolist()) == set(t.classes) for t in plan.tasks)


def test_tasks_divide_the_classes(data: Dataset) -> None:
    assert column_classes(data, ContinualProtocol(tasks=2), 0) == ((0, 1, 2), (3, 4, 5))
    for tasks in (4, 5, 7):
        with pytest.raises(DescriptionError, match=f"tasks is {tasks}, but the classes"):
            schedule(data, ContinualProtocol(tasks=tasks), 0)
    parts = replace(data, parts=(("a", 4), ("b", 2)))
    assert len(column_classes(parts, ContinualProtocol(tasks=3), 0)) == 3
    with pytest.raises(DescriptionError, match="4 of a"):
        column_classes(parts, ContinualProtocol(tasks=2), 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "sorted"}, "protocol is 'sorted'; choose 'split', 'permuted' or 'rotated'"),
        ({"tasks": 0}, "tasks is 0; at least 1"),
        ({"images_per_class": 0}, "images_per_class is 0"),
        ({"test_images": 0}, "test_images is 0"),
        ({"images_per_class": 3, "images_per_task": 3}, "give one of them"),
        ({"tasks": 5, "classes_per_task": 3}, "give one of them"),
        ({"class_order": "random"}, "class_order is 'random'; choose 'label' or 'shuffled'"),
        ({"blur": -0.1}, "blur is -0.1"),
        ({"blur": float("nan")}, "blur is nan"),
        ({"kind": "rotated", "scenario": "task"}, "scenario is 'task', but every task"),
        ({"kind": "permuted", "class_order": "shuffled"}, "class_order is 'shuffled', but"),
        ({"kind": "permuted", "classes_per_task": 5}, "classes_per_task is 5, but"),
    ],
)
def test_what_is_no_protocol(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        ContinualProtocol(**options)


def test_too_few_images_of_a_class_are_refused(data: Dataset) -> None:
    with pytest.raises(DescriptionError, match="has 20 training images of class 0"):
        schedule(data, ContinualProtocol(images_per_class=21), 0)


def test_a_protocol_of_old_options_keeps_its_description() -> None:
    assert list(ContinualProtocol(rehearsal=0.1).to_json()) == [
        "classes_per_task", "images_per_task", "rehearsal", "joint", "evaluate_on",
        "validation_fraction", "scenario",
    ]  # fmt: skip
    new = ContinualProtocol(kind="rotated", tasks=4, blur=0.5).to_json()
    assert (new["kind"], new["tasks"], new["blur"]) == ("rotated", 4, 0.5)
    assert "test_images" not in new


# --- blurred borders -------------------------------------------------------------------------


def test_no_blur_is_the_sharp_protocol_bit_for_bit(data: Dataset) -> None:
    for protocol in (ContinualProtocol(images_per_class=7), ContinualProtocol(kind="permuted")):
        sharp = schedule(data, protocol, 0)
        nearly = schedule(data, replace(protocol, blur=1e-9), 0)
        for task, same in zip(sharp.tasks, nearly.tasks, strict=True):
            assert np.array_equal(task.chosen, np.sort(same.chosen))
            assert task.classes == same.classes


def test_blur_keeps_every_image_once_and_mixes_neighbours_most(data: Dataset) -> None:
    random = np.random.default_rng(0)
    images = random.random((6000, 2, 2), dtype=np.float32)
    large = Dataset("large", images, np.arange(6000) % 6, images[:6], np.arange(6), n_classes=6)
    sharp = schedule(large, ContinualProtocol(), 0)
    blurred = schedule(large, ContinualProtocol(blur=0.3), 0)
    assert [len(task.chosen) for task in blurred.tasks] == [2000] * 3
    every = np.concatenate([task.chosen for task in blurred.tasks])
    assert np.array_equal(np.sort(every), np.arange(6000))
    share = np.array(
        [[np.isin(piece.chosen, task.chosen).mean() for task in sharp.tasks]
         for piece in blurred.tasks]
    )  # fmt: skip
    # A border lets through 0.3 / sqrt(2 pi) of a task on average, to either side.
    assert share[0, 1] == pytest.approx(0.3 / np.sqrt(2 * np.pi), abs=0.02)
    assert share[1, 0] == pytest.approx(share[0, 1], abs=0.005)
    assert share[0, 2] < 0.005
    # In the order in which they are shown: what is left of task 0 is in piece 1's beginning.
    late = np.flatnonzero(np.isin(blurred.tasks[1].chosen, sharp.tasks[0].chosen))
    assert late.mean() < 500


def test_blurred_training_is_shown_in_the_order_of_time(data: Dataset) -> None:
    learner = Lookup(forgets=False)
    protocol = ContinualProtocol(kind="permuted", tasks=3, blur=0.5)
    result = run_seed(data, protocol, learner, None, seed=0)
    assert result.images_trained == (120, 120, 120)
    plan = schedule(data, protocol, 0)
    for (images, labels), task in zip(learner.fits, plan.tasks, strict=True):
        expected, classes = plan.training(task.chosen)
        assert np.array_equal(images, expected) and np.array_equal(labels, classes)
    assert len(learner.known) == 360


# --- running ---------------------------------------------------------------------------------


def same_for_testing(data: Dataset) -> Dataset:
    return replace(data, test_images=data.train_images, test_labels=data.train_labels)


@pytest.mark.parametrize("kind", ["permuted", "rotated"])
def test_what_memorises_forgets_nothing_and_what_forgets_has_the_known_transfer(
    data: Dataset, kind: str
) -> None:
    known = same_for_testing(data)
    protocol = ContinualProtocol(kind=kind, tasks=4)
    kept = run_seed(known, protocol, Lookup(forgets=False), None, seed=0)
    lower = np.tril_indices(4)
    matrix = np.array(kept.accuracy_matrix, dtype=float)[1::2, :4]
    assert (matrix[lower] == 1.0).all()
    assert np.isnan(matrix[np.triu_indices(4, 1)]).all()
    assert kept.accuracy_matrix[0] == (1.0, None, None, None, 1.0)
    assert (kept.final_accuracy, kept.backward_transfer, kept.forgetting) == (1.0, 0.0, 0.0)
    assert kept.average_accuracy == 1.0
    assert np.sum(kept.confusion_after) == 480
    lost = run_seed(known, protocol, Lookup(forgets=True), None, seed=0)
    # Of a task that is forgotten the images of class 0, one in six, are still right.
    assert lost.backward_transfer == pytest.approx(-5 / 6)
    assert lost.forgetting == pytest.approx(5 / 6)
    assert lost.final_accuracy == pytest.approx((1 + 3 / 6) / 4)
    assert lost.accuracy_matrix[5][-1] == pytest.approx((1 + 2 / 6) / 3)
    assert lost.per_class == pytest.approx((1.0, *[1 / 4] * 5))


def test_rehearsal_and_joint_training_see_images_as_their_tasks_do(data: Dataset) -> None:
    known = same_for_testing(data)
    protocol = ContinualProtocol(kind="permuted", tasks=3, rehearsal=1.0)
    rehearsing = Lookup(forgets=True)
    result = run_seed(known, protocol, rehearsing, None, seed=0)
    assert result.images_trained == (120, 240, 360)
    assert (result.final_accuracy, result.backward_transfer) == (1.0, 0.0)
    together = ContinualProtocol(kind="permuted", tasks=3, joint=True)
    assert rehearsing.measures()["memory_bytes"] == {"weights": 3, "total": 5}
    size = 360 * (24 * 4 + 8)  # all images of all tasks, and their labels
    assert result.measures["memory_bytes"] == {"weights": 3, "total": 5 + size, "buffer": size}
    joint = run_seed(known, together, Lookup(forgets=True), None, seed=0)
    assert joint.images_trained == (360,)
    assert joint.final_accuracy == 1.0
    assert joint.accuracy_matrix == ((1.0,) * 4,) * 2
    assert joint.backward_transfer is None


def test_measures_of_the_learner_are_kept_and_shown_at_the_top(data: Dataset) -> None:
    result = run_seed(data, ContinualProtocol(), Lookup(forgets=False), None, seed=0)
    assert result.measures == {"columns": 120, "memory_bytes": {"weights": 3, "total": 5}}
    assert SeedResult.from_json(result.to_json()) == result
    shown = summary([result])["seeds"][0]
    assert (shown["columns"], shown["memory_bytes"]["total"]) == (120, 5)
    assert shown["backward_transfer"] == result.backward_transfer
    assert "measures" not in shown
    older = {name: value for name, value in result.to_json().items() if name != "measures"}
    assert SeedResult.from_json(older) == replace(result, measures={})


def test_a_store_keeps_the_same_images_and_is_mixed_in_half_and_half(data: Dataset) -> None:
    protocol = ContinualProtocol(tasks=3, rehearsal=0.1, rehearsed_from="store")
    learner = Lookup(forgets=False)
    run_seed(data, protocol, learner, None, seed=0)
    shown = [{image.tobytes() for image in images} for images, _ in learner.fits]
    assert [len(images) for images, _ in learner.fits] == [40, 80, 80]
    old = [shown[1] & shown[0], shown[2] & shown[0], shown[2] & shown[1] - shown[0]]
    assert [len(found) for found in old] == [4, 4, 4]  # a tenth of each task
    assert old[0] == old[1]  # the same of the first task

"""Representations: the closed form equals pairs counted one by one; planted groups are found."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from neuro.analysis import class_correlation, representations
from neuro.analysis.representations import layered_model, off_diagonal, standardised
from neuro.errors import DescriptionError


def test_two_orthogonal_groups_correlate_within_and_not_between() -> None:
    # Two contrasts over four units that are orthogonal after subtracting the mean.
    patterns = np.array([[1.0, 1, 0, 0], [1.0, 0, 1, 0]])
    labels = np.array([0, 0, 0, 7, 7])
    found = class_correlation(patterns[(labels == 7).astype(int)] * 0.3, labels)
    assert found.classes.tolist() == [0, 7]
    assert found.matrix == pytest.approx(np.eye(2), abs=1e-12)
    assert found.within == pytest.approx(1)
    assert found.between == pytest.approx(0, abs=1e-12)
    opposite = class_correlation(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), [0, 0, 1, 1])
    assert opposite.between == pytest.approx(-1)


def test_matrix_is_the_mean_over_pairs_without_self_pairs() -> None:
    draw = np.random.default_rng(0)
    labels = np.array([0, 1, 2, 0, 1, 0, 1, 1])
    layer = draw.random((8, 5)).astype(np.float32)
    layer[4] = 0.1  # a constant row: undefined correlation
    r = np.full((8, 8), np.nan)
    for a, b in product(range(8), repeat=2):
        if 4 not in (a, b):
            r[a, b] = np.corrcoef(layer[a].astype(float), layer[b].astype(float))[0, 1]
    np.fill_diagonal(r, np.nan)
    expected = np.full((3, 3), np.nan)
    for i, j in product(range(3), repeat=2):
        block = r[labels == i][:, labels == j]
        if not np.isnan(block).all():
            expected[i, j] = np.nanmean(block)
    found = class_correlation(layer, labels)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-12)
    assert np.isnan(found.matrix[2, 2])  # one image has no other of its class
    assert found.constant.tolist() == [0, 1, 0]
    assert found.between == pytest.approx(np.mean(off_diagonal(expected)))
    # The classes' own mean leaves the undefined one out.
    assert found.within == pytest.approx((expected[0, 0] + expected[1, 1]) / 2)


def test_self_pairs_would_be_seen() -> None:
    """Two unlike images of one class: their correlation, not its mean with 1."""
    found = class_correlation(np.array([[1.0, 0, 0], [0, 1, 0]]), [3, 3])
    assert found.matrix == pytest.approx(np.array([[-0.5]]))
    assert np.isnan(found.between)


def test_equal_numbers_are_constant_although_their_mean_is_rounded() -> None:
    row = np.full(3, 0.1)
    assert row.mean() != 0.1  # the trap exists
    assert np.isnan(standardised([row])).all()


def test_a_silent_layer_has_no_correlation() -> None:
    found = class_correlation(np.zeros((4, 3)), [0, 0, 1, 1])
    assert np.isnan(found.matrix).all() and np.isnan(found.between)
    assert found.constant.tolist() == [2, 2]


@pytest.mark.parametrize(
    ("layer", "labels", "message"),
    [
        (np.zeros((3, 1)), [0, 0, 0], r"activities: shape \(3, 1\)"),
        (np.zeros((3, 2)), [0, 0], r"labels: shape \(2,\)"),
        (np.zeros((3, 2)), [0.0, 0.5, 1.0], "dtype float64"),
        (np.full((1, 2), np.inf), [0], "not all are finite"),
    ],
)
def test_what_does_not_fit_is_refused(layer: object, labels: object, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        class_correlation(layer, labels)  # type: ignore[arg-type]


class Model:
    def __init__(self, rows: int) -> None:
        self.rows = rows

    def states(self, images: np.ndarray) -> list[np.ndarray]:
        return [np.zeros((self.rows, 3))]

    def get_weights(self) -> list[np.ndarray]:
        return [np.zeros((2, 3))]


class Box:
    def __init__(self, model: object) -> None:
        self.model = model


def test_a_learner_that_cannot_be_looked_into_is_named() -> None:
    with pytest.raises(DescriptionError, match=r"^Box cannot be analysed: .*states\(images\)"):
        layered_model(Box(object()))
    with pytest.raises(DescriptionError, match="^object cannot be analysed"):
        layered_model(object())
    model = layered_model(Box(Model(4)))
    images = np.zeros((4, 2), np.float32)
    assert [layer.shape for layer in representations(model, images)] == [(4, 3)]
    with pytest.raises(DescriptionError, match=r"layer 1 has shape \(5, 3\) for 4 images"):
        representations(Model(5), images)

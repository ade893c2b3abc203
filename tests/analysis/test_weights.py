"""Weight changes that are known one by one."""

from __future__ import annotations

import numpy as np
import pytest

from neuro.analysis import weight_change
from neuro.errors import DescriptionError


def test_fractions_and_histograms_of_a_known_change() -> None:
    before = np.zeros((2, 5))
    before[0, 0] = -1.0
    after = before.copy()
    after[0, :2] += [0.5, 1.0]  # two rise: from -1 to -0.5 and from 0 to 1
    after[1, :3] -= 0.25  # three fall
    found = weight_change(before, after, bins=8)
    assert (found.up, found.down) == (0.2, 0.3)
    assert found.unchanged == pytest.approx(0.5)
    assert found.edges == pytest.approx(np.linspace(-1, 1, 9))
    # Bins of width 0.25 from -1; a value on an edge belongs to the bin above it.
    assert found.before.tolist() == [1, 0, 0, 0, 9, 0, 0, 0]
    assert found.after.tolist() == [0, 0, 1, 3, 5, 0, 0, 1]
    assert found.rose_before.tolist() == [1, 0, 0, 0, 1, 0, 0, 0]
    assert found.rose_after.tolist() == [0, 0, 1, 0, 0, 0, 0, 1]
    assert found.fell_before.tolist() == [0, 0, 0, 0, 3, 0, 0, 0]
    assert found.fell_after.tolist() == [0, 0, 0, 3, 0, 0, 0, 0]
    assert found.change.sum() == 10
    assert found.change_edges[[0, -1]] == pytest.approx([-0.25, 1.0])
    assert found.change[0] == 3 and found.change[-1] == 1
    assert found.mean_before == pytest.approx(-0.1)
    assert found.mean_after == pytest.approx((-0.5 + 1 - 0.75) / 10)


def test_nothing_changed() -> None:
    weights = np.arange(6.0).reshape(2, 3)
    found = weight_change(weights, weights)
    assert (found.up, found.down, found.unchanged) == (0, 0, 1)
    assert found.change.sum() == found.before.sum() == 6
    # All in one bin, which holds zero (an edge may be there, but for its last digit).
    bin_of_all = int(found.change.argmax())
    assert found.change[bin_of_all] == 6
    assert found.change_edges[bin_of_all : bin_of_all + 2] == pytest.approx([0, 0], abs=0.02)


@pytest.mark.parametrize(
    ("before", "after", "bins", "message"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), 5, r"\(2, 3\), after \(3, 2\)"),
        (np.zeros(0), np.zeros(0), 5, "not empty"),
        (np.zeros(2), np.array([0, np.nan]), 5, "not all weights are finite"),
        (np.zeros(2), np.zeros(2), 0, "bins: 0"),
    ],
)
def test_what_does_not_fit_is_refused(
    before: np.ndarray, after: np.ndarray, bins: int, message: str
) -> None:
    with pytest.raises(DescriptionError, match=message):
        weight_change(before, after, bins)

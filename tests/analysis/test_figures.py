"""Figures of analyses: they show the numbers they were given, on the axes they were given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neuro import analysis
from neuro.errors import DescriptionError
from neuro.plotting import analysis as draw, png
from neuro.random import stream


def fresh() -> Axes:
    return Figure().add_subplot()


def heights(ax: Axes) -> list[float]:
    return [patch.get_height() for patch in ax.patches]  # type: ignore[attr-defined]


def texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.fixture
def change() -> analysis.WeightChange:
    before = np.zeros((4, 5))
    after = before.copy()
    after[0] += 0.5
    after[1, 0] -= 0.25
    return analysis.weight_change(before, after, bins=6)


def correlations() -> tuple[analysis.ClassCorrelation, analysis.ClassCorrelation]:
    labels = np.repeat([2, 5, 9], 4)
    layer = np.eye(3)[labels.argsort().argsort() // 4] + 0.1 * stream(0, "x").random((12, 3))
    return analysis.class_correlation(layer + 3 * np.arange(3), labels), (
        analysis.class_correlation(layer, labels)
    )


def test_matrices_are_drawn_with_their_classes() -> None:
    before, after = correlations()
    ax = draw.class_correlation(after, ax=fresh())
    np.testing.assert_array_equal(ax.images[0].get_array(), after.matrix)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["2", "5", "9"]
    found = analysis.confusion([0, 0, 1, 2], [0, 1, 1, 1], 3)
    ax = draw.confusion(found, ax=fresh())
    np.testing.assert_array_equal(ax.images[0].get_array(), found.fractions)
    assert ax.get_xlabel() == "predicted class" and ax.get_ylabel() == "actual class"
    ax = draw.correlation_change(before, after, ax=fresh())
    assert sum(heights(ax)) == 6  # three pairs of different classes, three of the same
    assert texts(ax) == ["different classes", "same class"]
    other = analysis.class_correlation(np.eye(4), [0, 0, 1, 1])
    with pytest.raises(DescriptionError, match="they must be the same"):
        draw.correlation_change(before, other, ax=fresh())


def test_histograms_of_weights(change: analysis.WeightChange) -> None:
    ax = draw.weight_histogram(change, ax=fresh())
    before, after = (patch.get_data() for patch in ax.patches)  # type: ignore[attr-defined]
    assert before.values.tolist() == change.before.tolist()
    assert after.values.tolist() == change.after.tolist()
    assert after.edges.tolist() == change.edges.tolist()
    assert ax.get_yscale() == "log" and texts(ax) == ["before", "after"]
    ax = draw.weight_change(change, ax=fresh())
    assert texts(ax) == ["25 % up, 5 % down,\n70 % unchanged"]
    ax = draw.moved_weights(change, ax=fresh())
    drawn = [patch.get_data().values.tolist() for patch in ax.patches]  # type: ignore[attr-defined]
    assert drawn == [
        x.tolist()
        for x in (change.rose_before, change.rose_after, change.fell_before, change.fell_after)
    ]


def test_replay_bars_and_their_shuffles() -> None:
    spikes = (np.arange(300) % 200, np.arange(300) % 3)
    found = analysis.find_replay(
        stream(0, "a").random((6, 8)), [1, 1, 1, 4, 4, 4], spikes, 200,
        window=20, windows=10, shuffles=9, stream=stream(0, "b"),
    )  # fmt: skip
    ax = draw.replay(found, ax=fresh())
    assert heights(ax) == pytest.approx(found.correlation.tolist())
    lines = ax.collections[0].get_segments()  # type: ignore[attr-defined]
    assert [line[0, 1] for line in lines] == pytest.approx(found.shuffled_high.tolist())
    assert [t.get_text() for t in ax.get_xticklabels()] == ["1", "4"]


def test_old_data_curve_marks_the_crossing() -> None:
    awake = [[0.2, 0.3], [0.6, 0.7]]
    curve = analysis.old_data_curve([0, 0.2], awake, [0.4, 0.5], both=[[0.4, 0.5], [0.8, 0.8]])
    ax = draw.old_data_curve(curve, ax=fresh())
    lines = {str(line.get_label()): np.array(line.get_xydata()) for line in ax.get_lines()}
    assert lines["no sleep, old data"] == pytest.approx(np.array([[0, 0.25], [0.2, 0.65]]))
    assert lines["sleep and old data"][:, 1] == pytest.approx([0.45, 0.8])
    assert lines["sleep, no old data"][:, 1] == pytest.approx([0.45, 0.45])
    assert lines["crossing at 10 %"] == pytest.approx(np.array([[0.1, 0.45]]))
    never = analysis.old_data_curve([0, 0.2], awake, [0.9, 0.9])
    assert not any("crossing" in text for text in texts(draw.old_data_curve(never, ax=fresh())))


def test_courses() -> None:
    matrix = [[1.0, 0.0, 0.5], [0.9, 0.0, 0.45], [0.2, 1.0, 0.6], [0.7, 0.8, 0.75]]
    course = analysis.accuracy_course([matrix])
    ax = draw.accuracy_course(course, ["0–1", "2–3"], ax=fresh())
    lines = {str(line.get_label()): np.array(line.get_ydata()) for line in ax.get_lines()}
    assert lines["0–1"] == pytest.approx([1.0, 0.9, 0.2, 0.7])
    assert lines["all"] == pytest.approx([0.5, 0.45, 0.6, 0.75])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["train 1", "sleep", "train 2", "sleep"]
    with pytest.raises(DescriptionError, match="1 names for 2 groups"):
        draw.accuracy_course(course, ["all"], ax=fresh())
    spikes = analysis.layer_spikes([[[40, 4, 0], [80, 4, 0]]], [4, 2, 1], [10, 20])
    ax = draw.layer_spikes(spikes, ax=fresh())
    assert texts(ax) == ["input", "hidden", "output (silent in 2)"]
    means = {str(line.get_label()): line.get_ydata() for line in ax.get_lines()}
    assert means["input"] == pytest.approx([1.0, 1.0])
    assert means["hidden"] == pytest.approx([0.2, 0.1])


def test_undefined_numbers_can_be_drawn(change: analysis.WeightChange) -> None:
    silent = analysis.class_correlation(np.zeros((4, 3)), [0, 0, 1, 1])
    nothing = analysis.find_replay(
        np.zeros((4, 3)), [0, 0, 1, 1], ([], []), 200, stream=stream(0, "b")
    )
    pictures: list[Any] = [
        draw.class_correlation(silent, ax=fresh()),
        draw.correlation_change(silent, silent, ax=fresh()),
        draw.replay(nothing, ax=fresh()),
        draw.weight_change(analysis.weight_change(np.zeros(3), np.zeros(3)), ax=fresh()),
        draw.layer_spikes(analysis.layer_spikes([[[0, 0, 0]]], [1, 1, 1], [1]), ax=fresh()),
    ]
    for ax in pictures:
        assert len(png(ax.get_figure(root=True), dpi=40)) > 1000

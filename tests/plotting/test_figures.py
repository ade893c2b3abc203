"""Figures show the numbers they were given, label their axes and leave no trace."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from neuro import plotting
from neuro.learning.continual_results import SeedResult, SleepSummary

GROUPS = ((0, 1), (2, 3))


def result(seed: int, shift: float = 0.0, slept: bool = True) -> SeedResult:
    raster = (((0, 2, 2), (1, 0, 3)), ((2,), (1,)), ((), ()))
    sleep = tuple(SleepSummary(task, 100, (4, 3, 4), (20 + task, 3, 0), raster) for task in (0, 1))
    return SeedResult(
        seed=seed,
        final_accuracy=0.5 + shift,
        accuracy_matrix=(
            (1.0, 0.0, 0.5),
            (0.9, 0.0, 0.45),
            (0.2 + shift, 1.0, 0.6),
            (0.7 + shift, 0.8, 0.75),
        ),
        per_class=(0.5, 0.5, 0.5, None),
        confusion_before=((0, 0, 0, 4), (0, 0, 0, 4), (0, 0, 4, 0), (0, 0, 0, 4)),
        confusion_after=((4, 0, 0, 0), (0, 3, 0, 1), (0, 0, 4, 0), (0, 0, 2, 2)),
        sleep=sleep if slept else (),
        images_trained=(8, 8),
    )


def test_plotting_uses_no_pyplot() -> None:
    code = "import sys, neuro.plotting; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_accuracy_lines_are_means_and_begin_with_their_task() -> None:
    figure = plotting.accuracy_over_time(
        {"none": [result(0, slept=False)], "sleep": [result(0), result(1, 0.1)]}, GROUPS
    )
    without, with_sleep = figure.axes
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["none", "sleep"]
    lines = {line.get_label(): np.array(line.get_xydata()) for line in with_sleep.get_lines()}
    assert lines["0 & 1"][:, 1] == pytest.approx([1.0, 0.9, 0.25, 0.75])
    assert lines["2 & 3"] == pytest.approx(np.array([[1.0, 1.0], [1.5, 0.8]]))
    assert lines["all"][:, 1] == pytest.approx([0.5, 0.45, 0.6, 0.75])
    alone = {line.get_label(): np.array(line.get_xydata()) for line in without.get_lines()}
    assert alone["0 & 1"] == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.2]]))
    assert without.get_ylabel() == "test accuracy"
    ticks = [text.get_text() for text in with_sleep.get_xticklabels()]
    assert ticks == ["train 1\n0 & 1", "sleep", "train 2\n2 & 3", "sleep"]


def test_tasks_that_are_told_apart_by_name_may_be_untested_before_they_begin() -> None:
    never_slept = replace(
        result(0, slept=False),
        accuracy_matrix=((1.0, None, 1.0), (1.0, None, 1.0), (0.2, 0.8, 0.5), (0.2, 0.8, 0.5)),
    )
    figure = plotting.accuracy_over_time({"a": [never_slept]}, GROUPS, ["0°", "90°"])
    (ax,) = figure.axes
    lines = {line.get_label(): np.array(line.get_xydata()) for line in ax.get_lines()}
    assert lines["0°"] == pytest.approx(np.array([[0.0, 1.0], [1.0, 0.2]]))
    assert lines["90°"] == pytest.approx(np.array([[1.0, 0.8]]))
    assert lines["all"][:, 1] == pytest.approx([1.0, 0.5])
    assert figure.legends[0].get_title().get_text() == "task"


def test_confusion_panels_are_row_fractions_summed_over_seeds() -> None:
    figure = plotting.confusion_matrices([result(0), result(1)])
    before, after = figure.axes[:2]
    assert np.asarray(after.images[0].get_array())[1].tolist() == [0, 0.75, 0, 0.25]
    assert np.asarray(before.images[0].get_array())[0].tolist() == [0, 0, 0, 1]
    assert [text.get_text() for text in after.texts] == ["100", "75", "25", "100", "50", "50"]
    assert before.get_ylabel() == "actual class" and after.get_xlabel() == "predicted class"
    alone = plotting.confusion_matrices([result(0, slept=False)])
    assert alone.axes[0].get_title(loc="left") == "at the end"


def test_raster_has_a_panel_per_layer_in_milliseconds() -> None:
    figure = plotting.sleep_raster(result(0).sleep[1])
    top, _, bottom = figure.axes
    assert np.array(top.get_lines()[0].get_xydata()).tolist() == [[0, 1], [2, 0], [2, 3]]
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "input: 3 spikes of 4 units"
    assert titles[2] == "output: 0 spikes of 4 units"
    assert bottom.get_xlabel() == "time in the sleep after task 2 [ms]"


def test_silent_layers_are_named() -> None:
    figure = plotting.spikes_per_layer([result(0), result(1)])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["input", "hidden", "output (silent in 4 sleeps)"]
    means = {line.get_label(): np.array(line.get_ydata()) for line in figure.axes[0].get_lines()}
    assert means["input"] == pytest.approx([20 / 400, 21 / 400])
    assert means["hidden"] == pytest.approx([0.01, 0.01])


def test_comparison_shows_every_seed_and_the_mean() -> None:
    figure = plotting.comparison({"a": [result(0), result(1, 0.1)], "b": [result(0)]}, 0.25)
    ax = figure.axes[0]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([0.55, 0.5])
    assert list(ax.get_lines()[0].get_xdata()) == pytest.approx([0.5, 0.6])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert "55.0 %" in [text.get_text() for text in ax.texts]


def test_equal_figures_give_equal_bytes() -> None:
    def files() -> tuple[bytes, str]:
        figure = plotting.comparison({"a": [result(0)]}, 0.25)
        return plotting.png(figure), plotting.svg(figure)

    first, second = files(), files()
    assert first == second
    assert first[0].startswith(b"\x89PNG") and "<svg" in first[1]


def test_deeper_networks_and_one_task() -> None:
    deep = replace(
        result(0), sleep=(SleepSummary(0, 10, (2, 2, 2, 2), (1, 1, 1, 1), (((0,), (0,)),) * 4),)
    )
    plotting.png(plotting.sleep_raster(deep.sleep[0]), dpi=40)
    labels = plotting.spikes_per_layer([deep]).legends[0].get_texts()
    assert [text.get_text() for text in labels] == ["input", "hidden 1", "hidden 2", "output"]
    joint = replace(result(0, slept=False), accuracy_matrix=((1, 1, 1), (1, 1, 1)))
    plotting.png(plotting.accuracy_over_time({"joint": [joint]}, GROUPS), dpi=40)

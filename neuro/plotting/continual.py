"""Figures of the continual-learning job, from :class:`~neuro.learning.continual.SeedResult`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from neuro.learning.continual_results import SeedResult, SleepSummary
from neuro.plotting.style import COLOURS, MARKERS, new_figure, styled

Groups = Sequence[Sequence[int]]


def _matrices(results: Sequence[SeedResult]) -> NDArray[np.float64]:
    """Accuracy matrices of all seeds, [seeds, rows, columns]; NaN where undefined."""
    return np.array([result.accuracy_matrix for result in results], dtype=np.float64)


def _group_name(group: Sequence[int]) -> str:
    return " & ".join(map(str, group)) if len(group) < 3 else f"{group[0]}–{group[-1]}"


def layer_names(count: int) -> list[str]:
    """Names of the layers of a network: input, hidden (numbered if several), output."""
    hidden = ["hidden"] if count == 3 else [f"hidden {i}" for i in range(1, count - 1)]
    return ["input", *hidden, "output"]


def accuracy_over_time(
    conditions: Mapping[str, Sequence[SeedResult]],
    groups: Groups,
    names: Sequence[str] | None = None,
) -> Figure:
    """Accuracy on each task after every training and every sleep.

    Parameters
    ----------
    conditions : mapping from label to results
        One panel each; lines are means over seeds, bands one standard deviation.
    groups : sequence of sequences of int
        Classes of each task.
    names : sequence of str, optional
        Names of the tasks, where their classes do not tell them apart.
    """
    shown = [_group_name(group) for group in groups] if names is None else names
    with styled():
        figure, axes = new_figure(4.6 * len(conditions) + 1.4, 3.6, 1, len(conditions), sharey=True)
        for ax, (label, results) in zip(axes, conditions.items(), strict=True):
            _trajectories(ax, results, shown)
            ax.set_title(label)
        axes[0].set_ylabel("test accuracy")
        handles, labels = axes[0].get_legend_handles_labels()
        title = "classes" if names is None else "task"
        figure.legend(handles, labels, loc="outside right center", title=title)
    return figure


def _trajectories(ax: Axes, results: Sequence[SeedResult], names: Sequence[str]) -> None:
    matrices = _matrices(results)
    tasks = matrices.shape[1] // 2
    slept = any(result.sleep for result in results)
    # Without sleep the second row of each task repeats the first.
    rows = np.arange(2 * tasks) if slept else np.arange(0, 2 * tasks, 2)
    places = rows / 2
    if slept:
        for task in range(tasks):
            ax.axvspan(task + 0.25, task + 0.75, color="#4a5a8a", alpha=0.10, linewidth=0)
    for i, name in enumerate(names):
        values = matrices[:, rows, i]
        # A task's line begins when it has been trained: before, it is at chance, or not tested.
        begun = places >= min(i, tasks - 1)
        _band(ax, places[begun], values[:, begun], COLOURS[i % 6], MARKERS[i % 7], name)
    _band(ax, places, matrices[:, rows, -1], COLOURS[-1], None, "all")
    ticks = [f"train {t + 1}\n{names[t] if tasks == len(names) else ''}" for t in range(tasks)]
    if tasks > 6:  # no room for words
        ax.set_xticks(range(tasks), [str(t + 1) for t in range(tasks)], fontsize=8)
    elif slept:
        ax.set_xticks(places, [x for t in ticks for x in (t, "sleep")], fontsize=8)
    else:
        ax.set_xticks(places, ticks, fontsize=8)
    ax.set_xlim(-0.25, places[-1] + 0.25)
    ax.set_ylim(-0.03, 1.03)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("phase" if tasks <= 6 else "task trained" + "; sleeps are shaded" * slept)


def _band(
    ax: Axes,
    x: NDArray[np.float64],
    values: NDArray[np.float64],
    colour: str,
    marker: str | None,
    label: str,
) -> None:
    """Mean over the first axis, with one standard deviation either side."""
    mean = values.mean(axis=0)
    thick = 2.8 if marker is None else 1.4
    ax.plot(x, mean, color=colour, marker=marker or "", linewidth=thick, label=label)
    if len(values) > 1:
        sd = values.std(axis=0, ddof=1)
        ax.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)


def confusion_matrices(results: Sequence[SeedResult]) -> Figure:
    """Confusion before and after the last sleep, summed over seeds, rows as fractions.

    Without sleep there is one panel, at the end.
    """
    before = np.sum([r.confusion_before for r in results], axis=0).astype(float)
    after = np.sum([r.confusion_after for r in results], axis=0).astype(float)
    slept = any(result.sleep for result in results)
    panels = {"before the last sleep": before, "after the last sleep": after}
    if not slept:
        panels = {"at the end": after}
    with styled():
        figure, axes = new_figure(4.2 * len(panels) + 0.8, 4.1, 1, len(panels))
        image = None
        for ax, (title, counts) in zip(axes, panels.items(), strict=True):
            fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            image = ax.imshow(fractions, cmap="viridis", vmin=0, vmax=1)
            for (row, column), value in np.ndenumerate(fractions):
                if value >= 0.005 and len(counts) <= 12:  # else the numbers would overlap
                    tone = "white" if value < 0.6 else "black"
                    text = f"{100 * value:.0f}"
                    ax.text(column, row, text, ha="center", va="center", fontsize=7, color=tone)
            ax.set_title(title)
            ax.set_xlabel("predicted class")
            labelled = range(0, len(counts), 1 if len(counts) <= 12 else 5)
            ax.set_xticks(labelled)
            ax.set_yticks(labelled)
            ax.spines[:].set_visible(False)
        axes[0].set_ylabel("actual class")
        if image is not None:
            bar = figure.colorbar(image, ax=axes, shrink=0.85, format=PercentFormatter(1.0))
            bar.set_label("share of the actual class")
            bar.outline.set_visible(False)
    return figure


def sleep_raster(summary: SleepSummary, dt: float = 1e-3) -> Figure:
    """Spikes of a stretch of one sleep, one panel per layer.

    Parameters
    ----------
    summary : SleepSummary
        A sleep that kept its raster.
    dt : float
        Time step in seconds.
    """
    layers = len(summary.raster)
    with styled():
        figure = Figure(figsize=(7.5, 4.6), layout="constrained")
        axes = figure.subplots(
            layers, 1, sharex=True, height_ratios=[2.0] + [1.4] * (layers - 2) + [1.0]
        )
        last = max((max(steps, default=0) for steps, _ in summary.raster), default=0)
        names = layer_names(layers)
        for i, (ax, (steps, units)) in enumerate(zip(axes, summary.raster, strict=True)):
            few = summary.sizes[i] <= 32
            ax.plot(
                np.array(steps) * dt * 1e3,
                units,
                linestyle="",
                marker="|",
                markersize=7 if few else 2.5,
                markeredgewidth=1.2 if few else 0.7,
                color=COLOURS[i % 6],
                rasterized=len(steps) > 2000,
            )
            ax.set_ylim(-0.5, summary.sizes[i] - 0.5)
            ax.set_ylabel("unit")
            ax.set_title(f"{names[i]}: {len(steps)} spikes of {summary.sizes[i]} units")
        axes[-1].set_xlim(0, (last + 1) * dt * 1e3)
        axes[-1].set_xlabel(f"time in the sleep after task {summary.task + 1} [ms]")
    return figure


def spikes_per_layer(results: Sequence[SeedResult]) -> Figure:
    """Mean firing probability (spikes per unit and step) of each layer in every sleep.

    A layer without any spike has no point in its line; its count is named in the legend.
    """
    with styled():
        figure, axes = new_figure(6.4, 3.6)
        ax = axes[0]
        sleeps = sorted({s.task for result in results for s in result.sleep})
        sizes = next((s.sizes for r in results for s in r.sleep), ())
        for layer, name in enumerate(layer_names(len(sizes)) if sizes else []):
            x, y = [], []
            silent = 0
            for result in results:
                for summary in result.sleep:
                    rate = summary.rates[layer]
                    silent += rate == 0
                    if rate > 0:
                        x.append(summary.task + 1)
                        y.append(rate)
            note = f" (silent in {silent} sleeps)" if silent else ""
            colour, marker = COLOURS[layer % 6], MARKERS[layer % 7]
            ax.plot(x, y, linestyle="", marker=marker, color=colour, alpha=0.35)
            means = [
                np.mean([s.rates[layer] for r in results for s in r.sleep if s.task == task])
                for task in sleeps
            ]
            shown = np.array([m if m > 0 else np.nan for m in means])
            places = np.array(sleeps) + 1.0
            ax.plot(places, shown, color=colour, marker=marker, label=f"{name}{note}")
        ax.set_yscale("log")
        ax.set_xticks([task + 1 for task in sleeps])
        ax.set_xlabel("sleep after task")
        ax.set_ylabel("spikes per unit and step")
        ax.set_title("firing in sleep")
        figure.legend(loc="outside right center", title="layer")
    return figure


def comparison(conditions: Mapping[str, Sequence[SeedResult]], chance: float) -> Figure:
    """Final accuracy of every seed, condition by condition, with means.

    Parameters
    ----------
    conditions : mapping from label to results
        One row each.
    chance : float
        Accuracy of guessing, drawn as a line.
    """
    with styled():
        figure, axes = new_figure(6.4, 0.9 + 0.55 * len(conditions))
        ax = axes[0]
        for row, results in enumerate(conditions.values()):
            values = [result.final_accuracy for result in results]
            mean = float(np.mean(values))
            ax.barh(row, mean, height=0.62, color=COLOURS[row % 6], alpha=0.35)
            ax.plot(values, [row] * len(values), "o", color=COLOURS[row % 6], markersize=4)
            ax.text(1.02, row, f"{100 * mean:.1f} %", va="center")
        ax.axvline(chance, color="#666666", linestyle=":", linewidth=1.2)
        ax.text(chance + 0.005, len(conditions) - 0.52, "chance", fontsize=8, color="#666666")
        ax.set_yticks(range(len(conditions)), list(conditions))
        ax.set_ylim(len(conditions) - 0.45, -0.55)
        ax.set_xlim(0, 1)
        ax.xaxis.set_major_formatter(PercentFormatter(1.0))
        ax.set_xlabel("final test accuracy over all classes (dots: seeds)")
    return figure

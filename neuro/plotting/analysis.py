"""Figures of :mod:`neuro.analysis`, one per analysis, on axes of one's own or of a new figure.

Every function takes ``ax``, the axes to draw on (by default those of a new pyplot figure), and
returns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike, NDArray

from neuro.analysis import (
    AccuracyCourse,
    ClassCorrelation,
    Confusion,
    LayerSpikes,
    OldDataCurve,
    Recovery,
    Replay,
    WeightChange,
)
from neuro.errors import DescriptionError
from neuro.plotting.continual import layer_names
from neuro.plotting.recording import axes
from neuro.plotting.style import COLOURS, MARKERS

FloatArray = NDArray[np.float64]


def confusion(answers: Confusion, *, ax: Axes | None = None) -> Axes:
    """Answers as shares of each actual class.

    Parameters
    ----------
    answers : Confusion
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 4.0)
    _matrix(ax, answers.fractions, range(len(answers.counts)), "share of the actual class", 0, 1)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("actual class")
    return ax


def class_correlation(correlation: ClassCorrelation, *, ax: Axes | None = None) -> Axes:
    """Mean correlation between the representations of every two classes.

    Parameters
    ----------
    correlation : ClassCorrelation
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 4.0)
    _matrix(ax, correlation.matrix, correlation.classes, "mean correlation", -1, 1, "RdBu_r")
    ax.set_xlabel("class")
    ax.set_ylabel("class")
    return ax


def _matrix(
    ax: Axes,
    values: FloatArray,
    classes: Iterable[int],
    label: str,
    low: float,
    high: float,
    colours: str = "viridis",
) -> None:
    image = ax.imshow(values, cmap=colours, vmin=low, vmax=high)
    names = [str(c) for c in classes]
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.spines[:].set_visible(False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.colorbar(image, ax=ax, label=label, shrink=0.85)


def correlation_change(
    before: ClassCorrelation, after: ClassCorrelation, *, bins: int = 20, ax: Axes | None = None
) -> Axes:
    """How correlations changed: within classes and between classes apart.

    Parameters
    ----------
    before, after : ClassCorrelation
        Of the same classes.
    bins : int
        Of the histogram.
    ax : Axes, optional
    """
    if not np.array_equal(before.classes, after.classes):
        raise DescriptionError(
            f"correlation_change: classes {before.classes.tolist()} before and "
            f"{after.classes.tolist()} after; they must be the same"
        )
    ax = axes(ax, 4.8, 3.2)
    change = after.matrix - before.matrix
    # The matrix is symmetric: each pair of classes counts once.
    upper = np.triu_indices(len(change), 1)
    parts = {"different classes": change[upper], "same class": np.diagonal(change)}
    defined = change[~np.isnan(change)]
    edges = np.histogram_bin_edges(defined if defined.size else [0.0], bins).tolist()
    for i, (name, values) in enumerate(parts.items()):
        ax.hist(values[~np.isnan(values)], edges, color=COLOURS[i], alpha=0.6, label=name)
    ax.axvline(0, color="#666666", linestyle=":", linewidth=1.2)
    ax.set_xlabel("change of the correlation (after − before)")
    ax.set_ylabel("pairs of classes")
    ax.legend()
    return ax


def weight_histogram(change: WeightChange, *, ax: Axes | None = None) -> Axes:
    """Weights before and after, on a logarithmic axis.

    Parameters
    ----------
    change : WeightChange
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 3.2)
    ax.stairs(change.before, change.edges, color=COLOURS[0], label="before")
    ax.stairs(change.after, change.edges, color=COLOURS[1], label="after")
    _counts(ax, "weight")
    return ax


def weight_change(change: WeightChange, *, ax: Axes | None = None) -> Axes:
    """By how much weights changed, on a logarithmic axis, with the fractions up and down.

    Parameters
    ----------
    change : WeightChange
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 3.2)
    label = (
        f"{100 * change.up:.2g} % up, {100 * change.down:.2g} % down,\n"
        f"{100 * change.unchanged:.2g} % unchanged"
    )
    ax.stairs(change.change, change.change_edges, color=COLOURS[2], fill=True, label=label)
    ax.axvline(0, color="#666666", linestyle=":", linewidth=1.2)
    _counts(ax, "change of the weight (after − before)")
    return ax


def moved_weights(change: WeightChange, *, ax: Axes | None = None) -> Axes:
    """Where the weights that rose and those that fell came from, and where they went.

    Parameters
    ----------
    change : WeightChange
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 3.2)
    for i, (name, before, after) in enumerate(
        (
            ("rose", change.rose_before, change.rose_after),
            ("fell", change.fell_before, change.fell_after),
        )
    ):
        ax.stairs(before, change.edges, color=COLOURS[i], linestyle=":", label=f"{name}, before")
        ax.stairs(after, change.edges, color=COLOURS[i], label=f"{name}, after")
    _counts(ax, "weight")
    return ax


def _counts(ax: Axes, label: str) -> None:
    # Empty bins have no place on a logarithmic axis; 0.5 leaves room below a single weight.
    ax.set_yscale("log", nonpositive="clip")
    ax.set_ylim(0.5, 20 * ax.get_ylim()[1])  # room for the legend
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel(label)
    ax.set_ylabel("synapses")
    ax.legend(loc="upper center", ncols=2, fontsize=8)


def recovery(found: Recovery, *, ax: Axes | None = None) -> Axes:
    """How much earlier classes recovered by a sleep, against how much they were replayed in it.

    Both as deviations from the mean of their sleep.

    Parameters
    ----------
    found : Recovery
    ax : Axes, optional
    """
    ax = axes(ax, 4.4, 3.4)
    x, y = found.deviations
    ax.axhline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#bbbbbb", linewidth=0.8, zorder=0)
    ax.plot(x, y, "o", color=COLOURS[0], markersize=3.5, alpha=0.7)
    if np.ptp(x) > 0:
        ends = np.array([x.min(), x.max()])
        ax.plot(ends, ends * (x @ y) / (x @ x), color=COLOURS[1])
    ax.set_xlabel("replayed more than the others [correlation]")
    ax.set_ylabel("recovered more than the others")
    ax.set_title(f"r = {found.correlation:z.2f}, p = {found.p_value:.1g}")
    return ax


def replay(found: Replay, *, ax: Axes | None = None) -> Axes:
    """Correlation of each class's awake pattern with sleep, beside what shuffled units give.

    Parameters
    ----------
    found : Replay
    ax : Axes, optional
    """
    ax = axes(ax, 4.8, 3.2)
    places = np.arange(len(found.classes))
    ax.bar(places, found.correlation, color=COLOURS[0], alpha=0.6, label="observed")
    ax.hlines(
        found.shuffled_high,
        places - 0.4,
        places + 0.4,
        color=COLOURS[1],
        label="95 % of shuffles lie below",
    )
    ax.axhline(0, color="#666666", linewidth=0.8)
    ax.set_xticks(places, [str(c) for c in found.classes])
    ax.set_xlabel("class")
    ax.set_ylabel("correlation with\nthe awake pattern")
    ax.margins(y=0.25)  # room for the legend
    ax.legend(loc="upper center", ncols=2, fontsize=8)
    return ax


def old_data_curve(curve: OldDataCurve, *, ax: Axes | None = None) -> Axes:
    """Accuracy against rehearsed old data, the level of sleep, and where they cross.

    Parameters
    ----------
    curve : OldDataCurve
    ax : Axes, optional
    """
    ax = axes(ax, 5.6, 3.6)
    _mean_and_sd(ax, curve.shares, curve.awake.T, 0, "no sleep, old data")
    if curve.both is not None:
        _mean_and_sd(ax, curve.shares, curve.both.T, 2, "sleep and old data")
    level = float(curve.asleep.mean())
    ax.axhline(level, color=COLOURS[1], label="sleep, no old data")
    if len(curve.asleep) > 1:
        sd = float(curve.asleep.std(ddof=1))
        ax.axhspan(level - sd, level + sd, color=COLOURS[1], alpha=0.15, linewidth=0)
    crossing = curve.crossing
    if not np.isnan(crossing):
        ax.plot(crossing, level, "o", color="black", label=f"crossing at {100 * crossing:.2g} %")
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_xlabel("share of the earlier images that is rehearsed")
    ax.set_ylabel("final accuracy")
    ax.legend()
    return ax


def _mean_and_sd(
    ax: Axes, x: ArrayLike, values: FloatArray, number: int, label: str, marker: bool = True
) -> None:
    """Mean over the first axis as a line, one standard deviation as a band."""
    mean = values.mean(axis=0)
    colour = COLOURS[number % len(COLOURS)]
    ax.plot(x, mean, color=colour, marker=MARKERS[number % len(MARKERS)] if marker else "",
            label=label)  # fmt: skip
    if len(values) > 1:
        sd = values.std(axis=0, ddof=1)
        ax.fill_between(np.asarray(x, np.float64), mean - sd, mean + sd, color=colour, alpha=0.15,
                        linewidth=0)  # fmt: skip


def accuracy_course(
    course: AccuracyCourse, groups: Sequence[str] = (), *, ax: Axes | None = None
) -> Axes:
    """Accuracy on each group of classes after every training and every sleep.

    Parameters
    ----------
    course : AccuracyCourse
    groups : sequence of str, optional
        Names of the groups of classes.
    ax : Axes, optional
    """
    ax = axes(ax, 6.4, 3.6)
    phases = course.phases
    count = phases.shape[2] - 1
    names = list(groups) or [f"group {i + 1}" for i in range(count)]
    if len(names) != count:
        raise DescriptionError(f"accuracy_course: {len(names)} names for {count} groups of classes")
    places = np.arange(phases.shape[1])
    for i, name in enumerate(names):
        _mean_and_sd(ax, places, phases[..., i], i, name)
    _mean_and_sd(ax, places, phases[..., -1], len(COLOURS) - 1, "all", marker=False)
    tasks = phases.shape[1] // 2
    ax.set_xticks(places, [x for t in range(tasks) for x in (f"train {t + 1}", "sleep")],
                  fontsize=8)  # fmt: skip
    ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    ax.set_ylim(-0.03, 1.03)
    ax.set_ylabel("test accuracy")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def layer_spikes(spikes: LayerSpikes, *, ax: Axes | None = None) -> Axes:
    """Firing rate of each layer in each sleep; a silent layer has no point.

    Parameters
    ----------
    spikes : LayerSpikes
    ax : Axes, optional
    """
    ax = axes(ax, 5.6, 3.4)
    rates = spikes.rates
    places = np.arange(1, rates.shape[1] + 1)
    for i, name in enumerate(layer_names(rates.shape[2])):
        seen = np.where(rates[..., i] > 0, rates[..., i], np.nan)
        colour, marker = COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)]
        for seed in seen:
            ax.plot(places, seed, linestyle="", marker=marker, color=colour, alpha=0.35)
        means = rates[..., i].mean(axis=0)
        note = f" (silent in {spikes.silent[i]})" if spikes.silent[i] else ""
        ax.plot(places, np.where(means > 0, means, np.nan), color=colour, marker=marker,
                label=f"{name}{note}")  # fmt: skip
    ax.set_yscale("log")
    ax.set_xticks(places)
    ax.set_xlabel("sleep")
    ax.set_ylabel("spikes per unit and step")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax

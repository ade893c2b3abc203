"""Accuracy against each setting of the sleep, one panel a setting."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from neuro.learning.sensitivity import BASE, WINDOW, Effect
from neuro.plotting.style import COLOURS, new_figure, styled

COLUMNS = 4


def sensitivity_curves(effects: Sequence[Effect], without: float | None = None) -> Figure:
    """Mean and deviation along every curve; a ring marks the settings as they are.

    Parameters
    ----------
    effects : sequence of Effect
        One panel each, in reading order.
    without : float, optional
        Mean accuracy without sleep, drawn as a line.
    """
    with styled():
        columns = min(COLUMNS, len(effects))
        rows = -(-len(effects) // columns)
        figure, axes = new_figure(2.3 * columns, 2.1 * rows, rows, columns, sharey=True)
        for ax, effect in zip(axes, effects, strict=False):
            _panel(ax, effect)
            if without is not None:
                ax.axhline(without, color="#666666", linestyle=":", linewidth=1.2, zorder=0)
        for ax in axes[len(effects) :]:
            ax.set_visible(False)
        if without is not None:
            axes[0].annotate(
                "no sleep", (1, without), (0, 3), color="#666666", fontsize=8, ha="right",
                xycoords=("axes fraction", "data"), textcoords="offset points",
            )  # fmt: skip
        for ax in axes[::columns]:
            ax.yaxis.set_major_formatter(PercentFormatter(1.0))
        figure.supylabel("accuracy over all classes", fontsize=10)
    return figure


def _panel(ax: Axes, effect: Effect) -> None:
    windows = effect.curve.name == WINDOW
    shown = [point for point in effect.points if point.mean is not None]
    places = [p.point.value if windows else p.point.factor or 0.0 for p in shown]
    means = [point.mean or 0.0 for point in shown]
    ax.errorbar(
        places,
        means,
        [point.sd or 0.0 for point in shown],
        color=COLOURS[0],
        marker="o",
        markersize=4,
        elinewidth=0.9,
        capsize=2,
    )
    for place, mean, point in zip(places, means, shown, strict=True):
        if point.point.row == BASE:
            ax.plot(place, mean, "o", color=COLOURS[1], markersize=9, fillstyle="none", zorder=5)
    ax.set_title(effect.curve.name)
    if windows:
        ax.set_xlabel("side [pixels]")
        ax.set_xticks(places)
    else:
        ax.set_xscale("log")
        ax.set_xticks(places, [f"{place:g}" for place in places])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel(f"times {effect.curve.base:.4g}")

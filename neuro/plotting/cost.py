"""Cost against size, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from neuro.plotting.style import COLOURS, MARKERS, new_figure, styled

Point = Mapping[str, Any]


def cost_curves(curves: Mapping[str, Mapping[str, Sequence[Point]]]) -> Figure:
    """Time and memory against neurons and synapses, one line a backend.

    Parameters
    ----------
    curves : mapping
        By what grows, ``"neurons"`` or ``"synapses"``, then by name of the line: points with these
        two keys, ``seconds``, ``memory`` (bytes) and ``problem``. A point with a problem has no
        cost; a cross at the upper edge marks its size.
    """
    with styled():
        figure, axes = new_figure(4.4 * len(curves), 6.4, 2, len(curves))
        for column, (series, lines) in enumerate(curves.items()):
            top, bottom = axes[column], axes[len(curves) + column]
            _panel(top, lines, series, "seconds", 1.0)
            _panel(bottom, lines, series, "memory", 1e-6)
            bottom.set_xlabel(series)
        axes[0].set_ylabel("time of a simulated second [s]")
        axes[len(curves)].set_ylabel("peak memory [MB]")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _panel(
    ax: Axes, lines: Mapping[str, Sequence[Point]], series: str, key: str, scale: float
) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    for number, (name, points) in enumerate(lines.items()):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        done = [p for p in points if not p["problem"]]
        values = [p[key] * scale for p in done]
        ax.plot([p[series] for p in done], values, color=colour, marker=marker, label=name)
        # Crosses of several lines stand below each other.
        for size in (p[series] for p in points if p["problem"]):
            ax.plot(
                size,
                1.0 - 0.04 * number,
                color=colour,
                marker="x",
                transform=ax.get_xaxis_transform(),
                clip_on=False,
            )
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_formatter(NullFormatter())

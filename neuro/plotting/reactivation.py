"""Figures of offline reactivation: where networks go, awake and left to themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neuro.plotting.style import COLOURS, new_figure, styled

Arrays = Mapping[str, NDArray[Any]]

TIMES = {
    "noisy_awake": "awake",
    "noisy_offline": "offline, trained with noise",
    "clean_offline": "offline, trained without",
}


def trajectories(arrays: Arrays) -> Figure:
    """Some decoded trajectories awake and offline, side by side.

    Parameters
    ----------
    arrays : mapping
        Of :class:`neuro.models.reactivation.experiment.SeedOutcome`.
    """
    with styled():
        figure, axes = new_figure(10, 3.4, 1, len(TIMES), sharey=True)
        for ax, (name, title) in zip(axes, TIMES.items(), strict=True):
            decoded = arrays[f"{name}_decoded"]
            for i, colour in zip(range(decoded.shape[1]), COLOURS, strict=False):
                if decoded.ndim == 3:
                    ax.plot(*decoded[:, i].T, color=colour, linewidth=0.6)
                    ax.plot(*decoded[0, i], "o", color=colour, markersize=4)
                else:
                    ax.plot(decoded[:, i], ".", color=colour, markersize=1.5)
            ax.set_title(title)
            _named(ax, decoded.ndim == 3, first=ax is axes[0])
    return figure


def _named(ax: Axes, plane: bool, *, first: bool) -> None:
    if plane:
        ax.set_aspect("equal")
        ax.set_xlabel("x [m]")
    else:
        ax.set_yticks([-np.pi, 0, np.pi], ["-π", "0", "π"])
        ax.set_xlabel("step")
    if first:
        ax.set_ylabel("y [m]" if plane else "heading [rad]")


def occupancy(arrays: Arrays) -> Figure:
    """How often each place or heading is taken up."""
    with styled():
        figure, axes = new_figure(10, 3.2, 1, len(TIMES), sharey=True)
        most = max(float(np.abs(arrays[f"{name}_occupied"]).max()) for name in TIMES)
        for ax, (name, title) in zip(axes, TIMES.items(), strict=True):
            points = arrays[f"{name}_occupied"]
            if points.ndim == 2:
                side = min(most, 2.0)
                x, y = points.T
                ax.hist2d(x, y, bins=28, range=[(-side, side)] * 2, cmap="viridis")
            else:
                ax.hist(points, bins=24, range=(-np.pi, np.pi), density=True, color=COLOURS[0])
                ax.set_xticks([-np.pi, 0, np.pi], ["-π", "0", "π"])
            ax.set_title(title)
            if points.ndim == 2:
                _named(ax, True, first=ax is axes[0])
            else:
                ax.set_xlabel("heading [rad]")
        if arrays["noisy_awake_occupied"].ndim == 1:
            axes[0].set_ylabel("density")
    return figure


def overlay(arrays: Arrays) -> Figure:
    """States of the network on the principal components of its waking states."""
    with styled():
        figure, axes = new_figure(7.6, 3.6, 1, 2, sharey=True)
        axes[1].sharex(axes[0])
        awake = arrays["noisy_awake_projected"]
        for ax, (name, title) in zip(
            axes, (("noisy_awake", "awake"), ("noisy_offline", "offline")), strict=True
        ):
            points, place = arrays[f"{name}_projected"], arrays[f"{name}_colour"]
            plane = place.ndim == 2
            colour = np.linalg.norm(place, axis=-1) if plane else place
            ax.plot(*awake.T, ".", color="#cccccc", markersize=1, zorder=0)
            x, y = points.T
            drawn = ax.scatter(
                x, y, c=colour, s=2, cmap="viridis" if plane else "twilight",
                vmin=0 if plane else -np.pi, vmax=None if plane else np.pi,
            )  # fmt: skip
            ax.set_title(title)
            ax.set_xlabel("component 1")
        axes[0].set_ylabel("component 2")
        figure.colorbar(
            drawn, ax=axes, label="distance from the middle [m]" if plane else "heading [rad]"
        )
    return figure


def divergences(matrix: Mapping[str, Mapping[str, float]]) -> Figure:
    """Divergence of offline lives (rows) from waking ones (columns), in nats.

    Parameters
    ----------
    matrix : mapping of rows to mappings of columns to numbers
        Means over seeds.
    """
    rows, columns = list(matrix), list(next(iter(matrix.values())))
    values = np.array([[matrix[row][column] for column in columns] for row in rows])
    with styled():
        figure, (ax,) = new_figure(6.4, 4.4)
        shown = ax.imshow(np.log10(values.clip(1e-2)), cmap="viridis_r", aspect="auto")
        middle = float(np.mean(shown.get_clim()))
        for (i, j), value in np.ndenumerate(values):
            dark = np.log10(max(value, 1e-2)) > middle
            ax.text(j, i, f"{value:.2f}", ha="center", va="center",
                    color="white" if dark else "black", fontsize=9)  # fmt: skip
        ax.set_xticks(range(len(columns)), columns, rotation=20, ha="right")
        ax.set_yticks(range(len(rows)), rows)
        ax.set_xlabel("awake")
        ax.set_ylabel("offline")
    return figure


def temperature(curves: Sequence[Sequence[Mapping[str, float | None]]], awake: float) -> Figure:
    """What the network does under more and more noise offline.

    Parameters
    ----------
    curves : sequence of sequences of mappings
        For each seed, for each gain: ``k``, ``kl``, ``kl_frozen``, ``spread``.
    awake : float
        Spread awake, mean over seeds.
    """
    gains = [float(point["k"] or 0.0) for point in curves[0]]
    with styled():
        figure, axes = new_figure(8, 3, 1, 2)
        for ax, name, label in zip(
            axes, ("kl", "spread"), ("KL(offline || awake) [nats]", "spread"), strict=True
        ):
            values = np.array([[point[name] for point in curve] for curve in curves], float)
            ax.errorbar(gains, values.mean(0), _sd(values), marker="o", capsize=2,
                        color=COLOURS[0])  # fmt: skip
            ax.axvline(2**0.5, color="#666666", linestyle=":", linewidth=1.2, zorder=0)
            ax.set_xlabel("noise offline, times that awake (k)")
            ax.set_ylabel(label)
            ax.set_ylim(bottom=0)
        frozen = np.array([[p["kl_frozen"] for p in curve] for curve in curves], float)
        axes[0].axhline(float(frozen.mean()), color=COLOURS[1], linewidth=1.2)
        axes[0].annotate("frozen start", (1, float(frozen.mean())), (0, 3), ha="right", fontsize=8,
                         color=COLOURS[1], xycoords=("axes fraction", "data"),
                         textcoords="offset points")  # fmt: skip
        axes[1].axhline(awake, color=COLOURS[1], linewidth=1.2)
        axes[1].annotate("awake", (1, awake), (0, 3), ha="right", fontsize=8, color=COLOURS[1],
                         xycoords=("axes fraction", "data"),
                         textcoords="offset points")  # fmt: skip
    return figure


def explained_variance(curves: Sequence[Mapping[str, Sequence[float]]]) -> Figure:
    """Variance that the first components of waking and of offline states hold together.

    Parameters
    ----------
    curves : sequence of mappings
        For each seed: from a time's name to cumulative parts.
    """
    with styled():
        figure, (ax,) = new_figure(4.6, 3.2)
        for colour, name in zip(COLOURS, curves[0], strict=False):
            values = np.array([curve[name] for curve in curves])
            ax.plot(
                range(1, values.shape[1] + 1), values.mean(0), color=colour, label=name,
                linestyle="--" if "offline" in name else "-", marker="o", markersize=3,
            )  # fmt: skip
        ax.set_xlabel("principal components")
        ax.set_ylabel("variance explained")
        ax.set_ylim(0, 1.02)
        ax.legend(fontsize=8)
    return figure


def _sd(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    return values.std(axis=0, ddof=1) if len(values) > 1 else None

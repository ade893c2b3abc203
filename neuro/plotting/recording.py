"""Figures of a recording, on axes of one's own or of a new pyplot figure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from neuro.errors import DescriptionError
from neuro.plotting.style import COLOURS, styled

if TYPE_CHECKING:
    from neuro.members import Population, Projection
    from neuro.recording import Recording

#: Lines that a legend may have, and spikes that are drawn as single shapes in SVG and PDF files.
LEGEND, SHAPES = 10, 5000


def axes(ax: Axes | None, width: float = 6.4, height: float = 3.2) -> Axes:
    """The given axes, or those of a new figure that ``pyplot.show()`` and notebooks display."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    with styled():
        made: Axes = pyplot.figure(figsize=(width, height), layout="constrained").add_subplot()
    return made


class RecordingPlots:
    """What :attr:`neuro.Recording.plot` offers. Time is in seconds."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def raster(
        self,
        *populations: Population | str,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """A mark for every spike.

        Parameters
        ----------
        *populations : Population or str
            Stacked from the bottom in this order; by default all that were recorded.
        start, stop : int, optional
            Only the steps ``start <= k < stop``.
        item : int, optional
            Of a batched recording.
        ax : Axes, optional
            Where to draw; by default a new figure.
        """
        recording = self._recording
        names = self._names(populations)
        _one_item(recording, item, "raster")
        found = {name: recording.spikes(name, start=start, stop=stop, item=item) for name in names}
        ax = axes(ax)
        bottom, middles = 0, []
        for i, (name, (steps, units)) in enumerate(found.items()):
            size = int(recording.units(name).max()) + 1
            ax.scatter(
                steps * recording.dt,
                units + bottom,
                s=12 if size > 32 else 40,
                marker="|",
                linewidths=0.8,
                color=COLOURS[i % len(COLOURS)],
                label=name,
                rasterized=len(steps) > SHAPES,
            )
            middles.append(bottom + (size - 1) / 2)
            bottom += size
        _time_axis(ax, recording, start, stop)
        ax.set_ylim(-0.5, bottom - 0.5)
        if len(names) == 1:
            ax.set_ylabel(f"unit of {names[0]}")
        else:
            ax.set_yticks(middles, names)
        return ax

    def rate(
        self,
        *populations: Population | str,
        bin_width: Any = 10e-3,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Mean firing rate of the units of each population in bins of time.

        Parameters
        ----------
        *populations : Population or str
            By default all that were recorded.
        bin_width : float, second
            A multiple of dt.
        start, stop, item, ax
            As in :meth:`raster`.
        """
        recording = self._recording
        names = self._names(populations)
        _one_item(recording, item, "rate")
        rates = {
            name: recording.rate(name, bin_width, start=start, stop=stop, item=item)
            for name in names
        }
        ax = axes(ax)
        end = (recording.stop if stop is None else stop) * recording.dt
        for i, (name, (times, values)) in enumerate(rates.items()):
            edges = np.append(times, end)
            ax.stairs(values, edges, color=COLOURS[i % len(COLOURS)], label=name, linewidth=1.6)
        _time_axis(ax, recording, start, stop)
        ax.set_ylim(bottom=0)
        ax.set_ylabel("mean rate [Hz]")
        if len(names) > 1:
            ax.legend(frameon=False)
        return ax

    def trace(
        self,
        owner: Population | Projection | str,
        variable: str,
        units: Iterable[int] | None = None,
        *,
        start: int | None = None,
        stop: int | None = None,
        item: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """A line for every unit.

        Parameters
        ----------
        owner, variable
            As in :meth:`neuro.Recording.trace`.
        units : iterable of int, optional
            Which of the recorded units (synapses); by default all.
        start, stop, item, ax
            As in :meth:`raster`.
        """
        recording = self._recording
        _one_item(recording, item, "trace")
        values = recording.trace(owner, variable, start=start, stop=stop, item=item)
        times = recording.trace_steps(owner, variable, start=start, stop=stop) * recording.dt
        name = owner if isinstance(owner, str) else owner.name
        column = {int(unit): i for i, unit in enumerate(recording.units(owner, variable))}
        chosen = list(column) if units is None else [int(unit) for unit in units]
        for unit in chosen:
            if unit not in column:
                raise DescriptionError(f"trace: {variable!r} of {name}[{unit}] was not recorded")
        ax = axes(ax)
        for i, unit in enumerate(chosen):
            line = values[:, column[unit]]
            colour = COLOURS[i % len(COLOURS)]
            ax.plot(times, line, color=colour, linewidth=1.2, label=f"{name}[{unit}]")
        _time_axis(ax, recording, start, stop)
        ax.set_ylabel(with_unit(f"{variable} of {name}", recording.si_unit(owner, variable)))
        if 0 < len(chosen) <= LEGEND:
            ax.legend(frameon=False)
        return ax

    def _names(self, populations: Sequence[Population | str]) -> list[str]:
        names = [p if isinstance(p, str) else p.name for p in populations]
        names = names or self._recording.populations
        if not names:
            raise DescriptionError("plot: no spikes were recorded; call net.record(population)")
        return names


def with_unit(text: str, unit: str) -> str:
    """A label with its unit, if it has one."""
    return text if unit in ("", "1") else f"{text} [{unit}]"


def _one_item(recording: Recording, item: int | None, what: str) -> None:
    if recording.batch is not None and item is None:
        raise DescriptionError(f"{what}: choose one of the {recording.batch} items with item=")


def _time_axis(ax: Axes, recording: Recording, start: int | None, stop: int | None) -> None:
    first = recording.start if start is None else start
    last = recording.stop if stop is None else stop
    if last > first:
        ax.set_xlim(first * recording.dt, last * recording.dt)
    ax.set_xlabel("time [s]")

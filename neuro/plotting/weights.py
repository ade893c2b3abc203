"""Figures of the weights of a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from neuro.errors import DescriptionError
from neuro.plotting.recording import axes, with_unit
from neuro.plotting.style import COLOURS
from neuro.program import Arrive
from neuro.weights import SynapseTable

if TYPE_CHECKING:
    from neuro.members import Projection
    from neuro.simulation import Simulation


class SimulationPlots:
    """What :attr:`neuro.Simulation.plot` offers."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def weights(
        self, projection: Projection | str, *, item: int | None = None, ax: Axes | None = None
    ) -> Axes:
        """The weights as an image: a row per presynaptic unit, a column per postsynaptic unit.

        Pairs without a synapse are left blank; several synapses of a pair are summed. Colours are
        centred on zero when there are weights of both signs.

        Parameters
        ----------
        projection : Projection or str
        item : int, optional
            Of a batch whose items have weights of their own.
        ax : Axes, optional
            Where to draw; by default a new figure. The colour bar takes some of its room.
        """
        table, weight = self._table(projection, item)
        arrive = self._arrive(projection)
        sizes = self._simulation.program.sizes
        image = np.full((sizes[arrive.source], sizes[arrive.target]), np.nan)
        image[table.pre, table.post] = 0
        np.add.at(image, (table.pre, table.post), weight)
        limits: dict[str, Any] = {"cmap": "viridis"}
        if weight.size and weight.min() < 0 < weight.max():
            highest = float(np.nanmax(np.abs(image)))
            limits = {"cmap": "RdBu_r", "vmin": -highest, "vmax": highest}
        ax = axes(ax, 5.4, 4.2)
        drawn = ax.imshow(image, aspect="auto", interpolation="nearest", origin="upper", **limits)
        ax.set_xlabel(f"post: unit of {arrive.target}")
        ax.set_ylabel(f"pre: unit of {arrive.source}")
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.colorbar(drawn, ax=ax, label=self._label(arrive))
        return ax

    def weight_histogram(
        self,
        projection: Projection | str,
        *,
        bins: Any = 50,
        item: int | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """How many synapses have which weight.

        Parameters
        ----------
        projection : Projection or str
        bins : int or sequence
            As in :func:`numpy.histogram`.
        item, ax
            As in :meth:`weights`.
        """
        _, weight = self._table(projection, item)
        ax = axes(ax, 4.8, 3.2)
        ax.hist(weight, bins=bins, color=COLOURS[0])
        ax.set_xlabel(self._label(self._arrive(projection)))
        ax.set_ylabel("synapses")
        return ax

    def _table(
        self, projection: Projection | str, item: int | None
    ) -> tuple[SynapseTable, np.ndarray[Any, Any]]:
        """The synapses and the weights of one item."""
        table = self._simulation.synapses(projection)
        if table.weight.ndim == 1:
            return table, table.weight
        if item is None or not 0 <= item < len(table.weight):
            raise DescriptionError(
                f"item = {item}: each of the {len(table.weight)} items has weights of its own;"
                f" choose one of 0..{len(table.weight) - 1}"
            )
        return table, table.weight[item]

    def _arrive(self, projection: Projection | str) -> Arrive:
        name = projection if isinstance(projection, str) else projection.name
        steps = self._simulation.program.steps
        return next(s for s in steps if isinstance(s, Arrive) and s.projection == name)

    def _label(self, arrive: Arrive) -> str:
        return with_unit("weight", self._simulation.program.arrays[arrive.weights].unit)

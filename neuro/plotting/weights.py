"""Figures of the weights of a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse
from matplotlib.axes import Axes

from neuro.plotting.recording import axes, with_unit
from neuro.plotting.style import COLOURS
from neuro.program import Arrive

if TYPE_CHECKING:
    from neuro.network import Projection
    from neuro.simulation import Simulation


class SimulationPlots:
    """What :attr:`neuro.Simulation.plot` offers."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def weights(self, projection: Projection | str, *, ax: Axes | None = None) -> Axes:
        """The weights as an image: a row per presynaptic unit, a column per postsynaptic unit.

        Pairs without a synapse are left blank. Colours are centred on zero when there are weights
        of both signs.

        Parameters
        ----------
        projection : Projection or str
        ax : Axes, optional
            Where to draw; by default a new figure. The colour bar takes some of its room.
        """
        matrix = self._simulation.weights(projection, sparse=True)
        assert isinstance(matrix, scipy.sparse.csr_array)
        matrix = matrix.copy()
        matrix.sum_duplicates()  # several synapses of one pair
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        image = np.full(matrix.shape, np.nan, matrix.dtype)
        image[rows, matrix.indices] = matrix.data
        values = matrix.data
        limits: dict[str, Any] = {"cmap": "viridis"}
        if values.size and values.min() < 0 < values.max():
            highest = float(np.abs(values).max())
            limits = {"cmap": "RdBu_r", "vmin": -highest, "vmax": highest}
        ax = axes(ax, 5.4, 4.2)
        drawn = ax.imshow(image, aspect="auto", interpolation="nearest", origin="upper", **limits)
        source, target, unit = self._ends(projection)
        ax.set_xlabel(f"post: unit of {target}")
        ax.set_ylabel(f"pre: unit of {source}")
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.colorbar(drawn, ax=ax, label=with_unit("weight", unit))
        return ax

    def weight_histogram(
        self, projection: Projection | str, *, bins: Any = 50, ax: Axes | None = None
    ) -> Axes:
        """How many synapses have which weight.

        Parameters
        ----------
        projection : Projection or str
        bins : int or sequence
            As in :func:`numpy.histogram`.
        ax : Axes, optional
            Where to draw; by default a new figure.
        """
        matrix = self._simulation.weights(projection, sparse=True)
        assert isinstance(matrix, scipy.sparse.csr_array)
        ax = axes(ax, 4.8, 3.2)
        ax.hist(matrix.data, bins=bins, color=COLOURS[0])
        ax.set_xlabel(with_unit("weight", self._ends(projection)[2]))
        ax.set_ylabel("synapses")
        return ax

    def _ends(self, projection: Projection | str) -> tuple[str, str, str]:
        """Names of the source and the target, and the unit of the weights."""
        name = projection if isinstance(projection, str) else projection.name
        program = self._simulation.program
        arrive = next(s for s in program.steps if isinstance(s, Arrive) and s.projection == name)
        return arrive.source, arrive.target, program.arrays[arrive.weights].unit

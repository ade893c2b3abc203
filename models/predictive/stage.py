"""A compiled network of predictive columns, to which images are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.interval_counting import COUNTED, FACTOR
from neuro.models.predictive.network import ColumnWeights, predictive_network
from neuro.models.predictive.simulation import compiled

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Start:
    """Images as a network meets them.

    Attributes
    ----------
    rates, phases : ndarray, shape [images, inputs]
        Of the encoder.
    membranes : ndarray, shape [images, latents]
        Of the latent units of each column.
    """

    rates: FloatArray
    phases: FloatArray
    membranes: FloatArray

    def __len__(self) -> int:
        return len(self.rates)

    def __getitem__(self, part: Any) -> Start:
        return Start(self.rates[part], self.phases[part], self.membranes[part])


class Stage:
    """A compiled network of some columns.

    Parameters
    ----------
    settings : PredictiveSettings
    weights : ColumnWeights
        Of the columns.
    items : int
        Images to show at once, where the backend can.
    learning : bool
        Whether they learn.
    record : sequence of str
        Populations whose spikes are recorded.
    backend, precision : str
    options : mapping
        Of the backend.

    Attributes
    ----------
    items : int
        Images that are shown at once.
    columns : int
        Columns that each image is shown to.
    shown : int
        Images that were shown last.
    """

    def __init__(
        self,
        settings: PredictiveSettings,
        weights: ColumnWeights,
        *,
        items: int,
        learning: bool = False,
        record: Sequence[str] = (),
        backend: str,
        precision: str,
        options: Mapping[str, Any],
    ) -> None:
        self.settings, self.columns = settings, weights.columns
        self._m, self._n = weights.feedback.shape[-2:]
        net = predictive_network(settings, weights, learning=learning)
        for population in record:
            net.record(population, "spikes")
        self.simulation = compiled(net, items, backend, precision, options)
        self._batched = self.simulation.engine.batch is not None
        self.items = items if self._batched else 1
        self._fresh = self.simulation.state()

    def show(
        self,
        start: Start,
        weights: ColumnWeights | None = None,
        *,
        plasticity: FloatArray | None = None,
        steps: int | None = None,
    ) -> FloatArray:
        """Show images; the network is then as it is before its learning step.

        Parameters
        ----------
        start : Start
            Not more images than :attr:`items`.
        weights : ColumnWeights, optional
            Those of each image's own columns, stacked: ``[images, columns, ...]``; the stage must
            learn.
        plasticity : ndarray, shape [images, columns, latents], optional
            Factors on the learning rates of latent units; only with a regulariser.
        steps : int, optional
            For how long; as long as in training by default.

        Returns
        -------
        ndarray, shape [images, columns]
            Error power that each column leaves.
        """
        given = {
            "A0.rate": start.rates,
            "A0.phase": start.phases,
            "A1.v": np.tile(start.membranes, (1, self.columns)),
        }
        if weights is not None:
            given |= {
                "feedback.w": weights.feedback,
                "feedforward.w": weights.feedforward,
                "prior.w": weights.prior,
            }
        if plasticity is not None:
            given[f"A1.{FACTOR}"] = plasticity
        arrays = dict(self._fresh.arrays)
        for name, values in given.items():
            arrays[name] = self._placed(values.reshape(len(start), -1), arrays[name])
        self.simulation.restore(replace(self._fresh, arrays=arrays))
        self.shown = len(start)
        self._recording = self.simulation.run_steps(steps or self.settings.presentation, False)
        return self._power("E0", len(start), self.columns)

    def spikes(self, population: str) -> int:
        """Spikes of a recorded population while the last images were shown."""
        if not self._batched:
            return len(self._recording.spikes(population)[0])
        _, _, items = self._recording.batch_spikes(population)
        return int(np.count_nonzero(items < self.shown))

    def totals(self, count: int) -> FloatArray:
        """Power of each image that was shown, shape [images]."""
        return self._power("novelty", count, 1)[:, 0]

    def learn(self, gates: FloatArray) -> ColumnWeights:
        """Open gates for the learning step.

        Parameters
        ----------
        gates : ndarray, shape [images, columns]
            Learning rates.

        Returns
        -------
        ColumnWeights
            Stacked: ``[images, columns, ...]``.
        """
        count, k = gates.shape
        full = np.zeros((self.items, k))
        full[:count] = gates
        self.simulation.set_values("A2", "gate", full if self._batched else full[0])
        self.simulation.run_steps(1, False)
        m, n = self._m, self._n
        return ColumnWeights(
            self._values("feedback", "w", count, (k, m, n)),
            self._values("feedforward", "w", count, (k, n, m)),
            self._values("prior", "w", count, (k, m)),
        )

    def intervals(self, count: int) -> list[FloatArray]:
        """Counters of the latent units' intervals, each ``[images, columns, latents]``."""
        return [self._values("A1", name, count, (self.columns, self._m)) for name in COUNTED]

    def _power(self, population: str, count: int, columns: int) -> FloatArray:
        errors = self._values(population, "es", count, (columns, self._n))
        return np.asarray(np.square(errors, dtype=np.float64).sum(axis=2))

    def _values(self, owner: str, variable: str, count: int, shape: tuple[int, ...]) -> FloatArray:
        values = self.simulation.values(owner, variable)
        return np.asarray(values.reshape(self.items, *shape)[:count])

    def _placed(self, values: FloatArray, like: NDArray[Any]) -> NDArray[Any]:
        """One row an image as the engine has them; places without an image repeat the first."""
        if not self._batched:
            return np.asarray(values[0], like.dtype)
        missing = self.items - len(values)
        if missing:
            values = np.concatenate([values, np.repeat(values[:1], missing, axis=0)])
        return np.asarray(values, like.dtype)

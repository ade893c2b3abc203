"""Sleep of predictive columns: noise is replayed into all of them, and all of them learn it.

Awake, a gate lets one column learn an image, and what the others know is safe. Asleep nothing says
which column noise belongs to: with all gates shut nothing can change, with all of them open every
column learns to predict the mean image. :class:`ColumnSleep` does the latter, to measure what
replay as in :mod:`neuro.learning.sleep` comes to here: same noise, the columns' own rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.learning.continual_results import SleepSummary
from neuro.models.predictive.learner import PredictiveLearner
from neuro.models.predictive.stage import Stage, Start
from neuro.progress import Progress
from neuro.random import stream


@dataclass(frozen=True, kw_only=True)
class ColumnSleep:
    """Sleep of columns after each task; a :class:`~neuro.learning.continual.Consolidation`.

    Attributes
    ----------
    images : int
        Images of noise in a sleep: a pixel is 1 as often as its mean over all images seen says.
    gate : float
        Learning rate, as a factor on that which each column has awake; 0: gates are shut.
    """

    images: int = 100
    gate: float = 1.0

    def steps(self, task: int) -> int:
        """Images of noise."""
        return self.images

    def __call__(
        self,
        learner: PredictiveLearner,
        task: int,
        seen_mean_image: NDArray[np.float64],
        seed: int,
        progress: Progress,
    ) -> SleepSummary:
        """Sleep once."""
        columns = learner.model
        settings, pool = columns.settings, columns.pool
        used = pool.used
        stage = Stage(
            settings,
            pool.weights[used],
            items=1,
            learning=True,
            backend=settings.backend,
            precision=settings.precision,
            options={},
        )
        draw = stream(seed, "noise into columns")
        gates = self.gate * np.array([[settings.rate(int(n)) for n in pool.learned[used]]])
        for _ in range(self.images):
            noise = (draw.random((1, columns.inputs)) < seen_mean_image).astype(float)
            start = Start(
                settings.encoding.rates(noise),
                draw.random((1, columns.inputs)),
                draw.random((1, settings.latents)),
            )
            stage.show(start, pool.weights[used][None])
            after = stage.learn(gates)[0]
            pool.weights.feedback[used] = after.feedback
            pool.weights.feedforward[used] = after.feedforward
            pool.weights.prior[used] = after.prior
            progress.advance(1)
        units = len(used) * settings.latents
        return SleepSummary(
            task=task,
            steps=self.images * settings.presentation,
            sizes=(columns.inputs, units),
            spikes_per_layer=(),
            raster=(),
        )

"""Everything that is analysed around one sleep, gathered while a learner learns and sleeps.

:class:`SleepAnalyst` is an :class:`neuro.learning.continual.Observer`: the protocol shows it the
learner just before and just after each sleep, the sleep shows it the spikes in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neuro.analysis.confusion import Confusion, confusion
from neuro.analysis.replay import Replay, find_replay
from neuro.analysis.representations import (
    ClassCorrelation,
    class_correlation,
    layered_model,
    representations,
)
from neuro.analysis.weights import WeightChange, weight_change
from neuro.errors import DescriptionError
from neuro.random import stream

if TYPE_CHECKING:
    from neuro.learning.continual import Moment

FloatArray = NDArray[np.float64]
Layers = list[NDArray[np.floating]]

WINDOW = 100
"""Time steps of a window in which patterns are looked for (less in a shorter sleep)."""


@dataclass(frozen=True, eq=False)
class LayerAnalysis:
    """One layer above the input, and the matrix that leads to it, around one sleep.

    Attributes
    ----------
    before, after : ClassCorrelation
        Representations of the test images of the classes seen so far.
    weights : WeightChange
    reactivation : Replay
        Of the patterns before sleep.
    """

    before: ClassCorrelation
    after: ClassCorrelation
    weights: WeightChange
    reactivation: Replay


@dataclass(frozen=True, eq=False)
class SleepAnalysis:
    """What one sleep did.

    Attributes
    ----------
    task : int
        Zero-based index of the task that it followed.
    classes : int64 array [classes]
        Classes seen so far.
    newest : int64 array [classes]
        Those of the task itself.
    before, after : Confusion
        Answers to all test images, of classes not seen yet as well.
    layers : tuple of LayerAnalysis
        Layers above the input.
    """

    task: int
    classes: NDArray[np.int64]
    newest: NDArray[np.int64]
    before: Confusion
    after: Confusion
    layers: tuple[LayerAnalysis, ...]


@dataclass(frozen=True, eq=False)
class _Snapshot:
    """A learner at one moment: of the images of seen classes alone, but for the answers."""

    labels: NDArray[np.int64]
    layers: Layers
    weights: list[FloatArray]
    confusion: Confusion


class SleepAnalyst:
    """Analyses every sleep of one run of the continual-learning protocol.

    Parameters
    ----------
    seed : int
        Of the run; fixes windows and shuffles of the reactivation tests.
    shuffles : int
        Of each of those tests.

    Attributes
    ----------
    sleeps : list of SleepAnalysis
        In order.
    """

    def __init__(self, seed: int, shuffles: int = 999) -> None:
        self.seed = seed
        self.shuffles = shuffles
        self.sleeps: list[SleepAnalysis] = []
        self._before: _Snapshot | None = None
        self._raster: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] | None = None
        self._steps = 0

    def before_sleep(self, moment: Moment) -> None:
        """Remember the learner as it falls asleep."""
        self._before, self._raster = _snapshot(moment), None

    def asleep(
        self, steps: int, raster: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]]
    ) -> None:
        """Take the spikes of the sleep; see :class:`neuro.learning.continual.Observer`."""
        self._steps, self._raster = steps, raster

    def after_sleep(self, moment: Moment) -> None:
        """Compare the learner with what it was.

        Raises
        ------
        DescriptionError
            If the sleep showed no spikes, or other layers than the learner has.
        """
        before, after = self._before, _snapshot(moment)
        raster = self._raster
        if before is None or raster is None or len(raster) != len(after.layers) + 1:
            shown = "none" if raster is None else f"those of {len(raster)} layers"
            raise DescriptionError(
                f"SleepAnalyst: the sleep must show the spikes of {len(after.layers) + 1} layers "
                f"through Observer.asleep, it showed {shown}"
            )
        layers = []
        # Layer l runs l steps behind the input: its last spikes come after the sleep's last step.
        steps = self._steps + len(after.layers)
        for number in range(len(after.layers)):
            layers.append(
                LayerAnalysis(
                    class_correlation(before.layers[number], before.labels),
                    class_correlation(after.layers[number], after.labels),
                    weight_change(before.weights[number], after.weights[number]),
                    find_replay(
                        before.layers[number],
                        before.labels,
                        raster[number + 1],
                        steps,
                        window=min(WINDOW, steps),
                        shuffles=self.shuffles,
                        stream=stream(self.seed, "reactivation", moment.task, number),
                    ),
                )
            )
        task = moment.plan.tasks[moment.task]
        self.sleeps.append(
            SleepAnalysis(
                task=moment.task,
                classes=np.unique(before.labels),
                newest=np.array(task.classes, np.int64),
                before=before.confusion,
                after=after.confusion,
                layers=tuple(layers),
            )
        )
        self._before = self._raster = None


def _snapshot(moment: Moment) -> _Snapshot:
    model, plan = layered_model(moment.learner), moment.plan
    labels = plan.test_labels
    seen = np.isin(labels, moment.seen)
    layers = representations(model, plan.test_images[seen])
    weights = [np.array(w, np.float64) for w in model.get_weights()]
    if len(weights) != len(layers):
        raise DescriptionError(
            f"{type(model).__name__} gives states of {len(layers)} layers and {len(weights)} "
            "weight matrices; give one of each for every layer above the input"
        )
    n_classes = sum(len(group) for group in plan.groups)
    return _Snapshot(labels[seen], layers, weights, confusion(labels, moment.predicted, n_classes))

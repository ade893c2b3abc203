"""Predictive columns as a learner of the continual-learning protocol, online if need be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.columns import PredictiveColumns
from neuro.models.predictive.cost import activity, learning_memory
from neuro.progress import Progress

if TYPE_CHECKING:
    from neuro.models.learners import Heads

MEASURED = 100
"""Images, of those predicted last, whose spikes are counted."""


class PredictiveLearner:
    """A :class:`~neuro.models.predictive.columns.PredictiveColumns` for the protocol.

    Parameters
    ----------
    preset : PredictiveSettings
        Settings.
    features, n_classes : int
        Pixels of an image; classes.
    seed : int
        Seed of everything random.
    device : str
        Torch device, where torch simulates.
    heads : optional
        Not possible here: the network is never told the task.

    Attributes
    ----------
    model : PredictiveColumns
        The columns.
    checkpoints : Path or None
        Folder in which learning is kept while it goes on. A learner that is made anew with the
        same folder, and given the same tasks, takes up where the last one was killed, with the
        same result bit for bit.
    """

    def __init__(
        self,
        preset: PredictiveSettings,
        features: int,
        n_classes: int,
        seed: int,
        device: str = "cpu",
        heads: Heads | None = None,
    ) -> None:
        preset.refuse_heads(heads)
        options = {"device": device} if preset.backend == "torch" else {}
        self.preset, self.epochs = preset, preset.epochs
        self.model = PredictiveColumns(
            preset,
            features,
            n_classes,
            seed,
            backend=preset.backend,
            precision=preset.precision,
            **options,
        )
        self.checkpoints: Path | None = None
        self._tasks = 0
        self._answered = np.zeros((0, features))

    def fit(
        self,
        images: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: np.random.Generator,
        progress: Progress,
    ) -> None:
        """Learn each image once an epoch; see :class:`neuro.learning.continual.Learner`."""
        order = np.concatenate([stream.permutation(len(labels)) for _ in range(self.epochs)])
        task, self._tasks = self._tasks, self._tasks + 1
        done = kept = self._resume(task, progress)
        while done < len(order):
            chosen = order[done : done + self._batch(labels)]
            self.model.learn(images[chosen], labels[chosen])
            progress.advance(len(chosen))
            done += len(chosen)
            if done == len(order):
                self.model.pool.finish_task()
            if self.checkpoints is not None and done == len(order):
                self.model.save(self._file(task), done=done)
                self._file(task, "unfinished").unlink(missing_ok=True)
            elif self.checkpoints is not None and done - kept >= self.preset.checkpoint_every:
                self.model.save(self._file(task, "unfinished"), done=done)
                kept = done

    def _batch(self, labels: NDArray[np.int64]) -> int:
        """Images of the next update: as the class that has learned least allows."""
        pool = self.model.pool
        learned = [pool.learned[pool.of_class(c)].sum() for c in np.unique(labels)]
        return self.preset.batch(float(min(learned)))

    def _resume(self, task: int, progress: Progress) -> int:
        """Images of a task that have been learned before this learner was made."""
        for kind in ("", "unfinished"):
            file = self._file(task, kind) if self.checkpoints is not None else None
            if file is not None and file.is_file():
                done = self.model.load(file)
                progress.advance(done)
                return done
        return 0

    def _file(self, task: int, kind: str = "") -> Path:
        assert self.checkpoints is not None
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        return self.checkpoints / "-".join(["task", str(task + 1), *([kind] if kind else [])])

    def predict(self, images: NDArray[np.float32]) -> NDArray[np.int64]:
        """Class of the column that predicts each image best."""
        return np.asarray(self.scores(images).argmax(axis=1))

    def scores(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Less the error that each class leaves, ``[n, classes]``."""
        self._answered = np.array(images[:MEASURED])
        return self.model.scores(images)

    def measures(self) -> dict[str, Any]:
        """Columns, bytes of the learning machine, spikes and operations an image."""
        used = self.model.pool.used
        found: dict[str, Any] = {
            "columns": len(used),
            "memory_bytes": learning_memory(self.preset, self.model.inputs, len(used)),
        }
        if len(self._answered) and len(used):
            found |= activity(self.model, self._answered)
        return found

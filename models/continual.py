"""The continual-learning job: awake a learner, asleep a spiking network.

This joins three things that do not know each other: the protocol
(:mod:`neuro.learning.continual`), the learners (:mod:`neuro.models.learners`) and the sleep
(:func:`neuro.learning.sleep.sleep`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.datasets import Dataset
from neuro.errors import DescriptionError
from neuro.learning.continual import (
    ContinualProtocol,
    Meter,
    Observer,
    run_seed,
    silent_meter,
)
from neuro.learning.continual_results import SeedResult, SleepSummary
from neuro.learning.presets import Preset
from neuro.learning.settings import Settings
from neuro.learning.sleep import sleep
from neuro.learning.tasks import column_classes
from neuro.models.learners import (
    LEARNERS,
    Heads,
    MRNNLearner,
    NetworkLearner,
    Resumable,
    SleepingLearner,
)
from neuro.progress import Progress

__all__ = ["MRNNLearner", "SpikingSleep", "run"]

RASTER_STEPS = 400
"""Steps of each sleep whose spikes are kept for the raster figure."""


@dataclass
class SpikingSleep:
    """Sleep replay of a learner's network on a spiking backend.

    Attributes
    ----------
    preset : Preset
        Settings.
    backend : str
        Name of the backend that runs the spiking network.
    image_shape : tuple of int
        Shape of an image, for the window of the replayed input.
    options : dict
        Further options of the backend.
    observer : Observer or None
        Is shown the spikes of each sleep.
    """

    preset: Preset
    backend: str
    image_shape: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)
    observer: Observer | None = None

    def steps(self, task: int) -> int:
        """Time steps of the sleep after a task."""
        return self.preset.steps(task)

    def __call__(
        self,
        learner: SleepingLearner,
        task: int,
        seen_mean_image: NDArray[np.float64],
        seed: int,
        progress: Progress,
    ) -> SleepSummary:
        """Sleep once: weights out, replay, weights back."""
        result = sleep(
            learner.model.get_weights(),
            seen_mean_image,
            self.preset.sleep_config(task),
            backend=self.backend,
            # Colours lie side by side: a window spans fewer pixels of a colour image.
            image_shape=(self.image_shape[0], int(np.prod(self.image_shape[1:]))),
            activity=learner.activity_max or None,
            seed=seed,
            progress=progress,
            backend_options=self.options,
        )
        learner.model.load_weights(result.weights)
        if self.observer is not None:
            self.observer.asleep(int(result.steps), result.raster)
        return SleepSummary(
            task=task,
            steps=int(result.steps),
            sizes=learner.model.sizes,
            spikes_per_layer=tuple(int(n) for n in result.spikes_per_layer),
            raster=_stretch(result.raster),
        )


def _stretch(
    raster: list[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """The first steps of a raster, as plain numbers."""
    kept = []
    for steps, units in raster:
        early = np.asarray(steps) < RASTER_STEPS
        kept.append((tuple(steps[early].tolist()), tuple(units[early].tolist())))
    return tuple(kept)


def run(
    dataset: Dataset,
    preset: Settings,
    protocol: ContinualProtocol,
    seed: int,
    *,
    sleep_backend: str | None = None,
    device: str = "cpu",
    meter: Meter = silent_meter,
    keep: Callable[[NetworkLearner], None] | None = None,
    observer: Observer | None = None,
    checkpoints: Path | None = None,
    **backend_options: Any,
) -> SeedResult:
    """One seed of the continual-learning job.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    preset : Settings
        Which network learns, how it does, and how it sleeps, if it does.
    protocol : ContinualProtocol
        Tasks, rehearsal, evaluation. Its ``images_per_task`` counts, not the preset's: see
        :func:`neuro.learning.presets.Preset`.
    seed : int
        Seed of everything random.
    sleep_backend : str, optional
        Backend of the sleep; None: no sleep.
    device : str
        Torch device of the training.
    meter : callable
        Makes progress meters.
    keep : callable, optional
        Called at the end with the learner, e.g. to keep its weights.
    observer : Observer, optional
        Looks on at each sleep, e.g. a :class:`neuro.analysis.SleepAnalyst`.
    checkpoints : Path, optional
        Folder in which a :class:`~neuro.models.learners.Resumable` learner keeps what it has
        learned so far; the same call goes on there after a kill.
    **backend_options
        Options of the sleep's backend.

    Returns
    -------
    SeedResult

    Raises
    ------
    DescriptionError
        If the learner cannot sleep, but is to; or the settings are impossible.

    Examples
    --------
    >>> from neuro.datasets import load
    >>> from neuro.learning.presets import preset
    >>> settings = preset("digits")
    >>> protocol = ContinualProtocol(images_per_task=settings.images_per_task)
    >>> result = run(load("digits"), settings, protocol, seed=0)
    >>> result.final_accuracy < 0.35  # without sleep it forgets
    True
    """
    heads: Heads | None = None
    if protocol.scenario == "task":
        heads = column_classes(dataset, protocol, seed)
    make = LEARNERS[preset.learner]
    learner = make(preset, dataset.features, dataset.n_classes, seed, device, heads)
    if checkpoints is not None and isinstance(learner, Resumable):
        learner.checkpoints = checkpoints
    night = None
    if sleep_backend is not None and not protocol.joint:
        if not isinstance(preset, Preset):
            raise DescriptionError(f"learner {preset.learner!r} does not sleep")
        night = SpikingSleep(preset, sleep_backend, dataset.shape, backend_options, observer)
    with _one_thread():
        result = run_seed(
            dataset, protocol, learner, night, seed, meter=meter, observer=observer
        )
    if keep is not None:
        keep(learner)
    return result


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one CPU thread.

    The matrices of a mini-batch are so small that threads wait for each other most of the time
    (three to ten times the work on two busy cores), and one thread adds up in the same order
    on every machine.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

"""The published sleep of a trained 784-1200-1200-10: 125,000 steps in five sleeps, on one core.

The feed-forward network and the vector of Tadros et al. 2022 for MNIST as they ship (preset
``mnist`` of learner ``ff``), trained task after task, asleep after each: 15,000 steps, then 5,000
more each time. Training, and the C++ build of brian2, are not counted (the build is reported). What
is counted is all of a sleep: network out, replay, recording, weights back. The peer is a figure of
the literature: about three minutes on an RTX 3080 Ti.

Run ``python -m neuro.benchmarks.sleep_published``.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from neuro.datasets import Dataset, load
from neuro.errors import DatasetError
from neuro.learning.continual import ContinualProtocol, run_seed
from neuro.learning.continual_results import SleepSummary
from neuro.learning.presets import preset
from neuro.models.continual import SpikingSleep
from neuro.models.learners import LEARNERS, SleepingLearner
from neuro.progress import Progress

PAPER = 180.0
"""Seconds on the paper's GPU."""

BAR = PAPER / 10.0
"""At most ten seconds."""


class TimedSleep:
    """A sleep that is timed; the first is run twice, so that no build is in its time."""

    def __init__(self, night: SpikingSleep) -> None:
        self.night = night
        self.build = self.seconds = self.processor = 0.0
        self.n_steps = 0

    def steps(self, task: int) -> int:
        """See :class:`~neuro.models.continual.SpikingSleep`."""
        return self.night.steps(task)

    def __call__(
        self,
        learner: SleepingLearner,
        task: int,
        seen_mean_image: NDArray[Any],
        seed: int,
        progress: Progress,
    ) -> SleepSummary:
        """Sleep, and add up seconds."""
        if not self.n_steps:
            awake = learner.model.get_weights()
            start = time.perf_counter()
            self.night(learner, task, seen_mean_image, seed, progress)
            self.build = time.perf_counter() - start
            learner.model.load_weights(awake)
        start, used = time.perf_counter(), _processor_seconds()
        summary = self.night(learner, task, seen_mean_image, seed, progress)
        took = time.perf_counter() - start
        if not self.n_steps:
            self.build -= took
        self.seconds += took
        self.processor += _processor_seconds() - used
        self.n_steps += summary.steps
        return summary


def case(quick: bool = False) -> list[dict[str, object]]:
    """Time reference, native and brian2 (C++); figures are seconds for all five sleeps."""
    name = "five published sleeps of a trained 784-1200-1200-10"
    results = []
    for backend in ("reference", "native", "brian2"):
        result: dict[str, object] = {
            "case": f"{name}, {backend}, one core, seconds",
            "peer": "literature: RTX 3080 Ti",
            **dict.fromkeys(("ours", "theirs", "ratio", "bar", "holds")),
        }
        try:
            timed = _timed(load("mnist"), backend, quick)
        except DatasetError as error:
            result["details"] = {"not run": str(error)}
        else:
            result["ours"] = timed.seconds
            result["details"] = {
                "steps": f"{timed.n_steps}",
                "processor time": f"{timed.processor:.1f} s",
                "first run less a later one, i.e. the build": f"{max(0.0, timed.build):.1f} s",
            }
            if not quick:
                ratio = PAPER / timed.seconds
                result |= {"theirs": PAPER, "ratio": ratio, "bar": BAR, "holds": ratio >= BAR}
        results.append(result)
    return results


def _timed(data: Dataset, backend: str, quick: bool) -> TimedSleep:
    settings = preset("mnist", learner="ff")
    if quick:
        settings = replace(settings, images_per_task=200, sleep_steps=300.0)
    options = {"target": "cpp"} if backend == "brian2" else {}
    timed = TimedSleep(SpikingSleep(settings, backend, data.shape, options))
    learner = LEARNERS[settings.learner](settings, data.features, data.n_classes, 0)
    protocol = ContinualProtocol(images_per_task=settings.images_per_task)
    with _one_core():
        run_seed(data, protocol, learner, timed, 0)
    return timed


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this process and those it starts on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with threadpool_limits(1):
            yield
    finally:
        os.sched_setaffinity(0, cores)


def _processor_seconds() -> float:
    """Used so far by this process and its children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


if __name__ == "__main__":
    print(case())

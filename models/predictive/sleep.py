r"""Sleep replay of the chain of areas, and a measurement of whether both add up.

Asleep, the chain is the layered spiking network of :mod:`neuro.learning.sleep`. Predictions are
silent then, so error units pass on what spikes below them: the feed-forward weights :math:`F_l`
alone carry noise that is shaped like the mean image, from the first area to the classes. A unit
spikes at the threshold :math:`\vartheta / g_l`, where awake it spikes at 1 with gain
:math:`g_l`; its membrane decays as it does awake.

What the rule changes in :math:`F_l` comes back to both weights of a pair of areas,

.. math::
    F_l \leftarrow F_l + \Delta_l, \qquad W_l \leftarrow W_l + \Delta_l^T,

as awake, where both change by the same product of activities: the feedback synapse of two units
could tell their spikes apart as the feed-forward one does. Copying :math:`F_l^T` instead would
tie weights that no local rule ties.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.datasets import Dataset, load, pooled
from neuro.learning.chain_settings import ChainSettings
from neuro.learning.condition import usual_pool
from neuro.learning.continual import Consolidation, ContinualProtocol, Learner, run_seed
from neuro.learning.continual_results import SleepSummary
from neuro.learning.metrics import mean_and_sd
from neuro.learning.presets import parse_settings, preset
from neuro.learning.settings import Settings
from neuro.learning.sleep import SleepConfig, sleep
from neuro.learning.tasks import Schedule, schedule
from neuro.models.learners import LEARNERS
from neuro.models.predictive.column_sleep import ColumnSleep
from neuro.progress import Progress, Silent
from neuro.random import stream

Array = NDArray[np.floating[Any]]


class Chain(Protocol):
    """What sleeps: a :class:`~neuro.models.predictive.chain.PredictiveChain`."""

    sizes: tuple[int, ...]
    settings: ChainSettings
    weights: dict[str, Array]


class Sleeper(Learner, Protocol):
    """A learner with a chain."""

    @property
    def model(self) -> Chain:
        """The chain."""
        ...


# Defaults: found on validation images of MNIST (14 x 14 pixels, seed 100) among some 50 draws at
# random, by one sleep between two tasks; then shortened, as five sleeps of its length, growing from
# task to task, drive weights up until nothing is known any more.
@dataclass(frozen=True, kw_only=True)
class ChainSleep:
    """Sleep of a chain after each task; a :class:`~neuro.learning.continual.Consolidation`.

    Attributes
    ----------
    duration, growth : float
        The sleep after task k (from 0) takes ``duration * (1 + growth * k)`` steps.
    rate : float, hertz
    increment, decrement, slope : float
    window : int or None
        See :class:`~neuro.learning.sleep.SleepConfig`.
    threshold : float
        Threshold of all units, as a factor on that which they have awake.
    shuffled : bool
        Control: the pixels of the mean image change places, the same ones every night. What then
        remains does not come from replaying what was seen.
    backend : str
        What simulates the sleeping network.
    """

    duration: float = 100.0
    growth: float = 0.0
    rate: float = 324.0
    increment: float = 4.68e-5
    decrement: float = 6.2e-6
    slope: float = 0.7276
    window: int | None = None
    threshold: float = 0.804
    shuffled: bool = False
    backend: str = "reference"

    def steps(self, task: int) -> int:
        """Time steps of the sleep after a task (counted from 0)."""
        return max(0, round(self.duration * (1 + self.growth * task)))

    def config(self, task: int, settings: ChainSettings) -> SleepConfig:
        """Settings of the sleep after a task, of a chain with these settings."""
        gains = (settings.error_gain, *[settings.upper_gain] * len(settings.hidden))
        return SleepConfig(
            rate=self.rate,
            increment=self.increment,
            decrement=self.decrement,
            slope=self.slope,
            thresholds=tuple(self.threshold / gain for gain in gains),
            steps=self.steps(task),
            decay=settings.latent_decay,
            window=self.window,
        )

    def __call__(
        self,
        learner: Sleeper,
        task: int,
        seen_mean_image: NDArray[np.float64],
        seed: int,
        progress: Progress,
    ) -> SleepSummary:
        """Sleep once: weights out, replay, weights back."""
        chain = learner.model
        settings = replace(chain.settings, hidden=chain.sizes[1:-1])
        before = [chain.weights[f"F{i}"] for i in range(len(chain.sizes) - 1)]
        if self.shuffled:
            order = np.random.default_rng(0).permutation(len(seen_mean_image))
            seen_mean_image = seen_mean_image[order]
        found = sleep(
            before,
            seen_mean_image,
            self.config(task, settings),
            backend=self.backend,
            seed=seed,
            progress=progress,
        )
        for i, (old, new) in enumerate(zip(before, found.weights, strict=True)):
            change = new - old
            for name, step in ((f"F{i}", change), (f"W{i}", change.T)):
                weights = chain.weights[name]
                chain.weights[name] = (weights + step).astype(weights.dtype)
        return SleepSummary(
            task=task,
            steps=found.steps,
            sizes=chain.sizes,
            spikes_per_layer=tuple(int(n) for n in found.spikes_per_layer),
            raster=(),
        )


@dataclass(frozen=True)
class Outcome:
    """What a sequence of tasks came to, with or without sleep.

    Attributes
    ----------
    awake : float
        Accuracy on all classes after the last task, before the sleep that follows it.
    final : float
        After that sleep; the same as ``awake`` without sleep.
    new : float
        Mean accuracy on a task just after it was learned, from the second task on: what the sleeps
        before it did to learning.
    again : float
        Accuracy on all classes after one more pass over the last task's images.
    backward_transfer : float
        After the last sleep.
    """

    awake: float
    final: float
    new: float
    again: float
    backward_transfer: float


def outcome(
    learner: Learner,
    dataset: Dataset,
    protocol: ContinualProtocol,
    night: Consolidation | None,
    seed: int,
) -> Outcome:
    """Learn a sequence of tasks, with sleep or without, and one more pass in the end."""
    found = run_seed(dataset, protocol, learner, night, seed)
    rows = np.array(found.accuracy_matrix, dtype=float)
    trained = rows[0::2]
    plan = schedule(dataset, protocol, seed)
    images, labels = plan.training(plan.tasks[-1].chosen)
    learner.fit(images, labels, stream(seed, "training", len(plan.tasks)), Silent())
    tasks = range(1, len(plan.tasks))
    return Outcome(
        awake=float(trained[-1, -1]),
        final=found.final_accuracy,
        new=float(np.mean([trained[k, k] for k in tasks])) if tasks else float(trained[0, 0]),
        again=_accuracy(learner, plan),
        backward_transfer=float("nan")
        if found.backward_transfer is None
        else found.backward_transfer,
    )


def _accuracy(learner: Learner, plan: Schedule) -> float:
    exams = plan.exams_after(len(plan.tasks) - 1)
    right: list[NDArray[np.bool_]] = []
    for exam in exams:
        images, labels = plan.testing(exam.samples)
        right.append(learner.predict(images) == labels)
    return float(np.concatenate(right).mean())


def measure(
    dataset: str,
    nights: Mapping[str, Consolidation | None],
    protocol: ContinualProtocol,
    settings: Settings,
    seeds: Sequence[int],
) -> dict[str, list[Outcome]]:
    """What a learner comes to with each kind of night, for each seed.

    Images are shown as learners of the protocol see them.
    """
    data = load(dataset)
    data = pooled(data, usual_pool(settings.learner, data.shape))
    found: dict[str, list[Outcome]] = {}
    for name, night in nights.items():
        found[name] = []
        for seed in seeds:
            made = LEARNERS[settings.learner](settings, data.features, data.n_classes, seed)
            found[name].append(outcome(made, data, protocol, night, seed))
            print(f"{name}, seed {seed}: {asdict(found[name][-1])}", file=sys.stderr, flush=True)
    return found


def table(found: Mapping[str, Sequence[Outcome]]) -> str:
    """Means and standard deviations in Markdown."""
    names = [f.name for f in fields(Outcome)]
    lines = ["| | " + " | ".join(n.replace("_", " ") for n in names) + " |", "|---" * 6 + "|"]
    for condition, outcomes in found.items():
        merits = [mean_and_sd([getattr(o, name) for o in outcomes]) for name in names]
        cells = [f"{mean:.3f} ± {sd:.3f}" for mean, sd in merits]
        lines.append(f"| {condition} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table; ``python -m neuro.models.predictive.sleep --help``."""
    parser = argparse.ArgumentParser(
        description="A predictive network in sequence: alone, with sleep replay, with controls."
    )
    parser.add_argument("--learner", default="pc-chain", choices=("pc-chain", "pc"))
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--seeds", default="200,201,202,203,204", help="separated by commas")
    parser.add_argument("--images-per-class", type=int, default=300)
    parser.add_argument("--test-images", type=int, default=None)
    parser.add_argument("--evaluate-on", default="test", choices=("test", "validation"))
    parser.add_argument("--set", action="append", default=[], help="a setting of sleep, name=value")
    given = parser.parse_args(arguments)
    protocol = ContinualProtocol(
        images_per_class=given.images_per_class,
        test_images=given.test_images,
        evaluate_on=given.evaluate_on,
    )
    seeds = [int(seed) for seed in given.seeds.split(",")]
    changes = parse_settings(given.set)
    nights: dict[str, Consolidation | None] = {"alone": None}
    if given.learner == "pc":
        night = replace(ColumnSleep(), **changes)
        nights |= {"gates open": night, "gates ajar": replace(night, gate=0.1 * night.gate)}
    else:
        replay = replace(ChainSleep(), **changes)
        nights |= {"sleep": replay, "shuffled sleep": replace(replay, shuffled=True)}
    settings = preset(given.dataset, learner=given.learner)
    print(table(measure(given.dataset, nights, protocol, settings, seeds)))


if __name__ == "__main__":
    main()

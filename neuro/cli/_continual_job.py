"""What ``neuro continual`` runs: conditions × seeds, resumable, into one folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.analysis import SleepAnalyst
from neuro.cli._errors import InterruptedJobError
from neuro.dataset_name import DatasetName
from neuro.datasets import Dataset
from neuro.learning.condition import Condition, condition
from neuro.learning.continual import Observer
from neuro.learning.continual_results import SeedResult
from neuro.progress import Bar
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder, key_of

if TYPE_CHECKING:
    from neuro.cli._continual_analysis import Analyses

ORDER = ("plain", "sequential", "rehearsal", "sleep", "sleep+rehearsal", "joint")
"""Names of all conditions, in the order of the table."""

LABELS: Mapping[str, str] = {
    "plain": "sequential, no regulariser",
    "sequential": "sequential, no sleep",
    "rehearsal": "rehearsal, no sleep",
    "sleep": "sleep",
    "sleep+rehearsal": "sleep and rehearsal",
    "joint": "joint (upper bound)",
}

OLD_DATA_SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5)
"""Shares of rehearsed old data that ``--analyse`` tries without sleep, besides none."""

FINISHED = ("metrics.json", "report.html", "analysis.json")
"""Files whose presence says that the job is complete."""


@dataclass(frozen=True)
class Request:
    """The options of ``neuro continual``."""

    dataset: str
    sleep: str = "none"
    rehearsal: float = 0.0
    seeds: tuple[int, ...] = (0,)
    preset: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    baselines: bool = True
    joint: bool = False
    evaluate_on: str = "test"
    device: str = "cpu"
    analyse: bool = False
    learner: str = "ep"
    regulariser: str = "none"
    scenario: str = "class"
    classes_per_task: int = 2

    @property
    def slug(self) -> str:
        """Short name of the request, for a folder: data, sleep, and what is not the default."""
        parts = [DatasetName.parse(self.dataset).slug]
        parts += [self.learner] if self.learner != "ep" else []
        parts += [self.regulariser] if self.regulariser != "none" else []
        parts += [self.scenario] if self.scenario != "class" else []
        parts += [f"{self.classes_per_task}-classes"] if self.classes_per_task != 2 else []
        parts.append(self.sleep)
        parts += [f"rehearsal-{self.rehearsal:g}"] if self.rehearsal else []
        return "-".join(parts)

    @property
    def subject(self) -> str:
        """What is learned by what, for titles."""
        return self.dataset + "".join(
            f", {what} {name}"
            for what, name, usual in (
                ("learner", self.learner, "ep"),
                ("regulariser", self.regulariser, "none"),
                ("scenario", self.scenario, "class"),
                ("classes per task", self.classes_per_task, 2),
            )
            if name != usual
        )

    @property
    def old_data(self) -> dict[str, float]:
        """Conditions of the old-data curve and their shares: a baseline of the analyses."""
        if not (self.analyse and self.baselines) or self.sleep == "none":
            return {}
        return {f"old-data-{share:g}": share for share in OLD_DATA_SHARES}

    @property
    def asked(self) -> str:
        """Name of the condition that the request is about."""
        if self.sleep == "none":
            return "rehearsal" if self.rehearsal else "sequential"
        return "sleep+rehearsal" if self.rehearsal else "sleep"

    @property
    def names(self) -> tuple[str, ...]:
        """All conditions to run, the asked one first: it is the one to have if time runs out."""
        others: list[str] = []
        if self.baselines:
            if self.regulariser != "none":
                others.append("plain")
            others.append("sequential")
            if self.rehearsal:
                others.append("rehearsal")
            if self.asked == "sleep+rehearsal":
                others.append("sleep")
        if self.joint:
            others.append("joint")
        others += self.old_data
        return (self.asked, *(name for name in others if name != self.asked))


def conditions(request: Request) -> dict[str, Condition]:
    """The conditions of a request by name.

    Raises
    ------
    NeuroError
        If a preset does not exist or a setting is unknown or impossible.
    """
    made = {}
    for name in request.names:
        rehearsal = request.rehearsal if name.endswith("rehearsal") else 0.0
        made[name] = condition(
            request.dataset,
            learner=request.learner,
            regulariser=request.regulariser,
            sleep=request.sleep if name.startswith("sleep") else "none",
            rehearsal=request.old_data.get(name, rehearsal),
            joint=name == "joint",
            preset=request.preset,
            settings=dict(request.settings),
            scenario=request.scenario,
            evaluate_on=request.evaluate_on,
            classes_per_task=request.classes_per_task,
        )
        if name == "plain":  # the same network, trained alike, without its regulariser
            settings = replace(made[name].preset, regulariser="none")
            made[name] = replace(made[name], preset=settings)
    return made


@dataclass(frozen=True)
class Job:
    """A request with its data: ready to run."""

    request: Request
    dataset: Dataset
    conditions: Mapping[str, Condition]

    def config(self) -> dict[str, Any]:
        """What ``config.json`` holds."""
        request = asdict(replace(self.request, settings=()))
        request["settings"] = dict(self.request.settings)
        return {
            "job": "continual",
            "request": request,
            "conditions": {n: self.conditions[n].to_json() for n in self.conditions},
            "dataset": {
                "name": self.dataset.name,
                "source": self.dataset.source,
                "fingerprint": self.dataset.fingerprint(),
                "training_images": len(self.dataset.train_labels),
                "test_images": len(self.dataset.test_labels),
            },
            "code": code_fingerprint(),
            "versions": versions(),
        }


def run_job(
    job: Job,
    folder: RunFolder,
    *,
    fresh: bool,
    say: Callable[[str], None],
    analyses: Analyses | None = None,
) -> dict[str, list[SeedResult]]:
    """Run every condition with every seed, except those that are already in the folder.

    Parameters
    ----------
    job : Job
        What to run.
    folder : RunFolder
        Where finished seeds are kept.
    fresh : bool
        Whether to compute seeds again that are already there.
    say : callable
        Called with a line of text after every seed.
    analyses : Analyses, optional
        Keeps analyses of the asked condition; a seed whose analyses are not kept is run again.

    Raises
    ------
    InterruptedJobError
        On Ctrl-C; finished seeds are kept.
    """
    config = job.config()
    folder.begin(*FINISHED)
    folder.write_json("config.json", config)
    shared = {name: config[name] for name in ("code", "versions")}
    shared["dataset"] = config["dataset"]["fingerprint"]
    shared["device"] = job.request.device
    results: dict[str, list[SeedResult]] = {}
    done = 0
    try:
        for name, condition in job.conditions.items():
            key = f"{name}-{key_of({**shared, **condition.to_json()})}"
            results[name] = []
            for seed in job.request.seeds:
                start = time.perf_counter()
                watched = analyses if name == job.request.asked else None
                missing = fresh or (watched is not None and not watched.kept(key, seed))
                result = None if missing else _stored(folder, key, seed)
                note = "kept from an earlier run"
                if result is None:
                    analyst = None if watched is None else SleepAnalyst(seed)
                    result, weights = _run_seed(job, condition, seed, analyst)
                    if watched is not None and analyst is not None:
                        watched.keep(key, analyst)
                    folder.store(key, seed, result.to_json(), weights)
                    note = f"{time.perf_counter() - start:.1f} s"
                results[name].append(result)
                done += 1
                label, percent = LABELS.get(name, name), 100 * result.final_accuracy
                say(f"{label}, seed {seed}: {percent:.1f} % ({note})")
    except KeyboardInterrupt:
        total = len(job.conditions) * len(job.request.seeds)
        raise InterruptedJobError(
            f"interrupted; {done} of {total} runs are finished and kept in {folder.path}: "
            "the same command continues there"
        ) from None
    return results


def _stored(folder: RunFolder, key: str, seed: int) -> SeedResult | None:
    data = folder.load(key, seed)
    if data is None or not folder.weights(key, seed).is_file():
        return None
    try:
        return SeedResult.from_json(data)
    except (KeyError, TypeError, ValueError):
        return None  # written by another version of neuro: compute again


def _run_seed(
    job: Job, condition: Condition, seed: int, observer: Observer | None
) -> tuple[SeedResult, list[NDArray[np.float64]]]:
    from neuro.models.continual import run

    weights: list[NDArray[np.float64]] = []
    result = run(
        job.dataset,
        condition.preset,
        condition.protocol,
        seed,
        sleep_backend=condition.backend,
        device=job.request.device,
        meter=Bar,
        keep=lambda learner: weights.extend(learner.model.get_weights()),
        observer=observer,
    )
    return result, weights

"""What ``neuro continual`` runs: conditions × seeds, resumable, into one folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.analysis import SleepAnalyst
from neuro.cli._errors import InterruptedJobError
from neuro.cli._plan import Planned
from neuro.dataset_name import DatasetName
from neuro.datasets import Dataset
from neuro.learning.condition import PREDICTIVE, SLEEPING, Condition, condition
from neuro.learning.continual import Observer
from neuro.learning.continual_results import SeedResult
from neuro.progress import Bar
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder, key_of

if TYPE_CHECKING:
    from neuro.cli._continual_analysis import Analyses

CONTROLS = ("uniform", "shuffled")
"""Regularisers without which importance by spike intervals means nothing."""

ORDER = (
    *("plain", "sequential", *CONTROLS, "rehearsal", "sleep", "sleep+rehearsal", "joint", "chain"),
    *("surrogate", "surrogate-ewc", "surrogate-rehearsal", "surrogate-joint"),
)
"""Names of all conditions, in the order of the table."""

_SLEEPING_LABELS: Mapping[str, str] = {
    "plain": "sequential, no regulariser",
    "sequential": "sequential, no sleep",
    "rehearsal": "rehearsal, no sleep",
    "sleep": "sleep",
    "sleep+rehearsal": "sleep and rehearsal",
    "joint": "joint (upper bound)",
}

_CONTROL_LABELS: Mapping[str, str] = {name: f"{name} importance" for name in CONTROLS}

_LEARNER_LABELS: Mapping[str, str] = {
    "pc": "predictive columns",
    "pc-chain": "predictive chain",
    "sg": "surrogate",
}

SURROGATE_REHEARSAL = 0.05
"""Share of the earlier images that the rehearsing baseline of predictive learners is given."""

OTHER_LEARNERS: Mapping[str, Mapping[str, Any]] = {
    "chain": {"learner": "pc-chain"},
    "surrogate": {"learner": "sg"},
    "surrogate-ewc": {"learner": "sg", "regulariser": "ewc"},
    "surrogate-rehearsal": {"learner": "sg", "rehearsal": SURROGATE_REHEARSAL},
    "surrogate-joint": {"learner": "sg", "joint": True},
}
"""Conditions of learners that were not asked for: baselines of predictive learners."""

_OTHER_LABELS: Mapping[str, str] = {
    "chain": _LEARNER_LABELS["pc-chain"],
    "surrogate": "surrogate",
    "surrogate-ewc": "surrogate, EWC",
    "surrogate-rehearsal": f"surrogate, {100 * SURROGATE_REHEARSAL:g} % rehearsal",
    "surrogate-joint": "surrogate, joint",
}

_SHARED_SETTINGS = ("images_per_task", "presentation", "norm", "clip", "gain")
"""Settings that hold for all learners of a run: the same images, the same spikes, as many steps."""

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
    protocol: str = "split"
    tasks: int | None = None
    images_per_class: int | None = None
    test_images: int | None = None
    class_order: str = "label"
    blur: float = 0.0
    pool: int | None = None

    @property
    def sleeps(self) -> bool:
        """Whether the learner is one that can sleep."""
        return self.learner in SLEEPING

    @property
    def slug(self) -> str:
        """Short name of the request, for a folder: data, what is not the default, and sleep."""
        parts = [DatasetName.parse(self.dataset).slug]
        parts += [self.learner] if self.learner != "ep" else []
        parts += [self.regulariser] if self.regulariser != "none" else []
        parts += [self.scenario] if self.scenario != "class" else []
        parts += [self.protocol] if self.protocol != "split" else []
        parts += [f"{self.tasks}-tasks"] if self.tasks is not None else []
        parts += [f"{self.classes_per_task}-classes"] if self.classes_per_task != 2 else []
        parts += [self.class_order] if self.class_order != "label" else []
        parts += [f"blur-{self.blur:g}"] if self.blur else []
        parts += [self.sleep] if self.sleeps else []
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
                ("protocol", self.protocol, "split"),
                ("tasks", self.tasks, None),
                ("classes per task", self.classes_per_task, 2),
                ("class order", self.class_order, "label"),
                ("blur", f"{self.blur:g}", "0"),
            )
            if name != usual
        )

    def label(self, name: str) -> str:
        """What people call a condition."""
        if name in _OTHER_LABELS:
            return _OTHER_LABELS[name]
        if self.sleeps or self.learner not in _LEARNER_LABELS:
            return _SLEEPING_LABELS.get(name, name)
        own = _LEARNER_LABELS[self.learner]
        if name in _CONTROL_LABELS:
            return f"{own}, {_CONTROL_LABELS[name]}"
        if self.regulariser != "none" and name in ("sequential", "rehearsal"):
            own += f", {self.regulariser}"
        if name == "rehearsal":
            own += f", {100 * self.rehearsal:g} % rehearsal"
        return own + (", joint" if name == "joint" else "")

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
            if self.regulariser == "isi-cv":
                others += CONTROLS
            others.append("sequential")
            if self.rehearsal:
                others.append("rehearsal")
            if self.asked == "sleep+rehearsal":
                others.append("sleep")
        if self.joint:
            others.append("joint")
        if self.baselines and self.learner in PREDICTIVE:
            others += [
                name
                for name, changes in OTHER_LEARNERS.items()
                if changes["learner"] != self.learner and (self.joint or name != "surrogate-joint")
            ]
        others += self.old_data
        return (self.asked, *(name for name in others if name != self.asked))


def conditions(request: Request) -> dict[str, Condition]:
    """The conditions of a request by name.

    Raises
    ------
    NeuroError
        If a preset does not exist or a setting is unknown or impossible.
    """
    made: dict[str, Condition] = {}
    for name in request.names:
        if name in OTHER_LEARNERS:
            made[name] = _baseline(request, made[request.asked], OTHER_LEARNERS[name])
            continue
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
            protocol=request.protocol,
            tasks=request.tasks,
            images_per_class=request.images_per_class,
            test_images=request.test_images,
            class_order=request.class_order,
            blur=request.blur,
            pool=request.pool,
        )
        if name in ("plain", *CONTROLS):  # the same network, trained alike, but for this
            regulariser = "none" if name == "plain" else name
            settings = replace(made[name].preset, regulariser=regulariser)
            made[name] = replace(made[name], preset=settings)
        if name == "joint" and (not request.sleeps or request.protocol != "split"):
            # Whether order matters is seen on the same images only; and all images in all tasks
            # of a domain-incremental sequence are many.
            same = replace(made[request.asked].protocol, joint=True, rehearsal=0.0)
            made[name] = replace(made[name], protocol=same)
    return made


def _baseline(request: Request, asked: Condition, changes: Mapping[str, Any]) -> Condition:
    """Another learner with the images, tasks and input spikes of the condition asked for."""
    joint = changes.get("joint", False)
    base = condition(
        request.dataset,
        learner=changes["learner"],
        regulariser=changes.get("regulariser", "none"),
        joint=joint,
        protocol=request.protocol,
    )
    known = base.preset.to_json()
    used = asked.preset.to_json()
    shared = {n: used[n] for n in _SHARED_SETTINGS if n in known and n in used}
    rehearsal = changes.get("rehearsal", 0.0)
    return replace(
        base,
        preset=base.preset.with_values(shared),
        protocol=replace(
            asked.protocol, joint=joint, rehearsal=rehearsal, rehearsed_from="store"
        ),
        pool=request.pool,
    )


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
                "shown": list(self.conditions[self.request.asked].shown(self.dataset).shape),
            },
            "code": code_fingerprint(),
            "versions": versions(),
        }

    def facts(self) -> dict[str, object]:
        """What a person wants to know of the job before it runs, by name."""
        asked, data = self.conditions[self.request.asked], self.dataset
        settings = asked.preset.to_json()
        return {
            "data": f"{data.name}, {len(data.train_labels)} training and {len(data.test_labels)} "
            f"test images ({data.source})",
            "judged on": self.request.evaluate_on,
            "sleep": self.request.sleep,
            "settings": ", ".join(f"{name}={value}" for name, value in settings.items()),
        }

    def keys(self) -> dict[str, str]:
        """By condition, the key of everything that influences its results."""
        shared = {
            "code": code_fingerprint(),
            "versions": versions(),
            "dataset": self.dataset.fingerprint(),
            "device": self.request.device,
        }
        return {
            name: f"{name}-{key_of({**shared, **made.to_json()})}"
            for name, made in self.conditions.items()
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
    folder.begin(*FINISHED)
    folder.write_json("config.json", job.config())
    keys = job.keys()
    results: dict[str, list[SeedResult]] = {}
    done = 0
    try:
        for name, condition in job.conditions.items():
            key = keys[name]
            results[name] = []
            for seed in job.request.seeds:
                start = time.perf_counter()
                watched = analyses if name == job.request.asked else None
                result = None if fresh else _kept(folder, key, seed, watched)
                note = "kept from an earlier run"
                if result is None:
                    analyst = None if watched is None else SleepAnalyst(seed)
                    unfinished = folder.path / "unfinished" / f"{key}-{seed}"
                    if fresh:
                        shutil.rmtree(unfinished, ignore_errors=True)
                    result, weights = _run_seed(job, condition, seed, analyst, unfinished)
                    if watched is not None and analyst is not None:
                        watched.keep(key, analyst)
                    named = {f"w{i}": w for i, w in enumerate(weights, start=1)}
                    folder.store(key, seed, result.to_json(), named)
                    shutil.rmtree(unfinished, ignore_errors=True)
                    note = f"{time.perf_counter() - start:.1f} s"
                results[name].append(result)
                done += 1
                label, percent = job.request.label(name), 100 * result.final_accuracy
                say(f"{label}, seed {seed}: {percent:.1f} % ({note})")
    except KeyboardInterrupt:
        total = len(job.conditions) * len(job.request.seeds)
        raise InterruptedJobError(
            f"interrupted; {done} of {total} runs are finished and kept in {folder.path}: "
            "the same command continues there"
        ) from None
    return results


def planned(
    job: Job, folder: RunFolder, *, fresh: bool, analyses: Analyses | None
) -> list[Planned]:
    """What :func:`run_job` would run, and what it would find finished."""
    found = []
    for name, key in job.keys().items():
        watched = analyses if name == job.request.asked else None
        kept = [s for s in job.request.seeds if not fresh and _kept(folder, key, s, watched)]
        found.append(Planned(job.request.label(name), len(job.request.seeds), len(kept)))
    return found


def _kept(
    folder: RunFolder, key: str, seed: int, analyses: Analyses | None
) -> SeedResult | None:
    """What an earlier run kept of a seed, with its analyses if they are wanted."""
    if analyses is not None and not analyses.kept(key, seed):
        return None
    data = folder.load(key, seed)
    if data is None or not folder.arrays(key, seed).is_file():
        return None
    try:
        return SeedResult.from_json(data)
    except (KeyError, TypeError, ValueError):
        return None  # written by another version of neuro: compute again


def _run_seed(
    job: Job, condition: Condition, seed: int, observer: Observer | None, unfinished: Path
) -> tuple[SeedResult, list[NDArray[np.float64]]]:
    from neuro.models.continual import run

    weights: list[NDArray[np.float64]] = []
    result = run(
        condition.shown(job.dataset),
        condition.preset,
        condition.protocol,
        seed,
        sleep_backend=condition.backend,
        device=job.request.device,
        meter=Bar,
        keep=lambda learner: weights.extend(learner.model.get_weights()),
        observer=observer,
        checkpoints=unfinished,
    )
    return result, weights

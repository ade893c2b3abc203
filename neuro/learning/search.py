"""Search for better settings of the continual-learning job.

A candidate is judged on validation images (the last part of the training set, withheld), with
several seeds, because one seed says little: two runs of the same settings differ by several
points, and the best of many noisy scores is mostly luck. A candidate that falls behind after its
first seeds is given up. The search is resumable and can be shared by processes and machines: every
finished candidate is in the study (:mod:`neuro.learning.search_study`). What proposes candidates
is in :mod:`neuro.learning.search_samplers`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.errors import JobError
from neuro.learning.presets import Preset
from neuro.learning.search_samplers import check_sampler, make_sampler
from neuro.learning.search_study import (
    give_up_dead,
    is_url,
    no_experimental_warnings,
    open_study,
    shown,
    sign,
    storage_errors,
)
from neuro.results import key_of
from neuro.workers import Done, WorkerDiedError, each

if TYPE_CHECKING:
    import optuna

Evaluate = Callable[[Preset, int], float]
"""Validation accuracy of settings for one seed."""

# Ranges of the search, log-uniform, from the spread of published vectors (specification,
# sections 2.2 and 4.7) widened to the raw weights of equilibrium propagation.
RANGES: dict[str, tuple[float, float]] = {
    "rate": (16.0, 500.0),
    "increment": (1e-5, 0.02),
    "decrement": (1e-5, 0.02),
    "slope": (5e-4, 2.0),
    "sleep_steps": (200.0, 3000.0),
}
LEARNING_RATES = (1e-4, 0.5)
THRESHOLDS = (0.01, 20.0)
LEAK = (5e-4, 0.2)  # 1 - decay
FEEDBACK_GAIN = (0.01, 1.0)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes
    ----------
    base : Preset
        Values of everything that is not searched; also the first candidate. Where one lies
        outside the usual range, the range reaches to twice as far.
    image_side : int
        Side of an image in pixels, the largest useful window.
    """

    base: Preset
    image_side: int

    def first(self) -> dict[str, Any]:
        """The base as a candidate; what is 0 or less becomes the least of its range."""
        b = self.base
        point: dict[str, Any] = {name: max(value, r[0]) for name, value, r in self._logarithmic()}
        point["epochs"] = b.epochs
        # 0 stands for the whole image: a search space needs one type.
        point["window"] = b.window or 0
        point["sleep_growth"] = b.sleep_growth
        point["feedback_spikes"] = b.feedback_spikes
        return point

    def suggest(self, trial: optuna.trial.BaseTrial) -> Preset:
        """A candidate chosen by the sampler."""
        b = self.base
        found = {
            name: trial.suggest_float(name, *limits, log=True)
            for name, _, limits in self._logarithmic()
        }
        layers = range(len(b.thresholds))
        windows = sorted({0, b.window or 0, *self._windows()})
        values: dict[str, Any] = {name: found[name] for name in RANGES}
        values["learning_rates"] = [found[f"learning_rate_{i}"] for i in layers]
        values["thresholds"] = [found[f"threshold_{i}"] for i in layers]
        values["decay"] = 1 - found["leak"]
        values["epochs"] = trial.suggest_int("epochs", 1, max(4, b.epochs))
        values["window"] = trial.suggest_categorical("window", windows) or None
        growth = (min(0.0, b.sleep_growth), max(1.0, b.sleep_growth))
        values["sleep_growth"] = trial.suggest_float("sleep_growth", *growth)
        values["feedback_spikes"] = trial.suggest_categorical("feedback_spikes", [False, True])
        if values["feedback_spikes"]:
            values["feedback_gain"] = found["feedback_gain"]
        if "strength" in found:
            values["strength"] = found["strength"]
        return b.with_values(values)

    def _logarithmic(self) -> list[tuple[str, float, tuple[float, float]]]:
        """Name, value of the base and range of everything that is searched by its logarithm."""
        b = self.base
        entries = [(name, getattr(b, name), limits) for name, limits in RANGES.items()]
        for i, (rate, threshold) in enumerate(zip(b.learning_rates, b.thresholds, strict=True)):
            entries.append((f"learning_rate_{i}", rate, LEARNING_RATES))
            entries.append((f"threshold_{i}", threshold, THRESHOLDS))
        entries.append(("leak", 1 - b.decay, LEAK))
        # Always there, though it says nothing without feedback: cmaes needs one set of numbers.
        entries.append(("feedback_gain", b.feedback_gain, FEEDBACK_GAIN))
        if b.regulariser != "none" and b.strength > 0:
            entries.append(("strength", b.strength, (b.strength / 100, b.strength * 100)))
        return [(name, value, _reaching(limits, value)) for name, value, limits in entries]

    def _windows(self) -> list[int]:
        return [max(1, round(self.image_side * share)) for share in (0.4, 0.5, 0.7)]


def _reaching(limits: tuple[float, float], value: float) -> tuple[float, float]:
    """The range, made to reach twice as far as a value that lies outside."""
    low, high = limits
    return (value / 2 if 0 < value < low else low, 2 * value if value > high else high)


@dataclass(frozen=True)
class Found:
    """The best candidate so far.

    Attributes
    ----------
    preset : Preset
        Its settings.
    mean, worst : float
        Validation accuracy over seeds: mean and lowest.
    trials : int
        Candidates tried in all, over all runs of the search.
    """

    preset: Preset
    mean: float
    worst: float
    trials: int


@dataclass(frozen=True)
class Job:
    """What a process of a search needs to know, to judge candidates.

    Attributes
    ----------
    evaluate : callable
        Judges settings with one seed, on validation images.
    space : Space
        What is searched.
    seeds : tuple of int
        Seeds of every candidate, two or more for a result that can be trusted.
    study : str
        File or database URL of the search.
    sampler : str
        See :mod:`neuro.learning.search_samplers`.
    sampler_seed : int or None
        Seed of the sampler; None where processes share the work: they must not choose alike.
    """

    evaluate: Evaluate
    space: Space
    seeds: tuple[int, ...]
    study: str
    sampler: str
    sampler_seed: int | None


def search(
    evaluate: Evaluate,
    space: Space,
    seeds: Sequence[int],
    trials: int,
    study: str | Path,
    about: dict[str, Any],
    *,
    sampler: str = "tpe",
    jobs: int = 1,
    sampler_seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Found:
    """Try candidates, beginning with the base, and keep them in a study.

    Parameters
    ----------
    evaluate : callable
        Judges settings with one seed, on validation images. With several jobs it must be
        picklable.
    space : Space
        What is searched.
    seeds : sequence of int
        Seeds of every candidate, two or more for a result that can be trusted.
    trials : int
        Candidates to try in this run, by all its processes together.
    study : str or Path
        File or database URL of the search; a later run goes on from there, and a run on another
        machine with the same URL joins.
    about : dict
        Plain data that scores depend on (data set, images, base): a study that was made for
        something else is refused. The sampler is not part of it and may change.
    sampler : {"tpe", "cmaes", "genetic"}
        What proposes candidates.
    jobs : int
        Worker processes; 1: this process. Only then, and in a file, is a search reproducible.
    sampler_seed : int
        Seed of the sampler; a resumed search draws differently from an uninterrupted one.
    say : callable
        Called with a line of text after every candidate.

    Returns
    -------
    Found

    Raises
    ------
    JobError
        If the study cannot be used or holds another search, or no candidate could be judged.
    KeyboardInterrupt
        On Ctrl-C, after the workers have ended; finished candidates are kept.
    """
    check_sampler(sampler)
    if jobs < 1:
        raise JobError(f"jobs is {jobs}; give at least 1")
    place = str(study)
    identity = key_of({**about, "base": space.base.to_json(), "seeds": list(seeds)})
    with storage_errors(place):
        opened = open_study(place)
        _begin(opened, space, identity, place)
        seed = None
        if jobs == 1 and not is_url(place):
            # With the same numbers again, a resumed search would begin with the same candidates.
            numbers = np.random.SeedSequence([sampler_seed, len(opened.trials)])
            seed = int(numbers.generate_state(1)[0])
        job = Job(evaluate, space, tuple(seeds), place, sampler, seed)

        def tell(number: int) -> None:
            say(_line(opened, opened.trials[number]))

        if jobs == 1:
            chosen = _open(job)
            for _ in range(trials):
                tell(_judge_next(job, chosen))
        else:
            _in_processes(job, opened, trials, jobs, tell, say)
        best = _best(opened)
        tried = len(opened.trials)
    if best is None:
        raise JobError("no candidate could be judged to its end; try more --trials")
    return Found(
        space.base.with_values(best.user_attrs["preset"]),
        float(best.value or 0.0),
        float(best.user_attrs["worst"]),
        tried,
    )


def _begin(study: optuna.Study, space: Space, identity: str, place: str) -> None:
    """Make sure that a study holds this search, and that it begins with the base."""
    from optuna.trial import TrialState

    if study.user_attrs.get("search", identity) != identity:
        raise JobError(
            f"{shown(place)} holds a search with other data, seeds or base settings; "
            "name another --study"
        )
    study.set_user_attr("search", identity)
    give_up_dead(study)
    if all(trial.state == TrialState.FAIL for trial in study.trials):
        study.enqueue_trial(space.first())


def _in_processes(
    job: Job,
    study: optuna.Study,
    trials: int,
    jobs: int,
    tell: Callable[[int], None],
    say: Callable[[str], None],
) -> None:
    try:
        with closing(each(_in_worker, [job] * trials, jobs)) as events:
            for event in events:
                match event:
                    case Done(_, number, None):
                        tell(number)
                    case Done(_, _, WorkerDiedError() as error):
                        give_up_dead(study)
                        say(f"a candidate was lost: {error}")
                    case Done(_, _, Exception() as error):
                        raise error
    finally:
        give_up_dead(study)


# --- judging a candidate ---------------------------------------------------------------------


def _in_worker(job: Job) -> int:
    """Judge one candidate in a worker process; its number."""
    return _judge_next(job, _opened_once(job))


def _judge_next(job: Job, study: optuna.Study) -> int:
    """Let the sampler propose a candidate and judge it; its number."""
    done: list[int] = []

    def objective(trial: optuna.Trial) -> float:
        sign(trial)
        return _judge(job, trial)

    with no_experimental_warnings():
        study.optimize(objective, n_trials=1, callbacks=[lambda _, t: done.append(t.number)])
    return done[0]


def _open(job: Job) -> optuna.Study:
    """The study with the job's sampler."""
    import optuna

    study = open_study(job.study)
    start = optuna.trial.FixedTrial(job.space.first())
    job.space.suggest(start)
    base = optuna.trial.create_trial(
        params=start.params, distributions=start.distributions, value=0.0
    )
    shared = job.sampler_seed is None
    study.sampler = make_sampler(job.sampler, job.sampler_seed, base, shared=shared)
    return study


# A worker keeps its sampler from one candidate to the next.
_opened_once = functools.lru_cache(maxsize=1)(_open)


def _judge(job: Job, trial: optuna.Trial) -> float:
    import optuna

    candidate = job.space.suggest(trial)
    trial.set_user_attr("preset", candidate.to_json())
    scores: list[float] = []
    for number, seed in enumerate(job.seeds):
        try:
            scores.append(job.evaluate(candidate, seed))
        except FloatingPointError:
            return 0.0  # the weights exploded
        trial.report(float(np.mean(scores)), number)
        if number + 1 < len(job.seeds) and trial.should_prune():
            raise optuna.TrialPruned
    trial.set_user_attr("worst", min(scores))
    return float(np.mean(scores))


def _line(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> str:
    score = trial.value if trial.value is not None else math.nan
    state = "given up" if trial.state.name == "PRUNED" else f"{100 * score:.1f} %"
    best = _best(study)
    top = f"best {100 * (best.value or 0):.1f} % (#{best.number})" if best else "no best yet"
    return f"candidate #{trial.number}: {state}; {top}"


def _best(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    whole = [t for t in study.trials if t.value is not None and "worst" in t.user_attrs]
    return max(whole, key=lambda t: t.value or 0.0) if whole else None

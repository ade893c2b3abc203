"""Search for better settings of the continual-learning job.

A candidate is judged on validation images (the last part of the training set, withheld), with
several seeds, because one seed says little: two runs of the same settings differ by several
points, and the best of many noisy scores is mostly luck. A candidate that falls behind after its
first seeds is given up. The search is resumable: every finished candidate is in an SQLite file.

Candidates come from the tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.errors import JobError
from neuro.learning.presets import Preset
from neuro.results import key_of

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
        Values of everything that is not searched; also the first candidate.
    image_side : int
        Side of an image in pixels, the largest useful window.
    """

    base: Preset
    image_side: int

    def first(self) -> dict[str, Any]:
        """The base as a candidate, limited to the ranges of the search."""

        def inside(value: float, limits: tuple[float, float]) -> float:
            return min(max(value, limits[0]), limits[1])

        b = self.base
        point: dict[str, Any] = {n: inside(getattr(b, n), r) for n, r in RANGES.items()}
        for i, value in enumerate(b.learning_rates):
            point[f"learning_rate_{i}"] = inside(value, LEARNING_RATES)
        for i, value in enumerate(b.thresholds):
            point[f"threshold_{i}"] = inside(value, THRESHOLDS)
        point["leak"] = inside(1 - b.decay, LEAK)
        point["epochs"] = int(inside(b.epochs, (1, 4)))
        # 0 stands for the whole image: a search space needs one type.
        point["window"] = b.window or 0
        point["sleep_growth"] = inside(b.sleep_growth, (0.0, 1.0))
        point["feedback_spikes"] = b.feedback_spikes
        if b.feedback_spikes:
            point["feedback_gain"] = inside(b.feedback_gain, FEEDBACK_GAIN)
        return point

    def suggest(self, trial: optuna.Trial) -> Preset:
        """A candidate chosen by the sampler."""

        def log(name: str, limits: tuple[float, float]) -> float:
            return trial.suggest_float(name, *limits, log=True)

        layers = len(self.base.thresholds)
        windows = sorted({0, self.base.window or 0, *self._windows()})
        values: dict[str, Any] = {name: log(name, limits) for name, limits in RANGES.items()}
        values["learning_rates"] = [
            log(f"learning_rate_{i}", LEARNING_RATES) for i in range(layers)
        ]
        values["thresholds"] = [log(f"threshold_{i}", THRESHOLDS) for i in range(layers)]
        values["decay"] = 1 - log("leak", LEAK)
        values["epochs"] = trial.suggest_int("epochs", 1, 4)
        values["window"] = trial.suggest_categorical("window", windows) or None
        values["sleep_growth"] = trial.suggest_float("sleep_growth", 0.0, 1.0)
        values["feedback_spikes"] = trial.suggest_categorical("feedback_spikes", [False, True])
        if values["feedback_spikes"]:
            values["feedback_gain"] = log("feedback_gain", FEEDBACK_GAIN)
        return self.base.with_values(values)

    def _windows(self) -> list[int]:
        return [round(self.image_side * share) for share in (0.4, 0.5, 0.7)]


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


def search(
    evaluate: Evaluate,
    space: Space,
    seeds: Sequence[int],
    trials: int,
    study_file: Path,
    about: dict[str, Any],
    *,
    sampler_seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Found:
    """Try candidates, beginning with the base, and keep the study in a file.

    Parameters
    ----------
    evaluate : callable
        Judges settings with one seed, on validation images.
    space : Space
        What is searched.
    seeds : sequence of int
        Seeds of every candidate, two or more for a result that can be trusted.
    trials : int
        Candidates to try in this run.
    study_file : Path
        SQLite file; a later run with the same file goes on from there.
    about : dict
        Plain data that scores depend on (data set, images, base): a file that was made for
        something else is refused.
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
        If the file cannot be used or holds another search, or no candidate could be judged.
    """
    import optuna

    study = _open_study(study_file, sampler_seed)
    identity = key_of({**about, "base": space.base.to_json(), "seeds": list(seeds)})
    if study.user_attrs.setdefault("search", identity) != identity:
        raise JobError(
            f"{study_file} holds a search with other data, seeds or base settings; "
            "name another --study file"
        )
    study.set_user_attr("search", identity)
    if not study.trials:
        study.enqueue_trial(space.first())

    def objective(trial: optuna.Trial) -> float:
        candidate = space.suggest(trial)
        trial.set_user_attr("preset", candidate.to_json())
        scores: list[float] = []
        for number, seed in enumerate(seeds):
            try:
                scores.append(evaluate(candidate, seed))
            except FloatingPointError:
                return 0.0  # the weights exploded
            trial.report(float(np.mean(scores)), number)
            if number + 1 < len(seeds) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("worst", min(scores))
        return float(np.mean(scores))

    def tell(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        score = trial.value if trial.value is not None else math.nan
        state = "given up" if trial.state.name == "PRUNED" else f"{100 * score:.1f} %"
        best = _best(study)
        top = f"best {100 * (best.value or 0):.1f} % (#{best.number})" if best else "no best yet"
        say(f"candidate #{trial.number}: {state}; {top}")

    study.optimize(objective, n_trials=trials, callbacks=[tell])
    best = _best(study)
    if best is None:
        raise JobError("no candidate could be judged to its end; try more --trials")
    return Found(
        space.base.with_values(best.user_attrs["preset"]),
        float(best.value or 0.0),
        float(best.user_attrs["worst"]),
        len(study.trials),
    )


def _best(study: optuna.Study) -> optuna.trial.FrozenTrial | None:
    whole = [t for t in study.trials if t.value is not None and "worst" in t.user_attrs]
    return max(whole, key=lambda t: t.value or 0.0) if whole else None


def _open_study(path: Path, seed: int) -> optuna.Study:
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            storage=f"sqlite:///{path.absolute()}",
            study_name="neuro",
            load_if_exists=True,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, multivariate=False),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=8, n_min_trials=4),
        )
    except (SQLAlchemyError, OSError, RuntimeError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise JobError(f"cannot use the study file {path}: {reason}") from error

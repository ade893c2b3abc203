"""The search finds a known optimum, resumes, and refuses to mix searches."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from neuro.errors import JobError
from neuro.learning.presets import Preset, preset
from neuro.learning.search import RANGES, Space, search
from neuro.learning.search_samplers import POPULATION, SAMPLERS
from neuro.learning.search_study import open_study

BASE = Preset(
    hidden=(100,),
    learning_rates=(0.166, 0.109),
    epochs=2,
    images_per_task=100,
    free_steps=12,
    nudged_steps=4,
    rate=89.7,
    increment=4.74e-5,
    decrement=0.00258,
    thresholds=(1.51, 0.345),
    decay=0.99,
    slope=0.0016,
    feedback_spikes=True,
    sleep_steps=1000.0,
    sleep_growth=1 / 3,
)
SPACE = Space(BASE, 8)


def hill(candidate: Preset, seed: int) -> float:
    """Best at a rate of 200; seeds differ a little."""
    return 0.8 - 0.1 * abs(math.log(candidate.rate / 200)) + 0.001 * seed


def run(path: Path, trials: int, evaluate: Any = hill, **changes: Any) -> Any:
    options: dict[str, Any] = {"seeds": (1, 2), "about": {"dataset": "x"}, **changes}
    return search(
        evaluate, SPACE, options["seeds"], trials, path, options["about"],
        say=options.get("say", lambda line: None), sampler=options.get("sampler", "tpe"),
    )  # fmt: skip


def test_the_first_candidate_is_the_base(tmp_path: Path) -> None:
    seen: list[Preset] = []

    def evaluate(candidate: Preset, seed: int) -> float:
        seen.append(candidate)
        return 0.5

    found = run(tmp_path / "s.db", 1, evaluate)
    assert found.preset == seen[0]
    assert len(seen) == 2  # both seeds
    base = SPACE.base
    assert seen[0].decay == pytest.approx(base.decay)
    assert seen[0].feedback_gain == pytest.approx(base.feedback_gain)
    for name in ("learning_rates", "thresholds", "rate", "increment", "slope", "window", "epochs"):
        assert getattr(seen[0], name) == getattr(base, name), name


def test_improves_on_the_base_and_reports_the_mean_over_seeds(tmp_path: Path) -> None:
    found = run(tmp_path / "s.db", 12)
    base = (hill(SPACE.base, 1) + hill(SPACE.base, 2)) / 2
    assert found.mean > base + 0.02
    assert found.mean == pytest.approx((hill(found.preset, 1) + hill(found.preset, 2)) / 2)
    assert found.worst == pytest.approx(hill(found.preset, 1))
    assert found.preset.hidden == SPACE.base.hidden


def test_resumes_from_the_file(tmp_path: Path) -> None:
    first = run(tmp_path / "s.db", 3)
    second = run(tmp_path / "s.db", 2)
    assert (first.trials, second.trials) == (3, 5)
    assert second.mean >= first.mean


def test_the_same_search_finds_the_same_and_a_resumed_one_does_not_repeat_itself(
    tmp_path: Path,
) -> None:
    tried: list[float] = []

    def evaluate(candidate: Preset, seed: int) -> float:
        tried.append(candidate.rate)
        return 0.5

    one = {"seeds": (1,)}
    run(tmp_path / "a", 6, evaluate, **one)
    run(tmp_path / "b", 3, evaluate, **one)
    run(tmp_path / "b", 3, evaluate, **one)
    whole, first, second = tried[:6], tried[6:9], tried[9:]
    assert whole[:3] == first
    assert len({*first, *second}) == 6


def test_finished_candidates_survive_an_interruption(tmp_path: Path) -> None:
    calls = 0

    def evaluate(candidate: Preset, seed: int) -> float:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return hill(candidate, seed)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "s.db", 10, evaluate)
    found = run(tmp_path / "s.db", 1)
    assert found.trials == 4  # two finished, one cut off, one new


@pytest.mark.parametrize("changes", [{"seeds": (1, 3)}, {"about": {"dataset": "y"}}])
def test_another_search_is_not_continued(tmp_path: Path, changes: dict[str, Any]) -> None:
    run(tmp_path / "s.db", 1)
    with pytest.raises(JobError, match="holds a search with other data, seeds"):
        run(tmp_path / "s.db", 1, **changes)


def test_exploding_candidates_lose(tmp_path: Path) -> None:
    def explode(candidate: Preset, seed: int) -> float:
        raise FloatingPointError("weights are not finite")

    with pytest.raises(JobError, match="no candidate could be judged"):
        run(tmp_path / "s.db", 2, explode)
    assert run(tmp_path / "s.db", 1).trials == 3


def test_hopeless_candidates_are_given_up_after_their_first_seed(tmp_path: Path) -> None:
    calls: list[int] = []

    def evaluate(candidate: Preset, seed: int) -> float:
        calls.append(seed)
        return hill(candidate, 0)

    lines: list[str] = []
    run(tmp_path / "s.db", 14, evaluate, say=lines.append)
    given_up = sum("given up" in line for line in lines)
    assert 0 < given_up < 7
    assert len(calls) == 28 - given_up


def test_an_sqlite_file_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    run(f"sqlite:///{path}", 2)  # type: ignore[arg-type]
    assert path.read_bytes().startswith(b"SQLite format 3")
    assert run(path, 1).trials == 3


def test_a_new_file_is_a_journal(tmp_path: Path) -> None:
    run(tmp_path / "s", 1)
    assert b"op_code" in (tmp_path / "s").read_bytes()


# --- samplers --------------------------------------------------------------------------------


def tried(path: Path) -> list[dict[str, Any]]:
    return [trial.params for trial in open_study(str(path)).trials]


def test_cmaes_begins_in_a_cloud_around_the_base(tmp_path: Path) -> None:
    found = run(tmp_path / "s", 40, sampler="cmaes", seeds=(1,))
    points = tried(tmp_path / "s")
    base = SPACE.first()
    low, high = (math.log(limit) for limit in RANGES["rate"])
    away = [math.log(point["rate"] / base["rate"]) / (high - low) for point in points[1:11]]
    assert 0.03 < np.std(away) < 0.25  # 0.1; uniform over the range would be 0.29
    assert abs(np.mean(away)) < 0.1
    assert found.mean > hill(BASE, 1) + 0.02


def test_genetic_crosses_and_mutates(tmp_path: Path) -> None:
    found = run(tmp_path / "s", 60, sampler="genetic", seeds=(1,))
    points = tried(tmp_path / "s")
    parents, children = points[:POPULATION], points[POPULATION:]
    names = [name for name, value in parents[0].items() if isinstance(value, float)]
    inherited = mutated = 0
    sources = set()
    for child in children[:POPULATION]:
        for name in names:
            owners = [i for i, parent in enumerate(parents) if parent[name] == child[name]]
            inherited += bool(owners)
            mutated += not owners
            sources.update(owners[:1])
    assert 0.2 < mutated / (inherited + mutated) < 0.4  # MUTATION_PROBABILITY is 0.3
    assert len(sources) > 3
    assert found.mean > hill(BASE, 1) + 0.02


def test_the_sampler_may_change_in_a_study(tmp_path: Path) -> None:
    for number, sampler in enumerate(SAMPLERS, start=1):
        assert run(tmp_path / "s", 3, sampler=sampler).trials == 3 * number
    with pytest.raises(JobError, match="unknown sampler 'ga'; choose one of tpe, cmaes, genetic"):
        run(tmp_path / "s", 1, sampler="ga")


# --- the space -------------------------------------------------------------------------------


def test_ranges_reach_a_base_that_lies_outside() -> None:
    base = replace(BASE, rate=4.0, sleep_steps=15000.0, thresholds=(50.0, 0.005), epochs=20)
    space = Space(replace(base, sleep_growth=1.5), 8)
    start = optuna.trial.FixedTrial(space.first())
    assert space.suggest(start) == replace(space.base, decay=start.params["leak"] * -1 + 1)
    kinds: Any = start.distributions
    expected = {
        "rate": (2.0, RANGES["rate"][1]),
        "sleep_steps": (RANGES["sleep_steps"][0], 30000.0),
        "threshold_0": (0.01, 100.0),
        "threshold_1": (0.0025, 20.0),
        "slope": RANGES["slope"],
        "epochs": (1, 20),
    }
    assert {name: (kinds[name].low, kinds[name].high) for name in expected} == expected


@pytest.mark.parametrize("regulariser", ["none", "ewc"])
def test_every_learner_can_be_searched(regulariser: str) -> None:
    space = Space(preset("digits", learner="ff", regulariser=regulariser), 8)
    start = optuna.trial.FixedTrial(space.first())
    found = space.suggest(start)
    assert found == replace(space.base, decay=found.decay)
    assert ("strength" in start.distributions) == (regulariser == "ewc")


# --- places that are no study ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nosuch://me:secret@server/x", "sqlalchemy.dialects:nosuch"),
        ("mssql+pymssql://me:secret@server/x", "No module named 'pymssql'; install that driver"),
        ("sqlite:////no/folder/s.db", "unable to open database file"),
    ],
)
def test_databases_that_cannot_be_used(url: str, reason: str) -> None:
    with pytest.raises(JobError, match="cannot use the study ") as refused:
        run(url, 1)  # type: ignore[arg-type]
    assert reason in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [
        b"not a database, but long enough to be read as one" * 30,
        b'{"some": "json"}\n',
        b"[1, 2]\n",
        bytes(range(256)),
    ],
)
def test_a_file_that_is_no_study(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.db").write_bytes(content)
    with pytest.raises(JobError, match="cannot use the study file"):
        run(tmp_path / "s.db", 1)


def test_a_study_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot use the study file"):
        run(tmp_path / "no" / "s.db", 1)

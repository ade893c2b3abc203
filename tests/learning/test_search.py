"""The search finds a known optimum, resumes, and refuses to mix searches."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from neuro.errors import JobError
from neuro.learning.presets import Preset
from neuro.learning.search import Space, search

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
        say=options.get("say", lambda line: None),
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


@pytest.mark.parametrize("content", [b"not a database, but long enough to be read as one" * 30])
def test_a_file_that_is_no_study(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.db").write_bytes(content)
    with pytest.raises(JobError, match="cannot use the study file"):
        run(tmp_path / "s.db", 1)


def test_a_study_in_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="cannot use the study file"):
        run(tmp_path / "no" / "s.db", 1)

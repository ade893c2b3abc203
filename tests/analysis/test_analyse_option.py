"""``neuro continual --analyse``: same results, more files, kept with the seeds."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neuro import plotting
from neuro.analysis import SleepAnalyst
from neuro.cli import _continual_job as jobs, main
from neuro.cli._continual_analysis import CAPTIONS

QUICK = ["--images-per-task", "30", "--set", "sleep_steps=20", "--set", "hidden=20"]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # Sources may be edited while tests run.
    monkeypatch.setattr(jobs, "code_fingerprint", lambda: "code")
    # Enough to see that it is there.
    monkeypatch.setattr(jobs, "OLD_DATA_SHARES", (0.1, 0.5))
    monkeypatch.setattr(jobs, "SleepAnalyst", partial(SleepAnalyst, shuffles=19))


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but not drawn, which takes most of the time."""
    monkeypatch.setattr(plotting, "png", lambda figure: b"png")
    monkeypatch.setattr(plotting, "svg", lambda figure: "<svg/>")


def run(out: str, *options: str) -> int:
    return main(["continual", "--out", out, *QUICK, "--no-joint", *options])


def load(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(path).read_text())
    return found


def test_everything_is_analysed_and_nothing_is_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("plain", "--seeds", "0-1") == 0
    capsys.readouterr()
    assert run("run", "--seeds", "0-1", "--analyse") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert Path("run/metrics.json").read_bytes() == Path("plain/metrics.json").read_bytes()
    assert not Path("plain/analysis.json").exists()
    found, metrics = load("run/analysis.json"), load("run/metrics.json")
    assert [seed["seed"] for seed in found["seeds"]] == [0, 1]
    for seed, result in zip(found["seeds"], metrics["seeds"], strict=True):
        assert [sleep["task"] for sleep in seed["sleeps"]] == [0, 1, 2, 3, 4]
        assert seed["sleeps"][-1]["after"]["counts"] == result["confusion_after"]
        assert seed["sleeps"][1]["classes"] == [0, 1, 2, 3]
        assert np.shape(seed["sleeps"][1]["layers"][0]["before"]["matrix"]) == (4, 4)
    assert list(found["last_sleep"]) == ["hidden", "output"]
    curve = found["old_data"]
    assert curve["shares"] == [0.0, 0.1, 0.5]
    assert curve["asleep"] == [seed["final_accuracy"] for seed in metrics["seeds"]]
    baseline = metrics["baselines"]["sequential"]["seeds"]
    assert curve["awake"][0] == [seed["final_accuracy"] for seed in baseline]
    assert curve["awake"][-1] > curve["awake"][0]
    assert "Last sleep, hidden: classes alike" in printed and "old data" in printed
    pictures = {f"{name}.png" for name in CAPTIONS}
    assert pictures <= {path.name for path in Path("run").iterdir()}
    report = Path("run/report.html").read_text()
    assert report.count("data:image/svg+xml") == 5 + len(pictures)
    assert "<th>classes alike</th>" in report


@pytest.mark.usefixtures("undrawn")
def test_finished_seeds_are_taken_up_with_their_analyses(
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ["--seeds", "0", "--no-baselines"]
    assert run("run", *options) == 0
    capsys.readouterr()
    assert run("run", *options, "--analyse") == 0  # finished, but without analyses
    assert "kept from an earlier run" not in capsys.readouterr().out
    first = Path("run/analysis.json").read_bytes()
    assert json.loads(first)["old_data"] is None  # a baseline
    assert run("run", *options, "--analyse") == 0
    assert "kept from an earlier run" in capsys.readouterr().out
    assert Path("run/analysis.json").read_bytes() == first
    stored = next(Path("run/seeds").glob("analysis-sleep-*.json"))
    stored.write_text(stored.read_text().replace('"matrix"', '"metrix"'))
    assert run("run", *options, "--analyse") == 0  # of another version: run again
    assert "kept from an earlier run" not in capsys.readouterr().out
    assert Path("run/analysis.json").read_bytes() == first
    assert run("run", *options) == 0
    assert not Path("run/analysis.json").exists()  # it would not belong to this job


@pytest.mark.usefixtures("undrawn")
def test_old_data_is_compared_with_sleep_alone() -> None:
    assert run("run", "--seeds", "0", "--rehearsal", "0.1", "--analyse") == 0
    found, metrics = load("run/analysis.json"), load("run/metrics.json")
    assert found["condition"] == "sleep+rehearsal"
    alone = metrics["baselines"]["sleep"]["seeds"][0]["final_accuracy"]
    assert found["old_data"]["asleep"] == [alone]
    assert set(metrics["baselines"]) == {"sequential", "rehearsal", "sleep"}


def test_without_a_sleep_there_is_nothing_to_analyse(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "--sleep", "none", "--analyse") == 1
    assert "--analyse compares before and after sleep" in capsys.readouterr().err

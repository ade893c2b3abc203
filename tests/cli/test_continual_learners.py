"""``neuro continual`` with other learners, regularisers and scenarios."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from neuro.cli import _continual_job as jobs, main

QUICK = ["--dataset", "digits", "--images-per-task", "30", "--epochs", "2", "--seeds", "0"]
SMALL = ["--set", "hidden=20,20", "--set", "sleep_steps=20"]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "code_fingerprint", lambda: "code")


def run(*options: str) -> dict[str, Any]:
    assert main(["continual", "--out", "run", *QUICK, *options]) == 0
    found: dict[str, Any] = json.loads(Path("run/metrics.json").read_text())
    return found


def test_feed_forward_sleeps(capsys: pytest.CaptureFixture[str]) -> None:
    found = run("--learner", "ff", "--no-joint", *SMALL)
    assert (found["learner"], found["regulariser"], found["scenario"]) == ("ff", "none", "class")
    assert [len(s["spikes_per_layer"]) for s in found["seeds"][0]["sleep"]] == [4] * 5
    assert list(found["baselines"]) == ["sequential"]
    assert "digits, learner ff, accuracy after all tasks" in capsys.readouterr().out


def test_a_regulariser_is_compared_with_the_same_network_without() -> None:
    options = ["--learner", "ff", "--regulariser", "ewc", "--rehearsal", "0.1", *SMALL]
    found = run(*options, "--sleep", "none", "--joint", "--set", "strength=50")
    assert found["condition"] == "rehearsal"
    assert list(found["baselines"]) == ["plain", "sequential", "joint"]
    assert found["baselines"]["plain"]["seeds"][0]["images_trained"] == [30] * 5
    presets = {
        name: condition["preset"]
        for name, condition in json.loads(Path("run/config.json").read_text())["conditions"].items()
    }
    asked = presets["rehearsal"]
    assert (asked["regulariser"], asked["strength"]) == ("ewc", 50.0)
    assert presets["plain"] == {**asked, "regulariser": "none"}
    assert presets["joint"]["regulariser"] == "none"
    assert presets["joint"]["learner"] == "ff"


@pytest.mark.parametrize("learner", ["sg", "pc-chain", "pc"])
def test_importance_by_intervals_never_stands_without_its_controls(learner: str) -> None:
    request = jobs.Request(
        "digits", learner=learner, regulariser="isi-cv", settings=(("strength", 0.5),)
    )
    made = jobs.conditions(request)
    asked = made["sequential"].to_json()
    for name, regulariser in (("plain", "none"), ("uniform",) * 2, ("shuffled",) * 2):
        preset = {**asked["preset"], "regulariser": regulariser}
        assert made[name].to_json() == {**asked, "preset": preset}
    assert asked["preset"]["strength"] == 0.5
    assert len({request.label(name) for name in made}) == len(made)
    alone = jobs.Request("digits", learner=learner, regulariser="isi-cv", baselines=False)
    assert alone.names == ("sequential",)
    control = jobs.Request("digits", learner=learner, regulariser="uniform")
    assert "shuffled" not in control.names


def test_bptt_and_told_tasks() -> None:
    bptt = run("--learner", "bptt", "--sleep", "none", "--no-baselines", "--set", "hidden=20")
    assert bptt["learner"] == "bptt"
    told = run("--learner", "ff", "--scenario", "task", "--sleep", "none", "--no-baselines", *SMALL)
    assert told["scenario"] == "task"
    confusion = told["seeds"][0]["confusion_after"]
    outside = [confusion[i][j] for i in range(10) for j in range(10) if i // 2 != j // 2]
    assert not any(outside)


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({}, "digits-reference"),
        ({"learner": "ff", "regulariser": "si", "sleep": "none"}, "digits-ff-si-none"),
        ({"learner": "ff", "scenario": "task", "rehearsal": 0.05},
         "digits-ff-task-reference-rehearsal-0.05"),
    ],
)  # fmt: skip
def test_folders_are_named_after_what_is_not_the_default(
    options: dict[str, Any], folder: str
) -> None:
    assert jobs.Request("digits", **{"sleep": "reference", **options}).slug == folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--learner", "svm"], "no learner 'svm'; there are ep, bptt, ff"),
        (["--learner", "ff", "--regulariser", "l2"], "no regulariser 'l2'; there are none, ewc"),
        (["--regulariser", "ewc"], "regulariser 'ewc' goes with learner 'ff' only, not 'ep'"),
        (["--scenario", "domain"], "scenario is 'domain'; choose 'class' or 'task'"),
        (["--scenario", "task"], "learner 'ep' cannot be told the task"),
        (["--learner", "ff", "--set", "beta=1"], "beta means nothing to learner 'ff'"),
        (["--learner", "ff", "--preset", "ep.json"], "settings for learner 'ff', not 'ep'"),
        (["--learner", "ff", "--regulariser", "lwf", "--set", "loss=mse", "--sleep", "none"],
         "needs loss cross-entropy, the network has 'mse'"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("ep.json").write_text('{"learner": "ep", "rate": 3.0}')
    assert main(["continual", "--out", "run", *QUICK, *options]) != 0
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("run/metrics.json").exists()

"""``neuro continual --learner pc --online``: killed anywhere, it ends as if it never was."""

import json

import pytest

from neuro.cli import main
from neuro.models.predictive.columns import PredictiveColumns

SIZES = {"latents": 4, "columns": 12, "presentation": 8, "checkpoint_every": 4}
COMMAND = [
    *("continual", "--dataset", "digits", "--learner", "pc", "--online", "--seeds", "0"),
    *("--no-baselines", "--no-joint", "--images-per-class", "3", "--test-images", "8"),
    *(f"--set={name}={value}" for name, value in SIZES.items()),
]


def result(folder):
    found = json.loads((folder / "metrics.json").read_text())
    return found["seeds"][0]


def test_a_run_that_was_killed_goes_on_to_the_same_result(tmp_path, monkeypatch):
    assert main([*COMMAND, "--out", str(tmp_path / "whole")]) == 0
    learn, left = PredictiveColumns.learn, [17]

    def until_the_battery_is_empty(self, images, labels):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        assert len(images) == 1
        learn(self, images, labels)

    with monkeypatch.context() as patched:
        patched.setattr(PredictiveColumns, "learn", until_the_battery_is_empty)
        assert main([*COMMAND, "--out", str(tmp_path / "cut")]) != 0
    assert any((tmp_path / "cut" / "unfinished").rglob("task-*"))
    calls = []
    monkeypatch.setattr(
        PredictiveColumns, "learn", lambda s, *given: (calls.append(1), learn(s, *given))
    )
    assert main([*COMMAND, "--out", str(tmp_path / "cut")]) == 0
    assert len(calls) == 30 - 16  # two of the third task's six images were learned again
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    assert not any((tmp_path / "cut" / "unfinished").iterdir())


def test_online_is_for_columns(capsys):
    assert main(["continual", "--learner", "ep", "--online"]) != 0
    assert "--online is for --learner pc" in capsys.readouterr().err


@pytest.mark.parametrize("learner", ["ep", "pc"])
def test_the_strongest_settings_exist_for_both(learner):
    from neuro.learning.presets import best, preset

    for data in ("mnist", "fashion-mnist"):
        assert best(data, learner=learner) != preset(data, learner=learner)
    assert best("digits", learner=learner) == preset("digits", learner=learner)

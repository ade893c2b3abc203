"""Presets: what ships is complete, and overrides are checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neuro import datasets
from neuro.errors import DescriptionError, JobError
from neuro.learning.condition import condition
from neuro.learning.presets import Preset, best, parse_settings, preset, read_preset


@pytest.mark.parametrize("name", datasets.NAMES)
def test_every_data_set_has_presets(name: str) -> None:
    settings = preset(name)
    # The promise of the results page: at most 60,000 training images over five tasks.
    assert 5 * (settings.images_per_task or 300) <= 60_000
    assert settings.images_per_task is not None or name == "digits"
    assert settings.steps(4) > 0
    assert preset(name, joint=True).images_per_task is None


def test_unknown_preset() -> None:
    with pytest.raises(DescriptionError, match="no preset 'svhn'; there are digits, mnist"):
        preset("svhn")


def test_sleep_grows_from_task_to_task_and_may_begin_late() -> None:
    settings = preset("digits").with_values(
        {"sleep_steps": 900, "sleep_growth": 1 / 3, "sleep_from": 1}
    )
    assert [settings.steps(task) for task in range(5)] == [0, 1200, 1500, 1800, 2100]


def test_settings_from_texts() -> None:
    values = parse_settings(["epochs=3", "thresholds=0.5, 2", "window=none", "gate=hard"])
    assert values == {"epochs": 3, "thresholds": [0.5, 2], "window": None, "gate": "hard"}
    changed = preset("mnist").with_values(values)
    assert changed.thresholds == (0.5, 2.0)
    assert isinstance(changed.thresholds[1], float)
    assert changed.window is None and changed.epochs == 3
    flags = parse_settings(["feedback_spikes=True", "hidden=32", "rate=100"])
    changed = preset("mnist").with_values(flags)
    assert changed.feedback_spikes is True
    assert changed.hidden == (32,) and changed.rate == 100.0


@pytest.mark.parametrize("text", ["epochs", "=3", "epochs="])
def test_settings_need_key_and_value(text: str) -> None:
    with pytest.raises(DescriptionError, match="not of the form key=value"):
        parse_settings([text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch=3", "unknown setting 'epoch'; known are learner"),
        ("epochs=2.5", "epochs is 2.5; expected int"),
        ("epochs=true", "epochs is True; expected int"),
        ("rate=fast", "rate is 'fast'; expected float"),
        ("rate=nan", "rate is nan; it must be finite"),
        ("window=big", "window is 'big'; expected int"),
        ("thresholds=1,2,3", "thresholds has 3 value"),
        ("hidden=20,20", "learning_rates has 2 value"),
    ],
)
def test_wrong_settings_are_refused(text: str, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        preset("mnist").with_values(parse_settings([text]))


def test_presets_survive_json() -> None:
    settings = preset("mnist")
    assert preset("digits").with_values(json.loads(json.dumps(settings.to_json()))) == settings


def test_read_preset(tmp_path: Path) -> None:
    path = tmp_path / "best.json"
    path.write_text('{"rate": 33, "thresholds": [1.0, 2.0]}')
    read = read_preset(path, preset("mnist"))
    assert isinstance(read, Preset)
    assert (read.rate, read.thresholds, read.slope) == (33.0, (1.0, 2.0), preset("mnist").slope)


@pytest.mark.parametrize(
    ("content", "message"), [("[1]", "JSON object"), ("{", "cannot read preset file")]
)
def test_bad_preset_files(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "best.json").write_text(content)
    with pytest.raises(JobError, match=message):
        read_preset(tmp_path / "best.json", preset("mnist"))


def test_missing_preset_file(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"cannot read preset file .*no\.json"):
        read_preset(tmp_path / "no.json", preset("mnist"))


@pytest.mark.parametrize("rehearsal", [0.0, 0.02])
def test_best_settings_are_reached_by_name_and_may_be_changed(rehearsal: float) -> None:
    made = condition("mnist", preset="best", sleep="brian2", rehearsal=rehearsal)
    assert made.preset == best("mnist") != preset("mnist")
    assert made.protocol.images_per_task == made.preset.images_per_task
    changed = condition("mnist", preset="best", rehearsal=rehearsal, settings={"epochs": 7})
    assert changed.preset.epochs == 7 and changed.preset.hidden == made.preset.hidden


def test_best_is_the_ordinary_set_where_none_stronger_was_found() -> None:
    assert best("digits") == preset("digits")
    assert best("mnist", learner="bptt") == preset("mnist", learner="bptt")
    assert best("mnist", joint=True) == preset("mnist", joint=True)
    assert best("mnist", learner="ff", regulariser="si").regulariser == "si"
    with pytest.raises(DescriptionError, match="no preset 'svhn'"):
        best("svhn")
    with pytest.raises(DescriptionError, match="no preset 'svhn'"):
        condition("svhn", preset="best")

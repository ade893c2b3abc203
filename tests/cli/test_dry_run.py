"""``--dry-run`` checks like a run, says what is left to do, and leaves no trace."""

import json

import pytest

from neuro.cli import _continual_job, main
from neuro.models import comparison

QUICK = ["--images-per-task", "20", "--set", "sleep_steps=5", "--set", "hidden=9", "--no-joint"]
TABLE = """
[table]
datasets = ["digits"]
seeds = "0-1"
images_per_task = 20
set.hidden = 9
[[row]]
name = "EP"
[[row]]
name = "EP again, from one seed"
seeds = [0]
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for module in (_continual_job, comparison):  # sources may be edited while tests run
        monkeypatch.setattr(module, "code_fingerprint", lambda: "code")


def said(capsys, *arguments):
    assert main([*arguments, "--dry-run"]) == 0
    return capsys.readouterr().out


def counted(printed):
    """Runs and finished ones by what they are."""
    lines = [line.rsplit(maxsplit=2) for line in printed.splitlines()]
    return {
        words[0].strip(): (int(words[1]), int(words[2]))
        for words in lines
        if len(words) == 3 and words[1].isdigit() and words[2].isdigit()
    }


def test_continual_before_and_after(capsys, tmp_path):
    command = ["continual", "--seeds", "0-1", *QUICK, "--out", "run"]
    printed = said(capsys, *command)
    assert counted(printed) == {"sleep": (2, 0), "sequential, no sleep": (2, 0)}
    assert "4 run(s) to do" in printed and "hidden=(9,)" in printed
    assert "1437 training" in printed
    assert list(tmp_path.iterdir()) == []
    assert main([*command[:2], "1", *command[3:], "--no-baselines"]) == 0
    capsys.readouterr()
    before = sorted(path.name for path in (tmp_path / "run").rglob("*"))
    printed = said(capsys, *command)
    assert counted(printed) == {"sleep": (2, 1), "sequential, no sleep": (2, 0)}
    assert "3 run(s) to do" in printed
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == before
    assert counted(said(capsys, *command, "--fresh"))["sleep"] == (2, 0)
    assert counted(said(capsys, *command, "--analyse"))["sleep"] == (2, 0)


def test_what_cannot_be_is_refused_as_in_a_run(capsys, tmp_path):
    for command, reason in (
        (["continual", "--sleep", "nest"], "unknown --sleep 'nest'"),
        (["continual", "--set", "hiden=9"], "hiden"),
        (["reactivate", "--pools", "stochastic"], "add --spiking"),
        (["tune", "--trials", "0"], "at least 1"),
    ):
        assert main([*command, "--dry-run"]) == 1
        assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_before_and_after(capsys, tmp_path):
    (tmp_path / "table.toml").write_text(TABLE)
    command = ["compare", "table.toml", "--out", "run"]
    expected = {"EP, digits": (2, 0), "EP again, from one seed, digits": (1, 0)}
    assert counted(said(capsys, *command)) == expected
    assert not (tmp_path / "run").exists()
    assert main([*command, "--seeds", "0", "--jobs", "1"]) == 0
    capsys.readouterr()
    expected = {"EP, digits": (2, 1), "EP again, from one seed, digits": (1, 1)}
    assert counted(said(capsys, *command)) == expected


def test_the_others(capsys, tmp_path):
    printed = said(capsys, "sensitivity", "--parameters", "rate", "--factors", "2", "--seeds", "0")
    assert counted(printed) == dict.fromkeys(
        ("as it is, digits", "no sleep, digits", "rate ×2, digits"), (1, 0)
    )
    assert "6000 batches a seed" in said(capsys, "reactivate", "--task", "anchor")
    assert "epochs=2" in said(capsys, "tune", "--study", "digits.study")
    assert list(tmp_path.iterdir()) == []


def test_continual_as_json(capsys):
    assert main(["continual", "--seeds", "0", *QUICK, "--no-baselines", "--json"]) == 0
    printed = capsys.readouterr()
    metrics = json.loads(printed.out)
    assert [seed["seed"] for seed in metrics["seeds"]] == [0]
    assert "sleep, seed 0" in printed.err

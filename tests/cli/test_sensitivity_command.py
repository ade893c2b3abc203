"""``neuro sensitivity`` as a person meets it, on tiny networks."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from neuro.cli import main
from neuro.models import comparison as driver
from neuro.workers import is_alive

SMALL = [
    *("--set", "hidden=20", "--set", "images_per_task=30", "--set", "sleep_steps=40"),
    *("--set", "epochs=1", "--seeds", "0-1", "--factors", "0.5"),
]

# Sources may be edited while tests run; that they count is tested elsewhere.
COMMAND = """
import sys
import neuro.models.comparison as driver
driver.code_fingerprint = lambda: "code"
from neuro.cli import main
sys.exit(main(["sensitivity", *sys.argv[1:]]))
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(driver, "code_fingerprint", lambda: "code")


def test_a_study_is_written_in_all_its_forms_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sensitivity", *SMALL, "--parameters", "rate, leak", "--jobs", "2"]
    assert main(arguments) == 0
    captured = capsys.readouterr()
    folder = tmp_path / "results" / "sensitivity-digits"
    # The base, no sleep, half the rate, half the leak: two seeds each.
    assert captured.err.count(" %") == 8
    assert "With the settings as they are:" in captured.out
    content = json.loads((folder / "metrics.json").read_text())
    assert (content["job"], content["evaluated_on"]) == ("sensitivity", "validation")
    assert sorted(curve["parameter"] for curve in content["curves"]) == ["leak", "rate"]
    lines = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    assert len(lines) == 4 and {line["n"] for line in lines} == {"2"}
    for name in ("sensitivity.svg", "sensitivity.png", "table.md", "report.html", "config.json"):
        assert (folder / name).stat().st_size > 300
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("kept from an earlier run") == 8
    assert json.loads(captured.out) == content
    # Another factor computes only what is new.
    assert main([*arguments, "--factors", "0.5,2", "--parameters", "rate"]) == 0
    said = capsys.readouterr().err.splitlines()
    new = [line for line in said if "kept from an earlier run" not in line]
    assert [line.partition(",")[0] for line in new] == ["rate ×2"] * 2


@pytest.mark.slow
def test_points_are_what_continual_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sensitivity", *SMALL, "--parameters", "leak", "--out", "s"]) == 0
    (curve,) = json.loads(Path("s/metrics.json").read_text())["curves"]
    half = curve["points"][0]
    told = [*SMALL[:8], "--set", f"decay={1 - half['value']!r}", "--seeds", "0-1"]
    run = ["continual", *told, "--evaluate-on", "validation", "--no-baselines", "--out", "c"]
    assert main(run) == 0
    seeds = json.loads(Path("c/metrics.json").read_text())["seeds"]
    assert list(half["accuracies"].values()) == [seed["final_accuracy"] for seed in seeds]


def test_failed_runs_are_named_and_the_rest_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--parameters", "decrement", "--set", "decrement=1e300", "--factors", "1e5"]
    assert main(["sensitivity", *SMALL, *options, "--out", "s"]) == 1
    captured = capsys.readouterr()
    assert "runs failed; the tables name them" in captured.err
    assert "Failed: decrement ×100000, digits, seed 0: " in captured.out
    assert Path("s/report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--factors", "a,b"], "--factors 'a,b' is no list of numbers; write e.g. 0.25,0.5,2,4"),
        (["--factors", "0"], "factor 0 is impossible"),
        (["--parameters", "rat"], "no parameter 'rat' to vary (or it is 0 or unused); there are r"),
        (["--sleep", "none"], "--sleep none leaves nothing to vary"),
        (["--sleep", "deep"], "unknown --sleep 'deep'"),
        (["--jobs", "0"], "--jobs 0: give at least 1"),
        (["--rehearsal", "2"], "--rehearsal 2 is no fraction"),
        (["--factors", "1000", "--parameters", "leak"], "decay of SleepConfig is"),
        (["--preset", "no.json"], "cannot read preset file no.json"),
    ],
)
def test_refuses(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["sensitivity", *arguments]) == 1
    said = capsys.readouterr().err
    assert message in said and said.startswith("neuro: ")
    assert not (tmp_path / "results").exists()


@pytest.mark.slow  # the machinery is that of neuro compare
def test_an_interruption_keeps_what_is_finished(tmp_path: Path) -> None:
    slow = ["--parameters", "rate", "--jobs", "2", "--out", "s"]
    # The second row never sleeps and so is finished at once; the others take minutes.
    slow += [*SMALL, "--set", "sleep_steps=20000000"]
    running = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *slow], stderr=subprocess.PIPE, start_new_session=True
    )
    end = time.monotonic() + 120
    while not list(tmp_path.glob("s/cells/*.json")):
        assert time.monotonic() < end and running.poll() is None
        time.sleep(0.1)
    workers = children(running.pid)
    assert workers
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    last = said.decode().splitlines()[-1]
    assert last.startswith("neuro: interrupted; ") and "are finished and kept in s: the" in last
    assert not (tmp_path / "s" / "metrics.json").exists()
    while any(is_alive(pid) for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]

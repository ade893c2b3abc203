"""``neuro compare`` as a person (or a script) meets it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from neuro import datasets
from neuro.cli import main
from neuro.models import comparison as driver, comparison_processes as processes
from neuro.models.comparison_cell import Event, Started, run_task

TABLE = """
[table]
title = "Two ways"
datasets = ["digits"]
seeds = "0-1"
images_per_task = 30
epochs = 1
set.hidden = 20

[[row]]
name = "EP"

[[row]]
name = "sleep"
sleep = "reference"
set.sleep_steps = 20
"""
FAILING = '\n[[row]]\nname = "fails"\nseeds = [0]\nsleep = "reference"\nset.window = 99\n'
ENDLESS = '\n[[row]]\nname = "endless"\nseeds = [5]\nepochs = 1000000\n'

# Sources may be edited while tests run; that they count is tested elsewhere.
COMMAND = """
import sys
import neuro.models.comparison as driver
driver.code_fingerprint = lambda: "code"
from neuro.cli import main
sys.exit(main(["compare", *sys.argv[1:]]))
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data of this machine, no network, results under tmp_path."""
    monkeypatch.delenv("NEURO_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def offline(*arguments: Any) -> None:
        raise OSError("offline")

    monkeypatch.setattr(datasets, "_download", offline)
    monkeypatch.setattr(driver, "code_fingerprint", lambda: "code")
    (tmp_path / "two.toml").write_text(TABLE)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells run in this process, which is quicker."""

    def call(self: processes.Processes, tasks: Any) -> Iterator[Event]:
        for task in tasks:
            yield Started(task)
            yield run_task(task, lambda *report: None)

    monkeypatch.setattr(processes.Processes, "__call__", call)


def metrics(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return found


# --- what it writes and says -----------------------------------------------------------------


def test_tables_in_all_forms_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "two.toml", "--jobs", "2"]) == 0
    printed = capsys.readouterr()
    out = tmp_path / "results/two"
    groups = metrics(out)["groups"]
    assert [(g["row"], g["dataset"], g["n"]) for g in groups] == [
        ("EP", "digits", 2),
        ("sleep", "digits", 2),
    ]
    with (out / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    markdown = (out / "table.md").read_text()
    report = (out / "report.html").read_text()
    for group, row in zip(groups, rows, strict=True):
        accuracies = [seed["final_accuracy"] for seed in group["seeds"]]
        assert group["mean"] == pytest.approx(sum(accuracies) / 2)
        assert float(row["mean"]) == group["mean"] and float(row["sd"]) == group["sd"]
        text = f"{100 * group['mean']:.1f} ± {100 * group['sd']:.1f}"
        for form in (markdown, report, printed.out):
            assert text in form
    assert "# Two ways" in markdown and "Two ways" in report and "Two ways" in printed.out
    assert report.count("data:image/svg+xml") == 1 and (out / "comparison-digits.png").exists()
    assert json.loads((out / "config.json").read_text())["rows"][1]["name"] == "sleep"
    # One line a cell beside the table, in whatever order they ended.
    told = sorted(line.split(":")[0] for line in printed.err.splitlines())
    assert told == [f"{row}, digits, seed {seed}" for row in ("EP", "sleep") for seed in (0, 1)]
    assert max(map(len, printed.out.splitlines()[:-1])) <= 80

    # Again: the same, at once, from what was kept.
    before = (out / "metrics.json").read_bytes()
    assert main(["compare", "two.toml", "--json"]) == 0
    printed = capsys.readouterr()
    assert printed.err.count("kept from an earlier run") == 4
    assert json.loads(printed.out) == metrics(out)
    assert (out / "metrics.json").read_bytes() == before


@pytest.mark.usefixtures("here")
def test_a_failed_cell_is_named_and_the_status_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.toml").write_text(TABLE + FAILING)
    for _ in range(2):
        assert main(["compare", "two.toml", "--out", "run", "--seeds", "0"]) == 1
        printed = capsys.readouterr()
        *_, last = printed.err.splitlines()
        assert last == (
            "neuro: 1 of 3 runs failed; the table names them, and the same command tries them again"
        )
        assert "Failed: fails, digits, seed 0: " in printed.out
        assert "fails, digits, seed 0: failed: " in printed.err
    assert printed.err.count("kept from an earlier run") == 2
    out = tmp_path / "run"
    assert [g["n"] for g in metrics(out)["groups"]] == [1, 1, 0]
    for name in ("table.md", "report.html"):
        assert "Failed: fails, digits, seed 0: " in (out / name).read_text()
    # Taken out of the file, all is well.
    (tmp_path / "two.toml").write_text(TABLE)
    assert main(["compare", "two.toml", "--out", "run", "--seeds", "0"]) == 0
    assert "ail" not in (out / "table.md").read_text().replace("failed |", "")


@pytest.mark.usefixtures("here")
def test_seeds_of_the_command_replace_those_of_the_file(tmp_path: Path) -> None:
    assert main(["compare", "two.toml", "--seeds", "7"]) == 0
    (first, *_) = metrics(tmp_path / "results/two")["groups"]
    assert [seed["seed"] for seed in first["seeds"]] == [7]


def test_help_teaches(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["compare", "--help"]) == 0
    text = capsys.readouterr().out
    for taught in (
        "[[row]]",
        'name = "EP + sleep"',
        "set.sleep_steps = 2000",
        "neuro compare sleep.toml --jobs 2",
        "examples/paper_comparison.toml",
        "--executor",
        "--scheduler",
        "'neuro[dask]'",
        "continues after an interruption",
    ):
        assert taught in " ".join(text.split()) or taught in text, taught


def test_the_example_of_the_help_is_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from neuro.learning.comparison import read_comparison

    monkeypatch.setenv("COLUMNS", "80")
    main(["compare", "--help"])
    text = capsys.readouterr().out
    start, end = text.index(" [table]"), text.index(" neuro compare sleep.toml")
    (tmp_path / "sleep.toml").write_text(text[start:end])
    table = read_comparison(tmp_path / "sleep.toml")
    assert [(row.name, len(row.seeds)) for row in table.rows] == [("EP", 5), ("EP + sleep", 5)]


# --- what it refuses -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no.toml"], "cannot read no.toml: No such file"),
        (["two.toml", "--jobs", "0"], "--jobs 0: give at least 1"),
        (["two.toml", "--executor", "slurm"], "unknown --executor 'slurm'; choose local or dask"),
        (["two.toml", "--scheduler", "a:1"], "--scheduler a:1 goes with --executor dask; add that"),
        (
            ["two.toml", "--executor", "dask", "--scheduler", "a:1", "--jobs", "2"],
            "--jobs 2 is for workers of this machine",
        ),
        (["two.toml", "--seeds", "9-1"], "--seeds '9-1' is empty"),
        (["two.toml", "--data-root", "nowhere"], "'nowhere' is not a folder that exists"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", *arguments]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and error.startswith("neuro: ") and error.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_without_dask_the_error_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["compare", "two.toml", "--executor", "dask"]) == 1
    assert "run: pip install dask distributed (or: pip install 'neuro[dask]')" in (
        capsys.readouterr().err
    )


# --- interruption of the real command --------------------------------------------------------


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, which is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        if group_lives(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.stderr.read()  # type: ignore[union-attr]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def nobody_left(group: int) -> bool:
    """Whether all processes of a group end, within half a minute."""
    deadline = time.monotonic() + 30
    while group_lives(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not group_lives(group)


@pytest.mark.parametrize(
    ("how", "executor"),
    [
        ("killed", "local"),
        # As tests/models/test_comparison.py has it, which is faster.
        pytest.param("interrupted", "local", marks=pytest.mark.slow),
        pytest.param("interrupted", "dask", marks=pytest.mark.slow),
    ],
)
def test_what_is_finished_survives(
    how: str, executor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if executor == "dask":
        pytest.importorskip("distributed")
    out = tmp_path / "run"
    (tmp_path / "long.toml").write_text(TABLE + ENDLESS)
    with command(
        "long.toml", "--out", "run", "--jobs", "2", "--executor", executor
    ) as process:
        wait_until(lambda: len(list(out.glob("cells/*.json"))) == 4, process)
        if how == "killed":
            process.kill()
        else:  # as a terminal does it: workers as well
            os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert nobody_left(process.pid)
    if how == "interrupted":
        assert process.returncode == 130
        assert error.splitlines()[-1] == (
            "neuro: interrupted; 4 of 5 runs are finished and kept in run: the same command "
            "continues there"
        )
        assert "Traceback" not in error
    assert not (out / "metrics.json").exists() and not (out / "table.md").exists()
    for path in out.rglob("*.json"):
        json.loads(path.read_text())  # nothing half-written
    # On from there: the endless row now ends, the others are kept.
    (tmp_path / "long.toml").write_text(TABLE + ENDLESS.replace("1000000", "2"))
    assert main(["compare", "long.toml", "--out", "run", "--jobs", "1"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert sum("kept from an earlier run" in line for line in told) == 4 == len(told) - 1
    assert not list(out.rglob(".*.json.*"))
    assert [g["n"] for g in metrics(out)["groups"]] == [2, 2, 1]

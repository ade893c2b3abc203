"""Running a table: the same numbers wherever cells run, and what survives what."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from neuro.datasets import Dataset, load
from neuro.errors import JobError
from neuro.learning.comparison import Cell, Comparison, read_comparison
from neuro.models import comparison as driver
from neuro.models.comparison import Outcome, Watcher, run_comparison
from neuro.models.comparison_cell import Ended, Event, Executor, Started, Task, run_task
from neuro.models.comparison_processes import Processes
from neuro.models.continual import run
from neuro.results import RunFolder

TABLE = """
[table]
datasets = ["digits"]
seeds = "0-1"
images_per_task = 30
epochs = 1
set.hidden = 20
"""
EP = '[[row]]\nname = "EP"\n'
SLEEP = '[[row]]\nname = "sleep"\nsleep = "reference"\nset.sleep_steps = 20\n'
FF = '[[row]]\nname = "ff"\nlearner = "ff"\nregulariser = "ewc"\nset.hidden = [9, 8]\n'
FAILING = '[[row]]\nname = "fails"\nsleep = "reference"\nset.window = 99\nset.sleep_steps = 2\n'
ENDLESS = '[[row]]\nname = "endless"\nepochs = 1000000\nseeds = [0]\n'


@pytest.fixture(autouse=True)
def same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sources may be edited while tests run; that they count is tested by itself.
    monkeypatch.setattr(driver, "code_fingerprint", lambda: "code")


@pytest.fixture(scope="module")
def data() -> dict[str, Dataset]:
    return {"digits": load("digits")}


@pytest.fixture
def heeds_control_c() -> Generator[None]:
    """A shell without job control starts what runs behind it with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def table(folder: Path, *rows: str) -> Comparison:
    path = folder / "table.toml"
    path.write_text(TABLE + "".join(rows))
    return read_comparison(path)


def here(tasks: Sequence[Task]) -> Generator[Event]:
    """Run cells in this process."""
    for task in tasks:
        yield Started(task)
        yield run_task(task, lambda *report: None)


def nowhere(tasks: Sequence[Task]) -> Generator[Event]:
    """Nothing is left to run."""
    assert not tasks
    yield from ()


class Recorder(Watcher):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.total = 0
        self.told: list[tuple[str, Cell]] = []
        self.moves: list[tuple[str, int, int]] = []
        self.outcomes: list[Outcome] = []

    def begin(self, total: int) -> None:
        self.total = total

    def started(self, cell: Cell) -> None:
        self.told.append(("started", cell))

    def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
        self.told.append(("moved", cell))
        self.moves.append((what, done, total))

    def finished(self, outcome: Outcome) -> None:
        self.told.append(("finished", outcome.cell))
        self.outcomes.append(outcome)

    @property
    def started_rows(self) -> list[str]:
        return [cell.row for what, cell in self.told if what == "started"]


def watched(
    comparison: Comparison,
    data: dict[str, Dataset],
    folder: Path,
    executor: Executor = here,
    **options: Any,
) -> tuple[list[Outcome], Recorder]:
    recorder = Recorder()
    outcomes = run_comparison(
        comparison, data, RunFolder(folder), executor=executor, watcher=recorder, **options
    )
    return outcomes, recorder


# --- in worker processes ---------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_cell_is_the_run_of_its_condition(
    jobs: int, data: dict[str, Dataset], tmp_path: Path
) -> None:
    comparison = table(tmp_path, EP, SLEEP, FF)
    outcomes, recorder = watched(comparison, data, tmp_path / "run", Processes(jobs))
    assert [o.cell for o in outcomes] == list(comparison.cells)
    with threadpool_limits(1):
        for cell, outcome in zip(comparison.cells, outcomes, strict=True):
            made = cell.condition
            expected = run(
                data["digits"], made.preset, made.protocol, cell.seed, sleep_backend=made.backend
            )
            assert outcome.result == expected
            assert outcome.seconds > 0 and not outcome.kept and outcome.error == ""
    assert len(outcomes[1].result.sleep) == 5  # type: ignore[union-attr]
    assert recorder.total == 6
    # Each cell begins, then ends; a kept table says the same.
    for cell in comparison.cells:
        told = [what for what, of in recorder.told if of == cell]
        assert (told[0], told[-1]) == ("started", "finished")
    again, _ = watched(comparison, data, tmp_path / "run", nowhere)
    assert [o.result for o in again] == [o.result for o in outcomes]
    assert all(o.kept for o in again)
    assert multiprocessing.active_children() == []


def test_a_killed_worker_costs_its_cell_only(data: dict[str, Dataset], tmp_path: Path) -> None:
    comparison = table(tmp_path, ENDLESS, EP)

    class Killer(Recorder):
        def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
            super().moved(cell, what, done, total)
            if cell.row == "endless":
                (child,) = multiprocessing.active_children()
                child.kill()

    watcher = Killer()
    folder = RunFolder(tmp_path / "run")
    outcomes = run_comparison(
        comparison, data, folder, executor=Processes(1), watcher=watcher
    )
    assert [(o.cell.row, o.result is None) for o in outcomes] == [
        ("endless", True),
        ("EP", False),
        ("EP", False),
    ]
    assert outcomes[0].error == "its process died: was it killed, or out of memory?"
    # Progress was told: what is done, how much of how much.
    what, done, total = watcher.moves[0]
    assert what and 0 < done <= total
    assert multiprocessing.active_children() == []
    # It would be tried again, and nothing else.
    given: list[Task] = []

    def note(tasks: Sequence[Task]) -> Generator[Event]:
        for task in tasks:
            given.append(task)
            yield Ended(task, None, "noted")

    watched(comparison, data, tmp_path / "run", note)
    assert [task.cell.row for task in given] == ["endless"]


def test_control_c_ends_the_workers_and_keeps_what_is_finished(
    data: dict[str, Dataset], tmp_path: Path, heeds_control_c: None
) -> None:
    comparison = table(tmp_path, EP, ENDLESS)

    class Interrupter(Recorder):
        def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
            if cell.row == "endless":
                os.kill(os.getpid(), signal.SIGINT)

    folder = RunFolder(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        run_comparison(
            comparison, data, folder, executor=Processes(1), watcher=Interrupter()
        )
    assert multiprocessing.active_children() == []
    assert [len(list((tmp_path / "run/cells").glob("*")))] == [1]  # EP, seed 0


def test_jobs_below_one() -> None:
    with pytest.raises(JobError, match="jobs is 0; give at least 1"):
        Processes(0)


# --- what is kept ----------------------------------------------------------------------------


def test_a_failed_cell_does_not_stop_the_others_and_is_tried_again(
    data: dict[str, Dataset], tmp_path: Path
) -> None:
    comparison = table(tmp_path, FAILING, EP)
    for _ in range(2):
        outcomes, recorder = watched(comparison, data, tmp_path / "run")
        failed = [o for o in outcomes if o.result is None]
        assert [o.cell.row for o in failed] == ["fails", "fails"]
        assert "window" in failed[0].error and "\n" not in failed[0].error
        assert recorder.started_rows.count("fails") == 2
    assert recorder.started_rows == ["fails", "fails"]  # EP was kept
    assert len(list((tmp_path / "run/cells").glob("*.json"))) == 2


def test_interrupted_between_cells(data: dict[str, Dataset], tmp_path: Path) -> None:
    comparison = table(tmp_path, EP, SLEEP)
    whole, _ = watched(comparison, data, tmp_path / "whole")

    def stops(tasks: Sequence[Task]) -> Generator[Event]:
        yield from here(tasks[:3])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(comparison, data, tmp_path / "run", stops)
    outcomes, recorder = watched(comparison, data, tmp_path / "run")
    assert len(recorder.started_rows) == 1
    assert [o.kept for o in outcomes] == [True, True, True, False]
    assert [o.result for o in outcomes] == [o.result for o in whole]


def test_only_what_changed_runs(
    data: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    watched(table(tmp_path, EP, SLEEP), data, folder)
    # Other names, order, titles: nothing to run.
    renamed = SLEEP.replace('"sleep"', '"replay"')
    outcomes, _ = watched(table(tmp_path, renamed, EP), data, folder, nowhere)
    assert [o.cell.row for o in outcomes] == ["replay", "EP"] * 2
    # A setting of one row, and a new seed of another.
    _, recorder = watched(
        table(tmp_path, EP + 'seeds = "0-2"\n', SLEEP.replace("20", "21")), data, folder
    )
    assert recorder.started_rows == ["sleep", "sleep", "EP"]
    # Data and code count too.
    with monkeypatch.context() as patch:
        patch.setattr(Dataset, "fingerprint", lambda self: "other")
        _, recorder = watched(table(tmp_path, EP), data, folder)
        assert recorder.started_rows == ["EP", "EP"]
    monkeypatch.setattr(driver, "code_fingerprint", lambda: "other")
    _, recorder = watched(table(tmp_path, EP), data, folder)
    assert recorder.started_rows == ["EP", "EP"]


def test_rows_that_ask_for_the_same_run_share_it(
    data: dict[str, Dataset], tmp_path: Path
) -> None:
    comparison = table(tmp_path, EP, EP.replace("EP", "twin"))
    outcomes, recorder = watched(comparison, data, tmp_path / "run")
    assert recorder.total == 2 and recorder.started_rows == ["EP", "EP"]
    assert [o.cell for o in outcomes] == list(comparison.cells)
    assert outcomes[0].result == outcomes[1].result != outcomes[2].result


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "lacks", "list"])
def test_a_damaged_file_is_computed_again(
    damage: str, data: dict[str, Dataset], tmp_path: Path
) -> None:
    comparison = table(tmp_path, EP)
    before, _ = watched(comparison, data, tmp_path / "run")
    path = sorted((tmp_path / "run/cells").iterdir())[0]
    text = path.read_text()
    content = json.loads(text)
    lacking = {**content, "result": {"seed": 0}}
    path.write_text(
        {
            "cut": text[: len(text) // 2],
            "empty": "",
            "other": json.dumps({**content, "key": "another"}),
            "lacks": json.dumps(lacking),
            "list": "[]",
        }[damage]
    )
    after, recorder = watched(comparison, data, tmp_path / "run")
    assert len(recorder.started_rows) == 1
    assert [o.result for o in after] == [o.result for o in before]
    assert json.loads(path.read_text())["result"] == content["result"]


def test_a_result_that_cannot_be_written_stops_the_table(
    data: dict[str, Dataset], tmp_path: Path
) -> None:
    closed = False

    def removes(tasks: Sequence[Task]) -> Generator[Event]:
        nonlocal closed
        try:
            (tmp_path / "run/cells").rename(tmp_path / "run/gone")
            yield from here(tasks)
        finally:
            closed = True

    with pytest.raises(JobError, match="cannot write .*cells"):
        watched(table(tmp_path, EP), data, tmp_path / "run", removes)
    assert closed  # the workers were told to end


def test_the_data_of_a_worker_must_be_those_of_the_command(
    data: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = table(tmp_path, EP)
    outcomes, _ = watched(comparison, data, tmp_path / "run", data_root=tmp_path / "nowhere")
    assert "is not a folder that exists" in outcomes[0].error
    monkeypatch.setattr(Dataset, "fingerprint", lambda self, n=[0]: n.append(0) or str(len(n)))
    outcomes, _ = watched(comparison, data, tmp_path / "run")
    assert "is not the one of the command: give both the same files" in outcomes[0].error

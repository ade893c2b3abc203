"""Cells of a comparison on a Dask cluster of two processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neuro.datasets import load
from neuro.errors import JobError
from neuro.learning.comparison import Cell, Comparison, read_comparison
from neuro.models import comparison as driver, comparison_dask
from neuro.models.comparison import Outcome, Watcher, run_comparison
from neuro.models.comparison_cell import Executor
from neuro.models.comparison_dask import DaskCluster
from neuro.models.comparison_processes import Processes
from neuro.report import versions
from neuro.results import RunFolder

distributed = pytest.importorskip("distributed")

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
# Some seconds, to be killed in.
LONG = '[[row]]\nname = "long"\nseeds = [0]\nepochs = 300\n'


@pytest.fixture(autouse=True)
def same_code(monkeypatch: pytest.MonkeyPatch) -> None:
    # Sources may be edited while tests run; that they count is tested by itself.
    monkeypatch.setattr(driver, "code_fingerprint", lambda: "code")
    monkeypatch.setattr(comparison_dask, "software", versions)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with comparison_dask.local_cluster(2) as made:
        yield made


def table(folder: Path, *rows: str) -> Comparison:
    path = folder / "table.toml"
    path.write_text(TABLE + "".join(rows))
    return read_comparison(path)


def ran(
    comparison: Comparison,
    folder: Path,
    executor: Executor,
    watcher: Watcher | None = None,
    **options: Any,
) -> list[Outcome]:
    data = {"digits": load("digits")}
    return run_comparison(
        comparison, data, RunFolder(folder), executor=executor, watcher=watcher, **options
    )


class Moves(Watcher):
    """Notes which cells said how far they are."""

    def __init__(self) -> None:
        self.started_cells: list[Cell] = []
        self.moved_cells: set[Cell] = set()

    def started(self, cell: Cell) -> None:
        self.started_cells.append(cell)

    def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
        assert what and 0 < done <= total
        self.moved_cells.add(cell)


@pytest.mark.slow
def test_same_results_as_processes_of_this_machine(cluster: Any, tmp_path: Path) -> None:
    comparison = table(tmp_path, EP, SLEEP)
    watcher = Moves()
    there = DaskCluster(address=cluster.scheduler_address)
    outcomes = ran(comparison, tmp_path / "dask", there, watcher)
    local = ran(comparison, tmp_path / "local", Processes(2))
    assert [o.result for o in outcomes] == [o.result for o in local]
    assert None not in [o.result for o in outcomes]
    # Reports of a run this short may come after its end, and are left out then.
    assert set(watcher.started_cells) <= set(comparison.cells)
    # The command wrote them: it goes on from there, without a cluster too.
    again = ran(comparison, tmp_path / "dask", Processes(1))
    assert all(o.kept for o in again) and [o.result for o in again] == [o.result for o in local]


class Killer(Moves):
    """Kills the workers of a cluster, ``times`` times, while a cell runs."""

    def __init__(self, cluster: Any, times: int) -> None:
        super().__init__()
        self.cluster, self.times = cluster, times

    def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
        super().moved(cell, what, done, total)
        if self.times:
            self.times -= 1
            for nanny in self.cluster.workers.values():
                os.kill(nanny.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_workers_cell_is_tried_on_another(cluster: Any, tmp_path: Path) -> None:
    comparison = table(tmp_path, LONG)
    watcher = Killer(cluster, 1)
    executor = DaskCluster(address=cluster.scheduler_address)
    (outcome,) = ran(comparison, tmp_path / "dask", executor, watcher)
    (local,) = ran(comparison, tmp_path / "local", Processes(1))
    assert outcome.result == local.result is not None
    assert len(watcher.started_cells) == 2
    assert watcher.moved_cells == set(comparison.cells)


def test_a_cell_that_kills_its_workers_is_reported_and_tried_again(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    comparison = table(tmp_path, LONG)
    executor = DaskCluster(address=cluster.scheduler_address)
    for kills, error in ((1, "its workers died: were they killed, or out of memory?"), (0, "")):
        (outcome,) = ran(comparison, tmp_path / "run", executor, Killer(cluster, kills))
        assert outcome.error == error
        assert (outcome.result is None) == bool(kills)


def test_what_a_worker_lacks_fails_its_cells_only(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = table(tmp_path, EP)
    executor = DaskCluster(address=cluster.scheduler_address)
    outcomes = ran(comparison, tmp_path / "run", executor, data_root=tmp_path / "elsewhere")
    assert [o.result for o in outcomes] == [None, None]
    assert f"data folder '{tmp_path / 'elsewhere'}' is not a folder" in outcomes[0].error
    monkeypatch.setattr(comparison_dask, "software", lambda: {**versions(), "torch": "0.1"})
    outcomes = ran(comparison, tmp_path / "run", executor)
    assert "has another torch than the command (" in outcomes[1].error
    assert "not 0.1); install the same there" in outcomes[1].error


def test_no_scheduler_and_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_dask, "PATIENCE", 1)
    comparison = table(tmp_path, EP)
    with pytest.raises(JobError, match="no Dask scheduler at 'tcp://127.0.0.1:1' .*dask scheduler"):
        ran(comparison, tmp_path / "run", DaskCluster(address="tcp://127.0.0.1:1"))
    with pytest.raises(JobError, match="no Dask scheduler at 'here:there' "):
        ran(comparison, tmp_path / "run", DaskCluster(address="here:there"))
    with comparison_dask.local_cluster(0) as empty:
        address = empty.scheduler_address
        with pytest.raises(JobError, match=f"no worker; start some with: dask worker {address}"):
            ran(comparison, tmp_path / "run", DaskCluster(address=address))

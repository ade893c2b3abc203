"""A table of continual-learning runs that can be interrupted.

Cells run one to a process and thread, so results do not depend on how many workers there are, or
where (:class:`~neuro.models.comparison_processes.Processes`,
:class:`~neuro.models.comparison_dask.DaskCluster`). A finished cell is a file at once, under a key
made from everything that influences it: the same comparison run again goes on from there, however
it ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from neuro.datasets import Dataset, load
from neuro.errors import JobError, NeuroError
from neuro.learning.comparison import Cell, Comparison
from neuro.learning.continual_results import SeedResult
from neuro.learning.tasks import column_classes
from neuro.models.comparison_cell import Ended, Executor, Moved, Started, Task
from neuro.models.comparison_processes import Processes
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder, key_of, write_json


@dataclass(frozen=True)
class Outcome:
    """What became of a cell.

    Attributes
    ----------
    cell : Cell
        Which.
    result : SeedResult or None
        Its result; None if it failed.
    error : str
        Why it failed, in one line.
    seconds : float
        How long it ran, whenever that was.
    kept : bool
        Whether an earlier run of the comparison had finished it.
    """

    cell: Cell
    result: SeedResult | None
    error: str = ""
    seconds: float = 0.0
    kept: bool = False


class Watcher:
    """Looks on while a comparison runs; this one does nothing."""

    def begin(self, total: int) -> None:
        """There are ``total`` runs (rows that ask for the same run share it)."""

    def started(self, cell: Cell) -> None:
        """A worker begins a cell."""

    def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
        """A cell is ``done`` of ``total`` through what it does at the moment."""

    def finished(self, outcome: Outcome) -> None:
        """A cell is finished, has failed, or was found finished."""


def prepare(
    comparison: Comparison, data_root: str | os.PathLike[str] | None = None
) -> dict[str, Dataset]:
    """Load the data sets of a comparison, and refuse what could not run before anything runs.

    Parameters
    ----------
    comparison : Comparison
        What is to run.
    data_root : path, optional
        See :func:`neuro.datasets.load`.

    Returns
    -------
    dict
        Data sets by name.

    Raises
    ------
    DatasetError
        If a data set is unknown or not to be had.
    JobError
        If a row's sleep has no backend here, its network or sleep cannot be made, or its images
        or tasks cannot be as it has them.
    """
    from neuro.models.learners import LEARNERS
    from neuro.simulation import backends

    data = {name: load(name, data_root) for name in comparison.datasets}
    available = backends()
    for row in comparison.rows:
        for name, made in row.conditions.items():
            where = f"row {row.name!r}, data set {name!r}"
            if made.backend is not None and available.get(made.backend) is not True:
                reason = available.get(made.backend, "no backend has this name")
                usable = [choice for choice, able in available.items() if able is True]
                raise JobError(
                    f"{where}: sleep {made.backend!r} is not available: {reason}; "
                    f"choose one of none, {', '.join(usable)}"
                )
            try:
                made.shown(data[name])
                groups = column_classes(data[name], made.protocol, 0)
                heads = groups if made.protocol.scenario == "task" else None
                # One input is enough to see whether the settings make a network.
                LEARNERS[made.preset.learner](made.preset, 1, data[name].n_classes, 0, heads=heads)
                if made.backend is not None:
                    made.sleeper.sleep_config(0)
            except NeuroError as error:
                raise JobError(f"{where}: {error}") from error
    return data


def run_comparison(
    comparison: Comparison,
    data: Mapping[str, Dataset],
    folder: RunFolder,
    *,
    executor: Executor | None = None,
    data_root: str | os.PathLike[str] | None = None,
    watcher: Watcher | None = None,
) -> list[Outcome]:
    """Run every cell that the folder does not hold yet.

    Parameters
    ----------
    comparison : Comparison
        What to run.
    data : mapping
        Its data sets, from :func:`prepare`.
    folder : RunFolder
        Finished cells are kept in its folder ``cells``.
    executor : Executor, optional
        Where cells run; by default in one process of this machine.
    data_root : path, optional
        Where workers look for the data sets first, as :func:`prepare` did.
    watcher : Watcher, optional
        Looks on.

    Returns
    -------
    list of Outcome
        In the order of ``comparison.cells``. A failed cell does not stop the others; it is not
        kept, so that the next run tries it again.

    Raises
    ------
    JobError
        If a result cannot be written; those before it are kept.
    KeyboardInterrupt
        On Ctrl-C, after the workers have ended; finished cells are kept.
    """
    executor = executor or Processes()
    watcher = watcher or Watcher()
    kept = folder.path / "cells"
    kept.mkdir(exist_ok=True)
    root = None if data_root is None else os.path.abspath(data_root)
    tasks = _tasks(comparison, data, root)
    distinct: dict[str, Task] = {}
    for task in tasks:
        distinct.setdefault(task.key, task)
    watcher.begin(len(distinct))
    outcomes: dict[str, Outcome] = {}
    todo = []
    for task in distinct.values():
        stored = _stored(kept, task)
        if stored is None:
            todo.append(task)
        else:
            outcomes[task.key] = stored
            watcher.finished(stored)
    with closing(executor(todo)) as events:
        for event in events:
            match event:
                case Started(task):
                    watcher.started(task.cell)
                case Moved(task, what, done, total):
                    watcher.moved(task.cell, what, done, total)
                case Ended(task, result, error, seconds):
                    _store(kept, event)
                    outcomes[task.key] = Outcome(task.cell, result, error, seconds)
                    watcher.finished(outcomes[task.key])
    return [replace(outcomes[task.key], cell=task.cell) for task in tasks]


def finished(
    comparison: Comparison,
    data: Mapping[str, Dataset],
    folder: RunFolder,
    data_root: str | os.PathLike[str] | None = None,
) -> list[tuple[Cell, bool]]:
    """Every cell, and whether the folder holds its result."""
    root = None if data_root is None else os.path.abspath(data_root)
    kept = folder.path / "cells"
    tasks = _tasks(comparison, data, root)
    return [(task.cell, _stored(kept, task) is not None) for task in tasks]


def _tasks(
    comparison: Comparison, data: Mapping[str, Dataset], data_root: str | None
) -> list[Task]:
    """Every cell under the key of all that influences it; rows that ask for the same share it."""
    shared = {
        "code": code_fingerprint(),
        "versions": versions(),
        "device": comparison.device,
    }
    prints = {name: dataset.fingerprint() for name, dataset in data.items()}
    tasks = []
    for cell in comparison.cells:
        meant = prints[cell.dataset]
        key = key_of({**shared, "dataset": meant, **cell.condition.to_json()})
        tasks.append(Task(f"{key}-{cell.seed}", cell, comparison.device, data_root, meant))
    return tasks


def _store(folder: Path, ended: Ended) -> None:
    if ended.result is None:
        return
    cell = ended.task.cell
    content = {
        "key": ended.task.key,
        "row": cell.row,
        "dataset": cell.dataset,
        "seconds": ended.seconds,
        "condition": cell.condition.to_json(),
        "result": ended.result.to_json(),
    }
    write_json(_path(folder, ended.task), content)


def _stored(folder: Path, task: Task) -> Outcome | None:
    try:
        found = json.loads(_path(folder, task).read_text())
        if found["key"] != task.key:
            return None
        result = SeedResult.from_json(found["result"])
        return Outcome(task.cell, result, seconds=float(found["seconds"]), kept=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or not whole: computed again


def _path(folder: Path, task: Task) -> Path:
    return folder / f"{task.key}.json"

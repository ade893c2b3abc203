"""A table of continual-learning runs, in several processes, that can be interrupted.

Every cell runs in a worker process with one thread, so results do not depend on how many workers
there are. A finished cell is a file at once, under a key made from everything that influences it:
the same comparison run again goes on from there, however it ended.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from neuro.datasets import Dataset, load
from neuro.errors import JobError, NeuroError
from neuro.learning.comparison import Cell, Comparison
from neuro.learning.continual import class_groups
from neuro.learning.continual_results import SeedResult
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder, key_of, write_json

REPORT_EVERY = 0.2
"""Seconds between two looks at the workers, and between two reports of one of them."""


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
        If a row's sleep has no backend here, or its network or sleep cannot be made.
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
            heads = None
            if made.protocol.scenario == "task":
                heads = class_groups(data[name].n_classes, made.protocol.classes_per_task)
            try:
                # One input is enough to see whether the settings make a network.
                LEARNERS[made.preset.learner](made.preset, 1, data[name].n_classes, 0, heads=heads)
                if made.backend is not None:
                    made.preset.sleep_config(0)
            except NeuroError as error:
                raise JobError(f"{where}: {error}") from error
    return data


def run_comparison(
    comparison: Comparison,
    data: Mapping[str, Dataset],
    folder: RunFolder,
    *,
    jobs: int = 1,
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
    jobs : int
        Worker processes, each with one thread.
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
        If ``jobs`` is below 1.
    KeyboardInterrupt
        On Ctrl-C, after the workers have ended; finished cells are kept.
    """
    if jobs < 1:
        raise JobError(f"jobs is {jobs}; give at least 1")
    watcher = watcher or Watcher()
    kept = folder.path / "cells"
    kept.mkdir(exist_ok=True)
    keys = _keys(comparison, data)
    first: dict[str, Cell] = {}
    for cell, key in zip(comparison.cells, keys, strict=True):
        first.setdefault(key, cell)
    watcher.begin(len(first))
    outcomes: dict[str, Outcome] = {}
    todo: deque[_Task] = deque()
    for key, cell in first.items():
        stored = _stored(kept / f"{key}.json", key, cell)
        if stored is None:
            root = None if data_root is None else os.path.abspath(data_root)
            todo.append(_Task(cell, comparison.device, root, key, kept / f"{key}.json"))
        else:
            outcomes[key] = stored
            watcher.finished(stored)
    with _workers(min(jobs, len(todo))) as workers:
        while todo or any(worker.task is not None for worker in workers):
            for worker in workers:
                if worker.task is None and todo:
                    watcher.started(todo[0].cell)
                    worker.start(todo.popleft())
            wait(
                [worker.future for worker in workers if worker.future is not None],
                timeout=REPORT_EVERY,
                return_when=FIRST_COMPLETED,
            )
            for worker in workers:
                task, outcome = worker.task, worker.collect(watcher)
                if task is not None and outcome is not None:
                    outcomes[task.key] = outcome
                    watcher.finished(outcome)
    return [
        replace(outcomes[key], cell=cell)
        for cell, key in zip(comparison.cells, keys, strict=True)
    ]


def _keys(comparison: Comparison, data: Mapping[str, Dataset]) -> list[str]:
    """For each cell the name of its file: a hash of all that influences it, and the seed."""
    shared = {
        "code": code_fingerprint(),
        "versions": versions(),
        "device": comparison.device,
    }
    prints = {name: dataset.fingerprint() for name, dataset in data.items()}
    return [
        f"{key_of({**shared, 'dataset': prints[c.dataset], **c.condition.to_json()})}-{c.seed}"
        for c in comparison.cells
    ]


def _stored(path: Path, key: str, cell: Cell) -> Outcome | None:
    try:
        found = json.loads(path.read_text())
        if found["key"] != key:
            return None
        result = SeedResult.from_json(found["result"])
        return Outcome(cell, result, seconds=float(found["seconds"]), kept=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent, or not whole: computed again


# --- workers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What a worker is told: a cell, where its data are, and where its result goes."""

    cell: Cell
    device: str
    data_root: str | None
    key: str
    path: Path


class _Worker:
    """One process that runs cells one after another.

    It is an executor of a single process: when that dies (killed, out of memory), it is clear
    which cell it was.
    """

    def __init__(self) -> None:
        self.task: _Task | None = None
        self.future: Future[Outcome] | None = None
        self._open()

    def _open(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._executor = ProcessPoolExecutor(
            1, mp_context=spawn, initializer=_begin_worker, initargs=(theirs,)
        )

    def close(self) -> None:
        """End the process, in the middle of a cell if it has one."""
        if self.task is None:
            self._executor.shutdown()
        self._ours.close()  # the process ends itself: see _end_with_parent
        self._executor.shutdown()

    def start(self, task: _Task) -> None:
        """Begin a cell."""
        self.task = task
        with _no_interrupts():
            self.future = self._executor.submit(_run_task, task)

    def collect(self, watcher: Watcher) -> Outcome | None:
        """Pass on what the process reports; the outcome and a free worker, if the cell ended."""
        if self.task is None or self.future is None:
            return None
        ended = self.future.done()  # asked first: what is read below is then all of it
        self._pass_on(self.task.cell, watcher)
        if not ended:
            return None
        try:
            outcome = self.future.result()
        except BrokenProcessPool:
            outcome = Outcome(
                self.task.cell, None, "its process died: was it killed, or out of memory?"
            )
            self.close()
            self._open()
        self.task = self.future = None
        return outcome

    def _pass_on(self, cell: Cell, watcher: Watcher) -> None:
        try:
            while self._ours.poll():
                watcher.moved(cell, *self._ours.recv())
        except (OSError, EOFError):
            return  # the process died: its future says so


@contextmanager
def _workers(number: int) -> Iterator[Sequence[_Worker]]:
    workers = [_Worker() for _ in range(number)]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.close()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes started inside do not see Ctrl-C: ending them is their parent's affair."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- inside a worker -------------------------------------------------------------------------

_parent: Connection | None = None


def _begin_worker(parent: Connection) -> None:
    """Prepare a worker process: one thread, and no life without its parent."""
    global _parent
    _parent = parent
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    from threadpoolctl import threadpool_limits

    import neuro.models.continual  # noqa: F401  (its libraries must be there to be limited)

    threadpool_limits(1)


def _end_with_parent(parent: Connection) -> None:
    # The other end closes when the parent wants it or is killed; nothing is ever sent.
    try:
        parent.recv()
    except (EOFError, OSError):
        os._exit(1)


class _Reported:
    """A progress meter that tells the parent."""

    def __init__(self, total: int, label: str, unit: str) -> None:
        self.total, self.label = total, label
        self.done = 0
        self.said = 0.0

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units of work are done."""
        self.done += amount
        if _parent is not None and time.monotonic() - self.said >= REPORT_EVERY:
            self.said = time.monotonic()
            _parent.send((self.label, self.done, self.total))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


_load = functools.lru_cache(maxsize=1)(load)


def _run_task(task: _Task) -> Outcome:
    from neuro.models.continual import run

    cell, start = task.cell, time.perf_counter()
    try:
        result = run(
            _load(cell.dataset, task.data_root),
            cell.condition.preset,
            cell.condition.protocol,
            cell.seed,
            sleep_backend=cell.condition.backend,
            device=task.device,
            meter=_Reported,
        )
        seconds = time.perf_counter() - start
        about: dict[str, Any] = {"key": task.key, "row": cell.row, "dataset": cell.dataset}
        about |= {"seconds": seconds, "condition": cell.condition.to_json()}
        write_json(task.path, {**about, "result": result.to_json()})
    except Exception as error:  # whatever it is, the other cells go on
        text = " ".join(str(error).split())
        name = "" if isinstance(error, NeuroError) and text else f"{type(error).__name__}: "
        return Outcome(cell, None, f"{name}{text}", time.perf_counter() - start)
    return Outcome(cell, result, seconds=seconds)

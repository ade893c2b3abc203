"""One run of a comparison: what a worker is told, what it does, and what it tells.

An executor is anything that takes tasks and gives events; here is what all of them share.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from neuro.datasets import Dataset, load
from neuro.errors import DatasetError, NeuroError
from neuro.learning.comparison import Cell
from neuro.learning.continual_results import SeedResult

REPORT_EVERY = 0.2
"""Seconds between two reports of one worker."""


@dataclass(frozen=True)
class Task:
    """What a worker is told.

    Attributes
    ----------
    key : str
        Of all that influences the result; no two tasks of a run have the same.
    cell : Cell
        What to run.
    device : str
        Torch device of the training.
    data_root : str or None
        Where to look for the data set first, see :func:`neuro.datasets.load`.
    data_fingerprint : str
        Of the data set that is meant.
    """

    key: str
    cell: Cell
    device: str
    data_root: str | None
    data_fingerprint: str


@dataclass(frozen=True)
class Started:
    """A worker begins a task."""

    task: Task


@dataclass(frozen=True)
class Moved:
    """A worker is ``done`` of ``total`` through what it does at the moment."""

    task: Task
    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Ended:
    """A task has a result, or there is an error in one line; ``seconds`` is how long it ran."""

    task: Task
    result: SeedResult | None
    error: str = ""
    seconds: float = 0.0


Event = Started | Moved | Ended

Executor = Callable[[Sequence[Task]], Generator[Event]]
"""Runs tasks and says what happens; each ends once. Its workers end when it is closed."""

Report = Callable[[str, int, int], None]
"""Is told what a worker does, and how much of it is done of how much."""

_alone = threading.Lock()


def run_task(task: Task, report: Report) -> Ended:
    """Run a task in this process, in one thread; nothing that goes wrong is raised."""
    from threadpoolctl import threadpool_limits

    from neuro.models.continual import run  # its libraries must be there to be limited

    start = time.perf_counter()
    condition = task.cell.condition
    # Limits are those of the process: two cells at once would undo each other's.
    with _alone, threadpool_limits(1):
        try:
            data = _data(task.cell.dataset, task.data_root, task.data_fingerprint)
            result = run(
                condition.shown(data),
                condition.preset,
                condition.protocol,
                task.cell.seed,
                sleep_backend=condition.backend,
                device=task.device,
                meter=functools.partial(_Reported, report),
            )
        except Exception as error:  # whatever it is, the other cells go on
            return Ended(task, None, said(error), time.perf_counter() - start)
    return Ended(task, result, seconds=time.perf_counter() - start)


def said(error: BaseException) -> str:
    """An error in one line; its class as well, unless the message was written for people."""
    text = " ".join(str(error).split())
    return text if isinstance(error, NeuroError) and text else f"{type(error).__name__}: {text}"


@functools.lru_cache(maxsize=1)
def _data(name: str, root: str | None, fingerprint: str) -> Dataset:
    data = load(name, root)
    if data.fingerprint() != fingerprint:
        raise DatasetError(
            f"data set {name!r} of the worker ({data.source or name}) is not the one of the "
            "command: give both the same files"
        )
    return data


class _Reported:
    """A progress meter that reports, not too often."""

    def __init__(self, report: Report, total: int, label: str, unit: str) -> None:
        self.report, self.total, self.label = report, total, label
        self.done = 0
        self.last = 0.0

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units of work are done."""
        self.done += amount
        if time.monotonic() - self.last >= REPORT_EVERY:
            self.last = time.monotonic()
            # The steps in which a sleep's last input passes through are beyond its total.
            self.report(self.label, min(self.done, self.total), self.total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

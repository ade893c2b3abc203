"""Cells of a comparison in worker processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection

from neuro.errors import JobError
from neuro.models.comparison_cell import (
    REPORT_EVERY,
    Ended,
    Event,
    Moved,
    Started,
    Task,
    run_task,
)


@dataclass(frozen=True)
class Processes:
    """Runs cells in ``jobs`` processes of this machine, each with one thread.

    They end with this process, however it ends.

    Raises
    ------
    JobError
        If ``jobs`` is below 1.
    """

    jobs: int = 1

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise JobError(f"jobs is {self.jobs}; give at least 1")

    def __call__(self, tasks: Sequence[Task]) -> Generator[Event]:
        """See :data:`~neuro.models.comparison_cell.Executor`."""
        todo = deque(tasks)
        with _workers(min(self.jobs, len(todo))) as workers:
            while todo or any(worker.task is not None for worker in workers):
                for worker in workers:
                    if worker.task is None and todo:
                        yield Started(todo[0])
                        worker.start(todo.popleft())
                wait(
                    [worker.future for worker in workers if worker.future is not None],
                    timeout=REPORT_EVERY,
                    return_when=FIRST_COMPLETED,
                )
                for worker in workers:
                    yield from worker.events()


class _Worker:
    """One process that runs cells one after another.

    It is an executor of a single process: when that dies (killed, out of memory), it is clear
    which cell it was.
    """

    def __init__(self) -> None:
        self.task: Task | None = None
        self.future: Future[Ended] | None = None
        self._open()

    def _open(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._ours, theirs = spawn.Pipe()
        self._executor = ProcessPoolExecutor(
            1, mp_context=spawn, initializer=_begin_worker, initargs=(theirs,)
        )

    def close(self) -> None:
        """End the process, in the middle of a cell if it has one."""
        self._ours.close()  # the process ends itself: see _end_with_parent
        self._executor.shutdown()

    def start(self, task: Task) -> None:
        """Begin a cell."""
        self.task = task
        with no_interrupts():
            self.future = self._executor.submit(_run, task)

    def events(self) -> Iterator[Event]:
        """What the process says; if its cell ended, the worker is free."""
        if self.task is None or self.future is None:
            return
        task, future = self.task, self.future
        has_ended = future.done()  # asked first: what is read below is then all of it
        yield from self._reports(task)
        if not has_ended:
            return
        self.task = self.future = None
        try:
            ended = future.result()
        except BrokenProcessPool:
            ended = Ended(task, None, "its process died: was it killed, or out of memory?")
            self.close()
            self._open()
        yield ended

    def _reports(self, task: Task) -> Iterator[Moved]:
        try:
            while self._ours.poll():
                yield Moved(task, *self._ours.recv())
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
def no_interrupts() -> Iterator[None]:
    """Processes started inside do not see Ctrl-C: ending them is their parent's affair."""
    resource_tracker.ensure_running()  # its start would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --- inside a worker -------------------------------------------------------------------------

_parent: Connection | None = None


def _begin_worker(parent: Connection) -> None:
    """Prepare a worker process: it does not outlive its parent."""
    global _parent
    _parent = parent
    threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()


def _end_with_parent(parent: Connection) -> None:
    # The other end closes when the parent wants it or is killed; nothing is ever sent.
    try:
        parent.recv()
    except (EOFError, OSError):
        os._exit(1)


def _run(task: Task) -> Ended:
    return run_task(task, _report)


def _report(what: str, done: int, total: int) -> None:
    if _parent is not None:
        _parent.send((what, done, total))

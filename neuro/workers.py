"""Worker processes that do one thing after another and never outlive the process that has them.

They are spawned, not forked: nothing is inherited that threads or a GPU would trip over.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from neuro.errors import JobError


class WorkerDiedError(JobError):
    """A worker process ended by itself: killed, or out of memory."""


class Worker:
    """One process.

    It is an executor of a single process: when that dies, it is clear what it was doing.
    """

    def __init__(self) -> None:
        self._future: Future[Any] | None = None
        self._open()

    def _open(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._line, theirs = spawn.Pipe()
        self._executor = ProcessPoolExecutor(
            1, mp_context=spawn, initializer=_live_with, initargs=(theirs,)
        )

    @property
    def busy(self) -> bool:
        """Whether it has something to do, or a result that was not fetched."""
        return self._future is not None

    def start(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Do something; function and arguments must be picklable."""
        with no_interrupts():
            self._future = self._executor.submit(function, *arguments)

    def reports(self) -> Iterator[Any]:
        """What it has said by :func:`report` since this was asked last."""
        try:
            while self._line.poll():
                yield self._line.recv()
        except (OSError, EOFError):
            return  # the process died: its result says so

    def has_ended(self) -> bool:
        """Whether a result, or an error, is there."""
        return self._future is not None and self._future.done()

    def result(self) -> Any:
        """What the function returned; the worker is free again.

        Raises
        ------
        WorkerDiedError
            If the process died; there is a new one then.
        """
        assert self._future is not None
        future, self._future = self._future, None
        try:
            return future.result()
        except BrokenProcessPool as error:
            self.close()
            self._open()
            raise WorkerDiedError("its process died: was it killed, or out of memory?") from error

    def close(self) -> None:
        """End the process, in the middle of what it does."""
        self._line.close()  # the process ends itself: see _end_with
        self._executor.shutdown()


@contextmanager
def workers(number: int) -> Iterator[Sequence[Worker]]:
    """That many worker processes, which end with the block."""
    made: list[Worker] = []
    try:
        for _ in range(number):
            made.append(Worker())
        yield made
    finally:
        for worker in made:
            worker.close()


def wait_for_any(busy: Sequence[Worker], seconds: float) -> None:
    """Wait until one of them has ended, but not longer than that."""
    futures = [worker._future for worker in busy if worker._future is not None]
    wait(futures, timeout=seconds, return_when=FIRST_COMPLETED)


@dataclass(frozen=True)
class Begun:
    """A worker begins with an item."""

    item: Any


@dataclass(frozen=True)
class Said:
    """A worker reported something while it did its work on an item."""

    item: Any
    what: Any


@dataclass(frozen=True)
class Done:
    """Work on an item has ended: with a result, or with the error that it raised."""

    item: Any
    result: Any
    error: Exception | None


def each(
    function: Callable[[Any], Any], items: Iterable[Any], jobs: int, seconds: float = 0.5
) -> Generator[Begun | Said | Done]:
    """Do something with every item, in so many processes at once.

    Parameters
    ----------
    function : callable
        Gets an item; both must be picklable. It may :func:`report`.
    items : iterable
        An item may be there several times.
    jobs : int
        Processes.
    seconds : float
        How often reports are passed on.

    Yields
    ------
    Begun, Said or Done
        As it comes. Workers end when the generator is closed.
    """
    todo = deque(items)
    running: dict[Worker, Any] = {}
    with workers(min(jobs, len(todo))) as processes:
        while todo or running:
            for worker in processes:
                if worker not in running and todo:
                    item = running[worker] = todo.popleft()
                    yield Begun(item)
                    worker.start(function, item)
            wait_for_any(list(running), seconds)
            for worker, item in list(running.items()):
                has_ended = worker.has_ended()  # asked first: the reports are then all
                for what in worker.reports():
                    yield Said(item, what)
                if has_ended:
                    del running[worker]
                    yield _done(worker, item)


def _done(worker: Worker, item: Any) -> Done:
    try:
        return Done(item, worker.result(), None)
    except Exception as error:
        return Done(item, None, error)


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs; one that ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
        # In a container without an init process the orphans of a killed one stay as zombies.
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's, or a system that does not tell
    return state != "Z"


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


def report(what: Any) -> None:
    """Say something to the process that has this worker; elsewhere nobody listens."""
    if _parent is not None:
        _parent.send(what)


def _live_with(parent: Connection) -> None:
    global _parent
    _parent = parent
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Connection) -> None:
    # The other end closes when the parent wants it or is killed; nothing is ever sent from there.
    try:
        parent.recv()
    except (EOFError, OSError):
        os._exit(1)

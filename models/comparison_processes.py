"""Cells of a comparison in worker processes of this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass

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
from neuro.workers import Worker, WorkerDiedError, report, wait_for_any, workers


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
        running: dict[Worker, Task] = {}
        with workers(min(self.jobs, len(todo))) as processes:
            while todo or running:
                for worker in processes:
                    if worker not in running and todo:
                        task = running[worker] = todo.popleft()
                        yield Started(task)
                        worker.start(_run, task)
                wait_for_any(list(running), REPORT_EVERY)
                for worker, task in list(running.items()):
                    has_ended = worker.has_ended()  # asked first: the reports are then all
                    for said in worker.reports():
                        yield Moved(task, *said)
                    if has_ended:
                        del running[worker]
                        yield _ended(worker, task)


def _ended(worker: Worker, task: Task) -> Ended:
    try:
        ended: Ended = worker.result()
    except WorkerDiedError as error:
        return Ended(task, None, str(error))
    return ended


def _run(task: Task) -> Ended:
    return run_task(task, lambda *said: report(said))

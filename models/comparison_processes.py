"""Cells of a comparison in worker processes of this machine."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
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
from neuro.workers import Begun, Done, Said, each, report


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
        with closing(each(_run, tasks, self.jobs, REPORT_EVERY)) as events:
            for event in events:
                match event:
                    case Begun(task):
                        yield Started(task)
                    case Said(task, what):
                        yield Moved(task, *what)
                    case Done(_, ended, None):
                        yield ended
                    case Done(task, _, error):  # of the process: a cell itself raises nothing
                        yield Ended(task, None, str(error))


def _run(task: Task) -> Ended:
    return run_task(task, lambda *said: report(said))

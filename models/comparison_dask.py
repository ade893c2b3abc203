"""Cells of a comparison on a Dask cluster (https://distributed.dask.org).

Workers need the same neuro and libraries as this process, and the data sets; files they share
with nobody: results come back to this process, which writes them.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from neuro.errors import JobError
from neuro.models.comparison_cell import Ended, Event, Moved, Started, Task, run_task, said
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.workers import no_interrupts

PATIENCE = 20
"""Seconds to wait for a scheduler, and for its first worker."""


@dataclass(frozen=True)
class DaskCluster:
    """Runs cells on a Dask cluster.

    A cell whose worker dies is tried on others, three times by Dask's default, before it counts
    as failed. What queues on the cluster is forgotten when this process ends; a cell that a
    worker of another machine has begun runs to its end there.

    Parameters
    ----------
    jobs : int
        Worker processes of the local cluster that is started where there is no address.
    address : str, optional
        Of a scheduler, e.g. ``"tcp://10.0.0.1:8786"``.

    Raises
    ------
    JobError
        If ``jobs`` is below 1 or Dask cannot be imported; when called, if there is no scheduler
        at the address, or it has no worker.
    """

    jobs: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise JobError(f"jobs is {self.jobs}; give at least 1")
        _library()

    def __call__(self, tasks: Sequence[Task]) -> Generator[Event]:
        """See :data:`~neuro.models.comparison_cell.Executor`."""
        if not tasks:
            return
        distributed = _library()
        running = {task.key: task for task in tasks}
        heard: SimpleQueue[tuple[str, Any]] = SimpleQueue()  # key, and its future or a report
        topic = f"neuro-compare-{uuid.uuid4().hex}"
        with self._client() as client:
            client.subscribe_topic(topic, lambda event: heard.put(event[1]))
            futures = []  # a task without a future is forgotten
            for turn, task in enumerate(tasks):
                key = f"{topic}-{task.key}"
                future = client.submit(_run, task, topic, software(), key=key, priority=-turn)
                future.add_done_callback(lambda done, key=task.key: heard.put((key, done)))
                futures.append(future)
            while running:
                key, got = heard.get()
                if key not in running:  # a report that was late
                    continue
                if isinstance(got, distributed.Future):
                    yield _ended(running.pop(key), got)
                else:
                    yield Moved(running[key], *got) if got else Started(running[key])

    @contextmanager
    def _client(self) -> Iterator[Any]:
        """A client of the cluster; a local cluster ends with it."""
        distributed = _library()
        with ExitStack() as closing:
            address = self.address
            if address is None:
                address = closing.enter_context(local_cluster(self.jobs))
            try:
                client = closing.enter_context(distributed.Client(address, timeout=PATIENCE))
            except (OSError, ValueError) as error:
                raise JobError(
                    f"no Dask scheduler at {address!r} ({said(error)}); start one with: dask "
                    "scheduler"
                ) from error
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError as error:
                raise JobError(
                    f"the Dask scheduler at {address!r} has no worker; start some with: dask "
                    f"worker {address} --nworkers N --nthreads 1"
                ) from error
            yield client


@contextmanager
def local_cluster(jobs: int) -> Iterator[Any]:
    """A Dask cluster of ``jobs`` processes of this machine, each with one thread."""
    # Lava starts processes of its own, which a daemon may not.
    with ExitStack() as closing, import_module("dask").config.set(
        {"distributed.worker.daemon": False}
    ):
        with no_interrupts():
            cluster = closing.enter_context(
                _library().LocalCluster(
                    n_workers=jobs,
                    threads_per_worker=1,
                    memory_limit=0,  # none, as for other processes of the machine
                    dashboard_address="127.0.0.1:0",  # any port, or it takes one and warns
                    silence_logs="ERROR",
                )
            )
        yield cluster


def _library() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise JobError(
            f"the executor dask needs Dask, which cannot be imported ({error}); run: "
            "pip install dask distributed (or: pip install 'neuro[dask]')"
        ) from error


def _ended(task: Task, future: Any) -> Ended:
    if future.status == "finished":
        ended: Ended = future.result()
        return ended
    if future.status == "error":
        error = future.exception()
        if type(error).__name__ == "KilledWorker":
            return Ended(task, None, "its workers died: were they killed, or out of memory?")
        return Ended(task, None, said(error))
    return Ended(task, None, f"the Dask scheduler gave it up ({future.status})")


@functools.cache
def software() -> dict[str, str]:
    """What must be the same here and on the workers, for results to mean the same."""
    return {"code of neuro": code_fingerprint(), **versions()}


# --- inside a worker -------------------------------------------------------------------------


def _run(task: Task, topic: str, wanted: Mapping[str, str]) -> Ended:
    worker = _library().get_worker()
    own = software()
    for name, version in wanted.items():
        if own[name] != version:
            return Ended(
                task,
                None,
                f"worker {worker.address} has another {name} than the command ({own[name]}, not "
                f"{version}); install the same there",
            )
    worker.log_event(topic, (task.key, ()))
    return run_task(task, lambda *report: worker.log_event(topic, (task.key, report)))

"""Where a search is kept, so that it can go on, and be shared by processes and machines.

A *file* holds Optuna's journal, which several processes can write at once; a file of an earlier
neuro is an SQLite database and goes on as one. A *URL* (``postgresql://``, ``mysql://``,
``sqlite:///``) names a database that other machines reach as well.

A process that is killed leaves its candidate behind as running. That never blocks a search, but it
is not true either: candidates of dead processes of this machine are marked as failed when the
search goes on, those of other machines (databases only) when their heartbeat has stopped.
"""

from __future__ import annotations

import json
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neuro.errors import JobError
from neuro.workers import is_alive

if TYPE_CHECKING:
    import optuna

HEARTBEAT = 60
"""Seconds between two signs of life of a candidate in a database."""
GRACE = 300
"""Seconds without one after which it counts as failed."""

LOCK_GRACE = 5
"""Seconds after which the lock of a journal counts as left by a dead process; it is held for the
time of one write."""

NAME = "neuro"


def is_url(place: str) -> bool:
    """Whether this is a database URL, not a file."""
    return "://" in place


def shown(place: str) -> str:
    """The place as a message may show it: without a password."""
    if not is_url(place):
        return place
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(place).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return place.partition("://")[0] + "://…"


def open_study(
    place: str, sampler: optuna.samplers.BaseSampler | None = None
) -> optuna.Study:
    """The study of a place, made if it is not there.

    Parameters
    ----------
    place : str
        A file, or a database URL.
    sampler : BaseSampler, optional
        What chooses candidates.

    Raises
    ------
    JobError
        If the place cannot be used.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opening = (OSError, ImportError, RuntimeError, ValueError)
    with storage_errors(place, *opening), no_experimental_warnings():
        return optuna.create_study(
            storage=_storage(place),
            study_name=NAME,
            load_if_exists=True,
            direction="maximize",
            sampler=sampler,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=8, n_min_trials=4),
        )


def _storage(place: str) -> optuna.storages.BaseStorage:
    if is_url(place):
        return _database(place)
    path = Path(place).absolute()
    kind = _kind(path)
    if kind == "sqlite":
        return _database(f"sqlite:///{path}")
    if kind == "other":
        raise JobError(f"cannot use the study file {place}: it holds no search; name another")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

    lock = JournalFileSymlinkLock(str(path), grace_period=LOCK_GRACE)
    return JournalStorage(JournalFileBackend(str(path), lock))


def _database(url: str) -> optuna.storages.BaseStorage:
    from optuna.storages import RDBStorage

    # Processes that share an SQLite file wait for each other.
    options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    return RDBStorage(
        url, engine_kwargs=options, heartbeat_interval=HEARTBEAT, grace_period=GRACE
    )


def _kind(path: Path) -> str:
    """``journal`` (also if there is no file yet), ``sqlite`` or ``other``."""
    try:
        with path.open("rb") as file:
            first = file.readline(1 << 16)
    except FileNotFoundError:
        return "journal"
    if first.startswith(b"SQLite format 3\0"):
        return "sqlite"
    try:
        entry = json.loads(first) if first else {"op_code": None}
    except ValueError:
        return "other"
    return "journal" if isinstance(entry, dict) and "op_code" in entry else "other"


@contextmanager
def storage_errors(place: str, *others: type[Exception]) -> Iterator[None]:
    """Turn what goes wrong with a database, and ``others``, into one error that names the place."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except Exception as error:
        if not isinstance(error, (SQLAlchemyError, StorageInternalError, *others)):
            raise
        cause = error.__cause__ or error
        cause = getattr(cause, "orig", None) or cause
        reason = (str(cause) or type(cause).__name__).splitlines()[0]
        if isinstance(cause, ModuleNotFoundError):
            reason += "; install that driver"
        kind = "study" if is_url(place) else "study file"
        raise JobError(f"cannot use the {kind} {shown(place)}: {reason}") from error


@contextmanager
def no_experimental_warnings() -> Iterator[None]:
    """Heartbeats, mutations and others have been in Optuna for long, but may still change."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield


# --- candidates of dead processes ------------------------------------------------------------

_PROCESS = "process"


def sign(trial: optuna.Trial) -> None:
    """Write down which process judges a candidate."""
    trial.set_user_attr(_PROCESS, [_machine(), os.getpid()])


def _machine() -> str:
    """Where a process number means one process: host names repeat, and containers count anew."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def give_up_dead(study: optuna.Study) -> int:
    """Mark running candidates of dead processes of this machine as failed; how many there were."""
    from optuna.trial import TrialState

    dead = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        if _is_dead(trial.user_attrs.get(_PROCESS))
    ]
    for trial in dead:
        study.tell(trial.number, state=TrialState.FAIL)
    return len(dead)


def _is_dead(process: Any) -> bool:
    if not isinstance(process, list) or process[0] != _machine():
        return False
    return not is_alive(int(process[1]))

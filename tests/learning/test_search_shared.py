"""A search shared by processes: nothing is lost, nothing hangs, nothing stays behind."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from neuro.errors import JobError
from neuro.learning import search_study
from neuro.learning.presets import preset
from neuro.learning.search import Found, Space, search
from neuro.learning.search_study import open_study
from neuro.workers import is_alive

SPACE = Space(preset("digits"), 8)

# Workers import it: what they judge with cannot be defined in a test.
JUDGES = """
import math, os, signal, sys, time
from pathlib import Path

def hill(folder, candidate, seed):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(0.1)
    return 0.8 - 0.1 * abs(math.log(candidate.rate / 200))

def dies_once(folder, candidate, seed):
    try:
        (Path(folder) / "died").touch(exist_ok=False)
    except FileExistsError:
        return hill(folder, candidate, seed)
    os.kill(os.getpid(), signal.SIGKILL)

def never_ends(folder, candidate, seed):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)

def fails(folder, candidate, seed):
    raise ValueError("no such thing")

if __name__ == "__main__":
    import functools, judges
    from neuro.learning.presets import preset
    from neuro.learning.search import Space, search
    judge, folder, place, jobs, trials = sys.argv[1:]
    evaluate = functools.partial(getattr(judges, judge), folder)
    search(evaluate, Space(preset("digits"), 8), (1,), int(trials), place, {}, jobs=int(jobs))
"""


@pytest.fixture
def judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "judges.py").write_text(JUDGES)
    (tmp_path / "pids").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "judges", raising=False)
    import judges

    yield judges
    sys.modules.pop("judges", None)


def command(folder: Path, judge: str, place: str, jobs: int, trials: int) -> list[str]:
    told = [judge, str(folder / "pids"), place, str(jobs), str(trials)]
    return [sys.executable, str(folder / "judges.py"), *told]


def states(place: str) -> Counter[str]:
    return Counter(trial.state.name for trial in open_study(place).trials)


def run(judge: Any, folder: Path, trials: int, **options: Any) -> Found:
    place = options.pop("place", str(folder / "s"))
    evaluate = functools.partial(judge, str(folder / "pids"))
    return search(evaluate, SPACE, (1,), trials, place, {}, **options)


def test_processes_share_the_candidates_of_a_run(judges: Any, tmp_path: Path) -> None:
    lines: list[str] = []
    found = run(judges.hill, tmp_path, 7, jobs=2, say=lines.append)
    study = open_study(str(tmp_path / "s"))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 7
    assert len(lines) == found.trials == 7
    owners = {trial.user_attrs["process"][1] for trial in study.trials}
    pids = {int(path.name) for path in (tmp_path / "pids").iterdir()}
    assert owners == pids and len(pids) == 2 and os.getpid() not in pids
    assert len({trial.params["rate"] for trial in study.trials}) == 7  # none was tried twice
    assert any(trial.params["rate"] == SPACE.base.rate for trial in study.trials)
    assert found.mean == max(trial.value or 0.0 for trial in study.trials)
    assert run(judges.hill, tmp_path, 1).trials == 8


def test_a_worker_that_dies_costs_one_candidate(judges: Any, tmp_path: Path) -> None:
    lines: list[str] = []
    run(judges.dies_once, tmp_path, 5, jobs=2, say=lines.append)
    lost = "a candidate was lost: its process died: was it killed, or out of memory?"
    assert lines.count(lost) == 1 and len(lines) == 5
    assert states(str(tmp_path / "s")) == {"COMPLETE": 4, "FAIL": 1}


def test_the_mistake_of_a_worker_is_raised_here(judges: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such thing"):
        run(judges.fails, tmp_path, 5, jobs=2)
    assert set(states(str(tmp_path / "s"))) <= {"FAIL", "WAITING"}
    with pytest.raises(JobError, match="jobs is 0; give at least 1"):
        run(judges.hill, tmp_path, 1, jobs=0)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_however_a_search_ends(
    how: signal.Signals, judges: Any, tmp_path: Path
) -> None:
    place = str(tmp_path / "s")
    running = subprocess.Popen(
        command(tmp_path, "never_ends", place, 2, 4), stderr=subprocess.PIPE, start_new_session=True
    )
    pids = tmp_path / "pids"
    wait_until(lambda: len(list(pids.iterdir())) == 2)
    if how == signal.SIGINT:  # a terminal sends it to all
        os.killpg(running.pid, how)
    else:
        running.send_signal(how)
    _, said = running.communicate(timeout=30)
    assert running.returncode != 0
    if how == signal.SIGINT:
        assert said.rstrip().endswith(b"KeyboardInterrupt")
        assert states(place) == {"FAIL": 2}  # it had the time to say so
    wait_until(lambda: not any(is_alive(int(path.name)) for path in pids.iterdir()))
    found = run(judges.hill, tmp_path, 1)  # begins with the base, whose judge died
    assert states(place) == {"FAIL": 2, "COMPLETE": 1}
    assert found.preset.rate == SPACE.base.rate


def test_commands_with_the_same_url_join(judges: Any, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'shared.db'}"
    open_study(place)  # the tables: SQLite cannot make them twice at once
    both = [
        subprocess.Popen(command(tmp_path, "hill", place, 1, 4), stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for process in both:
        _, said = process.communicate(timeout=180)
        assert process.returncode == 0, said.decode()
    study = open_study(place)
    assert states(place) == {"COMPLETE": 8}
    assert Counter(t.user_attrs["process"][1] for t in study.trials) == {p.pid: 4 for p in both}
    assert len({trial.params["rate"] for trial in study.trials}) >= 7  # both may try the base


def test_candidates_of_another_machine_count_as_failed_without_heartbeat(
    judges: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_study, "HEARTBEAT", 1)
    monkeypatch.setattr(search_study, "GRACE", 2)
    place = f"sqlite:///{tmp_path / 's.db'}"
    study = open_study(place)
    storage = study._storage
    while not isinstance(storage, RDBStorage):
        storage = storage._backend  # type: ignore[attr-defined]
    with pytest.warns(UserWarning, match="Heartbeat"):
        gone, alive = study.ask(), study.ask()
    for trial in (gone, alive):
        trial.set_user_attr("process", ["another machine", os.getpid()])
        storage.record_heartbeat(trial._trial_id)
    time.sleep(3.5)
    storage.record_heartbeat(alive._trial_id)
    run(judges.hill, tmp_path, 1, place=place)
    found = open_study(place).trials
    assert [trial.state for trial in found] == [
        *(TrialState.FAIL, TrialState.RUNNING, TrialState.COMPLETE)
    ]


def wait_until(is_so: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


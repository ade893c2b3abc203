"""Working folders: gone with their process, and only then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neuro import scratch
from neuro.scratch import scratch_folder

PREFIX = "neuro-test-"

HOLDER = f"""
import sys, time
from pathlib import Path
from neuro.scratch import scratch_folder
with scratch_folder({PREFIX!r}, Path(sys.argv[1])) as folder:
    (folder / "data").write_text("much")
    print(folder, flush=True)
    time.sleep(60)
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + scratch.LOCK)


def old(folder: Path) -> None:
    os.utime(lock_of(folder), (0, 0))


def test_it_goes_with_the_block(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(PREFIX, tmp_path) as folder:
            assert folder.parent == tmp_path and folder.name.startswith(PREFIX)
            (folder / "below").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_renamed_folder_stays(tmp_path: Path) -> None:
    with scratch_folder(PREFIX, tmp_path) as folder:
        folder.rename(tmp_path / "kept")
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_leftovers_of_a_killed_process_go_when_the_next_comes(tmp_path: Path) -> None:
    process, left = holder(tmp_path)
    with process:
        old(left)
        with scratch_folder(PREFIX, tmp_path):
            assert (left / "data").is_file(), "a folder in use was removed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert left.is_dir()
        with scratch_folder(PREFIX, tmp_path) as mine:
            assert set(tmp_path.iterdir()) == {mine, lock_of(mine)}


def test_a_new_folder_that_is_not_locked_yet_is_left_alone(tmp_path: Path) -> None:
    fresh = tmp_path / f"{PREFIX}fresh"
    fresh.mkdir()
    lock_of(fresh).touch()
    with scratch_folder(PREFIX, tmp_path):
        assert fresh.is_dir()
    old(fresh)
    with scratch_folder(PREFIX, tmp_path):
        assert not fresh.exists()


def test_other_folders_are_not_its_affair(tmp_path: Path) -> None:
    for name in ("neuro-other-1", f"{PREFIX}without-lock"):
        (tmp_path / name).mkdir()
    with scratch_folder(PREFIX, tmp_path):
        pass
    assert len(list(tmp_path.iterdir())) == 2

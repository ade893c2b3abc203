"""Files of results appear whole or not at all, and old results are only taken for the same job."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from neuro.errors import JobError
from neuro.results import RunFolder, key_of, write_bytes, write_json


def test_write_and_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    write_json(path, {"x": [0.1, None]})
    assert json.loads(path.read_text()) == {"x": [0.1, None]}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_files_are_as_readable_as_the_user_wants(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_nan_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "disk full while writing"),
        (errno.EDQUOT, "disk full while writing"),
        (errno.EIO, "cannot write .*: Input/output error"),
    ],
)
def test_failed_writes_leave_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, message: str
) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"old": True})

    def fail(*arguments: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(JobError, match=message):
        write_json(path, {"new": True})
    assert json.loads(path.read_text()) == {"old": True}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


def test_an_interrupted_write_leaves_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "a", b"x")
    assert list(tmp_path.iterdir()) == []


def test_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a" / "b")
    folder.write_bytes("c", b"d")
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"d"
    assert [p.name for p in folder.path.iterdir()] == ["c"]


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(JobError, match="it is a file"):
        RunFolder(tmp_path / "a")
    with pytest.raises(JobError, match="cannot use .*Not a directory"):
        RunFolder(tmp_path / "a" / "b")


def test_folder_that_cannot_be_written_is_refused_at_once() -> None:
    with pytest.raises(JobError, match="cannot use /proc/neuro"):
        RunFolder(Path("/proc/neuro"))
    with pytest.raises(JobError, match="cannot use /proc/sys for results"):
        RunFolder(Path("/proc/sys"))


def test_seeds_are_kept_by_key(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.store("sleep-aa", 3, {"final_accuracy": 0.5})
    assert RunFolder(tmp_path).load("sleep-aa", 3) == {"final_accuracy": 0.5}
    assert folder.load("sleep-bb", 3) is None
    assert folder.load("sleep-aa", 4) is None


@pytest.mark.parametrize("content", ["", '{"key": "sleep-aa", "seed": 3, "resu', "[1]", "{}"])
def test_broken_seed_files_count_as_absent(tmp_path: Path, content: str) -> None:
    folder = RunFolder(tmp_path)
    folder.store("sleep-aa", 3, {"final_accuracy": 0.5})
    (tmp_path / "seeds" / "sleep-aa-3.json").write_text(content)
    assert folder.load("sleep-aa", 3) is None


def test_a_seed_file_under_another_name_is_not_taken(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.store("sleep-aa", 3, {"final_accuracy": 0.5})
    (tmp_path / "seeds" / "sleep-aa-3.json").rename(tmp_path / "seeds" / "sleep-bb-3.json")
    assert folder.load("sleep-bb", 3) is None


def test_begin_removes_the_marks_of_completion(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_json("metrics.json", {})
    folder.begin("metrics.json", "report.html")
    assert list(tmp_path.iterdir()) == []


def test_keys_follow_content_not_order() -> None:
    assert key_of({"a": 1, "b": [0.1]}) == key_of({"b": [0.1], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert key_of({"a": 0.1}) != key_of({"a": 0.1 + 2e-17})

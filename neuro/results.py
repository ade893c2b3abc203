"""Folders of results that survive interruption: files appear whole or not at all.

A file is written under another name, flushed to the disk and renamed, which POSIX makes atomic.
A job of many seeds keeps one file per finished seed, under a key made from everything that
influences it: run again, it takes up where it stopped, and never takes up results of another
configuration.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import JobError


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically and durably.

    Raises
    ------
    JobError
        If it cannot be written (permission, full disk, ...); the old file, if any, is intact.
    """
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files private; results are ordinary files.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        # After success the name is gone; after any failure, Ctrl-C included, it must go.
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_json(path: Path, data: Any) -> None:
    """Write JSON atomically: sorted only as given, strict (no NaN), same data, same bytes.

    Raises
    ------
    JobError
        If the file cannot be written.
    ValueError
        If the data hold NaN or infinity, which JSON does not have.
    """
    write_bytes(path, (json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def _umask() -> int:
    # The only portable way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> JobError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return JobError(f"disk full while writing {path}; free some space and run again")
    return JobError(f"cannot write {path}: {error.strerror or error}")


def key_of(config: Any) -> str:
    """Short hexadecimal hash of plain data; equal exactly for equal JSON."""
    text = json.dumps(config, sort_keys=True, allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class RunFolder:
    """The folder of one job.

    Parameters
    ----------
    path : Path
        Made if it does not exist, parents included.
    make : bool
        False: only look at what is there; nothing is made, and nothing may be stored.

    Raises
    ------
    JobError
        If it cannot be made or written to. Checked at once: a job of hours should not find out
        at its end.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        if not make:
            return
        try:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path) as probe:
                probe.write(b"neuro")
                probe.flush()
        except FileExistsError as error:
            raise JobError(f"cannot use {path} for results: it is a file") from error
        except OSError as error:
            raise JobError(f"cannot use {path} for results: {error.strerror or error}") from error

    def begin(self, *finished: str) -> None:
        """Remove what an earlier job wrote at its end, so that its presence means: finished.

        Parameters
        ----------
        *finished : str
            Names of files in the folder.
        """
        for name in finished:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise _unwritable(self.path / name, error) from error

    def _part(self, key: str, seed: int) -> Path:
        return self.path / "seeds" / f"{key}-{seed}.json"

    def load(self, key: str, seed: int) -> dict[str, Any] | None:
        """The result of a seed that was finished earlier under this key, or None.

        A file that is not whole JSON (from a copy that broke off, say) counts as absent.
        """
        try:
            stored = json.loads(self._part(key, seed).read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(stored, dict) or stored.get("key") != key or stored.get("seed") != seed:
            return None
        result = stored.get("result")
        return result if isinstance(result, dict) else None

    def arrays(self, key: str, seed: int) -> Path:
        """Where the arrays of a finished seed are kept."""
        return self._part(key, seed).with_suffix(".npz")

    def store(
        self,
        key: str,
        seed: int,
        result: dict[str, Any],
        arrays: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Keep the result of a finished seed, and arrays that belong to it.

        Raises
        ------
        JobError
            If it cannot be written.
        """
        path = self._part(key, seed)
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error
        if arrays:  # first: a seed counts as finished when its JSON is there
            packed = io.BytesIO()
            named: dict[str, Any] = dict(arrays)
            np.savez(packed, **named)
            write_bytes(self.arrays(key, seed), packed.getvalue())
        write_json(path, {"key": key, "seed": seed, "result": result})

    def write_json(self, name: str, data: Any) -> None:
        """Write a JSON file in the folder; see :func:`write_json`."""
        write_json(self.path / name, data)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write a file in the folder; see :func:`write_bytes`."""
        write_bytes(self.path / name, data)

"""Working folders that do not outlive their process for long, however it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Ending of the file beside a folder that its process holds locked; the lock goes with the process.
LOCK = ".in-use"

#: Age, in seconds, from which a folder that nobody holds is a leftover: a new one is locked a
#: moment after it is made.
LEFT = 60.0


@contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder for the time of a ``with`` block.

    Folders of the same prefix whose processes were killed are removed first. Inside the block the
    folder may be renamed; then it stays.

    Parameters
    ----------
    prefix : str
        Of its name; what follows is arbitrary.
    parent : Path, optional
        Where; by default among the temporary files of the system.

    Raises
    ------
    OSError
        ``parent`` cannot be written to.
    """
    parent = parent or Path(tempfile.gettempdir())
    _sweep(prefix, parent)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    lock = folder.with_name(folder.name + LOCK)
    handle = os.open(lock, os.O_CREAT | os.O_RDWR)
    try:
        _lock(handle)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        lock.unlink(missing_ok=True)
        os.close(handle)


def _sweep(prefix: str, parent: Path) -> None:
    """Remove what killed processes left."""
    for lock in parent.glob(f"{prefix}*{LOCK}"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if time.time() - lock.stat().st_mtime < LEFT:
                continue
            handle = os.open(lock, os.O_RDWR)
            try:
                if _lock(handle):
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.unlink()
            finally:
                os.close(handle)


def _lock(handle: int) -> bool:
    """Whether nobody held the lock; it is then held until the file is closed."""
    try:
        import fcntl
    except ImportError:  # Windows, where a folder in use cannot be removed anyway
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

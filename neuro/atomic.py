"""Files that are whole or absent: written under another name and renamed when complete."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file through a temporary one beside it, which takes its place at the end.

    Yields
    ------
    Path
        An empty file to write. Its name begins with ``"." + path.name``. When the block raises it
        is removed, and the old file, if any, is intact; a killed process leaves it behind.
    """
    temporary = path.parent / f".{path.name}.{secrets.token_hex(6)}"
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with temporary.open("rb+") as file:  # the name must not outlive a power cut without data
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise

"""Importing Lava 0.10.0 on Pythons and NumPys that are newer than it. Only in the child process.

Its one fault on Python 3.11 and later are dataclass fields with an unhashable default
(``lava/magma/compiler/var_model.py``); on NumPy 2.4 and later the argument ``newshape`` of
``numpy.reshape``, which ``ReshapePort`` uses.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from neuro.errors import BackendError

#: Commands that install what this adapter is made for.
MEND = (
    "pip install 'numpy>=2.0,<2.4' asteval networkx; pip install --no-deps"
    " --ignore-requires-python --force-reinstall lava-nc==0.10.0"
)


def import_lava() -> None:
    """Import the parts of Lava that need help; the rest can then be imported as usual.

    Raises
    ------
    ImportError
        Lava does not work with what is installed; the message has the command that mends it.
    BackendError
        Multiprocessing is set to start processes in another way than Lava's.
    """
    try:
        _import_lava()
    except BackendError:
        raise
    except Exception as error:
        raise ImportError(
            f"Lava cannot be imported with Python {platform.python_version()} and NumPy"
            f" {np.__version__} ({type(error).__name__}: {error}); run: {MEND}"
        ) from error


def _import_lava() -> None:
    original = dataclasses.dataclass

    def hashable(cls: Any = None, **options: Any) -> Any:
        return original(cls, **{"unsafe_hash": True, **options})

    dataclasses.dataclass = hashable
    try:
        import lava.magma.compiler.var_model  # noqa: F401
    finally:
        dataclasses.dataclass = original
    if np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        from lava.magma.core.process.ports import ports

        ports.np = _WithNewshape()
    with _start_method_may_be_set():
        from lava.magma.runtime.message_infrastructure import (
            multiprocessing as channels,
        )

    channels.SharedMemoryManager = AnonymousMemory


@contextmanager
def _start_method_may_be_set() -> Iterator[None]:
    """Lava sets multiprocessing's start method when imported, which works only once a process."""
    original = multiprocessing.set_start_method

    def keep(method: str | None, force: bool = False) -> None:
        found = multiprocessing.get_start_method(allow_none=True)
        if found is None or force:
            original(method, force)
        elif found != method:
            raise BackendError(
                f"multiprocessing starts processes by {found!r}, but Lava needs {method!r}: call"
                f" multiprocessing.set_start_method({method!r}) first in the program"
            )

    multiprocessing.set_start_method = keep
    try:
        yield
    finally:
        multiprocessing.set_start_method = original


class _WithNewshape:
    """NumPy with the old argument of ``reshape``."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def reshape(a: Any, *shape: Any, newshape: Any = None, **options: Any) -> Any:
        return np.reshape(a, *(shape if newshape is None else (newshape,)), **options)


class AnonymousMemory:
    """Memory of Lava's channels without names in ``/dev/shm`` and without a manager process.

    Lava forks all its processes from the one that makes the channels, so they see this memory;
    and it goes when the last of them ends, however that comes about.
    """

    def start(self) -> None:
        """Nothing to start."""

    def shutdown(self) -> None:
        """Nothing to stop."""

    def create_shared_memory(self, size: int) -> _Memory:
        """Memory for one channel."""
        return _Memory(size)


class _Memory:
    def __init__(self, size: int) -> None:
        import mmap

        self.buf = memoryview(mmap.mmap(-1, max(size, 1)))



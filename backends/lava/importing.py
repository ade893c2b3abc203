"""Importing Lava 0.10.0 on Pythons and NumPys that are newer than it. Only in the child process.

Its one fault on Python 3.11 and later are dataclass fields with an unhashable default
(``lava/magma/compiler/var_model.py``); on NumPy 2.4 and later the argument ``newshape`` of
``numpy.reshape``, which ``ReshapePort`` uses.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


def import_lava() -> None:
    """Import the parts of Lava that need help; the rest can then be imported as usual."""
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
    from lava.magma.runtime.message_infrastructure import multiprocessing

    multiprocessing.SharedMemoryManager = AnonymousMemory


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



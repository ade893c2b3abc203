"""Anonymous memory that this process, its child and what Lava forks see alike.

It has no name in any folder, so nothing is left behind, however the processes end.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Name, dtype and shape of an array.
Entry = tuple[str, str, tuple[int, ...]]

_ALIGN = 64
_HEADER = struct.Struct("=qq")


def anonymous_file(name: str) -> int:
    """Descriptor of a file in memory."""
    return os.memfd_create(f"neuro-{name}", os.MFD_CLOEXEC)


class Block:
    """Named arrays in one piece of shared memory.

    Parameters
    ----------
    entries : sequence of (name, dtype, shape)
    descriptor : int, optional
        Of the file of an existing block; by default a new one is made, filled with zeros.
    """

    def __init__(self, entries: list[Entry], descriptor: int | None = None) -> None:
        self.entries = entries
        self.descriptor = anonymous_file("arrays") if descriptor is None else descriptor
        places, size = [], 0
        for _, dtype, shape in entries:
            places.append(size)
            nbytes = np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64))
            size += -(-nbytes // _ALIGN) * _ALIGN
        size = max(size, 1)
        if descriptor is None:
            os.ftruncate(self.descriptor, size)
        memory = mmap.mmap(self.descriptor, size)
        self.arrays: dict[str, NDArray[Any]] = {
            name: np.ndarray(shape, dtype, memory, place)
            for (name, dtype, shape), place in zip(entries, places, strict=True)
        }


class Mailbox:
    """A growing file of packets (a text and bytes), appended by several processes at once.

    Parameters
    ----------
    descriptor : int, optional
        Of an existing mailbox; by default a new one is made.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor = anonymous_file("mailbox") if descriptor is None else descriptor
        if descriptor is None:  # each write then goes to the end, in one piece
            fcntl.fcntl(self.descriptor, fcntl.F_SETFL, os.O_APPEND | os.O_RDWR)

    def put(self, title: str, content: NDArray[Any]) -> None:
        """Append a packet."""
        text, data = title.encode(), np.ascontiguousarray(content).reshape(-1).view(np.uint8)
        packet: list[Any] = [_HEADER.pack(len(text), len(data)), text, data]
        size = _HEADER.size + len(text) + len(data)
        if os.writev(self.descriptor, packet) != size:
            raise OSError(f"no memory for {size} bytes of {title!r}")

    def packets(self) -> Iterator[tuple[str, NDArray[np.uint8]]]:
        """Every packet, in order of arrival; the bytes are read in place."""
        size = os.fstat(self.descriptor).st_size
        if not size:
            return
        memory = np.frombuffer(mmap.mmap(self.descriptor, size, prot=mmap.PROT_READ), np.uint8)
        place = 0
        while place < size:
            text, data = _HEADER.unpack(memory[place : place + _HEADER.size].tobytes())
            place += _HEADER.size
            title = memory[place : place + text].tobytes().decode()
            place += text
            yield title, memory[place : place + data]
            place += data

    def clear(self) -> None:
        """Throw all packets away."""
        os.ftruncate(self.descriptor, 0)


def entries_of(arrays: Mapping[str, NDArray[Any]]) -> list[Entry]:
    """The entries of a block for some arrays."""
    return [(name, a.dtype.str, a.shape) for name, a in arrays.items()]

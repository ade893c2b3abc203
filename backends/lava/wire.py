"""Messages between this process and its child: a length, then bytes.

To the child go pickles, which only our own child reads; back comes JSON. Arrays travel through
shared memory (:mod:`neuro.backends.lava.sharing`).
"""

from __future__ import annotations

import json
import os
import pickle
import struct
from typing import Any

_LENGTH = struct.Struct("=q")


def send_object(descriptor: int, message: Any) -> None:
    """Send anything that can be pickled (to the child)."""
    _send(descriptor, pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL))


def receive_object(descriptor: int) -> Any:
    """Receive it (in the child)."""
    return pickle.loads(_receive(descriptor))


def send_answer(descriptor: int, answer: dict[str, Any]) -> None:
    """Send a dict of texts and numbers (from the child)."""
    _send(descriptor, json.dumps(answer).encode())


def receive_answer(descriptor: int) -> dict[str, Any]:
    """Receive it.

    Raises
    ------
    EOFError
        The other side is gone.
    """
    answer: dict[str, Any] = json.loads(_receive(descriptor))
    return answer


def _send(descriptor: int, data: bytes) -> None:
    left = memoryview(_LENGTH.pack(len(data)) + data)
    while left:
        left = left[os.write(descriptor, left) :]


def _receive(descriptor: int) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(descriptor, _LENGTH.size))
    return _exactly(descriptor, length)


def _exactly(descriptor: int, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = os.read(descriptor, count - len(data))
        if not part:
            raise EOFError("the other side is gone")
        data += part
    return bytes(data)

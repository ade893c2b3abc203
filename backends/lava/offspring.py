"""How processes end with the one that made them (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from types import FrameType

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Let this process end when its parent does.

    The kernel's signal also comes when only the thread ends that started this process; the
    parent's number tells the two apart.
    """

    def parent_gone(number: int, frame: FrameType | None) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGTERM, parent_gone)
    _ask_for_signal(signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def let_forks_end_with_this() -> None:
    """Let every process that is forked from this one be killed when this one ends."""
    parent = os.getpid()

    def in_fork() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _ask_for_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    os.register_at_fork(after_in_child=in_fork)


def _ask_for_signal(number: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)

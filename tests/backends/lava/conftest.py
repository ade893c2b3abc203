"""Lava backend, where it can run."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neuro.backends.lava import BACKEND

sys.path.insert(0, str(Path(__file__).parent))  # what tests, and their processes, share

from lava_helpers import assert_gone


@pytest.fixture(autouse=True)
def lava() -> None:
    """Lava must be there: a skipped backend would hide a fault."""
    available = BACKEND.available()
    assert available is True, available


@pytest.fixture
def gone() -> Iterator[list[int]]:
    """Sessions put into this list must have no process at the end of the test."""
    sessions: list[int] = []
    yield sessions
    for session in sessions:
        assert_gone(session)

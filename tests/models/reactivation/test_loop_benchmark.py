"""The benchmark of the time loop compares loops that agree, and tells when they do not."""

import pytest

from neuro.benchmarks import reactivation_loop
from neuro.errors import BackendError


def test_both_loops_agree_and_are_timed(monkeypatch):
    monkeypatch.setattr(reactivation_loop, "SIZES", ((8, 4, 5),))
    made = reactivation_loop.case(repeats=1, seconds=0.01)
    assert [result["case"].split(": ")[1].split(",")[0] for result in made] == [
        "training", "offline",
    ]  # fmt: skip
    assert all(result["ratio"] > 0 for result in made)


def test_loops_that_differ_are_not_timed():
    pair = reactivation_loop.Pair(8, 4, 5)
    pair.leaves["bias"].data += 0.1
    with pytest.raises(BackendError, match="the two loops differ"):
        pair.check()

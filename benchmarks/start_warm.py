"""From ``compile`` to the first step when the C++ build is in the cache, in a new process.

There is no peer: the bar is one second.

Run ``python -m neuro.benchmarks.start_warm``.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from neuro.benchmarks._start import seconds_to_first_step


def case(repeats: int = 5) -> dict[str, object]:
    """Build once, start several times; figures in seconds."""
    with tempfile.TemporaryDirectory() as name:
        seconds_to_first_step(Path(name))
        ours = statistics.median(seconds_to_first_step(Path(name)) for _ in range(repeats))
    return {
        "case": "compile to first step, warm [s]",
        "peer": "the bar of 1 s",
        "ours": ours,
        "theirs": 1.0,
        "ratio": 1.0 / ours,
        "bar": 1.0,
        "holds": ours <= 1.0,
    }


if __name__ == "__main__":
    print(case())

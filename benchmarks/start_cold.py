"""From ``compile`` to the first step with an empty cache, beside hand-written Brian2.

Both generate and compile C++ for the same network. No bar is set for a cold start yet, so it
holds when neuro is not slower.

Run ``python -m neuro.benchmarks.start_cold``.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from neuro.benchmarks._sleep_case import sleep_case
from neuro.benchmarks._start import start
from neuro.benchmarks.sleep_brian2 import handwritten


def case(repeats: int = 3) -> dict[str, object]:
    """Build everything ``repeats`` times; figures in seconds."""
    sleep = sleep_case((784, 256, 10), (1.2, 0.2), 1)
    ours, theirs = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            cache = Path(name) / "cache"
            ours.append(start("sleep", "brian2", {"target": "cpp"}, cache).seconds)
            theirs += handwritten(sleep, Path(name), 0)["first"]
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    return {
        "case": "compile to first step, cold [s]",
        "peer": "hand-written Brian2 cpp_standalone",
        "ours": statistics.median(ours),
        "theirs": statistics.median(theirs),
        "ratio": ratio,
        "bar": 1.0,
        "holds": ratio >= 1.0,
    }


if __name__ == "__main__":
    print(case())

"""From ``compile`` to the first step with an empty cache, beside hand-written Brian2.

All generate and compile code for the same network: neuro by Brian2, which holds when it is not
slower, and by its native backend, which is to be five times as quick.

Run ``python -m neuro.benchmarks.start_cold``.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from neuro.benchmarks._sleep_case import sleep_case
from neuro.benchmarks._start import start
from neuro.benchmarks.sleep_brian2 import handwritten

#: How many times as quick as the peer each is to be.
BARS = {"brian2": 1.0, "native": 5.0}


def case(repeats: int = 3) -> list[dict[str, Any]]:
    """Build everything ``repeats`` times; figures in seconds."""
    sleep = sleep_case((784, 256, 10), (1.2, 0.2), 1)
    ours: dict[str, list[float]] = {backend: [] for backend in BARS}
    theirs: list[float] = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            cache = Path(name) / "cache"
            for backend, seconds in ours.items():
                options = {"target": "cpp"} if backend == "brian2" else {}
                seconds.append(start("sleep", backend, options, cache).seconds)
            theirs += handwritten(sleep, Path(name), 0)["first"]
    return [_result(backend, ours[backend], theirs) for backend in BARS]


def _result(backend: str, ours: list[float], theirs: list[float]) -> dict[str, Any]:
    ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
    return {
        "case": f"compile to first step, cold, {backend} [s]",
        "peer": "hand-written Brian2 cpp_standalone",
        "ours": statistics.median(ours),
        "theirs": statistics.median(theirs),
        "ratio": ratio,
        "bar": BARS[backend],
        "holds": ratio >= BARS[backend],
    }


if __name__ == "__main__":
    for row in case():
        print(row)

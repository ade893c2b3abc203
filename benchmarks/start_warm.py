"""From ``compile`` to the first step with everything cached, in a new process, on every backend.

There is no peer: the bar is one second. Each way of running is timed twice: with the time to
import other people's libraries (sympy, Brian2, PyTorch), and with these imported before.

Run ``python -m neuro.benchmarks.start_warm``.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neuro.benchmarks._start import start
from neuro.simulation import installed_backends

BAR = 1.0


def case(network: str = "cuba", repeats: int = 5) -> list[dict[str, Any]]:
    """Build once, start several times; figures in seconds.

    Parameters
    ----------
    network : str
        Key of ``neuro.benchmarks._start.NETWORKS``: CUBA with 4,000 neurons, or the sleep network.
    repeats : int
    """
    results = []
    for backend in installed_backends():
        if backend.available() is True:
            for variant in backend.variants():
                title = f"{variant.title}, {network}"
                results += _variant(title, network, backend.name, variant.options, repeats)
    return results


def _variant(
    title: str, network: str, backend: str, options: Mapping[str, Any], repeats: int
) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name)
        libraries = start(network, backend, options, cache).modules
        pairs = [
            (
                start(network, backend, options, cache, libraries).seconds,
                start(network, backend, options, cache).seconds,
            )
            for _ in range(repeats)
        ]
    apart, included = zip(*pairs, strict=True)
    return [
        _result(f"warm start, {title}: imports apart [s]", apart),
        _result(f"warm start, {title}: imports included [s]", included),
    ]


def _result(case: str, seconds: tuple[float, ...]) -> dict[str, Any]:
    ours = statistics.median(seconds)
    spread = f"{min(seconds):.3g} to {max(seconds):.3g} s in {len(seconds)} processes"
    return {
        "case": case,
        "peer": "the bar of 1 s",
        "ours": ours,
        "theirs": BAR,
        "ratio": BAR / ours,
        "bar": 1.0,
        "holds": ours <= BAR,
        "details": {"spread": spread},
    }


if __name__ == "__main__":
    for row in case():
        print(row)

"""CUBA, 4,000 neurons for a second: compiled by neuro and written by hand in Brian2.

Run ``python -m neuro.benchmarks.brian2_cuba``.
"""

from __future__ import annotations

from typing import Any

from neuro.benchmarks._brian2_pair import Pair, compare
from neuro.benchmarks._cuba import DT, cuba


def case(neurons: int = 4000, duration: float = 1.0, repeats: int = 15) -> list[dict[str, Any]]:
    """Time, and peak of memory; each neuron has 80 synapses on average."""
    probability = min(1.0, 80 / neurons)
    pair = Pair(
        title=f"CUBA, {neurons:,} neurons, {duration:g} s",
        network=cuba(neurons, probability),
        dt=DT,
        duration=duration,
        peer="_handwritten_cuba",
        data={"neurons": neurons, "probability": probability},
        tolerance=0.15,
    )
    return compare(pair, repeats)


if __name__ == "__main__":
    for row in case():
        print(row)

"""Bytes that a synapse takes at the peak of a run, on every backend.

Each network is run in two sizes, and the difference in memory is divided by that in synapses.
Three kinds: all pairs of two populations connected, the same with pair STDP, and sparse
connections. Beside each stands the program that Brian2 makes of the same network written by hand.

Run ``python -m neuro.benchmarks.synapse_memory``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from neuro.benchmarks._brian2_pair import MEMORY_BAR, build_by_hand, run_by_hand
from neuro.benchmarks._cost import Cost, Limits, cost, free_memory
from neuro.benchmarks._cost_network import DT
from neuro.benchmarks.cost_curve import VARIANTS
from neuro.simulation import backends

#: Kind, and how it is called.
KINDS = {"dense": "dense, static", "plastic": "dense, plastic", "sparse": "sparse, static"}

#: Seconds that one network may take.
LIMIT = 300.0

#: (neurons, synapses of a neuron): about one and four million synapses.
SIZES = ((2000, 1000), (4000, 1000))


def case(sizes: Sequence[tuple[int, int]] = SIZES) -> list[dict[str, Any]]:
    """One result for each kind and backend; of C++, one for its program and one for Python.

    Parameters
    ----------
    sizes : sequence of two (int, int)
        Neurons, and of the sparse network the synapses of each; dense ones connect two halves.
    """
    results = []
    limits = Limits(LIMIT, 0.7 * free_memory())
    known = backends()
    for kind, title in KINDS.items():
        theirs = _by_hand(kind, sizes)
        for name, backend, options in VARIANTS:
            where = f"bytes a synapse, {title}, {name}"
            if known.get(backend) is not True:
                results.append(_result(where, None, theirs, None, f"{known.get(backend)}"))
                continue
            small, large = (cost(kind, n, k, backend, options, limits) for n, k in sizes)
            problem = small.problem or large.problem
            ours = None if problem else _per_synapse(small, large, "process")
            if options.get("target") == "cpp":
                program = None if problem else _per_synapse(small, large, "program")
                results.append(_result(f"{where}: program", program, theirs, MEMORY_BAR, problem))
                where += ": Python beside it"
            results.append(_result(where, ours, theirs, None, problem))
    return results


def _per_synapse(small: Cost, large: Cost, attribute: str) -> float:
    more: float = getattr(large, attribute) - getattr(small, attribute)
    return more / (large.synapses - small.synapses)


def _by_hand(kind: str, sizes: Sequence[tuple[int, int]]) -> float:
    peaks = []
    for neurons, degree in sizes:
        with tempfile.TemporaryDirectory() as name:
            data = {"kind": kind, "neurons": neurons, "degree": degree, "dt": DT, "duration": 1.0}
            program, _ = build_by_hand("_handwritten_synapses", data, Path(name))
            peaks.append(run_by_hand(program, Path(name)).peak)
    synapses = [n * k if kind == "sparse" else (n // 2) ** 2 for n, k in sizes]
    return (peaks[1] - peaks[0]) / (synapses[1] - synapses[0])


def _result(
    case: str, ours: float | None, theirs: float, bar: float | None, problem: str
) -> dict[str, Any]:
    ratio = None if ours is None else theirs / ours
    return {
        "case": case,
        "peer": "hand-written Brian2 cpp_standalone",
        "ours": ours,
        "theirs": theirs,
        "ratio": ratio,
        "bar": bar,
        "holds": None if bar is None or ratio is None else ratio >= bar,
        "details": {"problem": problem} if problem else {},
    }


if __name__ == "__main__":
    for row in case():
        print(row)

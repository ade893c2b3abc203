"""What a simulated second costs, against the size of the network, on every backend.

Two series: neurons with 100 synapses each, and synapses of 10,000 neurons. Every size runs in a
process of its own on one core, within a limit of time and of memory; what does not fit is marked.
All figures are absolute, there is no peer and no bar; a result gives the slope of the last two
decades on logarithmic axes, where 1 means that cost is in proportion to size.

Run ``neuro bench cost-curve --out FOLDER``, which also writes ``cost_curve.json``, a table
``cost_curve.md`` and the figure ``cost_curve.svg``; ``--quick`` makes it short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro.benchmarks._cost import Cost, Limits, cost, free_memory
from neuro.simulation import backends

DEGREE, NEURONS = 100, 10_000


@dataclass(frozen=True)
class Plan:
    """Which sizes are tried, and how long one may take.

    Attributes
    ----------
    neurons : sequence of int
        Of the first series, each with 100 synapses.
    synapses : sequence of int
        Of the second series, in all, of ``fixed`` neurons.
    fixed : int
    seconds : float
        Limit of one size.
    """

    neurons: Sequence[int]
    synapses: Sequence[int]
    fixed: int
    seconds: float


FULL = Plan(
    neurons=(100, 316, 1000, 3162, 10_000, 31_623, 100_000),
    synapses=(10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    fixed=NEURONS,
    seconds=300.0,
)
QUICK = Plan(neurons=(120, 1200), synapses=(1000, 10_000), fixed=1000, seconds=60.0)

#: Title, backend, options. (Cython makes the same loops as C++ and compiles for minutes.)
VARIANTS: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("reference", "reference", {}),
    ("brian2, NumPy", "brian2", {"target": "numpy"}),
    ("brian2, C++", "brian2", {"target": "cpp"}),
    ("torch, CPU", "torch", {"device": "cpu"}),
)

#: What is measured: attribute of :class:`Cost`, and how it is called.
MEASURES = {"seconds": "time of a simulated second [s]", "memory": "peak memory [MB]"}

Curves = dict[str, dict[str, list[Cost]]]


def measure(plan: Plan) -> Curves:
    """Costs by series (``"neurons"``, ``"synapses"``) and backend.

    A backend that is not available, and sizes above one that did not fit, are marked without
    being tried.
    """
    limits = Limits(plan.seconds, 0.7 * free_memory())
    sizes = {
        "neurons": [(n, DEGREE) for n in plan.neurons],
        "synapses": [(plan.fixed, max(1, s // plan.fixed)) for s in plan.synapses],
    }
    known = backends()
    curves: Curves = {series: {} for series in sizes}
    for series, chosen in sizes.items():
        for title, backend, options in VARIANTS:
            problem = "" if known.get(backend) is True else f"no backend: {known.get(backend)}"
            costs: list[Cost] = []
            for neurons, degree in chosen:
                if problem:
                    costs.append(Cost(neurons, neurons * degree, problem))
                    continue
                costs.append(cost("sparse", neurons, degree, backend, options, limits))
                if costs[-1].problem:
                    problem = f"not tried, as a smaller one took {costs[-1].problem}"
            curves[series][title] = costs
    return curves


def slope(costs: Sequence[Cost], series: str, attribute: str) -> float | None:
    """Exponent of the power law through the last two decades; None for fewer than two sizes."""
    done = [c for c in costs if not c.problem]
    size = np.array([getattr(c, series) for c in done], dtype=float)
    value = np.array([getattr(c, attribute) for c in done], dtype=float)
    last = size >= 0.0099 * size.max(initial=0.0)
    if last.sum() < 2:
        return None
    return float(np.polyfit(np.log10(size[last]), np.log10(value[last]), 1)[0])


def table(curves: Curves) -> str:
    """All figures in Markdown: a table for each series and measure."""
    text = []
    for series, lines in curves.items():
        for attribute, title in MEASURES.items():
            sizes = [getattr(c, series) for c in next(iter(lines.values()))]
            text.append(f"| {title} | " + " | ".join(f"{n:,}" for n in sizes) + " | slope |")
            text.append("| --- |" + " ---: |" * (len(sizes) + 1))
            for name, costs in lines.items():
                cells = [_cell(c, attribute) for c in costs]
                cells.append(_exponent(slope(costs, series, attribute)))
                text.append(f"| {name} | " + " | ".join(cells) + " |")
            text.append("")
    return "\n".join(text)


def case(out: Path | None = None, quick: bool = False) -> list[dict[str, Any]]:
    """Slopes, one result for each series and backend.

    Parameters
    ----------
    out : Path, optional
        Folder for the figures, the table and the numbers.
    quick : bool
        Small networks only.
    """
    curves = measure(QUICK if quick else FULL)
    if out is not None:
        _write(curves, out)
    return [
        _result(series, name, costs)
        for series, lines in curves.items()
        for name, costs in lines.items()
    ]


def _write(curves: Curves, out: Path) -> None:
    from neuro.plotting.cost import cost_curves
    from neuro.plotting.style import svg
    from neuro.results import write_bytes, write_json

    plain = {
        series: {name: [asdict(c) for c in costs] for name, costs in lines.items()}
        for series, lines in curves.items()
    }
    write_json(out / "cost_curve.json", plain)
    write_bytes(out / "cost_curve.md", table(curves).encode())
    write_bytes(out / "cost_curve.svg", svg(cost_curves(plain)).encode())


def _result(series: str, name: str, costs: Sequence[Cost]) -> dict[str, Any]:
    details = {"slope of memory": _exponent(slope(costs, series, "memory"))}
    for attribute, title in MEASURES.items():
        values = (f"{getattr(c, series):,}: {_cell(c, attribute)}" for c in costs)
        details[title] = ", ".join(values)
    return {
        "case": f"cost against {series}, {name}: slope of time",
        "peer": "-",
        "ours": slope(costs, series, "seconds"),
        "theirs": None,
        "ratio": None,
        "bar": None,
        "holds": None,
        "details": details,
    }


def _exponent(found: float | None) -> str:
    return "-" if found is None else f"{found:.2f}"


def _cell(point: Cost, attribute: str) -> str:
    if point.problem:
        return point.problem
    value = getattr(point, attribute)
    return f"{value * 1e-6:.0f}" if attribute == "memory" else f"{value:.3g}"


if __name__ == "__main__":
    print(table(measure(FULL)))

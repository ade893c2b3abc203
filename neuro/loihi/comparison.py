"""The spikes of a network in floats and in whole numbers, side by side."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from neuro.engine import Recorded
from neuro.loihi.quantisation import Quantised
from neuro.loihi.quantisation_report import Change, Comparison
from neuro.lowering import lower
from neuro.network import Network
from neuro.program import Program, Record
from neuro.progress import Silent


def compare(network: Network, quantised: Quantised | Network, dt: float, steps: int) -> Comparison:
    """Run a network in floats and in whole numbers on the reference backend.

    Compare rates, not rasters: a unit near threshold spikes a step earlier or later.

    Parameters
    ----------
    network : Network
    quantised : Quantised or Network
    dt : float, second
    steps : int

    Returns
    -------
    Comparison
        Spikes per population, and how many coincide.
    """
    other = quantised.network if isinstance(quantised, Quantised) else quantised
    names = [name for name, p in network.populations.items() if not p.is_source]
    one = _spikes(lower(network, dt), names, steps)
    two = _spikes(lower(other, dt, "loihi"), names, steps)
    changes = {}
    for name in names:
        (steps_1, units_1), (steps_2, units_2) = one.spikes[name], two.spikes[name]
        duration = steps * dt * network.populations[name].size or 1.0
        changes[name] = Change(
            len(steps_1),
            len(steps_2),
            len(steps_1) / duration,
            len(steps_2) / duration,
            _coincidence(steps_1, units_1, steps_2, units_2),
        )
    return Comparison(network.name, steps, changes)


def _spikes(program: Program, names: list[str], steps: int) -> Recorded:
    from neuro.simulation import find_backend

    records = tuple(Record(name, "spikes") for name in names)
    engine = find_backend("reference").compile(replace(program, records=records))
    try:
        return engine.run(steps, Silent())
    finally:
        engine.close()


def _coincidence(
    steps_1: NDArray[np.int64],
    units_1: NDArray[np.int64],
    steps_2: NDArray[np.int64],
    units_2: NDArray[np.int64],
) -> float:
    """Share of spikes with a partner at most one step away; each is a partner once."""
    total = len(steps_1) + len(steps_2)
    if not total:
        return 1.0
    pairs, i, j = 0, 0, 0
    one = sorted(zip(units_1.tolist(), steps_1.tolist(), strict=True))
    two = sorted(zip(units_2.tolist(), steps_2.tolist(), strict=True))
    while i < len(one) and j < len(two):
        (unit_1, step_1), (unit_2, step_2) = one[i], two[j]
        if unit_1 == unit_2 and abs(step_1 - step_2) <= 1:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif (unit_1, step_1) < (unit_2, step_2):
            i += 1
        else:
            j += 1
    return 2 * pairs / total

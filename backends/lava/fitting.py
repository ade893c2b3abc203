"""Which parts of a program of whole numbers Lava's own library of processes has."""

from __future__ import annotations

import numpy as np

from neuro.connectivity import Sparse
from neuro.loihi.numbers import DELAY_MAX
from neuro.program import Arrive, Program


def beyond_library(program: Program) -> dict[str, str]:
    """Populations and projections that run as processes of our own, each with the reason.

    What is joined with one of them is one of ours, too: Lava's synapses send shifted weights,
    ours send plain sums.
    """
    assert program.chip is not None
    found = {}
    for name, compartments in program.chip.populations.items():
        steps = np.unique(compartments.refractory_steps)
        if len(steps) > 1 and steps[-1] > 1:
            found[name] = "Lava's LIFRefractory has one refractory period for all units"
    arrivals = [s for s in program.steps if isinstance(s, Arrive)]
    for arrive in arrivals:
        if reason := _of_projection(program, arrive):
            found[arrive.projection] = reason
    before = -1
    while len(found) > before:
        before = len(found)
        for arrive in arrivals:
            joined = (arrive.projection, arrive.synapses, arrive.target)
            for name in joined:
                if name in found:
                    for other in joined:
                        found.setdefault(other, f"{name!r}, joined with it, is one of ours")
    return found


def fixed(program: Program) -> set[str]:
    """Arrays that processes of Lava's library take up only when they are made."""
    if program.chip is None:
        return set()
    beyond = beyond_library(program)
    return {
        name
        for name, array in program.arrays.items()
        if array.constant and array.owner in program.chip.populations and array.owner not in beyond
    }


def _of_projection(program: Program, arrive: Arrive) -> str:
    c = program.connectivity[arrive.synapses]
    assert program.chip is not None
    if isinstance(c, Sparse) and c.has_multapses:
        return "Lava adds several synapses of a pair to one weight"
    if arrive.delay > DELAY_MAX + 1:
        return f"a delay of {arrive.delay} steps is longer than {DELAY_MAX + 1}"
    if arrive.delays is not None and program.chip.projections[arrive.projection].exponent < 0:
        return "Lava rounds arrivals of different delays down one by one"
    return ""

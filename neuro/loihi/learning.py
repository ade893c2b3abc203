r"""Plasticity rules on the learning engine of Loihi: sums of products.

The engine changes a weight w (and a tag t) of a synapse at the end of each step by

.. math:: \Delta w = \sum_i m_i 2^{e_i} \cdot d_i \cdot \prod_j f_{ij},

with a mantissa m from -8 to 7 and an exponent e from -7 to 8, one dependency d (x0: the source
spikes in this step; y0: the target spikes; uk: every 2^k-th step) and factors f: two traces of
the source (x1, x2), three of the target (y1, y2, y3), w and t, each plus a constant, and signs of
w. A trace decays, then a spike adds its impulse, then products are evaluated, all with the state
before the step's changes. A rule with third factors gets y1, y2, y3 as graded spikes instead.
Sources: Davies et al. 2018, IEEE Micro 38(1):82; Lava 0.10.0, ``lava.magma.core.learning``.

Time. neuro counts a spike of the source where it *arrives*, one step after the engine has seen
it, and before a spike of the target in the same step. With ``timing="exact"`` the translation
makes up for that: a change at an arrival is made one step earlier (the trace of the target then
is what it will be, but for one step of decay); a trace of the source as it was one step ago is
``x1 - x2``, x2 being the spike of this step, over one step of decay, or is kept in the tag. With
``timing="engine"`` it takes x1 as it is, which saves a trace: a source that spikes in the very
step in which the target spikes then counts as before, instead of after it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.errors import CompileError
from neuro.loihi.fitting import Fitting
from neuro.loihi.products import Translation
from neuro.loihi.sum_of_products import changes
from neuro.program import Plasticity, Program

if TYPE_CHECKING:
    from neuro.network import Network

TIMINGS = ("exact", "engine")


def check_timing(timing: str) -> None:
    """Refuse a timing that does not exist.

    Raises
    ------
    CompileError
    """
    if timing not in TIMINGS:
        raise CompileError(f"timing {timing!r} is unknown; choose from {', '.join(TIMINGS)}")


def translate(network: Network, projection: str, dt: Any, *, timing: str = "exact") -> Translation:
    """A projection's rule as Loihi's learning engine computes it.

    Parameters
    ----------
    network : Network
    projection : str
        Name of a projection with a plasticity rule.
    dt : float, second
        Time step.
    timing : {"exact", "engine"}
        See the module.

    Returns
    -------
    Translation

    Raises
    ------
    CompileError
        When the rule does not fit, naming the term that does not.

    Examples
    --------
    >>> import neuro as nr
    >>> net = nr.Network("pairs")
    >>> _ = net.population("pre", nr.Poisson(20.0), size=2)
    >>> _ = net.population("post", nr.LIF(), size=1)
    >>> _ = net.connect("pre", "post", weights=[[0.5], [0.5]], plasticity=nr.PairSTDP(), name="c")
    >>> print(translate(net, "c", 1e-3).dw_text)
    y0*x1 - y0*x2 - x0*y1
    """
    from neuro.lowering import lower

    if projection not in network.projections:
        known = ", ".join(network.projections) or "none"
        raise CompileError(f"projection {projection!r} does not exist; there are: {known}")
    rule = network.projections[projection].plasticity
    if rule is None:
        raise CompileError(f"projection {projection!r} has no plasticity rule to translate")
    made = translate_step(lower(network, dt), projection, timing=timing)
    return replace(made, rule=rule.name)


def translate_step(program: Program, projection: str, *, timing: str = "exact") -> Translation:
    """Same as :func:`translate`, of a lowered network.

    Parameters
    ----------
    program : Program
    projection : str
    timing : {"exact", "engine"}
    """
    check_timing(timing)
    found = [
        s
        for s in program.steps
        if isinstance(s, Plasticity) and s.projection == projection and not s.short_term
    ]
    if not found:
        raise CompileError(f"projection {projection!r} has no plasticity rule to translate")
    (step,) = found
    where = f"the rule at {projection!r} does not fit Loihi's learning engine"
    if step.delays is not None:
        raise CompileError(f"{where}: every synapse has its own delay; give one for all")
    if step.transposed:
        raise CompileError(
            f"{where}: its weights belong to {step.synapses!r}, and the chip keeps weights of one"
            " direction; give it weights of its own"
        )
    weights = f"{step.synapses}.w"
    made = changes(step, weights)
    for name in step.writes:
        if name != weights and np.any(program.arrays[name].initial):
            raise CompileError(f"{where}: {name} does not start at 0, as its traces do")
    return Fitting(program, step, made, timing).translation()

"""Slices of whole numbers as processes of Lava's own library, as a Loihi 2 needs them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.librarywork import NeuronWork, SynapseWork
from neuro.backends.lava.matrices import matrix
from neuro.backends.lava.slices import spikes_of
from neuro.loihi.chip import Compartments, SynapseFormat
from neuro.program import Arrive, Program

if TYPE_CHECKING:
    from neuro.backends.lava.networks import Made, Place


def neurons(program: Program, name: str) -> Any:
    """Lava's process of a population: ``LIF``, or ``LIFRefractory``."""
    from lava.proc.lif.process import LIF, LIFRefractory

    assert program.chip is not None
    has: Compartments = program.chip.populations[name]
    size = program.sizes[name]

    def each(value: Any) -> NDArray[np.int64]:
        return np.broadcast_to(np.asarray(value, np.int64), size).copy()

    given = {
        "shape": (size,),
        "du": has.du,
        "dv": has.dv,
        "vth": has.vth,
        "bias_mant": each(has.bias_mant),
        "bias_exp": each(has.bias_exp),
        "u": program.arrays[f"{name}.u"].initial.astype(np.int64),
        "v": program.arrays[f"{name}.v"].initial.astype(np.int64),
        "name": name,
    }
    steps = int(np.max(has.refractory_steps))
    if steps > 1:
        return LIFRefractory(**given, refractory_period=steps - 1)
    return LIF(**given)


def synapses(program: Program, arrive: Arrive) -> Any:
    """Lava's process of a projection: ``Dense`` or ``Sparse``, with delays where it has them.

    A spike takes one step to its target in any case; Lava's delays count from there.
    """
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.sparse.process import DelaySparse, Sparse
    from lava.utils.weightutils import SignMode

    assert program.chip is not None
    has: SynapseFormat = program.chip.projections[arrive.projection]
    c = program.connectivity[arrive.synapses]
    weights = matrix(c, program.arrays[arrive.weights].initial, arrive.transposed)
    is_dense = isinstance(weights, np.ndarray)
    given = {
        "weights": weights,
        "weight_exp": has.exponent,
        "num_weight_bits": has.bits,
        "sign_mode": SignMode[has.sign_mode.upper()],
        "name": arrive.projection,
    }
    if arrive.delays is not None:
        delays = matrix(c, program.arrays[arrive.delays].initial, arrive.transposed)
        delays.data = delays.data.astype(int) - 1
        return DelaySparse(**given, delays=delays.astype(int))
    if arrive.delay == 1:
        return (Dense if is_dense else Sparse)(**given)
    if is_dense:
        return DelayDense(**given, delays=arrive.delay - 1)
    delays = weights.astype(int)
    delays.data[:] = arrive.delay - 1
    return DelaySparse(**given, delays=delays)


def as_neurons(place: Place) -> Made:
    """A population."""
    from neuro.backends.lava.networks import Made
    from neuro.backends.lava.processes.library import PySeenLif, PySeenLifRefractory

    part = place.part
    process = neurons(place.shared.program, part.name)
    process.proc_params["make"] = partial(NeuronWork, place.shared, part, place.number)
    refractory = process.proc_params.get("refractory_period") is not None
    return Made(
        {process: PySeenLifRefractory if refractory else PySeenLif},
        {title: [process.a_in] for title in part.receives},
        {spikes_of(part.name): process.s_out},
    )


def as_synapses(place: Place) -> Made:
    """The projections of a slice: tied ones have processes of their own."""
    from neuro.backends.lava.networks import Made
    from neuro.backends.lava.processes import library as models

    model_of = {
        "Dense": models.PySeenDense,
        "Sparse": models.PySeenSparse,
        "DelayDense": models.PyListDelayDense,
        "DelaySparse": models.PyListDelaySparse,
    }
    processes: dict[Any, Any] = {}
    receives: dict[str, list[Any]] = {title: [] for title in place.part.receives}
    sends: dict[str, Any] = {}
    told = list(place.reports)
    for arrive in place.part.program.steps:
        assert isinstance(arrive, Arrive)
        process = synapses(place.shared.program, arrive)
        longest = place.part.program.max_delays[arrive.source]
        reports = arrive.source in told and arrive.delay == longest
        if reports:
            told.remove(arrive.source)
        part = replace(place.part, owners=(arrive.projection,))
        number = None if processes else place.number
        work = partial(SynapseWork, place.shared, part, arrive, reports, number)
        process.proc_params["make"] = work
        processes[process] = model_of[type(process).__name__]
        receives[spikes_of(arrive.source)].append(process.s_in)
        sends[arrive.into] = process.a_out
    return Made(processes, receives, sends)

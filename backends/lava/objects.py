"""A network of whole numbers as objects of Lava, for users who run Lava themselves.

Unlike everything else here this imports Lava into the process that calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.errors import BackendError, CompileError
from neuro.program import Arrive

if TYPE_CHECKING:
    from neuro.network import Network

#: Where the processes shall run: Lava's models on the processor, or a Loihi 2.
TARGETS = ("emulator", "loihi2")


@dataclass(frozen=True, eq=False)
class LavaObjects:
    """Lava's processes by name of population or projection, joined and ready to run.

    Attributes
    ----------
    sources : dict
        ``RingBuffer`` of every source, with the spikes of the first steps.
    populations : dict
        ``LIF`` or ``LIFRefractory``.
    projections : dict
        ``Dense``, ``Sparse``, ``DelayDense`` or ``DelaySparse``.
    """

    sources: Mapping[str, Any]
    populations: Mapping[str, Any]
    projections: Mapping[str, Any]


def processes_of(
    network: Network, dt: Any, steps: int, target: str = "emulator"
) -> LavaObjects:
    """The expanded network as objects of Lava's library, in whole numbers.

    Run them with ``Loihi2SimCfg(select_tag="fixed_pt")``, or on a Loihi 2 with
    ``Loihi2HwCfg()``. Lava has no fixed-point model of ``LIFRefractory``, and its ``DelayDense``
    is slow; ``backend="lava"`` brings its own models for these.

    Parameters
    ----------
    network : Network
        Quantised on the way if it is of floats (see :func:`neuro.lowering.lower`).
    dt : float, second
    steps : int
        For how many steps the sources shall have spikes; Lava then repeats them.
    target : {"emulator", "loihi2"}
        "loihi2" needs Intel's package lava-loihi and puts its adapters between sources and chip.

    Raises
    ------
    BackendError
        Lava, or for "loihi2" lava-loihi, is not installed.
    CompileError
        A population or projection has no process in Lava's library; names it and says why.

    Examples
    --------
    >>> made = processes_of(net, dt=1e-3, steps=100)
    >>> made.populations["exc"].run(RunSteps(100), Loihi2SimCfg(select_tag="fixed_pt"))
    """
    from neuro.backends.lava.backend import LavaBackend

    if target not in TARGETS:
        raise CompileError(f"target {target!r} is not one of {TARGETS}")
    available = LavaBackend().available()
    if available is not True:
        raise BackendError(f"backend 'lava' is not available: {available}")
    from neuro.backends.lava.fitting import beyond_library
    from neuro.backends.lava.importing import import_lava
    from neuro.backends.lava.library import neurons, synapses
    from neuro.lowering import lower

    import_lava()
    if target == "loihi2":
        _check_hardware()
    program = lower(network, dt, "loihi")
    for name, reason in beyond_library(program).items():
        raise CompileError(f"{name!r} of network {network.name!r} has no process: {reason}")
    sources = {p: _source(program.sizes[p], s, steps) for p, s in program.sources.items()}
    populations = {p: neurons(program, p) for p in program.sizes if p not in sources}
    projections = {}
    out = {name: p.s_out for name, p in (sources | populations).items()}
    if target == "loihi2":
        out |= {name: _onto_chip(p) for name, p in sources.items()}
    for step in program.steps:
        if isinstance(step, Arrive):
            made = projections[step.projection] = synapses(program, step)
            out[step.source].connect(made.s_in)
            made.a_out.connect(populations[step.target].a_in)
    return LavaObjects(sources, populations, projections)


def _source(size: int, source: Any, steps: int) -> Any:
    from lava.proc.io.source import RingBuffer

    at, units = source.events(0, steps)
    data = np.zeros((size, steps), np.int32)
    data[units, at] = 1
    return RingBuffer(data=data)


def _check_hardware() -> None:
    from lava.utils import loihi

    if not loihi.is_installed():
        raise BackendError(
            "running on a Loihi 2 needs Intel's package lava-loihi, which is given to members of"
            " the Intel Neuromorphic Research Community only and is not installed; use"
            " target='emulator'"
        )


def _onto_chip(source: Any) -> Any:
    """The adapter from the processor to the chip; written from public scripts, never run here."""
    from lava.proc import embedded_io

    adapter = embedded_io.spike.PyToNxAdapter(shape=source.s_out.shape)
    source.s_out.connect(adapter.inp)
    return adapter.out

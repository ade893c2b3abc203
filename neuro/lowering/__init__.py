"""How a network becomes a discrete-time program.

Walk: every model's text is already a tree; lowering renames its names to program arrays, turns
differential equations into statements (:mod:`neuro.equations.integration`), computes every
constant, and puts the steps in the normative order. After this, nothing knows about equations.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from neuro.description import Parameter
from neuro.errors import CompileError
from neuro.lowering.arrays import Arrays
from neuro.lowering.populations import Neurons
from neuro.lowering.projections import arrive
from neuro.lowering.rules import plasticity, short_term
from neuro.members import Recorder
from neuro.network import Network
from neuro.program import Array, EventSource, Plasticity, Program, Record, Step
from neuro.sources import Source

PRECISIONS = ("float64", "float32", "loihi")


def lower(network: Network, dt: Any, precision: str = "float64") -> Program:
    """Lower a network to the program that every backend runs.

    Parameters
    ----------
    network : Network
    dt : float, second
        Time step.
    precision : {"float64", "float32", "loihi"}
        Type of all states, weights and constants; "loihi": the whole numbers of Loihi. A network
        that has none yet (of :class:`neuro.loihi.LIF`) is quantised with the defaults of
        :func:`neuro.loihi.quantise`.

    Raises
    ------
    CompileError
        When the description does not fit the time step (delay or refractory period that is no
        multiple of dt, a rate above one spike per step), has no form in whole numbers, or
        precision is unknown.
    """
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt")
    if not isinstance(seconds, float):
        raise CompileError(f"dt has shape {np.shape(seconds)}; expected one number in seconds")
    if precision not in PRECISIONS:
        raise CompileError(f"precision {precision!r} is unknown; choose from {PRECISIONS}")
    if not network.populations:
        raise CompileError(f"network {network.name!r} has no populations; add one first")
    if precision == "loihi":
        return _integer_program(network, seconds)
    return _program(Arrays(network, seconds, precision))


def _integer_program(network: Network, dt: float) -> Program:
    """The program of a network of whole numbers, or of one that is quantised first."""
    from neuro.loihi.chip import chip_of, is_integer
    from neuro.loihi.quantisation import quantise

    report = None
    if not is_integer(network):
        quantised = quantise(network, dt)
        network, report = quantised.network, quantised.report
    program = _program(Arrays(network, dt, "loihi"))
    weights = {name: program.arrays[f"{name}.w"].initial for name in program.connectivity}
    return replace(program, chip=chip_of(network, dt, weights), quantisation=report)


def _program(made: Arrays) -> Program:
    net = made.network
    arrivals: list[Step] = []
    rules: list[Step] = []
    for projection in net.projections.values():
        arrival = arrive(made, projection)
        if projection.short_term is not None:
            arrivals.append(short_term(made, projection, projection.short_term, arrival))
        arrivals.append(arrival)
        if projection.plasticity is not None:
            rules.append(plasticity(made, projection, projection.plasticity, arrival))
    sources: dict[str, EventSource] = {}
    integrators: dict[str, str] = {}
    updates: list[Step] = []
    thresholds: list[Step] = []
    resets: list[Step] = []
    for name, population in net.populations.items():
        model = population.model
        if isinstance(model, Source):
            sources[name] = model.lower(net.seed, name, population.size, made.dt)
            continue
        neurons = Neurons(made, population, model)
        updates += neurons.update()
        thresholds += neurons.threshold()
        resets += neurons.reset()
        integrators[name] = neurons.integrator
    steps = (*arrivals, *updates, *thresholds, *resets, *rules)
    return Program(
        name=net.name,
        dt=made.dt,
        precision=made.precision,
        sizes={p.name: p.size for p in net.populations.values()},
        sources=sources,
        arrays=_with_constants(made.arrays, steps),
        connectivity=made.connectivity,
        steps=steps,
        records=tuple(_record(made, recorder) for recorder in net.recorders),
        integrators=integrators,
    )


def _with_constants(arrays: dict[str, Array], steps: tuple[Step, ...]) -> dict[str, Array]:
    """The arrays, those that no step writes marked as constant."""
    written = {name for step in steps for name in step.writes}
    for step in steps:
        if isinstance(step, Plasticity):
            written |= {flag for flag in (step.pre_flag, step.post_flag) if flag}
    # State variables have units. Users may set them between runs, each item of a batch its own.
    state = {n for n, a in arrays.items() if a.domain == a.owner and a.unit and a.variable != "w"}
    varies = written | state
    return {n: a if n in varies else replace(a, constant=True) for n, a in arrays.items()}


def _record(made: Arrays, recorder: Recorder) -> Record:
    owner, units = recorder.owner, recorder.units
    if owner in made.connectivity and recorder.variable == "w" and units is not None:
        count = made.connectivity[owner].count
        if units.max() >= count:
            raise CompileError(
                f"record: synapse {units.max()} of {owner!r} does not exist; it has {count}"
            )
    return Record(owner, recorder.variable, units, recorder.every)

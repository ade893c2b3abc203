"""Projections: connectivity, delays, and the arrival of spikes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Sparse
from neuro.connectors import Transpose
from neuro.description import whole_steps
from neuro.distributions import Distribution
from neuro.errors import CompileError
from neuro.lowering.arrays import Arrays
from neuro.members import Projection
from neuro.neurons import NeuronModel
from neuro.plasticity.short_term import EFFICACY
from neuro.program import Arrive
from neuro.random import stream


def payload(population: str, delay: int) -> str:
    """Array with the numbers of a population's events of so many steps ago."""
    return f"{population}.payload_{delay}"


def delay_steps(projection: Projection, dt: float) -> int:
    """Delay of all synapses of a projection, in steps."""
    if projection.delay is None:
        return 1
    assert isinstance(projection.delay, float)
    where = f"delay of projection {projection.name!r}"
    steps = whole_steps(projection.delay, dt, where)
    if steps < 1:
        raise CompileError(
            f"{where} is {projection.delay:g} s, shorter than dt = {dt:g} s;"
            " a spike needs at least one step"
        )
    return steps


def synaptic_delays(
    projection: Projection, synapses: Sparse, seed: int, dt: float
) -> NDArray[np.int32]:
    """Delay of every synapse in steps; drawn ones are rounded."""
    where = f"delay of projection {projection.name!r}"
    given = projection.delay
    if isinstance(given, Distribution):
        generator = stream(seed, f"delays of {projection.name}")
        drawn = given.draw(generator, synapses.count)
        return np.asarray(np.maximum(1, np.rint(drawn / dt)), np.int32)
    assert isinstance(given, np.ndarray)
    seconds = given[synapses.rows, synapses.targets]
    steps = np.rint(seconds / dt)
    wrong = (steps < 1) | (np.abs(seconds / dt - steps) > 1e-6 * np.maximum(1.0, steps))
    if np.any(wrong):
        bad = int(np.flatnonzero(wrong)[0])
        pre, post = int(synapses.rows[bad]), int(synapses.targets[bad])
        raise CompileError(
            f"{where} at [{pre}, {post}] is {seconds[bad]:g} s; it must be a multiple of dt ="
            f" {dt:g} s, at least one step"
        )
    return steps.astype(np.int32)


def arrive(made: Arrays, projection: Projection) -> Arrive:
    """Make connectivity, weights, delays and the buffer of a projection; its step."""
    name, connector = projection.name, projection.connector
    owner, delays, delay = name, None, 0
    if isinstance(connector, Transpose):
        owner = connector.projection
    else:
        generator = stream(made.network.seed, f"synapses of {name}")
        synapses, weights = connector.build(generator, projection.pre, projection.post)
        if isinstance(projection.delay, np.ndarray | Distribution):
            synapses, index = synapses.expand()
            weights = weights.reshape(-1)[index]
            steps = synaptic_delays(projection, synapses, made.network.seed, made.dt)
            delay = int(steps.max(initial=1))
        made.connectivity[name] = synapses
        assert isinstance(projection.post.model, NeuronModel)
        unit = projection.post.model.ports[projection.port]
        made.array(f"{name}.w", name, weights, unit=unit)
        if delay:
            delays = made.array(f"{name}.delay", name, steps, "int")
    made.array(f"{name}.input", projection.post.name, 0.0)
    if projection.gain != 1.0:
        made.array(f"{name}.gain", "", projection.gain)
    delay = delay or delay_steps(projection, made.dt)
    factors = []
    if getattr(projection.pre.model, "emits_expression", None) is not None:
        if delays is not None:
            raise CompileError(
                f"projection {name!r}: events of {projection.pre.name!r} carry numbers, which"
                " travel with one delay for all synapses; give delay= one number"
            )
        factors.append(f"{payload(projection.pre.name, delay)}@pre")
    if projection.short_term is not None:
        factors.append(f"{name}.{EFFICACY}" + ("" if delays else "@pre"))
    return Arrive(
        projection=name,
        source=projection.pre.name,
        target=projection.post.name,
        delay=delay,
        synapses=owner,
        weights=f"{owner}.w",
        into=f"{name}.input",
        transposed=owner != name,
        delays=delays,
        factors=tuple(factors),
    )

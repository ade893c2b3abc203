"""What is loaded onto the chip: the integers of every compartment and the format of synapses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Transpose
from neuro.description import whole_steps
from neuro.errors import CompileError
from neuro.loihi.neurons import INTEGERS, LIF
from neuro.loihi.numbers import (
    DELAY_MAX,
    REFRACTORY_MAX,
    sign_mode_of,
    weight_bits_of,
    weight_limits,
    weight_step,
)
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.random import stream
from neuro.sources import Source

Integers = int | NDArray[np.int64]


@dataclass(frozen=True)
class SynapseFormat:
    """How the weights of a projection are held: ``w * 2^exponent``, in so many bits.

    Attributes
    ----------
    exponent : int, -8 to 7
    bits : int, 1 to 8
    sign_mode : {"mixed", "excitatory", "inhibitory"}
    """

    exponent: int
    bits: int
    sign_mode: str


@dataclass(frozen=True, eq=False)
class Compartments:
    """The integers of a population: one for all units, or one per unit.

    Attributes
    ----------
    du, dv, vth, bias_mant, bias_exp : int or array of int
        As in :class:`neuro.loihi.LIF`.
    refractory_steps : int or array of int
        A unit that spikes at step k cannot spike before k + so many; 0 and 1: no such period.
    """

    du: Integers
    dv: Integers
    vth: Integers
    bias_mant: Integers
    bias_exp: Integers
    refractory_steps: Integers


@dataclass(frozen=True, eq=False)
class Chip:
    """An integer network as the chip sees it, by name of population (no sources) and projection."""

    populations: Mapping[str, Compartments]
    projections: Mapping[str, SynapseFormat]


def is_integer(network: Network) -> bool:
    """Whether every population that is no source is one of :class:`neuro.loihi.LIF`."""
    models = [p.model for p in network.populations.values()]
    return all(isinstance(model, LIF | Source) for model in models)


def chip_of(network: Network, dt: float, weights: Mapping[str, NDArray[Any]] | None = None) -> Chip:
    """The chip's view of an integer network.

    Parameters
    ----------
    network : Network
        All populations are sources or :class:`neuro.loihi.LIF`.
    dt : float, second
    weights : mapping of str to array, optional
        Of each projection that owns synapses, where they are built already.

    Raises
    ------
    CompileError
        What has no place on the chip, by name: another model, weights that no format holds,
        plastic or short-term plastic projections, gains, delays or refractory periods out of range.
    """
    populations = {
        name: _compartments(population, dt)
        for name, population in network.populations.items()
        if not population.is_source
    }
    _check_ports(network)
    formats: dict[str, SynapseFormat] = {}
    for name, projection in network.projections.items():
        owner = projection
        while isinstance(owner.connector, Transpose):
            owner = network.projections[owner.connector.projection]
        values = _weights(network, owner) if weights is None else weights[owner.name]
        formats[name] = _format(projection, values, dt)
    return Chip(populations, formats)


def check_weights(weights: Any, where: str) -> SynapseFormat:
    """The format, at exponent 0, that holds some weights unchanged.

    Raises
    ------
    CompileError
        When none does; the message names a weight and the mend.
    """
    values = np.asarray(weights)
    mode = sign_mode_of(values)
    if np.min(values, initial=0) == weight_limits()[0]:
        mode = "mixed"  # the one weight that only mixed signs have
    bits = weight_bits_of(values, mode)
    if bits is None:
        low, high = weight_limits(sign_mode=mode)
        step = weight_step(sign_mode=mode)
        wrong = values[(values < low) | (values > high) | (np.mod(values, step) != 0)]
        raise CompileError(
            f"weights of {where}: {wrong.flat[0]:g} is no 8-bit weight where signs are {mode};"
            f" those go from {low} to {high} in steps of {step}. nr.loihi.representable makes them"
            " of whole numbers, nr.loihi.quantise of a network of floats"
        )
    return SynapseFormat(0, bits, mode)


def _compartments(population: Population, dt: float) -> Compartments:
    where, model = f"population {population.name!r}", population.model
    if not isinstance(model, LIF):
        raise CompileError(
            f"{where} is a {getattr(model, 'name', type(model).__name__)}, which has no integers;"
            " use nr.loihi.LIF everywhere, or nr.loihi.quantise(network, dt)"
        )
    seconds = np.asarray(model.parameters["t_ref"])
    steps = np.vectorize(
        lambda s: whole_steps(float(s), dt, f"t_ref of {where}"), otypes=[np.int64]
    )(seconds)
    if steps.max() > REFRACTORY_MAX:
        raise CompileError(
            f"t_ref of {where} is {steps.max()} steps; Loihi counts up to {REFRACTORY_MAX}:"
            " use a longer dt or a shorter period"
        )
    numbers = {key: _integers(model.parameters[key]) for key in INTEGERS}
    return Compartments(**numbers, refractory_steps=_integers(steps))


def _integers(value: Any) -> Integers:
    array = np.asarray(value)
    return int(array) if array.ndim == 0 else array.astype(np.int64)


def _check_ports(network: Network) -> None:
    """Each projection is rounded down on its own where bits are shifted out, so none shares."""
    first: dict[tuple[str, str], str] = {}
    for name, projection in network.projections.items():
        model = projection.post.model
        if not isinstance(model, LIF) or model.exponents[projection.port] >= 0:
            continue
        key = (projection.post.name, projection.port)
        if key in first:
            raise CompileError(
                f"projections {first[key]!r} and {name!r} share port {projection.port!r} of"
                f" {projection.post.name!r}, whose exponent is negative: each is rounded down on"
                " its own; give each a port of its own"
            )
        first[key] = name


def _format(projection: Projection, weights: NDArray[Any], dt: float) -> SynapseFormat:
    where = f"projection {projection.name!r}"
    if projection.plasticity is not None:
        raise CompileError(
            f"{where} is plastic ({projection.plasticity.name}): weights of 8 bits change through"
            " the chip's learning engine, not through this rule; see option learning= of"
            " backend 'lava', or leave out plasticity="
        )
    if projection.short_term is not None:
        raise CompileError(
            f"{where} has short-term plasticity, which Loihi's synapses lack; leave out short_term="
        )
    if projection.gain != 1.0:
        raise CompileError(
            f"gain of {where} is {projection.gain:g}; Loihi has none: use the exponent of its port"
        )
    _check_delay(projection, dt, where)
    model = projection.post.model
    assert isinstance(model, LIF)
    found = check_weights(weights, where)
    return SynapseFormat(model.exponents[projection.port], found.bits, found.sign_mode)


def _check_delay(projection: Projection, dt: float, where: str) -> None:
    if isinstance(projection.delay, float | np.ndarray):
        longest = round(float(np.max(projection.delay, initial=0.0)) / dt) - 1
        if longest > DELAY_MAX:
            raise CompileError(
                f"delay of {where} is {longest + 1} steps; Loihi holds a spike back for up to"
                f" {DELAY_MAX} steps beyond the one it takes: use a longer dt or relay units"
            )


def _weights(network: Network, projection: Projection) -> NDArray[Any]:
    generator = stream(network.seed, f"synapses of {projection.name}")
    _, weights = projection.connector.build(generator, projection.pre, projection.post)
    return np.asarray(weights)

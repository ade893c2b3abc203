"""The neuro network that PyNN's populations, projections and current sources describe."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.connectivity import Sparse
from neuro.connectors.matrices import from_rows
from neuro.distributions import Distribution
from neuro.pynn.cells import SpikeSourceArray, SpikeSourcePoisson
from neuro.pynn.currents import SteadySource, WaveSource
from neuro.pynn.membranes import WAVE, WAVES, neuron_model
from neuro.pynn.populations import Population
from neuro.pynn.projections import Part, Projection
from neuro.pynn.simulator import State
from neuro.pynn.sources import WindowedRates, spike_times, step_of
from neuro.pynn.synapses import STDPMechanism, TsodyksMarkramSynapse

MS = 1e-3


def describe(state: State) -> nr.Network:
    """The network as it is described now; weights are the present ones."""
    net = nr.Network("pynn", seed=state.seed)
    for population in state.populations:
        net.population(population.name, _model(state, population), population.size)
        _record(net, population)
    for source in state.current_sources:
        if isinstance(source, WaveSource):
            _wave(net, state, source)
    for projection in state.projections:
        for part in projection.parts:
            _connect(net, projection, part)
    return net


def _model(state: State, population: Population) -> nr.NeuronModel | nr.SpikeTimes | WindowedRates:
    celltype, native = population.celltype, population.native
    dt = state.dt * MS
    where = f"population {population.label!r}"
    if isinstance(celltype, SpikeSourceArray):
        return spike_times(population.spike_trains(), dt, where)
    if isinstance(celltype, SpikeSourcePoisson):
        start = native["start"]
        stop = start + native["duration"]
        return WindowedRates(native["rate"], start, stop, f"population {population.index}")
    values = dict(native)
    for key, fixed in celltype.fixed.items():
        values[key] = np.full(population.size, fixed)
    if "t_ref" in values:
        values["t_ref"] = step_of(values["t_ref"], dt) * dt
    initial = dict(population.initial)
    waves = [s for s in state.current_sources if isinstance(s, WaveSource)]
    entering = [(s, s.counts(population)) for s in waves]
    entering = [(s, n) for s, n in entering if n.any()]
    if entering:
        initial[WAVE] = np.sum([n * s.now(state.step) for s, n in entering], axis=0)
    return neuron_model(
        celltype.membrane,
        celltype.receptors,
        tuple(celltype.receptor_types),
        values,
        initial,
        name=f"{type(celltype).__name__} of {where}",
        integrator=state.integrator,
        injected=is_injected(state, population),
        waves=bool(entering),
    )


def is_injected(state: State, population: Population) -> bool:
    """Whether a current that changes only a few times enters the population."""
    return any(
        isinstance(s, SteadySource) and any(c.parent is population for c in s.cells)
        for s in state.current_sources
    )


def _record(net: nr.Network, population: Population) -> None:
    recorder = population.recorder
    spiking = recorder.units("spikes")
    if len(spiking):
        net.record(population.name, "spikes", spiking)
    for name, variable in recorder.variables().items():
        net.record(population.name, variable, recorder.units(name), every=recorder.every)


def _wave(net: nr.Network, state: State, source: WaveSource) -> None:
    net.population(source.name, source.model(state.step), 1)
    if source.recorded:
        net.record(source.name, "value")
    for population in state.populations:
        counts = source.counts(population)
        if counts.any():
            net.connect(
                source.name,
                population.name,
                weights=counts[None],
                port=WAVES,
                name=f"{source.name}_{population.name}",
            )


def _connect(net: nr.Network, projection: Projection, part: Part) -> None:
    rows = np.searchsorted(part.pre_units, np.arange(part.pre.size + 1)).astype(np.int64)
    synapses = Sparse(part.pre.size, part.post.size, rows, part.post_units)
    weights = projection.current("weight")[part.members] * projection.unit
    synapse_type = projection.synapse_type
    net.connect(
        part.pre.name,
        part.post.name,
        weights=from_rows(synapses, weights),
        delay=_delay(projection.delays[part.members] * MS),
        plasticity=(
            synapse_type.rule(part.values, projection.unit)
            if isinstance(synapse_type, STDPMechanism)
            else None
        ),
        short_term=(
            synapse_type.rule(part.values, part.tau_syn)
            if isinstance(synapse_type, TsodyksMarkramSynapse)
            else None
        ),
        port=projection.receptor_type,
        name=part.name,
    )


class _Listed(Distribution):
    """Delays in the order of the synapses, several of one pair included.

    A matrix of delays has one for each pair only, and as many entries as there are pairs.
    """

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    def draw(self, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
        """All of them."""
        assert count == len(self.values)
        return self.values


def _delay(seconds: NDArray[np.float64]) -> Any:
    """One delay of all synapses, or one of each."""
    one = bool(np.all(seconds == seconds[0]))
    return float(seconds[0]) if one else _Listed(seconds)

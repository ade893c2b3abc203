"""Every source, driving the same neurons."""

from __future__ import annotations

import numpy as np

import neuro as nr
from neuro.conformance.scenario import Weights, scenario
from neuro.sources import Source


def from_source(w: Weights, source: Source, size: int) -> nr.Network:
    """A source and ten neurons."""
    net = nr.Network("source", seed=11)
    given = net.population("in", source, size)
    target = net.population("out", nr.LIF(), 10)
    net.connect(given, target, w(size, 10, high=0.5))
    return net


@scenario()
def poisson_rates(w: Weights) -> nr.Network:
    """Poisson source with another rate for every unit."""
    return from_source(w, nr.Poisson(np.linspace(0.0, 200.0, 16)), 16)


@scenario()
def modulated_poisson(w: Weights) -> nr.Network:
    """Poisson source whose rate is a function of time."""
    rate = "40 + 30 * sin(2 * pi * 4 * t + phase)"
    phases = {"phase": np.linspace(0.0, 3.0, 16)}
    return from_source(w, nr.ModulatedPoisson(rate, parameters=phases), 16)


@scenario()
def stepped_poisson(w: Weights) -> nr.Network:
    """Poisson source with rates of intervals, repeated."""
    rates = np.array([[0.0, 100.0], [100.0, 0.0], [50.0, 50.0]]).repeat(8, axis=1)
    return from_source(w, nr.ModulatedPoisson(rates, interval=70e-3, repeat=True), 16)


@scenario()
def spike_times(w: Weights) -> nr.Network:
    """Replayed spikes in seconds, from the first step on, several in one step."""
    generator = np.random.default_rng(3)
    pairs = np.unique(generator.integers(0, [990, 12], size=(600, 2)), axis=0)
    pairs = np.vstack([[[0, 0], [0, 5]], pairs[pairs[:, 0] > 0]])
    return from_source(w, nr.SpikeTimes(pairs[:, 0] * 1e-3, pairs[:, 1]), 12)


@scenario()
def images(w: Weights) -> nr.Network:
    """Images one after another, with gaps."""
    pictures = np.random.default_rng(4).random((4, 5, 5))
    return from_source(w, nr.PoissonImages(pictures, 120.0, duration=0.1, gap=0.05), 25)


@scenario()
def windowed_image(w: Weights) -> nr.Network:
    """An image seen through a small window that jumps."""
    rate = np.random.default_rng(5).random(36) * 400
    return from_source(w, nr.WindowedPoisson(rate, (6, 6), window=3, stop=0.8), 36)

"""Delays, gains, ports, short-term plasticity."""

from __future__ import annotations

from typing import Any

import numpy as np

import neuro as nr
from neuro.conformance.scenario import Weights, scenario


def loop(w: Weights, **options: Any) -> nr.Network:
    """Twenty neurons in a sparse loop, kept going by Poisson spikes."""
    net = nr.Network("loop", seed=2)
    source = net.population("in", nr.Poisson(80.0), 20)
    cells = net.population("cells", nr.LIF(t_ref=2e-3), 20)
    net.connect(source, cells, w(20, 20, high=0.25))
    net.connect(cells, cells, w.sparse(20, 20, 0.3, high=0.5), name="loop", **options)
    return net


@scenario()
def delays_of_projections(w: Weights) -> nr.Network:
    """Projections with delays of 1, 2 and 15 steps between the same populations."""
    net = loop(w, delay=2e-3)
    net.connect("cells", "cells", w(20, 20, low=-0.25, high=0.0), delay=15e-3, name="slow")
    net.connect("in", "cells", w.sparse(20, 20, 0.2), delay=1e-3, name="direct")
    return net


@scenario()
def synaptic_delays(w: Weights) -> nr.Network:
    """Every synapse with a delay of its own, given as a matrix."""
    steps = np.random.default_rng(1).integers(1, 12, (20, 20))
    return loop(w, delay=steps * 1e-3)


@scenario()
def drawn_synaptic_delays(w: Weights) -> nr.Network:
    """Delays drawn for every synapse, from a source as well."""
    net = loop(w, delay=nr.Uniform(1e-3, 30e-3))
    net.connect("in", "cells", w(20, 20, high=0.1), delay=nr.Normal(8e-3, 3e-3), name="late")
    return net


@scenario()
def gains_and_ports(w: Weights) -> nr.Network:
    """Several projections at one port, with gains, beside another port."""
    net = nr.Network("gains", seed=3)
    source = net.population("in", nr.Poisson(70.0), 15)
    synapses = {"fast": nr.Delta(), "slow": nr.Exponential(10e-3)}
    cells = net.population("cells", nr.LIF(synapses=synapses), 10)
    for name, gain in (("plain", 1.0), ("double", 2.0), ("back", -0.5)):
        net.connect(source, cells, w(15, 10, high=0.25), gain=gain, port="fast", name=name)
    net.connect(source, cells, w(15, 10, high=0.5), port="slow", name="slow")
    return net


@scenario()
def tied_weights(w: Weights) -> nr.Network:
    """A projection back that reads the forward weights turned round, dense and sparse."""
    net = nr.Network("tied", seed=4)
    source = net.population("in", nr.Poisson(60.0), 15)
    low = net.population("low", nr.LIF(), 12)
    high = net.population("high", nr.LIF(), 8)
    net.connect(source, low, w(15, 12, high=0.25))
    up = net.connect(low, high, w(12, 8, low=-0.25, high=0.5), name="up")
    net.connect(high, low, nr.transpose_of(up), delay=3e-3, gain=-0.5, name="down")
    side = net.connect(low, high, w.sparse(12, 8, 0.3), delay=2e-3, name="side")
    net.connect(high, low, nr.transpose_of(side), gain=0.25, name="side_down")
    return net


@scenario(static=False)
def short_term_plasticity(w: Weights) -> nr.Network:
    """Tsodyks-Markram synapses, depressing and facilitating, dense and sparse, with delay."""
    net = nr.Network("short term", seed=6)
    source = net.population("in", nr.Poisson(40.0), 15)
    cells = net.population("cells", nr.LIF(), 10)
    depressing = nr.TsodyksMarkram(U=0.6, tau_d=0.3, tau_f=0.01)
    facilitating = nr.TsodyksMarkram(U=0.1, tau_d=0.05, tau_f=0.5)
    net.connect(source, cells, w(15, 10, high=1.5), short_term=depressing, name="depressing")
    sparse = w.sparse(15, 10, 0.5, high=4.0)
    net.connect(source, cells, sparse, short_term=facilitating, delay=4e-3, name="facilitating")
    net.connect(cells, cells, w(10, 10, high=0.5), short_term=depressing, name="loop")
    net.record("depressing", "x")
    return net


@scenario(static=False)
def short_term_plasticity_with_synaptic_delays(w: Weights) -> nr.Network:
    """Tsodyks-Markram synapses each with a delay of its own."""
    return loop(w, delay=nr.Uniform(1e-3, 9e-3), short_term=nr.TsodyksMarkram(U=0.4))

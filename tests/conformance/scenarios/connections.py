"""Every connector."""

from __future__ import annotations

import numpy as np

import neuro as nr
from neuro.conformance.scenario import Weights, scenario
from neuro.connectors import Connector


def connected(connector: Connector, shape: tuple[int, ...] = (6, 5)) -> nr.Network:
    """Poisson spikes through a connector to as many neurons."""
    net = nr.Network("connected", seed=8)
    source = net.population("in", nr.Poisson(80.0), shape)
    cells = net.population("cells", nr.LIF(), shape)
    net.connect(source, cells, connector)
    net.connect(cells, cells, nr.fixed_probability(0.1, -0.25, autapses=False), name="inhibit")
    return net


@scenario()
def one_to_one(w: Weights) -> nr.Network:
    """Unit i to unit i."""
    return connected(nr.one_to_one(w(30, high=1.5)))


@scenario()
def fixed_probability(w: Weights) -> nr.Network:
    """Random pairs with one weight."""
    return connected(nr.fixed_probability(0.2, 0.25))


@scenario()
def in_degree(w: Weights) -> nr.Network:
    """The same number of inputs for each unit, pairs joined several times."""
    return connected(nr.fixed_in_degree(9, 0.25, multapses=True))


@scenario()
def out_degree(w: Weights) -> nr.Network:
    """The same number of outputs of each unit, without autapses."""
    return connected(nr.fixed_out_degree(7, 0.25, autapses=False))


@scenario()
def distance_dependent(w: Weights) -> nr.Network:
    """Probability falling with distance on a torus."""
    near = nr.distance_dependent(
        "exp(-d / length)", 0.25, parameters={"length": 1.5}, extent=(6, 5)
    )
    return connected(near)


@scenario()
def drawn_weights(w: Weights) -> nr.Network:
    """All to all, with weights drawn from a distribution, rounded by nobody."""
    return connected(nr.dense(0.125 if w.exact else nr.Normal(0.1, 0.05)))


@scenario()
def convolution_and_pooling(w: Weights) -> nr.Network:
    """Two convolutions (stride, padding, dilation, groups) and a pooling, with a delay."""
    net = nr.Network("convolution", seed=9)
    image = net.population("in", nr.Poisson(60.0), (2, 9, 8))
    first = net.population("first", nr.LIF(t_ref=2e-3), (4, 5, 4))
    kernel = w(4, 2, 3, 3, low=-0.25, high=0.75)
    net.connect(image, first, nr.convolution(kernel, stride=2, padding=1))
    second = net.population("second", nr.IF(), (4, 3, 2))
    grouped = w(4, 2, 2, 2, low=-0.25, high=1.0)
    net.connect(first, second, nr.convolution(grouped, dilation=2, groups=2), delay=3e-3)
    pooled = net.population("pooled", nr.IF(), (4, 2, 2))
    net.connect(first, pooled, nr.pooling(2, 0.5))
    return net


@scenario()
def empty_projection(w: Weights) -> nr.Network:
    """A projection without synapses, units without input, and a population of one."""
    net = connected(nr.fixed_probability(0.0, 1.0))
    one = net.population("one", nr.LIF(), 1)
    net.connect("in", one, np.where(np.arange(30) < 3, 0.5, 0.0)[:, None])
    return net

"""Networks of any size with the same activity: each neuron spikes about ten times a second.

Neurons are driven by a constant input and rest for 78 ms after a spike; weights are too small to
change that. So the work of a simulated second grows with neurons and synapses as it should: per
neuron 1000 updates (a millisecond each) and 10 spikes, per synapse 10 arrivals.
"""

from __future__ import annotations

import neuro as nr

DT = 1e-3


def recurrent(neurons: int, degree: int) -> nr.Network:
    """Sparse: each neuron has ``degree`` synapses onto random others."""
    net = nr.Network("recurrent", seed=0)
    cells = net.population("cells", _neuron(), neurons)
    net.connect(cells, cells, nr.fixed_out_degree(degree, nr.Normal(0.0, 1e-6)), name="synapses")
    net.record(cells)
    return net


def dense(neurons: int, plastic: bool) -> nr.Network:
    """Two populations of half the neurons, every pair connected; with pair STDP if ``plastic``."""
    net = nr.Network("dense", seed=0)
    pre = net.population("pre", _neuron(), neurons // 2)
    post = net.population("post", _neuron(), neurons // 2)
    rule = nr.PairSTDP(a_plus=1e-9, a_minus=1e-9) if plastic else None
    weights = nr.dense(nr.Normal(0.0, 1e-6))
    net.connect(pre, post, weights, name="synapses", plasticity=rule)
    net.record(post)
    return net


def _neuron() -> nr.LIF:
    return nr.LIF(tau_m=20e-3, bias=1.5, t_ref=78e-3, v_init=nr.Uniform(0.0, 1.0))

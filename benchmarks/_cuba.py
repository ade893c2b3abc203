"""The CUBA network: integrate-and-fire neurons with exponential currents.

Benchmark 2 of Brette et al. 2007 (J. Comput. Neurosci. 23:349), after Vogels & Abbott 2005, with
the parameters of Brian2's example.
"""

from __future__ import annotations

import neuro as nr

DT = 1e-4


def cuba(neurons: int = 4000, probability: float = 0.02) -> nr.Network:
    """Four of five neurons excite; spikes are recorded.

    Parameters
    ----------
    neurons : int
    probability : float
        Of a synapse between any two neurons.
    """
    net = nr.Network("cuba", seed=0)

    def neuron() -> nr.LIF:
        return nr.LIF(
            tau_m=20e-3,
            v_threshold=-50e-3,
            v_reset=-60e-3,
            v_rest=-49e-3,
            v_init=nr.Uniform(-60e-3, -50e-3),
            t_ref=5e-3,
            comparison=">",
            synapses={"exc": nr.Exponential(5e-3), "inh": nr.Exponential(10e-3)},
        )

    excitatory = neurons * 4 // 5
    exc = net.population("exc", neuron(), excitatory)
    inh = net.population("inh", neuron(), neurons - excitatory)
    for post in (exc, inh):
        net.connect(exc, post, nr.fixed_probability(probability, 1.62e-3), port="exc")
        net.connect(inh, post, nr.fixed_probability(probability, -9e-3), port="inh")
        net.record(post)
    return net

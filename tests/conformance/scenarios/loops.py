"""Long runs of recurrent networks, in which one wrong bit would grow."""

from __future__ import annotations

from typing import Any

import neuro as nr
from neuro.conformance.scenario import Weights, scenario


def balanced(w: Weights, **options: Any) -> nr.Network:
    """Excitatory and inhibitory neurons with sparse loops."""
    net = nr.Network("balanced", seed=31)
    source = net.population("in", nr.Poisson(30.0), 40)
    synapses = {"exc": nr.Exponential(5e-3), "inh": nr.Exponential(10e-3)}
    exc = net.population("exc", nr.LIF(synapses=synapses, t_ref=2e-3), 32)
    inh = net.population("inh", nr.LIF(synapses=synapses, t_ref=1e-3), 8)
    net.connect(source, exc, w.sparse(40, 32, 0.3), port="exc")
    net.connect(exc, exc, w.sparse(32, 32, 0.2), port="exc", name="loop", delay=2e-3, **options)
    net.connect(exc, inh, w.sparse(32, 8, 0.4), port="exc")
    net.connect(inh, exc, w.sparse(8, 32, 0.4, low=-2.0, high=0.0), port="inh", delay=1e-3)
    net.connect(inh, inh, w.sparse(8, 8, 0.3, low=-1.0, high=0.0), port="inh")
    return net


@scenario(steps=10_000)
def recurrent_loop(w: Weights) -> nr.Network:
    """Balanced excitation and inhibition over 10,000 steps."""
    return balanced(w)


@scenario(steps=10_000, static=False)
def plastic_recurrent_loop(w: Weights) -> nr.Network:
    """The same with STDP in the loop, over 10,000 steps."""
    rule = nr.PairSTDP(a_plus=0.01, a_minus=0.0105, w_min=0.0, w_max=1.0)
    return balanced(w, plasticity=rule)


@scenario(steps=3000, static=False)
def everything_in_one_loop(w: Weights) -> nr.Network:
    """Synaptic delays, short-term and long-term plasticity on one recurrent projection."""
    rule = nr.PairSTDP(a_plus=0.02, a_minus=0.021, w_min=0.0, w_max=2.0)
    net = balanced(w)
    net.connect(
        "exc",
        "exc",
        nr.fixed_in_degree(6, 0.5, multapses=True),
        port="exc",
        delay=nr.Uniform(1e-3, 10e-3),
        short_term=nr.TsodyksMarkram(U=0.3),
        plasticity=rule,
        name="plastic",
    )
    return net

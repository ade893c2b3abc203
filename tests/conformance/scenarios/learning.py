"""Every plasticity rule, and rules that users write."""

from __future__ import annotations

from typing import Any

import neuro as nr
from neuro.conformance.scenario import Weights, scenario


def learner(w: Weights, rule: nr.PlasticityRule, **options: Any) -> nr.Network:
    """Poisson spikes through plastic weights to neurons that inhibit each other."""
    net = nr.Network("learner", seed=21)
    source = net.population("in", nr.Poisson(50.0), 16)
    cells = net.population("cells", nr.LIF(t_ref=2e-3), 9)
    weights = options.pop("weights", None)
    weights = w(16, 9, high=0.5) if weights is None else weights
    net.connect(source, cells, weights, plasticity=rule, name="plastic", **options)
    net.connect(cells, cells, w(9, 9, low=-0.25, high=0.0), name="inhibit")
    net.record("plastic", "w")
    return net


def pair(**options: Any) -> nr.PairSTDP:
    """STDP strong enough to matter in a short run."""
    return nr.PairSTDP(a_plus=0.05, a_minus=0.045, w_min=-0.5, w_max=1.0, **options)


@scenario(static=False)
def pair_stdp(w: Weights) -> nr.Network:
    """Additive pair STDP with bounds, dense, with delay."""
    return learner(w, pair(), delay=3e-3)


@scenario(static=False)
def multiplicative_nearest_stdp(w: Weights) -> nr.Network:
    """Multiplicative STDP of nearest pairs, sparse."""
    rule = pair(dependence="multiplicative", pairing="nearest")
    return learner(w, rule, weights=w.sparse(16, 9, 0.6, high=0.75))


@scenario(static=False)
def triplet_stdp(w: Weights) -> nr.Network:
    """Triplet STDP."""
    return learner(w, nr.TripletSTDP(w_min=0.0, w_max=1.0))


@scenario(static=False)
def voltage_stdp(w: Weights) -> nr.Network:
    """Voltage-based STDP with homeostasis."""
    rule = nr.VoltageSTDP(
        a_ltd=0.01, a_ltp=2.0, theta_minus=0.2, theta_plus=0.3, E_L=0.0, u_ref=0.5, w_max=1.0
    )
    return learner(w, rule)


@scenario(static=False)
def reward_stdp(w: Weights) -> nr.Network:
    """Reward-modulated STDP: eligibility of synapses, reward from one unit, every 5 ms."""
    rule = nr.RewardSTDP(learning_rate=20.0, tau_c=0.2, w_min=0.0, w_max=1.0, every=5e-3)
    net = nr.Network("reward", seed=22)
    source = net.population("in", nr.Poisson(50.0), 16)
    reward = net.population("reward", nr.Poisson(5.0), 4)
    dopamine = net.population("dopamine", nr.LeakyIntegrator(tau_m=0.1), 1)
    cells = net.population("cells", nr.LIF(), 9)
    net.connect(reward, dopamine, w(4, 1, high=0.5))
    net.connect(
        source,
        cells,
        w(16, 9, high=0.5),
        plasticity=rule,
        factors={"reward": (dopamine, "v")},
        name="plastic",
    )
    net.record("plastic", "c")
    return net


@scenario(static=False)
def error_hebbian(w: Weights) -> nr.Network:
    """Error-modulated rule: one error unit per neuron, sparse synapses."""
    net = nr.Network("error", seed=23)
    source = net.population("in", nr.Poisson(50.0), 16)
    cells = net.population("cells", nr.LIF(), 9)
    error = net.population("error", nr.LeakyIntegrator(tau_m=50e-3, bias=0.3), 9)
    net.connect(cells, error, nr.one_to_one(-0.125))
    net.connect(
        source,
        cells,
        w.sparse(16, 9, 0.5, high=0.5),
        plasticity=nr.ErrorHebbian(learning_rate=0.2, w_max=1.0),
        factors={"error": (error, "v")},
        name="plastic",
    )
    return net


@scenario(static=False)
def voltage_homeostasis(w: Weights) -> nr.Network:
    """Slow scaling of all weights towards a mean potential, every 10 ms."""
    return learner(w, nr.VoltageHomeostasis(0.3, learning_rate=4.0, tau=0.1))


@scenario(static=False)
def sleep_replay(w: Weights) -> nr.Network:
    """The rule of sleep, soft gate."""
    rule = nr.SleepReplay(increment=0.02, decrement=0.004, slope=0.05)
    return learner(w, rule, weights=w(16, 9, low=-0.125, high=0.375))


@scenario(static=False)
def sleep_replay_hard(w: Weights) -> nr.Network:
    """The rule of sleep, hard gate, where weights start at and below zero."""
    rule = nr.SleepReplay(increment=2.0**-5, decrement=2.0**-7, gate="hard")
    return learner(w, rule, weights=w(16, 9, low=-0.125, high=0.375))


@scenario(static=False)
def stdp_with_synaptic_delays(w: Weights) -> nr.Network:
    """STDP where a spike arrives at each synapse at another time."""
    return learner(w, pair(), delay=nr.Uniform(1e-3, 12e-3))


@scenario(static=False)
def stdp_on_tied_weights(w: Weights) -> nr.Network:
    """Two rules on one matrix, one reading it backwards."""
    net = learner(w, pair())
    hidden = net.population("hidden", nr.LIF(), 7)
    up = net.connect("cells", hidden, w(9, 7, high=0.5), plasticity=pair(), name="up")
    net.connect(
        hidden, "cells", nr.transpose_of(up), plasticity=pair(), delay=2e-3, name="down"
    )
    net.record("up", "w")
    return net


@scenario(static=False)
def eligibility_on_tied_weights(w: Weights) -> nr.Network:
    """A trace of every synapse at a projection that reads a matrix backwards, dense and sparse."""
    net = learner(w, pair())
    hidden = net.population("hidden", nr.LIF(), 7)
    reward = net.population("reward", nr.LeakyIntegrator(bias=0.5), 1)
    rule = nr.RewardSTDP(learning_rate=10.0, tau_c=0.1, w_min=-0.5, w_max=1.0)
    for kind, weights in (("dense", w(9, 7, high=0.5)), ("sparse", w.sparse(9, 7, 0.4))):
        up = net.connect("cells", hidden, weights, name=f"up_{kind}")
        net.connect(
            hidden,
            "cells",
            nr.transpose_of(up),
            gain=0.25,
            plasticity=rule,
            factors={"reward": (reward, "v")},
            name=f"down_{kind}",
        )
        net.record(up, "w")
        net.record(f"down_{kind}", "c")
    return net


@scenario(static=False)
def user_rule(w: Weights) -> nr.Network:
    """A user's rule that reads both neurons, flags, traces of all kinds and a factor."""
    rule = nr.PlasticityRule(
        on_pre="w += rate * where(post_trace > 0.2, v_post, -v_post); fast += 1",
        on_post="tag += fast * (1 - pre_spike) + 0.5 * pre_spike; post_trace += 1",
        on_step="w += tag * level * dt - 0.01 * w * post_spike; tag *= 0.9",
        every=4e-3,
        pre_traces="dfast/dt = -fast / tau : 1",
        post_traces="dpost_trace/dt = (v_post / volts - post_trace) / tau : 1",
        synapse_traces="dtag/dt = (fast * post_trace - tag) / (5 * tau) : 1",
        parameters={"tau": (15e-3, "second"), "rate": 0.02, "volts": (1.0, "volt")},
        factors=("level",),
        initial={"post_trace": 0.1},
        w_min=-0.5,
        w_max=1.0,
        name="user rule",
    )
    net = nr.Network("user rule", seed=24)
    source = net.population("in", nr.Poisson(60.0), 12)
    cells = net.population("cells", nr.LIF(t_ref=3e-3), 9)
    levels = net.population("levels", nr.LeakyIntegrator(bias=0.5), 12)
    net.connect(
        source,
        cells,
        w(12, 9, high=0.5),
        plasticity=rule,
        factors={"level": (levels, "v")},
        delay=2e-3,
        name="plastic",
    )
    net.record("plastic", "tag")
    return net

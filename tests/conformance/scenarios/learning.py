"""Every plasticity rule, and rules that users write."""

from __future__ import annotations

from typing import Any

import numpy as np

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


@scenario(static=False)
def factors_of_groups(w: Weights) -> nr.Network:
    """Third factors of which each value serves a group of units, of either side."""
    net = nr.Network("groups", seed=25)
    source = net.population("in", nr.Poisson(50.0), 12)
    cells = net.population("cells", nr.LIF(t_ref=2e-3), 9)
    net.connect(cells, cells, w(9, 9, low=-0.25, high=0.0), name="inhibit")
    for side, groups in (("post", 3), ("pre", 4)):
        level = net.population(f"{side}_level", nr.LeakyIntegrator(tau_m=30e-3, bias=0.2), groups)
        net.connect("cells", level, w(9, groups, low=-0.25, high=0.5))
        rule = nr.PlasticityRule(
            on_pre=f"w += 0.02 * level{' * seen' if side == 'pre' else '; w += 0.01 * seen'}",
            on_post="w -= 0.008 * level",
            on_step="seen = 0.5 * seen + level; w += 0.01 * level - 0.02 * w",
            every=7e-3,
            pre_traces="dseen/dt = -seen / tau : 1" if side == "pre" else "",
            post_traces="dseen/dt = -seen / tau : 1" if side == "post" else "",
            parameters={"tau": (20e-3, "second")},
            factors=("level",),
            w_min=-0.5,
            w_max=0.75,
        )
        for kind, weights in (("dense", w(12, 9, high=0.25)), ("sparse", w.sparse(12, 9, 0.5))):
            net.connect(
                source,
                cells,
                weights,
                gain=0.5,
                plasticity=rule,
                factors={"level": (level, "v")},
                delay=2e-3,
                name=f"{side}_{kind}",
            )
            net.record(f"{side}_{kind}", "w")
    return net


@scenario(static=False)
def columns_of_graded_units(w: Weights) -> nr.Network:
    """Blocks: graded units up to spiking units and back, learning behind a gate of each column."""
    error = nr.NeuronModel(
        "v : 1",
        inputs={"seen": "1", "said": "1"},
        after="v = 0.8 * v + 0.2 * (seen - said)",
        threshold="v < 0.3",  # most of them in every step
        emits="v",
        name="error unit",
    )
    rule = nr.PlasticityRule(
        on_step="w += gate * (0.3 * v_pre * v_post - 0.05 * w)",
        every=8e-3,
        factors=("gate",),
        w_min=-0.5,
        w_max=1.0,
    )
    net = nr.Network("columns", seed=26)
    source = net.population("in", nr.Poisson(150.0), 6)
    errors = net.population("errors", error, (4, 6))
    cells = net.population("cells", nr.LeakyIntegrator(tau_m=20e-3), (4, 3))
    votes = net.population("votes", nr.LIF(tau_m=15e-3), 4)
    spiking = net.population("spiking", nr.LIF(t_ref=2e-3), (4, 3))
    gate = net.population("gate", nr.LeakyIntegrator(tau_m=40e-3), 4)
    net.connect(source, errors, np.tile(np.eye(6), 4), port="seen")
    up = net.connect(
        errors,
        spiking,
        nr.block_diagonal(w(4, 6, 3, low=-0.25, high=1.0)),
        plasticity=rule,
        factors={"gate": (gate, "v")},
        name="up",
    )
    net.connect(errors, cells, nr.block_diagonal(w(4, 6, 3, low=-0.5)))
    net.connect(
        spiking, errors, nr.block_diagonal(w(4, 3, 6, low=-0.25)), port="said", name="down"
    )
    net.connect(spiking, errors, nr.transpose_of(up), port="said", gain=0.125, name="tied")
    net.connect(spiking, votes, nr.block_diagonal(w(4, 3, 1)), name="vote")
    net.connect(votes, spiking, nr.block_diagonal(w(4, 1, 3, high=0.25)), delay=2e-3)
    net.connect(votes, gate, nr.one_to_one(0.5))
    net.record("up", "w")
    net.record("errors", "v")
    net.record("cells", "v")
    return net

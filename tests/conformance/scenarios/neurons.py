"""Every neuron model, and models that users write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import neuro as nr
from neuro.conformance.scenario import Weights, scenario
from neuro.synapses import Synapse

SIZE = 12


def driven(
    w: Weights, model: nr.NeuronModel, weight: float, rate: float = 60.0, **ports: float
) -> nr.Network:
    """A population driven by Poisson spikes; ``ports`` scales the weights of single ports."""
    net = nr.Network("driven", seed=5)
    source = net.population("in", nr.Poisson(rate=rate), 20)
    target = net.population("out", model, SIZE)
    for port in model.ports:
        scale = ports.get(port, 1.0) * weight
        net.connect(
            source,
            target,
            w(20, SIZE, low=min(0.0, scale), high=max(0.0, scale)),
            port=port,
            name=f"to_{port}",
        )
    return net


def lif(synapses: Mapping[str, Synapse], **options: Any) -> nr.LIF:
    """A LIF neuron with given synapses."""
    return nr.LIF(tau_m=20e-3, synapses=synapses, **options)


@scenario()
def integrate_and_fire(w: Weights) -> nr.Network:
    """IF, reset by subtraction."""
    return driven(w, nr.IF(reset="subtract", bias=4.0), 0.4)


@scenario()
def lif_delta(w: Weights) -> nr.Network:
    """LIF with delta synapses, reset to a value, refractory."""
    return driven(w, nr.LIF(v_reset=-0.25, t_ref=4e-3), 0.3)


@scenario()
def lif_reset_by_subtraction(w: Weights) -> nr.Network:
    """LIF, reset by subtraction, so that the overshoot counts."""
    return driven(w, nr.LIF(reset="subtract"), 0.5)


@scenario()
def lif_at_threshold(w: Weights) -> nr.Network:
    """LIF exactly at threshold: ">=" spikes, ">" does not."""
    net = nr.Network("at threshold")
    times = np.arange(5, 900, 40)
    source = net.population("in", nr.SpikeTimes(times, np.zeros(len(times), int)), 1)
    for name, comparison in (("reaches", ">="), ("exceeds", ">")):
        target = net.population(name, nr.LIF(comparison=comparison), 3)
        net.connect(source, target, np.array([[0.5, 1.0, 1.5]]), name=f"to_{name}")
    return net


@scenario()
def lif_refractory_per_unit(w: Weights) -> nr.Network:
    """LIF whose parameters and refractory periods differ from unit to unit."""
    model = nr.LIF(
        tau_m=np.linspace(5e-3, 40e-3, SIZE),
        v_threshold=np.linspace(0.5, 1.5, SIZE),
        t_ref=np.arange(SIZE) * 1e-3,
        bias=0.25,
    )
    return driven(w, model, 0.4)


@scenario()
def lif_drawn_parameters(w: Weights) -> nr.Network:
    """LIF with time constants and initial values drawn at random."""
    model = nr.LIF(tau_m=nr.Uniform(5e-3, 30e-3), v_init=nr.Normal(0.3, 0.2))
    return driven(w, model, 0.3)


@scenario()
def lif_exponential(w: Weights) -> nr.Network:
    """LIF with exponential currents at two ports."""
    synapses = {"exc": nr.Exponential(5e-3), "inh": nr.Exponential(10e-3)}
    return driven(w, lif(synapses, t_ref=2e-3), 0.8, inh=-0.25)


@scenario()
def lif_alpha(w: Weights) -> nr.Network:
    """LIF with alpha currents."""
    return driven(w, lif({"exc": nr.Alpha(4e-3)}), 0.5)


@scenario()
def lif_double_exponential(w: Weights) -> nr.Network:
    """LIF with currents of two time constants."""
    return driven(w, lif({"exc": nr.DoubleExponential(2e-3, 8e-3)}), 0.6)


@scenario()
def lif_conductance(w: Weights) -> nr.Network:
    """LIF with excitatory and inhibitory conductances."""
    synapses = {
        "exc": nr.Conductance(nr.Exponential(5e-3), 4.0),
        "inh": nr.Conductance(nr.Alpha(8e-3), -0.5),
    }
    return driven(w, lif(synapses), 0.2, inh=0.5)


@scenario()
def adaptive_lif(w: Weights) -> nr.Network:
    """LIF with adaptive threshold."""
    return driven(w, nr.AdaptiveLIF(increment=0.2, t_ref=2e-3), 0.4)


@scenario(dt=1e-4)
def adex(w: Weights) -> nr.Network:
    """AdEx driven by currents."""
    model = nr.AdEx(bias=0.7e-9, synapses={"exc": nr.Exponential(5e-3)})
    return driven(w, model, 2.0**-32, rate=300.0)


@scenario(dt=1e-4, steps=2000)
def izhikevich(w: Weights) -> nr.Network:
    """Izhikevich's regular and fast spiking neurons side by side."""
    model = nr.Izhikevich(a=np.repeat([20.0, 100.0], SIZE // 2), bias=8.0)
    return driven(w, model, 2.0**-8, rate=300.0)


@scenario(dt=1e-4)
def hodgkin_huxley(w: Weights) -> nr.Network:
    """Hodgkin-Huxley with conductances."""
    return driven(w, nr.HodgkinHuxley(bias=0.5e-9), 2.0**-27, rate=200.0, inh=0.5)


@scenario()
def resonate_and_fire(w: Weights) -> nr.Network:
    """Resonate-and-fire."""
    return driven(w, nr.ResonateAndFire(frequency=20.0, damping=-5.0), 0.3)


@scenario()
def leaky_readout(w: Weights) -> nr.Network:
    """A readout that never spikes."""
    net = driven(w, nr.LeakyIntegrator(), 0.3)
    net.record("out", "v")
    return net


@scenario(static=False)
def graded_units(w: Weights) -> nr.Network:
    """Graded units of all activations, recurrent, with a delay."""
    net = driven(w, nr.Graded(activation="tanh"), 0.3)
    for name in ("identity", "relu", "sigmoid"):
        target = net.population(f"{name}_units", nr.Graded(activation=name, bias=0.1), 5)
        net.connect("out", target, w(SIZE, 5, low=-0.5, high=0.5), delay=3e-3)
        net.connect(target, "out", w(5, SIZE, low=-0.2, high=0.2))
        net.record(target, "x")
    return net


@scenario(static=False)
def sigma_delta(w: Weights) -> nr.Network:
    """Sigma-delta units in two layers, with two delays."""
    net = driven(w, nr.SigmaDelta(threshold=0.25, activation="identity"), 0.2)
    for name, activation, delay in (("rectified", "relu", 1e-3), ("bounded", "tanh", 4e-3)):
        target = net.population(name, nr.SigmaDelta(threshold=0.125, activation=activation), 6)
        net.connect("out", target, w(SIZE, 6, low=-0.5, high=0.5), delay=delay)
        net.record(target, "y")
    return net


@scenario()
def user_model(w: Weights) -> nr.Network:
    """A user's model with every function of the language."""
    model = nr.NeuronModel(
        """
        dv/dt = (-v + drive * tanh(v / scale) + 0.3 * scale * sin(phase) + I_syn) / tau : volt
        dphase/dt = 6.28 * frequency * (1 + 0.1 * cos(v / scale)) : 1
        peak : volt
        """,
        parameters={
            "tau": (20e-3, "second"),
            "frequency": (np.linspace(3.0, 9.0, SIZE), "hertz"),
            "drive": (0.2, "volt"),
            "scale": (1.0, "volt"),
            "refractory_time": (3e-3, "second"),
        },
        synapses={"exc": nr.Exponential(4e-3)},
        before="phase = phase % 6.25",
        after="peak = max(peak * 0.99, abs(v)); v = clip(v, -2, 2)",
        threshold="v > 0.8 * scale * where(peak > 1, sqrt(peak / scale), 1) and not v < 0",
        reset="v = -0.1 * scale * (exp(-peak / scale) + floor(phase) / 8); phase += 0.5",
        refractory="refractory_time",
        held=("v",),
        name="user model",
    )
    model_scaled = driven(w, model, 0.8)
    model_scaled.record("out", "phase")
    return model_scaled


@scenario()
def random_numbers(w: Weights) -> nr.Network:
    """White noise in equations (exact, Euler), and random numbers in every text of a model."""
    net = driven(w, noisy_lif("auto"), 0.4)
    coarse = net.population("coarse", noisy_lif("Euler"), SIZE)
    net.connect("in", coarse, w(20, SIZE, high=0.4), port="exc", name="to_coarse")
    model = nr.NeuronModel(
        "v : 1\n w : 1",
        inputs={"drive": "1"},
        before="v += 0.2 * drive; v = v + 0.05 * randn()",
        after="w = 0.9 * w + 0.1 * rand()",
        threshold="rand() < exp(v - 3) and w > 0.4 * rand()",
        reset="v = v * rand() - 0.1 * randn()",
        name="stochastic cell",
    )
    stochastic = net.population("stochastic", model, SIZE)
    net.connect("in", stochastic, w(20, SIZE), name="to_stochastic")
    net.record("out", "v")
    net.record(stochastic, "v")
    return net


def noisy_lif(integrator: str) -> nr.NeuronModel:
    """A LIF with a current and two noises."""
    return nr.NeuronModel(
        """
        dv/dt = (I_syn - v) / tau + sigma * sqrt(2 / tau) * xi : volt
        dslow/dt = -slow / tau_slow + 0.5 * xi_slow * sigma / sqrt(tau_slow) : volt
        """,
        parameters={
            "tau": (20e-3, "second"),
            "tau_slow": (np.linspace(50e-3, 90e-3, SIZE), "second"),
            "sigma": (0.4, "volt"),
            "t_ref": (3e-3, "second"),
        },
        synapses={"exc": nr.Exponential(4e-3)},
        threshold="v + slow >= 1",
        reset="v = 0",
        refractory="t_ref",
        held=("v",),
        integrator=integrator,
        name="noisy LIF",
    )


@scenario(static=False)
def random_numbers_in_events(w: Weights) -> nr.Network:
    """Events that carry a random number, with a delay."""
    model = nr.NeuronModel(
        "u : 1", after="u = rand()", threshold="u > 0.8", emits="u + 0.1 * randn()", name="emitter"
    )
    net = nr.Network("random events", seed=8)
    emitter = net.population("emitter", model, SIZE)
    target = net.population("out", nr.LIF(), 5)
    net.connect(emitter, target, w(SIZE, 5), delay=3e-3)
    return net

"""Networks of Loihi's whole numbers, and one of floats that is quantised on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.conformance.scenario import Weights, scenario
from neuro.loihi.numbers import SIGN_MODES, representable


def whole(
    rng: np.random.Generator, shape: tuple[int, int], mode: str, bits: int = 8, reach: int = 300
) -> NDArray[np.float64]:
    """Weights of a sign mode; some lie at its limits when they reach beyond."""
    return representable(rng.integers(-reach, reach + 1, shape), bits, mode)


@scenario(precision="loihi")
def integers_of_every_sign(w: Weights) -> nr.Network:
    """Loihi: weights of three sign modes and many bits, at their limits; both signs of exponent."""
    rng = np.random.default_rng(11)
    net = nr.Network("signs", seed=3)
    source = net.population("in", nr.Poisson(rate=80.0), 24)
    exponents = dict(zip(SIGN_MODES, (-3, 2, 0), strict=True))
    cells = net.population("out", nr.loihi.LIF(900, 250, 900, ports=exponents), 16)
    for mode, bits in zip(SIGN_MODES, (8, 5, 6), strict=True):
        net.connect(source, cells, whole(rng, (24, 16), mode, bits), port=mode, name=f"to_{mode}")
    net.record(cells, "u")
    net.record(cells, "v")
    return net


@scenario(precision="loihi")
def integers_per_unit(w: Weights) -> nr.Network:
    """Loihi: decays, threshold, bias and refractory period of each unit; negative exponent."""
    rng = np.random.default_rng(12)
    units = 20
    net = nr.Network("per unit", seed=4)
    source = net.population("in", nr.Poisson(rate=60.0), 20)
    model = nr.loihi.LIF(
        np.linspace(0, 4095, units).astype(int),
        np.linspace(4095, 0, units).astype(int),
        rng.integers(1, 300, units),
        bias_mant=rng.integers(-100, 400, units),
        bias_exp=rng.integers(0, 4, units),
        t_ref=rng.integers(0, 9, units) * 1e-3,
        ports={"input": -2},
        v_init=rng.integers(-5000, 5000, units),
    )
    cells = net.population("out", model, units)
    net.connect(source, cells, whole(rng, (20, units), "mixed"))
    net.record(cells, "u")
    net.record(cells, "v")
    return net


@scenario(precision="loihi")
def integers_overflow(w: Weights) -> nr.Network:
    """Loihi: currents that wrap and voltages that stop at the ends of 24 bits."""
    rng = np.random.default_rng(13)
    net = nr.Network("overflow", seed=5)
    source = net.population("in", nr.Poisson(rate=150.0), 16)
    cells = net.population("out", nr.loihi.LIF(3, 1, 131071, ports={"input": 5}), 10)
    net.connect(source, cells, whole(rng, (16, 10), "mixed"))
    net.record(cells, "u")
    net.record(cells, "v")
    return net


@scenario(precision="loihi", steps=10_000)
def integers_in_a_loop(w: Weights) -> nr.Network:
    """Loihi: 10,000 steps of a loop with delays, refractory periods and sparse synapses."""
    import scipy.sparse

    rng = np.random.default_rng(14)
    net = nr.Network("loop", seed=6)
    source = net.population("in", nr.Poisson(rate=20.0), 30)
    ports = {"input": 1, "loop": -1}
    exc = net.population("exc", nr.loihi.LIF(600, 120, 500, t_ref=3e-3, ports=ports), 30)
    inh = net.population("inh", nr.loihi.LIF(4095, 300, 400, bias_mant=600, ports={"input": 3}), 12)
    net.connect(source, exc, whole(rng, (30, 30), "excitatory", reach=120), port="input")
    sparse = scipy.sparse.random_array((30, 12), density=0.4, rng=rng)
    sparse.data = np.floor(sparse.data * 120) + 1
    net.connect(exc, inh, sparse, delay=rng.integers(1, 20, (30, 12)) * 1e-3)
    net.connect(inh, exc, whole(rng, (12, 30), "inhibitory"), port="loop", delay=4e-3)
    return net


@scenario(precision="loihi")
def quantised_floats(w: Weights) -> nr.Network:
    """A network of floats that is quantised: leak, exponential currents, no leak."""
    net = nr.Network("quantised", seed=7)
    source = net.population("in", nr.Poisson(rate=40.0), 30)
    synapses = {"exc": nr.Exponential(5e-3), "inh": nr.Exponential(5e-3)}
    model = nr.LIF(20e-3, v_rest=-0.1, bias=0.4, t_ref=2e-3, synapses=synapses)
    cells = net.population("cells", model, 20)
    last = net.population("last", nr.IF(bias=2.0, tau=0.5), 8)
    net.connect(source, cells, w(30, 20, high=0.6), port="exc")
    net.connect(cells, cells, w(20, 20, low=-0.3, high=0.0), port="inh", delay=3e-3)
    net.connect(cells, last, w(20, 8, low=-0.1, high=0.3))
    return net

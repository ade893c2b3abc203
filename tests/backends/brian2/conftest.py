"""Networks that use every part of a program, and a cache of compiled code for all tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower
from neuro.program import Program

EVERY_TARGET = [
    "numpy",
    pytest.param("cpp", marks=pytest.mark.build),
    pytest.param("cython", marks=[pytest.mark.build, pytest.mark.slow]),
]


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        metafunc.parametrize("target", EVERY_TARGET)


@pytest.fixture(scope="session")
def cache(request) -> Path:
    """Kept between sessions: its keys hold everything that compiled code depends on."""
    return Path(request.config.cache.mkdir("neuro-brian2"))


@pytest.fixture
def program():
    """Lower the network with all features."""

    def make(precision: str = "float64", **options) -> Program:
        return lower(_everything(**options), 1e-3, precision)

    return make


@pytest.fixture
def tiny():
    """A program that compiles quickly."""

    def make(seed: int = 0, weight: float = 0.4, density: float = 0.5) -> Program:
        net = nr.Network("tiny", seed=seed)
        inp = net.population("inp", nr.Poisson(rate=80.0), size=12)
        exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=7)
        net.connect(
            inp, exc, weights=nr.fixed_probability(density, weight=weight), delay=2e-3, name="c"
        )
        net.record(exc)
        return lower(net, 1e-3)

    return make


def _everything(seed: int = 3) -> nr.Network:
    """Dense, sparse, empty and tied projections; three rules; delays of 1 to 5 steps."""
    rng = np.random.default_rng(seed)
    net = nr.Network("everything", seed=seed)
    inp = net.population("inp", nr.Poisson(rate=60.0), size=30)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0, t_ref=3e-3), size=20)
    out = net.population("out", nr.LIF(tau_m=np.linspace(5e-3, 15e-3, 8), v_threshold=1.0), size=8)
    stdp = nr.PairSTDP(w_min=0.0, w_max=0.6)
    both = nr.PlasticityRule(
        on_pre="x = 0.5 * x + 1; w = w - a * y * (2 - post_spike)",
        on_post="w = w + a * x * (1 - 0.5 * pre_spike); y += 1",
        pre_traces="dx/dt = -x / tau : 1",
        post_traces="dy/dt = -y / tau : 1",
        parameters={"tau": (15e-3, "second"), "a": 0.01},
        w_min=0.0,
        name="both",
    )
    gentle = nr.SleepReplay(0.01, 0.005, slope=0.1)
    net.connect(inp, exc, weights=rng.random((30, 20)) * 0.3, delay=2e-3, plasticity=stdp, name="a")
    net.connect(
        inp,
        exc,
        weights=nr.fixed_probability(0.2, weight=0.2),
        plasticity=both,
        gain=0.7,
        name="b",
    )
    net.connect(
        exc,
        exc,
        weights=nr.fixed_probability(0.3, weight=nr.Normal(0.05, 0.1)),
        delay=5e-3,
        plasticity=gentle,
        name="c",
    )
    owner = net.connect(exc, out, weights=rng.random((20, 8)) * 0.4, plasticity=stdp, name="d")
    net.connect(out, exc, weights=nr.transpose_of(owner), delay=3e-3, plasticity=gentle, name="e")
    net.connect(out, out, weights=scipy.sparse.csr_array((8, 8)), name="none")
    net.record(inp, units=[1, 5])
    net.record(exc)
    net.record(out, units=range(4))
    net.record(exc, "v")
    net.record("c", "w", units=[0, 3, 7])
    net.record("d", "w")
    net.record("b", "x", units=[2])
    return net

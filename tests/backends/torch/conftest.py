"""A network that uses much of a program, and comparisons to the bit; fixtures give functions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.backends.torch import BACKEND
from neuro.engine import Recorded, State
from neuro.lowering import lower
from neuro.program import Program


@pytest.fixture(autouse=True)
def _one_thread():
    """The machine may be shared; results do not depend on the number of threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["sparse", "dense"])
def delivery(request) -> str:
    """Lists of spikes; and truth values, which is what runs on a GPU."""
    return request.param


@pytest.fixture
def engine():
    """Compile a program here."""

    def make(program: Program, **options):
        return BACKEND.compile(program, **{"device": "cpu", **options})

    return make


@pytest.fixture
def reference():
    """Compile a program for the oracle."""
    return REFERENCE.compile


@pytest.fixture
def item_of():
    """The program as one item of a batch sees it."""

    def make(program: Program, item: int) -> Program:
        sources = {name: source.replica(item) for name, source in program.sources.items()}
        return replace(program, sources=sources)

    return make


@pytest.fixture
def recorded_item():
    """What one item of a batched run recorded."""

    def make(record: Recorded, item: int) -> Recorded:
        spikes = {}
        for population, (steps, units, items) in record.spikes.items():
            order = np.lexsort((units, steps, items))
            assert np.array_equal(order, np.arange(len(items))), "by item, then step, then unit"
            spikes[population] = steps[items == item], units[items == item]
        return Recorded(spikes, {i: trace[item] for i, trace in record.traces.items()})

    return make


@pytest.fixture
def same_record():
    """Assert that two recordings have the same bits."""

    def check(ours: Recorded, theirs: Recorded) -> None:
        assert ours.spikes.keys() == theirs.spikes.keys()
        for population, expected in theirs.spikes.items():
            for found, wanted in zip(ours.spikes[population], expected, strict=True):
                assert found.dtype == np.int64
                assert np.array_equal(found, wanted), population
        assert ours.traces.keys() == theirs.traces.keys()
        for index, wanted in theirs.traces.items():
            assert ours.traces[index].dtype == wanted.dtype
            assert np.array_equal(ours.traces[index], wanted), index

    return check


@pytest.fixture
def same_state():
    """Assert that a checkpoint has the bits of one of the oracle."""

    def check(ours: State, theirs: State) -> None:
        assert ours.step == theirs.step
        for name, value in ours.arrays.items():
            assert value.dtype == theirs.arrays[name].dtype, name
            assert np.array_equal(value, theirs.arrays[name]), name
        assert ours.recent.keys() == theirs.recent.keys()
        for population, expected in theirs.recent.items():
            for found, wanted in zip(ours.recent[population], expected, strict=True):
                assert np.array_equal(found, wanted), population

    return check


@pytest.fixture
def loop():
    """Excitation and inhibition in a loop, with three rules, delays and refractory periods."""

    def make(precision: str = "float64", seed: int = 0, exact: bool = False) -> Program:
        return lower(_loop(seed, exact), 1e-3, precision)

    return make


def _loop(seed: int, exact: bool) -> nr.Network:
    rng = np.random.default_rng(seed)

    def weights(n, m, high):
        drawn = rng.random((n, m)) * high
        return np.round(drawn * 256) / 256 if exact else drawn

    net = nr.Network("loop", seed=seed)
    source = net.population("source", nr.Poisson(rate=50.0), size=20)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, t_ref=3e-3), size=24)
    inh = net.population("inh", nr.LIF(tau_m=np.linspace(5e-3, 15e-3, 8)), size=8)
    pair = nr.PairSTDP(a_plus=0.03, a_minus=0.033, w_min=0.0, w_max=0.6)
    gentle = nr.SleepReplay(0.01, 0.005, slope=0.1)
    net.connect(source, exc, weights(20, 24, 0.3), delay=2e-3, plasticity=pair, name="a")
    some = scipy.sparse.csr_array(np.where(rng.random((24, 24)) < 0.3, weights(24, 24, 0.2), 0))
    net.connect(exc, exc, some, delay=5e-3, plasticity=pair, gain=0.75, name="b")
    owner = net.connect(exc, inh, weights(24, 8, 0.3), plasticity=gentle, name="c")
    net.connect(inh, exc, nr.transpose_of(owner), gain=-1.0, delay=3e-3, name="d")
    net.connect(inh, exc, -weights(8, 24, 0.3), name="e")
    net.connect(source, inh, weights(20, 8, 0.1), delay=4e-3, name="f")
    net.record(source, units=[1, 5])
    net.record(exc)
    net.record(inh)
    net.record(exc, "v")
    net.record("b", "w", units=[0, 3, 7])
    net.record("c", "w")
    return net

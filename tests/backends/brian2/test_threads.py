"""Several threads give the bits of one: additions to a unit keep their order."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import neuro as nr
from neuro.backends.brian2 import BACKEND, buildcache
from neuro.backends.brian2.drawing import draw
from neuro.backends.brian2.toolchain import Cpp
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.errors import CompileError
from neuro.lowering import lower
from neuro.progress import Silent

pytestmark = pytest.mark.xdist_group("threads of brian2")  # they share a build

HEADER = Path(buildcache.__file__).parent / "neuro_io.h"


def large() -> nr.Network:
    """Enough spikes a step that every loop is shared; weights whose sums depend on the order."""
    rng = np.random.default_rng(4)
    net = nr.Network("large", seed=4)
    inp = net.population("inp", nr.Poisson(rate=500.0), size=500)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=401)
    many = net.population("many", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=33_000)
    stdp = nr.PairSTDP(a_plus=0.01, a_minus=0.012, w_min=0.0, w_max=0.02)
    net.connect(inp, exc, weights=rng.random((500, 401)) * 0.02, plasticity=stdp, name="dense")
    half = nr.fixed_probability(0.6, weight=nr.Uniform(0.0, 0.01))
    bounded = nr.PairSTDP(w_max=0.01)
    net.connect(inp, exc, weights=half, plasticity=bounded, delay=2e-3, name="sparse")
    back = net.connect(exc, exc, weights=rng.normal(0.0, 0.02, (401, 401)), name="back", delay=3e-3)
    net.connect(exc, exc, weights=nr.transpose_of(back), plasticity=stdp, name="tied")
    net.connect(inp, many, weights=nr.fixed_probability(0.01, weight=0.3), name="fan")
    net.record(exc)
    net.record(many)
    return net


@pytest.mark.slow
@pytest.mark.build
@pytest.mark.parametrize("threads", [2, 3])
def test_the_bits_of_one_thread(cache, threads):
    made = lower(large(), 1e-3)
    reference = REFERENCE.compile(made)
    ours = BACKEND.compile(made, target="cpp", threads=threads, cache_dir=cache)
    expected, found = reference.run(25, Silent()), ours.run(25, Silent())
    for population, events in expected.spikes.items():
        for a, b in zip(found.spikes[population], events, strict=True):
            assert np.array_equal(a, b), population
    for name, value in reference.state().arrays.items():
        assert np.array_equal(ours.read(name), value), name
    # otherwise nothing was shared and nothing shown
    worth = int(re.search(r"count >= (\d+);", HEADER.read_text())[1])
    spikes = np.bincount(expected.spikes["exc"][0], minlength=25)
    assert (spikes * 401 >= worth).sum() > 5
    assert worth <= 500 * 0.4 * 401
    assert made.sizes["many"] >= worth


@pytest.mark.build
def test_one_build_serves_every_number_but_one(tiny, cache):
    plan = draw(tiny())
    one, several = (buildcache.program_folder(plan, cache, Cpp(shared)) for shared in (False, True))
    assert one != several
    expected = REFERENCE.compile(tiny()).run(300, Silent())
    for threads in (2, 3):
        ours = BACKEND.compile(tiny(), target="cpp", threads=threads, cache_dir=cache)
        found = ours.run(300, Silent())
        for population, events in expected.spikes.items():
            assert np.array_equal(found.spikes[population], events), population
        assert buildcache.is_built(several)
    manifest = json.loads((several / buildcache.MANIFEST).read_text())
    assert manifest["flags"].split()[-1] == "-fopenmp"


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_a_number_of_threads_that_makes_no_sense(tiny, threads):
    with pytest.raises(CompileError, match="threads=.* is not a number from 1 on"):
        BACKEND.compile(tiny(), target="cpp", threads=threads)


def test_targets_without_threads(tiny):
    with pytest.raises(CompileError, match="target 'numpy' runs on one thread"):
        BACKEND.compile(tiny(), target="numpy", threads=2)
    BACKEND.compile(tiny(), target="numpy", threads=1)
    BACKEND.compile(tiny(), target="auto", threads=2)

"""The native backend: compiled once, exact, and clear about what it lacks."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

import neuro as nr
from neuro.backends.native import BACKEND, build, engine
from neuro.backends.native.source import TOGETHER, Writer
from neuro.lowering import lower

if BACKEND.available() is not True:
    pytest.skip(str(BACKEND.available()), allow_module_level=True)

pytestmark = pytest.mark.build


def network(seed=0, rate=40.0, record=("spikes",), **inhibition):
    net = nr.Network("net", seed=seed)
    inp = net.population("inp", nr.Poisson(rate=rate), 60)
    exc = net.population("exc", nr.LIF(tau_m=20e-3), 37)
    net.connect(inp, exc, nr.fixed_probability(0.3, nr.Uniform(0.1, 0.3)), plasticity=nr.PairSTDP())
    net.connect(exc, exc, nr.dense(nr.Normal(-0.02, 0.01)), delay=3e-3, name="back")
    for variable in record:
        net.record(exc, variable)
    return net


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A cache for several tests."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def outcome(net, backend="reference", steps=700, **options):
    with nr.compile(net, backend, dt=1e-3, **options) as sim:
        recording = sim.run_steps(steps, progress=False)
        return recording.spikes("exc"), sim.weights("inp_exc"), recording


def test_one_build_serves_other_data_lengths_and_processes(cache, monkeypatch):
    outcome(network(), "native", 3, cache_dir=cache)
    assert len(list(cache.rglob("*.so"))) == 1
    monkeypatch.setattr(build, "_compile", None)  # compiling more would fail
    for seed, rate in ((0, 40.0), (1, 80.0)):
        expected = outcome(network(seed, rate))
        found = outcome(network(seed, rate), "native", cache_dir=cache)
        assert np.array_equal(found[0], expected[0])
        assert np.array_equal(found[1], expected[1])
    code = (
        "import neuro.backends.native.build as build; build._compile = None\n"
        "import importlib.util as u\n"
        f"s = u.spec_from_file_location('t', {__file__!r}); m = u.module_from_spec(s)\n"
        "s.loader.exec_module(m)\n"
        f"m.outcome(m.network(), 'native', 3, cache_dir={str(cache)!r})\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_other_structures_are_other_builds(cache):
    outcome(network(), "native", 1, cache_dir=cache)
    outcome(network(record=("spikes", "v")), "native", 1, cache_dir=cache)
    outcome(network(), "native", 1, cache_dir=cache, precision="float32")
    assert len(list(cache.rglob("*.so"))) == 3
    for path in cache.rglob("*.c"):
        assert "neuro_run" in path.read_text()


@pytest.mark.parametrize("events", range(2 * TOGETHER + 2))
def test_any_number_of_rows_is_added_in_order(events, kept):
    """Weights of very different size: another order of additions would give other bits."""
    net = nr.Network("rows", seed=0)
    inp = net.population("inp", nr.SpikeTimes(np.zeros(events, int), np.arange(events)), 12)
    out = net.population("out", nr.LeakyIntegrator(), 5)
    draw = np.random.default_rng(events)
    net.connect(inp, out, draw.normal(size=(12, 5)) * 10.0 ** draw.integers(-8, 8, (12, 5)))
    net.record(out, "v")
    with nr.compile(net, dt=1e-3) as sim:
        expected = sim.run_steps(4).trace(out, "v")
    with nr.compile(net, "native", dt=1e-3, cache_dir=kept) as sim:
        assert np.array_equal(sim.run_steps(4).trace(out, "v"), expected)


def test_no_room_for_spikes_is_made_room(monkeypatch, cache):
    """Recorded spikes are fetched before there are too many, within a chunk and between two."""
    monkeypatch.setattr(engine, "ROOM", 1)
    expected = outcome(network(rate=300.0), steps=2100)[0]
    assert len(expected[0]) > 5 * 2 * 60
    found = outcome(network(rate=300.0), "native", 2100, cache_dir=cache)[0]
    assert np.array_equal(found, expected)


def test_what_is_written_acts_at_once(cache):
    """What arrives is not zeroed again where nothing arrived, unless somebody wrote there."""
    results = []
    for backend, options in (("reference", {}), ("native", {"cache_dir": cache})):
        with nr.compile(network(record=("v",)), backend, dt=1e-3, **options) as sim:
            first = sim.run_steps(40, progress=False).trace("exc", "v")
            state = sim.state()
            sim.set_weights("back", np.full((37, 37), -0.5))
            for name, array in sim.program.arrays.items():
                if array.owner == "back" and array.variable != "w":
                    sim.engine.write(name, np.full(array.initial.shape, 0.3))
            second = sim.run_steps(40, progress=False).trace("exc", "v")
            sim.restore(state)
            third = sim.run_steps(40, progress=False).trace("exc", "v")
            results.append((first, second, third))
    for expected, found in zip(*results, strict=True):
        assert np.array_equal(found, expected)


def test_units_that_are_chosen(cache):
    def chosen(backend, **options):
        net = network(record=())
        net.record("exc", units=[3, 9, 30])
        net.record("exc", "v", units=[0, 36], every=3)
        with nr.compile(net, backend, dt=1e-3, **options) as sim:
            recording = sim.run_steps(500, progress=False)
            return recording.spikes("exc"), recording.trace("exc", "v")

    for expected, found in zip(chosen("reference"), chosen("native", cache_dir=cache), strict=True):
        assert np.array_equal(found, expected)


def test_the_source_names_every_step():
    text = Writer(lower(network(), 1e-3)).text()
    steps = [s for s in re.findall(r"void step_\d+_(\w+)", text) if s not in ("source", "record")]
    program = lower(network(), 1e-3)
    assert steps == [type(step).__name__.lower() for step in program.steps]
    assert "fast-math" not in " ".join(build.FLAGS) and "-ffp-contract=off" in build.FLAGS


# --- what is refused ---


def test_unknown_options_are_refused():
    with pytest.raises(nr.CompileError, match="no option 'target'; it has cache_dir"):
        nr.compile(network(), "native", dt=1e-3, target="cpp")


def test_no_compiler(monkeypatch, cache):
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "no-such-compiler" in str(BACKEND.available())
    with pytest.raises(nr.BackendError, match="not available: .*apt install gcc"):
        nr.compile(network(), "native", dt=1e-3, cache_dir=cache)


def test_a_compiler_that_fails_leaves_nothing(monkeypatch, tmp_path, cache):
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\ncase $1 in --version) exit 0;; esac\necho wrong >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    build._machine.cache_clear()
    with pytest.raises(nr.BackendError, match=r"failed(.|\n)*wrong(.|\n)*reference"):
        nr.compile(network(), "native", dt=1e-3, cache_dir=cache)
    build._machine.cache_clear()
    assert list(cache.rglob("*.so")) == []


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(nr.BackendError, match="cannot write to the cache .*NEURO_CACHE"):
        nr.compile(network(), "native", dt=1e-3, cache_dir=tmp_path / "file")

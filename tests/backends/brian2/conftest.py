"""Networks that use every part of a program, and a cache of compiled code for all tests.

The target ``cuda`` runs on the processor where there is no GPU: ``cuda_on_cpu.h`` makes functions
of kernels and memory of the GPU's memory. That shows all but what threads do at the same time.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.backends.brian2 import buildcache, compiler, targets
from neuro.backends.brian2.calls import Calls
from neuro.backends.brian2.toolchain import Cuda
from neuro.lowering import lower
from neuro.program import Program

EVERY_TARGET = [
    "numpy",
    pytest.param("cpp", marks=pytest.mark.build),
    pytest.param("cuda", marks=[pytest.mark.build, pytest.mark.slow]),
    pytest.param("cython", marks=[pytest.mark.build, pytest.mark.slow]),
]

SHIM = Path(__file__).parent / "cuda_on_cpu.h"


def pytest_generate_tests(metafunc):
    if "target" in metafunc.fixturenames:
        quick = metafunc.definition.get_closest_marker("compiled_slowly") is None
        slow = pytest.param("cpp", marks=[pytest.mark.build, pytest.mark.slow])
        every = EVERY_TARGET if quick else [EVERY_TARGET[0], slow, *EVERY_TARGET[2:]]
        metafunc.parametrize("target", every)


@pytest.fixture(autouse=True)
def _gpu_for_the_target(request):
    if "target" in request.fixturenames and request.getfixturevalue("target") == "cuda":
        request.getfixturevalue("gpu")


@pytest.fixture
def gpu(monkeypatch):
    """Without a GPU, tests compile the programs of the target ``cuda`` for the processor."""
    if targets.gpu_capability() is None:
        parts = {"compiler": compiler.compiler_id(), "shim": SHIM.read_text()}
        monkeypatch.setattr(targets, "gpu_capability", lambda: 8.0)
        monkeypatch.setattr(Cuda, "depends", lambda tools: parts)
        monkeypatch.setattr(Cuda, "compile", _compile_for_the_processor)


def _compile_for_the_processor(tools, folder: Path, sources: list[str]) -> Path:
    thrust = ("copy", "count", "device_vector", "execution_policy", "host_vector", "system_error")
    (folder / "thrust").mkdir()
    for header in ("cuda_profiler_api.h", *(f"thrust/{name}.h" for name in thrust)):
        (folder / header).write_text("")  # all is in the shim
    shutil.copy(SHIM, folder)
    for path in [*folder.rglob("*.cu"), *folder.rglob("*.h")]:
        path.write_text(_launches_as_calls(path.read_text()))
    with Calls(folder, "emulation", "") as calls:
        flags = ["-w", "-O1", "-std=c++17", "-ffp-contract=off", "-I.", "-include", SHIM.name]
        calls.run([compiler.compiler(), *flags, "-x", "c++", *sources, "-o", "main"])
    return folder / "main"


def _launches_as_calls(code: str) -> str:
    """``kernel<<<blocks, threads>>>(arguments)`` as a call of the shim."""
    while (found := re.search(r"(\w+)<<<(.*?)>>>\(", code, re.DOTALL)) is not None:
        end, depth = found.end(), 1
        while depth:
            depth += {"(": 1, ")": -1}.get(code[end], 0)
            end += 1
        call = f"cuda_launch([&] {{ {found[1]}({code[found.end() : end]}; }}, {found[2]})"
        code = code[: found.start()] + call + code[end:]
    return code


@pytest.fixture(scope="session")
def cache(request) -> Path:
    """Kept between sessions: its keys hold everything that compiled code depends on."""
    return Path(request.config.cache.mkdir("neuro-brian2"))


@pytest.fixture
def nothing_more_is_built(monkeypatch):
    """Call it when all is built that a test needs; compiling more is an error from then on."""

    def refuse(plan, work, tools):
        raise AssertionError(f"{plan.program.fingerprint()} is compiled again")

    return lambda: monkeypatch.setattr(buildcache, "_build", refuse)


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

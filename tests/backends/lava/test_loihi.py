"""Whole numbers on Lava's own library, through Lava's runtime, against the reference."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from lava_helpers import engine_of

import neuro as nr
from neuro.backends.lava import processes_of
from neuro.backends.lava.fitting import beyond_library
from neuro.connectivity import Dense
from neuro.loihi.numbers import SIGN_MODES, representable
from neuro.lowering import lower
from neuro.neurons import NeuronModel
from neuro.simulation import Simulation

DT = 1e-3


def weights(rng: np.random.Generator, pre: int, post: int, sparse: bool) -> Any:
    """Weights of any sign mode and number of bits."""
    mode, bits = rng.choice(SIGN_MODES), int(rng.integers(3, 9))
    drawn = representable(rng.integers(-300, 301, (pre, post)), bits, str(mode))
    if not sparse:
        return drawn
    import scipy.sparse

    return scipy.sparse.csr_array(np.where(rng.random((pre, post)) < 0.4, drawn, 0.0))


def neuron(rng: np.random.Generator, size: int, ports: dict[str, int]) -> NeuronModel:
    """A compartment with any numbers, for all units or for each."""
    each = None if rng.random() < 0.5 else size
    return nr.loihi.LIF(
        rng.integers(0, 4096, each),
        rng.integers(0, 2000, each),
        rng.integers(1, 400, each),
        bias_mant=rng.integers(-300, 900, each),
        bias_exp=rng.integers(0, 5, each),
        t_ref=int(rng.choice([0, 0, 1, 2, 7])) * DT,
        ports=ports,
        v_init=rng.integers(-2000, 2000, size),
    )


def add_network(net: nr.Network, rng: np.random.Generator, tag: str) -> None:
    """Two populations that excite and inhibit each other and themselves."""
    sizes = rng.integers(3, 12, 3)
    ports = [
        {f"p{i}": int(rng.integers(-8, 6)) for i in range(3)},
        {f"p{i}": int(rng.integers(-8, 6)) for i in range(2)},
    ]
    net.population(f"in{tag}", nr.Poisson(rng.uniform(20, 300)), int(sizes[0]))
    net.population(f"a{tag}", neuron(rng, int(sizes[1]), ports[0]), int(sizes[1]))
    net.population(f"b{tag}", neuron(rng, int(sizes[2]), ports[1]), int(sizes[2]))
    ends = [("in", "a", 0), ("a", "a", 1), ("b", "a", 2), ("in", "b", 0), ("a", "b", 1)]
    index = dict(zip(("in", "a", "b"), map(int, sizes), strict=True))
    for pre, post, port in ends:
        sparse = rng.random() < 0.5
        shape = index[pre], index[post]
        delay: Any = int(rng.choice([1, 1, 2, 5, 63])) * DT
        if sparse and ports["ab".index(post)][f"p{port}"] >= 0 and rng.random() < 0.5:
            delay = rng.integers(1, 64, shape) * DT
        net.connect(
            f"{pre}{tag}",
            f"{post}{tag}",
            weights(rng, *shape, sparse),
            port=f"p{port}",
            delay=delay,
            name=f"{pre}_{post}{tag}",
        )
    for name in ("a", "b"):
        net.record(f"{name}{tag}", "spikes")
        net.record(f"{name}{tag}", "u")
        net.record(f"{name}{tag}", "v")


def together(seed: int, count: int) -> nr.Network:
    """Some random networks side by side: Lava starts once for all of them."""
    net = nr.Network("random", seed=seed)
    rng = np.random.default_rng(seed)
    for index in range(count):
        add_network(net, rng, str(index))
    return net


def simulations(net: nr.Network, mode: str = "expanded") -> tuple[Simulation, Simulation]:
    """On Lava, and on the reference."""
    ours = nr.compile(net, "lava", DT, "loihi", mode=mode)
    return ours, nr.compile(net, "reference", DT, "loihi")


def same(ours: Simulation, theirs: Simulation, steps: int) -> int:
    """Run both: equal records and states; returns the number of spikes."""
    found = ours.run_steps(steps, progress=False)
    expected = theirs.run_steps(steps, progress=False)
    spikes = 0
    for record in theirs.program.records:
        owner, variable = record.owner, record.variable
        if variable == "spikes":
            for mine, other in zip(found.spikes(owner), expected.spikes(owner), strict=True):
                np.testing.assert_array_equal(mine, other)
            spikes += len(other)
        else:
            np.testing.assert_array_equal(
                found.trace(owner, variable), expected.trace(owner, variable), record.array
            )
    mine, other = ours.state(), theirs.state()
    for name, value in other.arrays.items():
        np.testing.assert_array_equal(mine.arrays.get(name, value), value, name)
    for population, events in other.recent.items():
        for a, b in zip(mine.recent[population], events, strict=True):
            np.testing.assert_array_equal(a, b)
    return spikes


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]
)
def test_random_networks(seed: int) -> None:
    """24 networks in all: any decays, signs, bits, exponents, delays, refractory periods."""
    ours, theirs = simulations(together(seed, 4))
    program = theirs.program
    beyond = beyond_library(program)
    assert len(beyond) < len(program.sizes) / 2, beyond
    with ours, theirs:
        assert same(ours, theirs, 200) > 100


def test_checkpoints_and_weights() -> None:
    """Back and forth in time, with weights and states set in between."""
    ours, theirs = simulations(together(28, 1))
    with ours, theirs:
        same(ours, theirs, 70)
        early = theirs.state()
        same(ours, theirs, 35)
        for sim in (ours, theirs):
            sim.restore(early)
        same(ours, theirs, 1)
        same(ours, theirs, 66)
        dense = [n for n, c in theirs.program.connectivity.items() if isinstance(c, Dense)]
        assert dense
        for name in dense:
            turned = np.flip(theirs.weights(name), 0)
            for sim in (ours, theirs):
                sim.set_weights(name, turned)
        assert same(ours, theirs, 80) > 10


def integers(**options: Any) -> nr.Network:
    """A source and a population."""
    net = nr.Network("integers", seed=1)
    net.population("in", nr.Poisson(200.0), 5)
    given = {"du": 900, "dv": 250, "vth": 300, **options}
    net.population("out", nr.loihi.LIF(**given), 6)
    rng = np.random.default_rng(3)
    net.connect("in", "out", representable(rng.integers(0, 200, (5, 6)), 8, "excitatory"))
    net.record("out", "v")
    net.record("out", "spikes")
    return net


@pytest.mark.parametrize("t_ref", [0.0, 1.0, 2.0, 5.0])
def test_refractory_period_across_runs(t_ref: float) -> None:
    """The counter of a refractory period is kept in the middle of one."""
    ours, theirs = simulations(integers(t_ref=t_ref * DT, bias_mant=3000, bias_exp=2))
    with ours, theirs:
        for steps in (3, 1, 1, 2, 30):
            same(ours, theirs, steps)
        state = theirs.state()
        ours.restore(state)
        assert same(ours, theirs, 9) > 0


def test_what_the_library_lacks_runs_as_ours() -> None:
    """A refractory period for each unit: Lava's process has one for all."""
    net = integers(t_ref=np.arange(6) * DT)
    assert set(beyond_library(lower(net, DT, "loihi"))) == {"out", "in_out"}
    ours, theirs = simulations(net)
    with ours, theirs:
        assert same(ours, theirs, 200) > 20
    with pytest.raises(nr.errors.CompileError, match=r"'out'.*one refractory period"):
        processes_of(net, DT, 10)


def test_fused_runs_whole_numbers_too() -> None:
    """One process; the reference's engine."""
    ours, theirs = simulations(together(5, 2), "fused")
    with ours, theirs:
        assert same(ours, theirs, 200) > 50


def test_parameters_of_library_processes_are_fixed() -> None:
    """Lava takes them up once: setting one is an error, not a wrong result."""
    net = integers(vth=np.arange(300, 306))
    program = lower(net, DT, "loihi")
    (name,) = (n for n in program.arrays if n.endswith("threshold"))
    with nr.compile(net, "lava", DT, "loihi", mode="expanded") as sim:
        engine = engine_of(sim)
        with pytest.raises(nr.errors.BackendError, match=r"threshold.*compile it again"):
            engine.write(name, program.arrays[name].initial + 64)
        engine.write(name, program.arrays[name].initial)


OBJECTS = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
import neuro as nr
from neuro.backends.lava import processes_of
from test_loihi import DT, integers
net = integers()
made = processes_of(net, DT, 60)
assert type(made.populations["out"]).__name__ == "LIF", made
assert type(made.projections["in_out"]).__name__ == "Dense"
assert made.projections["in_out"].proc_params["weight_exp"] == 0
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
made.populations["out"].run(RunSteps(num_steps=60), Loihi2SimCfg(select_tag="fixed_pt"))
found = made.populations["out"].v.get()
made.populations["out"].stop()
with nr.compile(net, dt=DT, precision="loihi") as sim:
    expected = sim.run_steps(60, progress=False).trace("out", "v")[-1]
np.testing.assert_array_equal(found, expected)
try:
    processes_of(net, DT, 60, target="loihi2")
except nr.errors.BackendError as error:
    print(error)
"""


def test_objects_for_users() -> None:
    """Lava's own run of Lava's own objects gives the reference's voltages."""
    from pathlib import Path

    text = OBJECTS.format(folder=str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "lava-loihi" in done.stdout


@pytest.mark.parametrize(("method", "answer"), [("fork", "imported"), ("spawn", "call multiproc")])
def test_a_start_method_that_is_set_already(method: str, answer: str) -> None:
    """Lava would refuse any; it works with the one that it needs, and others are named."""
    program = f"""
import multiprocessing
multiprocessing.set_start_method({method!r})
from neuro.backends.lava.importing import import_lava
from neuro.errors import BackendError
try:
    import_lava()
    print("imported")
except BackendError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert answer in done.stdout

"""Bit by bit against Lava's own models, which run in a program of their own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neuro as nr
from neuro.loihi.numbers import SIGN_MODES, representable

from .lava_models import PARAMETERS

pytestmark = pytest.mark.xdist_group("lava by itself")  # they share a run of Lava

#: Of Lava's enumeration.
SIGN = {"mixed": 1, "excitatory": 2, "inhibitory": 3}
RANDOM, LONG, RUNTIME = 220, 2, 3


def case(seed, steps, inputs, units, lively=False, uniform=False):
    """A random network: any signs, bits and exponents, weights at and beyond the limits."""
    rng = np.random.default_rng([seed, 77])

    def draw(low, high):
        one = uniform or rng.random() < 0.3
        return np.full(units, rng.integers(low, high)) if one else rng.integers(low, high, units)

    made = {
        "given": (rng.random((steps, inputs)) < rng.uniform(0.02, 0.4)).astype(np.int64),
        "into": rng.integers(-300, 301, (inputs, units)),
        "back": rng.integers(-300, 301, (units, units)),
        "exponents": rng.integers(-4, 5, 2),
        "bits": rng.integers(1, 9, 2),
        "signs": np.array([SIGN[m] for m in rng.choice(SIGN_MODES, 2)]),
        "p": np.array(
            [
                draw(0, 4096),
                draw(0, 4096) if rng.random() < 0.5 else draw(0, 50),
                draw(1, 400) * 2 ** rng.integers(0, 8),
                draw(-4096, 4096),
                draw(0, 3),
            ]
        ),
        "runtime": np.array(False),
    }
    for key in ("into", "back"):
        made[key][rng.random(made[key].shape) < 0.2] = rng.choice([-300, 300, 255, -256])
    if lively:
        made["signs"][0], made["exponents"][0] = SIGN["excitatory"], 0
        made["p"][1:4] = draw(0, 400), draw(200, 2000), draw(-100, 400)
    return made


@pytest.fixture(scope="module")
def cases():
    made = [case(i, 60, 12, 10) for i in range(RANDOM)]
    made += [case(1000 + i, 10_000, 16, 12, lively=True) for i in range(LONG)]
    for i in range(RUNTIME):
        made.append(case(2000 + i, 80, 12, 10, lively=True, uniform=True))
        made[-1]["runtime"] = np.array(True)
    return made


@pytest.fixture(scope="module")
def lava(cases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lava")
    arrays = {f"{i}_{key}": v for i, case in enumerate(cases) for key, v in case.items()}
    np.savez(folder / "cases.npz", count=len(cases), **arrays)
    program = Path(__file__).parent / "lava_models.py"
    done = subprocess.run(
        [sys.executable, program, folder / "cases.npz", folder / "results.npz"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.stdout.startswith("absent"):
        pytest.skip(f"Lava is not installed here ({done.stdout.strip()})")
    assert done.returncode == 0, done.stderr
    with np.load(folder / "results.npz") as results:
        return dict(results)


def ours(case):
    steps, units = case["given"].nonzero()
    inputs, size = case["into"].shape
    modes = {number: mode for mode, number in SIGN.items()}
    formats = [(int(b), modes[int(s)]) for b, s in zip(case["bits"], case["signs"], strict=True)]
    net = nr.Network("random")
    source = net.population("in", nr.SpikeTimes(steps, units), inputs)
    ports = dict(zip(("first", "second"), map(int, case["exponents"]), strict=True))
    model = nr.loihi.LIF(**dict(zip(PARAMETERS, case["p"], strict=True)), ports=ports)
    cells = net.population("out", model, size)
    net.connect(source, cells, representable(case["into"], *formats[0]), port="first")
    net.connect(cells, cells, representable(case["back"], *formats[1]), port="second")
    for variable in ("spikes", "u", "v"):
        net.record(cells, variable)
    count = len(case["given"])
    with nr.compile(net, precision="loihi") as sim:
        rec = sim.run_steps(count, False)
    spikes = np.zeros((count, size), np.int64)
    spikes[rec.spikes("out")] = 1
    return spikes, rec.trace("out", "u"), rec.trace("out", "v")


def assert_same(cases, lava, chosen):
    total = 0
    for i in chosen:
        for key, found in zip(("spikes", "u", "v"), ours(cases[i]), strict=True):
            expected = lava[f"{i}_{key}"]
            rows = found if expected.ndim == 2 else found[-1]  # of the runtime: the last u and v
            assert np.array_equal(rows, expected), (i, key)
        total += int(lava[f"{i}_spikes"].sum())
    return total


def test_random_networks(cases, lava):
    assert assert_same(cases, lava, range(RANDOM)) > 10_000


def test_ten_thousand_steps(cases, lava):
    assert assert_same(cases, lava, range(RANDOM, RANDOM + LONG)) > 1000


def test_as_lava_runs_them(cases, lava):
    assert assert_same(cases, lava, range(RANDOM + LONG, RANDOM + LONG + RUNTIME)) > 100

"""Learning on Lava's learning engine: against Lava's own model, and against the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.backends.lava import BACKEND
from neuro.errors import BackendError, CompileError, JobError
from neuro.loihi.learning import translate

if BACKEND.available() is not True:
    pytest.skip(str(BACKEND.available()), allow_module_level=True)

pytestmark = pytest.mark.xdist_group("learning on lava")  # they share a run of Lava

DT = 1e-3
N_PRE, N_POST, STEPS = 8, 6, 100


@pytest.fixture(scope="module")
def both_models() -> dict[str, dict[str, list[list[float]]]]:
    script = Path(__file__).with_name("own_model.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    made: dict[str, dict[str, list[list[float]]]] = json.loads(done.stdout.splitlines()[-1])
    return made


@pytest.mark.parametrize(
    "rule", ["pairs", "sleep", "three factors", "every fourth step", "of one sign"]
)
def test_our_model_of_learning_dense_computes_what_lavas_does(
    rule: str, both_models: dict[str, dict[str, list[list[float]]]]
) -> None:
    lava, ours = (np.array(both_models[rule][k]) for k in ("lava", "ours"))
    assert np.ptp(lava) > 0.1
    np.testing.assert_allclose(ours, lava, rtol=1e-12, atol=1e-13)


def given(spikes: NDArray[np.bool_]) -> nr.SpikeTimes:
    steps, units = np.nonzero(spikes)
    return nr.SpikeTimes(times=steps, units=units)


def network(
    rule: nr.PlasticityRule, *, delay: int = 1, gain: float = 0.0, third: str = ""
) -> nr.Network:
    """A plastic projection between units that are driven; it drives them itself with a gain."""
    draw = np.random.default_rng(0)
    pre, post = draw.random((STEPS, N_PRE)) < 0.15, draw.random((STEPS, N_POST)) < 0.15
    pre[-8:] = post[-8:] = False
    net = nr.Network("rule", seed=3)
    net.population("pre", given(pre), size=N_PRE)
    net.population("drive", given(post), size=N_POST)
    net.population("post", nr.LIF(tau_m=5e-3), size=N_POST)
    net.connect("drive", "post", weights=nr.one_to_one(10.0), name="teach")
    factors = {}
    if third:
        size = N_POST if third == "post" else 1
        net.population("noise", nr.Poisson(200.0), size=size)
        net.population("third", nr.LeakyIntegrator(tau_m=30e-3), size=size)
        net.connect("noise", "third", weights=nr.one_to_one(0.7), name="noisy")
        factors = dict.fromkeys(rule.factors, ("third", "v"))
    net.connect(
        "pre",
        "post",
        weights=draw.normal(0.0, 0.5, (N_PRE, N_POST)),
        gain=gain,
        delay=delay * DT,
        plasticity=rule,
        factors=factors,
        name="plastic",
    )
    net.record("post", "spikes")
    return net


def run(net: nr.Network, backend: str, **options: object) -> tuple[NDArray[np.float64], object]:
    with nr.compile(net, backend, DT, **options) as sim:
        recording = sim.run_steps(STEPS, progress=False)
        steps, units = recording.spikes("post")
        return np.array(sim.weights("plastic")), list(zip(steps, units, strict=True))


LOIHI = {"mode": "expanded", "learning": "loihi"}
FUSED = {"mode": "fused", "learning": "loihi"}


@pytest.mark.parametrize(
    ("rule", "delay", "third"),
    [
        (nr.PairSTDP(tau_minus=30e-3), 1, ""),
        (nr.TripletSTDP(), 3, ""),
        (nr.SleepReplay(0.013, 0.007, gate="hard"), 2, ""),
        (nr.RewardSTDP(learning_rate=40.0), 1, "one"),
        (nr.ErrorHebbian(learning_rate=3.0, every=4e-3), 2, "post"),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_exact_rules_give_the_weights_of_the_reference(
    rule: nr.PlasticityRule, delay: int, third: str
) -> None:
    net = network(rule, delay=delay, third=third)
    assert translate(net, "plastic", DT).exact
    start = np.asarray(nr.lower(net, DT).arrays["plastic.w"].initial)
    expected, spikes = run(net, "reference")
    reached, same = run(net, "lava", **LOIHI)
    assert spikes == same
    assert np.abs(expected - start).max() > 1e-3
    np.testing.assert_allclose(reached, expected, rtol=1e-12, atol=1e-13)
    in_one, alike = run(net, "lava", **FUSED)
    assert alike == spikes
    np.testing.assert_array_equal(in_one, reached)


def test_fused_and_expanded_agree_to_the_bit_in_a_closed_loop() -> None:
    """A recurrent network whose rule matters for its spikes, with a third factor and delays."""
    draw = np.random.default_rng(2)
    net = nr.Network("loop", seed=4)
    net.population("in", nr.Poisson(80.0), size=12)
    net.population("out", nr.LIF(tau_m=10e-3), size=10)
    net.population("fast", nr.LIF(tau_m=3e-3), size=5)
    net.population("reward", nr.LeakyIntegrator(tau_m=20e-3), size=1)
    net.connect("in", "out", weights=draw.normal(0.5, 0.2, (12, 10)), name="a",
                plasticity=nr.PairSTDP(a_plus=0.05, a_minus=0.01, w_min=0.0))
    net.connect("out", "out", weights=draw.normal(0.2, 0.2, (10, 10)), delay=3 * DT, name="b",
                plasticity=nr.RewardSTDP(learning_rate=200.0), factors={"reward": ("reward", "v")})
    net.connect("out", "fast", weights=draw.normal(0.4, 0.2, (10, 5)), delay=2 * DT, name="c")
    net.connect("fast", "out", weights=nr.fixed_probability(0.5, -0.2), name="d")
    net.connect("fast", "reward", weights=np.full((5, 1), 0.1), name="e")
    for population in ("in", "out", "fast"):
        net.record(population, "spikes")
    net.record("b", "w", every=10)
    found = []
    for options in (LOIHI, FUSED):
        with nr.compile(net, "lava", DT, **options) as sim:
            first = sim.run_steps(150, progress=False)
            sim.set_weights("c", 1.5 * np.asarray(sim.weights("c")))  # spikes are on their way
            second = sim.run_steps(150, progress=False)
            spikes = [r.spikes(p) for r in (first, second) for p in ("in", "out", "fast")]
            found.append((spikes, [sim.weights("a"), sim.weights("b"), second.trace("b", "w")]))
    (spikes, weights), (other_spikes, other_weights) = found
    assert min(len(units) for _, units in spikes) > 30
    for one, other in zip(spikes, other_spikes, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(weights, other_weights, strict=True):
        assert np.ptp(one) > 0.1
        np.testing.assert_array_equal(one, other)


def test_an_arrival_carries_the_weight_before_the_last_post_spike() -> None:
    """The one difference of the closed loop that translations announce, to the bit."""
    net = nr.Network("one", seed=0)
    net.population("pre", nr.SpikeTimes(times=np.array([4, 9]), units=np.array([0, 0])), size=1)
    net.population("drive", nr.SpikeTimes(times=np.array([3, 8]), units=np.array([0, 0])), size=1)
    net.population("post", nr.LIF(tau_m=5e-3, v_threshold=5.0), size=1)
    net.connect("drive", "post", weights=[[10.0]], name="teach")
    rule = nr.PlasticityRule(on_post="w += 0.25", name="grow")
    net.connect("pre", "post", weights=[[1.0]], plasticity=rule, name="plastic")
    net.record("post", "v")
    potentials = {}
    for backend, options in (("reference", {}), ("lava", LOIHI)):
        with nr.compile(net, backend, DT, **options) as sim:
            potentials[backend] = sim.run_steps(15, progress=False).trace("post", "v")[:, 0]
            assert sim.weights("plastic")[0, 0] == 1.5
    # post spikes at 4 and 9 (its potential is 0 then), arrivals come at 5 and 10
    assert list(potentials["reference"][[4, 5, 9, 10]]) == [0.0, 1.25, 0.0, 1.5]
    assert list(potentials["lava"][[4, 5, 9, 10]]) == [0.0, 1.0, 0.0, 1.25]


@pytest.mark.parametrize("options", [LOIHI, FUSED], ids=["expanded", "fused"])
def test_weights_can_be_read_set_and_frozen_between_runs(options: dict[str, str]) -> None:
    net = network(nr.PairSTDP(a_plus=0.05))
    with nr.compile(net, "lava", DT, **options) as sim:
        sim.run_steps(30, progress=False)
        first = np.array(sim.weights("plastic"))
        sim.engine.freeze("plastic")  # type: ignore[attr-defined]
        sim.run_steps(30, progress=False)
        np.testing.assert_array_equal(sim.weights("plastic"), first)
        sim.set_weights("plastic", 0.5 * first)
        np.testing.assert_array_equal(sim.weights("plastic"), 0.5 * first)
        sim.engine.freeze("plastic", False)  # type: ignore[attr-defined]
        sim.run_steps(30, progress=False)
        assert np.abs(sim.weights("plastic") - 0.5 * first).max() > 0.01
        with pytest.raises(BackendError, match="'teach' has no rule on the learning engine"):
            sim.engine.freeze("teach")  # type: ignore[attr-defined]


def test_pieces_and_recorded_weights() -> None:
    net = network(nr.PairSTDP(a_plus=0.05), delay=3)
    net.record("plastic", "w")
    with nr.compile(net, "lava", DT, **LOIHI) as whole, nr.compile(net, "lava", DT, **LOIHI) as cut:
        once = whole.run_steps(60, progress=False).trace("plastic", "w")
        parts = [cut.run_steps(20, progress=False).trace("plastic", "w") for _ in range(3)]
        np.testing.assert_array_equal(np.concatenate(parts), once)
        assert np.ptp(once, axis=0).max() > 0.05


def test_no_checkpoints() -> None:
    with (
        nr.compile(network(nr.PairSTDP()), "lava", DT, **LOIHI) as sim,
        pytest.raises(BackendError, match="no checkpoint.*learning='exact'"),
    ):
        sim.state()


def test_what_does_not_fit_is_refused_before_anything_starts() -> None:
    def refused(net: nr.Network, message: str, **options: object) -> None:
        with pytest.raises(CompileError, match=message):
            nr.compile(net, "lava", DT, **{**LOIHI, **options})

    refused(network(nr.SleepReplay(0.1, 0.2)), "no exponential")
    refused(network(nr.PairSTDP()), "precision='float64'", precision="float32")
    refused(network(nr.PairSTDP()), "learning 'chip' .* 'exact', 'loihi'", learning="chip")
    traced = network(nr.PairSTDP())
    traced.record("plastic", "x")
    refused(traced, "'x' of 'plastic' lives on the learning engine")
    sparse = network(nr.PairSTDP())
    sparse.connect(
        "pre", "post", weights=nr.fixed_probability(0.5, 0.1), plasticity=nr.PairSTDP(), name="some"
    )
    refused(sparse, "'some' does not fit Lava's LearningDense, which connects all to all")


def test_sleep_on_the_learning_engine() -> None:
    """Fused (the default) and expanded agree to the bit; the reference, in the main."""
    from neuro.learning.sleep import SleepConfig, sleep

    draw = np.random.default_rng(3)
    weights = [draw.normal(0.02, 0.1, (16, 12)), draw.normal(0.05, 0.2, (12, 5))]
    image = draw.uniform(0.2, 0.8, 16)
    config = SleepConfig(
        rate=150.0,
        increment=0.002,
        decrement=0.001,
        thresholds=(0.3, 0.3),
        steps=300,
        decay=0.98,
        gate="hard",
    )
    ours = sleep(weights, image, config, backend="lava")
    split = sleep(weights, image, config, backend="lava", backend_options={"mode": "expanded"})
    reference = sleep(weights, image, config)
    assert min(ours.spikes_per_layer) > 100
    for layer in range(2):
        np.testing.assert_array_equal(ours.weights[layer], split.weights[layer])
        change = reference.weights[layer] - weights[layer]
        error = ours.weights[layer] - reference.weights[layer]
        assert np.abs(change).max() > 0.02
        assert np.abs(error).mean() < 0.05 * np.abs(change).mean()
    with pytest.raises(CompileError, match="no exponential.*use a hard gate"):
        sleep(weights, image, SleepConfig(**{**vars(config), "gate": "sigmoid"}), backend="lava")


def test_continual_learning_asks_for_the_hard_gate() -> None:
    from neuro.cli._continual_job import Request, conditions

    def gate(sleep_on: str, *settings: tuple[str, str]) -> str:
        request = Request("digits", sleep_on, settings=settings, baselines=False)
        return conditions(request)["sleep"].preset.gate

    assert gate("lava") == "hard"
    assert gate("reference") == "sigmoid"
    with pytest.raises(JobError, match="gate is 'sigmoid'"):
        gate("lava", ("gate", "sigmoid"))

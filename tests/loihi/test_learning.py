"""Translated plasticity rules: Loihi's products against the rule as the reference runs it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.errors import CompileError
from neuro.loihi.learning import translate
from neuro.loihi.learning_engine import LearningEngine
from neuro.loihi.products import Factor, Product, Translation, nearest_scales, scale_of, series
from neuro.network import Network

DT = 1e-3
N_PRE, N_POST, STEPS = 8, 6, 200
RULE = Callable[..., nr.PlasticityRule]


def trains(seed: int = 0) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Spikes of both sides; silent in the last steps, so that every spike has arrived."""
    draw = np.random.default_rng(seed)
    pre, post = draw.random((STEPS, N_PRE)) < 0.1, draw.random((STEPS, N_POST)) < 0.1
    pre[-8:] = False
    post[-8:] = False
    return pre, post


def given(spikes: NDArray[np.bool_]) -> nr.SpikeTimes:
    steps, units = np.nonzero(spikes)
    return nr.SpikeTimes(times=steps, units=units)


def network(rule: nr.PlasticityRule, delay: int = 1, third: str = "") -> Network:
    """A plastic projection (gain 0: it does not drive) between units with given spikes."""
    pre, post = trains()
    net = Network("rule", seed=3)
    net.population("pre", given(pre), size=N_PRE)
    # the driven units spike one step after their drive
    net.population("drive", given(post[1:]), size=N_POST)
    net.population("post", nr.LIF(tau_m=5e-3), size=N_POST)
    net.connect("drive", "post", weights=nr.one_to_one(10.0), name="teach")
    factors = {}
    if third:
        size = N_POST if third == "post" else 1
        net.population("noise", nr.Poisson(200.0), size=size)
        net.population("third", nr.LeakyIntegrator(tau_m=30e-3), size=size)
        net.connect("noise", "third", weights=nr.one_to_one(0.7), name="noisy")
        factors = dict.fromkeys(rule.factors, ("third", "v"))
    weights = np.random.default_rng(1).normal(0.0, 0.5, (N_PRE, N_POST))
    net.connect(
        "pre",
        "post",
        weights=weights,
        gain=0.0,
        delay=delay * DT,
        plasticity=rule,
        factors=factors,
        name="plastic",
    )
    net.record("pre", "spikes")
    net.record("post", "spikes")
    if third:
        net.record("third", "v")
    return net


def raster(recording: nr.Recording, population: str, size: int) -> NDArray[np.bool_]:
    steps, units = recording.spikes(population)
    made = np.zeros((STEPS, size), bool)
    made[steps, units] = True
    return made


def reference(net: Network) -> tuple[NDArray[np.float64], nr.Recording]:
    with nr.compile(net, "reference", DT) as sim:
        recording = sim.run_steps(STEPS, progress=False)
        return np.asarray(sim.weights("plastic")), recording


def engine_run(
    net: Network, made: Translation, recording: nr.Recording
) -> NDArray[np.float64]:
    """The translated rule on the learning engine, with the spikes of the reference."""
    program = nr.lower(net, DT)
    weights = np.array(program.arrays["plastic.w"].initial, np.float64).T.copy()
    engine = LearningEngine.of(made, weights)
    pre, post = raster(recording, "pre", N_PRE), raster(recording, "post", N_POST)
    sent_traces = {t.name: np.zeros(N_POST) for t in made.post_traces}
    for step in range(STEPS):
        source = step - made.delay
        for trace in made.post_traces:
            value = sent_traces[trace.name] * trace.decay
            sent_traces[trace.name] = value + trace.increment * post[step]
        sent = {}
        for port in made.ports:
            value = np.ones(N_POST)
            if port.source in sent_traces:
                value = sent_traces[port.source]
            elif port.source:
                value = np.broadcast_to(recording.trace("third", "v")[step], N_POST)
            sent[port.name] = port.gain * value
        now = pre[source] if source >= 0 else np.zeros(N_PRE, bool)
        engine.step(step + 1, now, post[step], sent or None)
    return engine.weights.T


def custom(**changes: object) -> nr.PlasticityRule:
    """A rule of the user's own: BCM-like, weight decay at each post spike, 4 products."""
    return nr.PlasticityRule(
        on_pre="p += 0.5; w -= 0.02 * q * (1 + 0.5 * w)",
        on_post="q += 2; w += k * p * q - 0.001 * w",
        pre_traces="dp/dt = -p / tau : 1",
        post_traces="dq/dt = -q / (2 * tau) : 1",
        parameters={"tau": (15e-3, "second"), "k": 0.003},
        name="custom",
    )


EXACT: dict[str, tuple[nr.PlasticityRule, str]] = {
    "pair": (nr.PairSTDP(tau_plus=15e-3, tau_minus=30e-3), ""),
    "pair of one sign": (nr.PairSTDP(a_minus=-0.3), ""),
    "triplet": (nr.TripletSTDP(), ""),
    "sleep": (nr.SleepReplay(0.013, 0.007, gate="hard"), ""),
    "reward": (nr.RewardSTDP(learning_rate=40.0), "one"),
    "reward per unit": (nr.RewardSTDP(tau_c=64e-3, learning_rate=40.0), "post"),
    "error": (nr.ErrorHebbian(learning_rate=3.0), "post"),
    "error, every 4 steps": (nr.ErrorHebbian(learning_rate=3.0, every=4e-3), "post"),
    "flag": (
        nr.PlasticityRule(on_post="w += where(pre_spike, 0.3, -0.1) * w", name="flag"),
        "",
    ),
    "homeostasis at spikes": (
        nr.PlasticityRule(on_post="w += 0.01 * (0.7 - w) * sign(w - 0.2)", name="towards"),
        "",
    ),
}


@pytest.mark.parametrize("delay", [1, 4])
@pytest.mark.parametrize("case", EXACT)
def test_exact_translations_change_weights_as_the_rule_does(case: str, delay: int) -> None:
    rule, third = EXACT[case]
    net = network(rule, delay, third)
    made = translate(net, "plastic", DT)
    assert made.exact, made.differences
    assert made.delay == delay - 1
    expected, recording = reference(net)
    start = np.asarray(nr.lower(net, DT).arrays["plastic.w"].initial)
    assert np.abs(expected - start).max() > 1e-3  # something was learnt
    reached = engine_run(net, made, recording)
    np.testing.assert_allclose(reached - start, expected - start, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(reached, expected, rtol=1e-12, atol=1e-13)


def test_trains_have_coincidences_of_both_kinds() -> None:
    """Without them the order within a step would not be tested."""
    _, recording = reference(network(nr.PairSTDP()))
    pre, post = raster(recording, "pre", N_PRE), raster(recording, "post", N_POST)
    assert post.sum() > 50
    assert np.sum(pre.sum(1) * post.sum(1)) > 5  # emitted in the step of a post spike
    assert np.sum(pre[:-1].sum(1) * post[1:].sum(1)) > 5  # arrived in it


def test_engine_timing_differs_by_the_stated_number_per_coincidence() -> None:
    net = network(nr.PairSTDP(tau_plus=15e-3, a_plus=0.02))
    made = translate(net, "plastic", DT, timing="engine")
    assert made.dw_text == "y0*x1 - x0*y1"
    jump = 0.02 * math.exp(1 / 15)
    assert f"{jump:+.6g} for each such coincidence" in made.differences[0]
    expected, recording = reference(net)
    pre, post = raster(recording, "pre", N_PRE), raster(recording, "post", N_POST)
    coincidences = pre.T.astype(float) @ post
    assert coincidences.max() >= 2
    np.testing.assert_allclose(
        engine_run(net, made, recording) - expected, jump * coincidences, rtol=1e-12, atol=1e-13
    )


def test_weight_dependence_of_both_sides_differs_in_second_order_only() -> None:
    net = network(custom())
    made = translate(net, "plastic", DT)
    assert len(made.differences) == 1
    assert "second order" in made.differences[0]
    expected, recording = reference(net)
    error = np.abs(engine_run(net, made, recording) - expected).max()
    assert 0 < error < 0.02 * 4 * 0.02 * 30  # amplitudes squared, times coincidences


def test_bound_at_zero_is_the_sign_mode() -> None:
    net = network(nr.PairSTDP(a_plus=0.01, a_minus=0.1, w_min=0.0))
    made = translate(net, "plastic", DT)
    assert made.sign_mode == "excitatory"
    assert any("w_min = 0" in text for text in made.differences)
    expected, recording = reference(net)
    reached = engine_run(net, made, recording)
    assert reached.min() == 0.0
    assert np.abs(reached - expected).max() < 0.1


def test_bounds_that_the_rule_keeps_itself_need_no_engine() -> None:
    rule = nr.PairSTDP(w_min=-2.0, w_max=2.0, dependence="multiplicative")
    made = translate(network(rule), "plastic", DT)
    assert made.dw_text == "-y0*x1*(w-2) + y0*x2*(w-2) - x0*y1*(w+2)"
    assert sum("kept by the rule itself" in note for note in made.notes) == 2
    assert made.sign_mode == "mixed"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            nr.SleepReplay(0.1, 0.2),
            r"exp\(.*w / 0\.001.*\) in on_post .* no exponential.*; use a hard gate",
        ),
        (nr.PairSTDP(pairing="nearest"), r"x = 1\.0 in on_pre .* adds a positive number"),
        (nr.PairSTDP(w_min=0.0, w_max=1.0), r"w_max = 1; .*only bound .* is 0"),
        (nr.PairSTDP(w_min=-1.0), "w_min = -1; .*Leave w_min out"),
        (
            nr.VoltageHomeostasis(0.01),
            r"b\.v|third|post\.v.* in the decay of u .* decay exponentially towards 0",
        ),
        (
            nr.PlasticityRule(on_post="w += 0.1 / w"),
            r"0\.1 / w in on_post .* divides by no variable",
        ),
        (
            nr.PlasticityRule(on_post="w += max(w, 0) * 0.1"),
            r"max\(w, 0\.0\) in on_post .* no max",
        ),
        (
            nr.PlasticityRule(
                on_pre="a += 1; b += 1; c += 1",
                on_post="w += a + b + c",
                pre_traces="da/dt = -a / tau : 1; db/dt = -b / (2 * tau) : 1;"
                " dc/dt = -c / (3 * tau) : 1",
                parameters={"tau": (1e-2, "second")},
            ),
            r"needs 3 traces of the source .* the engine has 2",
        ),
        (
            nr.PlasticityRule(
                on_step="w += 0.1 * x", every=3e-3, on_pre="x += 1",
                pre_traces="dx/dt = -x / tau : 1", parameters={"tau": (1e-2, "second")},
            ),
            "every 3 steps; the engine's periods are powers of two",
        ),
        (
            nr.PlasticityRule(on_post="w += 0.1 * v_post * v_post * exp(v_post)"),
            r"exp\(post\.v\)|exp\(v\) in on_post",
        ),
        (
            nr.PlasticityRule(on_pre="w += 0.1 * e", synapse_traces="de/dt = -e / tau : 1",
                              on_post="e += 1", parameters={"tau": (1e-2, "second")}),
            "e in on_pre .* before it decays",
        ),
    ],
)
def test_what_does_not_fit_is_named(rule: nr.PlasticityRule, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        translate(network(rule), "plastic", DT)


def test_unknown_projection_and_no_rule() -> None:
    net = network(nr.PairSTDP())
    with pytest.raises(CompileError, match="'x' does not exist; there are: teach, plastic"):
        translate(net, "x", DT)
    with pytest.raises(CompileError, match="'teach' has no plasticity rule"):
        translate(net, "teach", DT)
    with pytest.raises(CompileError, match="timing 'now' is unknown"):
        translate(net, "plastic", DT, timing="now")


def test_shown_text_holds_what_the_chip_gets() -> None:
    rule = nr.PairSTDP(tau_plus=20e-3, tau_minus=40e-3, a_plus=0.01, a_minus=0.012)
    text = str(translate(network(rule), "plastic", DT))
    assert text.startswith("PairSTDP at 'plastic'")
    for part in (
        "rule: on spike: w = (w + (0.01 * x@pre))",
        "dw = y0*x1 - y0*x2 - x0*y1",
        f"x1: impulse {0.01 * math.exp(1 / 20):.6g}, tau = 20 steps",
        f"y1: impulse {0.012 * math.exp(-1 / 40):.6g}, tau = 40 steps",
        "the same changes of weight as neuro",
        "7 bits",
        "smallest impulse",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, (1, 0)), (-8 * 2.0**8, (-8, 8)), (2.0**-7, (1, -7)), (0.3, None), (0.0, None),
     (-0.75, (-6, -3)), (2.0**-8, None), (8 * 2.0**8, None), (1792.0, (7, 8))],
)
def test_scales(value: float, expected: tuple[int, int] | None) -> None:
    found = scale_of(value)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        assert math.ldexp(*found) == value


def test_sums_of_scales_come_close() -> None:
    for value in (0.3, -1.7, 100.3):
        reached = sum(math.ldexp(m, e) for m, e in nearest_scales(value))
        assert abs(reached - value) <= 2.0**-8 + 2e-4 * abs(value)  # half the smallest scale


def test_text_of_products() -> None:
    products = (
        Product(-3, -4, "y0", (Factor("x1"), Factor("w", -2.5))),
        Product(1, 0, "x0", (Factor("y1"), Factor("w", sign=True))),
        Product(-1, 3, "u0", (Factor("t"),)),
    )
    assert series(products) == "-3*2^-4*y0*x1*(w-5*2^-1) + x0*y1*sgn(w) - 1*2^3*u0*t"
    assert [p.lost_bits for p in products] == [5, 5, 0]


def test_number_without_a_trace_is_a_sum_of_scales_off_by_what_is_stated() -> None:
    rule = nr.PlasticityRule(
        on_pre="p += 1; r += 1; w += 0.01 * p + 0.02 * r + 0.3",
        pre_traces="dp/dt = -p / (10 * ms) : 1; dr/dt = -r / (30 * ms) : 1",
        parameters={"ms": (1e-3, "second")},
    )
    net = network(rule)
    made = translate(net, "plastic", DT)
    assert made.dw_text == "x0*x1 + x0*x2 + 5*2^-4*x0 - 1*2^-6*x0"
    assert made.differences == ("0.3 * arrival is 0.01 off: its scale 0.3 is 0.296875",)
    expected, recording = reference(net)
    arrivals = raster(recording, "pre", N_PRE).sum(0)
    error = engine_run(net, made, recording) - expected
    np.testing.assert_allclose(error, np.outer(-0.003125 * arrivals, np.ones(N_POST)), atol=1e-12)
    coarse = nr.PlasticityRule(
        on_pre=rule.on_pre.replace("0.3", "0.003"),
        pre_traces=rule.pre_traces,
        parameters={"ms": (1e-3, "second")},
    )
    with pytest.raises(CompileError, match=r"0\.003 \* arrival needs a trace for its number"):
        translate(network(coarse), "plastic", DT)


def random_rule(draw: np.random.Generator) -> nr.PlasticityRule:
    """Up to two traces a side, a tag, a factor; products of up to two of them."""
    pre = [f"p{i}" for i in range(draw.integers(0, 3))]
    post = [f"q{i}" for i in range(draw.integers(0, 3))]
    tag, third = draw.random() < 0.3, draw.random() < 0.3

    def statements(side: str) -> str:
        factors = [*pre, *post]
        factors += ["w"] if draw.random() < 0.2 else []
        factors += ["pre_spike"] if side == "on_post" and draw.random() < 0.3 else []
        factors += ["r"] if side != "on_pre" and third else []

        def product() -> str:
            number = str(draw.choice([0.01, 0.03, -0.02, 0.3, -0.007, 0.125]))
            chosen = draw.choice(factors, draw.integers(0, 3)) if factors else []
            return " * ".join([number, *chosen])

        made = [f"w += {product()}" for _ in range(draw.integers(0, 3))]
        if tag:
            made += [f"e += {product()}"] if "w" not in factors else []
            made += ["w += 0.01 * e"] if side != "on_pre" else []
        own = {"on_pre": pre, "on_post": post}.get(side, [])
        made += [f"{trace} += {draw.choice([1, 0.5, 2])}" for trace in own]
        draw.shuffle(made)
        return "; ".join(made)

    def decays(traces: list[str]) -> str:
        return "; ".join(f"d{t}/dt = -{t} / {draw.choice([0.004, 0.02, 0.05])} : 1" for t in traces)

    return nr.PlasticityRule(
        on_pre=statements("on_pre"),
        on_post=statements("on_post"),
        on_step=statements("on_step") if draw.random() < 0.4 else "",
        pre_traces=decays(pre),
        post_traces=decays(post),
        synapse_traces=decays(["e"]) if tag else "",
        factors=("r",) if third else (),
        name="random",
    )


@pytest.mark.filterwarnings("ignore:overflow|invalid value")
def test_random_rules_are_exact_where_the_translation_says_so() -> None:
    draw = np.random.default_rng(11)
    exact = 0
    for _ in range(60):
        rule = random_rule(draw)
        net = network(rule, int(draw.integers(1, 4)), "post" if rule.factors else "")
        try:
            made = translate(net, "plastic", DT)
        except CompileError:
            continue
        expected, recording = reference(net)
        if not made.exact or not np.abs(expected).max() < 1e6:
            continue
        exact += 1
        start = np.asarray(nr.lower(net, DT).arrays["plastic.w"].initial)
        change = max(float(np.abs(expected - start).max()), 1e-3)
        error = float(np.abs(engine_run(net, made, recording) - expected).max())
        assert error < 1e-11 * change, (rule.on_pre, rule.on_post, rule.on_step, str(made))
    assert exact >= 15

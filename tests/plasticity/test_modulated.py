"""Third factors: eligibility turned into weight by reward; the delta rule."""

import numpy as np
import pytest

import neuro as nr

DT = 1e-3


def rewarded(arrivals, spikes, rewards, steps, *, dt=DT, amount=0.8, **rule):
    """Weight, eligibility and reward after each step."""
    net = nr.Network()

    def source(name, steps_of):
        times = np.asarray(steps_of, int) - 1
        return net.population(name, nr.SpikeTimes(times, 0 * times), 1)

    dopamine = net.population("dopamine", nr.LeakyIntegrator(tau_m=50e-3), 1)
    post = net.population("post", nr.LIF(v_threshold=1e3), 1)
    net.connect(source("reward", rewards), dopamine, amount)
    net.connect(source("force", spikes), post, 1e6)
    con = net.connect(
        source("pre", arrivals),
        post,
        0.5,
        plasticity=nr.RewardSTDP(**rule),
        factors={"reward": (dopamine, "v")},
        name="con",
    )
    for what, v in ((con, "w"), (con, "c"), (dopamine, "v")):
        net.record(what, v)
    with nr.compile(net, dt=dt) as sim:
        rec = sim.run_steps(steps, False)
    return rec.trace(con, "w")[:, 0], rec.trace(con, "c")[:, 0], rec.trace("dopamine", "v")[:, 0]


def test_eligibility_and_its_integral():
    w, c, r = rewarded([50], [60], [300], 800, tau_c=0.2, learning_rate=3.0)
    k = np.arange(800)
    eligibility = 0.01 * np.exp(-10 / 20) * np.exp(-np.maximum(k - 60, 0) * DT / 0.2) * (k >= 60)
    np.testing.assert_allclose(c, eligibility, rtol=1e-10, atol=1e-16)
    # Each step adds eta c r dt, with c and r as they are at the end of the step.
    np.testing.assert_allclose(w, 0.5 + np.cumsum(3.0 * c * r * DT), rtol=1e-12)
    assert np.all(w[:300] == 0.5)


def test_the_integral_of_eligibility_times_reward():
    # Closed form: c0 e^(-(t_r - t_p)/tau_c) r0 / (1/tau_c + 1/tau_r), to the order of dt.
    errors = []
    exact = 0.01 * np.exp(-0.5) * np.exp(-0.24 / 0.2) * 0.8 / (1 / 0.2 + 1 / 50e-3)
    for dt in (1e-3, 0.5e-3):
        n = round(1e-3 / dt)
        w, *_ = rewarded([50 * n], [60 * n], [300 * n], 900 * n, dt=dt, tau_c=0.2)
        errors.append(w[-1] - 0.5 - exact)
    assert abs(errors[0]) < 0.02 * exact
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_signs():
    change = lambda *a, **k: rewarded(*a, 500, **k)[0][-1] - 0.5  # noqa: E731
    assert change([50], [60], [100]) > 0
    assert change([60], [50], [100]) < 0  # acausal pairs are punished by reward
    assert change([50], [60], [100], amount=-0.8) < 0
    assert change([50], [60], []) == 0
    assert abs(change([50], [60], [40 - 30])) < change([50], [60], [40])  # stale reward


def test_reward_of_every_few_steps():
    w, c, r = rewarded([50], [60], [70], 200, every=4e-3, tau_c=0.2)
    expected = np.zeros(200)
    expected[3::4] = c[3::4] * r[3::4] * 4 * DT
    np.testing.assert_allclose(w, 0.5 + np.cumsum(expected), rtol=1e-12)


# --- delta rule --------------------------------------------------------------------------------


def regression(patterns, targets, epochs, learning_rate, hold=4, gap=2, sparse=False):
    """Patterns are shown in turn, `hold` steps each, to a linear output; weights after each epoch.

    y is the summed weights of a step; the error unit sees it one step later, beside the target.
    Between two patterns there is silence, so that no error meets another pattern's trace.
    """
    n, n_in = patterns.shape
    length = hold + gap
    spikes = np.zeros((epochs * n * length, n_in), bool)
    teach = np.zeros((epochs * n * length, n), bool)
    for e in range(epochs):
        for p in range(n):
            start = (e * n + p) * length
            spikes[start : start + hold] = patterns[p]
            teach[start : start + hold, p] = True
    net = nr.Network()
    net.population("input", nr.SpikeTimes(*np.nonzero(spikes)), n_in)
    net.population("teacher", nr.SpikeTimes(*np.nonzero(teach)), n)
    copy = nr.NeuronModel(
        "y : 1", inputs={"i": "1"}, after="y = i", threshold="True", emits="y"
    )
    error = nr.NeuronModel(
        "e : 1", inputs={"y": "1", "target": "1"}, after="e = target - y"
    )
    net.population("output", copy, 2)
    net.population("error", error, 2)
    rule = nr.ErrorHebbian(learning_rate, tau=DT / 40)
    con = net.connect("input", "output", 0.0, plasticity=rule,
                      factors={"error": ("error", "e")}, name="con")  # fmt: skip
    net.connect("output", "error", nr.one_to_one(1.0), port="y")
    net.connect("teacher", "error", targets, delay=2 * DT, port="target", name="teaching")
    net.record(con, "w")
    with nr.compile(net, dt=DT) as sim:
        w = sim.run_steps(len(spikes), False).trace(con, "w")
    return w[length * n - 1 :: length * n].reshape(epochs, n_in, 2)


PATTERNS = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)
TARGETS = np.array([[0.3, 1.0], [0.8, -0.2], [0.1, 0.4], [0.9, 0.7]])  # no exact solution


def test_delta_rule_equals_its_loop():
    # Within a pattern the error lags one step: x meets it in the steps 2 to hold, and once more
    # in none (x is gone with the pattern).
    w = regression(PATTERNS, TARGETS, 3, learning_rate=50.0)
    weights = np.zeros((3, 2))
    for epoch in range(3):
        for x, target in zip(PATTERNS.astype(float), TARGETS, strict=True):
            y = x @ weights  # of the step before
            for _ in range(3):
                now = x @ weights
                weights = weights + 50.0 * DT * np.outer(x, target - y)
                y = now
        np.testing.assert_allclose(w[epoch], weights, rtol=1e-9, atol=1e-12)


def test_delta_rule_converges_to_least_squares():
    solution, residual, *_ = np.linalg.lstsq(PATTERNS.astype(float), TARGETS, rcond=None)
    assert np.all(residual > 0.005)
    # The cycle of an online rule ends near the solution, at a distance of the order of the rate.
    distances = []
    for rate in (20.0, 10.0):
        w = regression(PATTERNS, TARGETS, round(2000 / rate), learning_rate=rate)
        distances.append(np.abs(w[-1] - solution).max())
    assert distances[1] < 0.02
    assert distances[0] / distances[1] == pytest.approx(2, rel=0.2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nr.RewardSTDP(tau_c=0.0), "tau_c of RewardSTDP.*> 0"),
        (lambda: nr.ErrorHebbian(tau=-1.0), "tau of ErrorHebbian.*> 0"),
        (lambda: nr.RewardSTDP(every=-1e-3), "every of RewardSTDP.*> 0"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(nr.DescriptionError, match=message):
        make()

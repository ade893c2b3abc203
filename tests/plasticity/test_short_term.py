"""Short-term plasticity against the recursion of Tsodyks and Markram."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr

DT = 1e-3


def efficacies(rule, arrivals, *, delay=1, weight=2.0, dt=DT):
    """What each arrival adds to a perfect integrator, divided by its weight."""
    net = nr.Network()
    arrivals = np.asarray(arrivals)
    pre = net.population("pre", nr.SpikeTimes(arrivals - delay, 0 * arrivals), 1)
    post = net.population("post", nr.IF(v_threshold=1e9), 1)
    net.connect(pre, post, weight, delay=delay * dt, short_term=rule)
    net.record(post, "v")
    with nr.compile(net, dt=dt) as sim:
        v = sim.run_steps(arrivals.max() + 1, False).trace(post, "v")[:, 0]
    steps = np.diff(v, prepend=0)
    assert np.flatnonzero(steps).tolist() == arrivals.tolist()
    return steps[arrivals] / weight


def recursion(U, tau_d, tau_f, arrivals, dt=DT):
    """Tsodyks, Pawelzik & Markram 1998: from spike to spike, resources R and utilisation u."""
    u, R, found = U, 1.0, []
    for interval in [*np.diff(arrivals), 1]:
        found.append(u * R)
        decay = np.exp(-interval * dt / tau_d)
        R = 1 - (1 - R * (1 - u)) * decay
        u = U + u * (1 - U) * np.exp(-interval * dt / tau_f)
    return np.array(found)


#: Depressing and facilitating synapses of cortex; u and R both at work.
KINDS = {"depressing": (0.5, 0.8, 1e-3), "facilitating": (0.15, 0.05, 0.75),
         "both": (0.3, 0.2, 0.3), "everything at once": (1.0, 0.1, 0.1)}  # fmt: skip


@pytest.mark.parametrize("delay", [1, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_recursion(kind, delay):
    rng = np.random.default_rng(1)
    regular = np.arange(10, 400, 25)
    irregular = 10 + np.flatnonzero(rng.random(500) < 0.06)
    for arrivals in (regular, irregular):
        found = efficacies(nr.TsodyksMarkram(*KINDS[kind]), arrivals, delay=delay)
        np.testing.assert_allclose(found, recursion(*KINDS[kind], arrivals), rtol=1e-9)
        assert found[0] == pytest.approx(KINDS[kind][0], rel=1e-14)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate", [5.0, 20.0, 50.0])
def test_steady_state(kind, rate):
    U, tau_d, tau_f = KINDS[kind]
    d, f = np.exp(-1 / rate / tau_d), np.exp(-1 / rate / tau_f)
    u = U / (1 - (1 - U) * f)
    x = (1 - d) / (1 - (1 - u) * d)
    step = round(1 / rate / DT)
    arrivals = 10 + step * np.arange(max(40, int(6 * max(tau_d, tau_f) * rate)))
    found = efficacies(nr.TsodyksMarkram(U, tau_d, tau_f), arrivals)
    assert found[-1] == pytest.approx(u * x, rel=0.01)
    slow = recursion(U, tau_d, tau_f, 10 + step * np.arange(3000))[-1]
    assert slow == pytest.approx(u * x, rel=1e-9)  # the closed form is the recursion's


def test_depression_is_inverse_to_the_rate():
    # Their limiting frequency: the stationary synaptic drive, rate times efficacy, saturates at
    # 1 / tau_d.
    drives = []
    for rate in (50, 100, 200):
        arrivals = 10 + (1000 // rate) * np.arange(400)
        drives.append(rate * efficacies(nr.TsodyksMarkram(0.5, 0.8, 1e-3), arrivals)[-1])
    assert drives == pytest.approx([1 / 0.8] * 3, rel=0.05)


@pytest.mark.parametrize("form", ["dense", "sparse", "delays"])
def test_every_presynaptic_unit_has_its_own_state(form):
    rng = np.random.default_rng(2)
    spikes = rng.random((200, 6)) < 0.15
    w = rng.normal(0, 1, (6, 4))
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes(*np.nonzero(spikes)), 6)
    post = net.population("post", nr.IF(v_threshold=1e9), 4)
    lags = np.array([1, 3, 2, 1, 5, 4])
    delay = {"delays": np.broadcast_to(lags[:, None] * DT, (6, 4))}.get(form)
    weights = scipy.sparse.csr_array(w) if form == "sparse" else w
    rule = nr.TsodyksMarkram(0.4, 0.1, 0.2)
    con = net.connect(pre, post, weights, delay=delay, short_term=rule)
    net.record(post, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(200, False).trace(post, "v")
        assert np.array_equal(sim.weights(con), w)  # weights themselves do not change
    expected = np.zeros((200, 4))
    for i in range(6):
        arrivals = np.flatnonzero(spikes[:, i]) + (lags[i] if form == "delays" else 1)
        for k, e in zip(arrivals, recursion(0.4, 0.1, 0.2, arrivals), strict=True):
            if k < 200:
                expected[k] += w[i] * e
    np.testing.assert_allclose(v, np.cumsum(expected, 0), rtol=1e-9, atol=1e-12)


def test_synaptic_delays_give_every_synapse_its_own_state():
    # One unit, two targets at other delays: both synapses see the same intervals.
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([10, 14, 30], [0, 0, 0]), 1)
    post = net.population("post", nr.IF(v_threshold=1e9), 2)
    rule = nr.TsodyksMarkram(0.4, 0.1, 0.2)
    con = net.connect(pre, post, 1.0, delay=[[1e-3, 7e-3]], short_term=rule)
    net.record(post, "v")
    net.record(con, "x")
    with nr.compile(net) as sim:
        rec = sim.run_steps(50, False)
    v, x = rec.trace(post, "v"), rec.trace(con, "x")
    assert x.shape == (50, 2)
    assert np.array_equal(v[:-6, 0], v[6:, 1])
    assert v[-1, 0] == pytest.approx(recursion(0.4, 0.1, 0.2, [10, 14, 30]).sum(), rel=1e-12)


def test_beside_long_term_plasticity():
    # The rule sees and changes the raw weight; the arrival is weight times efficacy, and uses the
    # weight left by the step before.
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([4, 9], [0, 0]), 1)
    post = net.population("post", nr.IF(v_threshold=1e9), 1)
    con = net.connect(
        pre,
        post,
        1.0,
        plasticity=nr.PlasticityRule(on_pre="w *= 3"),
        short_term=nr.TsodyksMarkram(0.5, 1e9, 1e9),
    )
    net.record(post, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(12, False).trace(post, "v")[:, 0]
        assert sim.weights(con) == [[9.0]]
    assert v[5] == pytest.approx(0.5, rel=1e-6)
    assert v[10] - v[9] == pytest.approx(3 * 0.75 * 0.5, rel=1e-6)


def test_a_user_written_rule():
    rule = nr.ShortTermPlasticity(
        "dn/dt = -n / tau : 1",
        "n += 1; efficacy = where(n > 2.5, gain, n)",
        parameters={"tau": (1e9, "second"), "gain": -1.0},
        initial={"n": 0.5},
    )
    assert efficacies(rule, [3, 5, 9, 11]) == pytest.approx([1.5, 2.5, -1.0, -1.0], rel=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nr.TsodyksMarkram(U=0.0), r"U of TsodyksMarkram is 0; it must lie in \(0, 1\]"),
        (lambda: nr.TsodyksMarkram(U=1.5), r"U of TsodyksMarkram is 1.5.*\(0, 1\]"),
        (lambda: nr.TsodyksMarkram(tau_d=0.0), "tau_d of TsodyksMarkram.*> 0"),
        (lambda: nr.TsodyksMarkram(U=[0.1, 0.2]), r"U of TsodyksMarkram has shape \(2,\)"),
        (lambda: nr.ShortTermPlasticity("x : 1", "x = 1"), "never assigns to 'efficacy'"),
        (lambda: nr.ShortTermPlasticity("x : 1", "y = 1"), "cannot assign to 'y'.*efficacy, x"),
        (
            lambda: nr.ShortTermPlasticity("x : 1", "efficacy = w"),
            "on_pre of short-term plasticity: unknown name 'w'; known: efficacy, x",
        ),
        (
            lambda: nr.ShortTermPlasticity("dx/dt = v_pre : 1", "efficacy = x"),
            "dx/dt of short-term plasticity: unknown name 'v_pre'",
        ),
        (
            lambda: nr.ShortTermPlasticity("x : 1", "efficacy = x", parameters={"x": 1.0}),
            "'x' is declared twice",
        ),
        (
            lambda: nr.ShortTermPlasticity("x : 1", "efficacy = x", initial={"y": 1.0}),
            "initial y of short-term plasticity: no such trace; it has x",
        ),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(nr.DescriptionError, match=message):
        make()


def test_mistakes_of_the_network():
    net = nr.Network()
    a = net.population("a", nr.LIF(), 2)
    with pytest.raises(nr.DescriptionError, match="short_term of projection 'a_a'.*PairSTDP"):
        net.connect(a, a, 1.0, short_term=nr.PairSTDP())
    with pytest.raises(nr.DescriptionError, match="plasticity of projection 'a_a'.*Tsodyks"):
        net.connect(a, a, 1.0, plasticity=nr.TsodyksMarkram())

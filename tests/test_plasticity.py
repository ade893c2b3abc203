"""Plasticity rules against loops and closed forms, dense, sparse and transposed."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr


def pair_run(rule, pre_steps, post_steps, *, delay=1, w0=0.5, steps=60):
    """One synapse; the post unit is forced to spike by a second input. Returns the weight."""
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes(pre_steps, np.zeros(len(pre_steps), int)), 1)
    force = net.population(
        "force", nr.SpikeTimes(np.array(post_steps) - 1, np.zeros(len(post_steps), int)), 1
    )
    post = net.population("post", nr.LIF(v_threshold=100.0), 1)
    con = net.connect(pre, post, w0, delay=delay * 1e-3, plasticity=rule, name="con")
    net.connect(force, post, 1000.0)
    net.record(post)
    with nr.compile(net) as sim:
        rec = sim.run_steps(steps, False)
        assert rec.spikes(post)[0].tolist() == sorted(post_steps)
        return float(sim.weights(con)[0, 0])


@pytest.mark.parametrize("delay", [1, 4])
def test_stdp_window(delay):
    # The pre event is the *arrival*: a spike at step k with delay d acts at step k + d.
    rule = nr.PairSTDP(10e-3, 25e-3, a_plus=0.02, a_minus=0.03)
    for lag in (-20, -5, -1, 1, 7, 20):  # post minus arrival, in steps
        arrival, post = 30, 30 + lag
        w = pair_run(rule, [arrival - delay], [post], delay=delay)
        change = 0.02 * np.exp(-lag / 10) if lag > 0 else -0.03 * np.exp(lag / 25)
        assert w - 0.5 == pytest.approx(change, rel=1e-12), lag


def test_coincidence_counts_as_pre_before_post():
    rule = nr.PairSTDP(10e-3, 25e-3, a_plus=0.02, a_minus=0.03)
    assert pair_run(rule, [29], [30]) - 0.5 == pytest.approx(0.02)


def test_bounds():
    rule = nr.PairSTDP(a_plus=10.0, a_minus=0.0, w_min=0.0, w_max=0.7)
    assert pair_run(rule, [28], [30]) == 0.7
    rule = nr.PairSTDP(a_plus=0.0, a_minus=10.0, w_min=0.1, w_max=0.7)
    assert pair_run(rule, [33], [30]) == 0.1


@pytest.mark.parametrize(
    ("w", "potentiated", "depressed"),
    [(-0.005, 0.05460, -0.01096), (0.0, 0.03, -0.003), (0.05, 0.05, 0.05)],
)
def test_sleep_rule_golden_values(w, potentiated, depressed):
    # The published rule with inc = 0.03, dec = 0.003: the weight after one event.
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0], [0]), 2)
    post = net.population("post", nr.LIF(v_threshold=-1.0), 1)  # spikes in every step
    net.connect(src, post, np.full((2, 1), w), plasticity=nr.SleepReplay(0.03, 0.003), name="c")
    with nr.compile(net) as sim:
        sim.run_steps(1, False)  # step 0: nothing has arrived, both are depressed
        assert sim.weights("c")[:, 0] == pytest.approx([depressed] * 2, abs=5e-6)
        sim.set_weights("c", np.full((2, 1), w))
        sim.run_steps(1, False)  # step 1: the spike of unit 0 arrives
        assert sim.weights("c")[:, 0] == pytest.approx([potentiated, depressed], abs=5e-6)
        if w == 0.05:
            assert np.abs(sim.weights("c") - w).max() < 1e-20


@pytest.mark.parametrize(
    ("w", "g"), [(-0.05, 2), (-0.005, 1.987), (-0.001, 1.462), (0.001, 0.538), (0.005, 0.013)]
)
def test_gate_of_the_sleep_rule(w, g):
    net = nr.Network()
    net.population("src", nr.SpikeTimes([], []), 1)
    net.population("post", nr.LIF(v_threshold=-1.0), 1)
    net.connect("src", "post", w, plasticity=nr.SleepReplay(0.0, 1.0), name="c")
    hard = nr.SleepReplay(0.0, 1.0, gate="hard")
    net.connect("src", "post", w, plasticity=hard, name="hard")
    with nr.compile(net) as sim:
        sim.run_steps(1, False)
        assert w - sim.weights("c")[0, 0] == pytest.approx(g, abs=5e-4)
        assert w - sim.weights("hard")[0, 0] == pytest.approx(2 if w <= 0 else 0)


def full_loop(spikes, w, rule, *, theta, a, delay):
    """The sleep rule and pair STDP, written one synapse at a time."""
    steps, n_pre = spikes.shape
    n_post = w.shape[1]
    w = w.copy()
    v = np.zeros(n_post)
    x, y = np.zeros(n_pre), np.zeros(n_post)
    for k in range(steps):
        arrived = spikes[k - delay] if k >= delay else np.zeros(n_pre, bool)
        post = np.zeros(n_post, bool)
        for j in range(n_post):
            total = 0.0
            for i in range(n_pre):
                if arrived[i]:
                    total += w[i, j]
            v[j] = a * v[j] + total
            if v[j] >= theta:
                post[j] = True
                v[j] = 0.0
        if rule == "stdp":
            x *= np.exp(-1 / 10)
            y *= np.exp(-1 / 25)
            for i in np.flatnonzero(arrived):
                x[i] += 1
                for j in range(n_post):
                    w[i, j] -= 0.03 * y[j]
            for j in np.flatnonzero(post):
                y[j] += 1
                for i in range(n_pre):
                    w[i, j] += 0.02 * x[i]
        else:
            for j in np.flatnonzero(post):
                for i in range(n_pre):
                    g = 2 / (1 + np.exp(w[i, j] / 0.1))
                    w[i, j] += 0.01 * g if arrived[i] else -0.004 * g
    return w


RULES = {
    "stdp": nr.PairSTDP(10e-3, 25e-3, 0.02, 0.03),
    "sleep": nr.SleepReplay(0.01, 0.004, slope=0.1),
}


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_rules_equal_the_loop(rule, sparse, delay):
    rng = np.random.default_rng(5)
    spikes = rng.random((250, 9)) < 0.2
    w = rng.normal(0.25, 0.2, (9, 5))
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes(*np.nonzero(spikes)), 9)
    out = net.population("out", nr.LIF(tau_m=20e-3), 5)
    net.connect(
        src,
        out,
        scipy.sparse.csr_array(w) if sparse else w,
        delay=delay * 1e-3,
        plasticity=RULES[rule],
        name="c",
    )
    with nr.compile(net) as sim:
        sim.run_steps(250, False)
        got = sim.weights("c")
    expected = full_loop(spikes, w, rule, theta=1.0, a=np.exp(-1 / 20), delay=delay)
    assert np.abs(expected - w).max() > 0.05
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("sparse", [False, True])
def test_transposed_projection_equals_an_explicit_copy(sparse):
    # Frozen weights: a tied transpose must do what a projection with the transposed array does.
    rng = np.random.default_rng(9)
    w = rng.normal(0.3, 0.3, (7, 4))
    w[rng.random(w.shape) < 0.4] = 0
    results = []
    for tied in (True, False):
        net = nr.Network(seed=4)
        src = net.population("src", nr.Poisson(150.0), 7)
        a = net.population("a", nr.LIF(), 7)
        b = net.population("b", nr.LIF(v_threshold=0.6), 4)
        net.connect(src, a, nr.one_to_one(0.7))
        ff = net.connect(a, b, scipy.sparse.csr_array(w) if sparse else w)
        back = nr.transpose_of(ff) if tied else w.T
        net.connect(b, a, back, delay=2e-3, gain=0.5, name="back")
        net.record(a)
        net.record(b)
        with nr.compile(net) as sim:
            rec = sim.run(0.3, progress=False)
        results.append((rec.spikes(a), rec.spikes(b)))
    assert len(results[0][1][0]) > 30
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


@pytest.mark.parametrize("sparse", [False, True])
def test_rule_on_a_transposed_projection(sparse):
    # pre = spike of b arriving at a, post = spike of a; the matrix is that of a -> b.
    w = np.array([[-0.2, 0.5], [0.1, -0.3], [0.0, 0.2]])
    net = nr.Network()
    a = net.population("a", nr.SpikeTimes([3], [1]), 3)
    b = net.population("b", nr.SpikeTimes([2], [0]), 2)
    ra = net.population("ra", nr.LIF(), 3)
    rb = net.population("rb", nr.LIF(), 2)
    net.connect(a, ra, nr.one_to_one(5.0))  # ra unit 1 spikes at step 4
    net.connect(b, rb, nr.one_to_one(5.0))  # rb unit 0 spikes at step 3, arrives at step 4
    full = scipy.sparse.csr_array(np.ones_like(w))
    full.data = w[full.nonzero()].copy()
    ff = net.connect(ra, rb, full if sparse else w, gain=0.0)
    rule = nr.SleepReplay(0.01, 0.004, slope=0.1)
    net.connect(rb, ra, nr.transpose_of(ff), gain=0.0, plasticity=rule, name="back")
    with nr.compile(net) as sim:
        sim.run_steps(10, False)
        got = sim.weights(ff)
        assert np.array_equal(sim.weights("back"), got.T)
    expected = w.copy()
    g = 2 / (1 + np.exp(w[1] / 0.1))
    expected[1] += np.array([0.01, -0.004]) * g
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_rule_reads_neuron_state():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0, 1], [0, 0]), 1)
    out = net.population("out", nr.LIF(tau_m=1e-3 / np.log(2), v_threshold=9.0), 1)
    rule = nr.PlasticityRule(on_pre="w += 0.5 * v_post", name="voltage rule")
    net.connect(src, out, 1.0, plasticity=rule, name="c")
    with nr.compile(net) as sim:
        sim.run_steps(2, False)  # arrival at 1: v = 1, w = 1.5
        assert sim.weights("c") == [[1.5]]
        sim.run_steps(1, False)  # arrival at 2: v = 0.5 + 1.5, w = 2.5
        assert sim.weights("c") == [[2.5]]

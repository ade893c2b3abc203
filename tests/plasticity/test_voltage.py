"""Voltage-based rules: hand-computed steps with a target whose potential is chosen."""

import numpy as np
import pytest

import neuro as nr

DT = 1e-3


def clamped(rule, v, arrivals, steps, w0=0.5, size=1):
    """Weights after each step, for targets clamped at potentials v (scalar or per step)."""
    clamp = nr.NeuronModel("v : volt", inputs={"i": "volt", "c": "volt"}, after="v = c")
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes(np.array(arrivals) - 1, [0] * len(arrivals)), 1)
    post = net.population("post", clamp, size)
    v = np.broadcast_to(np.asarray(v, float), (steps,))
    command = net.population("command", nr.SpikeTimes(np.arange(steps), np.arange(steps)), steps)
    now = np.zeros((steps, size))
    now[:-1] = v[1:, None]
    net.connect(command, post, now, port="c")  # the command of step k - 1 arrives at k
    con = net.connect(pre, post, w0, port="i", plasticity=rule, name="con")
    net.record(con, "w")
    net.record(post, "v")
    with nr.compile(net, dt=DT) as sim:
        rec = sim.run_steps(steps, False)
    assert np.allclose(rec.trace(post, "v")[1:, 0], v[1:])
    return rec.trace(con, "w")


E_L, MINUS, PLUS = -70.6e-3, -70.6e-3, -45.3e-3


def low_pass(v, tau, start):
    """u after the decay of each step; v is constant within a step, so each step is exact."""
    u, found = start, []
    for value in v:
        u = value + (u - value) * np.exp(-DT / tau)
        found.append(u)
    return np.array(found)


def course(levels, steps):
    """A potential in pieces; before the first command the clamp is at 0."""
    v = np.concatenate([np.full(n, level) for n, level in levels])
    assert len(v) == steps
    return np.concatenate([[0.0], v[1:]])


@pytest.mark.parametrize("u_ref", [7.75e-3, None])
def test_voltage_stdp_equals_its_sum(u_ref):
    steps = 60
    v = course([(20, -66e-3), (15, -30e-3), (25, -50e-3)], steps)
    arrivals = [5, 22, 24, 40]
    rule = nr.VoltageSTDP(u_ref=u_ref)
    w = clamped(rule, v, arrivals, steps)[:, 0]
    minus, plus = low_pass(v, 10e-3, E_L), low_pass(v, 7e-3, E_L)
    slow = low_pass(v - E_L, 1.0, 0.0)
    x, weight = 0.0, 0.5
    for k in range(steps):
        x *= np.exp(-DT / 15e-3)
        if k in arrivals:
            scale = 1.0 if u_ref is None else slow[k] ** 2 / u_ref**2
            weight = max(0.0, weight - 0.14 * scale * max(minus[k] - MINUS, 0))
            x += 1
        weight += 5.3e3 * x * max(v[k] - PLUS, 0) * max(plus[k] - MINUS, 0) * DT
        assert w[k] == pytest.approx(weight, rel=1e-11), k
    assert np.diff(w).min() < 0 < np.diff(w).max()


def test_voltage_stdp_has_the_signs_of_the_paper():
    # Below theta_minus: nothing. Between: depression by arrivals. Above theta_plus: potentiation.
    rule = nr.VoltageSTDP(u_ref=None, w_min=None)
    for level, sign in ((-75e-3, 0), (-60e-3, -1), (-20e-3, 1)):
        v = np.full(200, level)
        v[:100] = E_L if sign else -75e-3
        v[0] = 0.0
        w = clamped(rule, v, [150], 200)[:, 0]
        assert np.sign(w[-1] - w[149]) == sign, level
    # Without arrivals the potential alone changes nothing.
    w = clamped(rule, np.full(50, -20e-3), [], 50)
    assert np.all(w == 0.5)


def test_published_amplitudes_in_si_units():
    # Clopath et al. 2010, visual cortex: A_LTD = 14e-5 / mV, A_LTP = 8e-5 / mV^2, time in ms; the
    # trace of arrivals there steps by 1 ms / tau_x = 1 / 15.
    rule = nr.VoltageSTDP()
    assert rule.parameters["a_ltd"] == pytest.approx(14e-5 / 1e-3)
    per_ms = 8e-5 / 1e-3**2 / 15
    assert rule.parameters["a_ltp"] == pytest.approx(per_ms / 1e-3, rel=0.01)
    assert rule.parameters["u_ref"] ** 2 == pytest.approx(60 * 1e-3**2, rel=0.01)  # 60 mV^2


def test_homeostatic_factor_scales_depression_only():
    v = np.full(40, -60e-3)
    v[0] = 0.0
    changes = []
    for u_ref in (5e-3, 10e-3):
        w = clamped(nr.VoltageSTDP(u_ref=u_ref), v, [30], 40)[:, 0]
        changes.append(w[30] - w[29])
    assert changes[0] == pytest.approx(4 * changes[1], rel=1e-9)
    assert changes[0] < 0


def test_potentiation_every_few_steps():
    # Five steps at once, with the values of the fifth.
    v = np.full(41, -20e-3)
    v[0] = 0.0
    w = clamped(nr.VoltageSTDP(u_ref=None, every=5e-3, a_ltd=0.0), v, [12], 41)[:, 0]
    plus = low_pass(v, 7e-3, E_L)
    assert np.flatnonzero(np.diff(w)).tolist() == [13, 18, 23, 28, 33, 38]  # then steps 14, 19 …
    x = np.exp(-2 * DT / 15e-3)
    step = 5.3e3 * x * (-20e-3 - PLUS) * (plus[14] - MINUS) * 5e-3
    assert w[14] - w[13] == pytest.approx(step, rel=1e-11)


# --- homeostasis -------------------------------------------------------------------------------


def test_voltage_homeostasis_equals_its_product():
    rule = nr.VoltageHomeostasis(0.02, learning_rate=3.0, tau=0.05, u_init=0.01, every=10e-3)
    v = np.full(100, 0.04)
    v[0] = 0.0
    w = clamped(rule, v, [], 100)[:, 0]
    u = low_pass(v, 0.05, 0.01)
    expected = 0.5 * np.cumprod(1 + 3.0 * (0.02 - u[9::10]) * 10e-3)
    np.testing.assert_allclose(w[9::10], expected, rtol=1e-12)
    assert np.flatnonzero(np.diff(w)).tolist() == list(range(8, 99, 10))


@pytest.mark.parametrize("sparse", [False, True])
def test_voltage_homeostasis_keeps_ratios_and_reaches_its_target(sparse):
    import scipy.sparse

    rng = np.random.default_rng(3)
    w0 = rng.uniform(0.5, 1.5, (30, 4)) * np.array([0.02, 0.06, 0.1, 0.3])
    net = nr.Network(seed=5)
    pre = net.population("pre", nr.Poisson(100.0), 30)
    post = net.population("post", nr.LeakyIntegrator(tau_m=20e-3), 4)
    rule = nr.VoltageHomeostasis(target=4.0, learning_rate=2.0, tau=0.2, every=10e-3)
    weights = scipy.sparse.csr_array(w0) if sparse else w0
    con = net.connect(pre, post, weights, plasticity=rule)
    net.record(post, "v")
    with nr.compile(net) as sim:
        rec = sim.run(6.0, progress=False)
        w = sim.weights(con)
    factor = w / w0
    np.testing.assert_allclose(factor, np.broadcast_to(factor[0], (30, 4)), rtol=1e-12)
    assert np.ptp(factor[0]) > 1
    # Mean of v is tau_m rate sum(w): at the target, up to the noise of the input.
    np.testing.assert_allclose(rec.trace(post, "v")[3000:].mean(0), 4.0, rtol=0.05)
    np.testing.assert_allclose(20e-3 * 100 * w.sum(0), 4.0, rtol=0.1)


@pytest.mark.parametrize("make", [nr.VoltageSTDP, lambda **k: nr.VoltageHomeostasis(0.0, **k)])
def test_mistakes(make):
    with pytest.raises(nr.DescriptionError, match="every of Voltage.*> 0"):
        make(every=0.0)
    with pytest.raises(nr.DescriptionError, match="every of Voltage.*array"):
        make(every=[1e-3, 2e-3])
    with pytest.raises(nr.DescriptionError, match="w_min"):
        make(w_min=1.0, w_max=0.5)
    with pytest.raises(nr.DescriptionError, match="target of VoltageHomeostasis"):
        nr.VoltageHomeostasis("high")

"""Nonlinear membranes against loops of their own and an adaptive solver at tiny steps."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neuro as nr
from neuro.lowering import lower


def run(model, steps, dt, *variables, arrivals=(), weight=0.0, port=None):
    net = nr.Network()
    given = np.asarray(arrivals, int) - 1
    src = net.population("src", nr.SpikeTimes(given, np.zeros(len(given), int)), 1)
    out = net.population("out", model, 1)
    if len(given):
        net.connect(src, out, weight, port=port)
    net.record(out)
    for v in variables:
        net.record(out, v)
    with nr.compile(net, dt=dt) as sim:
        rec = sim.run_steps(steps, False)
        return rec.spikes(out)[0], *(rec.trace(out, v)[:, 0] for v in variables)


def method(model, dt=1e-4):
    net = nr.Network()
    net.population("out", model, 1)
    return lower(net, dt).integrators["out"]


def solve(slope, start, duration, condition, reset):
    """Spike times of a hybrid system, by an adaptive solver that stops at the condition."""

    def crossing(t, y):
        return condition(y)

    crossing.terminal, crossing.direction = True, 1
    t, y, found = 0.0, np.array(start), []
    while True:
        part = solve_ivp(slope, (t, duration), y, "DOP853", events=crossing, rtol=1e-10, atol=1e-13)
        if not len(part.t_events[0]):
            return np.array(found)
        t = part.t_events[0][0]
        found.append(t)
        y = reset(part.y_events[0][0])


def check_convergence(model, times, duration, dt, within):
    """Errors of spike times shrink with dt; extrapolated to dt = 0 little is left.

    The method of Euler ends a spike's upstroke too late, by about dt log(1/dt), and every spike
    begins where the last one was noticed, so errors add up from spike to spike.
    """
    coarse, fine = ((run(model, round(duration / h), h)[0] + 0.5) * h for h in (dt, dt / 2))
    assert len(coarse) == len(fine) == len(times)
    assert np.abs(fine - times).max() < within
    assert 1.5 < np.abs(coarse - times)[-1] / np.abs(fine - times)[-1] < 2.5
    np.testing.assert_allclose(2 * fine - coarse, times, atol=5 * dt)


# --- AdEx --------------------------------------------------------------------------------------

ADEX = {"C": 281e-12, "g_L": 30e-9, "E_L": -70.6e-3, "v_T": -50.4e-3, "delta_T": 2e-3,
        "tau_w": 144e-3, "a": 4e-9, "increment": 80.5e-12, "v_reset": -70.6e-3,
        "v_peak": 20e-3}  # fmt: skip


def adex_slope(v, w, bias, p):
    leak = p["g_L"] * (p["E_L"] - v)
    upstroke = p["g_L"] * p["delta_T"] * math.exp((v - p["v_T"]) / p["delta_T"])
    return (leak + upstroke - w + bias) / p["C"], (p["a"] * (v - p["E_L"]) - w) / p["tau_w"]


def test_adex_defaults_are_those_of_brette_and_gerstner():
    model = nr.AdEx()
    assert {k: model.parameters[k] for k in ADEX} == ADEX
    assert method(model) == "Euler (v); exponential Euler (w)"


def test_adex_equals_its_loop():
    dt, bias = 1e-4, 1e-9
    steps, v, w = run(nr.AdEx(bias=bias, t_ref=2e-3), 4000, dt, "v", "w")
    x, y, free, found = -70.6e-3, 0.0, 0, []
    decay = math.exp(-dt / 144e-3)
    for k in range(4000):
        slope, _ = adex_slope(x, y, bias, ADEX)
        target = ADEX["a"] * (x - ADEX["E_L"])
        if k >= free:
            x, y = x + dt * slope, target + (y - target) * decay
            if x >= 20e-3:
                found.append(k)
                x, y, free = -70.6e-3, y + 80.5e-12, k + 20
        else:  # v is held, w moves on
            y = target + (y - target) * decay
        assert v[k] == pytest.approx(x, rel=1e-9)
        assert w[k] == pytest.approx(y, rel=1e-8, abs=1e-20)
    assert steps.tolist() == found
    assert len(found) > 5


def test_adex_converges_to_the_solution():
    # Brette & Gerstner 2005, fig. 3: regular firing that adapts under a step of current.
    times = solve(
        lambda t, y: adex_slope(*y, 1e-9, ADEX),
        [-70.6e-3, 0.0],
        0.12,
        lambda y: y[0] + 20e-3,  # 3 ns before v is 20 mV (and infinite)
        lambda y: np.array([-70.6e-3, y[1] + 80.5e-12]),
    )
    assert len(times) >= 5
    assert np.all(np.diff(times)[1:] > np.diff(times)[:-1])
    check_convergence(nr.AdEx(bias=1e-9), times, 0.12, 4e-5, within=0.6e-3)


def test_adex_without_spikes_settles_where_the_equations_say():
    _, v, w = run(nr.AdEx(bias=0.3e-9), 20_000, 2e-4, "v", "w")
    leak, adaptation = adex_slope(v[-1], w[-1], 0.3e-9, ADEX)
    assert abs(leak) < 1e-9
    assert abs(adaptation) < 1e-18
    assert v[-1] > -65e-3


# --- Izhikevich --------------------------------------------------------------------------------

#: Izhikevich 2003, fig. 2: a, b, c, d in its units.
KINDS = {"RS": (0.02, 0.2, -65, 8), "FS": (0.1, 0.2, -65, 2), "CH": (0.02, 0.2, -50, 2),
         "IB": (0.02, 0.2, -55, 4), "LTS": (0.02, 0.25, -65, 2)}  # fmt: skip


def izhikevich(kind, current):
    a, b, c, d = KINDS[kind]
    return nr.Izhikevich(a * 1e3, b * 1e3, c * 1e-3, d, bias=current)


def test_izhikevich_defaults_are_the_regular_spiking_neuron():
    assert izhikevich("RS", 0.0) == nr.Izhikevich()
    assert method(nr.Izhikevich()) == "Euler (v); exponential Euler (u)"


def test_izhikevich_equals_its_loop():
    # All kinds in one population; the loop is in the paper's units, millivolts and milliseconds.
    a, b, c, d = np.array(list(KINDS.values())).T
    dt = 0.1
    net = nr.Network()
    model = nr.Izhikevich(a * 1e3, b * 1e3, c * 1e-3, d, bias=10.0)
    out = net.population("out", model, len(KINDS))
    for variable in ("spikes", "v", "u"):
        net.record(out, variable)
    with nr.compile(net, dt=dt * 1e-3) as sim:
        rec = sim.run_steps(3000, False)
    spikes, units = rec.spikes(out)
    for i in range(len(KINDS)):
        x, y, found, trace = c[i], b[i] * c[i], [], []
        for k in range(3000):
            slope = 0.04 * x * x + 5 * x + 140 - y + 10
            x, y = x + dt * slope, b[i] * x + (y - b[i] * x) * math.exp(-a[i] * dt)
            if x >= 30:
                found.append(k)
                x, y = c[i], y + d[i]
            trace.append((x * 1e-3, y))  # mV/ms is V/s
        assert spikes[units == i].tolist() == found
        assert len(found) > 5
        x, y = np.array(trace).T
        # Spikes are all equal; traces as long as rounding has not been blown up (FS is chaotic).
        np.testing.assert_allclose(rec.trace(out, "v")[:1000, i], x[:1000], atol=1e-10)
        np.testing.assert_allclose(rec.trace(out, "u")[:1000, i], y[:1000], atol=1e-7)


def test_izhikevich_converges_to_the_solution():
    a, b, c, d = KINDS["RS"]
    times = solve(
        lambda t, y: [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + 10, a * (b * y[0] - y[1])],
        [c, b * c],
        200.0,
        lambda y: y[0] - 30,
        lambda y: np.array([c, y[1] + d]),
    )
    check_convergence(izhikevich("RS", 10.0), times * 1e-3, 0.2, 4e-5, within=0.5e-3)


def test_izhikevich_firing_patterns():
    # RS adapts, FS does not, CH fires bursts (fig. 2 of the paper).
    intervals = {
        kind: np.diff(run(izhikevich(kind, 10.0), 4000, 1e-4)[0]) * 0.1
        for kind in ("RS", "FS", "CH")
    }
    assert intervals["RS"][-1] > 1.3 * intervals["RS"][0]
    assert np.ptp(intervals["FS"][3:]) < 0.05 * intervals["FS"].mean()
    assert intervals["FS"].mean() < 0.5 * intervals["RS"].mean()
    assert intervals["CH"].max() > 5 * np.median(intervals["CH"])


def test_izhikevich_starting_values():
    _, v, u = run(nr.Izhikevich(v_init=-70e-3, u_init=-10.0), 1, 1e-6, "v", "u")
    assert v[0] == pytest.approx(-70e-3, rel=1e-3)
    assert u[0] == pytest.approx(-10.0, rel=1e-3)
    _, u = run(nr.Izhikevich(v_init=-70e-3), 1, 1e-6, "u")
    assert u[0] == pytest.approx(-14.0, rel=1e-3)
    with pytest.raises(nr.DescriptionError, match="u_init"):
        nr.Izhikevich(b=nr.Uniform(190.0, 210.0))
    with pytest.raises(nr.DescriptionError, match=r"b of shape \(3,\).*\(2,\)"):
        nr.Izhikevich(b=[1.0, 2.0, 3.0], c=[0.0, 0.0])


# --- Hodgkin-Huxley ----------------------------------------------------------------------------


def hh_rates(v):
    """Traub and Miles in millivolts and milliseconds; v relative to v_T = -63 mV."""
    v = v * 1e3 + 63

    def ratio(x, scale):
        return scale if abs(x) < 1e-9 else x / math.expm1(x / scale)

    return {
        "m": (0.32 * ratio(13 - v, 4), 0.28 * ratio(v - 40, 5)),
        "h": (0.128 * math.exp((17 - v) / 18), 4 / (1 + math.exp((40 - v) / 5))),
        "n": (0.032 * ratio(15 - v, 5), 0.5 * math.exp((10 - v) / 40)),
    }


def hh_current(v, m, h, n, bias):
    sodium = 20e-6 * m**3 * h * (50e-3 - v)
    potassium = 6e-6 * n**4 * (-90e-3 - v)
    return 10e-9 * (-60e-3 - v) + sodium + potassium + bias


def hh_slope(y, bias):
    rates = hh_rates(y[0]).values()
    gates = [1e3 * (a * (1 - x) - b * x) for x, (a, b) in zip(y[1:], rates, strict=True)]
    return [hh_current(*y, bias) / 200e-12, *gates]


def test_hodgkin_huxley_uses_exponential_euler_for_everything_but_conductances():
    assert method(nr.HodgkinHuxley()) == "exact (g_exc, g_inh); exponential Euler (v, m, h, n)"


def test_hodgkin_huxley_equals_its_loop():
    dt, bias = 5e-5, 0.3e-9
    steps, v, m, h, n = run(nr.HodgkinHuxley(bias=bias), 1000, dt, "v", "m", "h", "n")
    x, gates, last, found = -60e-3, [0.0, 0.0, 0.0], -1000, []
    for k in range(1000):
        rates = hh_rates(x).values()
        na, ka = 20e-6 * gates[0] ** 3 * gates[1], 6e-6 * gates[2] ** 4
        total = 10e-9 + na + ka
        rest = (10e-9 * -60e-3 + na * 50e-3 + ka * -90e-3 + bias) / total
        gates = [
            a / (a + b) + (g - a / (a + b)) * math.exp(-(a + b) * dt * 1e3)
            for g, (a, b) in zip(gates, rates, strict=True)
        ]
        x = rest + (x - rest) * math.exp(-total / 200e-12 * dt)
        if x > -20e-3 and k >= last + 60:
            found.append(k)
            last = k
        assert [v[k], m[k], h[k], n[k]] == pytest.approx([x, *gates], rel=1e-7, abs=1e-12)
    assert steps.tolist() == found
    assert len(found) >= 3
    assert v.max() > 0


def test_hodgkin_huxley_converges_to_the_solution():
    bias = 1e-9
    crossing = lambda t, y: y[0] + 20e-3  # noqa: E731
    crossing.direction = 1
    exact = solve_ivp(lambda t, y: hh_slope(y, bias), (0, 0.02), [-60e-3, 0, 0, 0], "LSODA",
                      events=crossing, rtol=1e-9, atol=1e-11).t_events[0]  # fmt: skip
    assert len(exact) == 3
    check_convergence(nr.HodgkinHuxley(bias=bias), exact, 0.02, 4e-5, within=0.6e-3)


def test_hodgkin_huxley_rests_where_the_currents_cancel():
    # Without bias this neuron fires by itself at 14 Hz: E_L is 3 mV above the shift v_T.
    steps, v, m, h, n = run(nr.HodgkinHuxley(bias=-0.1e-9), 1200, 1e-4, "v", "m", "h", "n")
    assert not len(steps)
    for gate, (a, b) in zip((m, h, n), hh_rates(v[-1]).values(), strict=True):
        assert gate[-1] == pytest.approx(a / (a + b), rel=1e-3)
    assert hh_current(v[-1], m[-1], h[-1], n[-1], -0.1e-9) == pytest.approx(0.0, abs=1e-12)
    exact = solve_ivp(lambda t, y: hh_slope(y, 0.0), (0, 0.02), [-60e-3, 0, 0, 0], "LSODA",
                      events=lambda t, y: y[0] + 20e-3, rtol=1e-9, atol=1e-11)  # fmt: skip
    steps, *_ = run(nr.HodgkinHuxley(), 400, 5e-5)
    assert steps[0] * 5e-5 == pytest.approx(exact.t_events[0][0], abs=0.5e-3)


def test_hodgkin_huxley_conductances_pull_to_their_reversals():
    # Sodium and potassium off: the membrane is a conductance divider.
    model = nr.HodgkinHuxley(g_Na=0.0, g_K=0.0)
    _, v, g = run(model, 50, 5e-5, "v", "g_exc", arrivals=[10], weight=6e-9, port="exc")
    assert g[10] == 6e-9
    assert v[10] == v[9] == -60e-3
    total = 10e-9 + 6e-9
    rest = (10e-9 * -60e-3 + 6e-9 * 0.0) / total
    assert v[11] == pytest.approx(
        rest + (-60e-3 - rest) * math.exp(-total / 200e-12 * 5e-5), rel=1e-12
    )
    _, v = run(model, 12, 5e-5, "v", arrivals=[10], weight=67e-9, port="inh")
    assert v[11] < -60e-3

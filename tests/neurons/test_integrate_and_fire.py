"""Integrate-and-fire neurons against closed forms, step by step."""

import numpy as np
import pytest

import neuro as nr

DT = 1e-3


def trace(model, arrivals, *variables, steps=100, dt=DT, weight=1.0, port=None, units=1):
    """Spike steps, then variables after each step; one unit weight arrives at each given step."""
    net = nr.Network()
    given = np.asarray(arrivals, int) - 1
    src = net.population("src", nr.SpikeTimes(given, np.zeros(len(given), int)), 1)
    out = net.population("out", model, units)
    net.connect(src, out, weight, port=port)
    net.record(out)
    for v in variables:
        net.record(out, v)
    with nr.compile(net, dt=dt) as sim:
        rec = sim.run_steps(steps, False)
        return rec.spikes(out)[0], *(rec.trace(out, v)[:, 0] for v in variables)


# --- LIF ---------------------------------------------------------------------------------------


def test_leak_from_the_initial_value():
    _, v = trace(nr.LIF(tau_m=20e-3, v_rest=-0.065, v_init=-0.06, v_threshold=0.0), [], "v")
    t = np.arange(1, 101) * DT  # the value after step k is that at time (k + 1) dt
    np.testing.assert_allclose(v, -0.065 + 0.005 * np.exp(-t / 20e-3), rtol=1e-13)


def test_charging_by_a_bias():
    _, v = trace(nr.LIF(tau_m=20e-3, bias=0.8), [], "v")
    t = np.arange(1, 101) * DT
    np.testing.assert_allclose(v, 0.8 * (1 - np.exp(-t / 20e-3)), rtol=1e-12)


@pytest.mark.parametrize("dt", [1e-3, 0.5e-3])
@pytest.mark.parametrize("tau_s", [5e-3, 40e-3, 20e-3])
def test_psp_of_an_exponential_current(tau_s, dt):
    model = nr.LIF(tau_m=20e-3, synapses={"inp": nr.Exponential(tau_s)})
    _, v, current = trace(model, [10], "v", "I_inp", dt=dt, weight=0.7)
    t = (np.arange(100) - 10) * dt  # the arrival is taken up at the end of step 10
    on = t >= 0
    np.testing.assert_allclose(current, 0.7 * np.exp(-t / tau_s) * on, rtol=1e-12)
    if tau_s == 20e-3:
        psp = 0.7 * t / 20e-3 * np.exp(-t / 20e-3)
    else:
        psp = 0.7 * tau_s / (tau_s - 20e-3) * (np.exp(-t / tau_s) - np.exp(-t / 20e-3))
    np.testing.assert_allclose(v, psp * on, rtol=1e-12, atol=1e-16)
    assert v[10] == 0  # acts on the membrane from the next step on
    assert v[11] > 0


def test_psp_of_an_alpha_current():
    model = nr.LIF(tau_m=20e-3, synapses={"inp": nr.Alpha(5e-3)})
    _, v = trace(model, [10], "v", weight=0.5)
    t = (np.arange(100) - 10) * DT
    a, m = 1 / 5e-3, 1 / 20e-3
    psp = t * np.exp(-a * t) / (m - a) - (np.exp(-a * t) - np.exp(-m * t)) / (m - a) ** 2
    np.testing.assert_allclose(v, 0.5 * np.e * a * m * psp * (t >= 0), rtol=1e-11, atol=1e-15)


def test_superposition_of_currents_bias_and_delta():
    # Linear: the response to everything is the sum of the single responses.
    def model(bias):
        return nr.LIF(
            bias=bias,
            v_threshold=9.0,
            synapses={"e": nr.Exponential(5e-3), "a": nr.Alpha(3e-3), "d": nr.Delta()},
        )

    def run(drives, bias=0.0):
        net = nr.Network()
        out = net.population("out", model(bias), 1)
        for port, steps in drives.items():
            net.population(f"s{port}", nr.SpikeTimes(steps, [0] * len(steps)), 1)
            net.connect(f"s{port}", out, 0.3, port=port)
        net.record(out, "v")
        with nr.compile(net) as sim:
            return sim.run_steps(60, False).trace(out, "v")[:, 0]

    drives = {"e": [3, 20], "a": [7, 7 + 30], "d": [11]}
    together = run(drives, 0.4)
    parts = [run({port: [k]}) for port, steps in drives.items() for k in steps]
    np.testing.assert_allclose(together, sum(parts) + run({}, 0.4), rtol=1e-12)


def test_f_i_curve():
    # Exact integration puts a spike into the first step at whose end v has reached threshold, so
    # an interval is the analytic one rounded up to steps: at most one dt too long. With a
    # refractory period of R steps v is held for R - 1 of them (it moves in the step in which the
    # unit is free again), so the interval is one dt shorter than t_ref + the rounded charging.
    dt, tau, theta = 1e-5, 20e-3, 1.0
    b = np.array([1.0001, 1.05, 1.2, 1.5, 2.0, 2.5])  # 12 ms and longer to charge
    for t_ref in (0.0, 2e-3):
        net = nr.Network()
        out = net.population("out", nr.LIF(tau, theta, bias=b, t_ref=t_ref), len(b))
        net.record(out)
        with nr.compile(net, dt=dt) as sim:
            steps, units = sim.run_steps(45_000, False).spikes(out)
        charging = tau * np.log(b / (b - theta))
        for i in range(len(b)):
            intervals = np.diff(steps[units == i])
            assert len(intervals) >= 1
            rounded = np.ceil(charging[i] / dt - 1e-6) + (t_ref > 0) * (t_ref / dt - 1)
            assert np.all(intervals == rounded), i
            rate = 1 / (intervals.mean() * dt)
            analytic = 1 / (t_ref + charging[i])
            assert rate == pytest.approx(analytic, rel=1e-3)
            assert abs(1 / rate - 1 / analytic) <= dt * (1 + 1e-6)


def test_below_rheobase_there_is_no_spike():
    steps, v = trace(nr.LIF(bias=0.999999), [], "v", steps=2000)
    assert not len(steps)
    assert v[-1] == pytest.approx(0.999999, rel=1e-12)


@pytest.mark.parametrize(("comparison", "spikes"), [(">=", [5]), (">", [])])
def test_exactly_at_threshold(comparison, spikes):
    steps, *_ = trace(nr.LIF(comparison=comparison), [5])
    assert steps.tolist() == spikes


@pytest.mark.parametrize("make", [nr.LIF, nr.IF, nr.AdaptiveLIF])
def test_reset_by_subtraction_keeps_the_overshoot(make):
    kinds = {"value": 0.125, "subtract": 1.75 - (1.0 - 0.125)}
    for reset, left in kinds.items():
        model = make(v_threshold=1.0, v_reset=0.125, reset=reset)
        steps, v = trace(model, [3], "v", weight=1.75, steps=4)
        assert steps.tolist() == [3]
        assert v[3] == left


def test_refractory_period():
    # Strong input in every step; the next spike comes exactly t_ref later, v rests meanwhile and
    # what arrives then is lost.
    for t_ref, interval in ((0.0, 1), (1e-3, 1), (2e-3, 2), (5e-3, 5)):
        model = nr.LIF(v_reset=0.25, t_ref=t_ref)
        steps, v = trace(model, np.arange(1, 40), "v", weight=2.0, steps=40)
        assert steps.tolist() == list(range(1, 40, interval))
        assert np.all(v[1:] == 0.25)


def test_refractory_period_per_unit():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes(np.arange(30), np.zeros(30, int)), 1)
    out = net.population("out", nr.LIF(t_ref=[0.0, 3e-3, 7e-3]), 3)
    net.connect(src, out, 2.0)
    net.record(out)
    with nr.compile(net) as sim:
        steps, units = sim.run_steps(30, False).spikes(out)
    for unit, interval in enumerate((1, 3, 7)):
        assert steps[units == unit].tolist() == list(range(1, 30, interval))


# --- IF ----------------------------------------------------------------------------------------


def test_if_counts_its_input():
    steps, v = trace(nr.IF(reset="subtract"), np.arange(1, 60), "v", weight=0.375, steps=60)
    assert v[-1] + len(steps) == 59 * 0.375  # exact in binary: nothing is lost
    steps, *_ = trace(nr.IF(bias=0.3, tau=10e-3, v_threshold=0.15), [], steps=100)
    assert np.all(np.diff(steps) == 5)  # tau theta / b
    _, v = trace(nr.IF(bias=0.3, tau=10e-3, v_threshold=9.0), [], "v")
    np.testing.assert_allclose(v, 30 * np.arange(1, 101) * DT, rtol=1e-13)


def test_if_integrates_a_synaptic_current():
    model = nr.IF(tau=10e-3, v_threshold=9.0, synapses={"inp": nr.Exponential(5e-3)})
    _, v = trace(model, [10], "v", weight=0.4)
    t = np.maximum(0, np.arange(100) - 10) * DT
    np.testing.assert_allclose(v, 0.4 * 0.5 * (1 - np.exp(-t / 5e-3)), rtol=1e-12, atol=1e-16)


# --- adaptive threshold ------------------------------------------------------------------------


def test_adaptive_threshold_course():
    model = nr.AdaptiveLIF(20e-3, 50e-3, v_threshold=1.0, increment=0.3, bias=1.9, t_ref=2e-3)
    steps, v, a = trace(model, [], "v", "a", steps=400)
    assert len(steps) > 5
    k = np.arange(400)[:, None]
    since = np.where(k >= steps, (k - steps) * DT, np.inf)
    np.testing.assert_allclose(a, (0.3 * np.exp(-since / 50e-3)).sum(1), rtol=1e-11)
    assert np.all(np.diff(steps)[1:] >= np.diff(steps)[:-1])  # it slows down
    # A spike exactly where v reaches threshold + a, both as they are before the reset.
    free, charge, found = 0, 0.0, []
    for step in range(400):
        if step >= free:
            charge = 1.9 + (charge - 1.9) * np.exp(-DT / 20e-3)
            if charge >= 1 + sum(0.3 * np.exp(-(step - s) * DT / 50e-3) for s in found):
                found.append(step)
                free, charge = step + 2, 0.0
        assert v[step] == pytest.approx(charge, rel=1e-10, abs=1e-14)
    assert steps.tolist() == found


def test_adaptive_reset_by_subtraction_of_the_unadapted_threshold():
    model = nr.AdaptiveLIF(increment=0.5, reset="subtract", tau_m=1e9, tau_a=1e9)
    steps, v, a = trace(model, [1, 2, 3], "v", "a", weight=1.2, steps=4)
    assert steps.tolist() == [1, 3]  # 1.2 >= 1; 0.2 + 1.2 < 1.5; 2.6 >= 1.5
    np.testing.assert_allclose(v, [0, 0.2, 1.4, 1.6], atol=1e-9)
    np.testing.assert_allclose(a, [0, 0.5, 0.5, 1.0], atol=1e-9)


# --- resonate and fire -------------------------------------------------------------------------


def test_resonate_and_fire_is_a_complex_exponential():
    model = nr.ResonateAndFire(frequency=40.0, damping=-15.0, v_threshold=9.0)
    _, x, y = trace(model, [10], "x", "y", weight=0.6)
    t = (np.arange(100) - 10) * DT
    z = 0.6 * np.exp((-15 + 2j * np.pi * 40) * t) * (t >= 0)
    np.testing.assert_allclose(x, z.real, atol=1e-14)
    np.testing.assert_allclose(y, z.imag, atol=1e-14)
    assert y[11] > 0  # a positive input turns towards the threshold


def test_resonate_and_fire_spike_and_reset():
    model = nr.ResonateAndFire(40.0, -15.0, v_reset=0.25)
    steps, x, y = trace(model, [10], "x", "y", weight=1.3)
    t = np.arange(90) * DT
    predicted = 10 + np.flatnonzero((1.3 * np.exp((-15 + 2j * np.pi * 40) * t)).imag > 1)[0]
    assert steps.tolist() == [predicted]
    assert (x[predicted], y[predicted]) == (0.0, 0.25)
    after = 0.25j * np.exp((-15 + 2j * np.pi * 40) * t[: 100 - predicted])
    np.testing.assert_allclose(x[predicted:] + 1j * y[predicted:], after, atol=1e-14)


def test_resonate_and_fire_prefers_its_own_period():
    # Izhikevich 2001, fig. 4: a doublet at the period of the oscillation fires, half of it not.
    model = nr.ResonateAndFire(frequency=50.0, damping=-10.0)
    period = 20
    for interval, fires in ((period, True), (period // 2, False), (period + 5, False)):
        steps, *_ = trace(model, [5, 5 + interval], weight=0.7, steps=150)
        assert bool(len(steps)) == fires, interval


def test_resonate_and_fire_resets_to_the_threshold_of_the_paper():
    # z = i at the threshold y = 1: with the strict comparison it does not spike at once again.
    steps, *_ = trace(nr.ResonateAndFire(v_reset=1.0), [5], weight=2.0, steps=200)
    assert len(steps) == 1

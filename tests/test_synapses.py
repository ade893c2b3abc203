"""Courses of synapses against their formulas, conductances against limits and a fine solver."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import neuro as nr

TAU, RISE = 5e-3, 2e-3


def double(t, rise, decay):
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    scale = 1 / (np.exp(-peak / decay) - np.exp(-peak / rise))
    return scale * (np.exp(-t / decay) - np.exp(-t / rise))


#: Synapse, and its course for weight 1.
COURSES = {
    "exponential": (nr.Exponential(TAU), lambda t: np.exp(-t / TAU)),
    "alpha": (nr.Alpha(TAU), lambda t: t / TAU * np.exp(1 - t / TAU)),
    "double": (nr.DoubleExponential(RISE, TAU), lambda t: double(t, RISE, TAU)),
}


def current(record, port, synapse, symbol="I"):
    """The current (or conductance) of a port as the neuron sees it."""
    if isinstance(synapse, nr.DoubleExponential):
        return record("fall_" + port) - record("rise_" + port)
    return record(f"{symbol}_{port}")


def simulate(model, arrivals, weight, steps, dt, size=1, port=None):
    """One unit weight arrives at each given step; returns a function that gives traces."""
    net = nr.Network()
    given = np.asarray(arrivals, int) - 1
    src = net.population("src", nr.SpikeTimes(given, np.zeros(len(given), int)), 1)
    out = net.population("out", model, size)
    net.connect(src, out, weight, port=port)
    for v in model.variables:
        net.record(out, v)
    with nr.compile(net, dt=dt) as sim:
        rec = sim.run_steps(steps, False)
    return lambda v: rec.trace(out, v)


@pytest.mark.parametrize("dt", [1e-3, 0.25e-3])
@pytest.mark.parametrize("name", COURSES)
def test_impulse_response(name, dt):
    synapse, course = COURSES[name]
    model = nr.LIF(v_threshold=1e9, synapses={"p": synapse})
    record = simulate(model, [7], 0.3, 120, dt)
    t = (np.arange(120) - 7) * dt
    expected = np.where(t >= 0, 0.3 * course(np.maximum(t, 0)), 0)
    np.testing.assert_allclose(current(record, "p", synapse)[:, 0], expected, atol=1e-14)


@pytest.mark.parametrize("name", COURSES)
def test_arrivals_add_up(name):
    synapse, course = COURSES[name]
    model = nr.LIF(v_threshold=1e9, synapses={"p": synapse})
    arrivals = [3, 4, 9, 30]
    record = simulate(model, arrivals, -0.2, 80, 1e-3)
    t = (np.arange(80)[:, None] - arrivals) * 1e-3
    expected = np.where(t >= 0, -0.2 * course(np.maximum(t, 0)), 0).sum(1)
    np.testing.assert_allclose(current(record, "p", synapse)[:, 0], expected, atol=1e-14)


def test_peaks():
    # Alpha: w after tau. Double exponential, decay = 2 rise: w after 2 rise ln 2.
    record = simulate(nr.LIF(synapses={"p": nr.Alpha(5e-3)}), [0 + 1], 0.7, 60, 1e-3)
    course = record("I_p")[1:, 0]
    assert course.argmax() == 5
    assert course[5] == pytest.approx(0.7, rel=1e-13)
    dt = 2 * 4e-3 * np.log(2) / 40
    synapse = nr.DoubleExponential(4e-3, 8e-3)
    record = simulate(nr.LIF(synapses={"p": synapse}), [1], 0.7, 120, dt)
    course = current(record, "p", synapse)[1:, 0]
    assert course.argmax() == 40
    assert course[40] == pytest.approx(0.7, rel=1e-13)
    assert course[0] == 0


@pytest.mark.parametrize("name", COURSES)
def test_charge(name):
    # A leakless neuron integrates the whole course exactly, whatever dt.
    synapse, course = COURSES[name]
    fine = np.arange(0, 0.2, 1e-6)
    charge = np.trapezoid(course(fine), fine)
    for dt in (1e-3, 4e-3):
        model = nr.IF(v_threshold=1e9, tau=10e-3, synapses={"p": synapse})
        v = simulate(model, [2], 0.4, round(0.2 / dt), dt)("v")[-1, 0]
        assert v == pytest.approx(0.4 * charge / 10e-3, rel=1e-7)


def test_a_double_exponential_of_nearly_equal_times_is_an_alpha():
    records = []
    for synapse in (nr.DoubleExponential(5e-3, 5.001e-3), nr.Alpha(5.0005e-3)):
        model = nr.LIF(v_threshold=1e9, synapses={"p": synapse})
        records.append(simulate(model, [2], 1.0, 60, 1e-3)("v"))
    np.testing.assert_allclose(*records, atol=1e-6)


def test_time_constants_per_unit():
    tau = np.array([2e-3, 5e-3, 20e-3])  # the last equals the membrane's
    model = nr.LIF(tau_m=20e-3, v_threshold=1e9, synapses={"p": nr.Exponential(tau)})
    v = simulate(model, [0 + 1], 0.5, 40, 1e-3, size=3)("v")
    t = np.maximum(0, np.arange(40) - 1)[:, None] * 1e-3
    with np.errstate(all="ignore"):
        psp = 0.5 * tau / (tau - 20e-3) * (np.exp(-t / tau) - np.exp(-t / 20e-3))
    psp[:, 2] = 0.5 * t[:, 0] / 20e-3 * np.exp(-t[:, 0] / 20e-3)
    np.testing.assert_allclose(v, psp, rtol=1e-11, atol=1e-15)


def test_ports_do_not_mix():
    synapses = {"e": nr.Exponential(5e-3), "i": nr.Exponential(10e-3), "d": nr.Delta()}
    model = nr.LIF(v_threshold=1e9, synapses=synapses)
    record = simulate(model, [3], 0.3, 10, 1e-3, port="i")
    assert not record("I_e").any()
    assert record("I_i")[3, 0] == 0.3
    assert record("v")[3, 0] == 0
    record = simulate(model, [3], 0.3, 10, 1e-3, port="d")
    assert not record("I_i").any()
    assert record("v")[3, 0] == 0.3


# --- conductances ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COURSES)
def test_small_conductances_are_currents(name):
    # For w -> 0 the driving force stays E - v_rest: what remains is the step of exponential
    # Euler, which sees g as it was at the start of the step (1 % for dt = tau / 50).
    synapse, _ = COURSES[name]
    linear = nr.LIF(v_threshold=1e9, synapses={"p": synapse})
    psp = simulate(linear, [2], 0.07, 160, 1e-4)("v")[:, 0]
    conductance = nr.Conductance(synapse, reversal=0.0)
    model = nr.LIF(v_rest=-0.07, v_threshold=1e9, synapses={"p": conductance})
    weak, weaker = (
        (simulate(model, [2], w, 160, 1e-4)("v")[:, 0] + 0.07) / w for w in (1e-3, 1e-4)
    )
    assert np.abs(weaker - psp).max() < 0.012 * psp.max()
    assert 0 < np.abs(weak - weaker).max() < 1e-3 * psp.max()


@pytest.mark.parametrize("name", COURSES)
def test_conductance_follows_its_course_and_equation(name):
    synapse, course = COURSES[name]
    model = nr.LIF(
        tau_m=20e-3,
        v_rest=-0.07,
        v_threshold=1e9,
        synapses={"p": nr.Conductance(synapse, reversal=0.01)},
    )
    errors = []
    exact = solve_ivp(
        lambda t, v: (-0.07 - v + 3.0 * course(t) * (0.01 - v)) / 20e-3,
        (0, 20e-3),
        [-0.07],
        rtol=1e-10,
        atol=1e-13,
    ).y[0, -1]
    for dt in (1e-4, 0.5e-4):
        record = simulate(model, [1], 3.0, round(20e-3 / dt) + 2, dt)
        t = np.arange(round(20e-3 / dt) + 1) * dt
        np.testing.assert_allclose(
            current(record, "p", synapse, "g")[1:, 0], 3.0 * course(t), atol=1e-13
        )
        errors.append(abs(record("v")[-1, 0] - exact))
    assert errors[1] < 2e-4
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)  # first order


def test_a_step_with_conductances_is_exact_for_frozen_conductances():
    synapses = {"e": nr.Conductance(nr.Exponential(5e-3), 0.0), "i": nr.Conductance(
        nr.Exponential(10e-3), -0.08)}  # fmt: skip
    net = nr.Network()
    out = net.population("out", nr.LIF(v_rest=-0.06, v_threshold=1e9, synapses=synapses), 1)
    src = net.population("src", nr.SpikeTimes([2, 2, 8], [0, 1, 0]), 2)
    net.connect(src, out, [[2.0], [0.0]], port="e")
    net.connect(src, out, [[0.0], [3.0]], port="i", name="inh")
    net.record(out, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(20, False).trace(out, "v")[:, 0]
    x, e, i = -0.06, 0.0, 0.0
    for k in range(20):
        total = 1 + e + i
        rest = (-0.06 + 0.0 * e - 0.08 * i) / total
        x = rest + (x - rest) * np.exp(-total * 1e-3 / 20e-3)
        e = e * np.exp(-1 / 5) + 2.0 * (k in (3, 9))
        i = i * np.exp(-1 / 10) + 3.0 * (k == 3)
        assert v[k] == pytest.approx(x, rel=1e-12)


def test_a_huge_conductance_clamps_to_its_reversal():
    model = nr.LIF(v_threshold=1e9, synapses={"p": nr.Conductance(nr.Exponential(1.0), 0.25)})
    v = simulate(model, [1], 1e6, 5, 1e-3)("v")[:, 0]
    assert v[2:] == pytest.approx(0.25, rel=1e-5)


def test_reversals_per_unit():
    reversal = np.array([0.0, -0.08])
    model = nr.LIF(v_rest=-0.06, v_threshold=1e9,
                   synapses={"p": nr.Conductance(nr.Exponential(5e-3), reversal)})  # fmt: skip
    v = simulate(model, [1], 1.0, 4, 1e-3, size=2)("v")
    assert v[2, 0] > -0.06 > v[2, 1]


def test_a_conductance_does_not_stop_what_else_drives_the_membrane():
    # Long after the arrival g is 1e-20 and more; the bias must go on charging.
    model = nr.IF(bias=0.1, v_threshold=1e9,
                  synapses={"p": nr.Conductance(nr.Exponential(5e-3), 0.07)})  # fmt: skip
    v = simulate(model, [1], 1.0, 800, 1e-3)("v")[:, 0]
    np.testing.assert_allclose(np.diff(v)[250:], 1e-4, rtol=1e-9)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nr.Exponential(0.0), "tau of Exponential is 0.*must be > 0"),
        (lambda: nr.Alpha(-1e-3), "tau of Alpha is -0.001"),
        (lambda: nr.DoubleExponential(5e-3, 5e-3), "tau_rise 0.005.*below tau_decay.*Alpha"),
        (lambda: nr.DoubleExponential(6e-3, 5e-3), "tau_rise 0.006"),
        (lambda: nr.DoubleExponential([1e-3, 2e-3], 5e-3), "tau_rise.*has 2 values"),
        (lambda: nr.Conductance(nr.Delta(), 0.0), r"course of Conductance is Delta\(\)"),
        (lambda: nr.Conductance(5e-3, 0.0), "course of Conductance is 0.005"),
        (lambda: nr.Conductance(nr.Alpha(), np.nan), "reversal of Conductance.*finite"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(nr.DescriptionError, match=message):
        make()


def test_per_unit_values_must_have_the_size_of_the_population():
    net = nr.Network()
    model = nr.LIF(synapses={"p": nr.Exponential([1e-3, 2e-3])})
    with pytest.raises(nr.DescriptionError, match=r"tau_p of population 'out'.*\(2,\).*\(3,\)"):
        net.population("out", model, 3)


def test_weights_take_the_unit_of_the_port():
    from brian2 import mV, nS, pA

    net = nr.Network()
    src = net.population("src", nr.Poisson(10.0), 2)
    out = net.population(
        "out",
        nr.AdEx(synapses={"d": nr.Delta(), "i": nr.Exponential(),
                          "g": nr.Conductance(nr.Alpha(), 0.0)}),
        2,
    )  # fmt: skip
    units = {"d": mV, "i": pA, "g": nS}
    for port in units:
        for other, unit in units.items():
            if port == other:
                net.connect(src, out, 2 * unit, port=port, name=f"to_{port}")
            else:
                with pytest.raises(nr.UnitError, match="weights of projection 'x' are in"):
                    net.connect(src, out, 2 * unit, port=port, name="x")

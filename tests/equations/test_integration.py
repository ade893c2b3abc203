"""Integration against closed forms and a fine numerical solution."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import exprel

from neuro.equations.evaluation import evaluate
from neuro.equations.expression import Call, children
from neuro.equations.integration import integrate
from neuro.equations.statements import parse_derivatives
from neuro.errors import CompileError

DT = 1e-3


def advance(step, state, others, count=1):
    values = {**others, **step.coefficients, **state}
    for _ in range(count):
        for s in step.statements:
            values[s.target] = evaluate(s.expression, values)
    return {k: values[k] for k in state}


def test_leak_is_exact():
    eqs = parse_derivatives("dv/dt = (v_rest - v) / tau : volt", "m")
    constants = {"v_rest": -0.07, "tau": 0.02}
    step = integrate(eqs, constants, DT, "m")
    assert step.method == "exact"
    v = advance(step, {"v": -0.05}, constants, 37)["v"]
    assert v == pytest.approx(-0.07 + 0.02 * np.exp(-37 * DT / 0.02), rel=1e-13)


def test_no_leak_and_growth():
    step = integrate(parse_derivatives("dv/dt = drive : volt", "m"), {"drive": 2.0}, DT, "m")
    assert advance(step, {"v": 1.0}, {"drive": 2.0}, 10)["v"] == pytest.approx(1.02)
    step = integrate(parse_derivatives("dv/dt = v * k + 1 : 1", "m"), {"k": 5.0}, DT, "m")
    expected = (1 + 1 / 5) * np.exp(5 * 0.1) - 1 / 5
    assert advance(step, {"v": 1.0}, {"k": 5.0}, 100)["v"] == pytest.approx(expected, rel=1e-12)


def test_coupled_linear_system_per_unit():
    eqs = parse_derivatives("dv/dt = (g - v) / tau : volt\ndg/dt = -g / tau_s : volt", "m")
    tau_s = np.array([5e-3, 20e-3, 10e-3])  # one equal to tau: no division by their difference
    constants = {"tau": 20e-3, "tau_s": tau_s}
    step = integrate(eqs, constants, DT, "m")
    assert step.method == "exact"
    got = advance(step, {"v": np.zeros(3), "g": np.ones(3)}, constants, 50)
    for i, ts in enumerate(tau_s):
        a = np.array([[-1 / 20e-3, 1 / 20e-3], [0, -1 / ts]])
        v, g = expm(a * 50 * DT) @ [0.0, 1.0]
        assert got["v"][i] == pytest.approx(v, rel=1e-11)
        assert got["g"][i] == pytest.approx(g, rel=1e-11)


def test_input_held_over_the_step():
    eqs = parse_derivatives("dv/dt = (current * r - v) / tau : volt", "m")
    constants = {"r": 3.0, "tau": 20e-3}
    step = integrate(eqs, constants, DT, "m")
    assert step.method == "exact"
    v = advance(step, {"v": 0.0}, {**constants, "current": 0.5}, 20)["v"]
    assert v == pytest.approx(1.5 * (1 - np.exp(-1.0)), rel=1e-12)


def test_exponential_euler_for_gating_and_euler_for_the_rest():
    text = "dm/dt = a * exp(v) * (1 - m) - b * m : 1\ndv/dt = v * v - m : 1"
    constants = {"a": 2.0, "b": 3.0}
    eqs = parse_derivatives(text, "m")
    step = integrate(eqs, constants, 1e-4, "m")
    assert step.method == "exponential Euler (m); Euler (v)"
    got = advance(step, {"m": 0.1, "v": -0.5}, constants, 5000)

    def f(t, y):
        m, v = y
        return [2 * np.exp(v) * (1 - m) - 3 * m, v * v - m]

    exact = solve_ivp(f, (0, 0.5), [0.1, -0.5], rtol=1e-10, atol=1e-12).y[:, -1]
    assert [got["m"], got["v"]] == pytest.approx(exact, rel=2e-4)


def test_variables_advance_from_their_old_values():
    # A rotation: with sequential (Gauss-Seidel) updates x*x + y*y would not grow as Euler's does.
    eqs = parse_derivatives("dx/dt = -y : 1\ndy/dt = x : 1", "m")
    step = integrate(eqs, {}, 0.1, "m", "Euler")
    got = advance(step, {"x": 1.0, "y": 0.0}, {})
    assert got == {"x": 1.0, "y": 0.1}
    exact = advance(integrate(eqs, {}, 0.1, "m"), {"x": 1.0, "y": 0.0}, {}, 7)
    assert [exact["x"], exact["y"]] == pytest.approx([np.cos(0.7), np.sin(0.7)], rel=1e-12)


def test_methods_that_do_not_apply_are_refused():
    eqs = parse_derivatives("dv/dt = v * v : 1", "m")
    with pytest.raises(CompileError, match="not linear"):
        integrate(eqs, {}, DT, "m", "exact")
    with pytest.raises(CompileError, match="not affine"):
        integrate(eqs, {}, DT, "m", "exponential Euler")
    with pytest.raises(CompileError, match="unknown integrator"):
        integrate(eqs, {}, DT, "m", "rk4")


def test_conditions_fall_back_to_euler():
    eqs = parse_derivatives("dv/dt = where(v > 1, -1, 1) : 1", "m")
    assert integrate(eqs, {}, DT, "m").method == "Euler"


def test_gate_with_rates_that_sympy_does_not_know():
    # Potassium gate of Hodgkin and Huxley (1952); v is held, so each step is exact.
    text = "dn/dt = 0.1 / exprel((10 - v) / 10) * (1 - n) - where(v > 0, 0.125, 0.2) * n : 1"
    step = integrate(parse_derivatives(text, "m"), {}, 0.5, "m")
    assert step.method == "exponential Euler"
    v = np.array([-20.0, 0.0, 10.0 - 1e-9, 10.0, 30.0, 100.0])  # 10: (10 - v) / (e^... - 1) is 0/0
    z = np.where(v == 10, 1.0, (10 - v) / 10)
    alpha = np.where(v == 10, 0.1, 0.1 * z / np.expm1(z))
    beta = np.where(v > 0, 0.125, 0.2)
    limit = alpha / (alpha + beta)
    expected = limit + (0.3 - limit) * np.exp(-(alpha + beta) * 0.5 * 7)
    found = advance(step, {"n": 0.3}, {"v": v}, 7)["n"]
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_unknown_functions_of_constants_and_of_the_variable():
    eqs = parse_derivatives("dv/dt = max(u, 0) - abs(k) * v : 1", "m")
    step = integrate(eqs, {"k": -20.0}, DT, "m")
    assert step.method == "exact"
    v = advance(step, {"v": 1.0}, {"u": 3.0, "k": -20.0}, 10)["v"]
    assert v == pytest.approx(0.15 + 0.85 * np.exp(-0.2), rel=1e-13)
    for text in ("-abs(v)", "-exprel(2 * v)", "k - v % 3", "-max(v, k) * v"):
        eqs = parse_derivatives(f"dv/dt = {text} : 1", "m")
        assert integrate(eqs, {"k": 1.0}, DT, "m").method == "Euler"


def test_a_drive_is_not_lost_where_the_rate_is_almost_zero():
    # A conductance that has decayed to 1e-17: e^(a dt) rounds to 1, and (e^(a dt) - 1) / a to 0.
    eqs = parse_derivatives("dv/dt = drive - g * v : 1", "m")
    step = integrate(eqs, {"drive": 2.0}, DT, "m")
    assert step.method == "exponential Euler"
    for g in (0.0, 1e-300, 1e-17, 1e-13, 1e-9, 1.0):
        v = advance(step, {"v": 0.5}, {"drive": 2.0, "g": g}, 100)["v"]
        a = -g * 0.1
        assert v == pytest.approx(0.5 * np.exp(a) + 0.2 * exprel(a), rel=1e-13), g


def test_the_largest_closed_linear_part_is_exact():
    # x, y are linear among themselves; z reads them, w reads z: neither may spoil x and y.
    text = "dz/dt = x * z : 1\ndx/dt = -3 * y + u : 1\ndy/dt = 3 * x - y : 1\ndw/dt = z - w : 1"
    eqs = parse_derivatives(text, "m")
    step = integrate(eqs, {}, 0.1, "m")
    assert step.method == "exact (x, y); exponential Euler (z, w)"
    got = advance(step, {"x": 1.0, "y": 0.5, "z": 0.3, "w": 0.2}, {"u": 0.7}, 5)
    a = np.array([[0, -3, 0.7], [3, -1, 0], [0, 0, 0]])
    x, y, _ = expm(a * 0.5) @ [1.0, 0.5, 1.0]
    assert [got["x"], got["y"]] == pytest.approx([x, y], rel=1e-13)
    # z and w read the others as they were at the beginning of each step.
    state, z, w = np.array([1.0, 0.5, 1.0]), 0.3, 0.2
    for _ in range(5):
        w = w * np.exp(-0.1) + z * (1 - np.exp(-0.1))
        z *= np.exp(state[0] * 0.1)
        state = expm(a * 0.1) @ state
    assert [got["z"], got["w"]] == pytest.approx([z, w], rel=1e-13)


def test_a_declared_variable_is_held_over_the_step():
    eqs = parse_derivatives("drive : volt\ndv/dt = (drive - v) / tau : volt", "m")
    step = integrate(eqs, {"tau": 20e-3}, DT, "m")
    assert step.method == "exact"
    assert [s.target for s in step.statements] == ["v"]
    v = advance(step, {"v": 1.0}, {"drive": 3.0, "tau": 20e-3}, 20)["v"]
    assert v == pytest.approx(3 - 2 * np.exp(-1), rel=1e-13)
    assert integrate(parse_derivatives("y : 1", "m"), {}, DT, "m").method == "no equations"


def test_a_unit_whose_pole_is_zero_among_others():
    # One unit without leak between two with: no division by its rate.
    eqs = parse_derivatives("dv/dt = k * v + drive : 1", "m")
    k = np.array([-50.0, 0.0, 20.0])
    step = integrate(eqs, {"k": k, "drive": 2.0}, DT, "m")
    got = advance(step, {"v": np.ones(3)}, {}, 100)["v"]
    np.testing.assert_allclose(got, np.exp(k * 0.1) + 0.2 * exprel(k * 0.1), rtol=1e-13)


def test_order_of_convergence():
    # Exponential Euler is of first order: halving dt halves the error of a coupled system.
    eqs = parse_derivatives("dv/dt = -m * v : 1\ndm/dt = (1 - m) * v : 1", "m")
    exact = solve_ivp(lambda t, y: [-y[1] * y[0], (1 - y[1]) * y[0]], (0, 1), [1.0, 0.2],
                      rtol=1e-12, atol=1e-12).y[:, -1]  # fmt: skip
    errors = []
    for n in (100, 200, 400):
        got = advance(integrate(eqs, {}, 1 / n, "m"), {"v": 1.0, "m": 0.2}, {}, n)
        errors.append(abs(got["v"] - exact[0]))
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.03)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    "text",
    [
        "-(g * v - h) + c",
        "c - (h - g * v) * 2 / k",
        "g * -(v - h) / k + c * v",
        "(g - v) * (h + k) - c",
        "h + v * g - (c - v) / k",
        "2 * (3 * (v * g + h)) - -v * exp(g)",
    ],
)
def test_coefficients_of_an_affine_equation(text):
    # Against a and b measured from the right-hand side itself: f(0), and f(1) - f(0).
    eqs = parse_derivatives(f"dv/dt = {text} : 1", "m")
    values = {"g": 0.7, "h": -1.3, "c": 0.4}  # inputs, so that nothing is constant but k
    step = integrate(eqs, {"k": 5.0}, 0.1, "m", "exponential Euler")
    f = [evaluate(eqs[0].expression, {**values, "k": 5.0, "v": v}) for v in (0.0, 1.0)]
    a, b = f[1] - f[0], f[0]
    expected = 0.8 * np.exp(a * 0.1) + b * 0.1 * exprel(a * 0.1)
    got = advance(step, {"v": 0.8}, {**values, "k": 5.0})["v"]
    assert got == pytest.approx(expected, rel=1e-13)


def calls(step):
    return sum(
        isinstance(part, Call)
        for s in step.statements
        for part in walk(s.expression)
    )


def walk(expression):
    yield expression
    for child in children(expression):
        yield from walk(child)


def test_a_rate_that_occurs_twice_is_computed_once():
    # alpha stands in slope and rest of m, and its exponential once more in n; exprel is the step's.
    text = (
        "dm/dt = exp(v) / (1 + exp(exp(v))) * (1 - m) - m : 1\n"
        "dn/dt = exp(v) * (1 - n) - exp(-v) * n : 1"
    )
    step = integrate(parse_derivatives(text, "m"), {}, 0.1, "m")
    assert calls(step) == 3 + 2  # exp(v), exp(exp(v)), exp(-v); exprel of m and n
    got = advance(step, {"m": 0.3, "n": 0.2}, {"v": 0.4})
    e = np.exp(0.4)
    for name, alpha, beta, start in (
        ("m", e / (1 + np.exp(e)), 1.0, 0.3),
        ("n", e, np.exp(-0.4), 0.2),
    ):
        limit = alpha / (alpha + beta)
        expected = limit + (start - limit) * np.exp(-(alpha + beta) * 0.1)
        assert got[name] == pytest.approx(expected, rel=1e-14)

"""Random numbers in models: the numbers themselves, noise against closed forms, and refusals."""

import numpy as np
import pytest

import neuro as nr
from neuro.errors import CompileError, EquationError, UnitError
from neuro.lowering.draws import GENERATORS

TAU, SIGMA = 20e-3, 0.5


def program(model, size=4, precision="float64", seed=3):
    net = nr.Network("n", seed=seed)
    net.population("cells", model, size)
    return nr.lower(net, 1e-3, precision)


def traces(model, names, size=400, steps=400, dt=1e-3, seed=3, **options):
    net = nr.Network("n", seed=seed)
    cells = net.population("cells", model, size)
    for name in names:
        net.record(cells, name)
    with nr.compile(net, dt=dt, **options) as sim:
        recording = sim.run_steps(steps, False)
    return [recording.trace("cells", name) for name in names]


def uniform():
    return nr.NeuronModel("a : 1\nb : 1", after="a = rand(); b = rand()", name="uniform")


def wichmann_hill(states, draws):
    """Algorithm AS 183 in whole numbers."""
    found = []
    for _ in range(draws):
        states = [
            state * factor % modulus
            for state, factor, modulus in zip(
                states, (171, 172, 170), (30269, 30307, 30323), strict=True
            )
        ]
        found.append((states[0] / 30269 + states[1] / 30307 + states[2] / 30323) % 1.0)
    return np.array(found)


def test_numbers_are_those_of_as_183():
    arrays = program(uniform()).arrays
    a, b = traces(uniform(), "ab", size=4, steps=300)
    for unit in range(4):
        states = [int(arrays[f"cells.random_{k}"].initial[unit]) for k in (1, 2, 3)]
        expected = wichmann_hill(states, 600)
        np.testing.assert_allclose(a[:, unit], expected[::2], atol=1e-15)
        np.testing.assert_allclose(b[:, unit], expected[1::2], atol=1e-15)


@pytest.mark.parametrize(("factor", "modulus"), GENERATORS)
def test_states_advance_exactly_in_single_precision(factor, modulus):
    states = np.arange(1, modulus, dtype=np.float32)
    product = np.float32(factor) * states
    rest = product - np.float32(modulus) * np.floor(product / np.float32(modulus))
    assert rest.dtype == np.float32
    assert np.array_equal(rest, np.arange(1, int(modulus)) * int(factor) % int(modulus))


def test_uniform_numbers():
    a, b = traces(uniform(), "ab")
    for x in (a, b):
        assert x.min() >= 0
        assert x.max() < 1
        assert x.mean() == pytest.approx(0.5, abs=4 / np.sqrt(12 * x.size))
        assert x.var() == pytest.approx(1 / 12, rel=0.02)
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(a[1:].ravel(), a[:-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(a[:, 1:].ravel(), a[:, :-1].ravel())[0, 1]) < 0.01


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_normal_numbers(precision):
    model = nr.NeuronModel("x : 1", after="x = randn()", name="normal")
    (x,) = traces(model, "x", precision=precision)
    assert x.mean() == pytest.approx(0.0, abs=4 / np.sqrt(x.size))
    assert x.var() == pytest.approx(1.0, rel=0.015)
    assert (x**4).mean() == pytest.approx(3.0, rel=0.05)
    assert np.mean(np.abs(x) > 1.96) == pytest.approx(0.05, abs=0.003)
    assert np.isfinite(x).all()


def ornstein_uhlenbeck(integrator="auto"):
    return nr.NeuronModel(
        "dv/dt = -v / tau + sigma * sqrt(2 / tau) * xi : volt",
        parameters={"tau": (TAU, "second"), "sigma": (SIGMA, "volt")},
        integrator=integrator,
        name="ou",
    )


@pytest.mark.parametrize(
    ("integrator", "dt"), [("auto", 1e-3), ("auto", 20e-3), ("Euler", 1e-3), ("Euler", 10e-3)]
)
def test_an_ornstein_uhlenbeck_process_has_its_closed_form(integrator, dt):
    (v,) = traces(ornstein_uhlenbeck(integrator), "v", size=3000, steps=300, dt=dt)
    v = v[int(8 * TAU / dt) :]
    h = dt / TAU
    exact = integrator == "auto"
    keep = np.exp(-h) if exact else 1 - h
    variance = SIGMA**2 * (np.tanh(h / 2) / (h / 2) if exact else 1 / (1 - h / 2))
    assert v.var() == pytest.approx(variance, rel=0.03)
    lag = np.mean(v[1:] * v[:-1]) / np.mean(v * v)
    assert lag == pytest.approx(keep, abs=0.02)


def test_one_noise_is_shared_by_equations_and_two_are_not():
    model = nr.NeuronModel(
        "da/dt = xi / sqrt(tau) : 1\ndb/dt = 2 * xi / sqrt(tau) : 1\n"
        "dc/dt = xi_other / sqrt(tau) : 1",
        parameters={"tau": (1.0, "second")},
    )
    a, b, c = traces(model, "abc")
    np.testing.assert_allclose(b, 2 * a, rtol=1e-9)
    assert abs(np.corrcoef(np.diff(a, axis=0).ravel(), np.diff(c, axis=0).ravel())[0, 1]) < 0.01
    assert a[-1].var() == pytest.approx(0.4, rel=0.2)  # variance t / tau


def test_a_threshold_that_draws_spikes_as_often_as_it_says():
    model = nr.NeuronModel(
        threshold="rand() < p", parameters={"p": np.array([0.0, 0.02, 0.5, 1.0])}
    )
    net = nr.Network("n", seed=1)
    net.record(net.population("cells", model, 4))
    with nr.compile(net, dt=1e-3) as sim:
        units = sim.run_steps(20_000, False).spikes("cells")[1]
    counts = np.bincount(units, minlength=4) / 20_000
    assert counts[0] == 0
    assert counts[3] == 1
    np.testing.assert_allclose(counts[1:3], [0.02, 0.5], rtol=0.12)


def test_seed_and_name_choose_the_numbers():
    first, again = program(uniform()).arrays, program(uniform()).arrays
    other = program(uniform(), seed=4).arrays
    name = "cells.random_1"
    assert np.array_equal(first[name].initial, again[name].initial)
    assert not np.array_equal(first[name].initial, other[name].initial)
    assert not np.array_equal(first[name].initial, first["cells.random_2"].initial)


def test_items_of_a_batch_draw_their_own_numbers():
    (alone,) = traces(uniform(), "a", size=5, steps=4)
    (items,) = traces(uniform(), "a", size=5, steps=4, backend="torch", batch=3)
    assert np.array_equal(items[0], alone)
    assert not (items[1] == items[0]).any()
    assert not (items[1] == items[2]).any()


def test_a_checkpoint_holds_the_generators():
    net = nr.Network("n", seed=1)
    net.record(net.population("cells", uniform(), 3), "a")
    with nr.compile(net, dt=1e-3) as sim:
        sim.run_steps(5, False)
        saved = sim.state()
        expected = sim.run_steps(5, False).trace("cells", "a")
    with nr.compile(net, dt=1e-3) as sim:
        sim.restore(saved)
        assert np.array_equal(sim.run_steps(5, False).trace("cells", "a"), expected)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"equations": "dv/dt = rand() / tau : 1"}, EquationError, "in its equations write xi"),
        ({"equations": "v : 1", "after": "v = rand(3)"}, EquationError, "takes 0 argument"),
        ({"equations": "v : 1", "after": "v = xi"}, EquationError, "unknown name 'xi'"),
        ({"equations": "dv/dt = xi / tau : 1"}, UnitError, "dv/dt is in"),
        ({"equations": "dv/dt = v * xi / sqrt(tau) : 1"}, EquationError, "depends on 'v'"),
        ({"equations": "dv/dt = xi * xi_2 : 1"}, EquationError, "depends on 'xi_2'"),
        ({"equations": "dv/dt = abs(xi) / sqrt(tau) : 1"}, EquationError, "can be added only"),
        ({"equations": "xi : 1"}, EquationError, "'xi' is reserved"),
        ({"equations": "randn : 1"}, EquationError, "'randn' is reserved"),
    ],
)
def test_what_cannot_be_random_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        nr.NeuronModel(parameters={"tau": (1e-2, "second")}, **arguments)


def test_rules_do_not_draw():
    with pytest.raises(EquationError, match=r"rand\(\) in 'rand\(\) \* x'"):
        nr.PlasticityRule(pre_traces="dx/dt = -x : 1", on_pre="w += rand() * x")


def test_a_name_that_the_numbers_need_is_refused():
    model = nr.NeuronModel("random_1 : 1", after="random_1 = rand()", name="odd")
    with pytest.raises(CompileError, match="random numbers of odd are kept as 'random_1'"):
        program(model)


def test_normal_numbers_are_finite_where_a_uniform_one_rounds_to_zero(monkeypatch):
    """Logarithm of 1 - u, not of u: in single precision some sums of fractions are whole."""
    draw = np.random.default_rng(0)
    factors, moduli = (171, 172, 170), (30269, 30307, 30323)
    x, y = (draw.integers(1, p, 2000) for p in moduli[:2])
    z = np.rint((2 - x / moduli[0] - y / moduli[1]) % 1 * moduli[2]).astype(int)
    before = [
        values * pow(factor, -1, p) % p
        for values, factor, p in zip((x, y, z), factors, moduli, strict=True)
    ]
    monkeypatch.setattr(
        "neuro.lowering.draws._Seeds.__call__", lambda self, _: before[self.number - 1]
    )
    first, normal = (
        traces(nr.NeuronModel("a : 1", after=text), "a", 2000, 1, precision="float32")[0]
        for text in ("a = rand()", "a = randn()")
    )
    assert (first == 0).any()
    assert np.isfinite(normal).all()

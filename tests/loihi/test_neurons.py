"""nr.loihi.LIF against the formula in plain integers."""

from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro.loihi.numbers import SIGN_MODES

from . import formula

STEPS, INPUTS, UNITS = 60, 14, 11


def random_network(rng):
    """Parameters of a network: any decays, exponents, bits and signs; weights at the limits."""

    def weights(pre):
        bits, mode = rng.integers(1, 9), rng.choice(SIGN_MODES)
        w = rng.integers(-300, 301, (pre, UNITS))
        w[rng.random(w.shape) < 0.2] = rng.choice([-300, 300])
        return formula.representable(w, bits, mode), int(rng.integers(-4, 5))

    per_unit = rng.random() < 0.5

    def draw(low, high):
        return rng.integers(low, high, UNITS) if per_unit else np.int64(rng.integers(low, high))

    p = {
        "du": draw(0, 4096),
        "dv": draw(0, 4096) if rng.random() < 0.5 else draw(0, 40),
        "vth": draw(1, 400) * 2 ** rng.integers(0, 8),
        "bias_mant": draw(-4096, 4096),
        "bias_exp": draw(0, 3),
    }
    for key in ("du", "dv"):  # the ends of the range are computed by other text
        if rng.random() < 0.2:
            p[key] = np.int64(rng.choice([0, 4095]))
    given = (rng.random((STEPS, INPUTS)) < rng.uniform(0.05, 0.5)).astype(np.int64)
    return given, weights(INPUTS), weights(UNITS), p


def described(given, into, back, p):
    steps, units = given.nonzero()
    net = nr.Network("random")
    source = net.population("in", nr.SpikeTimes(steps, units), INPUTS)
    model = nr.loihi.LIF(
        p["du"],
        p["dv"],
        p["vth"],
        p["bias_mant"],
        p["bias_exp"],
        ports={"first": into[1], "second": back[1]},
    )
    cells = net.population("out", model, UNITS)
    net.connect(source, cells, into[0], port="first")
    net.connect(cells, cells, back[0], port="second")
    for variable in ("spikes", "u", "v"):
        net.record(cells, variable)
    return net


def run(net, steps, **options):
    with nr.compile(net, precision="loihi", **options) as sim:
        rec = sim.run_steps(steps, False)
    spikes = np.zeros((steps, net.populations["out"].size), np.int64)
    spikes[rec.spikes("out")] = 1
    return spikes, rec.trace("out", "u"), rec.trace("out", "v")


@pytest.mark.parametrize("block", range(12))
def test_random_networks(block):
    total = 0
    for i in range(20):
        given, into, back, p = random_network(np.random.default_rng([block, i]))
        found = run(described(given, into, back, p), STEPS)
        expected = formula.run(STEPS, given, into, back, p)
        for name, ours, theirs in zip(("spikes", "u", "v"), found, expected, strict=True):
            assert np.array_equal(ours, theirs), (name, i, p)
        total += expected[0].sum()
    assert total > 500  # something happens


@pytest.mark.parametrize("sign", [1, -1])
def test_current_wraps_and_voltage_stops(sign):
    # 14 weights of 254 * 2^7 a step, nothing decays to speak of: u runs over within few steps.
    given = np.ones((STEPS, INPUTS), np.int64)
    into = np.full((INPUTS, UNITS), sign * 254), 5
    back = np.zeros((UNITS, UNITS), np.int64), 0
    p = {k: np.int64(v) for k, v in [("du", 0), ("dv", 0), ("bias_mant", 0), ("bias_exp", 0)]}
    p["vth"] = np.int64(131071)
    expected = formula.run(STEPS, given, into, back, p)
    assert np.abs(np.diff(expected[1], axis=0)).max() > 1 << 23  # it wrapped
    assert np.abs(expected[2]).max() == (1 << 23) - 1  # it stopped
    for ours, theirs in zip(run(described(given, into, back, p), STEPS), expected, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(("arriving", "expected"), [(2**17, 2**23), (-(2**17), 2**23)])
def test_exactly_at_the_wrap(arriving, expected):
    # 64 * 2^17 = 2^23, which stays; -2^23 becomes 2^23, as in Lava.
    w = 2**17 // (128 * 2**7)
    given = np.zeros((3, w), np.int64)
    given[0] = 1
    net = nr.Network("edge")
    source = net.population("in", nr.SpikeTimes(np.zeros(w, int), np.arange(w)), w)
    cells = net.population("out", nr.loihi.LIF(4095, 0, 131071, ports={"input": 7}), 1)
    net.connect(source, cells, np.full((w, 1), np.sign(arriving) * 128))
    net.record(cells, "u")
    with nr.compile(net, precision="loihi") as sim:
        assert sim.run_steps(3, False).trace("out", "u")[:, 0].tolist() == [0, expected, 0]


def test_refractory_period_holds_the_voltage():
    # Lava's float LIFRefractory holds v and lets u go on; t_ref of 5 steps: spikes 5 steps apart.
    net = nr.Network("refractory")
    cells = net.population("out", nr.loihi.LIF(4095, 0, 10, bias_mant=641, t_ref=5e-3), 1)
    net.record(cells)
    net.record(cells, "v")
    with nr.compile(net, precision="loihi") as sim:
        rec = sim.run_steps(16, False)
        assert sim.program.chip.populations["out"].refractory_steps == 5
    assert rec.spikes("out")[0].tolist() == [0, 5, 10, 15]
    assert not rec.trace("out", "v").any()


def test_float64_runs_the_same_network_alike():
    given, into, back, p = random_network(np.random.default_rng(3))
    net = described(given, into, back, p)
    with nr.compile(net) as sim:
        rec = sim.run_steps(STEPS, False)
    assert np.array_equal(rec.trace("out", "v"), run(net, STEPS)[2])


BACKENDS = [{"backend": "torch"}, {"backend": "brian2", "target": "numpy"}]


@pytest.mark.parametrize("options", BACKENDS)
def test_other_backends(options):
    given, into, back, p = random_network(np.random.default_rng(8))
    net = described(given, into, back, p)
    for ours, theirs in zip(run(net, STEPS, **options), run(net, STEPS), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_batch_on_torch():
    net = described(*random_network(np.random.default_rng(4)))
    with nr.compile(net, "torch", precision="loihi", batch=3) as sim:
        v = sim.run_steps(STEPS, False).trace("out", "v", item=1)
    assert np.array_equal(v, run(net, STEPS)[2])


def test_chip_of_an_integer_network():
    given, into, back, p = random_network(np.random.default_rng(1))
    into = (np.full((INPUTS, UNITS), 64), -2)
    net = described(given, into, back, p)
    chip = nr.loihi.chip_of(net, 1e-3)
    with nr.compile(net, precision="loihi") as sim:
        held = sim.program.chip
    assert chip.projections == held.projections
    assert chip.projections["in_out"] == nr.loihi.SynapseFormat(-2, 2, "excitatory")
    for key, value in p.items():
        assert np.array_equal(getattr(chip.populations["out"], key), value)
    assert list(chip.populations) == ["out"]


def test_saved_and_loaded(tmp_path):
    net = described(*random_network(np.random.default_rng(5)))
    net.population("lone", nr.loihi.LIF(1, 2, np.arange(3), t_ref=2e-3, v_init=7), 3)
    nr.save(net, tmp_path / "net.h5")
    loaded = nr.load(tmp_path / "net.h5")
    assert loaded == net
    assert type(loaded.populations["out"].model) is nr.loihi.LIF
    assert type(loaded.populations["out"].model) is not nr.LIF
    assert loaded.populations["out"].model.exponents == net.populations["out"].model.exponents
    assert np.array_equal(run(loaded, STEPS)[2], run(net, STEPS)[2])


def test_set_weights_checks_whole_numbers():
    net = described(*random_network(np.random.default_rng(6)))
    with nr.compile(net, precision="loihi") as sim:
        sim.set_weights("in_out", np.full((INPUTS, UNITS), 255.0))
        with pytest.raises(nr.CompileError, match=r"in_out.*0\.5 is no 8-bit weight"):
            sim.set_weights("in_out", np.full((INPUTS, UNITS), 0.5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"du": 4096}, "du of loihi.LIF is 4096; Loihi has room for 0 to 4095"),
        ({"dv": -1}, "dv of loihi.LIF is -1"),
        ({"du": 1.5}, "du of loihi.LIF: 1.5 is not a whole number"),
        ({"vth": 131072}, "vth.*131072.*131071"),
        ({"bias_mant": 4096}, "bias_mant.*4096.*-4096 to 4095"),
        ({"bias_exp": 8}, "bias_exp.*8.*0 to 7"),
        ({"ports": {"a": 8}}, "port 'a'.*8.*-8 to 7"),
        ({"ports": {}}, "ports are empty"),
        ({"v_init": 2**23}, "v_init.*8.38861e"),
        ({"vth": nr.Uniform(1, 5)}, "vth.*draw the whole numbers yourself"),
    ],
)
def test_refused_parameters(arguments, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.loihi.LIF(**{"du": 0, "dv": 0, "vth": 1, **arguments})


def simple(**options):
    net = nr.Network("simple")
    source = net.population("in", nr.Poisson(rate=10.0), 2)
    cells = net.population("out", nr.loihi.LIF(0, 0, 9, ports={"a": 0, "b": -1}), 2)
    net.connect(source, cells, **{"weights": np.full((2, 2), 4), "port": "a", **options})
    return net


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": np.full((2, 2), 0.5)}, r"'in_out': 0\.5 is no 8-bit weight.*quantise"),
        ({"weights": np.full((2, 2), 256)}, "256 is no 8-bit weight where signs are excitatory"),
        ({"weights": np.array([[1, -2]] * 2)}, "1 is no 8-bit weight where signs are mixed.*of 2"),
        ({"gain": 2.0}, "gain of projection 'in_out' is 2"),
        ({"delay": 64e-3}, "delay of projection 'in_out' is 64 steps.*62"),
        ({"plasticity": nr.PairSTDP()}, "plastic.*learning= of backend 'lava'"),
        ({"short_term": nr.TsodyksMarkram()}, "short-term"),
    ],
)
def test_what_has_no_place_on_the_chip(options, message):
    net = simple(**options)
    with pytest.raises(nr.CompileError, match=message):
        nr.compile(net, precision="loihi")
    with pytest.raises(nr.CompileError, match=message):
        nr.loihi.chip_of(net, 1e-3)


def test_the_longest_delay_fits():
    assert nr.loihi.chip_of(simple(delay=63e-3), 1e-3)


def test_shared_port_with_a_negative_exponent():
    net = simple(port="b")
    net.connect("in", "out", np.full((2, 2), 4), port="b", name="again")
    with pytest.raises(nr.CompileError, match="'in_out' and 'again' share port 'b'"):
        nr.compile(net, precision="loihi")


def test_long_refractory_period():
    net = nr.Network("slow")
    net.population("out", nr.loihi.LIF(0, 0, 9, t_ref=64e-3), 2)
    with pytest.raises(nr.CompileError, match="t_ref of population 'out' is 64 steps.*63"):
        nr.compile(net, precision="loihi")


def test_a_backend_may_lack_it(monkeypatch):
    from neuro.backends.reference import BACKEND

    monkeypatch.setattr(type(BACKEND), "lacks", lambda self, **options: {"loihi": "no integers"})
    with pytest.raises(nr.CompileError, match="whole numbers of Loihi.*no integers"):
        nr.compile(simple(), precision="loihi")


def test_programs_differ_by_precision():
    one, two = nr.lower(simple(), 1e-3), nr.lower(simple(), 1e-3, "loihi")
    assert one.fingerprint() != two.fingerprint()
    assert two.dtype == np.float64 and one.chip is None
    assert replace(two, precision="float64").fingerprint() == one.fingerprint()

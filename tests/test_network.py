"""Every mistake is refused at the line that made it, naming object, value and mend."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr


def small():
    net = nr.Network("demo", seed=1)
    a = net.population("a", nr.Poisson(rate=40.0), size=3)
    b = net.population("b", nr.LIF(), size=2)
    return net, a, b


MISTAKES = [
    (lambda n, a, b: n.population("a", nr.LIF(), 2), "'a'.*exists already"),
    (lambda n, a, b: n.population("2a", nr.LIF(), 2), "not a name"),
    (lambda n, a, b: n.population("exp", nr.LIF(), 2), "reserved"),
    (lambda n, a, b: n.population(3, nr.LIF(), 2), "must be text"),
    (lambda n, a, b: n.population("c", nr.LIF, 2), r"write LIF\("),
    (lambda n, a, b: n.population("c", "LIF", 2), "neither"),
    (lambda n, a, b: n.population("c", nr.LIF(), 0), "size.*0"),
    (lambda n, a, b: n.population("c", nr.LIF(), 2.5), "size.*2.5"),
    (lambda n, a, b: n.population("c", nr.LIF(), True), "size.*True"),
    (lambda n, a, b: n.population("c", nr.LIF(tau_m=[0.1, 0.2, 0.3]), 2), r"tau_m.*\(3,\).*\(2,\)"),
    (lambda n, a, b: n.population("c", nr.Poisson([1.0, 2.0]), 3), r"rate.*\(2,\)"),
    (lambda n, a, b: n.population("c", nr.LIF(tau_m=0.0), 2), "tau_m.*> 0"),
    (lambda n, a, b: n.population("c", nr.LIF(tau_m=np.nan), 2), "tau_m.*finite"),
    (lambda n, a, b: n.population("c", nr.LIF(t_ref=-1e-3), 2), "t_ref.*>= 0"),
    (lambda n, a, b: n.population("c", nr.LIF(tau_m="20 ms"), 2), "tau_m.*not a number"),
    (lambda n, a, b: n.population("c", nr.LIF(comparison="<"), 2), "comparison"),
    (lambda n, a, b: n.population("c", nr.Poisson(-1.0), 2), "rate.*>= 0"),
    (lambda n, a, b: n.population("c", nr.SpikeTimes([1, 2], [0, 5]), 2), "unit 5.*0..1"),
    (lambda n, a, b: nr.SpikeTimes([1, 2], [0]), "2 times but 1 units"),
    (lambda n, a, b: nr.SpikeTimes([-1], [0]), "negative"),
    (lambda n, a, b: nr.SpikeTimes([1], [0.5]), "whole numbers"),
    (lambda n, a, b: nr.PoissonImages(np.full((2, 4), 1.5), 10.0, 0.1), "outside"),
    (lambda n, a, b: nr.WindowedPoisson(np.ones(4), (2, 2), window=3), "window.*3"),
    (
        lambda n, a, b: n.population("c", nr.WindowedPoisson(np.ones(4), (2, 2)), 5),
        "4 pixels.*5 units",
    ),
    (lambda n, a, b: n.connect("x", b, 1.0), "no population or projection 'x'.*a, b"),
    (lambda n, a, b: n.connect(a, small()[2], 1.0), "another network"),
    (lambda n, a, b: n.connect(b, a, 1.0), "'a' is a source"),
    (lambda n, a, b: n.connect(a, b, np.ones((2, 3))), r"\(2, 3\).*\(3, 2\).*transposed"),
    (lambda n, a, b: n.connect(a, b, np.ones((4, 2))), r"\(4, 2\)"),
    (lambda n, a, b: n.connect(a, b, np.ones(3)), r"shape \(3,\)"),
    (lambda n, a, b: n.connect(a, b, [[1, np.nan], [0, 0], [0, 0]]), r"NaN.*\[0, 1\]"),
    (lambda n, a, b: n.connect(a, b, np.inf), "finite"),
    (lambda n, a, b: n.connect(a, b, np.ones((3, 2), complex)), "real numbers"),
    (lambda n, a, b: n.connect(a, b, scipy.sparse.eye(3)), r"\(3, 3\)"),
    (lambda n, a, b: n.connect(a, b, 1.0, delay=-1e-3), "delay.*-0.001.*positive"),
    (lambda n, a, b: n.connect(a, b, 1.0, delay=0.0), "delay.*positive"),
    (lambda n, a, b: n.connect(a, b, 1.0, delay=[1e-3, 2e-3]), r"delay.*shape \(2,\)"),
    (lambda n, a, b: n.connect(a, b, 1.0, delay=np.nan), "delay.*finite"),
    (lambda n, a, b: n.connect(a, b, 1.0, port="g"), "no input port 'g'.*delta"),
    (lambda n, a, b: n.connect(a, b, 1.0, gain=np.inf), "gain.*finite"),
    (lambda n, a, b: n.connect(a, b, 1.0, plasticity="stdp"), "not a plasticity rule"),
    (lambda n, a, b: n.connect(a, b, 1.0, name="a"), "'a'.*exists"),
    (lambda n, a, b: n.connect(a, b, nr.one_to_one(1.0)), "equal sizes.*3 pre and 2 post"),
    (lambda n, a, b: nr.fixed_probability(1.5, 1.0), "probability.*1.5"),
    (lambda n, a, b: nr.Uniform(2.0, 1.0), "below"),
    (lambda n, a, b: n.record("c"), "no population or projection 'c'"),
    (lambda n, a, b: n.record(b, "u"), "no variable 'u'.*spikes, v"),
    (lambda n, a, b: n.record(a, "v"), "no variable 'v'"),
    (lambda n, a, b: n.record(b, "v", units=[2]), r"unit 2.*0\.\.1"),
    (lambda n, a, b: n.record(b, "v", units=[-1]), "unit -1"),
    (lambda n, a, b: n.record(b, "v", units=[0, 0]), "repeat"),
    (lambda n, a, b: n.record(b, "v", units=[0.5]), "indices"),
    (lambda n, a, b: (n.record(b), n.record(b)), "already recorded"),
    (lambda n, a, b: n.drive("b", nr.Poisson(1.0)), "not a source"),
    (lambda n, a, b: n.drive("a", nr.SpikeTimes([0], [3])), "unit 3"),
    (lambda n, a, b: n.drive("a", 3.0), "drive: 3.0 is not a source such as"),
    (lambda n, a, b: nr.Network(seed=1.5), "seed"),
    # sizes and shapes
    (lambda n, a, b: n.population("c", nr.LIF(), ()), "size of population 'c' is empty"),
    (lambda n, a, b: n.population("c", nr.LIF(), (3, 0)), r"size of .*'c' is \(3, 0\)"),
    (lambda n, a, b: n.population("c", nr.LIF(), (3, 1.5)), r"size of .*'c' is \(3, 1.5\)"),
    (lambda n, a, b: n.population("c", nr.LIF(v_init=[1.0, 2.0]), 3), r"v of population 'c'.*\(2,"),
    # ports
    (
        lambda n, a, b: n.connect(a, n.population("c", nr.LIF(synapses={}), 1), 1.0),
        "projection 'a_c': LIF has no input port; give it one",
    ),
    (
        lambda n, a, b: n.connect(a, n.population("c", nr.HodgkinHuxley(), 1), 1.0),
        "projection 'a_c': HodgkinHuxley has the input ports exc, inh; choose with port=",
    ),
    # options of connect
    (lambda n, a, b: n.connect(a, b, 1.0, gain=[1.0, 2.0]), "gain of projection 'a_b' is an array"),
    (lambda n, a, b: n.connect(a, b, 1.0, short_term=3), "short_term of .*'a_b': 3 is not a rule"),
    (
        lambda n, a, b: n.connect(a, b, 1.0, factors={"r": ("b", "v")}),
        "factors of projection 'a_b': there is no plasticity rule to read 'r'",
    ),
    (
        lambda n, a, b: n.connect(b, b, nr.transpose_of(n.connect(a, b, 1.0))),
        r"weights of projection 'b_b' have shape \(2, 3\); expected .*\(2, 2\)",
    ),
    (
        lambda n, a, b: n.connect(
            b, n.population("c", nr.LIF(), 3), nr.transpose_of(n.connect(a, b, 1.0))
        ),
        "projection 'b_c': the transpose of 'a_b' runs from that projection's post to its pre",
    ),
    # recording
    (lambda n, a, b: n.record(b, "v", every=0), "every of 'b' is 0; expected a whole number"),
    (lambda n, a, b: n.record(b, "v", every=2.5), "every of 'b' is 2.5"),
    (lambda n, a, b: n.record(b, "v", every=True), "every of 'b' is True"),
    (lambda n, a, b: n.record(b, every=2), "spikes of 'b' are kept in every step.*every=2"),
    (lambda n, a, b: n.record(n.connect(a, b, 1.0), "x"), "'a_b' has no variable 'x'; it has w"),
    (
        lambda n, a, b: n.record(n.connect(a, b, 1.0, plasticity=nr.PairSTDP()), "c"),
        "'a_b' has no variable 'c'; it has w, x, y",
    ),
    (
        lambda n, a, b: n.record(n.connect(a, b, 1.0, short_term=nr.TsodyksMarkram()), "c"),
        "'a_b' has no variable 'c'; it has w, u, x",
    ),
    (
        lambda n, a, b: n.record(small()[0].connect("a", "b", 1.0)),
        "no population or projection 'a_b'",
    ),
    # distributions
    (lambda n, a, b: nr.Uniform("a", 1.0), "low of Uniform: 'a' is not a number"),
    (lambda n, a, b: nr.Uniform(0.0, np.inf), "high of Uniform.*finite"),
    (lambda n, a, b: nr.Uniform([0.0, 1.0], 2.0), r"low of Uniform has shape \(2,\)"),
    (lambda n, a, b: nr.Normal(0.0, -1.0), "Normal: sd -1 is negative"),
    (lambda n, a, b: nr.compile("net"), "not a Network"),
]


@pytest.mark.parametrize(("mistake", "message"), MISTAKES)
def test_mistakes(mistake, message):
    with pytest.raises(nr.DescriptionError, match=message):
        mistake(*small())


def test_a_refused_line_changes_nothing():
    net, a, b = small()
    with pytest.raises(nr.DescriptionError):
        net.connect(a, b, np.ones((2, 2)))
    assert not net.projections
    net.connect(a, b, 1.0)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (lambda n, a, b: n.connect(a, b, 1.0, delay=1.5e-3), "delay.*0.0015.*multiple.*0.001 or"),
        (lambda n, a, b: n.connect(a, b, 1.0, delay=1e-4), "delay.*0.0001"),
        (lambda n, a, b: n.population("c", nr.LIF(t_ref=1.5e-3), 1), "t_ref.*'c'.*multiple"),
        (lambda n, a, b: n.population("c", nr.Poisson(2000.0), 1), "2000 Hz.*0.0005"),
        (lambda n, a, b: n.population("c", nr.SpikeTimes([1, 1], [0, 0]), 1), "two spikes.*step 1"),
    ],
)
def test_what_does_not_fit_the_time_step(mistake, message):
    net, a, b = small()
    mistake(net, a, b)
    with pytest.raises(nr.CompileError, match=message):
        nr.compile(net, dt=1e-3)


def test_compile_options():
    net, *_ = small()
    with pytest.raises(nr.CompileError, match="precision 'float16'"):
        nr.compile(net, precision="float16")
    with pytest.raises(nr.DescriptionError, match="dt.*> 0"):
        nr.compile(net, dt=0.0)
    with pytest.raises(nr.BackendError, match="no backend 'nest5'.*reference"):
        nr.compile(net, "nest5")
    with pytest.raises(nr.CompileError, match="no option 'threads'"):
        nr.compile(net, "reference", threads=2)
    with pytest.raises(nr.CompileError, match="no populations"):
        nr.compile(nr.Network())


def test_brian2_quantities_are_converted_and_checked():
    from brian2 import ms, mV, second

    lif = nr.LIF(tau_m=20 * ms, v_threshold=15 * mV)
    assert lif.parameters["tau_m"] == pytest.approx(0.02)
    assert lif.parameters["v_threshold"] == pytest.approx(0.015)
    with pytest.raises(nr.UnitError, match="tau_m of LIF.*volt.*second"):
        nr.LIF(tau_m=20 * mV)
    net, a, b = small()
    assert net.connect(a, b, 2 * mV, delay=2 * ms).delay == pytest.approx(2e-3)
    with pytest.raises(nr.UnitError, match="delay of projection 'x'"):
        net.connect(a, b, 1.0, delay=2 * mV, name="x")
    with pytest.raises(nr.UnitError, match="rate of Poisson"):
        nr.Poisson(rate=3 * second)


class FakePint:
    """The part of pint's Quantity that neuro uses."""

    def __init__(self, magnitude, scale, dimensionality):
        self.magnitude, self.scale, self.dimensionality = magnitude, scale, dimensionality

    def to_base_units(self):
        return FakePint(np.asarray(self.magnitude) * self.scale, 1.0, self.dimensionality)


def test_pint_quantities_are_converted_and_checked():
    assert nr.LIF(tau_m=FakePint(20, 1e-3, {"[time]": 1.0})).parameters["tau_m"] == 0.02
    with pytest.raises(nr.UnitError, match="meter"):
        nr.LIF(tau_m=FakePint(20, 1.0, {"[length]": 1.0}))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: nr.NeuronModel("dv/dt = -v : volt"), "dv/dt.*volt"),
        (lambda: nr.NeuronModel("dv/dt = -v / tau : volt"), "unknown name 'tau'"),
        (
            lambda: nr.NeuronModel(
                "dv/dt = (v - t) / t : volt", parameters={"t": (1.0, "second")}
            ),
            "reserved",
        ),
        (
            lambda: nr.NeuronModel(
                "dv/dt = (v - q) / q : volt", parameters={"q": (1.0, "second")}
            ),
            "mixes volt with second",
        ),
        (lambda: nr.NeuronModel(threshold="1 + 1"), "not a condition"),
        (lambda: nr.NeuronModel("dv/dt = 1 : 1", reset="v = 0"), "without a threshold"),
        (lambda: nr.NeuronModel("dv/dt = 1 : 1", after="u = 0"), "cannot assign to 'u'"),
        (lambda: nr.NeuronModel("dv/dt = 1 : furlong"), "unknown unit 'furlong'"),
        (lambda: nr.NeuronModel("dv/dt = 1 : 1", initial={"u": 1}), "no such variable"),
        (lambda: nr.NeuronModel("dv/dt = 1 : 1", refractory="t_ref"), "t_ref"),
        (lambda: nr.NeuronModel("dv/dt = exp(v) / s : volt", parameters={"s": 1}), "exp of v"),
        (lambda: nr.PlasticityRule(on_pre="u = 1"), "cannot assign to 'u'"),
        (lambda: nr.PlasticityRule(on_pre="x = w", pre_traces="dx/dt = -x : 1"), "one value per"),
        (lambda: nr.PlasticityRule(w_min=1.0, w_max=0.0), "w_min 1 is above"),
        (lambda: nr.SleepReplay(-0.1, 0.1), "increment"),
        (lambda: nr.SleepReplay(0.1, 0.1, gate="soft"), "gate"),
    ],
)
def test_models_are_checked_when_written(model, message):
    with pytest.raises(nr.DescriptionError, match=message):
        model()


def test_rule_names_are_checked_when_connected():
    net, a, b = small()
    with pytest.raises(nr.EquationError, match=r"unknown name 'v_pre'.*v_post"):
        net.connect(a, b, 1.0, plasticity=nr.PlasticityRule(on_pre="w += v_pre"))


def test_equality_by_content():
    def build(weight=0.3):
        net, a, b = small()
        net.connect(a, b, np.full((3, 2), weight), delay=2e-3, plasticity=nr.PairSTDP())
        net.record(b, "v", units=[1])
        return net

    assert build() == build()
    assert build() != build(0.31)
    other = build()
    other.record(other.populations["b"])
    assert build() != other
    assert "a_b  a  b" in str(build())


def test_the_description_owns_its_data():
    net, a, b = small()
    weights = np.ones((3, 2))
    net.connect(a, b, weights)
    weights[:] = 7
    with nr.compile(net) as sim:
        assert np.array_equal(sim.weights("a_b"), np.ones((3, 2)))


def test_inputs_outputs_and_drive():
    net, a, b = small()
    net.record(b)
    assert net.inputs == ["a"]
    assert net.outputs == ["b"]
    net.connect(a, b, 10.0)
    net.drive("a", nr.SpikeTimes([4], [1]))
    with nr.compile(net) as sim:
        steps, units = sim.run(0.01, progress=False).spikes("b")
    assert steps.tolist() == [5, 5]
    assert units.tolist() == [0, 1]

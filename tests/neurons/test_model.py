"""User-written models take the path of the built-in ones; text and numbers are checked."""

from inspect import signature

import numpy as np
import pytest

import neuro as nr
from neuro import neurons
from neuro.lowering import lower


def drive(model, size=3, steps=300, record=(), seed=0, dt=1e-3, port=None):
    net = nr.Network(seed=seed)
    src = net.population("src", nr.Poisson(200.0), 20)
    out = net.population("out", model, size)
    w = np.random.default_rng(0).normal(0.2, 0.3, (20, size))
    net.connect(src, out, w, port=port)
    net.record(out)
    for v in record:
        net.record(out, v)
    with nr.compile(net, dt=dt) as sim:
        return sim.run_steps(steps, False)


OWN_LIF = {
    "equations": "dv/dt = (v_rest - v) / tau_m : volt  # the membrane",
    "parameters": {
        "tau_m": (20e-3, "second"),
        "v_threshold": (1.0, "volt"),
        "v_rest": (0.0, "volt"),
        "t_ref": (3e-3, "second"),
    },
    "inputs": {"delta": "volt"},
    "after": "v += delta",
    "threshold": "v >= v_threshold",
    "reset": "v = 0",
    "refractory": "t_ref",
    "held": ("v",),
    "name": "own",
}


def test_a_user_written_lif_is_the_built_in_one():
    own, built_in = drive(nr.NeuronModel(**OWN_LIF)), drive(nr.LIF(t_ref=3e-3))
    assert len(own.spikes("out")[0]) > 50
    for a, b in zip(own.spikes("out"), built_in.spikes("out"), strict=True):
        assert np.array_equal(a, b)


def test_synapses_are_shorthand_for_text():
    own = nr.NeuronModel(
        "dv/dt = (I_e + g_i * (E_i - v) - v) / tau_m : volt\n"
        "dI_e/dt = -I_e / tau_e : volt\n"
        "dg_i/dt = -g_i / tau_i : 1",
        parameters={
            "tau_m": (20e-3, "second"),
            "tau_e": (5e-3, "second"),
            "tau_i": (10e-3, "second"),
            "E_i": (-0.5, "volt"),
        },
        inputs={"e": "volt", "i": "1"},
        after="I_e += e; g_i += i",
        threshold="v >= 1",
        reset="v = 0",
        held=(),
    )
    synapses = {"e": nr.Exponential(5e-3), "i": nr.Conductance(nr.Exponential(10e-3), -0.5)}
    recorded = []
    for model in (own, nr.LIF(synapses=synapses)):
        net = nr.Network()
        src = net.population("src", nr.Poisson(300.0), 30)
        out = net.population("out", model, 4)
        net.connect(src, out, 1.0, port="e")
        net.connect(src, out, 0.05, port="i", name="inhibition")
        net.record(out)
        net.record(out, "v")
        with nr.compile(net) as sim:
            recorded.append(sim.run_steps(400, False))
    v, w = (rec.trace("out", "v") for rec in recorded)
    np.testing.assert_allclose(v, w, rtol=1e-9, atol=1e-12)
    assert len(recorded[0].spikes("out")[0]) > 20


def test_before_integration_and_after():
    # before: the input decays over the step, after: it does not.
    for place, factor in (("before", np.exp(-1 / 20)), ("after", 1.0)):
        model = nr.NeuronModel(
            "dv/dt = -v / tau : volt",
            parameters={"tau": (20e-3, "second")},
            inputs={"i": "volt"},
            **{place: "v += i"},
        )
        net = nr.Network()
        src = net.population("src", nr.SpikeTimes([4], [0]), 1)
        out = net.population("out", model, 1)
        net.connect(src, out, 2.0)
        net.record(out, "v")
        with nr.compile(net) as sim:
            v = sim.run_steps(6, False).trace(out, "v")[:, 0]
        assert v[5] == pytest.approx(2.0 * factor, rel=1e-14)


def test_statements_run_in_order_and_see_earlier_ones():
    model = nr.NeuronModel(
        "a : 1; b : 1",
        inputs={"i": "1"},
        after="a += 1; b = a * 10; a *= 2",
        initial={"a": 0.5},
        threshold="b > 35",
        reset="a = b; b = a + 1",
    )
    rec = drive(model, size=1, steps=3, record=("a", "b"))
    # a: 0.5 -> 1.5, b = 15, a = 3 -> 4, b = 40, a = 8: spike, a = 40, b = 41 -> ...
    assert rec.trace("out", "a")[:, 0].tolist() == [3.0, 40.0, 410.0]
    assert rec.trace("out", "b")[:, 0].tolist() == [15.0, 41.0, 411.0]


def test_emits_is_evaluated_before_the_reset():
    model = nr.NeuronModel(
        "v : 1", inputs={"i": "1"}, after="v += 1", threshold="v > 2.5", reset="v = 0", emits="v"
    )
    net = nr.Network()
    a = net.population("a", model, 1)
    b = net.population("b", nr.NeuronModel("s : 1", inputs={"i": "1"}, after="s = i"), 1)
    net.connect(a, b, 10.0, delay=2e-3)
    net.record(b, "s")
    with nr.compile(net) as sim:
        s = sim.run_steps(10, False).trace(b, "s")[:, 0]
    assert s.tolist() == [0, 0, 0, 0, 30, 0, 0, 30, 0, 0]  # spikes of steps 2 and 5, two later


def test_units_of_integrators():
    net = nr.Network()
    net.population("exact", nr.LIF(synapses={"a": nr.Alpha(5e-3)}), 1)
    conductance = nr.Conductance(nr.DoubleExponential(1e-3, 5e-3), 0.07)
    net.population("coba", nr.LIF(synapses={"a": conductance}), 1)
    own = {**OWN_LIF, "integrator": "Euler"}
    net.population("euler", nr.NeuronModel(**own), 1)
    net.population("none", nr.SigmaDelta(), 1)
    assert lower(net, 1e-3).integrators == {
        "exact": "exact",
        "coba": "exact (fall_a, rise_a); exponential Euler (v)",
        "euler": "Euler",
        "none": "no equations",
    }


# --- drawn parameters --------------------------------------------------------------------------


def initial(model, variable="v", size=4000, seed=0, name="out"):
    net = nr.Network(seed=seed)
    net.population(name, model, size)
    return lower(net, 1e-3).arrays[f"{name}.{variable}"].initial


def test_drawn_starting_values():
    v = initial(nr.LIF(v_init=nr.Uniform(-0.06, -0.05)))
    assert v.min() >= -0.06
    assert v.max() < -0.05
    assert v.mean() == pytest.approx(-0.055, abs=2e-4)
    assert v.std() == pytest.approx(0.01 / np.sqrt(12), rel=0.05)
    again, other, named = (
        initial(nr.LIF(v_init=nr.Uniform(-0.06, -0.05)), seed=s, name=n)
        for s, n in ((0, "out"), (1, "out"), (0, "else"))
    )
    assert np.array_equal(v, again)
    assert abs(np.corrcoef(v, other)[0, 1]) < 0.06
    assert abs(np.corrcoef(v, named)[0, 1]) < 0.06


def test_drawn_parameters_reach_the_dynamics():
    model = nr.LIF(tau_m=nr.Normal(20e-3, 2e-3), v_init=1.0, v_threshold=9.0)
    net = nr.Network(seed=4)
    out = net.population("out", model, 500)
    net.record(out, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(1, False).trace(out, "v")[0]
    tau = -1e-3 / np.log(v)
    assert tau.mean() == pytest.approx(20e-3, rel=0.02)
    assert tau.std() == pytest.approx(2e-3, rel=0.15)


@pytest.mark.parametrize(
    ("model", "variable", "parameter"),
    [
        (nr.LIF(v_rest=nr.Uniform(-0.1, 0.1)), "v", "v_rest"),
        (nr.LeakyIntegrator(v_rest=nr.Uniform(-0.1, 0.1)), "v", "v_rest"),
        (nr.AdaptiveLIF(v_rest=nr.Uniform(-0.1, 0.1)), "v", "v_rest"),
        (nr.AdEx(E_L=nr.Uniform(-0.08, -0.06)), "v", "E_L"),
        (nr.HodgkinHuxley(E_L=nr.Uniform(-0.08, -0.06)), "v", "E_L"),
        (nr.Izhikevich(c=nr.Uniform(-0.07, -0.06), u_init=0.0), "v", "c"),
    ],
)
def test_a_starting_value_that_is_a_drawn_parameter(model, variable, parameter):
    # The same draw: each unit starts at its own rest.
    assert model.initial[variable] == parameter
    net = nr.Network()
    net.population("out", model, 50)
    start = lower(net, 1e-5).arrays["out.v"].initial
    assert np.ptp(start) > 1e-3
    if parameter != "c":
        net.record("out", "v")
        with nr.compile(net, dt=1e-5) as sim:
            v = sim.run_steps(1, False).trace("out", "v")[0]
        assert np.abs(v - start).max() < 1e-4
    if parameter == "v_rest":
        np.testing.assert_allclose(v, start, rtol=1e-13)


def test_starting_values_by_name_are_checked():
    text = "dv/dt = -v / tau : volt"
    tau = {"tau": (20e-3, "second")}
    with pytest.raises(nr.DescriptionError, match="initial v of m is 'rest'.*one of tau"):
        nr.NeuronModel(text, parameters=tau, initial={"v": "rest"}, name="m")
    with pytest.raises(nr.UnitError, match="initial v of m: tau is in second, expected volt"):
        nr.NeuronModel(text, parameters=tau, initial={"v": "tau"}, name="m")
    with pytest.raises(nr.DescriptionError, match="initial u of m: no such variable.* v"):
        nr.NeuronModel(text, parameters=tau, initial={"u": 0.0}, name="m")


def test_drawn_values_that_cannot_be_are_refused():
    net = nr.Network()
    net.population("out", nr.LIF(tau_m=nr.Normal(1e-3, 1e-2)), 100)
    with pytest.raises(nr.CompileError, match="tau_m of population 'out'.*must be above 0"):
        nr.compile(net)
    net = nr.Network()
    net.population("out", nr.LIF(t_ref=nr.Uniform(1e-3, 2e-3)), 100)
    with pytest.raises(nr.CompileError, match="t_ref of population 'out'.*multiple of dt"):
        nr.compile(net)


def test_quantities():
    from brian2 import ms, mV, nS, pF

    model = nr.AdEx(C=200 * pF, g_L=10 * nS, tau_w=100 * ms, E_L=nr.Uniform(-80 * mV, -70 * mV))
    assert model.parameters["C"] == pytest.approx(200e-12)
    with pytest.raises(nr.UnitError, match="E_L of AdEx.*second.*expected volt"):
        nr.AdEx(E_L=nr.Uniform(1 * ms, 2 * ms))
    with pytest.raises(nr.UnitError, match="Uniform: low in volt and high in second"):
        nr.Uniform(1 * mV, 2 * ms)
    assert nr.LIF(v_init=nr.Uniform(0, 2 * mV)).initial["v"].high == pytest.approx(2e-3)
    with pytest.raises(nr.UnitError, match="initial v of LIF.*second"):
        nr.LIF(v_init=nr.Uniform(0, 2 * ms))


# --- mistakes ----------------------------------------------------------------------------------

BASE = {"parameters": {"tau": (0.02, "second")}, "name": "m"}
LEAK = "dv/dt = -v / tau : volt"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"synapses": {"e": 5e-3}}, "synapse 'e' of m: 0.005 is not a synapse"),
        ({"synapses": {"e": nr.Exponential()}}, "m: the synapses give a current.*I_syn"),
        ({"synapses": {"v": nr.Delta()}}, "m: 'v' is declared twice"),
        ({"synapses": {"lambda": nr.Delta()}}, "'lambda' of m: 'lambda' is reserved"),
        ({"inputs": {"tau": "volt"}}, "m: 'tau' is declared twice"),
        ({"inputs": {"i": "furlong"}}, "port i of m: unknown unit 'furlong'"),
        ({"inputs": {"i": "ampere"}, "after": "v += i"}, "'after' of m:.*mixes volt with ampere"),
        ({"inputs": {"i": "volt"}, "threshold": "v > i"}, "threshold of m: the input 'i' is not"),
        (
            {"inputs": {"i": "volt"}, "threshold": "v > 1", "reset": "v = i"},
            "'reset' of m: the input 'i' is not read",
        ),
        (
            {"inputs": {"i": "volt"}, "threshold": "v > 1", "emits": "i"},
            "emits of m: the input 'i' is not read",
        ),
        ({"emits": "v"}, "m: emits without a threshold"),
        ({"emits": "q", "threshold": "v > 1"}, "emits of m: unknown name 'q'"),
        ({"threshold": "v"}, "threshold of m:.*not a condition"),
        ({"threshold": "v > tau"}, "threshold of m:.*mixes volt with second"),
        ({"refractory": "tau_r"}, "refractory of m: 'tau_r' must name a parameter in seconds"),
        ({"held": ("u",)}, "held of m: 'u' is not a state variable"),
        ({"positive": ("u",)}, "positive of m: 'u' is not a parameter"),
        ({"positive": ("tau",), "parameters": {"tau": (0, "second")}}, "tau of m.*> 0"),
        ({"integrator": "rk4"}, "m: integrator 'rk4'"),
        ({"before": "v = v +"}, "'before' of m: cannot read"),
        ({"before": "tau = 3"}, "'before' of m: cannot assign to 'tau'.*variables are v"),
    ],
)
def test_mistakes_in_models(given, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.NeuronModel(LEAK, **{**BASE, **given})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dv/dt = -v / tau : volt; v : volt", "dv/dt is given twice"),
        ("v volt", "'v volt' is not a differential equation"),
        ("if : volt", "'if' is reserved"),
        ("dv/dt = -v : volt", "d'?v/dt.*volt"),
        ("y : parsec", "unknown unit 'parsec'"),
    ],
)
def test_mistakes_in_equations(text, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.NeuronModel(text, **BASE)


def test_unit_of_the_current():
    text = "dv/dt = (I_syn * ohms - v) / tau : volt"
    for current, ohms in (("ampere", "ohm"), ("volt/second", "second")):
        parameters = {"tau": (0.02, "second"), "ohms": (3.0, ohms)}
        synapses = {"e": nr.Exponential(), "g": nr.Conductance(nr.Alpha(), 0.0)}
        model = nr.NeuronModel(text, parameters=parameters, synapses=synapses, current=current)
        siemens = {"ampere": "siemens"}.get(current, f"{current}/volt")
        assert dict(model.ports) == {"e": current, "g": siemens}
        with pytest.raises(nr.UnitError):
            nr.NeuronModel(text, parameters=parameters, synapses=synapses, current="volt")
    with pytest.raises(nr.UnitError, match="unknown unit 'apples'"):
        nr.NeuronModel(text, synapses=synapses, current="apples")


def test_population_names_may_be_words_of_python():
    net = nr.Network()
    net.population("in", nr.Poisson(10.0), 1)
    net.population("out", nr.LIF(), 1)
    net.connect("in", "out", 1.0)
    nr.compile(net).close()


def test_every_model_needs_valid_choices():
    for make in (nr.IF, nr.LIF, nr.AdaptiveLIF):
        with pytest.raises(nr.DescriptionError, match=f"comparison of {make.__name__} is '<'"):
            make(comparison="<")
        with pytest.raises(nr.DescriptionError, match=f"reset of {make.__name__} is 'zero'"):
            make(reset="zero")


@pytest.mark.parametrize("name", neurons.__all__)
def test_time_constants_must_be_positive(name):
    make = getattr(nr, name)
    for key in {"tau", "tau_m", "tau_a", "tau_w", "C", "delta_T"} & set(signature(make).parameters):
        with pytest.raises(nr.DescriptionError, match=f"{key} of {name} is 0.*must be > 0"):
            make(**{key: 0.0})

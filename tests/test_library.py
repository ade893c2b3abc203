"""The whole library: docstrings say what signatures do, and files bring everything back."""

import inspect
import re

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro import distributions, neurons, plasticity, sources, synapses

#: Bases for users' own texts: their docstrings explain, they have no equation or source.
BASES = ("NeuronModel", "PlasticityRule", "ShortTermPlasticity")


def test_help_fits_a_screen_and_names_everything():
    import pydoc

    text = pydoc.plain(pydoc.render_doc(nr))
    assert len(nr.__doc__.splitlines()) <= 40
    assert len(text.splitlines()) < 120
    public = [n for n in dir(nr) if not n.startswith("_") and n not in ("Population", "Projection")]
    modules = {"backends", "datasets", "loihi"}
    ours = [
        n
        for n in public
        if n in modules or getattr(getattr(nr, n), "__module__", "")[:5] == "neuro"
    ]
    assert len(ours) > 60
    for name in ours:
        assert name in nr.__doc__, name
        assert getattr(nr, name).__doc__, name


MODELS = [getattr(nr, n) for n in neurons.__all__ if n not in BASES]
RULES = [getattr(nr, n) for n in plasticity.__all__ if n not in BASES]
COURSES = list(synapses.KINDS)
SOURCES = list(sources.KINDS)
CONNECTORS = [nr.convolution, nr.dense, nr.distance_dependent, nr.fixed_in_degree,
              nr.fixed_out_degree, nr.fixed_probability, nr.from_array, nr.from_sparse,
              nr.one_to_one, nr.pooling, nr.transpose_of]  # fmt: skip
EVERYTHING = [*MODELS, *RULES, *COURSES, *SOURCES, *CONNECTORS, *(getattr(nr, n) for n in BASES)]


def documented(thing):
    """Header of every parameter in a docstring, in order."""
    text = inspect.getdoc(thing)
    if "Parameters\n----------\n" not in text:
        return {}
    section = text.split("Parameters\n----------\n")[1]
    section = re.split(r"\n\n\w+\n-+\n", section)[0]
    headers = {}
    for line in section.splitlines():
        if line and not line.startswith(" "):
            names, _, header = line.partition(" : ")
            for place, name in enumerate(names.split(", ")):
                headers[name.lstrip("*")] = (header, place, names.count(",") + 1)
    return headers


def parameters(thing):
    given = inspect.signature(thing).parameters.values()
    return {p.name: p for p in given if p.kind is not p.VAR_KEYWORD}


@pytest.mark.parametrize("thing", EVERYTHING, ids=lambda t: t.__name__)
def test_parameters_are_those_of_the_signature(thing):
    # fixed_out_degree refers to fixed_in_degree, which has the same signature.
    if thing is nr.fixed_out_degree:
        assert ":func:`fixed_in_degree`" in thing.__doc__
        assert list(parameters(thing)) == list(parameters(nr.fixed_in_degree))
        return
    expected = list(parameters(thing))
    if thing is nr.from_array:  # `where` is for messages of neuro itself
        expected.remove("where")
    found = list(documented(thing))
    if thing in (nr.from_array, nr.from_sparse):  # one line: what it takes is in the summary
        assert "shape (n_pre, n_post)" in thing.__doc__
    else:
        assert found == expected


SCALES = {"": 1, "s": 1, "ms": 1e-3, "V": 1, "mV": 1e-3, "Hz": 1, "pF": 1e-12, "nS": 1e-9,
          "uS": 1e-6, "pA": 1e-12}  # fmt: skip


def stated(header, place, count):
    """The default that a header gives, in SI: ``default -70.6, -50.4 and 2 mV``."""
    text = header.split("default ")[1]
    parts = re.split(r", | and ", text)
    assert len(parts) == count, f"{count} names, but defaults {text!r}"
    number, _, unit = parts[place].partition(" ")
    _, _, last = parts[-1].partition(" ")
    return float(number) * SCALES[unit or last]


@pytest.mark.parametrize("kind", [*MODELS, *RULES, *COURSES], ids=lambda t: t.__name__)
def test_defaults_are_those_of_the_signature(kind):
    headers = documented(kind)
    for name, parameter in parameters(kind).items():
        header, place, count = headers[name]
        default = parameter.default
        if default is parameter.empty:
            assert "default" not in header
            assert "optional" not in header
        elif default is None:
            assert "optional" in header, f"{name} : {header}"
        elif isinstance(default, str):
            choices = re.search(r"\{(.*)\}", header)
            assert choices, f"{name} : {header}"
            assert choices[1].split(", ")[0] == f'"{default}"', "the default comes first"
        else:
            assert "default" in header, f"{name} : {header}"
            assert stated(header, place, count) == pytest.approx(default, rel=1e-12, abs=0), name


@pytest.mark.parametrize("kind", MODELS, ids=lambda t: t.__name__)
def test_units_are_those_of_the_model(kind):
    headers, model = documented(kind), kind()
    for name in parameters(kind):
        unit = model.units.get(name)
        if unit not in (None, "1"):
            assert f", {unit}" in headers[name][0], f"{name} is in {unit}"
    for v in model.variables:
        if f"{v}_init" in headers:
            unit = next(d.unit for d in model.derivatives if d.name == v)
            assert unit == "1" or f", {unit}" in headers[f"{v}_init"][0]


@pytest.mark.parametrize("kind", [*RULES, *COURSES], ids=lambda t: t.__name__)
def test_times_and_potentials_have_units(kind):
    for name, (header, *_) in documented(kind).items():
        if name.startswith("tau") or name == "every":
            assert ", second" in header, f"{name} : {header}"
        if name.startswith(("theta", "E_", "u_", "target", "reversal")):
            assert ", volt" in header, f"{name} : {header}"


@pytest.mark.parametrize("kind", [*MODELS, *RULES, *COURSES], ids=lambda t: t.__name__)
def test_every_model_has_an_equation_and_a_source(kind):
    text = inspect.getdoc(kind)
    assert ".. math::" in text
    assert re.search(r"\b(Sources?|Model): ", text.replace("\n", " "))


# --- files -------------------------------------------------------------------------------------

PER_UNIT = np.array([0.01, 0.02, 0.03])

DESCRIPTIONS = {
    **{kind.__name__: kind() for kind in MODELS},
    "IF subtract": nr.IF(PER_UNIT, reset="subtract", comparison=">", t_ref=2e-3),
    "LIF drawn": nr.LIF(nr.Normal(0.02, 1e-3), v_rest=nr.Uniform(-0.1, 0.0)),
    "LIF ports": nr.LIF(
        PER_UNIT,
        synapses={
            "d": nr.Delta(),
            "e": nr.Exponential(PER_UNIT),
            "a": nr.Alpha(3e-3),
            "b": nr.DoubleExponential(2e-3, 8e-3),
            "g": nr.Conductance(nr.DoubleExponential(), PER_UNIT),
        },
    ),
    "AdaptiveLIF": nr.AdaptiveLIF(increment=PER_UNIT, reset="subtract"),
    "AdEx conductances": nr.AdEx(synapses={"g": nr.Conductance(nr.Alpha(), 0.0)}, v_init=-0.06),
    "Izhikevich drawn": nr.Izhikevich(b=nr.Uniform(190, 210), u_init=nr.Normal(-13, 1)),
    "Graded": nr.Graded(PER_UNIT, activation="tanh", x_init=PER_UNIT),
    "SigmaDelta": nr.SigmaDelta(0.2, PER_UNIT, "sigmoid"),
    "own model": nr.NeuronModel(
        "dv/dt = (E - v + I_syn) / tau : volt; y : 1",
        parameters={
            "E": (PER_UNIT, "volt"),
            "tau": (0.02, "second"),
            "rest": (2e-3, "second"),
        },
        inputs={"i": "1"},
        synapses={"e": nr.Exponential(1e-3)},
        before="y = i",
        after="y += 1",
        threshold="v > E",
        reset="v = 0",
        refractory="rest",
        held=("v",),
        emits="y",
        initial={"v": "E", "y": nr.Uniform(0, 1)},
        positive=("tau",),
        integrator="exponential Euler",
        name="own",
    ),
}

OWN_RULE = nr.PlasticityRule(
    "x += 1; w -= k * y",
    "y += 1; c += x",
    on_step="w += f * c * dt",
    every=2e-3,
    pre_traces="dx/dt = -x / tau : 1",
    post_traces="dy/dt = -y / tau : 1",
    synapse_traces="dc/dt = -c / tau : 1",
    parameters={"tau": (0.02, "second"), "k": 0.5},
    factors=("f",),
    initial={"x": 0.25},
    w_min=-1.0,
    w_max=2.0,
    name="own",
)

RULE_OBJECTS = {
    "PairSTDP": nr.PairSTDP(),
    "PairSTDP multiplicative": nr.PairSTDP(
        1e-2, 3e-2, 0.1, 0.2, 0.0, 1.0, dependence="multiplicative", pairing="nearest"
    ),
    "TripletSTDP": nr.TripletSTDP(w_max=3.0),
    "VoltageSTDP": nr.VoltageSTDP(every=2e-3),
    "VoltageSTDP without homeostasis": nr.VoltageSTDP(u_ref=None, w_min=None),
    "RewardSTDP": nr.RewardSTDP(every=5e-3),
    "ErrorHebbian": nr.ErrorHebbian(0.3, w_min=-1.0),
    "VoltageHomeostasis": nr.VoltageHomeostasis(0.02, u_init=0.01),
    "SleepReplay": nr.SleepReplay(0.1, 0.2),
    "SleepReplay hard": nr.SleepReplay(0.1, 0.2, gate="hard"),
    "own rule": OWN_RULE,
}

SHORT_TERM = {
    "TsodyksMarkram": nr.TsodyksMarkram(0.3, 0.2, 0.5),
    "own short-term rule": nr.ShortTermPlasticity(
        "dn/dt = -n / tau : 1", "n += 1; efficacy = n", parameters={"tau": (0.1, "second")},
        initial={"n": 0.5}, name="count",
    ),
}  # fmt: skip

SOURCE_OBJECTS = {
    "Poisson": nr.Poisson([1.0, 2.0, 3.0]),
    "ModulatedPoisson": nr.ModulatedPoisson(np.ones((4, 3)), interval=0.1, repeat=True),
    "ModulatedPoisson expression": nr.ModulatedPoisson("a * t", parameters={"a": PER_UNIT}),
    "PoissonImages": nr.PoissonImages(np.eye(3), 20.0, 0.1, gap=0.05),
    "WindowedPoisson": nr.WindowedPoisson([1.0, 2.0, 3.0], (1, 3), 1, stop=0.5),
    "SpikeTimes": nr.SpikeTimes([3, 1], [0, 2]),
    "SpikeTimes seconds": nr.SpikeTimes([3e-3, 1e-3], [0, 2]),
    "PerItem": nr.PerItem([nr.Poisson(1.0), nr.SpikeTimes([0], [1])]),
}

CONNECTOR_OBJECTS = {
    "number": 0.5,
    "dense drawn": nr.dense(nr.Normal(0.0, 1.0)),
    "array": np.arange(9.0).reshape(3, 3),
    "sparse": scipy.sparse.csr_array(np.eye(3)),
    "one_to_one": nr.one_to_one(PER_UNIT),
    "one_to_one drawn": nr.one_to_one(nr.Uniform(0.0, 1.0)),
    "fixed_probability": nr.fixed_probability(0.5, 1.0, autapses=False),
    "fixed_in_degree": nr.fixed_in_degree(2, nr.Uniform(0.0, 1.0), multapses=True),
    "fixed_out_degree": nr.fixed_out_degree(2, 1.0, autapses=False),
    "distance_dependent": nr.distance_dependent("exp(-d / s)", "d", parameters={"s": 2.0},
                                                extent=(3.0,), autapses=False),
    "distance_dependent drawn": nr.distance_dependent(0.5, nr.Normal(0.0, 1.0)),
    "convolution": nr.convolution(np.ones((1, 1, 1, 1)), stride=(1, 1)),
    "pooling": nr.pooling(1, 0.5),
}  # fmt: skip


def round_trip(net, path):
    nr.save(net, path / "net.h5")
    again = nr.load(path / "net.h5")
    assert again == net
    assert str(again) == str(net)
    one, two = nr.lower(net, 1e-3), nr.lower(again, 1e-3)
    assert one.content_fingerprint() == two.content_fingerprint()
    return again


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_models_come_back(name, tmp_path):
    net = nr.Network(seed=3)
    net.population("p", DESCRIPTIONS[name], 3, positions=[0.0, 2.0, 5.0])
    again = round_trip(net, tmp_path).populations["p"]
    assert type(again.model) is type(DESCRIPTIONS[name])
    assert again.model == DESCRIPTIONS[name]
    assert again.model != nr.LIF(tau_m=0.123)
    assert np.array_equal(again.positions, [[0.0], [2.0], [5.0]])


@pytest.mark.parametrize("name", SOURCE_OBJECTS)
def test_sources_come_back(name, tmp_path):
    net = nr.Network(seed=3)
    net.population("p", SOURCE_OBJECTS[name], 3)
    again = round_trip(net, tmp_path).populations["p"].model
    assert again == SOURCE_OBJECTS[name]
    for a, b in zip(
        SOURCE_OBJECTS[name].lower(1, "p", 3, 1e-3).events(0, 400),
        again.lower(1, "p", 3, 1e-3).events(0, 400),
        strict=True,
    ):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("name", RULE_OBJECTS)
def test_rules_come_back(name, tmp_path):
    rule = RULE_OBJECTS[name]
    net = nr.Network(seed=3)
    net.population("a", nr.LIF(), 3)
    net.population("one", nr.LeakyIntegrator(), 1)
    factors = dict.fromkeys(rule.factors, ("one", "v"))
    net.connect("a", "a", 0.5, plasticity=rule, factors=factors, name="c")
    net.record("c", "w", every=3)
    again = round_trip(net, tmp_path).projections["c"]
    assert type(again.plasticity) is type(rule)
    assert again.plasticity == rule
    assert dict(again.factors) == factors


@pytest.mark.parametrize("name", SHORT_TERM)
def test_short_term_rules_come_back(name, tmp_path):
    net = nr.Network(seed=3)
    net.population("a", nr.LIF(), 3)
    net.connect("a", "a", 0.5, short_term=SHORT_TERM[name], name="c")
    again = round_trip(net, tmp_path).projections["c"].short_term
    assert again == SHORT_TERM[name]
    assert type(again) is type(SHORT_TERM[name])


@pytest.mark.parametrize("name", CONNECTOR_OBJECTS)
def test_connectors_come_back(name, tmp_path):
    net = nr.Network(seed=3)
    image = name in ("convolution", "pooling")
    net.population("a", nr.LIF(), (1, 1, 3) if image else 3)
    forth = net.connect("a", "a", CONNECTOR_OBJECTS[name], gain=0.5, delay=2e-3, name="c")
    if not image:
        net.connect("a", "a", nr.transpose_of(forth), name="back")
    again = round_trip(net, tmp_path).projections["c"]
    assert again.connector == forth.connector
    assert (again.delay, again.gain) == (2e-3, 0.5)


@pytest.mark.parametrize(
    "delay", [None, 3e-3, np.arange(1.0, 10.0).reshape(3, 3) * 1e-3, nr.Uniform(1e-3, 4e-3),
              nr.Normal(3e-3, 1e-3)], ids=["none", "one", "array", "uniform", "normal"],
)  # fmt: skip
def test_delays_come_back(delay, tmp_path):
    net = nr.Network(seed=3)
    net.population("a", nr.LIF(), 3)
    net.connect("a", "a", 0.5, delay=delay, name="c")
    again = round_trip(net, tmp_path).projections["c"].delay
    assert np.array_equal(again, delay) if isinstance(delay, np.ndarray) else again == delay


def test_nothing_of_the_library_is_left_out():
    made = [*DESCRIPTIONS.values(), *RULE_OBJECTS.values(), *SHORT_TERM.values()]
    made += SOURCE_OBJECTS.values()
    kinds = {type(x) for x in made}
    assert {*MODELS, *RULES, *SOURCES, *(getattr(nr, n) for n in BASES)} <= kinds
    ours = {c for c in distributions.Distribution.__subclasses__() if "pynn" not in c.__module__}
    assert ours == {nr.Uniform, nr.Normal}
    used = {type(s) for s in DESCRIPTIONS["LIF ports"].synapses.values()}
    assert used == set(COURSES)


def test_descriptions_that_differ_are_not_equal():
    everything = [*DESCRIPTIONS.values(), *RULE_OBJECTS.values(), *SOURCE_OBJECTS.values()]
    for i, one in enumerate(everything):
        for j, two in enumerate(everything):
            if i != j:
                assert one != two

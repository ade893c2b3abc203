"""Every design rule finds what breaks it, and nothing that is just inside the limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro.connectivity import Dense, Sparse
from neuro.loihi import LIF, rules
from neuro.loihi.chip import Compartments, SynapseFormat
from neuro.loihi.deployment import Deployment, deploy
from neuro.loihi.design import Design, Layer, Link
from neuro.loihi.placement import Core, Placement, Wiring, place
from neuro.loihi.rules import RULES, WARNING, check
from neuro.loihi.target import LOIHI_1, LOIHI_2, Target

PLAIN = Compartments(du=4095, dv=128, vth=1000, bias_mant=0, bias_exp=0, refractory_steps=0)
FORMAT = SynapseFormat(exponent=0, bits=8, sign_mode="mixed")


def design(
    target: Target = LOIHI_1,
    compartments: Compartments | None = PLAIN,
    count: int = 4,
    inputs: int = 3,
    chips: int = 1,
    placement: Placement | None = None,
    layer: dict | None = None,
    link: dict | None = None,
) -> Design:
    """A source on a layer ``out`` by the projection ``con``."""
    wiring = Wiring("con", "in", "out", Dense(inputs, count))
    made = Layer(count, "LIF", compartments, **(layer or {}))
    weights = np.full(inputs * count, 2.0)
    given = {"wiring": wiring, "format": FORMAT, "weights": weights, **(link or {})}
    links = {"con": Link(**given)}
    if placement is None:
        placement = place({"out": made.units()}, [x.wiring for x in links.values()], target)
    return Design(target, chips, {"out": made}, links, placement)


def core(**used: int) -> Placement:
    """One core with a given use."""
    names = {name.replace("_", " "): number for name, number in used.items()}
    everything = {"neurons": 1, "synaptic memory": 1, "axons in": 1, "axons out": 1}
    return Placement(LOIHI_1, (Core("out", 0, 4, 0, 0, {**everything, **names}),))


def form(**changes: object) -> dict:
    return {"format": replace(FORMAT, **changes)}


def weights(value: float, sign_mode: str = "mixed", bits: int = 8) -> dict:
    kind = SynapseFormat(0, bits, sign_mode)
    return {"format": kind, "weights": np.array([4.0] * 11 + [value])}


def cells(**changes: object) -> dict:
    return {"compartments": replace(PLAIN, **changes)}


def many_cores(number: int) -> dict:
    used = core().cores[0].used
    cores = [Core("out", i, i + 1, *divmod(i, 128), used) for i in range(number)]
    return {"count": number, "placement": Placement(LOIHI_1, tuple(cores)), "inputs": 1,
            "link": {"weights": np.full(number, 2.0)}}  # fmt: skip


# Rule: just inside, just outside, value, limit, where. A volley of 1024 weights of 128 at
# exponent 0 is 2^23, one more than the current holds.
CASES: dict[str, tuple[dict, dict, object, object, str]] = {
    "weight_bits": (
        {"link": form(bits=8)}, {"link": {**form(bits=9), "weights": None}}, 9, 8, "con"),
    "weight_bits ": (
        {"link": {**form(bits=1), "weights": None}},
        {"link": {**form(bits=0), "weights": None}}, 0, 1, "con"),
    "weight_exponent": ({"link": form(exponent=7)}, {"link": form(exponent=8)}, 8, 7, "con"),
    "weight_exponent ": ({"link": form(exponent=-8)}, {"link": form(exponent=-9)}, -9, -8, "con"),
    "weight_range": ({"link": weights(254)}, {"link": weights(256)}, 256, 254, "con"),
    "weight_range ": ({"link": weights(-256)}, {"link": weights(-255)}, -255, -256, "con"),
    "weight_range  ": (
        {"link": weights(255, "excitatory")}, {"link": weights(256, "excitatory")},
        256, 255, "con"),
    "weight_range   ": (
        {"link": weights(4, "mixed", 7)}, {"link": weights(6, "mixed", 7)}, 6, 4, "con"),
    "current_decay": (cells(du=4095), cells(du=4096), 4096, 4095, "out"),
    "current_decay ": (cells(du=0), cells(du=-1), -1, 0, "out"),
    "voltage_decay": (
        cells(dv=np.array([0, 1, 2, 4095])), cells(dv=np.array([0, 1, 4096, 2])),
        4096, 4095, "out"),
    "threshold": (cells(vth=131071), cells(vth=131072), 131072, 131071, "out"),
    "bias": (cells(bias_mant=4095), cells(bias_mant=4096), 4096, 4095, "out"),
    "bias ": (cells(bias_mant=-4096), cells(bias_mant=-4097), -4097, -4096, "out"),
    "bias  ": (cells(bias_exp=7), cells(bias_exp=8), 8, 7, "out"),
    "state_overflow": (
        {"inputs": 1023, "count": 1, "link": {"weights": np.full(1023, 128.0)}},
        {"inputs": 1024, "count": 1, "link": {"weights": np.full(1024, 128.0)}},
        2**23, 2**23 - 1, "out"),
    "state_overflow ": (
        {"inputs": 1023, "count": 1, "link": {"weights": np.full(1023, -128.0)}},
        {"inputs": 1024, "count": 1, "link": {"weights": np.full(1024, -128.0)}},
        -(2**23), -(2**23) + 1, "out"),
    "delay": ({"link": {"delay": 62}}, {"link": {"delay": 63}}, 63, 62, "con"),
    "refractory": ({"layer": {"refractory": 63}}, {"layer": {"refractory": 64}}, 64, 63, "out"),
    "neurons_per_core": (
        {"placement": core(neurons=1024)}, {"placement": core(neurons=1025)}, 1025, 1024, "out"),
    "fan_in_axons": (
        {"inputs": 4096, "link": {"weights": None, "wiring":
         Wiring("con", "in", "out", Dense(4096, 4))}},
        {"inputs": 4097, "link": {"weights": None, "wiring":
         Wiring("con", "in", "out", Dense(4097, 4))}}, 4097, 4096, "out"),
    "fan_out_axons": (
        {"placement": core(axons_out=4096)}, {"placement": core(axons_out=4097)},
        4097, 4096, "out"),
    "synaptic_memory": (
        {"placement": core(synaptic_memory=2**20)}, {"placement": core(synaptic_memory=2**20 + 64)},
        2**20 + 64, 2**20, "out"),
    "compartment_profiles": (
        {"placement": core(compartment_profiles=32)}, {"placement": core(compartment_profiles=33)},
        33, 32, "out"),
    "threshold_profiles": (
        {"placement": core(threshold_profiles=16)}, {"placement": core(threshold_profiles=17)},
        17, 16, "out"),
    "synapse_formats": (
        {"placement": core(synapse_formats=16)}, {"placement": core(synapse_formats=17)},
        17, 16, "out"),
    "cores_per_chip": (many_cores(128), many_cores(129), 129, 128, "out"),
    "model_supported": (
        {}, {"compartments": None, "layer": {"problem": "no"}}, "LIF", "LIF", "out"),
    "projection_supported": (
        {}, {"link": {"problem": "short"}}, "short", "weight and delay", "con"),
    "plasticity_supported": (
        {"link": {"rule": "STDP", "learning": "dw"}},
        {"link": {"rule": "STDP", "refusal": "w_max"}},
        "STDP", "a sum of products", "con"),
    "graded_events": (
        {"target": LOIHI_2, "layer": {"graded": True}}, {"layer": {"graded": True}},
        "graded spikes", "plain spikes", "out"),
    "quantisation_error": (
        {"layer": {"error": -0.02}}, {"layer": {"error": -0.021}}, -0.021, 0.02, "out"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.replace(" ", "'"))
def test_a_rule_and_no_other_finds_what_breaks_it(case: str) -> None:
    inside, outside, value, limit, where = CASES[case]
    assert check(design(**inside)) == ()
    (found,) = check(design(**outside))
    assert (found.rule, found.where) == (case.strip(), where)
    assert (found.value, found.limit) == (value, limit)
    assert found.mend and str(value) in str(found) and where in str(found)
    assert (found.severity == WARNING) == (
        found.rule in ("state_overflow", "quantisation_error")
    )


def test_every_rule_has_a_case_and_says_its_limit_and_source() -> None:
    assert {rule.__name__ for rule in RULES} == {case.strip() for case in CASES}
    defined = {
        name for name, thing in vars(rules).items()
        if callable(thing) and getattr(thing, "__annotations__", {}).get("design") == "Design"
        and not name.startswith("_") and name != "check"
    }  # fmt: skip
    assert defined == {rule.__name__ for rule in RULES}
    assert all(rule.__doc__ for rule in RULES)


def test_more_than_one_chip_is_a_warning_and_too_many_an_error() -> None:
    assert check(design(**many_cores(128), chips=2)) == ()
    (warning,) = check(design(**many_cores(256), chips=2))
    assert (warning.severity, warning.value, warning.limit) == (WARNING, 256, 128)
    assert "2 chips" in warning.mend
    (error,) = check(design(**many_cores(257), chips=2))
    assert (error.severity, error.value, error.limit) == ("error", 257, 256)


def test_the_layer_at_which_cores_run_out_is_named() -> None:
    used = dict(core().cores[0].used)
    cores = [Core("a" if i < 128 else "b", i, i + 1, 0, 0, used) for i in range(130)]
    layers = {name: Layer(200, "LIF", PLAIN) for name in "ab"}
    found = check(Design(LOIHI_1, 1, layers, {}, Placement(LOIHI_1, tuple(cores))))
    assert [(v.rule, v.where) for v in found] == [("cores_per_chip", "b")]


def test_profiles_are_not_limited_on_loihi_2() -> None:
    placed = replace(core(compartment_profiles=99, synapse_formats=99), target=LOIHI_2)
    assert check(design(target=LOIHI_2, placement=placed)) == ()


def test_an_overflow_adds_all_projections_and_counts_exponents() -> None:
    one = design(inputs=512, count=1, link={"weights": np.full(512, 128.0)})
    link = one.links["con"]
    assert check(one) == ()
    (both,) = check(replace(one, links={"con": link, "more": link}))
    assert both.rule == "state_overflow" and both.value == 2**23
    (shifted,) = check(
        replace(one, links={"con": replace(link, format=replace(FORMAT, exponent=1))})
    )
    assert shifted.value == 2**23
    # A sparse unit that only few reach does not overflow, whatever the whole sum is.
    spread = Sparse(512, 512, np.arange(513), np.arange(512))
    wide = replace(link, wiring=replace(link.wiring, synapses=spread), weights=np.full(512, 254.0))
    assert check(replace(one, links={"con": wide}, layers={"out": Layer(512, "LIF", PLAIN)})) == ()


# --- of whole networks -----------------------------------------------------------------------

DT = 1e-3


def network(
    size: int = 4, inputs: int = 3, weight: object = 2.0, delay: float = DT, **model: object
) -> nr.Network:
    net = nr.Network("net")
    net.population("in", nr.Poisson(rate=10.0), size=inputs)
    net.population("out", LIF(**{"du": 4095, "dv": 128, "vth": 1000, **model}), size=size)
    net.connect("in", "out", weights=weight, delay=delay, name="con")
    return net


def reported(net: nr.Network, target: str = "loihi1", **options: object) -> Deployment:
    return deploy(net, DT, target, duration=5 * DT, **options)


@pytest.mark.parametrize(
    ("inside", "outside", "rule", "where", "value", "limit"),
    [
        ({"delay": 63 * DT}, {"delay": 64 * DT}, "delay", "con", 63, 62),
        ({"t_ref": 63 * DT}, {"t_ref": 64 * DT}, "refractory", "out", 64, 63),
        ({"weight": 255.0}, {"weight": 256.0}, "weight_range", "con", 256, 255),
        ({"inputs": 4096}, {"inputs": 4097}, "fan_in_axons", "out", 4097, 4096),
    ],
)
@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_networks_at_the_limit_and_beyond(
    inside: dict, outside: dict, rule: str, where: str, value: int, limit: int, target: str
) -> None:
    assert reported(network(**inside), target).violations == ()
    made = reported(network(**outside), target)
    assert not made.fits
    (found,) = made.violations
    assert (found.rule, found.where, found.value, found.limit) == (rule, where, value, limit)


def test_chips_are_limited() -> None:
    net = network(1025, weight=nr.one_to_one(2.0), inputs=1025)
    assert reported(net, chips=1).fits and reported(net, chips=1).cores == 2
    many = network(128 * 1024 + 1, 1)
    assert reported(many).fits and reported(many).chips == 2
    (found,) = reported(many, chips=1).violations
    assert (found.rule, found.where, found.value) == ("cores_per_chip", "out", 129)
    with pytest.raises(nr.CompileError, match="chips = 0"):
        reported(net, chips=0)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [(nr.PairSTDP(), True), (nr.PairSTDP(w_max=0.5), False), (nr.TripletSTDP(), None)],
)
def test_plasticity_is_judged_by_its_translation(
    rule: nr.PlasticityRule, fits: bool | None
) -> None:
    from neuro.loihi.learning import translate

    net = nr.Network("plastic")
    net.population("in", nr.Poisson(rate=50.0), size=5)
    net.population("out", nr.LIF(), size=3)
    net.connect("in", "out", weights=0.3, name="con", plasticity=rule)
    try:
        text, refusal = str(translate(net, "con", DT)), ""
    except nr.CompileError as error:
        text, refusal = "", str(error)
    assert fits is None or fits == (not refusal)
    made = reported(net)
    assert [v.rule for v in made.violations] == (["plasticity_supported"] if refusal else [])
    assert bool(made.links["con"].learning) == bool(text)
    assert (made.estimate.events["learning updates"] > 0) == bool(text)
    assert reported(net, frozen=True).fits
    assert net.projections["con"].plasticity is rule


MAKERS: dict[str, Callable[[], nr.NeuronModel]] = {
    "hodgkin": nr.HodgkinHuxley, "adex": nr.AdEx, "leaky": nr.LeakyIntegrator,
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_what_has_no_integer_form_is_named_and_the_rest_is_placed(name: str) -> None:
    net = nr.Network("mixed")
    net.population("in", nr.Poisson(rate=50.0), size=20)
    net.population("good", nr.LIF(), size=2000)
    net.population("odd", MAKERS[name](), size=10)
    port = next(iter(net.populations["odd"].model.ports))
    net.connect("in", "good", weights=0.3, name="first")
    few = nr.fixed_probability(0.1, weight=1e-9)
    net.connect("good", "odd", weights=few, port=port, name="bad")
    if name != "leaky":
        net.connect("odd", "good", weights=0.1, name="back")
    made = reported(net)
    (found,) = made.violations
    assert (found.rule, found.where) == ("model_supported", "odd")
    assert found.value == net.populations["odd"].model.name and found.mend
    layers = {layer.name: layer for layer in made.layers}
    assert layers["good"].cores == 2 and layers["odd"].cores == 1
    assert isinstance(layers["good"].weight_exponent, int | list)
    assert layers["odd"].weight_exponent is None
    assert made.energy_joule > 0 and "floats" in made.activity


def test_gains_and_shared_ports_of_an_integer_network_are_found() -> None:
    net = network()
    net.connect("in", "out", weights=2.0, gain=0.5, name="scaled")
    (found,) = reported(net).violations
    assert (found.rule, found.where) == ("projection_supported", "scaled")
    shared = network(ports={"input": -1})
    assert reported(shared).fits
    shared.connect("in", "out", weights=2.0, name="more")
    (found,) = reported(shared).violations
    assert found.rule == "projection_supported" and "'con' and 'more' share" in found.mend


def test_different_periods_are_different_profiles() -> None:
    periods = np.array([0, 1, 1, 5]) * DT
    (core,) = reported(network(t_ref=periods)).placement.cores
    assert core.used["compartment profiles"] == 3 and core.used["threshold profiles"] == 1


def test_quantisation_may_add_a_step_of_delay() -> None:
    net = nr.Network("slow")
    net.population("in", nr.Poisson(rate=50.0), size=3)
    net.population("out", nr.LIF(synapses={"exc": nr.Exponential(5e-3)}), size=3)
    net.connect("in", "out", weights=0.3, name="con", delay=62 * DT)
    added = nr.loihi.quantise(net, DT).network.projections["con"].delay / DT - 62
    assert reported(net).links["con"].delay == pytest.approx(61 + added) and added > 0


def test_short_term_plasticity_is_named() -> None:
    net = nr.Network("tired")
    net.population("in", nr.Poisson(rate=50.0), size=20)
    net.population("out", nr.LIF(), size=20)
    net.connect("in", "out", weights=0.3, name="con", short_term=nr.TsodyksMarkram())
    (found,) = reported(net).violations
    assert (found.rule, found.where) == ("projection_supported", "con")

"""What a program needs is found, named with what needs it, and refused with the reason."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.capabilities import FEATURES, check, required
from neuro.lowering import lower


def base():
    net = nr.Network("demo")
    net.population("a", nr.Poisson(10.0), (1, 3, 3))
    net.population("b", nr.LIF(), 9)
    net.population("one", nr.LeakyIntegrator(), 1)
    return net


def needs(*lines, precision="float64"):
    net = base()
    for line in lines:
        line(net)
    return required(lower(net, 1e-3, precision))


CASES = {
    "sparse": lambda n: n.connect("a", "b", nr.one_to_one(1.0), name="c"),
    "multapses": lambda n: n.connect(
        "a", "b", nr.fixed_in_degree(30, 1.0, multapses=True), name="c"
    ),
    "convolution": lambda n: n.connect("a", "b", nr.convolution(np.ones((1, 1, 1, 1))), name="c"),
    "synaptic delays": lambda n: n.connect(
        "a", "b", 1.0, delay=nr.Uniform(1e-3, 2e-3), name="c"
    ),
    "short-term plasticity": lambda n: n.connect(
        "a", "b", 1.0, short_term=nr.TsodyksMarkram(), name="c"
    ),
    "plasticity": lambda n: n.connect("a", "b", 1.0, plasticity=nr.PairSTDP(), name="c"),
    "continuous rules": lambda n: n.connect(
        "a", "b", 1.0, plasticity=nr.VoltageSTDP(), name="c"
    ),
    "synaptic traces": lambda n: n.connect(
        "a", "b", 1.0, plasticity=nr.RewardSTDP(), factors={"reward": ("one", "v")}, name="c"
    ),
}


@pytest.mark.parametrize("feature", CASES)
def test_features_are_found(feature):
    assert needs(CASES[feature]).get(feature) == "c"


def test_nothing_else_is_found():
    assert needs() == {"float64": "precision"}
    assert needs(precision="float32") == {"float32": "precision"}
    dense = lambda n: n.connect("a", "b", 1.0)  # noqa: E731
    assert set(needs(dense)) == {"float64"}
    assert set(needs(CASES["sparse"])) == {"float64", "sparse"}
    assert set(needs(CASES["convolution"])) == {"float64", "convolution"}
    assert set(needs(CASES["plasticity"])) == {"float64", "plasticity"}
    assert set(needs(CASES["short-term plasticity"])) == {"float64", "short-term plasticity"}
    assert set(needs(CASES["continuous rules"])) == {"float64", "plasticity", "continuous rules"}
    assert set(needs(CASES["synaptic traces"])) == {
        "float64", "plasticity", "continuous rules", "synaptic traces", "third factors",
    }  # fmt: skip
    # Delays of single synapses make a dense matrix sparse.
    assert set(needs(CASES["synaptic delays"])) == {"float64", "sparse", "synaptic delays"}


def test_the_voltage_of_the_target_is_no_third_factor():
    assert "third factors" not in needs(CASES["continuous rules"])
    factor = lambda n: n.connect(  # noqa: E731
        "a", "b", 1.0, plasticity=nr.ErrorHebbian(), factors={"error": ("one", "v")}, name="c"
    )
    assert needs(factor)["third factors"] == "c"


def test_graded_events_and_tied_weights():
    net = nr.Network()
    net.population("g", nr.Graded(), 3)
    net.population("s", nr.SigmaDelta(), 3)
    forth = net.connect("g", "s", 1.0, name="forth")
    assert required(lower(net, 1e-3)) == {"float64": "precision", "graded events": "forth"}
    net.connect("s", "g", nr.transpose_of(forth), name="back")
    found = required(lower(net, 1e-3))
    assert (found["tied weights"], found["graded events"]) == ("back", "forth")


def test_multapses_are_not_in_scipy_matrices():
    twice = scipy.sparse.coo_array(([1.0, 1.0], ([0, 0], [1, 1])), (9, 9))
    assert "multapses" not in needs(lambda n: n.connect("a", "b", twice))


class Poor:
    """A backend that lacks everything but what it is given."""

    name = "poor"

    def __init__(self, *can):
        self.can = can

    def lacks(self, **options):
        reasons = {f: f"reason of {f}" for f in FEATURES if f not in self.can}
        return {k: v for k, v in reasons.items() if not (options.get("new") and k == "sparse")}


@pytest.mark.parametrize("feature", CASES)
def test_what_is_lacking_is_refused_with_the_reason(feature):
    net = base()
    CASES[feature](net)
    program = lower(net, 1e-3)
    others = [f for f in FEATURES if f != feature]
    message = f"backend 'poor' cannot run .*'c' of network 'demo' needs: reason of {feature}"
    with pytest.raises(nr.CompileError, match=message):
        check(program, Poor(*others), {})
    check(program, Poor(*FEATURES), {})


def test_options_change_what_a_backend_can():
    net = base()
    CASES["sparse"](net)
    program = lower(net, 1e-3)
    with pytest.raises(nr.CompileError, match="reason of sparse"):
        check(program, Poor("float64"), {})
    check(program, Poor("float64"), {"new": True})


def test_the_reference_lacks_only_batches():
    from neuro.backends.reference import BACKEND

    lacks = BACKEND.lacks()
    assert set(lacks) <= {"batch"}
    assert set(lacks) <= set(FEATURES)

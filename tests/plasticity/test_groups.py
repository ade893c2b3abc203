"""Third factors whose units each serve a group of consecutive units."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.members import factor_side
from neuro.program import group_of, side_of

RELAY = {"tau_m": 1.0, "v_threshold": 1e-9}  # a spike in the step in which something arrives


def constant(values):
    """A population whose variable z holds given values."""
    return nr.NeuronModel("z : 1", inputs={"i": "1"}, initial={"z": values})


@pytest.mark.parametrize(
    ("size", "pre", "post", "side"),
    [
        (1, 6, 4, "shared"),
        (4, 6, 4, "post"),
        (6, 6, 4, "pre"),
        (2, 6, 4, "post/2"),  # post is asked first, as for equal sizes
        (3, 6, 4, "pre/2"),
        (6, 6, 12, "pre"),  # the whole size fits better than groups
        (5, 6, 4, None),
        (8, 6, 4, None),
    ],
)
def test_the_side_of_a_factor(size, pre, post, side):
    assert factor_side(size, pre, post) == side


def test_names_with_groups():
    assert (side_of("a.b@post/12"), group_of("a.b@post/12")) == ("post", 12)
    assert (side_of("a.b@pre"), group_of("a.b@pre"), group_of("a.b")) == ("pre", 1, 1)


@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
@pytest.mark.parametrize("side", ["pre", "post"])
def test_consecutive_units_share_a_value(side, kind):
    z = {"pre": [1.0, 2.0, 3.0], "post": [10.0, 20.0]}[side]
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2, 2, 2], [0, 3, 5]), 6)
    post = net.population("post", nr.LIF(**RELAY), 4)
    net.population("third", constant(z), len(z))
    rule = nr.PlasticityRule(
        on_pre="w += f", on_post="w += 100 * f", on_step="w += 1000 * f",
        factors=("f",), every=4e-3,
    )  # fmt: skip
    w0 = np.zeros((6, 4))
    w0[0, 1] = w0[3, 2] = 0.5
    mask = np.kron(np.eye(2), np.ones((3, 2))) if kind == "blocks" else np.ones_like(w0)
    weights = {
        "dense": w0,
        "sparse": scipy.sparse.csr_array(np.ones_like(w0)),
        "blocks": nr.block_diagonal(np.ones((2, 3, 2))),
    }[kind]
    con = net.connect(
        pre, post, weights, plasticity=rule, factors={"f": ("third", "z")}, name="con"
    )
    with nr.compile(net) as sim:
        sim.set_weights(con, w0)
        sim.run_steps(4, False)  # arrivals and the spikes of targets at step 3, on_step at 3
        w = sim.weights(con)
    f = np.repeat(z, 2)
    f = np.broadcast_to(f[:, None] if side == "pre" else f, (6, 4))
    arrived, spiked = np.zeros((6, 1)), np.array([0, 1, 1, 0])
    arrived[[0, 3, 5]] = 1
    expected = w0 + mask * (f * arrived + 100 * f * spiked + 1000 * f)
    np.testing.assert_allclose(w, expected, rtol=1e-14)


def test_a_trace_reads_the_value_of_its_group():
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2, 2], [1, 2]), 4)
    post = net.population("post", nr.LIF(**RELAY), 5)
    net.population("half", constant([10.0, 20.0]), 2)
    rule = nr.PlasticityRule(
        "x += f; w += x", on_step="x += 1000 * f", every=4e-3, pre_traces="x : 1", factors=("f",)
    )
    net.connect(
        pre, post, np.ones((4, 5)), plasticity=rule, factors={"f": ("half", "z")}, name="con"
    )
    with nr.compile(net) as sim:
        sim.run_steps(4, False)
        assert sim.engine.read("con.x").tolist() == [10000, 10010, 20020, 20000]


def test_a_size_that_fits_no_group_is_refused():
    net = nr.Network()
    pre, post = net.population("pre", nr.LIF(), 6), net.population("post", nr.LIF(), 4)
    net.population("third", constant(np.ones(5)), 5)
    rule = nr.PlasticityRule(on_step="w = f", factors=("f",))
    with pytest.raises(nr.DescriptionError) as raised:
        net.connect(pre, post, 0.0, plasticity=rule, factors={"f": ("third", "z")}, name="con")
    assert str(raised.value) == (
        "factor 'f' of projection 'con': its population has 5 units; expected 1, 4 as the post or"
        " 6 as the pre population, or a divisor of one of these, whose units each serve a group of"
        " consecutive units"
    )

"""The order of a step, what statements may read and write, third factors, delays of synapses."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr

DT = 1e-3

#: A target that repeats its input: spikes when anything arrives.
RELAY = {"v_threshold": 1e-9, "tau_m": 1.0}


def one_synapse(rule, arrivals, spikes, steps, record=("w",), delay=1, w0=0.0):
    """Traces of the projection; the target spikes in the given steps."""
    net = nr.Network()
    arrivals, spikes = np.asarray(arrivals, int), np.asarray(spikes, int)
    pre = net.population("pre", nr.SpikeTimes(arrivals - delay, 0 * arrivals), 1)
    force = net.population("force", nr.SpikeTimes(spikes - 1, 0 * spikes), 1)
    post = net.population("post", nr.LIF(v_threshold=1e3), 1)
    con = net.connect(pre, post, w0, delay=delay * DT, plasticity=rule, gain=0.0, name="con")
    net.connect(force, post, 1e6)
    for what in record:
        net.record(con, what)
    with nr.compile(net) as sim:
        rec = sim.run_steps(steps, False)
    return [rec.trace(con, what)[:, 0] for what in record]


def test_order_within_a_step():
    # Decay, then on_pre, then on_post, then on_step; each appends a digit to w.
    rule = nr.PlasticityRule(
        on_pre="w = 10 * w + 1 + x",
        on_post="w = 10 * w + 2",
        on_step="w = 10 * w + 3",
        pre_traces="dx/dt = (1 - x) / tau : 1",  # long since 1 in every decay
        parameters={"tau": (1e-9, "second")},
    )
    (w,) = one_synapse(rule, [3, 5], [4, 5], 6)
    increments = [round(b - 10**n * a) for a, b, n in (
        (0.0, w[0], 1), (w[2], w[3], 2), (w[3], w[4], 2), (w[4], w[5], 3))]  # fmt: skip
    assert increments == [3, 23, 23, 223]  # on_pre gives 1 + x = 2


def test_flags_are_those_of_the_step_in_every_block():
    rule = nr.PlasticityRule(
        on_pre="w += 1 + 10 * post_spike + 1000 * pre_spike",
        on_post="w += 2 + 10 * pre_spike",
        on_step="w += 100 * (pre_spike and post_spike) + 0.5 * (pre_spike or post_spike)",
    )
    (w,) = one_synapse(rule, [3, 5], [4, 5], 8)
    steps = np.diff(w, prepend=0).tolist()
    assert steps == [0, 0, 0, 1001.5, 2.5, 1011 + 12 + 100.5, 0, 0]


def test_truth_values_count_one_and_zero():
    rule = nr.PlasticityRule(
        on_step="w += (pre_spike + post_spike) * 10 - (pre_spike - post_spike)"
    )
    (w,) = one_synapse(rule, [3, 5], [4, 5], 7)
    assert np.diff(w, prepend=0).tolist() == [0, 0, 0, 9, 11, 20, 0]


def test_traces_step_once_per_unit_and_synapses_once_per_synapse():
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2, 2, 4], [0, 1, 0]), 3)
    post = net.population("post", nr.LIF(), 4)
    rule = nr.PlasticityRule("n += 1; s += n; w += s", pre_traces="n : 1", synapse_traces="s : 1")
    con = net.connect(pre, post, 0.0, plasticity=rule, name="con")
    net.record(con, "n")
    net.record(con, "s")
    with nr.compile(net) as sim:
        rec = sim.run_steps(8, False)
        w = sim.weights(con)
    assert rec.trace(con, "n")[-1].tolist() == [2, 1, 0]
    s = np.repeat([[3.0], [1.0], [0.0]], 4, axis=1)
    assert np.array_equal(rec.trace(con, "s")[-1].reshape(3, 4), s)
    assert np.array_equal(w, np.repeat([[1 + 3.0], [1.0], [0.0]], 4, axis=1))


def test_synaptic_traces_decay_last_and_read_everything():
    rule = nr.PlasticityRule(
        "x += 1",
        pre_traces="dx/dt = -x / tau : 1",
        synapse_traces="dc/dt = (x - c) / tau : 1",
        on_step="w = c",
        parameters={"tau": (10e-3, "second")},
    )
    x, c, w = one_synapse(rule, [4], [], 30, ("x", "c", "w"))
    k = np.arange(30)
    trace = np.exp(-np.maximum(k - 4, 0) / 10) * (k >= 4)
    np.testing.assert_allclose(x, trace, rtol=1e-12)
    # c sees the x that has decayed in this step, not the one that steps up afterwards.
    state = 0.0
    for step in range(30):
        seen = trace[step - 1] * np.exp(-0.1) if step else 0.0
        state = seen + (state - seen) * np.exp(-0.1)
        assert c[step] == pytest.approx(state, rel=1e-12, abs=1e-15)
    assert np.array_equal(w, c)


def test_dt_and_every():
    for every, period in ((None, 1), (1e-3, 1), (4e-3, 4), (7e-3, 7)):
        rule = nr.PlasticityRule(on_step="w += dt", every=every)
        (w,) = one_synapse(rule, [], [], 30)
        k = np.arange(30)
        np.testing.assert_allclose(w, (k + 1) // period * period * DT, rtol=1e-12)


def test_every_counts_steps_of_the_simulation_not_of_a_run():
    net = nr.Network()
    a = net.population("a", nr.LIF(), 1)
    con = net.connect(a, a, 0.0, plasticity=nr.PlasticityRule(on_step="w += 1", every=4e-3))
    net.record(con, "w")
    with nr.compile(net) as sim:
        rows = [sim.run_steps(n, False).trace(con, "w")[:, 0] for n in (3, 1, 2, 5, 1)]
    assert np.concatenate(rows).tolist() == [0] * 3 + [1] * 4 + [2] * 4 + [3]


def test_every_must_be_whole_steps():
    net = nr.Network()
    a = net.population("a", nr.LIF(), 1)
    rule = nr.PlasticityRule(on_step="w += 1", every=2.5e-3)
    net.connect(a, a, 0.0, plasticity=rule)
    with pytest.raises(nr.CompileError, match="every of plasticity rule at 'a_a' is 0.0025.*0.002"):
        nr.compile(net)


def test_initial_values_of_traces():
    rule = nr.PlasticityRule(
        on_step="w = x + 10 * y + 100 * s",
        pre_traces="x : 1",
        post_traces="y : 1",
        synapse_traces="s : 1",
        initial={"x": 1.0, "y": 2.0, "s": 3.0},
    )
    (w,) = one_synapse(rule, [], [], 1)
    assert w.tolist() == [321.0]


# --- third factors -----------------------------------------------------------------------------


def constant(values):
    """A population whose variable z holds given values."""
    return nr.NeuronModel("z : 1", inputs={"i": "1"}, initial={"z": values})


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("side", ["pre", "post", "one"])
def test_sides_of_third_factors(side, sparse):
    z = {"pre": [1.0, 2.0, 3.0], "post": [10.0, 20.0], "one": 5.0}[side]
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2, 2], [0, 2]), 3)
    post = net.population("post", nr.LIF(**RELAY), 2)
    net.population("third", constant(z), len(z) if side != "one" else 1)
    rule = nr.PlasticityRule(
        on_pre="w += f", on_post="w += 100 * f", on_step="w += 1000 * f",
        factors=("f",), every=4e-3,
    )  # fmt: skip
    w0 = np.array([[0.5, 0.0], [0.0, 0.0], [0.25, 0.0]])
    weights = scipy.sparse.csr_array(np.ones_like(w0)) if sparse else w0
    con = net.connect(
        pre, post, weights, plasticity=rule, factors={"f": ("third", "z")}, name="con"
    )
    with nr.compile(net) as sim:
        sim.set_weights(con, w0)
        sim.run_steps(4, False)  # arrivals and the spike of target 0 at step 3, on_step at 3
        w = sim.weights(con)
    f = {"pre": np.array([[1.0], [2], [3]]), "post": np.array([[10.0, 20]]), "one": 5.0}[side]
    f = np.broadcast_to(f, (3, 2))
    expected = w0 + f * np.array([[1.0], [0], [1]]) + 100 * f * [1, 0] + 1000 * f
    np.testing.assert_allclose(w, expected, rtol=1e-14)


def test_a_factor_of_the_size_of_both_sides_belongs_to_post():
    net = nr.Network()
    a = net.population("a", nr.LIF(), 2)
    b = net.population("b", nr.LIF(), 2)
    net.population("third", constant([1.0, 2.0]), 2)
    rule = nr.PlasticityRule(on_step="w = f", factors=("f",))
    con = net.connect(a, b, 0.0, plasticity=rule, factors={"f": ("third", "z")})
    with nr.compile(net) as sim:
        sim.run_steps(1, False)
        assert sim.weights(con).tolist() == [[1, 2], [1, 2]]


def test_factors_in_traces_of_their_own_side():
    # A reward shared by all may step a trace of either side; one of the targets only theirs.
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2], [1]), 3)
    post = net.population("post", nr.LIF(**RELAY), 2)
    net.population("one", constant(5.0), 1)
    net.population("two", constant([10.0, 20.0]), 2)
    factors = {"r": ("one", "z"), "e": ("two", "z")}
    rule = nr.PlasticityRule(
        "x += r; w += x", "y += e + r; w += y", pre_traces="x : 1", post_traces="y : 1",
        factors=("r", "e"),
    )  # fmt: skip
    con = net.connect(pre, post, 1.0, plasticity=rule, factors=factors)
    with nr.compile(net) as sim:
        sim.run_steps(4, False)
        w = sim.weights(con)
    assert w.tolist() == [[16.0, 26.0], [21.0, 31.0], [16.0, 26.0]]
    wrong = nr.PlasticityRule("x += e", pre_traces="x : 1", factors=("e",))
    with pytest.raises(nr.EquationError, match="'x' has one value per pre unit.*'e'"):
        net.connect(pre, post, 1.0, plasticity=wrong, factors={"e": ("two", "z")}, name="x")


def test_factors_are_read_as_they_are_at_the_end_of_the_update():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([4], [0]), 1)
    third = net.population("third", nr.LIF(v_threshold=9.0, tau_m=1e9), 1)
    post = net.population("post", nr.LIF(), 1)
    net.connect(src, third, 2.0)
    rule = nr.PlasticityRule(on_step="w = f", factors=("f",))
    con = net.connect(src, post, 0.0, plasticity=rule, factors={"f": (third, "v")})
    net.record(con, "w")
    with nr.compile(net) as sim:
        w = sim.run_steps(7, False).trace(con, "w")[:, 0]
    assert w == pytest.approx([0, 0, 0, 0, 0, 2, 2], rel=1e-6)


# --- a delay for every synapse -----------------------------------------------------------------


def test_rules_follow_the_arrivals_of_each_synapse():
    # Pair STDP with synaptic delays equals one projection per synapse with that delay.
    rng = np.random.default_rng(4)
    spikes = rng.random((300, 4)) < 0.1
    forced = rng.random((300, 3)) < 0.05
    lags = rng.integers(1, 9, (4, 3))
    rule = nr.PairSTDP(10e-3, 20e-3, 0.02, 0.03)

    def network(build):
        net = nr.Network()
        pre = net.population("pre", nr.SpikeTimes(*np.nonzero(spikes)), 4)
        force = net.population("force", nr.SpikeTimes(*np.nonzero(forced)), 3)
        post = net.population("post", nr.LIF(v_threshold=1e3), 3)
        net.connect(force, post, nr.one_to_one(1e6))
        build(net, pre, post)
        with nr.compile(net) as sim:
            sim.run_steps(300, False)
            return {name: sim.weights(name) for name in net.projections if name != "force_post"}

    together = network(
        lambda n, a, b: n.connect(a, b, 0.5, delay=lags * DT, plasticity=rule, name="con")
    )["con"]

    def single(net, pre, post):
        for i in range(4):
            for j in range(3):
                only = scipy.sparse.coo_array(([0.5], ([i], [j])), (4, 3))
                delay = lags[i, j] * DT
                net.connect(pre, post, only, delay=delay, plasticity=rule, name=f"c{i}{j}")

    apart = sum(network(single).values())
    assert np.ptp(together) > 0.05
    np.testing.assert_allclose(together, apart, rtol=1e-12)


def test_pre_traces_and_flags_are_those_of_the_synapse():
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([2], [0]), 1)
    post = net.population("post", nr.LIF(), 3)
    rule = nr.PlasticityRule("x += 1", on_step="w += pre_spike", pre_traces="x : 1")
    con = net.connect(pre, post, 0.0, delay=[[1e-3, 3e-3, 3e-3]], plasticity=rule)
    net.record(con, "w")
    net.record(con, "x")
    with nr.compile(net) as sim:
        rec = sim.run_steps(7, False)
    expected = np.array([[0, 0, 0]] * 3 + [[1, 0, 0]] * 2 + [[1, 1, 1]] * 2)
    assert np.array_equal(rec.trace(con, "w"), expected)
    assert np.array_equal(rec.trace(con, "x"), expected)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_pre": "q = 1"}, "on_pre of r: cannot assign to 'q'; it may assign to w"),
        (
            {"on_pre": "y += 1", "post_traces": "y : 1"},
            "on_pre of r: cannot assign to 'y'; it may assign to w",
        ),
        (
            {"on_post": "x += 1", "pre_traces": "x : 1", "post_traces": "y : 1"},
            "on_post of r: cannot assign to 'x'; it may assign to w, y",
        ),
        ({"on_pre": "x = w", "pre_traces": "x : 1"}, "'x' has one value per pre unit.*'w'"),
        (
            {"on_step": "x = c", "pre_traces": "x : 1", "synapse_traces": "c : 1"},
            "on_step of r: the trace 'x' has one value per pre unit and cannot depend on 'c'",
        ),
        ({"pre_traces": "x : 1", "post_traces": "x : 1"}, "r: 'x' is declared twice"),
        ({"pre_traces": "w : 1"}, "r: 'w' is declared twice"),
        ({"factors": ("pre_spike",)}, "r: 'pre_spike' is declared twice"),
        ({"factors": ("is",)}, "factors of r: 'is' is reserved"),
        ({"parameters": {"a": [1.0, 2.0]}}, "a of r has 2 values; expected one number"),
        ({"initial": {"x": 1.0}}, "initial x of r: no such trace; it has none"),
        ({"every": 1e-3}, "every of r: there is no on_step to repeat"),
        ({"on_step": "w += 1", "every": [1e-3]}, "every of r is an array"),
        ({"on_step": "w +="}, "on_step of r: cannot read"),
        ({"w_min": 2, "w_max": 1}, "r: w_min 2 is above w_max 1"),
    ],
)
def test_mistakes(given, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.PlasticityRule(**given, name="r")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"on_pre": "w += u_post"}, "on_pre of r at projection 'c': unknown name 'u_post'"),
        ({"on_pre": "w += dt"}, "unknown name 'dt'"),
        ({"on_step": "w += v_pre"}, "unknown name 'v_pre'"),  # a source has no v
        ({"pre_traces": "dx/dt = v_post : 1"}, "dx/dt of r at .*unknown name 'v_post'"),
        ({"synapse_traces": "dc/dt = pre_spike : 1"}, "dc/dt of r at .*unknown name 'pre_spike'"),
        (
            {"on_pre": "x += v_post", "pre_traces": "x : 1"},
            "on_pre of r at projection 'c': the trace 'x' has one value per pre unit and cannot"
            " depend on 'v_post'",
        ),
        (
            {"on_step": "x += post_spike", "pre_traces": "x : 1"},
            "'x' has one value per pre unit and cannot depend on 'post_spike'",
        ),
    ],
)
def test_mistakes_seen_when_connected(given, message):
    net = nr.Network()
    net.population("a", nr.Poisson(1.0), 2)
    net.population("b", nr.LIF(), 3)
    with pytest.raises(nr.EquationError, match=message):
        net.connect("a", "b", 1.0, plasticity=nr.PlasticityRule(**given, name="r"), name="c")
    assert not net.projections


def test_what_is_allowed_in_traces():
    net = nr.Network()
    net.population("a", nr.LIF(), 2)
    net.population("b", nr.LIF(), 3)
    rule = nr.PlasticityRule(
        on_pre="x += v_pre * pre_spike",
        on_post="y += v_post * k + post_spike",
        on_step="x *= dt; c = v_pre * v_post + x * y",
        pre_traces="dx/dt = (v_pre - x) / tau : volt",
        post_traces="dy/dt = (v_post - y) / tau : volt",
        synapse_traces="dc/dt = (v_post * v_pre * w - c) / tau : 1",
        parameters={"tau": (1e-2, "second"), "k": 2.0},
    )
    net.connect("a", "b", 1.0, plasticity=rule)
    with nr.compile(net) as sim:
        sim.run_steps(3, False)


@pytest.mark.parametrize(
    ("factors", "message"),
    [
        (None, "r at projection 'c' reads the third factors f, but factors= names none"),
        ({"f": ("b", "v"), "g": ("b", "v")}, "reads the third factors f, but factors= names f, g"),
        ({"f": "b"}, r"factor 'f' of projection 'c' is 'b'; expected \(population, variable\)"),
        ({"f": ("b", "u")}, "factor 'f' of projection 'c': 'b' has no variable 'u'; it has v"),
        ({"f": ("a", "v")}, "factor 'f' of projection 'c': 'a' has no variable 'v'; it has none"),
        ({"f": ("q", "v")}, "factor 'f' of projection 'c': no population or projection 'q'"),
        ({"f": ("four", "v")}, "factor 'f' of projection 'c'.*has 4 units; expected 1, 3 .* or 2"),
    ],
)
def test_mistakes_in_factors(factors, message):
    net = nr.Network()
    net.population("a", nr.Poisson(1.0), 2)
    net.population("b", nr.LIF(), 3)
    net.population("four", nr.LIF(), 4)
    rule = nr.PlasticityRule(on_step="w += f", factors=("f",), name="r")
    with pytest.raises(nr.DescriptionError, match=message):
        net.connect("a", "b", 1.0, plasticity=rule, factors=factors, name="c")


def test_factors_without_a_rule_and_rules_on_convolutions():
    net = nr.Network()
    net.population("a", nr.Poisson(1.0), (1, 3, 3))
    net.population("b", nr.LIF(), (1, 2, 2))
    with pytest.raises(nr.DescriptionError, match="factors of projection 'c'.*'f'"):
        net.connect("a", "b", 1.0, factors={"f": ("b", "v")}, name="c")
    kernel = nr.convolution(np.ones((1, 1, 2, 2)))
    with pytest.raises(nr.DescriptionError, match="plasticity of projection 'c'.*share"):
        net.connect("a", "b", kernel, plasticity=nr.PairSTDP(), name="c")

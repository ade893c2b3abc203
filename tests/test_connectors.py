"""Connectors: statistics, shapes, determinism."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower


def weights(connector, n_pre, n_post, seed=0, name="c"):
    net = nr.Network(seed=seed)
    a = net.population("a", nr.Poisson(1.0), n_pre)
    b = net.population("b", nr.LIF(), n_post)
    net.connect(a, b, connector, name=name)
    with nr.compile(net) as sim:
        w = sim.weights(name)
        assert np.array_equal(sim.weights(name, sparse=True).toarray(), w)
        return w


def test_all_to_all_and_arrays():
    assert np.array_equal(weights(0.5, 3, 2), np.full((3, 2), 0.5))
    assert np.array_equal(weights(nr.dense(0.5), 3, 2), np.full((3, 2), 0.5))
    w = np.arange(6.0).reshape(3, 2)
    for given in (w, w.tolist(), nr.dense(w), nr.from_array(w), w.astype(np.float32)):
        assert np.array_equal(weights(given, 3, 2), w)


def test_sparse_keeps_stored_zeros_and_sums_duplicates():
    m = scipy.sparse.coo_array(
        ([1.0, 2.0, 0.0, 5.0], ([2, 2, 0, 1], [1, 1, 0, 0])), shape=(3, 2)
    )
    net = nr.Network()
    a, b = net.population("a", nr.Poisson(1.0), 3), net.population("b", nr.LIF(), 2)
    net.connect(a, b, m)
    program = lower(net, 1e-3)
    c = program.connectivity["a_b"]
    assert c.count == 3
    assert c.row_start.tolist() == [0, 1, 2, 3]
    assert c.targets.tolist() == [0, 0, 1]
    assert program.arrays["a_b.w"].initial.tolist() == [0, 5, 3]


def test_fixed_probability_statistics():
    w = weights(nr.fixed_probability(0.2, 1.0), 300, 400)
    n = 300 * 400
    assert abs(w.sum() - 0.2 * n) < 4 * np.sqrt(n * 0.2 * 0.8)
    rows, columns = w.sum(1), w.sum(0)
    assert rows.var() == pytest.approx(400 * 0.16, rel=0.4)
    assert columns.var() == pytest.approx(300 * 0.16, rel=0.4)


def test_fixed_probability_edges_and_autapses():
    assert weights(nr.fixed_probability(0.0, 1.0), 5, 5).sum() == 0
    assert np.array_equal(weights(nr.fixed_probability(1.0, 2.0), 5, 4), np.full((5, 4), 2.0))
    net = nr.Network()
    a = net.population("a", nr.LIF(), 6)
    net.connect(a, a, nr.fixed_probability(1.0, 1.0, autapses=False))
    with nr.compile(net) as sim:
        assert np.array_equal(sim.weights("a_a"), 1 - np.eye(6))


def test_one_to_one():
    assert np.array_equal(weights(nr.one_to_one(2.0), 4, 4), 2 * np.eye(4))
    assert np.array_equal(weights(nr.one_to_one([1.0, 2.0, 3.0]), 3, 3), np.diag([1.0, 2, 3]))


def test_distributions():
    u = weights(nr.Uniform(-1.0, 3.0), 100, 100)
    assert u.min() >= -1
    assert u.max() < 3
    assert u.mean() == pytest.approx(1.0, abs=0.05)
    n = weights(nr.dense(nr.Normal(2.0, 0.5)), 100, 100)
    assert n.mean() == pytest.approx(2.0, abs=0.03)
    assert n.std() == pytest.approx(0.5, rel=0.05)


def test_random_weights_depend_on_seed_and_name_only():
    def make(seed, name):
        return weights(nr.fixed_probability(0.3, nr.Normal(0.0, 1.0)), 20, 20, seed, name)

    assert np.array_equal(make(1, "x"), make(1, "x"))
    assert not np.array_equal(make(1, "x"), make(2, "x"))
    assert not np.array_equal(make(1, "x"), make(1, "y"))


# --- degrees -----------------------------------------------------------------------------------


def counts(connector, n_pre, n_post, seed=0, within=False):
    """Number of synapses of every pair, from the connectivity itself."""
    net = nr.Network(seed=seed)
    a = net.population("a", nr.LIF(), n_pre)
    b = a if within else net.population("b", nr.LIF(), n_post)
    connector.check(a, b, "c")
    c, _ = connector.build(np.random.default_rng(seed), a, b)
    assert all(
        np.all(np.diff(c.targets[i:j]) >= 0)
        for i, j in zip(c.row_start[:-1], c.row_start[1:], strict=True)
    )
    found = np.zeros((c.n_pre, c.n_post), int)
    np.add.at(found, (c.rows, c.targets), 1)
    return found


@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize(("make", "axis"), [(nr.fixed_in_degree, 0), (nr.fixed_out_degree, 1)])
def test_degrees_are_exact(make, axis, multapses, autapses):
    for degree in (0, 1, 7, 19):
        connector = make(degree, 1.0, autapses=autapses, multapses=multapses)
        found = counts(connector, 20, 20, within=True)
        assert np.all(found.sum(axis) == degree)
        assert found.max(initial=0) <= (degree if multapses else 1)
        if not autapses:
            assert not np.diag(found).any()
    assert multapses == (found.max() > 1)
    if autapses:
        assert np.diag(found).any()


@pytest.mark.parametrize(("make", "axis"), [(nr.fixed_in_degree, 0), (nr.fixed_out_degree, 1)])
@pytest.mark.parametrize("multapses", [True, False])
def test_partners_are_chosen_uniformly(make, axis, multapses):
    # Every pair alike, the own index excepted: pooled over seeds, within binomial bounds.
    total = np.zeros((8, 8))
    for seed in range(300):
        total += counts(make(3, 1.0, autapses=False, multapses=multapses), 8, 8, seed, within=True)
    off = total[~np.eye(8, dtype=bool)]
    expected = 300 * 3 / 7
    sd = np.sqrt(300 * (3 / 49 * 6 if multapses else 3 / 7 * 4 / 7))
    assert np.abs(off - expected).max() < 4.5 * sd
    assert ((off - expected) ** 2).mean() == pytest.approx(sd**2, rel=0.5)


@pytest.mark.parametrize(("n_pre", "n_post"), [(5, 12), (12, 5)])
@pytest.mark.parametrize(
    ("make", "side"), [(nr.fixed_in_degree, "in"), (nr.fixed_out_degree, "out")]
)
def test_without_autapses_between_populations_of_other_sizes(make, side, n_pre, n_post):
    # Units beyond the end of the smaller population have no own index: all are partners.
    total = np.zeros((n_pre, n_post))
    for seed in range(200):
        total += counts(make(3, 1.0, autapses=False), n_pre, n_post, seed)
    same = np.eye(n_pre, n_post, dtype=bool)
    assert not total[same].any()
    assert np.all(total[~same] > 0)
    others = n_pre if side == "in" else n_post
    own = same.any(0 if side == "in" else 1)
    available = np.where(own, others - 1, others)
    expected = 200 * 3 / (available[None, :] if side == "in" else available[:, None])
    assert np.abs(total - expected)[~same].max() < 4.5 * np.sqrt(200 * 0.25)


def test_weights_and_determinism_of_degrees():
    def make(seed, name):
        return weights(nr.fixed_in_degree(5, nr.Normal(0.0, 1.0)), 20, 20, seed, name)

    assert np.array_equal(make(1, "x"), make(1, "x"))
    assert not np.array_equal(make(1, "x"), make(2, "x"))
    assert np.count_nonzero(make(1, "x")) == 100
    assert make(1, "x").std() * 2 == pytest.approx(1.0, rel=0.2)  # a quarter of the pairs


def test_multapses_each_have_a_weight_of_their_own():
    net = nr.Network(seed=3)
    a = net.population("a", nr.SpikeTimes([0], [0]), 1)
    b = net.population("b", nr.LeakyIntegrator(), 1)
    connector = nr.fixed_in_degree(6, nr.Uniform(0.0, 1.0), multapses=True)
    con = net.connect(a, b, connector)
    net.record(b, "v")
    with nr.compile(net) as sim:
        v = sim.run_steps(2, False).trace(b, "v")
        drawn = sim.engine.read("a_b.w")
        assert len(np.unique(drawn)) == 6
        assert v[1, 0] == pytest.approx(drawn.sum(), rel=1e-14)
        assert sim.weights(con)[0, 0] == pytest.approx(drawn.sum(), rel=1e-14)


# --- distance ----------------------------------------------------------------------------------


def distances(here, there, extent=None):
    apart = np.abs(here[:, None, :] - there[None, :, :])
    if extent is not None:
        apart = np.min([np.abs(apart + k * np.asarray(extent)) for k in (-3, -2, -1, 0, 1)], axis=0)
    return np.sqrt((apart**2).sum(-1))


def spatial(connector, here, there, seed=0):
    net = nr.Network(seed=seed)
    net.population("a", nr.LIF(), len(here), positions=here)
    net.population("b", nr.LIF(), len(there), positions=there)
    net.connect("a", "b", connector, name="c")
    program = lower(net, 1e-3)
    c, w = program.connectivity["c"], program.arrays["c.w"].initial
    made, matrix = np.zeros((len(here), len(there)), bool), np.zeros((len(here), len(there)))
    made[c.rows, c.targets], matrix[c.rows, c.targets] = True, w
    return made, matrix


@pytest.mark.parametrize("torus", [False, True])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_probability_follows_the_distance(dimensions, torus):
    rng = np.random.default_rng(dimensions)
    here = rng.uniform(0, 10, (150, dimensions))
    there = rng.uniform(0, 10, (200, dimensions))
    extent = [10.0, 12.0, 11.0][:dimensions] if torus else None
    connector = nr.distance_dependent(
        "peak * exp(-d * d / (2 * s * s))", 1.0, parameters={"peak": 0.8, "s": 3.0}, extent=extent
    )
    d = distances(here, there, extent)
    p = 0.8 * np.exp(-d * d / 18)
    made = sum(spatial(connector, here, there, seed)[0].astype(int) for seed in range(5))
    edges = np.quantile(d, np.linspace(0, 1, 13))
    for low, high in pairwise(edges):
        chosen = (d >= low) & (d < high)
        sd = np.sqrt(5 * (p * (1 - p))[chosen].sum())
        assert abs(made[chosen].sum() - 5 * p[chosen].sum()) < 4 * sd
    # Pairs are independent: the number per row varies as binomial numbers do.
    z = (made.sum(1) - 5 * p.sum(1)) / np.sqrt(5 * (p * (1 - p)).sum(1))
    assert z.std() == pytest.approx(1.0, abs=0.25)


def test_weights_follow_the_distance():
    here = np.array([[0.0, 0.0], [3.0, 4.0]])
    there = np.array([[0.0, 0.0], [6.0, 8.0], [3.0, 0.0]])
    connector = nr.distance_dependent("d < 6", "k / (1 + d)", parameters={"k": 2.0})
    made, w = spatial(connector, here, there)
    assert made.tolist() == [[True, False, True], [True, True, True]]
    assert w[made] == pytest.approx([2.0, 0.5, 2 / 6, 2 / 6, 0.4], rel=1e-14)


def test_certain_and_impossible_and_conditions():
    here = np.arange(6.0)
    assert spatial(nr.distance_dependent(1.0, 1.0), here, here)[0].all()
    assert not spatial(nr.distance_dependent(0, 1.0), here, here)[0].any()
    # Truth values count: 1 below 2, 0.5 below 4 (never 1 by "or").
    made, _ = spatial(nr.distance_dependent("((d < 2) + (d < 4)) / 2", 1.0), here, here)
    d = distances(here[:, None], here[:, None])
    assert made[d < 2].all()
    assert not made[d >= 4].any()
    assert not made[(d >= 2) & (d < 4)].all()


def test_a_ring_whose_positions_go_round_more_than_once():
    here = np.array([0.0, 9.0, 25.0, -4.0])
    connector = nr.distance_dependent("d <= 1.5", "d", extent=10.0)
    made, w = spatial(connector, here, np.array([0.5]))
    assert made[:, 0].tolist() == [True, True, False, False]
    assert w[:2, 0] == pytest.approx([0.5, 1.5])
    _, w = spatial(nr.distance_dependent(1.0, "d", extent=10.0), here, np.array([0.5]))
    assert w[:, 0] == pytest.approx([0.5, 1.5, 4.5, 4.5])


def test_the_default_positions_are_a_grid():
    net = nr.Network()
    net.population("a", nr.LIF(), (3, 4))
    net.population("b", nr.LIF(), (2, 2))
    net.connect("a", "b", nr.distance_dependent(1.0, "d"), name="c")
    with nr.compile(net) as sim:
        w = sim.weights("c")
    rows, columns = np.divmod(np.arange(12), 4)
    r, c = np.divmod(np.arange(4), 2)
    np.testing.assert_allclose(w, np.hypot(rows[:, None] - r, columns[:, None] - c))
    line = nr.Network()
    line.population("a", nr.LIF(), 5)
    line.connect("a", "a", nr.distance_dependent("d <= 1", 1.0, autapses=False))
    with nr.compile(line) as sim:
        w = sim.weights("a_a")
    assert np.array_equal(w, np.eye(5, k=1) + np.eye(5, k=-1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nr.fixed_in_degree(-1, 1.0), "degree of fixed_in_degree is -1"),
        (lambda: nr.fixed_out_degree(2.5, 1.0), "degree of fixed_out_degree is 2.5"),
        (lambda: nr.fixed_out_degree(True, 1.0), "degree of fixed_out_degree is True"),
        (lambda: nr.fixed_in_degree(2, np.nan), "weight of fixed_in_degree.*finite"),
        (lambda: nr.distance_dependent("q", 1.0), "probability of distance_dep.*'q'; known: d"),
        (lambda: nr.distance_dependent(0.5, "q * d"), "weight of distance_dependent.*'q'"),
        (lambda: nr.distance_dependent("0.5 *", 1.0), "probability of distance_dep.*cannot read"),
        (lambda: nr.distance_dependent(None, 1.0), "probability of distance.*None is not"),
        (lambda: nr.distance_dependent(1, 1.0, extent=0.0), "extent of distance_dependent is 0; "),
        (lambda: nr.distance_dependent(1, 1.0, extent="all"), "extent of distance.*'all' is not"),
        (lambda: nr.distance_dependent(1, 1.0, parameters={"a": [1, 2]}), "a of distance.*array"),
        (lambda: nr.distance_dependent(1, 1.0, parameters={"d": 1}), "parameter 'd' of distance"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(nr.DescriptionError, match=message):
        make()


@pytest.mark.parametrize(
    ("connector", "message"),
    [
        (nr.fixed_in_degree(4, 1.0), "'c': in-degree 4 needs.*there are 3; lower it or allow mult"),
        (nr.fixed_out_degree(6, 1.0), "'c': out-degree 6 needs.*there are 5"),
        (nr.fixed_in_degree(3, 1.0, autapses=False), "in-degree 3 needs.*there are 2"),
        (nr.distance_dependent(1.0, 1.0), "'a' have 1 coordinates, those of 'b' have 2"),
    ],
)
def test_connectors_that_do_not_fit(connector, message):
    net = nr.Network()
    net.population("a", nr.Poisson(1.0), 3)
    net.population("b", nr.LIF(), (5, 1))
    with pytest.raises(nr.DescriptionError, match=message):
        net.connect("a", "b", connector, name="c")


def test_a_single_unit_has_no_partner_but_itself():
    net = nr.Network()
    net.population("a", nr.LIF(), 1)
    for multapses in (False, True):
        connector = nr.fixed_in_degree(1, 1.0, autapses=False, multapses=multapses)
        with pytest.raises(nr.DescriptionError, match="in-degree 1.*there are 0"):
            net.connect("a", "a", connector)


def test_distances_that_give_no_probability():
    net = nr.Network()
    net.population("a", nr.LIF(), 3)
    net.connect("a", "a", nr.distance_dependent("1.5 - d", 1.0))
    with pytest.raises(nr.DescriptionError, match="from 'a' to 'a': probability 1.5 at distance 0"):
        nr.compile(net)
    net = nr.Network()
    net.population("a", nr.LIF(), 3)
    net.connect("a", "a", nr.distance_dependent(1.0, "1 / d"))
    with pytest.raises(nr.DescriptionError, match="weight of distance_dependent .*'a'.*distance 0"):
        nr.compile(net)


def test_extent_and_positions_that_do_not_fit():
    net = nr.Network()
    net.population("a", nr.LIF(), (3, 3))
    connector = nr.distance_dependent(1.0, 1.0, extent=(3.0, 3.0, 3.0))
    with pytest.raises(nr.DescriptionError, match="extent has 3 sides, positions have 2"):
        net.connect("a", "a", connector)
    for positions, message in (
        (np.zeros((2, 2)), r"positions of population 'b' have shape \(2, 2\)"),
        (np.zeros((3, 4)), "d = 1, 2 or 3"),
        ([0.0, np.inf, 1.0], "positions of population 'b' is .*must be finite"),
        ("here", "positions of population 'b': 'here' is not a number"),
    ):
        with pytest.raises(nr.DescriptionError, match=message):
            net.population("b", nr.LIF(), 3, positions=positions)


# --- blocks ------------------------------------------------------------------------------------


def test_blocks_stand_on_the_diagonal():
    blocks = np.arange(12.0).reshape(2, 3, 2) + 1
    expected = np.zeros((6, 4))
    expected[:3, :2], expected[3:, 2:] = blocks
    assert np.array_equal(weights(nr.block_diagonal(blocks), 6, 4), expected)
    assert np.array_equal(weights(nr.block_diagonal(2.0, 2), 6, 4), 2.0 * (expected > 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((2.0,), "say how many: blocks="),
        ((2.0, 0), "blocks of block_diagonal is 0"),
        ((np.ones((2, 2)),), r"shape \(2, 2\); expected three axes"),
        ((np.ones((2, 3, 2)), 3), "blocks of block_diagonal is 3, but the weights have 2"),
        ((np.ones((2, 2, 2)),), r"shape \(2, 2, 2\); expected .* = \(2, 3, 2\)"),
        ((2.0, 4), "the 6 pre units do not divide into 4 equal blocks"),
    ],
)
def test_blocks_that_do_not_fit(arguments, message):
    with pytest.raises(nr.DescriptionError, match=message):
        weights(nr.block_diagonal(*arguments), 6, 4)


def test_the_name_of_a_projection_is_not_the_projection():
    with pytest.raises(nr.DescriptionError, match="transpose_of\\('there'\\): give the projection"):
        nr.transpose_of("there")

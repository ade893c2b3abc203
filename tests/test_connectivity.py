"""Convolutions against PyTorch, delays of single synapses, and the order of additions."""

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.connectivity import Convolution, Dense, Sparse
from neuro.lowering import lower

torch = pytest.importorskip("torch")

DT = 1e-3


def arrivals(net, steps, *names):
    """Input buffers after each step, of targets that do nothing else."""
    with nr.compile(net, dt=DT) as sim:
        rows = []
        for _ in range(steps):
            sim.run_steps(1, False)
            rows.append([sim.engine.read(f"{name}.input") for name in names])
    return [np.array(found) for found in zip(*rows, strict=True)]


# --- convolutions ------------------------------------------------------------------------------

#: Channels in and out, kernel, stride, padding, dilation, groups.
SHAPES = [
    (1, 1, (3, 3), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, (3, 2), (1, 1), (0, 0), (1, 1), 1),
    (2, 3, (2, 3), (2, 1), (1, 2), (1, 1), 1),
    (2, 2, (2, 2), (1, 3), (0, 1), (2, 1), 1),
    (4, 6, (3, 3), (2, 2), (1, 1), (1, 1), 2),
    (3, 3, (2, 2), (1, 1), (1, 0), (1, 2), 3),
    (4, 8, (1, 1), (1, 1), (0, 0), (1, 1), 4),
    (2, 4, (3, 3), (3, 2), (2, 2), (2, 2), 2),
    (3, 2, (5, 6), (1, 1), (0, 0), (1, 1), 1),  # as large as the image
]


@pytest.mark.parametrize(
    ("n_in", "n_out", "kernel", "stride", "padding", "dilation", "groups"), SHAPES
)
def test_convolution_equals_conv2d(n_in, n_out, kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 1, (n_out, n_in // groups, *kernel))
    images = rng.random((8, n_in, 5, 6)) < 0.4
    expected = torch.nn.functional.conv2d(
        torch.tensor(images, dtype=torch.float64),
        torch.tensor(weights),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    ).numpy()
    net = nr.Network()
    pre = net.population(
        "pre", nr.SpikeTimes(*np.nonzero(images.reshape(8, -1))), images.shape[1:]
    )
    post = net.population("post", nr.LeakyIntegrator(), expected.shape[1:])
    connector = nr.convolution(
        weights, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    net.connect(pre, post, connector, name="c")
    (found,) = arrivals(net, 9, "c")
    np.testing.assert_allclose(found[1:].reshape(expected.shape), expected, rtol=0, atol=1e-13)
    # Spread out, it is the same; every synapse knows its weight, and lists ascend.
    c = lower(net, DT).connectivity["c"]
    assert isinstance(c, Convolution)
    assert (c.n_pre, c.n_post) == (images[0].size, expected[0].size)
    sparse, index = c.expand()
    assert c.count == sparse.count == len(index)
    dense = np.zeros((c.n_pre, c.n_post))
    np.add.at(dense, (sparse.rows, sparse.targets), weights.reshape(-1)[index])
    flat = images.reshape(8, -1) @ dense
    np.testing.assert_allclose(flat.reshape(expected.shape), expected, rtol=0, atol=1e-13)
    assert not sparse.has_multapses
    assert all(
        np.all(np.diff(sparse.targets[a:b]) > 0)
        for a, b in zip(sparse.row_start[:-1], sparse.row_start[1:], strict=True)
    )


@pytest.mark.parametrize(
    ("window", "stride"), [(2, None), ((2, 3), None), (3, 1), ((3, 2), (1, 2))]
)
def test_pooling_equals_avg_pool2d(window, stride):
    rng = np.random.default_rng(1)
    images = rng.random((6, 3, 7, 8)) < 0.4
    given = torch.tensor(images, dtype=torch.float64)
    expected = torch.nn.functional.avg_pool2d(given, window, stride).numpy()
    for weight, factor in ((None, 1.0), (1.0, np.prod(np.broadcast_to(window, 2)))):
        net = nr.Network()
        pre = net.population(
            "pre", nr.SpikeTimes(*np.nonzero(images.reshape(6, -1))), images.shape[1:]
        )
        post = net.population("post", nr.LeakyIntegrator(), expected.shape[1:])
        net.connect(pre, post, nr.pooling(window, weight, stride=stride), name="c")
        (found,) = arrivals(net, 7, "c")
        np.testing.assert_allclose(found[1:].reshape(expected.shape), factor * expected, atol=1e-13)


def test_images_without_channels_and_flat_targets():
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([0], [5]), (4, 4))  # row 1, column 1
    post = net.population("post", nr.LeakyIntegrator(), 4)
    net.connect(pre, post, nr.convolution(np.arange(9.0).reshape(1, 1, 3, 3)), name="c")
    (found,) = arrivals(net, 2, "c")
    assert found[1].tolist() == [4.0, 3.0, 1.0, 0.0]


def test_delays_and_graded_events_through_a_convolution():
    rng = np.random.default_rng(2)
    weights, x = rng.normal(0, 1, (2, 1, 2, 2)), rng.normal(0, 1, (1, 3, 3))
    net = nr.Network()
    model = nr.Graded(tau=1e9, x_init=x.reshape(-1), activation="identity")
    pre = net.population("pre", model, (1, 3, 3))
    post = net.population("post", nr.LeakyIntegrator(), (2, 2, 2))
    net.connect(pre, post, nr.convolution(weights), delay=3e-3, name="c")
    (found,) = arrivals(net, 5, "c")
    expected = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weights)).numpy()
    assert not found[:3].any()
    np.testing.assert_allclose(found[3].reshape(2, 2, 2), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("connect", "message"),
    [
        (lambda: nr.convolution(np.ones((3, 3))), r"kernel of convolution has shape \(3, 3\)"),
        (lambda: nr.convolution(np.ones((1, 1, 0, 3))), "kernel of convolution has shape"),
        (lambda: nr.convolution(np.full((1, 1, 1, 1), np.nan)), "kernel of convolution.*NaN"),
        (lambda: nr.convolution(np.ones((1, 1, 2, 2)), stride=0), "stride of convolution is 0"),
        (lambda: nr.convolution(np.ones((1, 1, 2, 2)), padding=-1), "padding of convolution is -1"),
        (lambda: nr.convolution(np.ones((1, 1, 2, 2)), dilation=(1, 2, 3)), "dilation.*one number"),
        (lambda: nr.convolution(np.ones((1, 1, 2, 2)), groups=(1, 2)), "groups of convolution"),
        (lambda: nr.pooling(0), "window of pooling is 0"),
        (lambda: nr.pooling(2, stride=1.5), "stride of pooling is 1.5"),
        (lambda: nr.pooling(2, np.inf), "weight of pooling.*finite"),
    ],
)
def test_mistakes_in_convolutions(connect, message):
    with pytest.raises(nr.DescriptionError, match=message):
        connect()


@pytest.mark.parametrize(
    ("sizes", "connector", "message"),
    [
        (((2, 4, 4), 9), nr.convolution(np.ones((1, 1, 2, 2))), "'pre' has 2 channels"),
        (((2, 4, 4), 9), nr.convolution(np.ones((3, 1, 2, 2)), groups=2), "2 group.*2 channels"),
        (((1, 4, 4), 4), nr.convolution(np.ones((1, 1, 2, 2))), r"gives \(1, 3, 3\) = 9.*has 4"),
        (((1, 4, 4), 9), nr.convolution(np.ones((1, 1, 5, 2))), r"\(5, 2\) does not fit.*\(4, 4\)"),
        ((16, 9), nr.convolution(np.ones((1, 1, 2, 2))), "needs an image"),
        (((1, 2, 4, 4), 9), nr.convolution(np.ones((1, 1, 2, 2))), "needs an image"),
        (((2, 4, 4), 4), nr.pooling(2), r"gives \(2, 2, 2\) = 8.*has 4"),
    ],
)
def test_mistakes_in_images(sizes, connector, message):
    net = nr.Network()
    net.population("pre", nr.Poisson(1.0), sizes[0])
    net.population("post", nr.LIF(), sizes[1])
    with pytest.raises(nr.DescriptionError, match=message):
        net.connect("pre", "post", connector)


def test_a_convolution_has_one_delay():
    net = nr.Network()
    net.population("pre", nr.Poisson(1.0), (4, 4))
    net.population("post", nr.LIF(), (3, 3))
    kernel = nr.convolution(np.ones((1, 1, 2, 2)))
    for delay in (np.full((16, 9), 1e-3), nr.Uniform(1e-3, 2e-3)):
        with pytest.raises(nr.DescriptionError, match="'c': a convolution has one delay"):
            net.connect("pre", "post", kernel, delay=delay, name="c")
    forth = net.connect("pre", "post", kernel)
    with pytest.raises(nr.DescriptionError, match="transpose_of: 'pre_post' is a convolution"):
        nr.transpose_of(forth)


# --- dense and sparse --------------------------------------------------------------------------


def test_expansions():
    dense = Dense(3, 2)
    sparse, index = dense.expand()
    assert (dense.count, dense.weight_shape) == (6, (3, 2))
    assert sparse.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert sparse.targets.tolist() == [0, 1, 0, 1, 0, 1]
    assert index.tolist() == list(range(6))
    again, same = sparse.expand()
    assert again is sparse
    assert same.tolist() == list(range(6))


def test_multapses_are_noticed_only_within_a_row():
    def multapses(rows, targets):
        start = np.searchsorted(rows, np.arange(4))
        return Sparse(3, 3, start, np.array(targets)).has_multapses

    assert not multapses([0, 1, 2], [1, 1, 1])
    assert multapses([0, 0, 1], [1, 1, 2])
    assert not multapses([], [])


# --- a delay for every synapse -----------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_every_synapse_has_its_own_delay(sparse):
    rng = np.random.default_rng(3)
    spikes = rng.random((60, 5)) < 0.2
    w, lags = rng.normal(0, 1, (5, 4)), rng.integers(1, 12, (5, 4))
    if sparse:
        w[rng.random((5, 4)) < 0.4] = 0
        lags = np.where(w, lags, -99)  # entries without synapse are not read
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes(*np.nonzero(spikes)), 5)
    post = net.population("post", nr.LeakyIntegrator(), 4)
    weights = scipy.sparse.csr_array(w) if sparse else w
    net.connect(pre, post, weights, delay=lags * DT, name="c")
    (found,) = arrivals(net, 80, "c")
    expected = np.zeros((100, 4))
    for k, i in np.argwhere(spikes):
        for j in range(4):
            if w[i, j]:
                expected[k + lags[i, j], j] += w[i, j]
    np.testing.assert_allclose(found, expected[:80], atol=1e-13)


def test_equal_delays_are_a_projection_with_that_delay():
    rng = np.random.default_rng(4)
    w = rng.normal(0, 1, (6, 5))
    net = nr.Network(seed=1)
    pre = net.population("pre", nr.Poisson(200.0), 6)
    post = net.population("post", nr.LeakyIntegrator(), 5)
    net.connect(pre, post, w, delay=4e-3, name="one")
    net.connect(pre, post, w, delay=np.full((6, 5), 4e-3), name="each")
    one, each = arrivals(net, 60, "one", "each")
    assert one.any()
    assert np.array_equal(one, each)  # to the bit: the same order of additions


def test_drawn_delays():
    net = nr.Network(seed=2)
    pre = net.population("pre", nr.SpikeTimes([0], [0]), 1)
    post = net.population("post", nr.LeakyIntegrator(), 5000)
    net.connect(pre, post, 1.0, delay=nr.Uniform(2e-3, 10e-3), name="c")
    net.connect(pre, post, 1.0, delay=nr.Normal(-5e-3, 1e-3), name="below")
    program = lower(net, DT)
    steps = program.arrays["c.delay"].initial
    assert (steps.min(), steps.max()) == (2, 10)
    counts = np.bincount(steps)[3:10]  # whole millisecond bins; the two at the ends are half
    assert np.all(np.abs(counts - 625) < 4.5 * 25)
    assert np.all(program.arrays["below.delay"].initial == 1)
    found, _ = arrivals(net, 12, "c", "below")
    assert np.array_equal(found.argmax(0), steps)
    assert np.array_equal(found.sum(0), np.ones(5000))
    again = lower(net, DT).arrays["c.delay"].initial
    assert np.array_equal(steps, again)
    half = lower(net, DT / 2).arrays["c.delay"].initial  # the same seconds in finer steps
    assert np.abs(half / 2 - steps).max() <= 0.75


def test_a_cut_run_does_not_lose_what_is_on_its_way():
    rng = np.random.default_rng(5)
    lags = rng.integers(1, 20, (3, 3))

    def run(pieces):
        net = nr.Network(seed=3)
        pre = net.population("pre", nr.Poisson(150.0), 3)
        post = net.population("post", nr.LIF(), 3)
        net.connect(pre, post, 0.4, delay=lags * DT)
        net.connect(post, post, -0.3, delay=lags.T * DT)
        net.record(post, "v")
        rows, state = [], None
        for n in pieces:
            with nr.compile(net) as sim:
                if state is not None:
                    sim.restore(state)
                rows.append(sim.run_steps(n, False).trace(post, "v"))
                state = sim.state()
        return np.concatenate(rows)

    whole = run([60])
    assert np.array_equal(whole, run([7, 1, 30, 22]))
    assert np.array_equal(whole, run([1] * 60))  # also what arrives in the next step


@pytest.mark.parametrize(
    ("delay", "message"),
    [
        (np.full((2, 3), 1e-3), r"shape \(2, 3\); expected.*= \(3, 2\)"),
        (np.full(2, 1e-3), r"delay of projection 'c' has shape \(2,\)"),
        (np.full((3, 2), np.nan), "(?s)delay of projection 'c'.*finite"),
        (np.full((3, 2), 1.5e-3), r"'c' at \[0, 0\] is 0.0015 s; .*multiple of dt"),
        (np.array([[1e-3, 0.0]] * 3), r"'c' at \[0, 1\] is 0 s"),
        (np.array([[1e-3] * 2, [-1e-3, 1e-3], [1e-3] * 2]), r"'c' at \[1, 0\] is -0.001"),
    ],
)
def test_mistakes_in_delays(delay, message):
    net = nr.Network()
    net.population("a", nr.Poisson(1.0), 3)
    net.population("b", nr.LIF(), 2)

    def make():
        net.connect("a", "b", 1.0, delay=delay, name="c")
        nr.compile(net, dt=DT).close()

    with pytest.raises((nr.DescriptionError, nr.CompileError), match=message):
        make()


def test_delays_in_another_unit():
    from brian2 import ms, mV

    net = nr.Network()
    net.population("a", nr.Poisson(1.0), 3)
    net.population("b", nr.LIF(), 2)
    for delay in (nr.Uniform(1 * mV, 2 * mV), np.full((3, 2), 2.0) * mV):
        with pytest.raises(nr.UnitError, match="(?s)delay of projection 'c'.*volt.*second"):
            net.connect("a", "b", 1.0, delay=delay, name="c")
    net.connect("a", "b", 1.0, delay=nr.Uniform(1 * ms, 2 * ms))


# --- the order of additions --------------------------------------------------------------------

BIG = 1e16  # BIG + 1 is BIG: which of three terms came first can be seen in the sum


def total(terms):
    """Sum from left to right, beginning with 0."""
    found = 0.0
    for term in terms:
        found += term
    return found


@pytest.mark.parametrize("form", ["dense", "sparse", "delays", "transposed"])
@pytest.mark.parametrize("terms", [(BIG, 1.0, -BIG), (1.0, BIG, -BIG), (BIG, -BIG, 1.0)])
def test_within_a_projection_by_presynaptic_unit(form, terms):
    assert len({total(p) for p in ((BIG, 1, -BIG), (BIG, -BIG, 1))}) == 2
    net = nr.Network()
    w = np.array(terms)[:, None]
    # Given in falling order of units; the source sorts them.
    src = net.population("src", nr.SpikeTimes([0, 0, 0], [2, 1, 0]), 3)
    post = net.population("post", nr.LeakyIntegrator(), 1)
    if form == "transposed":
        relay = net.population("relay", nr.LIF(v_threshold=0.5), 3)
        net.connect(src, relay, nr.one_to_one(1.0))
        forth = net.connect(post, relay, w.T)
        net.connect(relay, post, nr.transpose_of(forth), name="c")
    else:
        weights = scipy.sparse.csr_array(w) if form == "sparse" else w
        delay = np.full((3, 1), DT) if form == "delays" else None
        net.connect(src, post, weights, delay=delay, name="c")
    (found,) = arrivals(net, 4, "c")
    assert found.sum() == total(terms)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 0, 1), (1, 2, 0)])
def test_with_synaptic_delays_the_oldest_emission_comes_first(order):
    # Units spike so that all arrive in step 10; the unit with the longest delay emitted first.
    terms = np.array([BIG, 1.0, -BIG])
    w, lags, steps = np.empty(3), np.empty(3, int), np.empty(3, int)
    for place, unit in enumerate(order):  # place 0 is the oldest
        w[unit], lags[unit], steps[unit] = terms[place], 9 - 3 * place, 1 + 3 * place
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes(steps, [0, 1, 2]), 3)
    post = net.population("post", nr.LeakyIntegrator(), 1)
    net.connect(src, post, w[:, None], delay=lags[:, None] * DT, name="c")
    (found,) = arrivals(net, 12, "c")
    assert np.flatnonzero(found[:, 0]).tolist() in ([10], [])
    assert found[10, 0] == total(terms) == 0.0
    # The other way round the sum is 1: the test can tell.
    other = nr.Network()
    src = other.population("src", nr.SpikeTimes(steps[::-1].copy(), [2, 1, 0]), 3)
    post = other.population("post", nr.LeakyIntegrator(), 1)
    w[list(order)] = [BIG, -BIG, 1.0]
    other.connect(src, post, w[:, None], delay=lags[:, None] * DT, name="c")
    (found,) = arrivals(other, 12, "c")
    assert found[10, 0] == 1.0


def test_same_emission_by_unit_then_multapses_in_row_order():
    # Two units with two synapses each onto one target, all with the same delay.
    net = nr.Network(seed=0)
    src = net.population("src", nr.SpikeTimes([0, 0], [0, 1]), 2)
    post = net.population("post", nr.LeakyIntegrator(), 1)
    connector = nr.fixed_in_degree(4, 1.0, multapses=True)
    net.connect(src, post, connector, delay=nr.Uniform(3e-3, 3e-3), name="c")
    program = lower(net, DT)
    sparse = program.connectivity["c"]
    assert sparse.count == 4
    w = np.array([BIG, 1.0, -BIG, 1.0])
    with nr.compile(net) as sim:
        sim.engine.write("c.w", w)
        sim.run_steps(4, False)
        assert sim.engine.read("c.input")[0] == total(w) == 1.0


def test_buffers_are_added_in_the_order_of_projections():
    # (BIG + 1) - BIG is 0, (BIG - BIG) + 1 is 1: v = decay * v + ((a + b) + c).
    for terms, result in (((BIG, 1.0, -BIG), 0.0), ((BIG, -BIG, 1.0), 1.0)):
        net = nr.Network()
        src = net.population("src", nr.SpikeTimes([0], [0]), 1)
        post = net.population("post", nr.LeakyIntegrator(), 1)
        for i, w in enumerate(terms):
            net.connect(src, post, w, name=f"c{i}")
        net.record(post, "v")
        with nr.compile(net) as sim:
            assert sim.run_steps(2, False).trace(post, "v")[1, 0] == result


def test_factors_are_multiplied_one_after_the_other():
    # (w * payload) * efficacy, not w * (payload * efficacy).
    w, payload, efficacy = 0.1, 0.7, 0.3
    assert (w * payload) * efficacy != w * (payload * efficacy)
    net = nr.Network()
    emit = nr.NeuronModel("v : 1", inputs={"i": "1"}, threshold="True", emits="0.7")
    pre = net.population("pre", emit, 1)
    post = net.population("post", nr.LeakyIntegrator(), 1)
    rule = nr.ShortTermPlasticity("x : 1", "efficacy = 0.3")
    net.connect(pre, post, w, short_term=rule, name="c")
    (found,) = arrivals(net, 2, "c")
    assert found[1, 0] == (w * payload) * efficacy

"""Everything that a program can say, on every target: hand calculations, and the reference's bits.

Two networks hold all features, so that each target builds two programs: ``events`` has what
arrives (numbers, delays of synapses, efficacies, kernels, several synapses between a pair),
``learning`` what changes (synaptic traces, third factors, rules in every n-th step).
"""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.backends.brian2 import BACKEND
from neuro.backends.brian2.drawing import draw
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.capabilities import FEATURES, required
from neuro.connectivity import Sparse
from neuro.equations.expression import Name, parse_expression, substitute
from neuro.errors import CompileError
from neuro.lowering import lower
from neuro.program import Array, Arrive, Assign, Plasticity, Program, Record, Update
from neuro.progress import Silent

pytestmark = pytest.mark.xdist_group("features of brian2")  # they share builds


def events(
    precision: str = "float64", seed: int = 9, longest: float = 7e-3, density: float = 0.4
) -> Program:
    rng = np.random.default_rng(seed)
    net = nr.Network("events", seed=seed)
    inp = net.population("inp", nr.Poisson(rate=60.0), size=(2, 4, 4))
    image = net.population("image", nr.LIF(tau_m=20e-3, v_threshold=0.6), size=(3, 3, 3))
    small = net.population("small", nr.LIF(tau_m=15e-3, v_threshold=0.3), size=(3, 1, 1))
    cells = net.population("cells", nr.LIF(tau_m=20e-3, v_threshold=1.0, t_ref=2e-3), size=9)
    rates = net.population("rates", nr.Graded(tau=8e-3, bias=rng.random(5)), size=5)
    change = net.population("change", nr.SigmaDelta(threshold=0.01), size=6)
    kernel = rng.normal(0.2, 0.3, (3, 2, 2, 2))
    net.connect(inp, image, weights=nr.convolution(kernel), delay=2e-3, name="conv")
    net.connect(image, small, weights=nr.pooling((3, 3)), delay=3e-3, name="pool")
    net.connect(small, image, weights=rng.random((3, 27)) * 0.1, gain=0.3, name="unpool")
    multiple = nr.fixed_in_degree(20, weight=nr.Uniform(0.1, 0.3), multapses=True)
    late = nr.Uniform(1e-3, longest)
    net.connect(inp, cells, weights=multiple, delay=late, name="late")
    facilitating = nr.TsodyksMarkram(U=0.2, tau_d=50e-3, tau_f=80e-3)
    net.connect(
        inp, cells, weights=multiple, delay=late, short_term=facilitating, name="late_short"
    )
    net.connect(
        inp,
        cells,
        weights=rng.random((32, 9)) * 0.2,
        delay=3e-3,
        short_term=nr.TsodyksMarkram(),
        name="short",
    )
    inhibition = nr.fixed_probability(density, weight=-0.2)
    net.connect(cells, cells, weights=inhibition, delay=late, name="back")
    net.connect(cells, rates, weights=rng.random((9, 5)), delay=2e-3, name="to_rates")
    net.connect(rates, rates, weights=rng.normal(0, 0.5, (5, 5)), delay=4e-3, name="recurrent")
    net.connect(rates, cells, weights=nr.fixed_probability(0.5, weight=0.02), name="from_rates")
    net.connect(
        rates,
        change,
        weights=rng.normal(0, 0.3, (5, 6)),
        delay=2e-3,
        short_term=nr.TsodyksMarkram(U=0.9),
        name="to_change",
    )
    net.connect(change, change, weights=rng.normal(0, 0.3, (6, 6)), delay=5e-3, name="changes")
    for population in (image, small, cells, change):
        net.record(population)
    net.record(rates, "x")
    net.record("short", "u")
    net.record("late_short", "x", units=[0, 5, 7])
    net.record("conv", "w", units=[0, 11])
    return lower(net, 1e-3, precision)


def learning(precision: str = "float64", degree: int = 7) -> Program:
    rng = np.random.default_rng(5)
    net = nr.Network("learning", seed=2)
    inp = net.population("inp", nr.Poisson(rate=50.0), size=12)
    exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=8)
    reward = net.population("reward", nr.LeakyIntegrator(tau_m=30e-3), size=1)
    err = net.population("err", nr.LeakyIntegrator(tau_m=10e-3), size=8)
    ask = net.population("ask", nr.LeakyIntegrator(tau_m=10e-3), size=12)
    net.connect(inp, reward, weights=0.05, name="give")
    net.connect(inp, err, weights=rng.normal(0, 0.1, (12, 8)), name="wrong")
    net.connect(inp, ask, weights=rng.normal(0, 0.1, (12, 12)), name="asking")
    three = nr.PlasticityRule(
        on_pre="x += 1; e = e - 0.02 * y * (1 + post_spike); w = w + 0.001 * err",
        on_post="e = e + x * (1 - 0.5 * pre_spike); y += 1 + reward",
        on_step="w = w + eta * reward * e * err; y = 0.9 * y; e = 0.5 * e",
        every=7e-3,
        pre_traces="dx/dt = -x / tau : 1",
        post_traces="dy/dt = -y / tau : 1",
        synapse_traces="de/dt = (x * y * 0.1 - e) / tau : 1",
        parameters={"tau": (15e-3, "second"), "eta": 0.3},
        factors=("reward", "err"),
        initial={"e": 0.1},
        w_min=0.0,
        w_max=0.6,
        name="three",
    )
    factors = {"reward": (reward, "v"), "err": (err, "v")}
    late = nr.Uniform(1e-3, 6e-3)
    many = nr.fixed_in_degree(degree, weight=nr.Uniform(0.1, 0.4), multapses=True)
    net.connect(
        inp, exc, weights=many, delay=late, plasticity=three, factors=factors, name="late"
    )
    owner = net.connect(
        inp,
        exc,
        weights=rng.random((12, 8)) * 0.2,
        delay=3e-3,
        plasticity=three,
        factors=factors,
        name="dense",
    )
    pre = nr.PlasticityRule(
        on_pre="z = z + ask",
        on_step="w = w - 0.01 * z * ask * (v_post > 0.5) + 0.01 * pre_spike; z = z + 0.1 * reward",
        pre_traces="dz/dt = -z / tau : 1",
        parameters={"tau": (15e-3, "second")},
        factors=("ask", "reward"),
        name="pre",
    )
    net.connect(
        inp,
        exc,
        weights=nr.fixed_probability(0.5, weight=0.1),
        delay=2e-3,
        plasticity=pre,
        factors={"ask": (ask, "v"), "reward": (reward, "v")},
        name="sparse",
    )
    back = net.connect(exc, exc, weights=rng.random((8, 8)) * 0.05, name="loop")
    tied = nr.PlasticityRule(
        on_pre="w = w + 0.002 * y",
        on_step="w = w * 0.999 + 0.001 * err * y; y = y + 0.01",
        every=3e-3,
        post_traces="dy/dt = -y / tau : 1",
        parameters={"tau": (15e-3, "second")},
        factors=("err",),
        name="tied",
    )
    net.connect(
        exc,
        exc,
        weights=nr.transpose_of(back),
        delay=2e-3,
        plasticity=tied,
        factors={"err": (err, "v")},
        name="tied",
    )
    assert owner.name == "dense"
    net.record(exc)
    net.record(reward, "v")
    for projection in ("late", "dense", "sparse"):
        net.record(projection, "w")
    net.record("late", "e")
    net.record("dense", "y")
    net.record("sparse", "z")
    return lower(net, 1e-3, precision)


NETWORKS = {"events": events, "learning": learning}


def assert_same(ours, reference):
    for population, expected in reference.spikes.items():
        for found, wanted in zip(ours.spikes[population], expected, strict=True):
            assert np.array_equal(found, wanted), population
    for index, wanted in reference.traces.items():
        assert ours.traces[index].dtype == wanted.dtype
        assert np.array_equal(ours.traces[index], wanted), index


@pytest.mark.compiled_slowly  # test_parity has all features in C++
@pytest.mark.parametrize("name", NETWORKS)
def test_double_precision(cache, target, name):
    check_pieces_and_checkpoints(NETWORKS[name]("float64"), target, cache)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    "on", ["numpy", pytest.param("cpp", marks=[pytest.mark.build, pytest.mark.slow])]
)
def test_single_precision(cache, on, name):
    check_pieces_and_checkpoints(NETWORKS[name]("float32"), on, cache)


def check_pieces_and_checkpoints(made, target, cache):
    """Pieces end between two runs of ``on_step`` and with spikes under way in every queue."""
    reference = REFERENCE.compile(made)
    ours = BACKEND.compile(made, target=target, cache_dir=cache)
    for steps in (64, 1, 2, 3, 50):
        expected = reference.run(steps, Silent())
        assert_same(ours.run(steps, Silent()), expected)
    for spikes, _ in expected.spikes.values():
        assert len(spikes) > 3
    state, theirs = ours.state(), reference.state()
    for key, value in state.arrays.items():
        assert np.array_equal(value, theirs.arrays[key]), key
    # there and back: each continues from the other's checkpoint
    crossed, ours = REFERENCE.compile(made), BACKEND.compile(made, target=target, cache_dir=cache)
    crossed.restore(state)
    ours.restore(theirs)
    expected = reference.run(40, Silent())
    assert_same(crossed.run(40, Silent()), expected)
    assert_same(ours.run(40, Silent()), expected)


@pytest.mark.compiled_slowly
def test_a_rule_without_synapses(cache, target):
    made = learning(degree=0)
    reference = REFERENCE.compile(made).run(30, Silent())
    ours = BACKEND.compile(made, target=target, cache_dir=cache).run(30, Silent())
    assert_same(ours, reference)


def test_the_networks_need_every_feature():
    needed = required(events()) | required(learning())
    assert set(FEATURES) - set(needed) <= {"float32", "loihi", "batch", "ordered sums"}
    assert not set(BACKEND.lacks()) & set(needed)


# --- one feature each, against a calculation by hand ---


class Replay:
    """A source that gives these (step, unit) pairs."""

    def __init__(self, *spikes: tuple[int, int]) -> None:
        self.spikes = np.array(sorted(spikes), dtype=np.int64).reshape(-1, 2)

    def events(self, start: int, stop: int):
        steps, units = self.spikes.T
        chosen = (steps >= start) & (steps < stop)
        return steps[chosen], units[chosen]

    def replica(self, item: int):
        return self


def tree(text: str):
    """An expression in program names: ``con__x__pre`` stands for ``con.x@pre``."""

    def qualified(name: str) -> Name:
        owner, *rest = name.split("__")
        return Name(owner + "".join(p + r for p, r in zip(".@", rest, strict=False)))

    return substitute(parse_expression(text), qualified)


def statements(**texts: str) -> tuple[Assign, ...]:
    return tuple(Assign(tree(target).id, tree(text)) for target, text in texts.items())


def small(spikes: Replay, connectivity, weights, steps, n_post: int = 1, **arrays) -> Program:
    """A source ``src``, connected by ``con`` to ``out`` (which holds ``v``), and more arrays."""
    sizes = {"src": connectivity.n_pre, "out": n_post, "one": 1, "other": n_post}
    made = [
        Array("con.w", "con", np.asarray(weights, dtype=float)),
        Array("con.input", "out", np.zeros(n_post)),
        Array("out.v", "out", np.zeros(n_post)),
    ]
    for name, (domain, value) in arrays.items():
        made.append(Array(tree(name).id, domain, np.asarray(value)))
    named = {a.name: a for a in made}
    watched = [n for n in named if n.partition(".")[2] in ("input", "w", "v")]
    return Program(
        name="small",
        dt=1e-3,
        precision="float64",
        sizes=sizes,
        sources={"src": spikes},
        arrays=named,
        connectivity={"con": connectivity},
        steps=tuple(steps),
        records=tuple(Record(*n.split(".")) for n in watched),
    )


def arrive(delay: int = 1, **options) -> Arrive:
    return Arrive("con", "src", "out", delay, "con", "con.w", "con.input", **options)


def rule(delay: int = 1, **options) -> Plasticity:
    parts = {"decay": (), "on_pre": (), "on_post": ()} | options
    return Plasticity("con", "src", "out", delay, "con", **parts)


def run(program: Program, steps: int, piece: int, backend) -> dict[str, np.ndarray]:
    """Traces by name, recorded in pieces."""
    options = {"target": "numpy"} if backend is BACKEND else {}
    engine = backend.compile(program, **options)
    rows: dict[str, list] = {r.array: [] for r in program.records}
    for start in range(0, steps, piece):
        recorded = engine.run(min(piece, steps - start), Silent())
        for index, record in enumerate(program.records):
            rows[record.array].append(recorded.traces[index])
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def sparse(matrix) -> Sparse:
    csr = scipy.sparse.csr_array(np.asarray(matrix))
    return Sparse(*csr.shape, csr.indptr.astype(np.int64), csr.indices.astype(np.int64))


@pytest.fixture(params=[REFERENCE, BACKEND], ids=lambda b: b.name)
def backend(request):
    return request.param


@pytest.mark.parametrize("piece", [20, 1])
def test_oldest_spikes_arrive_first(backend, piece):
    """1e16 - 1e16 + 1 is 1; in every other order of these three the 1 is lost."""
    made = small(
        Replay((0, 2), (1, 0), (2, 1)),
        sparse(np.ones((3, 1))),
        [-1e16, 1.0, 1e16],
        [arrive(3, delays="con.d")],
        con__d=("con", np.array([2, 1, 3], np.int32)),
    )
    assert run(made, 5, piece, backend)["con.input"].ravel().tolist() == [0, 0, 0, 1, 0]


@pytest.mark.parametrize("delays", [None, "con.d"])
def test_synapses_between_one_pair_add_in_their_order(backend, delays):
    made = small(
        Replay((0, 0), (4, 0)),
        Sparse(1, 2, np.array([0, 4]), np.array([0, 0, 0, 1])),
        [1e16, -1e16, 1.0, 2.0],
        [arrive(2, delays=delays)],
        n_post=2,
        con__d=("con", np.full(4, 2, np.int32)),
    )
    found = run(made, 7, 3, backend)["con.input"]
    assert found.nonzero()[0].tolist() == [2, 2, 6, 6]
    assert found[2].tolist() == found[6].tolist() == [1.0, 2.0]


def test_factors_multiply_one_after_the_other(backend):
    w, f, g = 0.1, 0.7, 3.1
    assert len({(w * f) * g, w * (f * g), (w * g) * f}) == 3  # so the order shows
    made = small(
        Replay((0, 0), (0, 1)),
        sparse(np.ones((2, 1))),
        [w, 1.0],
        [arrive(factors=("con.f@pre", "con.g"))],
        con__f=("src", np.array([f, 2.0])),
        con__g=("con", np.array([g, 0.5])),
    )
    assert run(made, 2, 1, backend)["con.input"][1, 0] == (w * f) * g + (1.0 * 2.0) * 0.5


def test_efficacy_is_prepared_before_the_arrival(backend):
    """u halves in every step and grows by 1 at an arrival, which already sees it."""
    made = small(
        Replay((0, 0), (1, 0), (3, 0)),
        sparse([[1.0]]),
        [1.0],
        [
            rule(
                2,
                decay=statements(con__u__pre="con__u__pre * 0.5"),
                on_pre=statements(con__u__pre="con__u__pre + 1"),
                short_term=True,
            ),
            arrive(2, factors=("con.u@pre",)),
        ],
        con__u=("src", np.zeros(1)),
    )
    expected = [0, 0, 1, 1.5, 0, 1.375, 0]
    assert run(made, 7, 2, backend)["con.input"].ravel().tolist() == expected


@pytest.mark.parametrize("piece", [20, 1, 2, 3])
def test_on_step_counts_from_the_first_step_of_the_simulation(backend, piece):
    made = small(
        Replay(),
        sparse(np.ones((2, 1))),
        [0.0, 0.0],
        [arrive(), rule(on_step=statements(con__w="con__w + 1"), every=3)],
    )
    found = run(made, 10, piece, backend)["con.w"]
    assert found[:, 0].tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("matrix", [np.ones((2, 3)), np.eye(2, 3)], ids=["all", "diagonal"])
def test_third_factors_of_one_value_and_of_the_other_side(backend, matrix):
    made = small(
        Replay((0, 1)),
        sparse(matrix),
        np.zeros(int(matrix.sum())),
        [
            arrive(),
            Update("one", statements(one__r="one__r + 1")),
            rule(
                on_pre=statements(con__w="con__w + one__r__shared * other__e__post"),
                on_step=statements(con__x__pre="con__x__pre + one__r__shared"),
            ),
        ],
        n_post=3,
        one__r=("one", np.zeros(1)),
        other__e=("other", np.array([1.0, 10.0, 100.0])),
        con__x=("src", np.zeros(2)),
    )
    # the spike of unit 1 arrives in step 1, in which r is 2
    expected = (matrix * [[0.0], [2.0]] * [1.0, 10.0, 100.0])[matrix > 0]
    assert run(made, 3, 2, backend)["con.w"][2].tolist() == expected.tolist()


def test_arrivals_of_single_synapses_are_flagged_for_one_step(backend):
    """Synapse s has delay s + 1; the flag is seen by ``on_step``, and gone one step later."""
    made = small(
        Replay((0, 0)),
        Sparse(1, 3, np.array([0, 3]), np.array([0, 1, 2])),
        np.zeros(3),
        [
            arrive(3, delays="con.d"),
            rule(
                3,
                decay=statements(con__e="con__e * 0.5"),
                on_pre=statements(con__e="con__e + 1"),
                on_step=statements(con__w="con__w + con__flag + con__e * 10"),
                pre_flag="con.flag",
                delays="con.d",
            ),
        ],
        n_post=3,
        con__d=("con", np.array([1, 2, 3], np.int32)),
        con__e=("con", np.zeros(3)),
        con__flag=("con", np.zeros(3, bool)),
    )
    found = np.diff(run(made, 5, 2, backend)["con.w"], axis=0, prepend=0)
    assert found.tolist() == [
        [0, 0, 0],
        [11, 0, 0],
        [5, 11, 0],
        [2.5, 5, 11],
        [1.25, 2.5, 5],
    ]


def test_a_kernel_is_stamped_turned(backend):
    net = nr.Network("kernel")
    net.population("inp", nr.SpikeTimes([0], [4]), size=(1, 3, 3))
    net.population("out", nr.LeakyIntegrator(tau_m=1e3), size=(1, 2, 2))
    kernel = np.array([[1.0, 2.0], [3.0, 4.0]])
    net.connect("inp", "out", weights=nr.convolution(kernel[None, None]), name="c")
    net.record("out", "v")
    made = lower(net, 1e-3)
    found = run(made, 2, 2, backend)["out.v"][1]
    np.testing.assert_array_equal(found.reshape(2, 2), kernel[::-1, ::-1])


@pytest.mark.parametrize("density", [0.4, 0.012, 0.0])
def test_other_synapses_and_delays_run_on_the_same_build(
    cache, target, density, nothing_more_is_built
):
    """A kernel set between two runs, other synapses, and longer delays than those compiled for."""
    BACKEND.compile(events(), target=target, cache_dir=cache).run(1, Silent())
    nothing_more_is_built()
    made = events(seed=6, longest=12e-3, density=density)
    assert made.connectivity["back"].count == {0.4: 27, 0.012: 1, 0.0: 0}[density]
    engines = REFERENCE.compile(made), BACKEND.compile(made, target=target, cache_dir=cache)
    for steps in (23, 60):
        reference, ours = (engine.run(steps, Silent()) for engine in engines)
        assert_same(ours, reference)
        for engine in engines:
            engine.write("conv.w", engine.read("conv.w")[::-1] * 1.5)


@pytest.mark.parametrize(
    ("assign", "message"),
    [
        ({"con__w": "con__w + src__x__shared"}, "no array of a population of size 1"),
        ({"con__w": "con__w + out__v"}, "cannot be used in code of the synapses of 'con'"),
        ({"con__x__pre": "con__x__pre + out__v__post"}, "cannot be used in code of population"),
        ({"one__r__shared": "1"}, "only traces of side 'pre' and synapses can change"),
    ],
)
def test_what_makes_no_sense_is_refused(assign, message):
    made = small(
        Replay(),
        sparse(np.ones((2, 3))),
        np.zeros(6),
        [arrive(), rule(on_pre=statements(**assign))],
        n_post=3,
        con__x=("src", np.zeros(2)),
        src__x=("src", np.zeros(2)),
        one__r=("one", np.zeros(1)),
    )
    with pytest.raises(CompileError, match=message):
        draw(made)

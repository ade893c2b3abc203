"""The reference backend against plain loops written here from the normative time step."""

import itertools

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.lowering import lower


def raster(rng, steps, size, p):
    return rng.random((steps, size)) < p


def replay(spikes):
    return nr.SpikeTimes(*np.nonzero(spikes))


def dense_events(recorded, steps, size):
    spikes = np.zeros((steps, size), bool)
    spikes[recorded] = True
    return spikes


def loop(spikes_in, w_in, w_rec, *, d_in, d_rec, a, theta, n_ref, v0=0.0):
    """Recurrent LIF network, one unit and one synapse at a time, in the normative order."""
    steps, n_in = spikes_in.shape
    n = w_in.shape[1]
    v = np.full(n, v0)
    free_at = np.zeros(n, int)
    out = np.zeros((steps, n), bool)
    trace = np.zeros((steps, n))
    for k in range(steps):
        for j in range(n):
            first = 0.0
            if k >= d_in:
                for i in range(n_in):
                    if spikes_in[k - d_in, i]:
                        first += w_in[i, j]
            second = 0.0
            if k >= d_rec:
                for i in range(n):
                    if out[k - d_rec, i]:
                        second += w_rec[i, j]
            if k >= free_at[j]:
                v[j] = a * v[j] + (first + second)
        for j in range(n):
            if k >= free_at[j] and v[j] >= theta:
                out[k, j] = True
                v[j] = 0.0
                free_at[j] = k + max(n_ref, 1)
        trace[k] = v
    return out, trace


@pytest.mark.parametrize("n_ref", [0, 1, 4])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("d_in", "d_rec"), [(1, 1), (3, 2), (1, 7)])
def test_recurrent_lif_equals_the_loop(n_ref, sparse, d_in, d_rec):
    rng = np.random.default_rng(3)
    spikes = raster(rng, 300, 8, 0.15)
    w_in = rng.normal(0.2, 0.3, (8, 11))
    w_rec = rng.normal(0.0, 0.3, (11, 11))
    if sparse:
        w_rec[rng.random(w_rec.shape) < 0.6] = 0
    net = nr.Network()
    a = net.population("a", replay(spikes), 8)
    b = net.population("b", nr.LIF(tau_m=10e-3, t_ref=n_ref * 1e-3), 11)
    net.connect(a, b, w_in, delay=d_in * 1e-3)
    net.connect(b, b, scipy.sparse.csr_array(w_rec) if sparse else w_rec, delay=d_rec * 1e-3)
    net.record(a)
    net.record(b)
    net.record(b, "v")
    with nr.compile(net) as sim:
        rec = sim.run(0.3, progress=False)
    decay = float.fromhex(float(np.exp(-0.1)).hex())
    out, trace = loop(spikes, w_in, w_rec, d_in=d_in, d_rec=d_rec, a=decay, theta=1.0, n_ref=n_ref)
    assert out.sum() > 100
    assert np.array_equal(dense_events(rec.spikes("b"), 300, 11), out)
    assert np.array_equal(dense_events(rec.spikes("a"), 300, 8), spikes)
    np.testing.assert_allclose(rec.trace("b", "v"), trace, rtol=1e-12, atol=1e-15)


def test_refractory_period_is_the_shortest_interval():
    # With a drive that reaches threshold in every step, the interval is exactly t_ref.
    for n_ref, interval in ((0, 1), (1, 1), (2, 2), (5, 5)):
        net = nr.Network()
        src = net.population("src", nr.SpikeTimes(np.arange(60), np.zeros(60, int)), 1)
        out = net.population("out", nr.LIF(t_ref=n_ref * 1e-3), 1)
        net.connect(src, out, 5.0)
        net.record(out)
        with nr.compile(net) as sim:
            steps, _ = sim.run(0.05, progress=False).spikes(out)
        assert steps[0] == 1
        assert np.all(np.diff(steps) == interval)


def test_refractory_units_do_not_spike_even_above_threshold():
    net = nr.Network()
    net.population("out", nr.LIF(tau_m=1.0, v_init=3.0, v_reset=2.0, t_ref=4e-3), 1)
    net.record("out")
    with nr.compile(net) as sim:
        assert sim.run(0.01, progress=False).spikes("out")[0].tolist() == [0, 4, 8]


def test_refractory_period_per_unit():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes(np.arange(60), np.zeros(60, int)), 1)
    out = net.population("out", nr.LIF(t_ref=[0.0, 3e-3, 7e-3]), 3)
    net.connect(src, out, 5.0)
    net.record(out)
    with nr.compile(net) as sim:
        steps, units = sim.run(0.05, progress=False).spikes(out)
    assert [set(np.diff(steps[units == i])) for i in range(3)] == [{1}, {3}, {7}]


def test_threshold_is_inclusive_unless_asked():
    for comparison, expected in ((">=", 1), (">", 0)):
        net = nr.Network()
        src = net.population("src", nr.SpikeTimes([0], [0]), 1)
        out = net.population("out", nr.LIF(comparison=comparison), 1)
        net.connect(src, out, 1.0)
        net.record(out)
        with nr.compile(net) as sim:
            assert len(sim.run(0.01, progress=False).spikes(out)[0]) == expected


def test_decay_comes_before_the_input():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0, 1], [0, 0]), 1)
    out = net.population("out", nr.LIF(tau_m=1e-3 / np.log(2), v_threshold=9.0), 1)
    net.connect(src, out, 1.0)
    net.record(out, "v")
    with nr.compile(net) as sim:
        v = sim.run(0.004, progress=False).trace(out, "v")[:, 0]
    np.testing.assert_allclose(v, [0, 1, 1.5, 0.75], rtol=1e-15)


def test_gain_scales_currents_and_leaves_weights_raw():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0], [0]), 1)
    out = net.population("out", nr.LIF(v_threshold=9.0), 1)
    con = net.connect(src, out, 2.0, gain=0.25)
    net.record(out, "v")
    with nr.compile(net) as sim:
        assert sim.run(0.002, progress=False).trace(out, "v")[1, 0] == 0.5
        assert sim.weights(con) == [[2.0]]


def test_closed_form_rate_of_a_driven_lif():
    # dv/dt = (v_rest - v) / tau with v_rest above threshold: T = tau ln((vr - reset)/(vr - th)).
    tau, drive = 20e-3, 1.5
    net = nr.Network()
    net.population("n", nr.LIF(tau_m=tau, v_rest=drive, v_init=0.0), 1)
    net.record("n")
    with nr.compile(net, dt=1e-5) as sim:
        steps, _ = sim.run(1.0, progress=False).spikes("n")
    period = tau * np.log(drive / (drive - 1.0))
    assert np.diff(steps).mean() * 1e-5 == pytest.approx(period, rel=1e-3)


def test_user_written_model_takes_the_same_path():
    # An exponential synapse: g takes the input first, then both are integrated exactly.
    model = nr.NeuronModel(
        "dv/dt = (g - v) / tau : 1\ndg/dt = -g / tau_s : 1",
        parameters={"tau": (20e-3, "second"), "tau_s": (5e-3, "second")},
        inputs={"exc": "1"},
        before="g += exc",
        threshold="v > 0.2",
        reset="v = 0",
        name="exponential LIF",
    )
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0], [0]), 1)
    out = net.population("out", model, 1)
    net.connect(src, out, 1.0)
    net.record(out, "v")
    net.record(out)
    with nr.compile(net) as sim:
        rec = sim.run(0.05, progress=False)
        assert "exact" in str(sim.program)
    t = np.arange(1, 5) * 1e-3  # after the arrival at step 1
    v = 5e-3 / (20e-3 - 5e-3) * (np.exp(-t / 20e-3) - np.exp(-t / 5e-3))
    np.testing.assert_allclose(rec.trace(out, "v")[1:5, 0], v, rtol=1e-11)


def network_with_everything(seed=0):
    rng = np.random.default_rng(7)
    net = nr.Network("all", seed=seed)
    src = net.population("src", nr.Poisson(rate=80.0), 20)
    hid = net.population("hid", nr.LIF(tau_m=15e-3, t_ref=3e-3), 15)
    out = net.population("out", nr.LIF(tau_m=10e-3, v_threshold=0.8), 6)
    stdp = nr.PairSTDP(a_plus=0.02, a_minus=0.015, w_min=0.0, w_max=0.6)
    net.connect(src, hid, nr.fixed_probability(0.5, nr.Uniform(0.1, 0.4)), plasticity=stdp)
    net.connect(hid, hid, rng.normal(-0.05, 0.1, (15, 15)), delay=4e-3)
    replay = nr.SleepReplay(0.01, 0.002, slope=0.1)
    ff = net.connect(hid, out, rng.normal(0.3, 0.3, (15, 6)), delay=2e-3, plasticity=replay)
    net.connect(out, hid, nr.transpose_of(ff), gain=0.3, plasticity=replay, name="back")
    for p in (src, hid, out):
        net.record(p)
    net.record(hid, "v", units=[3, 1])
    net.record("src_hid", "w", units=[0, 5])
    return net


def test_runs_in_pieces_and_from_checkpoints_are_equal():
    net = network_with_everything()
    with nr.compile(net) as one, nr.compile(net) as two, nr.compile(net) as three:
        whole = one.run(0.4, progress=False)
        first = two.run(0.111, progress=False)
        checkpoint = two.state()
        second = two.run(0.289, progress=False)
        three.restore(checkpoint)
        third = three.run(0.289, progress=False)
        for name in ("src", "hid", "out"):
            steps, _ = whole.spikes(name)
            assert len(steps)
            joined = np.concatenate([first.spikes(name)[0], second.spikes(name)[0]])
            assert np.array_equal(joined, steps)
            for a, b in zip(second.spikes(name), third.spikes(name), strict=True):
                assert np.array_equal(a, b)
        for name in ("src_hid", "hid_out"):
            w = [s.engine.read(f"{name}.w") for s in (one, two, three)]
            assert np.array_equal(w[0], w[1])
            assert np.array_equal(w[0], w[2])
        v = np.concatenate([first.trace("hid", "v"), second.trace("hid", "v")])
        assert np.array_equal(whole.trace("hid", "v"), v)
        assert whole.trace("hid", "v").shape == (400, 2)


def test_a_checkpoint_is_a_copy():
    with nr.compile(network_with_everything()) as sim:
        sim.run(0.05, progress=False)
        state = sim.state()
        before = {k: v.copy() for k, v in state.arrays.items()}
        sim.run(0.05, progress=False)
        assert all(np.array_equal(before[k], state.arrays[k]) for k in before)


def test_same_seed_same_spikes_other_seed_others():
    def run(seed):
        with nr.compile(network_with_everything(seed)) as sim:
            return sim.run(0.2, progress=False).spikes("src")

    assert np.array_equal(run(1), run(1))
    assert not np.array_equal(run(1)[0][:50], run(2)[0][:50])


def test_float32_stays_float32():
    with nr.compile(network_with_everything(), precision="float32") as sim:
        rec = sim.run(0.2, progress=False)
        assert rec.trace("hid", "v").dtype == np.float32
        assert all(
            sim.engine.read(n).dtype == np.float32
            for n, a in sim.program.arrays.items()
            if a.kind == "float"
        )
        assert len(rec.spikes("out")[0])


def test_weights_in_and_out():
    net = network_with_everything()
    with nr.compile(net) as sim:
        w = sim.weights("src_hid", sparse=True)
        assert isinstance(w, scipy.sparse.csr_array)
        assert 0 < w.nnz < 20 * 15
        doubled = w * 2
        sim.set_weights("src_hid", doubled)
        assert np.array_equal(sim.weights("src_hid"), doubled.toarray())
        sim.set_weights("src_hid", sim.weights("src_hid") * 2)
        assert np.array_equal(sim.weights("src_hid"), w.toarray() * 4)
        with pytest.raises(nr.DescriptionError, match="no synapse"):
            sim.set_weights("src_hid", np.ones((20, 15)))
        with pytest.raises(nr.DescriptionError, match="transposed"):
            sim.set_weights("hid_out", np.ones((6, 15)))
        with pytest.raises(nr.DescriptionError, match="NaN"):
            sim.set_weights("hid_out", np.full((15, 6), np.nan))
        with pytest.raises(nr.DescriptionError, match="no projection 'x'"):
            sim.weights("x")
        shared = np.arange(90.0).reshape(6, 15)
        sim.set_weights("back", shared)  # the tied projection sees the matrix its own way round
        assert np.array_equal(sim.weights("hid_out"), shared.T)
        assert np.array_equal(sim.weights(net.projections["back"]), shared)
        assert np.array_equal(sim.weights("back", sparse=True).toarray(), shared)


def test_set_weights_acts():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([0, 5], [0, 0]), 1)
    out = net.population("out", nr.LIF(), 1)
    con = net.connect(src, out, 0.0)
    net.record(out)
    with nr.compile(net) as sim:
        assert not len(sim.run(0.004, progress=False).spikes(out)[0])
        sim.set_weights(con, [[1.0]])
        assert sim.run(0.004, progress=False).spikes(out)[0].tolist() == [6]


def test_reading_what_was_not_recorded():
    net = nr.Network()
    net.population("n", nr.LIF(), 1)
    with nr.compile(net) as sim:
        rec = sim.run(0.001, progress=False)
        with pytest.raises(nr.DescriptionError, match=r"net\.record\('n', 'spikes'\)"):
            rec.spikes("n")
        with pytest.raises(nr.DescriptionError, match=r"net\.record\('n', 'v'\)"):
            rec.trace("n", "v")
        with pytest.raises(nr.CompileError, match=r"duration.*multiple"):
            sim.run(0.0005, progress=False)
    with pytest.raises(nr.BackendError, match="closed"):
        sim.run(0.001)


def test_foreign_checkpoint_is_refused():
    net = nr.Network()
    net.population("n", nr.LIF(), 1)
    with nr.compile(network_with_everything()) as other:
        foreign = other.state()
    with nr.compile(net) as sim, pytest.raises(nr.CompileError, match="another network"):
        sim.restore(foreign)


def test_progress_is_told_every_step():
    class Count:
        total = 0

        def advance(self, amount=1):
            self.total += amount

    count = Count()
    with nr.compile(network_with_everything()) as sim:
        sim.run_steps(3000, count)
    assert count.total == 3000


def test_long_delay_crosses_chunks_and_runs():
    net = nr.Network()
    src = net.population("src", nr.SpikeTimes([1020], [0]), 1)
    out = net.population("out", nr.LIF(), 1)
    net.connect(src, out, 2.0, delay=2.0)
    net.record(out)
    with nr.compile(net) as sim:
        sim.run_steps(1500, False)
        steps, _ = sim.run_steps(2000, False).spikes(out)
    assert steps.tolist() == [3020]


def test_program_declares_what_it_reads_and_writes():
    program = lower(network_with_everything(), 1e-3)
    written = {name for step in program.steps for name in step.writes}
    for step in program.steps:
        assert set(step.reads) | set(step.writes) <= set(program.arrays)
    assert "src_hid.w" in written
    assert program.arrays["hid_hid.w"].constant
    assert not program.arrays["hid.v"].constant
    kinds = [type(s).__name__ for s in program.steps]
    order = ["Arrive", "Update", "Threshold", "Reset", "Plasticity"]
    assert kinds == sorted(kinds, key=order.index)


def test_fingerprint_covers_structure_and_not_data():
    base = lower(network_with_everything(0), 1e-3).fingerprint()
    assert base == lower(network_with_everything(5), 1e-3).fingerprint()
    assert base != lower(network_with_everything(0), 5e-4).fingerprint()
    assert base != lower(network_with_everything(0), 1e-3, "float32").fingerprint()
    hard = network_with_everything()
    hard.projections["hid_out"].plasticity = nr.SleepReplay(0.01, 0.002, gate="hard")
    assert base != lower(hard, 1e-3).fingerprint()


# --- pieces, checkpoints, interruptions ---


def same_bits(one, two):
    """Equal steps, arrays and spikes under way of two checkpoints."""
    assert one.step == two.step
    assert one.arrays.keys() == two.arrays.keys()
    for name, value in one.arrays.items():
        assert value.dtype == two.arrays[name].dtype
        assert np.array_equal(value, two.arrays[name]), name
    for population, events in one.recent.items():
        for a, b in zip(events, two.recent[population], strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("seed", range(4))
def test_any_cuts_and_checkpoints_on_disk_give_the_same_bits(seed, tmp_path):
    """Delays, refractoriness, tied and plastic weights; each piece in a new simulation."""
    rng = np.random.default_rng(seed)
    net = network_with_everything()
    with nr.compile(net) as sim:
        whole = sim.run_steps(250, False)
        end = sim.state()
    inside = rng.integers(0, 250, 6)
    # A cut twice is a run of no steps; neighbours are runs of one, shorter than every delay.
    cuts = [0, *sorted([*inside, inside[0], (inside[1] + 1) % 250]), 250]
    spikes = {name: [] for name in ("src", "hid", "out")}
    traces = []
    path = tmp_path / "state.h5"
    for i in range(len(cuts) - 1):
        with nr.compile(net) as sim:
            if i:
                sim.restore(nr.load(path))
            assert sim.step == cuts[i]
            rec = sim.run_steps(int(cuts[i + 1] - cuts[i]), False)
            nr.save(sim.state(), path)
        for name, parts in spikes.items():
            parts.append(np.array(rec.spikes(name)))
        traces.append(np.hstack([rec.trace("hid", "v"), rec.trace("src_hid", "w")]))
    for name, parts in spikes.items():
        assert np.array_equal(np.concatenate(parts, axis=1), np.array(whole.spikes(name)))
    expected = np.hstack([whole.trace("hid", "v"), whole.trace("src_hid", "w")])
    assert np.array_equal(np.concatenate(traces), expected)
    same_bits(nr.load(path), end)
    assert len(whole.spikes("out")[0]) > 100


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("place", [0, 1, 4, 6])
def test_an_interrupted_simulation_asks_for_restore(every, place, monkeypatch):
    """Interrupted between two of the calls that make up a time step."""
    net = network_with_everything()
    net.record("out", "v", every=every)
    with nr.compile(net) as sim:
        sim.run_steps(100, False)
        checkpoint = sim.state()
        expected = sim.run_steps(300, False)
        end = sim.state()
    with nr.compile(net) as sim:
        sim.run_steps(100, False)
        count = itertools.count()

        def ctrl_c():
            if next(count) == 70:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            calls = sim.engine._after
            patch.setattr(sim.engine, "_after", [*calls[:place], ctrl_c, *calls[place:]])
            with pytest.raises(KeyboardInterrupt):
                sim.run_steps(3000, False)
        assert sim.step == 100
        calls = (
            sim.state,
            lambda: sim.run_steps(1, False),
            lambda: sim.weights("src_hid"),
            lambda: sim.set_weights("hid_out", np.ones((15, 6))),
        )
        for call in calls:
            with pytest.raises(nr.BackendError, match=r"interrupted.*call restore"):
                call()
        assert "(interrupted)" in str(sim)
        sim.restore(checkpoint)
        assert sim.step == 100
        found = sim.run_steps(300, False)
        same_bits(sim.state(), end)
    for name in ("src", "hid", "out"):
        assert np.array_equal(found.spikes(name), expected.spikes(name))
    assert np.array_equal(found.trace("out", "v"), expected.trace("out", "v"))


def test_restore_undoes_weights_that_were_set_later():
    net = network_with_everything()
    with nr.compile(net) as sim:
        start = sim.state()
        fixed = sim.weights("hid_hid")
        # What some backends leave out of a checkpoint: constants that nobody had set.
        lean = type(start)(
            start.step,
            {n: a for n, a in start.arrays.items() if not sim.program.arrays[n].constant},
            start.recent,
        )
        for checkpoint in (start, lean):
            sim.set_weights("hid_hid", fixed + 1)
            sim.restore(checkpoint)
            assert np.array_equal(sim.weights("hid_hid"), fixed)


def test_checkpoints_that_do_not_fit_are_refused():
    net = network_with_everything()
    with nr.compile(net) as sim:
        state = sim.state()
        fewer = {n: a for n, a in state.arrays.items() if n != "hid.v"}
        with pytest.raises(nr.CompileError, match=r"differ in hid\.v"):
            sim.restore(type(state)(0, fewer, state.recent))
        recent = {**state.recent, "elsewhere": state.recent["src"]}
        with pytest.raises(nr.CompileError, match="differ in elsewhere"):
            sim.restore(type(state)(0, state.arrays, recent))
        assert sim.run_steps(5, False).stop == 5  # a refused checkpoint changes nothing
    message = "float64 in the checkpoint and float32 here"
    with nr.compile(net, precision="float32") as sim:  # noqa: SIM117
        with pytest.raises(nr.CompileError, match=message):
            sim.restore(state)


def test_numbers_of_steps_are_checked():
    with nr.compile(network_with_everything()) as sim:
        for bad in (-1, 1.5, True, "3"):
            with pytest.raises(nr.DescriptionError, match="whole number >= 0"):
                sim.run_steps(bad, False)
        assert sim.run_steps(np.int64(3), False).stop == 3


def test_a_simulation_in_words():
    with nr.compile(network_with_everything()) as sim:
        sim.run_steps(250, False)
        text, page = str(sim), sim._repr_html_()
    assert "simulation of 'all' at 0.25 s (step 250), dt = 0.001 s, float64" in text
    assert "hid: 15 units" in text
    assert "hid_out: 90 synapses" in text
    assert "<td>hid_out</td><td>90 synapses</td>" in page
    assert repr(sim) == "Simulation('all', step 250)"
    assert "(closed)" in str(sim)


# --- values of state variables -----------------------------------------------------------------


def halved():
    """Two units whose state halves in every step."""
    net = nr.Network()
    net.population("pre", nr.NeuronModel("x : 1", before="x = 0.5 * x"), 2)
    return net


def test_values_that_do_not_fit_are_refused():
    with nr.compile(halved()) as sim:
        for values, message in (([1.0], r"shape \(1,\)"), ([1.0, np.nan], "must be finite")):
            with pytest.raises(nr.DescriptionError, match=message):
                sim.set_values("pre", "x", values)
        with pytest.raises(nr.DescriptionError, match="no state variable .*; it has x"):
            sim.values("pre", "y")


def test_values_of_a_batch():
    with nr.compile(halved(), "torch", batch=3) as sim:
        sim.set_values("pre", "x", [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        sim.run(1e-3, progress=False)
        assert np.array_equal(sim.values("pre", "x"), [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]])


def test_values_of_a_projection():
    net = nr.Network()
    pre = net.population("pre", nr.SpikeTimes([0], [0]), 2)
    post = net.population("post", nr.LIF(), 2)
    weights = np.array([[0.5, 0.25], [0.0, 1.0]])
    net.connect(pre, post, weights, plasticity=nr.PairSTDP(), name="con")
    with nr.compile(net) as sim:
        sim.run_steps(2, False)
        assert np.array_equal(sim.values("con", "w"), sim.weights("con").reshape(-1))
        assert np.array_equal(sim.values("con", "x"), [1.0, 0.0])
        with pytest.raises(nr.DescriptionError, match="weights are set with set_weights"):
            sim.set_values("con", "w", 0.0)

"""Recordings against plain loops over the same spikes and full traces."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

import neuro as nr
from neuro import streaming, tracks
from neuro.engine import Recorded
from neuro.lowering import lower
from neuro.recording import in_memory


def network(every=1, seed=3):
    net = nr.Network("a<b", seed=seed)
    src = net.population("src", nr.Poisson(rate=90.0), 8)
    out = net.population("out", nr.LIF(tau_m=15e-3, t_ref=2e-3), 5)
    weights = np.random.default_rng(0).uniform(0.2, 0.7, (8, 5))
    net.connect(src, out, weights, delay=3e-3, plasticity=nr.PairSTDP(w_max=1.0), name="con")
    net.record(src, units=[6, 2, 3])
    net.record(out)
    net.record(out, "v", units=[4, 0], every=every)
    net.record("con", "w", every=every)
    return net


@pytest.fixture
def short_pieces(monkeypatch):
    """Runs are cut every few steps, so that pieces end at all phases of ``every``."""
    monkeypatch.setattr(streaming, "FIRST", 5)
    monkeypatch.setattr(streaming, "GROWTH", 1)


@pytest.fixture(params=["memory", "folder"])
def recorded(request, tmp_path, short_pieces):
    """The second 0.2 s of a run (steps 100 to 300)."""
    with nr.compile(network()) as sim:
        sim.run(0.1, progress=False)
        to = tmp_path / "run" if request.param == "folder" else None
        yield sim.run(0.2, to=to, progress=False)


# --- every n-th step ---


@pytest.mark.parametrize("every", [2, 3, 7, 64])
def test_thinned_traces_are_rows_of_the_full_ones(every, short_pieces):
    with nr.compile(network()) as sim:
        full = sim.run(0.2, progress=False)
    cuts = [0, 1, 2, 9, 9, 80, 150, 200]
    with nr.compile(network(every)) as sim:
        parts = [sim.run_steps(b - a, False) for a, b in pairwise(cuts)]
    for owner, variable in (("out", "v"), ("con", "w")):
        kept = np.concatenate([p.trace(owner, variable) for p in parts])
        assert np.array_equal(kept, full.trace(owner, variable)[every - 1 :: every])
        steps = np.concatenate([p.trace_steps(owner, variable) for p in parts])
        assert steps.tolist() == list(range(every - 1, 200, every))
    for column in (0, 1):
        joined = np.concatenate([p.spikes("out")[column] for p in parts])
        assert np.array_equal(joined, full.spikes("out")[column])


def test_what_is_dropped_is_not_kept_in_memory(monkeypatch):
    monkeypatch.setattr(streaming, "PIECE_BYTES", 1 << 16)
    lengths = []
    with nr.compile(network(every=50)) as sim:
        run = sim.engine.run

        def watched(steps, progress):
            lengths.append(steps)
            return run(steps, progress)

        monkeypatch.setattr(sim.engine, "run", watched)
        rec = sim.run(2.0, progress=False)
    row = 8 * (2 + 40)
    assert max(lengths) * row <= 1 << 16
    assert max(lengths) > 64
    assert sum(lengths) == 2000
    assert rec.trace("con", "w").shape == (40, 40)
    assert rec.trace("con", "w").base is None or rec.trace("con", "w").base.shape == (40, 40)


def test_every_is_checked_saved_and_compared(tmp_path):
    net = network(every=4)
    nr.save(net, tmp_path / "net.h5")
    again = nr.load(tmp_path / "net.h5")
    assert again == net
    assert again != network(every=5)
    assert [r.every for r in lower(again, 1e-3).records] == [1, 1, 4, 4]
    net = nr.Network()
    net.population("lif", nr.LIF(), 2)
    for bad in (0, -2, 1.5, True):
        with pytest.raises(nr.DescriptionError, match=r"every of 'lif'.*whole number"):
            net.record("lif", "v", every=bad)
    with pytest.raises(nr.DescriptionError, match="spikes of 'lif' are kept in every step"):
        net.record("lif", every=2)


# --- windows ---


def test_windows_cut_spikes_and_traces(recorded):
    steps, units = recorded.spikes("out")
    rows, at = recorded.trace("out", "v"), recorded.trace_steps("out", "v")
    assert len(steps) > 50
    assert steps.min() >= 100 > 5
    for start, stop in ((100, 300), (100, 101), (104, 106), (137, 242), (299, 300), (150, 150)):
        inside = (steps >= start) & (steps < stop)
        found = recorded.spikes("out", start=start, stop=stop)
        assert np.array_equal(found[0], steps[inside])
        assert np.array_equal(found[1], units[inside])
        kept = (at >= start) & (at < stop)
        cut = recorded.trace("out", "v", start=start, stop=stop)
        assert np.array_equal(cut, rows[kept])
        assert cut.shape == (kept.sum(), 2)
        window = recorded.trace_steps("out", "v", start=start, stop=stop)
        assert np.array_equal(window, at[kept])
        counts = recorded.counts("out", start=start, stop=stop)
        assert np.array_equal(counts, np.bincount(units[inside], minlength=5))


def test_windows_that_are_refused(recorded):
    with pytest.raises(nr.DescriptionError, match=r"window 0 to 300 lies outside.*100 to 300"):
        recorded.spikes("out", start=0)
    with pytest.raises(nr.DescriptionError, match="lies outside"):
        recorded.trace("out", "v", stop=301)
    with pytest.raises(nr.DescriptionError, match="lies outside"):
        recorded.counts("out", start=200, stop=150)
    with pytest.raises(nr.DescriptionError, match=r"round\(seconds / rec\.dt\)"):
        recorded.spikes("out", start=0.15)
    for call in (lambda: recorded.spikes("out", item=0), lambda: recorded.batch_spikes("out")):
        with pytest.raises(nr.DescriptionError, match="not batched"):
            call()
    with pytest.raises(nr.DescriptionError, match=r"rec\.spikes\('out'\)"):
        recorded.trace("out", "spikes")


# --- statistics ---


def test_counts_follow_the_order_of_the_recorded_units(recorded):
    _, units = recorded.spikes("src")
    assert recorded.units("src").tolist() == [6, 2, 3]
    assert set(units) == {2, 3, 6}
    expected = [sum(1 for u in units if u == unit) for unit in (6, 2, 3)]
    assert recorded.counts("src").tolist() == expected
    assert len(set(expected)) == 3, "equal counts would hide a wrong order"


def test_rates_are_spikes_per_second_and_unit(recorded):
    steps, _ = recorded.spikes("out")
    times, rates = recorded.rate("out", bin_width=0.03)
    assert times == pytest.approx([0.1, 0.13, 0.16, 0.19, 0.22, 0.25, 0.28])
    for time, rate in zip(times, rates, strict=True):
        stop = min(time + 0.03, 0.3)  # the last bin is shorter
        count = sum(1 for k in steps if round(time * 1e3) <= k < round(stop * 1e3))
        assert rate == pytest.approx(count / 5 / (stop - time))
    assert np.sum(rates[:-1] * 0.03) + rates[-1] * 0.02 == pytest.approx(len(steps) / 5)
    _, shifted = recorded.rate("out", bin_width=0.03, start=115, stop=175)
    assert shifted[0] == pytest.approx(np.sum((steps >= 115) & (steps < 145)) / 5 / 0.03)
    assert len(shifted) == 2
    with pytest.raises(nr.CompileError, match=r"bin_width of rate.*multiple"):
        recorded.rate("out", bin_width=1.5e-3)
    for bad in (0.0, 1e-12):
        with pytest.raises(nr.DescriptionError, match="bin_width of rate"):
            recorded.rate("out", bin_width=bad)


def test_intervals_lie_between_spikes_of_one_unit(recorded):
    steps, units = recorded.spikes("out")
    expected = []
    for unit in range(5):
        train = [k for k, u in zip(steps, units, strict=True) if u == unit]
        own = [(b - a) * 1e-3 for a, b in pairwise(train)]
        assert recorded.isi("out", unit) == pytest.approx(own)
        expected += own
    assert recorded.isi("out") == pytest.approx(expected)
    assert len(expected) > 30
    with pytest.raises(nr.DescriptionError, match="unit 9 of 'out'"):
        recorded.isi("out", 9)


def test_a_silent_unit_has_no_intervals():
    net = nr.Network()
    net.record(net.population("a", nr.SpikeTimes([4], [1]), 2))
    with nr.compile(net) as sim:
        rec = sim.run(0.01, progress=False)
        empty = sim.run(0.0, progress=False)
    assert not len(rec.isi("a"))
    assert rec.counts("a").tolist() == [0, 1]
    assert empty.counts("a").tolist() == [0, 0]
    assert len(empty.rate("a")[1]) == 0
    assert "0 spikes of 2 units" in str(empty)


# --- a batch ---


def batched(tmp_path, kind):
    """Three items with known spikes and traces, in memory or in two pieces of a folder."""
    net = nr.Network("b")
    net.population("a", nr.LIF(), 2)
    net.record("a")
    net.record("a", "v", every=2)
    program = lower(net, 1e-3)
    first = Recorded(
        {"a": (np.array([1, 0, 2]), np.array([1, 0, 1]), np.array([0, 2, 2]))},
        {1: np.arange(18.0).reshape(3, 3, 2)},
        batch=3,
    )
    second = Recorded(
        {"a": (np.array([3, 3, 4]), np.array([0, 1, 0]), np.array([0, 1, 2]))},
        {1: 100 + np.arange(12.0).reshape(3, 2, 2)},
        batch=3,
    )
    parts = [tracks.thinned(first, program.records, 0)]
    parts.append(tracks.thinned(second, program.records, 3))
    if kind == "memory":
        return in_memory(program, tracks.joined(parts), 0, 5)
    with nr.compile(net) as sim:
        start = sim.state()
        with streaming.RunFolder(tmp_path / "run", program, start, 5, batch=3) as folder:
            for part, stop in zip(parts, (3, 5), strict=True):
                sim.run_steps(stop - sim.step, False)
                folder.append(part, sim.state())
    return nr.open_recording(tmp_path / "run")


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_items_of_a_batch(tmp_path, kind):
    rec = batched(tmp_path, kind)
    assert rec.batch == 3
    steps, units, items = rec.batch_spikes("a")
    assert steps.tolist() == [1, 3, 3, 0, 2, 4]
    assert units.tolist() == [1, 0, 1, 0, 1, 0]
    assert items.tolist() == [0, 0, 1, 2, 2, 2]
    assert [x.tolist() for x in rec.spikes("a", item=2)] == [[0, 2, 4], [0, 1, 0]]
    assert [x.tolist() for x in rec.spikes("a", item=2, start=1, stop=4)] == [[2], [1]]
    # Rows of steps 1 and 3: row 1 of the first piece, row 0 of the second.
    expected = [[[2, 3], [100, 101]], [[8, 9], [104, 105]], [[14, 15], [108, 109]]]
    assert rec.trace("a", "v").tolist() == expected
    assert rec.trace("a", "v", item=1).tolist() == expected[1]
    assert rec.trace("a", "v", start=2, item=1).tolist() == [[104, 105]]
    assert rec.counts("a").tolist() == [[1, 1], [0, 1], [2, 1]]
    assert rec.counts("a", item=2).tolist() == [2, 1]
    _, rates = rec.rate("a", bin_width=2e-3)
    assert rates.tolist() == [[250, 250, 0], [0, 250, 0], [250, 250, 500]]
    assert rec.isi("a").tolist() == [0.004]
    assert rec.isi("a", item=0).tolist() == []
    assert "3 items" in str(rec)
    assert "6 spikes of 2 units, 200 Hz" in str(rec)
    assert [x.tolist() for x in rec.batch_spikes("a", start=3)] == [[3, 3, 4], [0, 1, 0], [0, 1, 2]]
    with pytest.raises(nr.DescriptionError, match="3 items; choose one with item=.*batch_spikes"):
        rec.spikes("a")
    for bad in (3, -1):
        with pytest.raises(nr.DescriptionError, match=r"item -?\d does not exist; there are 0..2"):
            rec.spikes("a", item=bad)


@pytest.mark.parametrize("kind", ["memory", "folder"])
def test_items_in_other_formats(tmp_path, kind):
    rec = batched(tmp_path, kind)
    assert rec.to_pandas("a")["item"].tolist() == [0, 0, 1, 2, 2, 2]
    assert rec.to_pandas("a", "v", item=2).to_numpy().tolist() == [[14, 15], [108, 109]]
    array = rec.to_xarray("a", "v")
    assert array.dims == ("item", "time", "unit")
    assert array.sel(item=2, unit=1).values.tolist() == [15, 109]
    train = rec.to_neo(item=2).segments[0].spiketrains[0]
    assert train.magnitude == pytest.approx([0.0, 0.004])
    for call in (rec.to_neo, lambda: rec.to_pandas("a", "v")):
        with pytest.raises(nr.DescriptionError, match="3 items"):
            call()


# --- other formats ---


def test_pandas(recorded):
    steps, units = recorded.spikes("src")
    table = recorded.to_pandas("src")
    assert list(table.columns) == ["time", "step", "unit"]
    assert np.array_equal(table["step"], steps)
    assert np.array_equal(table["unit"], units)
    assert table["time"].to_numpy() == pytest.approx(steps * 1e-3)
    trace = recorded.to_pandas("out", "v")
    assert trace.index.name == "time"
    assert trace.index[1] == pytest.approx(0.101)
    assert trace.columns.tolist() == [4, 0]
    assert np.array_equal(trace[0], recorded.trace("out", "v")[:, 1])
    assert recorded.to_pandas("con", "w").columns.name == "synapse"


def test_xarray(recorded):
    array = recorded.to_xarray("out", "v")
    assert array.name == "out.v"
    assert array.dims == ("time", "unit")
    assert array.attrs["units"] == "volt"
    assert array["time"].attrs["units"] == "second"
    assert np.array_equal(array.sel(unit=4), recorded.trace("out", "v")[:, 0])
    assert array["step"].values.tolist() == list(range(100, 300))


def test_neo(tmp_path):
    import quantities

    with nr.compile(network(every=3)) as sim:
        sim.run(0.1, progress=False)
        rec = sim.run(0.2, progress=False)
    block = rec.to_neo()
    (segment,) = block.segments
    assert block.name == "a<b"
    assert len(segment.spiketrains) == 3 + 5
    for train in segment.spiketrains:
        name, unit = train.annotations["population"], train.annotations["unit"]
        steps, units = rec.spikes(name)
        assert train.units == quantities.second
        assert train.magnitude == pytest.approx(steps[units == unit] * 1e-3)
        assert (float(train.t_start), float(train.t_stop)) == pytest.approx((0.1, 0.3))
    assert [t.annotations["unit"] for t in segment.spiketrains] == [6, 2, 3, 0, 1, 2, 3, 4]
    v, w = segment.analogsignals
    assert v.units == quantities.volt
    assert v.array_annotations["unit"].tolist() == [4, 0]
    assert np.array_equal(v.magnitude, rec.trace("out", "v"))
    assert float(v.sampling_period.rescale("s")) == pytest.approx(3e-3)
    assert v.times.magnitude == pytest.approx(rec.trace_steps("out", "v") * 1e-3)
    assert w.shape == (len(v), 40)
    assert rec.trace_steps("out", "v")[0] == 101  # the first multiple of 3 from 102 on, less 1


@pytest.mark.parametrize(
    ("library", "convert"),
    [
        ("pandas", lambda rec: rec.to_pandas("out")),
        ("xarray", lambda rec: rec.to_xarray("out", "v")),
        ("neo", lambda rec: rec.to_neo()),
    ],
)
def test_a_missing_library_is_named_with_the_command(monkeypatch, library, convert):
    with nr.compile(network()) as sim:
        rec = sim.run(0.01, progress=False)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"needs {library}.*pip install {library}"):
        convert(rec)


def test_libraries_are_loaded_when_they_are_used():
    code = """
import sys, neuro as nr
net = nr.Network()
net.record(net.population("a", nr.Poisson(10.0), 2))
with nr.compile(net) as sim:
    rec = sim.run(0.1, progress=False)
    print(rec, sim, rec._repr_html_(), rec.counts("a"))
sys.exit(", ".join({"matplotlib", "pandas", "xarray", "neo", "h5py"} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- printing ---


def test_summaries(recorded):
    text = str(recorded)
    assert "recording of 'a<b': 0.2 s (steps 100 to 300), dt = 0.001 s" in text
    count = len(recorded.spikes("out")[0])
    assert f"out: {count} spikes of 5 units, {count / 5 / 0.2:.3g} Hz" in text
    count = len(recorded.spikes("src")[0])
    assert f"src: {count} spikes of 3 units, {count / 3 / 0.2:.3g} Hz" in text
    assert "out.v: 200 rows of 2 units" in text
    assert "con.w: 200 rows of 40 synapses" in text
    page = recorded._repr_html_()
    assert "a&lt;b" in page
    assert "a<b" not in page
    assert f"{count} spikes of 3 units" in page
    assert repr(recorded) == "Recording('a<b', steps 100 to 300)"
    assert recorded.populations == ["src", "out"]
    assert recorded.traces == [("out", "v"), ("con", "w")]
    assert recorded.complete
    assert recorded.si_unit("out", "v") == "volt"

"""Runs to a folder: the same bits as in memory, whatever kills the process in between."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest

import neuro as nr
from neuro import streaming
from neuro.engine import Recorded
from neuro.fingerprint import digest
from neuro.lowering import lower
from neuro.tracks import Track


def network(seed=5, weight=0.3, rate=70.0, every=3):
    """Delays, refractoriness, plasticity on both sides, thinned traces."""
    net = nr.Network("streamed", seed=seed)
    src = net.population("src", nr.Poisson(rate=rate), 12)
    hid = net.population("hid", nr.LIF(tau_m=12e-3, t_ref=3e-3), 9)
    stdp = nr.PairSTDP(a_plus=0.02, a_minus=0.015, w_min=0.0, w_max=0.8)
    net.connect(src, hid, nr.fixed_probability(0.6, nr.Uniform(0.1, weight)), plasticity=stdp)
    loop = np.random.default_rng(1).normal(0.05, 0.2, (9, 9))
    net.connect(hid, hid, loop, delay=6e-3, plasticity=nr.SleepReplay(0.01, 0.002, slope=0.1))
    net.record(src, units=[3, 7])
    net.record(hid)
    net.record(hid, "v", units=[8, 2], every=every)
    net.record("hid_hid", "w", every=10)
    return net


def same(one, two):
    """Every bit of two recordings."""
    assert (one.start, one.stop, one.populations, one.traces) == (
        two.start, two.stop, two.populations, two.traces
    )  # fmt: skip
    assert len(one.spikes("hid")[0]) > 100
    for population in one.populations:
        for a, b in zip(one.spikes(population), two.spikes(population), strict=True):
            assert np.array_equal(a, b)
    for trace in one.traces:
        assert np.array_equal(one.trace(*trace), two.trace(*trace))
        assert one.trace(*trace).dtype == two.trace(*trace).dtype


def same_state(one, two):
    assert one.step == two.step
    for name, value in one.arrays.items():
        assert np.array_equal(value, two.arrays[name]), name
    for population, events in one.recent.items():
        for a, b in zip(events, two.recent[population], strict=True):
            assert np.array_equal(a, b)


@pytest.fixture
def short_pieces(monkeypatch):
    monkeypatch.setattr(streaming, "FIRST", 37)
    monkeypatch.setattr(streaming, "GROWTH", 1)


@pytest.fixture(scope="module")
def whole():
    """The uninterrupted run of 0.6 s, and the state at its end."""
    with nr.compile(network()) as sim:
        return sim.run(0.6, progress=False), sim.state()


def stop_after(steps):
    """A progress meter that interrupts like Ctrl-C does."""

    class Stop:
        left = steps

        def advance(self, amount=1):
            self.left -= amount
            if self.left <= 0:
                raise KeyboardInterrupt

    return Stop()


def test_a_streamed_run_has_the_same_bits(tmp_path, whole, short_pieces):
    with nr.compile(network()) as sim:
        rec = sim.run(0.6, to=tmp_path / "new" / "run", progress=False)
        assert sim.step == 600
        same_state(whole[1], sim.state())
    same(whole[0], rec)
    again = nr.open_recording(str(tmp_path / "new" / "run"))
    same(whole[0], again)
    assert again.complete
    assert str(again) == str(whole[0])
    names = sorted(p.name for p in (tmp_path / "new" / "run").iterdir())
    assert len(re.findall(r"steps-\d{12}-\d{12}\.h5", " ".join(names))) == 17
    checkpoints = [n for n in names if n.startswith("checkpoint")]
    assert checkpoints == ["checkpoint-000000000000.h5", "checkpoint-000000000600.h5"]
    same_state(whole[1], nr.load(tmp_path / "new" / "run" / checkpoints[1]))


def test_a_later_stretch_counts_on(tmp_path, whole, short_pieces):
    with nr.compile(network()) as sim:
        sim.run(0.1, progress=False)
        rec = sim.run(0.5, to=tmp_path / "run", progress=False)
    assert (rec.start, rec.stop) == (100, 600)
    for a, b in zip(rec.spikes("hid"), whole[0].spikes("hid", start=100), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(rec.trace("hid", "v"), whole[0].trace("hid", "v", start=100))
    assert np.array_equal(rec.trace_steps("hid", "v"), whole[0].trace_steps("hid", "v", start=100))


# --- killed ---

CHILD = """
import os, sys, time
sys.path.insert(0, {tests!r})
import neuro as nr
from neuro import streaming
from test_streaming import network

die_at, folder = int(sys.argv[1]), sys.argv[2]
streaming.FIRST, streaming.GROWTH = 100, 1
rename, done = os.replace, 0

def replace(*paths):
    global done
    done += 1
    if done == die_at:
        os._exit(9)
    if done == 24:  # about 1100 steps: it must not come to the end before it is killed
        time.sleep(600)
    rename(*paths)

os.replace = replace
with nr.compile(network()) as sim:
    sim.run(4.0, to=folder, progress=False)
"""


@contextmanager
def child(die_at, folder):
    """A process that runs 4 s to a folder and dies at its n-th rename; killed when left."""
    code = CHILD.format(tests=os.path.dirname(__file__))
    command = [sys.executable, "-c", code, str(die_at), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        yield process
        process.kill()


def end_of_pieces(folder):
    names = os.listdir(folder) if folder.is_dir() else []
    found = [re.match(r"steps-\d{12}-(\d{12})\.h5\Z", name) for name in names]
    return max((int(match[1]) for match in found if match), default=0)


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    """Killed at the rename of each kind of file, then by SIGKILL at random moments."""
    folder = tmp_path / "run"
    # The renames of the first process: header, checkpoint of the start, first checkpoint, first
    # piece; the third process finds the checkpoint of the start and dies at the piece.
    for die_at in (2, 3, 3):
        with child(die_at, folder) as process:
            output = process.stdout.read().decode()
        assert process.returncode == 9, output
        assert end_of_pieces(folder) == 0
    rng = np.random.default_rng()
    for _ in range(3):
        before = end_of_pieces(folder)
        with child(0, folder) as process:
            deadline = time.monotonic() + 60
            while end_of_pieces(folder) < before + 300 and process.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.03))
        assert process.returncode == -signal.SIGKILL, process.returncode
        partial = nr.open_recording(folder)
        assert not partial.complete
        assert before < partial.stop < 4000
        assert "cut off before its end at 4 s" in str(partial)
    with nr.compile(network()) as sim, nr.compile(network()) as other:
        rec = sim.run(4.0, to=folder, progress=False)
        same(other.run(4.0, progress=False), rec)
        same_state(other.state(), sim.state())
    left = [n for n in os.listdir(folder) if n.startswith(".") and n != ".lock"]
    assert not left
    assert sum(n.startswith("checkpoint") for n in os.listdir(folder)) == 2


def test_ctrl_c_goes_back_and_the_same_call_goes_on(tmp_path, whole, short_pieces):
    with nr.compile(network()) as sim:
        first = sim.run(0.1, progress=False)
        before = sim.state()
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                sim.run(0.5, to=tmp_path / "run", progress=stop_after(150))
            assert sim.step == 100
            same_state(before, sim.state())
        assert 100 < nr.open_recording(tmp_path / "run").stop < 600
        meter = stop_after(501)
        rec = sim.run(0.5, to=tmp_path / "run", progress=meter)
        assert meter.left == 1  # what was done before counts as progress
        same_state(whole[1], sim.state())
    joined = np.concatenate([first.spikes("hid")[0], rec.spikes("hid")[0]])
    assert np.array_equal(joined, whole[0].spikes("hid")[0])


def test_another_backend_can_go_on(tmp_path, whole, short_pieces):
    with nr.compile(network()) as sim, pytest.raises(KeyboardInterrupt):
        sim.run(0.6, to=tmp_path / "run", progress=stop_after(300))
    with nr.compile(network(), backend="brian2", target="numpy") as sim:
        same(whole[0], sim.run(0.6, to=tmp_path / "run", progress=False))


def test_a_finished_folder_is_returned_at_once(tmp_path, whole, monkeypatch):
    with nr.compile(network()) as sim:
        sim.run(0.6, to=tmp_path / "run", progress=False)
        expected = sim.run(0.05, progress=False)
    with nr.compile(network()) as sim:
        with monkeypatch.context() as patch:
            patch.setattr(sim.engine, "run", lambda *_: pytest.fail("it ran again"))
            same(whole[0], sim.run(0.6, to=tmp_path / "run", progress=False))
        later = sim.run(0.05, progress=False)  # the simulation stands at the end
    assert np.array_equal(later.spikes("hid")[0], expected.spikes("hid")[0])


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path, whole, short_pieces):
    with nr.compile(network()) as sim:
        sim.run(0.25, to=tmp_path / "run", progress=False)
    with nr.compile(network()) as sim:
        rec = sim.run(0.6, to=tmp_path / "run", progress=False)
        same(whole[0], rec)
        assert rec.complete
    with nr.compile(network()) as sim, pytest.raises(nr.DescriptionError, match="600 steps.*500"):
        sim.run(0.5, to=tmp_path / "run", progress=False)


def test_nothing_to_run(tmp_path):
    with nr.compile(network()) as sim:
        rec = sim.run(0.0, to=tmp_path / "run", progress=False)
    assert len(rec.spikes("hid")[0]) == 0
    assert rec.trace("hid", "v").shape == (0, 2)
    assert rec.counts("hid").tolist() == [0] * 9


# --- refused ---


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (network(seed=6), "other weights, parameters, seed, input or recordings"),
        (network(rate=71.0), "other weights, parameters, seed, input or recordings"),
        (network(weight=0.4), "other weights, parameters, seed, input or recordings"),
        (network(every=4), "other weights, parameters, seed, input or recordings"),
    ],
)
def test_another_content_is_refused(tmp_path, other, message):
    with nr.compile(network()) as sim:
        sim.run(0.05, to=tmp_path / "run", progress=False)
    with nr.compile(other) as sim:
        with pytest.raises(nr.DescriptionError, match=f"{message}; name another folder"):
            sim.run(0.05, to=tmp_path / "run", progress=False)
        assert len(sim.run(0.02, progress=False).spikes("src")) == 2  # still usable


def test_another_program_or_beginning_is_refused(tmp_path):
    folder = tmp_path / "run"
    with nr.compile(network()) as sim:
        sim.run(0.05, to=folder, progress=False)
        with pytest.raises(nr.DescriptionError, match="began at step 0.*stands at step 50"):
            sim.run(0.05, to=folder, progress=False)
    message = "another network, time step or precision"
    with nr.compile(network(), dt=5e-4) as sim, pytest.raises(nr.DescriptionError, match=message):
        sim.run(0.05, to=folder, progress=False)
    with nr.compile(network()) as sim:
        sim.set_weights("src_hid", sim.weights("src_hid") * 0.5)
        with pytest.raises(nr.DescriptionError, match="from another state"):
            sim.run(0.05, to=folder, progress=False)


def test_set_weights_before_a_run_belong_to_its_beginning(tmp_path, short_pieces):
    with nr.compile(network()) as sim:
        sim.set_weights("src_hid", sim.weights("src_hid") * 1.5)
        expected = sim.run(0.3, progress=False)
    for meter in (stop_after(100), False):
        with nr.compile(network()) as sim:
            sim.set_weights("src_hid", sim.weights("src_hid") * 1.5)
            try:
                rec = sim.run(0.3, to=tmp_path / "run", progress=meter)
            except KeyboardInterrupt:
                continue
    same(expected, rec)


def test_folders_that_are_refused(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / ".thesis.h5.backup").write_text("x")
    (tmp_path / "file").write_text("x")
    with nr.compile(network()) as sim:
        with pytest.raises(nr.DescriptionError, match="not empty and holds no run"):
            sim.run(0.05, to=precious, progress=False)
        assert os.listdir(precious) == [".thesis.h5.backup"]
        with pytest.raises(nr.DescriptionError, match="that is a file"):
            sim.run(0.05, to=tmp_path / "file", progress=False)
        for bad in (0.0, -1.0):
            with pytest.raises(nr.DescriptionError, match="checkpoint_every"):
                sim.run(0.05, to=tmp_path / "run", checkpoint_every=bad)
        sim.run(0.05, to=tmp_path / "run", progress=False)
    with (tmp_path / "run" / ".lock").open() as lock, nr.compile(network()) as sim:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(nr.DescriptionError, match="another process is writing"):
            sim.run(0.05, to=tmp_path / "run", progress=False)


def test_a_source_that_cannot_be_recognised_is_refused(tmp_path):
    with nr.compile(network()) as sim:
        sim.program.sources["src"].generator = np.random.default_rng()
        with pytest.raises(nr.DescriptionError, match="could not be recognised.*Generator"):
            sim.run(0.05, to=tmp_path / "run", progress=False)


def test_folders_that_cannot_be_read(tmp_path, short_pieces):
    with pytest.raises(nr.DescriptionError, match="not the folder of a run"):
        nr.open_recording(tmp_path)
    folder = tmp_path / "run"
    with nr.compile(network()) as sim:
        sim.run(0.2, to=folder, progress=False)
    rec = nr.open_recording(folder)
    middle = folder / "steps-000000000074-000000000111.h5"
    middle.unlink()
    assert len(rec.spikes("hid", start=111)[0])  # only the pieces of a window are opened
    assert len(rec.trace("hid", "v", stop=74)) == 24
    with pytest.raises(nr.DescriptionError, match=r"steps-000000000074.*missing or damaged"):
        rec.trace("hid", "v")
    with pytest.raises(nr.DescriptionError, match="steps 74 to 111 are missing"):
        nr.open_recording(folder)
    with nr.compile(network()) as sim, pytest.raises(nr.DescriptionError, match="are missing"):
        sim.run(0.2, to=folder, progress=False)
    middle.write_bytes(b"noise")
    with pytest.raises(nr.DescriptionError, match="damaged"):
        nr.open_recording(folder).spikes("hid")
    header = json.loads((folder / "run.json").read_text())
    for change, message in (
        ({"version": 99}, "version 99.*update neuro"),
        ({"format": "other"}, "not the header"),
        ({"tracks": [{"owner": "x"}]}, "damaged"),
    ):
        (folder / "run.json").write_text(json.dumps(header | change))
        with pytest.raises(nr.DescriptionError, match=message):
            nr.open_recording(folder)
    (folder / "run.json").write_text("{")
    with pytest.raises(nr.DescriptionError, match="not the header"):
        nr.open_recording(folder)


# --- pace ---


def test_pieces_are_bounded_by_memory_and_by_time(monkeypatch):
    program = lower(network(), 1e-3)
    none = Recorded({}, {})
    pace = streaming.Pace(program, seconds=10.0)
    assert pace.length(10**9) == streaming.FIRST
    assert pace.length(7) == 7
    pace.took(64, 0.001, none)
    assert pace.length(10**9) == 64 * streaming.GROWTH  # not more at once
    pace.took(256, 1.0, none)
    assert pace.length(10**9) == 1024
    pace.took(1024, 4.0, none)
    assert pace.length(10**9) == 1280  # half of 10 s at 256 steps a second
    bytes_a_step = 1 << 20
    full = Recorded({}, {0: np.zeros((8, bytes_a_step // 8))})
    pace.took(8, 0.0, full)
    assert pace.length(10**9) == streaming.PIECE_BYTES // bytes_a_step
    monkeypatch.setattr(streaming, "PIECE_BYTES", 1 << 14)
    wide = nr.Network()
    wide.population("a", nr.LIF(), 400)
    wide.record("a")  # at worst 400 spikes of 16 bytes a step
    assert streaming.Pace(lower(wide, 1e-3)).length(10**9) == (1 << 14) // 6400


def test_checkpoints_keep_the_time(tmp_path, monkeypatch):
    written = []
    append = streaming.RunFolder.append

    def watched(folder, recorded, state):
        append(folder, recorded, state)
        written.append(time.monotonic())

    monkeypatch.setattr(streaming.RunFolder, "append", watched)
    with nr.compile(network()) as sim:
        sim.run(8.0, to=tmp_path / "run", checkpoint_every=0.2, progress=False)
    assert len(written) > 3
    assert np.median(np.diff(written)) < 0.2


# --- fingerprints ---


def test_content_fingerprint_covers_everything_that_is_recorded():
    base = lower(network(), 1e-3).content_fingerprint()
    assert base == lower(network(), 1e-3).content_fingerprint()
    used = lower(network(), 1e-3)
    used.sources["src"].events(0, 1000)  # fills its cache
    for connectivity in used.connectivity.values():
        getattr(connectivity, "has_multapses", None)
    assert base == used.content_fingerprint()
    others = [network(seed=6), network(weight=0.31), network(rate=70.5), network(every=4)]
    for units in ([7, 3], [3]):
        other = network()
        other.recorders[0].units = np.array(units)
        others.append(other)
    prints = [lower(other, 1e-3).content_fingerprint() for other in others]
    assert len({base, *prints}) == len(prints) + 1


def test_content_fingerprint_covers_the_spikes_of_every_source():
    def of(source, size=4):
        net = nr.Network()
        net.population("s", source, size)
        return lower(net, 1e-3).content_fingerprint()

    images = np.eye(4)
    sources = [
        nr.SpikeTimes([1, 2], [0, 1]),
        nr.SpikeTimes([1, 2], [0, 2]),
        nr.SpikeTimes([1, 10**9], [0, 1]),  # differs long after any run
        nr.Poisson(10.0),
        nr.Poisson([10.0, 10.0, 10.0, 11.0]),
        nr.PoissonImages(images, 100.0, 0.1),
        nr.PoissonImages(images[::-1], 100.0, 0.1),
        nr.PoissonImages(images, 100.0, 0.1, gap=0.01),
        nr.WindowedPoisson(np.full(4, 10.0), (2, 2), 1),
        nr.WindowedPoisson(np.full(4, 10.0), (2, 2), 2),
        nr.WindowedPoisson(np.full(4, 10.0), (2, 2), 2, stop=1.0),
    ]
    assert len({of(source) for source in sources}) == len(sources)
    assert of(sources[4]) == of(sources[4])


def test_digests_tell_nested_values_apart():
    track = Track("a", "v", 2)
    values = [
        None, True, 1, 1.0, "1", "", (), [()], (1, 2), (1, (2,)), (12,), ("ab", "c"), ("a", "bc"),
        {"a": 1}, {"a": 1.0}, {"b": 1}, -0.0, 0.0, np.zeros(2), np.zeros(3), np.zeros((2, 1)),
        np.zeros(2, np.float32), np.zeros(2, np.int64), np.array([0.0, -0.0]), track,
    ]  # fmt: skip
    assert len({digest(value) for value in values}) == len(values)
    assert digest((1, 2)) == digest([1, 2])
    assert digest(np.arange(6).reshape(2, 3).T) == digest(np.arange(6).reshape(2, 3).T.copy())
    assert digest(np.arange(6)[::2]) == digest(np.array([0, 2, 4]))
    for unseen in (object(), Track, np.array([None]), np.random.default_rng()):
        with pytest.raises(TypeError, match="digest"):
            digest(unseen)

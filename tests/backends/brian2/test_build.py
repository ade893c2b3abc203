"""The cache of compiled programs, and what happens when building or running fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from neuro.backends.brian2 import BACKEND, buildcache
from neuro.backends.brian2.drawing import draw
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.errors import BackendError
from neuro.progress import Silent

pytestmark = pytest.mark.build


def same_spikes(a, b, population="exc"):
    return all(
        np.array_equal(x, y)
        for x, y in zip(a.spikes[population], b.spikes[population], strict=True)
    )


def folders(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "brian2-cpp").iterdir())


@pytest.fixture
def interruptible():
    """Ctrl-C raises, as in a terminal; a background job ignores it, and Brian2 trips on that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_one_build_serves_other_data_and_lengths(tiny, cache, nothing_more_is_built):
    BACKEND.compile(tiny(), target="cpp", cache_dir=cache).run(1, Silent())
    nothing_more_is_built()
    # other weights, inputs, number of synapses and steps
    for steps, options in ((300, {"seed": 5}), (40, {"weight": 0.9}), (80, {"density": 1.0})):
        made = tiny(**options)
        ours = BACKEND.compile(made, target="cpp", cache_dir=cache).run(steps, Silent())
        assert same_spikes(ours, REFERENCE.compile(made).run(steps, Silent()))
        assert len(ours.spikes["exc"][0])


def test_a_second_process_starts_within_a_second_and_without_brian2(tiny, cache):
    BACKEND.compile(tiny(), target="cpp", cache_dir=cache).run(1, Silent())
    script = f"""
import sys, time
import neuro as nr
from neuro.lowering import lower
net = nr.Network("tiny", seed=0)
inp = net.population("inp", nr.Poisson(rate=80.0), size=12)
exc = net.population("exc", nr.LIF(tau_m=20e-3, v_threshold=1.0), size=7)
net.connect(inp, exc, weights=nr.fixed_probability(0.5, weight=0.4), delay=2e-3, name="c")
net.record(exc)
start = time.perf_counter()
sim = nr.compile(net, backend="brian2", cache_dir={str(cache)!r})
rec = sim.run(0.2, progress=False)
print(time.perf_counter() - start, sim.engine.target, len(rec.spikes("exc")[0]))
print("brian2" in sys.modules, "brian2.core" in sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, second = out.stdout.splitlines()
    seconds, target, spikes = first.split()
    assert target == "cpp"  # chosen because it is there
    assert float(seconds) < 1.0
    assert int(spikes) > 0
    assert second == "False False"


def test_what_a_build_that_was_cut_off_leaves_is_not_used(tiny, cache, tmp_path):
    plan = draw(tiny())
    good = buildcache.build(plan, cache)
    target = buildcache.program_folder(plan, tmp_path)
    target.mkdir(parents=True)
    (target / "main").write_text("half a program")
    assert not buildcache.is_built(target)
    work = tmp_path / "work"
    shutil.copytree(good, work)
    buildcache._move(work, target)  # a new build replaces it
    assert buildcache.is_built(target)
    assert not work.exists()


def test_a_build_that_another_process_finished_first_is_kept(tiny, cache, tmp_path):
    plan = draw(tiny())
    good = buildcache.build(plan, cache)
    target = buildcache.program_folder(plan, tmp_path)
    shutil.copytree(good, target)
    work = tmp_path / "work"
    shutil.copytree(good, work)
    stamp = (target / "main").stat().st_ino
    buildcache._move(work, target)
    assert (target / "main").stat().st_ino == stamp


@pytest.mark.usefixtures("interruptible")
def test_interrupting_a_build_leaves_no_build_behind(tiny, tmp_path):
    plan = draw(tiny())
    timer = threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        buildcache.build(plan, tmp_path)
    except KeyboardInterrupt:
        assert folders(tmp_path) == []
    finally:
        timer.cancel()
    for name in folders(tmp_path):
        assert buildcache.is_built(tmp_path / "brian2-cpp" / name)


def test_manifest_says_what_was_compiled(tiny, cache):
    folder = buildcache.build(draw(tiny()), cache)
    manifest = json.loads((folder / buildcache.MANIFEST).read_text())
    assert manifest["program"] == tiny().fingerprint()
    assert "-ffast-math" not in manifest["flags"]
    assert not list(folder.rglob("*.o"))


def test_error_of_the_compiler_is_shown(tiny, tmp_path, monkeypatch):
    fake = tmp_path / "broken++"
    fake.write_text("#!/bin/sh\necho 'this compiler is broken' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CXX", str(fake))
    engine = BACKEND.compile(tiny(), target="cpp", cache_dir=tmp_path)
    with pytest.raises(BackendError, match=r"(?s)this compiler is broken.*target='numpy'"):
        engine.run(1, Silent())
    assert folders(tmp_path) == []


def test_missing_compiler(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    engine = BACKEND.compile(tiny(), target="cpp", cache_dir=tmp_path)
    with pytest.raises(BackendError, match=r"g\+\+ was not found.*target='numpy'"):
        engine.run(1, Silent())
    engine = BACKEND.compile(tiny(), cache_dir=tmp_path)
    engine.run(100, Silent())
    assert engine.target == "numpy"


def test_cache_that_cannot_be_written(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    engine = BACKEND.compile(tiny(), target="cpp", cache_dir=tmp_path / "file")
    with pytest.raises(BackendError, match="cannot write to the cache"):
        engine.run(1, Silent())


@pytest.fixture
def damaged(tiny, cache, tmp_path):
    """A cache of its own, in which the program can be exchanged."""

    def make(script: str):
        plan = draw(tiny())
        target = buildcache.program_folder(plan, tmp_path)
        shutil.copytree(buildcache.build(plan, cache), target)
        (target / "main").write_text(script)
        return BACKEND.compile(tiny(), target="cpp", cache_dir=tmp_path)

    return make


def test_a_crash_says_what_the_program_said(damaged):
    with pytest.raises(BackendError, match=r"(?s)failed with code 9: out of luck"):
        damaged("#!/bin/sh\necho out of luck >&2\nexit 9\n").run(1, Silent())


def test_a_signal_is_named(damaged):
    with pytest.raises(BackendError, match="SIGSEGV"):
        damaged("#!/bin/sh\nkill -SEGV $$\n").run(1, Silent())


@pytest.mark.usefixtures("interruptible")
def test_interrupt_ends_the_process_and_removes_its_files(damaged, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    engine = damaged(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    engine.write("exc.v", np.full(7, 0.25))
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        engine.run(10, Silent())
    assert time.monotonic() - start < 10
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert engine.state().step == 0
    assert engine.read("exc.v")[0] == 0.25

"""Every target gives the bits of the reference backend."""

from __future__ import annotations

import numpy as np
import pytest

from neuro.backends.brian2 import BACKEND
from neuro.backends.reference import BACKEND as REFERENCE
from neuro.engine import State
from neuro.progress import Silent

pytestmark = pytest.mark.xdist_group("parity of brian2")  # they share a build


def assert_same_record(ours, reference):
    assert ours.spikes.keys() == reference.spikes.keys()
    for population, expected in reference.spikes.items():
        for found, wanted in zip(ours.spikes[population], expected, strict=True):
            assert found.dtype == np.int64
            assert np.array_equal(found, wanted), population
    assert ours.traces.keys() == reference.traces.keys()
    for index, wanted in reference.traces.items():
        assert ours.traces[index].dtype == wanted.dtype
        assert np.array_equal(ours.traces[index], wanted), index


def assert_same_state(ours: State, reference: State):
    assert ours.step == reference.step
    for name, value in ours.arrays.items():
        assert np.array_equal(value, reference.arrays[name]), name
    assert ours.recent.keys() == reference.recent.keys()
    for population, expected in reference.recent.items():
        for found, wanted in zip(ours.recent[population], expected, strict=True):
            assert np.array_equal(found, wanted), population


@pytest.mark.parametrize(
    "precision", ["float64", pytest.param("float32", marks=pytest.mark.slow)]
)
def test_all_features_in_pieces(program, cache, target, precision):
    made = program(precision)
    reference = REFERENCE.compile(made)
    ours = BACKEND.compile(made, target=target, cache_dir=cache)
    for steps in (150, 1, 0, 3, 60):
        expected = reference.run(steps, Silent())
        assert_same_record(ours.run(steps, Silent()), expected)
        assert_same_state(ours.state(), reference.state())
    assert ours.target == target
    assert len(expected.spikes["exc"][0]) > 50
    assert len(expected.spikes["out"][0]) > 10


def test_checkpoint_of_the_reference_continues_here_and_back(program, cache, target):
    made = program()
    reference = REFERENCE.compile(made)
    ours = BACKEND.compile(made, target=target, cache_dir=cache)
    ours.run(20, Silent())  # its own spikes under way must be forgotten
    reference.run(77, Silent())
    ours.restore(reference.state())
    assert_same_record(ours.run(40, Silent()), reference.run(40, Silent()))
    other = REFERENCE.compile(made)
    other.restore(ours.state())
    assert_same_record(ours.run(40, Silent()), other.run(40, Silent()))


@pytest.mark.compiled_slowly  # a build of its own; test_build has written arrays of a shared one
def test_arrays_written_between_runs(program, cache, target):
    made = program()
    engines = REFERENCE.compile(made), BACKEND.compile(made, target=target, cache_dir=cache)
    for engine in engines:
        engine.run(10, Silent())
        engine.write("a.w", engine.read("a.w") * 1.5)
        engine.write("b.gain", np.asarray(0.9))
        engine.write("exc.v", np.linspace(0, 1.2, 20))
    reference, ours = (engine.run(60, Silent()) for engine in engines)
    assert_same_record(ours, reference)
    assert engines[1].read("b.gain") == 0.9


def test_reading_gives_a_copy(program):
    engine = BACKEND.compile(program(), target="numpy")
    engine.read("a.w")[:] = 7
    assert engine.read("a.w").max() < 7
    state = engine.state()
    assert "b.gain" not in state.arrays
    engine.write("b.gain", np.asarray(2.0))
    assert engine.state().arrays["b.gain"] == 2.0


def test_long_runs_are_cut_into_pieces(program, cache, monkeypatch):
    import neuro.backends.brian2.engine as module

    monkeypatch.setattr(module, "SOURCE_SLOTS", 30 * 17)
    made = program()
    ours = BACKEND.compile(made, target="numpy", cache_dir=cache).run(60, Silent())
    assert_same_record(ours, REFERENCE.compile(made).run(60, Silent()))


def test_progress_counts_every_step(tiny, cache, target):
    class Meter:
        done = 0

        def advance(self, amount: int = 1) -> None:
            assert amount >= 0
            self.done += amount

    meter = Meter()
    engine = BACKEND.compile(tiny(), target=target, cache_dir=cache)
    engine.run(500, meter)
    engine.run(1, meter)
    assert meter.done == 501


@pytest.mark.build
def test_ten_thousand_steps(program, cache):
    made = program()
    expected = REFERENCE.compile(made)
    ours = BACKEND.compile(made, target="cpp", cache_dir=cache)
    record = expected.run(10_000, Silent())
    assert_same_record(ours.run(10_000, Silent()), record)
    assert_same_state(ours.state(), expected.state())
    assert record.spikes["exc"][0][-1] > 9_900  # still active, so still compared

"""Bit for bit the reference: long runs, pieces, checkpoints, arrays set from outside."""

from __future__ import annotations

import numpy as np
import pytest

import neuro as nr
from neuro.lowering import lower
from neuro.progress import Silent


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_plastic_loop_for_2000_steps(
    loop, engine, reference, same_record, same_state, delivery, precision
):
    program = loop(precision)
    ours, theirs = engine(program, delivery=delivery), reference(program)
    for steps in (150, 1, 0, 3, 1846):
        expected = theirs.run(steps, Silent())
        same_record(ours.run(steps, Silent()), expected)
        same_state(ours.state(), theirs.state())
    assert len(expected.spikes["exc"][0]) > 2000
    assert len(expected.spikes["inh"][0]) > 300
    assert expected.spikes["exc"][0][-1] > 1950  # still active, so still compared


@pytest.mark.parametrize("delivery", ["sparse", "dense"])
def test_any_order_of_additions_gives_the_spikes_of_exact_weights(
    loop, engine, reference, delivery
):
    """Static weights of 8 bits in double precision: every order gives the same sums."""
    rng = np.random.default_rng(5)
    net = nr.Network("exact", seed=5)
    source = net.population("source", nr.Poisson(rate=50.0), size=30)
    cells = net.population("cells", nr.LIF(tau_m=20e-3), size=25)
    net.connect(source, cells, np.round(rng.normal(0.05, 0.1, (30, 25)) * 256) / 256)
    net.connect(cells, cells, np.round(rng.normal(0, 0.1, (25, 25)) * 256) / 256, delay=2e-3)
    net.record(cells)
    program = lower(net, 1e-3)
    expected = reference(program).run(2000, Silent()).spikes["cells"]
    ours = engine(program, delivery=delivery, ordered=False).run(2000, Silent()).spikes["cells"]
    assert len(expected[0]) > 1000
    assert np.array_equal(ours, expected)


def test_checkpoints_go_both_ways(loop, engine, reference, same_record, delivery):
    program = loop()
    ours, theirs = engine(program, delivery=delivery), reference(program)
    ours.run(20, Silent())  # its own spikes under way must be forgotten
    theirs.run(77, Silent())
    ours.restore(theirs.state())
    same_record(ours.run(40, Silent()), theirs.run(40, Silent()))
    other = reference(program)
    other.restore(ours.state())
    same_record(ours.run(40, Silent()), other.run(40, Silent()))


def test_arrays_written_between_runs(loop, engine, reference, same_record, delivery):
    program = loop()
    ours, theirs = engine(program, delivery=delivery), reference(program)
    for one in (ours, theirs):
        one.run(10, Silent())
        one.write("a.w", one.read("a.w") * 1.5)
        one.write("e.w", one.read("e.w") * 0.5)
        one.write("b.gain", np.asarray(0.9))
        one.write("exc.v", np.linspace(0, 1.2, 24))
        one.write("exc.refractory", np.arange(24, dtype=np.int32) % 3)
    same_record(ours.run(60, Silent()), theirs.run(60, Silent()))
    assert ours.read("b.gain") == 0.9
    assert ours.read("exc.refractory").dtype == np.int32


def test_reading_gives_a_copy(loop, engine):
    ours = engine(loop())
    for name in ("a.w", "e.w"):
        ours.read(name)[:] = 7
        assert ours.read(name).max() < 7
    assert "b.gain" not in ours.state().arrays  # nobody has set it
    ours.write("b.gain", np.asarray(2.0))
    assert ours.state().arrays["b.gain"] == 2.0


@pytest.mark.parametrize(("chunk", "block"), [(1, 1), (2, 2), (7, 3), (100, 4)])
def test_where_chunks_of_steps_are_cut_does_not_matter(
    loop, engine, same_record, same_state, monkeypatch, delivery, chunk, block
):
    import neuro.backends.torch.engine as module

    program = loop()
    whole = engine(program, batch=2, delivery=delivery)
    expected = whole.run(60, Silent())
    monkeypatch.setattr(module, "CHUNK_STEPS", chunk)
    monkeypatch.setattr(module, "BLOCK_BYTES", block * 2 * 8 * 8)  # items, units, bytes
    pieces = engine(program, batch=2, delivery=delivery)
    same_record(pieces.run(60, Silent()), expected)
    same_state(pieces.state(), whole.state())


def test_progress_counts_every_step(loop, engine, monkeypatch):
    import neuro.backends.torch.engine as module

    monkeypatch.setattr(module, "CHUNK_STEPS", 64)
    advanced = []

    class Meter:
        def advance(self, amount: int = 1) -> None:
            advanced.append(amount)

    ours = engine(loop())
    ours.run(500, Meter())
    ours.run(1, Meter())
    assert sum(advanced) == 501
    assert len(advanced) == 9


def test_a_source_is_asked_for_each_step_once(engine):
    """Also when spikes take long to arrive, and the sources are those of several items."""
    asked = []

    class Source:
        def __init__(self, item):
            self.item = item

        def events(self, start, stop):
            asked.append((self.item, start, stop))
            return np.arange(start, stop), np.full(stop - start, self.item)

        def replica(self, item):
            return Source(item)

    net = nr.Network("clock")
    clock = net.population("clock", nr.SpikeTimes([0], [0]), size=2)
    cells = net.population("cells", nr.LIF(), size=1)
    net.connect(clock, cells, np.array([[0.25], [0.5]]), delay=4e-3)
    net.record(cells, "v")
    program = lower(net, 1e-3)
    object.__setattr__(program, "sources", {"clock": Source(0)})
    ours = engine(program, batch=2)
    traces = [ours.run(steps, Silent()).traces[0] for steps in (3, 2, 1)]
    assert asked == [(b, k, n) for k, n in ((0, 3), (3, 5), (5, 6)) for b in (0, 1)]
    arrived = np.concatenate(traces, axis=1)[:, :, 0] > 0
    assert np.array_equal(arrived, [[False] * 4 + [True] * 2] * 2)
    decay = np.exp(-1 / 20)
    assert np.allclose(traces[2][:, 0, 0], [0.25 + 0.25 * decay, 0.5 + 0.5 * decay], rtol=1e-12)

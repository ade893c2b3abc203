"""Populations of one form are computed together: the same bits as one by one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import neuro as nr
from neuro.backends.reference import BACKEND
from neuro.backends.reference.groups import Memory, groups
from neuro.lowering import lower
from neuro.progress import Silent

DT = 1e-3


def network(plastic=False):
    """Three LIF populations of different sizes and numbers, one of another form, a loop."""
    rng = np.random.default_rng(5)
    net = nr.Network("mixed", seed=3)
    source = net.population("source", nr.Poisson(60.0), 20)
    a = net.population("a", nr.LIF(tau_m=15e-3, t_ref=3e-3), 7)
    b = net.population("b", nr.LIF(tau_m=rng.uniform(10e-3, 30e-3, 5), t_ref=2e-3), 5)
    odd = net.population("odd", nr.IF(), 4)
    c = net.population("c", nr.LIF(tau_m=15e-3, v_threshold=0.8, t_ref=3e-3), 9)
    chain = [source, a, b, odd, c]
    for pre, post in pairwise(chain):
        weights = rng.uniform(0.1, 0.5, (pre.size, post.size))
        rule = nr.PairSTDP(a_plus=0.01, a_minus=0.012) if plastic else None
        net.connect(pre, post, weights, name=f"{pre.name}_{post.name}", plasticity=rule)
    net.connect(c, odd, rng.uniform(-0.2, 0.3, (9, 4)), name="back", delay=4e-3)
    for population in chain[1:]:
        net.record(population)
        net.record(population, "v")
    return net


def alone(program):
    """A program's groups when none may have two members."""
    return groups(program, most=0)


def test_same_form_is_one_group_whatever_the_numbers():
    found = groups(lower(network(), DT))
    assert [g.members for g in found] == [("a", "c"), ("b",), ("odd",)]
    assert found[0].bounds == (0, 7, 16)


def test_a_group_has_a_largest_size():
    net = nr.Network("many", seed=0)
    for name in "uvwxyz":
        net.population(name, nr.LIF(), 10)
    assert [g.members for g in groups(lower(net, DT), most=25)] == [
        ("u", "v"),
        ("w", "x"),
        ("y", "z"),
    ]


@pytest.mark.parametrize("plastic", [False, True])
def test_bits_are_those_of_populations_one_by_one(plastic, monkeypatch):
    program = lower(network(plastic), DT)
    together = BACKEND.compile(program).run(600, Silent())
    monkeypatch.setattr("neuro.backends.reference.engine.groups", alone)
    apart = BACKEND.compile(program).run(600, Silent())
    for population in ("a", "b", "odd", "c"):
        ours, theirs = together.spikes[population], apart.spikes[population]
        assert len(ours[0]) > 20
        np.testing.assert_array_equal(ours, theirs)
    for record in apart.traces:
        np.testing.assert_array_equal(together.traces[record], apart.traces[record])


def test_checkpoints_and_pieces(monkeypatch):
    program = lower(network(True), DT)
    engine = BACKEND.compile(program)
    engine.run(250, Silent())
    state = engine.state()
    rest = engine.run(200, Silent())
    monkeypatch.setattr("neuro.backends.reference.engine.groups", alone)
    other = BACKEND.compile(program)
    other.restore(state)
    again = other.run(200, Silent())
    np.testing.assert_array_equal(rest.spikes["c"], again.spikes["c"])
    np.testing.assert_array_equal(engine.read("a_b.w"), other.read("a_b.w"))


def scalars(program):
    """Names of numbers that hold for all units of a member of a group of several."""
    return [
        n
        for g in groups(program)
        if len(g.members) > 1
        for names in g.names
        for n in names
        if program.arrays[n].initial.ndim == 0
    ]


def gained():
    """Two populations of one form whose inputs have a gain, a number of the program."""
    net = nr.Network("gained", seed=0)
    source = net.population("source", nr.Poisson(200.0), 8)
    for name, gain in (("x", 0.5), ("y", 2.0)):
        target = net.population(name, nr.LIF(), 6)
        net.connect(source, target, np.full((8, 6), 0.25), gain=gain, name=f"to_{name}")
        net.record(target, "v")
    return net


def test_a_number_that_is_set_counts_for_its_member_only():
    program = lower(gained(), DT)
    names = scalars(program)
    assert names, "the case has no numbers that are repeated"
    engine = BACKEND.compile(program)
    engine.write("to_x.gain", np.array(0.0))
    traces = engine.run(50, Silent()).traces
    assert not traces[0].any()
    assert traces[1].any()
    assert engine.read("to_x.gain") == 0.0
    assert engine.read("to_y.gain") == 2.0


@pytest.mark.parametrize("make", [network, gained])
def test_arrays_that_live_elsewhere(make):
    program = lower(make(), DT)
    given = {name: array.initial.copy() for name, array in program.arrays.items()}
    engine, plain = BACKEND.engine(program, given), BACKEND.compile(program)
    for steps in (70, 130):
        recorded, expected = engine.run(steps, Silent()), plain.run(steps, Silent())
        for record in expected.traces:
            np.testing.assert_array_equal(recorded.traces[record], expected.traces[record])
        for name in given:  # what was computed is where it lives
            np.testing.assert_array_equal(given[name], plain.read(name), name)
    changed = next(n for n, a in program.arrays.items() if a.variable == "v")
    given[changed][...] = 0.4  # and what is set there is computed with
    plain.write(changed, given[changed])
    recorded, expected = engine.run(30, Silent()), plain.run(30, Silent())
    for record in expected.traces:
        np.testing.assert_array_equal(recorded.traces[record], expected.traces[record])


def test_numbers_that_live_elsewhere_are_taken_from_there():
    program = lower(gained(), DT)
    given = {name: array.initial.copy() for name, array in program.arrays.items()}
    engine = BACKEND.engine(program, given)
    given["to_x.gain"][...] = 0.0
    traces = engine.run(50, Silent()).traces
    assert not traces[0].any()
    assert traces[1].any()


def test_memory_lies_side_by_side():
    program = lower(network(), DT)
    memory = Memory(program, groups(program))
    memory.arrays["c.v"][...] = 7.0
    assert memory.common["a"]["a.v"].tolist() == [0.0] * 7 + [7.0] * 9

"""Slices of a program, run here one after the other: no Lava, every scenario, bit for bit."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from neuro.backends.lava.contents import (
    GENERATION,
    START,
    STOP,
    attach,
    described,
    pack_events,
    recent_of,
    share,
    spikes_in,
    unpack_events,
)
from neuro.backends.lava.slices import cut, messages, reporters, spikes_of
from neuro.backends.lava.work import SliceWork
from neuro.conformance.scenarios import SCENARIOS
from neuro.lowering import lower
from neuro.program import Arrive, Plasticity
from neuro.progress import Silent
from neuro.simulation import find_backend

STEPS = 120


class Channels:
    """Messages between the slices of one process: whoever has no message waits for its turn."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], deque[NDArray[Any]]] = {}

    def send(self, title: str, readers: list[str], values: NDArray[Any]) -> None:
        for reader in readers:
            self._waiting.setdefault((title, reader), deque()).append(values.copy())

    def receive(self, title: str, reader: str) -> NDArray[Any]:
        return self._waiting[title, reader].popleft()


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_slices_do_what_the_whole_does(name: str) -> None:
    scenario = SCENARIOS[name]
    program = lower(scenario.network(False), scenario.dt, scenario.precision)
    whole = find_backend("reference").compile(program)
    expected = whole.run(STEPS, Silent())

    slices = cut(program)
    mine = share(program, len(slices))
    shared = attach(described(mine))  # as in the child
    for population in program.max_delays:
        mine.inbox.put(recent_of(population), pack_events((np.zeros(0), np.zeros(0))))
    for source, events in program.sources.items():
        mine.inbox.put(spikes_in(source), pack_events(events.events(0, STEPS)))
    mine.orders[GENERATION], mine.orders[START], mine.orders[STOP] = 1, 0, STEPS
    sent, told = messages(slices), reporters(slices, program.max_delays)
    works = {
        s.name: SliceWork(shared, s, sent[s.name], told[s.name], i) for i, s in enumerate(slices)
    }
    _run(slices, works)

    assert (mine.done == STEPS).all()
    for array, value in whole.state().arrays.items():
        np.testing.assert_array_equal(mine.arrays[array], value, array)
    found: dict[str, list[Any]] = {}
    for title, content in mine.outbox.packets():
        found.setdefault(title, []).append(content)
    for population, (steps, units) in expected.spikes.items():
        parts = [unpack_events(c) for c in found.get(spikes_of(population), [])]
        np.testing.assert_array_equal(np.concatenate([[], *(p[0] for p in parts)]), steps)
        np.testing.assert_array_equal(np.concatenate([[], *(p[1] for p in parts)]), units)
    for population, (steps, units) in whole.state().recent.items():
        (content,) = found[recent_of(population)]
        np.testing.assert_array_equal(unpack_events(content)[0], steps)
        np.testing.assert_array_equal(unpack_events(content)[1], units)
    mine.close()


def _run(slices: Any, works: dict[str, SliceWork]) -> None:
    """All steps: each slice in a thread of its own, which waits for messages as in Lava."""
    from threading import Condition, Thread

    channels, moved = Channels(), Condition()
    readers = {
        (sender, title): [r.name for r in slices if r.receives.get(title) == sender]
        for s in slices
        for title, sender in s.receives.items()
    }
    failures: list[BaseException] = []

    def live(name: str) -> None:
        def receive(title: str) -> NDArray[Any]:
            with moved:
                while not failures:
                    try:
                        return channels.receive(title, name)
                    except (KeyError, IndexError):
                        assert moved.wait(20), f"{name} waits for {title}"
            raise RuntimeError("another slice failed")

        def send(title: str, values: NDArray[Any]) -> None:
            with moved:
                channels.send(title, readers[name, title], values)
                moved.notify_all()

        try:
            for _ in range(STEPS):
                works[name].step(receive, send)
        except BaseException as error:
            failures.append(error)
            with moved:
                moved.notify_all()

    threads = [Thread(target=live, args=(s.name,)) for s in slices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_step_and_array_has_one_slice(name: str) -> None:
    scenario = SCENARIOS[name]
    program = lower(scenario.network(False), scenario.dt, scenario.precision)
    slices = cut(program)
    steps = [step for s in slices for step in s.program.steps]
    assert sorted(map(id, steps)) == sorted(map(id, program.steps))
    owners = [owner for s in slices for owner in s.owners]
    assert len(owners) == len(set(owners))
    for s in slices:
        written = {n for step in s.program.steps for n in step.writes}
        assert not written & set(s.copied)
        for step in s.program.steps:
            if isinstance(step, Arrive | Plasticity):
                assert step.source in s.spikes


def test_tied_projections_are_one_slice() -> None:
    scenario = SCENARIOS["stdp_on_tied_weights"]
    program = lower(scenario.network(False), scenario.dt)
    owners = {s.owners for s in cut(program)}
    assert ("up", "down") in owners
    assert ("plastic",) in owners

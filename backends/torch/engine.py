"""The engine: the steps of a program as calls on tensors, one chunk of time steps after another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neuro.backends.torch.capture import Graphs
from neuro.backends.torch.expressions import Expressions
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.plan import Plan
from neuro.backends.torch.projections import AtOnce, Projections, at_once
from neuro.backends.torch.recording import Trace, as_arrays, spike_arrays, width_of
from neuro.backends.torch.scopes import Units, units
from neuro.backends.torch.spikes import NO_EVENTS, Events, Feed, History, Spikes, possible
from neuro.engine import Engine, Recorded, State
from neuro.program import Arrive, Plasticity, Program, Reset, Threshold, Update
from neuro.progress import Progress

#: Bytes for spikes and traces of one chunk of steps, and most steps of one.
CHUNK_BYTES, CHUNK_STEPS = 2**24, 1024
#: Bytes for inputs that are delivered together; they are read again while they are in the cache.
BLOCK_BYTES = 2**22
#: Most steps of a graph.
GRAPH_STEPS = 64

#: Does one step of the program in step j of the chunk.
Call = Callable[[int], None]


class TorchEngine(Engine):
    """Runs a program on a device, for one item or for many.

    Parameters
    ----------
    program : Program
    plan : Plan
    """

    @torch.inference_mode()
    def __init__(self, program: Program, plan: Plan) -> None:
        self.program, self._plan, self.batch = program, plan, plan.batch
        self._memory = Memory(program, plan.batch, plan.device)
        self._expressions = Expressions(self._memory)
        self._everywhere = Units(self._memory)
        self._step = 0
        self._chunk, self._block = _lengths(program, plan, self._memory.items)
        delays = program.max_delays
        self._feeds = {
            p: Feed(source, self._memory.items, delays.get(p, 0))
            for p, source in program.sources.items()
        }
        #: Of the populations whose spikes are looked at step by step.
        self._histories: dict[str, History] = {}
        self._projections = Projections(program, plan, self._memory, self._history)
        self._at_once: list[AtOnce] = []
        build: dict[type, Callable[[Any], Call]] = {
            Arrive: self._arrive,
            Update: self._update,
            Threshold: self._threshold,
            Reset: self._reset,
            Plasticity: self._plasticity,
        }
        self._calls = [build[type(step)](step) for step in program.steps]
        self._traces = {
            i: Trace(self._memory, r, program.arrays[r.array].initial.dtype, self._chunk)
            for i, r in enumerate(program.records)
            if r.variable != "spikes"
        }
        self._calls += [trace.keep for trace in self._traces.values()]
        self._graphs = Graphs() if plan.graphs else None

    # --- running ---

    @torch.inference_mode()
    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more steps."""
        stop = self._step + steps
        records = [r for r in self.program.records if r.variable == "spikes"]
        spikes: dict[str, list[Events]] = {r.owner: [] for r in records}
        while self._step < stop:
            count = min(self._chunk, stop - self._step)
            self._begin(count)
            self._pass(count)
            for population, parts in spikes.items():
                parts.append(self._emitted(population, count))
            for trace in self._traces.values():
                trace.end_chunk(count)
            for history in self._histories.values():
                history.advance(count)
            self._step += count
            progress.advance(count)
        found = {r.owner: spike_arrays(spikes[r.owner], r.units, self.batch) for r in records}
        traces = {i: trace.take(self.batch) for i, trace in self._traces.items()}
        return Recorded(found, traces, self.batch)

    def _begin(self, count: int) -> None:
        """Ask the sources."""
        start = self._step
        for population, feed in self._feeds.items():
            feed.load(start, start + count)
            if population in self._histories:
                history = self._histories[population]
                events = feed.events(start - history.before, start + count)
                history.load(events, start, count)

    def _pass(self, count: int) -> None:
        for first in range(0, count, self._block):
            steps = range(first, min(first + self._block, count))
            for inputs in self._at_once:
                source = inputs.source
                feed, size = self._feeds[source], self.program.sizes[source]
                inputs.prepare(feed, size, self._step + first, first, len(steps))
            self._run_block(steps)

    def _run_block(self, steps: range) -> None:
        def run() -> None:
            for j in steps:
                for call in self._calls:
                    call(j)

        if self._graphs is None or len(steps) < self._chunk:
            run()
            return
        self._graphs.run(self._due(steps), run)
        for inputs in self._at_once:
            inputs.provide(steps[-1])

    def _due(self, steps: range) -> tuple[tuple[int, ...], ...]:
        """In which steps of the chunk each rule does what it does only every so often."""
        return tuple(
            tuple(j for j in steps if self._is_due(step, j))
            for step in self.program.steps
            if isinstance(step, Plasticity) and step.on_step
        )

    def _is_due(self, step: Plasticity, j: int) -> bool:
        return (self._step + j + 1) % step.every == 0

    def _emitted(self, population: str, count: int) -> Events:
        """Spikes of the chunk that ends."""
        if population in self._feeds:
            return self._feeds[population].events(self._step, self._step + count)
        history = self._history(population)
        return history.events(history.before, history.before + count, self._step)

    # --- one builder a step kind ---

    def _arrive(self, step: Arrive) -> Call:
        if not at_once(self.program, self._plan, step):
            return self._projections.step_by_step(step)
        inputs = self._projections.at_once(step, self._block)
        self._at_once.append(inputs)
        return inputs.provide

    def _update(self, step: Update) -> Call:
        scope = self._everywhere
        assignments = [self._expressions.assignment(a) for a in step.assigns]

        def call(j: int) -> None:
            for assignment in assignments:
                scope.assign(assignment)

        return call

    def _threshold(self, step: Threshold) -> Call:
        scope, history = self._everywhere, self._history(step.population)
        condition = self._expressions.condition(step.condition)

        def call(j: int) -> None:
            condition.into(scope, history.rows[history.before + j])
            history.changed(history.before + j)

        return call

    def _reset(self, step: Reset) -> Call:
        spikes = self._spikes(step.population)
        assignments = [self._expressions.assignment(a) for a in step.assigns]

        def call(j: int) -> None:
            found = spikes(j)
            if not possible(found):
                return
            scope = units(self._memory, found)
            for assignment in assignments:
                scope.assign(assignment)

        return call

    def _plasticity(self, step: Plasticity) -> Call:
        learning = self._projections.learning(step, self._expressions)
        arriving = self._projections.arriving(step)
        if step.short_term:
            return lambda j: learning(arriving(j), None, False)
        spiking = self._spikes(step.target)
        return lambda j: learning(arriving(j), spiking(j), self._is_due(step, j))

    def _history(self, population: str) -> History:
        if population not in self._histories:
            size = self.program.sizes[population]
            before = self.program.max_delays.get(population, 0)
            self._histories[population] = History(
                self._memory.items, size, before, self._chunk, self._plan.device
            )
        return self._histories[population]

    def _spikes(self, population: str) -> Callable[[int], Spikes]:
        """Spikes of a population in step j of the chunk."""
        history = self._history(population)
        if self._plan.listed:
            return lambda j: history.spikes(history.before + j)
        return lambda j: history.rows[history.before + j]

    # --- state ---

    def was_set(self, name: str) -> bool:
        """Whether an array was ever written from outside."""
        return self._memory.was_set(name)

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value; with an item axis in front where items differ."""
        return self._memory.read(name)

    @torch.inference_mode()
    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value: for all items, or with an item axis where items differ."""
        self._memory.write(name, value)

    @torch.inference_mode()
    def state(self) -> State:
        """A checkpoint."""
        recent = {}
        for population in self.program.max_delays:
            if population in self._feeds:
                events = self._feeds[population].recent()
            else:
                history = self._history(population)
                events = history.events(0, history.before, self._step - history.before)
            recent[population] = as_arrays(events, self.batch)
        return State(self._step, self._memory.changed(), recent)

    @torch.inference_mode()
    def restore(self, state: State) -> None:
        """Go back to a checkpoint; all items to the same one if it has no items."""
        for name, value in state.arrays.items():
            self._memory.write(name, np.asarray(value))
        self._step = state.step
        recent = {p: self._events(found) for p, found in state.recent.items()}
        for population, history in self._histories.items():
            history.load(recent.get(population, NO_EVENTS), self._step)
        for population, feed in self._feeds.items():
            feed.restore(recent.get(population, NO_EVENTS), self._step)

    def _events(self, recent: tuple[NDArray[np.int64], ...]) -> Events:
        """Spikes of a checkpoint; those of one without items for all items."""
        if len(recent) == 3:
            steps, units, items = recent
            return Events(steps, items, units)
        steps, units = recent
        count = self._memory.items
        items = np.repeat(np.arange(count), len(steps))
        return Events(np.tile(steps, count), items, np.tile(units, count))


def _lengths(program: Program, plan: Plan, items: int) -> tuple[int, int]:
    """Steps of a chunk, and of a block in it: as many as fit into the memory for them."""
    number = items * program.dtype.itemsize
    kept = items * sum(program.sizes.values())
    kept += number * sum(width_of(program, r) for r in program.records if r.variable != "spikes")
    delivered = number * sum(
        program.sizes[step.target]
        for step in program.steps
        if isinstance(step, Arrive) and at_once(program, plan, step)
    )
    most = GRAPH_STEPS if plan.graphs else CHUNK_STEPS
    chunk = max(1, min(most, CHUNK_BYTES // kept))
    # A graph is a block: what comes from the host must be there before it starts.
    block = BLOCK_BYTES // delivered if delivered and not plan.graphs else chunk
    return chunk, max(1, min(chunk, block))

"""The oracle's engine: each step kind of the program is a few lines of NumPy.

Event-driven where that is less work: delivery, reset and plasticity touch only the rows and
columns of units that spiked. Neuron updates are dense, because every unit decays in every step
and repeated multiplication is not a power once it is rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.reference.groups import Arrays, Memory, groups
from neuro.backends.reference.learning import Learning
from neuro.backends.reference.synapses import DelayedSynapses, Synapses, synapses
from neuro.backends.reference.tape import Tape
from neuro.connectivity import IntArray, Sparse
from neuro.engine import Engine, Recorded, State
from neuro.equations.evaluation import evaluator
from neuro.equations.expression import names
from neuro.program import (
    Arrive,
    Assign,
    Plasticity,
    Program,
    Reset,
    Step,
    Threshold,
    Update,
    array_of,
    side_of,
)
from neuro.progress import Progress

#: Time steps between two looks at sources and progress.
CHUNK = 1024

_NONE: IntArray = np.zeros(0, np.int64)


class ReferenceEngine(Engine):
    """Runs a program step by step, in float64 or float32.

    Parameters
    ----------
    program : Program
    arrays : mapping, optional
        Where the values of all arrays live, for example in shared memory, in their shape and
        dtype; they are changed in place. By default the engine makes its own.

    Attributes
    ----------
    spikes : dict
        Units of every population that spiked in the latest step.
    """

    def __init__(self, program: Program, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.program = program
        grouped = groups(program)
        self._groups = {p: group for group in grouped for p in group.members}
        self._memory = Memory(program, grouped, None if arrays is None else dict(arrays))
        self._arrays = self._memory.arrays
        self._step = 0
        # One slot more than the longest delay: plasticity still needs the oldest spikes after
        # the threshold has stored the newest.
        self._slots = {p: d + 1 for p, d in program.max_delays.items()}
        self._rings: dict[str, list[IntArray]] = {}
        self._clear_rings()
        self.spikes: dict[str, IntArray] = dict.fromkeys(program.sizes, _NONE)
        #: By the first member of a group: which of all units of the group spiked.
        self._found = {group.members[0]: _NONE for group in grouped}
        self._shared: dict[tuple[str, bool], Synapses] = {}
        build: dict[type, Callable[[Any], Callable[[], None]]] = {
            Arrive: self._arrive,
            Update: self._update,
            Threshold: self._threshold,
            Reset: self._reset,
            Plasticity: self._plasticity,
        }
        self._before: list[Callable[[], None]] = []
        self._after: list[Callable[[], None]] = []
        for step in self._in_groups():
            calls = self._before if _before_spikes(step) else self._after
            calls.append(build[type(step)](step))

    # --- running ---

    def run(self, steps: int, progress: Progress) -> Recorded:
        """Run ``steps`` more steps."""
        self._memory.pull()
        stop = self._step + steps
        spikes: dict[str, list[tuple[int, IntArray]]] = {}
        traces: list[tuple[NDArray[Any], NDArray[Any], IntArray | slice]] = []
        kept: dict[int, NDArray[Any]] = {}
        for i, record in enumerate(self.program.records):
            if record.variable == "spikes":
                spikes[record.owner] = []
                continue
            array = self._arrays[record.array].reshape(-1)
            units = slice(None) if record.units is None else record.units
            kept[i] = np.empty((steps, array[units].size), array.dtype)
            traces.append((kept[i], array, units))
        begin = self._step
        while self._step < stop:
            last = min(stop, self._step + CHUNK)
            inputs = {
                p: _by_step(*source.events(self._step, last), self._step, last)
                for p, source in self.program.sources.items()
            }
            for k in range(self._step, last):
                self.begin_step(k)
                self.end_step({p: lists[k - self._step] for p, lists in inputs.items()})
                for population, found in spikes.items():
                    if len(self.spikes[population]):
                        found.append((k, self.spikes[population]))
                for rows, array, units in traces:
                    rows[k - begin] = array[units]
            progress.advance(last - self._step)
            self._step = last
        self._memory.push()
        return Recorded({p: self._recorded(p, found) for p, found in spikes.items()}, kept)

    def begin_step(self, k: int) -> None:
        """The first half of time step k: what happens before spikes of this step are known."""
        self._now = k
        for call in self._before:
            call()

    def end_step(self, given: Mapping[str, IntArray]) -> None:
        """The rest of the time step; ``given`` are spikes that come from elsewhere."""
        self.spikes.update(given)
        for call in self._after:
            call()
        for population, slots in self._slots.items():
            self._rings[population][self._now % slots] = self.spikes[population]

    def _recorded(
        self, population: str, found: list[tuple[int, IntArray]]
    ) -> tuple[IntArray, IntArray]:
        if not found:
            return _NONE, _NONE
        steps = np.repeat([k for k, _ in found], [len(u) for _, u in found]).astype(np.int64)
        units = np.concatenate([u for _, u in found])
        wanted = next(
            r.units
            for r in self.program.records
            if r.owner == population and r.variable == "spikes"
        )
        if wanted is not None:
            mask = np.isin(units, wanted)
            steps, units = steps[mask], units[mask]
        return steps, units

    def _arrivals(self, population: str, delay: int) -> IntArray:
        return self._rings[population][(self._now - delay) % self._slots[population]]

    def _in_groups(self) -> Iterator[Step]:
        """The steps in order, those of a group once."""
        together = {group.members[0]: iter(group.steps) for group in self._groups.values()}
        for step in self.program.steps:
            if not isinstance(step, Update | Threshold | Reset):
                yield step
            elif step.population in together:
                yield next(together[step.population])

    # --- one builder a step kind ---

    def _synapses(self, step: Arrive | Plasticity) -> Synapses:
        key = step.synapses, step.transposed
        if key not in self._shared:
            self._shared[key] = synapses(self.program.connectivity[step.synapses], step.transposed)
        return self._shared[key]

    def _arrivals_of(self, step: Arrive | Plasticity) -> Callable[[], IntArray]:
        """What arrives in a step: presynaptic units, or synapses when each has its own delay."""
        if step.delays is None:
            return lambda: self._arrivals(step.source, step.delay)
        connectivity = self.program.connectivity[step.synapses]
        assert isinstance(connectivity, Sparse)
        late = DelayedSynapses(connectivity, self._arrays[step.delays])
        return lambda: late.arriving(partial(self._arrivals, step.source))

    def _arrive(self, step: Arrive) -> Callable[[], None]:
        into, weights = self._arrays[step.into], self._arrays[step.weights]
        factors = [(f, self._arrays[array_of(f)]) for f in step.factors]
        all_synapses = self._synapses(step)
        deliver = all_synapses.deliver if step.delays is None else all_synapses.deliver_synapses
        arrivals = self._arrivals_of(step)

        def call() -> None:
            arriving = arrivals()
            if len(arriving):
                deliver(weights, arriving, factors, into)
            else:
                into.fill(0)

        return call

    def _dynamics(self, population: str) -> Tape:
        """For what all units of a group do, written with the names of its first member."""
        arrays, units = self._memory.common[population], self._groups[population].bounds[-1]
        return Tape(arrays, units, self.program.dtype)

    def _update(self, step: Update) -> Callable[[], None]:
        tape = self._dynamics(step.population)
        for assign in step.assigns:
            tape.assign(assign)
        return tape.run

    def _threshold(self, step: Threshold) -> Callable[[], None]:
        first = step.population
        members, bounds = self._groups[first].members, self._groups[first].bounds
        tape = self._dynamics(first)
        met = np.zeros(bounds[-1], bool)
        tape.compute(step.condition, met)
        own = [
            (p, met[low:high]) for p, low, high in zip(members, bounds, bounds[1:], strict=False)
        ]

        def call() -> None:
            tape.run()
            for population, spiked in own:
                self.spikes[population] = spiked.nonzero()[0]
            # Of one population, these are its spikes.
            self._found[first] = met.nonzero()[0] if len(own) > 1 else self.spikes[first]

        return call

    def _reset(self, step: Reset) -> Callable[[], None]:
        first = step.population
        assign = [self._for_units(a, self._memory.common[first]) for a in step.assigns]

        def call() -> None:
            spiking = self._found[first]
            if len(spiking):
                for apply in assign:
                    apply(spiking)

        return call

    def _plasticity(self, step: Plasticity) -> Callable[[], None]:
        learn = Learning(
            step,
            self._arrays,
            self.program.dtype,
            self._synapses(step),
            [self._decay(step, side) for side in ("pre", "post")],
        )
        arrivals = self._arrivals_of(step)

        def call() -> None:
            spiking = _NONE if step.short_term else self.spikes[step.target]
            learn(arrivals(), spiking, (self._now + 1) % step.every == 0)

        return call

    def _decay(self, step: Plasticity, side: str) -> Tape:
        """Decay of the traces of one side, which is dense."""
        tape = self._tape(step.source if side == "pre" else step.target)
        for assign in step.decay:
            if side_of(assign.target) == side:
                tape.assign(assign)
        return tape

    def _for_units(self, assign: Assign, arrays: Arrays) -> Callable[[IntArray], None]:
        target = arrays[assign.target]
        value = evaluator(assign.expression, self.program.dtype)
        read = {n: arrays[n] for n in names(assign.expression)}

        def call(units: IntArray) -> None:
            target[units] = value({n: a[units] if a.ndim else a for n, a in read.items()})

        return call

    def _tape(self, population: str) -> Tape:
        sided = {f"{n}@{side}": a for n, a in self._arrays.items() for side in ("pre", "post")}
        return Tape(self._arrays | sided, self.program.sizes[population], self.program.dtype)

    # --- state ---

    def read(self, name: str) -> NDArray[Any]:
        """A copy of an array's value."""
        return self._arrays[name].copy()

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Replace an array's value, in place: tapes hold on to the array itself."""
        self._memory.write(name, value)

    def state(self) -> State:
        """A checkpoint."""
        arrays = {n: a.copy() for n, a in self._arrays.items()}
        return State(self._step, arrays, self.recent(self._step))

    def recent(self, step: int) -> dict[str, tuple[IntArray, IntArray]]:
        """Spikes that may still be on their way before a step, as in :class:`State`."""
        recent = {}
        for population, slots in self._slots.items():
            steps = range(max(0, step - slots + 1), step)
            lists = [self._rings[population][k % slots] for k in steps]
            recent[population] = (
                np.repeat(np.array(steps, np.int64), [len(u) for u in lists]),
                np.concatenate([_NONE, *lists]),
            )
        return recent

    def restore(self, state: State) -> None:
        """Go back to a checkpoint."""
        for name, value in state.arrays.items():
            self.write(name, value)
        self._step = state.step
        self._clear_rings()
        for population, (steps, units) in state.recent.items():
            slots = self._slots[population]
            for k in np.unique(steps):
                self._rings[population][k % slots] = units[steps == k]

    def _clear_rings(self) -> None:
        self._rings = {p: [_NONE] * slots for p, slots in self._slots.items()}


def _before_spikes(step: Step) -> bool:
    return isinstance(step, Arrive | Update) or (isinstance(step, Plasticity) and step.short_term)


def _by_step(steps: IntArray, units: IntArray, start: int, stop: int) -> list[IntArray]:
    """Units of each step ``start <= k < stop`` from sorted events."""
    edges = np.searchsorted(steps, np.arange(start, stop + 1))
    return [units[edges[i] : edges[i + 1]] for i in range(stop - start)]

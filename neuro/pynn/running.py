"""The compiled network of a PyNN script: compiled at the first run, carried on with in later ones.

What can be written into a compiled network (weights, state variables, injected currents) is.
Anything else that a script changes between two runs is a new description: the network is compiled
anew and goes on from the state of the old one, spikes on their way included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.engine import State as Checkpoint
from neuro.program import Program
from neuro.pynn.currents import SteadySource, WaveSource
from neuro.pynn.description import describe, is_injected
from neuro.pynn.membranes import STEADY
from neuro.pynn.populations import Population
from neuro.pynn.projections import Part, Projection
from neuro.pynn.simulator import State


class Runner:
    """A simulation and how it keeps up with its description.

    Attributes
    ----------
    changed : bool
        Whether the description has changed since the network was compiled.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._sim: nr.Simulation | None = None
        self._parts: dict[int, list[Part]] = {}
        #: State at time 0, if the simulation began there as it is described now.
        self._beginning: Checkpoint | None = None
        self._rewound = True
        self._steady: dict[str, NDArray[np.float64]] = {}
        self.changed = True

    # --- running ---

    def run(self, steps: int) -> None:
        """Run, cut where an injected current changes."""
        sim = self._prepare()
        stop = self._state.step + steps
        while True:
            self._set_currents(sim)
            for population in self._state.populations:
                population.recorder.begin(lambda v, p=population: sim.values(p.name, v))
            piece = self._next_change(stop) - self._state.step
            if piece:
                recorded = sim.run_steps(piece, progress=False)
                self._state.step += piece
                self._take(recorded)
            if self._state.step >= stop:
                return

    def _take(self, recorded: nr.Recording) -> None:
        for population in self._state.populations:
            population.recorder.take(recorded)
        for source in self._state.current_sources:
            if isinstance(source, WaveSource) and source.recorded:
                found = recorded.trace(source.name, "value")[:, 0]
                if not source.kept:  # what is sent in a step is the current of the next
                    source.kept.append(np.array([source.now(0)]))
                source.kept.append(found)

    def _prepare(self) -> nr.Simulation:
        """The simulation as it is described now, at the present time."""
        if self._sim is None or self.changed or (self._rewound and self._beginning is None):
            return self._compile()
        if self._rewound:
            assert self._beginning is not None
            self._sim.restore(self._beginning)
            self._rewound = False
            self._steady.clear()
        return self._sim

    def _compile(self) -> nr.Simulation:
        state, old = self._state, self._sim
        checkpoint = None
        if old is not None and not self._rewound:
            checkpoint = old.state()
            for projection in state.projections:
                projection.keep_learned()
        for projection in state.projections:
            projection.invalidate()
        parts = {p.index: p.parts for p in state.projections}
        if checkpoint is not None:
            self._check_parts(parts)
        network = describe(state)
        sim = nr.compile(network, state.backend, state.dt * 1e-3, **state.options)
        if checkpoint is None:
            self._beginning = sim.state()
        else:
            self._beginning = None
            sim.restore(carried(checkpoint, sim.program))
        if old is not None:
            old.close()
        self._sim, self._parts = sim, parts
        self._steady.clear()
        self.changed = self._rewound = False
        return sim

    def _check_parts(self, parts: dict[int, list[Part]]) -> None:
        """Refuse a change that would mix up the traces of synapses."""
        for index, before in self._parts.items():
            after = parts[index]
            if len(before) != len(after) or any(
                not np.array_equal(a.members, b.members) for a, b in zip(before, after, strict=True)
            ):
                label = self._state.projections[index].label
                raise nr.DescriptionError(
                    f"projection {label!r}: parameters of its rule became different from connection"
                    " to connection (or equal) after the first run; set them before it, or call"
                    " reset() first"
                )

    def rewind(self) -> None:
        """Go back to time 0 before the next run."""
        self._rewound = True
        for source in self._state.current_sources:
            if isinstance(source, WaveSource):
                source.kept.clear()
        for projection in self._state.projections:
            projection.forget_learned()
        for recorder in self._state.recorders:
            recorder.begin_segment()

    def close(self) -> None:
        """Release what the backend holds; what was learned is read first."""
        if self._sim is not None:
            for projection in self._state.projections:
                projection.keep_learned()
            self._sim.close()
        self._sim = None

    # --- injected currents ---

    def _sources(self) -> list[SteadySource]:
        return [s for s in self._state.current_sources if isinstance(s, SteadySource) and s.cells]

    def _set_currents(self, sim: nr.Simulation) -> None:
        for population in self._state.populations:
            if not is_injected(self._state, population):
                continue
            total = np.zeros(population.size)
            for source in self._sources():
                total += source.counts(population) * source.current(self._state.step)
            before = self._steady.get(population.name)
            if before is None or not np.array_equal(before, total):
                sim.set_values(population.name, STEADY, total)
                self._steady[population.name] = total

    def _next_change(self, stop: int) -> int:
        """Step of the next change of an injected current, or the end of the run."""
        now = self._state.step
        later = [s for source in self._sources() for s, _ in source.changes() if s > now]
        return int(min([*later, stop]))

    # --- access while running ---

    def weights(self, projection: Projection) -> NDArray[np.float64] | None:
        """Present weights of a projection in PyNN's units; None when there is no simulation."""
        if self._sim is None or self._rewound or projection.index not in self._parts:
            return None
        made = np.zeros(len(projection))
        for part in self._parts[projection.index]:
            values = self._sim.values(part.name, "w")
            made[part.members] = np.asarray(values, np.float64) / projection.unit
        return made

    def set_weights(self, projection: Projection) -> bool:
        """Write the described weights; whether there is a simulation to write to."""
        if self._sim is None or self._rewound or projection.index not in self._parts:
            return False
        self._beginning = None
        for part in self._parts[projection.index]:
            weights = projection.values["weight"][part.members] * projection.unit
            self._sim.set_weights(part.name, weights)
        return True

    def set_variable(
        self, population: Population, variable: str, values: NDArray[np.float64], units: Any
    ) -> None:
        """Write values of a state variable of some units."""
        if self._sim is None or self._rewound or population.name not in self._sim.program.sizes:
            self.changed = True
            return
        self._beginning = None
        now = self._sim.values(population.name, variable)
        now[units] = values
        self._sim.set_values(population.name, variable, now)


def carried(checkpoint: Checkpoint, program: Program) -> Checkpoint:
    """The state of a simulation as one of another program of almost the same network.

    Arrays that both have go on, weights too: what users set was written into the old simulation.
    What only the new program has begins as described.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, array in program.arrays.items():
        if array.constant:
            continue
        arrays[name] = array.initial
        old = checkpoint.arrays.get(name)
        if old is not None and (old.shape, old.dtype) == (array.initial.shape, array.initial.dtype):
            arrays[name] = old
    recent: dict[str, Any] = {}
    for population, longest in program.max_delays.items():
        none = np.zeros(0, np.int64)
        steps, units = checkpoint.recent.get(population, (none, none))
        kept = steps >= checkpoint.step - longest
        recent[population] = (steps[kept], units[kept])
    return Checkpoint(checkpoint.step, arrays, recent)

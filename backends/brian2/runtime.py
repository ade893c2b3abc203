"""The targets ``numpy`` and ``cython``: Brian2's runtime device in this process.

Importing this module imports Brian2.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from brian2.devices.device import RuntimeDevice
from numpy.typing import NDArray

from neuro.backends.brian2.blueprint import Blueprint, Pathway
from neuro.backends.brian2.model import build
from neuro.backends.brian2.piece import Events, Outcome, Piece
from neuro.backends.brian2.sandbox import sandbox
from neuro.errors import BackendError
from neuro.progress import Progress

#: Seconds between two reports of progress.
REPORT_PERIOD = 0.1


class RuntimeRunner:
    """Runs pieces with Brian2's runtime device.

    Parameters
    ----------
    plan : Blueprint
    target : {"numpy", "cython"}
    cache : Path
        Folder of compiled Cython modules.
    """

    def __init__(self, plan: Blueprint, target: str, cache: Path) -> None:
        self._plan, self._target = plan, target
        self._preferences = {
            "codegen.target": target,
            "codegen.runtime.cython.cache_dir": str(cache / "brian2-cython"),
        }
        self._device = RuntimeDevice()
        self._device.activate()
        with self._sandbox():
            self._model = build(plan, connect=True)
        self._prepared = False

    def run(self, piece: Piece, progress: Progress) -> Outcome:
        """Run one piece."""
        with self._sandbox():
            try:
                self._load(piece)
                self._simulate(piece.start, piece.steps, progress)
            except Exception as error:
                raise BackendError(self._explain(error)) from error
            return self._collect()

    def _sandbox(self) -> Any:
        return sandbox(self._device, self._plan.program.dtype.name, self._preferences)

    def _explain(self, error: Exception) -> str:
        reason = str(error.__cause__ or error).strip()
        mend = "the cython target needs the compiler g++, target='numpy' needs none"
        return f"brian2 ({self._target}) failed: {reason[-2000:]}" + (
            f"; {mend}" if self._target == "cython" else ""
        )

    def _load(self, piece: Piece) -> None:
        plan, owners = self._plan, self._model.owners
        for name, places in plan.places.items():
            for place in places:
                variable = owners[place.owner].variables[place.variable]
                variable.set_value(plan.values(name, piece.arrays[name]))
        for population, group in plan.groups.items():
            owner = owners[group.name]
            steps, units = piece.recent.get(population, _NONE)
            last = units[steps == -1]
            space = owner.variables["_spikespace"].get_value()
            space[: len(last)], space[-1] = last, len(last)
            if group.source:
                _set_events(owner, piece.events[population], plan.program.dt)
        self._prepare()
        for synapses in plan.synapses.values():
            for pathway in synapses.pathways:
                side = synapses.source if pathway.side == "pre" else synapses.target
                runner = self._model.pathway(synapses.name, pathway.name)
                if not runner.active:
                    continue
                if pathway.delays is not None:
                    _set_delays(runner, pathway, owners[synapses.name], plan.program.dt)
                _fill_queue(runner, pathway, piece.recent.get(side, _NONE))
        for monitor in self._model.spikes.values():
            monitor.resize(0)
            monitor.variables["N"].set_value(0)
        for monitor in self._model.traces.values():
            monitor.resize(0)
            monitor.variables["N"].set_value(0)

    def _prepare(self) -> None:
        """Make the code: all of it once, that of sources for every piece.

        (Brian2 binds a generator's list of spikes when it makes the code object.)
        """
        namespace, model = dict(self._model.namespace), self._model
        if not self._prepared:
            model.network._clocks = {model.clock}
            model.network.before_run(namespace)
            self._prepared = True
            return
        for group in self._plan.groups.values():
            if group.source:
                model.owners[group.name].before_run(namespace)

    def _simulate(self, start: int, steps: int, progress: Progress) -> None:
        """Do what ``Network.run`` does for a single clock, without preparing all code again."""
        every = self._model.every
        objects = [
            (obj, every.get(obj.name, 1))
            for obj in self._model.network.sorted_objects
            if obj.active
        ]
        clock = self._model.clock.variables
        timestep, t, dt = (clock[name].get_value() for name in ("timestep", "t", "dt"))
        done, reported = 0, time.monotonic()
        with np.errstate(all="ignore"):
            for k in range(steps):
                timestep[0], t[0] = k, k * dt[0]
                for obj, period in objects:
                    if period == 1 or (start + k + 1) % period == 0:
                        obj.run()
                if time.monotonic() - reported > REPORT_PERIOD:
                    progress.advance(k + 1 - done)
                    done, reported = k + 1, time.monotonic()
        progress.advance(steps - done)

    def _collect(self) -> Outcome:
        plan, model = self._plan, self._model
        arrays = {}
        for name in plan.outputs:
            place, initial = plan.places[name][0], plan.program.arrays[name].initial
            value = model.owners[place.owner].variables[place.variable].get_value()
            arrays[name] = np.array(value, dtype=initial.dtype).reshape(initial.shape)
        spikes = {
            population: (
                np.rint(monitor.variables["t"].get_value() / plan.program.dt).astype(np.int64),
                monitor.variables["i"].get_value().astype(np.int64),
            )
            for population, monitor in model.spikes.items()
        }
        traces: dict[int, NDArray[np.generic]] = {
            t.record: np.array(model.traces[t.record].variables[t.place.variable].get_value())
            for t in plan.traces
        }
        return Outcome(arrays, spikes, traces)


_NONE: Events = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))


def _set_events(source: Any, events: Events, dt: float) -> None:
    """Hand the spikes over as they are, past the checks and the conversion of ``set_spikes``."""
    steps, units = events
    for name in ("neuron_index", "spike_time", "spike_number", "_timebins"):
        source.variables[name].resize(len(steps))
    source.variables["neuron_index"].set_value(units.astype(np.int32))
    source.variables["_timebins"].set_value(steps.astype(np.int32))
    source.variables["_lastindex"].set_value(0)
    source.variables["_period_bins"].set_value(0)
    source._spikes_changed = False
    source._previous_dt = source.dt_[:]


def _set_delays(runner: Any, pathway: Pathway, synapses: Any, dt: float) -> None:
    steps = synapses.variables[pathway.delays].get_value() - int(pathway.before_threshold)
    runner.variables["delay"].set_value(steps * dt)


def _fill_queue(runner: Any, pathway: Pathway, recent: Events) -> None:
    """Push the spikes that are under way as if their steps had just run."""
    runner.queue._restore_from_full_state(None)
    runner.initialise_queue()
    late = 1 if pathway.before_threshold else 0
    steps, units = recent
    for step in range(-pathway.lag, 0):
        spikes = units[steps == step - late].astype(np.int32)
        if len(spikes):
            runner.queue.push(spikes)
        runner.queue.advance()

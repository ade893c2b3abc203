"""Recording: what neuro recorded, as PyNN's recorders hand it to neo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN import recording

import neuro as nr
from neuro.connectivity import IntArray
from neuro.pynn import simulator

#: Name of PyNN's variable for spikes, in both worlds.
SPIKES = "spikes"


class Recorder(recording.Recorder):
    """What is recorded of one population, and the data of the current segment.

    A signal has a sample at every multiple of the sampling interval, the first of them the value
    when the segment began. Of a variable that is recorded only from a later run on, samples
    before are NaN.
    """

    _simulator = simulator

    def __init__(self, population: Any, file: Any = None) -> None:
        self._start = simulator.state.step
        self._every = 1
        self._empty()
        super().__init__(population, file)

    def _empty(self) -> None:
        self._spikes: list[tuple[IntArray, IntArray]] = []
        self._rows: dict[str, list[tuple[int, IntArray, NDArray[Any]]]] = {}

    # --- what a network records ---

    @property
    def every(self) -> int:
        """Steps between two samples."""
        return self._every

    def units(self, variable: str) -> IntArray:
        """Units of the population whose variable is recorded, in ascending order."""
        ids = [int(i) for key, kept in self.recorded.items() if key.name == variable for i in kept]
        return np.sort(np.array(ids, np.int64) - int(self.population.first_id))

    def variables(self) -> Mapping[str, str]:
        """State variables recorded, by PyNN's name: that of the neuron model."""
        names = [k.name for k, ids in self.recorded.items() if ids and k.name != SPIKES]
        return {name: self.population.unit_of(name)[0] for name in names}

    def _record(self, variable: Any, new_ids: Any, sampling_interval: float | None = None) -> None:
        if sampling_interval is not None:
            steps = simulator.state.steps(sampling_interval, "sampling_interval")
            if steps < 1 or abs(steps * simulator.state.dt - sampling_interval) > 1e-9:
                raise nr.DescriptionError(
                    f"sampling_interval of population {self.population.label!r} is"
                    f" {sampling_interval:g} ms; it must be a multiple of the time step,"
                    f" {simulator.state.dt:g} ms"
                )
            self._every = steps
            self.sampling_interval = sampling_interval
        simulator.state.changed()

    def _reset(self) -> None:
        """Nothing is recorded any longer, and what was recorded is gone."""
        self._empty()
        simulator.state.changed()

    def _clear_simulator(self) -> None:
        if simulator.state.step % self._every:
            raise nr.DescriptionError(
                f"population {self.population.label!r}: data are cleared at {simulator.state.t:g}"
                f" ms, between two samples (every {self.sampling_interval:g} ms); clear them at a"
                " sample"
            )
        self._empty()
        self._start = simulator.state.step

    def begin_segment(self) -> None:
        """A reset has happened: data begin again at time 0."""
        self._empty()
        self._start = 0

    # --- data ---

    def begin(self, read: Any) -> None:
        """Before a run: the first sample of variables that have none.

        Parameters
        ----------
        read : callable
            Gives the present values of a variable of the neuron model.
        """
        for name, variable in self.variables().items():
            units = self.units(name)
            rows = self._rows.setdefault(name, [])
            have = rows[-1][1] if rows else np.zeros(0, np.int64)
            if np.array_equal(have, units):
                continue
            step = simulator.state.step
            if step % self._every == 0:
                # A variable of which some units are new: all go on together from here.
                rows.append((step, units, np.asarray(read(variable))[None, units]))

    def take(self, recorded: nr.Recording) -> None:
        """After a run: what it recorded."""
        owner = self.population.name
        if len(self.units(SPIKES)):
            self._spikes.append(recorded.spikes(owner))
        for name, variable in self.variables().items():
            steps = recorded.trace_steps(owner, variable)
            if len(steps):
                found = recorded.trace(owner, variable)
                self._rows[name].append((int(steps[0]) + 1, self.units(name), found))

    def _spike_arrays(self) -> tuple[IntArray, IntArray]:
        nothing = np.zeros(0, np.int64)
        steps = np.concatenate([nothing, *(s for s, _ in self._spikes)])
        units = np.concatenate([nothing, *(u for _, u in self._spikes)])
        return steps, units

    def _get_spiketimes(
        self, requested_ids: Iterable[int], clear: bool = False
    ) -> tuple[IntArray, NDArray[np.float64]]:
        """Ids and times in ms: a spike of step k is at k dt."""
        steps, units = self._spike_arrays()
        ids = units + int(self.population.first_id)
        asked = np.isin(ids, np.array([int(i) for i in requested_ids], np.int64))
        times = np.asarray(steps[asked] * float(simulator.state.dt), np.float64)
        return ids[asked], times

    def _get_all_signals(
        self, variable: Any, ids: Iterable[int], clear: bool = False
    ) -> tuple[NDArray[np.float64], None]:
        """Samples in PyNN's units, of shape [samples, ids]."""
        asked = np.array([int(i) for i in ids], np.int64) - int(self.population.first_id)
        count = (simulator.state.step - self._start) // self._every + 1
        made = np.full((count, len(asked)), np.nan)
        _, factor = self.population.unit_of(variable.name)
        for step, units, values in self._rows.get(variable.name, []):
            first = (step - self._start) // self._every
            known, where = np.isin(asked, units), np.searchsorted(units, asked)
            made[first : first + len(values), known] = values[:, where[known]] / factor
        return made, None

    def _local_count(self, variable: Any, filter_ids: Any = None) -> dict[int, int]:
        """Number of spikes by id."""
        _, units = self._spike_arrays()
        counts = np.bincount(units, minlength=self.population.size)
        first = int(self.population.first_id)
        return {
            int(i): int(counts[int(i) - first]) for i in self.filter_recorded(variable, filter_ids)
        }

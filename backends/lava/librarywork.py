"""What goes on beside the arithmetic of Lava's library models: state in shared memory, records."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.contents import (
    START,
    STOP,
    Shared,
    pack_events,
    read_events,
    recent_of,
)
from neuro.backends.lava.matrices import Arrivals, matrix
from neuro.backends.lava.slices import Slice
from neuro.backends.lava.work import Rows, Work
from neuro.connectivity import IntArray
from neuro.program import Arrive


class StepWork(Work):
    """Counts steps and records.

    Parameters
    ----------
    shared : Shared
    part : Slice
    place : int or None
        Where it counts its steps; None: another does.
    """

    def __init__(self, shared: Shared, part: Slice, place: int | None) -> None:
        super().__init__(shared, place)
        self.part = part
        self.now = self._stop = 0
        self.fresh = False
        self.rows = Rows(shared, part, shared.arrays)

    def refresh(self, step: int) -> None:
        """The model shall take up its state from shared memory."""
        self.fresh = True

    @property
    def is_last(self) -> bool:
        """Whether this is the last step of the run."""
        return self.now + 1 == self._stop

    def begin(self) -> bool:
        """Before a step; true when the model must take up its state."""
        if self.now == self._stop:
            self.begin_run()
            self.now, self._stop = (int(self.shared.orders[i]) for i in (START, STOP))
        fresh, self.fresh = self.fresh, False
        return fresh

    def end(self, spikes: dict[str, IntArray]) -> None:
        """After a step, with the spikes of this part."""
        self.rows.add(self.now, spikes)
        self._done += 1
        if self.is_last:
            self.rows.send()
        self.now += 1


class NeuronWork(StepWork):
    """Beside a model of Lava's LIF."""

    def __init__(self, shared: Shared, part: Slice, place: int) -> None:
        super().__init__(shared, part, place)
        arrays, name = shared.arrays, part.name
        self._name, self._u, self._v = name, arrays[f"{name}.u"], arrays[f"{name}.v"]
        self._refractory = arrays.get(f"{name}.refractory")

    def begin_step(self, model: Any) -> None:
        """Give the model its state, where it was set from outside."""
        if self.begin():
            model.u[:], model.v[:] = self._u, self._v
            if self._refractory is not None:
                model.set_refractory(self._refractory)

    def end_step(self, model: Any) -> None:
        """Publish the state that the model left."""
        self._u[...], self._v[...] = model.u, model.v
        if self._refractory is not None:
            self._refractory[...] = model.refractory()
        self.end({self._name: np.flatnonzero(model.s_out_buff)})


class SynapseWork(StepWork):
    """Beside a model of Lava's synapses.

    Parameters
    ----------
    shared : Shared
    part : Slice
    arrive : Arrive
        The arrival that the process makes.
    reports : bool
        Whether it tells the latest spikes of the source at the end of a run.
    place : int or None
    """

    def __init__(
        self, shared: Shared, part: Slice, arrive: Arrive, reports: bool, place: int | None
    ) -> None:
        super().__init__(shared, part, place)
        self._arrive, self._reports = arrive, reports
        self._into = shared.arrays[arrive.into]
        #: Units that spiked in the latest steps, the oldest first.
        self._emitted: deque[IntArray] = deque(maxlen=arrive.delay)
        self._recorded = any(r.array == arrive.into for r in shared.program.records)
        self.arrivals = Arrivals(*self.load())

    def load(self) -> tuple[Any, Any]:
        """Weights and delays from shared memory."""
        arrays, arrive = self.shared.arrays, self._arrive
        c = self.shared.program.connectivity[arrive.synapses]
        weights = matrix(c, arrays[arrive.weights], arrive.transposed)
        if arrive.delays is None:
            return weights, arrive.delay
        return weights, matrix(c, arrays[arrive.delays], arrive.transposed)

    def begin_step(self, model: Any) -> None:
        """Give the model weights and arrivals, where they were set from outside."""
        if self.begin():
            weights, delays = self.load()
            self.arrivals = Arrivals(weights, delays)
            steps, units = read_events(self.shared.inbox, recent_of(self._arrive.source))
            self._emitted.clear()
            for k in range(max(0, self.now - self._arrive.delay), self.now):
                self._emitted.append(units[steps == k])
            model.take_up(weights, self.arrivals(self._emitted))
        if self._recorded or self.is_last:
            self._into[...] = self.arrivals(self._emitted)

    def end_step(self, spikes: NDArray[Any]) -> None:
        """Keep the spikes that arrived at the process."""
        self._emitted.append(np.flatnonzero(spikes))
        last = self.is_last
        self.end({})
        if last and self._reports:
            self._report()

    def next_arrivals(self) -> NDArray[np.int64]:
        """What arrives in the next step."""
        return self.arrivals(self._emitted)

    def _report(self) -> None:
        lists, first = list(self._emitted), self.now - len(self._emitted)
        steps = np.repeat(np.arange(first, self.now), [len(u) for u in lists])
        units = np.concatenate([np.zeros(0, np.int64), *lists])
        self.shared.outbox.put(recent_of(self._arrive.source), pack_events((steps, units)))

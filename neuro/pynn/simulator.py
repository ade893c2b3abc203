"""The state of the simulator as PyNN's common code sees it: time, cells, and what has been made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pyNN import common

from neuro.errors import BackendError, DescriptionError

if TYPE_CHECKING:
    from neuro.pynn.currents import CurrentSource
    from neuro.pynn.populations import Population
    from neuro.pynn.projections import Projection
    from neuro.pynn.running import Runner

name = "neuro"


class ID(int, common.IDMixin):
    """A cell: its number, with PyNN's access to parameters and position."""

    def __init__(self, n: int) -> None:
        int.__init__(n)
        common.IDMixin.__init__(self)


class State(common.control.BaseState):
    """Everything between ``setup`` and ``end``.

    Attributes
    ----------
    dt : float, ms
    populations, projections, current_sources : list
        In order of definition.
    backend : str
    options : dict
        Of the backend and :func:`neuro.compile`.
    seed : int
    integrator : {"auto", "Euler"}
    runner : Runner
        The compiled network, once there is one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mpi_rank, self.num_processes = 0, 1
        self.runner: Runner | None = None
        self.configure()
        self.clear()

    def configure(
        self,
        timestep: float = 0.1,
        min_delay: float | str = "auto",
        max_delay: float | str = "auto",
        *,
        backend: str = "reference",
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        integrator: str = "auto",
    ) -> None:
        """Settings of the simulations to come."""
        self.dt = float(timestep)
        self._min_delay, self._max_delay = min_delay, max_delay
        self.backend, self.options = backend, dict(options or {})
        self.seed, self.integrator = seed, integrator

    def clear(self) -> None:
        """Forget every population and projection; a running simulation is closed."""
        if self.runner is not None:
            self.runner.close()
        self.runner = None
        self.recorders: set[Any] = set()
        self.write_on_end: list[Any] = []
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.current_sources: list[CurrentSource] = []
        self.id_counter = 0
        self.segment_counter = 0
        self.step, self.t_start = 0, 0
        self.running, self.ended = False, False

    # --- time ---

    @property
    def t(self) -> float:
        """Current time in ms."""
        return float(self.step * self.dt)

    def steps(self, ms: float, what: str) -> int:
        """A time as a number of steps, to the nearest."""
        if not np.isfinite(ms):
            raise DescriptionError(f"{what} is {ms!r} ms; it must be finite")
        return round(ms / self.dt)

    def run(self, simtime: float) -> None:
        """Run for some milliseconds."""
        self.run_until(self.t + simtime)

    def run_until(self, tstop: float) -> None:
        """Run up to a time; the network is compiled when that is needed."""
        from neuro.pynn.running import Runner

        if self.ended:
            raise BackendError("run after end(): this simulation is over; begin with setup()")
        stop = self.steps(tstop, "time to run to")
        if self.runner is None:
            self.runner = Runner(self)
        self.runner.run(stop - self.step)
        self.running = True

    def reset(self) -> None:
        """Back to time 0: initial values, weights as described; data begin a new segment."""
        if self.runner is not None:
            self.runner.rewind()
        self.step, self.t_start = 0, 0
        self.running = False
        self.segment_counter += 1

    def end(self) -> None:
        """Release what the backend holds; what was recorded and learned stays readable."""
        if self.runner is not None:
            self.runner.close()
        self.runner, self.ended = None, True

    def changed(self) -> None:
        """The description is another one: it is compiled anew before the next run."""
        if self.runner is not None:
            self.runner.changed = True

    # --- delays ---

    @property
    def shortest_delay(self) -> float:
        """Delay of synapses that are given none, in ms."""
        return self.dt if isinstance(self._min_delay, str) else float(self._min_delay)

    @property
    def min_delay(self) -> float:
        """Shortest delay in ms: as set up, or of all projections, or one step."""
        if not isinstance(self._min_delay, str):
            return float(self._min_delay)
        return min((p.delays.min() for p in self.projections if len(p)), default=self.dt)

    @property
    def max_delay(self) -> float:
        """Longest delay in ms: as set up, or of all projections, or one step."""
        if not isinstance(self._max_delay, str):
            return float(self._max_delay)
        return max((p.delays.max() for p in self.projections if len(p)), default=self.dt)

    def check_delays(self, delays: Any, where: str) -> Any:
        """Delays rounded to whole steps, in ms.

        Raises
        ------
        DescriptionError
            Shorter than one step, or outside of what ``setup`` announced.
        """
        steps = np.rint(np.asarray(delays, float) / self.dt)
        low = 1.0 if isinstance(self._min_delay, str) else np.rint(float(self._min_delay) / self.dt)
        high = np.inf
        if not isinstance(self._max_delay, str):
            high = np.rint(float(self._max_delay) / self.dt)
        wrong = ~((steps >= max(low, 1.0)) & (steps <= high))
        if np.any(wrong):
            bad = np.asarray(delays, float)[wrong].flat[0]
            raise DescriptionError(
                f"delay of {where} is {bad:g} ms; it must lie between"
                f" {max(low, 1.0) * self.dt:g} ms and {high * self.dt:g} ms (a spike needs one time"
                " step at least; min_delay and max_delay are given to setup)"
            )
        return np.round(steps * self.dt, 9)  # 1.7, not 1.7000000000000002


state = State()

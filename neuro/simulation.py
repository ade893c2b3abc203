"""Compile a network for a backend, run it, read what happened."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import TracebackType
from typing import Any, Self

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from neuro.capabilities import check
from neuro.connectivity import IntArray, Sparse
from neuro.description import Parameter, whole_steps
from neuro.engine import Backend, Engine, Recorded, State
from neuro.errors import BackendError, CompileError, DescriptionError
from neuro.lowering import lower
from neuro.network import Network, Population, Projection
from neuro.program import Arrive, Program
from neuro.progress import Bar, Progress, Silent

GROUP = "neuro.backends"


@cache
def _registered() -> Mapping[str, Any]:
    return {point.name: point for point in entry_points(group=GROUP)}


def backends() -> dict[str, bool | str]:
    """Every installed backend: ``True``, or the reason why it cannot be used and the mend."""
    found: dict[str, bool | str] = {}
    for name, point in sorted(_registered().items()):
        try:
            found[name] = point.load().available()
        except (ImportError, AttributeError) as error:
            found[name] = f"cannot be loaded: {error}"
    return found


def find_backend(name: str) -> Backend:
    """The backend of a name, ready to compile.

    Raises
    ------
    BackendError
        Unknown name, or not available here; the message says why.
    """
    point = _registered().get(name)
    if point is None:
        known = ", ".join(sorted(_registered())) or "none (is neuro installed?)"
        raise BackendError(f"no backend {name!r}; installed: {known}")
    try:
        backend: Backend = point.load()
    except ImportError as error:
        raise BackendError(f"backend {name!r} cannot be imported: {error}") from error
    available = backend.available()
    if available is not True:
        raise BackendError(f"backend {name!r} is not available: {available}")
    return backend


def compile(
    network: Network,
    backend: str = "reference",
    dt: Any = 1e-3,
    precision: str = "float64",
    **options: Any,
) -> Simulation:
    """Compile a network.

    Parameters
    ----------
    network : Network
    backend : str
        One of :func:`backends`.
    dt : float, second
        Time step; delays and refractory periods must be multiples of it.
    precision : {"float64", "float32"}
        Type of states, weights and constants.
    **options
        For the backend, e.g. ``target="cpp"`` of ``brian2``.

    Returns
    -------
    Simulation

    Raises
    ------
    CompileError
        The network does not fit dt, precision or the backend.
    BackendError
        The backend is unknown or not available.

    Examples
    --------
    >>> sim = nr.compile(net, backend="reference", dt=1e-3)
    >>> rec = sim.run(1.0)
    >>> steps, units = rec.spikes("exc")
    """
    if not isinstance(network, Network):
        raise DescriptionError(f"compile: {network!r} is not a Network")
    found = find_backend(backend)
    program = lower(network, dt, precision)
    check(program, found, options)
    return Simulation(program, found.compile(program, **options))


class Recording:
    """What one run recorded. Steps are absolute: they count from the first run."""

    def __init__(self, program: Program, recorded: Recorded, start: int, stop: int) -> None:
        self._program, self._recorded = program, recorded
        #: First step of the run, and the one after its last.
        self.start, self.stop = start, stop
        #: Time step in seconds.
        self.dt = program.dt

    def spikes(self, population: Population | str) -> tuple[IntArray, IntArray]:
        """Spikes as (steps, units), sorted by step, then unit.

        Raises
        ------
        DescriptionError
            When the population's spikes were not recorded.
        """
        name = population if isinstance(population, str) else population.name
        if name not in self._recorded.spikes:
            raise DescriptionError(
                f"spikes of {name!r} were not recorded; call"
                f" net.record({name!r}, 'spikes') before compiling"
            )
        return self._recorded.spikes[name]

    def trace(self, owner: Population | Projection | str, variable: str) -> NDArray[Any]:
        """Values at the end of each step, shape ``[steps, units]``.

        Raises
        ------
        DescriptionError
            When the variable was not recorded.
        """
        name = owner if isinstance(owner, str) else owner.name
        for i, record in enumerate(self._program.records):
            if (record.owner, record.variable) == (name, variable) and variable != "spikes":
                return np.asarray(self._recorded.traces[i])
        raise DescriptionError(
            f"{variable!r} of {name!r} was not recorded; call"
            f" net.record({name!r}, {variable!r}) before compiling"
        )


class Simulation:
    """A compiled network. Made by :func:`compile`; also a context manager."""

    def __init__(self, program: Program, engine: Engine) -> None:
        self._program, self._engine = program, engine
        self._step = 0
        self._open = True

    @property
    def program(self) -> Program:
        """The discrete-time program; print it to see what each step does."""
        return self._program

    @property
    def engine(self) -> Engine:
        """The backend's engine, for what only that backend has."""
        return self._engine

    @property
    def step(self) -> int:
        """Steps run so far."""
        return self._step

    def run(self, duration: Any, *, progress: bool | Progress = True) -> Recording:
        """Run for some time; a further call continues where this one ends.

        Parameters
        ----------
        duration : float, second
            A multiple of dt.
        progress : bool or Progress
            True shows a bar when standard error is a terminal; an own meter is advanced in steps.

        Returns
        -------
        Recording
            Of this stretch only.
        """
        seconds = Parameter("second", minimum=0.0).read(duration, "duration of run")
        if not isinstance(seconds, float):
            raise DescriptionError("duration of run is an array; expected one number in seconds")
        return self.run_steps(whole_steps(seconds, self._program.dt, "duration of run"), progress)

    def run_steps(self, steps: int, progress: bool | Progress = True) -> Recording:
        """Like :meth:`run`, with the duration as a number of time steps."""
        self._check_open()
        if progress is True:
            with Bar(steps, self._program.name) as bar:
                recorded = self._engine.run(steps, bar)
        else:
            recorded = self._engine.run(steps, Silent() if progress is False else progress)
        start, self._step = self._step, self._step + steps
        return Recording(self._program, recorded, start, self._step)

    # --- weights ---

    def weights(
        self, projection: Projection | str, *, sparse: bool = False
    ) -> NDArray[Any] | scipy.sparse.csr_array:
        """Current weights ``[pre, post]``.

        Parameters
        ----------
        projection : Projection or str
            A tied projection gives the shared matrix its own way round.
        sparse : bool
            True: a scipy.sparse array of the synapses that exist (of a dense projection: all).

        Returns
        -------
        ndarray or csr_array
            The array has 0 where there is no synapse.
        """
        self._check_open()
        owner, turned = self._owner(projection)
        values: NDArray[Any] = self._engine.read(f"{owner}.w")
        c = self._program.connectivity[owner]
        shape = (c.n_pre, c.n_post)
        if isinstance(c, Sparse):
            matrix = scipy.sparse.csr_array((values, c.targets, c.row_start), shape)
            matrix = matrix.T.tocsr() if turned else matrix
            return matrix if sparse else matrix.toarray()
        values = np.ascontiguousarray(values.T) if turned else values
        if not sparse:
            return values
        rows = np.arange(values.shape[0] + 1) * values.shape[1]
        columns = np.tile(np.arange(values.shape[1]), values.shape[0])
        return scipy.sparse.csr_array((values.reshape(-1), columns, rows), values.shape)

    def set_weights(self, projection: Projection | str, weights: Any) -> None:
        """Replace the weights of a projection.

        Parameters
        ----------
        projection : Projection or str
        weights : array ``[pre, post]`` or scipy.sparse
            Where there is no synapse it must be zero.

        Raises
        ------
        DescriptionError
            Other shape, NaN, or a weight where there is no synapse.
        """
        self._check_open()
        owner, turned = self._owner(projection)
        name = projection if isinstance(projection, str) else projection.name
        c = self._program.connectivity[owner]
        where = f"set_weights of {name!r}"
        given = np.asarray(weights.toarray() if hasattr(weights, "toarray") else weights)
        expected = (c.n_post, c.n_pre) if turned else (c.n_pre, c.n_post)
        if given.shape != expected:
            hint = " (it looks transposed)" if given.shape == expected[::-1] else ""
            raise DescriptionError(
                f"{where}: shape {given.shape}; expected [pre, post] = {expected}{hint}"
            )
        values = np.asarray(given.T if turned else given, self._program.dtype)
        if not np.all(np.isfinite(values)):
            raise DescriptionError(f"{where}: NaN or infinite weights; all must be finite")
        if isinstance(c, Sparse):
            rows = np.repeat(np.arange(c.n_pre), np.diff(c.row_start))
            chosen = values[rows, c.targets]
            if np.count_nonzero(values) != np.count_nonzero(chosen):
                raise DescriptionError(f"{where}: a weight where there is no synapse; connect it")
            values = chosen
        self._engine.write(f"{owner}.w", values)

    def _owner(self, projection: Projection | str) -> tuple[str, bool]:
        """The projection that owns the synapses, and whether they are used transposed."""
        name = projection if isinstance(projection, str) else projection.name
        arrivals = {s.projection: s for s in self._program.steps if isinstance(s, Arrive)}
        if name not in arrivals:
            known = ", ".join(arrivals) or "none"
            raise DescriptionError(f"no projection {name!r} in this simulation; it has {known}")
        return arrivals[name].synapses, arrivals[name].transposed

    # --- state ---

    def state(self) -> State:
        """A checkpoint; portable between backends of the same program."""
        self._check_open()
        return self._engine.state()

    def restore(self, state: State) -> None:
        """Continue from a checkpoint, bit for bit.

        Raises
        ------
        CompileError
            When the checkpoint belongs to another program.
        """
        self._check_open()
        for name, value in state.arrays.items():
            array = self._program.arrays.get(name)
            if array is None or array.initial.shape != np.shape(value):
                raise CompileError(
                    f"restore: the checkpoint holds {name!r} of shape {np.shape(value)}, which this"
                    " program does not have; it was made from another network"
                )
        self._engine.restore(state)
        self._step = state.step

    def close(self) -> None:
        """Release what the backend holds. Safe to call twice."""
        if self._open:
            self._open = False
            self._engine.close()

    def _check_open(self) -> None:
        if not self._open:
            raise BackendError("this simulation is closed; compile the network again")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

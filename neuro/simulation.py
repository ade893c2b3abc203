"""Compile a network for a backend, run it, read what happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from neuro.capabilities import check
from neuro.connectivity import Convolution
from neuro.description import Parameter, whole_steps
from neuro.engine import Engine, Recorded, State
from neuro.errors import BackendError, CompileError, DescriptionError
from neuro.loihi.chip import check_weights
from neuro.lowering import lower
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.notebook import table
from neuro.program import Arrive, Program
from neuro.progress import Bar, Progress, Silent
from neuro.recording import Recording, in_memory
from neuro.registry import (
    backends as backends,
    find_backend as find_backend,
    installed_backends as installed_backends,
)
from neuro.streaming import Pace, RunFolder, open_recording
from neuro.tracks import joined, thinned
from neuro.weights import SynapseTable, matrix, values_from

if TYPE_CHECKING:
    from neuro.plotting.weights import SimulationPlots

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
    precision : {"float64", "float32", "loihi"}
        Type of states, weights and constants. "loihi": the whole numbers of Loihi, bit by bit; a
        network of floats is quantised by the defaults of :func:`neuro.loihi.quantise` first, and
        ``sim.program.quantisation`` says how well that went.
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


class Simulation:
    """A compiled network. Made by :func:`compile`; also a context manager."""

    def __init__(self, program: Program, engine: Engine) -> None:
        self._program, self._engine = program, engine
        self._step = 0
        self._open = True
        self._interrupted = False

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
        """Steps run so far; a run that was interrupted does not count."""
        return self._step

    def run(
        self,
        duration: Any,
        *,
        to: str | Path | None = None,
        checkpoint_every: Any = 30.0,
        progress: bool | Progress = True,
    ) -> Recording:
        """Run for some time; a further call continues where this one ends.

        A run that is interrupted (Ctrl-C, an error) leaves the simulation in the middle of a
        step; it then refuses everything but :meth:`restore`. A run to a folder goes back to where
        it began instead, and the same call continues from the last checkpoint; so it does in a
        new process, with the same network compiled anew, after this one was killed.

        Parameters
        ----------
        duration : float, second
            A multiple of dt.
        to : str or Path, optional
            Folder to which everything recorded is written while the run goes on, with
            checkpoints; for runs that are longer than memory or patience. Read it later with
            :func:`neuro.open_recording`.
        checkpoint_every : float, second
            Longest time (of the clock on the wall) between two checkpoints in the folder.
        progress : bool or Progress
            True shows a bar when standard error is a terminal; an own meter is advanced in steps.

        Returns
        -------
        Recording
            Of this stretch only; of a folder, read when asked for.

        Raises
        ------
        DescriptionError
            The folder holds the run of another network or from another state.
        """
        steps = self._steps(duration, "duration of run")
        return self.run_steps(steps, progress, to=to, checkpoint_every=checkpoint_every)

    def _steps(self, duration: Any, where: str) -> int:
        """A duration as a number of steps."""
        seconds = Parameter("second", minimum=0.0).read(duration, where)
        if not isinstance(seconds, float):
            raise DescriptionError(f"{where} is an array; expected one number in seconds")
        return whole_steps(seconds, self._program.dt, where)

    def run_steps(
        self,
        steps: int,
        progress: bool | Progress = True,
        *,
        to: str | Path | None = None,
        checkpoint_every: Any = 30.0,
    ) -> Recording:
        """Like :meth:`run`, with the duration as a number of time steps."""
        self._check_open()
        if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0:
            raise DescriptionError(f"run_steps: {steps!r} steps; expected a whole number >= 0")
        if progress is True:
            with Bar(int(steps), self._program.name) as bar:
                return self.run_steps(steps, bar, to=to, checkpoint_every=checkpoint_every)
        meter = Silent() if progress is False else progress
        if to is None:
            return self._gather(int(steps), meter)
        positive = Parameter("second", 0.0, exclusive=True)
        seconds = positive.read(checkpoint_every, "checkpoint_every")
        if not isinstance(seconds, float):
            raise DescriptionError("checkpoint_every is an array; expected one number in seconds")
        return self._stream(int(steps), Path(to), seconds, meter)

    def _gather(self, steps: int, meter: Progress) -> Recording:
        """Run and keep the recording in memory."""
        start, stop, records = self._step, self._step + steps, self._program.records
        self._interrupted = True
        if steps == 0 or all(record.every == 1 for record in records):
            recorded = self._engine.run(steps, meter)
        else:  # engines return every row; most of them are dropped piece by piece
            pieces = self._pieces(stop, Pace(self._program), meter)
            recorded = joined([thinned(piece, records, first) for first, piece in pieces])
        self._step = stop
        self._interrupted = False
        return in_memory(self._program, recorded, start, stop)

    def _stream(self, steps: int, path: Path, seconds: float, meter: Progress) -> Recording:
        """Run to a folder, or go on with the run that is there."""
        stop, pace = self._step + steps, Pace(self._program, seconds)
        records, batch = self._program.records, self._engine.batch
        with RunFolder(path, self._program, self.state(), stop, batch) as folder:
            try:
                if folder.stop > self._step:
                    meter.advance(folder.stop - self._step)
                    self.restore(folder.checkpoint())
                self._interrupted = True
                for first, piece in self._pieces(stop, pace, meter):
                    folder.append(thinned(piece, records, first), self._engine.state())
                self._step = stop
                self._interrupted = False
            except BaseException:
                self.restore(folder.beginning())
                raise
        return open_recording(path)

    def _pieces(self, stop: int, pace: Pace, meter: Progress) -> Iterator[tuple[int, Recorded]]:
        """Run up to a step in pieces: the first step of each, and what it recorded."""
        now = self._step
        while now < stop:
            length, begun = pace.length(stop - now), perf_counter()
            self._engine.ahead = stop - now
            recorded = self._engine.run(length, meter)
            self._engine.ahead = 0
            pace.took(length, perf_counter() - begun, recorded)
            yield now, recorded
            now += length

    @property
    def plot(self) -> SimulationPlots:
        """Figures: ``plot.weights("con")``, ``plot.weight_histogram("con")``."""
        from neuro.plotting.weights import SimulationPlots

        return SimulationPlots(self)

    # --- weights ---

    def weights(
        self, projection: Projection | str, *, sparse: bool = False
    ) -> Any:
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
            The array has 0 where there is no synapse; several synapses of one pair are summed. In a
            batch, plastic weights have a leading axis of items (sparse: a list).
        """
        self._check_open()
        owner, turned = self._owner(projection)
        values: NDArray[Any] = self._engine.read(f"{owner}.w")
        c = self._program.connectivity[owner]
        if values.ndim == len(c.weight_shape):
            return matrix(values, c, turned, sparse)
        items = [matrix(v, c, turned, sparse) for v in values]
        return items if sparse else np.array(items)

    def kernel(self, projection: Projection | str) -> NDArray[Any]:
        """Current kernel of a convolution, ``[out, in / groups, rows, columns]``.

        Raises
        ------
        DescriptionError
            When the projection is no convolution.
        """
        self._check_open()
        owner, _ = self._owner(projection)
        if not isinstance(self._program.connectivity[owner], Convolution):
            raise DescriptionError(f"projection {owner!r} is no convolution; use weights()")
        return self._engine.read(f"{owner}.w")

    def synapses(self, projection: Projection | str) -> SynapseTable:
        """Every synapse of a projection with its units, weight and delay.

        Of a tied projection, as it reads them: pre is its own source.
        """
        self._check_open()
        owner, turned = self._owner(projection)
        name = projection if isinstance(projection, str) else projection.name
        arrival = next(
            s for s in self._program.steps if isinstance(s, Arrive) and s.projection == name
        )
        synapses, index = self._program.connectivity[owner].expand()
        values = self._engine.read(f"{owner}.w")
        extra = values.ndim - len(self._program.connectivity[owner].weight_shape)
        weight = values.reshape(*values.shape[:extra], -1)[..., index]
        if arrival.delays is None:
            steps: NDArray[Any] = np.full(synapses.count, arrival.delay)
        else:
            steps = self._engine.read(arrival.delays)
        pre, post = synapses.rows, synapses.targets
        pre, post = (post, pre) if turned else (pre, post)
        return SynapseTable(pre, post, weight, steps * self._program.dt)

    def set_weights(self, projection: Projection | str, weights: Any) -> None:
        """Replace the weights of a projection.

        Parameters
        ----------
        projection : Projection or str
        weights : array ``[pre, post]``, scipy.sparse, vector or kernel
            A matrix must be zero where there is no synapse. A vector gives one weight per synapse,
            in the order of :meth:`synapses`; of a convolution give the kernel. In a batch all
            items get the same weights.

        Raises
        ------
        DescriptionError
            Other shape, NaN, or a weight where there is no synapse.
        CompileError
            With precision "loihi": weights that no sign mode of 8 bits has.
        """
        self._check_open()
        owner, turned = self._owner(projection)
        name = projection if isinstance(projection, str) else projection.name
        c = self._program.connectivity[owner]
        where = f"set_weights of {name!r}"
        values = values_from(weights, c, turned, self._program.dtype, where)
        if self._program.chip is not None:
            check_weights(values, f"projection {name!r}")
        shape = self._engine.read(f"{owner}.w").shape
        self._engine.write(f"{owner}.w", np.broadcast_to(values, shape).copy())

    def _owner(self, projection: Projection | str) -> tuple[str, bool]:
        """The projection that owns the synapses, and whether they are used transposed."""
        name = projection if isinstance(projection, str) else projection.name
        arrivals = {s.projection: s for s in self._program.steps if isinstance(s, Arrive)}
        if name not in arrivals:
            known = ", ".join(arrivals) or "none"
            raise DescriptionError(f"no projection {name!r} in this simulation; it has {known}")
        return arrivals[name].synapses, arrivals[name].transposed

    # --- state ---

    def values(self, owner: Population | Projection | str, variable: str) -> NDArray[Any]:
        """Current values of a state variable.

        Parameters
        ----------
        owner : Population, Projection or str
        variable : str
            Of a population one of its model; of a projection ``"w"`` or a trace of its rule.

        Returns
        -------
        ndarray, shape [units] or [synapses], in a batch with an axis of items in front
            A copy. Synapses are in the order of :meth:`synapses`.
        """
        self._check_open()
        values = self._engine.read(self._variable(owner, variable, "values"))
        return values if values.ndim == 1 else values.reshape(*self._items(values), -1)

    def set_values(
        self, owner: Population | Projection | str, variable: str, values: Any
    ) -> None:
        """Replace the values of a state variable.

        Parameters
        ----------
        owner, variable
            As for :meth:`values`; weights are set with :meth:`set_weights`.
        values : float, or array of shape [units] (of a batch also ``[items, units]``)
            In SI units.

        Raises
        ------
        DescriptionError
            No such variable, another shape, or NaN.
        """
        self._check_open()
        name = self._variable(owner, variable, "set_values")
        if variable == "w" and name.partition(".")[0] in self._program.connectivity:
            raise DescriptionError(f"set_values of {name}: weights are set with set_weights")
        now = self._engine.read(name)
        given = np.asarray(Parameter(None).read(values, f"set_values of {name}"))
        if given.shape not in ((), now.shape, now.shape[-1:]):
            shapes = " or ".join(str(shape) for shape in dict.fromkeys([now.shape[-1:], now.shape]))
            raise DescriptionError(
                f"set_values of {name} got shape {given.shape}; expected one number or {shapes}"
            )
        self._engine.write(name, np.broadcast_to(given, now.shape).astype(now.dtype))

    def _items(self, values: NDArray[Any]) -> tuple[int, ...]:
        items = self._engine.batch
        return (items,) if items is not None and len(values) == items else ()

    def _variable(
        self, owner: Population | Projection | str, variable: str, what: str
    ) -> str:
        """Qualified name of a state variable."""
        member = owner if isinstance(owner, str) else owner.name
        # What the description names has a unit; helpers of the program have none.
        known = [a.variable for a in self._program.arrays.values() if a.owner == member and a.unit]
        if variable not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise DescriptionError(
                f"{what}: {member!r} has no state variable {variable!r}; {has}"
            )
        return f"{member}.{variable}"

    def state(self) -> State:
        """A checkpoint; portable between backends of the same program."""
        self._check_open()
        return self._engine.state()

    def restore(self, state: State) -> None:
        """Continue from a checkpoint, bit for bit.

        Also after a run that was interrupted. Arrays that the checkpoint does not list (constant
        ones that nobody had set) get their values of the beginning.

        Raises
        ------
        CompileError
            When the checkpoint belongs to another program.
        """
        self._check_open(interrupted=True)
        self._check_state(state)
        arrays = dict(state.arrays)
        for array in self._program.arrays.values():
            if array.name not in arrays and self._engine.was_set(array.name):
                now = self._engine.read(array.name)
                initial = np.broadcast_to(array.initial, now.shape)
                if not np.array_equal(now, initial):
                    arrays[array.name] = initial
        self._interrupted = True
        self._engine.restore(replace(state, arrays=arrays))
        self._step = state.step
        self._interrupted = False

    def _check_state(self, state: State) -> None:
        """Refuse a checkpoint that does not fit this program and engine."""
        items = self._engine.batch
        for name, value in state.arrays.items():
            array, given = self._program.arrays.get(name), np.asarray(value)
            shapes = [array.initial.shape] if array else []
            shapes += [(items, *shape) for shape in shapes if items is not None]
            if array is None or given.shape not in shapes:
                raise CompileError(
                    f"restore: the checkpoint holds {name!r} of shape {given.shape}, which this"
                    " program does not have; it was made from another network"
                )
            if array.initial.dtype != given.dtype:
                raise CompileError(
                    f"restore: {name!r} is {given.dtype} in the checkpoint and"
                    f" {array.initial.dtype} here; compile with the same precision"
                )
        arrays = self._program.arrays.values()
        missing = [a.name for a in arrays if not a.constant and a.name not in state.arrays]
        missing += [p for p in state.recent if p not in self._program.max_delays]
        if missing:
            raise CompileError(
                f"restore: the checkpoint and this program differ in {', '.join(missing)}; it was"
                " made from another network"
            )

    def close(self) -> None:
        """Release what the backend holds. Safe to call twice."""
        if self._open:
            self._open = False
            self._engine.close()

    def _check_open(self, interrupted: bool = False) -> None:
        if not self._open:
            raise BackendError("this simulation is closed; compile the network again")
        if self._interrupted and not interrupted:
            raise BackendError(
                "the last run of this simulation was interrupted in the middle of its steps, so its"
                " state means nothing; call restore with a checkpoint, or compile the network again"
            )

    # --- printing ---

    def to_script(self, path: str | Path | None = None, *, duration: Any = None) -> str:
        """The program as a readable Brian2 script that runs without neuro, with the same spikes.

        It begins at the first step, with the weights and states that the network was compiled
        with. Only of simulations that were compiled with ``backend="brian2"``.

        Parameters
        ----------
        path : str or Path, optional
            Where to write it; larger arrays go to a file beside it, with the ending ``.npz``.
        duration : float, second, optional
            What the script simulates; by default as long as has been run, or else one second.

        Returns
        -------
        str
            The script; without ``path`` with all arrays in it.

        Raises
        ------
        BackendError
            Another backend.
        """
        self._check_open()
        write = getattr(self._engine, "to_script", None)
        if write is None:
            raise BackendError(
                "to_script: only Brian2 programs can be written as scripts; compile the network"
                ' with compile(..., backend="brian2")'
            )
        steps = self._step or round(1 / self._program.dt)
        if duration is not None:
            steps = self._steps(duration, "duration of to_script")
        text: str = write(steps, None if path is None else Path(path))
        return text

    def __repr__(self) -> str:
        return f"Simulation({self._program.name!r}, step {self._step})"

    def __str__(self) -> str:
        lines = [self._title()]
        lines += [f"  {name}: {what}" for name, what in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return table(self._title(), ("name", "what"), self._rows())

    def _title(self) -> str:
        program = self._program
        now = f"{self._step * program.dt:g} s (step {self._step})"
        state = " (closed)" if not self._open else " (interrupted)" if self._interrupted else ""
        return (
            f"simulation of {program.name!r} at {now}, dt = {program.dt:g} s, {program.precision}"
            f"{state}"
        )

    def _rows(self) -> list[tuple[str, str]]:
        sizes, connectivity = self._program.sizes, self._program.connectivity
        rows = [(name, f"{size} units") for name, size in sizes.items()]
        rows += [(name, f"{synapses.count} synapses") for name, synapses in connectivity.items()]
        return rows

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

"""Plastic projections on Lava's learning engine (``learning="loihi"``).

Such a projection is Lava's process ``LearningDense``, driven by the translated rule
(:mod:`neuro.loihi.learning`); a longer delay is a relay before it, and what a rule with third
factors needs comes from a process that the target's learning would be programmed with.

The weights are the program's array in shared memory, so they are read and set without Lava.
Traces live in the engine's own units and time; they are neither read nor part of a checkpoint.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.lava.contents import START, STOP, Shared, pack_events, recent_of
from neuro.backends.lava.slices import Slice, cut, longest_delays, reporters, spikes_of
from neuro.backends.lava.work import Receive, Rows, Send, Work, engine
from neuro.connectivity import Dense, IntArray
from neuro.errors import CompileError
from neuro.loihi.learning import translate_step
from neuro.loihi.learning_engine import LearningEngine
from neuro.loihi.products import Translation
from neuro.program import Arrive, Plasticity, Program, array_of, group_of

if TYPE_CHECKING:
    from neuro.backends.lava.networks import Made, Place


def rules(program: Program) -> dict[str, Plasticity]:
    """Learning rules by projection."""
    found = [s for s in program.steps if isinstance(s, Plasticity) and not s.short_term]
    return {s.projection: s for s in found}


def check(program: Program) -> None:
    """Refuse what the learning engine, or Lava's process for it, does not have.

    Raises
    ------
    CompileError
        Naming the projection and the term, or the reason.
    """
    if program.precision != "float64":
        raise CompileError(
            f"backend 'lava': learning='loihi' computes in double precision, not in"
            f" {program.precision}; compile with precision='float64'"
        )
    for projection, step in rules(program).items():
        translate_step(program, projection)
        _check_process(program, step)


def _check_process(program: Program, step: Plasticity) -> None:
    where = f"projection {step.projection!r} does not fit Lava's LearningDense"
    if not isinstance(program.connectivity[step.synapses], Dense):
        raise CompileError(
            f"{where}, which connects all to all; give its weights as a matrix, or use"
            " learning='exact'"
        )
    for other in program.steps:
        if not isinstance(other, Arrive) or other.synapses != step.synapses:
            continue
        if other.factors:
            raise CompileError(f"{where}: its spikes carry numbers; use learning='exact'")
        if other.projection != step.projection:
            raise CompileError(
                f"{where}: {other.projection!r} uses the same weights the other way; use"
                " learning='exact'"
            )
    for record in program.records:
        if record.owner == step.projection and record.variable != "w":
            raise CompileError(
                f"record: {record.variable!r} of {step.projection!r} lives on the learning engine"
                " in its own units; record 'w', or use learning='exact'"
            )


# --- in the child process ---


def as_learning(place: Place) -> Made:
    """The processes of a plastic projection."""
    from neuro.backends.lava.networks import Made
    from neuro.backends.lava.processes.learning import learning_dense
    from neuro.backends.lava.processes.part import Part, in_port, model_of, out_port

    ((name, step),) = rules(place.part.program).items()
    program = place.shared.program
    made = translate_step(program, name)
    work = partial(LearningWork, place.shared, place.part, place.number)
    weights = np.asarray(program.arrays[f"{step.synapses}.w"].initial.T, np.float64)
    process, model = learning_dense(name, weights, made, work)
    models = {process: model}
    spikes: dict[str, list[Any]] = {spikes_of(step.source): [], spikes_of(step.target): []}
    spikes[spikes_of(step.target)].append(process.s_in_bap)
    receives: dict[str, list[Any]] = dict(spikes)

    def helper(kind: str, work: Any, receives: list[str], sends: dict[str, Any]) -> Any:
        formats = {title: place.format(title) for title in receives}
        part = Part(name=f"{name}_{kind}", make=work, receives=formats, sends=sends)
        models[part] = model_of(f"{name}_{kind}", formats, sends)
        return part

    source = spikes_of(step.source)
    if made.delay:
        passed = {"passed": place.format(source)}
        relay = helper("relay", partial(RelayWork, source, made.delay), [source], passed)
        getattr(relay, out_port("passed")).connect(process.s_in)
        receives[source].append(getattr(relay, in_port(source)))
    else:
        receives[source].append(process.s_in)
    if made.three_factor:
        own = {trace.name for trace in made.post_traces}
        sources = [p.source for p in made.ports if p.source]
        titles = [spikes_of(step.target) if s in own else array_of(s) for s in sources]
        told = list(dict.fromkeys(titles))
        size = program.sizes[step.target]
        sends = {p.name: ((size,), np.dtype(np.float64)) for p in made.ports}
        teach = partial(TeacherWork, made, spikes_of(step.target), size)
        teacher = helper("teacher", teach, told, sends)
        for title in told:
            receives.setdefault(title, []).append(getattr(teacher, in_port(title)))
        for port in made.ports:
            getattr(teacher, out_port(port.name)).connect(getattr(process, f"s_in_{port.name}"))
    (arrive,) = (s for s in place.part.program.steps if isinstance(s, Arrive))
    return Made(models, receives, {arrive.into: process.a_out})


class LearningWork(Work):
    """Bookkeeping of one ``LearningDense``: weights in shared memory, records, progress.

    Parameters
    ----------
    shared : Shared
    part : Slice
    place : int
        Where it counts its steps.
    """

    def __init__(self, shared: Shared, part: Slice, place: int) -> None:
        super().__init__(shared, place)
        ((projection, step),) = rules(part.program).items()
        self._number = list(rules(shared.program)).index(projection)
        self.weights: NDArray[np.float64] = shared.arrays[f"{step.synapses}.w"].T
        self._rows = Rows(shared, part, shared.arrays)
        self._step = self._stop = 0

    def refresh(self, step: int) -> None:
        """Weights are the shared array itself, and nothing else can be set."""

    def begin_step(self, engine: LearningEngine) -> None:
        """Before a step; at the first of a run, look whether it shall learn."""
        if self._step == self._stop:
            self.begin_run()
            self._step, self._stop = (int(self.shared.orders[i]) for i in (START, STOP))
            engine.learning = not self.shared.frozen[self._number]

    def end_step(self) -> None:
        """After a step."""
        self._rows.add(self._step, {})
        self._step += 1
        self._done += 1
        if self._step == self._stop:
            self._rows.send()


class RelayWork:
    """Passes spikes on some steps later."""

    def __init__(self, title: str, delay: int) -> None:
        self._title = title
        self._late: deque[NDArray[Any]] = deque(maxlen=delay)

    def step(self, receive: Receive, send: Send) -> None:
        """One step."""
        spikes = receive(self._title)
        full = len(self._late) == self._late.maxlen
        send("passed", self._late[0] if full else np.zeros_like(spikes))
        self._late.append(spikes)


class TeacherWork:
    """What the target computes and sends for a rule with third factors.

    Parameters
    ----------
    made : Translation
    spikes : str
        Title of the target's spikes.
    size : int
        Units of the target.
    """

    def __init__(self, made: Translation, spikes: str, size: int) -> None:
        self._made, self._spikes, self._size = made, spikes, size
        self._traces = {t.name: np.zeros(size) for t in made.post_traces}

    def step(self, receive: Receive, send: Send) -> None:
        """One step."""
        got: dict[str, Any] = {}
        if self._traces:
            spiking = receive(self._spikes)
            for trace in self._made.post_traces:
                value = self._traces[trace.name]
                value *= trace.decay
                value[spiking] += trace.increment
        for port in self._made.ports:
            value = self._value(port.source, receive, got)
            send(port.name, np.array(np.broadcast_to(port.gain * value, self._size)))

    def _value(self, source: str, receive: Receive, got: dict[str, Any]) -> Any:
        if not source:
            return 1.0
        if source in self._traces:
            return self._traces[source]
        title = array_of(source)
        if title not in got:
            got[title] = receive(title)
        return np.repeat(got[title], group_of(source))


class Learner:
    """A plastic projection without a process: what its ``LearningDense`` would compute.

    Parameters
    ----------
    shared : Shared
    part : Slice
    """

    def __init__(self, shared: Shared, part: Slice) -> None:
        ((projection, step),) = rules(part.program).items()
        made = translate_step(shared.program, projection)
        self._frozen = shared.frozen
        self._number = list(rules(shared.program)).index(projection)
        self._arrays = shared.arrays
        self._weights = shared.arrays[f"{step.synapses}.w"]
        self._engine = LearningEngine.of(made, self._weights.T)
        (arrive,) = (s for s in part.program.steps if isinstance(s, Arrive))
        self._into = shared.arrays[arrive.into]
        self._arrives = np.zeros_like(self._into)
        self._source, self._target = spikes_of(step.source), spikes_of(step.target)
        self._relay = RelayWork(self._source, made.delay) if made.delay else None
        size = shared.program.sizes[step.target]
        teacher = TeacherWork(made, self._target, size) if made.three_factor else None
        self._teacher = teacher

    def begin_step(self) -> None:
        """Let arrive what the step before sent."""
        self._into[...] = self._arrives

    def end_step(self, step: int, spikes: Mapping[str, NDArray[np.bool_]]) -> None:
        """Take up the spikes of a step (by title), and learn."""
        self._engine.learning = not self._frozen[self._number]
        pre = spikes[self._source]
        if self._relay is not None:
            passed: dict[str, Any] = {}
            self._relay.step(spikes.__getitem__, passed.__setitem__)
            pre = passed["passed"]
        sent: dict[str, Any] = {}
        if self._teacher is not None:
            values = {**self._arrays, **spikes}
            self._teacher.step(values.__getitem__, sent.__setitem__)
        self._arrives = self._weights[pre].sum(axis=0)
        self._engine.step(step + 1, pre, spikes[self._target], sent or None)


def _arrays_of(part: Slice, shared: Shared) -> dict[str, NDArray[Any]]:
    return {name: shared.arrays[name] for name in part.program.arrays}


class FusedWork(Work):
    """A whole program in one process, its rules on the learning engine.

    The slices of the expanded mode one after the other, in the order of their messages.
    """

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared, 0)
        slices = cut(shared.program)
        self._learners = [Learner(shared, s) for s in slices if s.learns]
        others = [s for s in slices if not s.learns]
        sources = shared.program.sources
        active = [s for s in others if s.name not in sources]
        runs = [(s, engine(s.program, _arrays_of(s, shared))) for s in active]
        self._projections = [(s, run) for s, run in runs if s.is_projection]
        self._populations = [(s, run) for s, run in runs if not s.is_projection]
        self._reported = reporters(others, longest_delays(others))
        whole = Slice("whole", tuple(o for s in slices for o in s.owners), shared.program)
        self._rows = Rows(shared, whole, shared.arrays)

    def refresh(self, step: int) -> None:
        """Let projections that do not learn take up the spikes on their way."""
        for part, run in self._projections:
            self._restore(run, step, part.program.max_delays)

    def run(self, steps: int) -> None:
        """Run some time steps in one go; a sign of life in each."""
        self.begin_run()
        first = int(self.shared.orders[START])
        sources = self.shared.program.sources
        emitted = {source: self._receive_spikes(source) for source in sources}
        for step in range(first, first + steps):
            given = {s: e.events(step, step + 1)[1] for s, e in emitted.items()}
            self._step(step, given)
            self._done += 1
        self._rows.send()
        for part, run in self._projections:
            recent = run.recent(first + steps)
            for population in self._reported[part.name]:
                self.shared.outbox.put(recent_of(population), pack_events(recent[population]))

    def _step(self, step: int, spikes: dict[str, IntArray]) -> None:
        for _, run in self._projections:
            run.begin_step(step)
        for learner in self._learners:
            learner.begin_step()
        for part, run in self._populations:
            run.begin_step(step)
            run.end_step({})
            spikes[part.name] = run.spikes[part.name]
        for part, run in self._projections:
            run.end_step({p: spikes[p] for p in part.spikes})
        masks = {}
        for population, units in spikes.items():
            mask = np.zeros(self.shared.program.sizes[population], np.bool_)
            mask[units] = True
            masks[spikes_of(population)] = mask
        for learner in self._learners:
            learner.end_step(step, masks)
        self._rows.add(step, spikes)

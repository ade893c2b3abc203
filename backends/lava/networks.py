"""Programs as networks of Lava processes, ready to run. Only in the child process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from neuro.backends.lava.contents import Shared
from neuro.backends.lava.fitting import beyond_library
from neuro.backends.lava.slices import Slice, cut, longest_delays, messages, reporters
from neuro.backends.lava.work import SliceWork, WholeWork, Work

#: Model by process. A model given for a process spares Lava its search through folders.
Models = dict[Any, Any]


@dataclass(frozen=True, eq=False)
class Place:
    """What is known about a slice when its process is made.

    Attributes
    ----------
    shared : Shared
    part : Slice
    sends : list of str
        Titles of the messages that others want.
    reports : list of str
        Populations whose recent spikes it tells at the end of a run.
    number : int
        Where it counts its steps.
    options : dict
        Of :meth:`.LavaBackend.compile`.
    beyond : bool
        Whether Lava's library has no process for it, although it is of whole numbers.
    """

    shared: Shared
    part: Slice
    sends: list[str]
    reports: list[str]
    number: int
    options: Mapping[str, Any]
    beyond: bool = False

    def format(self, title: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype of a message."""
        program = self.shared.program
        if title in program.arrays:
            initial = program.arrays[title].initial
            return initial.shape, initial.dtype
        return (program.sizes[title.partition(".")[0]],), np.dtype(np.bool_)


@dataclass(frozen=True, eq=False)
class Made:
    """The processes of a slice, and their ports by the titles of the messages."""

    models: Models
    receives: Mapping[str, Sequence[Any]]
    sends: Mapping[str, Any]


def fused(shared: Shared, options: Mapping[str, Any]) -> Models:
    """The whole program in one process."""
    from neuro.backends.lava.processes.whole import PyWholeModel, Whole

    work: type[Work] = WholeWork
    if options["learning"] == "loihi":
        from neuro.backends.lava.learning import FusedWork

        work = FusedWork
    return {Whole(name="whole", make=partial(work, shared)): PyWholeModel}


def expanded(shared: Shared, options: Mapping[str, Any]) -> Models:
    """Processes for every slice, joined by their ports."""
    slices = cut(shared.program)
    others = [s for s in slices if not (options["learning"] == "loihi" and s.learns)]
    sent, told = messages(slices), reporters(others, longest_delays(others))
    beyond = {} if shared.program.chip is None else beyond_library(shared.program)
    made: dict[str, Made] = {}
    for number, part in enumerate(slices):
        ours = any(owner in beyond for owner in part.owners)
        reports = told.get(part.name, [])
        place = Place(shared, part, sent[part.name], reports, number, options, ours)
        made[part.name] = builder(place)(place)
    for part in slices:
        for title, sender in part.receives.items():
            for port in made[part.name].receives[title]:
                made[sender].sends[title].connect(port)
    return {process: model for m in made.values() for process, model in m.models.items()}


def builder(place: Place) -> Callable[[Place], Made]:
    """How a slice becomes processes: the one place where that is chosen."""
    if place.options["learning"] == "loihi" and place.part.learns:
        from neuro.backends.lava.learning import as_learning

        return as_learning
    program, part = place.shared.program, place.part
    if program.chip is None or part.name in program.sources or place.beyond:
        return as_part
    from neuro.backends.lava.library import as_neurons, as_synapses

    return as_synapses if part.is_projection else as_neurons


def as_part(place: Place) -> Made:
    """One process of our own, which runs the slice with the engine of the reference."""
    from neuro.backends.lava.processes.part import Part, in_port, model_of, out_port

    part = place.part
    receives = {title: place.format(title) for title in part.receives}
    sends = {title: place.format(title) for title in place.sends}
    work = partial(SliceWork, place.shared, part, place.sends, place.reports, place.number)
    process = Part(name=part.name, make=work, receives=receives, sends=sends)
    return Made(
        {process: model_of(part.name, receives, sends)},
        {title: [getattr(process, in_port(title))] for title in receives},
        {title: getattr(process, out_port(title)) for title in sends},
    )


NETWORKS: dict[str, Callable[[Shared, Mapping[str, Any]], Models]] = {
    "fused": fused,
    "expanded": expanded,
}

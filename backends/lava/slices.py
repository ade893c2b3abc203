"""A program cut by owner: what each Lava process does, and what it sends to others.

A slice is a source, a population, or a projection (projections that share arrays, such as tied
weights, are one slice). Of every time step it does its own part, in the order that the program
states. What it reads of others comes as messages of the same time step:

1. a projection sends its input buffer, made of spikes of earlier steps and of weights that the
   step before left, to its target;
2. a population takes the buffers up, updates, emits spikes, resets, and sends its spikes, and
   the states that rules or graded events need, to its projections;
3. the projection learns.

Nothing waits in a circle, because what a projection sends first depends on earlier steps only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from neuro.program import Arrive, Plasticity, Program, Step


@dataclass(frozen=True, eq=False)
class Slice:
    """The part of a program that one process runs.

    Attributes
    ----------
    name : str
        Of the population, or of the projections.
    owners : tuple of str
        Populations or projections whose steps and arrays it has.
    program : Program
        Its steps, with the arrays they touch, also those of others. Its spikes that come from
        elsewhere count as given.
    buffers : dict
        Input buffers that it receives before its first half: array -> name of the sender.
    spikes : dict
        Populations whose spikes it receives before its second half -> name of the sender.
    states : dict
        Arrays of others that it receives then -> name of the sender.
    """

    name: str
    owners: tuple[str, ...]
    program: Program
    buffers: dict[str, str] = field(default_factory=dict)
    spikes: dict[str, str] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    @property
    def is_projection(self) -> bool:
        """Whether it has synapses, and not units."""
        return bool(self.spikes)

    @property
    def learns(self) -> bool:
        """Whether it has a learning rule."""
        rules = (s for s in self.program.steps if isinstance(s, Plasticity))
        return any(not rule.short_term for rule in rules)

    @property
    def copied(self) -> tuple[str, ...]:
        """Arrays of which it has copies, because another slice writes them."""
        return (*self.buffers, *self.states)

    @property
    def receives(self) -> dict[str, str]:
        """Every message that it receives: title -> name of the sender."""
        spikes = {spikes_of(p): sender for p, sender in self.spikes.items()}
        return self.buffers | spikes | self.states


def cut(program: Program) -> tuple[Slice, ...]:
    """The slices of a program: populations (and sources), then projections."""
    groups = _groups(program)
    slice_of = {owner: "+".join(group) for group in groups for owner in group}
    writer = {name: slice_of[_owner(s)] for s in program.steps for name in _writes(s)}
    return tuple(_slice(program, group, slice_of, writer) for group in groups)


def _owner(step: Step) -> str:
    return step.projection if isinstance(step, Arrive | Plasticity) else step.population


def _writes(step: Step) -> tuple[str, ...]:
    flags = (step.pre_flag, step.post_flag) if isinstance(step, Plasticity) else ()
    return (*step.writes, *(f for f in flags if f))


def _groups(program: Program) -> list[tuple[str, ...]]:
    """Populations one by one, and projections that share arrays together."""
    group = {s.projection: {s.projection} for s in program.steps if isinstance(s, Arrive)}
    for step in program.steps:
        if not isinstance(step, Arrive | Plasticity):
            continue
        touched = [program.arrays[n].owner for n in (*step.reads, *_writes(step))]
        for other in [step.synapses, *touched]:
            if other in group and group[other] is not group[step.projection]:
                group[step.projection] |= group[other]
                group |= dict.fromkeys(group[other], group[step.projection])
    order = list(group)
    merged = {id(g): tuple(sorted(g, key=order.index)) for g in group.values()}
    return [*((p,) for p in program.sizes), *merged.values()]


def _slice(
    program: Program,
    group: tuple[str, ...],
    slice_of: dict[str, str],
    writer: dict[str, str],
) -> Slice:
    name = "+".join(group)
    steps = tuple(s for s in program.steps if _owner(s) in group)
    touched = _ordered(n for s in steps for n in (*s.reads, *_writes(s)))
    own = [n for n, a in program.arrays.items() if a.owner in group]
    foreign = {n: writer[n] for n in touched if writer.get(n, name) != name}
    synaptic = [s for s in steps if isinstance(s, Arrive | Plasticity)]
    spiking = _ordered(
        [
            *(s.source for s in synaptic),
            *(s.target for s in synaptic if isinstance(s, Plasticity) and not s.short_term),
        ]
    )
    populations = {p: slice_of[p] for p in spiking}
    sizes = _ordered([*(o for o in group if o in program.sizes), *populations])
    sizes = _ordered([*sizes, *(s.target for s in synaptic)])
    part = replace(
        program,
        sizes={p: program.sizes[p] for p in sizes},
        sources={},
        arrays={n: program.arrays[n] for n in _ordered([*own, *touched])},
        connectivity={n: c for n, c in program.connectivity.items() if n in group},
        steps=steps,
        records=tuple(r for r in program.records if r.owner in group),
    )
    if synaptic:
        return Slice(name, group, part, {}, populations, foreign)
    return Slice(name, group, part, foreign, {}, {})


def _ordered(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def messages(slices: Iterable[Slice]) -> dict[str, list[str]]:
    """Of each slice: the titles of what it sends: names of arrays, or :func:`spikes_of`."""
    sent: dict[str, list[str]] = {s.name: [] for s in slices}
    for s in slices:
        for title, sender in s.receives.items():
            if title not in sent[sender]:
                sent[sender].append(title)
    return sent


def reporters(slices: Iterable[Slice], delays: Mapping[str, int]) -> dict[str, list[str]]:
    """Of each slice: populations whose latest spikes it knows for the longest delay.

    ``delays`` is the longest delay of each population's projections in the whole program.
    """
    told: dict[str, list[str]] = {}
    left = dict(delays)
    for s in slices:
        longest = s.program.max_delays
        told[s.name] = [p for p, delay in longest.items() if left.get(p) == delay]
        for population in told[s.name]:
            del left[population]
    return told


def longest_delays(slices: Iterable[Slice]) -> dict[str, int]:
    """Longest delay of each population's projections among some slices."""
    longest: dict[str, int] = {}
    for s in slices:
        for population, delay in s.program.max_delays.items():
            longest[population] = max(longest.get(population, 0), delay)
    return longest


def spikes_of(population: str) -> str:
    """Title of the message with the spikes of a population."""
    return f"{population}.spikes"

"""Plasticity in Brian2: one rule becomes routines and pathways of the slot ``plasticity``.

Traces belong to units, so they live in the group of the source or target population. Which units
have an arrival in this step is known from a flag, which a one-to-one ``Synapses`` object with the
delay of the projection sets; traces change where it is true. Synaptic statements are pathways of
the projection's own ``Synapses`` object: of its ``pre`` side with the delay for arrivals, of its
``post`` side without delay for spikes, and the other way round for tied, transposed weights.
"""

from __future__ import annotations

from neuro.backends.brian2.blueprint import Blueprint, Group, Pathway, Routine, Synapses, Variable
from neuro.equations.expression import names
from neuro.errors import CompileError
from neuro.program import Assign, Plasticity, array_of, side_of

Block = tuple[str, list[Assign]]


def add_rule(plan: Blueprint, step: Plasticity, order: int) -> None:
    """Add one rule to the blueprint; its objects have orders from ``order`` on."""
    source, target = plan.group(step.source), plan.group(step.target)
    on_pre, on_post = split(step.on_pre, step), split(step.on_post, step)
    for blocks, allowed in ((on_pre, "pre"), (on_post, "post")):
        for kind, assigns in blocks:
            if kind not in (allowed, "synapse"):
                raise CompileError(
                    f"brian2: the rule of {step.projection!r} changes {assigns[-1].target!r} in"
                    f" on_{allowed}; only traces of that side and synapses can change there"
                )
    arrived = ""
    if step.pre_flag is not None or any(kind == "pre" for kind, _ in on_pre):
        arrived = _flag(plan, source, step.pre_flag, f"arrived_{order}")
        _relay(plan, step, source, arrived, order + 1)
    spiked = "" if step.post_flag is None else _flag(plan, target, step.post_flag, "")
    _start(plan, step, arrived, spiked, order)
    if spiked:
        code = f"{spiked} = True"
        plan.routines.append(Routine(step.target, "plasticity", order + 1, code, spiking=True))
    for position, (kind, assigns) in enumerate(on_pre):
        at = order + 2 + position
        if kind == "synapse":
            _pathway(plan, step, assigns, "pre", at)
        else:
            code = plan.printer(source).block(assigns, guard=arrived)
            plan.routines.append(Routine(step.source, "plasticity", at, code))
    for position, (kind, assigns) in enumerate(on_post):
        at = order + 2 + len(on_pre) + position
        if kind == "synapse":
            _pathway(plan, step, assigns, "post", at)
        else:
            code = plan.printer(target).block(assigns)
            plan.routines.append(Routine(step.target, "plasticity", at, code, spiking=True))


def split(assigns: tuple[Assign, ...], step: Plasticity) -> list[Block]:
    """Cut statements where they change between ``"pre"`` units, ``"post"`` units and synapses.

    Local names are computed again in each block that uses them; that gives the same value as
    long as nothing they depend on was assigned in between, which is checked.
    """
    blocks: list[Block] = []
    known: dict[str, Assign] = {}
    stale: set[str] = set()

    def reads(assign: Assign) -> set[str]:
        found = set(names(assign.expression))
        return found.union(*(reads(known[n]) for n in found if n in known))

    def add(assign: Assign, body: list[Assign]) -> None:
        for name in dict.fromkeys(names(assign.expression)):
            if name in known and known[name] not in body:
                if name in stale:
                    raise CompileError(
                        f"brian2: in the rule of {step.projection!r}, {name!r} is used after"
                        " something that it was computed from has changed; compute it again"
                    )
                add(known[name], body)
        body.append(assign)

    for assign in assigns:
        if assign.local:
            known[assign.target] = assign
            stale.discard(assign.target)
            continue
        kind = side_of(assign.target) or "synapse"
        if not blocks or blocks[-1][0] != kind:
            blocks.append((kind, []))
        add(assign, blocks[-1][1])
        stale |= {n for n, a in known.items() if assign.target in reads(a)}
    return blocks


def _flag(plan: Blueprint, group: Group, array: str | None, hidden: str) -> str:
    if array is not None:
        return plan.place(array, group)
    group.variables[hidden] = Variable(hidden, "bool")
    return hidden


def _relay(plan: Blueprint, step: Plasticity, source: Group, flag: str, order: int) -> None:
    """One-to-one synapses that mark the units whose spikes arrive in this step."""
    name = f"relay_{plan.synapses[step.synapses].name}_{order}"
    pathway = Pathway("mark", "pre", "plasticity", order, f"{flag}_post = True", step.delay)
    plan.synapses[name] = Synapses(name, None, step.source, step.source, pathways=[pathway])


def _start(plan: Blueprint, step: Plasticity, arrived: str, spiked: str, order: int) -> None:
    """Flags of the last step are cleared and traces decay."""
    flags: dict[str, list[str]] = {step.source: [], step.target: []}
    decays: dict[str, list[Assign]] = {step.source: [], step.target: []}
    if arrived:
        flags[step.source].append(arrived)
    if spiked:
        flags[step.target].append(spiked)
    for kind, assigns in split(step.decay, step):
        if kind == "synapse":
            raise CompileError(
                f"brian2: the decay of the rule of {step.projection!r} changes every synapse"
                f" ({array_of(assigns[-1].target)!r}) in every step; only traces can decay"
            )
        decays[step.source if kind == "pre" else step.target] += assigns
    for population in flags:
        code = [f"{flag} = False" for flag in flags[population]]
        if decays[population]:
            code.append(plan.printer(plan.group(population)).block(decays[population]))
        if code:
            plan.routines.append(Routine(population, "plasticity", order, "\n".join(code)))


def _pathway(
    plan: Blueprint, step: Plasticity, assigns: list[Assign], side: str, order: int
) -> None:
    """Synaptic statements for arrivals (``side`` pre) or for spikes of the target (post)."""
    sides = {"pre": "post", "post": "pre"} if step.transposed else {"pre": "pre", "post": "post"}
    synapses = plan.synapses[step.synapses]
    code = plan.synaptic_printer(synapses, sides).block(assigns)
    lag = step.delay if side == "pre" else 0
    synapses.pathways.append(Pathway(f"rule{order}", sides[side], "plasticity", order, code, lag))

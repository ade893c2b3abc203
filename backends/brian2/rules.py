"""Plasticity in Brian2: one rule becomes routines and pathways of the slot ``plasticity``.

(A rule of short-term plasticity uses the slot ``synapses``, before its projection's arrivals.)

Traces belong to units, so they live in the group of the source or target population. Which units
have an arrival in this step is known from a flag, which a one-to-one ``Synapses`` object with the
delay of the projection sets; traces change where it is true. Synaptic statements are pathways of
the projection's own ``Synapses`` object: of its ``pre`` side with the delay for arrivals, of its
``post`` side without delay for spikes, and the other way round for tied, transposed weights.

When every synapse has a delay of its own, arrivals are those of synapses: the flag and what would
be a trace of the source unit are synaptic variables, and no relay is needed.
"""

from __future__ import annotations

from neuro.backends.brian2.blueprint import Blueprint, Pathway, Routine, Synapses, Variable
from neuro.equations.expression import names
from neuro.errors import CompileError
from neuro.program import Arrive, Assign, Plasticity, side_of

Block = tuple[str, list[Assign]]


def add_rule(plan: Blueprint, step: Plasticity) -> None:
    """Add one rule to the blueprint."""
    _Rule(plan, step).draw()


def sides_of(step: Arrive | Plasticity) -> dict[str, str]:
    """Brian2's side of each side of a step: tied synapses belong to the opposite projection."""
    if step.transposed:
        return {"pre": "post", "post": "pre"}
    return {"pre": "pre", "post": "post"}


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


class _Rule:
    """The drawing of one rule, in the order in which its parts run."""

    def __init__(self, plan: Blueprint, step: Plasticity) -> None:
        self.plan, self.step = plan, step
        self.groups = {"pre": plan.group(step.source), "post": plan.group(step.target)}
        self.synapses = plan.synapses[step.synapses]
        self.slot = "synapses" if step.short_term else "plasticity"
        self.delays = None if step.delays is None else plan.place(step.delays, self.synapses)

    def draw(self) -> None:
        step = self.step
        on_pre = self.blocks(step.on_pre, "on_pre", "pre")
        on_post = self.blocks(step.on_post, "on_post", "post")
        arrived = self.arrival_flag(any(kind == "pre" for kind, _ in on_pre))
        spiked = ""
        if step.post_flag is not None:
            spiked = self.plan.place(step.post_flag, self.groups["post"])
        self.begin(arrived, spiked)
        if arrived:
            self.mark_arrivals(arrived)
        if spiked:
            self.routine("post", f"{spiked} = True", "spikes", spiking=True)
        for kind, assigns in on_pre:
            if kind == "synapse":
                self.pathway(self.print_synaptic(assigns), "pre")
            else:
                self.routine(kind, self.print_units(kind, assigns, guard=arrived), "arrivals")
        for kind, assigns in on_post:
            if kind == "synapse":
                self.pathway(self.print_synaptic(assigns), "post")
            else:
                self.routine(kind, self.print_units(kind, assigns), "spikes", spiking=True)
        for kind, assigns in self.blocks(step.on_step, "on_step", "pre", "post"):
            note = f"every {step.every} step(s)"
            self.routine(kind, self.print(kind, assigns), note, every=step.every)

    def blocks(self, assigns: tuple[Assign, ...], part: str, *sides: str) -> list[Block]:
        """The statements of a part, cut; units may change on these sides only."""
        blocks = split(assigns, self.step)
        if self.delays is not None:
            sides = tuple(side for side in sides if side != "pre")
        for kind, body in blocks:
            if kind not in (*sides, "synapse"):
                traces = [f"traces of side {side!r}" for side in sides]
                allowed = " and ".join([*traces, "synapses"])
                raise CompileError(
                    f"brian2: the rule of {self.step.projection!r} changes {body[-1].target!r} in"
                    f" {part}; only {allowed} can change there"
                )
        return blocks

    # --- flags ---

    def arrival_flag(self, needed: bool) -> str:
        """The variable that is true where spikes arrive in this step; empty if there is none."""
        step = self.step
        if step.pre_flag is not None:
            owner = self.groups["pre"] if self.delays is None else self.synapses
            return self.plan.place(step.pre_flag, owner)
        if not needed:
            return ""
        name = f"arrived_{self.plan.next_order()}"
        self.groups["pre"].variables[name] = Variable(name, "bool")
        return name

    def begin(self, arrived: str, spiked: str) -> None:
        """Flags of the last step are cleared and traces decay."""
        clear: dict[str, list[str]] = {}
        if arrived:
            clear["pre" if self.delays is None else "synapse"] = [f"{arrived} = False"]
        if spiked:
            clear["post"] = [f"{spiked} = False"]
        for kind, assigns in self.blocks(self.step.decay, "decay", "pre", "post"):
            code = [*clear.pop(kind, ()), self.print(kind, assigns)]
            self.routine(kind, "\n".join(code), "decay")
        for kind, code in clear.items():
            self.routine(kind, "\n".join(code), "flags")

    def mark_arrivals(self, flag: str) -> None:
        """Units are marked through one-to-one synapses with the delay, synapses by themselves."""
        if self.delays is not None:
            self.pathway(f"{flag} = True", "pre")
            return
        order, population = self.plan.next_order(), self.step.source
        name = f"relay_{self.synapses.name}_{order}"
        code = f"{flag}_post = True"
        note = f"units of which a spike arrives at {self.step.projection}"
        mark = Pathway("mark", "pre", self.slot, order, code, self.step.delay, note=note)
        self.plan.synapses[name] = Synapses(
            name, None, population, population, pathways=[mark], part_of=self.step.projection
        )

    # --- objects and their code ---

    def routine(
        self, kind: str, code: str, note: str, spiking: bool = False, every: int = 1
    ) -> None:
        owner = self.synapses if kind == "synapse" else self.groups[kind]
        order, projection = self.plan.next_order(), self.step.projection
        note = f"rule of {projection}: {note}"
        self.plan.routines.append(
            Routine(owner.name, self.slot, order, code, spiking, every, projection, note)
        )

    def pathway(self, code: str, side: str) -> None:
        """Synaptic statements for arrivals (``side`` pre) or for spikes of the target (post)."""
        order = self.plan.next_order()
        delay, delays = (self.step.delay, self.delays) if side == "pre" else (0, None)
        brian2_side = sides_of(self.step)[side]
        note = f"rule of {self.step.projection}: {'arrivals' if side == 'pre' else 'spikes'}"
        self.synapses.pathways.append(
            Pathway(f"rule{order}", brian2_side, self.slot, order, code, delay, delays, note)
        )

    def print(self, kind: str, assigns: list[Assign]) -> str:
        if kind == "synapse":
            return self.print_synaptic(assigns)
        return self.print_units(kind, assigns)

    def print_synaptic(self, assigns: list[Assign]) -> str:
        return self.plan.synaptic_printer(self.synapses, sides_of(self.step)).block(assigns)

    def print_units(self, side: str, assigns: list[Assign], guard: str = "") -> str:
        group, projection = self.groups[side], self.step.projection
        return self.plan.printer(group, side, projection).block(assigns, guard)

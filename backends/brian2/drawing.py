"""From the steps of a program to its :class:`~neuro.backends.brian2.blueprint.Blueprint`."""

from __future__ import annotations

import numpy as np

from neuro.backends.brian2.blueprint import (
    Blueprint,
    Group,
    Pathway,
    Routine,
    Synapses,
    Trace,
)
from neuro.backends.brian2.notation import Notation
from neuro.backends.brian2.rules import add_rule, sides_of
from neuro.equations.expression import Binary, Const, Expr, Name, names
from neuro.errors import CompileError
from neuro.program import Arrive, Assign, Plasticity, Program, Reset, Threshold, Update


def draw(program: Program, notation: Notation | None = None) -> Blueprint:
    """The blueprint of a program, in the notation of the targets if none is given.

    Raises
    ------
    CompileError
        When a step does something for which Brian2 has no place.
    """
    plan = Blueprint(program, notation or Notation())
    for index, (population, size) in enumerate(program.sizes.items()):
        name = plan.notation.group(index, population)
        plan.groups[population] = Group(name, population, size, population in program.sources)
    for index, projection in enumerate(program.connectivity):
        arrive = next(
            s
            for s in program.steps
            if isinstance(s, Arrive) and s.synapses == projection and not s.transposed
        )
        plan.synapses[projection] = Synapses(
            plan.notation.synapses(index, projection), projection, arrive.source, arrive.target
        )
    for step in program.steps:
        match step:
            case Arrive():
                _arrive(plan, step)
            case Update(population=population, assigns=assigns):
                _routine(plan, population, assigns, "groups")
            case Reset(population=population, assigns=assigns):
                _routine(plan, population, assigns, "resets", spiking=True)
            case Threshold(population=population, condition=condition):
                group = plan.group(population)
                if group.threshold:
                    raise CompileError(f"brian2: {population!r} has two thresholds")
                group.threshold = plan.printer(group).condition(condition)
            case Plasticity():
                add_rule(plan, step)
    _clear_buffers(plan)
    # Flags are left out: between steps they are false, whatever Brian2's copy holds.
    written = {name for step in program.steps for name in step.writes}
    plan.outputs = tuple(name for name in plan.places if name in written)
    _records(plan)
    return plan


def _arrive(plan: Blueprint, step: Arrive) -> None:
    synapses, order = plan.synapses[step.synapses], plan.next_order()
    sides = sides_of(step)
    product: Expr = Name(step.weights)
    for factor in step.factors:
        product = Binary("*", product, Name(factor))
    printer = plan.synaptic_printer(synapses, sides)
    buffer = f"{plan.place(step.into, plan.group(step.target))}_{sides['post']}"
    code = f"{buffer} += {printer.value(product)}"
    delays = None if step.delays is None else plan.place(step.delays, synapses)
    name = f"arrive{order}"
    synapses.pathways.append(
        Pathway(
            name,
            sides["pre"],
            "synapses",
            order,
            code,
            step.delay,
            delays,
            f"arrivals of {step.projection}",
        )
    )


def _clear_buffers(plan: Blueprint) -> None:
    for group in plan.groups.values():
        buffers = [
            plan.places[s.into][0].variable
            for s in plan.program.steps
            if isinstance(s, Arrive) and s.target == group.population
        ]
        if buffers:
            zero = plan.printer(group).value(Const(0.0))
            code = "\n".join(f"{b} = {zero}" for b in buffers)
            part_of, note = group.population, "inputs of this step"
            plan.routines.append(Routine(group.name, "start", 0, code, part_of=part_of, note=note))


def _routine(
    plan: Blueprint,
    population: str,
    assigns: tuple[Assign, ...],
    slot: str,
    spiking: bool = False,
) -> None:
    group = plan.group(population)
    for name in (n for a in assigns for n in (a.target, *names(a.expression))):
        if not name.startswith("_") and name not in plan.program.arrays:
            raise CompileError(f"brian2: unknown array {name!r} in the {slot} of {population!r}")
    code = plan.printer(group).block(assigns)
    note = "reset" if spiking else "update"
    plan.routines.append(
        Routine(group.name, slot, plan.next_order(), code, spiking, part_of=population, note=note)
    )


def _records(plan: Blueprint) -> None:
    program = plan.program
    watched = set(program.max_delays) | {r.owner for r in program.records if r.variable == "spikes"}
    plan.monitored = tuple(
        p for p, g in plan.groups.items() if p in watched and not g.source and g.threshold
    )
    traces = []
    for index, record in enumerate(program.records):
        if record.variable == "spikes" or record.array not in plan.outputs:
            continue  # what no step writes is constant; the engine fills it in
        size = program.arrays[record.array].initial.size
        units = np.arange(size) if record.units is None else np.asarray(record.units)
        traces.append(Trace(index, plan.places[record.array][0], units))
    plan.traces = tuple(traces)

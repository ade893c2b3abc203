"""What a program asks of a backend, by name; what a backend lacks it declares with a reason.

:func:`neuro.compile` refuses a program that needs what the backend lacks, with that reason; the
conformance suite and ``docs/backends.md`` read the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from neuro.connectivity import Convolution, Sparse
from neuro.engine import Backend
from neuro.errors import CompileError
from neuro.program import Arrive, Plasticity, Program, Step, array_of, side_of

#: Everything that a program may need, and what that means to a user.
FEATURES: Mapping[str, str] = {
    "float64": "double precision",
    "float32": "single precision",
    "loihi": "the whole numbers of Loihi, bit by bit",
    "sparse": "sparse projections",
    "multapses": "several synapses between one pair of units",
    "convolution": "convolutions and pooling, one kernel for all positions",
    "tied weights": "a projection that reads another's weights backwards",
    "synaptic delays": "a delay for every synapse",
    "graded events": "events that carry a number (analogue and sigma-delta units)",
    "short-term plasticity": "synapses whose efficacy depends on recent spikes",
    "plasticity": "weights that change at arrivals and spikes",
    "synaptic traces": "rules with variables of every synapse (eligibility)",
    "continuous rules": "rules that change all synapses in every n-th step",
    "third factors": "rules that read another population (reward, error)",
    "batch": "many inputs at once",
    "ordered sums": "additions in the stated order: equal spikes for weights of any value",
}


def required(program: Program) -> dict[str, str]:
    """The features that a program needs, each with the name of what needs it."""
    found: dict[str, str] = {program.precision: "precision"}
    for name, c in program.connectivity.items():
        if isinstance(c, Sparse):
            found.setdefault("sparse", name)
            if c.has_multapses:
                found.setdefault("multapses", name)
        if isinstance(c, Convolution):
            found.setdefault("convolution", name)
    for step in program.steps:
        for feature in _needs(program, step):
            assert isinstance(step, Arrive | Plasticity)
            found.setdefault(feature, step.projection)
    return found


def _needs(program: Program, step: Step) -> Iterator[str]:
    if not isinstance(step, Arrive | Plasticity):
        return
    if step.transposed:
        yield "tied weights"
    if step.delays is not None:
        yield "synaptic delays"
    if isinstance(step, Arrive):
        if any(array_of(f).partition(".")[0] in program.sizes for f in step.factors):
            yield "graded events"
        return
    yield "short-term plasticity" if step.short_term else "plasticity"
    own = {step.source, step.target, step.projection, step.synapses}
    if any(not side_of(a.target) and not a.local for a in step.decay):
        yield "synaptic traces"
    if step.on_step:
        yield "continuous rules"
    if any(array_of(name).partition(".")[0] not in own for name in step.reads):
        yield "third factors"


def check(program: Program, backend: Backend, options: Mapping[str, object]) -> None:
    """Refuse a program that needs what the backend, with these options, lacks.

    Raises
    ------
    CompileError
        Names what is missing, what needs it and why the backend lacks it.
    """
    lacks = backend.lacks(**options)
    for feature, user in required(program).items():
        if feature in lacks:
            raise CompileError(
                f"backend {backend.name!r} cannot run {FEATURES[feature]},"
                f" which {user!r} of network {program.name!r} needs: {lacks[feature]}"
            )

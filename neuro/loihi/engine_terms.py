"""Terms of a rule as Loihi's learning engine can evaluate them: dependency, and when.

See :mod:`neuro.loihi.learning` for how the engine's time differs from neuro's.
"""

from __future__ import annotations

from dataclasses import dataclass

from neuro.errors import CompileError
from neuro.loihi.sum_of_products import (
    ARRIVAL,
    SPIKE,
    TAG,
    WEIGHT,
    Atom,
    Changes,
    Monomial,
    Polynomial,
)
from neuro.program import array_of

#: Traces of the source that the engine has.
PRE_SLOTS = 2

#: The source, the target spikes in this step.
RECENT, NOW = Atom("recent"), Atom("now")


@dataclass(frozen=True)
class Term:
    """``coefficient * dependency * atoms`` of the change of weight (dw) or tag (dt)."""

    target: str
    dependency: str
    coefficient: float
    atoms: Monomial


def refusal(projection: str, what: str) -> CompileError:
    """The error for a rule that does not fit."""
    return CompileError(f"the rule at {projection!r} does not fit Loihi's learning engine: {what}")


class Terms:
    """The terms of a rule.

    Parameters
    ----------
    projection : str
    made : Changes
    timing : {"exact", "engine"}

    Attributes
    ----------
    remembered : Atom or None
        What the tag keeps for one step; known after :meth:`found`.
    differences : list of str
        How the terms differ from the rule.
    """

    def __init__(self, projection: str, made: Changes, timing: str) -> None:
        self.projection, self.made, self.timing = projection, made, timing
        self.remembered: Atom | None = None
        self.differences: list[str] = []

    def _refusal(self, what: str) -> CompileError:
        return refusal(self.projection, what)

    def found(self) -> list[Term]:
        """All terms."""
        made = self.made
        if made.mixed:
            self.differences.append(
                "changes that depend on the weight and meet at a synapse in one step are both"
                " made from the weight before them (neuro: one after the other), a difference of"
                " second order in the amplitudes"
            )
        k = made.every.bit_length() - 1
        if made.every == 1:
            weight, weight_step = made.weight + made.weight_step, Polynomial()
        else:
            weight, weight_step = made.weight, made.weight_step
        parts = {"dw": self._after(weight), "dt": self._after(made.tag)}
        early = {"dw": Polynomial(), "dt": made.tag_arrival.scaled(1.0 / (made.tag_decay or 1.0))}
        parts["dt"] += Polynomial.atom(ARRIVAL) * early["dt"]
        self._choose_memory([*parts.values(), self._after(weight_step)])
        terms: list[Term] = []
        for target, part in parts.items():
            terms += self._classified(target, part, "u0")
        periodic = self._classified("dw", self._after(weight_step), f"u{k}")
        if periodic:
            if any(t.dependency != f"u{k}" for t in periodic):
                raise self._refusal(f"on_step every {made.every} steps reads spikes of its step")
            if made.every != 1 << k or k > 9:
                raise self._refusal(
                    f"on_step runs every {made.every} steps; the engine's periods are powers of two"
                )
            if k and (self.remembered or any(t.dependency == "u0" for t in terms)):
                raise self._refusal(
                    f"on_step runs every {made.every} steps, while the tag changes in every step;"
                    " the engine has one period for both"
                )
        return terms + periodic

    def _after(self, p: Polynomial) -> Polynomial:
        """Post traces as the engine has them, after the spike, where no arrival asks for them."""
        result = Polynomial()
        for monomial, coefficient in p.terms.items():
            term = Polynomial({monomial: coefficient})
            if ARRIVAL not in monomial or SPIKE in monomial:
                term = term.replaced(self._before_as_after)
            result += term
        return result

    def _before_as_after(self, atom: Atom) -> Polynomial | None:
        if atom.kind != "before":
            return None
        gained = Polynomial.atom(SPIKE).scaled(self.made.post[atom.name].increment)
        return Polynomial.atom(Atom("after", atom.name)) - gained

    def _is_early(self, monomial: Monomial) -> bool:
        return ARRIVAL in monomial and SPIKE not in monomial

    def _choose_memory(self, parts: list[Polynomial]) -> None:
        """Decide what of the source's past goes into the tag."""
        late = [m for p in parts for m in p.terms if not self._is_early(m)]
        if self.timing == "engine":
            return
        traces = {a.name for m in late for a in m if a.kind == "pre"}
        used = {a.name for p in parts for m in p.terms for a in m if a.kind == "pre"}
        flag = any(ARRIVAL in m for m in late)
        free = not self.made.tag_name
        quick = [n for n in traces if self.made.pre[n].decay < 1e-3]
        if flag:
            self.remembered = RECENT
        elif traces and (quick or len(used) + 1 > PRE_SLOTS):
            if len(traces) > 1 or (quick and len(quick) > 1):
                raise self._refusal(
                    f"it needs {len(used)} traces of the source and the last spike, the engine has"
                    f' {PRE_SLOTS} and one tag; timing="engine" needs no last spike'
                )
            self.remembered = Atom("pre", next(iter(traces)))
        if self.remembered is not None and not free:
            raise self._refusal(
                "it needs the tag twice: for the synaptic trace"
                f" {array_of(self.made.tag_name)!r} and to remember the source's last spike;"
                ' timing="engine" does not remember it'
            )

    def _classified(self, target: str, part: Polynomial, always: str) -> list[Term]:
        terms: list[Term] = []
        placed = {dependency: Polynomial() for dependency in ("y0", "x0", always)}
        dust = 1e-14 * max(map(abs, part.terms.values()), default=0.0)  # of terms that cancel
        for monomial, coefficient in part.terms.items():
            if abs(coefficient) <= dust:
                continue
            one = Polynomial({monomial: coefficient})
            if self._is_early(monomial):
                placed["x0"] += self._early(one)
            else:
                dependency = "y0" if SPIKE in monomial else always
                placed[dependency] += self._late(one)
        for dependency, polynomial in placed.items():
            for atoms, coefficient in with_offsets(polynomial).items():
                terms.append(Term(target, dependency, coefficient, atoms))
        return terms

    def _early(self, p: Polynomial) -> Polynomial:
        """A change at an arrival, one step earlier: when the engine sees the spike."""
        if p.uses("tag"):
            raise self._refusal("a change at an arrival depends on the tag")
        if p.uses("factor"):
            self._differ("at an arrival it reads third factors one step early")

        def replaced(atom: Atom) -> Polynomial | None:
            if atom == ARRIVAL:
                return Polynomial.number(1.0)
            if atom.kind == "before":
                after = Polynomial.atom(Atom("after", atom.name))
                return after.scaled(self.made.post[atom.name].decay)
            return None

        return p.replaced(replaced)

    def _late(self, p: Polynomial) -> Polynomial:
        """A change at a spike of the target, or in every step."""
        recent = Polynomial.atom(RECENT)

        def replaced(atom: Atom) -> Polynomial | None:
            if atom == SPIKE:
                return Polynomial.number(1.0)
            if atom == ARRIVAL:
                if self.timing == "exact":
                    return Polynomial.atom(TAG)
                self._differ(
                    "a spike of the source counts in the step in which it is emitted, not in"
                    " which it arrives"
                )
                return recent
            if atom.kind == "pre":
                if atom == self.remembered:
                    return Polynomial.atom(TAG)
                trace = self.made.pre[atom.name]
                if trace.decay < 1e-12:
                    raise self._refusal(f"the trace {array_of(atom.name)!r} decays within one step")
                now = Polynomial.atom(atom)
                if self.timing == "exact":
                    now -= recent.scaled(trace.increment)
                return now.scaled(1.0 / trace.decay)
            return None

        if self.timing == "engine":
            for monomial, coefficient in p.terms.items():
                for atom in monomial:
                    if atom.kind == "pre":
                        trace = self.made.pre[atom.name]
                        jump = coefficient * trace.increment / trace.decay
                        rest = "".join(f" * {plain(a)}" for a in monomial if a not in (atom, SPIKE))
                        event = "spike of the target" if SPIKE in monomial else "step"
                        self._differ(
                            f"a {event} in whose step the source emits a spike counts that spike"
                            f" as arrived: {jump:+.6g}{rest} for each such coincidence"
                        )
        return p.replaced(replaced)

    def _differ(self, text: str) -> None:
        if text not in self.differences:
            self.differences.append(text)


def plain(atom: Atom) -> str:
    """An atom in words."""
    match atom.kind:
        case "recent":
            return "spike of the source in this step"
        case "now":
            return "spike of the target in this step"
        case "unit":
            return "constant"
        case "pre" | "before" | "after" | "factor":
            return array_of(atom.name)
        case "weight":
            return f"(w {atom.value:+.6g})" if atom.value else "w"
        case "sign":
            return f"sgn(w {atom.value:+.6g})"
    return atom.kind


def with_offsets(p: Polynomial) -> dict[Monomial, float]:
    """Terms, those of w and without it joined to ``(w + constant)``."""
    terms = dict(p.terms)
    for monomial in list(terms):
        if monomial.count(WEIGHT) != 1 or monomial not in terms:
            continue
        rest = list(monomial)
        rest.remove(WEIGHT)
        without = terms.get(tuple(rest))
        if without is None:
            continue
        slope = terms.pop(monomial)
        del terms[tuple(rest)]
        joined = tuple(sorted([*rest, Atom("weight", value=without / slope)]))
        terms[joined] = slope
    return terms

"""How terms of a rule are put onto the few traces of Loihi's learning engine.

Every trace has an impulse that can be chosen freely, every product a scale that cannot. So
impulses are chosen such that scales become representable; where that fails, a trace is kept twice
with different impulses, or a trace is added that is worth nothing but a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from neuro.errors import CompileError
from neuro.loihi.engine_terms import NOW, PRE_SLOTS, RECENT, Term, plain, refusal
from neuro.loihi.products import (
    MEMORYLESS,
    EngineTrace,
    Factor,
    Port,
    PostTrace,
    Product,
    nearest_scales,
    scale_of,
)
from neuro.loihi.sum_of_products import TAG, UNIT, Atom, Changes

POST_SLOTS = 3

#: Relative error of a scale above which a rule is refused.
WORST = 0.1

_DEPENDENCIES = {"x": "arrival", "y": "spike of the target", "u": "every step"}

#: Factors of the source's side that need a trace, and of the target's side.
_PRE_SIDE = ("pre", "recent")
_POST_SIDE = ("after", "now", "factor")


@dataclass
class Slot:
    """A trace of the engine: what it holds, times an amplitude (None: not settled yet)."""

    name: str
    atom: Atom
    amplitude: float | None = None


class Traces:
    """Which trace holds what, with which impulse.

    Parameters
    ----------
    projection : str
    made : Changes
    terms : list of Term
    remembered : Atom or None
        What the tag keeps for one step.

    Attributes
    ----------
    three_factor : bool
        Whether y1, y2, y3 are graded spikes.
    differences : list of str
        Numbers that are not exact.
    """

    def __init__(
        self, projection: str, made: Changes, terms: list[Term], remembered: Atom | None
    ) -> None:
        self.projection, self.made, self.remembered = projection, made, remembered
        self.three_factor = any(a.kind == "factor" for term in terms for a in term.atoms)
        self.slots: list[Slot] = []
        self.differences: list[str] = []
        self._assign(terms)
        self._made = self._products(terms)

    @property
    def products(self) -> dict[str, list[Product]]:
        """Products of dw and dt."""
        if self.remembered is None:
            return self._made
        name = self._copies(self.remembered)[0].name
        kept = [Product(1, 0, "u0", (Factor(name),)), Product(-1, 0, "u0", (Factor("t"),))]
        return {**self._made, "dt": kept}

    def _needs(self, atom: Atom) -> str:
        """Side on which an atom needs a trace, or nothing."""
        if atom.kind in _PRE_SIDE:
            return "x"
        return "y" if atom.kind in _POST_SIDE else ""

    def _copies(self, atom: Atom) -> list[Slot]:
        return [slot for slot in self.slots if slot.atom == atom]

    def _free(self, side: str) -> int:
        used = sum(slot.name[0] == side for slot in self.slots)
        return (PRE_SLOTS if side == "x" else POST_SLOTS) - used

    def _new_slot(self, atom: Atom, side: str) -> Slot:
        number = 1 + sum(slot.name[0] == side for slot in self.slots)
        slot = Slot(f"{side}{number}", atom)
        self.slots.append(slot)
        return slot

    def _assign(self, terms: list[Term]) -> None:
        """Give every factor that needs a trace one."""
        wanted: dict[Atom, str] = {}
        if self.remembered is not None:
            wanted[self.remembered] = "x"
        for term in terms:
            for atom in term.atoms:
                if self._needs(atom):
                    wanted.setdefault(atom, self._needs(atom))
        # traces before the last spike: x1 is what users know as the trace
        order = sorted(wanted.items(), key=lambda item: item[0].kind == "recent")
        for side, limit, whose in (("x", PRE_SLOTS, "source"), ("y", POST_SLOTS, "target")):
            mine = [atom for atom, s in order if s == side]
            if len(mine) > limit:
                listed = ", ".join(plain(atom) for atom in mine)
                raise self._refusal(
                    f"it needs {len(mine)} traces of the {whose} ({listed}), the engine has {limit}"
                )
            for atom in mine:
                self._new_slot(atom, side)

    def _unit_slot(self, dependency: str) -> Atom | None:
        """A factor that is 1 wherever the dependency holds, if there is room for its trace."""
        if dependency == "x0":
            return RECENT if self._free("x") or self._copies(RECENT) else None
        if dependency == "y0" and not self.three_factor:
            return NOW if self._free("y") or self._copies(NOW) else None
        return UNIT if self._free("x") or self._free("y") or self._copies(UNIT) else None

    def _slot_atoms(self, term: Term) -> list[Atom]:
        """Factors of a term that have an amplitude; the tag has that of what it remembers."""
        atoms = [a for a in term.atoms if self._needs(a) or a == UNIT]
        if self.remembered is not None:
            atoms += [self.remembered for a in term.atoms if a == TAG]
        return atoms

    def _products(self, terms: list[Term]) -> dict[str, list[Product]]:
        """Settle impulses so that scales become representable; make the products."""
        products: dict[int, list[Product]] = {}
        order = sorted(
            range(len(terms)), key=lambda i: (not self._slot_atoms(terms[i]), len(terms[i].atoms))
        )
        for i in order:
            products[i] = self._settle(terms[i])
        result: dict[str, list[Product]] = {"dw": [], "dt": []}
        for i, term in enumerate(terms):
            result[term.target] += products[i]
        for slot in self.slots:
            if slot.amplitude is None:
                slot.amplitude = 1.0
        return result

    def _settle(self, term: Term) -> list[Product]:
        if UNIT in term.atoms:  # only worth a trace where the scale has no such number
            without = tuple(a for a in term.atoms if a != UNIT)
            plain = Term(term.target, term.dependency, term.coefficient, without)
            known = self._fixed(plain)
            if known is not None and scale_of(term.coefficient / known):
                return self._settle(plain)
            return self._with_unit(plain)
        chosen: dict[Atom, Slot] = {}
        fixed, free = 1.0, []
        for atom in self._slot_atoms(term):
            slot = chosen.setdefault(atom, self._copies(atom)[0])
            if slot.amplitude is None:
                if slot not in free:
                    free.append(slot)
            else:
                fixed *= slot.amplitude
        if free:
            power = self._slot_atoms(term).count(free[0].atom)
            for slot in free[1:]:
                slot.amplitude = 1.0
            free[0].amplitude = (abs(term.coefficient) / fixed) ** (1.0 / power)
            return self._product(term, chosen, [(int(math.copysign(1, term.coefficient)), 0)])
        scale = scale_of(term.coefficient / fixed)
        if scale is not None:
            return self._product(term, chosen, [scale])
        for atom in chosen:  # another copy of a trace, with another impulse
            if atom == self.remembered and atom not in term.atoms:
                continue
            if term.atoms.count(atom) != 1:
                continue
            rest = fixed / (chosen[atom].amplitude or 1.0)
            for copy in self._copies(atom)[1:]:
                again = scale_of(term.coefficient / (rest * (copy.amplitude or 1.0)))
                if again is not None:
                    return self._product(term, chosen | {atom: copy}, [again])
            if self._free(self._needs(atom)):
                copy = self._new_slot(atom, self._needs(atom))
                copy.amplitude = abs(term.coefficient) / rest
                sign = int(math.copysign(1, term.coefficient))
                return self._product(term, chosen | {atom: copy}, [(sign, 0)])
        return self._with_unit(term)

    def _fixed(self, term: Term) -> float | None:
        amplitudes = [self._copies(a)[0].amplitude for a in self._slot_atoms(term)]
        known = [a for a in amplitudes if a is not None]
        return math.prod(known) if len(known) == len(amplitudes) else None

    def _with_unit(self, term: Term) -> list[Product]:
        """A product whose number sits in the impulse (or value) of a trace of its own."""
        chosen = {a: self._copies(a)[0] for a in self._slot_atoms(term)}
        for slot in chosen.values():
            slot.amplitude = 1.0 if slot.amplitude is None else slot.amplitude
        fixed = math.prod(chosen[a].amplitude or 1.0 for a in self._slot_atoms(term))
        unit = self._unit_slot(term.dependency)
        if unit is not None and unit not in chosen:
            for slot in self._copies(unit):
                if slot.amplitude is None:
                    slot.amplitude = abs(term.coefficient) / fixed
                scale = scale_of(term.coefficient / (fixed * slot.amplitude))
                if scale is not None:
                    return self._product(_with(term, unit), chosen | {unit: slot}, [scale])
        side = "" if unit is None else self._needs(unit) or ("x" if self._free("x") else "y")
        if unit is None or not self._free(side):
            return self._approximated(term, chosen, term.coefficient / fixed)
        slot = self._new_slot(unit, side)
        slot.amplitude = abs(term.coefficient) / fixed
        sign = int(math.copysign(1, term.coefficient))
        return self._product(_with(term, unit), chosen | {unit: slot}, [(sign, 0)])

    def _approximated(
        self, term: Term, chosen: Mapping[Atom, Slot], wanted: float
    ) -> list[Product]:
        """No trace is left to hold the number: a sum of scales that comes close."""
        words = " * ".join(
            [f"{term.coefficient:.6g}", _DEPENDENCIES[term.dependency[0]], *map(plain, term.atoms)]
        )
        scales = nearest_scales(wanted)
        reached = sum(math.ldexp(m, e) for m, e in scales)
        error = abs(reached - wanted) / abs(wanted)
        if error > WORST:
            raise self._refusal(
                f"{words} needs a trace for its number, and none is left; a sum of scales comes no"
                f" closer than {reached:.6g} to {wanted:.6g}"
            )
        self.differences.append(
            f"{words} is {error:.2g} off: its scale {wanted:.6g} is {reached:.6g}"
        )
        return self._product(term, chosen, scales)

    def _product(
        self, term: Term, chosen: Mapping[Atom, Slot], scales: list[tuple[int, int]]
    ) -> list[Product]:
        factors = []
        for atom in sorted(term.atoms, key=_factor_order):
            if atom == TAG:
                factors.append(Factor("t"))
            elif atom.kind == "weight":
                factors.append(Factor("w", atom.value))
            elif atom.kind == "sign":
                factors.append(Factor("w", atom.value, sign=True))
            else:
                factors.append(Factor(chosen[atom].name))
        return [Product(m, e, term.dependency, tuple(factors)) for m, e in scales]

    def _refusal(self, what: str) -> CompileError:
        return refusal(self.projection, what)

    def settings(
        self,
    ) -> tuple[tuple[EngineTrace, ...], tuple[Port, ...], tuple[PostTrace, ...]]:
        """Traces, graded spikes, and traces that the target keeps."""
        traces, ports, post = [], [], {}
        for slot in sorted(self.slots, key=lambda s: s.name):
            amplitude = slot.amplitude or 1.0
            atom = slot.atom
            if self.three_factor and slot.name[0] == "y":
                if atom.kind == "after":
                    trace = self.made.post[atom.name]
                    post[atom.name] = PostTrace(atom.name, trace.decay, trace.increment)
                ports.append(Port(slot.name, atom.name, amplitude))
                continue
            impulse, tau, initial = amplitude, MEMORYLESS, 0.0
            if atom == UNIT:
                impulse, tau, initial = 0.0, math.inf, amplitude
            elif atom.kind in ("pre", "after"):
                found = self.made.pre if atom.kind == "pre" else self.made.post
                trace = found[atom.name]
                impulse = amplitude * trace.increment
                tau = _steps(trace.decay)
            traces.append(EngineTrace(slot.name, impulse, tau, initial, plain(atom)))
        return tuple(traces), tuple(ports), tuple(post.values())


def _with(term: Term, atom: Atom) -> Term:
    return Term(term.target, term.dependency, term.coefficient, (*term.atoms, atom))


def _steps(decay: float) -> float:
    """Time constant in steps."""
    if decay <= 0:
        return MEMORYLESS
    return math.inf if decay >= 1 else -1.0 / math.log(decay)


def _factor_order(atom: Atom) -> tuple[int, str]:
    kinds = ("pre", "recent", "after", "now", "factor", "unit", "tag", "weight", "sign")
    return kinds.index(atom.kind), atom.name

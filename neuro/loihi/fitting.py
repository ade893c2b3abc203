"""How terms of a rule are put onto the few traces of Loihi's learning engine.

Every trace has an impulse that can be chosen freely, every product a scale that cannot. So
impulses are chosen such that scales become representable; where that fails, a trace is kept twice
with different impulses, or a trace is added that is worth nothing but a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neuro.errors import CompileError
from neuro.loihi.products import (
    MEMORYLESS,
    EngineTrace,
    Factor,
    Port,
    PostTrace,
    Product,
    Translation,
    nearest_scales,
    scale_of,
)
from neuro.loihi.sum_of_products import (
    ARRIVAL,
    SPIKE,
    TAG,
    UNIT,
    WEIGHT,
    Atom,
    Changes,
    Monomial,
    Polynomial,
)
from neuro.program import Plasticity, Program, array_of

_PRE_SLOTS, _POST_SLOTS = 2, 3

#: Relative error of a scale above which a rule is refused.
WORST = 0.1

_DEPENDENCIES = {"x": "arrival", "y": "spike of the target", "u": "every step"}

#: Factors of the source's side that need a trace, of the target's side, and what they are.
_RECENT = Atom("recent")  # the source spikes in this step
_NOW = Atom("now")  # the target spikes in this step
_PRE_SIDE = ("pre", "recent")
_POST_SIDE = ("after", "now", "factor")


@dataclass
class _Term:
    target: str  # dw or dt
    dependency: str
    coefficient: float
    atoms: Monomial


@dataclass
class _Slot:
    name: str
    atom: Atom
    amplitude: float | None = None


class Fitting:
    """Terms become products: which trace holds what, with which impulse."""

    def __init__(self, program: Program, step: Plasticity, made: Changes, timing: str) -> None:
        self.program, self.step, self.made, self.timing = program, step, made, timing
        self.differences: list[str] = []
        self.notes: list[str] = []
        self.slots: list[_Slot] = []
        self.remembered: Atom | None = None  # what the tag keeps for one step
        self.three_factor = any(
            p.uses("factor") for p in (made.weight, made.weight_step, made.tag, made.tag_arrival)
        )

    def _refusal(self, what: str) -> CompileError:
        return CompileError(
            f"the rule at {self.step.projection!r} does not fit Loihi's learning engine: {what}"
        )

    def translation(self) -> Translation:
        """The rule on the engine."""
        low, high = self._bounds()
        terms = self._terms()
        if not terms:
            raise self._refusal("it never changes a weight")
        self._assign(terms)
        products = self._products(terms)
        if self.remembered is not None:
            slot = self._copies(self.remembered)[0]
            products["dt"] = [
                Product(1, 0, "u0", (Factor(slot.name),)),
                Product(-1, 0, "u0", (Factor("t"),)),
            ]
        self._notes(products)
        traces, ports, post = self._settings()
        return Translation(
            projection=self.step.projection,
            rule="",
            dw=tuple(products["dw"]),
            dt=tuple(products["dt"]),
            traces=traces,
            ports=ports,
            post_traces=post,
            delay=self.step.delay - 1,
            low=low,
            high=high,
            timing=self.timing,
            differences=tuple(self.differences),
            notes=tuple(self.notes),
            statements=self._statements(),
        )

    def _statements(self) -> tuple[str, ...]:
        step = self.step
        own = f"{step.projection}."
        parts = (
            ("decay", step.decay),
            ("on arrival", step.on_pre),
            ("on spike", step.on_post),
            (f"every {step.every} step(s)", step.on_step),
        )
        return tuple(f"{t}: {str(a).replace(own, '')}" for t, assigns in parts for a in assigns)

    # --- terms ---

    def _bounds(self) -> tuple[float | None, float | None]:
        low, high = self.made.low, self.made.high
        kept: list[float | None] = [None, None]
        for i, (bound, name, mode) in enumerate(
            ((low, "w_min", "excitatory"), (high, "w_max", "inhibitory"))
        ):
            if bound is None:
                continue
            if self._limits_itself(bound, upper=i == 1):
                self.notes.append(
                    f"{name} = {bound:g} is kept by the rule itself (changes towards it shrink),"
                    " not by the engine"
                )
            elif bound == 0 and kept[0] is None:
                kept[i] = 0.0
                self.differences.append(
                    f"the bound {name} = 0 is kept by the sign mode ({mode}), once after all"
                    " changes of a step, not after each of them"
                )
            else:
                raise self._refusal(
                    f"{name} = {bound:g}; the only bound that the engine keeps is 0, by its sign"
                    f" mode. Leave {name} out, or use a rule whose changes vanish at the bound"
                )
        return kept[0], kept[1]

    def _limits_itself(self, bound: float, upper: bool) -> bool:
        """Whether each change towards a bound has the factor (w - bound)."""
        change = self.made.weight + self.made.weight_step
        for monomial, coefficient in _with_offsets(change).items():
            kinds = {atom.kind for atom in monomial}
            if "factor" in kinds or "sign" in kinds or "tag" in kinds:
                return False
            offsets = [a.value for a in monomial if a.kind == "weight"]
            others = [v for v in offsets if not math.isclose(v, -bound, abs_tol=1e-300)]
            if len(others) < len(offsets):
                continue
            if offsets:
                # between the bounds, (w - low) is positive and (w - high) negative
                other = self.made.low if upper else self.made.high
                if other is None or len(others) > 1 or not math.isclose(others[0], -other):
                    return False
                rising = (coefficient > 0) == upper
            else:
                rising = coefficient > 0
            if rising == upper:
                return False
        return True

    def _terms(self) -> list[_Term]:
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
        terms: list[_Term] = []
        for target, part in parts.items():
            terms += self._classified(target, part, "u0")
        periodic = self._classified("dw", self._after(weight_step), f"u{k}")
        if periodic:
            if any(t.dependency != f"u{k}" for t in periodic):
                raise self._refusal(f"on_step every {made.every} steps reads spikes of its step")
            if made.every != 1 << k or k > 9:
                raise self._refusal(
                    f"on_step runs every {made.every} steps; the engine's periods are powers of"
                    " two"
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
            self.remembered = _RECENT
        elif traces and (quick or len(used) + 1 > _PRE_SLOTS):
            if len(traces) > 1 or (quick and len(quick) > 1):
                raise self._refusal(
                    f"it needs {len(used)} traces of the source and the last spike, the engine has"
                    f' {_PRE_SLOTS} and one tag; timing="engine" needs no last spike'
                )
            self.remembered = Atom("pre", next(iter(traces)))
        if self.remembered is not None and not free:
            raise self._refusal(
                "it needs the tag twice: for the synaptic trace"
                f" {array_of(self.made.tag_name)!r} and to remember the source's last spike;"
                ' timing="engine" does not remember it'
            )

    def _classified(self, target: str, part: Polynomial, always: str) -> list[_Term]:
        terms: list[_Term] = []
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
            for atoms, coefficient in _with_offsets(polynomial).items():
                terms.append(_Term(target, dependency, coefficient, atoms))
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
        recent = Polynomial.atom(_RECENT)

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
                    raise self._refusal(
                        f"the trace {array_of(atom.name)!r} decays within one step"
                    )
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
                        rest = "".join(
                            f" * {_plain(a)}" for a in monomial if a not in (atom, SPIKE)
                        )
                        event = "spike of the target" if SPIKE in monomial else "step"
                        self._differ(
                            f"a {event} in whose step the source emits a spike counts that spike"
                            f" as arrived: {jump:+.6g}{rest} for each such coincidence"
                        )
        return p.replaced(replaced)

    def _differ(self, text: str) -> None:
        if text not in self.differences:
            self.differences.append(text)

    # --- traces and impulses ---

    def _needs(self, atom: Atom) -> str:
        """Side on which an atom needs a trace, or nothing."""
        if atom.kind in _PRE_SIDE:
            return "x"
        return "y" if atom.kind in _POST_SIDE else ""

    def _copies(self, atom: Atom) -> list[_Slot]:
        return [slot for slot in self.slots if slot.atom == atom]

    def _free(self, side: str) -> int:
        used = sum(slot.name[0] == side for slot in self.slots)
        return (_PRE_SLOTS if side == "x" else _POST_SLOTS) - used

    def _new_slot(self, atom: Atom, side: str) -> _Slot:
        number = 1 + sum(slot.name[0] == side for slot in self.slots)
        slot = _Slot(f"{side}{number}", atom)
        self.slots.append(slot)
        return slot

    def _assign(self, terms: list[_Term]) -> None:
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
        for side, limit, whose in (("x", _PRE_SLOTS, "source"), ("y", _POST_SLOTS, "target")):
            mine = [atom for atom, s in order if s == side]
            if len(mine) > limit:
                listed = ", ".join(_plain(atom) for atom in mine)
                raise self._refusal(
                    f"it needs {len(mine)} traces of the {whose} ({listed}), the engine has {limit}"
                )
            for atom in mine:
                self._new_slot(atom, side)

    def _unit_slot(self, dependency: str) -> Atom | None:
        """A factor that is 1 wherever the dependency holds, if there is room for its trace."""
        if dependency == "x0":
            return _RECENT if self._free("x") or self._copies(_RECENT) else None
        if dependency == "y0" and not self.three_factor:
            return _NOW if self._free("y") or self._copies(_NOW) else None
        return UNIT if self._free("x") or self._free("y") or self._copies(UNIT) else None

    def _slot_atoms(self, term: _Term) -> list[Atom]:
        """Factors of a term that have an amplitude; the tag has that of what it remembers."""
        atoms = [a for a in term.atoms if self._needs(a) or a == UNIT]
        if self.remembered is not None:
            atoms += [self.remembered for a in term.atoms if a == TAG]
        return atoms

    def _products(self, terms: list[_Term]) -> dict[str, list[Product]]:
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

    def _settle(self, term: _Term) -> list[Product]:
        if UNIT in term.atoms:  # only worth a trace where the scale has no such number
            without = tuple(a for a in term.atoms if a != UNIT)
            plain = _Term(term.target, term.dependency, term.coefficient, without)
            known = self._fixed(plain)
            if known is not None and scale_of(term.coefficient / known):
                return self._settle(plain)
            return self._with_unit(plain)
        chosen: dict[Atom, _Slot] = {}
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

    def _fixed(self, term: _Term) -> float | None:
        amplitudes = [self._copies(a)[0].amplitude for a in self._slot_atoms(term)]
        known = [a for a in amplitudes if a is not None]
        return math.prod(known) if len(known) == len(amplitudes) else None

    def _with_unit(self, term: _Term) -> list[Product]:
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
        self, term: _Term, chosen: Mapping[Atom, _Slot], wanted: float
    ) -> list[Product]:
        """No trace is left to hold the number: a sum of scales that comes close."""
        words = " * ".join(
            [f"{term.coefficient:.6g}", _DEPENDENCIES[term.dependency[0]], *map(_plain, term.atoms)]
        )
        scales = nearest_scales(wanted)
        reached = sum(math.ldexp(m, e) for m, e in scales)
        error = abs(reached - wanted) / abs(wanted)
        if error > WORST:
            raise self._refusal(
                f"{words} needs a trace for its number, and none is left; a sum of scales comes no"
                f" closer than {reached:.6g} to {wanted:.6g}"
            )
        self._differ(f"{words} is {error:.2g} off: its scale {wanted:.6g} is {reached:.6g}")
        return self._product(term, chosen, scales)

    def _product(
        self, term: _Term, chosen: Mapping[Atom, _Slot], scales: list[tuple[int, int]]
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

    # --- what comes out ---

    def _settings(
        self,
    ) -> tuple[tuple[EngineTrace, ...], tuple[Port, ...], tuple[PostTrace, ...]]:
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
            traces.append(EngineTrace(slot.name, impulse, tau, initial, _plain(atom)))
        return tuple(traces), tuple(ports), tuple(post.values())

    def _notes(self, products: Mapping[str, Sequence[Product]]) -> None:
        if any(p.dependency == "x0" for p in products["dw"]):
            self.notes.append(
                "a change at an arrival is made one step earlier, when the engine sees the spike"
            )
        self.notes.append(
            "what arrives carries the weight without the changes that spikes of the target (and"
            " on_step) made one step before: a closed loop can drift from neuro's"
        )
        if self.step.delay > 1:
            self.notes.append(f"the source's spikes pass {self.step.delay - 1} step(s) of relay")
        shifts = sorted({p.lost_bits for ps in products.values() for p in ps})
        lost = ", ".join(str(s) for s in shifts)
        self.notes.append(
            "integers: traces have 7 bits (they stop at 127), weights 8 and a sign, impulses 8"
            f" bits of fraction; products lose {lost} bit(s) at their end and come out smaller by"
            " 2^bits unless the scale makes up for it; one random number rounds the whole matrix"
        )
        self._note_amplitude()
        if any(f.sign and f.constant for ps in products.values() for p in ps for f in p.factors):
            self.notes.append(
                "integers: weights of mixed sign are even, so that the constant inside sgn() is"
                " 1 there with its sign"
            )

    def _note_amplitude(self) -> None:
        weights = self.program.arrays[f"{self.step.synapses}.w"].initial
        largest = float(np.abs(weights).max(initial=0.0))
        traced = [s for s in self.slots if s.atom.kind in ("pre", "recent", "now")]
        amplitudes = [s.amplitude for s in traced if s.amplitude]
        if not largest or not amplitudes:
            return
        step = largest / 127.0
        smallest = min(amplitudes)
        self.notes.append(
            f"integers: one step of an 8-bit weight is {step:.3g} (largest now {largest:.3g}); the"
            f" smallest impulse, {smallest:.3g}, is {smallest / step:.2g} of it"
            + ("" if smallest >= step else ", so that only stochastic rounding learns")
        )


def _with(term: _Term, atom: Atom) -> _Term:
    return _Term(term.target, term.dependency, term.coefficient, (*term.atoms, atom))


def _steps(decay: float) -> float:
    """Time constant in steps."""
    if decay <= 0:
        return MEMORYLESS
    return math.inf if decay >= 1 else -1.0 / math.log(decay)


def _factor_order(atom: Atom) -> tuple[int, str]:
    kinds = ("pre", "recent", "after", "now", "factor", "unit", "tag", "weight", "sign")
    return kinds.index(atom.kind), atom.name


def _plain(atom: Atom) -> str:
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


def _with_offsets(p: Polynomial) -> dict[Monomial, float]:
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

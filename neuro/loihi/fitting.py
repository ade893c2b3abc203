"""A rule's changes on Loihi's learning engine, with everything that a user must know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from neuro.errors import CompileError
from neuro.loihi.engine_terms import Terms, refusal, with_offsets
from neuro.loihi.engine_traces import Slot, Traces
from neuro.loihi.products import Product, Translation
from neuro.loihi.sum_of_products import Changes
from neuro.program import Plasticity, Program


class Fitting:
    """Bounds, terms, traces, and notes.

    Parameters
    ----------
    program : Program
    step : Plasticity
        The rule.
    made : Changes
        What it does.
    timing : {"exact", "engine"}
    """

    def __init__(self, program: Program, step: Plasticity, made: Changes, timing: str) -> None:
        self.program, self.step, self.made, self.timing = program, step, made, timing
        self.differences: list[str] = []
        self.notes: list[str] = []

    def _refusal(self, what: str) -> CompileError:
        return refusal(self.step.projection, what)

    def translation(self) -> Translation:
        """The rule on the engine."""
        low, high = self._bounds()
        terms = Terms(self.step.projection, self.made, self.timing)
        found = terms.found()
        if not found:
            raise self._refusal("it never changes a weight")
        placed = Traces(self.step.projection, self.made, found, terms.remembered)
        products = placed.products
        self.differences += [*terms.differences, *placed.differences]
        self._notes(products, placed.slots)
        traces, ports, post = placed.settings()
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
        for monomial, coefficient in with_offsets(change).items():
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

    def _notes(self, products: Mapping[str, Sequence[Product]], slots: Sequence[Slot]) -> None:
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
        self._note_amplitude(slots)
        if any(f.sign and f.constant for ps in products.values() for p in ps for f in p.factors):
            self.notes.append(
                "integers: weights of mixed sign are even, so that the constant inside sgn() is"
                " 1 there with its sign"
            )

    def _note_amplitude(self, slots: Sequence[Slot]) -> None:
        weights = self.program.arrays[f"{self.step.synapses}.w"].initial
        largest = float(np.abs(weights).max(initial=0.0))
        traced = [s for s in slots if s.atom.kind in ("pre", "recent", "now")]
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

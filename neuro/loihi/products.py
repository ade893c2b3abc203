"""The vocabulary of Loihi's learning engine: products, traces, graded spikes, whole rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

#: Range of a product's scale, mantissa times a power of two.
MANTISSA = (-8, 7)
EXPONENT = (-7, 8)

#: Bits of each factor in the integer engine, and of its accumulator.
FACTOR_BITS: Mapping[str, int] = {"x": 7, "y": 7, "w": 9, "t": 9}
SCALE_BITS = 4
ACCUMULATOR_BITS = 15

#: Time constant, in steps, of a trace that is gone after one step (exp(-1000) is 0).
MEMORYLESS = 1e-3


@dataclass(frozen=True)
class Factor:
    """``variable + constant``, or its sign; the variable is x1, x2, y1, y2, y3, w or t."""

    variable: str
    constant: float = 0.0
    sign: bool = False

    def __str__(self) -> str:
        inner = self.variable
        if self.constant:
            inner += ("+" if self.constant > 0 else "-") + dyadic(abs(self.constant))
        if self.sign:
            return f"sgn({inner})"
        return f"({inner})" if self.constant else inner


@dataclass(frozen=True)
class Product:
    """``mantissa * 2^exponent * dependency * factors``; the dependency is x0, y0, u0, u1, ..."""

    mantissa: int
    exponent: int
    dependency: str
    factors: tuple[Factor, ...] = ()

    @property
    def scale(self) -> float:
        """Value of its scale."""
        return math.ldexp(self.mantissa, self.exponent)

    @property
    def lost_bits(self) -> int:
        """Bits that the integer engine shifts out of the product."""
        widths = sum(FACTOR_BITS[f.variable[0]] for f in self.factors)
        return max(0, widths + SCALE_BITS - ACCUMULATOR_BITS)

    def __str__(self) -> str:
        scale = dyadic(abs(self.scale))
        parts = [] if scale == "1" else [scale]
        return "*".join([*parts, self.dependency, *map(str, self.factors)])


def dyadic(value: float) -> str:
    """A positive number as ``m*2^e`` with integers, the learning engine's way of writing it."""
    numerator, denominator = float(value).as_integer_ratio()
    exponent = 1 - denominator.bit_length()
    if exponent:
        return f"{numerator}*2^{exponent}"
    twos = (numerator & -numerator).bit_length() - 1
    if numerator > MANTISSA[1] and twos:
        return f"{numerator >> twos}*2^{twos}"
    return str(numerator)


def series(products: Sequence[Product]) -> str:
    """Products as the text that the learning engine reads."""
    text = ""
    for i, product in enumerate(products):
        sign = "-" if product.mantissa < 0 else "+" if i else ""
        text += f" {sign} {product}" if i else f"{sign}{product}"
    return text


@dataclass(frozen=True)
class EngineTrace:
    """One of the engine's traces.

    Attributes
    ----------
    name : str
        x1, x2, y1, y2 or y3.
    impulse : float
        What a spike adds.
    tau : float
        Time constant in steps.
    initial : float
        Value before the first step.
    meaning : str
    """

    name: str
    impulse: float
    tau: float
    initial: float
    meaning: str

    @property
    def decay(self) -> float:
        """Factor per step."""
        return math.exp(-1.0 / self.tau)


@dataclass(frozen=True)
class Port:
    """A graded spike to y1, y2 or y3 in each step: ``gain`` times a value of the program.

    Attributes
    ----------
    name : str
        y1, y2 or y3.
    source : str
        Program name with its side (``"reward.v@shared"``); empty: the number 1.
    gain : float
    """

    name: str
    source: str
    gain: float

    def __str__(self) -> str:
        return f"{self.gain!r} * {self.source}" if self.source else repr(self.gain)


@dataclass(frozen=True)
class PostTrace:
    """A trace of the target that the target itself keeps and sends (rules with third factors)."""

    name: str
    decay: float
    increment: float


@dataclass(frozen=True)
class Translation:
    """A plasticity rule as Loihi's learning engine computes it; print it.

    Attributes
    ----------
    projection : str
    rule : str
        Name of the rule, or empty.
    dw, dt : tuple of Product
        Changes of weight and tag.
    traces : tuple of EngineTrace
    ports : tuple of Port
        Graded spikes, of a rule with third factors.
    post_traces : tuple of PostTrace
        Traces that the target computes for them.
    delay : int
        Steps from the source's spike until the engine sees it: the delay less one.
    low, high : float or None
        Bounds that the engine keeps by its sign mode (0).
    differences : tuple of str
        How its changes of weight differ from neuro's; empty: they are the same.
    notes : tuple of str
        What else a user must know, integers last.
    """

    projection: str
    rule: str
    dw: tuple[Product, ...]
    dt: tuple[Product, ...]
    traces: tuple[EngineTrace, ...]
    ports: tuple[Port, ...] = ()
    post_traces: tuple[PostTrace, ...] = ()
    delay: int = 0
    low: float | None = None
    high: float | None = None
    timing: str = "exact"
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether weights change as in neuro, but for floating-point rounding."""
        return not self.differences

    @property
    def three_factor(self) -> bool:
        """Whether y1, y2, y3 are graded spikes from outside."""
        return bool(self.ports)

    @property
    def dw_text(self) -> str:
        """Change of the weight as the engine reads it."""
        return series(self.dw)

    @property
    def dt_text(self) -> str | None:
        """Change of the tag; None: there is none."""
        return series(self.dt) if self.dt else None

    @property
    def sign_mode(self) -> str:
        """``"excitatory"`` (bounded by 0 from below), ``"inhibitory"`` or ``"mixed"``."""
        if self.low is not None:
            return "excitatory"
        return "inhibitory" if self.high is not None else "mixed"

    def __str__(self) -> str:
        kind = "three factors" if self.three_factor else "two factors"
        what = f"{self.rule or 'rule'} at {self.projection!r}"
        lines = [f"{what} on Loihi's learning engine ({kind})"]
        lines += [f"  rule: {statement}" for statement in self.statements]
        lines.append(f"  dw = {self.dw_text}")
        if self.dt:
            lines.append(f"  dt = {self.dt_text}")
        for t in self.traces:
            tau = "no decay" if math.isinf(t.tau) else f"tau = {t.tau:.6g} steps"
            if t.tau <= MEMORYLESS:
                tau = "gone after one step"
            start = f", starts at {t.initial:.6g}" if t.initial else ""
            lines.append(f"  {t.name}: impulse {t.impulse:.6g}, {tau}{start} ({t.meaning})")
        for port in self.ports:
            lines.append(f"  {port.name}: graded spike {port}")
        lines.append(f"  epoch: 1 step; sign mode: {self.sign_mode}")
        verdict = "the same changes of weight as neuro" if self.exact else "differs from neuro:"
        lines.append(f"  exactness: {verdict}")
        lines += [f"    - {text}" for text in self.differences]
        lines += [f"  note: {text}" for text in self.notes]
        return "\n".join(lines)


def scale_of(value: float) -> tuple[int, int] | None:
    """Mantissa and exponent of a scale, None if the engine does not have it."""
    for exponent in range(EXPONENT[0], EXPONENT[1] + 1):
        mantissa = round(math.ldexp(value, -exponent))
        close = abs(math.ldexp(mantissa, exponent) - value) <= 1e-15 * abs(value)
        if mantissa and MANTISSA[0] <= mantissa <= MANTISSA[1] and close:
            return mantissa, exponent
    return None


def nearest_scales(value: float, terms: int = 3) -> list[tuple[int, int]]:
    """Up to so many scales whose sum is close to a value."""
    scales: list[tuple[int, int]] = []
    rest = value
    candidates = [
        (m, e)
        for e in range(EXPONENT[0], EXPONENT[1] + 1)
        for m in range(MANTISSA[0], MANTISSA[1] + 1)
        if m
    ]
    for _ in range(terms):
        best = min(candidates, key=lambda c: abs(math.ldexp(c[0], c[1]) - rest))
        if abs(math.ldexp(best[0], best[1]) - rest) >= abs(rest):
            break
        scales.append(best)
        rest -= math.ldexp(best[0], best[1])
        if not rest:
            break
    return scales

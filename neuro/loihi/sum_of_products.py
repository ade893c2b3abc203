"""What a plasticity rule does in one step, expanded into products of a few kinds of factors.

The statements of a rule are executed symbolically in the normative order (decay, arrivals,
spikes, ``on_step``). What comes out is the change of every weight as a polynomial; how its terms
are put onto the learning engine of Loihi is the subject of :mod:`neuro.loihi.learning`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from neuro.equations.expression import (
    Binary,
    Call,
    Const,
    Expr,
    Name,
    Unary,
    names,
    substitute,
    to_text,
)
from neuro.errors import CompileError
from neuro.program import Assign, Plasticity, array_of, side_of


@dataclass(frozen=True, order=True)
class Atom:
    """One factor.

    ``kind`` is one of

    ============  ====================================================================
    ``arrival``   1 where a spike of the source arrives in this step, else 0
    ``spike``     1 where the target spikes in this step, else 0
    ``pre``       trace of the source, after the arrivals of this step
    ``before``    trace of the target, before the spikes of this step
    ``after``     trace of the target, after the spikes of this step
    ``weight``    the weight plus ``value``
    ``sign``      sign of the weight plus ``value``
    ``tag``       the synaptic trace of the rule, after the arrivals of this step
    ``factor``    a number of the target (or the network): third factor, state variable
    ``unit``      the number 1, to which an amplitude can be given
    ============  ====================================================================
    """

    kind: str
    name: str = ""
    value: float = 0.0


ARRIVAL, SPIKE, WEIGHT = Atom("arrival"), Atom("spike"), Atom("weight")
TAG, UNIT = Atom("tag"), Atom("unit")
_FLAGS = frozenset({"arrival", "spike", "unit"})

Monomial = tuple[Atom, ...]


class Polynomial:
    """A sum of products: coefficient by monomial (its atoms in order)."""

    def __init__(self, terms: Mapping[Monomial, float] | None = None) -> None:
        self.terms: dict[Monomial, float] = dict(terms or {})

    @staticmethod
    def number(value: float) -> Polynomial:
        """A constant."""
        return Polynomial({(): value} if value else {})

    @staticmethod
    def atom(atom: Atom) -> Polynomial:
        """A single factor."""
        return Polynomial({(atom,): 1.0})

    @property
    def constant(self) -> float | None:
        """Its value where it is a number, else None."""
        if not self.terms:
            return 0.0
        return self.terms[()] if list(self.terms) == [()] else None

    def __add__(self, other: Polynomial) -> Polynomial:
        terms = dict(self.terms)
        for monomial, coefficient in other.terms.items():
            total = terms.get(monomial, 0.0) + coefficient
            if abs(total) <= 1e-15 * abs(coefficient):  # what cancels leaves rounding behind
                terms.pop(monomial, None)
            else:
                terms[monomial] = total
        return Polynomial(terms)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + other.scaled(-1.0)

    def __mul__(self, other: Polynomial) -> Polynomial:
        product = Polynomial()
        for left, a in self.terms.items():
            for right, b in other.terms.items():
                product += Polynomial({_join(left, right): a * b})
        return product

    def scaled(self, factor: float) -> Polynomial:
        """Every coefficient times a number."""
        return Polynomial({m: c * factor for m, c in self.terms.items() if factor})

    def replaced(self, replace: Callable[[Atom], Polynomial | None]) -> Polynomial:
        """Each atom replaced by what the function returns; None leaves it."""
        result = Polynomial()
        for monomial, coefficient in self.terms.items():
            term = Polynomial.number(coefficient)
            for atom in monomial:
                term *= replace(atom) or Polynomial.atom(atom)
            result += term
        return result

    def uses(self, *kinds: str) -> bool:
        """Whether any atom is of one of these kinds."""
        return any(atom.kind in kinds for monomial in self.terms for atom in monomial)


def _join(left: Monomial, right: Monomial) -> Monomial:
    joined = list(left)
    for atom in right:
        if atom.kind in _FLAGS and atom in joined:
            continue  # 0 or 1 times itself
        if atom.kind == "sign" and atom in joined:
            joined.remove(atom)  # the square of a sign
            continue
        joined.append(atom)
    return tuple(sorted(joined))


class DoesNotFitError(Exception):
    """A part of an expression that is no sum of products, with the reason."""

    def __init__(self, part: Expr, reason: str) -> None:
        super().__init__(reason)
        self.part, self.reason = part, reason


def expand(expr: Expr, known: Mapping[str, Polynomial]) -> Polynomial:
    """An expression as a sum of products.

    Parameters
    ----------
    expr : Expr
    known : mapping of str to Polynomial
        What each name stands for.

    Raises
    ------
    DoesNotFitError
        Naming the smallest part that is none.
    """
    match expr:
        case Const(value=value):
            return Polynomial.number(float(value))
        case Name(id=name):
            if name not in known:
                raise DoesNotFitError(expr, "it is unknown to the learning engine")
            return known[name]
        case Unary(op="-", operand=operand):
            return expand(operand, known).scaled(-1.0)
        case Unary(op="not", operand=operand):
            return Polynomial.number(1.0) - expand(operand, known)
        case Binary(op="+", left=left, right=right):
            return expand(left, known) + expand(right, known)
        case Binary(op="-", left=left, right=right):
            return expand(left, known) - expand(right, known)
        case Binary(op="*" | "and", left=left, right=right):
            return expand(left, known) * expand(right, known)
        case Binary(op="/", left=left, right=right):
            below = expand(right, known).constant
            if not below:
                raise DoesNotFitError(expr, "the learning engine divides by no variable")
            return expand(left, known).scaled(1.0 / below)
        case Binary(op="<" | "<=" | ">" | ">="):
            return _comparison(expr, known)
        case Call(function="where", args=(condition, yes, no)):
            chosen = expand(condition, known)
            if not _is_truth(condition, chosen):
                raise DoesNotFitError(condition, "a condition compares the weight with a number")
            otherwise = expand(no, known)
            return otherwise + chosen * (expand(yes, known) - otherwise)
        case Call(function="sign", args=(argument,)):
            threshold = _threshold(expand(argument, known))
            if threshold is None:
                raise DoesNotFitError(expr, "the learning engine takes signs of w + constant only")
            slope, constant = threshold
            sign = Polynomial.atom(Atom("sign", value=constant))
            return sign.scaled(math.copysign(1.0, slope))
    raise DoesNotFitError(expr, _why_not(expr, known))


def _is_truth(expr: Expr, value: Polynomial) -> bool:
    if isinstance(expr, Name):
        return value.terms == {(ARRIVAL,): 1.0} or value.terms == {(SPIKE,): 1.0}
    return isinstance(expr, Binary | Unary) and expr.op in ("<", "<=", ">", ">=", "and", "not")


def _threshold(p: Polynomial) -> tuple[float, float] | None:
    """``a * (w + c)`` as (a, c); None if the polynomial is something else."""
    slope = p.terms.get((WEIGHT,), 0.0)
    if not slope or set(p.terms) - {(WEIGHT,), ()}:
        return None
    return slope, p.terms.get((), 0.0) / slope


def _comparison(expr: Binary, known: Mapping[str, Polynomial]) -> Polynomial:
    """1 where the weight is on the named side of a number, else 0, by a sign.

    The sign's threshold lies one floating-point number beside it, so that it is never 0 at the
    number itself.
    """
    threshold = _threshold(expand(expr.left, known) - expand(expr.right, known))
    if threshold is None:
        raise DoesNotFitError(expr, "the learning engine compares nothing but w with a constant")
    slope, constant = threshold
    above = (expr.op in (">", ">=")) == (slope > 0)
    at_it = expr.op in ("<=", ">=")
    # w > c: the sign turns above c, so that c counts as below; w >= c: below it
    upper = above != at_it
    constant = math.nextafter(constant, -math.inf if upper else math.inf)
    sign = Polynomial.atom(Atom("sign", value=constant)).scaled(0.5 if above else -0.5)
    return Polynomial.number(0.5) + sign


def _why_not(expr: Expr, known: Mapping[str, Polynomial]) -> str:
    match expr:
        case Call(function="exp" | "tanh" | "exprel"):
            reason = "the learning engine has no exponential"
            weight = Polynomial.atom(WEIGHT).terms
            if any(known[n].terms == weight for n in names(expr) if n in known):
                reason += '; use a hard gate such as where(w <= 0, 2, 0) (SleepReplay: gate="hard")'
            return reason
        case Call(function=function):
            return f"the learning engine has no {function}"
        case Binary(op=op) | Unary(op=op):
            return f"the learning engine has no operation {op!r}"
    return "it is no product of the learning engine's factors"


@dataclass(frozen=True)
class Trace:
    """A trace of one side: factor per step, and what an event adds."""

    decay: float
    increment: float


@dataclass(frozen=True)
class Changes:
    """What a rule does in one step.

    Attributes
    ----------
    weight : Polynomial
        Change of the weight by events.
    weight_step : Polynomial
        Change of the weight by ``on_step``, in every ``every``-th step.
    tag : Polynomial
        Change of the rule's synaptic trace, without what arrivals add.
    tag_arrival : Polynomial
        What arrivals add to it (before the rest of the step reads it).
    tag_name, tag_decay
        Of that trace; no name: there is none.
    pre, post : dict
        Traces of both sides by program name.
    low, high : float or None
        Bounds of the weight.
    every : int
        Steps between two runs of ``on_step``.
    mixed : bool
        Whether a change depends on the weight while another event may change it in the same
        step: the rule then makes one change after the other, the learning engine both at once.
    """

    weight: Polynomial
    weight_step: Polynomial
    tag: Polynomial
    tag_arrival: Polynomial
    tag_name: str
    tag_decay: float
    pre: Mapping[str, Trace]
    post: Mapping[str, Trace]
    low: float | None
    high: float | None
    every: int
    mixed: bool


def changes(step: Plasticity, weights: str) -> Changes:
    """Execute a rule symbolically.

    Parameters
    ----------
    step : Plasticity
        A lowered rule.
    weights : str
        Program name of its weights.

    Raises
    ------
    CompileError
        Naming the term that is no product of the factors above.
    """
    return _Execution(step, weights).changes()


class _Execution:
    def __init__(self, step: Plasticity, weights: str) -> None:
        self.step, self.weights = step, weights
        self.decays = self._decays()
        self.pre = {n: a for n, a in self.decays.items() if side_of(n) == "pre"}
        self.post = {n: a for n, a in self.decays.items() if side_of(n) == "post"}
        tags = [n for n in self.decays if not side_of(n)]
        if len(tags) > 1:
            raise self._refusal(
                Name(tags[1]), "synapse_traces", "a synapse has one tag; keep one synaptic trace"
            )
        self.tag = tags[0] if tags else ""
        self.low: float | None = None
        self.high: float | None = None

    # --- names ---

    def _refusal(self, part: Expr, where: str, reason: str) -> CompileError:
        owner = f"{self.step.projection}."

        def shorten(name: str) -> Expr:
            side = side_of(name)
            if name.startswith(owner) or not side:
                return Name(array_of(name).rpartition(".")[2])
            return Name(array_of(name))

        text = to_text(substitute(part, shorten))
        if text.startswith("(") and text.endswith(")") and isinstance(part, Binary):
            text = text[1:-1]
        return CompileError(
            f"{text} in {where} of the rule at {self.step.projection!r} does not fit Loihi's"
            f" learning engine: {reason}"
        )

    def _decays(self) -> dict[str, float]:
        decays = {}
        for assign in self.step.decay:
            match assign.expression:
                case (
                    Binary(op="*", left=Const(value=a), right=Name(id=name))
                    | Binary(op="*", left=Name(id=name), right=Const(value=a))
                ) if name == assign.target and 0 <= a <= 1:
                    decays[name] = float(a)
                case Name(id=name) if name == assign.target:
                    decays[name] = 1.0
                case other:
                    raise self._refusal(
                        other,
                        f"the decay of {assign.target.partition('@')[0].rpartition('.')[2]}",
                        "its traces decay exponentially towards 0 and nothing else",
                    )
        return decays

    def _base(self) -> dict[str, Polynomial]:
        """What names stand for in every phase: all that is neither trace, tag nor weight."""
        found: dict[str, Polynomial] = {self.weights: Polynomial.atom(WEIGHT)}
        if self.step.pre_flag:
            found |= {f"{self.step.pre_flag}@pre": Polynomial.atom(ARRIVAL)}
        if self.step.post_flag:
            found |= {f"{self.step.post_flag}@post": Polynomial.atom(SPIKE)}
        for assign in (*self.step.on_pre, *self.step.on_post, *self.step.on_step):
            for name in names(assign.expression):
                if name in found or name in self.decays:
                    continue
                if side_of(name) in ("post", "shared"):
                    found[name] = Polynomial.atom(Atom("factor", name))
                elif side_of(name) == "pre":
                    raise self._refusal(
                        Name(name),
                        "the statements",
                        "of the source it knows traces that count spikes, without a sign, and no"
                        " state; third factors belong to the target (or are one number for all)",
                    )
        return found

    # --- the phases ---

    def _increments(self, assigns: tuple[Assign, ...], side: str, title: str) -> dict[str, float]:
        """What an event adds to each trace of its side."""
        total = dict.fromkeys(self.pre if side == "pre" else self.post, 0.0)
        for assign in assigns:
            if assign.target not in total:
                continue
            own = Polynomial.atom(Atom("pre", assign.target))
            try:
                added = (expand(assign.expression, {assign.target: own}) - own).constant
            except DoesNotFitError as error:
                raise self._refusal(error.part, title, error.reason) from None
            if added is None or added < 0:
                raise self._refusal(
                    Binary("=", Name(assign.target), assign.expression),
                    title,
                    "an event adds a positive number to a trace and does nothing else to it"
                    " (all-to-all pairing)",
                )
            total[assign.target] += added
        return total

    def _run(
        self, assigns: tuple[Assign, ...], known: dict[str, Polynomial], title: str
    ) -> tuple[Polynomial, Polynomial]:
        """Execute statements; the changes of weight and tag. ``known`` is carried on."""
        before = known[self.weights], known.get(self.tag, Polynomial())
        for assign in assigns:
            if assign.target == self.weights and self._bound(assign.expression):
                continue
            if assign.target not in known:
                raise self._refusal(Name(assign.target), title, "nothing else can change")
            try:
                known[assign.target] = expand(assign.expression, known)
            except DoesNotFitError as error:
                raise self._refusal(error.part, title, error.reason) from None
        return (
            known[self.weights] - before[0],
            known.get(self.tag, Polynomial()) - before[1],
        )

    def _bound(self, expr: Expr) -> bool:
        """Whether an expression clips the weight; keeps the bounds."""
        match expr:
            case Name(id=self.weights):
                return True
            case Call(function="min" | "max" as function, args=(inner, Const(value=value))):
                if not self._bound(inner):
                    return False
                if function == "min":
                    self.high = float(value)
                else:
                    self.low = float(value)
                return True
        return False

    def changes(self) -> Changes:
        step = self.step
        added = self._increments(step.on_pre, "pre", "on_pre")
        gained = self._increments(step.on_post, "post", "on_post")
        base = self._base()
        arrival, spike = Polynomial.atom(ARRIVAL), Polynomial.atom(SPIKE)
        # Atoms of pre traces stand for values after arrivals, of post traces before spikes.
        pre = {n: Polynomial.atom(Atom("pre", n)) for n in self.pre}
        post = {n: Polynomial.atom(Atom("before", n)) for n in self.post}
        tag = {self.tag: Polynomial.atom(TAG)} if self.tag else {}

        lower = {n: p - Polynomial.number(added[n]) for n, p in pre.items()}
        w_pre, tag_pre = self._run(step.on_pre, base | lower | post | tag, "on_pre")
        for change in (w_pre, tag_pre):
            if change.uses("tag"):
                raise self._refusal(
                    Name(self.tag),
                    "on_pre",
                    "an arrival reads the tag before it decays; use it in on_post or on_step",
                )
        a = self.decays.get(self.tag, 0.0)
        if tag and a == 0 and tag_pre.terms:
            raise self._refusal(Name(self.tag), "synapse_traces", "it decays within one step")
        kept = Polynomial.atom(TAG)  # decays to a * tag = tag - (1 - a) * tag
        if a < 1:
            kept -= Polynomial({tuple(sorted((TAG, UNIT))): 1.0 - a})
        tags = {self.tag: kept} if self.tag else {}
        w_post, tag_post = self._run(step.on_post, base | pre | post | tags, "on_post")
        after = {n: p + spike.scaled(gained[n]) for n, p in post.items()}
        tags = {n: p + spike * tag_post for n, p in tags.items()}
        w_step, tag_step = self._run(step.on_step, base | pre | after | tags, "on_step")
        parts = (w_pre, w_post, w_step)
        several = sum(bool(p.terms) for p in parts) > 1
        return Changes(
            weight=arrival * w_pre + spike * w_post,
            weight_step=w_step,
            tag=(kept - Polynomial.atom(TAG) if tag else Polynomial())
            + spike * tag_post
            + tag_step,
            tag_arrival=tag_pre,
            tag_name=self.tag,
            tag_decay=a,
            pre={n: Trace(d, added[n]) for n, d in self.pre.items()},
            post={n: Trace(d, gained[n]) for n, d in self.post.items()},
            low=self.low,
            high=self.high,
            every=step.every,
            mixed=several and any(p.uses("weight", "sign") for p in parts),
        )

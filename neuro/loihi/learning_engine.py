"""Loihi's learning engine in floating point, computed where something happens.

The same numbers as Lava's floating-point model of the engine, which evaluates every product for
every synapse in every step. Here a product with dependency y0 is evaluated for rows of spiking
targets, one with x0 for columns of spiking sources, and only one with uk for all synapses. A tag
that keeps a trace of the source for one step (``dt = u0*x1 - u0*t``) has the same value in a
whole column, and is kept once per source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.loihi.products import Factor, Product, Translation

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: Rows (or columns) that products of a dependency concern: an index, or everything.
_Where = NDArray[np.intp] | slice
_Place = tuple[_Where, _Where]
_ALL: _Where = slice(None)
_EVERYWHERE: _Place = (_ALL, _ALL)


class LearningEngine:
    """Weights that change by sums of products.

    Parameters
    ----------
    weights : array ``[post, pre]``
        Changed in place.
    dw, dt : sequence of Product
        Changes of weight and tag.
    decays, impulses : mapping of str to float
        Of each trace that is used (x1, x2, y1, y2, y3): factor per step, what a spike adds.
    initial : mapping of str to float
        Values of traces before the first step; 0 where not given.
    sign_mode : {"mixed", "excitatory", "inhibitory"}
        Which weights are clipped at 0 after each step.

    Attributes
    ----------
    traces : dict
        Present values.
    learning : bool
        Set to False, weights and tags stay as they are; traces go on.
    """

    def __init__(
        self,
        weights: FloatArray,
        dw: Sequence[Product],
        dt: Sequence[Product] = (),
        *,
        decays: Mapping[str, float],
        impulses: Mapping[str, float],
        initial: Mapping[str, float] | None = None,
        sign_mode: str = "mixed",
    ) -> None:
        self.weights = weights
        self.sign_mode = sign_mode
        post, pre = weights.shape
        start = initial or {}
        sizes = {"x1": pre, "x2": pre, "y1": post, "y2": post, "y3": post}
        self.traces = {n: np.full(sizes[n], start.get(n, 0.0)) for n in decays}
        self.decays, self.impulses = dict(decays), dict(impulses)
        self._dw, self._dt = list(dw), list(dt)
        self._memory = _remembered(self._dt)
        self._tag = np.zeros((1, pre) if self._memory else weights.shape)
        if not self._dt:
            self._tag = np.zeros((1, 1))
        self.learning = True

    @classmethod
    def of(cls, made: Translation, weights: FloatArray) -> LearningEngine:
        """The engine of a translated rule; ``weights`` are ``[post, pre]``."""
        ports = [port.name for port in made.ports]
        return cls(
            weights,
            made.dw,
            made.dt,
            decays={t.name: t.decay for t in made.traces} | dict.fromkeys(ports, 1.0),
            impulses={t.name: t.impulse for t in made.traces} | dict.fromkeys(ports, 0.0),
            initial={t.name: t.initial for t in made.traces},
            sign_mode=made.sign_mode,
        )

    @property
    def tag(self) -> FloatArray:
        """The tag of every synapse ``[post, pre]``."""
        return np.array(np.broadcast_to(self._tag, self.weights.shape))

    def step(
        self,
        number: int,
        pre: BoolArray,
        post: BoolArray,
        sent: Mapping[str, FloatArray] | None = None,
    ) -> None:
        """One step.

        Parameters
        ----------
        number : int
            Of the step, the first being 1.
        pre, post : bool arrays
            Units that spike.
        sent : mapping of str to array, optional
            y1, y2, y3 of a rule with third factors: they replace these traces.
        """
        for name, trace in self.traces.items():
            trace *= self.decays[name]
            trace[pre if name[0] == "x" else post] += self.impulses[name]
        if sent is not None:
            for name, values in sent.items():
                self.traces[name] = values
        if not self.learning:
            return
        where: dict[str, _Place] = {}
        rows, columns = np.flatnonzero(post), np.flatnonzero(pre)
        if rows.size:
            where["y0"] = (rows, _ALL)
        if columns.size:
            where["x0"] = (_ALL, columns)
        changes = self._changes(self._dw, number, where)
        tags = [] if self._memory else self._changes(self._dt, number, where)
        for row, column, change in changes:
            self.weights[row, column] += change
        for row, column, change in tags:
            self._tag[row, column] += change
        if self._memory:
            self._tag[0] = self.traces[self._memory]
        if self.sign_mode != "mixed":
            clip = np.maximum if self.sign_mode == "excitatory" else np.minimum
            for row, column, _ in changes:
                self.weights[row, column] = clip(0.0, self.weights[row, column])

    def _changes(
        self, products: Sequence[Product], number: int, where: Mapping[str, _Place]
    ) -> list[tuple[_Where, _Where, Any]]:
        """Sums of the products of each dependency, from the state as it is."""
        sums: dict[str, Any] = {}
        for product in products:
            dependency = product.dependency
            if dependency[0] == "u":
                if number % (1 << int(dependency[1:])):
                    continue
            elif dependency not in where:
                continue
            row, column = where.get(dependency, _EVERYWHERE)
            value: Any = product.scale
            for factor in product.factors:
                value = value * self._value(factor, row, column)
            sums[dependency] = sums[dependency] + value if dependency in sums else value
        return [(*where.get(d, _EVERYWHERE), value) for d, value in sums.items()]

    def _value(self, factor: Factor, row: _Where, column: _Where) -> Any:
        name = factor.variable
        if name == "w":
            value: Any = self.weights[row, column]
        elif name == "t":
            value = self._tag[_ALL if self._memory else row, column]
        elif name[0] == "x":
            value = self.traces[name][None, column]
        else:
            value = self.traces[name][row, None]
        if factor.constant:
            value = value + factor.constant
        return np.sign(value) if factor.sign else value


def _remembered(dt: Sequence[Product]) -> str | None:
    """Name of the trace that a tag keeps for one step, if that is all that the tag does."""
    if len(dt) != 2 or any(p.dependency != "u0" or len(p.factors) != 1 for p in dt):
        return None
    new, old = dt
    name = new.factors[0]
    if old.factors[0] == Factor("t") and name.variable[0] == "x" and not name.constant:
        return name.variable if (new.scale, old.scale) == (1.0, -1.0) else None
    return None

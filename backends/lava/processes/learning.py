"""A model of Lava's own process ``LearningDense`` that computes where something happens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.learning.learning_rule import (
    Loihi2FLearningRule,
    Loihi3FLearningRule,
    LoihiLearningRule,
)
from lava.magma.core.learning.product_series import ProductSeries
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyLearningDenseModelFloat
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import SignMode
from numpy.typing import NDArray

from neuro.loihi.learning_engine import LearningEngine
from neuro.loihi.products import Factor, Product, Translation

_POST = ("y1", "y2", "y3")


@implements(proc=LearningDense, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyEventLearningDense(PyLearningDenseModelFloat):
    """The numbers of Lava's floating-point model, from the same rule, for epochs of one step.

    Lava's model evaluates every product for every synapse in every step, as text. With
    ``make`` among the process's parameters, the object that it makes gives the weights and is
    told of every step.
    """

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        if self._learning_rule.t_epoch != 1:
            raise ValueError(f"this model has epochs of 1 step, not {self._learning_rule.t_epoch}")
        make = proc_params.get("make")
        self._work = None if make is None else make()
        self._engine: LearningEngine | None = None

    def _build(self) -> LearningEngine:
        """The engine, once Lava has given the variables their values."""
        if self._work is not None:
            self.weights = self._work.weights
        rule: LoihiLearningRule = self._learning_rule
        used = rule.active_traces
        taus = {n: getattr(rule, f"{n}_tau") for n in used}
        engine = LearningEngine(
            self.weights,
            products_of(rule.dw),
            products_of(rule.dt),
            decays={n: math.exp(-1.0 / tau) if tau else 0.0 for n, tau in taus.items()},
            impulses={n: getattr(rule, f"{n}_impulse") for n in used},
            sign_mode=self.sign_mode.name.lower(),
        )
        for name in used:
            engine.traces[name][...] = getattr(self, name)
        return engine

    def run_spk(self) -> None:
        """Send what the step before left, receive spikes, learn."""
        if self._engine is None:
            self._engine = self._build()
        engine = self._engine
        if self._work is not None:
            self._work.begin_step(engine)
        self.a_out.send(self.a_buff)  # type: ignore[has-type]
        pre = self.s_in.recv().astype(bool)
        self.a_buff = engine.weights.T[pre].sum(axis=0)
        post = self.s_in_bap.recv().astype(bool)
        sent = None
        if isinstance(self._learning_rule, Loihi3FLearningRule):
            values = {n: getattr(self, f"s_in_{n}").recv() for n in _POST}
            sent = {n: v * engine.decays[n] for n, v in values.items() if n in engine.traces}
        engine.step(self.time_step, pre, post, sent)
        if self._work is not None:
            self._work.end_step()

    def lrn_guard(self) -> bool:
        """Learning is done with the spikes: a phase of its own costs messages."""
        return False


def products_of(series: ProductSeries | None) -> list[Product]:
    """Lava's reading of a rule's text."""
    if series is None:
        return []
    return [
        Product(
            p.s_mantissa,
            p.s_exp - 7,
            p.dependency if p.decimate_exponent is None else f"u{p.decimate_exponent}",
            tuple(Factor(f.state_var, float(f.const or 0.0), f.is_sgn) for f in p.factors),
        )
        for p in series.products
    ]


def rule_of(text: Mapping[str, Any], three_factor: bool) -> LoihiLearningRule:
    """Lava's object for a rule.

    Lava lets y1, y2, y3 of a rule with three factors decay in 65535 steps, although they are
    replaced in each; here they do not.
    """
    if not three_factor:
        return Loihi2FLearningRule(**text, t_epoch=1, rng_seed=1)
    own = {n: v for n, v in text.items() if n[0] != "y"}
    rule = Loihi3FLearningRule(**own, t_epoch=1, rng_seed=1)
    for name in _POST:
        setattr(rule, f"{name}_tau", np.inf)
    return rule


def learning_dense(
    name: str, weights: NDArray[np.float64], made: Translation, make: Any
) -> tuple[LearningDense, type[PyEventLearningDense]]:
    """Lava's process for a translated rule, and the model that runs it.

    Parameters
    ----------
    name : str
    weights : array ``[post, pre]``
    made : Translation
    make : callable
        Makes what gives the model its weights and is told of its steps.
    """
    text: dict[str, Any] = {"dw": made.dw_text, "dt": made.dt_text}
    for trace in made.traces:
        text |= {f"{trace.name}_impulse": trace.impulse, f"{trace.name}_tau": trace.tau}
    process = LearningDense(
        name=name,
        weights=weights,
        learning_rule=rule_of(text, made.three_factor),
        sign_mode=SignMode[made.sign_mode.upper()],
        make=make,
    )
    for trace in made.traces:
        if trace.initial:
            getattr(process, trace.name).init = trace.initial
    return process, PyEventLearningDense

"""One plasticity rule: decay, arrivals, spikes of the target, and what runs every so often."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from neuro.backends.torch.expressions import Expressions
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.scopes import Scope, Synapses, Units, units
from neuro.backends.torch.spikes import Arriving, Chosen, SpikeList, Spikes, possible
from neuro.program import Assign, Plasticity, side_of


class Learning:
    """Runs one step of a rule for all items.

    Parameters
    ----------
    step : Plasticity
    memory : Memory
    expressions : Expressions
    synapses : Synapses
    """

    def __init__(
        self, step: Plasticity, memory: Memory, expressions: Expressions, synapses: Synapses
    ) -> None:
        self._memory, self._synapses = memory, synapses
        self._decay = _Block(step.decay, expressions)
        self._on_pre = _Block(step.on_pre, expressions)
        self._on_post = _Block(step.on_post, expressions)
        self._on_step = _Block(step.on_step, expressions)
        self._pre_flag, self._post_flag = step.pre_flag, step.post_flag

    def __call__(self, arriving: Arriving, spiking: Spikes | None, on_step: bool) -> None:
        """``spiking`` is None for a rule that has nothing to do with the target."""
        self._decay(self._all_units, self._synapses.every)
        on_step = on_step and bool(self._on_step)
        if not (possible(arriving) or possible(spiking) or on_step):
            return
        self._flag(self._pre_flag, arriving)
        self._flag(self._post_flag, spiking)
        if possible(arriving):
            self._on_pre(lambda: self._units(arriving), lambda: self._synapses.of_pre(arriving))
        if spiking is not None and possible(spiking):
            self._on_post(lambda: self._units(spiking), lambda: self._synapses.of_post(spiking))
        if on_step:
            self._on_step(self._all_units, self._synapses.every)
        for flag in (self._pre_flag, self._post_flag):
            if flag is not None:
                self._memory.tensors[flag].zero_()

    def _all_units(self) -> Scope:
        return Units(self._memory)

    def _units(self, arriving: Arriving) -> Scope:
        assert not isinstance(arriving, Chosen), "nothing arrives at a whole unit"
        return units(self._memory, arriving)

    def _flag(self, flag: str | None, found: Arriving | None) -> None:
        if flag is None or found is None:
            return
        values = self._memory.tensors[flag]
        if isinstance(found, Tensor):
            values.copy_(found)
        elif isinstance(found, SpikeList):
            values.view(-1).index_fill_(0, found.places, True)
        else:
            place = torch.from_numpy(found.row * values.shape[-1] + found.synapse)
            values.view(-1).index_fill_(0, place, True)


class _Block:
    """Statements, each for some units (a trace) or for their synapses (a synaptic array)."""

    def __init__(self, assigns: tuple[Assign, ...], expressions: Expressions) -> None:
        self._statements = [(bool(side_of(a.target)), expressions.assignment(a)) for a in assigns]

    def __bool__(self) -> bool:
        return bool(self._statements)

    def __call__(self, make_units: Callable[[], Scope], make_synapses: Callable[[], Scope]) -> None:
        scopes: dict[bool, Scope] = {}
        for per_unit, assignment in self._statements:
            if per_unit not in scopes:
                scopes[per_unit] = make_units() if per_unit else make_synapses()
            scopes[per_unit].assign(assignment)

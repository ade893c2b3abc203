"""One plasticity rule: decay, arrivals, spikes of the target, and what runs every so often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.backends.reference.synapses import Selection, Synapses, Units, of_units
from neuro.backends.reference.tape import Tape
from neuro.connectivity import IntArray
from neuro.equations.evaluation import evaluator
from neuro.equations.expression import names
from neuro.program import Assign, Plasticity, array_of, side_of

Arrays = Mapping[str, NDArray[Any]]

_ALL = slice(None)


class Learning:
    """Runs one step of a rule.

    Parameters
    ----------
    step : Plasticity
    arrays : mapping
        The engine's arrays.
    dtype : numpy dtype
        Floating-point type of the program.
    synapses : Synapses
    tapes : sequence of Tape
        Decay of the traces of units.
    """

    def __init__(
        self,
        step: Plasticity,
        arrays: Arrays,
        dtype: np.dtype[np.floating],
        synapses: Synapses,
        tapes: Sequence[Tape],
    ) -> None:
        self._synapses, self._tapes = synapses, tapes
        self._of_arrivals = synapses.of_pre if step.delays is None else synapses.single
        synaptic_decay = tuple(a for a in step.decay if not side_of(a.target))
        self._decay = _Block(synaptic_decay, arrays, dtype)
        self._on_pre = _Block(step.on_pre, arrays, dtype)
        self._on_post = _Block(step.on_post, arrays, dtype)
        self._on_step = _Block(step.on_step, arrays, dtype)
        self._pre_flag = arrays[step.pre_flag] if step.pre_flag else None
        self._post_flag = arrays[step.post_flag] if step.post_flag else None

    def __call__(self, arriving: IntArray, spiking: IntArray, on_step: bool) -> None:
        """``arriving`` are source units (with synaptic delays: synapses), ``spiking`` targets."""
        for tape in self._tapes:
            tape.run()
        self._decay(_ALL, self._synapses.all)
        if not (len(arriving) or len(spiking) or (on_step and self._on_step)):
            return
        self._flag(arriving, spiking, True)
        if len(arriving):
            self._on_pre(arriving, lambda: self._of_arrivals(arriving))
        if len(spiking):
            self._on_post(spiking, lambda: self._synapses.of_post(spiking))
        if on_step:
            self._on_step(_ALL, self._synapses.all)
        self._flag(arriving, spiking, False)

    def _flag(self, arriving: IntArray, spiking: IntArray, value: bool) -> None:
        if self._pre_flag is not None:
            self._pre_flag[arriving] = value
        if self._post_flag is not None:
            self._post_flag[spiking] = value


class _Block:
    """Statements, each for some units (a trace) or for their synapses (a synaptic array)."""

    def __init__(
        self, assigns: tuple[Assign, ...], arrays: Arrays, dtype: np.dtype[np.floating]
    ) -> None:
        self._statements = [_Statement(a, arrays, dtype) for a in assigns]

    def __bool__(self) -> bool:
        return bool(self._statements)

    def __call__(self, units: Units, select: Callable[[], Selection]) -> None:
        selection: Selection | None = None
        local: dict[str, Any] = {}
        for statement in self._statements:
            if statement.per_unit:
                statement.run_for_units(units, local)
            else:
                if selection is None:
                    selection = select()
                statement.run_for_synapses(selection, local)


class _Statement:
    def __init__(self, assign: Assign, arrays: Arrays, dtype: np.dtype[np.floating]) -> None:
        #: A trace changes once per unit, a synaptic array once per synapse of those units.
        self.per_unit = bool(side_of(assign.target))
        self._local = assign.target if assign.local else ""
        self._target = None if assign.local else arrays[array_of(assign.target)]
        self._value = evaluator(assign.expression, dtype)
        used = dict.fromkeys(names(assign.expression))
        self._read = {n: arrays[array_of(n)] for n in used if not n.startswith("_")}

    def run_for_units(self, units: Units, local: dict[str, Any]) -> None:
        values = {
            n: a[0] if side_of(n) == "shared" else of_units(n, a, units) if a.ndim else a
            for n, a in self._read.items()
        }
        self._store(self._value(local | values), units, local)

    def run_for_synapses(self, selection: Selection, local: dict[str, Any]) -> None:
        values = {n: selection.gather(n, a) for n, a in self._read.items()}
        result = self._value(local | values)
        if self._target is None:
            local[self._local] = result
        else:
            selection.scatter(self._target, result)

    def _store(self, result: Any, units: Units, local: dict[str, Any]) -> None:
        if self._target is None:
            local[self._local] = result
        else:
            self._target[units] = result

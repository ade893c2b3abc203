"""Poisson spikes at given rates, constant or changing in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import IntArray
from neuro.description import Parameter, Value, whole_steps
from neuro.equations.evaluation import evaluate, fold
from neuro.equations.expression import Expr, names, parse_expression
from neuro.equations.statements import check_name
from neuro.errors import CompileError, DescriptionError
from neuro.program import EventSource
from neuro.sources.base import Source, check_shape
from neuro.sources.bernoulli import BLOCK, Steady, Varying


class Poisson(Source):
    """Poisson-like spikes: in each step a unit spikes with probability ``rate * dt``.

    Parameters
    ----------
    rate : float or array of shape (size,), hertz
        Mean rate.
    """

    def __init__(self, rate: Any) -> None:
        self.rate: Value = Parameter("hertz", minimum=0.0).read(rate, "rate of Poisson")

    def check(self, size: int, where: str) -> None:
        """Refuse rates of another length."""
        check_shape(self.rate, size, f"rate of {where}")

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Draw with probability ``rate * dt``; above 1 is refused."""
        p = np.broadcast_to(np.asarray(self.rate) * dt, (size,))
        if size and p.max() > 1:
            raise CompileError(
                f"{name}: rate {p.max() / dt:g} Hz gives {p.max():g} spikes per step of {dt:g} s;"
                f" use a dt of at most {dt / p.max():g} s or a lower rate"
            )
        return Steady(seed, name, p)


class ModulatedPoisson(Source):
    r"""Poisson spikes whose rate changes in time.

    Parameters
    ----------
    rate : array of shape (n,) or (n, size), hertz, or str
        Rates of n intervals one after the other; or an expression of ``t`` (seconds), for example
        ``"20 + 15 * sin(2 * pi * 5 * t)"``, evaluated at the start of each step.
    interval : float, second
        Length of one interval of an array; not given for an expression.
    repeat : bool
        Whether the intervals of an array begin again after the last; else silence.
    parameters : mapping of str to float or array of shape (size,)
        Names (SI values) that an expression uses, beside ``t`` and ``pi``.
    """

    def __init__(
        self,
        rate: Any,
        interval: Any = None,
        *,
        repeat: bool = False,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        name = "ModulatedPoisson"
        self.repeat = bool(repeat)
        self.parameters: dict[str, Value] = {
            check_name(k, f"parameter of {name}"): Parameter().read(v, f"{k} of {name}")
            for k, v in (parameters or {}).items()
        }
        self.interval: float | None = None
        if isinstance(rate, str):
            if interval is not None:
                raise DescriptionError(f"{name}: an expression of t has no interval; leave it out")
            known = {"t", "pi", *self.parameters}
            for used in names(parse_expression(rate, f"rate of {name}")):
                if used not in known:
                    raise DescriptionError(
                        f"rate of {name}: unknown name {used!r}; known: {', '.join(sorted(known))}"
                    )
            self.rate: str | NDArray[np.float64] = rate
            return
        if interval is None:
            raise DescriptionError(f"{name}: rates of intervals need interval= in seconds")
        if self.parameters:
            raise DescriptionError(f"{name}: parameters belong to an expression, not to an array")
        length = Parameter("second", 0.0, exclusive=True).read(interval, f"interval of {name}")
        values = np.atleast_1d(Parameter("hertz", 0.0).read(rate, f"rate of {name}"))
        if values.ndim > 2 or not len(values) or not isinstance(length, float):
            raise DescriptionError(
                f"rate of {name} has shape {values.shape}; expected (intervals,) or"
                " (intervals, size), and one number as interval"
            )
        self.rate, self.interval = values, length

    def check(self, size: int, where: str) -> None:
        """Refuse rates and parameters of another length."""
        if isinstance(self.rate, str):
            for key, value in self.parameters.items():
                check_shape(value, size, f"{key} of {where}")
        elif self.rate.ndim == 2 and self.rate.shape[1] != size:
            raise DescriptionError(
                f"rate of {where} has shape {self.rate.shape}; expected (intervals,) or"
                f" (intervals, {size})"
            )

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Draw with probability ``rate(t) * dt``; an array's rate above 1/dt is refused."""
        if isinstance(self.rate, str):
            expression = parse_expression(self.rate)
            known = {"pi": np.pi, **self.parameters}
            return _Expression(seed, name, size, expression, known, dt)
        p = self.rate * dt
        if p.max() > 1:
            raise CompileError(
                f"{name}: rate {self.rate.max():g} Hz gives {p.max():g} spikes per step of {dt:g}"
                " s; use a smaller dt or lower rates"
            )
        assert self.interval is not None
        steps = whole_steps(self.interval, dt, f"interval of {name}")
        return _Intervals(seed, name, size, p.reshape(len(p), -1), steps, self.repeat)


class _Intervals(Varying):
    def __init__(
        self,
        seed: int,
        name: str,
        size: int,
        p: NDArray[np.float64],
        steps: int,
        repeat: bool,
    ) -> None:
        super().__init__(seed, name, size)
        self._p, self._steps, self._repeat = p, steps, repeat

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        index = np.arange(first, first + BLOCK) // self._steps
        active = np.ones(BLOCK, bool) if self._repeat else index < len(self._p)
        return np.asarray(self._p[index % len(self._p)] * active[:, None])


class _Expression(Varying):
    def __init__(
        self,
        seed: int,
        name: str,
        size: int,
        rate: Expr,
        known: Mapping[str, Any],
        dt: float,
    ) -> None:
        super().__init__(seed, name, size)
        self._rate, self._known, self._dt = fold(rate), known, dt

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        return self._per_step(first, first + BLOCK)

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Spikes; only rates of the steps asked for are checked, not those of the whole block."""
        for low in range(start, stop, BLOCK):
            p = self._per_step(low, min(low + BLOCK, stop))
            wrong = ~((p >= 0) & (p <= 1))  # also of NaN
            if np.any(wrong):
                step, unit = np.argwhere(wrong)[0]
                raise CompileError(
                    f"{self.name}: the rate expression gives {p[step, unit] / self._dt:g} Hz at t ="
                    f" {(low + step) * self._dt:g} s; it must lie between 0 and 1/dt ="
                    f" {1 / self._dt:g} Hz"
                )
        return super().events(start, stop)

    def _per_step(self, start: int, stop: int) -> NDArray[np.float64]:
        """Expected spikes, shape (steps, 1) or (steps, size)."""
        t = np.arange(start, stop)[:, None] * self._dt
        with np.errstate(all="ignore"):  # what is no rate is refused, with its time
            rate = np.asarray(evaluate(self._rate, {**self._known, "t": t}), dtype=np.float64)
        p = np.broadcast_to(rate, np.broadcast_shapes(t.shape, rate.shape)) * self._dt
        return np.asarray(p)

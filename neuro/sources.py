"""Sources: populations without inputs. Their spikes are data, the same on every backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.connectivity import IntArray
from neuro.description import Described, Parameter, Value, whole_steps
from neuro.equations.evaluation import evaluate, fold
from neuro.equations.expression import Expr, names, parse_expression
from neuro.equations.statements import check_name
from neuro.errors import CompileError, DescriptionError
from neuro.program import EventSource
from neuro.random import stream

#: Steps drawn from one random stream at a time.
BLOCK = 256


class Source(Described, ABC):
    """Base of all sources; what a network calls when it meets one."""

    @abstractmethod
    def check(self, size: int, where: str) -> None:
        """Refuse, when the population is made, what cannot drive ``size`` units."""

    @abstractmethod
    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """The spikes as data, for time steps of dt seconds."""


class Bernoulli(ABC):
    """Independent spikes with given probabilities per step, drawn in blocks of steps.

    The numbers of a block depend only on seed, name and block, so any stretch of time can be
    drawn at any moment, in any order, with equal results.
    """

    def __init__(self, seed: int, name: str, size: int) -> None:
        self.seed, self.name, self.size = seed, name, size
        self._stream = f"spikes of {name}"
        self._cached: tuple[int, NDArray[np.bool_]] | None = None

    def replica(self, item: int) -> EventSource:
        """The same statistics, in a batch: item 0 has these numbers, others their own."""
        if item == 0:
            return self
        made = copy(self)
        made._stream, made._cached = f"{self._stream}, item {item}", None
        return made

    @abstractmethod
    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Probability of a spike, broadcastable to ``[BLOCK, size]``, from step ``first`` on.

        May draw from the generator (before the spikes do).
        """

    def _block(self, index: int) -> NDArray[np.bool_]:
        if self._cached is None or self._cached[0] != index:
            generator = stream(self.seed, self._stream, index)
            p = self.probabilities(index * BLOCK, generator)
            self._cached = index, generator.random((BLOCK, self.size)) < p
        return self._cached[1]

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Spikes of steps ``start <= k < stop``, sorted by step, then unit."""
        steps, units = [], []
        for index in range(start // BLOCK, -(-stop // BLOCK)):
            low, high = max(start, index * BLOCK), min(stop, (index + 1) * BLOCK)
            k, i = np.nonzero(self._block(index)[low - index * BLOCK : high - index * BLOCK])
            steps.append(k + low)
            units.append(i)
        if not steps:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        return np.concatenate(steps), np.concatenate(units)


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
        return _Fixed(seed, name, p)


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


class _Intervals(Bernoulli):
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


class _Expression(Bernoulli):
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
        rate = np.asarray(evaluate(self._rate, {**self._known, "t": t}), dtype=np.float64)
        p = np.broadcast_to(rate, np.broadcast_shapes(t.shape, rate.shape)) * self._dt
        return np.asarray(p)


class _Fixed(Bernoulli):
    def __init__(self, seed: int, name: str, p: NDArray[np.float64]) -> None:
        super().__init__(seed, name, len(p))
        self._p = p

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        return self._p


class WindowedPoisson(Source):
    """Poisson spikes seen through a small square window that jumps in every step.

    The input of sleep replay (Tadros et al. 2022): in each step a window of ``window x window``
    pixels is placed uniformly at random inside the image; units outside are silent, those inside
    spike with probability ``min(1, rate * dt)``.

    Parameters
    ----------
    rate : array of shape (size,), hertz
        Rate of each pixel while it is inside the window, in row-major image order.
    image_shape : (int, int)
        Rows and columns of the image; their product is the size of the population.
    window : int or None
        Side of the window in pixels; None: the whole image in every step.
    stop : float, second, optional
        The source is silent from here on.
    """

    def __init__(
        self,
        rate: Any,
        image_shape: tuple[int, int],
        window: int | None = None,
        stop: Any = None,
    ) -> None:
        name = "WindowedPoisson"
        self.rate: Value = Parameter("hertz", minimum=0.0).read(rate, f"rate of {name}")
        self.image_shape = (int(image_shape[0]), int(image_shape[1]))
        if window is not None and not 1 <= int(window) <= min(self.image_shape):
            raise DescriptionError(
                f"window of {name} is {window}; it must lie in 1..{min(self.image_shape)}"
                f" for images of {self.image_shape[0]}x{self.image_shape[1]} pixels (or be None)"
            )
        self.window = None if window is None else int(window)
        self.stop = None if stop is None else Parameter("second", 0.0).read(stop, f"stop of {name}")

    def check(self, size: int, where: str) -> None:
        """Refuse image shapes and rates that do not fit the population."""
        rows, columns = self.image_shape
        if rows * columns != size:
            raise DescriptionError(
                f"image_shape of {where} is {rows}x{columns} = {rows * columns} pixels,"
                f" the population has {size} units"
            )
        check_shape(self.rate, size, f"rate of {where}")

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Draw window positions and spikes; probabilities above 1 count as 1."""
        p = np.minimum(1.0, np.broadcast_to(np.asarray(self.rate) * dt, (size,)))
        stop = None
        if self.stop is not None:
            stop = whole_steps(float(np.asarray(self.stop)), dt, f"stop of {name}")
        return _Windowed(seed, name, p.reshape(self.image_shape), self.window, stop)


class _Windowed(Bernoulli):
    def __init__(
        self,
        seed: int,
        name: str,
        p: NDArray[np.float64],
        window: int | None,
        stop: int | None,
    ) -> None:
        super().__init__(seed, name, p.size)
        self._p, self._window, self._stop = p, window, stop

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        rows, columns = self._p.shape
        steps = np.arange(first, first + BLOCK)
        awake = np.ones(BLOCK, bool) if self._stop is None else steps < self._stop
        p = self._p[None] * awake[:, None, None]
        if self._window is not None:
            inside = []
            for n in (rows, columns):
                corner = generator.integers(0, n - self._window + 1, BLOCK)[:, None]
                index = np.arange(n)
                inside.append((index >= corner) & (index < corner + self._window))
            p = p * (inside[0][:, :, None] & inside[1][:, None, :])
        return p.reshape(BLOCK, -1)


class PoissonImages(Source):
    """Images shown one after another; each pixel spikes at a rate proportional to its value.

    Parameters
    ----------
    images : array of shape (n, ...), values in [0, 1]
        Flattened to ``(n, size)``.
    rate : float, hertz
        Rate of a pixel of value 1.
    duration : float, second
        How long each image is shown.
    gap : float, second, default 0
        Silence after each image. After the last image the source stays silent.
    """

    def __init__(self, images: ArrayLike, rate: Any, duration: Any, gap: Any = 0.0) -> None:
        name = "PoissonImages"
        pixels = np.array(images, dtype=np.float64)
        if pixels.ndim < 2 or not len(pixels):
            raise DescriptionError(
                f"images of {name} have shape {pixels.shape}; expected (n, pixels...) with n >= 1"
            )
        if not np.all((pixels >= 0) & (pixels <= 1)):  # also refuses NaN
            raise DescriptionError(
                f"images of {name} hold values outside [0, 1] (or NaN); divide by their maximum"
            )
        pixels = pixels.reshape(len(pixels), -1)
        pixels.flags.writeable = False
        self.images = pixels
        self.rate = Parameter("hertz", minimum=0.0).read(rate, f"rate of {name}")
        positive = Parameter("second", minimum=0.0, exclusive=True)
        self.duration = positive.read(duration, f"duration of {name}")
        self.gap = Parameter("second", minimum=0.0).read(gap, f"gap of {name}")

    def check(self, size: int, where: str) -> None:
        """Refuse images of another number of pixels."""
        if self.images.shape[1] != size:
            raise DescriptionError(
                f"images of {where} have {self.images.shape[1]} pixels, the population has"
                f" {size} units"
            )

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Draw with probability ``rate * value * dt``."""
        p = float(np.asarray(self.rate)) * dt
        if p > 1:
            raise CompileError(
                f"{name}: rate {p / dt:g} Hz gives {p:g} spikes per step of {dt:g} s; lower it"
            )
        shown = whole_steps(float(np.asarray(self.duration)), dt, f"duration of {name}")
        pause = whole_steps(float(np.asarray(self.gap)), dt, f"gap of {name}")
        return _Images(seed, name, self.images * p, shown, pause)


class _Images(Bernoulli):
    def __init__(
        self, seed: int, name: str, p: NDArray[np.float64], shown: int, pause: int
    ) -> None:
        super().__init__(seed, name, p.shape[1])
        self._p, self._shown, self._pause = p, shown, pause

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        index, phase = np.divmod(np.arange(first, first + BLOCK), self._shown + self._pause)
        visible = (index < len(self._p)) & (phase < self._shown)
        return np.asarray(self._p[np.minimum(index, len(self._p) - 1)] * visible[:, None])


class SpikeTimes(Source):
    """Replayed spikes.

    Parameters
    ----------
    times : array of int or float, or a quantity in seconds
        Integers are time steps; floats and quantities are seconds, each rounded to the nearest
        step when the network is compiled.
    units : array of int
        Unit of each spike, same length as times. Any order.
    """

    def __init__(self, times: Any, units: ArrayLike) -> None:
        name = "SpikeTimes"
        plain = np.asarray(times)
        quantity = hasattr(times, "dim") or hasattr(times, "dimensionality")
        self.in_steps = plain.dtype.kind in "iu" and not quantity
        if self.in_steps:
            self.times: NDArray[Any] = plain.astype(np.int64).reshape(-1)
        elif plain.size == 0:
            self.times, self.in_steps = np.zeros(0, np.int64), True
        else:
            self.times = np.atleast_1d(Parameter("second").read(times, f"times of {name}"))
        given = np.asarray(units)
        if given.size and given.dtype.kind not in "iu":
            raise DescriptionError(f"units of {name} are {given.dtype}; expected whole numbers")
        self.units = given.astype(np.int64).reshape(-1)
        if self.times.ndim != 1 or len(self.times) != len(self.units):
            raise DescriptionError(
                f"{name}: {self.times.size} times but {self.units.size} units;"
                " give one unit for each time"
            )
        if len(self.times) and self.times.min() < 0:
            raise DescriptionError(f"{name}: time {self.times.min()} is negative; start at 0")
        for array in (self.times, self.units):
            array.flags.writeable = False

    def check(self, size: int, where: str) -> None:
        """Refuse units outside the population."""
        if len(self.units) and not 0 <= self.units.min() <= self.units.max() < size:
            bad = int(self.units.min() if self.units.min() < 0 else self.units.max())
            raise DescriptionError(
                f"{where}: unit {bad} does not exist; the population has units 0..{size - 1}"
            )

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Sort; two spikes of one unit in one step are refused."""
        steps = self.times if self.in_steps else np.rint(self.times / dt).astype(np.int64)
        order = np.lexsort((self.units, steps))
        steps, units = steps[order], self.units[order]
        twice = np.flatnonzero((np.diff(steps) == 0) & (np.diff(units) == 0))
        if len(twice):
            k, i = int(steps[twice[0]]), int(units[twice[0]])
            raise CompileError(
                f"{name}: unit {i} has two spikes in step {k} (dt = {dt:g} s);"
                " remove one or use a smaller dt"
            )
        return _Replay(steps, units)


class _Replay:
    def __init__(self, steps: IntArray, units: IntArray) -> None:
        self._steps, self._units = steps, units

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        low, high = np.searchsorted(self._steps, [start, stop])
        return self._steps[low:high], self._units[low:high]

    def replica(self, item: int) -> EventSource:
        return self


class PerItem(Source):
    """Another source for each item of a batch.

    Parameters
    ----------
    sources : iterable of Source
        Source b drives item b. A run without batch sees the first.

    Examples
    --------
    >>> net.drive("image", nr.PerItem([nr.Poisson(rate=200 * image) for image in images]))
    >>> sim = nr.compile(net, backend="torch", batch=len(images))
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        if isinstance(sources, Source) or not isinstance(sources, Iterable):
            raise DescriptionError(
                f"sources of PerItem are {sources!r}; expected a sequence of sources"
            )
        self.sources = tuple(sources)
        if not self.sources:
            raise DescriptionError("sources of PerItem are empty; give at least one source")
        for i, source in enumerate(self.sources):
            if not isinstance(source, Source):
                raise DescriptionError(
                    f"sources of PerItem: item {i} is {source!r}, not a source such as"
                    " Poisson(rate=…)"
                )

    def check(self, size: int, where: str) -> None:
        """Refuse when one of the sources does not fit."""
        for i, source in enumerate(self.sources):
            source.check(size, f"{where}, item {i}")

    def lower(self, seed: int, name: str, size: int, dt: float) -> EventSource:
        """Each on its own random stream: item b is what the source would be as item b."""
        return _Items([s.lower(seed, name, size, dt) for s in self.sources], name)


class _Items:
    def __init__(self, sources: list[EventSource], name: str) -> None:
        self._sources, self._name = sources, name

    def events(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        return self._sources[0].events(start, stop)

    def replica(self, item: int) -> EventSource:
        if item >= len(self._sources):
            raise CompileError(
                f"{self._name}: PerItem has {len(self._sources)} sources, but the batch has an item"
                f" {item}; give one source per item"
            )
        return self._sources[item].replica(item)


#: Classes that a file may name.
KINDS: tuple[type[Source], ...] = (
    ModulatedPoisson,
    PerItem,
    Poisson,
    PoissonImages,
    SpikeTimes,
    WindowedPoisson,
)


def check_shape(value: Value, size: int, where: str) -> None:
    """Refuse a per-unit array whose length is not the population's size."""
    if np.ndim(value) and np.shape(value) != (size,):
        raise DescriptionError(
            f"{where} has shape {np.shape(value)}; expected one number or shape ({size},)"
        )

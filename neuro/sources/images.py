"""Poisson spikes of images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.description import Parameter, Value, whole_steps
from neuro.errors import CompileError, DescriptionError
from neuro.program import EventSource
from neuro.sources.base import Source, check_shape
from neuro.sources.bernoulli import BLOCK, Varying


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


class _Windowed(Varying):
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


class _Images(Varying):
    def __init__(
        self, seed: int, name: str, p: NDArray[np.float64], shown: int, pause: int
    ) -> None:
        super().__init__(seed, name, p.shape[1])
        self._p, self._shown, self._pause = p, shown, pause

    def probabilities(self, first: int, generator: np.random.Generator) -> NDArray[np.float64]:
        index, phase = np.divmod(np.arange(first, first + BLOCK), self._shown + self._pause)
        visible = (index < len(self._p)) & (phase < self._shown)
        return np.asarray(self._p[np.minimum(index, len(self._p) - 1)] * visible[:, None])

"""Images as spikes: one integrate-and-fire unit per pixel, which counts brightness up to one.

All spiking learners are shown images in this way, so that their rows in a table differ by how
they learn, not by what they see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Encoding:
    r"""Images as spike trains.

    .. math::
        r = g\,\min\!\left(\frac{n\,x}{\lVert x \rVert},\, c\right), \qquad
        p \leftarrow p + r,\quad s = [p \ge 1],\quad p \leftarrow p - s

    A unit that starts at a random phase p in [0, 1) spikes r times a step in the long run, and
    never strays from that by a whole spike.

    Attributes
    ----------
    norm : float
        n; every image is scaled to this length (a black one stays black).
    clip : float
        c; largest value of a pixel thereafter.
    gain : float
        g, spikes per step of a pixel of value 1. ``gain * clip`` must not exceed 1, as a unit
        spikes at most once a step.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    norm: float = 4.0
    clip: float = 2.0
    gain: float = 0.5

    def __post_init__(self) -> None:
        for name in ("norm", "clip", "gain"):
            if not getattr(self, name) > 0:
                raise DescriptionError(f"{name} of an encoding is {getattr(self, name)}; above 0")
        if self.gain * self.clip > 1:
            raise DescriptionError(
                f"an encoding with gain {self.gain:g} and clip {self.clip:g} asks for "
                f"{self.gain * self.clip:g} spikes a step; lower one, the product is at most 1"
            )

    def rates(self, images: NDArray[np.floating]) -> FloatArray:
        """Spikes per step of every unit.

        Parameters
        ----------
        images : ndarray, shape [n, pixels]
            Brightness, not negative.
        """
        pixels = np.asarray(images, np.float64)
        length = np.sqrt(np.square(pixels).sum(axis=1, keepdims=True))
        scaled = self.norm * pixels / np.where(length > 0, length, 1.0)
        return np.asarray(self.gain * np.minimum(scaled, self.clip))

    @staticmethod
    def spikes(rates: FloatArray, phases: FloatArray, steps: int) -> NDArray[np.bool_]:
        """Spike trains.

        Parameters
        ----------
        rates : ndarray, shape [n, units]
            As :meth:`rates` gives them.
        phases : ndarray, shape [n, units]
            Where the units start, in [0, 1).
        steps : int
            Length of the trains.

        Returns
        -------
        ndarray of bool, shape [steps, n, units]
        """
        trains = np.empty((steps, *rates.shape), bool)
        phase = phases.copy()
        for train in trains:
            phase += rates
            np.greater_equal(phase, 1.0, out=train)
            phase -= train
        return trains

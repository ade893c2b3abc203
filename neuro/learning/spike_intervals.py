r"""Importance of neurons by how regularly they spike, from integer counters.

Our reading of arXiv:2604.16496 (Roy et al. 2026); the method section could not be retrieved. What
is public: neurons with a low coefficient of variation (CV) of their inter-spike intervals are
important and protected, those with a high one are free to change; there is no gradient, only
spike-time counters and integer arithmetic.

Each neuron counts its intervals d over a task: their number n, :math:`S_1 = \sum d` and
:math:`S_2 = \sum d^2`. Then

.. math::
    CV^2 = \frac{n S_2 - S_1^2}{S_1^2}, \qquad \Omega = \frac{1}{1 + CV}

(0 for n < 2), kept as the largest over the tasks. The importance of a synapse is that of its
postsynaptic neuron; where this does not spike (readout), that of its presynaptic one. A bias is the
weight of a unit that spikes in every step, whose :math:`\Omega` is 1.

Importance acts either as a penalty :math:`\frac{\lambda}{2} \sum \Omega (w - w^*)^2`
(:class:`neuro.learning.isi_importance.SpikeImportance`), or without any gradient as a factor
:math:`1 - \gamma\Omega` on the learning rates of a neuron (:meth:`Importance.plasticity`). Anything
that holds weights back lessens forgetting, so results mean something only beside the two controls:
``uniform`` (every neuron has the mean :math:`\Omega` of its layer; 1 would as a factor freeze
everything, and as a penalty hold back more in all) and ``shuffled`` (the same values, dealt to
other neurons of the layer).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.errors import DescriptionError
from neuro.learning.settings import SPIKE_IMPORTANCE


class IntervalCounters:
    """Counters of the inter-spike intervals of some neurons.

    A sample is a stretch of time of its own: the interval between the last spike of one sample and
    the first of the next is not counted.

    Parameters
    ----------
    units : int
        Neurons.

    Attributes
    ----------
    last : ndarray of int64, shape [units]
        Step of the last spike of the running sample, -1 before the first.
    n, s1, s2 : ndarray of int64, shape [units]
        Number of intervals, their sum, and the sum of their squares.

    Examples
    --------
    >>> counters = IntervalCounters(2)
    >>> train = np.zeros((9, 2), bool)
    >>> train[[0, 3, 6], 0] = train[[0, 1, 8], 1] = True
    >>> counters.add(train)
    >>> counters.n.tolist(), counters.s1.tolist(), counters.s2.tolist()
    ([2, 2], [6, 8], [18, 50])
    >>> counters.importance().round(3).tolist()
    [1.0, 0.571]
    """

    def __init__(self, units: int) -> None:
        if units < 1:
            raise DescriptionError(f"IntervalCounters units: {units}; at least 1")
        self.last, self.n, self.s1, self.s2 = (np.zeros(units, np.int64) for _ in range(4))
        self.last -= 1

    def spiked(self, step: int, units: NDArray[np.bool_]) -> None:
        """Count one step of the running sample.

        Parameters
        ----------
        step : int
            Number of the step in the sample.
        units : ndarray of bool, shape [units]
            Who spikes.
        """
        ended = units & (self.last >= 0)
        interval = np.where(ended, step - self.last, 0)
        self.n += ended
        self.s1 += interval
        self.s2 += interval * interval
        self.last[units] = step

    def next_sample(self) -> None:
        """Forget when neurons spiked last."""
        self.last[:] = -1

    def add(self, spikes: NDArray[np.bool_]) -> None:
        """Count whole samples.

        Parameters
        ----------
        spikes : ndarray of bool, shape [steps, units] or [steps, samples, units]
            Spike trains.
        """
        trains = np.asarray(spikes, bool)
        if trains.ndim not in (2, 3) or trains.shape[-1] != len(self.n):
            raise DescriptionError(
                f"IntervalCounters.add: spikes of shape {trains.shape} do not fit; give [steps, "
                f"{len(self.n)}] or [steps, samples, {len(self.n)}]"
            )
        trains = trains.reshape(len(trains), -1, len(self.n))
        # All samples side by side, each with a last spike of its own.
        last = np.full(trains.shape[1:], -1, np.int64)
        for step, now in enumerate(trains):
            interval = np.where(now & (last >= 0), step - last, 0)
            self.n += (interval > 0).sum(0)
            self.s1 += interval.sum(0)
            self.s2 += (interval * interval).sum(0)
            last[now] = step
        self.next_sample()

    def add_sums(self, n: ArrayLike, s1: ArrayLike, s2: ArrayLike) -> None:
        """Add what neurons counted themselves: as n, s1 and s2, whole numbers, shape [units]."""
        for counter, counted in ((self.n, n), (self.s1, s1), (self.s2, s2)):
            counter += np.rint(counted).astype(np.int64)

    def sums(self) -> NDArray[np.int64]:
        """What was counted so far: n, s1 and s2, shape [3, units]."""
        return np.stack([self.n, self.s1, self.s2])

    def reset(self) -> None:
        """Start a new task."""
        for counter in (self.n, self.s1, self.s2):
            counter[:] = 0
        self.next_sample()

    def regular(self, numerator: int, denominator: int) -> NDArray[np.bool_]:
        """Whether CV < numerator / denominator, in integer arithmetic; False for n < 2."""
        spread = self.n * self.s2 - self.s1 * self.s1
        low = denominator**2 * spread < numerator**2 * self.s1 * self.s1
        return np.asarray((self.n >= 2) & low, bool)

    def cv(self) -> NDArray[np.float64]:
        """Coefficient of variation of the intervals; NaN for n < 2."""
        squared = np.full(len(self.n), np.nan)
        spread = self.n * self.s2 - self.s1 * self.s1
        np.divide(spread, self.s1 * self.s1, out=squared, where=self.n >= 2)
        found: NDArray[np.float64] = np.sqrt(squared)
        return found

    def importance(self) -> NDArray[np.float64]:
        r""":math:`\Omega`, in [0, 1]; 0 for n < 2."""
        return np.nan_to_num(1.0 / (1.0 + self.cv()), nan=0.0)


class Importance:
    r"""Importance of the neurons of one layer over tasks.

    Parameters
    ----------
    units : int
        Neurons.
    kind : {"isi-cv", "uniform", "shuffled"}
        What it is; see the module.
    order : ndarray of int, shape [units]
        Permutation of the neurons for ``"shuffled"``; the same for all tasks, so that the values
        are those of ``"isi-cv"``.

    Attributes
    ----------
    counters : IntervalCounters
        Of the current task; whoever runs the neurons feeds them.
    largest : ndarray, shape [units]
        Largest importance by intervals in the tasks that are finished; 0 before the first.
    """

    def __init__(self, units: int, kind: str, order: NDArray[np.int64]) -> None:
        if kind not in SPIKE_IMPORTANCE:
            known = ", ".join(SPIKE_IMPORTANCE)
            raise DescriptionError(f"importance {kind!r} is unknown; there are {known}")
        self.kind = kind
        self.order = order
        self.counters = IntervalCounters(units)
        self.largest = np.zeros(units)

    def finish(self) -> None:
        """The task is over: its counters become importance."""
        self.largest = np.maximum(self.largest, self.counters.importance())
        self.counters.reset()

    @property
    def omega(self) -> NDArray[np.float64]:
        """Importance of each unit after the tasks that are finished, shape [units]."""
        if self.kind == "uniform":
            return np.full_like(self.largest, self.largest.mean())
        return self.largest if self.kind == "isi-cv" else self.largest[self.order]

    def plasticity(self, strength: float) -> NDArray[np.float64]:
        r"""Factor :math:`1 - \gamma \Omega` on the learning rates of the neurons."""
        return np.asarray(1.0 - strength * self.omega)

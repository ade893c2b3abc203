"""The loop of leaky networks on a processor, compiled: a few trajectories through all time.

Trajectories do not touch each other, so a block of them is taken through all steps before the next:
weights and states stay in the processor's nearest memory, and what follows the product of matrices
is one pass over the block. Equal to :class:`~neuro.models.reactivation.recurrence.LeakyLoop` on
other devices but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 32
"""Trajectories of a block."""

Array = NDArray[Any]


@njit(cache=True)
def leaky_forward(
    drive: Array,
    recurrent: Array,
    noise: Array,
    leak: float,
    activation: int,
    states: Array,
    active: Array,
) -> None:
    """States after the first, and the values of the activation.

    Parameters
    ----------
    drive : ndarray, shape [steps, trajectories, units]
    recurrent : ndarray, shape [units, units]
    noise : ndarray, shape [steps, trajectories, units], or of no steps for none
    leak : float
    activation : int
        Place in :data:`neuro.learning.reactivation_settings.ACTIVATIONS`.
    states : ndarray, shape [steps + 1, trajectories, units]
        The first is read, the others are written.
    active : ndarray, shape [steps, trajectories, units]
        Is written.
    """
    steps, count, units = drive.shape
    a = drive.dtype.type(leak)
    one = drive.dtype.type(1)
    noisy = len(noise) > 0
    for low in range(0, count, BLOCK):
        rows = min(BLOCK, count - low)
        now = states[0, low : low + rows].copy()
        sums = np.empty_like(now)
        for step in range(steps):
            np.dot(now, recurrent, sums)
            for row in range(rows):
                for unit in range(units):
                    j = sums[row, unit] + drive[step, low + row, unit]
                    if activation == 0:
                        j = max(j, drive.dtype.type(0))
                    elif activation == 1:
                        j = np.tanh(j)
                    elif activation == 2:
                        j = one / (one + np.exp(-j))
                    active[step, low + row, unit] = j
                    r = now[row, unit] + a * (j - now[row, unit])
                    if noisy:
                        r += noise[step, low + row, unit]
                    now[row, unit] = r
                    states[step + 1, low + row, unit] = r


@njit(cache=True)
def leaky_backward(
    gradient: Array,
    active: Array,
    back: Array,
    leak: float,
    activation: int,
    drive: Array,
    start: Array,
) -> None:
    """Derivatives by the drive and by the first states.

    Parameters
    ----------
    gradient : ndarray, shape [steps, trajectories, units]
        By the states.
    active : ndarray, shape [steps, trajectories, units]
        From :func:`leaky_forward`.
    back : ndarray, shape [units, units]
        Recurrent weights, transposed.
    leak : float
    activation : int
    drive : ndarray, shape [steps, trajectories, units]
        Is written.
    start : ndarray, shape [trajectories, units]
        Is written.
    """
    steps, count, units = gradient.shape
    a = gradient.dtype.type(leak)
    one = gradient.dtype.type(1)
    for low in range(0, count, BLOCK):
        rows = min(BLOCK, count - low)
        now = np.zeros((rows, units), gradient.dtype)
        pushed = np.empty_like(now)
        sums = np.empty_like(now)
        for step in range(steps - 1, -1, -1):
            for row in range(rows):
                for unit in range(units):
                    j = active[step, low + row, unit]
                    slope = one
                    if activation == 0:
                        slope = one if j > 0 else gradient.dtype.type(0)
                    elif activation == 1:
                        slope = one - j * j
                    elif activation == 2:
                        slope = j * (one - j)
                    by_state = now[row, unit] + gradient[step, low + row, unit]
                    now[row, unit] = by_state
                    by_drive = a * slope * by_state
                    pushed[row, unit] = by_drive
                    drive[step, low + row, unit] = by_drive
            np.dot(pushed, back, sums)
            for row in range(rows):
                for unit in range(units):
                    now[row, unit] = (one - a) * now[row, unit] + sums[row, unit]
        start[low : low + rows] = now

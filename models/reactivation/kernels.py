"""The loop of leaky networks on a processor, compiled: a few trajectories through all time.

Trajectories do not touch each other, so a block of them is taken through all steps before the next:
weights and states stay in the processor's nearest memory. What follows the product of matrices is
simple loops over all numbers of the block, which compilers turn into vector instructions. Equal to
:class:`~neuro.models.reactivation.recurrence.LeakyLoop` on other devices but for rounding.
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
    for low in range(0, count, BLOCK):
        high = min(low + BLOCK, count)
        size = (high - low) * units
        now = states[0, low:high].copy()
        sums = np.empty_like(now)
        r, j = now.reshape(size), sums.reshape(size)
        for step in range(steps):
            np.dot(now, recurrent, sums)
            _activate(j, drive[step, low:high].reshape(size), activation)
            if len(noise):
                push = noise[step, low:high].reshape(size)
                for i in range(size):
                    r[i] = r[i] + a * (j[i] - r[i]) + push[i]
            else:
                for i in range(size):
                    r[i] += a * (j[i] - r[i])
            active[step, low:high] = sums
            states[step + 1, low:high] = now


@njit(cache=True)
def _activate(values: Array, drive: Array, activation: int) -> None:
    """The activation of values and drive together, in place of the values."""
    zero, one = values.dtype.type(0), values.dtype.type(1)
    for i in range(len(values)):
        values[i] += drive[i]
    if activation == 0:
        for i in range(len(values)):
            values[i] = values[i] if values[i] > zero else zero
    elif activation == 1:
        for i in range(len(values)):
            values[i] = np.tanh(values[i])
    elif activation == 2:
        for i in range(len(values)):
            values[i] = one / (one + np.exp(-values[i]))


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
    kept = gradient.dtype.type(1) - a
    for low in range(0, count, BLOCK):
        high = min(low + BLOCK, count)
        size = (high - low) * units
        now = np.zeros((high - low, units), gradient.dtype)
        pushed = np.empty_like(now)
        sums = np.empty_like(now)
        by_state, by_drive, through = now.reshape(size), pushed.reshape(size), sums.reshape(size)
        for step in range(steps - 1, -1, -1):
            given = gradient[step, low:high].reshape(size)
            for i in range(size):
                by_state[i] += given[i]
                by_drive[i] = a * by_state[i]
            _times_slope(by_drive, active[step, low:high].reshape(size), activation)
            drive[step, low:high] = pushed
            np.dot(pushed, back, sums)
            for i in range(size):
                by_state[i] = kept * by_state[i] + through[i]
        start[low:high] = now


@njit(cache=True)
def _times_slope(values: Array, j: Array, activation: int) -> None:
    """Values times the derivative of the activation where that is j, in place of the values."""
    zero, one = values.dtype.type(0), values.dtype.type(1)
    if activation == 0:
        for i in range(len(values)):
            values[i] = values[i] if j[i] > zero else zero
    elif activation == 1:
        for i in range(len(values)):
            values[i] *= one - j[i] * j[i]
    elif activation == 2:
        for i in range(len(values)):
            values[i] *= j[i] * (one - j[i])

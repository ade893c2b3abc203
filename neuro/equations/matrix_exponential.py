"""The exponential of small matrices, with the same bits on every machine.

That of SciPy depends on the BLAS, and takes as long to import as all the rest of a compilation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Powers of a matrix whose norm is below 1/2 that still count: 0.5^16 / 16! is 7e-19.
TERMS = 16


#: A matrix whose norm is more than this many times its largest diagonal element is balanced.
UNBALANCED = 4.0

#: Rounds of balancing; each halves the distance of rows and columns on a logarithmic scale.
ROUNDS = 10


def expm(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """``e^matrix`` by its power series, after scaling; then squared as often as it was halved.

    Source: Moler & Van Loan 2003, SIAM Review 45:3, methods 1 and 3. Entries that are zero in all
    powers of the matrix stay exactly zero. Variables in units of very different size (volts beside
    amperes) are first counted in others, by powers of two, which is exact: each squaring doubles
    the error, and a large element that couples two variables would ask for many.

    Parameters
    ----------
    matrix : array of shape (..., n, n)
        Several matrices share the scaling of the largest.
    """
    exponents = _units(matrix)
    matrix = np.ldexp(matrix, exponents[None, :] - exponents[:, None])
    size = np.abs(matrix).sum(-1).max(initial=0.0)
    halvings = max(0, int(np.frexp(size)[1]) + 1)
    scaled = np.ldexp(matrix, -halvings)
    power: NDArray[np.float64] = np.broadcast_to(np.eye(matrix.shape[-1]), matrix.shape)
    total = power
    for k in range(1, TERMS + 1):
        power = _product(power, scaled) / k
        total = total + power
    for _ in range(halvings):
        total = _product(total, total)
    made: NDArray[np.float64] = np.ldexp(total, exponents[:, None] - exponents[None, :])
    return made


def _units(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """Exponents e such that ``matrix[i, j] 2^(e_j - e_i)`` is balanced (Osborne 1960)."""
    largest = np.abs(matrix).reshape(-1, *matrix.shape[-2:]).max(0, initial=0.0)
    diagonal = np.diagonal(largest).max(initial=0.0)
    exponents = np.zeros(len(largest), np.int64)
    if not diagonal or largest.sum(-1).max() <= UNBALANCED * diagonal:
        return exponents
    np.fill_diagonal(largest, 0.0)
    for _ in range(ROUNDS):
        for i in range(len(largest)):
            scaled = np.ldexp(largest, exponents[None, :] - exponents[:, None])
            row, column = scaled[i].sum(), scaled[:, i].sum()
            if row and column:
                ratio = np.sqrt(row / column)
            elif row or column:  # nothing holds it: only what is too large has to shrink
                ratio = max(row / diagonal, 1.0) if row else min(diagonal / column, 1.0)
            else:
                continue
            exponents[i] += int(np.rint(np.log2(ratio)))
    return exponents


def _product(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix product, summed in order."""
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = total + a[..., :, k : k + 1] * b[..., k : k + 1, :]
    return total

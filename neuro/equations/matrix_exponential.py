"""The exponential of small matrices, with the same bits on every machine.

That of SciPy depends on the BLAS, and takes as long to import as all the rest of a compilation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Powers of a matrix whose norm is below 1/2 that still count: 0.5^16 / 16! is 7e-19.
TERMS = 16


def expm(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """``e^matrix`` by its power series, after scaling; then squared as often as it was halved.

    Source: Moler & Van Loan 2003, SIAM Review 45:3, methods 1 and 3. Entries that are zero in all
    powers of the matrix stay exactly zero.

    Parameters
    ----------
    matrix : array of shape (..., n, n)
        Several matrices share the scaling of the largest.
    """
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
    return total


def _product(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matrix product, summed in order."""
    total = a[..., :, :1] * b[..., :1, :]
    for k in range(1, a.shape[-1]):
        total = total + a[..., :, k : k + 1] * b[..., k : k + 1, :]
    return total

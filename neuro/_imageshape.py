"""Bring images of different data sets to one shape: grey, square, of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness that is seen (ITU-R BT.601)."""

_CHUNK = 5000  # images at a time: their float copies need memory


def area_weights(length: int, side: int) -> NDArray[np.float64]:
    """How much of each old pixel each new one covers, along one axis.

    Parameters
    ----------
    length, side : int
        Old and new number of pixels over the same stretch.

    Returns
    -------
    ndarray, shape [side, length]
        Rows add up to 1: a new pixel is the mean of what it covers.
    """
    # In units of 1/side of an old pixel all borders are whole numbers.
    old = np.arange(length + 1) * side
    new = np.arange(side + 1) * length
    overlap = np.minimum(new[1:, None], old[1:]) - np.maximum(new[:-1, None], old[:-1])
    weights: NDArray[np.float64] = np.maximum(overlap, 0) / length
    return weights


def grey_square(images: NDArray[Any], side: int) -> NDArray[Any]:
    """Grey images of one size: the luminance of the middle square, shrunk or stretched by areas.

    Each new pixel is the mean over the area that it covers, every old pixel counting by its
    covered part.

    Parameters
    ----------
    images : ndarray, shape [n, height, width] or [n, height, width, 3]
        uint8 or float32.
    side : int
        Height and width of the result.

    Returns
    -------
    ndarray, shape [n, side, side]
        Of the same type; uint8 is rounded to the nearest (to the even one in the middle).
    """
    height, width = images.shape[1:3]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    weights = area_weights(square, side)
    made = np.empty((len(images), side, side), images.dtype)
    for start in range(0, len(images), _CHUNK):
        some = images[start : start + _CHUNK, top : top + square, left : left + square]
        grey = some.astype(np.float64)
        if grey.ndim == 4:
            grey = grey @ np.array(LUMINANCE)
        grey = weights @ grey @ weights.T
        made[start : start + _CHUNK] = np.rint(grey) if images.dtype == np.uint8 else grey
    return made

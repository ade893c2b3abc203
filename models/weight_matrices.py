"""Weight matrices of a torch network, out as arrays and in again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neuro.errors import DescriptionError


def copied(weights: Sequence[Tensor]) -> list[NDArray[np.float64]]:
    """Float64 copies of matrices."""
    return [w.detach().to("cpu", torch.float64, copy=True).numpy() for w in weights]


@torch.no_grad()
def load(
    weights: Sequence[Tensor], given: Sequence[ArrayLike], where: str, axes: str, note: str = ""
) -> None:
    """Copy arrays into the matrices of a network.

    Parameters
    ----------
    weights : sequence of Tensor
        Are changed.
    given : sequence of array_like
    where, axes, note : str
        What is loaded, and what the axes mean, for messages.

    Raises
    ------
    DescriptionError
        If number, shapes or values do not fit; nothing is changed then.
    """
    arrays = [np.asarray(w, dtype=np.float64) for w in given]
    wanted, shapes = [tuple(w.shape) for w in weights], [a.shape for a in arrays]
    if shapes != wanted:
        raise DescriptionError(f"{where}: shapes {shapes} do not fit; give {axes} = {wanted}{note}")
    if not all(bool(np.isfinite(a).all()) for a in arrays):
        raise DescriptionError(f"{where}: a weight is not finite")
    for array, mine in zip(arrays, weights, strict=True):
        mine.copy_(torch.from_numpy(array))

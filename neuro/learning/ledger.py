"""What learning and answering cost: bytes of arrays, spikes, synaptic operations, energy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.loihi.energy import ENERGY

Array = Tensor | NDArray[Any]


def memory_formula(
    inputs: int,
    hidden: int,
    classes: int,
    *,
    steps: int = 32,
    batch: int = 32,
    copies: int = 0,
    kept: int = 0,
) -> int:
    """Bytes to train a spiking network of one hidden layer by a surrogate gradient, in float32.

    Weights with biases, their gradients, two averages of Adam, what a regulariser keeps, and for
    each step and image of a batch the inputs, three numbers a hidden unit and two a class. It is
    what a plain implementation holds, for comparison; :class:`neuro.models.surrogate.SurrogateLIF`
    saves less for its backward pass (:func:`saved_bytes`).

    Parameters
    ----------
    inputs, hidden, classes : int
        Units.
    steps, batch : int
        Time steps; images per update.
    copies : int
        Arrays of the size of the weights in the regulariser: 2 for elastic weight consolidation.
    kept : int
        Images kept for rehearsal, in float32, each with a label of 8 bytes.

    Examples
    --------
    >>> memory_formula(196, 200, 10, copies=2)
    4336176
    """
    weights = inputs * hidden + hidden + hidden * classes + classes
    activations = steps * batch * (inputs + 3 * hidden + 2 * classes)
    return 4 * (weights * (4 + copies) + activations) + kept * (4 * inputs + 8)


def arrays_of(thing: Any) -> Iterator[Array]:
    """Tensors and numpy arrays in lists, tuples and attributes, at any depth."""
    if isinstance(thing, Tensor | np.ndarray):
        yield thing
    elif isinstance(thing, list | tuple):
        for item in thing:
            yield from arrays_of(item)
    elif hasattr(thing, "__dict__") and not isinstance(thing, type) and not callable(thing):
        yield from arrays_of(list(vars(thing).values()))


def array_bytes(arrays: Iterable[Array]) -> int:
    """Bytes of arrays; what several of them share is counted once."""
    return sum(dict(_memory(array) for array in arrays).values())


def saved_bytes(run: Callable[[], Any], besides: Iterable[Tensor] = ()) -> int:
    """Bytes that autograd keeps for the backward pass of a computation.

    The errors that the backward pass itself makes come on top.

    Parameters
    ----------
    run : callable
        The computation.
    besides : iterable of Tensor
        Not counted: the weights, which are there anyway.
    """
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        saved.update([_memory(tensor)])
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        # Holding the result holds what was saved, so that no memory is used twice.
        result = run()
    for tensor in besides:
        saved.pop(_memory(tensor)[0], None)
    del result
    return sum(saved.values())


def _memory(array: Array) -> tuple[int, int]:
    """Address and bytes of what an array lies in."""
    if isinstance(array, Tensor):
        storage = array.untyped_storage()
        return storage.data_ptr(), storage.nbytes()
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.ctypes.data, array.nbytes


def inference_energy(synaptic_operations: float, updates: float, spikes: float) -> float:
    """Dynamic energy in joule by the figures published for Loihi 1; a lower bound.

    All updates count as those of idle neurons, each spike as one message within a tile. See
    :data:`neuro.loihi.energy.NOTES` for what is left out.

    Parameters
    ----------
    synaptic_operations : float
        Spikes times the synapses that they reach.
    updates : float
        Neurons times steps.
    spikes : float
        Of all neurons that send any.
    """
    return (
        synaptic_operations * ENERGY["synaptic operations"].value
        + updates * ENERGY["idle updates"].value
        + spikes * ENERGY["messages"].value
    )

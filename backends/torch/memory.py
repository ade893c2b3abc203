"""The arrays of a program as tensors, with an axis of items where items can differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.errors import CompileError
from neuro.program import Program


class Memory:
    """Arrays by name.

    An array that some step writes has one value per item, on an axis in front (of length 1
    when there is no batch); all items share the others. Whole numbers are kept in the
    floating-point type of the program, which holds them exactly: tensors of two types would be
    converted in every step.

    Parameters
    ----------
    program : Program
    batch : int or None
        Number of items; None: one, and no item axis outside.
    device : torch.device
    """

    def __init__(self, program: Program, batch: int | None, device: torch.device) -> None:
        self._program, self._batch = program, batch
        #: Number of items.
        self.items = 1 if batch is None else batch
        self.device = device
        #: Floating-point type of the program.
        self.dtype: torch.dtype = getattr(torch, program.dtype.name)
        #: Every array; a tensor keeps its place in memory, except inputs that are given for
        #: many steps at once.
        self.tensors: dict[str, Tensor] = {}
        self._own = {name for name, array in program.arrays.items() if not array.constant}
        self._written: set[str] = set()
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        for name, array in program.arrays.items():
            if array.constant:
                value = self._tensor(array.initial)
            elif array.items is not None:
                replicas = [array.replica(item) for item in range(self.items)]
                value = self._tensor(np.stack(replicas))
            else:
                value = self._tensor(array.initial).expand(self.items, *array.initial.shape)
            self.tensors[name] = value.clone(memory_format=torch.contiguous_format)

    def per_item(self, name: str) -> bool:
        """Whether items have values of their own."""
        return name in self._own

    def truth(self, name: str) -> bool:
        """Whether an array holds truth values."""
        return self._program.arrays[name].kind == "bool"

    def scalar(self, name: str) -> bool:
        """Whether an array is one number for the network."""
        return not self._program.arrays[name].domain

    def was_set(self, name: str) -> bool:
        """Whether an array was ever written from outside."""
        return name in self._written

    def watch(self, name: str, call: Callable[[], None]) -> None:
        """Have something called after an array was set from outside."""
        self._watchers.setdefault(name, []).append(call)

    def read(self, name: str) -> NDArray[Any]:
        """A copy, in the type of the program, as :class:`neuro.engine.Engine` promises it."""
        value = self.tensors[name].cpu().numpy()
        if self._batch is None and self.per_item(name):
            value = value[0]
        return value.astype(self._program.arrays[name].initial.dtype)

    def write(self, name: str, value: NDArray[Any]) -> None:
        """Set an array: one value for all items, or with an item axis.

        Raises
        ------
        CompileError
            An item axis where all items share the array.
        """
        array = self._program.arrays[name]
        if np.ndim(value) > array.initial.ndim and not self.per_item(name):
            raise CompileError(
                f"{name!r} has no item axis: no step of the program writes it, so all items share"
                f" it; give one value of shape {array.initial.shape}"
            )
        self._written.add(name)
        self.tensors[name].copy_(self._seen(np.asarray(value)))
        for call in self._watchers.get(name, ()):
            call()

    def changed(self) -> Mapping[str, NDArray[Any]]:
        """What belongs into a checkpoint: what steps write, and what was set."""
        return {
            name: self.read(name)
            for name, array in self._program.arrays.items()
            if not array.constant or name in self._written
        }

    @staticmethod
    def _seen(value: NDArray[Any]) -> Tensor:
        """Numbers of the caller, to be copied from."""
        whole = value.flags.writeable and all(stride >= 0 for stride in value.strides)
        return torch.from_numpy(value if whole else value.copy())

    def _tensor(self, value: NDArray[Any]) -> Tensor:
        dtype = torch.bool if value.dtype.kind == "b" else self.dtype
        return torch.tensor(value, dtype=dtype, device=self.device)

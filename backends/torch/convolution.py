"""Delivery through a convolution: one kernel in memory for all positions.

Every position of the output sees a patch of the input. The elements of a patch, in the order of the
weight array, are source units in ascending order; so a patch is a row of spikes, the kernel is a
matrix ``[elements, channels]``, and adding up its rows gives the stated order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neuro.backends.torch.delivery import Delivery, add_rows
from neuro.backends.torch.memory import Memory
from neuro.backends.torch.spikes import FlatSpikes, SpikeList
from neuro.connectivity import Convolution
from neuro.program import array_of

#: Elements of patches that are looked at together, to bound memory.
ELEMENTS = 2**22


class ConvolutionDelivery(Delivery[SpikeList]):
    """Delivery through a convolution.

    Parameters
    ----------
    memory : Memory
    shape : Convolution
    weights : str
        The kernel.
    factors : tuple of str
        As in :class:`neuro.program.Arrive`; of source units.
    ordered : bool
    """

    def __init__(
        self,
        memory: Memory,
        shape: Convolution,
        weights: str,
        factors: tuple[str, ...],
        ordered: bool,
    ) -> None:
        self._memory, self._shape, self._ordered = memory, shape, ordered
        self._kernel, self._factors = memory.tensors[weights], tuple(map(array_of, factors))
        self._elements = int(np.prod(shape.weight_shape[1:]))
        self._refresh()
        memory.watch(weights, self._refresh)

    def _refresh(self) -> None:
        """The kernel as a matrix ``[groups * elements, channels of a group]``."""
        s = self._shape
        grouped = self._kernel.reshape(s.groups, s.out_channels // s.groups, self._elements)
        self._matrix = grouped.transpose(1, 2).reshape(-1, s.out_channels // s.groups).contiguous()

    def listed(self, arriving: SpikeList, out: Tensor) -> None:
        """Add up the elements where the patches have spikes."""
        if not self._ordered:
            self.masked(arriving.mask(), out)
            return

        def part(images: Tensor, rows: slice) -> Tensor:
            patches = self._patches(images).reshape(-1)
            flat = np.flatnonzero(patches.cpu().numpy())
            bags = len(patches) // self._elements
            found = FlatSpikes(flat, bags, self._elements, out.device)
            return self._added(found.places, found.bounds, rows, None)

        self._in_parts(arriving.mask(), part, out)

    def masked(self, arriving: Tensor, out: Tensor) -> None:
        """As torch convolves; or add up all elements of all patches."""
        if not self._ordered:
            out.copy_(self._convolved(arriving).reshape(out.shape))
            return

        def part(images: Tensor, rows: slice) -> Tensor:
            shares = self._patches(images).reshape(-1).to(self._kernel.dtype)
            places = torch.arange(len(shares), device=out.device)
            bags = len(shares) // self._elements
            bounds = torch.arange(bags + 1, device=out.device) * self._elements
            return self._added(places, bounds, rows, shares)

        self._in_parts(arriving, part, out)

    def _convolved(self, arriving: Tensor) -> Tensor:
        s = self._shape
        images = arriving.to(self._kernel.dtype)
        for factor in self._factors:
            images = images * self._memory.tensors[factor]
        images = images.view(-1, *s.in_shape)
        return torch.nn.functional.conv2d(
            images, self._kernel, None, s.stride, s.padding, s.dilation, s.groups
        )

    def _in_parts(
        self, arriving: Tensor, function: Callable[[Tensor, slice], Tensor], out: Tensor
    ) -> None:
        """Some rows of spikes at a time; the function gives their input."""
        width = self._matrix.shape[1] if self._factors else 1
        positions = self._shape.n_post // self._matrix.shape[1]
        count = max(1, ELEMENTS // (positions * self._elements * width))
        parts = [slice(low, low + count) for low in range(0, len(arriving), count)]
        out.copy_(torch.cat([function(arriving[part], part) for part in parts]).view(out.shape))

    def _patches(self, images: Tensor) -> Tensor:
        """View ``[rows, groups, y, x, channels, r, c]`` of images ``[rows, pre]``, padded."""
        s = self._shape
        channels, height, width = s.in_shape
        (above, left), inside = s.padding, s.in_shape[0] // s.groups
        padded = images.new_zeros((len(images), channels, height + 2 * above, width + 2 * left))
        padded[:, :, above : above + height, left : left + width] = images.view(-1, *s.in_shape)
        row, channel, y, x = padded.stride()
        return padded.as_strided(
            (len(images), s.groups, *s.out_shape[1:], inside, *s.kernel),
            (
                row,
                inside * channel,
                y * s.stride[0],
                x * s.stride[1],
                channel,
                y * s.dilation[0],
                x * s.dilation[1],
            ),
        )

    def _added(self, places: Tensor, bounds: Tensor, rows: slice, shares: Tensor | None) -> Tensor:
        """Sums of the kernel elements at some places ``patch * elements + element``."""
        s = self._shape
        _, height, width = s.out_shape
        group = places.div(self._elements * height * width, rounding_mode="floor") % s.groups
        index = places % self._elements + group * self._elements
        matrix = self._matrix
        if self._factors:
            matrix = matrix[index]
            for name in self._factors:
                factor = self._memory.tensors[name].expand(self._memory.items, -1)[rows]
                matrix = matrix * self._patches(factor).reshape(-1)[places].unsqueeze(-1)
            index = torch.arange(len(places), device=places.device)
        sums = matrix.new_empty((len(bounds) - 1, matrix.shape[1]))
        add_rows(matrix, index, bounds, sums, shares)
        channels_last = sums.view(-1, s.groups, height, width, matrix.shape[1])
        return channels_last.permute(0, 1, 4, 2, 3).reshape(-1, s.n_post)

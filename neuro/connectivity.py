"""Who is connected to whom, as backends see it: dense, sparse, or a convolution.

Every connectivity has an order of synapses, in which all synaptic arrays (weights, delays,
synaptic traces) are kept, and the shape of its weight array.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Union

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Dense:
    """All-to-all: weights have shape ``[n_pre, n_post]``, synapses are in row-major order."""

    n_pre: int
    n_post: int

    @property
    def count(self) -> int:
        """Number of synapses."""
        return self.n_pre * self.n_post

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight array."""
        return (self.n_pre, self.n_post)

    def expand(self) -> tuple[Sparse, IntArray]:
        """The same synapses as rows, and the index of each synapse's weight."""
        rows = np.arange(self.n_pre + 1, dtype=np.int64) * self.n_post
        targets = np.tile(np.arange(self.n_post, dtype=np.int64), self.n_pre)
        return Sparse(self.n_pre, self.n_post, rows, targets), np.arange(self.count)


@dataclass(frozen=True, eq=False)
class Sparse:
    """Compressed rows: row = presynaptic unit, targets ascending within a row.

    A target may repeat (a multapse): these are separate synapses with weights of their own.
    """

    n_pre: int
    n_post: int
    row_start: IntArray
    targets: IntArray

    @property
    def count(self) -> int:
        """Number of synapses."""
        return len(self.targets)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight array."""
        return (self.count,)

    @property
    def rows(self) -> IntArray:
        """Presynaptic unit of every synapse."""
        return np.repeat(np.arange(self.n_pre), np.diff(self.row_start))

    @cached_property
    def has_multapses(self) -> bool:
        """Whether two synapses join the same pair of units."""
        same_target = np.diff(self.targets) == 0
        same_row = np.diff(self.rows) == 0
        return bool(np.any(same_target & same_row))

    @cached_property
    def blocks(self) -> tuple[int, int, int] | None:
        """``(K, a, b)`` if the matrix consists of K full blocks of shape (a, b) on its diagonal.

        Weights then have the shape ``[K, a, b]``: those of block k join the units ``k a`` to
        ``k a + a - 1`` with the units ``k b`` to ``k b + b - 1``, all to all. None otherwise.
        """
        b = int(self.row_start[1]) if self.n_pre and self.count else 0
        if not b or self.n_post % b or self.n_pre % (self.n_post // b):
            return None
        shape = self.n_post // b, self.n_pre // (self.n_post // b), b
        if self.count != self.n_pre * b or np.any(np.diff(self.row_start) != b):
            return None
        targets = np.arange(self.n_post).reshape(shape[0], 1, b)
        return shape if np.all(self.targets.reshape(shape) == targets) else None

    def expand(self) -> tuple[Sparse, IntArray]:
        """Itself, and the index of each synapse's weight."""
        return self, np.arange(self.count)


@dataclass(frozen=True)
class Convolution:
    """A two-dimensional convolution: one kernel, shared by all positions.

    Populations are images ``[channels, rows, columns]``, flattened in this order. As in deep
    learning (a cross-correlation, the kernel is not turned),

    ``input[o, y, x] = sum over i, r, c of w[o, i, r, c] spike[i, y s - p + r d, x s - p + c d]``

    with stride s, padding p, dilation d, per axis; i runs over the input channels of o's group.
    The weight array is the kernel, of shape ``[out, in / groups, rows, columns]``.

    Attributes
    ----------
    in_shape : (int, int, int)
        Channels, rows, columns of the presynaptic population.
    out_channels : int
    kernel, stride, padding, dilation : (int, int)
        Per axis: rows, columns.
    groups : int
        Input and output channels are split into so many independent convolutions.
    """

    in_shape: tuple[int, int, int]
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def out_shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns of the postsynaptic population."""
        rows, columns = (
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, s, p, d in zip(
                self.in_shape[1:],
                self.kernel,
                self.stride,
                self.padding,
                self.dilation,
                strict=True,
            )
        )
        return self.out_channels, rows, columns

    @property
    def n_pre(self) -> int:
        """Presynaptic units."""
        return int(np.prod(self.in_shape))

    @property
    def n_post(self) -> int:
        """Postsynaptic units."""
        return int(np.prod(self.out_shape))

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the kernel array."""
        return (self.out_channels, self.in_shape[0] // self.groups, *self.kernel)

    @property
    def count(self) -> int:
        """Number of synapses (not of weights, which they share)."""
        return self._expanded[0].count

    def expand(self) -> tuple[Sparse, IntArray]:
        """Every synapse on its own, and the index into the flattened kernel of each."""
        return self._expanded

    @cached_property
    def _expanded(self) -> tuple[Sparse, IntArray]:
        per_group_in = self.in_shape[0] // self.groups
        per_group_out = self.out_channels // self.groups
        out_rows, out_columns = self.out_shape[1:]
        weight = np.arange(np.prod(self.weight_shape)).reshape(self.weight_shape)
        o, i, r, c, y, x = np.ogrid[
            : self.out_channels,
            :per_group_in,
            : self.kernel[0],
            : self.kernel[1],
            :out_rows,
            :out_columns,
        ]
        row = y * self.stride[0] - self.padding[0] + r * self.dilation[0]
        column = x * self.stride[1] - self.padding[1] + c * self.dilation[1]
        channel = (o // per_group_out) * per_group_in + i
        inside = (row >= 0) & (row < self.in_shape[1]) & (column >= 0) & (column < self.in_shape[2])
        shape = np.broadcast_shapes(channel.shape, inside.shape)
        inside = np.broadcast_to(inside, shape)
        pre = (channel * self.in_shape[1] + row) * self.in_shape[2] + column
        post = (o * out_rows + y) * out_columns + x
        pre, post, index = (
            np.broadcast_to(a, shape)[inside] for a in (pre, post, weight[..., None, None])
        )
        order = np.lexsort((post, pre))
        row_start = np.searchsorted(pre[order], np.arange(self.n_pre + 1)).astype(np.int64)
        sparse = Sparse(self.n_pre, self.n_post, row_start, post[order].astype(np.int64))
        return sparse, index[order].astype(np.int64)


Connectivity = Union[Dense, Sparse, Convolution]

"""Convolution and pooling: connectors between populations that are images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Convolution
from neuro.connectors.base import Connector
from neuro.connectors.weights import finite_array
from neuro.distributions import finite
from neuro.errors import DescriptionError

if TYPE_CHECKING:
    from neuro.members import Population

Pair = tuple[int, int]


class Convolve(Connector):
    """One kernel for all positions. Made by :func:`convolution` and :func:`pooling`.

    Attributes
    ----------
    kernel : array of shape (out, in / groups, rows, columns)
    stride, padding, dilation : (int, int)
    groups : int or None
        None: as many as the presynaptic population has channels, each with the same kernel
        (pooling).
    """

    title = "a convolution"

    def __init__(
        self,
        kernel: NDArray[np.float64],
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int | None,
    ) -> None:
        self.kernel, self.groups = kernel, groups
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def check(self, pre: Population, post: Population, where: str) -> None:
        """Refuse populations that are not images of the right shapes."""
        shape = _image_shape(pre, where)
        out, per_group = self.kernel.shape[:2]
        groups = self.groups
        if groups is not None and (shape[0] != per_group * groups or out % groups):
            raise DescriptionError(
                f"{where}: the kernel has shape {self.kernel.shape} (out, in / groups, rows,"
                f" columns) with {groups} group(s), but {pre.name!r} has {shape[0]} channels"
            )
        made = self.connectivity(shape).out_shape
        if min(made) < 1:
            raise DescriptionError(
                f"{where}: a kernel of {self.kernel.shape[2:]} does not fit into images of"
                f" {shape[1:]} with padding {self.padding}"
            )
        if int(np.prod(made)) != post.size:
            raise DescriptionError(
                f"{where}: the convolution gives {made} = {int(np.prod(made))} units, but"
                f" {post.name!r} has {post.size}; make it size={made}"
            )

    def connectivity(self, shape: tuple[int, int, int]) -> Convolution:
        """The connectivity from an image of some shape."""
        channels = shape[0]
        return Convolution(
            in_shape=shape,
            out_channels=self.kernel.shape[0] if self.groups is not None else channels,
            kernel=(self.kernel.shape[2], self.kernel.shape[3]),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=channels if self.groups is None else self.groups,
        )

    def build(
        self, generator: np.random.Generator, pre: Population, post: Population
    ) -> tuple[Connectivity, NDArray[np.float64]]:
        """The convolution and its kernel."""
        made = self.connectivity(_image_shape(pre, pre.name))
        return made, np.broadcast_to(self.kernel, made.weight_shape).copy()


def convolution(
    kernel: Any, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Connector:
    """A two-dimensional convolution, as in ``torch.nn.Conv2d`` (the kernel is not turned).

    Parameters
    ----------
    kernel : array of shape (out channels, in channels / groups, rows, columns)
        Shared by all positions; in the unit of the target's input port.
    stride, padding, dilation : int or (int, int)
        Per axis: rows, columns. Padding is with silence.
    groups : int
        Independent convolutions of parts of the channels.

    Notes
    -----
    The presynaptic population has the shape ``(channels, rows, columns)`` (or rows, columns),
    the postsynaptic one as many units as the result has.
    """
    name = "convolution"
    weights = finite_array(kernel, f"kernel of {name}")
    if weights.ndim != 4 or not weights.size:
        raise DescriptionError(
            f"kernel of {name} has shape {weights.shape}; expected (out, in / groups, rows,"
            " columns)"
        )
    if isinstance(groups, bool) or not isinstance(groups, int | np.integer) or groups < 1:
        raise DescriptionError(f"groups of {name} is {groups!r}; expected a whole number >= 1")
    return Convolve(
        weights,
        _pair(stride, 1, f"stride of {name}"),
        _pair(padding, 0, f"padding of {name}"),
        _pair(dilation, 1, f"dilation of {name}"),
        int(groups),
    ).of(kernel)


def pooling(window: Any, weight: Any = None, *, stride: Any = None) -> Connector:
    """Sums over windows of an image, in each channel by itself.

    Parameters
    ----------
    window : int or (int, int)
        Rows and columns.
    weight : float, optional
        Of every synapse; ``1 / (rows * columns)`` by default, which is average pooling; 1 is
        sum pooling.
    stride : int or (int, int), optional
        The window itself by default.
    """
    size = _pair(window, 1, "window of pooling")
    value = 1 / (size[0] * size[1]) if weight is None else finite(weight, "weight of pooling")
    kernel = np.full((1, 1, *size), value)
    kernel.flags.writeable = False
    step = size if stride is None else _pair(stride, 1, "stride of pooling")
    return Convolve(kernel, step, (0, 0), (1, 1), None).of(weight)


def _image_shape(population: Population, where: str) -> tuple[int, int, int]:
    shape = population.shape if len(population.shape) == 3 else (1, *population.shape)
    if len(shape) != 3:
        raise DescriptionError(
            f"{where}: population {population.name!r} has the shape {population.shape}; a"
            " convolution needs an image, size=(channels, rows, columns)"
        )
    return shape


def _pair(value: Any, minimum: int, where: str) -> Pair:
    pair = value if isinstance(value, tuple | list) else (value, value)
    for n in pair:
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < minimum:
            raise DescriptionError(f"{where} is {value!r}; expected whole numbers >= {minimum}")
    if len(pair) != 2:
        raise DescriptionError(f"{where} is {value!r}; expected one number or two")
    return int(pair[0]), int(pair[1])

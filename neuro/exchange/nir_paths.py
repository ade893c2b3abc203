"""What lies between two neurons of a NIR graph: linear maps, delays and biases, put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from neuro.connectivity import Convolution
from neuro.connectors import convolution, from_array, from_sparse, one_to_one, pooling
from neuro.connectors.base import Connector
from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]
Shape = tuple[int, ...]

LINEAR = ("Affine", "Linear", "Scale", "Conv1d", "Conv2d", "SumPool2d", "AvgPool2d")
"""Kinds of nodes that map values."""

STATELESS = (*LINEAR, "Delay", "Flatten")
"""Kinds of nodes without a state; delays become delays of projections."""


@dataclass(frozen=True)
class Path:
    """A way from one neuron to another through nodes without a state.

    Attributes
    ----------
    source : str
        Node where it begins.
    shape : tuple of int
        Of what it carries, now.
    nodes : tuple of (str, node)
        Passed so far.
    shapes : tuple of tuple
        Of what each of the nodes gets.
    """

    source: str
    shape: Shape
    nodes: tuple[tuple[str, Any], ...] = ()
    shapes: tuple[Shape, ...] = field(default=())

    def through(self, name: str, node: Any) -> Path:
        """The same path, one node longer."""
        return Path(
            self.source,
            output_shape(name, node, self.shape),
            (*self.nodes, (name, node)),
            (*self.shapes, self.shape),
        )

    def connector(self) -> Connector:
        """The linear maps as one; the simplest that does it."""
        steps = [
            (node, shape)
            for (_, node), shape in zip(self.nodes, self.shapes, strict=True)
            if kind_of(node) in LINEAR
        ]
        if not steps:
            return one_to_one(1.0)
        if len(steps) == 1 and self.shapes[0] == steps[0][1]:
            simple = _simple(*steps[0])
            if simple is not None:
                return simple
        total = self.matrix()
        return from_array(total.toarray()) if _is_full(total) else from_sparse(total)

    def matrix(self) -> scipy.sparse.csr_array:
        """Weights ``[source units, units]`` of all maps together."""
        total = scipy.sparse.eye_array(int(np.prod(self._first)), format="csr")
        for (_, node), shape in zip(self.nodes, self.shapes, strict=True):
            if kind_of(node) in LINEAR:
                total = scipy.sparse.csr_array(total @ _matrix(node, shape))
        return total

    def biases(self) -> dict[tuple[str, ...], FloatArray]:
        """What each bias on the way brings to its end, by the names of the nodes from there on."""
        found: dict[tuple[str, ...], FloatArray] = {}
        for (name, node), shape in zip(self.nodes, self.shapes, strict=True):
            if kind_of(node) in LINEAR:
                found = {key: value @ _matrix(node, shape) for key, value in found.items()}
            found = {(*key, name): value for key, value in found.items()}
            given = getattr(node, "bias", None)
            if given is not None:
                spread = np.asarray(given, np.float64).reshape(-1)
                if kind_of(node).startswith("Conv"):
                    positions = output_shape(name, node, shape)[1:]
                    spread = np.repeat(spread, int(np.prod(positions)))
                found[name,] = spread
        return found

    def delay(self, dt: float) -> float | FloatArray:
        """Seconds from a spike to its arrival, one step and the delays passed.

        Returns
        -------
        float, or ndarray ``[source units, units]``

        Raises
        ------
        DescriptionError
            If delays that differ lie between maps that mix units, or are no multiples of dt.
        """
        before: FloatArray = np.zeros(int(np.prod(self._first)))
        after: FloatArray | None = None
        for name, node in self.nodes:
            kind = kind_of(node)
            if kind in LINEAR and kind != "Scale":
                if after is not None and np.ptp(after) > 0:
                    raise DescriptionError(
                        f"from_nir: delays of {name!r} differ and lie between maps that mix units;"
                        " a neuro projection has one map: put a neuron between, or equal delays"
                    )
                after = np.zeros(1) if after is None else after
            elif kind == "Delay":
                steps = np.asarray(node.delay, np.float64).ravel() / dt
                if np.any(np.abs(steps - np.rint(steps)) > 1e-6 * np.maximum(steps, 1)):
                    raise DescriptionError(
                        f"from_nir: delay {name!r} has {steps.min() * dt:g} s, no multiple of"
                        f" dt = {dt:g} s; choose another dt"
                    )
                if after is None:
                    before = before + np.rint(steps)
                else:
                    after = after + np.rint(steps)
        total = before[:, None] + (np.zeros(1) if after is None else after)[None, :] + 1
        if np.ptp(total) == 0:
            return float(total.flat[0]) * dt
        return dt * np.broadcast_to(total, (len(before), int(np.prod(self.shape)))).copy()

    @property
    def _first(self) -> Shape:
        return self.shapes[0] if self.shapes else self.shape


def total_bias(paths: Iterable[Path], size: int) -> FloatArray:
    """What arrives at the common end of paths when their sources are silent; each bias once."""
    found: dict[tuple[str, ...], FloatArray] = {}
    for path in paths:
        found |= path.biases()
    total: FloatArray = np.sum([np.zeros(size), *found.values()], axis=0)
    return total


def kind_of(node: Any) -> str:
    """Name of the class of a node."""
    return type(node).__name__


def output_shape(name: str, node: Any, shape: Shape) -> Shape:
    """Shape of what a node without a state gives.

    Raises
    ------
    DescriptionError
        If it does not take what it gets.
    """
    kind, size = kind_of(node), int(np.prod(shape))
    if kind in ("Affine", "Linear"):
        weight = np.asarray(node.weight)
        if weight.ndim != 2 or weight.shape[1] != size:
            raise DescriptionError(
                f"from_nir: {kind} {name!r} has a weight of shape {weight.shape} and gets values of"
                f" shape {shape}"
            )
        return (weight.shape[0],)
    if kind == "Flatten":
        first, last = int(node.start_dim), int(node.end_dim)
        last = len(shape) - 1 if last in (-1, len(shape)) else last
        middle = int(np.prod(shape[first : last + 1]))
        return (*shape[:first], middle, *shape[last + 1 :])
    if kind in ("Conv1d", "Conv2d", "SumPool2d", "AvgPool2d"):
        made = _convolution(name, node, shape)[0].out_shape
        return (made[0], made[2]) if kind == "Conv1d" else made
    values = np.asarray(node.delay if kind == "Delay" else node.scale)
    if values.size not in (1, size):
        raise DescriptionError(
            f"from_nir: {kind} {name!r} has {values.size} values and gets {size}"
        )
    return shape


def _simple(node: Any, shape: Shape) -> Connector | None:
    """A connector of its own for one map; None if there is none."""
    kind = kind_of(node)
    if kind in ("Affine", "Linear"):
        return from_array(np.asarray(node.weight, np.float64).T)
    if kind == "Scale":
        return one_to_one(np.broadcast_to(np.ravel(node.scale), int(np.prod(shape))).astype(float))
    if kind == "Conv1d" or len(shape) != 3:
        return None
    form, kernel = _convolution("", node, shape)
    if kind == "Conv2d":
        return convolution(
            kernel,
            stride=form.stride,
            padding=form.padding,
            dilation=form.dilation,
            groups=form.groups,
        )
    if form.padding != (0, 0):
        return None
    return pooling(form.kernel, float(kernel.flat[0]), stride=form.stride)


def _matrix(node: Any, shape: Shape) -> scipy.sparse.csr_array:
    """Weights ``[in, out]`` of one map."""
    kind, size = kind_of(node), int(np.prod(shape))
    if kind in ("Affine", "Linear"):
        return scipy.sparse.csr_array(np.asarray(node.weight, np.float64).T)
    if kind == "Scale":
        scale = np.broadcast_to(np.ravel(node.scale).astype(np.float64), size)
        return scipy.sparse.csr_array(scipy.sparse.diags_array(scale))
    form, kernel = _convolution("", node, shape)
    rows, index = form.expand()
    weights = kernel.ravel()[index]
    return scipy.sparse.csr_array(
        (weights, rows.targets, rows.row_start), shape=(rows.n_pre, rows.n_post)
    )


def _convolution(name: str, node: Any, shape: Shape) -> tuple[Convolution, FloatArray]:
    """Convolutions and pooling as convolutions of images, and their kernels."""
    kind = kind_of(node)
    flat = kind == "Conv1d"
    if len(shape) == 2 and flat:
        image = (shape[0], 1, shape[1])
    elif len(shape) == 2 and not flat:
        image = (1, *shape)
    elif len(shape) == 3 and not flat:
        image = (shape[0], shape[1], shape[2])
    else:
        raise DescriptionError(
            f"from_nir: {kind} {name!r} gets values of shape {shape}; expected (channels,"
            f" {'values' if flat else 'rows, columns'})"
        )
    if kind.endswith("Pool2d"):
        window, stride = _pair(node.kernel_size), _pair(node.stride)
        weight = 1.0 if kind == "SumPool2d" else 1.0 / (window[0] * window[1])
        form = Convolution(
            image, image[0], window, stride, _pair(node.padding), (1, 1), groups=image[0]
        )
        return form, np.full(form.weight_shape, weight)
    kernel = np.asarray(node.weight, np.float64)
    kernel = kernel[:, :, None, :] if flat else kernel
    dilation = _pair(node.dilation, flat)
    form = Convolution(
        image,
        kernel.shape[0],
        (kernel.shape[2], kernel.shape[3]),
        _pair(node.stride, flat),
        _padding(name, node, kernel.shape[2:], dilation, flat),
        dilation,
        int(node.groups),
    )
    if image[0] != kernel.shape[1] * form.groups:
        raise DescriptionError(
            f"from_nir: {kind} {name!r} has weights of shape {np.shape(node.weight)} and"
            f" {form.groups} group(s), and gets {image[0]} channels"
        )
    return form, kernel


def _padding(
    name: str, node: Any, kernel: tuple[int, ...], dilation: tuple[int, int], flat: bool
) -> tuple[int, int]:
    given = node.padding
    if isinstance(given, bytes):
        given = given.decode()
    if not isinstance(given, str):
        return (0, int(np.ravel(given)[0])) if flat else _pair(given)
    if given == "valid":
        return 0, 0
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(r % 2 for r in reach):
        raise DescriptionError(
            f"from_nir: {name!r} has padding 'same' with an even kernel, which pads one side more;"
            " give the padding as numbers"
        )
    return reach[0] // 2, reach[1] // 2


def _pair(value: Any, flat: bool = False) -> tuple[int, int]:
    numbers = np.ravel(value).astype(int)
    if flat:
        return 1, int(numbers[0])
    return int(numbers[0]), int(numbers[-1])


def _is_full(matrix: scipy.sparse.csr_array) -> bool:
    return matrix.nnz > 0.5 * matrix.shape[0] * matrix.shape[1]

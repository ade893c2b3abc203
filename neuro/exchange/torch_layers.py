"""From a torch module, layer by layer, to a network: snnTorch, Norse, SpikingJelly, plain torch.

Neurons are recognised by their library and class and become models of the same operations in the
same order, so that spikes agree. The libraries themselves are not imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neuro.description import Parameter
from neuro.errors import DescriptionError
from neuro.exchange.nir_models import PORT
from neuro.exchange.nir_paths import output_shape
from neuro.exchange.nir_reading import GraphReader
from neuro.network import Network
from neuro.neurons import NeuronModel

FloatArray = NDArray[np.float64]
Shape = tuple[int, ...]

IGNORED = ("Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")
"""Layers that do nothing to a trained network."""


@dataclass(frozen=True)
class Cells:
    """Neurons of a layer.

    Attributes
    ----------
    shape : tuple of int
    texts : mapping
        Keyword arguments of :class:`NeuronModel`.
    parameters : mapping
        Name to (value, unit).
    """

    shape: Shape
    texts: Mapping[str, Any]
    parameters: Mapping[str, tuple[Any, str]]

    def model(self) -> NeuronModel:
        """The model."""
        size = int(np.prod(self.shape))
        values = {n: (_values(v, size), unit) for n, (v, unit) in self.parameters.items()}
        return NeuronModel(parameters=values, inputs={PORT: "1"}, **self.texts)


def from_torch(
    module: nn.Module, shape: int | tuple[int, ...], dt: Any = 1e-3, *, name: str = "torch"
) -> Network:
    """Make a network of a torch module.

    Parameters
    ----------
    module : torch.nn.Module
        Layers one after the other: ``nn.Sequential``, a ``SequentialState`` of Norse, or any
        module whose children are called in the order in which it has them.
    shape : int or tuple of int
        Of the input, without batch: units, or channels, rows, columns.
    dt : float, second
        Time step at which the network is to be compiled; cells of Norse have one of their own,
        which must be the same. Those of snnTorch and SpikingJelly count in steps.
    name : str

    Returns
    -------
    Network
        A source ``input`` without spikes, for :meth:`Network.drive`; a population for every layer
        of neurons, called as in the module; the last one is recorded. Biases are synapses from a
        source ``bias`` that spikes in every step, with delays by which they begin when the first
        input arrives.

    Raises
    ------
    DescriptionError
        For a layer, or an option of one, that has no counterpart; the message says which.

    Notes
    -----
    A spike takes one step to the next layer here, none in these libraries: spikes of layer n are n
    steps later.

    ============ ===================================================================
    torch        Linear, Conv1d, Conv2d, AvgPool2d, BatchNorm (as evaluated), Flatten
    snnTorch     Leaky, Synaptic
    Norse        LIFBoxCell, LIFCell, LICell, LIBoxCell
    SpikingJelly IFNode, LIFNode
    ============ ===================================================================

    Weights of a module that has other layers: export it with the library's ``to_nir`` and use
    :func:`neuro.from_nir`.
    """
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt of from_torch")
    if not isinstance(seconds, float):
        raise DescriptionError(f"dt of from_torch is {dt!r}; expected one number in seconds")
    if not isinstance(module, nn.Module):
        raise DescriptionError(f"from_torch: {module!r} is not a torch module")
    import nir

    place: Shape = (shape,) if isinstance(shape, int) else tuple(shape)
    nodes: dict[str, Any] = {"input": nir.Input(np.array(place))}
    last, edges = "input", []
    for title, layer in _layers(module, ""):
        node = _node(title, layer, place, seconds)
        if node is None:
            continue
        if not isinstance(node, Cells):
            place = output_shape(title, node, place)
        nodes[title] = node
        edges.append((last, title))
        last = title
    if last == "input":
        raise DescriptionError(f"from_torch: {type(module).__name__} has no layers")
    nodes["output"] = nir.Output(np.array(place))
    reader = GraphReader(nodes, [*edges, (last, "output")], seconds, bias_source=True)
    return reader.network(name)


def _layers(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Layers in order; containers are opened."""
    if _maker(module) is not None or type(module).__name__ in IGNORED:
        yield prefix or type(module).__name__, module
        return
    children = list(module.named_children())
    if not children:
        raise DescriptionError(
            f"from_torch: layer {prefix or type(module).__name__!r} is"
            f" {type(module).__module__}.{type(module).__name__}, which has no counterpart; known"
            f" are {', '.join(name for _, name in _MAKERS)}"
        )
    for title, child in children:
        yield from _layers(child, f"{prefix}.{title}" if prefix else title)


def _maker(module: nn.Module) -> Callable[..., Any] | None:
    """What makes a node of a layer; classes of a library may be derived from torch's."""
    for kind in type(module).__mro__:
        found = _MAKERS.get((kind.__module__.partition(".")[0], kind.__name__))
        if found is not None:
            return found
    return None


def _node(title: str, layer: nn.Module, shape: Shape, dt: float) -> Any:
    make = _maker(layer)
    return None if make is None else make(title, layer, shape, dt)


def _refuse(title: str, what: str) -> DescriptionError:
    return DescriptionError(f"from_torch: layer {title!r} {what}")


def _numbers(value: Any) -> FloatArray:
    found = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
    return np.asarray(found, np.float64)


def _values(value: Any, size: int) -> float | FloatArray:
    flat = np.asarray(value, np.float64).ravel()
    if np.all(flat == flat[0]):
        return float(flat[0])
    return np.broadcast_to(flat, size).copy()


# --- torch -------------------------------------------------------------------------------------


def _linear(title: str, layer: Any, shape: Shape, dt: float) -> Any:
    import nir

    weight = _numbers(layer.weight)
    return nir.Linear(weight) if layer.bias is None else nir.Affine(weight, _numbers(layer.bias))


def _conv(title: str, layer: Any, shape: Shape, dt: float) -> Any:
    import nir

    if layer.padding_mode != "zeros":
        raise _refuse(title, f"pads with {layer.padding_mode}; only zeros (silence) can be")
    weight = _numbers(layer.weight)
    bias = np.zeros(len(weight)) if layer.bias is None else _numbers(layer.bias)
    flat = weight.ndim == 3
    options = [layer.stride, layer.padding, layer.dilation]
    if flat:
        options = [o if isinstance(o, str) else o[0] for o in options]
    kind = nir.Conv1d if flat else nir.Conv2d
    return kind(None, weight, *options, layer.groups, bias)


def _pool(title: str, layer: Any, shape: Shape, dt: float) -> Any:
    import nir

    if layer.ceil_mode or not layer.count_include_pad or layer.divisor_override:
        raise _refuse(title, "has ceil_mode, count_include_pad=False or a divisor; leave it out")
    pairs = (
        np.broadcast_to(np.asarray(o), 2) for o in (layer.kernel_size, layer.stride, layer.padding)
    )
    return nir.AvgPool2d(*pairs)


def _flatten(title: str, layer: Any, shape: Shape, dt: float) -> Any:
    import nir

    if layer.start_dim < 1:
        raise _refuse(title, "flattens the batch as well; use start_dim=1")
    end = layer.end_dim if layer.end_dim < 0 else layer.end_dim - 1
    return nir.Flatten({"input": np.array(shape)}, layer.start_dim - 1, end)


def _norm(title: str, layer: Any, shape: Shape, dt: float) -> Any:
    """As it is evaluated: a scale and a shift of every channel."""
    import nir

    if layer.running_mean is None:
        raise _refuse(title, "normalises by its batch; train it with track_running_stats=True")
    mean, variance = _numbers(layer.running_mean), _numbers(layer.running_var)
    scale = 1.0 / np.sqrt(variance + layer.eps)
    shift = -mean * scale
    if layer.affine:
        scale = scale * _numbers(layer.weight)
        shift = -mean * scale + _numbers(layer.bias)
    if len(shape) == 1:
        return nir.Affine(np.diag(scale), shift)
    kernel = scale.reshape(-1, 1, *[1] * (len(shape) - 1))
    if len(shape) == 2:
        return nir.Conv1d(None, kernel, 1, 0, 1, len(scale), shift)
    return nir.Conv2d(None, kernel, (1, 1), (0, 0), (1, 1), len(scale), shift)


# --- snnTorch: mem = beta mem + input - reset, in this order -----------------------------------


def _snntorch(title: str, layer: Any, shape: Shape, current: str, parameters: Any) -> Cells:
    """A membrane that ``current`` drives; what that says comes before the membrane's update."""
    for option, ok in (
        ("inhibition", not layer.inhibition),
        ("state_quant", not layer.state_quant),
        ("graded_spikes_factor", bool(torch.all(torch.as_tensor(layer.graded_spikes_factor) == 1))),
    ):
        if not ok:
            raise _refuse(title, f"has {option}, which has no counterpart")
    variables, drive = ["v"], PORT
    if current:
        variables.append("current")
        drive = "current"
    before, threshold, reset = f"{current}v = beta * v + {drive}", "v > v_threshold", ""
    late = getattr(layer, "reset_delay", True)
    if layer.reset_mechanism == "zero" and current and late:  # of Synaptic, a whole step is lost
        variables.append("hushed")
        before = f"{current}v = where(hushed > 0, 0, beta * v + {drive}); hushed = 0"
        reset = "hushed = 1"
    elif layer.reset_mechanism == "zero":
        reset = "v = 0"
    elif layer.reset_mechanism == "subtract":
        variables.append("owed")
        if late:
            before, reset = f"{before} - owed; owed = 0", "owed = v_threshold"
        else:  # what is above threshold even after its reset counts against the next spike
            before = f"owed = v_threshold * (v > v_threshold); {before}"
            threshold, reset = "v - owed > v_threshold", "v -= v_threshold"
    return Cells(
        shape,
        {
            "equations": "\n".join(f"{variable} : 1" for variable in variables),
            "before": before,
            "threshold": threshold,
            "reset": reset,
            "name": f"snnTorch {type(layer).__name__}",
        },
        {
            **parameters,
            "beta": (_numbers(layer.beta).clip(0, 1), "1"),
            "v_threshold": (_numbers(layer.threshold), "1"),
        },
    )


def _leaky(title: str, layer: Any, shape: Shape, dt: float) -> Cells:
    return _snntorch(title, layer, shape, "", {})


def _synaptic(title: str, layer: Any, shape: Shape, dt: float) -> Cells:
    alpha = (_numbers(layer.alpha).clip(0, 1), "1")
    return _snntorch(title, layer, shape, f"current = alpha * current + {PORT}; ", {"alpha": alpha})


# --- Norse: Euler steps of dt ------------------------------------------------------------------


def _norse(title: str, layer: Any, dt: float, spikes: bool) -> dict[str, tuple[Any, str]]:
    if not np.isclose(float(layer.dt), dt, rtol=1e-6):
        raise _refuse(title, f"has dt = {float(layer.dt):g} s, not {dt:g} s; give from_torch that")
    p = layer.p
    found = {
        "leak": (dt * _numbers(p.tau_mem_inv), "1"),
        "v_leak": (_numbers(p.v_leak), "1"),
    }
    if spikes:
        found |= {"v_threshold": (_numbers(p.v_th), "1"), "v_reset": (_numbers(p.v_reset), "1")}
    if hasattr(p, "tau_syn_inv"):
        found["decay"] = (dt * _numbers(p.tau_syn_inv), "1")
    return found


def _norse_cells(title: str, layer: Any, shape: Shape, dt: float) -> Cells:
    kind = type(layer).__name__
    spikes = kind.startswith("LIF")
    parameters = _norse(title, layer, dt, spikes)
    subtracts = "subtract" in getattr(getattr(layer.p, "reset_method", None), "__name__", "")
    if "decay" in parameters:
        equations = "v : 1\ncurrent : 1"
        before = (
            f"current = current + {PORT}; v = v + leak * ((v_leak - v) + current);"
            " current = current - decay * current"
        )
    else:
        equations = "v : 1"
        before = f"v = v + leak * ({PORT} + v_leak - v)"
    texts: dict[str, Any] = {
        "equations": equations,
        "before": before,
        "initial": {"v": "v_leak"},
        "name": f"Norse {kind.removesuffix('Cell')}",
    }
    if spikes:
        reset = "v = v - (v_threshold - v_reset)" if subtracts else "v = v_reset"
        texts |= {"threshold": "v > v_threshold", "reset": reset}
    else:
        texts |= {"threshold": "v == v", "emits": "v"}
    return Cells(shape, texts, parameters)


# --- SpikingJelly: a spike at threshold --------------------------------------------------------


def _jelly(title: str, layer: Any, shape: Shape, dt: float) -> Cells:
    rest = layer.v_reset
    parameters = {"v_threshold": (layer.v_threshold, "1"), "v_reset": (rest or 0.0, "1")}
    if type(layer).__name__ == "IFNode":
        before = f"v = v + {PORT}"
    else:
        parameters["tau"] = (layer.tau, "1")
        if layer.decay_input:
            before = f"v = v + ({PORT} - (v - v_reset)) / tau"
        else:
            before = f"v = v - (v - v_reset) / tau + {PORT}"
    return Cells(
        shape,
        {
            "equations": "v : 1",
            "before": before,
            "threshold": "v >= v_threshold",
            "reset": "v = v - v_threshold" if rest is None else "v = v_reset",
            "initial": {"v": "v_reset"},
            "name": f"SpikingJelly {type(layer).__name__}",
        },
        parameters,
    )


_MAKERS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("torch", "Linear"): _linear,
    ("torch", "Conv1d"): _conv,
    ("torch", "Conv2d"): _conv,
    ("torch", "AvgPool2d"): _pool,
    ("torch", "Flatten"): _flatten,
    ("torch", "BatchNorm1d"): _norm,
    ("torch", "BatchNorm2d"): _norm,
    ("snntorch", "Leaky"): _leaky,
    ("snntorch", "Synaptic"): _synaptic,
    ("norse", "LIFBoxCell"): _norse_cells,
    ("norse", "LIFCell"): _norse_cells,
    ("norse", "LICell"): _norse_cells,
    ("norse", "LIBoxCell"): _norse_cells,
    ("spikingjelly", "IFNode"): _jelly,
    ("spikingjelly", "LIFNode"): _jelly,
}

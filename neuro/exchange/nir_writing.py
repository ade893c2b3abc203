"""From a network to a NIR graph."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from neuro.atomic import replacing
from neuro.connectivity import Convolution
from neuro.description import Parameter
from neuro.distributions import Distribution
from neuro.equations.functions import exp
from neuro.errors import DescriptionError
from neuro.exchange import nir_metadata
from neuro.exchange.nir_models import RELAY, node_values, relay
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.neurons import IF, LIF, LeakyIntegrator, NeuronModel
from neuro.program import Arrive, Program
from neuro.random import stream
from neuro.synapses import Delta, Exponential

FloatArray = NDArray[np.float64]

INPUT, OUTPUT = "input", "output"
"""How names of outputs begin, and of what is added."""


def to_nir(net: Network, path: str | Path | None = None, dt: Any = None) -> Any:
    """Make a NIR graph of a network.

    Sources become ``Input`` nodes, populations neurons, projections ``Linear``, ``Affine``,
    ``Conv2d`` or ``Scale`` nodes (after a ``Delay`` where the delay is more than one step),
    populations whose spikes are recorded lead to ``Output`` nodes. All that NIR cannot say
    (sources, resets, connectors, plasticity, time step) is in the metadata, from which
    :func:`from_nir` makes the same network again.

    Parameters
    ----------
    net : Network
    path : str or Path, optional
        File to be written, atomically.
    dt : float, second
        Time step. A weight of a delta synapse is the step of the potential that it makes; NIR has
        a current that flows for one step, so its resistance depends on dt.

    Returns
    -------
    nir.NIRGraph

    Raises
    ------
    DescriptionError
        If dt is missing, or a population has no counterpart in NIR.

    Notes
    -----
    ============================ ====================================================
    neuro                        NIR
    ============================ ====================================================
    source                       Input
    LIF, LeakyIntegrator (delta) LIF, LI with ``r = 1 / (1 - exp(-dt / tau_m))``
    the same, one Exponential    CubaLIF, CubaLI with ``w_in = 1 / (1 - exp(-dt / tau))``
    IF (delta)                   IF
    what ``from_nir`` made       what it was made of
    ============================ ====================================================

    NIR has no refractory period, and one reset; other readers do without what is lost.
    """
    import nir

    if dt is None:
        raise DescriptionError(
            "to_nir: give dt, the time step in seconds at which the network runs: weights of delta"
            " synapses have no meaning in continuous time without it"
        )
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt of to_nir")
    if not isinstance(seconds, float):
        raise DescriptionError(f"dt of to_nir is {dt!r}; expected one number in seconds")
    from neuro.lowering import lower

    writer = _Writer(net, lower(net, seconds), seconds)
    nodes, edges = writer.graph()
    metadata = nir_metadata.metadata_of(net, seconds)
    graph = nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata, type_check=False)
    if path is not None:
        with replacing(Path(path)) as temporary:
            nir.write(temporary, graph)
    return graph


@dataclass
class _Writer:
    """A network that becomes a graph."""

    net: Network
    program: Program
    dt: float

    def graph(self) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """Nodes and edges."""
        import nir

        nodes: dict[str, Any] = {}
        edges: list[tuple[str, str]] = []
        self.bias: dict[str, FloatArray] = {}
        for name, population in self.net.populations.items():
            if population.is_source:
                nodes[name] = nir.Input(np.array(population.shape))
            else:
                nodes[name], self.bias[name] = self._neuron(population)
        for projection in self.net.projections.values():
            chain = self._chain(projection)
            names = [f"{projection.name}{suffix}" for suffix, _ in chain]
            nodes |= dict(zip(names, (node for _, node in chain), strict=True))
            ends = [projection.pre.name, *names, projection.post.name]
            edges += pairwise(ends)
        for name, bias in self.bias.items():
            if np.any(bias != 0):
                raise DescriptionError(
                    f"to_nir: population {name!r} has a bias, but no dense projection to it, whose"
                    " Affine node could hold it; leave it out, or connect it densely"
                )
        for recorder in self.net.recorders:
            owner = recorder.owner
            output = f"{OUTPUT}_{owner}"
            if owner in self.net.populations and output not in nodes:
                nodes[output] = nir.Output(np.array(self.net.populations[owner].shape))
                edges.append((owner, output))
        for name in nodes:  # a relay only passes on: its output hears all that it hears
            if nodes[name] is None:
                edges = _without(name, edges)
        return {n: m for n, m in nodes.items() if m is not None}, edges

    # --- populations ---

    def _neuron(self, population: Population) -> tuple[Any, FloatArray]:
        """Node of a population (None: a relay), and the bias that its inputs are to bring."""
        import nir

        model, size = population.model, population.size
        assert isinstance(model, NeuronModel)
        if model.name == RELAY:
            bias = np.broadcast_to(np.asarray(model.parameters["bias"], np.float64), size)
            if model == relay(bias):
                return None, bias.copy()
        found = node_values(model, size)
        if found is None:
            found = self._built_in(population, model)
        kind, values, bias = found
        shaped = {n: v.reshape(population.shape).copy() for n, v in values.items()}
        return getattr(nir, kind)(**shaped), bias.copy()

    def _built_in(
        self, population: Population, model: NeuronModel
    ) -> tuple[str, dict[str, FloatArray], FloatArray]:
        size, name = population.size, population.name

        def number(key: str) -> FloatArray:
            value = model.constants[key]
            if isinstance(value, Distribution):
                where = f"{key} of population {name!r}"
                value = value.draw(stream(self.net.seed, where), size)
            return np.broadcast_to(np.asarray(value, np.float64), size)

        courses = list(model.synapses.items())
        if type(model) not in (IF, LIF, LeakyIntegrator) or len(courses) != 1:
            raise DescriptionError(
                f"to_nir: population {name!r}: {model.name} (inputs {', '.join(model.ports)}) has"
                " no counterpart in NIR, which has IF, LIF and LeakyIntegrator with one port of"
                " delta synapses, or of exponential ones"
            )
        port, course = courses[0]
        spiking = {} if type(model) is LeakyIntegrator else {
            "v_threshold": number("v_threshold"), "v_reset": number("v_reset")
        }  # fmt: skip
        one = np.ones(size)
        if type(model) is IF and type(course) is Delta:
            bias = number("bias") * self.dt / number("tau")
            return "IF", {"r": one, **spiking}, bias
        if type(model) is IF or type(course) not in (Delta, Exponential):
            raise DescriptionError(
                f"to_nir: population {name!r}: {model.name} with {type(course).__name__} synapses"
                " has no counterpart in NIR; use Delta or, for LIF, Exponential"
            )
        tau, rest = number("tau_m"), number("v_rest") + number("bias")
        if type(course) is Delta:
            values = {"tau": tau, "r": 1 / (1 - exp(-self.dt / tau)), "v_leak": rest}
            return ("LIF" if spiking else "LI"), {**values, **spiking}, 0 * one
        tau_syn = number(f"tau_{port}")
        values = {
            "tau_syn": tau_syn,
            "tau_mem": tau,
            "r": one,
            "v_leak": rest,
            "w_in": 1 / (1 - exp(-self.dt / tau_syn)),
        }
        return ("CubaLIF" if spiking else "CubaLI"), {**values, **spiking}, 0 * one

    # --- projections ---

    def _chain(self, projection: Projection) -> list[tuple[str, Any]]:
        """Nodes of a projection, in order, each with what its name ends in."""
        import nir

        arrival = next(
            step
            for step in self.program.steps
            if isinstance(step, Arrive) and step.projection == projection.name
        )
        connectivity = self.program.connectivity[arrival.synapses]
        weights = projection.gain * np.asarray(
            self.program.arrays[arrival.weights].initial, np.float64
        )
        chain: list[tuple[str, Any]] = []
        if arrival.delays is not None:
            raise DescriptionError(
                f"to_nir: projection {projection.name!r} has a delay for every synapse; NIR has"
                " delays of units: give one delay"
            )
        if arrival.delay > 1:
            later = np.full(projection.pre.shape, (arrival.delay - 1) * self.dt)
            chain.append(("_delay", nir.Delay(later)))
        post = projection.post.name
        if isinstance(connectivity, Convolution) and not arrival.transposed:
            return [*chain, *self._image_nodes(post, connectivity, weights)]
        rows, index = connectivity.expand()
        matrix = scipy.sparse.csr_array(
            (weights.ravel()[index], rows.targets, rows.row_start), (rows.n_pre, rows.n_post)
        )
        if arrival.transposed:
            matrix = scipy.sparse.csr_array(matrix.T)
        diagonal = matrix.shape[0] == matrix.shape[1] and matrix.nnz == np.count_nonzero(
            matrix.diagonal()
        )
        bias = self.bias[post]
        if diagonal and not np.any(bias):
            if not np.all(matrix.diagonal() == 1):
                scale = matrix.diagonal().reshape(projection.pre.shape)
                chain.append(("", nir.Scale(scale)))
            return chain
        if len(projection.pre.shape) > 1:
            shape = np.array(projection.pre.shape)
            chain.append(("_flat", nir.Flatten({"input": shape}, 0, -1)))
        weight = matrix.toarray().T
        node = nir.Affine(weight, bias) if np.any(bias) else nir.Linear(weight)
        self.bias[post] = np.zeros_like(bias)
        chain.append(("", node))
        return chain

    def _image_nodes(
        self, post: str, form: Convolution, kernel: FloatArray
    ) -> list[tuple[str, Any]]:
        """Pooling where it is that, else a convolution."""
        import nir

        bias = self._channel_bias(post, form.out_channels)
        one_to_one = form.groups == form.in_shape[0] == form.out_channels
        if one_to_one and not np.ptp(kernel) and not bias.any() and form.dilation == (1, 1):
            window, stride, padding = map(np.array, (form.kernel, form.stride, form.padding))
            weight = float(kernel.flat[0])
            scale = [] if weight == 1 else [("_scale", nir.Scale(np.full(form.out_shape, weight)))]
            return [("", nir.SumPool2d(window, stride, padding)), *scale]
        # NIR's check of shapes takes every convolution for one of a single group.
        whole = np.zeros((form.out_channels, form.in_shape[0], *form.kernel))
        share, channels = form.out_channels // form.groups, kernel.shape[1]
        for group in range(form.groups):
            out = slice(group * share, (group + 1) * share)
            whole[out, group * channels : (group + 1) * channels] = kernel[out]
        node = nir.Conv2d(
            input_shape=form.in_shape[1:],
            weight=whole,
            stride=form.stride,
            padding=form.padding,
            dilation=form.dilation,
            groups=1,
            bias=bias,
        )
        return [("", node)]

    def _channel_bias(self, post: str, channels: int) -> FloatArray:
        """Bias that all units of a channel share, if it is so; else left to others."""
        bias = self.bias[post].reshape(channels, -1)
        if np.any(bias != bias[:, :1]):
            return np.zeros(channels)
        self.bias[post] = np.zeros(bias.size)
        return bias[:, 0].copy()


def _without(name: str, edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Edges past a node that only passes on."""
    into = [a for a, b in edges if b == name]
    away = [b for a, b in edges if a == name]
    kept = [(a, b) for a, b in edges if name not in (a, b)]
    return [*kept, *((a, b) for a in into for b in away)]

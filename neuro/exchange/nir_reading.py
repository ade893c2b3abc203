"""From a NIR graph to a network."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neuro.description import Parameter
from neuro.equations.statements import check_name
from neuro.errors import DescriptionError, EquationError
from neuro.exchange import nir_metadata
from neuro.exchange.nir_models import FORMS, Conventions, model_of, per_unit, relay
from neuro.exchange.nir_paths import STATELESS, Path, kind_of, total_bias
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.sources import Poisson, SpikeTimes

FloatArray = NDArray[np.float64]

NO_DT = (
    "from_nir: give dt, the time step in seconds, e.g. from_nir(graph, dt=1e-4). NIR graphs are in"
    " continuous time: delays become whole steps of it, and an input current lasts one step. A"
    " graph that was trained in steps needs the dt with which its time constants were exported"
)


def from_nir(
    graph: Any,
    dt: Any = None,
    *,
    reset: str = "value",
    integrator: str = "auto",
    original: bool = True,
    name: str | None = None,
) -> Network:
    """Make a network of a NIR graph.

    Each neuron node becomes a population, each way from neuron to neuron through nodes without a
    state (linear, convolution, pooling, scale, flatten, delay) one projection. Nested graphs are
    opened. ``Input`` nodes become sources without spikes, which :meth:`Network.drive` replaces;
    populations that an ``Output`` node hears are recorded.

    Parameters
    ----------
    graph : nir.NIRGraph, str or Path
        The graph, or a file.
    dt : float, second
        Time step, at which the network is to be compiled.
    reset : {"value", "subtract"}
        NIR knows the first: after a spike the potential is ``v_reset``. Graphs of libraries that
        subtract the threshold need the second.
    integrator : {"auto", "Euler"}
        Leaky neurons advance exactly, or by Euler's method as in most torch libraries.
    original : bool
        Whether a graph that :func:`to_nir` wrote gives the network that was written, with all that
        NIR cannot say, or what other readers see.
    name : str, optional
        Of the network; the file's by default.

    Returns
    -------
    Network
        ``inputs`` and ``outputs`` are in the order of the graph's nodes.

    Raises
    ------
    DescriptionError
        If dt is missing, or the graph has a node or a structure that has no counterpart.

    Notes
    -----
    A spike takes one step to the next population, in every projection; a ``Delay`` comes on top.
    Libraries that step layer by layer have no such step, so spikes are later by one step a layer.
    ``I`` and ``IF`` gain ``r I`` a step: their unit of time is the step, as in all importers.
    Source: Pedersen et al. 2024, *Nature Communications* 15:8122.
    """
    import nir

    if dt is None:
        raise DescriptionError(NO_DT)
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt of from_nir")
    if not isinstance(seconds, float):
        raise DescriptionError(f"dt of from_nir is {dt!r}; expected one number in seconds")
    if integrator not in ("auto", "Euler"):
        raise DescriptionError(f"from_nir: integrator {integrator!r}; choose 'auto' or 'Euler'")
    if isinstance(graph, str | FilePath):
        name = name or FilePath(graph).stem
        graph = _read(FilePath(graph))
    if not isinstance(graph, nir.NIRGraph):
        raise DescriptionError(f"from_nir: {graph!r} is neither a nir.NIRGraph nor a file")
    if original and nir_metadata.HERE in graph.metadata:
        return nir_metadata.network_in(graph.metadata, seconds)
    nodes, edges = _opened(graph)
    return GraphReader(nodes, edges, seconds, Conventions(integrator, reset)).network(name or "nir")


def _read(path: FilePath) -> Any:
    import nir

    if not path.is_file():
        raise DescriptionError(f"from_nir: {path} does not exist; check the path")
    try:
        # Shapes are followed here: files of older versions do not pass NIR's own check.
        return nir.read(path, type_check=False)
    except (OSError, KeyError, ValueError, TypeError, AssertionError) as error:
        raise DescriptionError(f"from_nir: {path} is no NIR file, or damaged: {error}") from error


def _opened(graph: Any, prefix: str = "") -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges with nested graphs opened; a nested Input or Output only passes on."""
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    ends: dict[str, tuple[str, str]] = {}
    for name, node in graph.nodes.items():
        if kind_of(node) != "NIRGraph":
            nodes[prefix + name] = node
            continue
        inner, links = _opened(node, f"{prefix}{name}.")
        own = {n: m for n, m in inner.items() if n.count(".") == (prefix + name).count(".") + 1}
        ports = [[n for n, m in own.items() if kind_of(m) == k] for k in ("Input", "Output")]
        if any(len(port) != 1 for port in ports):
            raise DescriptionError(
                f"from_nir: nested graph {prefix + name!r} has {len(ports[0])} inputs and"
                f" {len(ports[1])} outputs; edges of NIR do not say which of several is meant"
            )
        ends[name] = ports[0][0], ports[1][0]
        nodes |= inner
        edges += links
    for source, target in graph.edges:
        for end in (source, target):
            if end not in graph.nodes:
                raise DescriptionError(
                    f"from_nir: edge {source!r} -> {target!r}: there is no node {end!r}"
                )
        begin = ends[source][1] if source in ends else prefix + source
        stop = ends[target][0] if target in ends else prefix + target
        edges.append((begin, stop))
    return nodes, edges


class Neurons(Protocol):
    """Neurons that are not NIR's: a node that makes its own model."""

    shape: tuple[int, ...]

    def model(self) -> NeuronModel:
        """The model, with the input port ``I``."""
        ...


@dataclass
class GraphReader:
    """A graph that becomes a network.

    Attributes
    ----------
    nodes : mapping of str to node
        Of NIR, or :class:`Neurons`.
    edges : list of (str, str)
    dt : float, second
    how : Conventions
    bias_source : bool
        Whether biases are synapses from a source that spikes in every step, and begin when the
        first input arrives, layer by layer; else parameters, from the first step on.
    """

    nodes: Mapping[str, Any]
    edges: list[tuple[str, str]]
    dt: float
    how: Conventions = field(default_factory=Conventions)
    bias_source: bool = False

    def __post_init__(self) -> None:
        self._after: dict[str, list[str]] = defaultdict(list)
        self._late: dict[str, tuple[FloatArray, int]] = {}
        self._depth: dict[str, int] = {}
        for source, target in self.edges:
            self._after[source].append(target)
        heard = {target for _, target in self.edges}
        self._inputs = [
            n for n, m in self.nodes.items() if kind_of(m) == "Input" and n not in heard
        ]
        for name, node in self.nodes.items():
            kind = kind_of(node)
            known_kind = kind in (*STATELESS, "Input", "Output", "Identity")
            if not self._is_neuron(name) and not known_kind:
                known = ", ".join([*FORMS, *STATELESS])
                raise DescriptionError(f"from_nir: node {name!r} is of kind {kind}; known: {known}")

    def _is_neuron(self, name: str) -> bool:
        node = self.nodes[name]
        return kind_of(node) in FORMS or hasattr(node, "model")

    def network(self, title: str) -> Network:
        """All of it."""
        net = Network(title)
        names = _Names()
        arriving: dict[str, list[Path]] = defaultdict(list)
        starts = [*self._inputs, *(n for n in self.nodes if self._is_neuron(n))]
        for start in starts:
            for end, path in self._paths(Path(start, self._shape(start)), start):
                arriving[end].append(path)
        outputs = [
            n for n, m in self.nodes.items()
            if kind_of(m) == "Output" and not self._after[n]
        ]  # fmt: skip
        for start in starts:
            if start in self._inputs:
                silent = SpikeTimes(np.zeros(0, np.int64), np.zeros(0, np.int64))
                net.population(names.of(start), silent, self._shape(start))
            else:
                self._neurons(net, names.of(start), start, arriving[start])
        shown = [self._output(net, names, n, arriving.pop(n, [])) for n in outputs]
        for end, paths in arriving.items():
            self._connect(net, names, names.of(end), paths)
        self._bias_source(net, names)
        for name in shown:
            self._record(net, name)
        return net

    def _connect(self, net: Network, names: _Names, target: str, paths: list[Path]) -> None:
        for path in paths:
            source = names.of(path.source)
            net.connect(
                source,
                target,
                path.connector(),
                delay=path.delay(self.dt),
                name=names.new(f"{source}_{target}"),
            )

    def _shape(self, name: str) -> tuple[int, ...]:
        """Of what a neuron or an input gives."""
        node = self.nodes[name]
        kind = kind_of(node)
        if hasattr(node, "model"):
            given = node.shape
        elif kind == "Input":
            given = node.input_type["input"]
        else:
            given = np.shape(getattr(node, next(iter(FORMS[kind].parameters))))
        if given is None or len(given) == 0:
            return (1,)
        return tuple(int(n) for n in given)

    def _paths(
        self, path: Path, place: str, passed: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, Path]]:
        """Ways from here to the next neurons and outputs."""
        for target in self._after[place]:
            node = self.nodes[target]
            kind = kind_of(node)
            if target in passed:
                raise DescriptionError(
                    f"from_nir: {' -> '.join([*passed, target])} is a loop without a neuron"
                )
            if self._is_neuron(target) or (kind == "Output" and not self._after[target]):
                yield target, path
            elif kind in STATELESS:
                yield from self._paths(path.through(target, node), target, (*passed, target))
            else:  # of a nested graph
                yield from self._paths(path, target, (*passed, target))

    def _neurons(self, net: Network, name: str, node_name: str, paths: list[Path]) -> None:
        node, shape = self.nodes[node_name], self._shape(node_name)
        kind, size = kind_of(node), int(np.prod(shape))
        for path in paths:
            if int(np.prod(path.shape)) != size:
                raise DescriptionError(
                    f"from_nir: values of shape {path.shape} arrive from {path.source!r} at"
                    f" {node_name!r}, which has {size} units"
                )
        bias = total_bias(paths, size)
        bias = self._kept(name, node_name, bias, paths)
        if hasattr(node, "model"):
            net.population(name, node.model(), shape)
            return
        values = {
            p: per_unit(getattr(node, p), size, f"from_nir: {p} of {node_name!r}")
            for p in FORMS[kind].parameters
        }
        net.population(name, model_of(kind, values, bias, self.how), shape)

    def _output(self, net: Network, names: _Names, output: str, paths: list[Path]) -> str:
        """Population that gives an output: a neuron itself, or a relay that adds up."""
        if len(paths) == 1 and not paths[0].nodes:
            return names.of(paths[0].source)
        if not paths:
            raise DescriptionError(f"from_nir: nothing leads to output {output!r}")
        size = int(np.prod(paths[0].shape))
        name = names.of(output)
        bias = self._kept(name, output, total_bias(paths, size), paths)
        net.population(name, relay(bias), paths[0].shape)
        self._connect(net, names, name, paths)
        return name

    def _kept(self, name: str, node: str, bias: FloatArray, paths: list[Path]) -> FloatArray:
        """The bias that is a parameter; that of a source is noted with the layer it begins at."""
        if not self.bias_source:
            return bias
        before = [self._depth.get(path.source, 0) for path in paths]
        self._depth[node] = layer = 1 + max(before, default=0)
        self._late[name] = bias, layer
        return np.zeros_like(bias)

    def _bias_source(self, net: Network, names: _Names) -> None:
        late = {n: found for n, found in self._late.items() if found[0].any()}
        if not late:
            return
        source = names.new("bias")
        net.population(source, Poisson(1.0 / self.dt), 1)
        for name, (bias, layer) in late.items():
            net.connect(
                source, name, bias[None], delay=layer * self.dt, name=names.new(f"bias_{name}")
            )

    def _record(self, net: Network, name: str) -> None:
        population = net.populations[name]
        graded = getattr(population.model, "emits", "")
        variable = "v" if graded else "spikes"
        if not any(r.owner == name and r.variable == variable for r in net.recorders):
            net.record(name, variable)


class _Names:
    """Names of nodes as names of a network."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    def of(self, node: str) -> str:
        """The name of a node's population."""
        if node not in self._made:
            self._made[node] = self.new(node)
        return self._made[node]

    def new(self, wish: str) -> str:
        """A name that is free and allowed, like the wish."""
        name = re.sub(r"[^A-Za-z0-9_]", "_", wish)
        try:
            check_name(name, "", in_text=False)
        except EquationError:
            name = f"node_{name}"
        taken, free, number = set(self._made.values()), name, 2
        while free in taken:
            free, number = f"{name}_{number}", number + 1
        self._made[f"\0{free}"] = free
        return free

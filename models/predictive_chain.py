"""A chain of areas that predict each other: spiking hierarchical predictive coding.

Area 0 shows the image as spikes, the last area names the class. Each area but the last has error
units; they compare the area's spikes with what the area above predicts, and what they emit (signed
numbers) drives the area above and restrains their own:

.. math::
    u_l &\\leftarrow a\\,u_l + (1-a)\\,(s_l - W_l s_{l+1}) \\\\
    v_{l+1} &\\leftarrow \\max(b\\,v_{l+1} + g\\,F_l u_l - k\\,u_{l+1} + \\mu,\\ -1),\\quad
        s = [v \\ge 1],\\quad v \\leftarrow v - s \\\\
    e &\\leftarrow a_s e + (1-a_s)\\,u,\\quad z \\leftarrow a_s z + (1-a_s)\\,s

and once a sample, at its end, with everything that a synapse can see and a common learning rate
(Rao & Ballard 1999, Nat. Neurosci. 2:79; local products and decay instead of shared weights):

.. math::
    \\Delta W_l = \\eta\\,(e_l z_{l+1} - \\lambda W_l),\\qquad
    \\Delta F_l = \\eta\\,(e_l z_{l+1} - \\lambda F_l)

The areas are shared by all classes, so a new task changes the weights that earlier ones need: this
network forgets. It stands beside the columnar form to show what columns are good for.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import neuro as nr
from neuro.errors import DescriptionError
from neuro.learning.encoding import Encoding
from neuro.random import stream

Array = NDArray[np.floating]
DT = 1e-3
"""One step of the network, in seconds."""


@dataclass(frozen=True, kw_only=True)
class ChainDynamics:
    """Constants of a chain; the symbols are those of the module's equations.

    Attributes
    ----------
    steps : int
        Time steps of a sample.
    error_decay, trace_decay, decay : float
        a, a_s and b, factors a step, in [0, 1).
    gain, upper_gain : float
        g of the lowest error units, and of all others, which see weaker activity.
    own_gain : float
        k; 0 where predictions do not reach the area itself.
    tonic : float
        μ, current into every latent unit; without it an untrained chain stays silent.
    inhibition : float
        What a spike of a class unit takes from the others.
    label_rate : float
        Spikes a step of the class unit that a label drives.
    weight_decay : float
        λ.
    initial_weights : float
        Standard deviation of the weights at the start. W and the transpose of F come to agree
        only if it is small.
    silent : float
        Error units emit where abs(u) is above this.

    Raises
    ------
    DescriptionError
        On construction, if a value is outside its range.
    """

    steps: int = 48
    error_decay: float = 0.9
    trace_decay: float = 0.95
    decay: float = 0.95
    gain: float = 3.0
    upper_gain: float = 10.0
    own_gain: float = 0.1
    tonic: float = 0.02
    inhibition: float = 0.3
    label_rate: float = 0.5
    weight_decay: float = 0.005
    initial_weights: float = 0.01
    silent: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise DescriptionError(f"steps of a chain is {self.steps}; at least 1")
        for name in ("error_decay", "trace_decay", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise DescriptionError(
                    f"{name} of a chain is {getattr(self, name)}; expected 0 <= {name} < 1"
                )
        if not 0 < self.label_rate <= 1:
            raise DescriptionError(
                f"label_rate of a chain is {self.label_rate}; above 0 and at most 1 spike a step"
            )
        for name in (
            "gain", "upper_gain", "own_gain", "inhibition", "weight_decay", "initial_weights",
            "silent",
        ):  # fmt: skip
            if not getattr(self, name) >= 0:
                raise DescriptionError(
                    f"{name} of a chain is {getattr(self, name)}; expected 0 or more"
                )

    @property
    def trace_norm(self) -> float:
        """What a trace of constant input 1 reaches in a sample, having started at 0."""
        return 1.0 - self.trace_decay**self.steps


def read_sizes(area_sizes: Sequence[int]) -> tuple[int, ...]:
    """Units of each area, checked.

    Raises
    ------
    DescriptionError
        Fewer than two areas, or an area without units.
    """
    sizes = tuple(area_sizes)
    if len(sizes) < 2:
        raise DescriptionError(
            f"area_sizes {sizes} has {len(sizes)} area(s); a chain has at least 2: image, classes"
        )
    for area, size in enumerate(sizes):
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise DescriptionError(
                f"area_sizes: area {area} has {size!r} units; expected a whole number >= 1"
            )
    return tuple(int(size) for size in sizes)


def plastic_names(sizes: Sequence[int]) -> list[str]:
    """Names of the projections that learn: W0, F0, W1, F1, …"""
    return [f"{kind}{area}" for area in range(len(sizes) - 1) for kind in "WF"]


def initial_weights(sizes: Sequence[int], scale: float, seed: int) -> dict[str, Array]:
    """Small random weights ``[pre, post]`` of every projection that learns."""
    weights: dict[str, Array] = {}
    for area, (below, above) in enumerate(itertools.pairwise(sizes)):
        for name, shape in ((f"W{area}", (above, below)), (f"F{area}", (below, above))):
            weights[name] = scale * stream(seed, f"chain {name}").standard_normal(shape)
    return weights


def chain_network(
    area_sizes: Sequence[int],
    dynamics: ChainDynamics,
    weights: Mapping[str, Array],
    *,
    plastic: bool = True,
) -> nr.Network:
    """The chain as a network.

    Populations are ``A0`` … (areas), ``E0`` … (error units of all areas but the last) and
    ``learning`` (one unit whose ``rate`` is η, the third factor of all rules). Projections that
    learn are ``W0`` … (feedback, from area l + 1 to error units l) and ``F0`` … (feed-forward,
    back).

    Parameters
    ----------
    area_sizes : sequence of int
        Units of each area, the image first; at least two areas.
    dynamics : ChainDynamics
    weights : mapping of str to ndarray
        As :func:`initial_weights` makes them.
    plastic : bool
        Whether weights change; with ``rate`` 0 they do not either, but cost as much.
    """
    sizes, d = read_sizes(area_sizes), dynamics
    top = len(sizes) - 1
    net = nr.Network("predictive chain")
    learning = net.population("learning", nr.NeuronModel("rate : 1", name="learning rate"), 1)
    areas = [net.population("A0", _encoder(), sizes[0])]
    areas += [net.population(f"A{i}", _latent(d), sizes[i]) for i in range(1, top)]
    areas.append(net.population(f"A{top}", _classes(d), sizes[top]))
    errors = [net.population(f"E{i}", _error(d), sizes[i]) for i in range(top)]
    for i, unit in enumerate(errors):
        below, above = areas[i], areas[i + 1]
        net.connect(below, unit, nr.one_to_one(1.0), port="actual", name=f"A{i}_E{i}")
        for kind, pre, post, port, gain in (
            ("W", above, unit, "predicted", 1.0),
            ("F", unit, above, "below", d.upper_gain if i else d.gain),
        ):
            rule = {"plasticity": _rule(kind, d), "factors": {"rate": (learning, "rate")}}
            net.connect(
                pre,
                post,
                weights[f"{kind}{i}"],
                port=port,
                gain=gain,
                name=f"{kind}{i}",
                **(rule if plastic else {}),
            )
        if i:
            own = nr.one_to_one(1.0)
            net.connect(unit, below, own, port="own", gain=-d.own_gain, name=f"E{i}_A{i}")
    if d.inhibition:
        rivals = np.ones((sizes[top], sizes[top])) - np.eye(sizes[top])
        net.connect(
            areas[top], areas[top], rivals, port="rivals", gain=-d.inhibition, name="rivals"
        )
    return net


# In a batch only what some step writes has a value per item: so bounds of rates are kept here.
def _encoder() -> nr.NeuronModel:
    """Counts brightness up to one: :class:`~neuro.learning.encoding.Encoding` as units."""
    return nr.NeuronModel(
        "rate : 1\nphase : 1\nspikes : 1",
        before="rate = max(rate, 0)",
        after="phase += rate",
        threshold="phase >= 1",
        reset="phase -= 1; spikes += 1",
        name="encoder",
    )


def _latent(d: ChainDynamics) -> nr.NeuronModel:
    return nr.NeuronModel(
        "v : 1\nz : 1\nspikes : 1",
        parameters={"decay": d.decay, "keep": d.trace_decay, "tonic": d.tonic},
        inputs={"below": "1", "own": "1"},
        after="v = max(decay * v + below + own + tonic, -1); z = keep * z",
        threshold="v >= 1",
        reset="v -= 1; z += 1 - keep; spikes += 1",
        name="latent unit",
    )


def _classes(d: ChainDynamics) -> nr.NeuronModel:
    """Class units: a label, where there is one (not below 0), takes the place of all input."""
    return nr.NeuronModel(
        "v : 1\nz : 1\nspikes : 1\nlabel : 1",
        parameters={"decay": d.decay, "keep": d.trace_decay},
        inputs={"below": "1", "rivals": "1"},
        before="label = max(label, -1)",
        after="v = where(label >= 0, v + label, max(decay * v + below + rivals, -1));"
        " z = keep * z",
        threshold="v >= 1",
        reset="v -= 1; z += 1 - keep; spikes += 1",
        initial={"label": -1.0},
        name="class unit",
    )


def _error(d: ChainDynamics) -> nr.NeuronModel:
    return nr.NeuronModel(
        "u : 1\ne : 1\nspikes : 1",
        parameters={"decay": d.error_decay, "keep": d.trace_decay, "silent": d.silent},
        inputs={"actual": "1", "predicted": "1"},
        after="u = decay * u + (1 - decay) * (actual - predicted);"
        " e = keep * e + (1 - keep) * u",
        threshold="abs(u) > silent",
        reset="spikes += 1",
        emits="u",
        name="error unit",
    )


def _rule(kind: str, d: ChainDynamics) -> nr.PlasticityRule:
    """Error times activity, with decay; feedback and feed-forward weights see it swapped."""
    product = "e_post * z_pre" if kind == "W" else "e_pre * z_post"
    return nr.PlasticityRule(
        on_step=f"w += rate * (scale * {product} - weight_decay * w)",
        every=d.steps * DT,
        parameters={"scale": 1.0 / d.trace_norm**2, "weight_decay": d.weight_decay},
        factors=("rate",),
        name="error times activity",
    )


@dataclass(frozen=True)
class Responses:
    """What a chain did when it was shown images.

    Attributes
    ----------
    classes : ndarray, shape [n, classes]
        Activity of the class units at the end, spikes per step.
    errors : ndarray, shape [n, areas - 1]
        Sum of the squared error traces of each area.
    events : dict of str to ndarray, shape [n]
        Spikes of each population of areas and error units.
    """

    classes: Array
    errors: Array
    events: dict[str, Array]


class PredictiveChain:
    """A chain of areas that learns from labelled images, each shown once for a few steps.

    Parameters
    ----------
    area_sizes : sequence of int
        Units of each area: pixels first, classes last, any number of areas between.
    dynamics : ChainDynamics, optional
    encoding : Encoding, optional
        How images become spikes.
    seed : int
        Seed of the initial weights and of the phases in which units start.
    backend : str
        Backend that runs the network.
    batch : int, optional
        Images at once, on a backend that can (torch); None: one after another. The result is the
        same but for rounding.
    precision : str
        See :func:`neuro.compile`.
    **options
        Options of the backend, e.g. ``ordered=False``.

    Attributes
    ----------
    weights : dict of str to ndarray
        Current weights ``[pre, post]`` by the projection's name.
    seen : int
        Images learned from so far.
    """

    def __init__(
        self,
        area_sizes: Sequence[int],
        dynamics: ChainDynamics | None = None,
        *,
        encoding: Encoding | None = None,
        seed: int = 0,
        backend: str = "reference",
        batch: int | None = None,
        precision: str = "float64",
        **options: Any,
    ) -> None:
        self.sizes = read_sizes(area_sizes)
        self.dynamics = ChainDynamics() if dynamics is None else dynamics
        self.encoding = Encoding() if encoding is None else encoding
        self.seed, self.seen = seed, 0
        start = initial_weights(self.sizes, self.dynamics.initial_weights, seed)
        if batch is not None:
            options = {**options, "batch": batch}
        self._stages = [
            _Stage(
                nr.compile(
                    chain_network(self.sizes, self.dynamics, start, plastic=plastic),
                    backend=backend,
                    dt=DT,
                    precision=precision,
                    **options,
                ),
                self.dynamics.steps,
            )
            for plastic in (True, False)
        ]
        self.weights = {name: w.astype(self.program.dtype) for name, w in start.items()}

    @property
    def program(self) -> nr.Program:
        """The program that learns."""
        return self._stages[0].simulation.program

    def learn(self, images: Array, labels: NDArray[np.int64], rate: float) -> None:
        """Learn from images at once: the changes that each would make alone are added.

        Parameters
        ----------
        images : ndarray, shape [n, pixels]
        labels : ndarray of int, shape [n]
        rate : float
            η.
        """
        images, labels = self._check(images), np.asarray(labels)
        top = self.sizes[-1]
        if labels.shape != (len(images),):
            raise DescriptionError(f"{len(images)} images, but labels of shape {labels.shape}")
        if len(labels) and not 0 <= labels.min() <= labels.max() < top:
            raise DescriptionError(
                f"label {labels.max() if labels.max() >= top else labels.min()} has no unit:"
                f" the last area has units 0..{top - 1}"
            )
        taught = np.zeros((len(images), top))
        taught[np.arange(len(images)), labels] = self.dynamics.label_rate
        values = self._shown(images, [self.seen + i for i in range(len(images))])
        values[f"A{len(self.sizes) - 1}.label"] = taught
        shared = {f"{name}.w": w for name, w in self.weights.items()}
        shared["learning.rate"] = np.array([rate], self.program.dtype)
        names = [f"{name}.w" for name in self.weights]
        after = {name: w.copy() for name, w in self.weights.items()}
        for found in self._stages[0].show(values, shared, names):
            for name, w in after.items():
                for item in found[f"{name}.w"]:
                    w += item - self.weights[name]
        self.weights = after
        self.seen += len(images)
        for name, w in self.weights.items():
            if not np.isfinite(w).all():
                raise DescriptionError(
                    f"weights {name!r} of the chain grew without bound after {self.seen} images;"
                    " lower the learning rate or the number of images learned at once"
                )

    def respond(self, images: Array) -> Responses:
        """Show images without labels; nothing is learned.

        Units start in the same phases with every image, so that a response depends on nothing
        but the image and the weights.
        """
        images, top = self._check(images), len(self.sizes) - 1
        values = self._shown(images, [-1] * len(images))
        owners = [f"A{i}" for i in range(top + 1)] + [f"E{i}" for i in range(top)]
        read = [f"A{top}.z", *(f"E{i}.e" for i in range(top)), *(f"{o}.spikes" for o in owners)]
        shared = {f"{name}.w": w for name, w in self.weights.items()}
        parts = list(self._stages[1].show(values, shared, read))
        empty = {name: np.zeros((0, 1)) for name in read}
        found = {name: np.concatenate([p[name] for p in parts or [empty]]) for name in read}
        norm = self.dynamics.trace_norm
        errors = [np.square(found[f"E{i}.e"] / norm).sum(axis=1) for i in range(top)]
        return Responses(
            found[f"A{top}.z"] / norm,
            np.stack(errors, axis=1),
            {owner: found[f"{owner}.spikes"].sum(axis=1) for owner in owners},
        )

    def fan_out(self) -> dict[str, float]:
        """Synapses that one event of each population meets."""
        counts: dict[str, float] = {}
        for p in self._stages[0].network_projections():
            source, synapses, units = p
            counts[source] = counts.get(source, 0.0) + synapses / units
        return counts

    def memory(self) -> dict[str, int]:
        """Bytes of the arrays with which one image at a time is learned, by what they are for."""
        kinds = {"w": "weights", "z": "traces", "e": "traces", "v": "membranes", "u": "membranes"}
        kinds |= {"phase": "membranes", "rate": "inputs", "label": "inputs"}
        total: dict[str, int] = dict.fromkeys(("weights", "traces", "membranes", "inputs"), 0)
        for array in self.program.arrays.values():
            kind = kinds.get(array.variable)
            if kind is not None and (kind != "weights" or array.owner in self.weights):
                total[kind] += array.initial.nbytes
        return {**total, "total": sum(total.values())}

    def _shown(self, images: Array, counters: Sequence[int]) -> dict[str, Array]:
        """Values that each image starts with; a counter keys the phases of the units."""
        ends = np.cumsum(self.sizes)
        start = {c: stream(self.seed, "chain phases", c).random(ends[-1]) for c in set(counters)}
        phases = np.array([start[c] for c in counters]).reshape(len(images), ends[-1])
        parts = np.split(phases, ends[:-1], axis=1)
        values: dict[str, Array] = {"A0.rate": self.encoding.rates(images), "A0.phase": parts[0]}
        return values | {f"A{i}.v": part for i, part in enumerate(parts) if i}

    def _check(self, images: Array) -> Array:
        images = np.asarray(images, np.float64)
        if images.ndim != 2 or images.shape[1] != self.sizes[0]:
            raise DescriptionError(
                f"images of shape {images.shape}; the first area has {self.sizes[0]} units,"
                f" expected [n, {self.sizes[0]}]"
            )
        if not np.isfinite(images).all() or images.min(initial=0) < 0:
            raise DescriptionError("images have negative or infinite pixels; brightness is >= 0")
        return images


class _Stage:
    """A compiled chain that is shown samples, several at once if it was compiled so."""

    def __init__(self, simulation: nr.Simulation, steps: int) -> None:
        self.simulation, self._steps = simulation, steps
        self._fresh = simulation.state()
        self._batch = simulation.engine.batch

    def show(
        self, values: Mapping[str, Array], shared: Mapping[str, Array], read: Sequence[str]
    ) -> Iterator[dict[str, Array]]:
        """Show samples, each from a fresh state.

        Parameters
        ----------
        values, shared : mapping of str to ndarray
            Arrays of the state with a row per sample, and the same for all samples.
        read : sequence of str
            Arrays to give, ``[samples, …]``, piece by piece.
        """
        width = self._batch or 1
        count, dtype = len(next(iter(values.values()))), self.simulation.program.dtype
        for start in range(0, count, width):
            here = {name: v[start : start + width] for name, v in values.items()}
            found = self._run(shared, {n: self._fit(v, dtype) for n, v in here.items()}, read)
            yield {name: v[: count - start] for name, v in found.items()}

    def _fit(self, rows: Array, dtype: Any) -> Array:
        """Rows as the engine takes them: one vector, or a full batch (the last repeats)."""
        if self._batch is None:
            return rows[0].astype(dtype)
        lacking = np.repeat(rows[-1:], self._batch - len(rows), axis=0)
        return np.concatenate([rows, lacking]).astype(dtype)

    def _run(
        self, shared: Mapping[str, Any], own: Mapping[str, Array], read: Sequence[str]
    ) -> dict[str, Array]:
        simulation = self.simulation
        arrays = {**self._fresh.arrays, **shared, **own}
        simulation.restore(replace(self._fresh, step=0, arrays=arrays, recent={}))
        simulation.run_steps(self._steps, progress=False)
        found: dict[str, Any] = {name: simulation.engine.read(name) for name in read}
        return found if self._batch else {name: v[None] for name, v in found.items()}

    def network_projections(self) -> list[tuple[str, int, int]]:
        """Source, number of synapses and units of the source, of each projection."""
        program = self.simulation.program
        return [
            (s.source, program.connectivity[s.synapses].expand()[0].count, program.sizes[s.source])
            for s in program.steps
            if isinstance(s, nr.program.Arrive)
        ]


def decaying_rate(first: float, half: float, least: float, seen: int) -> float:
    """Learning rate after some images: ``first / sqrt(1 + seen / half)``, at least ``least``."""
    return max(first / math.sqrt(1.0 + seen / half), least)

r"""Sleep replay consolidation: weights go into a spiking network, replay, and come back.

Source: Tadros, Krishnan, Ramyaa & Bazhenov 2022 (Nat. Commun. 13:7742) and its released code, for
recurrent networks Kubo, Delanois & Bazhenov 2025 (arXiv 2508.14081). The weights become synapses
unchanged; a Poisson input shaped like the mean of everything seen so far drives the network; the
rule :class:`neuro.SleepReplay` changes the weights; they are read back unchanged.

In the papers' code all layers fire within one step (a cascade without delay). Here every
projection takes one step, as on a chip, so layer l runs l steps behind. The rule pairs a spike
with the presynaptic spikes that *arrived*, so in a feed-forward chain weights and spikes equal
the cascade's exactly, each layer shifted by its depth; L silent steps at the end let the last
input pass through. Top-down spikes arrive one step later than in the cascade: a variant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.connectivity import IntArray
from neuro.connectors import transpose_of
from neuro.errors import DescriptionError
from neuro.network import Network
from neuro.neurons import LIF
from neuro.plasticity import SleepReplay
from neuro.progress import Progress
from neuro.simulation import compile
from neuro.sources import Source, WindowedPoisson

#: Time step of sleep in seconds (the papers' 1 ms).
DT = 1e-3

FEEDBACK_PLASTICITY = ("tied", "both", "separate")

#: Options with which a backend sleeps, where they are not its defaults.
BACKEND_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "lava": {"mode": "fused", "learning": "loihi"}
}

#: The gate of the rule on a backend whose learning knows only one.
BACKEND_GATES: Mapping[str, str] = {"lava": "hard"}


@dataclass(frozen=True)
class SleepConfig:
    """Settings of one sleep (names of the papers in brackets).

    Attributes
    ----------
    rate : float, hertz
        Input rate R [max_rate]: a pixel with mean m spikes with probability
        ``min(1, 2 * dt * rate * m)`` per step while it is inside the window.
    increment, decrement : float
        Weight steps of the rule [inc, dec].
    thresholds : tuple of float
        Firing threshold of each layer above the input [beta].
    steps : int
        Length of this sleep in time steps.
    decay : float
        Factor on the membrane potential per step.
    window : int or None
        Side of the random input window in pixels; None: the whole image.
    slope : float
        Slope of the rule's gate (0.001 in the papers); ``gate="hard"`` ignores it.
    gate : {"sigmoid", "hard"}
    feedback_spikes : bool
        Whether spikes go down through the transposed weights as well.
    feedback_gain : float
        Factor on top-down input [kappa].
    feedback_plasticity : {"tied", "both", "separate"}
        ``tied``: only forward events change the matrix; ``both``: also top-down events, on the
        same matrix, after the forward ones; ``separate``: top-down synapses learn on a copy, and
        the mean of both is what wakes up.
    normalise : bool
        Whether currents are scaled per layer by data-based gains (see :func:`data_gains`)
        instead of 1.
    gain_scale : float
        Factor on all gains [A, alpha_scale].
    """

    rate: float
    increment: float
    decrement: float
    thresholds: tuple[float, ...]
    steps: int
    decay: float = 0.999
    window: int | None = None
    slope: float = 0.001
    gate: str = "sigmoid"
    feedback_spikes: bool = False
    feedback_gain: float = 0.05
    feedback_plasticity: str = "tied"
    normalise: bool = False
    gain_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate", "increment", "decrement", "feedback_gain", "gain_scale"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise DescriptionError(f"{name} of SleepConfig is {value}; it must be >= 0")
        if not self.thresholds or not all(math.isfinite(t) for t in self.thresholds):
            raise DescriptionError(
                f"thresholds of SleepConfig are {self.thresholds}; give one number a layer"
            )
        if not 0 < self.decay < 1:
            raise DescriptionError(f"decay of SleepConfig is {self.decay}; it must lie in (0, 1)")
        if self.steps < 1:
            raise DescriptionError(f"steps of SleepConfig is {self.steps}; it must be >= 1")
        if self.feedback_plasticity not in FEEDBACK_PLASTICITY:
            raise DescriptionError(
                f"feedback_plasticity of SleepConfig is {self.feedback_plasticity!r};"
                f" choose from {FEEDBACK_PLASTICITY}"
            )


@dataclass(frozen=True, eq=False)
class SleepResult:
    """What a sleep returns.

    Attributes
    ----------
    weights : list of float64 arrays ``[pre, post]``
        After sleep.
    spikes_per_layer : list of int
        Total spikes, input layer first.
    rates_per_layer : list of float
        Spikes per unit and step, input layer first.
    raster : list of (steps, units)
        Every spike of each layer, input layer first.
    steps : int
        Time steps, without those that let the last input pass through.
    """

    weights: list[NDArray[np.float64]]
    spikes_per_layer: list[int]
    rates_per_layer: list[float]
    raster: list[tuple[IntArray, IntArray]] = field(repr=False)
    steps: int = 0


def data_gains(
    weights: Sequence[ArrayLike], activity: Sequence[float], scale: float = 1.0
) -> list[float]:
    r"""Current gain of each layer by data-based normalisation.

    With :math:`S_l` the larger of the largest positive weight and the largest activation of layer
    l: :math:`f_1 = S_1,\; f_l = S_l / f_{l-1},\; \alpha_l = A / f_l`. The division by the
    previous *applied* factor is that of the released code (Diehl et al. 2015 divide by
    :math:`S_{l-1}`).

    Parameters
    ----------
    weights : sequence of arrays ``[pre, post]``
    activity : sequence of float
        Largest activation of each layer above the input over the training data seen.
    scale : float
        A.

    Returns
    -------
    list of float
    """
    if len(activity) != len(weights):
        raise DescriptionError(
            f"data_gains: {len(weights)} weight matrices but {len(activity)} activities;"
            " give one a layer"
        )
    gains: list[float] = []
    previous: float | None = None
    for w, largest in zip(weights, activity, strict=True):
        s = max(0.0, float(np.max(w)), float(largest))
        if s == 0:
            raise DescriptionError("data_gains: a layer has no positive weight and no activity")
        previous = s if previous is None else s / previous
        gains.append(scale / previous)
    return gains


def spiking_network(
    weights: Sequence[ArrayLike],
    source: Source,
    *,
    thresholds: Sequence[float],
    decay: float = 0.97,
    gains: Sequence[float] | None = None,
    plasticity: SleepReplay | None = None,
    feedback_gain: float | None = None,
    feedback_plasticity: str = "tied",
    dt: float = DT,
    seed: int = 0,
    name: str = "sleep",
) -> Network:
    """A layered network of LIF neurons with given weights.

    Populations ``layer0`` (the source) to ``layerL``; projections ``forward1`` to ``forwardL``
    and, with feedback, ``backward2`` to ``backwardL`` (named by the matrix they use). All spikes
    are recorded.

    Parameters
    ----------
    weights : sequence of L arrays ``[pre, post]``
    source : Source
        Drives the input layer.
    thresholds : sequence of L floats
    decay : float
        Factor on the membrane potential per step of dt.
    gains : sequence of L floats, optional
        Current gain of each matrix; 1 by default.
    plasticity : SleepReplay, optional
        Rule of the forward projections.
    feedback_gain : float, optional
        With it, spikes also go down through the transposed weights with this factor.
    feedback_plasticity : {"tied", "both", "separate"}
        See :class:`SleepConfig`.
    dt : float, second
    seed : int
    name : str

    Returns
    -------
    Network
    """
    matrices = [np.asarray(w, np.float64) for w in weights]
    alphas = [1.0] * len(matrices) if gains is None else list(gains)
    if not len(matrices) == len(thresholds) == len(alphas):
        raise DescriptionError(
            f"{name}: {len(matrices)} weight matrices, {len(thresholds)} thresholds and"
            f" {len(alphas)} gains; give one of each a layer"
        )
    net = Network(name, seed=seed)
    net.population("layer0", source, size=matrices[0].shape[0])
    tau = -dt / math.log(decay)
    for i, (w, threshold) in enumerate(zip(matrices, thresholds, strict=True), start=1):
        net.population(f"layer{i}", LIF(tau_m=tau, v_threshold=threshold), size=w.shape[1])
    for i, (w, alpha) in enumerate(zip(matrices, alphas, strict=True), start=1):
        net.connect(
            f"layer{i - 1}",
            f"layer{i}",
            weights=w,
            gain=alpha,
            plasticity=plasticity,
            name=f"forward{i}",
        )
    if feedback_gain is not None:
        for i in range(2, len(matrices) + 1):
            separate = feedback_plasticity == "separate"
            net.connect(
                f"layer{i}",
                f"layer{i - 1}",
                weights=matrices[i - 1].T
                if separate
                else transpose_of(net.projections[f"forward{i}"]),
                gain=feedback_gain * alphas[i - 1],
                plasticity=None if feedback_plasticity == "tied" else plasticity,
                name=f"backward{i}",
            )
    for population in net.populations:
        net.record(population, "spikes")
    return net


def sleep_network(
    weights: Sequence[ArrayLike],
    mean_image: ArrayLike,
    config: SleepConfig,
    *,
    image_shape: tuple[int, int] | None = None,
    activity: Sequence[float] | None = None,
    seed: int = 0,
) -> Network:
    """The network that sleeps: see :func:`sleep` for the parameters."""
    mean = np.asarray(mean_image, np.float64).reshape(-1)
    if image_shape is None:
        side = math.isqrt(mean.size)
        image_shape = (side, side) if side * side == mean.size else (1, mean.size)
    if config.normalise and activity is None:
        raise DescriptionError(
            "sleep: normalise=True needs the largest activation of each layer; pass activity="
        )
    gains = (
        data_gains(weights, activity, config.gain_scale)
        if config.normalise and activity is not None
        else [config.gain_scale] * len(weights)
    )
    source = WindowedPoisson(
        2.0 * config.rate * mean, image_shape, config.window, stop=config.steps * DT
    )
    rule = SleepReplay(config.increment, config.decrement, config.slope, config.gate)
    return spiking_network(
        weights,
        source,
        thresholds=config.thresholds,
        decay=config.decay,
        gains=gains,
        plasticity=rule,
        feedback_gain=config.feedback_gain if config.feedback_spikes else None,
        feedback_plasticity=config.feedback_plasticity,
        seed=seed,
    )


def sleep(
    weights: Sequence[ArrayLike],
    mean_image: ArrayLike,
    config: SleepConfig,
    *,
    backend: str = "reference",
    image_shape: tuple[int, int] | None = None,
    activity: Sequence[float] | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    backend_options: Mapping[str, Any] | None = None,
) -> SleepResult:
    """Replay and consolidate.

    Parameters
    ----------
    weights : sequence of L arrays ``[pre, post]``
        Of the network that was awake; not changed.
    mean_image : array of ``n_input`` floats in [0, 1]
        Mean over everything seen so far.
    config : SleepConfig
    backend : str
        Where the spiking network runs; the result is the same on each, but for ``lava``. There
        the rule runs on Loihi's learning engine, which needs ``gate="hard"`` and sums a step's
        input from the weights of the step before (:mod:`neuro.loihi.learning`).
    image_shape : (rows, columns), optional
        Of the input; by default a square if the number of pixels is one, else a single row.
    activity : sequence of L floats, optional
        Largest activation of each layer, for ``config.normalise``.
    seed : int
        Of the input spikes.
    progress : Progress, optional
        Advanced in time steps.
    backend_options : mapping, optional
        For the backend, e.g. ``{"target": "cpp"}``; they go before :data:`BACKEND_OPTIONS`.

    Returns
    -------
    SleepResult
    """
    net = sleep_network(
        weights, mean_image, config, image_shape=image_shape, activity=activity, seed=seed
    )
    layers = len(weights) + 1
    options = {**BACKEND_OPTIONS.get(backend, {}), **(backend_options or {})}
    with compile(net, backend, DT, **options) as sim:
        recording = sim.run_steps(
            config.steps + len(weights), progress=False if progress is None else progress
        )
        after = [np.asarray(sim.weights(f"forward{i}")) for i in range(1, layers)]
        if config.feedback_spikes and config.feedback_plasticity == "separate":
            for i in range(2, layers):
                down = np.asarray(sim.weights(f"backward{i}"))
                after[i - 1] = 0.5 * (after[i - 1] + down.T)
    raster = [recording.spikes(f"layer{i}") for i in range(layers)]
    counts = [len(units) for _, units in raster]
    sizes = [p.size for p in net.populations.values()]
    return SleepResult(
        weights=after,
        spikes_per_layer=counts,
        rates_per_layer=[c / (n * config.steps) for c, n in zip(counts, sizes, strict=True)],
        raster=raster,
        steps=config.steps,
    )

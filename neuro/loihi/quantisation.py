"""From a network of floats to one of Loihi's whole numbers.

Every population gets a scale, the units of v per volt: the largest at which neither thresholds,
constant inputs nor weights leave their ranges, and the current cannot overflow even if all inputs
spike in every step. Large scales make small errors: cutting off takes half a unit in every step,
whatever a unit is worth. Then weights are rounded, each projection with an exponent of its own.

Recipe: exact integration of the LIF (Rotter & Diesmann 1999, Biol. Cybern. 81:381, eq. 10-14) in
the form of Loihi's compartment. All of it is measured in ``tests/loihi/test_quantisation.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Connectivity, Convolution, Dense, Sparse
from neuro.connectors import Transpose, from_array
from neuro.connectors.base import Connector
from neuro.connectors.images import Convolve
from neuro.connectors.matrices import from_rows
from neuro.description import Parameter, Value
from neuro.distributions import Distribution
from neuro.errors import CompileError, DescriptionError
from neuro.loihi.membranes import HARMLESS, MATCHES, Decays, Membrane, decays, membrane
from neuro.loihi.neurons import LIF
from neuro.loihi.numbers import (
    ALIGNMENT,
    BIAS_EXPONENT_MAX,
    BIAS_MAX,
    DECAY_UNITY,
    EXPONENT_MAX,
    STATE_LIMIT,
    THRESHOLD_MAX,
    WEIGHT_BITS,
    weight_limits,
)
from neuro.loihi.quantisation_report import (
    PopulationReport,
    ProjectionReport,
    QuantisationReport,
)
from neuro.loihi.weight_rounding import (
    Floats,
    RoundedWeights,
    Rounding,
    largest_weight,
    rounded,
    signs,
)
from neuro.lowering.projections import synaptic_delays
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.random import stream
from neuro.sources import Source

T = TypeVar("T")

#: Most that cutting sums of arrivals may cost, as a share of the threshold.
CUTTING = 0.01
#: Room left below the reset for inhibition, in multiples of the distance to threshold.
HEADROOM = 4.0


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network in whole numbers, and how it relates to the one in floats.

    Attributes
    ----------
    network : Network
        Same names, sizes, sources and recorders. Arrivals at exponential synapses have one more
        step of delay, because a compartment's current acts in the step in which it arrives.
    report : QuantisationReport
    scales, resets : dict
        Units of v per volt, and the voltage at which v is 0, of each population that is no source.
    """

    network: Network
    report: QuantisationReport
    scales: Mapping[str, float]
    resets: Mapping[str, Value]
    _units: Mapping[str, Floats]  # of each projection: what a weight of 1 at exponent 0 is worth

    def volts(self, population: str, v: NDArray[np.float64]) -> Floats:
        """Voltages of a population, as recorded (``[steps, units]``), in volts."""
        if population not in self.scales:
            known = ", ".join(self.scales) or "none"
            raise DescriptionError(f"volts: no population {population!r} with v; it has {known}")
        return np.asarray(v / self.scales[population] + self.resets[population])

    def weights(self, projection: str) -> Floats:
        """The weights of a projection as the float network would have to have them, in its unit.

        Of the shape ``[pre, post]``, or one per synapse of a sparse projection, or the kernel.
        """
        if projection not in self._units:
            known = ", ".join(self._units) or "none"
            raise DescriptionError(f"weights: no projection {projection!r}; it has {known}")
        made = self.network.projections[projection]
        generator = stream(self.network.seed, f"synapses of {projection}")
        _, whole = made.connector.build(generator, made.pre, made.post)
        if isinstance(made.connector, Convolve):
            whole = made.connector.kernel
        exponent = self.report.projections[projection].exponent
        return np.asarray(whole * 2.0**exponent * self._units[projection])


@dataclass(frozen=True, eq=False)
class _Synapses:
    """The synapses of a projection, tied ones as their own, gain included."""

    projection: Projection
    connectivity: Connectivity
    weights: Floats
    sign_mode: str
    bits: int

    def per_weight(self, per_unit: Value) -> Floats:
        """A number of the target's units, for every weight."""
        array = np.asarray(per_unit)
        if array.ndim == 0:
            return array
        if isinstance(self.connectivity, Convolution):
            if np.ptp(array) == 0:
                return np.asarray(array[0])
            raise CompileError(
                f"projection {self.projection.name!r} shares one kernel, but the units of"
                f" {self.projection.post.name!r} have different time constants, so that each"
                " would need other whole numbers; give them one"
            )
        return array if isinstance(self.connectivity, Dense) else array[self.connectivity.targets]

    def most(self, values: Floats) -> float:
        """Largest sum, positive or negative, that can reach a unit in one step."""
        if isinstance(self.connectivity, Dense):
            return float(max(f(values, 0).sum(0).max() for f in (_above, _below)))
        sparse, index = self.connectivity.expand()
        # Pooling has one kernel for all channels.
        flat = np.broadcast_to(values, self.connectivity.weight_shape).reshape(-1)[index]
        sums = (
            np.bincount(sparse.targets, f(flat, 0), sparse.n_post).max() for f in (_above, _below)
        )
        return float(max(sums))


def _above(values: Floats, limit: float) -> Floats:
    return np.maximum(values, limit)


def _below(values: Floats, limit: float) -> Floats:
    return np.maximum(-values, limit)


def quantise(
    network: Network,
    dt: float,
    *,
    bits: int | Mapping[str, int] = WEIGHT_BITS,
    sign_mode: str | Mapping[str, str] = "auto",
    exponents: str = "max",
    percentile: float = 99.9,
    rounding: str = "nearest",
    match: str = "auto",
    headroom: float = HEADROOM,
    together: float = 1.0,
    seed: int | None = None,
) -> Quantised:
    """Make an integer network of a network of floats.

    Parameters
    ----------
    network : Network
        Populations are sources, :class:`neuro.LIF` or :class:`neuro.IF` with delta or exponential
        synapses (of one time constant a population) and reset to a value.
    dt : float, second
    bits : int or mapping of projection to int, default 8
        Of weights, 1 to 8.
    sign_mode : str or mapping of projection to str
        ``"auto"`` (of one sign where the weights are, which halves their step), ``"mixed"``,
        ``"excitatory"`` or ``"inhibitory"``.
    exponents : {"max", "percentile", "error"}
        Of each projection: the smallest at which its largest weight fits; at which the given
        percentile of its absolute weights fits (larger ones saturate); or that of least mean
        square error.
    percentile : float
    rounding : {"nearest", "stochastic"}
        Of weights.
    match : {"auto", "mean", "peak"}
        Rounded decays change either the steady state or the response to one arrival; this one is
        kept as it was. "auto": the response to one arrival, unless the steady state would change
        by more than 1 %, as long time constants make it; always where a single arrival reaches
        the threshold.
    headroom : float
        How far below its reset v can go before it stays there, as a multiple of the distance to
        threshold, where anything pulls it down.
    together : float, above 0, up to 1
        Share of a unit's inputs that may spike together, step after step, before its current
        overflows. 1 is safe whatever happens; where inputs are many and currents long, less gives
        a finer scale and a smaller error.
    seed : int, optional
        Of stochastic rounding; the network's by default.

    Returns
    -------
    Quantised

    Raises
    ------
    CompileError
        What has no form in whole numbers, by name and with the mend.
    """
    seconds = Parameter("second", minimum=0.0, exclusive=True).read(dt, "dt")
    if not isinstance(seconds, float):
        raise CompileError(f"dt has shape {np.shape(seconds)}; expected one number in seconds")
    if match not in MATCHES:
        raise DescriptionError(f"match={match!r}; choose from {MATCHES}")
    if not headroom >= 0:
        raise DescriptionError(f"headroom is {headroom!r}; it must be at least 0")
    if not 0 < together <= 1:
        raise DescriptionError(f"together is {together!r}; it lies above 0, up to 1")
    made = _Maker(
        network,
        seconds,
        Rounding(exponents, percentile, rounding),
        match,
        headroom,
        together,
        network.seed if seed is None else seed,
    )
    for name, population in network.populations.items():
        if not population.is_source:
            made.measure(name, population)
    for name, projection in network.projections.items():
        made.synapses[name] = _synapses(
            network,
            projection,
            _of(bits, name, WEIGHT_BITS),
            _of(sign_mode, name, "auto"),
        )
    return made.make()


def dequantised(
    weights: object,
    *,
    bits: int = WEIGHT_BITS,
    sign_mode: str = "auto",
    exponents: str = "max",
    percentile: float = 99.9,
    rounding: str = "nearest",
    seed: int = 0,
) -> Floats:
    """Float weights through whole numbers and back: what a chip would keep of them.

    For networks that are not spiking (an MRNN), whose scale is free: the largest weight becomes
    the largest whole number.

    Parameters
    ----------
    weights : array
    bits, sign_mode, exponents, percentile, rounding
        As in :func:`quantise`.
    seed : int
        Of stochastic rounding.
    """
    values = np.asarray(weights, np.float64)
    mode = signs(values, sign_mode, "dequantised")
    unit = float(np.max(np.abs(values), initial=0.0)) / (largest_weight(bits, mode) or 1) or 1.0
    how = Rounding(exponents, percentile, rounding)
    found = rounded(values / unit, bits, mode, how, stream(seed, "rounding"))
    return np.asarray(found.weights * 2.0**found.format.exponent * unit)


class _Maker:
    """A network on its way to whole numbers."""

    def __init__(
        self,
        network: Network,
        dt: float,
        how: Rounding,
        match: str,
        headroom: float,
        together: float,
        seed: int,
    ) -> None:
        self.network, self.dt, self.how = network, dt, how
        self.match, self.headroom, self.together, self.seed = match, headroom, together, seed
        self.membranes: dict[str, Membrane] = {}
        self.decays: dict[str, Decays] = {}
        self.synapses: dict[str, _Synapses] = {}
        self.matches: dict[str, str] = {}

    def measure(self, name: str, population: Population) -> None:
        """Read the model of a population."""
        if isinstance(population.model, LIF):
            raise CompileError(
                f"population {name!r} has whole numbers already, while others have not; quantise"
                " networks of floats, or give all populations nr.loihi.LIF"
            )
        self.membranes[name] = membrane(population, self.network.seed, self.dt)
        self.decays[name] = decays(self.membranes[name], f"population {name!r}")

    def make(self) -> Quantised:
        """The integer network."""
        scales: dict[str, float] = {}
        whole: dict[str, RoundedWeights] = {}
        for name in self.membranes:
            self.matches[name] = self._match(name)
            scales[name], found = self._scaled(name)
            whole |= found
        made = Network(self.network.name, seed=self.network.seed)
        populations: dict[str, PopulationReport] = {}
        for name, population in self.network.populations.items():
            model: LIF | Source
            if isinstance(population.model, Source):
                model = population.model
            else:
                model = self._model(name, scales[name], whole)
                populations[name] = self._report(name, model, scales[name])
            made.population(name, model, population.shape, positions=population.positions)
        for name in self.network.projections:
            self._connect(made, name, whole[name])
        self._record(made)
        projections = {
            name: ProjectionReport(
                found.format.exponent,
                found.format.bits,
                found.format.sign_mode,
                found.rms_error,
                found.max_error,
                found.saturated,
            )
            for name, found in ((name, whole[name]) for name in self.network.projections)
        }
        report = QuantisationReport(self.network.name, populations, projections)
        units = {
            name: ALIGNMENT / (scales[s.projection.post.name] * self._jump(s))
            for name, s in self.synapses.items()
        }
        resets = {name: of.reset for name, of in self.membranes.items()}
        return Quantised(made, report, scales, resets, units)

    # --- scales and weights ---

    def _arriving(self, name: str) -> dict[str, _Synapses]:
        return {n: s for n, s in self.synapses.items() if s.projection.post.name == name}

    def _jump(self, synapses: _Synapses) -> Floats:
        """What a weight of one volt does to v, after what the rounding of decays will add."""
        name = synapses.projection.post.name
        of, by = self.membranes[name], self.decays[name]
        gain = by.gain if self.matches[name] == "mean" else 1.0
        return synapses.per_weight(np.asarray(of.jump) / gain)

    def _drive(self, name: str) -> Floats:
        """Constant input per step; of constant input only the steady state matters."""
        return np.asarray(self.membranes[name].drive) / self.decays[name].gain_v

    def _match(self, name: str) -> str:
        """What rounded decays leave as it was."""
        of, by = self.membranes[name], self.decays[name]
        if self.match != "auto":
            return self.match
        if np.all(np.abs(np.asarray(by.gain) - 1) <= HARMLESS):
            return "peak"
        weights = [float(s.weights.max(initial=0.0)) for s in self._arriving(name).values()]
        largest = max(weights, default=0.0)
        reached = not of.late and largest >= (1 - HARMLESS) * float(np.min(of.distance))
        return "peak" if reached else "mean"

    def _scaled(self, name: str) -> tuple[float, dict[str, RoundedWeights]]:
        """The scale of a population, and the weights of what arrives there in whole numbers."""
        scale = self._scale(name)
        lost_u = (np.min(self.decays[name].du) + 1) / DECAY_UNITY
        while True:
            threshold = scale * float(np.min(self.membranes[name].distance))
            arriving = self._arriving(name)
            share = CUTTING / max(len(arriving), 1)
            lowest = self.decays[name].lowest_exponent(threshold, share)
            found = {n: self._rounded(s, scale, lowest) for n, s in arriving.items()}
            most = sum(
                self.synapses[n].most(w.weights) * 2.0**w.format.exponent for n, w in found.items()
            )
            highest = self.together * ALIGNMENT * most / lost_u
            if highest < STATE_LIMIT:
                return scale, found
            scale *= 0.999 * min(1.0, STATE_LIMIT / highest)  # rounding made the sum larger

    def _rounded(self, synapses: _Synapses, scale: float, lowest: int) -> RoundedWeights:
        name = synapses.projection.name
        scaled = synapses.weights * (scale * self._jump(synapses) / ALIGNMENT)
        generator = stream(self.seed, f"rounding of {name}")
        return rounded(scaled, synapses.bits, synapses.sign_mode, self.how, generator, lowest)

    def _scale(self, name: str) -> float:
        """The largest scale at which everything fits."""
        of = self.membranes[name]
        arriving = self._arriving(name)
        start, drive = np.asarray(of.start), self._drive(name)
        negative = any(s.weights.min(initial=0.0) < 0 for s in arriving.values())
        pulled = negative or np.min(start) < 0 or np.min(drive) < 0
        room = max(self.headroom, 1.0) if pulled else 1.0
        reach = float(np.max(np.abs(start) / room, initial=0.0))
        limits = [
            ALIGNMENT * THRESHOLD_MAX / (room * max(float(np.max(of.distance)), reach)),
            _over(BIAS_MAX * 2.0**BIAS_EXPONENT_MAX, float(np.max(np.abs(drive)))),
        ]
        lost_u = (np.min(self.decays[name].du) + 1) / DECAY_UNITY
        jumps = {n: s.weights * self._jump(s) for n, s in arriving.items()}
        most = self.together * sum(arriving[n].most(values) for n, values in jumps.items())
        limits.append(_over((STATE_LIMIT - 1) * lost_u, most))
        largest: list[tuple[float, int]] = []
        for n, values in jumps.items():
            top = max(largest_weight(arriving[n].bits, arriving[n].sign_mode), 1)
            largest.append((float(np.max(np.abs(values), initial=0.0)), top))
            limits.append(_over(ALIGNMENT * top * 2.0**EXPONENT_MAX, largest[-1][0]))
        scale = min(limits)
        if not largest or max(largest)[0] == 0 or not np.isfinite(scale):
            return scale
        # A little less, so that the largest weight is a whole number exactly: where one spike
        # just reaches the threshold, rounding must not keep it below.
        weight, top = max(largest)
        exponent = np.floor(np.log2(scale * weight / (ALIGNMENT * top)) + 1e-12)
        return float(ALIGNMENT * top * 2.0**exponent / weight)

    # --- the network ---

    def _model(self, name: str, scale: float, whole: Mapping[str, RoundedWeights]) -> LIF:
        of, by = self.membranes[name], self.decays[name]
        threshold = np.asarray(of.distance) * scale / ALIGNMENT
        # A compartment spikes above threshold only: one that is to spike at it gets one less.
        vth = np.ceil(threshold - 1e-9) - 1 if of.reaches else np.rint(threshold)
        drive = self._drive(name) * scale
        with np.errstate(divide="ignore"):
            exponent = np.ceil(np.log2(np.abs(drive) / BIAS_MAX) - 1e-12)
        exponent = np.clip(exponent, 0, BIAS_EXPONENT_MAX)
        ports = {
            _port(n, w): w.format.exponent
            for n, w in whole.items()
            if self.synapses[n].projection.post.name == name
        }
        return LIF(
            by.du,
            by.dv,
            np.clip(vth, 0, THRESHOLD_MAX),
            np.clip(np.rint(drive / 2.0**exponent), -BIAS_MAX, BIAS_MAX),
            exponent,
            of.t_ref,
            ports or None,
            v_init=np.rint(np.asarray(of.start) * scale),
        )

    def _connect(self, made: Network, name: str, whole: RoundedWeights) -> None:
        projection = self.network.projections[name]
        late = self.membranes[projection.post.name].late
        made.connect(
            projection.pre.name,
            projection.post.name,
            _connector(self.synapses[name], whole.weights),
            delay=self._delay(projection, self.dt if late else 0.0),
            port=_port(name, whole),
            name=name,
        )

    def _delay(self, projection: Projection, more: float) -> float | Floats | None:
        """The delay, longer by one step where arrivals would act too early."""
        given = projection.delay
        if given is None:
            return 2 * self.dt if more else None
        if not isinstance(given, Distribution):
            return given + more
        synapses, _ = self.synapses[projection.name].connectivity.expand()
        if synapses.has_multapses:
            raise CompileError(
                f"projection {projection.name!r} draws delays for several synapses of one pair;"
                " give delay= one number or an array [pre, post]"
            )
        steps = synaptic_delays(projection, synapses, self.network.seed, self.dt)
        matrix = np.full((projection.pre.size, projection.post.size), self.dt)
        matrix[synapses.rows, synapses.targets] = steps * self.dt + more
        return matrix

    def _record(self, made: Network) -> None:
        """The same recorders; a synaptic current is the compartment's one current."""
        taken = set()
        for r in self.network.recorders:
            current = r.owner in made.populations and r.variable.startswith("I_")
            variable = "u" if current else r.variable
            if (r.owner, variable) not in taken:
                made.record(r.owner, variable, r.units, every=r.every)
            taken.add((r.owner, variable))

    def _report(self, name: str, model: LIF, scale: float) -> PopulationReport:
        of, by = self.membranes[name], self.decays[name]
        threshold = ALIGNMENT * np.maximum(np.asarray(model.parameters["vth"]), 1.0)
        error = by.predicted_error(
            threshold, exponents=tuple(model.exponents.values()), match=self.matches[name]
        )
        with np.errstate(divide="ignore"):
            chip_m = -self.dt / np.log1p(-np.asarray(by.dv) / DECAY_UNITY)
            chip_s = -self.dt / np.log1p(-(np.asarray(by.du) + 1) / DECAY_UNITY)
        worst = np.asarray(error).reshape(-1)
        return PopulationReport(
            tau_m=_ends(of.tau_m),
            tau_m_chip=_ends(np.abs(chip_m)),
            tau_s=_ends(of.tau_s),
            tau_s_chip=_ends(np.abs(chip_s)),
            du=_whole_ends(by.du),
            dv=_whole_ends(by.dv),
            vth=_whole_ends(model.parameters["vth"]),
            scale=scale,
            error=float(worst[np.argmax(np.abs(worst))]),
            lowest=(STATE_LIMIT - 1) / (scale * float(np.max(of.distance))),
        )


def _synapses(network: Network, projection: Projection, bits: int, sign_mode: str) -> _Synapses:
    where = f"projection {projection.name!r}"
    if projection.plasticity is not None:
        raise CompileError(
            f"{where} is plastic ({projection.plasticity.name}): weights of 8 bits change through"
            " the chip's learning engine, not through this rule; see option learning= of"
            " backend 'lava', or leave out plasticity="
        )
    if projection.short_term is not None:
        raise CompileError(
            f"{where} has short-term plasticity, which Loihi's synapses lack; leave out short_term="
        )
    weight_limits(bits)  # checks them
    connector, owner = projection.connector, projection
    if isinstance(connector, Transpose):
        owner = network.projections[connector.projection]
    generator = stream(network.seed, f"synapses of {owner.name}")
    connectivity, weights = owner.connector.build(generator, owner.pre, owner.post)
    if isinstance(owner.connector, Convolve):
        weights = owner.connector.kernel  # pooling repeats one kernel for every channel
    values = np.asarray(weights, np.float64) * projection.gain
    if isinstance(connector, Transpose):
        connectivity, values = _turned(connectivity, values)
    return _Synapses(projection, connectivity, values, signs(values, sign_mode, where), bits)


def _turned(connectivity: Connectivity, values: Floats) -> tuple[Connectivity, Floats]:
    """Synapses that run the other way."""
    if isinstance(connectivity, Dense):
        return Dense(connectivity.n_post, connectivity.n_pre), values.T
    assert isinstance(connectivity, Sparse), "convolutions have no transposes"
    rows, targets = connectivity.rows, connectivity.targets
    order = np.lexsort((rows, targets))
    start = np.searchsorted(targets[order], np.arange(connectivity.n_post + 1)).astype(np.int64)
    turned = Sparse(connectivity.n_post, connectivity.n_pre, start, rows[order].astype(np.int64))
    return turned, values[order]


def _connector(synapses: _Synapses, whole: Floats) -> Connector:
    c = synapses.projection.connector
    if isinstance(c, Convolve):
        return Convolve(whole, c.stride, c.padding, c.dilation, c.groups)
    if isinstance(synapses.connectivity, Dense):
        return from_array(whole)
    assert isinstance(synapses.connectivity, Sparse)
    return from_rows(synapses.connectivity, whole)


def _port(projection: str, whole: RoundedWeights) -> str:
    """Projections share ports, except where bits are shifted out of the sum of each."""
    exponent = whole.format.exponent
    return f"input_{exponent}" if exponent >= 0 else f"input_{projection}"


def _of(given: T | Mapping[str, T], projection: str, default: T) -> T:
    """What holds for one projection."""
    return given.get(projection, default) if isinstance(given, Mapping) else given


def _over(limit: float, value: float) -> float:
    return limit / value if value else np.inf


def _ends(value: object) -> tuple[float, float]:
    return float(np.min(value)), float(np.max(value))  # type: ignore[call-overload]


def _whole_ends(value: object) -> tuple[int, int]:
    low, high = _ends(value)
    return int(low), int(high)

"""From a network to what placement and design rules look at, as far as it goes.

The parts of a network that have no integer form are named, each with the reason; the rest gets
its numbers all the same, so that a report can be written of any network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectivity import Dense, IntArray, Sparse
from neuro.connectors import Transpose
from neuro.description import whole_steps
from neuro.errors import CompileError, DescriptionError
from neuro.loihi.chip import Compartments, SynapseFormat, is_integer
from neuro.loihi.design import Layer, Link
from neuro.loihi.neurons import INTEGERS, LIF
from neuro.loihi.numbers import DELAY_MAX, REFRACTORY_MAX, WEIGHT_BITS, sign_mode_of, weight_bits_of
from neuro.loihi.placement import Wiring
from neuro.lowering import lower
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.program import Arrive, Program
from neuro.sources import Poisson

if TYPE_CHECKING:
    from neuro.loihi.quantisation_report import QuantisationReport

#: Bits of the tag of a synapse, where its rule has one.
TAG_BITS = 8

_Refused = (CompileError, DescriptionError)


@dataclass(frozen=True, eq=False)
class Draft:
    """A network before it is placed.

    Attributes
    ----------
    program : Program
        The network as it was described.
    layers, links : mapping
        Populations of the chip, and projections to them.
    delays : mapping of str to int array
        Of each projection: steps from spike to arrival, one number or one per synapse.
    integers : Network, optional
        The integer network, without learning; None where some part has no integer form.
    report : QuantisationReport, optional
        What became of the floats; None if there were none.
    problem : str
        Why no part has an integer form, where that cannot be said of single parts.
    """

    program: Program
    layers: Mapping[str, Layer]
    links: Mapping[str, Link]
    delays: Mapping[str, IntArray]
    integers: Network | None
    report: QuantisationReport | None
    problem: str


def draft(network: Network, dt: float, **options: Any) -> Draft:
    """Numbers of every part of a network that has an integer form, and reasons for the others.

    Parameters
    ----------
    network : Network
        Of floats, or already of integers.
    dt : float, second
    **options
        Of :func:`neuro.loihi.quantise`.

    Raises
    ------
    CompileError
        When the network does not fit the time step.
    """
    program = lower(network, dt)
    still = _Parts(network).without_learning(program.dt)
    found = _Integers(still, program.dt, options)
    made = None if found.network is None else lower(found.network, program.dt)
    layers = {
        name: _layer(population, found, program.dt)
        for name, population in network.populations.items()
        if not population.is_source
    }
    links, delays = {}, {}
    for step in program.steps:
        if isinstance(step, Arrive):
            name = step.projection
            delays[name] = _delays(program, step)
            integer = _arrival(made, name)
            if made is not None and integer is not None and still.whole:
                delays[name] = _delays(made, integer)  # quantisation may add a step
            longest = int(delays[name].max(initial=1)) - 1
            links[name] = _link(network.projections[name], program, step, made, found, longest)
    return Draft(
        program,
        layers,
        links,
        delays,
        found.network if found.whole and still.whole else None,
        found.report,
        found.problems.get("", ""),
    )


class _Parts:
    """A network whose parts can be left out or made simpler; the original stays as it is."""

    def __init__(self, network: Network, *, whole: bool = True) -> None:
        self.network, self.whole = network, whole

    def copy(
        self,
        populations: Mapping[str, Population],
        projections: Collection[Projection],
        *,
        whole: bool = False,
    ) -> _Parts:
        """Projections that lost a population, or the weights they are tied to, go too."""
        made = Network(self.network.name, seed=self.network.seed)
        made.populations = dict(populations)
        for p in projections:
            tied = isinstance(p.connector, Transpose) and p.connector.projection
            if tied and tied not in made.projections:
                continue
            pre, post = populations.get(p.pre.name), populations.get(p.post.name)
            if pre is not None and post is not None and not post.is_source:
                made.projections[p.name] = Projection(
                    p.name, pre, post, p.connector, p.port, p.delay, p.gain, None, None, {}
                )
        return _Parts(made, whole=whole)

    def without_learning(self, dt: float) -> _Parts:
        """Without plasticity, and without what only the rules on delays and periods judge."""
        whole = True
        populations: dict[str, Population] = {}
        for name, p in self.network.populations.items():
            model = p.model
            if isinstance(model, NeuronModel) and _refractory(model, dt, name) > REFRACTORY_MAX:
                model, whole = _without_refractoriness(model), False
            populations[name] = Population(name, model, p.shape, p.positions)
        projections = []
        for q in self.network.projections.values():
            delay = q.delay
            if isinstance(delay, float | np.ndarray) and np.max(delay) / dt > DELAY_MAX + 1.5:
                delay, whole = None, False
            projections.append(
                Projection(
                    q.name, q.pre, q.post, q.connector, q.port, delay, q.gain, None, None, {}
                )
            )
        return self.copy(populations, projections, whole=whole)

    def alone(self, name: str) -> _Parts:
        """Only one population, without input."""
        return self.copy({name: self.network.populations[name]}, [])

    def pair(self, name: str) -> _Parts:
        """Only one projection (and the one it is tied to), from a source if it is no loop."""
        projection = self.network.projections[name]
        tied = getattr(projection.connector, "projection", "")
        kept = [q for q in self.network.projections.values() if q.name in (name, tied)]
        ends = {q.name: q for p in kept for q in (p.pre, p.post)}
        return self.copy(ends, kept)

    def with_sources(self, names: Collection[str]) -> _Parts:
        """These populations give spikes from outside; projections to them go."""
        populations = {
            name: Population(name, Poisson(rate=0.0), p.shape, p.positions) if name in names else p
            for name, p in self.network.populations.items()
        }
        return self.copy(populations, self.network.projections.values())

    def without(self, names: Collection[str]) -> _Parts:
        """Without these projections."""
        kept = [q for n, q in self.network.projections.items() if n not in names]
        return self.copy(self.network.populations, kept)


class _Integers:
    """The integer form of a network, or of as much of it as has one.

    Attributes
    ----------
    network : Network or None
    report : QuantisationReport or None
    problems : dict
        Reason by population and projection that has no integer form; ``""``: the network.
    """

    def __init__(self, parts: _Parts, dt: float, options: Mapping[str, Any]) -> None:
        self.dt, self.options = dt, options
        self.network: Network | None = None
        self.report: QuantisationReport | None = None
        self.problems: dict[str, str] = {}
        if self._refusal(parts):
            self._search(parts)

    @property
    def whole(self) -> bool:
        """Whether every part has an integer form."""
        return self.network is not None and not self.problems

    def gain(self, projection: str) -> float:
        """What is left of a projection's gain."""
        assert self.network is not None
        return self.network.projections[projection].gain

    def error(self, population: str) -> float:
        """Predicted error of quantisation, as a share of the threshold."""
        report = None if self.report is None else self.report.populations.get(population)
        return 0.0 if report is None else float(report.error)

    def _refusal(self, parts: _Parts) -> str:
        """Take the integer form of some parts; the reason if there is none."""
        network = parts.network
        if is_integer(network):
            self.network = network
            return ""
        from neuro.loihi.quantisation import quantise

        try:
            made = quantise(network, self.dt, **self.options)
        except _Refused as error:
            return str(error)
        self.network, self.report = made.network, made.report
        return ""

    def _search(self, parts: _Parts) -> None:
        """Find the parts that have none, and take the others."""
        names = [n for n, p in parts.network.populations.items() if not p.is_source]
        self._try({name: parts.alone(name) for name in names})
        parts = parts.with_sources(self.problems)
        if self._refusal(parts):
            self._try({name: parts.pair(name) for name in parts.network.projections})
            parts = parts.without(self.problems)
            reason = self._refusal(parts)
            if reason:
                self.network, self.report = None, None
                self.problems[""] = reason

    def _try(self, pieces: Mapping[str, _Parts]) -> None:
        for name, piece in pieces.items():
            reason = self._refusal(piece)
            if reason:
                self.problems[name] = reason


def _refractory(model: NeuronModel, dt: float, name: str) -> int:
    """Longest refractory period of a model in steps."""
    seconds = model.constants.get(model.refractory, 0.0)
    if not isinstance(seconds, float | np.ndarray):
        return 0  # drawn when it is compiled
    return whole_steps(float(np.max(seconds)), dt, f"{model.refractory} of population {name!r}")


def _without_refractoriness(model: NeuronModel) -> NeuronModel:
    content = dict(model.content())
    units = content.pop("units")
    content["parameters"] = {k: (v, units[k]) for k, v in content["parameters"].items()}
    content["parameters"][model.refractory] = (0.0, "second")
    made = type(model).__new__(type(model))
    NeuronModel.__init__(made, **content)
    return made


def _layer(population: Population, found: _Integers, dt: float) -> Layer:
    model = population.model
    assert isinstance(model, NeuronModel)
    compartments = None
    made = None if found.network is None else found.network.populations.get(population.name)
    if made is not None and isinstance(made.model, LIF):
        numbers = made.model.parameters
        integers = {key: _integer(numbers[key]) for key in INTEGERS}
        periods = _integer(np.rint(np.asarray(numbers["t_ref"]) / dt))
        compartments = Compartments(**integers, refractory_steps=periods)
    return Layer(
        population.size,
        model.name,
        compartments,
        found.problems.get(population.name, found.problems.get("", "")),
        _refractory(model, dt, population.name),
        found.error(population.name),
        model.emits_expression is not None,
    )


def _integer(value: Any) -> Any:
    array = np.asarray(value)
    return int(array) if array.ndim == 0 else array.astype(np.int64)


def _delays(program: Program, step: Arrive) -> IntArray:
    if step.delays is None:
        return np.array(step.delay)
    return np.asarray(program.arrays[step.delays].initial, np.int64)


def _link(
    projection: Projection,
    program: Program,
    step: Arrive,
    made: Program | None,
    found: _Integers,
    delay: int,
) -> Link:
    name = step.projection
    integer = _arrival(made, name)
    refusal, learning, tag_bits = "", "", 0
    if projection.plasticity is not None:
        refusal, learning, tag_bits = _learning(program, name, projection.plasticity.name)
    if integer is not None and made is not None:
        synapses, weights = _synapses(made, integer)
        kind = _format(found, projection, weights)
    else:
        synapses, weights = _synapses(program, step)
        kind = None
    bits = WEIGHT_BITS if kind is None else kind.bits
    delay_bits = delay.bit_length()
    wiring = Wiring(
        name, step.source, step.target, synapses, bits, delay_bits, tag_bits, (kind, delay_bits)
    )
    problem = found.problems.get(name, "")
    if kind is not None and found.gain(name) != 1.0:
        problem = f"a gain of {found.gain(name):g}, which synapses of the chip lack"
    if projection.short_term is not None:
        problem = "short-term plasticity, which synapses of the chip lack; leave out short_term="
    rule = "" if projection.plasticity is None else projection.plasticity.name
    whole = None if kind is None else weights
    return Link(wiring, kind, whole, delay, problem, rule, refusal, learning)


def _arrival(program: Program | None, name: str) -> Arrive | None:
    steps = () if program is None else program.steps
    return next((s for s in steps if isinstance(s, Arrive) and s.projection == name), None)


def _learning(program: Program, name: str, rule: str) -> tuple[str, str, int]:
    """Why the chip cannot learn by a rule, or how it does, and the bits of its tag."""
    from neuro.loihi.learning import translate_step

    try:
        made = translate_step(program, name)
    except CompileError as error:
        return str(error), "", 0
    return "", str(made), TAG_BITS if made.dt else 0


def _format(found: _Integers, projection: Projection, weights: NDArray[Any]) -> SynapseFormat:
    """The narrowest format that holds the weights, or the widest if none does."""
    assert found.network is not None
    made = found.network.projections[projection.name]
    model = made.post.model
    assert isinstance(model, LIF)
    mode = sign_mode_of(weights)
    bits = weight_bits_of(weights, mode) or WEIGHT_BITS
    return SynapseFormat(model.exponents[made.port], bits, mode)


def _synapses(program: Program, step: Arrive) -> tuple[Dense | Sparse, NDArray[np.float64]]:
    """Synapses of an arrival the way spikes take, and their weights in this order.

    A convolution is spread out: the chip can share kernels, but how is not published.
    """
    c = program.connectivity[step.synapses]
    weights = np.asarray(program.arrays[step.weights].initial, np.float64)
    if isinstance(c, Dense):
        if step.transposed:
            return Dense(c.n_post, c.n_pre), weights.T.reshape(-1)
        return c, weights.reshape(-1)
    spread, index = c.expand()
    weights = weights.reshape(-1)[index]
    if not step.transposed:
        return spread, weights
    order = np.lexsort((spread.rows, spread.targets))
    starts = np.searchsorted(spread.targets[order], np.arange(spread.n_post + 1))
    turned = Sparse(spread.n_post, spread.n_pre, starts.astype(np.int64), spread.rows[order])
    return turned, weights[order]

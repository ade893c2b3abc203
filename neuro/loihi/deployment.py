"""Whether a network fits the chip, how full it is, and what a run costs: ``neuro deploy``."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.connectivity import Dense
from neuro.description import Parameter, whole_steps
from neuro.errors import CompileError, DescriptionError
from neuro.loihi.activity import Activity, assumed, measured
from neuro.loihi.chip import chip_of
from neuro.loihi.deployment_tables import (
    COSTS,
    LAYERS,
    RULES,
    cost,
    cost_rows,
    layer_rows,
    rule_rows,
    verdict,
)
from neuro.loihi.design import Design, Layer, Link
from neuro.loihi.draft import Draft, draft
from neuro.loihi.energy import ENERGY, NOTES, TIME, Estimate, estimate, load
from neuro.loihi.placement import Placement, place
from neuro.loihi.rules import ERROR, Violation, check
from neuro.loihi.tables import Table, Tables
from neuro.loihi.target import Target, target_named
from neuro.members import Recorder
from neuro.network import Network

if TYPE_CHECKING:
    from neuro.loihi.quantisation_report import QuantisationReport

#: Length of a run whose energy is estimated, unless another is given.
DEFAULT_STEPS = 256


@dataclass(frozen=True)
class LayerReport:
    """What a population takes on the chip.

    Attributes
    ----------
    name : str
    neurons, synapses : int
        Its units, and the synapses that lead to them.
    weight_exponent : int, list of int or None
        Of the weights that lead to it: one number where all projections share it, a list in order
        of the projections where not, None where no projection leads to it or none has one.
    cores : int
    utilisation : float
        Per cent of the fullest resource of its fullest core.
    """

    name: str
    neurons: int
    synapses: int
    weight_exponent: int | list[int] | None
    cores: int
    utilisation: float


@dataclass(frozen=True, eq=False, repr=False)
class Deployment(Tables):
    """A report on one network and one target, which prints as tables. Made by :func:`deploy`.

    Attributes
    ----------
    name : str
        Of the network.
    target : Target
    dt : float, second
    layers : tuple of LayerReport
        Populations on the chip, in order of definition. Sources are outside.
    inputs : mapping of str to int
        Sources and their sizes.
    links : mapping of str to Link
        Projections.
    placement : Placement
    violations, warnings : tuple of Violation
        What must change for the network to fit, and what should be looked at.
    estimate : Estimate
        Energy and time of one inference: a run of ``estimate.seconds``.
    activity : str
        What the estimate's activity comes from.
    quantisation : QuantisationReport, optional
        What became of the floats.
    """

    name: str
    target: Target
    dt: float
    layers: tuple[LayerReport, ...]
    inputs: Mapping[str, int]
    links: Mapping[str, Link]
    placement: Placement
    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    estimate: Estimate
    activity: str
    quantisation: QuantisationReport | None

    def title(self) -> str:
        """Does it fit, on how much, at what cost."""
        return "\n".join([verdict(self), *cost(self)])

    def tables(self) -> list[Table]:
        """Layers, broken rules and energy."""
        rules = [(RULES, rule_rows(found)) for found in (self.violations, self.warnings) if found]
        return [(LAYERS, layer_rows(self)), *rules, (COSTS, cost_rows(self))]

    @property
    def fits(self) -> bool:
        """Whether no design rule is broken."""
        return not self.violations

    @property
    def cores(self) -> int:
        """Cores in use."""
        return len(self.placement.cores)

    @property
    def chips(self) -> int:
        """Chips in use."""
        return self.placement.chips

    @property
    def energy_joule(self) -> float:
        """Dynamic energy of one inference."""
        return self.estimate.energy

    @property
    def notes(self) -> tuple[str, ...]:
        """What the numbers mean and leave out."""
        return (
            "Cores: an estimate; a core holds neurons of one population, no axons are shared, and"
            " routing takes no room.",
            *self.target.notes,
            *NOTES,
        )

    def to_dict(self) -> dict[str, Any]:
        """Content of ``report.json``."""
        e, report = self.estimate, self.quantisation
        return {
            "format": 1,
            "job": "deploy",
            "network": self.name,
            "target": self.target.name,
            "dt": self.dt,
            "fits": self.fits,
            "cores": self.cores,
            "chips": self.chips,
            "layers": [dict(vars(layer)) for layer in self.layers],
            "energy_joule": self.energy_joule,
            "violations": [dict(vars(v)) for v in self.violations],
            "warnings": [dict(vars(v)) for v in self.warnings],
            "inputs": [{"name": name, "units": size} for name, size in self.inputs.items()],
            "projections": [_projection(name, link) for name, link in self.links.items()],
            "inference": {
                "seconds": e.seconds,
                "steps": e.steps,
                "activity": self.activity,
                "events": dict(e.events),
                "joule": dict(e.joule),
            },
            "joule_per_second": e.power,
            "latency_second": e.latency,
            "step_second": e.step_seconds,
            "core_list": [
                {
                    "layer": core.layer,
                    "start": core.start,
                    "stop": core.stop,
                    "chip": core.chip,
                    "core": core.index,
                    "used": dict(core.used),
                    "utilisation": core.utilisation(self.target),
                }
                for core in self.placement.cores
            ],
            "limits": {name: dict(vars(limit)) for name, limit in self.target.core.items()},
            "figures": {
                "joule": {name: dict(vars(figure)) for name, figure in ENERGY.items()},
                "second": {name: dict(vars(figure)) for name, figure in TIME.items()},
            },
            "quantisation": _plain(None if report is None else report.as_dict()),
            "notes": list(self.notes),
        }


def deploy(
    network: Network,
    dt: Any = 1e-3,
    target: str = "loihi2",
    *,
    chips: int | None = None,
    duration: Any = None,
    rate: Any = None,
    frozen: bool = False,
    **options: Any,
) -> Deployment:
    """See whether a network fits the chip, where its parts go, and what a run costs.

    A network of floats is quantised first; what has no integer form is reported, and the rest
    placed all the same. Needs neither the chip nor Lava.

    Parameters
    ----------
    network : Network
    dt : float, second
        Time step.
    target : {"loihi1", "loihi2"}
    chips : int, optional
        How many there may be; by default those of the largest system that was built.
    duration : float, second, optional
        Length of one inference, over which energy is counted; 256 steps by default. The network
        is simulated for so long, with its own sources.
    rate : float, hertz, optional
        Do not simulate: let every unit, those of sources too, spike at random at this rate.
    frozen : bool
        Leave plasticity out: weights stay what they are.
    **options
        Of :func:`neuro.loihi.quantise`, for example ``exponents="error"``.

    Returns
    -------
    Deployment

    Raises
    ------
    CompileError
        Unknown target or option; delays that are no multiple of dt; a rate above one spike a step.

    Examples
    --------
    >>> import neuro as nr
    >>> net = nr.Network("demo")
    >>> inp = net.population("inp", nr.Poisson(rate=40.0), size=100)
    >>> exc = net.population("exc", nr.LIF(), size=50)
    >>> con = net.connect(inp, exc, weights=nr.fixed_probability(0.2, weight=0.3))
    >>> made = nr.loihi.deploy(net, dt=1e-3, target="loihi2")
    >>> made.fits, made.cores, made.chips
    (True, 1, 1)
    """
    if not isinstance(network, Network):
        raise DescriptionError(f"deploy: {network!r} is not a Network")
    aim = target_named(target)
    allowed = aim.chips.value if chips is None else chips
    if isinstance(allowed, bool) or not isinstance(allowed, int | np.integer) or allowed < 1:
        raise CompileError(f"deploy: chips = {chips!r}; expected a whole number of at least 1")
    if frozen:
        network = _frozen(network)
    made = draft(network, dt, **options)
    units = {name: layer.units() for name, layer in made.layers.items()}
    wiring = [link.wiring for link in made.links.values()]
    placement = place(units, wiring, aim)
    found = check(Design(aim, int(allowed), made.layers, made.links, placement))
    found += _refused(made, found)
    steps = _steps(duration, made.program.dt)
    activity = _activity(network, made, steps, rate)
    plastic = [name for name, link in made.links.items() if link.learning]
    counted = load(placement, wiring, activity, plastic)
    return Deployment(
        name=network.name,
        target=aim,
        dt=made.program.dt,
        layers=tuple(
            _layer_report(name, layer, made.links, placement) for name, layer in made.layers.items()
        ),
        inputs={name: made.program.sizes[name] for name in made.program.sources},
        links=made.links,
        placement=placement,
        violations=tuple(v for v in found if v.severity == ERROR),
        warnings=tuple(v for v in found if v.severity != ERROR),
        estimate=estimate(placement, counted, made.program.dt),
        activity=activity.origin,
        quantisation=made.report,
    )


def _refused(made: Draft, found: Sequence[Violation]) -> tuple[Violation, ...]:
    """What :func:`chip_of` refuses although every rule is kept: nothing may slip through."""
    if made.integers is None or any(v.severity == ERROR for v in found):
        return ()
    try:
        chip_of(made.integers, made.program.dt)
    except CompileError as error:
        name, mend = made.program.name, str(error)
        return (Violation("projection_supported", name, "synapses", "weight and delay", mend),)
    return ()


def _frozen(network: Network) -> Network:
    """The network without plasticity; the original stays as it is."""
    made = copy.copy(network)
    made.projections, made.recorders = {}, []
    for name, projection in network.projections.items():
        still = made.projections[name] = copy.copy(projection)
        still.plasticity, still.factors = None, {}
    return made


def _layer_report(
    name: str, layer: Layer, links: Mapping[str, Link], placement: Placement
) -> LayerReport:
    own = [link for link in links.values() if link.wiring.target == name]
    exponents = [link.format.exponent for link in own if link.format is not None]
    return LayerReport(
        name,
        layer.count,
        sum(link.wiring.synapses.count for link in own),
        _shared(exponents),
        len(placement.layer(name)),
        placement.utilisation(name),
    )


def _shared(exponents: Sequence[int]) -> int | list[int] | None:
    if not exponents:
        return None
    return exponents[0] if len(set(exponents)) == 1 else list(exponents)


def _projection(name: str, link: Link) -> dict[str, Any]:
    kind = link.format
    return {
        "name": name,
        "source": link.wiring.source,
        "target": link.wiring.target,
        "synapses": link.wiring.synapses.count,
        "stored": "dense" if isinstance(link.wiring.synapses, Dense) else "sparse",
        "weight_exponent": None if kind is None else kind.exponent,
        "weight_bits": None if kind is None else kind.bits,
        "sign_mode": None if kind is None else kind.sign_mode,
        "delay": link.delay,
        "learning": link.learning or None,
    }


def _plain(value: Any) -> Any:
    """What JSON has: None for infinity (the time constant of a neuron without leak)."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


# --- activity --------------------------------------------------------------------------------


def _steps(duration: Any, dt: float) -> int:
    if duration is None:
        return DEFAULT_STEPS
    seconds = Parameter("second", 0.0, exclusive=True).read(duration, "duration")
    if not isinstance(seconds, float):
        raise DescriptionError("duration is an array; expected one number in seconds")
    return whole_steps(seconds, dt, "duration")


def _activity(network: Network, made: Draft, steps: int, rate: Any) -> Activity:
    sizes, dt = dict(made.program.sizes), made.program.dt
    wiring = [link.wiring for link in made.links.values()]
    if rate is not None:
        hertz = Parameter("hertz", 0.0).read(rate, "rate")
        if not isinstance(hertz, float) or hertz * dt > 1:
            raise CompileError(
                f"rate is {rate!r}; expected one number of at most one spike per step,"
                f" {1 / dt:g} Hz"
            )
        return assumed(sizes, wiring, hertz * dt, steps)
    from neuro.simulation import compile

    watched = copy.copy(network if made.integers is None else made.integers)
    watched.recorders = [Recorder(name, "spikes", None, 1) for name in sizes]
    with compile(watched, "reference", dt) as simulation:
        recording = simulation.run_steps(steps, progress=False)
    spikes = {name: recording.spikes(name) for name in sizes}
    what = "network of floats" if made.integers is None else "integer network"
    total = sum(len(units) for _, units in spikes.values())
    origin = f"simulation of the {what} over {steps} steps, {total} spikes"
    if not made.program.sources:
        origin += " (it has no sources: see --rate)"
    return measured(sizes, wiring, made.delays, spikes, steps, origin)

"""The description of a network: populations, projections, recordings. Pure, validated data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import Connector, Transpose, as_connector
from neuro.description import Described, Parameter, same
from neuro.equations.expression import names
from neuro.equations.statements import check_name
from neuro.errors import DescriptionError, EquationError
from neuro.neurons import NeuronModel
from neuro.plasticity import BUILT_IN, PlasticityRule
from neuro.sources import Source, check_shape


class Population(Described):
    """Units with one model. Made by :meth:`Network.population`."""

    def __init__(self, name: str, model: NeuronModel | Source, size: int) -> None:
        self.name, self.model, self.size = name, model, size

    @property
    def is_source(self) -> bool:
        """Whether the population has no inputs and its spikes are given."""
        return isinstance(self.model, Source)

    def __len__(self) -> int:
        return self.size


class Projection(Described):
    """Synapses from one population to another. Made by :meth:`Network.connect`."""

    def __init__(
        self,
        name: str,
        pre: Population,
        post: Population,
        connector: Connector,
        port: str,
        delay: float | None,
        gain: float,
        plasticity: PlasticityRule | None,
    ) -> None:
        self.name, self.pre, self.post = name, pre, post
        self.connector, self.port = connector, port
        self.delay, self.gain, self.plasticity = delay, gain, plasticity

    def __repr__(self) -> str:
        rule = f", {self.plasticity.name}" if self.plasticity else ""
        return f"Projection({self.name!r}: {self.pre.name} -> {self.post.name}{rule})"


class Recorder(Described):
    """One thing to record. Made by :meth:`Network.record`."""

    def __init__(self, owner: str, variable: str, units: NDArray[np.int64] | None) -> None:
        self.owner, self.variable, self.units = owner, variable, units


class Network:
    """A spiking network, described once and compiled to any backend.

    Parameters
    ----------
    name : str
        For messages and printing.
    seed : int
        All random numbers (connectivity, Poisson spikes) derive from it and from object names.

    Examples
    --------
    >>> import neuro as nr
    >>> net = nr.Network("demo", seed=0)
    >>> inp = net.population("inp", nr.Poisson(rate=40.0), size=100)
    >>> exc = net.population("exc", nr.LIF(tau_m=20e-3), size=50)
    >>> con = net.connect(inp, exc, weights=nr.fixed_probability(0.2, weight=0.3), delay=1e-3)
    >>> net.record(exc, "spikes")
    """

    def __init__(self, name: str = "network", *, seed: int = 0) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
            raise DescriptionError(f"seed of network {name!r} is {seed!r}; expected a whole number")
        self.name, self.seed = str(name), int(seed)
        self.populations: dict[str, Population] = {}
        self.projections: dict[str, Projection] = {}
        self.recorders: list[Recorder] = []

    def population(self, name: str, model: NeuronModel | Source, size: int) -> Population:
        """Add a population.

        Parameters
        ----------
        name : str
            Unique in the network.
        model : NeuronModel or Source
            For example ``LIF(...)`` or ``Poisson(...)``. A source has no inputs.
        size : int
            Number of units, at least 1.

        Raises
        ------
        DescriptionError
            Name taken or malformed; not a model; size below 1; a per-unit parameter of another
            length.
        """
        where = f"population {name!r}"
        self._new_name(name, where)
        if isinstance(model, type) and issubclass(model, NeuronModel | Source):
            raise DescriptionError(
                f"{where}: {model.__name__} is a class; write {model.__name__}(…)"
            )
        if not isinstance(model, NeuronModel | Source):
            raise DescriptionError(f"{where}: {model!r} is neither a neuron model nor a source")
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise DescriptionError(f"size of {where} is {size!r}; expected a whole number >= 1")
        if isinstance(model, Source):
            model.check(int(size), where)
        else:
            for key, value in {**model.parameters, **model.initial}.items():
                check_shape(value, int(size), f"{key} of {where}")
        made = self.populations[name] = Population(name, model, int(size))
        return made

    def connect(
        self,
        pre: Population | str,
        post: Population | str,
        weights: Any,
        *,
        delay: Any = None,
        plasticity: PlasticityRule | None = None,
        port: str | None = None,
        gain: float = 1.0,
        name: str | None = None,
    ) -> Projection:
        """Connect two populations.

        Parameters
        ----------
        pre, post : Population or str
            Members of this network.
        weights : connector, float, array or scipy.sparse matrix
            A connector such as ``fixed_probability(0.2, weight=0.3)``; one number for all pairs;
            or weights of shape ``[pre, post]``. In the unit of the input port.
        delay : float, second, optional
            From a spike to its arrival; a multiple of dt, at least one step. Default: one step.
        plasticity : PlasticityRule, optional
            How weights change.
        port : str, optional
            Input of the post model; needed only when it has several.
        gain : float
            Factor on the summed weights of each step (weights themselves, and what plasticity
            sees, stay raw).
        name : str, optional
            Unique; ``"pre_post"`` by default.

        Raises
        ------
        DescriptionError
            Whatever does not fit, at this line.
        """
        source, target = self._member(pre, "connect: pre"), self._member(post, "connect: post")
        name = f"{source.name}_{target.name}" if name is None else name
        where = f"projection {name!r}"
        self._new_name(name, where)
        if isinstance(target.model, Source):
            raise DescriptionError(
                f"{where}: {target.name!r} is a source ({type(target.model).__name__}) and takes"
                " no input; connect to a population with a neuron model"
            )
        port = self._port(target.model, port, where)
        connector = as_connector(weights, where)
        connector.check(source.size, target.size, where)
        if isinstance(connector, Transpose):
            self._check_transpose(connector, source, target, where)
        seconds = None if delay is None else self._delay(delay, where)
        factor = Parameter().read(gain, f"gain of {where}")
        if not isinstance(factor, float):
            raise DescriptionError(f"gain of {where} is an array; expected one number")
        if plasticity is not None:
            self._check_rule(plasticity, source, target, where)
        made = self.projections[name] = Projection(
            name, source, target, connector, port, seconds, factor, plasticity
        )
        return made

    def record(
        self,
        what: Population | Projection | str,
        variable: str = "spikes",
        units: Iterable[int] | None = None,
    ) -> None:
        """Record spikes, a state variable, or a projection's weights (``"w"``).

        Parameters
        ----------
        what : Population, Projection or str
            Member of this network.
        variable : str
            ``"spikes"``, a state variable of the population (``"v"``), or, of a projection,
            ``"w"`` or a trace of its rule. Values are those at the end of each step.
        units : iterable of int, optional
            Which units (for ``"w"``: which synapses, in row-major order); all by default.
        """
        owner = what if isinstance(what, str) else what.name
        if owner in self.populations:
            population = self.populations[owner]
            self._member(what if isinstance(what, Population) else owner, "record")
            size: int | None = population.size
            known = ["spikes"]
            if isinstance(population.model, NeuronModel):
                known += population.model.variables
        elif owner in self.projections:
            if isinstance(what, Projection) and what is not self.projections[owner]:
                raise DescriptionError(f"record: {what!r} belongs to another network")
            rule = self.projections[owner].plasticity
            traces = (*rule.pre_derivatives, *rule.post_derivatives) if rule else ()
            known = [d.name for d in traces]
            if not isinstance(self.projections[owner].connector, Transpose):
                known.insert(0, "w")
            size = None  # the number of synapses is known when the network is compiled
        else:
            raise DescriptionError(f"record: {self._unknown(owner)}")
        if variable not in known:
            raise DescriptionError(
                f"record: {owner!r} has no variable {variable!r}; it has {', '.join(known)}"
            )
        chosen = None
        if units is not None:
            chosen = np.array(list(units))
            if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
                raise DescriptionError(f"record: units of {owner!r} are {units!r}; give indices")
            chosen = chosen.astype(np.int64)
            if chosen.min() < 0 or (size is not None and chosen.max() >= size):
                bad = chosen.min() if chosen.min() < 0 else chosen.max()
                has = "" if size is None else f"; it has units 0..{size - 1}"
                raise DescriptionError(f"record: unit {bad} of {owner!r} does not exist{has}")
            if len(np.unique(chosen)) != len(chosen):
                raise DescriptionError(f"record: units of {owner!r} repeat; give each once")
            chosen.flags.writeable = False
        if any(r.owner == owner and r.variable == variable for r in self.recorders):
            raise DescriptionError(
                f"record: {variable!r} of {owner!r} is already recorded; list all units at once"
            )
        self.recorders.append(Recorder(owner, variable, chosen))

    # --- inputs and outputs ---

    @property
    def inputs(self) -> list[str]:
        """Names of the sources, in order of definition."""
        return [p.name for p in self.populations.values() if p.is_source]

    @property
    def outputs(self) -> list[str]:
        """Names of the populations whose spikes are recorded, in order of recording."""
        return [r.owner for r in self.recorders if r.variable == "spikes"]

    def drive(self, name: Population | str, source: Source) -> None:
        """Plug another source into an existing source population."""
        population = self._member(name, "drive")
        if not population.is_source:
            raise DescriptionError(
                f"drive: {population.name!r} is not a source; sources are {self.inputs}"
            )
        if not isinstance(source, Source):
            raise DescriptionError(f"drive: {source!r} is not a source such as Poisson(rate=…)")
        source.check(population.size, f"population {population.name!r}")
        population.model = source

    # --- comparison and printing ---

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return same(vars(self), vars(other))

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return (
            f"Network({self.name!r}, {len(self.populations)} populations,"
            f" {len(self.projections)} projections)"
        )

    def __str__(self) -> str:
        lines = [f"network {self.name!r} (seed {self.seed})"]
        for p in self.populations.values():
            lines.append(f"  {p.name}: {p.size} x {getattr(p.model, 'name', p.model)}")
        for c in self.projections.values():
            delay = "one step" if c.delay is None else f"{c.delay:g} s"
            rule = f", {c.plasticity.name}" if c.plasticity else ""
            lines.append(f"  {c.name}: {c.pre.name} -> {c.post.name}, delay {delay}{rule}")
        for r in self.recorders:
            lines.append(f"  record {r.owner}.{r.variable}")
        return "\n".join(lines)

    # --- checks ---

    def _new_name(self, name: Any, where: str) -> None:
        if not isinstance(name, str):
            raise DescriptionError(f"{where}: a name must be text, not {type(name).__name__}")
        check_name(name, where)
        if name in self.populations or name in self.projections:
            kind = "population" if name in self.populations else "projection"
            raise DescriptionError(
                f"{where}: a {kind} of this name exists already; choose another name"
            )

    def _unknown(self, name: object) -> str:
        known = ", ".join([*self.populations, *self.projections]) or "nothing yet"
        return f"no population or projection {name!r} in network {self.name!r}; it has {known}"

    def _member(self, what: Population | str, where: str) -> Population:
        name = what.name if isinstance(what, Population) else what
        if not isinstance(name, str) or name not in self.populations:
            raise DescriptionError(f"{where}: {self._unknown(name)}")
        found = self.populations[name]
        if isinstance(what, Population) and what is not found:
            raise DescriptionError(
                f"{where}: population {name!r} belongs to another network; use this network's own"
            )
        return found

    def _port(self, model: NeuronModel, port: str | None, where: str) -> str:
        ports = list(model.inputs)
        if not ports:
            raise DescriptionError(f"{where}: {model.name} has no input port")
        if port is None:
            if len(ports) > 1:
                raise DescriptionError(
                    f"{where}: {model.name} has the input ports {', '.join(ports)};"
                    " choose with port="
                )
            return ports[0]
        if port not in ports:
            raise DescriptionError(
                f"{where}: {model.name} has no input port {port!r}; it has {', '.join(ports)}"
            )
        return port

    def _delay(self, delay: Any, where: str) -> float:
        seconds = Parameter("second").read(delay, f"delay of {where}")
        if not isinstance(seconds, float):
            raise DescriptionError(f"delay of {where} is an array; expected one number")
        if seconds <= 0:
            raise DescriptionError(
                f"delay of {where} is {seconds:g} s; it must be positive, at least one time"
                " step (leave it out for exactly one step)"
            )
        return seconds

    def _check_transpose(
        self, connector: Transpose, source: Population, target: Population, where: str
    ) -> None:
        tied = self.projections.get(connector.projection)
        if tied is None or tied.pre is not target or tied.post is not source:
            raise DescriptionError(
                f"{where}: the transpose of {connector.projection!r} runs from that projection's"
                " post to its pre population; connect these two"
            )

    def _check_rule(
        self, rule: PlasticityRule, source: Population, target: Population, where: str
    ) -> None:
        if not isinstance(rule, PlasticityRule):
            raise DescriptionError(f"plasticity of {where}: {rule!r} is not a plasticity rule")
        known = {d.name for d in (*rule.pre_derivatives, *rule.post_derivatives)}
        known |= set(rule.parameters) | set(BUILT_IN)
        for side, population in (("pre", source), ("post", target)):
            if isinstance(population.model, NeuronModel):
                known |= {f"{v}_{side}" for v in population.model.variables}
        for s in (*rule.on_pre_statements, *rule.on_post_statements):
            for used in names(s.expression):
                if used not in known:
                    raise EquationError(
                        f"{rule.name} at {where}: unknown name {used!r};"
                        f" known: {', '.join(sorted(known))}"
                    )

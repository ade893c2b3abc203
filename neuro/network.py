"""The description of a network: populations, projections, recordings. Pure, validated data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neuro.connectors import Transpose, as_connector
from neuro.description import Parameter, same
from neuro.equations.statements import check_name
from neuro.errors import DescriptionError
from neuro.members import Population, Projection, Recorder
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule, ShortTermPlasticity
from neuro.sources import Source, check_shape
from neuro.summary import network_html, network_text
from neuro.wiring import check_rule, read_delay, read_port, read_positions, read_shape


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

    def population(
        self,
        name: str,
        model: NeuronModel | Source,
        size: int | tuple[int, ...],
        *,
        positions: Any = None,
    ) -> Population:
        """Add a population.

        Parameters
        ----------
        name : str
            Unique in the network.
        model : NeuronModel or Source
            For example ``LIF(...)`` or ``Poisson(...)``. A source has no inputs.
        size : int or tuple of int
            Number of units, at least 1; or the shape of an array of units, for example
            ``(channels, rows, columns)`` of an image.
        positions : array of shape (size, d), d = 1, 2 or 3, optional
            Of each unit, for connectors that look at distance. By default units stand on a grid
            of the population's shape, one apart.

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
        made = Population(name, model, read_shape(size, where))
        if isinstance(model, Source):
            model.check(made.size, where)
        else:
            for key, value in {**model.constants, **model.initial}.items():
                if isinstance(value, np.ndarray):
                    check_shape(value, made.size, f"{key} of {where}")
        if positions is not None:
            made.positions = read_positions(positions, made.size, where)
        self.populations[name] = made
        return made

    def connect(
        self,
        pre: Population | str,
        post: Population | str,
        weights: Any,
        *,
        delay: Any = None,
        plasticity: PlasticityRule | None = None,
        short_term: ShortTermPlasticity | None = None,
        factors: Mapping[str, tuple[Population | str, str]] | None = None,
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
        delay : float, second; array ``[pre, post]``; Uniform or Normal; optional
            From a spike to its arrival; a multiple of dt, at least one step. Default: one step.
            An array gives every synapse its own delay (entries without synapse are not read);
            drawn delays are rounded to whole steps, at least one.
        plasticity : PlasticityRule, optional
            How weights change.
        short_term : ShortTermPlasticity, optional
            How the efficacy of an arrival depends on earlier ones, e.g. ``TsodyksMarkram()``.
        factors : mapping of str to (population, variable), optional
            Third factors that the plasticity rule names: a state variable of a population of one
            unit (shared by all synapses), or of one that has the size of ``post``, else of ``pre``,
            or whose size divides that of ``post``, else of ``pre``: consecutive units in groups of
            equal length then share a value, as ``(G, n)`` units do with a population of G
            (unit by unit).
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
        port = read_port(target.model, port, where)
        connector = as_connector(weights, where)
        connector.check(source, target, where)
        connector.check_dimension(target.model.ports[port], where)
        if isinstance(connector, Transpose):
            self._check_transpose(connector, source, target, where)
        given = None if delay is None else read_delay(delay, connector, source, target, where)
        factor = Parameter().read(gain, f"gain of {where}")
        if not isinstance(factor, float):
            raise DescriptionError(f"gain of {where} is an array; expected one number")
        third = {k: self._factor(k, v, where) for k, v in (factors or {}).items()}
        if plasticity is not None:
            sizes = {key: self.populations[owner].size for key, (owner, _) in third.items()}
            check_rule(plasticity, connector, source, target, sizes, where)
        elif third:
            raise DescriptionError(
                f"factors of {where}: there is no plasticity rule to read {min(third)!r}"
            )
        if short_term is not None and not isinstance(short_term, ShortTermPlasticity):
            raise DescriptionError(
                f"short_term of {where}: {short_term!r} is not a rule such as TsodyksMarkram()"
            )
        made = self.projections[name] = Projection(
            name, source, target, connector, port, given, factor, plasticity, short_term, third
        )
        return made

    def record(
        self,
        what: Population | Projection | str,
        variable: str = "spikes",
        units: Iterable[int] | None = None,
        *,
        every: int = 1,
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
        every : int
            Keep the values of every n-th step only, those at the end of steps n - 1, 2n - 1, …
            counted from the first run. Spikes are always kept.
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
            short_term = self.projections[owner].short_term
            known = [d.name for d in rule.derivatives] if rule else []
            known += [d.name for d in short_term.derivatives] if short_term else []
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
        if isinstance(every, bool) or not isinstance(every, int | np.integer) or every < 1:
            raise DescriptionError(
                f"record: every of {owner!r} is {every!r}; expected a whole number of steps >= 1"
            )
        if variable == "spikes" and every != 1:
            raise DescriptionError(
                f"record: spikes of {owner!r} are kept in every step; leave out every={every}"
            )
        self.recorders.append(Recorder(owner, variable, chosen, int(every)))

    # --- inputs and outputs ---

    @property
    def inputs(self) -> list[str]:
        """Names of the sources, in order of definition."""
        return [p.name for p in self.populations.values() if p.is_source]

    @property
    def outputs(self) -> list[str]:
        """Names of the populations whose spikes are recorded, in order of recording.

        Of graded units, which send numbers, any recorded variable counts.
        """
        graded = {n for n, p in self.populations.items() if getattr(p.model, "emits", "")}
        found = [r.owner for r in self.recorders if r.variable == "spikes" or r.owner in graded]
        return list(dict.fromkeys(found))

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
        return network_text(self)

    def _repr_html_(self) -> str:
        return network_html(self)

    # --- checks ---

    def _new_name(self, name: Any, where: str) -> None:
        if not isinstance(name, str):
            raise DescriptionError(f"{where}: a name must be text, not {type(name).__name__}")
        check_name(name, where, in_text=False)
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

    def _factor(self, key: str, given: Any, where: str) -> tuple[str, str]:
        of = f"factor {key!r} of {where}"
        if not isinstance(given, tuple) or len(given) != 2:
            raise DescriptionError(f"{of} is {given!r}; expected (population, variable)")
        population, variable = self._member(given[0], of), str(given[1])
        variables = getattr(population.model, "variables", ())
        if variable not in variables:
            raise DescriptionError(
                f"{of}: {population.name!r} has no variable {variable!r};"
                f" it has {', '.join(variables) or 'none'}"
            )
        return population.name, variable

    def _check_transpose(
        self, connector: Transpose, source: Population, target: Population, where: str
    ) -> None:
        tied = self.projections.get(connector.projection)
        if tied is None or tied.pre is not target or tied.post is not source:
            raise DescriptionError(
                f"{where}: the transpose of {connector.projection!r} runs from that projection's"
                " post to its pre population; connect these two"
            )

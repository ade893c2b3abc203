"""Projections: who is connected to whom, with the values of every connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN import common, errors
from pyNN.space import Space

import neuro as nr
from neuro.connectivity import IntArray
from neuro.pynn import simulator
from neuro.pynn.populations import Population
from neuro.pynn.synapses import SYNAPSE_TYPES, StaticSynapse, STDPMechanism, TsodyksMarkramSynapse

Array = NDArray[Any]

#: A neuro projection has one set of rule parameters; more sets than these would be very slow.
MOST_PARTS = 1000

#: What differs from connection to connection without another neuro projection.
_OWN = ("weight", "delay", "dendritic_delay_fraction")


@dataclass(frozen=True, eq=False)
class Part:
    """The connections of a projection that one neuro projection holds.

    Attributes
    ----------
    name : str
        Of the neuro projection.
    pre, post : Population
    members : array of int
        Which connections, sorted by presynaptic, then postsynaptic unit.
    pre_units, post_units : array of int
        Units of the two populations, in this order.
    values : dict
        Parameters of the rule, in PyNN's units.
    tau_syn : float, second
        Of the receptor, where the rule needs it.
    """

    name: str
    pre: Population
    post: Population
    members: IntArray
    pre_units: IntArray
    post_units: IntArray
    values: dict[str, float]
    tau_syn: float


class Connection(common.Connection):
    """One connection of a projection; its attributes are in PyNN's units."""

    projection: Projection
    index: int

    def __init__(self, projection: Projection, index: int) -> None:
        object.__setattr__(self, "projection", projection)
        object.__setattr__(self, "index", index)

    @property
    def presynaptic_index(self) -> int:
        """Index in the projection's pre."""
        return int(self.projection.pre_index[self.index])

    @property
    def postsynaptic_index(self) -> int:
        """Index in the projection's post."""
        return int(self.projection.post_index[self.index])

    def __getattr__(self, name: str) -> float:
        projection = self.projection
        if name not in projection.values:
            raise AttributeError(f"a connection of {projection.label!r} has no {name!r}")
        return float(projection.current(name)[self.index])

    def __setattr__(self, name: str, value: float) -> None:
        if name not in self.projection.values:
            raise AttributeError(f"a connection of {self.projection.label!r} has no {name!r}")
        values = self.projection.current(name).copy()
        values[self.index] = value
        self.projection.replace(name, values)

    def as_tuple(self, *attribute_names: str) -> tuple[float, ...]:
        """Values of attributes."""
        return tuple(getattr(self, name) for name in attribute_names)


class Projection(common.Projection):
    """Connections of one type, with PyNN's interface."""

    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_population: Any,
        postsynaptic_population: Any,
        connector: Any,
        synapse_type: Any = None,
        source: Any = None,
        receptor_type: str | None = None,
        space: Any = None,
        label: str | None = None,
    ) -> None:
        where = f"projection {label or connector!r}"
        if synapse_type is not None and not isinstance(synapse_type, SYNAPSE_TYPES):
            known = ", ".join(t.__name__ for t in SYNAPSE_TYPES)
            raise nr.DescriptionError(
                f"{where}: synapse_type {type(synapse_type).__name__} is none of neuro.pynn; use"
                f" one of {known}"
            )
        if source is not None:
            raise nr.DescriptionError(
                f"{where}: source is {source!r}; neurons here have one source of spikes, leave it"
                " out"
            )
        super().__init__(
            presynaptic_population,
            postsynaptic_population,
            connector,
            synapse_type,
            source,
            receptor_type,
            space or Space(),
            label,
        )
        self.index = len(simulator.state.projections)
        for side in (self.pre, self.post):
            for cell in side.all_cells[:1]:
                if cell.parent not in simulator.state.populations:
                    raise nr.DescriptionError(
                        f"projection {self.label!r}: {side.label!r} was made before setup(), which"
                        " forgets everything; make it again"
                    )
        self._columns: list[tuple[IntArray, IntArray, dict[str, Any]]] = []
        connector.connect(self)
        names = list(self.synapse_type.get_native_names())
        pre, post, values = _joined(self._columns, names)
        del self._columns
        self.pre_index, self.post_index = pre, post
        #: Values of all connections in PyNN's units; weights as the user described them.
        self.values: dict[str, NDArray[np.float64]] = values
        self.values["delay"] = self._delays(self.values["delay"])
        #: Weights where a rule has changed them.
        self._learned: NDArray[np.float64] | None = None
        self._parts: list[Part] | None = None
        simulator.state.projections.append(self)
        simulator.state.changed()

    def _convergent_connect(
        self,
        presynaptic_indices: Any,
        postsynaptic_index: int,
        location_selector: Any = None,
        **connection_parameters: Any,
    ) -> None:
        """Called by connectors, once for each postsynaptic cell."""
        if location_selector is not None:
            raise nr.DescriptionError(
                f"projection {self.label!r}: location_selector is {location_selector!r}; neurons"
                " here are points, leave it out"
            )
        pre = np.atleast_1d(np.asarray(presynaptic_indices)).astype(np.int64)
        post = np.full(len(pre), int(np.asarray(postsynaptic_index).reshape(-1)[0]), np.int64)
        self._columns.append((pre, post, connection_parameters))

    def _delays(self, delays: Any) -> NDArray[np.float64]:
        checked = simulator.state.check_delays(delays, f"projection {self.label!r}")
        return np.asarray(checked, np.float64)

    def __len__(self) -> int:
        return len(self.pre_index)

    def __getitem__(self, i: int) -> Connection:
        if not -len(self) <= i < len(self):
            raise IndexError(f"projection {self.label!r} has {len(self)} connections, no {i}")
        return Connection(self, i % len(self))

    @property
    def connections(self) -> Iterator[Connection]:
        """All connections, in the order in which they were made."""
        return (Connection(self, i) for i in range(len(self)))

    @property
    def delays(self) -> NDArray[np.float64]:
        """Delay of every connection in ms."""
        return self.values["delay"]

    @property
    def plastic(self) -> bool:
        """Whether a rule changes the weights."""
        return isinstance(self.synapse_type, STDPMechanism)

    # --- reading and writing ---

    def current(self, name: str) -> NDArray[np.float64]:
        """Values of all connections as they are now."""
        if name != "weight" or not self.plastic:
            return self.values[name]
        runner = simulator.state.runner
        if runner is not None:
            learned = runner.weights(self)
            if learned is not None:
                self._learned = learned
        return self.values["weight"] if self._learned is None else self._learned

    def replace(self, name: str, values: NDArray[np.float64]) -> None:
        """Describe other values of a connection attribute."""
        self.values[name] = self._delays(values) if name == "delay" else values
        if name == "weight":
            self._learned = None
            runner = simulator.state.runner
            if runner is not None and runner.set_weights(self):
                return
        else:
            self._parts = None
        simulator.state.changed()

    def keep_learned(self) -> None:
        """Read what the simulation has learned, before it goes."""
        self.current("weight")

    def forget_learned(self) -> None:
        """Weights are again what was described."""
        self._learned = None

    def _set_attributes(self, parameter_space: Any) -> None:
        parameter_space.evaluate(simplify=False)
        for name, value in parameter_space.items():
            chosen = np.asarray(value, float)[self.pre_index, self.post_index]
            # An array from get() has NaN where there is no connection, nowhere else.
            if not np.all(np.isfinite(chosen)):
                raise nr.DescriptionError(
                    f"set of projection {self.label!r}: {name} of some connections is NaN or"
                    " infinite; give every connection a number"
                )
            self.replace(name, chosen)

    def _set_initial_value_array(self, variable: str, initial_value: Any) -> None:
        raise nr.DescriptionError(
            f"initialize of projection {self.label!r}: {variable!r} cannot be set; traces of rules"
            " begin at 0 and resources full"
        )

    def _named(self, name: str) -> NDArray[Any]:
        indices = {"presynaptic_index": self.pre_index, "postsynaptic_index": self.post_index}
        return indices[name] if name in indices else self.current(name)

    def _get_attributes_as_list(self, names: Sequence[str]) -> list[tuple[Any, ...]]:
        columns = [self._named(name).tolist() for name in names]
        return list(zip(*columns, strict=True))

    def _get_attributes_as_arrays(
        self, names: Sequence[str], multiple_synapses: str = "sum"
    ) -> list[NDArray[np.float64]]:
        place = self.pre_index, self.post_index
        gathered = []
        for name in names:
            made = np.full(self.shape, np.nan)
            values = self._named(name)
            if multiple_synapses in ("first", "last"):
                order = np.arange(len(values))
                if multiple_synapses == "first":  # the one that is written last stays
                    order = order[::-1].copy()
                made[place[0][order], place[1][order]] = values[order]
            else:
                made[place] = {"sum": 0.0, "min": np.inf, "max": -np.inf}[multiple_synapses]
                ufunc = {"sum": np.add, "min": np.minimum, "max": np.maximum}[multiple_synapses]
                ufunc.at(made, place, values)
            gathered.append(made)
        return gathered

    # --- what a neuro network is made of ---

    @property
    def unit(self) -> float:
        """PyNN's unit of weights in the unit of the port."""
        celltype = self.post.all_cells[0].celltype
        return float(celltype.receptors.unit)

    @property
    def parts(self) -> list[Part]:
        """The connections, by pairs of populations and by parameters of the rule."""
        if self._parts is None:
            self._parts = list(self._divide())
        return self._parts

    def invalidate(self) -> None:
        """Parameters of populations may have changed, on which the parts depend."""
        self._parts = None

    def _divide(self) -> Iterator[Part]:
        if not len(self):
            return
        pre, pre_units = _located(self.pre, self.pre_index)
        post, post_units = _located(self.post, self.post_index)
        names = [name for name in self.values if name not in _OWN]
        tau = self._tau_syn(post, post_units)
        key = np.column_stack([pre, post, tau, *(self.values[name] for name in names)])
        kinds, kind = np.unique(key, axis=0, return_inverse=True)
        if len(kinds) > MOST_PARTS:
            raise nr.DescriptionError(
                f"projection {self.label!r} has {len(kinds)} different sets of"
                f" {', '.join(names)}; a rule takes up to {MOST_PARTS} in one projection: give"
                " them one value, or fewer"
            )
        populations = simulator.state.populations
        for number, row in enumerate(kinds):
            members = np.flatnonzero(kind.reshape(-1) == number)
            order = np.lexsort((post_units[members], pre_units[members]))
            members = members[order]
            yield Part(
                f"c{self.index}_{number}",
                populations[int(row[0])],
                populations[int(row[1])],
                members,
                pre_units[members],
                post_units[members],
                dict(zip(names, row[3:].tolist(), strict=True)),
                float(row[2]),
            )

    def _tau_syn(self, post: IntArray, units: IntArray) -> NDArray[np.float64]:
        """Time constant of the receptor of each connection's target, where the rule needs it."""
        found = np.zeros(len(units))
        if isinstance(self.synapse_type, TsodyksMarkramSynapse):
            for number in np.unique(post):
                population = simulator.state.populations[number]
                values = population.native.get(f"tau_{self.receptor_type}")
                if values is not None:
                    found[post == number] = values[units[post == number]]
        return found


def _joined(
    columns: list[tuple[IntArray, IntArray, dict[str, Any]]], names: list[str]
) -> tuple[IntArray, IntArray, dict[str, NDArray[np.float64]]]:
    """One array of each attribute, from the columns that a connector made."""
    nothing = np.zeros(0, np.int64)
    values = {
        name: np.concatenate(
            [np.zeros(0)]
            + [
                np.broadcast_to(np.asarray(given[name], float), pre.shape)
                for pre, _, given in columns
            ]
        )
        for name in names
    }
    pre = np.concatenate([nothing, *(pre for pre, _, _ in columns)])
    post = np.concatenate([nothing, *(post for _, post, _ in columns)])
    if any(not np.all(np.isfinite(v)) for v in values.values()):
        raise errors.ConnectionError("a connection has a weight or delay that is NaN or infinite")
    return pre, post, values


def _located(side: Any, indices: IntArray) -> tuple[IntArray, IntArray]:
    """Number of the population and unit in it, of cells of a population, view or assembly."""
    cells = np.asarray(side.all_cells, dtype=np.int64)[indices]
    firsts = np.array([int(p.first_id) for p in simulator.state.populations])
    numbers = np.searchsorted(firsts, cells, side="right") - 1
    return numbers, cells - firsts[numbers]

"""Populations, views and assemblies: parameters and initial values, before and while running."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyNN import common
from pyNN.parameters import LazyArray, ParameterSpace, Sequence, simplify

import neuro as nr
from neuro.pynn import simulator
from neuro.pynn.cells import NeuronType, SpikeSourceArray, SpikeSourcePoisson
from neuro.pynn.membranes import plain
from neuro.pynn.recording import Recorder
from neuro.pynn.sources import check_times

Array = NDArray[Any]


class Assembly(common.Assembly):
    """Several populations or views as one."""

    _simulator = simulator

    @property
    def receptor_types(self) -> list[str]:
        """What all populations have, in the order of the first: a default is the first of them.

        (PyNN makes a set of them, whose order is another one in every process.)
        """
        first, *others = (list(p.celltype.receptor_types) for p in self.populations)
        return [name for name in first if all(name in types for types in others)]

    @property
    def local_size(self) -> int:
        """Number of cells; connectors that report their progress ask for it."""
        return int(self.size)


class _Parameters:
    """Access to the native parameters that the population at the root holds."""

    celltype: Any
    size: int

    def _root(self) -> tuple[Population, Any]:
        """The population, and which of its units these are."""
        raise NotImplementedError

    def _get_view(self, selector: Any, label: str | None = None) -> PopulationView:
        return PopulationView(self, selector, label)

    def _get_parameters(self, *names: str) -> ParameterSpace:
        native = self._get_native_parameters(*self.celltype.get_native_names(*names))
        return self.celltype.reverse_translate(native)

    def _get_native_parameters(self, *names: str) -> ParameterSpace:
        root, units = self._root()
        values = {name: simplify(root.native[name][units]) for name in names}
        return ParameterSpace(values, shape=(self.size,))

    def _set_parameters(self, parameter_space: ParameterSpace) -> None:
        root, units = self._root()
        parameter_space.evaluate(simplify=False)
        for name, value in parameter_space.items():
            if name == "spike_times":
                trains = [_times(train) for train in np.atleast_1d(value)]
                check_times(trains, f"population {root.label!r}")
            root.native[name][units] = value
        simulator.state.changed()

    def initialize(self, **initial_values: Any) -> None:
        """Set state variables of these cells, in PyNN's units: numbers, arrays, distributions.

        They are where the simulation begins, also after ``reset``; while it runs, they take
        these values at once.
        """
        root, units = self._root()
        for variable, value in initial_values.items():
            lazy = LazyArray(value, shape=(self.size,), dtype=float)
            root.set_initial(variable, lazy.evaluate(simplify=False), units)


class PopulationView(_Parameters, common.PopulationView):
    """Some cells of a population."""

    _simulator = simulator
    _assembly_class = Assembly

    def _root(self) -> tuple[Population, Any]:
        root = self.grandparent
        return root, root.id_to_index(self.all_cells)


class Population(_Parameters, common.Population):
    """Cells of one type, with PyNN's interface."""

    _simulator = simulator
    _recorder_class = Recorder
    _assembly_class = Assembly

    #: Parameters by native name, in SI units, each of shape (size,).
    native: dict[str, Array]

    def _create_cells(self) -> None:
        state = simulator.state
        if not isinstance(self.celltype, NeuronType | SpikeSourceArray | SpikeSourcePoisson):
            raise nr.DescriptionError(
                f"population {self.label!r}: {type(self.celltype).__name__} is no cell type of"
                " neuro.pynn; those are listed by neuro.pynn.list_standard_models()"
            )
        self.index = len(state.populations)
        numbers = range(state.id_counter, state.id_counter + self.size)
        self.all_cells = np.array([simulator.ID(n) for n in numbers], dtype=simulator.ID)
        self._mask_local = np.ones(self.size, bool)
        celltype: Any = self.celltype
        space = celltype.native_parameters
        space.shape = (self.size,)
        space.evaluate(simplify=False)
        self.native = {k: np.array(np.broadcast_to(v, (self.size,))) for k, v in space.items()}
        if "spike_times" in self.native:
            check_times(self.spike_trains(), f"population {self.label!r}")
        self.initial: dict[str, NDArray[np.float64]] = {}
        for cell in self.all_cells:
            cell.parent = self
        state.id_counter += self.size
        state.populations.append(self)
        state.changed()

    def _root(self) -> tuple[Population, Any]:
        return self, slice(None)

    # --- what a neuro network is made of ---

    @property
    def name(self) -> str:
        """Name in the neuro network: the label's letters and digits, and a number."""
        letters = "".join(c if c.isascii() and c.isalnum() else "_" for c in self.label)
        return f"p{self.index}_{letters}"

    def unit_of(self, variable: str) -> tuple[str, float]:
        """Name of a state variable in the neuron model, and its factor to SI units."""
        variables = getattr(self.celltype, "variables", {})
        if variable not in variables:
            raise nr.DescriptionError(
                f"population {self.label!r} ({type(self.celltype).__name__}) has no state variable"
                f" {variable!r}; it has {', '.join(variables) or 'none'}"
            )
        found: tuple[str, float] = variables[variable]
        return found

    def set_initial(self, variable: str, values: Any, units: Any) -> None:
        """Keep initial values, given in PyNN's units; a running simulation takes them at once."""
        name, factor = self.unit_of(variable)
        kept = self.initial.setdefault(name, np.zeros(self.size))
        kept[units] = np.asarray(values, float) * factor
        # Drawn once: PyNN would draw again whenever somebody looks.
        lazy = LazyArray(plain(kept / factor), shape=(self.size,), dtype=float)
        self.initial_values[variable] = lazy
        if simulator.state.runner is not None:
            simulator.state.runner.set_variable(self, name, kept[units], units)

    def _set_cell_initial_value(self, cell: Any, variable: str, value: float) -> None:
        self.set_initial(variable, value, [self.id_to_index(cell)])

    def spike_trains(self) -> list[NDArray[np.float64]]:
        """Times in seconds, of a SpikeSourceArray."""
        return [_times(train) for train in self.native["spike_times"]]


def _times(train: Any) -> NDArray[np.float64]:
    return np.asarray(train.value if isinstance(train, Sequence) else train, float).reshape(-1)

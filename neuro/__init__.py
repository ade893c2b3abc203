"""neuro: describe a spiking network once, get the same spikes on every simulator and chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro._version import __version__
from neuro.connectors import (
    Normal,
    Uniform,
    dense,
    fixed_probability,
    from_array,
    from_sparse,
    one_to_one,
    transpose_of,
)
from neuro.errors import (
    BackendError,
    CompileError,
    DatasetError,
    DescriptionError,
    EquationError,
    JobError,
    NeuroError,
    UnitError,
)
from neuro.network import Network, Population, Projection
from neuro.neurons import LIF, NeuronModel
from neuro.plasticity import PairSTDP, PlasticityRule, SleepReplay
from neuro.sources import Poisson, PoissonImages, SpikeTimes, WindowedPoisson

if TYPE_CHECKING:
    from neuro import backends, datasets
    from neuro.exchange import load, save
    from neuro.lowering import lower
    from neuro.simulation import Recording, Simulation, compile

__all__ = [
    "LIF",
    "BackendError",
    "CompileError",
    "DatasetError",
    "DescriptionError",
    "EquationError",
    "JobError",
    "Network",
    "NeuroError",
    "NeuronModel",
    "Normal",
    "PairSTDP",
    "PlasticityRule",
    "Poisson",
    "PoissonImages",
    "Population",
    "Projection",
    "Recording",
    "Simulation",
    "SleepReplay",
    "SpikeTimes",
    "Uniform",
    "UnitError",
    "WindowedPoisson",
    "__version__",
    "backends",
    "compile",
    "datasets",
    "dense",
    "fixed_probability",
    "from_array",
    "from_sparse",
    "load",
    "lower",
    "one_to_one",
    "save",
    "transpose_of",
]

#: Loaded on first use: they bring sympy, which takes longer than describing a network.
_LAZY = {
    "Recording": "neuro.simulation",
    "Simulation": "neuro.simulation",
    "compile": "neuro.simulation",
    "load": "neuro.exchange",
    "lower": "neuro.lowering",
    "save": "neuro.exchange",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("backends", "datasets"):
        return import_module(f"neuro.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'neuro' has no attribute {name!r}")

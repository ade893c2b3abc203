"""neuro: describe a spiking network once, get the same spikes on every simulator and chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro._version import __version__
from neuro.connectors import (
    block_diagonal,
    convolution,
    dense,
    distance_dependent,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    from_array,
    from_sparse,
    one_to_one,
    pooling,
    transpose_of,
)
from neuro.distributions import Normal, Uniform
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
from neuro.members import Population, Projection
from neuro.network import Network
from neuro.neurons import (
    IF,
    LIF,
    AdaptiveLIF,
    AdEx,
    Graded,
    HodgkinHuxley,
    Izhikevich,
    LeakyIntegrator,
    NeuronModel,
    ResonateAndFire,
    SigmaDelta,
)
from neuro.plasticity import (
    ErrorHebbian,
    PairSTDP,
    PlasticityRule,
    RewardSTDP,
    ShortTermPlasticity,
    SleepReplay,
    TripletSTDP,
    TsodyksMarkram,
    VoltageHomeostasis,
    VoltageSTDP,
)
from neuro.sources import (
    ModulatedPoisson,
    PerItem,
    Poisson,
    PoissonImages,
    SpikeTimes,
    WindowedPoisson,
)
from neuro.synapses import Alpha, Conductance, Delta, DoubleExponential, Exponential

if TYPE_CHECKING:
    from neuro import backends, datasets, loihi
    from neuro.exchange import from_nir, load, save, to_nir
    from neuro.exchange.torch_layers import from_torch
    from neuro.exchange.torch_module import to_torch
    from neuro.lowering import lower
    from neuro.recording import Recording
    from neuro.simulation import Simulation, compile
    from neuro.streaming import open_recording

__all__ = [
    "IF",
    "LIF",
    "AdEx",
    "AdaptiveLIF",
    "Alpha",
    "BackendError",
    "CompileError",
    "Conductance",
    "DatasetError",
    "Delta",
    "DescriptionError",
    "DoubleExponential",
    "EquationError",
    "ErrorHebbian",
    "Exponential",
    "Graded",
    "HodgkinHuxley",
    "Izhikevich",
    "JobError",
    "LeakyIntegrator",
    "ModulatedPoisson",
    "Network",
    "NeuroError",
    "NeuronModel",
    "Normal",
    "PairSTDP",
    "PerItem",
    "PlasticityRule",
    "Poisson",
    "PoissonImages",
    "Population",
    "Projection",
    "Recording",
    "ResonateAndFire",
    "RewardSTDP",
    "ShortTermPlasticity",
    "SigmaDelta",
    "Simulation",
    "SleepReplay",
    "SpikeTimes",
    "TripletSTDP",
    "TsodyksMarkram",
    "Uniform",
    "UnitError",
    "VoltageHomeostasis",
    "VoltageSTDP",
    "WindowedPoisson",
    "__version__",
    "backends",
    "block_diagonal",
    "compile",
    "convolution",
    "datasets",
    "dense",
    "distance_dependent",
    "fixed_in_degree",
    "fixed_out_degree",
    "fixed_probability",
    "from_array",
    "from_nir",
    "from_sparse",
    "from_torch",
    "load",
    "loihi",
    "lower",
    "one_to_one",
    "open_recording",
    "pooling",
    "save",
    "to_nir",
    "to_torch",
    "transpose_of",
]

#: Loaded on first use: they bring sympy, which takes longer than describing a network.
_LAZY = {
    "Recording": "neuro.recording",
    "Simulation": "neuro.simulation",
    "compile": "neuro.simulation",
    "from_nir": "neuro.exchange.nir_reading",
    "from_torch": "neuro.exchange.torch_layers",
    "load": "neuro.exchange",
    "lower": "neuro.lowering",
    "open_recording": "neuro.streaming",
    "save": "neuro.exchange",
    "to_nir": "neuro.exchange.nir_writing",
    "to_torch": "neuro.exchange.torch_module",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("backends", "datasets", "loihi"):
        return import_module(f"neuro.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'neuro' has no attribute {name!r}")

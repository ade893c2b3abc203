"""neuro: describe a spiking network once, get the same spikes on every simulator and chip.

    net = nr.Network("demo", seed=0)
    inp = net.population("inp", nr.Poisson(rate=40.0), size=100)
    exc = net.population("exc", nr.LIF(tau_m=20e-3), size=50)
    net.connect(inp, exc, nr.fixed_probability(0.2, weight=0.3), delay=1e-3)
    net.record(exc)
    with nr.compile(net, "brian2", dt=1e-3) as sim:
        steps, units = sim.run(1.0).spikes(exc)

describe     Network (population, connect, record, drive)
neurons      IF LIF AdaptiveLIF AdEx Izhikevich HodgkinHuxley ResonateAndFire LeakyIntegrator
             Graded SigmaDelta, and your own: NeuronModel
inputs       Poisson ModulatedPoisson WindowedPoisson PoissonImages SpikeTimes PerItem
synapses     Delta Exponential Alpha DoubleExponential Conductance
plasticity   PairSTDP TripletSTDP VoltageSTDP VoltageHomeostasis RewardSTDP ErrorHebbian
             SleepReplay TsodyksMarkram, and your own: PlasticityRule ShortTermPlasticity
connections  dense one_to_one fixed_probability fixed_in_degree fixed_out_degree block_diagonal
             distance_dependent convolution pooling transpose_of from_array from_sparse
numbers      Uniform Normal
run          backends compile lower Simulation Recording open_recording
files        save load save_weights load_weights from_nir to_nir from_torch to_torch
chip         loihi.quantise loihi.deploy loihi.translate
data         datasets.load
errors       NeuroError: DescriptionError EquationError UnitError CompileError BackendError
             DatasetError JobError

help(nr.LIF) tells of one; neuro --help of the commands; docs/ of the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro._version import __version__ as __version__
from neuro.connectors import (
    block_diagonal as block_diagonal,
    convolution as convolution,
    dense as dense,
    distance_dependent as distance_dependent,
    fixed_in_degree as fixed_in_degree,
    fixed_out_degree as fixed_out_degree,
    fixed_probability as fixed_probability,
    from_array as from_array,
    from_sparse as from_sparse,
    one_to_one as one_to_one,
    pooling as pooling,
    transpose_of as transpose_of,
)
from neuro.distributions import Normal as Normal, Uniform as Uniform
from neuro.errors import (
    BackendError as BackendError,
    CompileError as CompileError,
    DatasetError as DatasetError,
    DescriptionError as DescriptionError,
    EquationError as EquationError,
    JobError as JobError,
    NeuroError as NeuroError,
    UnitError as UnitError,
)
from neuro.members import Population as Population, Projection as Projection
from neuro.network import Network as Network
from neuro.neurons import (
    IF as IF,
    LIF as LIF,
    AdaptiveLIF as AdaptiveLIF,
    AdEx as AdEx,
    Graded as Graded,
    HodgkinHuxley as HodgkinHuxley,
    Izhikevich as Izhikevich,
    LeakyIntegrator as LeakyIntegrator,
    NeuronModel as NeuronModel,
    ResonateAndFire as ResonateAndFire,
    SigmaDelta as SigmaDelta,
)
from neuro.plasticity import (
    ErrorHebbian as ErrorHebbian,
    PairSTDP as PairSTDP,
    PlasticityRule as PlasticityRule,
    RewardSTDP as RewardSTDP,
    ShortTermPlasticity as ShortTermPlasticity,
    SleepReplay as SleepReplay,
    TripletSTDP as TripletSTDP,
    TsodyksMarkram as TsodyksMarkram,
    VoltageHomeostasis as VoltageHomeostasis,
    VoltageSTDP as VoltageSTDP,
)
from neuro.sources import (
    ModulatedPoisson as ModulatedPoisson,
    PerItem as PerItem,
    Poisson as Poisson,
    PoissonImages as PoissonImages,
    SpikeTimes as SpikeTimes,
    WindowedPoisson as WindowedPoisson,
)
from neuro.synapses import (
    Alpha as Alpha,
    Conductance as Conductance,
    Delta as Delta,
    DoubleExponential as DoubleExponential,
    Exponential as Exponential,
)

if TYPE_CHECKING:
    from neuro import backends as backends, datasets as datasets, loihi as loihi
    from neuro.exchange import (
        from_nir as from_nir,
        load as load,
        load_weights as load_weights,
        save as save,
        save_weights as save_weights,
        to_nir as to_nir,
    )
    from neuro.exchange.torch_layers import from_torch as from_torch
    from neuro.exchange.torch_module import to_torch as to_torch
    from neuro.lowering import lower as lower
    from neuro.recording import Recording as Recording
    from neuro.simulation import Simulation as Simulation, compile as compile
    from neuro.streaming import open_recording as open_recording

# No __all__: help() would print every class at full length.
#: Loaded on first use: they bring sympy, which takes longer than describing a network.
_LAZY = {
    "Recording": "neuro.recording",
    "Simulation": "neuro.simulation",
    "compile": "neuro.simulation",
    "from_nir": "neuro.exchange.nir_reading",
    "from_torch": "neuro.exchange.torch_layers",
    "load": "neuro.exchange",
    "load_weights": "neuro.exchange",
    "lower": "neuro.lowering",
    "open_recording": "neuro.streaming",
    "save": "neuro.exchange",
    "save_weights": "neuro.exchange",
    "to_nir": "neuro.exchange.nir_writing",
    "to_torch": "neuro.exchange.torch_module",
}


_MODULES = ("backends", "datasets", "loihi")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _MODULES:
        return import_module(f"neuro.{name}")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'neuro' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_LAZY} - {"Any", "TYPE_CHECKING", "annotations"})

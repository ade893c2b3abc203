"""PyNN on neuro: ``import neuro.pynn as sim``, and scripts written for PyNN run on any backend.

    import neuro.pynn as sim

    sim.setup(timestep=0.1, backend="torch")
    cells = sim.Population(100, sim.IF_cond_exp(tau_refrac=2.0))
    ...
    sim.run(1000.0)

PyNN's own way of choosing a simulator finds it as ``pyNN.neuro`` once it has been imported, or when
the script is started by ``python -m neuro.pynn script.py neuro``.
"""

from __future__ import annotations

import sys

try:
    import pyNN
except ImportError as error:
    raise ImportError(
        "neuro.pynn needs PyNN, which is not installed; mend it with: pip install 'neuro[pynn]'"
    ) from error

from pyNN import errors as errors, random as random, space as space
from pyNN.network import Network as Network
from pyNN.random import (
    GSLRNG as GSLRNG,
    NumpyRNG as NumpyRNG,
    RandomDistribution as RandomDistribution,
)
from pyNN.space import Space as Space
from pyNN.standardmodels import StandardCellType as StandardCellType

from neuro.pynn.cells import (
    EIF_cond_alpha_isfa_ista as EIF_cond_alpha_isfa_ista,
    EIF_cond_exp_isfa_ista as EIF_cond_exp_isfa_ista,
    HH_cond_exp as HH_cond_exp,
    IF_cond_alpha as IF_cond_alpha,
    IF_cond_exp as IF_cond_exp,
    IF_cond_exp_gsfa_grr as IF_cond_exp_gsfa_grr,
    IF_curr_alpha as IF_curr_alpha,
    IF_curr_delta as IF_curr_delta,
    IF_curr_exp as IF_curr_exp,
    IF_facets_hardware1 as IF_facets_hardware1,
    Izhikevich as Izhikevich,
    SpikeSourceArray as SpikeSourceArray,
    SpikeSourcePoisson as SpikeSourcePoisson,
)
from neuro.pynn.connectors import (
    AllToAllConnector as AllToAllConnector,
    ArrayConnector as ArrayConnector,
    CloneConnector as CloneConnector,
    CSAConnector as CSAConnector,
    DisplacementDependentProbabilityConnector as DisplacementDependentProbabilityConnector,
    DistanceDependentProbabilityConnector as DistanceDependentProbabilityConnector,
    FixedNumberPostConnector as FixedNumberPostConnector,
    FixedNumberPreConnector as FixedNumberPreConnector,
    FixedProbabilityConnector as FixedProbabilityConnector,
    FixedTotalNumberConnector as FixedTotalNumberConnector,
    FromFileConnector as FromFileConnector,
    FromListConnector as FromListConnector,
    IndexBasedProbabilityConnector as IndexBasedProbabilityConnector,
    OneToOneConnector as OneToOneConnector,
    SmallWorldConnector as SmallWorldConnector,
)
from neuro.pynn.control import (
    end as end,
    get_current_time as get_current_time,
    get_max_delay as get_max_delay,
    get_min_delay as get_min_delay,
    get_time_step as get_time_step,
    initialize as initialize,
    num_processes as num_processes,
    rank as rank,
    reset as reset,
    run as run,
    run_for as run_for,
    run_until as run_until,
    setup as setup,
)
from neuro.pynn.currents import (
    ACSource as ACSource,
    DCSource as DCSource,
    NoisyCurrentSource as NoisyCurrentSource,
    StepCurrentSource as StepCurrentSource,
)
from neuro.pynn.populations import (
    Assembly as Assembly,
    Population as Population,
    PopulationView as PopulationView,
)
from neuro.pynn.procedural import (
    connect as connect,
    create as create,
    record as record,
    record_gsyn as record_gsyn,
    record_v as record_v,
    set as set,
)
from neuro.pynn.projections import Projection as Projection
from neuro.pynn.simulator import state as state
from neuro.pynn.synapses import (
    AdditivePotentiationMultiplicativeDepression as AdditivePotentiationMultiplicativeDepression,
    AdditiveWeightDependence as AdditiveWeightDependence,
    GutigWeightDependence as GutigWeightDependence,
    MultiplicativeWeightDependence as MultiplicativeWeightDependence,
    SpikePairRule as SpikePairRule,
    StaticSynapse as StaticSynapse,
    STDPMechanism as STDPMechanism,
    TsodyksMarkramSynapse as TsodyksMarkramSynapse,
    Vogels2011Rule as Vogels2011Rule,
)
from neuro.pynn.unavailable import (
    LIF as LIF,
    AdExp as AdExp,
    ElectricalSynapse as ElectricalSynapse,
    GIF_cond_exp as GIF_cond_exp,
    MultiCompartmentNeuron as MultiCompartmentNeuron,
    MultiQuantalSynapse as MultiQuantalSynapse,
    PointNeuron as PointNeuron,
    SimpleStochasticSynapse as SimpleStochasticSynapse,
    SpikeSourceGamma as SpikeSourceGamma,
    SpikeSourceInhGamma as SpikeSourceInhGamma,
    SpikeSourcePoissonRefractory as SpikeSourcePoissonRefractory,
    StochasticTsodyksMarkramSynapse as StochasticTsodyksMarkramSynapse,
)

# PyNN imports a simulator as pyNN.<name>, from its own folder or from what is imported already.
sys.modules["pyNN.neuro"] = sys.modules[__name__]
pyNN.neuro = sys.modules[__name__]


def list_standard_models() -> list[str]:
    """Names of the standard cell types that run here."""
    found = (value for value in globals().values() if isinstance(value, type))
    return [
        t.__name__ for t in found if issubclass(t, StandardCellType) and t is not StandardCellType
    ]

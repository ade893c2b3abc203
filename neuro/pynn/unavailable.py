"""PyNN's models that have no form here: using one says why."""

from __future__ import annotations

from typing import Any

import neuro as nr

_REASONS = {
    "GIF_cond_exp": "it has not been translated; IF_cond_exp_gsfa_grr and EIF_cond_exp_isfa_ista"
    " adapt too, without chance",
    "SpikeSourcePoissonRefractory": "sources here have no dead time; use SpikeSourcePoisson, or"
    " SpikeSourceArray with times drawn beforehand",
    "SpikeSourceGamma": "use SpikeSourceArray with times drawn beforehand",
    "SpikeSourceInhGamma": "use SpikeSourceArray with times drawn beforehand",
    "PointNeuron": "use one of the cell types with synapses, for example IF_cond_exp",
    "LIF": "it is a part of PointNeuron; use for example IF_cond_exp",
    "AdExp": "it is a part of PointNeuron; use for example EIF_cond_exp_isfa_ista",
    "MultiCompartmentNeuron": "neurons here are points; use for example HH_cond_exp",
    "ElectricalSynapse": "currents between neurons flow in spikes only; use StaticSynapse",
    "SimpleStochasticSynapse": "synapses draw no numbers; use StaticSynapse",
    "StochasticTsodyksMarkramSynapse": "synapses draw no numbers; use TsodyksMarkramSynapse",
    "MultiQuantalSynapse": "synapses draw no numbers; use TsodyksMarkramSynapse",
}


def _refused(name: str, reason: str) -> type:
    def refuse(self: Any, *args: Any, **parameters: Any) -> None:
        raise nr.DescriptionError(f"{name} is not available in neuro.pynn: {reason}")

    return type(name, (), {"__init__": refuse, "__doc__": f"Not available: {reason}."})


GIF_cond_exp = _refused("GIF_cond_exp", _REASONS["GIF_cond_exp"])
SpikeSourcePoissonRefractory = _refused(
    "SpikeSourcePoissonRefractory", _REASONS["SpikeSourcePoissonRefractory"]
)
SpikeSourceGamma = _refused("SpikeSourceGamma", _REASONS["SpikeSourceGamma"])
SpikeSourceInhGamma = _refused("SpikeSourceInhGamma", _REASONS["SpikeSourceInhGamma"])
PointNeuron = _refused("PointNeuron", _REASONS["PointNeuron"])
LIF = _refused("LIF", _REASONS["LIF"])
AdExp = _refused("AdExp", _REASONS["AdExp"])
MultiCompartmentNeuron = _refused("MultiCompartmentNeuron", _REASONS["MultiCompartmentNeuron"])
ElectricalSynapse = _refused("ElectricalSynapse", _REASONS["ElectricalSynapse"])
SimpleStochasticSynapse = _refused("SimpleStochasticSynapse", _REASONS["SimpleStochasticSynapse"])
StochasticTsodyksMarkramSynapse = _refused(
    "StochasticTsodyksMarkramSynapse", _REASONS["StochasticTsodyksMarkramSynapse"]
)
MultiQuantalSynapse = _refused("MultiQuantalSynapse", _REASONS["MultiQuantalSynapse"])

"""PyNN's standard cell types: names, units, and the equations that they stand for."""
# ruff: noqa: N801  (the names are PyNN's)

from __future__ import annotations

from typing import Any, ClassVar

from pyNN.standardmodels import build_translations, cells

from neuro.pynn.membranes import (
    ADAPTING,
    CHANNELS,
    EXPONENTIAL,
    LEAK_CONDUCTANCE,
    LEAKY,
    QUADRATIC,
    Membrane,
    Receptors,
)

MV, MS, NA, NF, US, NS = 1e-3, 1e-3, 1e-9, 1e-9, 1e-6, 1e-9

_LEAKY = (
    ("v_rest", "v_rest", MV),
    ("v_reset", "v_reset", MV),
    ("cm", "c_m", NF),
    ("tau_m", "tau_m", MS),
    ("tau_refrac", "t_ref", MS),
    ("v_thresh", "v_thresh", MV),
    ("i_offset", "i_offset", NA),
)
_EXPONENTIAL = (
    *_LEAKY,
    ("v_spike", "v_spike", MV),
    ("delta_T", "delta_T", MV),
    ("tau_w", "tau_w", MS),
    ("a", "a", NS),
    ("b", "b", NA),
)
_COURSE = (("tau_syn_E", "tau_excitatory", MS), ("tau_syn_I", "tau_inhibitory", MS))
_CONDUCTANCE = (*_COURSE, ("e_rev_E", "E_excitatory", MV), ("e_rev_I", "E_inhibitory", MV))

#: State variables by PyNN's name: ours, and the factor to SI units.
Variables = dict[str, tuple[str, float]]

_V: Variables = {"v": ("v", MV)}
_CURRENTS: Variables = {
    **_V,
    "isyn_exc": ("I_excitatory", 1.0),  # counted in nA
    "isyn_inh": ("I_inhibitory", 1.0),
}
_CONDUCTANCES: Variables = {
    **_V,
    "gsyn_exc": ("g_excitatory", US),
    "gsyn_inh": ("g_inhibitory", US),
}
_ADAPTIVE: Variables = {**_CONDUCTANCES, "w": ("w", NA)}

_EXP_CURRENT, _ALPHA_CURRENT = Receptors("exponential"), Receptors("alpha")
_EXP_CONDUCTANCE = Receptors("exponential", conductance=True)
_ALPHA_CONDUCTANCE = Receptors("alpha", conductance=True)
_STEP = Receptors("step")


class NeuronType:
    """What our neurons add to PyNN's cell types.

    Attributes
    ----------
    membrane, receptors : Membrane, Receptors
        Of which the neuron model is made.
    variables : dict
        PyNN's state variables: name of ours and factor to SI units.
    fixed : dict
        Native parameters that this cell type does not let one choose, in SI units.
    """

    membrane: ClassVar[Membrane]
    receptors: ClassVar[Receptors]
    variables: ClassVar[Variables]
    fixed: ClassVar[dict[str, float]] = {}


class IF_curr_exp(NeuronType, cells.IF_curr_exp):
    """Leaky integrate-and-fire; currents that jump and decay. Integrated exactly."""

    translations = build_translations(*_LEAKY, *_COURSE)
    recordable: Any = ["spikes", "v", "isyn_exc", "isyn_inh"]
    membrane, receptors, variables = LEAKY, _EXP_CURRENT, _CURRENTS


class IF_curr_alpha(NeuronType, cells.IF_curr_alpha):
    """Leaky integrate-and-fire; alpha-shaped currents. Integrated exactly."""

    translations = build_translations(*_LEAKY, *_COURSE)
    recordable: Any = ["spikes", "v", "isyn_exc", "isyn_inh"]
    membrane, receptors, variables = LEAKY, _ALPHA_CURRENT, _CURRENTS


class IF_curr_delta(NeuronType, cells.IF_curr_delta):
    """Leaky integrate-and-fire; arrivals step v. Integrated exactly."""

    translations = build_translations(*_LEAKY)
    membrane, receptors, variables = LEAKY, _STEP, _V


class IF_cond_exp(NeuronType, cells.IF_cond_exp):
    """Leaky integrate-and-fire; conductances that jump and decay."""

    translations = build_translations(*_LEAKY, *_CONDUCTANCE)
    membrane, receptors, variables = LEAKY, _EXP_CONDUCTANCE, _CONDUCTANCES


class IF_cond_alpha(NeuronType, cells.IF_cond_alpha):
    """Leaky integrate-and-fire; alpha-shaped conductances."""

    translations = build_translations(*_LEAKY, *_CONDUCTANCE)
    membrane, receptors, variables = LEAKY, _ALPHA_CONDUCTANCE, _CONDUCTANCES


class IF_cond_exp_gsfa_grr(NeuronType, cells.IF_cond_exp_gsfa_grr):
    """IF_cond_exp with adapting and refractory conductances that spikes open."""

    translations = build_translations(
        *_LEAKY,
        *_CONDUCTANCE,
        ("tau_sfa", "tau_s", MS),
        ("e_rev_sfa", "E_s", MV),
        ("q_sfa", "q_s", NS),
        ("tau_rr", "tau_r", MS),
        ("e_rev_rr", "E_r", MV),
        ("q_rr", "q_r", NS),
    )
    membrane, receptors = ADAPTING, _EXP_CONDUCTANCE
    variables: ClassVar[Variables] = {**_CONDUCTANCES, "g_s": ("g_s", NS), "g_r": ("g_r", NS)}


class IF_facets_hardware1(NeuronType, cells.IF_facets_hardware1):
    """IF_cond_exp as the FACETS hardware has it: 0.2 nF, refractory for 1 ms."""

    translations = build_translations(
        ("g_leak", "g_leak", NS),
        ("tau_syn_E", "tau_excitatory", MS),
        ("tau_syn_I", "tau_inhibitory", MS),
        ("v_reset", "v_reset", MV),
        ("e_rev_I", "E_inhibitory", MV),
        ("v_rest", "v_rest", MV),
        ("v_thresh", "v_thresh", MV),
    )
    membrane, receptors, variables = LEAK_CONDUCTANCE, _EXP_CONDUCTANCE, _CONDUCTANCES
    fixed: ClassVar[dict[str, float]] = {"c_m": 0.2 * NF, "t_ref": 1 * MS, "E_excitatory": 0.0}


class EIF_cond_exp_isfa_ista(NeuronType, cells.EIF_cond_exp_isfa_ista):
    """Adaptive exponential integrate-and-fire; conductances that jump and decay."""

    translations = build_translations(*_EXPONENTIAL, *_CONDUCTANCE)
    membrane, receptors, variables = EXPONENTIAL, _EXP_CONDUCTANCE, _ADAPTIVE


class EIF_cond_alpha_isfa_ista(NeuronType, cells.EIF_cond_alpha_isfa_ista):
    """Adaptive exponential integrate-and-fire; alpha-shaped conductances."""

    translations = build_translations(*_EXPONENTIAL, *_CONDUCTANCE)
    membrane, receptors, variables = EXPONENTIAL, _ALPHA_CONDUCTANCE, _ADAPTIVE


class Izhikevich(NeuronType, cells.Izhikevich):
    """Izhikevich's quadratic neuron; arrivals step v."""

    translations = build_translations(
        ("a", "a", 1 / MS),
        ("b", "b", 1 / MS),
        ("c", "v_reset", MV),
        ("d", "d", MV / MS),
        ("i_offset", "i_offset", NA),
    )
    membrane, receptors = QUADRATIC, _STEP
    variables: ClassVar[Variables] = {**_V, "u": ("u", MV / MS)}


class HH_cond_exp(NeuronType, cells.HH_cond_exp):
    """Hodgkin-Huxley with the channels of Traub and Miles; it spikes where v passes -40 mV."""

    translations = build_translations(
        ("gbar_Na", "g_Na", US),
        ("gbar_K", "g_K", US),
        ("g_leak", "g_leak", US),
        ("cm", "c_m", NF),
        ("v_offset", "v_offset", MV),
        ("e_rev_Na", "E_Na", MV),
        ("e_rev_K", "E_K", MV),
        ("e_rev_leak", "E_leak", MV),
        ("i_offset", "i_offset", NA),
        *_CONDUCTANCE,
    )
    recordable: Any = ["spikes", "v", "gsyn_exc", "gsyn_inh", "m", "n", "h"]
    receptor_types = ("excitatory", "inhibitory")
    membrane, receptors = CHANNELS, _EXP_CONDUCTANCE
    variables: ClassVar[Variables] = {
        **_CONDUCTANCES,
        "m": ("m", 1.0),
        "n": ("n", 1.0),
        "h": ("h", 1.0),
    }


class SpikeSourceArray(cells.SpikeSourceArray):
    """Spikes at given times, each in the step that its time lies in."""

    translations = build_translations(("spike_times", "spike_times", MS))


class SpikeSourcePoisson(cells.SpikeSourcePoisson):
    """Poisson spikes at a rate, from a start on and for a duration."""

    translations = build_translations(
        ("rate", "rate", 1.0), ("start", "start", MS), ("duration", "duration", MS)
    )

"""Neuron models: data in the equation language, each with its equation, units and source."""

from neuro.neurons.biophysical import AdEx, HodgkinHuxley, Izhikevich
from neuro.neurons.graded import Graded, LeakyIntegrator, SigmaDelta
from neuro.neurons.integrate_and_fire import IF, LIF, AdaptiveLIF, ResonateAndFire
from neuro.neurons.model import NeuronModel

__all__ = [
    "IF",
    "LIF",
    "AdEx",
    "AdaptiveLIF",
    "Graded",
    "HodgkinHuxley",
    "Izhikevich",
    "LeakyIntegrator",
    "NeuronModel",
    "ResonateAndFire",
    "SigmaDelta",
]

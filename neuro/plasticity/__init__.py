"""Plasticity rules: data in the equation language, like neuron models."""

from neuro.plasticity.rule import PlasticityRule
from neuro.plasticity.short_term import ShortTermPlasticity, TsodyksMarkram
from neuro.plasticity.sleep import SleepReplay
from neuro.plasticity.stdp import PairSTDP

__all__ = [
    "PairSTDP",
    "PlasticityRule",
    "ShortTermPlasticity",
    "SleepReplay",
    "TsodyksMarkram",
]

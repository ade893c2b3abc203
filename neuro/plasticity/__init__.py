"""Plasticity rules: data in the equation language, like neuron models."""

from neuro.plasticity.modulated import ErrorHebbian, RewardSTDP, VoltageHomeostasis
from neuro.plasticity.rule import PlasticityRule
from neuro.plasticity.short_term import ShortTermPlasticity, TsodyksMarkram
from neuro.plasticity.sleep import SleepReplay
from neuro.plasticity.stdp import PairSTDP, TripletSTDP, VoltageSTDP

__all__ = [
    "ErrorHebbian",
    "PairSTDP",
    "PlasticityRule",
    "RewardSTDP",
    "ShortTermPlasticity",
    "SleepReplay",
    "TripletSTDP",
    "TsodyksMarkram",
    "VoltageHomeostasis",
    "VoltageSTDP",
]

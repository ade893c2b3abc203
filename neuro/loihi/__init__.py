"""Loihi: its whole numbers, networks made of them, and what they take up on the chip.

:class:`LIF` is Loihi's compartment as a neuron model; :func:`quantise` makes an integer network of
one of floats, which ``nr.compile(network, precision="loihi")`` also does by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neuro.loihi.neurons import LIF
from neuro.loihi.numbers import representable

if TYPE_CHECKING:
    from neuro.loihi.chip import Chip, Compartments, SynapseFormat, chip_of
    from neuro.loihi.comparison import compare
    from neuro.loihi.deployment import Deployment, deploy
    from neuro.loihi.learning import translate
    from neuro.loihi.learning_rules import LearningReport, learning_report
    from neuro.loihi.products import Translation
    from neuro.loihi.quantisation import Quantised, dequantised, quantise
    from neuro.loihi.quantisation_report import QuantisationReport

__all__ = [
    "LIF",
    "Chip",
    "Compartments",
    "Deployment",
    "LearningReport",
    "QuantisationReport",
    "Quantised",
    "SynapseFormat",
    "Translation",
    "chip_of",
    "compare",
    "deploy",
    "dequantised",
    "learning_report",
    "quantise",
    "representable",
    "translate",
]

#: Loaded on first use: describing a network needs none of them.
_LAZY = {
    "Chip": "chip",
    "Compartments": "chip",
    "Deployment": "deployment",
    "LearningReport": "learning_rules",
    "QuantisationReport": "quantisation_report",
    "Quantised": "quantisation",
    "SynapseFormat": "chip",
    "Translation": "products",
    "chip_of": "chip",
    "compare": "comparison",
    "deploy": "deployment",
    "dequantised": "quantisation",
    "learning_report": "learning_rules",
    "quantise": "quantisation",
    "translate": "learning",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LAZY:
        return getattr(import_module(f"neuro.loihi.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'neuro.loihi' has no attribute {name!r}")

"""Figures. Every function returns a :class:`matplotlib.figure.Figure` and touches no global state.

Figures are made without pyplot, so they need no display, never pop up and are freed like any
other object. Colours are told apart by people with colour-blindness (Okabe & Ito 2008; viridis).
Importing this package imports matplotlib; ``import neuro`` does not.
"""

from __future__ import annotations

from neuro.plotting.continual import (
    accuracy_over_time,
    comparison,
    confusion_matrices,
    sleep_raster,
    spikes_per_layer,
)
from neuro.plotting.sensitivity import sensitivity_curves
from neuro.plotting.style import png, svg

__all__ = [
    "accuracy_over_time",
    "comparison",
    "confusion_matrices",
    "png",
    "sensitivity_curves",
    "sleep_raster",
    "spikes_per_layer",
    "svg",
]

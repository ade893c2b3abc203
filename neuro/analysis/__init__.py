"""What sleep does to a network that learns: answers, representations, weights, replay.

Every analysis takes arrays and returns a small record of arrays; none of them needs a learner, a
simulation or a figure. :mod:`neuro.plotting.analysis` draws each. :class:`SleepAnalyst` gathers
them all while :func:`neuro.learning.continual.run_seed` runs (``neuro continual --analyse``).

Importing this package needs NumPy only; the statistical tests import SciPy when they run.
"""

from neuro.analysis.confusion import Confusion, confusion
from neuro.analysis.course import AccuracyCourse, LayerSpikes, accuracy_course, layer_spikes
from neuro.analysis.old_data import OldDataCurve, crossing_point, old_data_curve
from neuro.analysis.over_seeds import LayerOverSeeds, over_seeds
from neuro.analysis.recovery import Recovery, recovery
from neuro.analysis.replay import Replay, ShuffleTest, find_replay
from neuro.analysis.representations import (
    ClassCorrelation,
    LayeredModel,
    class_correlation,
    representations,
)
from neuro.analysis.sleeps import LayerAnalysis, SleepAnalysis, SleepAnalyst
from neuro.analysis.weights import WeightChange, weight_change

__all__ = [
    "AccuracyCourse",
    "ClassCorrelation",
    "Confusion",
    "LayerAnalysis",
    "LayerOverSeeds",
    "LayerSpikes",
    "LayeredModel",
    "OldDataCurve",
    "Recovery",
    "Replay",
    "ShuffleTest",
    "SleepAnalysis",
    "SleepAnalyst",
    "WeightChange",
    "accuracy_course",
    "class_correlation",
    "confusion",
    "crossing_point",
    "find_replay",
    "layer_spikes",
    "old_data_curve",
    "over_seeds",
    "recovery",
    "representations",
    "weight_change",
]

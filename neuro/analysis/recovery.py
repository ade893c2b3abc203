r"""Whether classes that are replayed more in a sleep recover more by it.

The bridge between sleep replay (Tadros et al. 2022; arXiv:2508.14081) and offline reactivation
(arXiv:2505.17003): the one asks what sleep mends, the other what comes back. Each sleep gives, for
every class of earlier tasks, how much its awake pattern was replayed
(:class:`~neuro.analysis.replay.Replay`) and how much of its images were recognised again
afterwards. Sleeps differ in both for reasons that have nothing to do with single classes, so values
are taken as deviations from the mean of their sleep, and the correlation is tested against the same
values dealt to other classes of the same sleep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.analysis.sleeps import SleepAnalysis
from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recovery:
    """Earlier classes in sleeps, one entry a class and sleep.

    Attributes
    ----------
    sleep : int64 array [entries]
        Number of the sleep, over all runs.
    replayed : float64 array [entries]
        Correlation of the class's awake pattern with firing in sleep.
    recovered : float64 array [entries]
        Part of the class's images that is recognised after the sleep, less that before it.
    correlation : float
        Pearson correlation of the two within sleeps.
    chance : float
        Size of the correlation that 95 % of the shuffles stay below.
    p_value : float
        Fraction of shuffles, the observation counted as one, whose correlation is at least as
        large in size (two-sided).
    """

    sleep: NDArray[np.int64]
    replayed: FloatArray
    recovered: FloatArray
    correlation: float
    chance: float
    p_value: float

    @property
    def deviations(self) -> tuple[FloatArray, FloatArray]:
        """``replayed`` and ``recovered`` less the means of their sleeps."""
        return _within(self.replayed, self.sleep), _within(self.recovered, self.sleep)


def recovery(
    runs: Iterable[Sequence[SleepAnalysis]],
    *,
    layer: int = 0,
    shuffles: int = 4999,
    stream: np.random.Generator,
) -> Recovery:
    """Compare replay with recovery, class by class.

    Parameters
    ----------
    runs : iterable of sequences of SleepAnalysis
        Of each run (seed), its sleeps.
    layer : int
        Whose replay counts, 0 the first above the input.
    shuffles : int
    stream : numpy.random.Generator
        Of the shuffles.

    Raises
    ------
    DescriptionError
        If no sleep came after two or more earlier classes, or there is no such layer.
    """
    sleeps, replayed, recovered = [], [], []
    for number, sleep in enumerate(sleep for run in runs for sleep in run):
        if not 0 <= layer < len(sleep.layers):
            raise DescriptionError(f"recovery: layer {layer}; the runs have {len(sleep.layers)}")
        replay = sleep.layers[layer].reactivation
        gained = np.diagonal(sleep.after.fractions - sleep.before.fractions)
        old = ~np.isin(replay.classes, sleep.newest)
        sleeps += [number] * int(old.sum())
        replayed += replay.correlation[old].tolist()
        recovered += gained[replay.classes[old]].tolist()
    which, x, y = np.array(sleeps, np.int64), np.array(replayed), np.array(recovered)
    defined = np.isfinite(x) & np.isfinite(y)
    which, x, y = which[defined], x[defined], y[defined]
    if not len(which) or np.bincount(which).max() < 2:
        raise DescriptionError(
            "recovery: no sleep came after two earlier classes; learn at least two tasks"
        )
    observed = _correlation(x, y, which)
    chance = np.array([_correlation(x, _dealt(y, which, stream), which) for _ in range(shuffles)])
    sizes = np.abs(chance)
    larger = int(np.count_nonzero(sizes >= abs(observed)))
    p_value = (1 + larger) / (1 + shuffles)
    return Recovery(which, x, y, observed, float(np.quantile(sizes, 0.95)), p_value)


def _within(values: FloatArray, sleep: NDArray[np.int64]) -> FloatArray:
    counts = np.bincount(sleep)
    means = np.bincount(sleep, values) / np.maximum(counts, 1)
    found: FloatArray = values - means[sleep]
    return found


def _correlation(x: FloatArray, y: FloatArray, sleep: NDArray[np.int64]) -> float:
    a, b = _within(x, sleep), _within(y, sleep)
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0


def _dealt(
    values: FloatArray, sleep: NDArray[np.int64], stream: np.random.Generator
) -> FloatArray:
    """Values shuffled within sleeps; entries of a sleep are consecutive."""
    order = np.lexsort((stream.random(len(values)), sleep))
    return np.asarray(values[order])

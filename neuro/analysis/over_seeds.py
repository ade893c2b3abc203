"""Whether what a sleep does is seen in every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.analysis.sleeps import SleepAnalysis
from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerOverSeeds:
    """One layer and the matrix that leads to it, around the same sleep of several runs.

    Attributes
    ----------
    between_before, between_after : float64 array [seeds]
        Mean correlation of the representations of different classes.
    within_before, within_after : float64 array [seeds]
        The same of different images of one class.
    fell : int
        Seeds in which the correlation between classes fell.
    fell_p : float
        Sign test, one-sided: how likely at least as many would fall if it were a coin's throw.
    up, down : float64 array [seeds]
        Fraction of the weights that rose, that fell.
    match, match_shuffled, match_p_values : float64 array [seeds]
        Reactivation: observed, mean of shuffled units, p-value of each seed.
    match_p : float
        All seeds together (Fisher's method).
    specific_p_values : float64 array [seeds]
        P-values of class-specific reactivation.
    specific_p : float
        All seeds together (Fisher's method).
    """

    between_before: FloatArray
    between_after: FloatArray
    within_before: FloatArray
    within_after: FloatArray
    fell: int
    fell_p: float
    up: FloatArray
    down: FloatArray
    match: FloatArray
    match_shuffled: FloatArray
    match_p_values: FloatArray
    match_p: float
    specific_p_values: FloatArray
    specific_p: float


def combined(p_values: ArrayLike) -> float:
    """One p-value of independent tests by Fisher's method; NaN if none is defined."""
    from scipy.stats import combine_pvalues

    array = np.asarray(p_values, np.float64)
    defined = array[~np.isnan(array)]
    if defined.size == 0:
        return float("nan")
    return float(combine_pvalues(defined, method="fisher").pvalue)


def sign_test(before: ArrayLike, after: ArrayLike) -> tuple[int, float]:
    """Number of pairs that fell, and how likely as many are by chance.

    Parameters
    ----------
    before, after : array [seeds]
        Pairs; those that are equal or undefined say nothing and do not count.

    Returns
    -------
    fell : int
    p_value : float
        One-sided binomial test; NaN if no pair differs.
    """
    from scipy.stats import binomtest

    change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    fell, moved = int((change < 0).sum()), int((change < 0).sum() + (change > 0).sum())
    if moved == 0:
        return 0, float("nan")
    return fell, float(binomtest(fell, moved, 0.5, alternative="greater").pvalue)


def over_seeds(sleeps: Sequence[SleepAnalysis]) -> list[LayerOverSeeds]:
    """Compare the same sleep of several runs.

    Parameters
    ----------
    sleeps : sequence of SleepAnalysis
        One a seed, usually the last sleep of each.

    Returns
    -------
    list of LayerOverSeeds
        One a layer above the input.
    """
    counts = {len(sleep.layers) for sleep in sleeps}
    if len(counts) != 1:
        raise DescriptionError(
            f"over_seeds: {len(sleeps)} sleeps with {sorted(counts)} layers; give one sleep a "
            "seed, all of the same network"
        )
    found = []
    for layers in zip(*(sleep.layers for sleep in sleeps), strict=True):
        between_before = np.array([x.before.between for x in layers])
        between_after = np.array([x.after.between for x in layers])
        fell, fell_p = sign_test(between_before, between_after)
        match_p = np.array([x.reactivation.match.p_value for x in layers])
        specific_p = np.array([x.reactivation.specific.p_value for x in layers])
        found.append(
            LayerOverSeeds(
                between_before=between_before,
                between_after=between_after,
                within_before=np.array([x.before.within for x in layers]),
                within_after=np.array([x.after.within for x in layers]),
                fell=fell,
                fell_p=fell_p,
                up=np.array([x.weights.up for x in layers]),
                down=np.array([x.weights.down for x in layers]),
                match=np.array([x.reactivation.match.observed for x in layers]),
                match_shuffled=np.array([x.reactivation.match.shuffled for x in layers]),
                match_p_values=match_p,
                match_p=combined(match_p),
                specific_p_values=specific_p,
                specific_p=combined(specific_p),
            )
        )
    return found

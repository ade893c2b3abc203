r"""Whether activity patterns of wake come back in sleep.

After Tadros, Krishnan, Ramyaa & Bazhenov 2022 (Nat. Commun. 13:7742): the mean awake activity of
a layer for each class is correlated with the firing of its units in random windows of sleep, and
the units that are most active for a class are compared with the others. A correlation alone says
little, because units differ in how readily they fire, so each is tested against shuffled data
(:func:`scipy.stats.permutation_test`):

- *match* and *top*, against shuffled units: do the units fire in sleep that are active awake?
- *specific*, against patterns in which each unit keeps its activities but not the classes that
  they belong to: do units that respond to the same classes fire in the same windows, beyond what
  all classes have in common? It says little of an output layer with one unit a class, where
  no two units share a class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neuro.analysis.representations import checked, standardised
from neuro.errors import DescriptionError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ShuffleTest:
    """A measured value and what shuffled data give.

    Attributes
    ----------
    observed : float
        As measured.
    shuffled : float
        Mean over shuffles.
    high : float
        Value that 95 % of the shuffles do not exceed.
    p_value : float
        Fraction of shuffles that are at least as high as what was observed, which counts as one
        of them (one-sided). NaN where nothing could be measured.
    """

    observed: float
    shuffled: float
    high: float
    p_value: float


UNDEFINED = ShuffleTest(*[float("nan")] * 4)


@dataclass(frozen=True, eq=False)
class Replay:
    """Awake patterns of one layer in one sleep.

    Attributes
    ----------
    classes : int64 array [classes]
        Classes whose patterns were looked for.
    correlation : float64 array [classes]
        Mean over windows of the Pearson correlation, over units, between the mean awake activity
        of a class and the firing rates in a window.
    shuffled_high : float64 array [classes]
        Correlation that 95 % of the shuffles of units do not exceed.
    p_values : float64 array [classes]
        Of each correlation, against shuffled units.
    unit_correlation : float64 array [classes]
        Mean Pearson correlation between the activities of two different units over the images
        of a class: what the source divides the correlations by.
    top_rates : float64 array [classes]
        Mean firing rate of the most active units of each class, spikes per unit and step.
    rate : float
        Mean firing rate of all units, spikes per unit and step.
    match : ShuffleTest
        Mean of ``correlation``, against shuffled units.
    top : ShuffleTest
        Mean of ``top_rates``, against shuffled units.
    specific : ShuffleTest
        Mean over windows of the best correlation with any class, both patterns and rates taken
        as deviations from their means, against shuffled classes.
    windows : int
        Windows that had a correlation: those in which not all units fired alike.
    """

    classes: IntArray
    correlation: FloatArray
    shuffled_high: FloatArray
    p_values: FloatArray
    unit_correlation: FloatArray
    top_rates: FloatArray
    rate: float
    match: ShuffleTest
    top: ShuffleTest
    specific: ShuffleTest
    windows: int

    @property
    def normalised(self) -> FloatArray:
        """``correlation`` over ``unit_correlation``, [classes], as in the source.

        Read with care: the divisor may be near zero.
        """
        quotient: FloatArray = self.correlation / self.unit_correlation
        return quotient


def find_replay(
    activities: ArrayLike,
    labels: ArrayLike,
    spikes: tuple[ArrayLike, ArrayLike],
    steps: int,
    *,
    window: int = 100,
    windows: int = 200,
    top: int | None = None,
    shuffles: int = 999,
    stream: np.random.Generator,
) -> Replay:
    """Look for the awake patterns of a layer in its spikes during sleep.

    Parameters
    ----------
    activities : array [images, units]
        Awake, before the sleep.
    labels : array of int [images]
        Classes of the images.
    spikes : (array of int, array of int)
        Steps and units of all spikes of the layer in the sleep.
    steps : int
        Time steps of the sleep; every spike lies in ``0 <= step < steps``.
    window : int
        Time steps of a window; at most ``steps``.
    windows : int
        Windows, at random places (they may overlap).
    top : int, optional
        How many of the most active units count as those of a class; by default a tenth, at
        least one.
    shuffles : int
        Of each test: the smallest possible p-value is ``1 / (shuffles + 1)``.
    stream : numpy.random.Generator
        Draws windows and shuffles.

    Returns
    -------
    Replay
        With NaN where nothing can be said: in a silent layer, and of ``specific`` with a single
        class.
    """
    layer, actual = checked(activities, labels, "find_replay")
    units = layer.shape[1]
    if top is None:
        top = max(1, units // 10)
    if not 1 <= window <= steps or windows < 1 or shuffles < 1 or not 1 <= top <= units:
        raise DescriptionError(
            f"find_replay: window={window}, windows={windows}, shuffles={shuffles}, top={top} "
            f"for {steps} steps and {units} units; all must be at least 1, and a window and top "
            "fit in"
        )
    when, who = _spikes(spikes, steps, units)
    classes = np.unique(actual)
    patterns = np.array([layer[actual == c].mean(axis=0, dtype=np.float64) for c in classes])
    rates = np.bincount(who, minlength=units) / steps
    counts = _windows(when, who, units, stream.integers(0, steps - window + 1, windows), window)
    directions = standardised(counts)
    heard = ~np.isnan(directions[:, 0])

    chosen = np.argsort(-patterns, axis=1, kind="stable")[:, :top]
    members = np.zeros(patterns.shape)
    np.put_along_axis(members, chosen, 1 / top, axis=1)
    correlation, shuffled_high, p_values = np.full((3, len(classes)), np.nan)
    match = top_test = specific = UNDEFINED
    if heard.any():
        # The mean of the correlations with all windows is the product with their mean direction.
        awake = standardised(patterns)
        direction = directions[heard].mean(axis=0)
        correlation = awake @ direction
        known = ~np.isnan(correlation)
        if known.any():
            single = _shuffled_units(awake[known], direction, shuffles, stream)
            p_values[known] = single.pvalue
            shuffled_high[known] = np.quantile(single.null_distribution, 0.95, axis=0)
            together = awake[known].mean(axis=0)
            match = _test(_shuffled_units(together, direction, shuffles, stream))
        top_test = _test(_shuffled_units(members.mean(axis=0), rates, shuffles, stream))
        specific = _specific(patterns, counts[heard], shuffles, stream)
    return Replay(
        classes=classes,
        correlation=correlation,
        shuffled_high=shuffled_high,
        p_values=p_values,
        unit_correlation=np.array([_unit_correlation(layer[actual == c]) for c in classes]),
        top_rates=members @ rates,
        rate=float(rates.mean()),
        match=match,
        top=top_test,
        specific=specific,
        windows=int(heard.sum()),
    )


def _spikes(
    spikes: tuple[ArrayLike, ArrayLike], steps: int, units: int
) -> tuple[IntArray, IntArray]:
    """Steps and units of the spikes, in order of time."""
    when, who = (np.asarray(a, np.int64) for a in spikes)
    if when.shape != who.shape or when.ndim != 1:
        raise DescriptionError(
            f"find_replay spikes: {when.shape} steps and {who.shape} units; give two vectors of "
            "the same length"
        )
    for name, values, limit in (("steps", when, steps), ("units", who, units)):
        if values.size and not 0 <= values.min() <= values.max() < limit:
            raise DescriptionError(
                f"find_replay spikes: {name} span {values.min()} to {values.max()}, outside 0 "
                f"to {limit - 1}"
            )
    order = np.argsort(when, kind="stable")
    return when[order], who[order]


def _windows(
    when: IntArray, who: IntArray, units: int, starts: IntArray, length: int
) -> FloatArray:
    """Spikes of each unit in each window, [windows, units]."""
    first, last = np.searchsorted(when, starts), np.searchsorted(when, starts + length)
    return np.array(
        [np.bincount(who[a:b], minlength=units) for a, b in zip(first, last, strict=True)],
        dtype=np.float64,
    )


def _shuffled_units(
    profiles: FloatArray, vector: FloatArray, shuffles: int, stream: np.random.Generator
) -> Any:
    """Test the product of profiles [..., units] with a vector [units]."""
    from scipy.stats import permutation_test

    def product(shuffled: FloatArray, axis: int = -1) -> FloatArray:
        result: FloatArray = shuffled @ vector
        return result

    return permutation_test(
        (profiles,),
        product,
        permutation_type="pairings",
        alternative="greater",
        vectorized=True,
        axis=-1,
        n_resamples=shuffles,
        batch=50,
        random_state=stream,
    )


def _specific(
    patterns: FloatArray, counts: FloatArray, shuffles: int, stream: np.random.Generator
) -> ShuffleTest:
    """Test how well windows match single classes, against classes shuffled unit by unit."""
    from scipy.stats import permutation_test

    fluctuations = standardised(counts - counts.mean(axis=0))
    fluctuations = fluctuations[~np.isnan(fluctuations[:, 0])]
    if len(patterns) < 2 or len(fluctuations) == 0:
        return UNDEFINED
    deviations = patterns - patterns.mean(axis=0)
    # Units that all classes drive alike stay as they are under any shuffle.
    deviations[:, np.ptp(patterns, axis=0) == 0] = 0

    def best(*units: FloatArray, axis: int = -1) -> FloatArray:
        shuffled = np.stack(units, axis=-1)  # [shuffles, classes, units]
        # A class that deviates in no unit correlates with nothing.
        rows = np.nan_to_num(standardised(shuffled.reshape(-1, shuffled.shape[-1])))
        matches = (rows @ fluctuations.T).reshape(*shuffled.shape[:-1], -1)
        result: FloatArray = matches.max(axis=-2).mean(axis=-1)
        return result

    return _test(
        permutation_test(
            tuple(deviations.T),
            best,
            permutation_type="pairings",
            alternative="greater",
            vectorized=True,
            axis=-1,
            n_resamples=shuffles,
            batch=50,
            random_state=stream,
        )
    )


def _test(result: Any) -> ShuffleTest:
    null = result.null_distribution
    return ShuffleTest(
        observed=float(result.statistic),
        shuffled=float(null.mean()),
        high=float(np.quantile(null, 0.95)),
        p_value=float(result.pvalue),
    )


def _unit_correlation(layer: NDArray[np.floating]) -> float:
    """Mean correlation between two different units over the images [images, units] of a class."""
    units = standardised(layer.T)
    units = units[~np.isnan(units[:, 0])]
    n = len(units)
    if n < 2:
        return float("nan")
    total = units.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))

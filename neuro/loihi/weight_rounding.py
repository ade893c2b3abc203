"""Float weights as whole numbers: which exponent, and which way to round."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.loihi.chip import SynapseFormat
from neuro.loihi.numbers import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    SIGN_MODES,
    sign_mode_of,
    weight_limits,
    weight_step,
)

Floats = NDArray[np.float64]

EXPONENTS = ("max", "percentile", "error")
ROUNDINGS = ("nearest", "stochastic")

#: Bits that stay when some are given up to avoid a negative exponent. That would round every sum of
#: arrivals down, which adds up, while the errors of rounded weights average out.
ENOUGH_BITS = 6
#: Bits that stay even where the cutting is known to do harm.
FEWEST_BITS = 3


@dataclass(frozen=True)
class Rounding:
    """How weights become whole numbers.

    Attributes
    ----------
    exponents : {"max", "percentile", "error"}
        The smallest exponent at which the largest weight fits; at which the given percentile of
        the absolute weights fits (larger ones saturate); or the one of least mean square error.
        The first two stay at 0 where 6 bits are enough for that, and above what would cut too
        much where 3 are.
    percentile : float
    rounding : {"nearest", "stochastic"}
        Stochastic: up with the probability that makes the mean right.
    """

    exponents: str = "max"
    percentile: float = 99.9
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        if self.exponents not in EXPONENTS:
            raise DescriptionError(f"exponents={self.exponents!r}; choose from {EXPONENTS}")
        if self.rounding not in ROUNDINGS:
            raise DescriptionError(f"rounding={self.rounding!r}; choose from {ROUNDINGS}")
        if not 0 < self.percentile <= 100:
            raise DescriptionError(f"percentile is {self.percentile!r}; it lies above 0, up to 100")


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """Whole numbers in the place of weights.

    Attributes
    ----------
    weights : ndarray
        Whole numbers; times ``2**exponent`` they stand for the weights given.
    format : SynapseFormat
    rms_error, max_error : float
        As shares of the largest absolute weight.
    saturated : float
        Share of the weights that lie beyond the range.
    """

    weights: Floats
    format: SynapseFormat
    rms_error: float
    max_error: float
    saturated: float


def signs(weights: Floats, wanted: str, where: str) -> str:
    """The sign mode of some weights, or the one that is wanted, if they allow it."""
    if wanted not in ("auto", *SIGN_MODES):
        raise DescriptionError(
            f"sign mode of {where} is {wanted!r}; choose 'auto' or from {SIGN_MODES}"
        )
    found = sign_mode_of(weights)
    if wanted in ("auto", found):
        return found
    if wanted == "mixed" or not np.any(weights):
        return wanted
    raise DescriptionError(
        f"sign mode of {where} is to be {wanted}, but {_offending(weights, wanted):g} is among its"
        " weights; use 'auto' or 'mixed'"
    )


def rounded(
    weights: Floats,
    bits: int,
    sign_mode: str,
    how: Rounding,
    generator: np.random.Generator,
    lowest: int = EXPONENT_MIN,
) -> RoundedWeights:
    """Weights as whole numbers; they are given in units of a weight of 1 at exponent 0.

    Exponents below ``lowest`` are avoided: they would cut too much from every sum.
    """
    exponent = _exponent(weights, bits, sign_mode, how, lowest)
    whole = _whole(weights, exponent, bits, sign_mode, how.rounding, generator)
    error = np.abs(whole * 2.0**exponent - weights)
    largest = float(np.max(np.abs(weights), initial=0.0)) or 1.0
    low, high = weight_limits(bits, sign_mode)
    half = weight_step(bits, sign_mode) / 2
    scaled = weights / 2.0**exponent
    beyond = (scaled < low - half) | (scaled > high + half)
    return RoundedWeights(
        whole,
        SynapseFormat(exponent, bits, sign_mode),
        float(np.sqrt(np.mean(error**2))) / largest if error.size else 0.0,
        float(np.max(error, initial=0.0)) / largest,
        float(np.mean(beyond)) if beyond.size else 0.0,
    )


def largest_weight(bits: int, sign_mode: str) -> int:
    """The largest absolute weight that both signs of a mode reach."""
    return max(weight_limits(bits, sign_mode)[1], -weight_limits(bits, sign_mode)[0]) - (
        weight_step(bits, sign_mode) if sign_mode == "mixed" else 0
    )


def _exponent(weights: Floats, bits: int, sign_mode: str, how: Rounding, lowest: int) -> int:
    sizes = np.abs(weights[weights != 0])
    if not sizes.size:
        return 0
    if how.exponents == "error":
        return min(
            range(EXPONENT_MIN, EXPONENT_MAX + 1),
            key=lambda e: (_square_error(weights, e, bits, sign_mode), e),
        )
    share = 100.0 if how.exponents == "max" else how.percentile
    top = max(largest_weight(bits, sign_mode), weight_step(bits, sign_mode))
    exact = np.log2(np.percentile(sizes, share) / top)
    # A hair below a whole exponent is that exponent: the scale was chosen to make it so.
    fits = int(np.clip(np.ceil(exact - 1e-9), EXPONENT_MIN, EXPONENT_MAX))
    spared = min(0, fits + max(0, bits - ENOUGH_BITS))
    needed = min(0, lowest, fits + max(0, bits - FEWEST_BITS))
    return max(fits, spared, needed)


def _square_error(weights: Floats, exponent: int, bits: int, sign_mode: str) -> float:
    whole = _whole(weights, exponent, bits, sign_mode, "nearest", None)
    return float(np.sum((whole * 2.0**exponent - weights) ** 2))


def _whole(
    weights: Floats,
    exponent: int,
    bits: int,
    sign_mode: str,
    rounding: str,
    generator: np.random.Generator | None,
) -> Floats:
    step = weight_step(bits, sign_mode)
    scaled = weights / (2.0**exponent * step)
    if rounding == "nearest":
        whole = np.rint(scaled)
    else:
        assert generator is not None
        whole = np.floor(scaled + generator.random(scaled.shape))
    low, high = weight_limits(bits, sign_mode)
    return np.asarray(np.clip(whole * step, low, high) + 0.0)  # no -0


def _offending(weights: Floats, wanted: str) -> float:
    return float(weights.min() if wanted == "excitatory" else weights.max())

"""The integers of Loihi's neuron cores: their ranges, and the weights that a synapse can hold.

Every integer here is far below 2^53, so float64 arithmetic on them is exact: programs of precision
"loihi" carry integers in float64 arrays, and every backend runs them as they are.

Source: lava-nc 0.10.0 (``PyLifModelBitAcc``, ``PyDenseModelBitAcc``); Davies et al. 2018, IEEE
Micro 38(1); limits of delays and refractory periods from lava-dl and NengoLoihi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError

#: Bits of a weight, its sign not counted among them in the sign modes of one sign.
WEIGHT_BITS = 8
#: Bits of the decay constants du and dv.
DECAY_BITS = 12
#: Bits of current u and voltage v, sign included.
STATE_BITS = 24
#: Left shift of arriving weights and of the threshold mantissa.
ALIGNMENT_BITS = 6

#: One more than the largest decay constant: a decay of so much would leave nothing.
DECAY_UNITY = 1 << DECAY_BITS
#: u wraps when it goes over this, or to its negative; v stays below it on both sides.
STATE_LIMIT = 1 << (STATE_BITS - 1)
#: One unit of the threshold mantissa, and of a weight at exponent 0, in units of u and v.
ALIGNMENT = 1 << ALIGNMENT_BITS

#: Largest threshold mantissa (17 bits).
THRESHOLD_MAX = (1 << 17) - 1
#: Bias: a signed mantissa of 13 bits, shifted to the left by an exponent of 3 bits.
BIAS_MIN, BIAS_MAX = -(1 << 12), (1 << 12) - 1
BIAS_EXPONENT_MAX = 7
#: The exponent that all weights of a projection share.
EXPONENT_MIN, EXPONENT_MAX = -8, 7
#: Longest delay in steps beyond the one step that every spike takes.
DELAY_MAX = 62
#: Longest refractory period in steps.
REFRACTORY_MAX = 63

SIGN_MODES = ("mixed", "excitatory", "inhibitory")

#: Ranges of the integer parameters of a compartment.
RANGES: Mapping[str, tuple[int, int]] = {
    "du": (0, DECAY_UNITY - 1),
    "dv": (0, DECAY_UNITY - 1),
    "vth": (0, THRESHOLD_MAX),
    "bias_mant": (BIAS_MIN, BIAS_MAX),
    "bias_exp": (0, BIAS_EXPONENT_MAX),
    "exponent": (EXPONENT_MIN, EXPONENT_MAX),
}


def weight_step(bits: int = WEIGHT_BITS, sign_mode: str = "mixed") -> int:
    """Distance between two neighbouring weights: a sign among the bits doubles it."""
    _check_format(bits, sign_mode)
    return 1 << (WEIGHT_BITS - bits + (sign_mode == "mixed"))


def weight_limits(bits: int = WEIGHT_BITS, sign_mode: str = "mixed") -> tuple[int, int]:
    """Smallest and largest weight: -256 and 254 of 8 bits in mixed mode, 0 and 255 excitatory."""
    step = weight_step(bits, sign_mode)
    top = (1 << WEIGHT_BITS) - step
    return {"mixed": (-(1 << WEIGHT_BITS), top), "excitatory": (0, top), "inhibitory": (-top, 0)}[
        sign_mode
    ]


def sign_mode_of(weights: Any) -> str:
    """The sign mode of the finest step that fits: of one sign where all weights have it."""
    values = np.asarray(weights)
    if values.size == 0 or values.min() >= 0:
        return "excitatory"
    return "inhibitory" if values.max() <= 0 else "mixed"


def representable(
    weights: Any, bits: int = WEIGHT_BITS, sign_mode: str = "mixed"
) -> NDArray[np.float64]:
    """What the chip makes of whole numbers as weights: limited, low bits cut off.

    Bits are cut off as Lava does it: downwards in mixed mode, towards zero in the others.

    Parameters
    ----------
    weights : array of whole numbers
    bits : int, 1 to 8
    sign_mode : {"mixed", "excitatory", "inhibitory"}

    Returns
    -------
    ndarray of float64, of the same shape
        Whole numbers. ``nearest`` of :mod:`neuro.loihi.quantisation` rounds instead of cutting.

    Raises
    ------
    DescriptionError
        Numbers that are not whole; bits or sign mode out of range.
    """
    step = weight_step(bits, sign_mode)
    values = np.asarray(weights, np.float64)
    check_whole(values, "weights")
    sign = -1.0 if sign_mode == "inhibitory" else 1.0
    low = -(1 << WEIGHT_BITS) if sign_mode == "mixed" else 0
    limited = np.clip(sign * values, low, (1 << WEIGHT_BITS) - 1)
    cut: NDArray[np.float64] = sign * (np.floor(limited / step) * step) + 0.0  # no -0
    return cut


def weight_bits_of(weights: Any, sign_mode: str) -> int | None:
    """Fewest bits that hold all weights unchanged; None when not even 8 do."""
    values = np.asarray(weights, np.float64)
    if not np.array_equal(values, np.rint(values)):
        return None
    for bits in range(1, WEIGHT_BITS + 1):
        if np.array_equal(representable(values, bits, sign_mode), values):
            return bits
    return None


def check_whole(values: Any, where: str) -> None:
    """Refuse numbers that are not whole."""
    array = np.asarray(values, np.float64)
    wrong = array[~(array == np.rint(array))]
    if wrong.size:
        raise DescriptionError(
            f"{where}: {wrong.flat[0]:g} is not a whole number; Loihi computes with integers"
            " (nr.loihi.quantise makes them from a network of floats)"
        )


def check_range(values: Any, kind: str, where: str) -> None:
    """Refuse what is not whole or leaves the range of its kind (a key of :data:`RANGES`)."""
    check_whole(values, where)
    low, high = RANGES[kind]
    array = np.asarray(values, np.float64)
    wrong = array[(array < low) | (array > high)]
    if wrong.size:
        raise DescriptionError(f"{where} is {wrong.flat[0]:g}; Loihi has room for {low} to {high}")


def _check_format(bits: int, sign_mode: str) -> None:
    if isinstance(bits, bool) or bits not in range(1, WEIGHT_BITS + 1):
        raise DescriptionError(f"weight bits are {bits!r}; choose 1 to {WEIGHT_BITS}")
    if sign_mode not in SIGN_MODES:
        raise DescriptionError(f"sign mode {sign_mode!r} is unknown; choose from {SIGN_MODES}")

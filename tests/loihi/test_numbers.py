"""Ranges and representable weights, against Lava's definition and by hand."""

import numpy as np
import pytest

import neuro as nr
from neuro.loihi import numbers

from . import formula


@pytest.mark.parametrize("mode", numbers.SIGN_MODES)
@pytest.mark.parametrize("bits", range(1, 9))
def test_representable_is_the_formula(bits, mode):
    given = np.arange(-400, 401)
    found = numbers.representable(given, bits, mode)
    assert np.array_equal(found, formula.representable(given, bits, mode))
    assert np.array_equal(numbers.representable(found, bits, mode), found)
    low, high = numbers.weight_limits(bits, mode)
    assert (found.min(), found.max()) == (low, high)
    inside = np.unique(found)
    assert set(np.diff(inside)) <= {numbers.weight_step(bits, mode)}
    assert not np.any(np.signbit(found[found == 0]))


def test_limits_of_eight_bits():
    assert numbers.weight_limits(8, "mixed") == (-256, 254)
    assert numbers.weight_limits(8, "excitatory") == (0, 255)
    assert numbers.weight_limits(8, "inhibitory") == (-255, 0)
    assert numbers.weight_step(8, "mixed") == 2
    assert numbers.weight_step(8, "excitatory") == 1
    assert numbers.weight_limits(1, "mixed") == (-256, 0)


@pytest.mark.parametrize(
    ("weights", "mode"),
    [
        ([0, 3], "excitatory"),
        ([0, -3], "inhibitory"),
        ([1, -3], "mixed"),
        ([0, 0], "excitatory"),
        ([], "excitatory"),
    ],
)
def test_sign_mode(weights, mode):
    assert numbers.sign_mode_of(weights) == mode


@pytest.mark.parametrize(
    ("weights", "mode", "bits"),
    [
        ([0, 255], "excitatory", 8),
        ([0, 254], "excitatory", 7),
        ([128], "excitatory", 1),
        ([-128, 0], "inhibitory", 1),
        ([2, -256], "mixed", 8),
        ([4, -256], "mixed", 7),
        ([1, -2], "mixed", None),
        ([256], "excitatory", None),
        ([0.5], "excitatory", None),
    ],
)
def test_fewest_bits(weights, mode, bits):
    assert numbers.weight_bits_of(weights, mode) == bits


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: numbers.representable([0.5]), "0.5 is not a whole number.*quantise"),
        (lambda: numbers.representable([1], 9), "bits are 9.*1 to 8"),
        (lambda: numbers.representable([1], 8, "both"), "'both' is unknown.*mixed"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(nr.DescriptionError, match=message):
        call()

"""The portable exponential: accurate, and right at the edges."""

import math

import numpy as np
import pytest
from mpmath import mp

from neuro.equations.functions import exp


def test_relative_error_against_arbitrary_precision():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-700, 700, 1500), rng.normal(0, 1, 1500)])
    mp.prec = 120
    exact = np.array([float(mp.exp(mp.mpf(float(v)))) for v in x])
    assert np.max(np.abs(exp(x) - exact) / exact) < 2.3e-16


def test_edges():
    assert exp(0.0) == 1.0
    assert exp(710.0) == math.inf
    assert exp(-746.0) == 0.0
    assert exp(np.inf) == math.inf
    assert exp(-np.inf) == 0.0
    assert math.isnan(exp(np.nan))
    assert 0 < exp(-745.0) < 1e-322  # subnormal
    assert np.isfinite(exp(709.7))
    mixed = exp(np.array([-1e9, 0.0, np.nan, 1e9]))
    assert mixed[0] == 0
    assert mixed[1] == 1
    assert np.isnan(mixed[2])
    assert mixed[3] == np.inf


def test_float32_is_rounded_once():
    x = np.linspace(-80, 80, 999).astype(np.float32)
    assert exp(x).dtype == np.float32
    assert np.array_equal(exp(x), exp(x.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize(
    ("x", "bits"),
    [
        (1.0, "0x1.5bf0a8b14576ap+1"),
        (-60.0, "0x1.5ae191a99585ap-87"),
        (0.3, "0x1.599058c8c1a96p+0"),
        (-7.25, "0x1.7455fe323fafep-11"),
    ],
)
def test_golden_bits(x, bits):
    # The same bits on every machine and backend: a change here changes spike trains.
    assert float(exp(x)).hex() == bits

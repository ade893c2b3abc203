"""The matrix exponential against closed forms, whatever the units of its variables."""

import math

import numpy as np
import pytest
import scipy.linalg

from neuro.equations.matrix_exponential import expm


@pytest.mark.parametrize("coupling", [1e-12, 1e-3, 1.0, 50.0, 1e6, 1e9, 1e15])
@pytest.mark.parametrize("below", [False, True])
def test_a_current_drives_a_membrane(coupling, below):
    """v in volts, I in amperes, C in farads: one element is far larger than all the others."""
    a, b, dt = -1 / 20e-3, -1 / 5e-3, 1e-4
    matrix = np.array([[a, coupling], [0.0, b]]) * dt
    between = coupling * (math.exp(a * dt) - math.exp(b * dt)) / (a - b)
    expected = np.array([[math.exp(a * dt), between], [0.0, math.exp(b * dt)]])
    if below:
        matrix, expected = matrix.T, expected.T
    found = expm(matrix)
    np.testing.assert_allclose(found, expected, rtol=4e-15, atol=0)
    assert found[1, 0] == 0 or below


@pytest.mark.parametrize("scale", [1.0, 1e6, 1e12])
def test_variables_that_drive_each_other(scale):
    """An oscillator whose two variables are counted in units of different size."""
    omega, decay, dt = 300.0, 20.0, 1e-3
    matrix = np.array([[-decay, omega * scale], [-omega / scale, -decay]]) * dt
    c, s = math.cos(omega * dt), math.sin(omega * dt)
    expected = math.exp(-decay * dt) * np.array([[c, s * scale], [-s / scale, c]])
    np.testing.assert_allclose(expm(matrix), expected, rtol=1e-14)


def test_units_change_nothing_but_units():
    """Any chain of linear equations, counted in other units, is the same to rounding."""
    draw = np.random.default_rng(0)
    for _ in range(50):
        matrix = draw.normal(size=(5, 5)) * (draw.random((5, 5)) < 0.5) - np.eye(5)
        units = 2.0 ** draw.integers(-30, 30, 5)
        found = expm(matrix * units[:, None] / units)
        np.testing.assert_allclose(
            found / units[:, None] * units, scipy.linalg.expm(matrix), rtol=1e-11, atol=1e-12
        )


def test_many_at_once_and_a_strong_decay():
    rates = np.array([1.0, 30.0, 300.0])
    matrices = np.zeros((3, 2, 2))
    matrices[:, 0, 0], matrices[:, 1, 1], matrices[:, 0, 1] = -rates, -2 * rates, 1e8
    found = expm(matrices)
    np.testing.assert_allclose(found[:, 0, 0], np.exp(-rates), rtol=1e-12)
    np.testing.assert_allclose(
        found[:, 0, 1], 1e8 * (np.exp(-rates) - np.exp(-2 * rates)) / rates, rtol=1e-12
    )

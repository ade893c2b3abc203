"""The matrix exponential against closed forms and SciPy's."""

import numpy as np
import pytest
import scipy.linalg

from neuro.equations.matrix_exponential import expm


@pytest.mark.parametrize("a", [0.0, -1e-9, -0.005, 0.3, -0.51, -40.0, 12.0])
def test_diagonal_and_alpha_function(a):
    assert expm(np.array([[a]])) == pytest.approx(np.exp(a), rel=4e-15 * max(1, abs(a)))
    # dx/dt = a x + h, dh/dt = a h: x(1) = e^a (x + h)
    found = expm(np.array([[a, 1.0], [0.0, a]]))
    expected = np.exp(a) * np.array([[1.0, 1.0], [0.0, 1.0]])
    assert np.allclose(found, expected, rtol=1e-14 * max(1, abs(a)), atol=0)
    assert found[1, 0] == 0.0


def test_rotation_and_nilpotent():
    angle = 2.5
    found = expm(np.array([[0.0, -angle], [angle, 0.0]]))
    c, s = np.cos(angle), np.sin(angle)
    assert np.allclose(found, [[c, -s], [s, c]], rtol=0, atol=1e-14)
    chain = np.diag([2.0, 3.0], 1)  # powers above the second are zero
    assert np.array_equal(expm(chain), np.eye(3) + chain + chain @ chain / 2)


@pytest.mark.parametrize("scale", [1e-4, 0.1, 1.0, 7.0])
def test_random_matrices_against_scipy(scale):
    rng = np.random.default_rng(0)
    many = scale * rng.normal(size=(30, 5, 5))
    found = expm(many)
    for matrix, ours in zip(many, found, strict=True):
        theirs = scipy.linalg.expm(matrix)
        assert np.abs(ours - theirs).max() <= 1e-12 * np.abs(theirs).max()


def test_one_step_of_a_membrane_to_the_last_digits():
    # Membrane, current and constant drive, as integration hands them over; 60 digits by mpmath.
    mpmath = pytest.importorskip("mpmath")
    dt, tau, tau_s = 1e-4, 20e-3, 5e-3
    rates = np.zeros((4, 4))
    rates[0] = [-1 / tau, 1 / tau, 1.0, 0.0]
    rates[1] = [0.0, -1 / tau_s, 0.0, 1.0]
    with mpmath.workdps(60):
        exact = mpmath.expm(mpmath.matrix((rates * dt).tolist()))
        expected = np.array(exact.tolist(), dtype=float)
    found = expm(rates * dt)
    known = expected != 0
    assert np.abs(found[known] / expected[known] - 1).max() < 5e-16
    assert not found[~known].any()

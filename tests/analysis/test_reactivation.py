"""Measures of offline reactivation against closed forms."""

import numpy as np
import pytest
from scipy.special import i0, i1

from neuro.analysis.reactivation import (
    BINS,
    Circle,
    Plane,
    Stretch,
    compare,
    components,
    matched_noise,
    transition_bias,
    wrapped,
)
from neuro.errors import DescriptionError
from neuro.random import stream

CIRCLE, PLANE = Circle(), Plane()


def draw(*counters):
    return stream(7, "test", *counters)


# --- divergences -------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [0.5, 2.0])
def test_divergence_of_angles_is_that_of_von_mises_and_uniform(kappa):
    peaked = draw(0).vonmises(0.3, kappa, (400, 1000))
    flat = draw(1).uniform(-np.pi, np.pi, (400, 1000))
    exact = kappa * i1(kappa) / i0(kappa) - np.log(i0(kappa))
    assert CIRCLE.divergence(peaked, flat, stream=draw(2)) == pytest.approx(exact, abs=0.01)
    # KL(uniform || von Mises) = log I0(kappa); bins smooth the density a little.
    back = CIRCLE.divergence(flat, peaked, stream=draw(2))
    assert back == pytest.approx(np.log(i0(kappa)), abs=0.02)


def test_chance_adds_the_bias_that_is_named():
    flat = draw(1).uniform(-np.pi, np.pi, (200, 1000))
    few = [
        CIRCLE.divergence(draw(2, i).uniform(-np.pi, np.pi, (1, 1500)), flat, stream=draw(3))
        for i in range(200)
    ]
    assert CIRCLE.chance(1500) == (BINS - 1) / 3000
    # Half a count in each bin takes off a little.
    assert np.mean(few) == pytest.approx(CIRCLE.chance(1500), rel=0.1)


def test_angles_that_are_equal_on_the_circle_are_equal():
    near = draw(0).normal(np.pi, 0.3, (100, 200))
    other = wrapped(near + 2 * np.pi * draw(1).integers(-3, 4, near.shape))
    assert CIRCLE.divergence(near, other, stream=draw(2)) == pytest.approx(0, abs=1e-9)


def test_divergence_of_positions_is_that_of_gaussians():
    q = draw(0).normal(0, 1.0, (100, 200, 2)) * [1.0, 0.7] + [0.5, 0.0]
    p = draw(1).normal(0, 1.0, (100, 200, 2))
    # 0.5 (trace + mean^2 - 2 - log det), both ways.
    forward = 0.5 * (1 + 0.49 + 0.25 - 2 - np.log(0.49))
    backward = 0.5 * (1 + 1 / 0.49 + 0.25 - 2 + np.log(0.49))
    assert PLANE.divergence(q, p, stream=draw(2)) == pytest.approx(forward, abs=0.04)
    # The far tails of the narrow one hold few points: its density is too low there.
    assert PLANE.divergence(p, q, stream=draw(2)) == pytest.approx(backward, abs=0.1)
    assert np.isnan(PLANE.chance(100))
    # Of points drawn anew.
    assert PLANE.divergence(p, p, stream=draw(2)) == pytest.approx(0, abs=0.01)


def test_ratios_are_cut_off_where_a_density_vanishes():
    far = draw(0).normal(0, 0.01, (20, 20, 2))
    assert PLANE.divergence(far + 100, far, stream=draw(1)) == pytest.approx(np.log(1e7))


def test_points_without_a_density_are_refused():
    with pytest.raises(DescriptionError, match="no density in the plane"):
        PLANE.divergence(np.ones((5, 4, 2)), draw(0).normal(size=(5, 4, 2)), stream=draw(1))
    with pytest.raises(DescriptionError, match=r"shape \(3, 4\); expected .*, 2\]"):
        PLANE.spread(np.zeros((3, 4)))
    with pytest.raises(DescriptionError, match="not all finite"):
        CIRCLE.spread(np.full((3, 4), np.nan))


# --- movement ----------------------------------------------------------------------------------


def test_steps_of_a_rotation_have_its_speed_across_the_seam():
    turning = wrapped(0.3 * np.arange(200)[:, None] + draw(0).uniform(0, 6, 5))
    assert CIRCLE.distances(turning) == pytest.approx(0.3)
    found = transition_bias(turning)
    assert (found.mean, found.reversals) == (pytest.approx(0.3), 0.0)
    assert transition_bias(-turning).mean == pytest.approx(-0.3)
    width = np.diff(found.edges)
    assert (found.density * width).sum() == pytest.approx(1)
    place = int(np.searchsorted(found.edges, 0.3)) - 1
    assert found.density[place] * width[place] == pytest.approx(1)


def test_reversals_are_turns_against_the_mean():
    turns = np.array([0.2, 0.2, -0.1, 0.2])
    angles = np.concatenate([[0.0], np.cumsum(turns)])[:, None]
    assert transition_bias(angles).reversals == 0.25


def test_spread_and_resultant_of_angles():
    kappa = 1.9
    angles = draw(0).vonmises(0, kappa, (2000, 100))
    length = i1(kappa) / i0(kappa)
    assert CIRCLE.resultant(angles) == pytest.approx(length, abs=0.005)
    assert CIRCLE.spread(angles) == pytest.approx(1 - length, abs=0.005)
    still = np.tile(draw(1).uniform(-np.pi, np.pi, 4000), (5, 1))
    assert CIRCLE.spread(still) == pytest.approx(0)
    assert CIRCLE.resultant(still) < 0.04
    assert CIRCLE.errors([3.1], [-3.1]) == pytest.approx(2 * np.pi - 6.2)


def test_spread_of_positions_is_the_variance_of_a_trajectory():
    walks = draw(0).normal(0, 0.3, (5000, 20, 2)) + draw(1).normal(0, 5, (20, 2))
    assert PLANE.spread(walks) == pytest.approx(2 * 0.09, rel=0.02)
    assert np.isnan(PLANE.resultant(walks))
    line = np.stack([np.arange(5.0), np.zeros(5)], -1)[:, None]
    assert PLANE.distances(line) == pytest.approx(1.0)
    assert PLANE.errors([[3.0, 4.0]], [[0.0, 0.0]]) == pytest.approx(5)


# --- states ------------------------------------------------------------------------------------


def test_components_find_planted_variances_and_what_lies_outside():
    basis = np.linalg.qr(draw(0).normal(size=(12, 12)))[0]
    awake = draw(1).normal(size=(40_000, 3)) * [3.0, 2.0, 0.1] @ basis[:3] + 1.5
    found = components(awake)
    total = 9 + 4 + 0.01
    assert found.explained[:3] == pytest.approx([9 / total, 13 / total, 1], rel=0.01)
    assert abs(found.axes[0] @ basis[0]) == pytest.approx(1, abs=1e-3)
    assert found.mean == pytest.approx(1.5, abs=0.05)
    assert found.outside(awake) == pytest.approx(0.01 / total, rel=0.05)
    offline = awake + draw(2).normal(size=(40_000, 1)) * 2.0 * basis[5]
    assert found.outside(offline) == pytest.approx((0.01 + 4) / (total + 4), rel=0.03)
    # A drift off the manifold counts too, one along it does not.
    assert found.outside(awake + 50 * basis[5]) > 0.99
    assert found.outside(awake + 50 * basis[0]) < 1e-3
    assert found.project(awake, 2).var(axis=0) == pytest.approx([9, 4], rel=0.03)


def test_noise_is_matched_by_the_size_of_states():
    assert matched_noise(0.14, 3.0, 9.0) == pytest.approx(0.14 / 3)


def test_a_comparison_of_a_life_with_itself_and_with_a_frozen_one():
    awake = draw(0).vonmises(0, 1.5, (300, 400))
    states = np.stack([np.cos(awake), np.sin(awake), 0.1 * draw(1).normal(size=awake.shape)], -1)
    life = Stretch(awake, np.ones(awake.shape), states)
    same = compare(CIRCLE, life, life, stream=draw(2))
    assert same["kl"] == 0
    assert same["step_ratio"] == same["peak_ratio"] == 1
    assert same["off_manifold"] <= 0.05
    assert same["norm"] == life.norm
    still = Stretch(awake[:1].repeat(50, 0), np.full((50, 400), 0.5), states[:1].repeat(50, 0))
    frozen = compare(CIRCLE, still, life, stream=draw(2))
    assert frozen["kl"] == pytest.approx(frozen["kl_frozen"], abs=0.05)
    assert 0 < frozen["kl_frozen"] < 4 * frozen["kl_bias"]
    assert (frozen["step"], frozen["step_ratio"], frozen["peak_ratio"]) == (0, 0, 0.5)
    stopped = Stretch(np.concatenate([awake, awake[:1].repeat(300, 0)]), life.peaks, states)
    assert compare(CIRCLE, stopped, life, stream=draw(2))["spread_late"] == pytest.approx(0)
    gone = Stretch(np.concatenate([awake[:1].repeat(300, 0), awake]), life.peaks, states)
    late = compare(CIRCLE, gone, life, stream=draw(2))
    assert late["spread_late"] == pytest.approx(same["spread"])
    assert late["spread"] < 0.8 * late["spread_late"]
    other = compare(CIRCLE, life, life, model=still, stream=draw(2))
    assert other["kl"] > 0
    assert other["peak_ratio"] == 1

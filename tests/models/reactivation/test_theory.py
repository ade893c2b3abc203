r"""Why noise should revisit waking states (Krishna et al. 2024, section 3), checked by numbers.

The best denoising update is the score of the noisy state law (Tweedie), so without input the
network is a Langevin sampler of p(r)^(2 / k^2) for noise of k times its size awake.
"""

import numpy as np
import pytest
from scipy.special import i0, i1

from neuro.analysis.reactivation import Circle
from neuro.random import stream


def draw(*counters):
    return stream(11, "theory", *counters)


@pytest.mark.parametrize("gain", [1.0, 2**0.5, 2.0])
@pytest.mark.parametrize("signal", [0.0, 0.05])
def test_variance_along_and_across_the_manifold(gain, signal):
    """r <- r - q r / (V + q) + k sqrt(q) xi has variance k^2 (V + q)^2 / (2 V + q)."""
    q, generator = 0.01, draw(0)
    r = np.zeros(20_000)
    for _ in range(150):
        r = r - q * r / (signal + q) + gain * np.sqrt(q) * generator.standard_normal(len(r))
    expected = gain**2 * (signal + q) ** 2 / (2 * signal + q)
    assert r.var() == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize("gain", [1.0, 2**0.5, 2.0])
def test_noise_is_temperature_on_a_ring(gain):
    """With the exact score of a von Mises law, its concentration becomes kappa 2 / k^2."""
    kappa, q, generator = 1.9, 0.01, draw(1)
    angle = generator.uniform(-np.pi, np.pi, 3000)
    for _ in range(2500):
        angle += -q * kappa * np.sin(angle) + gain * np.sqrt(q) * generator.standard_normal(3000)
    colder = kappa * 2 / gain**2
    assert Circle().resultant(angle[None]) == pytest.approx(i1(colder) / i0(colder), abs=0.02)


def test_the_best_guess_of_what_noise_took_away_is_the_score():
    """E[x | y] - y = v d/dy log p(y), for a mixture of two Gaussians seen through noise."""
    v, generator = 0.09, draw(2)
    means, deviation = np.array([-1.0, 0.8]), 0.2
    count = 2_000_000
    x = means[generator.integers(0, 2, count)] + deviation * generator.standard_normal(count)
    y = x + np.sqrt(v) * generator.standard_normal(count)
    edges = np.linspace(-1.6, 1.4, 31)
    place = np.digitize(y, edges)
    spread = deviation**2 + v
    for i in range(1, len(edges)):
        inside = y[place == i]
        weight = np.exp(-np.square(inside[:, None] - means) / (2 * spread))
        score = ((means - inside[:, None]) * weight).sum(1) / weight.sum(1) / spread
        guess = (x[place == i] - inside).mean()
        assert v * score.mean() == pytest.approx(guess, abs=0.01)

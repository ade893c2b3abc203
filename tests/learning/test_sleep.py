"""Sleep against the papers' cascade, written plainly here, and the golden values."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import neuro as nr
from neuro.learning.sleep import SleepConfig, data_gains, sleep, sleep_network

SIZES = (36, 20, 15, 5)
CONFIG = SleepConfig(
    rate=150.0,
    increment=0.01,
    decrement=0.002,
    thresholds=(0.5, 0.3, 0.3),
    steps=600,
    decay=0.95,
    window=4,
    slope=0.05,
)


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(0.05, 0.25, s) for s in pairwise(SIZES)]


def mean_image(seed=1):
    return np.random.default_rng(seed).random(SIZES[0])


def cascade(weights, inputs, c, gains):
    """Section 2.4 of the specification: all layers fire within one step."""
    w = [x.copy() for x in weights]
    v = [np.zeros(x.shape[1]) for x in w]
    spikes = [[] for _ in w]
    for t, z in enumerate(inputs):
        below = z
        for layer, x in enumerate(w):
            current = np.zeros(x.shape[1])
            for i in np.flatnonzero(below):
                current += x[i]
            v[layer] = c.decay * v[layer] + gains[layer] * current
            above = v[layer] >= c.thresholds[layer]
            for j in np.flatnonzero(above):
                g = 2 / (1 + np.exp(np.clip(x[:, j] / c.slope, -60, 60)))
                x[:, j] += np.where(below, c.increment * g, -c.decrement * g)
                spikes[layer].append((t, j))
            v[layer][above] = 0
            below = above
    return w, spikes


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_equals_the_cascade_with_each_layer_shifted_by_its_depth(gain):
    c = replace(CONFIG, gain_scale=gain, thresholds=tuple(t * gain for t in CONFIG.thresholds))
    result = sleep(weights(), mean_image(), c, seed=4)
    steps, units = result.raster[0]
    inputs = np.zeros((c.steps, SIZES[0]), bool)
    inputs[steps, units] = True
    expected, spikes = cascade(weights(), inputs, c, [gain] * 3)
    for layer in range(3):
        steps, units = result.raster[layer + 1]
        assert [(k - layer - 1, i) for k, i in zip(steps, units, strict=True)] == spikes[layer]
        assert len(steps) > 30
        np.testing.assert_allclose(result.weights[layer], expected[layer], rtol=1e-10, atol=1e-13)
    assert result.spikes_per_layer == [len(u) for _, u in result.raster]
    assert result.rates_per_layer[1] == pytest.approx(len(spikes[0]) / 20 / 600)


@pytest.mark.parametrize("spikes_go_down", [False, True])
def test_current_gain_and_thresholds_scale_together_bit_for_bit(spikes_go_down):
    base = replace(CONFIG, feedback_spikes=spikes_go_down, feedback_gain=0.4)
    one = sleep(weights(), mean_image(), base, seed=1)
    doubled = replace(base, gain_scale=2.0, thresholds=tuple(2 * t for t in base.thresholds))
    two = sleep(weights(), mean_image(), doubled, seed=1)
    assert one.spikes_per_layer == two.spikes_per_layer
    assert all(np.array_equal(a, b) for a, b in zip(one.weights, two.weights, strict=True))


def test_no_steps_of_the_rule_no_change():
    still = replace(CONFIG, increment=0.0, decrement=0.0)
    result = sleep(weights(), mean_image(), still, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(result.weights, weights(), strict=True))
    assert min(result.spikes_per_layer) > 0


def test_units_that_never_spike_keep_their_weights():
    silent = replace(CONFIG, thresholds=(0.5, 0.3, 1e9))
    result = sleep(weights(), mean_image(), silent, seed=1)
    assert np.array_equal(result.weights[2], weights()[2])
    assert not np.array_equal(result.weights[1], weights()[1])


def test_steep_gate_freezes_positive_weights():
    positive = [np.abs(w) + 0.06 for w in weights()]
    result = sleep(positive, mean_image(), replace(CONFIG, slope=0.001), seed=1)
    assert result.spikes_per_layer[1] > 100
    assert all(np.allclose(a, b, atol=1e-20) for a, b in zip(result.weights, positive, strict=True))


def test_seeds():
    a, b, c = (sleep(weights(), mean_image(), CONFIG, seed=s) for s in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(a.weights, b.weights, strict=True))
    assert not np.array_equal(a.weights[0], c.weights[0])


def test_the_awake_weights_are_not_changed():
    before = weights()
    sleep(before, mean_image(), CONFIG)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(), strict=True))


def test_data_gains_golden():
    # S = (2, 4, 1), A = 1 -> alpha = (0.5, 0.5, 2), by the released code's recursion.
    w = [np.array([[2.0, -9.0]]), np.array([[1.0], [0.5]]), np.array([[1.0]])]
    assert data_gains(w, [0.5, 4.0, 0.2]) == [0.5, 0.5, 2.0]
    assert data_gains(w, [0.5, 4.0, 0.2], scale=3.0) == [1.5, 1.5, 6.0]


def test_normalised_currents():
    c = replace(CONFIG, normalise=True)
    net = sleep_network(weights(), mean_image(), c, activity=[1.0, 1.0, 1.0])
    gains = [net.projections[f"forward{i}"].gain for i in (1, 2, 3)]
    assert gains == data_gains(weights(), [1.0, 1.0, 1.0])
    with pytest.raises(nr.DescriptionError, match="activity="):
        sleep_network(weights(), mean_image(), c)


def feedback(plasticity):
    return replace(
        CONFIG, feedback_spikes=True, feedback_gain=0.4, feedback_plasticity=plasticity
    )


def test_feedback_spikes_change_the_replay():
    without = sleep(weights(), mean_image(), CONFIG, seed=3)
    with_it = sleep(weights(), mean_image(), feedback("tied"), seed=3)
    assert np.array_equal(without.raster[0][1], with_it.raster[0][1])
    assert without.spikes_per_layer[1:] != with_it.spikes_per_layer[1:]


def loop_with_feedback(weights, inputs, c, mode):
    """Delay-one network with top-down spikes, one unit at a time."""
    w = [x.copy() for x in weights]
    down = {layer: w[layer].T.copy() for layer in (1, 2)} if mode == "separate" else {}
    n = len(w)
    v = [np.zeros(x.shape[1]) for x in w]
    before = [np.zeros(s, bool) for s in SIZES]
    gate = lambda x: 2 / (1 + np.exp(np.clip(x / c.slope, -60, 60)))  # noqa: E731
    for z in [*inputs, *np.zeros((n, SIZES[0]), bool)]:
        now = [z]
        for layer in range(n):
            current = sum((w[layer][i] for i in np.flatnonzero(before[layer])), np.zeros(1))
            if layer + 1 < n:
                back = down[layer + 1].T if mode == "separate" else w[layer + 1]
                top = np.flatnonzero(before[layer + 2])
                current = current + c.feedback_gain * sum((back[:, j] for j in top), np.zeros(1))
            v[layer] = c.decay * v[layer] + current
            now.append(v[layer] >= c.thresholds[layer])
            v[layer][now[-1]] = 0
        for layer in range(n):
            for j in np.flatnonzero(now[layer + 1]):
                g = gate(w[layer][:, j])
                w[layer][:, j] += np.where(before[layer], c.increment * g, -c.decrement * g)
        if mode != "tied":
            for layer in range(1, n):  # top-down events: pre = layer above, post = layer below
                m = down[layer].T if mode == "separate" else w[layer]
                for i in np.flatnonzero(now[layer]):
                    g = gate(m[i])
                    m[i] += np.where(before[layer + 1], c.increment * g, -c.decrement * g)
        before = now
    if mode == "separate":
        for layer in (1, 2):
            w[layer] = 0.5 * (w[layer] + down[layer].T)
    return w


@pytest.mark.parametrize("mode", ["tied", "both", "separate"])
def test_feedback_modes_equal_the_loop(mode):
    c = replace(feedback(mode), steps=300)
    result = sleep(weights(), mean_image(), c, seed=3)
    steps, units = result.raster[0]
    inputs = np.zeros((c.steps, SIZES[0]), bool)
    inputs[steps, units] = True
    expected = loop_with_feedback(weights(), inputs, c, mode)
    for got, want in zip(result.weights, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_input_rate_has_the_factor_two():
    mean = np.full(36, 0.5)
    c = replace(CONFIG, window=None, steps=4000, rate=100.0)
    result = sleep(weights(), mean, c)
    assert result.rates_per_layer[0] == pytest.approx(2 * 1e-3 * 100 * 0.5, rel=0.03)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decay": 1.0}, "decay.*1.0"),
        ({"steps": 0}, "steps.*0"),
        ({"rate": -1.0}, "rate.*-1.0"),
        ({"thresholds": ()}, "thresholds"),
        ({"feedback_plasticity": "none"}, "feedback_plasticity.*'none'"),
        ({"gate": "soft"}, "gate.*'soft'"),
        ({"thresholds": (1.0,)}, "3 weight matrices, 1 thresholds"),
        ({"window": 7}, "window.*7"),
    ],
)
def test_mistakes(change, message):
    with pytest.raises(nr.DescriptionError, match=message):
        sleep(weights(), mean_image(), replace(CONFIG, **change))

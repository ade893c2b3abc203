"""The feed-forward network against the published update, written plainly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neuro.errors import DescriptionError
from neuro.models.feedforward import FeedForward

SIZES = (6, 8, 7, 3)


def data(n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.random((n, 6), np.float32), rng.integers(0, 3, n)


def published(model: FeedForward, rates: tuple[float, ...], epochs: int, seed: int) -> list[Any]:
    """Gradient descent as the released code of Tadros et al. has it, in float64."""
    images, labels = data()
    w = model.get_weights()
    v = [np.zeros_like(x) for x in w]
    stream = np.random.default_rng(seed)
    for _ in range(epochs):
        order = stream.permutation(len(images))
        for start in range(0, len(order), 10):
            chosen = order[start : start + 10]
            masks = [stream.random((len(chosen), n), dtype=np.float32) >= 0.25 for n in (8, 7)]
            a = [images[chosen].astype(float)]
            for x, mask in zip(w[:-1], masks, strict=True):
                a.append(np.maximum(0, a[-1] @ x) * mask)
            out = np.maximum(0, a[-1] @ w[-1])
            delta = (out - np.eye(3)[labels[chosen]]) / len(chosen)  # output derivative: 1
            for i in (2, 1, 0):
                gradient = a[i].T @ delta
                if i > 0:
                    delta = (delta @ w[i].T) * (a[i] > 0)
                v[i] = 0.5 * v[i] + rates[i] * gradient
            for x, change in zip(w, v, strict=True):
                x -= change
    return w


def fit(model: FeedForward, epochs: int, stream: np.random.Generator, **more: Any) -> None:
    images, labels = data()
    model.fit(images, labels, learning_rates=(0.3, 0.2, 0.1), epochs=epochs, batch_size=10,
              momentum=0.5, stream=stream, **more)  # fmt: skip


def test_training_equals_the_published_update() -> None:
    model = FeedForward(SIZES, dropout=0.25, seed=3)
    expected = published(model, (0.3, 0.2, 0.1), 4, seed=8)
    fit(model, 4, np.random.default_rng(8))
    for ours, theirs, start in zip(
        model.get_weights(), expected, FeedForward(SIZES, seed=3).get_weights(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        assert np.abs(theirs - start).max() > 0.05


def test_momentum_goes_on_from_one_task_to_the_next() -> None:
    stream, twice = np.random.default_rng(8), FeedForward(SIZES, dropout=0.25, seed=3)
    expected = published(twice, (0.3, 0.2, 0.1), 4, seed=8)
    fit(twice, 2, stream)
    fit(twice, 2, stream)
    np.testing.assert_allclose(twice.get_weights()[0], expected[0], rtol=1e-4, atol=1e-6)


def test_test_mode_scales_hidden_activity_and_rectifies_the_output() -> None:
    model = FeedForward(SIZES, dropout=0.25, seed=3)
    images, _ = data()
    w = model.get_weights()
    a = np.maximum(0, images @ w[0]) * 0.75
    b = np.maximum(0, a @ w[1]) * 0.75
    out = np.maximum(0, b @ w[2])
    for ours, theirs in zip(model.states(images, batch_size=7), (a, b, out), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert np.array_equal(model.outputs(images), model.states(images)[-1])
    assert (out == 0).any() and np.array_equal(model.predict(images), out.argmax(1))


def test_silent_outputs_learn() -> None:
    images, labels = np.ones((1, 2), np.float32), np.array([1])
    model = FeedForward((2, 2, 2), seed=0)
    model.load_weights([np.ones((2, 2)), np.full((2, 2), -1.0)])
    assert model.predict(images)[0] == 0 and not model.outputs(images).any()
    model.fit(images, labels, learning_rates=(0.0, 0.1), epochs=20, stream=np.random.default_rng(0))
    assert model.predict(images)[0] == 1


def test_cross_entropy_gradient_by_finite_differences() -> None:
    images, labels = data()
    model = FeedForward(SIZES, loss="cross-entropy", seed=1)
    start = model.get_weights()

    def loss(weights: list[np.ndarray]) -> float:
        a = images.astype(float)
        for w in weights[:-1]:
            a = np.maximum(0, a @ w)
        u = a @ weights[-1]
        logp = u - np.log(np.exp(u).sum(1, keepdims=True))
        return float(-logp[np.arange(len(labels)), labels].mean())

    model.fit(images, labels, learning_rates=(1.0,) * 3, epochs=1, batch_size=100,
              stream=np.random.default_rng(0))  # fmt: skip
    for layer, index in ((0, (2, 3)), (1, (1, 1)), (2, (4, 2))):
        values = []
        for shift in (1e-5, -1e-5):
            moved = [w.copy() for w in start]
            moved[layer][index] += shift
            values.append(loss(moved))
        step = start[layer][index] - model.get_weights()[layer][index]
        assert step == pytest.approx((values[0] - values[1]) / 2e-5, abs=2e-6)


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_heads_teach_only_the_classes_of_an_images_task(loss: str) -> None:
    images, _ = data(10)
    model = FeedForward((6, 8, 4), loss=loss, heads=[(0, 1), (2, 3)], seed=2)
    before = model.get_weights()[-1]
    model.fit(images, np.array([2, 3] * 5), learning_rates=(0.1, 0.1), epochs=3,
              stream=np.random.default_rng(0))  # fmt: skip
    after = model.get_weights()[-1]
    assert np.array_equal(before[:, :2], after[:, :2])
    assert (before[:, 2:] != after[:, 2:]).any(axis=0).all()


def test_initial_weights() -> None:
    narrow = FeedForward((100, 400, 5), initial_weights=0.01, seed=4).get_weights()
    assert 0.0099 < np.abs(narrow[0]).max() <= 0.01
    usual = FeedForward((100, 400, 5), seed=4).get_weights()
    assert 0.099 < np.abs(usual[0]).max() <= 0.1 and np.abs(usual[1]).max() <= 0.05
    again, other = FeedForward((100, 400, 5), seed=4), FeedForward((100, 400, 5), seed=5)
    assert np.array_equal(usual[0], again.get_weights()[0])
    assert not np.array_equal(usual[0], other.get_weights()[0])


def test_weights_go_out_and_come_back() -> None:
    model = FeedForward(SIZES, seed=3)
    out = [2 * w for w in model.get_weights()]
    model.load_weights(out)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), out, strict=True))
    with pytest.raises(DescriptionError, match=r"give \[pre, post\]"):
        model.load_weights([w.T for w in out])
    with pytest.raises(DescriptionError, match="not finite"):
        model.load_weights([*out[:2], np.full((7, 3), np.nan)])
    fit(model, 1, np.random.default_rng(0))  # and it still learns


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": (3, 2)}, "at least three"),
        ({"loss": "hinge"}, "loss: 'hinge' is unknown; choose one of mse, cross-entropy"),
        ({"dropout": 1.0}, r"dropout: 1.0 must lie in \[0, 1\)"),
        ({"initial_weights": 0.0}, "initial_weights: 0.0"),
        ({"heads": [(0, 1)]}, "must hold each of 3 classes"),
    ],
)
def test_impossible_networks(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        FeedForward(**{"sizes": SIZES, **settings})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((2, 5))}, r"give \[n, 6\] and \[n\]"),
        ({"labels": [0, 3]}, "0..3 must lie in 0..2"),
        ({"learning_rates": (0.1,)}, "must be 3 finite numbers"),
        ({"epochs": -1}, "epochs: -1"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"momentum": 1.0}, "momentum: 1.0"),
    ],
)
def test_impossible_training(change: dict[str, Any], message: str) -> None:
    given = {"images": np.zeros((2, 6)), "labels": [0, 1], "learning_rates": (0.1,) * 3}
    with pytest.raises(DescriptionError, match=message):
        FeedForward(SIZES).fit(
            **{**given, "epochs": 1, "stream": np.random.default_rng(0), **change}
        )


def test_weights_that_explode_are_reported() -> None:
    images, labels = data()
    with pytest.raises(FloatingPointError, match="not finite at learning_rates"):
        FeedForward(SIZES).fit(images, labels, learning_rates=(1e30,) * 3, epochs=3,
                               stream=np.random.default_rng(0))  # fmt: skip

"""The gradient check finds agreement where there is one, and says so where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuro.errors import DescriptionError
from neuro.learning import gradient_check
from neuro.learning.gradient_check import check_gradient
from neuro.models.mrnn import MRNN
from neuro.random import stream


def network(**changes):
    """The 20-16-5 network of the published figures: form A, steep sigmoid, no biases."""
    options = {"dynamics": "prototypical", "activation": "mysig"} | changes
    return MRNN((20, 16, 5), **options)


@pytest.fixture(scope="module")
def batch():
    draw = stream(0, "test.gradient_check")
    return draw.random((8, 20)), draw.integers(0, 5, 8)


def test_golden_symmetric(batch):
    check = check_gradient(network(), *batch, beta=0.01)
    assert check.passed
    assert [(r.name, r.reference) for r in check.rows] == [
        ("W1", "finite differences"),
        ("W1", "bptt"),
        ("W2", "finite differences"),
        ("W2", "bptt"),
    ]
    for row in check.rows:
        assert row.cosine > 0.9999
        assert abs(row.norm_ratio - 1.0) < 1e-3
        assert row.relative_error < 5e-4  # published: 2e-4
    assert check.residual < 1e-12


@pytest.mark.parametrize(
    ("estimator", "beta", "low", "high"),
    [
        ("symmetric", 0.1, 0.01, 0.05),  # published: 2-3 %
        ("one-sided", 0.01, 0.008, 0.03),  # published: 1.4-1.8 %
        ("one-sided", 0.1, 0.08, 0.25),  # published: 12-16 %
        ("symmetric", 0.5, 0.3, 1.5),  # published: 37-93 %, unusable
    ],
)
def test_errors_of_the_estimators_have_their_published_size(batch, estimator, beta, low, high):
    check = check_gradient(network(estimator=estimator), *batch, beta=beta)
    assert not check.passed
    for row in check.rows:
        assert low < row.relative_error < high
        if beta <= 0.1:
            assert row.cosine > 0.98


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
@pytest.mark.parametrize("activation", ["hard_sigmoid", "mysig", "my_hard_sig", "tanh"])
@pytest.mark.parametrize("dynamics", ["prototypical", "energy", "leaky"])
def test_every_form_passes_with_biases(batch, dynamics, activation, loss):
    model = network(dynamics=dynamics, activation=activation, loss=loss, bias=True)
    check = check_gradient(model, *batch, max_entries=20)
    assert check.passed, check.format()
    assert {row.name for row in check.rows} == {"W1", "W2", "b1", "b2"}


def test_two_hidden_layers_and_targets_instead_of_labels(batch):
    x, y = batch
    model = MRNN((20, 12, 9, 5), dynamics="energy", activation="mysig")
    check = check_gradient(model, x, np.eye(5)[y], max_entries=30)
    assert check.passed, check.format()
    assert [row.entries for row in check.rows] == [30, 240, 30, 108, 30, 45]
    same = check_gradient(model, torch.tensor(x), torch.tensor(y), max_entries=30)
    assert same == check


def test_the_default_network_passes(batch):
    """Its outputs on a bound are left out: there the leaky form follows no loss."""
    check = check_gradient(network(dynamics="leaky", activation="hard_sigmoid"), *batch)
    assert check.passed, check.format()
    assert 0.0 < check.outputs_left_out < 0.5
    assert "left out" in check.format()
    assert check_gradient(network(), *batch).outputs_left_out == 0.0


@pytest.mark.parametrize("fault", ["sign", "scale", "transposed", "one layer"])
def test_a_wrong_gradient_is_found(batch, fault, monkeypatch):
    right = gradient_check.ep_gradients

    def wrong(*args, **kwargs):
        w, b = right(*args, **kwargs)
        match fault:
            case "sign":
                w = [-g for g in w]
            case "scale":
                w = [2.0 * g for g in w]
            case "transposed":
                w = [g.t().reshape(g.shape) for g in w]
            case _:
                w[1] = w[1] * 0.99
        return w, b

    monkeypatch.setattr(gradient_check, "ep_gradients", wrong)
    check = check_gradient(network(), *batch)
    assert not check.passed
    assert "FAILED" in check.format()
    assert "<-- outside" in check.format()


def test_a_wrong_back_propagation_does_not_touch_the_differences(batch, monkeypatch):
    """The two references are independent of one another."""
    right = gradient_check.bptt.truncated_gradients

    def wrong(*args, **kwargs):
        w, b = right(*args, **kwargs)
        return [2.0 * g for g in w], b

    monkeypatch.setattr(gradient_check.bptt, "truncated_gradients", wrong)
    check = check_gradient(network(), *batch)
    assert {r.reference for r in check.rows if check.row_passed(r)} == {"finite differences"}


def test_chunks_change_nothing(batch, monkeypatch):
    whole = check_gradient(network(), *batch)
    monkeypatch.setattr(gradient_check, "CHUNK_VALUES", 1)
    for a, b in zip(whole.rows, check_gradient(network(), *batch).rows, strict=True):
        assert a.relative_error == pytest.approx(b.relative_error, rel=1e-3, abs=1e-9)


def test_the_models_own_settings_can_be_checked(batch):
    model = network(beta=0.2, free_steps=7, nudged_steps=3)
    check = check_gradient(model, *batch, beta=None, free_steps=7, nudged_steps=3)
    assert (check.settings.beta, check.settings.free_steps) == (0.2, 7)
    assert check.settings.nudged_steps == 3
    assert check.residual > 1e-8
    assert not check.passed
    text = check.format()
    assert "has not settled" in text
    assert "beta 0.2" in text


def test_a_zero_gradient_does_not_pass():
    """Nothing to compare is not agreement."""
    model = network()
    model.load_weights([np.zeros((20, 16)), np.zeros((16, 5))])
    check = check_gradient(model, np.zeros((2, 20)), np.full((2, 5), 0.5))
    assert not check.passed


def test_the_model_is_left_alone(batch):
    model = network()
    before = model.get_weights()
    settings = model.settings
    check_gradient(model, *batch)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.settings is settings


def test_format_is_a_table(batch):
    text = check_gradient(network(), *batch).format()
    assert "prototypical" in text
    assert "residual" in text
    assert sum(line.startswith("W") for line in text.splitlines()) == 4
    assert text.splitlines()[-1].startswith("passed")


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 19)), np.zeros(3, int), r"x: shape \(3, 19\) must be \[batch, 20\]"),
        (np.zeros((0, 20)), np.zeros(0, int), "x: shape"),
        (np.zeros((3, 20)), np.zeros(2, int), "y: int64 of shape"),
        (np.zeros((3, 20)), np.zeros(3), "y: float64 of shape"),
        (np.zeros((3, 20)), np.array([0, 5, 1]), r"labels 0\.\.5 must lie in 0\.\.4"),
    ],
)
def test_wrong_batches_are_refused(x, y, message):
    with pytest.raises(DescriptionError, match=message):
        check_gradient(network(), x, y)

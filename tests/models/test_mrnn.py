"""The MRNN class: weights, inference, learning, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from neuro.errors import DescriptionError
from neuro.models.mrnn import MRNN
from neuro.random import stream

SIZES = (6, 5, 3)


def toy(count=10, seed=0):
    draw = np.random.default_rng(seed)
    return draw.random((count, 6)), draw.integers(0, 3, count)


def trained(images=None, labels=None, *, fit=None, **options):
    """A small network after two epochs on toy data."""
    if images is None:
        images, labels = toy()
    model = MRNN(SIZES, **({"dtype": torch.float64, "free_steps": 6} | options))
    arguments = {"learning_rates": (0.3, 0.2), "epochs": 2, "batch_size": 4} | (fit or {})
    model.fit(images, labels, stream=stream(3, "shuffle"), **arguments)
    return model


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    order = stream(0, "test.digits").permutation(len(data.target))
    images, labels = (data.images / 16.0)[order], data.target[order]
    return (images[:1437], labels[:1437]), (images[1437:], labels[1437:])


# --- weights -----------------------------------------------------------------------------------


def test_initial_weights_follow_the_default_law_of_torch_linear():
    model = MRNN((400, 100, 10), bias=True, seed=3)
    assert [tuple(w.shape) for w in model.weights] == [(400, 100), (100, 10)]
    assert [tuple(b.shape) for b in model.biases] == [(100,), (10,)]
    for fan_in, w, b in zip((400, 100), model.weights, model.biases, strict=True):
        bound = fan_in**-0.5
        for t in (w, b):
            assert float(t.abs().max()) <= bound
        assert float(w.abs().max()) > 0.98 * bound
        assert float(w.std()) == pytest.approx(bound / 3**0.5, rel=0.05)
        assert abs(float(w.mean())) < 0.05 * bound
    assert MRNN((4, 3, 2)).biases == []


def test_seeds_give_weights():
    assert same(MRNN(SIZES, seed=1), MRNN(SIZES, seed=1))
    assert not same(MRNN(SIZES, seed=1), MRNN(SIZES, seed=2))
    model = trained(seed=1)
    model.reset(1)
    assert same(model, MRNN(SIZES, seed=1, dtype=torch.float64))
    # The same numbers in both precisions, so also on every device.
    wide, narrow = MRNN(SIZES, dtype=torch.float64), MRNN(SIZES)
    for a, b in zip(wide.weights, narrow.weights, strict=True):
        assert torch.equal(a.float(), b)
    # Pinned: a change of the law or the stream would silently change every published result.
    first = stream(0, "mrnn.init", 0).uniform(-(6**-0.5), 6**-0.5, (6, 5))
    np.testing.assert_array_equal(wide.get_weights()[0], first)


def test_biases_do_not_change_the_weights_of_a_seed():
    assert same(MRNN(SIZES, bias=True), MRNN(SIZES))


def test_weights_come_back_as_they_went_in():
    model, given = MRNN(SIZES, dtype=torch.float64), MRNN(SIZES, seed=9).get_weights()
    model.load_weights(given)
    for a, b in zip(model.get_weights(), given, strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)
    model.load_weights([w.tolist() for w in given])
    assert same(model, model)


def test_arrays_of_the_user_are_never_shared():
    model = MRNN(SIZES, dtype=torch.float64)
    given = model.get_weights()
    model.load_weights(given)
    kept = [w.copy() for w in given]
    images, labels = toy()
    images_kept, labels_kept = images.copy(), labels.copy()
    model.fit(images, labels, learning_rates=(0.5, 0.5), epochs=1, stream=stream(0, "s"))
    for a, b in zip(given, kept, strict=True):
        np.testing.assert_array_equal(a, b)  # learning does not reach the given arrays
    np.testing.assert_array_equal(images, images_kept)
    np.testing.assert_array_equal(labels, labels_kept)
    before = model.get_weights()
    for w in given:
        w[:] = 77.0
    model.get_weights()[0][:] = 77.0
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    # A view handed out earlier stays the weight of the model.
    held = model.weights[0]
    model.load_weights(kept)
    assert held is model.weights[0]


def test_results_are_not_overwritten_by_the_next_call():
    model = MRNN(SIZES, dtype=torch.float64)
    x, y = toy()
    states, gradients = model.free_states(x), model.gradients(x, y)
    arrays = model.states(x)
    kept = [t.clone() for t in [*states, *gradients[0]]]
    arrays_kept = [a.copy() for a in arrays]
    model.free_states(1 - x)
    model.gradients(1 - x, y)
    model.states(1 - x)
    for a, b in zip([*states, *gradients[0]], kept, strict=True):
        assert torch.equal(a, b)
    for a, b in zip(arrays, arrays_kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_read_only_and_integer_images_are_taken():
    x, y = (toy()[0] > 0.5).astype(np.uint8), toy()[1]
    x.setflags(write=False)
    y.setflags(write=False)
    assert same(trained(x, y), trained(x.astype(float), y))


# --- inference ---------------------------------------------------------------------------------


def test_states_outputs_and_labels_agree():
    model = trained()
    x = toy(23, seed=5)[0]
    states = model.states(x, batch_size=5)
    assert [s.shape for s in states] == [(23, 5), (23, 3)]
    for a, b in zip(states, model.free_states(x), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=1e-14)
    np.testing.assert_array_equal(model.outputs(x, batch_size=5), states[-1])
    labels = model.predict(x, batch_size=5)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, states[-1].argmax(1))
    np.testing.assert_array_equal(model.predict(x), labels)
    assert MRNN(SIZES).outputs(x).dtype == np.float32


def test_shape_of_images_is_flattened_and_none_is_fine_to_predict():
    model = MRNN(SIZES)
    x = toy()[0]
    np.testing.assert_array_equal(model.outputs(x.reshape(10, 2, 3)), model.outputs(x))
    assert model.predict(np.zeros((0, 6))).shape == (0,)
    assert torch.equal(model.free_states(torch.tensor(x))[0], model.free_states(x)[0])


def test_the_first_output_of_a_tie_is_the_label():
    model = MRNN(SIZES)
    model.load_weights([np.zeros((6, 5)), np.zeros((5, 3))])
    assert model.predict(toy()[0]).tolist() == [0] * 10


# --- learning ----------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dynamics", ["leaky", "prototypical", "energy"])
def test_currents_tell_clipped_outputs_apart(dynamics, bias):
    options = {"dynamics": dynamics, "bias": bias, "free_steps": 300, "dtype": torch.float64}
    by_state = MRNN((6, 5, 4), seed=2, **options)
    by_current = MRNN((6, 5, 4), seed=2, readout="current", **options)
    for model in (by_state, by_current):
        model.weights[1][:, :2].abs_().neg_()  # two outputs that are never above 0
        model.weights[1][:, 0] *= 2
        model.weights[1][:, 2:] *= 0.1
        for b in model.biases[1:]:
            b[:2] = -0.1
    x, _ = toy()
    states, currents = by_state.outputs(x), by_current.outputs(x)
    hidden = by_current.states(x)[0]
    expected = hidden @ by_current.get_weights()[1]
    if bias:
        expected += by_current.biases[1].numpy()
    np.testing.assert_allclose(currents, expected, atol=1e-12)
    # Settled: the states are the clipped currents, and so are never in another order.
    np.testing.assert_allclose(states, currents.clip(0, 1), atol=1e-9)
    assert (states[:, :2] < 1e-9).all() and (currents[:, 0] != currents[:, 1]).any()
    np.testing.assert_array_equal(by_current.predict(x), currents.argmax(1))


def test_currents_of_energy_come_from_rates():
    model = MRNN(SIZES, seed=1, dynamics="energy", activation="mysig", readout="current",
                 dtype=torch.float64)  # fmt: skip
    x, _ = toy()
    rates = 1 / (1 + np.exp(-4 * (model.states(x)[0] - 0.5)))
    np.testing.assert_allclose(model.outputs(x), rates @ model.get_weights()[1], atol=1e-12)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("rule", ["equilibrium", "bptt"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fit_is_gradient_descent_over_shuffled_batches(momentum, rule, bias):
    """Ten images in batches of four: the last one has two, and is averaged over two."""
    options = {"dtype": torch.float64, "free_steps": 8, "bias": bias}
    images, labels = toy()
    model = MRNN(SIZES, **options)
    rates = (0.3, 0.2)
    arguments = {"learning_rates": rates, "epochs": 2, "batch_size": 4}
    model.fit(images, labels, stream=stream(3, "s"), momentum=momentum, rule=rule, **arguments)

    by_hand = MRNN(SIZES, **options)
    shuffle = stream(3, "s")
    velocity = [torch.zeros_like(t) for t in [*by_hand.weights, *by_hand.biases]]
    for _ in range(2):
        order = shuffle.permutation(10)
        for chosen in (order[:4], order[4:8], order[8:]):
            w, b = by_hand.gradients(images[chosen], labels[chosen], rule=rule)
            parameters = [*by_hand.weights, *by_hand.biases]
            for t, v, g, rate in zip(parameters, velocity, [*w, *b], rates * 2, strict=False):
                v.mul_(momentum).add_(g)
                t.sub_(rate * v)
    mine = [*model.weights, *model.biases]
    for a, b in zip(mine, [*by_hand.weights, *by_hand.biases], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=0, atol=1e-13)


def test_momentum_starts_anew_in_every_call():
    images, labels = toy()
    once = MRNN(SIZES, dtype=torch.float64)
    arguments = {"learning_rates": (0.3, 0.2), "epochs": 1, "momentum": 0.9}
    once.fit(images, labels, stream=stream(0, "a"), **arguments)
    fresh = MRNN(SIZES, dtype=torch.float64)
    fresh.load_weights(once.get_weights())
    once.fit(images, labels, stream=stream(0, "b"), **arguments)
    fresh.fit(images, labels, stream=stream(0, "b"), **arguments)
    assert same(once, fresh)


@pytest.mark.parametrize("estimator", ["symmetric", "one-sided", "random-sign"])
def test_fit_is_deterministic(estimator):
    first, second = trained(estimator=estimator), trained(estimator=estimator)
    assert same(first, second)
    # Nor does what the network did in between matter: it has no memory but its weights.
    third = MRNN(SIZES, dtype=torch.float64, free_steps=6, estimator=estimator)
    third.predict(toy(50, seed=8)[0])
    third.gradients(*toy(7, seed=8))
    images, labels = toy()
    third.fit(
        images,
        labels,
        learning_rates=(0.3, 0.2),
        epochs=2,
        batch_size=4,
        stream=stream(3, "shuffle"),
    )
    assert same(first, third)
    other = MRNN(SIZES, dtype=torch.float64, free_steps=6, estimator=estimator)
    other.fit(
        images,
        labels,
        learning_rates=(0.3, 0.2),
        epochs=2,
        batch_size=4,
        stream=stream(4, "shuffle"),
    )
    assert not same(first, other)


def test_random_sign_draws_both_signs():
    images, labels = toy(64)
    model = MRNN(SIZES, dtype=torch.float64, estimator="random-sign")
    shuffle = stream(3, "s")
    order = shuffle.permutation(64)
    signs = 2 * shuffle.integers(0, 2, 16) - 1
    assert set(signs.tolist()) == {-1, 1}
    expected = MRNN(SIZES, dtype=torch.float64, estimator="random-sign")
    for sign, chosen in zip(signs.tolist(), order.reshape(16, 4), strict=True):
        w, _ = expected.gradients(images[chosen], labels[chosen], sign=sign)
        for t, g in zip(expected.weights, w, strict=True):
            t.sub_(0.1 * g)
    model.fit(
        images,
        labels,
        learning_rates=(0.1, 0.1),
        epochs=1,
        batch_size=4,
        stream=stream(3, "s"),
    )
    for a, b in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_labels_are_one_hot_targets():
    images, labels = toy()
    assert same(trained(images, labels), trained(images, np.eye(3)[labels]))
    model = MRNN(SIZES)
    a, b = model.gradients(images, labels), model.gradients(images, torch.eye(3)[labels])
    assert torch.equal(a[0][0], b[0][0])


def test_progress_counts_samples_over_all_epochs():
    seen = []
    trained(fit={"progress": seen.append})
    assert seen == [4, 8, 10, 14, 18, 20]


def test_no_epochs_and_zero_rates_change_nothing():
    start = MRNN(SIZES, dtype=torch.float64)
    assert same(trained(fit={"epochs": 0}), start)
    assert same(trained(fit={"learning_rates": (0.0, 0.0)}), start)
    assert same(trained(fit={"learning_rates": (0.0, 0.0), "momentum": 0.9}), start)


def test_fit_leaves_no_graph():
    model = trained()
    assert not any(w.requires_grad for w in model.weights)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dynamics": "prototypical"},
        {"dynamics": "energy"},
        {"estimator": "one-sided", "beta": 0.1},
        {"estimator": "random-sign", "beta": 0.1},
        {"loss": "cross-entropy", "bias": True},
        {"rule": "bptt", "dynamics": "prototypical", "activation": "mysig"},
    ],
    ids=lambda o: "-".join(f"{v}" for v in o.values()) or "default",
)
def test_learns_digits(digits, options):
    (images, labels), (test_images, test_labels) = digits
    rule = options.get("rule", "equilibrium")
    model = MRNN((64, 100, 10), **{k: v for k, v in options.items() if k != "rule"})
    before = (model.predict(test_images) == test_labels).mean()
    model.fit(
        images,
        labels,
        learning_rates=(0.1, 0.05),
        epochs=15,
        rule=rule,
        stream=stream(0, "test.fit"),
    )
    accuracy = (model.predict(test_images) == test_labels).mean()
    assert before < 0.4
    assert accuracy >= 0.90


def test_learns_digits_with_two_hidden_layers(digits):
    (images, labels), (test_images, test_labels) = digits
    model = MRNN((64, 80, 40, 10), free_steps=40, nudged_steps=10, activation="hard_sigmoid")
    model.fit(
        images,
        labels,
        learning_rates=(0.3, 0.1, 0.05),
        epochs=20,
        stream=stream(0, "test.fit"),
    )
    assert (model.predict(test_images) == test_labels).mean() >= 0.90


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_learns_the_same():
    on_cpu, on_gpu = trained(), trained(device="cuda")
    for a, b in zip(on_cpu.get_weights(), on_gpu.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (6, 3)}, r"sizes: \(6, 3\).*at least three"),
        ({"sizes": (6, 0, 3)}, "sizes: .*positive"),
        ({"sizes": (6, 2.5, 3)}, "sizes: "),
        ({"dynamics": "x"}, "dynamics: 'x'.*leaky"),
        ({"activation": "x"}, "activation: 'x'.*tanh"),
        ({"dtype": torch.float16}, "dtype: torch.float16.*float32"),
        ({"readout": "spikes"}, "readout: 'spikes' is unknown; choose one of state, current"),
    ],
)
def test_networks_that_mean_nothing_are_refused(options, message):
    with pytest.raises(DescriptionError, match=message):
        MRNN(**({"sizes": SIZES} | options))


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((4, 7)), [0] * 4, r"images: shape \(4, 7\).*6 values"),
        (np.zeros(6), [0], r"images: shape \(6,\)"),
        (np.zeros((0, 6)), [], "images: none were given"),
        (np.full((4, 6), np.nan), [0] * 4, r"images: nan at index \(0, 0\)"),
        (np.array([["a"] * 6]), [0], "images: dtype"),
        (np.zeros((4, 6)), [0, 1, 3, 0], r"labels: 3 at index 2 .*0\.\.2"),
        (np.zeros((4, 6)), [0, -1, 1, 0], "labels: -1 at index 1"),
        (np.zeros((4, 6)), [0, 1], r"labels: shape \(2,\) does not fit 4 images"),
        (np.zeros((4, 6)), [0.0, 1.0, 1.0, 0.0], "labels: dtype float64"),
        (np.zeros((4, 6)), np.full((4, 3), np.inf), "targets: inf"),
    ],
)
def test_data_that_do_not_fit_are_refused(images, labels, message):
    model = MRNN(SIZES)
    with pytest.raises(DescriptionError, match=message):
        model.fit(images, labels, learning_rates=(1, 1), epochs=1, stream=stream(0, "s"))
    with pytest.raises(DescriptionError, match=message):
        model.gradients(images, labels)
    assert same(model, MRNN(SIZES))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rates": (0.1,)}, "learning_rates: .*2 finite"),
        ({"learning_rates": (0.1, -0.1)}, "learning_rates"),
        ({"learning_rates": (0.1, float("nan"))}, "learning_rates"),
        ({"epochs": -1}, "epochs: -1"),
        ({"epochs": 1.5}, "epochs: 1.5"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"momentum": 1.0}, "momentum: 1.0"),
        ({"rule": "adam"}, "rule: 'adam'.*equilibrium, bptt"),
        ({"stream": 7}, "stream: int is not a numpy.random.Generator"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments, message):
    given = {"learning_rates": (0.1, 0.1), "epochs": 1, "stream": stream(0, "s")} | arguments
    with pytest.raises(DescriptionError, match=message):
        MRNN(SIZES).fit(*toy(), **given)


def test_weights_that_do_not_fit_are_refused_as_a_whole():
    model = MRNN(SIZES)
    right = model.get_weights()
    for wrong, message in (
        ([right[0] + 1, right[1].T], r"matrix 1 has shape \(3, 5\) \(it looks transposed\)"),
        ([right[0] + 1], "got 1 matrices"),
        ([right[0] + 1, right[1] * np.nan], "matrix 1: nan"),
    ):
        with pytest.raises(DescriptionError, match=message):
            model.load_weights(wrong)
        assert same(model, MRNN(SIZES))


def test_other_refusals():
    model = MRNN(SIZES)
    with pytest.raises(DescriptionError, match="sign: 2"):
        model.gradients(*toy(), sign=2)
    with pytest.raises(DescriptionError, match="batch_size: 0"):
        model.predict(toy()[0], batch_size=0)


def test_learning_that_explodes_says_so():
    model = MRNN(SIZES, loss="cross-entropy", activation="mysig", dynamics="leaky")
    model.load_weights([np.zeros((6, 5)), np.full((5, 3), 3e38)])
    with pytest.raises(FloatingPointError, match="not finite after 40 samples.*lower"):
        model.fit(*toy(), learning_rates=(0.1, 0.1), epochs=4, stream=stream(0, "s"))


def test_repr_names_what_matters():
    assert repr(MRNN(SIZES)).startswith("MRNN((6, 5, 3), dynamics='leaky'")


def test_to_network_and_back() -> None:
    import neuro as nr

    model = MRNN((6, 5, 3), seed=2)
    source = nr.SpikeTimes(np.repeat(np.arange(50), 6), np.tile(np.arange(6), 50))
    rule = nr.SleepReplay(0.01, 0.002, slope=0.1)
    net = model.to_network(source, thresholds=(0.3, 0.2), plasticity=rule)
    before = model.get_weights()
    with nr.compile(net) as sim:
        for i, w in enumerate(before, start=1):
            assert np.array_equal(sim.weights(f"forward{i}"), w)
        sim.run_steps(52, False)
        after = [sim.weights(f"forward{i}") for i in (1, 2)]
    model.load_weights(after)
    for mine, slept, old in zip(model.get_weights(), after, before, strict=True):
        assert not np.array_equal(slept, old)
        assert np.array_equal(mine, slept.astype(np.float32))

"""The spiking network with a surrogate gradient, and its learner."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from neuro.datasets import load
from neuro.errors import DescriptionError
from neuro.learning.presets import OTHERS, preset
from neuro.learning.regulariser import Regulariser, Tether
from neuro.learning.surrogate_settings import STRENGTHS, SurrogateSettings, surrogate_settings
from neuro.models.learners import LEARNERS
from neuro.models.surrogate import SurrogateLIF
from neuro.models.surrogate_learner import REGULARISERS, SGLearner
from neuro.progress import Silent


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(n: int = 60, features: int = 16) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three classes of noisy patterns."""
    rng = np.random.default_rng(0)
    patterns = rng.random((3, features))
    labels = np.arange(n) % 3
    return (patterns[labels] + 0.1 * rng.random((n, features))).astype(np.float32), labels


def model(**options: Any) -> SurrogateLIF:
    return SurrogateLIF((16, 12, 3), **{"steps": 16, "seed": 4, **options})


def trained(seed: int = 1, fits: int = 1, **options: Any) -> SurrogateLIF:
    network = model()
    for _ in range(fits):
        network.fit(*data(), stream=np.random.default_rng(seed), **options)
    return network


def same(a: SurrogateLIF, b: SurrogateLIF) -> bool:
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(bool(np.array_equal(x, y)) for x, y in pairs)


def test_it_learns_and_repeats_itself() -> None:
    images, labels = data()
    network = trained(epochs=15)
    assert (network.predict(images) == labels).mean() > 0.95
    assert same(network, trained(epochs=15))
    assert not same(network, trained(seed=2, epochs=15))
    np.testing.assert_array_equal(network.outputs(images), network.outputs(images))


def test_outputs_do_not_depend_on_how_many_are_asked_at_once() -> None:
    images, _ = data()
    network = trained()
    whole = network.outputs(images)
    np.testing.assert_allclose(network.outputs(images, batch_size=7), whole, rtol=1e-5, atol=1e-5)
    assert network.outputs(images[:0]).shape == (0, 3)


def test_spikes_of_the_last_prediction_are_counted() -> None:
    images, _ = data()
    network = trained()
    network.predict(images, batch_size=25)
    seen = network.look(torch.from_numpy(images))
    assert network.counted is not None
    assert network.counted.images == 60
    assert network.counted.layers == tuple(int(s.detach().sum()) for s in seen.inputs)
    assert min(network.counted.layers) > 0
    for layer, spikes in zip(network.states(images), seen.inputs[1:], strict=False):
        np.testing.assert_allclose(layer, spikes.detach().mean(0), atol=1e-6)


def test_weights_go_out_and_in() -> None:
    network, other = trained(), model(seed=9)
    other.load_weights(network.get_weights())
    assert same(network, other)
    assert [w.shape for w in network.get_weights()] == [(17, 12), (13, 3)]
    with pytest.raises(DescriptionError, match=r"give \[pre \+ 1, post\] = \[\(17, 12\)"):
        other.load_weights([np.zeros((16, 12)), np.zeros((12, 3))])
    with pytest.raises(DescriptionError, match="not finite"):
        other.load_weights([np.full((17, 12), np.nan), np.zeros((13, 3))])


def test_averages_of_adam_go_on_unless_told_otherwise() -> None:
    network = trained(fits=2)
    assert not same(network, trained(fits=2, restart=True))
    assert {int(s["step"]) for s in network._adam.state.values()} == {12}  # type: ignore[union-attr]


class Held(Regulariser):
    """Ties all weights to where they are."""

    def __init__(self, stiffness: float) -> None:
        self.stiffness = stiffness
        self.anchor: list[torch.Tensor] = []

    def begin(self, weights: Any, classes: Any) -> None:
        self.anchor = [w.detach().clone() for w in weights]

    def tethers(self) -> list[Tether]:
        return [Tether(torch.full_like(w, self.stiffness), w) for w in self.anchor]


def test_a_tether_holds_weights_back() -> None:
    def distance(guard: Regulariser) -> float:
        start = model().get_weights()
        moved = trained(regulariser=guard, epochs=5).get_weights()
        return sum(float(np.square(a - b).sum()) for a, b in zip(start, moved, strict=True))

    far, near = distance(Held(0.0)), distance(Held(10.0))
    assert far == distance(Regulariser())
    assert near < 0.2 * far


def test_with_heads_a_class_competes_within_its_own_only() -> None:
    network = model(heads=((0, 1), (2,)))
    before = network.get_weights()[1]
    images, labels = data()
    seen = labels < 2
    network.fit(images[seen], labels[seen], stream=np.random.default_rng(0))
    after = network.get_weights()[1]
    np.testing.assert_array_equal(before[:, 2], after[:, 2])
    assert not np.array_equal(before[:, 0], after[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sizes": (4, 3)}, "is not a network"),
        ({"steps": 0}, "steps: 0; at least 1"),
        ({"decay": 1.0}, "decay: 1.0 must lie between"),
        ({"slope": -1.0}, "slope: -1.0 must be finite"),
        ({"reset": float("inf")}, "reset: inf must be finite"),
        ({"readout": "sum"}, "readout: 'sum' is unknown; choose mean, max, last"),
    ],
)
def test_impossible_networks_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        SurrogateLIF(**{"sizes": (4, 5, 3), **options})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((3, 15))}, r"images \(3, 15\) and labels \(60,\) do not fit"),
        ({"labels": np.arange(60)}, r"0\.\.59 must lie in 0\.\.2"),
        ({"learning_rate": 0.0}, "learning_rate: 0.0 must be finite and above 0"),
        ({"epochs": -1}, "epochs: -1; at least 0"),
        ({"batch_size": 0}, "batch_size: 0; at least 1"),
    ],
)
def test_impossible_trainings_are_refused(change: dict[str, Any], message: str) -> None:
    images, labels = data()
    given = {"images": images, "labels": labels, **change}
    with pytest.raises(DescriptionError, match=message):
        model().fit(**given, stream=np.random.default_rng(0))


# --- the learner -----------------------------------------------------------------------------


def learner(regulariser: str = "none", **values: Any) -> SGLearner:
    made = replace(surrogate_settings("mnist", regulariser=regulariser), hidden=(12,), **values)
    return SGLearner(made, 16, 3, 0)


def test_settings_come_by_the_name_of_the_data_set() -> None:
    assert LEARNERS["sg"] is SGLearner
    assert OTHERS["sg"] is surrogate_settings
    assert set(REGULARISERS) == {"none", *STRENGTHS}
    shipped = preset("mnist", learner="sg", regulariser="ewc")
    assert isinstance(shipped, SurrogateSettings)
    assert (shipped.strength, shipped.hidden, shipped.epochs) == (1e3, (200,), 3)
    joint = preset("mnist", learner="sg", regulariser="ewc", joint=True)
    assert (joint.regulariser, joint.epochs) == ("none", 12)
    assert isinstance(preset("mnist+fashion-mnist", learner="sg"), SurrogateSettings)
    changed = shipped.with_values({"hidden": 30, "strength": 5})
    assert (changed.hidden, changed.strength) == ((30,), 5.0)
    with pytest.raises(DescriptionError, match="no regulariser 'si'; it has none, ewc, isi-cv"):
        preset("mnist", learner="sg", regulariser="si")
    with pytest.raises(DescriptionError, match="hidden is empty"):
        SurrogateSettings(hidden=())


@pytest.mark.parametrize("regulariser", REGULARISERS)
def test_ledger_is_plain_and_its_bytes_are_those_of_the_arrays(regulariser: str) -> None:
    images, labels = data()
    mine = learner(regulariser)
    fresh = mine.measures()
    assert fresh["spikes_per_sample"] is None
    mine.fit(images, labels, np.random.default_rng(0), Silent())
    mine.predict(images)
    found = json.loads(json.dumps(mine.measures()))
    memory = found["memory_bytes"]
    weights = 17 * 12 + 13 * 3
    assert memory["weights"] == memory["gradients"] == 4 * weights
    assert memory["optimiser"] == 8 * weights
    neurons = 8 * 12 * 6  # last, n, S1, S2, largest, order
    expected = {"none": 0, "ewc": 8 * weights}
    assert memory["regulariser"] == expected.get(regulariser, 4 * weights + neurons)
    # Input and hidden spikes and hidden potentials of 32 steps and images; class probabilities, and
    # the matrix of the leak, are small.
    least = 4 * 32 * 32 * (16 + 2 * 12)
    assert least <= memory["activations"] <= least + 4 * (32 * 32 + 32 * 3 + 32 * 3 + 32)
    assert memory["total"] == sum(v for k, v in memory.items() if k != "total")
    inputs = found["input_spikes_per_sample"]
    hidden = found["spikes_per_sample"] - inputs
    assert found["synaptic_operations_per_sample"] == pytest.approx(12 * inputs + 3 * hidden)
    assert found["joule_per_sample"] > 23.6e-12 * found["synaptic_operations_per_sample"]


def test_spikes_a_sample_are_those_of_the_last_prediction() -> None:
    images, _ = data()
    mine = learner()
    mine.predict(images[:7])
    seen = mine.model.look(torch.from_numpy(images[:7])).inputs
    found = mine.measures()
    assert found["input_spikes_per_sample"] == pytest.approx(float(seen[0].detach().sum()) / 7)
    every = sum(float(layer.detach().sum()) for layer in seen[:2])
    assert found["spikes_per_sample"] == pytest.approx(every / 7)


def test_naive_training_forgets_classes_and_a_frozen_network_does_not() -> None:
    """The digits 0 and 1, then 2 and 3."""
    digits = load("digits")
    images, labels = digits.flat(digits.train_images), digits.train_labels

    def kept(regulariser: str) -> float:
        settings = surrogate_settings("digits", regulariser=regulariser)
        values = {"epochs": 4, "time_steps": 16}
        if regulariser != "none":
            values["strength"] = 300
        mine = SGLearner(settings.with_values(values), 64, 10, 0)
        for classes in ((0, 1), (2, 3)):
            own = np.isin(labels, classes)
            mine.fit(images[own], labels[own], np.random.default_rng(0), Silent())
        first = np.isin(labels, (0, 1))
        return float((mine.predict(images[first]) == labels[first]).mean())

    assert kept("none") < 0.1
    assert kept("uniform") > 0.9


def test_elastic_weights_keep_digits_while_permuted_ones_are_learned() -> None:
    digits = load("digits")
    images, labels = digits.flat(digits.train_images)[:400], digits.train_labels[:400]
    other = images[:, np.random.default_rng(0).permutation(64)]

    def accuracies(regulariser: str) -> tuple[float, float]:
        settings = surrogate_settings("digits", regulariser=regulariser)
        mine = SGLearner(settings.with_values({"epochs": 6, "time_steps": 16}), 64, 10, 0)
        for shown in (images, other):
            mine.fit(shown, labels, np.random.default_rng(0), Silent())
        first, second = (float((mine.predict(x) == labels).mean()) for x in (images, other))
        return first, second

    naive, protected = accuracies("none"), accuracies("ewc")
    assert protected[0] > naive[0] + 0.1, (naive, protected)
    assert min(protected) > 0.6, (naive, protected)


def test_unknown_regularisers_are_named() -> None:
    with pytest.raises(DescriptionError, match="no regulariser 'si'; it has none, ewc"):
        SGLearner(SurrogateSettings(regulariser="si"), 16, 3, 0)

"""Predictive columns on Lava: spikes, errors, weights and labels of the reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.backends.lava import BACKEND
from neuro.datasets import load
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.learning.presets import preset
from neuro.models.predictive.chip import LEARNING_STEPS, chip_network
from neuro.models.predictive.columns import PredictiveColumns
from neuro.models.predictive.network import ColumnWeights, predictive_network

if BACKEND.available() is not True:
    pytest.skip(str(BACKEND.available()), allow_module_level=True)

K, M, N = 3, 4, 6
#: Modes, of which the one with many processes takes seconds.
ONE_IS_SLOW = ("fused", pytest.param("expanded", marks=pytest.mark.slow))


@dataclass
class Shown:
    """What two images, of which the second is learned, leave behind."""

    spikes: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
    arrays: dict[str, NDArray[np.floating]]


def shown(events: str, backend: str, **options: str) -> Shown:
    """Two images, each of them from the state before the first."""
    draw = np.random.default_rng(1)
    settings = PredictiveSettings(events=events, latents=M)
    weights = ColumnWeights(
        draw.normal(0, 0.3, (K, M, N)), draw.normal(0, 0.3, (K, N, M)), draw.random((K, M)) * 0.2
    )
    net = predictive_network(settings, weights, learning=True)
    net.record("A1", "spikes")
    spikes = []
    with nr.compile(net, backend, **options) as sim:
        fresh = sim.state()
        for gate in (np.zeros(K), np.array([0.0, 0.6, 0.3])):
            sim.restore(fresh)
            sim.set_values("A0", "rate", draw.random(N) * 0.9)
            sim.set_values("A0", "phase", draw.random(N))
            sim.set_values("A1", "v", np.tile(draw.random(M), K))
            spikes.append(sim.run_steps(settings.presentation, False).spikes("A1"))
            sim.set_values("A2", "gate", gate)
            spikes.append(sim.run_steps(1, False).spikes("A1"))
        variables = [("E0", "u"), ("E0", "es"), ("A1", "v"), ("A1", "zs"), ("novelty", "es")]
        variables += [(p, "w") for p in ("feedback", "feedforward", "prior")]
        arrays = {f"{o}.{v}": sim.values(o, v) for o, v in variables}
    learned = arrays["prior.w"].reshape(K, M) != weights.prior
    assert learned.any(axis=1).tolist() == [False, True, True]
    return Shown(spikes, arrays)


@pytest.mark.parametrize(
    ("mode", "events"),
    [
        ("fused", "graded"),
        ("expanded", "spiking"),
        pytest.param("fused", "spiking", marks=pytest.mark.slow),
        pytest.param("expanded", "graded", marks=pytest.mark.slow),
    ],
)
def test_a_pulse_of_learning_leaves_what_the_reference_leaves(mode: str, events: str) -> None:
    expected, found = shown(events, "reference"), shown(events, "lava", mode=mode)
    assert sum(len(units) for _, units in expected.spikes) > 40
    for (steps, units), (same_steps, same_units) in zip(
        expected.spikes, found.spikes, strict=True
    ):
        assert np.array_equal(steps, same_steps)
        assert np.array_equal(units, same_units)
    for name, values in expected.arrays.items():
        assert np.array_equal(values, found.arrays[name]), name


@pytest.fixture(scope="module")
def trained() -> tuple[PredictiveColumns, NDArray[np.floating], NDArray[np.integer]]:
    """Columns that torch trained on digits, and fifty images that they have not seen."""
    data = load("digits")
    images, labels = data.flat(data.train_images), data.train_labels
    model = PredictiveColumns(preset("digits", learner="pc"), 64, 10)
    for first in range(0, 10, 2):  # two classes after two
        some = np.flatnonzero(np.isin(labels, [first, first + 1]))[:100]
        for batch in some.reshape(-1, 20):
            model.learn(images[batch], labels[batch])
    return model, data.flat(data.test_images)[:50], data.test_labels[:50]


@pytest.mark.parametrize("mode", ONE_IS_SLOW)
def test_columns_trained_on_torch_answer_alike_on_lava(
    mode: str, trained: tuple[PredictiveColumns, NDArray[np.floating], NDArray[np.integer]]
) -> None:
    model, images, labels = trained
    elsewhere = model.on("lava", precision="float64", mode=mode).errors(images)
    # The bits of the reference, whose labels are those of torch (in float32) on 97 of 100.
    expected = model.on("reference", precision="float64")
    assert np.array_equal(elsewhere, expected.errors(images))
    answers = model.pool.label[model.pool.used][elsewhere.argmin(axis=1)]
    assert np.mean(answers == model.predict(images)) >= 0.97
    assert np.mean(answers == labels) > 0.8


@pytest.mark.parametrize("mode", ONE_IS_SLOW)
def test_learning_a_stream_of_images_on_lava_is_learning_it_on_the_reference(mode: str) -> None:
    data = load("digits")
    images, labels = data.flat(data.train_images)[:6], data.train_labels[:6]
    model = PredictiveColumns(
        PredictiveSettings(latents=6, columns=12), 64, 10, backend="reference", precision="float64"
    )
    elsewhere = model.on("lava", mode=mode)
    for one in (model, elsewhere):
        for i in range(6):
            one.learn(images[i : i + 1], labels[i : i + 1])
        one.learn(images[:2], labels[:2])  # classes that are known by now
    assert np.array_equal(model.pool.label, elsewhere.pool.label)
    assert model.pool.learned.sum() == elsewhere.pool.learned.sum() == 8
    for mine, other in zip(model.get_weights(), elsewhere.get_weights(), strict=True):
        assert np.array_equal(mine, other)


def chip_run(backend: str, **options: str) -> list[NDArray[np.float64]]:
    """Spikes and learned weights of two columns in their chip form, of which one learns."""
    draw = np.random.default_rng(3)
    weights = ColumnWeights(
        draw.normal(0, 0.3, (2, M, N)), draw.normal(0, 0.3, (2, N, M)), draw.random((2, M)) * 0.2
    )
    settings = PredictiveSettings(events="spiking", latents=M)
    net = chip_network(settings, weights)
    for k in range(2):
        net.record(f"A1_{k}", "spikes")
    with nr.compile(net, backend, 1e-3, **options) as sim:
        sim.set_values("A0", "rate", draw.random(N) * 0.9)
        sim.set_values("A0", "phase", draw.random(N))
        first = sim.run_steps(settings.presentation, False)
        sim.set_values("gate_1", "gate", 0.6)
        second = sim.run_steps(LEARNING_STEPS, False)
        spikes = [r.spikes(f"A1_{k}") for r in (first, second) for k in range(2)]
        found = [np.array(s) for s in spikes]
        found += [sim.weights(f"{p}_{k}") for k in range(2) for p in ("feedback", "prior")]
    before = weights.feedback
    assert np.array_equal(found[-4], before[0])
    assert not np.array_equal(found[-2], before[1])
    assert sum(s.shape[1] for s in found[:4]) > 20
    return found


@pytest.mark.parametrize("mode", ["fused", "expanded"])
def test_lavas_learning_engine_learns_feedback_and_prior(mode: str) -> None:
    expected = chip_run("reference")
    found = chip_run("lava", mode=mode, learning="loihi")
    for one, other in zip(expected[:4], found[:4], strict=True):
        assert np.array_equal(one, other)
    for one, other in zip(expected[4:], found[4:], strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-14)


def test_lavas_learning_engine_refuses_a_signed_trace() -> None:
    weights = ColumnWeights(np.zeros((1, M, N)), np.zeros((1, N, M)), np.zeros((1, M)))
    net = chip_network(PredictiveSettings(latents=M), weights, plastic=("feedforward",))
    with pytest.raises(nr.CompileError, match=r"E0_0\.held in .* without a sign"):
        nr.compile(net, "lava", 1e-3, learning="loihi")

"""The awake network and its sleep inside the protocol, on real digits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neuro.datasets import Dataset, load
from neuro.learning.continual import Consolidation, ContinualProtocol, Learner, SeedResult
from neuro.learning.presets import Preset, preset
from neuro.models.continual import MRNNLearner, SpikingSleep, run
from neuro.progress import Silent
from neuro.random import stream

# Written out, so that better presets do not move these tests.
SETTINGS = Preset(
    hidden=(100,),
    learning_rates=(0.166, 0.109),
    epochs=2,
    images_per_task=100,
    free_steps=12,
    nudged_steps=4,
    rate=89.7,
    increment=4.74e-5,
    decrement=0.00258,
    thresholds=(1.51, 0.345),
    decay=0.99,
    slope=0.0016,
    feedback_spikes=True,
    sleep_steps=60.0,
    sleep_growth=1 / 3,
)
PROTOCOL = ContinualProtocol(images_per_task=100)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def slept(digits: Dataset) -> SeedResult:
    return run(digits, SETTINGS, PROTOCOL, 1, sleep_backend="reference")


def learner(settings: Preset = SETTINGS, seed: int = 0) -> MRNNLearner:
    return MRNNLearner(settings, 64, 10, seed)


def trained(digits: Dataset, settings: Preset) -> MRNNLearner:
    network = learner(settings)
    images = digits.flat(digits.train_images)[:100]
    network.fit(images, digits.train_labels[:100], stream(0, "training"), Silent())
    return network


def test_follow_the_protocols() -> None:
    assert isinstance(learner(), Learner)
    assert isinstance(SpikingSleep(SETTINGS, "reference", (8, 8)), Consolidation)


def test_without_sleep_digits_are_forgotten(digits: Dataset) -> None:
    result = run(digits, SETTINGS, PROTOCOL, 0)
    matrix = np.array(result.accuracy_matrix)
    assert np.diag(matrix[0::2]).min() > 0.7  # each task is learned ...
    assert matrix[-1, :4].max() < 0.3  # ... and erases the earlier ones
    assert result.sleep == ()


def test_sleep_changes_weights_and_is_recorded(digits: Dataset, slept: SeedResult) -> None:
    assert [s.steps for s in slept.sleep] == [60, 80, 100, 120, 140]
    first = slept.sleep[0]
    assert first.sizes == (64, 100, 10)
    assert first.spikes_per_layer[0] > 50
    for count, (steps, units) in zip(first.spikes_per_layer, first.raster, strict=True):
        assert len(steps) == len(units) == count  # a sleep this short is kept whole
    matrix = np.array(slept.accuracy_matrix)
    assert not np.array_equal(matrix[0::2], matrix[1::2])


def test_same_seed_same_result_other_seed_other_result(digits: Dataset, slept: SeedResult) -> None:
    assert run(digits, SETTINGS, PROTOCOL, 1, sleep_backend="reference") == slept
    other = run(digits, SETTINGS, PROTOCOL, 2, sleep_backend="reference")
    assert other.accuracy_matrix != slept.accuracy_matrix
    assert other.sleep[0].raster != slept.sleep[0].raster


def test_joint_training_never_sleeps_and_learns_all(digits: Dataset) -> None:
    joint = replace(preset("digits", joint=True), epochs=6)
    result = run(digits, joint, ContinualProtocol(joint=True), 0, sleep_backend="reference")
    assert result.sleep == ()
    assert result.final_accuracy > 0.9


def test_a_preset_reaches_network_and_sleep(digits: Dataset) -> None:
    settings = replace(
        SETTINGS, hidden=(20, 15), learning_rates=(0.1,) * 3, thresholds=(1.0, 2.0, 3.0),
        free_steps=7, beta=0.25, rate=50.0, window=5, gate="hard", sleep_from=1,
    )  # fmt: skip
    network = learner(settings)
    assert network.model.sizes == (64, 20, 15, 10)
    assert network.model.settings.free_steps == 7 and network.model.settings.beta == 0.25
    night = SpikingSleep(settings, "reference", (8, 8))
    assert night.steps(0) == 0
    config = night.preset.sleep_config(2)
    assert (config.rate, config.window, config.gate, config.steps) == (50.0, 5, "hard", 100)
    assert config.thresholds == (1.0, 2.0, 3.0)


def test_sleep_leaves_its_weights_in_the_network(digits: Dataset) -> None:
    network = trained(digits, SETTINGS)
    before = network.model.get_weights()
    night = SpikingSleep(SETTINGS, "reference", (8, 8))
    mean = digits.flat(digits.train_images).mean(axis=0, dtype=np.float64)
    summary = night(network, 0, mean, 5, Silent())
    after = network.model.get_weights()
    assert summary.spikes_per_layer[1] > 0
    changed = (before[0] != after[0]).any(axis=0)
    fired = np.bincount(summary.raster[1][1], minlength=100) > 0
    # Only synapses onto units that fired may change.
    assert changed.any() and not changed[~fired].any()


def test_normalised_gains_use_the_largest_activity_seen(digits: Dataset) -> None:
    settings = replace(SETTINGS, normalise=True, gain_scale=5.0)
    network = trained(digits, settings)
    images = digits.flat(digits.train_images)[:100]
    expected = [layer.max() for layer in network.model.states(images)]
    assert network.activity_max == pytest.approx(expected)
    night = SpikingSleep(settings, "reference", (8, 8))
    mean = images.mean(axis=0, dtype=np.float64)
    assert night(network, 0, mean, 0, Silent()).steps == 60


@pytest.mark.parametrize(
    "target", ["numpy", pytest.param("cpp", marks=[pytest.mark.build, pytest.mark.slow])]
)
def test_the_whole_protocol_is_equal_on_every_backend(digits: Dataset, target: str) -> None:
    # Training between sleeps would blow up any difference: only equal bits end in equal bits.
    kept: dict[str, list[np.ndarray]] = {}
    results = {}
    for backend, options in (("reference", {}), ("brian2", {"target": target})):
        results[backend] = run(
            digits,
            SETTINGS,
            PROTOCOL,
            4,
            sleep_backend=backend,
            keep=lambda network, name=backend: kept.update({name: network.model.get_weights()}),
            **options,
        )
    ours, theirs = results["reference"], results["brian2"]
    assert min(ours.sleep[0].spikes_per_layer) > 0
    assert [s.raster for s in ours.sleep] == [s.raster for s in theirs.sleep]
    for a, b in zip(kept["reference"], kept["brian2"], strict=True):
        assert np.array_equal(a, b)
    assert ours.final_accuracy == theirs.final_accuracy

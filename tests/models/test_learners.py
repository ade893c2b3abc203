"""Every learner inside the protocol, awake and asleep, on real digits."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from neuro import datasets
from neuro.datasets import Dataset, load
from neuro.errors import DescriptionError
from neuro.learning.continual import ContinualProtocol, ScoringLearner, within_task
from neuro.learning.presets import REGULARISERS, Preset, preset
from neuro.learning.sleep import data_gains
from neuro.models import learners
from neuro.models.continual import SpikingSleep, run
from neuro.models.learners import LEARNERS, FeedForwardLearner, MRNNLearner
from neuro.progress import Silent
from neuro.random import stream


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def settings(learner: str, **changes: Any) -> Preset:
    return replace(preset("digits", learner=learner), **changes)


# A small network in which a task harms the ones before, also where the task is told.
CROWDED = {"hidden": (20, 20), "epochs": 60}


# --- the table -------------------------------------------------------------------------------


def test_every_preset_names_a_learner_and_a_regulariser_of_the_tables() -> None:
    assert set(REGULARISERS) == set(learners.REGULARISERS)
    for name, data, joint in product(LEARNERS, datasets.NAMES, (False, True)):
        found = preset(data, learner=name, joint=joint)
        assert (found.learner, found.regulariser) == (name, "none")
        assert isinstance(LEARNERS[name](found, 4, 2, 0), ScoringLearner)
    for name, data in product(REGULARISERS, datasets.NAMES):
        found = preset(data, learner="ff", regulariser=name)
        assert found.regulariser == name
        made = FeedForwardLearner(found, 4, 2, 0)
        assert made.model.loss in made.regulariser.losses
        assert preset(data, learner="ff", regulariser=name, joint=True).regulariser == "none"


def test_bptt_has_the_network_sizes_and_sleep_of_ep_and_goes_back_all_the_way() -> None:
    for data in datasets.NAMES:
        ep, bptt = preset(data), preset(data, learner="bptt")
        assert bptt == replace(ep, learner="bptt", nudged_steps=ep.free_steps)
    ours, theirs = (LEARNERS[n](preset("digits", learner=n), 64, 10, 3) for n in ("ep", "bptt"))
    for a, b in zip(ours.model.get_weights(), theirs.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_the_published_feed_forward_settings() -> None:
    p = preset("mnist", learner="ff")
    assert p.hidden == (1200, 1200) and p.images_per_task == 5000
    assert (p.learning_rates, p.momentum, p.dropout) == ((0.1,) * 3, 0.5, 0.25)
    assert (p.epochs, p.batch_size, p.initial_weights, p.loss) == (2, 100, 0.01, "mse")
    assert (p.rate, p.increment, p.decrement) == (239.515363, 0.032064, 0.003344)
    assert p.thresholds == (14.548273, 44.560317, 38.046326)
    assert (p.gain_scale, p.normalise, p.decay, p.slope) == (55.882454, True, 0.999, 0.001)
    assert p.window == 11 and p.gate == "sigmoid" and not p.feedback_spikes
    assert [p.steps(task) for task in range(5)] == [15000, 20000, 25000, 30000, 35000]
    fashion = preset("fashion-mnist", learner="ff")
    assert (fashion.rate, fashion.increment, fashion.decrement) == (181.047258, 0.041001, 0.003344)
    assert fashion.thresholds == (40.446884, 27.596929, 33.109393)
    assert fashion.gain_scale == 31.592987


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"learner": "svm"}, "no learner 'svm'; there are ep, bptt, ff"),
        ({"learner": "ff", "regulariser": "l2"}, "no regulariser 'l2'; there are none, ewc, si"),
        ({"learner": "bptt", "regulariser": "ewc"}, "goes with learner 'ff' only, not 'bptt'"),
        ({"regulariser": "si"}, "'si' goes with learner 'ff' only, not 'ep'"),
    ],
)
def test_what_does_not_exist(names: dict[str, str], message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        preset("digits", **names)


@pytest.mark.parametrize(
    ("learner", "change", "message"),
    [
        ("ff", {"free_steps": 5}, "free_steps means nothing to learner 'ff'; .* ep, bptt"),
        ("bptt", {"beta": 0.1}, "beta means nothing to learner 'bptt'; it is a setting of ep"),
        ("ep", {"dropout": 0.5}, "dropout means nothing to learner 'ep'; it is a setting of ff"),
        ("ep", {"learner": "ff"}, "for learner 'ep', not 'ff'; .*--learner ff"),
        ("ff", {"regulariser": "si"}, "for regulariser 'none', not 'si'; .*--regulariser si"),
    ],
)
def test_settings_without_effect_are_refused(
    learner: str, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DescriptionError, match=message):
        preset("digits", learner=learner).with_values(change)


def test_settings_left_as_they_are_may_be_named() -> None:
    # As a file from a search does, which holds every setting.
    base = preset("digits", learner="ff")
    assert base.with_values({**base.to_json(), "rate": 12.0}) == replace(base, rate=12.0)


def test_only_the_feed_forward_network_can_be_told_the_task(digits: Dataset) -> None:
    for name in ("ep", "bptt"):
        with pytest.raises(DescriptionError, match=f"'{name}' cannot be told the task"):
            run(digits, settings(name), ContinualProtocol(scenario="task"), 0)
    with pytest.raises(DescriptionError, match="scenario is 'domain'"):
        ContinualProtocol(scenario="domain")


# --- awake -----------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", ["ep", "bptt", "ff"])
def test_every_learner_learns_each_task_and_forgets_it(digits: Dataset, learner: str) -> None:
    result = run(digits, settings(learner), ContinualProtocol(), 0)
    matrix = np.array(result.accuracy_matrix)
    assert np.diag(matrix[0::2]).min() > 0.75
    assert 0.15 < result.final_accuracy < 0.25


@pytest.mark.parametrize("learner", ["ep", "bptt", "ff"])
def test_every_learner_learns_all_at_once_and_with_rehearsal(
    digits: Dataset, learner: str
) -> None:
    joint = replace(preset("digits", learner=learner, joint=True), epochs=10)
    assert run(digits, joint, ContinualProtocol(joint=True), 0).final_accuracy > 0.9
    rehearsed = run(digits, settings(learner), ContinualProtocol(rehearsal=0.2), 0)
    assert rehearsed.final_accuracy > 0.5


def test_bptt_is_not_ep(digits: Dataset) -> None:
    images, labels = digits.flat(digits.train_images)[:60], digits.train_labels[:60]
    made = {n: LEARNERS[n](settings(n, epochs=1), 64, 10, 0) for n in ("ep", "bptt")}
    before = made["ep"].model.get_weights()
    steps = []
    for learner in made.values():
        learner.fit(images, labels, stream(0, "training"), Silent())
        steps.append(learner.model.get_weights()[0] - before[0])
    cosine = (steps[0] * steps[1]).sum() / np.prod([np.linalg.norm(s) for s in steps])
    assert 0.8 < cosine < 0.9999  # the same loss goes down, by another gradient


# --- asleep ----------------------------------------------------------------------------------


def trained(digits: Dataset, learner: str, **changes: Any) -> Any:
    made = LEARNERS[learner](settings(learner, **changes), 64, 10, 0)
    images, labels = digits.flat(digits.train_images)[:200], digits.train_labels[:200]
    made.fit(images, labels, stream(0, "training"), Silent())
    return made, images


@pytest.mark.parametrize("learner", ["bptt", "ff"])
def test_sleep_brings_back_what_was_forgotten(digits: Dataset, learner: str) -> None:
    awake = run(digits, settings(learner), ContinualProtocol(), 0)
    slept = run(digits, settings(learner), ContinualProtocol(), 0, sleep_backend="reference")
    assert slept.final_accuracy > awake.final_accuracy + 0.1


def test_sleep_of_the_feed_forward_network_uses_the_largest_activity_in_test_mode(
    digits: Dataset,
) -> None:
    network, images = trained(digits, "ff", dropout=0.25)
    expected = [layer.max() for layer in network.model.states(images)]
    assert network.activity_max == pytest.approx(expected)
    weights = network.model.get_weights()
    assert all(g > 0 for g in data_gains(weights, network.activity_max))
    dim = images * 0.5
    network.fit(dim, np.zeros(200, np.int64), stream(0, "again"), Silent())
    assert all(a >= b for a, b in zip(network.activity_max, expected, strict=True))


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("brian2", {"target": "numpy"}),
        ("native", {}),
        pytest.param(
            "brian2", {"target": "cpp"}, marks=[pytest.mark.build, pytest.mark.slow]
        ),
        ("torch", {}),
    ],
)
def test_sleep_of_the_feed_forward_network_is_equal_on_every_backend(
    digits: Dataset, backend: str, options: dict[str, Any]
) -> None:
    after = []
    for name, more in (("reference", {}), (backend, options)):
        network, images = trained(digits, "ff", epochs=3, sleep_steps=150.0)
        night = SpikingSleep(network.preset, name, (8, 8), more)
        summary = night(network, 0, images.mean(axis=0, dtype=np.float64), 5, Silent())
        assert min(summary.spikes_per_layer[:3]) > 0
        after.append(network.model.get_weights())
    for ours, theirs in zip(*after, strict=True):
        assert np.array_equal(ours, theirs)


# --- regularisers ----------------------------------------------------------------------------


def test_within_task_answers_with_a_class_of_the_images_task() -> None:
    scores = np.array([[0.9, 0.1, 1.0, 2.0], [0.1, 0.2, 9.0, 0.0], [5.0, 0.0, 0.1, 0.2]])
    answers = within_task(scores, np.array([1, 0, 2]), ((0, 1), (2, 3)))
    assert answers.tolist() == [0, 1, 3]


def told(digits: Dataset, regulariser: str, **changes: Any) -> float:
    p = replace(preset("digits", learner="ff", regulariser=regulariser), **CROWDED, **changes)
    return run(digits, p, ContinualProtocol(scenario="task"), 0).final_accuracy


@pytest.mark.parametrize(
    ("regulariser", "strength"), [("ewc", 100.0), ("si", 1.0), ("lwf", 0.3)]
)
def test_regularisers_keep_tasks_that_are_told(
    digits: Dataset, regulariser: str, strength: float
) -> None:
    assert told(digits, regulariser, strength=strength) >= 0.95


def test_without_regulariser_told_tasks_are_harmed(digits: Dataset) -> None:
    # What makes the test above one that can fail: the same network with nothing to protect it.
    assert told(digits, "ewc", strength=0.0) < 0.92


@pytest.mark.parametrize("regulariser", ["ewc", "si"])
def test_regularisers_do_not_help_where_the_task_is_not_told(
    digits: Dataset, regulariser: str
) -> None:
    p = preset("digits", learner="ff", regulariser=regulariser)
    assert 0.1 < run(digits, p, ContinualProtocol(), 0).final_accuracy < 0.35


def test_a_regulariser_of_strength_0_changes_nothing(digits: Dataset) -> None:
    protocol = ContinualProtocol(images_per_task=40)
    plain = replace(preset("digits", learner="ff", regulariser="si"), regulariser="none", epochs=3)
    for name in ("si", "lwf"):
        with_it = replace(plain, regulariser=name, strength=0.0)
        assert run(digits, with_it, protocol, 0) == run(digits, plain, protocol, 0)


def test_mrnn_learner_is_still_where_it_was() -> None:
    from neuro.models import continual

    assert continual.MRNNLearner is MRNNLearner

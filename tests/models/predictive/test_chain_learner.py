"""The chain of areas in the protocol of continual learning."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from neuro.datasets import load
from neuro.errors import DescriptionError
from neuro.learning.chain_settings import ChainSettings
from neuro.learning.continual import ContinualProtocol
from neuro.learning.presets import preset
from neuro.models.continual import run
from neuro.models.learners import LEARNERS
from neuro.models.predictive.chain_learner import ChainLearner
from neuro.progress import Silent

SMALL = ChainSettings(hidden=(24,), presentation=24, batch_size=10, learning_rate=0.1)


def test_it_is_registered_and_its_settings_go_through_json() -> None:
    made = preset("digits", learner="pc-chain")
    assert isinstance(made, ChainSettings)
    assert LEARNERS["pc-chain"] is ChainLearner
    assert ChainSettings().with_values(json.loads(json.dumps(made.to_json()))) == made
    assert made.with_values({"hidden": [5, 4, 3]}).hidden == (5, 4, 3)


def test_it_learns_two_classes_of_digits_in_one_pass_and_the_same_every_time() -> None:
    data = load("digits")
    chosen = data.train_labels < 2
    images, labels = data.flat(data.train_images[chosen]), data.train_labels[chosen]
    answers = []
    for _ in range(2):
        made = ChainLearner(SMALL, 64, 10, seed=2)
        made.fit(images[:160], labels[:160], np.random.default_rng(0), Silent())
        answers.append(made.predict(images[160:]))
        assert made.model.seen == 160
    np.testing.assert_array_equal(*answers)
    assert (answers[0] == labels[160:]).mean() > 0.9


def test_in_sequence_it_forgets_and_says_what_it_cost() -> None:
    protocol = ContinualProtocol(images_per_task=120)
    found = run(load("digits"), SMALL, protocol, seed=0)
    first = [row[0] for row in found.accuracy_matrix]
    assert first[0] > 0.8 > found.final_accuracy > 0.2
    assert first[-1] < first[0]
    memory = found.measures["memory_bytes"]
    assert memory["weights"] == 4 * 2 * (64 * 24 + 24 * 10)
    assert memory["total"] == sum(v for k, v in memory.items() if k != "total")
    # Every event of the image's 64 units meets one synapse, an error unit's below 24 of them.
    operations = found.measures["synaptic_operations_per_sample"]
    assert operations > 24 * 0.5 * found.measures["error_events_per_sample"] > 0
    assert 0 < found.measures["spikes_per_sample"] < 24 * (64 + 24 + 10)
    json.dumps(found.measures)


def test_a_learner_that_has_answered_nothing_knows_no_work() -> None:
    found = ChainLearner(SMALL, 16, 2, seed=0).measures()
    assert found["spikes_per_sample"] is None
    assert found["memory_bytes"]["weights"] == 4 * 2 * (16 * 24 + 24 * 2)


def test_told_tasks_and_regularisers_are_refused() -> None:
    with pytest.raises(DescriptionError, match="'pc-chain' is never told the task"):
        ChainLearner(SMALL, 4, 2, 0, heads=[[0], [1]])
    with pytest.raises(DescriptionError, match="no regulariser 'ewc'"):
        preset("mnist", learner="pc-chain", regulariser="ewc")


def test_the_rate_falls_with_samples_to_its_floor() -> None:
    settings = replace(SMALL, learning_rate=0.4, rate_samples=100.0, rate_floor=0.1)
    assert [settings.rate(n) for n in (0, 300, 10_000)] == [0.4, 0.2, 0.1]

"""Sleep of the chain of areas: what goes into the sleeping network, and what comes back."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from neuro.datasets import load
from neuro.learning.chain_settings import ChainSettings
from neuro.learning.continual import Consolidation, ContinualProtocol
from neuro.learning.sleep import sleep
from neuro.models.predictive.chain_learner import ChainLearner
from neuro.models.predictive.sleep import ChainSleep, main, outcome
from neuro.progress import Silent

SMALL = ChainSettings(
    hidden=(12, 8), presentation=16, batch_size=10, initial_weights=0.2, error_gain=3.0
)
NIGHT = ChainSleep(
    duration=60, growth=0.5, rate=300, increment=1e-3, decrement=5e-4, slope=0.2, threshold=0.5
)


def learner(seed: int = 1, **changes: Any) -> ChainLearner:
    return ChainLearner(replace(SMALL, **changes), 64, 10, seed)


def test_both_directions_change_by_what_the_sleep_of_the_feed_forward_weights_changes() -> None:
    made, mean = learner(), np.linspace(0.2, 1.0, 64)
    before = {name: w.copy() for name, w in made.model.weights.items()}
    assert isinstance(NIGHT, Consolidation)
    summary = NIGHT(made, 1, mean, 5, Silent())
    config = NIGHT.config(1, SMALL)
    # Half of what units need awake, where errors reach them with gains 3, 6 and 6.
    assert config.thresholds == pytest.approx((0.5 / 3, 0.5 / 6, 0.5 / 6))
    assert (config.steps, config.decay) == (90, SMALL.latent_decay)
    expected = sleep([before[f"F{i}"] for i in range(3)], mean, config, seed=5)
    assert list(summary.spikes_per_layer) == expected.spikes_per_layer
    assert min(summary.spikes_per_layer) > 0
    for i, new in enumerate(expected.weights):
        change = new - before[f"F{i}"]
        assert np.abs(change).max() > 1e-4
        found_up, found_down = made.model.weights[f"F{i}"], made.model.weights[f"W{i}"]
        assert found_up.dtype == found_down.dtype == np.float32
        np.testing.assert_allclose(found_up - before[f"F{i}"], change, atol=1e-6)
        np.testing.assert_allclose(found_down - before[f"W{i}"], change.T, atol=1e-6)


def test_without_input_nothing_changes_and_what_slept_still_answers() -> None:
    made = learner()
    before = {name: w.copy() for name, w in made.model.weights.items()}
    NIGHT(made, 0, np.zeros(64), 5, Silent())
    for name, w in made.model.weights.items():
        np.testing.assert_array_equal(w, before[name])
    image = np.ones((2, 64), np.float32)
    answers = made.scores(image)
    NIGHT(made, 0, np.ones(64), 5, Silent())
    assert not np.array_equal(made.model.weights["F0"], before["F0"])
    assert made.scores(image).shape == answers.shape


def test_the_control_replays_the_same_pixels_elsewhere() -> None:
    mean = np.zeros(64)
    mean[:8] = 1.0
    real, control = (learner() for _ in range(2))
    start = real.model.weights["F0"]
    counts = [
        replace(NIGHT, shuffled=shuffled)(one, 0, mean, 5, Silent()).spikes_per_layer[0]
        for one, shuffled in ((real, False), (control, True))
    ]
    assert counts[1] == pytest.approx(counts[0], rel=0.2)
    raised = [set(np.flatnonzero((one.model.weights["F0"] > start).any(axis=1)))
              for one in (real, control)]  # fmt: skip
    assert raised[0] == set(range(8))
    assert len(raised[1]) == 8
    assert raised[1] != raised[0]


def test_a_sequence_with_sleep_and_without() -> None:
    data = load("digits")
    protocol = ContinualProtocol(images_per_class=20, test_images=60)
    settings = ChainSettings(hidden=(24,), presentation=24, batch_size=10, learning_rate=0.2)
    alone, slept, again = (
        outcome(ChainLearner(settings, 64, 10, 3), data, protocol, night, 3)
        for night in (None, NIGHT, NIGHT)
    )
    assert alone.final > 0.15
    assert alone.awake == alone.final
    assert alone.again != alone.final
    assert asdict(slept) == asdict(again)
    assert slept != alone
    assert all(0 <= value <= 1 for name, value in asdict(slept).items() if "transfer" not in name)


def test_the_command_prints_both_conditions(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--dataset", "digits", "--seeds", "0", "--images-per-class", "4"]
    main([*options, "--test-images", "20", "--set", "duration=30", "--set", "rate=200"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| | awake | final | new | again | backward transfer |"
    assert [line.split("|")[1].strip() for line in lines[2:]] == [
        "alone",
        "sleep",
        "shuffled sleep",
    ]

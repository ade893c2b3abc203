"""The three tasks of offline reactivation: what is told, what is true, and how cells code it."""

import numpy as np
import pytest
from scipy.special import i0, i1

from neuro.errors import DescriptionError
from neuro.models.reactivation.tasks import (
    TURN,
    AnchoredHeadDirection,
    HeadDirection,
    Position,
)
from neuro.random import stream


def draw(*counters):
    return stream(5, "test", *counters)


TASKS = [
    HeadDirection(36),
    HeadDirection(36, biased=True),
    AnchoredHeadDirection(36),
    Position(60),
    Position(60, biased=True),
]


@pytest.mark.parametrize("task", TASKS)
def test_changes_lead_from_each_state_to_the_next(task):
    made = task.trajectories(7, 30, draw(0))
    assert made.inputs.shape == (30, 7, task.inputs)
    changes = made.inputs if task.inputs == 2 else made.inputs[..., 0]
    there = made.start + np.cumsum(changes, axis=0)
    assert task.space.errors(made.states, there) == pytest.approx(0, abs=1e-12)
    again = task.trajectories(7, 30, draw(0))
    assert np.array_equal(again.states, made.states)


def test_turns_have_the_deviation_of_the_paper_and_a_bias_makes_them_positive():
    assert pytest.approx(0.2304) == TURN
    turns = HeadDirection(8).trajectories(2000, 50, draw(0)).inputs
    assert turns.std() == pytest.approx(0.2304, rel=0.01)
    assert turns.mean() == pytest.approx(0, abs=0.005)
    biased = HeadDirection(8, biased=True).trajectories(2000, 50, draw(0)).inputs
    assert np.array_equal(biased, np.abs(turns))


def test_anchored_headings_are_stationary_around_the_anchor():
    made = AnchoredHeadDirection(8).trajectories(20_000, 40, draw(0))
    for angles in (made.start, made.states[0], made.states[-1]):
        mean = np.exp(1j * angles).mean()
        assert abs(mean) == pytest.approx(i1(1.9) / i0(1.9), abs=0.02)
        assert np.angle(mean) == pytest.approx(0, abs=0.03)


def test_walks_keep_near_the_box_and_a_pull_gathers_them():
    free = Position(8).trajectories(2000, 100, draw(0))
    half = Position.side / 2
    assert np.mean(np.abs(free.states) > half) < 0.1
    assert np.abs(free.states).max() < half + 0.5
    # Uniform in the box: 0.807 m^2 in all; walls are overstepped a little.
    assert 0.78 < free.states.reshape(-1, 2).var(axis=0).sum() < 0.95
    pulled = Position(8, biased=True).trajectories(2000, 100, draw(0))
    assert pulled.states[50:].reshape(-1, 2).var(axis=0).sum() < 0.25
    steps = np.linalg.norm(free.inputs, axis=-1)
    inside = np.abs(free.states[:-1]).max(axis=-1) < half - 0.2
    # Mean of a Rayleigh law with scale 0.26 pi m/s, in 20 ms.
    mean = 0.26 * np.pi * np.sqrt(np.pi / 2) * 0.02
    assert steps[1:][inside].mean() == pytest.approx(mean, rel=0.02)


def test_a_wall_ahead_slows_down_and_turns_along_itself():
    task = Position(8)
    place = np.array([[1.09, 0.0], [1.09, 0.0], [0.0, -1.09], [0.0, 0.0], [1.09, 0.0]])
    heading = np.array([0.5, -0.5, -np.pi / 2 + 0.2, 0.0, np.pi])
    slower, turn = task._at_wall(place, heading)
    assert slower.tolist() == [0.25, 0.25, 0.25, 1.0, 1.0]
    after = heading + turn
    assert after[:3] == pytest.approx([np.pi / 2, -np.pi / 2, 0.0])
    assert turn[3:].tolist() == [0, 0]


def test_cells_peak_where_they_prefer_to_be():
    head, place = HeadDirection(40), Position(50)
    at = head.code(head.preferred)
    assert at.diagonal().numpy() == pytest.approx(1.0)
    assert at.argmax(1).tolist() == list(range(40))
    assert head.code(np.pi)[0] == pytest.approx(1.0, abs=1e-6)  # -pi and pi are one angle
    code = place.code(place.places)
    assert code.sum(1).numpy() == pytest.approx(1.0, abs=1e-5)
    there = draw(0).uniform(-1, 1, 2)
    exact = np.exp(-np.square(place.places - there).sum(1) / (2 * 0.2**2))
    assert place.code(there).numpy() == pytest.approx(exact / exact.sum(), abs=1e-6)
    assert np.array_equal(Position(50, biased=True).places, place.places)
    assert not np.array_equal(Position(50, seed=1).places, place.places)


def test_what_was_coded_is_decoded():
    head = HeadDirection(64)
    angles = draw(0).uniform(-np.pi, np.pi, (20, 30))
    assert head.space.errors(head.decode(head.code(angles)), angles).max() < 1.5 * np.pi / 64
    place = Position(400)
    there = draw(1).uniform(-1, 1, (500, 2))
    assert place.space.errors(place.decode(place.code(there)), there).mean() < 0.08


def test_too_few_cells_are_refused():
    with pytest.raises(DescriptionError, match="HeadDirection cells: 2; at least 3"):
        HeadDirection(2)

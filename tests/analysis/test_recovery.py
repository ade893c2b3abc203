"""Replay against recovery: planted relations are found, those of whole sleeps are not."""

from types import SimpleNamespace

import numpy as np
import pytest

from neuro.analysis import Confusion, recovery
from neuro.errors import DescriptionError
from neuro.random import stream

CLASSES = 6


def draw(*counters):
    return stream(9, "test", *counters)


def sleep(task, replayed, gained, newest=2):
    """A sleep after a task of two classes, in which some images of old classes are won back."""
    seen = 2 * (task + 1)
    before = np.full((CLASSES, CLASSES), 10)
    after = before.copy()
    for c, gain in enumerate(gained):
        after[c, c] += gain
        after[c, (c + 1) % CLASSES] -= gain
    replay = SimpleNamespace(classes=np.arange(seen), correlation=np.array(replayed, float))
    return SimpleNamespace(
        newest=np.array([seen - 2, seen - 1]),
        before=Confusion(before),
        after=Confusion(after),
        layers=(SimpleNamespace(reactivation=replay),),
    )


def runs(slope, noise, sleeps=40, offset=0.0):
    made = []
    for number in range(sleeps):
        generator = draw(number)
        replayed = generator.random(6)
        level = generator.normal() * offset
        wanted = slope * (replayed - replayed[:4].mean()) * 8 + noise * generator.normal(size=6)
        gained = np.rint(wanted + level * 5).clip(-9, 9).astype(int)
        made.append([sleep(2, replayed + level, gained)])
    return made


@pytest.mark.parametrize("slope", [1.0, -1.0])
def test_a_planted_relation_is_found_with_its_sign(slope):
    found = recovery(runs(slope, 0.5), shuffles=499, stream=draw(1))
    assert found.correlation * slope > 0.8
    assert found.p_value == 1 / 500
    assert abs(found.correlation) > found.chance
    assert len(found.sleep) == 4 * 40  # the newest classes are none of it


def test_what_only_sleeps_have_in_common_is_no_relation_of_classes():
    found = recovery(runs(0.0, 1.0, offset=1.0), shuffles=499, stream=draw(1))
    assert np.corrcoef(found.replayed, found.recovered)[0, 1] > 0.6
    assert abs(found.correlation) < 0.25
    x, y = found.deviations
    for number in range(40):
        assert x[found.sleep == number].mean() == pytest.approx(0, abs=1e-12)
        assert y[found.sleep == number].mean() == pytest.approx(0, abs=1e-12)


def test_p_values_of_chance_are_uniform():
    values = [
        recovery(runs(0.0, 2.0, sleeps=5 + i % 3)[: 4 + i % 4], shuffles=99, stream=draw(i)).p_value
        for i in range(4)
    ]
    assert max(values) > 0.05


def test_recovery_is_in_parts_of_the_images_of_a_class():
    found = recovery([[sleep(1, [0.1, 0.5, 0, 0], [3, -6, 0, 0])]], shuffles=9, stream=draw(1))
    assert found.recovered.tolist() == pytest.approx([3 / 60, -6 / 60])
    assert found.replayed.tolist() == [0.1, 0.5]
    assert found.correlation == pytest.approx(-1)


def test_without_two_earlier_classes_there_is_nothing_to_compare():
    first = sleep(0, [0.1, 0.2], [0, 0])
    with pytest.raises(DescriptionError, match="no sleep came after two earlier classes"):
        recovery([[first]], stream=draw(1))
    with pytest.raises(DescriptionError, match="layer 3; the runs have 1"):
        recovery([[first]], layer=3, stream=draw(1))

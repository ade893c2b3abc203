"""Class-incremental digits: predictive columns remember, a surrogate-gradient network does not."""

import pytest

import neuro as nr
from neuro.learning.presets import preset
from neuro.learning.protocol import ContinualProtocol
from neuro.models.continual import run


@pytest.fixture(scope="module")
def digits():
    return nr.datasets.load("digits")


def learned(digits, learner, seed=0, **changes):
    protocol = ContinualProtocol(images_per_class=100, class_order="shuffled", **changes)
    joint = changes.get("joint", False)
    return run(digits, preset("digits", learner=learner, joint=joint), protocol, seed)


def test_columns_remember_what_a_surrogate_gradient_forgets(digits):
    """Bar B1 of the specification, on the test set of the data set (36 images a class)."""
    found = learned(digits, "pc")
    assert found.final_accuracy >= 0.93
    assert found.backward_transfer >= -0.04
    assert learned(digits, "sg").final_accuracy <= 0.35


def test_the_order_of_classes_does_not_matter(digits):
    """Bar B5: no interference; on few test images, so the margin is wider than there."""
    sequential, joint = learned(digits, "pc"), learned(digits, "pc", joint=True)
    assert abs(sequential.final_accuracy - joint.final_accuracy) <= 0.03

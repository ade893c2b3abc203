"""PyNN on neuro, and PyNN on Brian2 as the oracle."""

import logging

import numpy as np
import pytest

pytest.importorskip("pyNN")


@pytest.fixture
def sim():
    """``neuro.pynn``; whatever a test leaves running is closed."""
    import neuro.pynn

    yield neuro.pynn
    neuro.pynn.setup()


@pytest.fixture(scope="module")
def oracle():
    """``pyNN.brian2`` without a compiler and without its remarks on methods."""
    import brian2
    import pyNN.brian2

    before, logger = brian2.prefs.codegen.target, logging.getLogger("brian2")
    level = logger.level
    brian2.prefs.codegen.target = "numpy"
    logger.setLevel(logging.ERROR)
    yield pyNN.brian2
    brian2.prefs.codegen.target = before
    logger.setLevel(level)


@pytest.fixture
def recorded():
    """Spike trains (ms) and signals of a population: (list of arrays, dict of arrays)."""

    def read(population, segment=0):
        found = population.get_data().segments[segment]
        trains = [np.asarray(train.magnitude, float) for train in found.spiketrains]
        return trains, {s.name: np.asarray(s.magnitude) for s in found.analogsignals}

    return read

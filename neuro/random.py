"""Random numbers as data: counter-based streams keyed by seed, name and counters.

Every random array of neuro (connectivity, Poisson spikes, initial weights, shuffles) comes from
here, so the same seed gives the same numbers on every backend, device and machine, whatever
else was drawn before.
"""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, name: str, *counters: int) -> np.random.Generator:
    """An independent random generator for one purpose.

    Parameters
    ----------
    seed : int
        Seed of the network or experiment.
    name : str
        What the numbers are for, e.g. the name of a population.
    *counters : int
        Further keys, e.g. a block of time steps or the number of a task.

    Returns
    -------
    numpy.random.Generator
        A Philox generator (Salmon et al. 2011) keyed by all arguments: equal arguments give
        equal numbers, different ones independent numbers.
    """
    text = "\0".join([str(int(seed)), name, *(str(int(c)) for c in counters)])
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    key = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    return np.random.Generator(np.random.Philox(key=key))

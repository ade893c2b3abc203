"""Judging settings for a search: their accuracy on validation images, in any process."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from neuro.datasets import Dataset, load
from neuro.errors import DatasetError
from neuro.learning.continual import ContinualProtocol
from neuro.learning.presets import Preset


@dataclass(frozen=True)
class Judge:
    """Runs the continual-learning job with one thread.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    data_root : str or None
        Where to look for it first, see :func:`neuro.datasets.load`.
    data_fingerprint : str
        Of the data set that is meant: another process may find another.
    protocol : ContinualProtocol
        Tasks, rehearsal; ``evaluate_on`` is ``"validation"``, lest the test set chooses.
    sleep : str
        Backend of the sleep.
    """

    dataset: str
    data_root: str | None
    data_fingerprint: str
    protocol: ContinualProtocol
    sleep: str

    def __call__(self, candidate: Preset, seed: int) -> float:
        """Final accuracy of settings with one seed."""
        from threadpoolctl import threadpool_limits

        from neuro.models.continual import run  # its libraries must be there to be limited

        with threadpool_limits(1):
            return run(
                _data(self.dataset, self.data_root, self.data_fingerprint),
                candidate,
                self.protocol,
                seed,
                sleep_backend=self.sleep,
            ).final_accuracy


@functools.lru_cache(maxsize=1)
def _data(name: str, root: str | None, fingerprint: str) -> Dataset:
    data = load(name, root)
    if data.fingerprint() != fingerprint:
        raise DatasetError(
            f"data set {name!r} ({data.source or name}) changed while it was searched on"
        )
    return data

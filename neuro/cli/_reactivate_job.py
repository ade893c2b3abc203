"""What ``neuro reactivate`` runs: seeds in worker processes, kept as they finish."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neuro.analysis.stored import to_json
from neuro.cli._errors import InterruptedJobError
from neuro.cli._plan import Planned
from neuro.errors import JobError
from neuro.learning.reactivation_settings import ReactivationSettings
from neuro.models.reactivation.experiment import BIASES, SeedOutcome, run_seed
from neuro.models.reactivation.spiking import Pools, spiking_network
from neuro.models.reactivation.training import make_network, make_task
from neuro.progress import Bar
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder, key_of
from neuro.workers import Done, Said, each, report

FINISHED = ("metrics.json", "report.html")
"""Files whose presence says that the job is complete."""

REPORT_EVERY = 20
"""Batches between two reports of a worker."""


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes
    ----------
    settings : ReactivationSettings
    bias : {"unbiased", "biased", "both"}
    spiking : str or None
        Backend that runs the networks in spikes as well.
    pools : {"integrate", "stochastic"}
        Their cells.
    seeds : tuple of int
    device : str
    """

    settings: ReactivationSettings
    bias: str
    spiking: str | None
    pools: str
    seeds: tuple[int, ...]
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.bias not in BIASES:
            raise JobError(f"--bias {self.bias!r} is unknown; choose {', '.join(BIASES)}")
        for biased in BIASES[self.bias]:  # what does not fit shows now
            task = make_task(self.settings, biased=biased, seed=0)
        if self.spiking is not None:
            if self.settings.noise_kind != "gaussian":
                raise JobError(
                    f"--spiking has noise of mean 0, not {self.settings.noise_kind}; leave out one"
                    " of --spiking and --noise"
                )
            untrained = make_network(self.settings, task, 0, "cpu")
            spiking_network(untrained, pools=Pools(kind=self.pools))
        elif self.pools != "integrate":
            raise JobError(f"--pools {self.pools}: cells of networks in spikes; add --spiking")

    @property
    def batches(self) -> int:
        """Of training, for one seed."""
        return 2 * len(BIASES[self.bias]) * self.settings.batches

    def facts(self) -> dict[str, object]:
        """What a person wants to know of the job before it runs, by name."""
        settings = self.settings.to_json()
        return {
            "training": f"{self.batches} batches a seed",
            "in spikes": self.spiking or "no",
            "settings": ", ".join(f"{name}={value}" for name, value in settings.items()),
        }

    def to_json(self) -> dict[str, Any]:
        """What influences the result of a seed."""
        return {
            "settings": self.settings.to_json(),
            "bias": self.bias,
            "spiking": self.spiking,
            "pools": self.pools,
            "device": self.device,
            "code": code_fingerprint(),
            "versions": versions(),
        }


@dataclass(frozen=True)
class _Item:
    """One seed."""

    request: Request
    seed: int
    checkpoints: Path


class _Reported:
    """A meter that reports to the process that has this worker."""

    def __init__(self) -> None:
        self._waiting = 0

    def advance(self, amount: int = 1) -> None:
        self._waiting += amount
        if self._waiting >= REPORT_EVERY:
            report(self._waiting)
            self._waiting = 0


def _work(item: _Item) -> SeedOutcome:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return run_seed(
            item.request.settings,
            item.seed,
            bias=item.request.bias,
            spiking=item.request.spiking,
            pools=item.request.pools,
            device=item.request.device,
            progress=_Reported(),
            checkpoints=item.checkpoints,
        )


def place(request: Request, out: Path | None, *, make: bool = True) -> RunFolder:
    """The folder of a request: the one given, or its usual one."""
    usual = f"reactivate-{request.settings.task}"
    if request.bias == "biased":
        usual += "-biased"
    return RunFolder(out or Path("results") / usual, make=make)


def planned(request: Request, folder: RunFolder) -> list[Planned]:
    """What :func:`run` would run, and what it would find finished."""
    key = key_of(request.to_json())
    kept = [seed for seed in request.seeds if _kept(folder, key, seed)]
    return [Planned("seeds", len(request.seeds), len(kept))]


def open_folder(request: Request, out: Path | None) -> RunFolder:
    """The folder of a request, without what an earlier job wrote at its end."""
    folder = place(request, out)
    folder.begin(*FINISHED)
    folder.write_json(
        "config.json", {"job": "reactivate", **request.to_json(), "seeds": list(request.seeds)}
    )
    return folder


def run(
    request: Request, folder: RunFolder, jobs: int, *, say: Callable[[str], None]
) -> list[SeedOutcome]:
    """Run the seeds that the folder does not hold.

    Parameters
    ----------
    request : Request
    folder : RunFolder
    jobs : int
        Processes.
    say : callable
        Called with a line of text after every seed.

    Raises
    ------
    JobError
        If a seed failed; the others are kept.
    InterruptedJobError
        On Ctrl-C; finished seeds are kept, and of others the training so far.
    """
    key = key_of(request.to_json())
    unfinished = folder.path / "unfinished" / key
    found = {seed: kept for seed in request.seeds if (kept := _kept(folder, key, seed))}
    items = [_Item(request, s, unfinished / str(s)) for s in request.seeds if s not in found]
    failed: dict[int, Exception] = {}
    try:
        with (
            Bar(request.batches * len(items), "training", "batch") as bar,
            closing(each(_work, items, jobs)) as events,
        ):
            for event in events:
                if isinstance(event, Said):
                    bar.advance(event.what)
                elif isinstance(event, Done):
                    seed = event.item.seed
                    if event.error is not None:
                        failed[seed] = event.error
                        say(f"seed {seed} failed: {event.error}")
                        continue
                    found[seed] = event.result
                    folder.store(key, seed, to_json(event.result.measures), event.result.arrays)
                    shutil.rmtree(event.item.checkpoints, ignore_errors=True)
                    say(_line(seed, event.result))
    except KeyboardInterrupt:
        raise InterruptedJobError(
            f"interrupted; {len(found)} of {len(request.seeds)} seeds are finished and kept in"
            f" {folder.path}: the same command continues there"
        ) from None
    if failed:
        seed, error = next(iter(failed.items()))
        raise JobError(f"{len(failed)} of {len(request.seeds)} seeds failed; seed {seed}: {error}")
    shutil.rmtree(folder.path / "unfinished", ignore_errors=True)
    return [found[seed] for seed in request.seeds]


def _kept(folder: RunFolder, key: str, seed: int) -> SeedOutcome | None:
    measures, file = folder.load(key, seed), folder.arrays(key, seed)
    if measures is None or not file.is_file():
        return None
    with np.load(file) as arrays:
        return SeedOutcome(measures, dict(arrays))


def _line(seed: int, found: SeedOutcome) -> str:
    conditions = found.measures["conditions"]
    return (
        f"seed {seed}: KL {conditions['noisy_sqrt2']['kl']:.2f} trained with noise,"
        f" {conditions['clean_noise']['kl']:.2f} without"
    )

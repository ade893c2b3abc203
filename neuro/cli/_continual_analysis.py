"""What ``neuro continual --analyse`` adds: analyses kept with each seed, tables and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neuro.analysis import (
    LayerOverSeeds,
    OldDataCurve,
    Recovery,
    SleepAnalysis,
    SleepAnalyst,
    old_data_curve,
    over_seeds,
    recovery,
)
from neuro.analysis.stored import from_json, to_json
from neuro.cli._continual_job import Job
from neuro.errors import DescriptionError
from neuro.learning.continual_results import SeedResult
from neuro.random import stream
from neuro.report import Picture, Table
from neuro.results import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Sequence[SeedResult]]


class Analyses:
    """Analyses of the asked condition, kept in the job's folder beside its seeds.

    Parameters
    ----------
    folder : RunFolder
        Of the job.

    Attributes
    ----------
    sleeps : dict
        By seed, the analysis of each of its sleeps.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self.sleeps: dict[int, tuple[SleepAnalysis, ...]] = {}

    def kept(self, key: str, seed: int) -> bool:
        """Take up what an earlier job kept of a seed, if it did."""
        stored = self._folder.load(f"analysis-{key}", seed)
        try:
            found = tuple(from_json(SleepAnalysis, sleep) for sleep in (stored or {})["sleeps"])
        except (KeyError, TypeError, ValueError):
            return False  # none, or written by another version of neuro
        self.sleeps[seed] = found
        return True

    def keep(self, key: str, analyst: SleepAnalyst) -> None:
        """Keep what an analyst found in a finished run."""
        self.sleeps[analyst.seed] = tuple(analyst.sleeps)
        data = {"sleeps": [to_json(sleep) for sleep in analyst.sleeps]}
        self._folder.store(f"analysis-{key}", analyst.seed, data)

    @property
    def last(self) -> list[SleepAnalysis]:
        """The last sleep of each seed."""
        return [self.sleeps[seed][-1] for seed in sorted(self.sleeps) if self.sleeps[seed]]


def recovered(analyses: Analyses) -> list[Recovery]:
    """Replay and recovery of earlier classes over all sleeps, for each layer; none of one task."""
    runs = [analyses.sleeps[seed] for seed in sorted(analyses.sleeps)]
    layers = len(runs[0][0].layers) if runs and runs[0] else 0
    try:
        return [
            recovery(runs, layer=number, stream=stream(0, "recovery", number))
            for number in range(layers)
        ]
    except DescriptionError:
        return []  # no sleep came after two earlier classes


def curve(job: Job, results: Results) -> OldDataCurve | None:
    """Old data against sleep; None if it was not asked for."""
    shares = job.request.old_data
    if not shares:
        return None

    def final(name: str) -> list[float]:
        return [result.final_accuracy for result in results[name]]

    awake = [final("sequential"), *(final(name) for name in shares)]
    return old_data_curve([0.0, *shares.values()], awake, final("sleep"))


def names(count: int) -> list[str]:
    """Names of so many layers above the input."""
    from neuro.plotting.continual import layer_names

    return layer_names(count + 1)[1:]


def _mean(values: NDArray[np.float64], digits: int = 2) -> str:
    defined = values[~np.isnan(values)]
    return "–" if defined.size == 0 else f"{defined.mean():z.{digits}f}"


def _percent(values: NDArray[np.float64]) -> str:
    return f"{100 * values.mean():.2g} %"


def _p(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1g}"


EXPLANATION = (
    "Around the last sleep, on the test images of all classes seen, means over {seeds} seed(s). "
    "Alike: mean correlation between the representations of two different classes (and of two "
    "images of one class), before → after; fell: seeds in which that between classes fell. "
    "Weights: the matrix that leads to the layer. Replay: correlation of the awake patterns of "
    "classes with firing in windows of sleep, beside shuffled units; p: all seeds together "
    "(Fisher). p of classes: whether units that respond to the same classes fire in the same "
    "windows; it says little of an output layer with one unit a class."
)

HEADER = (
    "layer", "classes alike", "fell in", "images of a class alike", "weights up", "weights down",
    "replay", "shuffled", "p", "p of classes",
)  # fmt: skip


def tables(analyses: Analyses) -> list[Table]:
    """What the last sleep did to each layer; no table without a sleep."""
    if not analyses.last:
        return []
    found = over_seeds(analyses.last)
    rows = [
        [
            name,
            f"{_mean(x.between_before)} → {_mean(x.between_after)}",
            f"{x.fell} of {len(x.between_before)}",
            f"{_mean(x.within_before)} → {_mean(x.within_after)}",
            _percent(x.up),
            _percent(x.down),
            _mean(x.match),
            _mean(x.match_shuffled),
            _p(x.match_p),
            _p(x.specific_p),
        ]
        for name, x in zip(names(len(found)), found, strict=True)
    ]
    return [Table(HEADER, rows, EXPLANATION.format(seeds=len(analyses.last)))]


def lines(job: Job, results: Results, analyses: Analyses) -> list[str]:
    """The same in a few lines of text."""
    made = []
    if analyses.last:
        found = over_seeds(analyses.last)
        made = [_line(name, x) for name, x in zip(names(len(found)), found, strict=True)]
        mended = recovered(analyses)
        made += [_mended(name, x) for name, x in zip(names(len(found)), mended, strict=False)]
    rehearsal = curve(job, results)
    if rehearsal is not None:
        made.append(_crossing(rehearsal))
    return made


def _line(name: str, x: LayerOverSeeds) -> str:
    return (
        f"Last sleep, {name}: classes alike {_mean(x.between_before)} → "
        f"{_mean(x.between_after)} (fell in {x.fell} of {len(x.between_before)} seeds); weights "
        f"{_percent(x.up)} up, {_percent(x.down)} down; replay {_mean(x.match)}, shuffled "
        f"{_mean(x.match_shuffled)} (p = {_p(x.match_p)}; of single classes p = "
        f"{_p(x.specific_p)})"
    )


def _mended(name: str, x: Recovery) -> str:
    return (
        f"Replay and recovery, {name}: within a sleep, earlier classes that are replayed more "
        f"recover {'more' if x.correlation > 0 else 'less'} (r = {x.correlation:z.2f}; 95 % of "
        f"shuffles below {x.chance:.2f} in size; p = {_p(x.p_value)})"
    )


def _crossing(rehearsal: OldDataCurve) -> str:
    level = 100 * rehearsal.asleep.mean()
    if np.isnan(rehearsal.crossing):
        return (
            f"Sleep without old data ({level:.1f} %) is not reached without sleep by "
            f"{100 * rehearsal.shares[-1]:g} % of the old data."
        )
    return (
        f"Sleep without old data ({level:.1f} %) is reached without sleep by rehearsing "
        f"{100 * rehearsal.crossing:.2g} % of the old data."
    )


def data(job: Job, results: Results, analyses: Analyses) -> dict[str, Any]:
    """Content of ``analysis.json``."""
    rehearsal = curve(job, results)
    found = over_seeds(analyses.last) if analyses.last else []
    return {
        "format": 1,
        "condition": job.request.asked,
        "last_sleep": {
            name: to_json(layer) for name, layer in zip(names(len(found)), found, strict=True)
        },
        "recovery": {
            name: to_json(layer)
            for name, layer in zip(names(len(found)), recovered(analyses), strict=False)
        },
        "old_data": None
        if rehearsal is None
        else {
            **to_json(rehearsal),
            "crossing": to_json(rehearsal.crossing),
            "crossings": to_json(rehearsal.crossings),
        },
        "seeds": [
            {"seed": seed, "sleeps": [to_json(sleep) for sleep in analyses.sleeps[seed]]}
            for seed in sorted(analyses.sleeps)
        ],
    }


CAPTIONS: Mapping[str, tuple[str, str]] = {
    "analysis-representations": (
        "How alike classes are represented",
        "Mean correlation between the states that the test images of two classes evoke, before "
        "and after the last sleep of the first seed, and its change. Pairs of an image with "
        "itself are left out.",
    ),
    "analysis-weights": (
        "What the last sleep did to the weights",
        "First seed: histograms before and after, where those that rose or fell came from and "
        "went, and the changes.",
    ),
    "analysis-reactivation": (
        "Awake patterns in sleep",
        "First seed, last sleep: correlation between the mean awake state of each class and "
        "firing in random windows of sleep. The line is what 95 % of shuffles of the units stay "
        "below. It says that units active awake fire in sleep; whether single classes come back "
        "is the last column of the table.",
    ),
    "analysis-recovery": (
        "Does what is replayed recover",
        "All sleeps of all seeds, classes of earlier tasks: part of the images recognised after "
        "the sleep less that before it, against the correlation of the class's awake pattern with "
        "firing in the sleep; both less the mean of the sleep. p: classes shuffled within sleeps.",
    ),
    "analysis-old-data": (
        "How much old data a sleep is worth",
        "Final accuracy without sleep against the share of all earlier training images that is "
        "mixed into each new task (one standard deviation over seeds), and sleep without any.",
    ),
}


def figures(job: Job, results: Results, analyses: Analyses) -> dict[str, Figure]:
    """Figures by name, see :data:`CAPTIONS`."""
    from neuro.plotting import analysis as draw
    from neuro.plotting.style import new_figure, styled

    made: dict[str, Figure] = {}
    with styled():
        if analyses.last:
            layers = analyses.last[0].layers
            count = len(layers)
            titles = names(count)
            figure, axes = new_figure(13.0, 3.7 * count, count, 3)
            for row, (name, layer) in enumerate(zip(titles, layers, strict=True)):
                left, middle, right = axes[3 * row : 3 * row + 3]
                draw.class_correlation(layer.before, ax=left).set_title(f"{name}, before")
                draw.class_correlation(layer.after, ax=middle).set_title(f"{name}, after")
                draw.correlation_change(layer.before, layer.after, ax=right)
            made["analysis-representations"] = figure
            figure, axes = new_figure(13.0, 3.2 * count, count, 3)
            for row, (name, layer) in enumerate(zip(titles, layers, strict=True)):
                left, middle, right = axes[3 * row : 3 * row + 3]
                draw.weight_histogram(layer.weights, ax=left).set_title(f"weights to {name}")
                draw.moved_weights(layer.weights, ax=middle)
                draw.weight_change(layer.weights, ax=right)
            made["analysis-weights"] = figure
            figure, axes = new_figure(5.0 * count, 3.4, 1, count)
            for ax, name, layer in zip(axes, titles, layers, strict=True):
                draw.replay(layer.reactivation, ax=ax).set_title(name)
            made["analysis-reactivation"] = figure
        mended = recovered(analyses)
        if mended:
            figure, axes = new_figure(4.4 * len(mended), 3.4, 1, len(mended))
            for ax, name, found in zip(axes, names(len(mended)), mended, strict=True):
                draw.recovery(found, ax=ax)
                ax.set_title(f"{name}: {ax.get_title(loc='left')}")
            made["analysis-recovery"] = figure
        rehearsal = curve(job, results)
        if rehearsal is not None:
            figure, axes = new_figure(6.4, 3.8)
            draw.old_data_curve(rehearsal, ax=axes[0])
            made["analysis-old-data"] = figure
    return made


def pictures(made: Mapping[str, Figure]) -> list[Picture]:
    """The figures for the report."""
    from neuro import plotting

    return [Picture(*CAPTIONS[name], plotting.svg(made[name])) for name in CAPTIONS if name in made]

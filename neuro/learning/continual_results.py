"""What one run of the continual-learning protocol measured: plain numbers, ready for JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from neuro.learning import metrics


@dataclass(frozen=True)
class SleepSummary:
    """What happened in one sleep.

    Attributes
    ----------
    task : int
        Zero-based index of the task that it followed.
    steps : int
        Time steps slept.
    sizes : tuple of int
        Units per layer, input first.
    spikes_per_layer : tuple of int
        Spikes of each layer in the whole sleep, input first.
    raster : tuple of (steps, units)
        Optional spikes of a stretch of the sleep, one pair of lists per layer, for the figure.
    """

    task: int
    steps: int
    sizes: tuple[int, ...]
    spikes_per_layer: tuple[int, ...]
    raster: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = ()

    @property
    def rates(self) -> tuple[float, ...]:
        """Mean spikes per unit and step of each layer."""
        return tuple(
            n / (size * self.steps)
            for n, size in zip(self.spikes_per_layer, self.sizes, strict=True)
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SleepSummary:
        """Rebuild from the plain data that :func:`dataclasses.asdict` gives."""
        raster = tuple((tuple(steps), tuple(units)) for steps, units in data["raster"])
        return cls(
            int(data["task"]),
            int(data["steps"]),
            tuple(data["sizes"]),
            tuple(data["spikes_per_layer"]),
            raster,
        )


@dataclass(frozen=True)
class SeedResult:
    """Everything measured in one run of the protocol; plain numbers, ready for JSON.

    Attributes
    ----------
    seed : int
        Seed of the run.
    final_accuracy : float
        Fraction right over the whole test set at the end.
    accuracy_matrix : tuple of rows
        Two rows per task: after its training, and after the sleep that followed (equal when
        there was none). Columns: accuracy on each task, then on all that was tested; None for
        what was not.
    per_class : tuple of float
        Final accuracy on each class; None for a class without test images.
    confusion_before, confusion_after : tuple of rows
        Counts (rows actual, columns predicted) before and after the last sleep; equal without.
    sleep : tuple of SleepSummary
        One per sleep.
    images_trained : tuple of int
        Images per task, rehearsed ones included.
    average_accuracy, forgetting, backward_transfer : float or None
        See :mod:`neuro.learning.metrics`, from the rows after sleep; None where undefined.
    measures : mapping
        What the learner measured of itself at the end, by name: plain data.
    """

    seed: int
    final_accuracy: float
    accuracy_matrix: tuple[tuple[float | None, ...], ...]
    per_class: tuple[float | None, ...]
    confusion_before: tuple[tuple[int, ...], ...]
    confusion_after: tuple[tuple[int, ...], ...]
    sleep: tuple[SleepSummary, ...]
    images_trained: tuple[int, ...]
    average_accuracy: float | None = None
    forgetting: float | None = None
    backward_transfer: float | None = None
    measures: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; :meth:`from_json` reverses it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SeedResult:
        """Rebuild a result.

        Raises
        ------
        KeyError, TypeError, ValueError
            If ``data`` is not what :meth:`to_json` makes.
        """
        values = {f.name: data[f.name] for f in fields(cls) if f.name != "measures"}
        values["measures"] = dict(data.get("measures", {}))  # earlier versions had none
        for name in ("accuracy_matrix", "confusion_before", "confusion_after"):
            values[name] = tuple(tuple(row) for row in values[name])
        for name in ("per_class", "images_trained"):
            values[name] = tuple(values[name])
        values["sleep"] = tuple(SleepSummary.from_json(s) for s in values["sleep"])
        return cls(**values)


class Merits(TypedDict):
    """Figures of merit of a whole run; None where undefined."""

    average_accuracy: float | None
    forgetting: float | None
    backward_transfer: float | None


def merits(matrix: NDArray[np.float64]) -> Merits:
    """Figures of merit of an accuracy matrix ``[after task, on task]``.

    All are None when the matrix is not square (joint training) or a task that was learned has
    not been tested since, having no test images.
    """
    square = matrix.shape[0] == matrix.shape[1]
    if not square or bool(np.isnan(matrix[np.tril_indices_from(matrix)]).any()):
        return Merits(average_accuracy=None, forgetting=None, backward_transfer=None)
    values = defined(
        (
            metrics.average_accuracy(matrix),
            metrics.forgetting(matrix),
            metrics.backward_transfer(matrix),
        )
    )
    return Merits(average_accuracy=values[0], forgetting=values[1], backward_transfer=values[2])


def defined(values: Iterable[float]) -> tuple[float | None, ...]:
    """Floats for JSON, which has no NaN: None in its place."""
    return tuple(None if np.isnan(value) else float(value) for value in values)


def per_dataset(
    results: Sequence[SeedResult], parts: Sequence[tuple[str, int]]
) -> list[dict[str, Any]]:
    """Final accuracy on the classes of each data set of a sequence, before and after sleep.

    Parameters
    ----------
    results : sequence of SeedResult
        One per seed.
    parts : sequence of (str, int)
        Name and number of classes of each data set, in label order.

    Returns
    -------
    list of dict
        ``dataset``, ``classes`` (the first and the last), and over the seeds ``before_mean``,
        ``before_sd`` (just before the last sleep) and ``mean``, ``sd`` (at the end); the same
        without sleep. None where there are no test images.
    """
    rows = []
    first = 0
    for name, count in parts:
        row: dict[str, Any] = {"dataset": name, "classes": [first, first + count - 1]}
        for prefix, moment in (("before_", "confusion_before"), ("", "confusion_after")):
            shares = []
            for result in results:
                own = np.array(getattr(result, moment))[first : first + count]
                right = own[:, first : first + count].trace()
                shares.append(right / own.sum() if own.sum() else float("nan"))
            mean, sd = defined(metrics.mean_and_sd(shares))
            row |= {f"{prefix}mean": mean, f"{prefix}sd": sd}
        rows.append(row)
        first += count
    return rows


def summary(results: Sequence[SeedResult]) -> dict[str, Any]:
    """Plain data of one condition: every seed, and mean and deviation over them.

    Parameters
    ----------
    results : sequence of SeedResult
        One per seed.

    Returns
    -------
    dict
        ``seeds`` (each as :meth:`SeedResult.to_json`, without rasters, with ``rates``: spikes
        per unit and step, and with its measures beside the other entries), ``mean`` and ``sd``
        (sample deviation, 0 for one seed) of the final accuracy, and the means ``per_class``,
        ``per_task``, ``average_accuracy``, ``forgetting`` and ``backward_transfer`` (None where
        undefined).
    """
    seeds = []
    for result in results:
        seed = result.to_json()
        for entry, sleep in zip(seed["sleep"], result.sleep, strict=True):
            del entry["raster"]
            entry["rates"] = sleep.rates
        seeds.append({**seed.pop("measures"), **seed})
    mean, sd = metrics.mean_and_sd([result.final_accuracy for result in results])
    return {
        "seeds": seeds,
        "mean": mean,
        "sd": sd,
        "per_task": _means([result.accuracy_matrix[-1][:-1] for result in results]),
        "per_class": _means([result.per_class for result in results]),
        "average_accuracy": _means([[result.average_accuracy] for result in results])[0],
        "forgetting": _means([[result.forgetting] for result in results])[0],
        "backward_transfer": _means([[result.backward_transfer] for result in results])[0],
    }


def _means(rows: Sequence[Sequence[float | None]]) -> tuple[float | None, ...]:
    """Column means; None where a value is undefined."""
    return defined(np.array(rows, dtype=np.float64).mean(axis=0))

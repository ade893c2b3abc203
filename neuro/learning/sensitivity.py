"""How much each setting of the sleep matters: one at a time, everything else as it was.

A study is a :class:`~neuro.learning.comparison.Comparison`: its first row is the settings as they
are, its second the same without sleep, and every other row changes one setting.
:func:`neuro.models.comparison.run_comparison` runs it like any other table; a :class:`Curve` is
another view of the rows of one setting.

Source: the ablation of every parameter and of sleep length that the summary of Kubo, Delanois &
Bazhenov 2025 (arXiv 2508.14081) asks for. One setting at a time shows the slopes around one point;
it says nothing of settings that are moved together (all thresholds and the gains, say).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neuro.errors import DescriptionError, JobError
from neuro.learning.comparison import Comparison, Row
from neuro.learning.comparison_table import Group
from neuro.learning.condition import Condition
from neuro.learning.continual_results import SeedResult
from neuro.learning.metrics import mean_and_sd
from neuro.learning.presets import Preset

BASE = "as it is"
"""Name of the row with the settings that are varied."""

WITHOUT = "no sleep"
"""Name of the row that never sleeps."""

FACTORS = (0.25, 0.5, 2.0, 4.0)
"""By what every setting but the window is multiplied."""

WINDOWS = (0.25, 0.4, 0.55, 0.7, 0.85)
"""Sides of the input window as shares of the image's; the whole image comes besides."""

WINDOW = "window"


@dataclass(frozen=True)
class Point:
    """One value of a setting.

    Attributes
    ----------
    value : float
        The setting's value; for the window its side in pixels.
    factor : float or None
        By what the setting was multiplied, 1 for the settings as they are; None for windows.
    row : str
        Row of the comparison that has it.
    """

    value: float
    factor: float | None
    row: str


@dataclass(frozen=True)
class Curve:
    """All values of one setting.

    Attributes
    ----------
    name : str
        The setting: ``rate``, ``threshold 1``, ``leak``, ...
    base : float
        Its value in the settings as they are.
    points : tuple of Point
        From the smallest value to the largest, the base among them.
    """

    name: str
    base: float
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Study:
    """What is run, and how its rows make curves."""

    comparison: Comparison
    curves: tuple[Curve, ...]


# --- settings that can be varied -------------------------------------------------------------

Change = Callable[[Preset, float], Preset]
"""Gives a setting a value."""


def _field(name: str) -> Change:
    return lambda preset, value: preset.with_values({name: value})


def _threshold(layer: int) -> Change:
    def change(preset: Preset, value: float) -> Preset:
        values = list(preset.thresholds)
        values[layer] = value
        return preset.with_values({"thresholds": values})

    return change


def _settings(preset: Preset) -> dict[str, tuple[float, Change]]:
    """Value of each setting that has an effect, and how to change it; 0 has no multiples."""
    found: dict[str, tuple[float, Change]] = {
        name: (getattr(preset, name), _field(name)) for name in ("rate", "increment", "decrement")
    }
    for layer, value in enumerate(preset.thresholds):
        found[f"threshold {layer + 1}"] = (value, _threshold(layer))
    # The decay lies so near 1 that only its distance can be multiplied.
    found["leak"] = (1 - preset.decay, lambda p, value: p.with_values({"decay": 1 - value}))
    if preset.gate == "sigmoid":
        found["slope"] = (preset.slope, _field("slope"))
    found["gain_scale"] = (preset.gain_scale, _field("gain_scale"))
    if preset.feedback_spikes:
        found["feedback_gain"] = (preset.feedback_gain, _field("feedback_gain"))
    for name in ("sleep_steps", "sleep_growth"):
        found[name] = (getattr(preset, name), _field(name))
    return {name: entry for name, entry in found.items() if entry[0] != 0}


def parameters(preset: Preset) -> tuple[str, ...]:
    """Names of what can be varied around these settings.

    A setting that is 0, or that these settings do not use (the gain of feedback that is off, the
    slope of a hard gate), is not among them.
    """
    return (*_settings(preset), WINDOW)


# --- the plan --------------------------------------------------------------------------------


def plan(
    dataset: str,
    base: Condition,
    image_side: int,
    seeds: Sequence[int],
    *,
    factors: Sequence[float] = FACTORS,
    chosen: Sequence[str] | None = None,
    device: str = "cpu",
) -> Study:
    """The rows and curves of a study.

    Parameters
    ----------
    dataset : str
        Name of the data set.
    base : Condition
        What is varied; it sleeps.
    image_side : int
        Side of an image in pixels, the largest window.
    seeds : sequence of int
        The same for every row, so that differences between rows are paired.
    factors : sequence of float
        Positive; 1 is always among them.
    chosen : sequence of str, optional
        Settings to vary, in this order; by default all of :func:`parameters`.
    device : str
        Torch device of the training.

    Raises
    ------
    JobError
        If the base does not sleep, a factor or name is impossible, or a factor gives a setting
        a value that it cannot have.
    """
    if base.backend is None:
        raise JobError("without sleep there is nothing to vary; name a backend, e.g. reference")
    for factor in factors:
        if not (math.isfinite(factor) and factor > 0):
            raise JobError(f"factor {factor:g} is impossible; give positive numbers")
    known = parameters(base.sleeper)
    names = tuple(dict.fromkeys(known if chosen is None else chosen))
    for name in names:
        if name not in known:
            raise JobError(
                f"these settings have no parameter {name!r} to vary (or it is 0 or unused); "
                f"there are {', '.join(known)}"
            )
    rows: dict[str, Preset] = {}
    curves = []
    for name in names:
        made = (
            _windows(base.sleeper, image_side)
            if name == WINDOW
            else _multiples(name, base.sleeper, sorted({*factors, 1.0}))
        )
        points = tuple(point for point, _ in made)
        rows |= {point.row: preset for point, preset in made}
        at = next(point.value for point in points if point.row == BASE)
        curves.append(Curve(name, at, points))
    rows.pop(BASE, None)
    conditions = {
        BASE: base,
        WITHOUT: replace(base, backend=None),
        **{row: replace(base, preset=preset) for row, preset in rows.items()},
    }
    comparison = Comparison(
        f"Sensitivity to the sleep's settings: {dataset}",
        tuple(Row(row, tuple(seeds), {dataset: made}) for row, made in conditions.items()),
        base.protocol.evaluate_on,
        device,
    )
    return Study(comparison, tuple(curves))


def _multiples(name: str, preset: Preset, factors: Sequence[float]) -> list[tuple[Point, Preset]]:
    base, change = _settings(preset)[name]
    made = []
    for factor in factors:
        value = base * factor
        try:
            varied = preset if factor == 1 else change(preset, value)
            varied.sleep_config(varied.sleep_from)
        except DescriptionError as error:
            raise JobError(
                f"{name} {base:g} × {factor:g} is {value:g}: {error}; give other factors, or "
                "leave this parameter out"
            ) from error
        made.append((Point(value, factor, BASE if factor == 1 else f"{name} ×{factor:g}"), varied))
    return made if base > 0 else made[::-1]


def _windows(preset: Preset, image_side: int) -> list[tuple[Point, Preset]]:
    sides = {max(1, round(image_side * share)) for share in WINDOWS} - {image_side}
    windows: set[int | None] = {*sides, preset.window, None}
    made = []
    for window in sorted(windows, key=lambda side: side or math.inf):
        shown = "whole image" if window is None else f"{window}"
        row = BASE if window == preset.window else f"{WINDOW} {shown}"
        made.append((Point(window or image_side, None, row), replace(preset, window=window)))
    return made


# --- what came out ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """What was measured at a point.

    Attributes
    ----------
    point : Point
        Where.
    accuracies : mapping
        Final accuracy by seed, of the seeds that finished.
    changes : tuple of float
        Difference to the settings as they are, seed by seed.
    """

    point: Point
    accuracies: Mapping[int, float]
    changes: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """Mean accuracy; None if no seed finished."""
        return mean_and_sd(list(self.accuracies.values()))[0] if self.accuracies else None

    @property
    def sd(self) -> float | None:
        """Sample deviation over seeds; None below two."""
        return mean_and_sd(list(self.accuracies.values()))[1] if len(self.accuracies) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Plain data; ``change``: mean paired difference, ``change_se``: its standard error."""
        n = len(self.changes)
        change, sd = mean_and_sd(self.changes) if n else (None, 0.0)
        return {
            "value": self.point.value,
            "factor": self.point.factor,
            "row": self.point.row,
            "n": len(self.accuracies),
            "mean": self.mean,
            "sd": self.sd,
            "change": change,
            "change_se": sd / math.sqrt(n) if n > 1 else None,
            "accuracies": {str(seed): value for seed, value in self.accuracies.items()},
        }


@dataclass(frozen=True)
class Effect:
    """A curve with what was measured along it."""

    curve: Curve
    points: tuple[Measured, ...]

    @property
    def span(self) -> float:
        """Highest mean accuracy along the curve less the lowest."""
        means = [point.mean for point in self.points if point.mean is not None]
        return max(means) - min(means) if means else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "parameter": self.curve.name,
            "base": self.curve.base,
            "span": self.span,
            "points": [point.to_json() for point in self.points],
        }


def effects(study: Study, groups: Sequence[Group]) -> tuple[Effect, ...]:
    """The curves with their results, the one that matters most first.

    Parameters
    ----------
    study : Study
        As :func:`plan` made it.
    groups : sequence of Group
        Results of its rows.
    """
    results = {group.row: group.results for group in groups}
    base = _by_seed(results[BASE])
    found = []
    for curve in study.curves:
        points = []
        for point in curve.points:
            own = _by_seed(results[point.row])
            changes = tuple(own[seed] - base[seed] for seed in own if seed in base)
            points.append(Measured(point, own, changes))
        found.append(Effect(curve, tuple(points)))
    return tuple(sorted(found, key=lambda effect: -effect.span))


def _by_seed(results: Sequence[SeedResult]) -> dict[int, float]:
    return {result.seed: result.final_accuracy for result in results}

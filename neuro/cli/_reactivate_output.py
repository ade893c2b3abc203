"""What ``neuro reactivate`` shows and writes at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from neuro.analysis.stored import to_json
from neuro.cli._reactivate_job import Request
from neuro.cli._terminal import print_tables
from neuro.learning.metrics import mean_and_sd
from neuro.models.reactivation.experiment import SeedOutcome
from neuro.report import Picture, Report, Table
from neuro.results import RunFolder

FORMAT = 1

SHOWN: Mapping[str, str] = {
    "kl": "KL",
    "kl_frozen": "frozen",
    "step_ratio": "step",
    "spread": "spread",
    "resultant": "resultant",
    "off_manifold": "off",
    "peak_ratio": "peak",
    "norm": "norm",
}
"""Measures of the table, with the heads of their columns."""

LABELS: Mapping[str, str] = {
    "noisy_k1": "noisy, k = 1",
    "noisy_sqrt2": "noisy, k = √2",
    "noisy_k2": "noisy, k = 2",
    "noisy_k0": "noisy, k = 0",
    "clean_no_noise": "clean, k = 0",
    "clean_noise": "clean, k = √2",
    "clean_snr_matched": "clean, SNR matched",
    "untrained": "untrained, k = √2",
}

CAPTION = (
    "Offline life of networks trained with noise and without (clean), with noise k times that of "
    "training, against waking life; over seeds. KL: divergence of what is decoded, in nats, beside "
    "that of the frozen start (a low one says little if the frozen one is low too). step: mean "
    "distance of consecutive decoded states, over that awake. off: part of the variance of states "
    "outside the waking components that hold 95 %. peak: largest output, over that awake. SNR "
    "matched: noise as large beside the states as √2 times that of training is beside those of the "
    "network trained with it."
)

LIMITS = (
    "Angles are compared by histograms of 24 bins, which n trajectories that are all alike inflate "
    "by 23 / (2 n) (kl_bias in metrics.json); positions by Gaussian kernel densities.",
    "The theory speaks of the law after long times. Runs here are short beside the time that "
    "diffusion along the manifold takes, so much of a good match is the start that was kept: "
    "compare with the frozen one.",
    "Less noise beside the states also makes steps short. The row with noise matched to the size "
    "of states tells this from the effect of training.",
)


def metrics_of(request: Request, results: Sequence[SeedOutcome]) -> dict[str, Any]:
    """What ``metrics.json`` holds."""
    seeds = [to_json(found.measures) for found in results]
    conditions = seeds[0]["conditions"]
    summary: dict[str, Any] = {"mean": {}, "sd": {}}
    for name in conditions:
        for measure in conditions[name]:
            values = [seed["conditions"][name][measure] for seed in seeds]
            mean, sd = (None, None) if None in values else mean_and_sd(values)
            summary["mean"].setdefault(name, {})[measure] = mean
            summary["sd"].setdefault(name, {})[measure] = sd
    return {
        "format": FORMAT,
        "job": "reactivate",
        "task": request.settings.task,
        "bias": request.bias,
        "noise": request.settings.noise_kind,
        "settings": request.settings.to_json(),
        "seeds": seeds,
        **summary,
    }


def tables(request: Request, metrics: Mapping[str, Any]) -> list[Table]:
    """Conditions, waking life, and what there is besides."""
    seeds = metrics["seeds"]
    found = [_conditions([s["conditions"] for s in seeds], CAPTION)]
    if "biased" in seeds[0]:
        found.append(
            _conditions([s["biased"]["conditions"] for s in seeds], "The same, movement biased.")
        )
    if "spiking" in seeds[0]:
        found.append(_spiking([seed["spiking"] for seed in seeds]))
    rows = []
    lived = [m for m, v in seeds[0]["awake"]["noisy"].items() if v is not None and m != "loss"]
    for name in seeds[0]["awake"]:
        cells = [[seed["awake"][name][m] for seed in seeds] for m in lived]
        rows.append([name, *(_cell(values) for values in cells)])
    head = ["awake", *lived]
    found.append(Table(head, rows, "Waking life: error of what is decoded, and movement."))
    if "turns" in seeds[0]:
        rows = [
            [when, *(_cell([s["turns"][when][m] for s in seeds]) for m in ("mean", "reversals"))]
            for when in seeds[0]["turns"]
        ]
        found.append(Table(["turns", "mean [rad]", "reversals"], rows, "Decoded turns a step."))
    return found


def _conditions(seeds: Sequence[Mapping[str, Any]], caption: str) -> Table:
    # Positions have no resultant.
    shown = [m for m in SHOWN if seeds[0]["untrained"][m] is not None]
    rows = [
        [LABELS[name], *(_cell([seed[name][m] for seed in seeds]) for m in shown)]
        for name in LABELS
    ]
    return Table(["offline", *(SHOWN[m] for m in shown)], rows, caption)


CELLS: Mapping[str, str] = {"integrate": "integrate-and-fire", "stochastic": "stochastic"}

SPIKING_SHOWN = ("kl", "step", "peak_ratio")


def _spiking(seeds: Sequence[Mapping[str, Any]]) -> Table:
    """A row a condition; each measure as rates and in spikes."""
    rows = [
        [f"{who}, awake", *_both([seed["awake"][who] for seed in seeds]), *[""] * 6]
        for who in seeds[0]["awake"]
    ]
    for name in seeds[0]["conditions"]:
        cells: list[str] = []
        for measure in SPIKING_SHOWN:
            found = [seed["conditions"][name] for seed in seeds]
            cells += _both([{how: f[how][measure] for how in f} for f in found])
        rows.append([name.replace("_", " "), "", "", *cells])
    head = ["error", "spikes", "KL", "spikes", "step", "spikes", "peak", "spikes"]
    caption = (
        f"The same networks as rates and, beside each number, in spikes on {seeds[0]['backend']}: "
        f"pools of {CELLS[seeds[0]['pools']]} cells, the same starts, at most 200 steps offline."
    )
    return Table(["in spikes", *head], rows, caption)


def _both(found: Sequence[Mapping[str, float | None]]) -> list[str]:
    return [_cell([one[how] for one in found]) for how in ("rate", "spikes")]


def _cell(values: Sequence[float | None]) -> str:
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(values):
        return ""
    mean, sd = mean_and_sd(numbers)
    digits = 2 if abs(mean) < 100 else 0
    return f"{mean:.{digits}f} ± {sd:.{digits}f}"


def print_table(request: Request, metrics: Mapping[str, Any]) -> None:
    """Show the tables on standard output."""
    print_tables(
        f"{request.settings.task}, {request.bias} movement",
        tables(request, metrics),
        # Deviations, for which eighty columns have no room, are in the report.
        cell=lambda text: text.partition(" ± ")[0],
    )


def write(request: Request, results: Sequence[SeedOutcome], folder: RunFolder) -> dict[str, Any]:
    """Write figures, report and, as the mark that all is done, ``metrics.json``."""
    from neuro import plotting
    from neuro.plotting import reactivation as draw

    metrics = metrics_of(request, results)
    seeds, arrays = metrics["seeds"], results[0].arrays
    awake = float(np.mean([seed["awake"]["noisy"]["spread"] for seed in seeds]))
    drawn: dict[str, tuple[Any, str, str]] = {
        "trajectories": (
            draw.trajectories(arrays), "Trajectories",
            "What the outputs report, a few trajectories of the first seed; noise offline is √2 "
            "times that awake.",
        ),
        "occupancy": (
            draw.occupancy(arrays), "Occupancy", "How often each state is taken up, first seed.",
        ),
        "overlay": (
            draw.overlay(arrays), "States",
            "States on the first two principal components of waking states (grey), coloured by "
            "what they stand for; first seed, trained with noise.",
        ),
        "temperature": (
            draw.temperature([seed["temperature"] for seed in seeds], awake), "Temperature",
            "Divergence and spread against the size of the noise offline; mean and deviation over "
            "seeds. The dotted line is where theory samples the waking law.",
        ),
        "explained-variance": (
            draw.explained_variance([seed["explained_variance"] for seed in seeds]), "Dimensions",
            "Principal components of waking and of offline states, each of its own.",
        ),
    }  # fmt: skip
    if "divergence_matrix" in seeds[0]:
        drawn["divergences"] = (
            draw.divergences(_mean_matrix([s["divergence_matrix"] for s in seeds])),
            "Divergences",
            "KL(offline || awake): networks and waking movement with a pull to the middle (biased) "
            "and without; mean over seeds.",
        )
    pictures = []
    for name, (figure, title, caption) in drawn.items():
        text = plotting.svg(figure)
        folder.write_bytes(f"{name}.svg", text.encode())
        folder.write_bytes(f"{name}.png", plotting.png(figure))
        pictures.append(Picture(title, caption, text))
    report = Report(
        title=f"neuro reactivate: {request.settings.task}",
        lead="Do networks without input go back to the states of their waking life?",
        tables=tables(request, metrics),
        notes=LIMITS,
        pictures=pictures,
        config=request.to_json(),
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_json("metrics.json", metrics)
    return metrics


def _mean_matrix(
    matrices: Sequence[Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, float]]:
    return {
        row: {column: float(np.mean([m[row][column] for m in matrices])) for column in columns}
        for row, columns in matrices[0].items()
    }

"""The table of a comparison: one line a row and data set, for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neuro.learning.comparison import Comparison
from neuro.learning.continual_results import SeedResult, summary

HEADER = ("row", "data", "accuracy", "n", "forgot", "BWT", "failed")

EXPLANATION = (
    "Per cent of the {where} after all tasks, mean ± sample deviation over n seeds. Forgot: mean "
    "drop of earlier tasks from their best. BWT: backward transfer."
)


@dataclass(frozen=True)
class Group:
    """The cells of one row on one data set.

    Attributes
    ----------
    row, dataset : str
        Which.
    results : tuple of SeedResult
        Of the seeds that finished.
    failures : tuple of (int, str)
        Seeds that failed, and why.
    """

    row: str
    dataset: str
    results: tuple[SeedResult, ...]
    failures: tuple[tuple[int, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data; mean and the like are None if no seed finished."""
        values = (
            summary(self.results)
            if self.results
            else {
                "seeds": [],
                **dict.fromkeys(("mean", "sd", "per_task", "per_class", "average_accuracy")),
                **dict.fromkeys(("forgetting", "backward_transfer")),
            }
        )
        return {
            "row": self.row,
            "dataset": self.dataset,
            "n": len(self.results),
            **values,
            "failed": [{"seed": seed, "error": error} for seed, error in self.failures],
        }


def metrics(comparison: Comparison, groups: Sequence[Group]) -> dict[str, Any]:
    """Content of ``metrics.json``."""
    return {
        "format": 1,
        "job": "compare",
        "title": comparison.title,
        "evaluated_on": comparison.evaluate_on,
        "groups": [group.to_json() for group in groups],
    }


def lines(groups: Sequence[Group]) -> list[list[str]]:
    """Texts of the table under :data:`HEADER`; accuracies in per cent."""
    return [_line(group.to_json()) for group in groups]


def _line(values: Mapping[str, Any]) -> list[str]:
    accuracy = _per_cent(values["mean"])
    if values["n"] > 1:  # one seed has no deviation
        accuracy += f" ± {_per_cent(values['sd'])}"
    return [
        values["row"],
        values["dataset"],
        accuracy,
        str(values["n"]),
        _per_cent(values["forgetting"]),
        _per_cent(values["backward_transfer"], "+"),
        str(len(values["failed"]) or ""),
    ]


def _per_cent(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{100 * value:{sign}.1f}"


def explanation(comparison: Comparison) -> str:
    """How the table is to be read."""
    where = "test set" if comparison.evaluate_on == "test" else "validation images"
    return EXPLANATION.format(where=where)


def failures(groups: Sequence[Group]) -> list[str]:
    """One sentence for each cell that failed."""
    return [
        f"Failed: {group.row}, {group.dataset}, seed {seed}: {error}"
        for group in groups
        for seed, error in group.failures
    ]


def markdown(comparison: Comparison, groups: Sequence[Group]) -> str:
    """The table as Markdown, with title, explanation and failures."""
    rule = ["---", "---", *["---:"] * (len(HEADER) - 2)]
    rows = [list(HEADER), rule, *lines(groups)]
    table = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    notes = [f"- {failure}" for failure in failures(groups)]
    parts = [f"# {comparison.title}", "\n".join(table), explanation(comparison), "\n".join(notes)]
    return "\n\n".join(part for part in parts if part) + "\n"


def comma_separated(groups: Sequence[Group]) -> str:
    """The table as CSV: fractions with all their digits, empty where undefined."""
    text = io.StringIO()
    names = ("row", "dataset", "mean", "sd", "n", "forgetting", "backward_transfer", "failed")
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for group in groups:
        values = group.to_json()
        if values["n"] < 2:
            values["sd"] = None
        writer.writerow({**values, "failed": len(values["failed"])})
    return text.getvalue()

"""Tables of a sensitivity study: for people, spreadsheets and programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from neuro.learning import comparison_table
from neuro.learning.comparison_table import Group
from neuro.learning.metrics import mean_and_sd
from neuro.learning.sensitivity import BASE, WINDOW, WITHOUT, Effect, Measured, Study
from neuro.report import Table

EXPLANATION = (
    "Per cent of the {where} after all tasks, mean ± sample deviation over seeds. One setting at a "
    "time is multiplied by the factor above; the others stay. Span: highest mean of the line less "
    "the lowest. The setting that matters most comes first."
)


def tables(effects: Sequence[Effect], evaluated_on: str) -> list[Table]:
    """The study as one table of factors and, if windows were varied, one of window sizes."""
    where = "test set" if evaluated_on == "test" else "validation images"
    multiplied = [effect for effect in effects if effect.curve.name != WINDOW]
    found = []
    if multiplied:
        factors = [point.point.factor for point in multiplied[0].points]
        ascending = sorted(factor for factor in factors if factor is not None)
        header = ["setting", "as it is", *(f"×{factor:g}" for factor in ascending), "span"]
        lines = []
        for effect in multiplied:
            at = {point.point.factor: point for point in effect.points}
            cells = [_cell(at[factor]) for factor in ascending]
            lines.append([effect.curve.name, f"{effect.curve.base:.4g}", *cells, _span(effect)])
        found.append(Table(header, lines, EXPLANATION.format(where=where)))
    for effect in effects:
        if effect.curve.name == WINDOW:
            sides = [f"{point.point.value:g}" for point in effect.points]
            sides[-1] += " (whole)"
            cells = [_cell(point) for point in effect.points]
            caption = (
                "The same for the side, in pixels, of the random square of the mean image that is "
                f"shown in a step; as it is: {effect.curve.base:g}."
            )
            header = [WINDOW, *sides, "span"]
            found.append(Table(header, [["accuracy", *cells, _span(effect)]], caption))
    return found


def _cell(point: Measured) -> str:
    if point.mean is None:
        return "–"
    text = f"{100 * point.mean:.1f}"
    return text if point.sd is None else f"{text} ± {100 * point.sd:.1f}"


def _span(effect: Effect) -> str:
    return f"{100 * effect.span:.1f}"


def remarks(effects: Sequence[Effect], groups: Sequence[Group]) -> list[str]:
    """What the two rows that are no curve say, how sure changes are, and what failed."""
    by_row = {group.row: group for group in groups}
    said = []
    for row, what in ((BASE, "With the settings as they are"), (WITHOUT, "Without sleep")):
        scores = [result.final_accuracy for result in by_row[row].results]
        if scores:
            mean, sd = mean_and_sd(scores)
            deviation = f" ± {100 * sd:.1f}" if len(scores) > 1 else ""
            said.append(f"{what}: {100 * mean:.1f}{deviation} % (n = {len(scores)}).")
    points = [p for effect in effects for p in effect.points if p.point.row != BASE]
    errors = [e for p in points if (e := p.to_json()["change_se"]) is not None]
    if errors:
        said.append(
            "Seeds are the same at every point, so changes against the settings as they are can "
            "be taken seed by seed; table.csv has them with their standard errors, here "
            f"{100 * min(errors):.1f} to {100 * max(errors):.1f} points."
        )
    return said + comparison_table.failures(groups)


def markdown(study: Study, effects: Sequence[Effect], groups: Sequence[Group]) -> str:
    """Tables and remarks as Markdown."""
    parts = [f"# {study.comparison.title}"]
    for table in tables(effects, study.comparison.evaluate_on):
        rows = [table.header, ["---", *["---:"] * (len(table.header) - 1)], *table.rows]
        parts += [table.caption, "\n".join("| " + " | ".join(row) + " |" for row in rows)]
    parts.append("\n".join(f"- {remark}" for remark in remarks(effects, groups)))
    return "\n\n".join(parts) + "\n"


def comma_separated(effects: Sequence[Effect]) -> str:
    """One line a point: fractions with all their digits, empty where undefined."""
    text = io.StringIO()
    names = ("parameter", "value", "factor", "mean", "sd", "n", "change", "change_se")
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for effect in effects:
        for point in effect.points:
            writer.writerow({"parameter": effect.curve.name, **point.to_json()})
    return text.getvalue()


def metrics(study: Study, effects: Sequence[Effect], groups: Sequence[Group]) -> dict[str, Any]:
    """Content of ``metrics.json``: curves, and every row as ``neuro compare`` has it."""
    return {
        **comparison_table.metrics(study.comparison, groups),
        "job": "sensitivity",
        "curves": [effect.to_json() for effect in effects],
    }

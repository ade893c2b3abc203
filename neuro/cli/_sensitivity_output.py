"""What ``neuro sensitivity`` shows and writes at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuro.cli._terminal import print_tables as print_all
from neuro.learning import sensitivity_table as tables
from neuro.learning.comparison_table import Group
from neuro.learning.metrics import mean_and_sd
from neuro.learning.sensitivity import WITHOUT, Effect, Study
from neuro.results import RunFolder

FIGURE = "sensitivity.svg"
FINISHED = ("metrics.json", "report.html", "table.md", "table.csv", FIGURE, "sensitivity.png")
"""Files whose presence says that the study is complete."""

CAPTION = (
    "Mean and sample deviation over seeds. In each panel one setting is multiplied by the factor "
    "below it and all others stay; the ring marks the settings as they are. The setting that "
    "matters most comes first."
)


def print_tables(study: Study, effects: Sequence[Effect], groups: Sequence[Group]) -> None:
    """Show the tables on standard output."""
    print_all(
        study.comparison.title,
        tables.tables(effects, study.comparison.evaluate_on),
        tables.remarks(effects, groups),
        cell=lambda text: text.replace(" ± ", "±"),  # nine columns have to fit
    )


def write(
    study: Study,
    effects: Sequence[Effect],
    groups: Sequence[Group],
    folder: RunFolder,
    config: Mapping[str, Any],
) -> None:
    """Write figure, tables and report and, as the mark that all is done, ``metrics.json``."""
    from neuro import plotting
    from neuro.report import Picture, Report

    unslept = next(group.results for group in groups if group.row == WITHOUT)
    scores = [result.final_accuracy for result in unslept]
    without = mean_and_sd(scores)[0] if scores else None
    figure = plotting.sensitivity_curves(effects, without)
    drawing = plotting.svg(figure)
    folder.write_bytes(FIGURE, drawing.encode())
    folder.write_bytes("sensitivity.png", plotting.png(figure))
    report = Report(
        title=f"neuro sensitivity: {study.comparison.title}",
        lead="How much is remembered when one setting of the sleep is changed at a time.",
        tables=tables.tables(effects, study.comparison.evaluate_on),
        notes=tables.remarks(effects, groups),
        pictures=[Picture("Accuracy along every setting", CAPTION, drawing)],
        config=config,
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_bytes("table.md", tables.markdown(study, effects, groups).encode())
    folder.write_bytes("table.csv", tables.comma_separated(effects).encode())
    folder.write_json("metrics.json", tables.metrics(study, effects, groups))

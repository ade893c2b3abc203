"""Running a table of conditions in a folder, for every verb that has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro.cli import _compare_output as output
from neuro.cli._errors import InterruptedJobError
from neuro.cli._plan import Planned, print_plan
from neuro.errors import JobError
from neuro.learning.comparison import Comparison
from neuro.learning.comparison_table import Group
from neuro.models.comparison import finished, prepare, run_comparison
from neuro.models.comparison_cell import Executor
from neuro.provenance import code_fingerprint
from neuro.report import versions
from neuro.results import RunFolder


@dataclass(frozen=True)
class TableRun:
    """What became of a table.

    Attributes
    ----------
    folder : RunFolder
        Where its results go.
    about : dict
        Everything that influences them, which is in ``config.json``.
    groups : sequence of Group
        The outcomes by row and data set.
    """

    folder: RunFolder
    about: dict[str, Any]
    groups: Sequence[Group]

    def refuse_failures(self, tables: str) -> None:
        """End with an error if a run failed; ``tables`` begins the hint on where to look."""
        failed = sum(len(group.failures) for group in self.groups)
        total = failed + sum(len(group.results) for group in self.groups)
        if failed:
            raise JobError(
                f"{failed} of {total} runs failed; {tables}, and the same command tries them again"
            )


def print_table_plan(
    comparison: Comparison, out: Path, data_root: Path | None, facts: Mapping[str, object]
) -> None:
    """Check a table as :func:`run_table` does, and show what that would run."""
    cells = finished(comparison, prepare(comparison, data_root), RunFolder(out, make=False))
    counted: dict[str, list[bool]] = {}
    for cell, kept in cells:
        counted.setdefault(f"{cell.row}, {cell.dataset}", []).append(kept)
    planned = [Planned(what, len(kept), sum(kept)) for what, kept in counted.items()]
    print_plan(out, planned, facts)


def run_table(
    job: str,
    comparison: Comparison,
    out: Path,
    marks: Sequence[str],
    *,
    executor: Executor,
    data_root: Path | None,
) -> TableRun:
    """Run the cells that the folder does not hold, and show how it goes.

    Parameters
    ----------
    job : str
        The verb.
    comparison : Comparison
        The table.
    out : Path
        Folder of its results; made when all is checked.
    marks : sequence of str
        Files that say that the folder is complete; removed first.
    executor : Executor
        Where cells run.
    data_root : Path, optional
        See :func:`neuro.datasets.load`.

    Raises
    ------
    InterruptedJobError
        On Ctrl-C; says what is kept.
    """
    data = prepare(comparison, data_root)
    folder = RunFolder(out)
    about = {
        "job": job,
        **comparison.to_json(),
        "code": code_fingerprint(),
        "versions": versions(),
    }
    folder.begin(*marks)
    folder.write_json("config.json", about)
    with output.Display() as display:
        try:
            outcomes = run_comparison(
                comparison,
                data,
                folder,
                executor=executor,
                data_root=data_root,
                watcher=display,
            )
        except KeyboardInterrupt:
            raise InterruptedJobError(
                f"interrupted; {display.finished_cells} of {display.total} runs are finished and "
                f"kept in {folder.path}: the same command continues there"
            ) from None
    return TableRun(folder, about, output.grouped(comparison, outcomes))

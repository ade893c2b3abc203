"""What ``neuro compare`` shows while it runs and writes at its end."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from neuro.learning import comparison_table as tables
from neuro.learning.comparison import Cell, Comparison
from neuro.learning.comparison_table import Group
from neuro.models.comparison import Outcome, Watcher
from neuro.results import RunFolder

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from neuro.learning.continual_results import SeedResult

FINISHED = ("metrics.json", "report.html", "table.md", "table.csv")
"""Files whose presence says that the comparison is complete."""


class Display(Watcher):
    """A line for each finished cell, and on a terminal a bar for each that runs.

    Attributes
    ----------
    finished_cells, total : int
        How far it is.
    """

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self.total = 0
        self.finished_cells = 0
        # Standard output is for the table (or --json); lines and bars go beside it.
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars: Progress | None = None
        self._tasks: dict[Cell, TaskID] = {}
        if sys.stderr.isatty():
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[what]}"),
                console=self._console,
                transient=True,
            )

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    def begin(self, total: int) -> None:
        """See :class:`~neuro.models.comparison.Watcher`."""
        self.total = total

    def started(self, cell: Cell) -> None:
        """Show a bar; a run may start again where a worker died."""
        if self._bars is not None and cell not in self._tasks:
            self._tasks[cell] = self._bars.add_task(_name(cell), total=None, what="starts")

    def moved(self, cell: Cell, what: str, done: int, total: int) -> None:
        """Move the bar."""
        if self._bars is not None and cell in self._tasks:
            self._bars.update(self._tasks[cell], total=total, completed=done, what=what)

    def finished(self, outcome: Outcome) -> None:
        """Remove the bar, print a line."""
        self.finished_cells += outcome.result is not None
        if self._bars is not None and outcome.cell in self._tasks:
            self._bars.remove_task(self._tasks.pop(outcome.cell))
        if outcome.result is None:
            said = f"failed: {outcome.error}"
        else:
            time = "kept from an earlier run" if outcome.kept else f"{outcome.seconds:.1f} s"
            said = f"{100 * outcome.result.final_accuracy:.1f} % ({time})"
        self._console.print(f"{_name(outcome.cell)}: {said}", markup=False)


def _name(cell: Cell) -> str:
    return f"{cell.row}, {cell.dataset}, seed {cell.seed}"


def grouped(comparison: Comparison, outcomes: Sequence[Outcome]) -> list[Group]:
    """Outcomes by row and data set, in the order of the file, seeds in theirs."""
    groups = []
    for row in comparison.rows:
        for dataset in row.conditions:
            own = [o for o in outcomes if (o.cell.row, o.cell.dataset) == (row.name, dataset)]
            groups.append(
                Group(
                    row.name,
                    dataset,
                    tuple(o.result for o in own if o.result is not None),
                    tuple((o.cell.seed, o.error) for o in own if o.result is None),
                )
            )
    return groups


def print_table(comparison: Comparison, groups: Sequence[Group]) -> None:
    """Show the table on standard output."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    lines = tables.lines(groups)
    failed = any(line[-1] for line in lines)
    for name in tables.HEADER if failed else tables.HEADER[:-1]:
        left = name in ("row", "data")
        shown.add_column(name, justify="left" if left else "right", no_wrap=name != "row")
    for line in lines:
        shown.add_row(*(Text(cell) for cell in (line if failed else line[:-1])))
    console = Console(highlight=False)
    console.print(f"\n{comparison.title}", style="bold", markup=False)
    console.print(shown)
    for remark in [*tables.failures(groups), tables.explanation(comparison)]:
        console.print(remark, markup=False)


def write(
    comparison: Comparison,
    groups: Sequence[Group],
    folder: RunFolder,
    config: Mapping[str, Any],
) -> None:
    """Write the table in all its forms and, as the mark that all is done, ``metrics.json``."""
    from neuro import plotting
    from neuro.report import Picture, Report, Table

    pictures = []
    for dataset in comparison.datasets:
        shown = {g.row: g.results for g in groups if g.dataset == dataset and g.results}
        if shown:
            figure = plotting.comparison(shown, _chance(comparison, dataset, shown))
            folder.write_bytes(f"comparison-{dataset}.png", plotting.png(figure))
            caption = "Each dot is a seed, each bar their mean."
            pictures.append(Picture(f"Final accuracy: {dataset}", caption, plotting.svg(figure)))
    report = Report(
        title=f"neuro compare: {comparison.title}",
        lead=f"{len(comparison.rows)} ways to learn classes two at a time, side by side.",
        tables=[
            Table(tables.HEADER, tables.lines(groups), tables.explanation(comparison)),
        ],
        notes=tables.failures(groups),
        pictures=pictures,
        config=config,
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_bytes("table.md", tables.markdown(comparison, groups).encode())
    folder.write_bytes("table.csv", tables.comma_separated(groups).encode())
    folder.write_json("metrics.json", tables.metrics(comparison, groups))


def _chance(
    comparison: Comparison, dataset: str, shown: Mapping[str, Sequence[SeedResult]]
) -> float:
    """Accuracy of guessing, where a row is told the task: among the classes of a task."""
    first = next(iter(shown.values()))[0]
    classes = len(first.per_class)
    protocols = [r.conditions[dataset].protocol for r in comparison.rows if r.name in shown]
    told = all(protocol.scenario == "task" for protocol in protocols)
    return 1 / (protocols[0].classes_per_task if told else classes)

"""What a job would do, for ``--dry-run``: all is checked, nothing is run and nothing written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check everything, say what would run and what is kept from earlier runs, and stop: "
        "nothing is computed or written.",
    ),
]


@dataclass(frozen=True)
class Planned:
    """Runs of one kind.

    Attributes
    ----------
    what : str
        Their name.
    runs : int
        How many there are.
    kept : int
        How many of them an earlier run has finished.
    """

    what: str
    runs: int
    kept: int = 0


def print_plan(place: object, planned: Iterable[Planned], facts: Mapping[str, object]) -> None:
    """Show what would run.

    Parameters
    ----------
    place : path
        Where the results would go.
    planned : iterable of Planned
    facts : mapping
        What else the job depends on, by name.
    """
    from neuro.cli._terminal import print_tables
    from neuro.report import Table

    items = list(planned)
    rows = [(item.what, str(item.runs), str(item.kept)) for item in items]
    left = sum(item.runs - item.kept for item in items)
    table = Table(
        ("what", "runs", "finished"),
        rows,
        f"{left} run(s) to do. Dry run: nothing was computed or written.",
    )
    print_tables(f"would write to {place}", [table], [f"{k}: {v}" for k, v in facts.items()])

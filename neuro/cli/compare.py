"""``neuro compare``: a whole table of continual learning, in parallel, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neuro.cli._plan import DryRunOption
from neuro.errors import JobError

if TYPE_CHECKING:
    from neuro.models.comparison_cell import Executor

EXAMPLES = r"""An example, the file sleep.toml:

\[table]
datasets = \["digits"]
seeds = "0-4"

\[\[row]]
name = "EP"

\[\[row]]
name = "EP + sleep"
sleep = "reference"
set.sleep_steps = 2000

neuro compare sleep.toml --jobs 2
(two rows, five seeds each, a table in results/sleep)

The paper's comparison: examples/paper_comparison.toml (hours).
The same in small, on digits: examples/quick_comparison.toml."""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(compare)


def compare(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="What to compare; see below.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for finished cells, table.md, table.csv, report.html and metrics.json. "
            "By default results/NAME, after the file."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Worker processes, one thread each; by default as many as there are cores. "
            "The numbers do not depend on it."
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="local|dask",
            help="Where runs run: local, processes of this machine; dask, a Dask cluster "
            "(needs: pip install 'neuro\\[dask]').",
        ),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Of the Dask cluster's scheduler, e.g. tcp://10.0.0.1:8786; its workers need "
            "the same neuro and the data. Without it --executor dask starts --jobs workers here.",
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Instead of the file's, for every row: A-B (both included) or one."),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder to look for data files in first, see 'neuro continual'."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the content of metrics.json instead of the table."),
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Compare ways to learn continually: every row, data set and seed of a file, in parallel.

    The file has a section "table" and a section "row" for each way to learn.
    A row has a name and the options of 'neuro continual': learner, regulariser,
    sleep (none, unless written), rehearsal, joint, scenario, preset ("best"
    for the strongest settings that ship), images_per_task, images_per_class,
    test_images, protocol, tasks, classes_per_task, class_order, blur, pool,
    epochs, and set.KEY for any setting; besides, datasets and seeds. What the
    table says of these holds for every row that says nothing else. Only the
    table has title, evaluate_on (test or validation) and device.

    All is checked before anything runs. A finished run is kept at once: the same
    command continues after an interruption, and after a change to the file it
    computes what changed. A run that fails is named in the table and does not
    stop the others; the exit status is then 1.
    """
    import json

    from neuro.cli import _compare_output as output
    from neuro.cli._comparison_job import print_table_plan, run_table
    from neuro.cli._options import check_device, parse_seeds
    from neuro.learning import comparison_table
    from neuro.learning.comparison import read_comparison

    workers = _workers(executor, jobs, scheduler)
    comparison = read_comparison(config, None if seeds is None else parse_seeds(seeds))
    check_device(comparison.device)
    place = out or Path("results") / config.stem
    if dry_run:
        facts = {"executor": executor, "judged on": comparison.evaluate_on}
        print_table_plan(comparison, place, data_root, facts)
        return
    ran = run_table(
        "compare",
        comparison,
        place,
        output.FINISHED,
        executor=workers,
        data_root=data_root,
    )
    output.write(comparison, ran.groups, ran.folder, ran.about)
    if as_json:
        typer.echo(json.dumps(comparison_table.metrics(comparison, ran.groups), indent=1))
    else:
        output.print_table(comparison, ran.groups)
        typer.echo(f"written to {ran.folder.path}: table.md, table.csv, report.html, metrics.json")
    ran.refuse_failures("the table names them")


def _workers(executor: str, jobs: int | None, scheduler: str | None) -> Executor:
    """What runs the cells, as the options have it."""
    import os

    from neuro.models.comparison_dask import DaskCluster
    from neuro.models.comparison_processes import Processes

    if jobs is not None and jobs < 1:
        raise JobError(f"--jobs {jobs}: give at least 1")
    if executor not in ("local", "dask"):
        raise JobError(f"unknown --executor {executor!r}; choose local or dask")
    if scheduler is not None and executor != "dask":
        raise JobError(f"--scheduler {scheduler} goes with --executor dask; add that")
    if scheduler is not None and jobs is not None:
        raise JobError(
            f"--jobs {jobs} is for workers of this machine, those at --scheduler {scheduler} "
            "run already; leave out one"
        )
    number = jobs or len(os.sched_getaffinity(0))
    return DaskCluster(number, scheduler) if executor == "dask" else Processes(number)

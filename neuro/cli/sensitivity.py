"""``neuro sensitivity``: how much each setting of the sleep matters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from neuro.cli._options import DatasetOption, LearnerOption, RehearsalOption, SleepOption
from neuro.cli._plan import DryRunOption
from neuro.errors import JobError

EXAMPLES = """Examples:

neuro sensitivity --dataset digits --seeds 200-204
(every setting of the shipped sleep, ten minutes; report.html shows the curves)

neuro sensitivity --parameters rate,leak,window --factors 0.5,0.8,1.25,2
(three settings only, nearer to what they are)

neuro sensitivity --dataset mnist --preset best.json --set hidden=600 --jobs 8
(around what 'neuro tune' found)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(sensitivity)


def sensitivity(
    dataset: DatasetOption = "digits",
    sleep: SleepOption = "reference",
    learner: LearnerOption = "ep",
    regulariser: Annotated[
        str, typer.Option(help="For ff besides the sleep: none, ewc, si or lwf.")
    ] = "none",
    rehearsal: RehearsalOption = 0.0,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings to vary instead of the data set's own: best, the name of another data "
            "set, or a .json file from 'neuro tune'."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting in every run; may be repeated.",
        ),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            help="What to vary, with commas; by default all that has an effect: rate, increment, "
            "decrement, 'threshold 1' and so on for each layer, leak (1 - decay), slope, "
            "gain_scale, feedback_gain, sleep_steps, sleep_growth, window."
        ),
    ] = None,
    factors: Annotated[
        str,
        typer.Option(
            help="By what each is multiplied, with commas. Windows take a quarter of the image's "
            "side up to the whole image instead."
        ),
    ] = "0.25,0.5,2,4",
    seeds: Annotated[
        str,
        typer.Option(help="Runs at every point: A-B. Take others than those of a search."),
    ] = "200-204",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for finished runs, sensitivity.svg and .png, table.md, table.csv, "
            "report.html and metrics.json. By default results/sensitivity-DATASET."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Worker processes, one thread each; by default as many as there are cores. "
            "The numbers do not depend on it."
        ),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(help="Folder to look for data files in first, see 'neuro continual'."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Torch device of the training: cpu, cuda, cuda:1, ...")
    ] = "cpu",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the content of metrics.json instead of the table."),
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Vary every setting of the sleep, one at a time, and see what is still remembered.

    Each setting is multiplied by a few factors while all others stay as they are, with several
    seeds, on training images that are held back (never on the test set). A flat curve belongs to
    a setting that need not be tuned; a steep one to a setting that must be.

    A finished run is kept at once: the same command continues after an interruption. A run that
    fails is named and does not stop the others; the exit status is then 1.
    """
    import json
    import os

    from neuro.cli import _sensitivity_output
    from neuro.cli._comparison_job import print_table_plan, run_table
    from neuro.cli._options import check_device, check_sleep, parse_seeds
    from neuro.dataset_name import DatasetName
    from neuro.datasets import load
    from neuro.learning import sensitivity as study_of, sensitivity_table
    from neuro.learning.condition import condition
    from neuro.learning.presets import parse_settings
    from neuro.models.comparison_processes import Processes

    if jobs is not None and jobs < 1:
        raise JobError(f"--jobs {jobs}: give at least 1")
    if not 0 <= rehearsal <= 1:
        raise JobError(f"--rehearsal {rehearsal:g} is no fraction; give 0 to 1, e.g. 0.02")
    if sleep == "none":
        raise JobError("--sleep none leaves nothing to vary; name a backend, e.g. reference")
    check_sleep(sleep)
    check_device(device)
    base = condition(
        dataset,
        learner=learner,
        regulariser=regulariser,
        sleep=sleep,
        rehearsal=rehearsal,
        preset=preset,
        settings=parse_settings(setting or []),
        evaluate_on="validation",
    )
    shape = load(dataset, data_root).shape
    study = study_of.plan(
        dataset,
        base,
        # Colours lie side by side, see neuro.models.continual.
        image_side=shape[0],
        seeds=parse_seeds(seeds),
        factors=_numbers(factors),
        chosen=None if parameters is None else [name.strip() for name in parameters.split(",")],
        device=device,
    )
    place = out or Path("results") / f"sensitivity-{DatasetName.parse(dataset).slug}"
    if dry_run:
        print_table_plan(study.comparison, place, data_root, {"judged on": "validation"})
        return
    ran = run_table(
        "sensitivity",
        study.comparison,
        place,
        _sensitivity_output.FINISHED,
        executor=Processes(jobs or len(os.sched_getaffinity(0))),
        data_root=data_root,
    )
    effects = study_of.effects(study, ran.groups)
    _sensitivity_output.write(study, effects, ran.groups, ran.folder, ran.about)
    if as_json:
        typer.echo(json.dumps(sensitivity_table.metrics(study, effects, ran.groups), indent=1))
    else:
        _sensitivity_output.print_tables(study, effects, ran.groups)
        typer.echo(
            f"written to {ran.folder.path}: report.html, sensitivity.svg, table.md, table.csv, "
            "metrics.json"
        )
    ran.refuse_failures("the tables name them")


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise JobError(
            f"--factors {text!r} is no list of numbers; write e.g. 0.25,0.5,2,4"
        ) from None

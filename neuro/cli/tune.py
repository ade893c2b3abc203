"""``neuro tune``: search settings for a data set on validation images."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from neuro.cli._options import DatasetOption, LearnerOption, RehearsalOption, SleepOption
from neuro.cli._plan import DryRunOption, Planned, print_plan
from neuro.errors import JobError

EXAMPLES = """Examples:

neuro tune --dataset digits --trials 50 --seeds 100-102 --study digits.study --save digits.json

neuro continual --dataset digits --preset digits.json --seeds 0-4
(measure what was found, on seeds that the search did not use)

neuro tune --dataset mnist --trials 200 --jobs 8 --sampler cmaes
(eight processes; the same command again goes on for 200 more)

neuro tune --dataset mnist --jobs 8 --study postgresql://me@server/sleep
(the same command on another machine joins the search)

neuro tune --learner ff --trials 100 --set hidden=400,400
(the sleep of a feed-forward network)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(tune)


def tune(
    dataset: DatasetOption = "digits",
    trials: Annotated[
        int, typer.Option(help="Candidates to try in this run, by all its processes together.")
    ] = 20,
    seeds: Annotated[
        str,
        typer.Option(
            help="Seeds that every candidate is judged with: A-B. Measure the winner on others."
        ),
    ] = "100-102",
    study: Annotated[
        str,
        typer.Option(
            help="Where the search is kept: a file, or a database URL (postgresql://, mysql://, "
            "sqlite:///) that other machines reach. The same study goes on; a command that is "
            "started while another runs joins it."
        ),
    ] = "neuro.study",
    sampler: Annotated[
        str,
        typer.Option(
            metavar="tpe|cmaes|genetic",
            help="What proposes candidates: tpe, a good first choice; cmaes, a moving cloud, for "
            "hundreds of candidates; genetic, a population of 24, for many processes. It may "
            "change from run to run: tpe learns from all candidates in the study, the others "
            "from their own.",
        ),
    ] = "tpe",
    jobs: Annotated[
        int,
        typer.Option(
            help="Worker processes, one thread each. With 1 the same command on a new file finds "
            "the same; with more, what is tried depends on what is finished first."
        ),
    ] = 1,
    save: Annotated[
        Path | None, typer.Option(help="Write the best settings here, for --preset.")
    ] = None,
    sleep: SleepOption = "reference",
    learner: LearnerOption = "ep",
    regulariser: Annotated[
        str,
        typer.Option(
            help="For ff besides the sleep: none, ewc, si or lwf; its strength is searched too."
        ),
    ] = "none",
    rehearsal: RehearsalOption = 0.0,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Begin at these settings instead of the data set's own: best, the name of "
            "another data set, or a .json file of an earlier search."
        ),
    ] = None,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder to look for data files in first.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting to begin at; fixed, if it is not searched, e.g. hidden=600 or "
            "images_per_task=3000.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Search learning rates and the sleep's settings; never looks at the test set.

    The last sixth of the training images is withheld to judge candidates. A candidate's score
    is its mean over several seeds; candidates that fall behind are given up early.

    Searched are the learning rates and epochs, and of the sleep rate, increment, decrement,
    thresholds, decay, slope, window, feedback and length. Ctrl-C ends all processes; finished
    candidates are kept, and the same command continues.
    """
    from neuro.cli._errors import InterruptedJobError
    from neuro.cli._options import check_sleep, parse_seeds
    from neuro.datasets import load
    from neuro.learning.condition import condition
    from neuro.learning.presets import parse_settings
    from neuro.learning.search import Space, search
    from neuro.learning.search_samplers import check_sampler
    from neuro.learning.search_study import shown
    from neuro.models.judge import Judge
    from neuro.results import write_json

    if trials < 1:
        raise JobError(f"--trials {trials}: give at least 1")
    if jobs < 1:
        raise JobError(f"--jobs {jobs}: give at least 1")
    if not 0 <= rehearsal <= 1:
        raise JobError(f"--rehearsal {rehearsal:g} is no fraction; give 0 to 1, e.g. 0.02")
    if sleep == "none":
        raise JobError("--sleep none leaves nothing to tune; name a backend, e.g. reference")
    check_sampler(sampler)
    judged = parse_seeds(seeds)
    check_sleep(sleep)
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
    data = load(dataset, data_root)
    space = Space(base.sleeper, data.shape[0])
    if dry_run:
        first = space.first()
        facts = {"judged on": f"validation images, seeds {seeds}", "sampler": sampler}
        facts["searched, from"] = ", ".join(f"{name}={first[name]:.4g}" for name in first)
        print_plan(shown(study), [Planned("candidates, at most", trials)], facts)
        return
    judge = Judge(
        dataset,
        None if data_root is None else os.path.abspath(data_root),
        data.fingerprint(),
        base.protocol,
        sleep,
    )
    about = {"dataset": data.fingerprint(), "rehearsal": rehearsal, "format": 1}
    try:
        found = search(
            judge,
            space,
            judged,
            trials,
            study,
            about,
            sampler=sampler,
            jobs=jobs,
            say=typer.echo,
        )
    except KeyboardInterrupt:
        raise InterruptedJobError(
            f"interrupted; finished candidates are in {shown(study)}: the same command continues"
        ) from None
    values = found.preset.to_json()
    typer.echo(
        f"best of {found.trials}: {100 * found.mean:.1f} % on validation images, worst seed "
        f"{100 * found.worst:.1f} %. The winner of a search is flattered: expect less."
    )
    typer.echo(json.dumps(values, indent=1))
    if save is not None:
        write_json(save, values)
        typer.echo(f"written to {save}; use it with: neuro continual --preset {save}")

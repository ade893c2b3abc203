"""``neuro tune``: search settings for a data set on validation images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from neuro.errors import JobError

EXAMPLES = """Examples:

neuro tune --dataset digits --trials 50 --seeds 100-102 --study digits.db --save digits.json

neuro continual --dataset digits --preset digits.json --seeds 0-4
(measure what was found, on seeds that the search did not use)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(tune)


def tune(
    dataset: Annotated[
        str, typer.Option(help="digits, mnist, fashion-mnist, kmnist or cifar10.")
    ] = "digits",
    trials: Annotated[int, typer.Option(help="Candidates to try in this run.")] = 20,
    seeds: Annotated[
        str,
        typer.Option(
            help="Seeds that every candidate is judged with: A-B. Measure the winner on others."
        ),
    ] = "100-102",
    study: Annotated[
        Path, typer.Option(help="SQLite file of the search; the same file continues it.")
    ] = Path("neuro-study.db"),
    save: Annotated[
        Path | None, typer.Option(help="Write the best settings here, for --preset.")
    ] = None,
    sleep: Annotated[
        str, typer.Option(help="What simulates the sleeping network, see 'neuro backends'.")
    ] = "reference",
    rehearsal: Annotated[
        float, typer.Option(help="Fraction of earlier training images mixed into each task.")
    ] = 0.0,
    data_root: Annotated[
        Path | None, typer.Option(help="Folder to look for data files in first.")
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Fix a setting that is not searched, e.g. hidden=600 or images_per_task=3000.",
        ),
    ] = None,
) -> None:
    """Search learning rates and the sleep's settings; never looks at the test set.

    The last sixth of the training images is withheld to judge candidates. A candidate's score
    is its mean over several seeds; candidates that fall behind are given up early.
    """
    from neuro.cli._options import check_sleep, parse_seeds
    from neuro.datasets import load
    from neuro.learning.continual import ContinualProtocol
    from neuro.learning.presets import Preset, parse_settings, preset
    from neuro.learning.search import Space, search
    from neuro.learning.sleep import BACKEND_GATES
    from neuro.results import write_json

    if trials < 1:
        raise JobError(f"--trials {trials}: give at least 1")
    if not 0 <= rehearsal <= 1:
        raise JobError(f"--rehearsal {rehearsal:g} is no fraction; give 0 to 1, e.g. 0.02")
    if sleep == "none":
        raise JobError("--sleep none leaves nothing to tune; name a backend, e.g. reference")
    judged = parse_seeds(seeds)
    data = load(dataset, data_root)
    check_sleep(sleep)
    gate = {"gate": BACKEND_GATES[sleep]} if sleep in BACKEND_GATES else {}
    base = preset(dataset).with_values(gate | parse_settings(setting or []))
    protocol = ContinualProtocol(
        images_per_task=base.images_per_task, rehearsal=rehearsal, evaluate_on="validation"
    )
    from neuro.models.continual import run

    def evaluate(candidate: Preset, seed: int) -> float:
        return run(data, candidate, protocol, seed, sleep_backend=sleep).final_accuracy

    about = {"dataset": data.fingerprint(), "rehearsal": rehearsal, "format": 1}
    try:
        found = search(
            evaluate, Space(base, data.shape[0]), judged, trials, study, about, say=typer.echo
        )
    except KeyboardInterrupt:
        from neuro.cli._errors import InterruptedJobError

        raise InterruptedJobError(
            f"interrupted; finished candidates are in {study}: the same command continues"
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

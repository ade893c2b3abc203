"""``neuro reactivate``: do networks without input revisit the states of their waking life."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from neuro.cli._plan import DryRunOption, print_plan
from neuro.errors import JobError

EXAMPLES = """Examples:

neuro reactivate --task anchor --seeds 0-4
(five seeds of head direction with a favourite heading, in some minutes)

neuro reactivate --task position
(walks in a box, with a pull to the middle and without; the matrix of divergences)

neuro reactivate --task anchor --spiking brian2
(the same networks in spikes, compiled to C++; --pools stochastic: cells that draw)

neuro reactivate --task anchor --set offline_steps=16000 --set burn_in=8000 --set start=point
(does it last? a long time after all began at one heading)

neuro reactivate --task head-direction --bias biased --set units=128
(only counter-clockwise turns awake: does the network turn so when it dreams?)

neuro reactivate --task position --preset paper --set bias=false --seeds 0
(the paper's sizes, hours)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(reactivate)


def reactivate(
    task: Annotated[
        str,
        typer.Option(
            help="head-direction: turn the head, all headings alike. anchor: the same with a pull "
            "to one heading, so that some are frequent. position: walk in a box."
        ),
    ] = "anchor",
    bias: Annotated[
        str | None,
        typer.Option(
            help="Waking movement: unbiased; biased (only counter-clockwise turns; walks with a "
            "pull to the middle); or both, compared with each other. By default both for "
            "position, otherwise unbiased."
        ),
    ] = None,
    noise: Annotated[
        str,
        typer.Option(
            help="gaussian, or uniform01: from 0 to 1 as in the code released with the paper, "
            "which drives units besides."
        ),
    ] = "gaussian",
    spiking: Annotated[
        str | None,
        typer.Option(
            metavar="BACKEND",
            help="Run the trained networks in spikes as well, each unit a pool of cells, on "
            "reference, torch, brian2, lava or another name of 'neuro backends'.",
        ),
    ] = None,
    pools: Annotated[
        str,
        typer.Option(
            help="Cells of a pool: integrate, which integrate and fire and get noise as spikes; "
            "or stochastic, which draw, as many as are as noisy."
        ),
    ] = "integrate",
    seeds: Annotated[str, typer.Option(help="Runs: A-B (both included) or one number.")] = "0-1",
    preset: Annotated[
        str,
        typer.Option(
            help="quick: small networks, minutes. paper: the sizes of the paper, no biases; hours."
        ),
    ] = "quick",
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting, e.g. units=128, kind=gated, bias=false, offline_steps=4000; "
            "may be repeated. An unknown name lists all.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for config.json, metrics.json, figures and report.html. The same command "
            "continues an interrupted run. By default results/reactivate-TASK."
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Seeds that run at the same time, one thread each; by default as many as there "
            "are cores. The numbers do not depend on it."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Torch device: cpu, cuda, cuda:1, ...")] = "cpu",
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the content of metrics.json instead of the table."),
    ] = False,
    dry_run: DryRunOption = False,
) -> None:
    """Train noisy networks to know where they are, switch their input off, and see where they go.

    Each seed trains a network with noise in its states and one without, and leaves both to
    themselves with noise of several sizes. What their outputs report is compared with waking life:
    divergence (KL, beside that of a frozen start), step length, spread, and how far states leave
    the waking manifold. The claim of Krishna et al. 2024 (arXiv:2505.17003) is that training with
    noise makes networks revisit their waking states.
    """
    import json
    import os
    from dataclasses import replace

    from neuro.cli import _reactivate_job, _reactivate_output
    from neuro.cli._options import check_backend, check_device, parse_seeds
    from neuro.learning.presets import parse_settings
    from neuro.learning.reactivation_settings import reactivation_settings

    if jobs is not None and jobs < 1:
        raise JobError(f"--jobs {jobs}: give at least 1")
    check_device(device)
    if spiking is not None:
        check_backend("--spiking", spiking)
    settings = replace(reactivation_settings(task, preset), noise_kind=noise)
    request = _reactivate_job.Request(
        settings=settings.with_values(parse_settings(setting or [])),
        bias=bias or ("both" if task == "position" else "unbiased"),
        spiking=spiking,
        pools=pools,
        seeds=parse_seeds(seeds),
        device=device,
    )
    if dry_run:
        folder = _reactivate_job.place(request, out, make=False)
        print_plan(folder.path, _reactivate_job.planned(request, folder), request.facts())
        return
    folder = _reactivate_job.open_folder(request, out)
    results = _reactivate_job.run(
        request, folder, jobs or len(os.sched_getaffinity(0)), say=partial(typer.echo, err=as_json)
    )
    metrics = _reactivate_output.write(request, results, folder)
    if as_json:
        typer.echo(json.dumps(metrics, indent=1))
    else:
        _reactivate_output.print_table(request, metrics)
        typer.echo(f"written to {folder.path}: report.html, metrics.json, config.json and figures")

"""``neuro deploy``: does a network fit the chip, how full is it, what does a run cost."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from neuro.cli._errors import one_line
from neuro.errors import JobError

#: Exit status of a network that does not fit; 1 and 2 mean that there is no report.
DOES_NOT_FIT = 3

EXAMPLES = """Examples:

neuro deploy demo.h5 --target loihi2 --out results/deploy
(a network that nr.save wrote; look at report.html)

neuro deploy demo.h5 --target loihi1 --rate 10
(without simulation: every unit spikes at 10 Hz)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(deploy)


def deploy(
    network: Annotated[
        Path, typer.Argument(metavar="NET.h5", help="A network, written by nr.save.")
    ],
    target: Annotated[str, typer.Option(help="loihi1 or loihi2.")] = "loihi2",
    dt: Annotated[float, typer.Option(help="Time step in seconds.")] = 1e-3,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for report.json, report.html and the figure cores.png."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the content of report.json instead of tables.")
    ] = False,
    duration: Annotated[
        float | None,
        typer.Option(
            help="Length of one inference in seconds, over which the network is simulated and "
            "energy counted; 256 steps by default."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(help="Do not simulate: let every unit spike at this rate, in hertz."),
    ] = None,
    frozen: Annotated[
        bool, typer.Option("--frozen", help="Leave plasticity out: weights stay as they are.")
    ] = False,
    chips: Annotated[
        int | None,
        typer.Option(help="Most chips there may be; by default the largest system built."),
    ] = None,
    exponents: Annotated[
        str,
        typer.Option(help="How exponents of weights are chosen: max, percentile or error."),
    ] = "max",
    rounding: Annotated[
        str, typer.Option(help="How weights are rounded: nearest or stochastic.")
    ] = "nearest",
) -> None:
    """Check a network against a Loihi chip, place it on cores, estimate energy and time.

    A network of floats is quantised first. Needs neither the chip nor Lava. Exit status 0: it
    fits; 3: it does not (standard error names the layer and the limit); 1 and 2: mistakes.
    """
    import json

    from neuro.cli import _deploy_output as output
    from neuro.exchange import load
    from neuro.loihi.deployment import deploy as make
    from neuro.network import Network
    from neuro.results import RunFolder

    for option, given, choices in (
        ("--exponents", exponents, ("max", "percentile", "error")),
        ("--rounding", rounding, ("nearest", "stochastic")),
    ):
        if given not in choices:
            raise JobError(f"{option} {given!r}: choose from {', '.join(choices)}")
    described = load(network)
    if not isinstance(described, Network):
        raise JobError(f"{network} holds a checkpoint, not a network; give what nr.save(net) wrote")
    folder = None if out is None else RunFolder(out)
    if folder is not None:
        folder.begin("report.json")
    made = make(
        described,
        dt,
        target,
        chips=chips,
        duration=duration,
        rate=rate,
        frozen=frozen,
        exponents=exponents,
        rounding=rounding,
    )
    config: dict[str, Any] = {
        "network": str(network),
        "target": target,
        "dt": dt,
        "duration": duration,
        "rate": rate,
        "frozen": frozen,
        "chips": chips,
        "exponents": exponents,
        "rounding": rounding,
    }
    if as_json:
        typer.echo(json.dumps({**made.to_dict(), "config": config}, indent=1))
    else:
        output.print_tables(made)
    if folder is not None:
        output.write(made, folder, config)
        if not as_json:
            typer.echo(f"written to {folder.path}: report.html, report.json and cores.png")
    if not made.fits:
        for violation in made.violations:
            typer.echo(one_line(f"neuro: {network} does not fit {target}: {violation}"), err=True)
        raise typer.Exit(DOES_NOT_FIT)

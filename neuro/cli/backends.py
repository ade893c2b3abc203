"""``neuro backends``: what can simulate here, and what is missing for the rest."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(backends)


def backends() -> None:
    """List the simulators that neuro can run on, and why the others cannot be used here."""
    from neuro.simulation import backends as installed

    found = installed()
    if not found:
        typer.echo("no backend is installed; install neuro with pip, not from a bare folder")
        return
    width = max(map(len, found))
    for name, state in found.items():
        typer.echo(f"{name:{width}}  {'available' if state is True else f'no: {state}'}")

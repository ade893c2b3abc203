"""``neuro backends``: what can simulate here, and what is missing for the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(backends)


def backends(
    table: Annotated[
        bool,
        typer.Option("--table", help="What each backend can run, as Markdown (docs/backends.md)."),
    ] = False,
) -> None:
    """List the simulators that neuro can run on, and why the others cannot be used here."""
    from neuro.simulation import backends as installed, installed_backends

    if table:
        from neuro.backend_table import markdown

        typer.echo(markdown(installed_backends()), nl=False)
        return
    found = installed()
    if not found:
        typer.echo("no backend is installed; install neuro with pip, not from a bare folder")
        return
    width = max(map(len, found))
    for name, state in found.items():
        typer.echo(f"{name:{width}}  {'available' if state is True else f'no: {state}'}")

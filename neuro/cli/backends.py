"""``neuro backends``: what can simulate here, and what mends what cannot."""

from __future__ import annotations

from typing import Annotated

import typer

from neuro.errors import JobError


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(backends)


def backends(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[BACKEND]...",
            help="Only these; exit status 1 if one of them cannot be used here.",
        ),
    ] = None,
    table: Annotated[
        bool,
        typer.Option("--table", help="What each backend can run, as Markdown (docs/backends.md)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what can be used here, what is missing, and the command that mends it.

    Simulators with their ways of running (compilers, GPUs), and optional parts of neuro.
    """
    import json

    from neuro.cli import _doctor
    from neuro.simulation import backends as installed, installed_backends

    if table:
        from neuro.backend_table import markdown

        typer.echo(markdown(installed_backends()), nl=False)
        return
    found = installed()
    if not found:
        typer.echo("no backend is installed; install neuro with pip, not from a bare folder")
        return
    unknown = [name for name in names or [] if name not in found]
    if unknown:
        raise JobError(f"no backend {unknown[0]!r}; installed: {', '.join(found)}")
    chosen = {name: found[name] for name in names or found}
    findings = {"backends": _doctor.backends(chosen)}
    if not names:
        findings["optional parts"] = _doctor.extras()
    if as_json:
        typer.echo(json.dumps(_doctor.to_json(findings), indent=1))
    else:
        typer.echo(_doctor.text(findings))
    if names and any(state is not True for state in chosen.values()):
        raise typer.Exit(1)

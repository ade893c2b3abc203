"""The ``neuro`` command: one verb a job.

Modules here import nothing heavy at the top, so that ``neuro --help`` answers at once; each verb
brings in torch, matplotlib or Brian2 when it runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from neuro.cli import (
    backends,
    bench,
    check_gradient,
    compare,
    continual,
    deploy,
    new,
    reactivate,
    sensitivity,
    tune,
)
from neuro.cli._errors import InterruptedJobError, one_line
from neuro.errors import NeuroError

app = typer.Typer(
    name="neuro",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Spiking networks: learn awake, sleep in spikes, remember.",
    epilog="Begin with: neuro continual --dataset digits --sleep reference",
)
for module in (
    *(continual, reactivate, compare, deploy),
    *(tune, sensitivity, check_gradient, backends, bench, new),
):
    module.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from neuro._version import __version__

        typer.echo(f"neuro {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the entry point of ``neuro``.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit status: 0 done, 1 the job failed, 2 the command is wrong, 3 a network does not fit
        (``neuro deploy``), 130 interrupted. Every failure is one line on standard error; with
        ``NEURO_DEBUG=1`` mistakes show a traceback.
    """
    try:
        status = app(
            args=None if arguments is None else list(arguments),
            prog_name="neuro",
            standalone_mode=False,
        )
    except InterruptedJobError as error:
        return _fail(str(error), 130)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except (NeuroError, FloatingPointError, OSError, MemoryError) as error:
        if os.environ.get("NEURO_DEBUG"):
            raise
        return _fail(str(error) or type(error).__name__, 1)
    except Exception as error:
        # Wrong options: the exception class is private to typer, but its message is not.
        message = getattr(error, "format_message", None)
        if message is None:
            raise
        text = message()
        if not text:  # `neuro` alone: the help has been shown
            return int(getattr(error, "exit_code", 2))
        return _fail(f"{text} (neuro --help explains)", int(getattr(error, "exit_code", 2)))
    if status == 130:  # typer turns Ctrl-C into an exit status
        return _fail("interrupted", 130)
    return int(status or 0)


def _fail(message: str, status: int) -> int:
    # A progress bar may have left the cursor in the middle of a line.
    start = "\r" if sys.stderr.isatty() else ""
    print(f"{start}neuro: {one_line(message)}", file=sys.stderr)
    return status

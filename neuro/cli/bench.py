"""``neuro bench``: ours beside theirs, measured in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from neuro.errors import JobError

#: Of every result. Without a bar, ``bar`` and ``holds`` are None. A result may also have
#: ``details``, a dict of texts that are printed below the table.
FIELDS = ("case", "peer", "ours", "theirs", "ratio", "bar", "holds")

Results = list[dict[str, Any]]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command()(bench)


def cases() -> dict[str, Callable[..., Results]]:
    """Benchmark cases by name: every module of :mod:`neuro.benchmarks` with a ``case``.

    The name is the module's, with ``-`` for ``_``. Modules are imported when their case runs. A
    ``case`` gives one result or a list of them.
    """
    import pkgutil

    import neuro.benchmarks

    found: dict[str, Callable[..., Results]] = {}
    for module in pkgutil.iter_modules(neuro.benchmarks.__path__):
        if not module.name.startswith("_"):
            found[module.name.replace("_", "-")] = _runner(f"neuro.benchmarks.{module.name}")
    return dict(sorted(found.items()))


def _runner(module: str) -> Callable[..., Results]:
    def run(**options: Any) -> Results:
        from importlib import import_module
        from inspect import signature

        case = getattr(import_module(module), "case", None)
        if case is None:
            raise JobError(f"benchmark {module} has no function case()")
        taken = signature(case).parameters
        made = case(**{name: value for name, value in options.items() if name in taken})
        results = made if isinstance(made, list) else [made]
        for result in results:
            missing = [name for name in FIELDS if name not in result]
            if missing:
                raise JobError(f"benchmark {module}: its result lacks {', '.join(missing)}")
        return [{k: r[k] for k in (*FIELDS, "details") if k in r} for r in results]

    return run


def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE]...", help="Cases to run; all if none is named."),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write the results to this file, as a list."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the figures and tables that some cases make."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, where a case has them: a try, no result.")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="Only name the cases.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit status 1 if a ratio is below its bar.")
    ] = False,
) -> None:
    """Measure neuro beside other tools, both in the same run; ratios above 1 favour neuro.

    Timings are medians of several runs. A case holds when its ratio reaches its bar. Close
    other programs first: on a busy machine ratios waver.
    """
    available = cases()
    if listing:
        typer.echo("\n".join(available))
        return
    wanted = list(dict.fromkeys(names)) if names else list(available)
    unknown = [name for name in wanted if name not in available]
    if unknown:
        raise JobError(f"no benchmark {unknown[0]!r}; there are {', '.join(available) or 'none'}")
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise JobError(f"cannot write {json_file}: its folder does not exist")
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    from neuro.results import write_json

    results: Results = []
    for name in wanted:
        typer.echo(f"{name} ...", err=True)
        results += available[name](out=out, quick=quick)
        if json_file is not None:  # after each case: what was measured is kept, whatever follows
            write_json(json_file, results)
    _print(results)
    if strict and any(result["holds"] is False for result in results):
        raise typer.Exit(1)


def _print(results: Results) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table()
    for name in FIELDS:
        table.add_column(name, justify="left" if name in ("case", "peer") else "right")
    for result in results:
        table.add_row(*(_cell(result[name]) for name in FIELDS))
    console = Console()
    if not console.is_terminal:
        console = Console(width=132)
    console.print(table)
    for result in results:
        for name, text in result.get("details", {}).items():
            typer.echo(f"{result['case']}; {name}: {text}")


def _cell(value: Any) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))

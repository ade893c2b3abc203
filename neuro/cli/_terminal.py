"""Tables of reports on standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from neuro.report import Table


def print_tables(
    title: str,
    tables: Iterable[Table],
    remarks: Iterable[str] = (),
    *,
    cell: Callable[[str], str] = str,
) -> None:
    """Show tables, each with its caption below, and remarks.

    Parameters
    ----------
    title : str
    tables : iterable of Table
    remarks : iterable of str
    cell : callable
        Makes a cell short enough: a terminal has eighty columns.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table as Shown
    from rich.text import Text

    console = Console(highlight=False)
    console.print(f"\n{title}", style="bold", markup=False)
    for table in tables:
        shown = Shown(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for number, name in enumerate(table.header):
            shown.add_column(Text(name), justify="right" if number else "left", no_wrap=True)
        for row in table.rows:
            shown.add_row(*(Text(cell(text)) for text in row))
        console.print(shown)
        console.print(table.caption, markup=False)
    for remark in remarks:
        console.print(remark, markup=False)

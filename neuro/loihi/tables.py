"""How reports print."""

from __future__ import annotations

from abc import ABC, abstractmethod

from neuro.notebook import table

#: The header of a table, and its rows.
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


class Tables(ABC):
    """Reports that print as a title and tables, on a terminal and in a notebook."""

    @abstractmethod
    def title(self) -> str:
        """What stands above the tables."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Header and rows of each."""

    def __str__(self) -> str:
        lines = [self.title()]
        for header, rows in self.tables():
            columns = list(zip(header, *rows, strict=True))
            widths = [max(map(len, column)) for column in columns]
            for line in (header, *rows):
                cells = (
                    cell.rjust(w) if i else cell.ljust(w)
                    for i, (cell, w) in enumerate(zip(line, widths, strict=True))
                )
                lines.append("  " + "  ".join(cells).rstrip())
        return "\n".join(lines)

    def to_html(self) -> str:
        """The tables in HTML, to be put into a page."""
        return "".join(table(self.title(), header, rows) for header, rows in self.tables())

    def _repr_html_(self) -> str:
        return self.to_html()

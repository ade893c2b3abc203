"""A report in one HTML file: opens anywhere, needs no network, holds no script."""

from __future__ import annotations

import base64
import html
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_CSS = """
body { font: 16px/1.55 system-ui, sans-serif; color: #1c1c1c; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p.lead { font-size: 1.1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
div.wide { overflow-x: auto; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid #d8d8d8;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid #444; }
figure { margin: 1rem 0 1.6rem; } figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: .92rem; max-width: 48rem; }
pre { background: #f5f5f3; padding: .8rem 1rem; overflow-x: auto; font-size: .85rem; }
"""


@dataclass(frozen=True)
class Table:
    """Texts in rows.

    Attributes
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequences of str
        One entry per column.
    caption : str
        What the table shows.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure with its caption.

    Attributes
    ----------
    title, caption : str
        What it is, and how to read it.
    svg : str
        The figure as an SVG document.
    """

    title: str
    caption: str
    svg: str


@dataclass(frozen=True)
class Report:
    """Content of a report; all texts are escaped when it is rendered."""

    title: str
    lead: str
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    config: Mapping[str, Any] = field(default_factory=dict)

    def render(self) -> str:
        """The report as an HTML document with everything inside."""
        text = html.escape
        parts = [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(self.title)}</title><style>{_CSS}</style></head><body>",
            f"<h1>{text(self.title)}</h1>",
            f'<p class="lead">{text(self.lead)}</p>',
        ]
        parts += [_table(table) for table in self.tables]
        parts += [f"<p>{text(note)}</p>" for note in self.notes]
        parts += [_picture(picture) for picture in self.pictures]
        if self.config:
            plain = json.dumps(self.config, indent=2, ensure_ascii=False)
            parts += ["<h2>Configuration</h2>", f"<pre>{text(plain)}</pre>"]
        parts.append("</body></html>")
        return "\n".join(parts) + "\n"


def _table(table: Table) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.header)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n"
        for row in table.rows
    )
    caption = f"<p>{html.escape(table.caption)}</p>" if table.caption else ""
    return (
        f'{caption}<div class="wide"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _picture(picture: Picture) -> str:
    # An image, not inline markup: ids inside one SVG cannot collide with those of another.
    data = base64.b64encode(picture.svg.encode()).decode()
    title = html.escape(picture.title)
    return (
        f"<h2>{title}</h2><figure>"
        f'<img alt="{title}" src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )


def versions() -> dict[str, str]:
    """Versions of Python, neuro and the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in ("neuro", "numpy", "scipy", "torch", "brian2", "scikit-learn"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found

"""What a network and a program look like to a person: text and notebook tables."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from neuro.distributions import Distribution
from neuro.notebook import table
from neuro.sources import Source

if TYPE_CHECKING:
    from neuro.members import Population, Projection
    from neuro.network import Network
    from neuro.program import Program

Row = tuple[str, ...]

POPULATIONS = ("population", "units", "model", "parameters")
PROJECTIONS = ("projection", "from", "to", "weights", "delay", "learning")


def network_text(net: Network) -> str:
    """Populations, projections and recordings, in aligned columns."""
    lines = [f"network {net.name!r} (seed {net.seed})"]
    lines += _columns([_population(p) for p in net.populations.values()])
    lines += _columns([_projection(c) for c in net.projections.values()])
    lines += [f"  record {what}" for what in _recorded(net)]
    return "\n".join(lines)


def network_html(net: Network) -> str:
    """The same as tables."""
    parts = [table(f"network {net.name}", POPULATIONS, map(_population, net.populations.values()))]
    if net.projections:
        parts.append(table("projections", PROJECTIONS, map(_projection, net.projections.values())))
    if net.recorders:
        parts.append(f"<p>recorded: {escape(', '.join(_recorded(net)))}</p>")
    return "".join(parts)


def program_html(program: Program) -> str:
    """The text of a program, in which every space counts."""
    return f"<pre>{escape(str(program))}</pre>"


def _population(p: Population) -> Row:
    units = str(p.size) if len(p.shape) == 1 else f"{'x'.join(map(str, p.shape))} = {p.size}"
    content = p.model.content() if isinstance(p.model, Source) else p.model.parameters
    given = [f"{key}={_value(value)}" for key, value in content.items()]
    given += [f"{port}: {synapse}" for port, synapse in getattr(p.model, "synapses", {}).items()]
    return p.name, units, getattr(p.model, "name", type(p.model).__name__), ", ".join(given)


def _projection(c: Projection) -> Row:
    learning = [rule.name for rule in (c.short_term, c.plasticity) if rule is not None]
    port = f".{c.port}" if len(getattr(c.post.model, "ports", ())) > 1 else ""
    return (
        c.name,
        c.pre.name,
        f"{c.post.name}{port}",
        _connector(c.connector),
        _delay(c.delay),
        ", ".join(learning) or "none",
    )


def _connector(connector: Any) -> str:
    inside = ", ".join(f"{k}={_value(v)}" for k, v in connector.content().items())
    return f"{type(connector).__name__.lstrip('_')}({inside})"


def _delay(delay: Any) -> str:
    if delay is None:
        return "one step"
    return f"{delay:g} s" if isinstance(delay, float) else "of each synapse"


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{'x'.join(map(str, value.shape))} values"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Distribution):
        return repr(value)
    return str(value)


def _recorded(net: Network) -> list[str]:
    return [f"{r.owner}.{r.variable}" for r in net.recorders]


def _columns(rows: Iterable[Row]) -> list[str]:
    """Cells side by side, each column as wide as its widest cell."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]

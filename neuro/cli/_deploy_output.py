"""What ``neuro deploy`` shows and writes: tables, ``report.json``, ``report.html`` and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from neuro.loihi.deployment import Deployment
from neuro.loihi.deployment_tables import (
    COSTS,
    LAYERS,
    RULES,
    cost,
    cost_rows,
    layer_rows,
    quantity,
    rule_rows,
    verdict,
)
from neuro.loihi.energy import BARRIER, ENERGY, TIME
from neuro.loihi.quantisation_report import QuantisationReport
from neuro.report import Picture, Report, Table
from neuro.results import RunFolder

#: What must stand beside the numbers; the report says more.
SHORT = (
    "Estimates: dynamic energy only, with figures of Loihi 1 (Davies et al. 2018, table 2,"
    " simulated before the chip was made); no table of energy per operation is published for"
    " Loihi 2. A core holds neurons of one population. More in report.html."
)

FIGURE_CAPTION = (
    "Each step is a core; colours are layers. What reaches above the dashed line does not fit."
)


def print_tables(made: Deployment) -> None:
    """Show the report on standard output."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table as Grid

    console = Console(highlight=False)

    def show(title: str, header: tuple[str, ...], rows: Sequence[Sequence[str]], left: int) -> None:
        shown = Grid(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for i, name in enumerate(header):
            shown.add_column(name, justify="left" if i < left else "right", no_wrap=True)
        for row in rows:
            shown.add_row(*map(escape, row))
        console.print(f"\n[bold]{title}[/bold]")
        console.print(shown)

    console.print(f"[bold]{escape(verdict(made))}[/bold]")
    show("Layers", LAYERS, layer_rows(made), 1)
    for title, broken in (("What does not fit", made.violations), ("Warnings", made.warnings)):
        if broken:
            show(title, RULES[:-1], [row[:-1] for row in rule_rows(broken)], 2)
            for violation in broken:
                console.print(escape(f"{violation.where}: {violation.mend}"))
    show("Energy of one inference (estimate)", COSTS, cost_rows(made), 1)
    for line in [*cost(made), SHORT]:
        console.print(escape(line))


def write(made: Deployment, folder: RunFolder, config: Mapping[str, Any]) -> None:
    """Write figure, report and, as the mark that all is done, ``report.json``."""
    from neuro.plotting.deploy import core_utilisation
    from neuro.plotting.style import png, svg

    figure = core_utilisation(made.placement)
    folder.write_bytes("cores.png", png(figure))
    tables = [Table(LAYERS, layer_rows(made), "Layers: use is of the fullest resource of a core.")]
    if made.violations:
        tables.append(Table(RULES, rule_rows(made.violations), "What does not fit."))
    if made.warnings:
        tables.append(Table(RULES, rule_rows(made.warnings), "Warnings."))
    tables += [
        Table(COSTS, cost_rows(made), "Energy of one inference: an estimate."),
        _figures(),
        _limits(made),
    ]
    if made.quantisation is not None:
        tables += quantisation_tables(made.quantisation)
    learning = {n: x.learning.splitlines() for n, x in made.links.items() if x.learning}
    report = Report(
        title=f"neuro deploy: {made.name} on {made.target.title}",
        lead=verdict(made),
        tables=tables,
        notes=[*cost(made), *made.notes],
        pictures=[Picture("Cores", FIGURE_CAPTION, svg(figure))],
        config={**config, "learning": learning} if learning else config,
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_json("report.json", {**made.to_dict(), "config": dict(config)})


def _figures() -> Table:
    every = [*ENERGY.values(), *TIME.values(), *BARRIER]
    rows = [[f.meaning, quantity(f.value, f.unit[0].replace("j", "J")), f.source] for f in every]
    return Table(("figure", "value", "source"), rows, "Published figures that the estimate uses.")


def _limits(made: Deployment) -> Table:
    target = made.target
    limits = {**target.core, "cores of a chip": target.cores_per_chip, "chips": target.chips}
    rows = [[name, f"{limit.value} {limit.unit}", limit.source] for name, limit in limits.items()]
    return Table(("limit", "value", "source"), rows, f"Limits of {target.title}.")


def quantisation_tables(report: QuantisationReport) -> list[Table]:
    """What became of the floats."""
    populations = [
        [
            name,
            *(_span(tau, 1e3) for tau in (p.tau_m, p.tau_m_chip)),
            *(_span(number) for number in (p.du, p.dv, p.vth)),
            f"{100 * p.error:+.2f}",
        ]
        for name, p in report.populations.items()
    ]
    projections = [
        [
            name,
            str(c.exponent),
            str(c.bits),
            c.sign_mode,
            *(f"{100 * share:.2f}" for share in (c.rms_error, c.max_error, c.saturated)),
        ]
        for name, c in report.projections.items()
    ]
    return [
        Table(
            ("population", "tau_m [ms]", "of chip", "du", "dv", "vth", "error [% of threshold]"),
            populations,
            "Quantisation of populations: predicted mean error of the voltage.",
        ),
        Table(
            ("projection", "exponent", "bits", "signs", "rms [%]", "max [%]", "saturated [%]"),
            projections,
            "Quantisation of weights: errors in per cent of the largest weight.",
        ),
    ]


def _span(values: tuple[float, float], scale: float = 1.0) -> str:
    low, high = (f"{scale * v:.4g}" for v in values)
    return low if low == high else f"{low}–{high}"

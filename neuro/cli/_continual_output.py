"""What ``neuro continual`` shows and writes at its end: table, metrics, figures, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuro.cli import _continual_analysis as analysis
from neuro.cli._continual_analysis import Analyses
from neuro.cli._continual_job import ORDER, Job
from neuro.dataset_name import DatasetName
from neuro.learning.continual_results import SeedResult, per_dataset, summary
from neuro.learning.protocol import ContinualProtocol
from neuro.learning.tasks import Groups, column_classes
from neuro.results import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

Results = Mapping[str, Sequence[SeedResult]]

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "comparison": (
        "Final accuracy",
        (
            "Accuracy over all test images after the last task (and its sleep, if any). All "
            "classes are possible answers (in the scenario task: those of the image's task). Each "
            "dot is a seed, each bar their mean."
        ),
    ),
    "accuracy": (
        "Accuracy on each task over time",
        (
            "Means over seeds with one standard deviation. A line begins when its task has been "
            "trained. Stretches that are shaded, if any, are sleeps."
        ),
    ),
    "confusion": (
        "What is taken for what",
        (
            "Rows are actual classes, columns answers, in per cent of the row, summed over "
            "seeds. What is forgotten is taken for a class of the newest task."
        ),
    ),
    "raster": (
        "The sleeping network",
        (
            "The first spikes of the last sleep of the first seed. The input replays the mean "
            "image of everything seen, in random windows if the settings have one; what the "
            "other layers do comes from the weights."
        ),
    ),
    "spikes": (
        "Spikes per layer",
        (
            "Mean firing probability of each layer in every sleep: faint points are seeds. A "
            "layer that never fires changes none of the weights that lead to it."
        ),
    ),
}


WIDTH = 80
"""Columns of a terminal that printed tables fit into."""


def _protocol(job: Job) -> ContinualProtocol:
    return job.conditions[job.request.asked].protocol


def _groups(job: Job) -> Groups:
    """Classes of each task, of the first seed."""
    return column_classes(job.dataset, _protocol(job), job.request.seeds[0])


def _same_classes(job: Job) -> bool:
    """Whether a task has the same classes with every seed, and they tell it from the others."""
    protocol = _protocol(job)
    return not protocol.is_domain and protocol.class_order == "label"


def task_names(job: Job) -> list[str]:
    """What people call the tasks: their classes, where those say it."""
    groups, protocol = _groups(job), _protocol(job)
    if protocol.kind == "rotated":
        return [f"{180 * task / len(groups):.3g}°" for task in range(len(groups))]
    if not _same_classes(job):
        return [f"T{task + 1}" for task in range(len(groups))]
    return [f"{group[0]}–{group[-1]}" for group in groups]


def metrics(job: Job, results: Results) -> dict[str, Any]:
    """Content of ``metrics.json``: the asked condition, and the others under ``baselines``."""
    asked = job.request.asked
    protocol = _protocol(job)

    def measured(name: str) -> dict[str, Any]:
        found = results[name]
        return {**summary(found), "per_dataset": per_dataset(found, job.dataset.parts)}

    classes = {
        str(seed): column_classes(job.dataset, protocol, seed) for seed in job.request.seeds
    }
    return {
        "format": 1,
        "job": "continual",
        "dataset": job.dataset.name,
        "condition": asked,
        "sleep": job.request.sleep,
        "rehearsal": job.request.rehearsal,
        "learner": job.request.learner,
        "regulariser": job.request.regulariser,
        "scenario": job.request.scenario,
        "protocol": protocol.to_json() | {"kind": protocol.kind},
        "evaluated_on": job.request.evaluate_on,
        "tasks": _groups(job) if protocol.class_order == "label" else None,
        **({} if protocol.class_order == "label" else {"tasks_per_seed": classes}),
        **measured(asked),
        "baselines": {n: measured(n) for n in ORDER if n in results and n != asked},
    }


def _per_cent(value: float | None, sign: str = "") -> str:
    return "–" if value is None else f"{100 * value:{sign}.1f}"


def _spikes(results: Sequence[SeedResult]) -> str | None:
    """Mean spikes per sleep, layer by layer; None if there was no sleep."""
    counts = [sleep.spikes_per_layer for result in results for sleep in result.sleep]
    if not counts:
        return None
    return " / ".join(f"{sum(layer) / len(counts):.0f}" for layer in zip(*counts, strict=True))


def table(
    job: Job, results: Results, *, tasks: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the end table, with a column for each task or not; in per cent."""
    parts = job.dataset.parts
    single = len(parts) == 1 or job.request.protocol != "split"
    columns = task_names(job) if single else [name for name, _ in parts]
    if not tasks:
        columns = []
    header = ["condition", "accuracy", *columns]
    header += ["forgot", "BWT"]
    rows = []
    for name in (name for name in ORDER if name in results):
        whole = summary(results[name])
        row = [job.request.label(name), f"{_per_cent(whole['mean'])} ± {_per_cent(whole['sd'])}"]
        shares = [part["mean"] for part in per_dataset(results[name], parts)]
        row += [_per_cent(v) for v in (whole["per_task"] if single else shares)[: len(columns)]]
        row += [_per_cent(whole["forgetting"]), _per_cent(whole["backward_transfer"], "+")]
        rows.append(row)
    return header, rows


def data_lines(job: Job) -> list[str]:
    """What the images are, where that is not plain from their name."""
    if DatasetName.parse(job.request.dataset).features is None:
        return []
    return [f"Images: {job.dataset.source}."]


def sequence_lines(job: Job, results: Results) -> list[str]:
    """For a sequence of data sets: what the last sleep did to each, where there was one."""
    if len(job.dataset.parts) == 1:
        return []
    lines = []
    for name in (n for n in ORDER if n in results and any(r.sleep for r in results[n])):
        changes = [
            f"{part['dataset']} {_per_cent(part['before_mean'])} → {_per_cent(part['mean'])}"
            for part in per_dataset(results[name], job.dataset.parts)
        ]
        label = job.request.label(name)
        lines.append(f"Before → after the last sleep: {', '.join(changes)} ({label})")
    return lines


def spikes_lines(job: Job, results: Results) -> list[str]:
    """For every condition that sleeps: its mean spikes per sleep, layer by layer."""
    counted = [(name, _spikes(results[name])) for name in ORDER if name in results]
    return [
        f"Spikes a sleep, input to output: {counts} ({job.request.label(name)})"
        for name, counts in counted
        if counts is not None
    ]


MEASURES: Mapping[str, str] = {
    "columns": "columns",
    "memory_bytes": "memory, kB",
    "spikes_per_sample": "spikes a sample",
}
"""What learners measure of themselves that is shown, and what people call it."""


def measured(results: Sequence[SeedResult]) -> dict[str, float]:
    """Means over seeds of what is shown of the learner's own measures, where it has them.

    Of measures in parts it is their total.
    """
    found = {}
    for name in MEASURES:
        values = [result.measures.get(name) for result in results]
        numbers = [v.get("total") if isinstance(v, Mapping) else v for v in values]
        known = [float(v) for v in numbers if isinstance(v, int | float)]
        if known:
            scale = 1000 if name == "memory_bytes" else 1
            found[name] = sum(known) / len(known) / scale
    return found


def measures_table(job: Job, results: Results) -> tuple[list[str], list[list[str]]] | None:
    """Header and rows of what learners measure of themselves; None if none does."""
    found = {n: measured(results[n]) for n in ORDER if n in results}
    shown = [m for m in MEASURES if any(m in values for values in found.values())]
    if not shown:
        return None
    rows = [
        [job.request.label(name), *(f"{values[m]:.0f}" if m in values else "–" for m in shown)]
        for name, values in found.items()
        if values
    ]
    return ["condition", *(MEASURES[m] for m in shown)], rows


EXPLANATION = (
    "Per cent of the {where}, mean ± sd over {seeds} seed(s){then}. Forgot: mean drop of "
    "earlier tasks from their best. BWT: backward transfer."
)

MEASURES_EXPLANATION = (
    "Measured at the end, means over seeds. Memory: all that is held to learn, with the share of "
    "images that rehearsal keeps."
)

SURROGATE_EXPLANATION = (
    "Surrogate: a spiking network trained by surrogate gradients on the same images, tasks and "
    "input spikes. Rehearsal keeps that share of every task's images and shows them as often as "
    "new ones."
)

def _explanation(job: Job, *, tasks: bool = True) -> str:
    where = "test set" if job.request.evaluate_on == "test" else "validation images"
    if job.request.test_images is not None:
        where = f"{where} ({job.request.test_images} images drawn per task and seed)"
    pairs = _same_classes(job) and all(len(group) == 2 for group in _groups(job))
    column = "pair of classes" if pairs else "task"
    if len(job.dataset.parts) > 1 and job.request.protocol == "split":
        column = "data set"
    then = f"; then per {column}" if tasks else ""
    text = EXPLANATION.format(where=where, seeds=len(job.request.seeds), then=then)
    return f"{text} {SURROGATE_EXPLANATION}" if "surrogate" in job.conditions else text


def print_table(job: Job, results: Results, analyses: Analyses | None = None) -> None:
    """Show the end table on standard output; it fits into 80 columns."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"\n[bold]{job.request.subject}[/bold], accuracy after all tasks")
    header, rows = table(job, results)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    tasks = sum(widths) + 2 * len(widths) <= WIDTH
    asked = job.request.label(job.request.asked)
    console.print(_shown(*(table(job, results, tasks=tasks)), asked))
    own = measures_table(job, results)
    if own is not None:
        console.print(_shown(*own, asked))
    more = [] if analyses is None else analysis.lines(job, results, analyses)
    notes = [*data_lines(job), *sequence_lines(job, results), *spikes_lines(job, results)]
    explained = [_explanation(job, tasks=tasks), *([] if own is None else [MEASURES_EXPLANATION])]
    for line in [*notes, *more, *explained]:
        console.print(line)


def _shown(header: Sequence[str], rows: Sequence[Sequence[str]], asked: str) -> Table:
    from rich import box
    from rich.table import Table

    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in header:
        shown.add_column(name, justify="left" if name == "condition" else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*row, style="bold" if row[0] == asked else None)
    return shown


def _lead(job: Job, results: Results) -> str:
    """One sentence that says what came out."""
    request = job.request
    means = {n: summary(results[n])["mean"] for n in results}
    parts = [f"A network learned {request.subject} {_how(job)}, over {len(request.seeds)} seed(s)."]
    if request.sleeps and "sequential" in means:
        parts.append(
            f"Without sleep it ended at {_per_cent(means['sequential'])} % of all classes."
        )
    for name in (n for n in ORDER if n in means):
        if name != "sequential" or not request.sleeps:
            label = request.label(name)
            parts.append(f"{label[0].upper()}{label[1:]}: {_per_cent(means[name])} %.")
    return " ".join(parts)


def _how(job: Job) -> str:
    """How tasks come, in a few words."""
    groups, protocol = _groups(job), _protocol(job)
    if protocol.kind == "permuted":
        return f"through {len(groups)} pixel permutations, one after the other"
    if protocol.kind == "rotated":
        return f"turned by {len(groups)} angles, one after the other"
    some = {1: "one class", 2: "two classes"}.get(len(groups[0]), f"{len(groups[0])} classes")
    return f"{some} at a time"


def figures(job: Job, results: Results) -> dict[str, Figure]:
    """Figures by name, see :data:`CAPTIONS`."""
    from neuro import plotting

    asked = list(results[job.request.asked])
    shown = {n: results[n] for n in ORDER if n in results}
    groups = _groups(job)
    label = job.request.label
    beside = "sequential" if job.request.sleeps else "surrogate"
    panels = {label(n): shown[n] for n in shown if n in (beside, job.request.asked)}
    names = None if _same_classes(job) else task_names(job)
    made = {
        "comparison": plotting.comparison(
            {label(n): r for n, r in shown.items()},
            1 / (len(groups[0]) if job.request.scenario == "task" else job.dataset.n_classes),
        ),
        "accuracy": plotting.accuracy_over_time(panels, groups, names),
        "confusion": plotting.confusion_matrices(asked),
    }
    if any(result.sleep for result in asked):
        made["spikes"] = plotting.spikes_per_layer(asked)
        last = asked[0].sleep[-1] if asked[0].sleep else None
        if last is not None and last.raster:
            made["raster"] = plotting.sleep_raster(last)
    return made


def write(
    job: Job, results: Results, folder: RunFolder, analyses: Analyses | None = None
) -> None:
    """Write figures, report and, as the mark that all is done, ``metrics.json``."""
    from neuro import plotting, report as page

    made = figures(job, results)
    for name, figure in made.items():
        folder.write_bytes(f"{name}.png", plotting.png(figure))
    tables = [page.Table(*table(job, results), _explanation(job))]
    own = measures_table(job, results)
    tables += [] if own is None else [page.Table(*own, MEASURES_EXPLANATION)]
    notes = data_lines(job) + sequence_lines(job, results) + spikes_lines(job, results)
    pictures = [
        page.Picture(*CAPTIONS[name], plotting.svg(made[name])) for name in CAPTIONS if name in made
    ]
    if analyses is not None:
        drawn = analysis.figures(job, results, analyses)
        for name, figure in drawn.items():
            folder.write_bytes(f"{name}.png", plotting.png(figure))
        tables += analysis.tables(analyses)
        notes += analysis.lines(job, results, analyses)
        pictures += analysis.pictures(drawn)
        folder.write_json("analysis.json", analysis.data(job, results, analyses))
    report = page.Report(
        title=f"neuro continual: {job.request.subject}"
        + (f", sleep {job.request.sleep}" if job.request.sleeps else ""),
        lead=_lead(job, results),
        tables=tables,
        notes=notes,
        pictures=pictures,
        config=job.config(),
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_json("metrics.json", metrics(job, results))

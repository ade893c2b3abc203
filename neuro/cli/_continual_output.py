"""What ``neuro continual`` shows and writes at its end: table, metrics, figures, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neuro.cli import _continual_analysis as analysis
from neuro.cli._continual_analysis import Analyses
from neuro.cli._continual_job import LABELS, ORDER, Job
from neuro.dataset_name import DatasetName
from neuro.learning.continual import task_groups
from neuro.learning.continual_results import SeedResult, per_dataset, summary
from neuro.results import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Results = Mapping[str, Sequence[SeedResult]]

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "comparison": (
        "Final accuracy",
        (
            "Accuracy over the whole test set after the last task (and its sleep). All classes are "
            "possible answers (in the scenario task: those of the image's task). Each dot is a "
            "seed, each bar their mean."
        ),
    ),
    "accuracy": (
        "Accuracy on each task over time",
        (
            "Means over seeds with one standard deviation. A line begins when its classes have "
            "been trained; shaded stretches are sleeps. Without sleep, each task erases the ones "
            "before."
        ),
    ),
    "confusion": (
        "What is taken for what",
        (
            "Rows are actual classes, columns answers, in per cent of the row, summed over "
            "seeds. Before sleep almost everything is taken for a class of the newest task."
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


def metrics(job: Job, results: Results) -> dict[str, Any]:
    """Content of ``metrics.json``: the asked condition, and the others under ``baselines``."""
    asked = job.request.asked

    def measured(name: str) -> dict[str, Any]:
        found = results[name]
        return {**summary(found), "per_dataset": per_dataset(found, job.dataset.parts)}

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
        "evaluated_on": job.request.evaluate_on,
        "tasks": task_groups(job.dataset, job.request.classes_per_task),
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


def table(job: Job, results: Results) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the end table; accuracies in per cent."""
    groups = task_groups(job.dataset, job.request.classes_per_task)
    parts = job.dataset.parts
    single = len(parts) == 1
    columns = [f"{g[0]}–{g[-1]}" for g in groups] if single else [name for name, _ in parts]
    header = ["condition", "accuracy", *columns]
    header += ["forgot", "BWT"]
    rows = []
    for name in (name for name in ORDER if name in results):
        whole = summary(results[name])
        row = [LABELS[name], f"{_per_cent(whole['mean'])} ± {_per_cent(whole['sd'])}"]
        shares = [part["mean"] for part in per_dataset(results[name], parts)]
        row += [_per_cent(value) for value in (whole["per_task"] if single else shares)]
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
        lines.append(f"Before → after the last sleep: {', '.join(changes)} ({LABELS[name]})")
    return lines


def spikes_lines(results: Results) -> list[str]:
    """For every condition that sleeps: its mean spikes per sleep, layer by layer."""
    counted = [(name, _spikes(results[name])) for name in ORDER if name in results]
    return [
        f"Spikes a sleep, input to output: {counts} ({LABELS[name]})"
        for name, counts in counted
        if counts is not None
    ]


EXPLANATION = (
    "Per cent of the {where}, mean ± sd over {seeds} seed(s); then per {column}. Forgot: "
    "mean drop of earlier tasks from their best. BWT: backward transfer."
)


def _explanation(job: Job) -> str:
    where = "test set" if job.request.evaluate_on == "test" else "validation images"
    column = "pair of classes" if job.request.classes_per_task == 2 else "task"
    if len(job.dataset.parts) > 1:
        column = "data set"
    return EXPLANATION.format(where=where, seeds=len(job.request.seeds), column=column)


def print_table(job: Job, results: Results, analyses: Analyses | None = None) -> None:
    """Show the end table on standard output; it fits into 80 columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    header, rows = table(job, results)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in header:
        shown.add_column(name, justify="left" if name == "condition" else "right", no_wrap=True)
    for row in rows:
        asked = row[0] == LABELS[job.request.asked]
        shown.add_row(*row, style="bold" if asked else None)
    console = Console(highlight=False)
    console.print(f"\n[bold]{job.request.subject}[/bold], accuracy after all tasks")
    console.print(shown)
    more = [] if analyses is None else analysis.lines(job, results, analyses)
    notes = [*data_lines(job), *sequence_lines(job, results), *spikes_lines(results)]
    for line in [*notes, *more, _explanation(job)]:
        console.print(line)


def _lead(job: Job, results: Results) -> str:
    """One sentence that says what came out."""
    means = {n: summary(results[n])["mean"] for n in results}
    seeds = len(job.request.seeds)
    subject = job.request.subject
    some = {1: "one class", 2: "two classes"}.get(
        job.request.classes_per_task, f"{job.request.classes_per_task} classes"
    )
    parts = [f"A network learned {subject} {some} at a time, over {seeds} seed(s)."]
    if "sequential" in means:
        parts.append(
            f"Without sleep it ended at {_per_cent(means['sequential'])} % of all classes."
        )
    for name in ("plain", "rehearsal", "sleep", "sleep+rehearsal", "joint"):
        if name in means:
            parts.append(f"{LABELS[name].capitalize()}: {_per_cent(means[name])} %.")
    return " ".join(parts)


def figures(job: Job, results: Results) -> dict[str, Figure]:
    """Figures by name, see :data:`CAPTIONS`."""
    from neuro import plotting

    asked = list(results[job.request.asked])
    shown = {n: results[n] for n in ORDER if n in results}
    groups = task_groups(job.dataset, job.request.classes_per_task)
    panels = {LABELS[n]: shown[n] for n in shown if n in ("sequential", job.request.asked)}
    made = {
        "comparison": plotting.comparison(
            {LABELS[n]: r for n, r in shown.items()},
            1 / (len(groups[0]) if job.request.scenario == "task" else job.dataset.n_classes),
        ),
        "accuracy": plotting.accuracy_over_time(panels, groups),
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
    from neuro import plotting
    from neuro.report import Picture, Report, Table

    made = figures(job, results)
    for name, figure in made.items():
        folder.write_bytes(f"{name}.png", plotting.png(figure))
    tables = [Table(*table(job, results), _explanation(job))]
    notes = data_lines(job) + sequence_lines(job, results) + spikes_lines(results)
    pictures = [
        Picture(*CAPTIONS[name], plotting.svg(made[name])) for name in CAPTIONS if name in made
    ]
    if analyses is not None:
        drawn = analysis.figures(job, results, analyses)
        for name, figure in drawn.items():
            folder.write_bytes(f"{name}.png", plotting.png(figure))
        tables += analysis.tables(analyses)
        notes += analysis.lines(job, results, analyses)
        pictures += analysis.pictures(drawn)
        folder.write_json("analysis.json", analysis.data(job, results, analyses))
    report = Report(
        title=f"neuro continual: {job.request.subject}, sleep {job.request.sleep}",
        lead=_lead(job, results),
        tables=tables,
        notes=notes,
        pictures=pictures,
        config=job.config(),
    )
    folder.write_bytes("report.html", report.render().encode())
    folder.write_json("metrics.json", metrics(job, results))

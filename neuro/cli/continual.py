"""``neuro continual``: learn task after task, sleep in between, measure what is remembered."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from neuro.cli._plan import DryRunOption, print_plan
from neuro.errors import JobError

EXAMPLES = """Examples:

neuro continual --dataset digits --sleep brian2
(a minute: it forgets without sleep, remembers with it)

neuro continual --dataset mnist --sleep reference --seeds 0-4 --rehearsal 0.02
(sleep together with 2 % of the earlier images)

neuro continual --dataset digits --sleep reference --set sleep_steps=3000 --set epochs=3
(change the recipe; every setting is in config.json of a run)

neuro continual --dataset mnist+fashion-mnist+cifar10 --images-per-task 1000
(digits, then clothes, then objects: thirty classes)

neuro continual --dataset mnist --learner ff --regulariser ewc --sleep none
(a feed-forward network with elastic weight consolidation instead of sleep)

neuro continual --dataset mnist --learner pc --protocol permuted --tasks 10 --images-per-class 100
(predictive columns, ten pixel permutations, beside surrogate gradients)"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(epilog=EXAMPLES)(continual)


def continual(
    dataset: Annotated[
        str,
        typer.Option(
            help="digits (needs no files), mnist, fashion-mnist, kmnist or cifar10; a folder of "
            "images, written with a slash (pictures/, with train/CLASS and val/CLASS); or a "
            "sequence of these, mnist+fashion-mnist+cifar10, whose images become grey and "
            "28 x 28 if they differ."
        ),
    ] = "digits",
    features: Annotated[
        str | None,
        typer.Option(
            help="Learn from features of the images: dct, contrasts of small patches; conv, a "
            "small network trained here on the first two classes only; or the name of a network "
            "of torchvision (resnet18, ...), with --weights. They are kept in the cache. The "
            "same: --dataset cifar10:dct."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="File with the weights of that network (.pth, .pt, .safetensors); nothing is "
            "downloaded."
        ),
    ] = None,
    sleep: Annotated[
        str | None,
        typer.Option(
            help="What simulates the sleeping network: reference, brian2, or any name of "
            "'neuro backends' (lava: the rule runs on Loihi's learning engine, with its hard "
            "gate). With none it never sleeps: it learns the tasks in sequence and forgets. By "
            "default reference, for the learners that can sleep: ep, bptt, ff."
        ),
    ] = None,
    learner: Annotated[
        str,
        typer.Option(
            help="What learns: ep, a recurrent network by equilibrium propagation; bptt, the same "
            "by back-propagation through its relaxation; ff, a feed-forward network; pc, spiking "
            "columns that predict their input and learn by local rules; pc-chain, a plain chain "
            "of such areas; sg, a spiking network by surrogate gradients."
        ),
    ] = "ep",
    regulariser: Annotated[
        str,
        typer.Option(
            help="What protects earlier tasks while a new one is learned, for ff: none, ewc "
            "(elastic weight consolidation), si (synaptic intelligence) or lwf (learning without "
            "forgetting); for sg: none, ewc, isi-cv (regular spiking counts as important), and "
            "its controls uniform and shuffled, which isi-cv always brings along; for pc and "
            "pc-chain: none, isi-cv, uniform, shuffled."
        ),
    ] = "none",
    scenario: Annotated[
        str,
        typer.Option(
            help="class: which of all classes is it? task, for ff and sg: told the task, which "
            "of its classes?"
        ),
    ] = "class",
    protocol: Annotated[
        str,
        typer.Option(
            help="split: a task is a few classes. permuted: a task is all classes seen through "
            "a pixel permutation of its own. rotated: all classes turned by an angle of its own, "
            "task t of T by t x 180 / T degrees. The task is never told."
        ),
    ] = "split",
    tasks: Annotated[
        int | None,
        typer.Option(
            help="Number of tasks. For split instead of --classes-per-task, and it must divide "
            "the classes; for permuted and rotated 10 unless given."
        ),
    ] = None,
    class_order: Annotated[
        str,
        typer.Option(
            help="In which order split takes classes: label, or shuffled (another for each seed)."
        ),
    ] = "label",
    blur: Annotated[
        float,
        typer.Option(
            help="Blurred borders between tasks: standard deviation, in lengths of a task, of "
            "the jitter of the time at which an image is shown. 0: sharp."
        ),
    ] = 0.0,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="For pc: learn each image once, one at a time, as on a robot. (Like every run of "
            "pc it goes on where it was if it is killed, be it by a power failure.)",
        ),
    ] = False,
    pool: Annotated[
        int | None,
        typer.Option(
            help="Show images in coarser pixels, each the mean of so many squared. By default 2 "
            "for pc, pc-chain and sg on images of 28 x 28 or more, otherwise 1."
        ),
    ] = None,
    classes_per_task: Annotated[
        int | None,
        typer.Option(
            help="Classes that arrive together. No task has classes of two data sets: with 10, "
            "each set of a sequence is one task. By default 2."
        ),
    ] = None,
    rehearsal: Annotated[
        float,
        typer.Option(
            help="Fraction of all earlier training images that is mixed into each new task, "
            "e.g. 0.02."
        ),
    ] = 0.0,
    seeds: Annotated[
        str,
        typer.Option(
            help="Which runs: A-B (both included) or one number. A seed fixes initial weights, "
            "images, order and spikes; look at several before believing a difference."
        ),
    ] = "0-4",
    data_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder to look for data files in first, e.g. one with mnist.npz. Then come "
            "$NEURO_DATA, the cache, system packages, and a download."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for config.json, metrics.json, figures and report.html. The same "
            "command with the same folder continues an interrupted run. By default "
            "results/DATASET-SLEEP, with further names for what is not the default."
        ),
    ] = None,
    images_per_task: Annotated[
        int | None,
        typer.Option(help="Training images drawn for each task (also for joint training)."),
    ] = None,
    images_per_class: Annotated[
        int | None,
        typer.Option(
            help="Training images drawn of each class in each task, instead of --images-per-task."
        ),
    ] = None,
    test_images: Annotated[
        int | None,
        typer.Option(
            help="Test images drawn for each task and seed, as many of each class; by default all."
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Passes over each task's images (also for joint training).")
    ] = None,
    joint: Annotated[
        bool | None,
        typer.Option(
            "--joint/--no-joint",
            help="Also train on all tasks at once, the upper bound. On for digits, and for pc "
            "and pc-chain, on the same images; minutes for the others, which use all images.",
        ),
    ] = None,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Also run without sleep, and with rehearsal each part alone, for comparison; "
            "with pc and pc-chain, surrogate gradients alone, with ewc, and with 5 % rehearsal "
            "on the same images and tasks.",
        ),
    ] = True,
    preset: Annotated[
        str | None,
        typer.Option(
            help="Settings to start from instead of the data set's own: best (the strongest that "
            "ship: a larger network, slower; for ep on mnist and fashion-mnist, elsewhere the "
            "data set's own), the name of another data set, or a .json file from 'neuro tune'."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one setting in every condition; may be repeated. Lists are written "
            "with commas: thresholds=0.15,0.14.",
        ),
    ] = None,
    evaluate_on: Annotated[
        str,
        typer.Option(
            help="test, or validation: training images held back. Choose settings on validation "
            "images only, never on the test set."
        ),
    ] = "test",
    device: Annotated[
        str, typer.Option(help="Torch device of the training: cpu, cuda, cuda:1, ...")
    ] = "cpu",
    analyse: Annotated[
        bool,
        typer.Option(
            "--analyse",
            help="Also look into the sleeping network: how alike classes are represented before "
            "and after, which weights moved, whether awake patterns come back; and, unless "
            "--no-baselines, how much old data is worth a sleep (eight more conditions).",
        ),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute seeds again that the folder already holds.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print the content of metrics.json instead of the table."),
    ] = False,
) -> None:
    """Learn task after task, sleep in between, and see what is remembered.

    A task is two classes, unless --protocol or --tasks say otherwise. A recurrent
    network learns by equilibrium propagation (or another --learner does). After each
    task it becomes a spiking network with the same weights, replays noise shaped by
    the mean of what it saw, and its synapses change by sleep replay (where the learner
    can sleep). It is then tested on all classes.
    """
    from neuro.cli import _continual_job as jobs
    from neuro.cli._continual_analysis import Analyses
    from neuro.cli._options import check_device, check_sleep, parse_seeds
    from neuro.datasets import load
    from neuro.learning.condition import PREDICTIVE, SLEEPING
    from neuro.learning.tasks import column_classes
    from neuro.results import RunFolder

    if not 0 <= rehearsal <= 1:
        raise JobError(f"--rehearsal {rehearsal:g} is no fraction; give 0 to 1, e.g. 0.02")
    for option, number in (
        ("classes-per-task", classes_per_task),
        ("tasks", tasks),
        ("images-per-class", images_per_class),
        ("test-images", test_images),
        ("pool", pool),
    ):
        if number is not None and number < 1:
            raise JobError(f"--{option} {number}: give at least 1")
    if tasks is not None and classes_per_task is not None:
        raise JobError(
            f"--tasks {tasks} and --classes-per-task {classes_per_task} say the same; give one"
        )
    if sleep is None:
        sleep = "reference" if learner in SLEEPING else "none"
    if analyse and sleep == "none":
        raise JobError("--analyse compares before and after sleep; give a --sleep, not none")
    if analyse and protocol != "split":
        raise JobError(
            f"--analyse compares classes of different tasks; with --protocol {protocol} every "
            "task has all of them"
        )
    name = _named(dataset, features, weights)
    request = jobs.Request(
        dataset=name,
        sleep=sleep,
        rehearsal=rehearsal,
        seeds=parse_seeds(seeds),
        preset=preset,
        settings=_settings(setting or [], images_per_task, epochs) + _one_by_one(online, learner),
        baselines=baselines,
        joint=baselines and (dataset == "digits" or learner in PREDICTIVE)
        if joint is None
        else joint,
        evaluate_on=evaluate_on,
        device=device,
        analyse=analyse,
        learner=learner,
        regulariser=regulariser,
        scenario=scenario,
        classes_per_task=2 if classes_per_task is None else classes_per_task,
        protocol=protocol,
        tasks=tasks,
        images_per_class=images_per_class,
        test_images=test_images,
        class_order=class_order,
        blur=blur,
        pool=pool,
    )
    data = load(name, data_root)
    check_sleep(sleep)
    job = jobs.Job(request, data, jobs.conditions(request))
    for condition in job.conditions.values():  # what cannot be is refused before a folder is made
        column_classes(condition.shown(data), condition.protocol, request.seeds[0])
    check_device(device)
    folder = RunFolder(out or Path("results") / request.slug, make=not dry_run)
    analyses = Analyses(folder) if analyse else None
    if dry_run:
        todo = jobs.planned(job, folder, fresh=fresh, analyses=analyses)
        print_plan(folder.path, todo, job.facts())
        return
    say = partial(typer.echo, err=as_json)
    results = jobs.run_job(job, folder, fresh=fresh, say=say, analyses=analyses)

    from neuro.cli import _continual_output as output

    output.write(job, results, folder, analyses)
    if as_json:
        typer.echo((folder.path / "metrics.json").read_text(), nl=False)
        return
    output.print_table(job, results, analyses)
    typer.echo(f"written to {folder.path}: report.html, metrics.json, config.json and figures")


def _one_by_one(online: bool, learner: str) -> tuple[tuple[str, Any], ...]:
    """Settings of learning online."""
    if online and learner != "pc":
        raise JobError(f"--online is for --learner pc; {learner} learns from mini-batches")
    return (("batch_size", 1), ("batch_limit", 1), ("epochs", 1)) if online else ()


def _named(dataset: str, features: str | None, weights: Path | None) -> str:
    """The data set's whole name, with the features that are asked for."""
    from neuro.dataset_name import DatasetName

    name = DatasetName.parse(dataset)
    if name.features is not None and (features or weights):
        raise JobError(
            f"--dataset {dataset} says features already; leave --features and --weights out"
        )
    if name.features is not None:
        return str(name)
    file = None if weights is None else str(weights)
    return str(replace(name, features=features, weights=file).checked())


def _settings(
    texts: list[str], images_per_task: int | None, epochs: int | None
) -> tuple[tuple[str, Any], ...]:
    from neuro.learning.presets import parse_settings

    values = parse_settings(texts)
    for name, value in (("images_per_task", images_per_task), ("epochs", epochs)):
        if value is not None:
            if value < 1:
                raise JobError(f"--{name.replace('_', '-')} {value}: give at least 1")
            values[name] = value
    return tuple(values.items())

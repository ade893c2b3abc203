"""A table of conditions of continual learning, read from a TOML file and checked as a whole.

::

    [table]
    title = "Sleep or not"
    datasets = ["digits"]
    seeds = "0-4"

    [[row]]
    name = "EP"

    [[row]]
    name = "EP + sleep"
    sleep = "reference"
    set.sleep_steps = 2000

Each row is a condition (:func:`neuro.learning.condition.condition`) under a name; what the table
says of a condition holds for every row that says nothing else. A cell is a row with one data set
and one seed; :mod:`neuro.models.comparison` runs the cells.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neuro.errors import JobError, NeuroError
from neuro.learning.condition import SLEEPING, Condition, condition
from neuro.learning.protocol import KINDS


@dataclass(frozen=True)
class Cell:
    """One run: a row of the table on one data set with one seed."""

    row: str
    dataset: str
    seed: int
    condition: Condition


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    name : str
        What the table calls it.
    seeds : tuple of int
        Its runs.
    conditions : mapping
        Its condition by data set.
    """

    name: str
    seeds: tuple[int, ...]
    conditions: Mapping[str, Condition]


@dataclass(frozen=True)
class Comparison:
    """A whole table, as :func:`read_comparison` makes it.

    Attributes
    ----------
    title : str
        Of the table.
    rows : tuple of Row
        In the order of the file.
    evaluate_on : {"test", "validation"}
        See :class:`~neuro.learning.continual.ContinualProtocol`; the same for all rows.
    device : str
        Torch device of the training.
    """

    title: str
    rows: tuple[Row, ...]
    evaluate_on: str = "test"
    device: str = "cpu"

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of all data sets that occur."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.conditions))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All runs; the first seed of every row comes first, to have a whole table early."""
        cells = [
            (turn, Cell(row.name, dataset, seed, made))
            for row in self.rows
            for dataset, made in row.conditions.items()
            for turn, seed in enumerate(row.seeds)
        ]
        return tuple(cell for _, cell in sorted(cells, key=lambda pair: pair[0]))

    def to_json(self) -> dict[str, Any]:
        """Everything that influences its results, as plain data."""
        return {
            "title": self.title,
            "evaluate_on": self.evaluate_on,
            "device": self.device,
            "rows": [
                {
                    "name": row.name,
                    "seeds": list(row.seeds),
                    "conditions": {n: made.to_json() for n, made in row.conditions.items()},
                }
                for row in self.rows
            ],
        }


def read_comparison(path: Path, seeds: tuple[int, ...] | None = None) -> Comparison:
    """The table that a TOML file describes.

    Parameters
    ----------
    path : Path
        The file. A preset file that it names is looked for in the file's folder.
    seeds : tuple of int, optional
        Instead of the file's.

    Raises
    ------
    JobError
        If the file cannot be read, or anything in it is unknown or impossible. The message
        names the row, the key and its value, and what to write instead.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise JobError(f"cannot read {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise JobError(f"{path} is not a TOML file: {error}") from error
    _check_known(content, ("table", "row"), str(path))
    table, rows = content.get("table", {}), content.get("row", [])
    if not isinstance(table, dict):
        raise JobError(f"{path}: 'table' is {table!r}; write it as a section [table]")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise JobError(f"{path}: 'row' is no list of rows; begin each with [[row]]")
    if not rows:
        raise JobError(f"{path}: there is no row to compare; write at least one [[row]]")
    shared = _checked(table, _TABLE | _SHARED, f"{path}, [table]")
    made = []
    for number, written in enumerate(rows, start=1):
        where = f"{path}, row {number}"
        if isinstance(written.get("name"), str):
            where += f" ({written['name']!r})"
        made.append(_row(_checked(written, _ROW | _SHARED, where), shared, path, where))
        if made[-1].name in [row.name for row in made[:-1]]:
            raise JobError(f"{where}: another row has the same name; give each its own")
    if seeds is not None:
        made = [Row(row.name, seeds, row.conditions) for row in made]
    return Comparison(
        shared.get("title", path.stem),
        tuple(made),
        shared.get("evaluate_on", "test"),
        shared.get("device", "cpu"),
    )


# --- one row ---------------------------------------------------------------------------------


def _row(own: dict[str, Any], shared: dict[str, Any], path: Path, where: str) -> Row:
    if "name" not in own:
        raise JobError(f"{where}: it has no name; write name = \"...\"")
    inherited = {key: value for key, value in shared.items() if key in _SHARED}
    if own.get("joint", False):
        _check_joint(own, where)
        # What protects earlier tasks means nothing where all are one.
        for key in ("sleep", "rehearsal", "regulariser"):
            inherited.pop(key, None)
    if {**inherited, **own}.get("learner", "ep") not in SLEEPING:
        inherited.pop("sleep", None)
    for rivals in _RIVALS:
        if any(key in own for key in rivals):
            for key in rivals:
                inherited.pop(key, None)
    options = {**inherited, **own}
    options["settings"] = {**_settings(inherited, where), **_settings(own, where)}
    if "preset" in options and options["preset"].endswith(".json"):
        options["preset"] = str(path.parent / options["preset"])
    learner = options.get("learner", "ep")
    if options.get("scenario") == "task" and learner not in _TOLD:
        raise JobError(
            f"{where}: scenario 'task' is for learners {' and '.join(map(repr, _TOLD))} only, not "
            f"{learner!r}; write one of them, or scenario = \"class\""
        )
    taken = {key: value for key, value in options.items() if key in _OPTIONS}
    conditions = {}
    for dataset in _names(options.get("datasets", "digits")):
        try:
            conditions[dataset] = condition(
                dataset, evaluate_on=shared.get("evaluate_on", "test"), **taken
            )
        except NeuroError as error:
            raise JobError(f"{where}, data set {dataset!r}: {error}") from error
    return Row(own["name"], _seeds(options.get("seeds", "0-4")), conditions)


def _check_joint(own: Mapping[str, Any], where: str) -> None:
    for key, idle in (("sleep", "none"), ("rehearsal", 0), ("regulariser", "none")):
        if own.get(key, idle) != idle:
            raise JobError(
                f"{where}: {key} is {own[key]!r}, but joint training has no earlier task to "
                f"protect; remove {key} or joint"
            )


def _settings(level: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Changes to the preset that a row, or the table, asks for."""
    values = dict(level.get("set", {}))
    for key in ("epochs", "images_per_task"):
        if key in level and key in values:
            raise JobError(f"{where}: both {key} and set.{key} are given; remove one")
        if key in level:
            values[key] = level[key]
    # TOML has no word for nothing; the command line's is none.
    return {key: None if value == "none" else value for key, value in values.items()}


def _names(value: Any) -> list[str]:
    return list(dict.fromkeys([value] if isinstance(value, str) else value))


_RANGE = re.compile(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?")


def _seeds(value: Any) -> tuple[int, ...]:
    if isinstance(value, list):
        return tuple(dict.fromkeys(value))
    match = _RANGE.fullmatch(str(value))
    if match is None:
        return ()
    return tuple(range(int(match[1]), int(match[2] or match[1]) + 1))


# --- what may be written ---------------------------------------------------------------------


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _list_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(fits(item) for item in value)


def _is_fraction(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value <= 1


def _is_length(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 <= value < float("inf")


def _is_seeds(value: Any) -> bool:
    if isinstance(value, list):
        return _list_of(value, lambda seed: _whole(seed, 0))
    return not isinstance(value, bool) and isinstance(value, str | int) and bool(_seeds(value))


Kinds = Mapping[str, tuple[Callable[[Any], bool], str]]
"""For each key: whether a value fits, and what to write if not."""

_A_TEXT = (_text, "a text in quotes")

_TABLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "title": _A_TEXT,
    "evaluate_on": (lambda value: value in ("test", "validation"), '"test" or "validation"'),
    "device": (_text, 'a torch device in quotes, e.g. "cpu"'),
}
_ROW: dict[str, tuple[Callable[[Any], bool], str]] = {"name": _A_TEXT}
_SHARED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "datasets": (
        lambda value: _text(value) or _list_of(value, _text),
        'names of data sets, e.g. ["mnist", "fashion-mnist"]',
    ),
    "seeds": (_is_seeds, 'a range, e.g. "0-4", or a list of numbers'),
    "learner": (_text, '"ep", "bptt", "ff", "sg", "pc" or "pc-chain"'),
    "regulariser": (_text, 'the name of one that the learner has, in quotes, e.g. "ewc"'),
    "sleep": (_text, 'the name of a backend in quotes, e.g. "reference", or "none"'),
    "rehearsal": (_is_fraction, "a fraction from 0 to 1, e.g. 0.02"),
    "joint": (lambda value: isinstance(value, bool), "true or false"),
    "scenario": (lambda value: value in ("class", "task"), '"class" or "task"'),
    "preset": (_text, '"best", or the name of a data set or of a .json file, in quotes'),
    "images_per_task": (
        lambda value: value == "none" or _whole(value, 1),
        'a number from 1 on, or "none" for all',
    ),
    "epochs": (lambda value: _whole(value, 1), "a number from 1 on"),
    "images_per_class": (lambda value: _whole(value, 1), "a number from 1 on"),
    "test_images": (lambda value: _whole(value, 1), "a number from 1 on"),
    "protocol": (lambda value: value in KINDS, " or ".join(f'"{kind}"' for kind in KINDS)),
    "classes_per_task": (lambda value: _whole(value, 1), "a number from 1 on"),
    "tasks": (lambda value: _whole(value, 1), "a number from 1 on"),
    "class_order": (lambda value: value in ("label", "shuffled"), '"label" or "shuffled"'),
    "blur": (_is_length, "0 or more, in lengths of a task"),
    "pool": (lambda value: _whole(value, 1), "a number of pixels from 1 on"),
    "set": (lambda value: isinstance(value, dict), "settings, e.g. set.sleep_steps = 2000"),
}
_OPTIONS = (
    *("learner", "regulariser", "sleep", "rehearsal", "joint", "scenario", "preset"),
    *("classes_per_task", "protocol", "tasks", "images_per_class", "test_images"),
    *("class_order", "blur", "pool", "settings"),
)
"""What is handed on to :func:`neuro.learning.condition.condition`."""

_TOLD = ("ff", "sg")
"""Learners that can be told the task of an image."""

_RIVALS = (("images_per_task", "images_per_class"), ("classes_per_task", "tasks"))
"""Two ways to say one thing: a row's replaces the table's."""


def _checked(written: Mapping[str, Any], kinds: Kinds, where: str) -> dict[str, Any]:
    _check_known(written, kinds, where)
    for key, value in written.items():
        fits, wanted = kinds[key]
        if not fits(value):
            raise JobError(f"{where}: {key} is {value!r}; give {wanted}")
    return dict(written)


def _check_known(written: Iterable[str], known: Iterable[str], where: str) -> None:
    known = list(known)
    for key in written:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise JobError(f"{where}: unknown key {key!r}; {hint}known are {', '.join(known)}")

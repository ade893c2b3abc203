"""Options that several verbs share, and how their texts are read."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from neuro.errors import JobError

DatasetOption = Annotated[
    str,
    typer.Option(
        help="digits, mnist, fashion-mnist, kmnist, cifar10, or another name that 'neuro "
        "continual' knows."
    ),
]
SleepOption = Annotated[
    str, typer.Option(help="What simulates the sleeping network, see 'neuro backends'.")
]
LearnerOption = Annotated[
    str, typer.Option(help="What learns: ep, bptt or ff, see 'neuro continual'.")
]
RehearsalOption = Annotated[
    float, typer.Option(help="Fraction of earlier training images mixed into each task.")
]


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds from ``"A-B"`` (both ends included) or ``"A"``.

    Raises
    ------
    JobError
        If the text is neither, or the range is empty.
    """
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9})\s*)?", text)
    if match is None:
        raise JobError(f"--seeds {text!r} is not a range; write A-B, e.g. 0-4, or one number")
    first = int(match[1])
    last = first if match[2] is None else int(match[2])
    if last < first:
        raise JobError(f"--seeds {text!r} is empty: {last} is below {first}; write {last}-{first}")
    return tuple(range(first, last + 1))


def check_sleep(name: str) -> None:
    """Refuse a sleep backend that does not exist or cannot run here.

    Raises
    ------
    JobError
        The message lists the choices, or says why the backend is not available.
    """
    if name != "none":
        check_backend("--sleep", name, "none")


def check_backend(option: str, name: str, *others: str) -> None:
    """Refuse a backend that does not exist or cannot run here.

    Parameters
    ----------
    option : str
        Whose value it is.
    name : str
    *others : str
        What else could be asked for.

    Raises
    ------
    JobError
        The message lists the choices, or says why the backend is not available.
    """
    from neuro.simulation import backends

    found = backends()
    if name not in found:
        choices = ", ".join([*others, *found])
        raise JobError(f"unknown {option} {name!r}; choose one of {choices}")
    if found[name] is not True:
        raise JobError(f"{option} {name}: the backend is not available: {found[name]}")


def check_device(name: str) -> None:
    """Refuse a torch device that does not exist here.

    Raises
    ------
    JobError
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise JobError(f"--device {name!r} is not available: {reason}") from error

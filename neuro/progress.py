"""One progress meter, passed down: quiet, or a bar when a person is watching."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import Any, Protocol, Self


class Progress(Protocol):
    """What long loops report to."""

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units of work are done."""
        ...


class Silent:
    """A meter that shows nothing."""

    def advance(self, amount: int = 1) -> None:
        """Do nothing."""


class Bar:
    """A tqdm bar on standard error; silent unless that is a terminal.

    Parameters
    ----------
    total : int
        Units of work in all.
    label : str
        Text before the bar.
    unit : str
        What is counted.
    """

    def __init__(self, total: int, label: str, unit: str = "step") -> None:
        # tqdm.auto warns in notebooks that have no widgets.
        name = "tqdm.auto" if find_spec("ipywidgets") else "tqdm.std"
        tqdm = import_module(name).tqdm
        self._bar: Any = tqdm(
            total=total,
            desc=label,
            unit=unit,
            unit_scale=True,
            leave=False,
            disable=not sys.stderr.isatty(),
        )

    def advance(self, amount: int = 1) -> None:
        """Say that ``amount`` more units of work are done."""
        self._bar.update(amount)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

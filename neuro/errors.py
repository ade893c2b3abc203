"""Every error a user can meet. All name the object, the offending value and the mend."""

from __future__ import annotations


class NeuroError(Exception):
    """Base class: catching it catches every mistake that neuro reports itself."""


class DescriptionError(NeuroError, ValueError):
    """A network description that cannot mean anything (wrong shape, NaN, unknown name, ...)."""


class UnitError(DescriptionError):
    """A quantity whose physical dimension is not the expected one."""


class EquationError(DescriptionError):
    """Text outside the equation language, or equations that contradict their declarations."""


class CompileError(NeuroError, ValueError):
    """A sound description that cannot be lowered with the given dt, precision or backend."""


class BackendError(NeuroError, RuntimeError):
    """A backend that is missing, or that failed while it built or ran a program."""


class DatasetError(NeuroError):
    """A data set that is unknown, missing, unreadable or has the wrong layout."""


class JobError(NeuroError):
    """A command-line job that cannot start or finish (bad option, unwritable folder, ...)."""

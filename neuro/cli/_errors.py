"""How the command line reports what went wrong."""

from __future__ import annotations

from neuro.errors import JobError


class InterruptedJobError(JobError):
    """The user stopped a job (Ctrl-C); what was finished is kept."""


def one_line(message: str) -> str:
    """The message without line breaks: one problem, one line."""
    return " ".join(message.split())

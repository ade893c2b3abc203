"""The table of backends: what each variant can run, and the reason where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from neuro.capabilities import FEATURES

INTRODUCTION = """\
# Backends

Made by `neuro backends --table` from the tables that the backends themselves declare; do not
edit. A network that needs what a backend lacks is refused by `neuro.compile`, with the reason
below. Everything else gives the same spikes everywhere, which the conformance suite
(`tests/conformance`) checks.
"""


def markdown(backends: Sequence[Any]) -> str:
    """A page with one column per variant of each backend, and numbered reasons."""
    columns = [(variant, b.lacks(**variant.options)) for b in backends for variant in b.variants()]
    reasons: list[str] = []

    def cell(feature: str, lacks: Any) -> str:
        if feature not in lacks:
            return "yes"
        if lacks[feature] not in reasons:
            reasons.append(lacks[feature])
        return f"no ({reasons.index(lacks[feature]) + 1})"

    lines = [
        "| feature | " + " | ".join(variant.title for variant, _ in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for feature, meaning in FEATURES.items():
        cells = " | ".join(cell(feature, lacks) for _, lacks in columns)
        lines.append(f"| **{feature}**: {meaning} | {cells} |")
    notes = [f"{i}. {reason}" for i, reason in enumerate(reasons, 1)]
    options = [
        f"- **{variant.title}**: `backend={b.name!r}"
        + "".join(f", {key}={value!r}" for key, value in variant.options.items())
        + "`"
        for b in backends
        for variant in b.variants()
    ]
    blocks = [INTRODUCTION, "\n".join(options), "\n".join(lines)]
    if notes:
        blocks.append("\n".join(notes))
    return "\n\n".join(block.strip() for block in blocks) + "\n"

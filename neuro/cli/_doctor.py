"""What can be used here, what is missing, and the command that mends it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

EXTRAS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "analysis": ("recordings as pandas, xarray, neo", ("pandas", "xarray", "neo")),
    "pynn": ("PyNN scripts", ("pyNN",)),
    "dask": ("tables on a cluster", ("dask", "distributed")),
    "features": ("features of images by pretrained networks", ("torchvision",)),
    "docs": ("the documentation site", ("sphinx", "myst_nb", "numpydoc", "furo")),
}
"""Extras of the package: what for, and the modules that they bring."""


@dataclass(frozen=True)
class Finding:
    """One thing that can be used, or not.

    Attributes
    ----------
    name : str
    usable : bool
    reason : str
        What is missing and what mends it; empty if it is usable.
    """

    name: str
    usable: bool
    reason: str = ""


def _finding(name: str, state: bool | str) -> Finding:
    return Finding(name, state is True, "" if state is True else str(state))


def backends(found: Mapping[str, bool | str]) -> list[Finding]:
    """Backends with their ways of running that need more."""
    from neuro.simulation import find_backend

    findings = []
    for name, state in found.items():
        findings.append(_finding(name, state))
        ways = getattr(find_backend(name), "ways", dict) if state is True else dict
        findings += [_finding(f"{name}, {way}", able) for way, able in ways().items()]
    return findings


def extras() -> list[Finding]:
    """Optional parts of neuro."""
    findings = []
    for name, (purpose, modules) in EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        mend = f"{', '.join(missing)} not installed; run: pip install 'neuro[{name}]'"
        findings.append(_finding(f"{name} ({purpose})", mend if missing else True))
    return findings


def to_json(findings: Mapping[str, list[Finding]]) -> dict[str, Any]:
    """By kind, every finding as plain data."""
    return {kind: [asdict(finding) for finding in found] for kind, found in findings.items()}


def text(findings: Mapping[str, list[Finding]]) -> str:
    """Lines to read: a heading of every kind, and one line for each finding."""
    width = max(len(finding.name) for found in findings.values() for finding in found)
    lines: list[str] = []
    for kind, found in findings.items():
        lines += ["", kind] if lines else [kind]
        for each in found:
            state = "available" if each.usable else f"no: {each.reason}"
            lines.append(f"  {each.name:{width}}  {state}")
    return "\n".join(lines)

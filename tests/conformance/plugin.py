"""The pytest plugin: options that choose backends, and the parameters of the suite's tests.

``--neuro-backend NAME[:OPTION=VALUE,...]`` may be given several times; without it the suite runs
every installed backend but the reference, in each of its variants (the slow ones are marked so).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass(frozen=True)
class Target:
    """A backend with options, as the suite runs it."""

    backend: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.backend}:{options}" if options else self.backend


def parse_target(text: str) -> Target:
    """A target from ``name:option=value,option=value``; values are Python literals or text."""
    backend, _, rest = text.partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals:
            raise pytest.UsageError(f"--neuro-backend {text!r}: {part!r} is not option=value")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return Target(backend, options)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("neuro", "conformance of neuro backends")
    group.addoption(
        "--neuro-backend",
        action="append",
        default=[],
        metavar="NAME[:OPTION=VALUE,...]",
        help="backend that neuro's conformance suite runs (several times; default: all installed)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill in the targets of the suite's tests."""
    if "conformance_target" in metafunc.fixturenames:
        targets = _targets(metafunc.config)
        metafunc.parametrize("conformance_target", targets, scope="session")


def _targets(config: pytest.Config) -> list[Any]:
    chosen = config.getoption("--neuro-backend")
    if chosen:
        return [pytest.param(target, id=str(target)) for target in map(parse_target, chosen)]
    from neuro.simulation import backends, find_backend

    found = []
    for name, available in backends().items():
        if name == "reference" or available is not True:
            continue
        for variant in find_backend(name).variants():
            target = Target(name, variant.options)
            marks = [] if variant.quick else [pytest.mark.slow]
            found.append(pytest.param(target, id=str(target), marks=marks))
    return found

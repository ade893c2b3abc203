"""How networks of predictive units are compiled: several images at once, where a backend can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from neuro.models.predictive.network import DT
from neuro.network import Network
from neuro.simulation import Simulation, compile

PARALLEL = ("torch",)
"""Backends that show several images at once."""


def quick(backend: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a backend; for ``torch`` dense sums in any order unless told otherwise."""
    usual = {"ordered": False, "delivery": "dense"} if backend == "torch" else {}
    return {**usual, **options}


def compiled(
    network: Network, items: int, backend: str, precision: str, options: Mapping[str, Any]
) -> Simulation:
    """Compile a network for so many images at once, or for one on backends that take one."""
    batch = {"batch": items} if backend in PARALLEL else {}
    return compile(network, backend, DT, precision, **options, **batch)

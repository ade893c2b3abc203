"""All scenarios."""

from neuro.conformance.scenario import SCENARIOS, Scenario
from neuro.conformance.scenarios import (
    connections,
    delays,
    learning,
    loihi,
    loops,
    neurons,
    sources,
)

__all__ = [
    "SCENARIOS",
    "Scenario",
    "connections",
    "delays",
    "learning",
    "loihi",
    "loops",
    "neurons",
    "sources",
]

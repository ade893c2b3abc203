"""The Lava backend. Lava itself is imported only in a child process of its own."""

from neuro.backends.lava.backend import LavaBackend
from neuro.backends.lava.objects import LavaObjects, processes_of

BACKEND = LavaBackend()

__all__ = ["BACKEND", "LavaBackend", "LavaObjects", "processes_of"]

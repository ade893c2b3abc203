"""The Lava backend. Lava itself is imported only in a child process of its own."""

from neuro.backends.lava.backend import LavaBackend

BACKEND = LavaBackend()

__all__ = ["BACKEND", "LavaBackend"]

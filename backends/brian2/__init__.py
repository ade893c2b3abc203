"""The Brian2 backend: NumPy, Cython and C++ standalone. Imports Brian2 only when it runs."""

from neuro.backends.brian2.backend import Brian2Backend

BACKEND = Brian2Backend()

__all__ = ["BACKEND", "Brian2Backend"]

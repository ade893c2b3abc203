"""The native backend: a program becomes one function in C, compiled once per structure.

Importing it is cheap; the compiler runs with the first run.
"""

from neuro.backends.native.backend import BACKEND as BACKEND

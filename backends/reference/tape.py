"""Assignments over whole populations as a tape of NumPy calls on preallocated arrays.

Walking the expression tree in every step would cost more than the arithmetic. A tape is walked
once when the engine is made; each entry is then one ufunc call with its output in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.equations.evaluation import literal, operation
from neuro.equations.expression import Binary, Call, Const, Expr, Name, Unary, children
from neuro.program import Assign


class Tape:
    """A sequence of array operations that can be run again and again.

    Parameters
    ----------
    arrays : mapping
        The engine's arrays by name; operations read and write them in place, so an array must
        keep its identity for the life of the tape.
    size : int
        Length of the domain.
    dtype : numpy dtype
        Floating-point type of the program.
    """

    def __init__(
        self, arrays: Mapping[str, NDArray[Any]], size: int, dtype: np.dtype[np.floating]
    ) -> None:
        self._arrays, self._size, self._dtype = arrays, size, dtype
        self._locals: dict[str, Any] = {}
        self._calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def run(self) -> None:
        """Do all operations once, in order."""
        for function, arguments in self._calls:
            function(*arguments)

    def assign(self, assign: Assign) -> None:
        """Append ``target = expression``."""
        if assign.local:
            self._locals[assign.target] = self.compute(assign.expression)
            return
        target = self._arrays[assign.target]
        self.compute(assign.expression, target)

    def compute(self, expr: Expr, out: NDArray[Any] | None = None) -> Any:
        """Append the operations of an expression; returns where its value will be."""
        value = self._value(expr, out)
        if out is not None and value is not out:
            self._calls.append((np.copyto, (out, value, "unsafe")))
            return out
        return value

    def _value(self, expr: Expr, out: NDArray[Any] | None) -> Any:
        match expr:
            case Const():
                return literal(expr, self._dtype)
            case Name(id=name):
                return self._locals[name] if name.startswith("_") else self._arrays[name]
            case Unary() | Binary() | Call():
                function = operation(expr)
                arguments = tuple(self._value(child, None) for child in children(expr))
                with np.errstate(all="ignore"):  # a trial, only to learn shape and type
                    trial = np.asarray(function(*arguments))
                if out is None or out.dtype != trial.dtype:
                    out = np.empty((self._size,) if trial.ndim else (), trial.dtype)
                if isinstance(function, np.ufunc):
                    self._calls.append((function, (*arguments, out)))
                else:
                    self._calls.append((_into(function, out), arguments))
                return out
        raise AssertionError(f"unknown expression node {expr!r}")


def _into(function: Callable[..., Any], out: NDArray[Any]) -> Callable[..., None]:
    """For functions without an ``out`` argument (``where``, the portable ``exp``)."""

    def call(*arguments: Any) -> None:
        np.copyto(out, function(*arguments))

    return call

"""Operations and functions: the bits of NumPy's evaluation, which is the oracle's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuro.backends.torch.expressions import Expressions
from neuro.backends.torch.memory import Memory
from neuro.equations.evaluation import evaluator
from neuro.equations.expression import parse_expression
from neuro.equations.functions import power
from neuro.program import Array, Program

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 2.3e-308, 1e308, 745.2]


def numbers(precision: str, count: int = 4000) -> dict[str, np.ndarray]:
    """Arguments of all sizes, special values in all pairs."""
    rng = np.random.default_rng(0)
    a, b = (
        np.concatenate([rng.normal(size=count) * 10.0 ** rng.integers(-12, 12, count), s.ravel()])
        for s in np.meshgrid(SPECIAL, SPECIAL)
    )
    with np.errstate(over="ignore"):
        return {"a": a.astype(precision), "b": b.astype(precision), "t": a > b}


def both(text: str, precision: str):
    """Value of an expression here and with NumPy."""
    values = numbers(precision)
    expr = parse_expression(text)
    with np.errstate(all="ignore"):
        expected = evaluator(expr, np.dtype(precision))(values)
    arrays = {n: Array(n, "u", v) for n, v in values.items()}
    program = Program("p", 1e-3, precision, {"u": len(values["a"])}, {}, arrays, {}, (), ())
    memory = Memory(program, None, torch.device("cpu"))

    class Scope:
        local = {}

        def value(self, array, side, group=1):
            return memory.tensors[array][0]

    function = Expressions(memory).function(expr)
    return function.compute(Scope()).numpy(), expected


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(
    "text",
    [
        *(f"a {op} b" for op in ("+", "-", "*", "/", "%", "**", "<", "<=", ">", ">=", "==", "!=")),
        *(f"{f}(a)" for f in ("abs", "exp", "exprel", "floor", "log", "sign", "sin", "trunc")),
        *("cos(a)", "sqrt(a)", "tanh(a)", "max(a, b)", "min(a, b)", "clip(a, -1, b)", "-a"),
        *("where(t, a, b)", "where(a, 2, b)", "where(t, 1, 0)", "not t and a > 0 or b < 0"),
        *("a / 3.0", "3.0 / a", "1 / a", "a * 0.1 + b", "a - 0.1 * b", "2 - t", "t * a", "t > 0"),
        *("a ** 0.5", "a ** 2", "a ** -1", "exp(-a / 20)", "a % 0.3", "-5.5 % a"),
    ],
)
def test_same_bits(text, precision):
    found, expected = both(text, precision)
    assert found.dtype == expected.dtype
    same = (found == expected) | ((found != found) & (expected != expected))
    values = numbers(precision)
    assert np.all(same), [(n, v[~same][:3]) for n, v in values.items()]


def test_many_numbers_are_compared_like_few():
    """Comparisons of many numbers take another way."""
    from neuro.backends.torch.expressions import _MANY

    found, expected = both("a >= b", "float32")
    assert 2 * len(found) >= _MANY
    assert np.array_equal(found, expected)


def test_functions_of_many_numbers_run_in_blocks(monkeypatch):
    """Operands of other shapes are spread out first."""
    import neuro.backends.torch.functions as module

    monkeypatch.setattr(module, "BLOCK", 7)
    functions = module.portable(torch.device("cpu"))
    base, exponent = np.linspace(0.1, 9, 40).reshape(5, 8), np.array([[-1.5], [0], [0.3], [2], [7]])
    found = functions["power"](torch.from_numpy(base), torch.from_numpy(exponent))
    assert np.array_equal(found.numpy(), power(base, exponent))
    assert np.allclose(found.numpy(), base**exponent, rtol=1e-15)

"""The functions and operators of the language give NumPy's bits on every target."""

from __future__ import annotations

import numpy as np
import pytest

from neuro.backends.brian2 import BACKEND
from neuro.equations.evaluation import evaluator
from neuro.equations.expression import Name, parse_expression, substitute
from neuro.program import Array, Assign, Program, Update
from neuro.progress import Silent

EXPRESSIONS = {
    "abs": "abs(x)",
    "clip": "clip(x, -1.5, y)",
    "divide": "x / y",
    "exp": "exp(x)",
    "floor": "floor(x)",
    "max": "max(x, y)",
    "min": "min(x, y)",
    "mod": "x % y",
    "sign": "sign(x)",
    "sqrt": "sqrt(abs(x))",
    "where": "where(x > y and not (x > 5), x * 0.1, y - 1)",
    "sum": "(x + 0.1) + (y + 0.3)",  # SymPy would reorder these
    "again": "x - (0.1 - (x - y))",
    "product": "x * (y * 0.3)",
    "truth": "(x > y) + 2 * (x < y)",
    "counter": "n * 0.1 - x",
}
#: Those of the C library: equal to NumPy's but for the last bit.
LIBRARY = {
    "cos": "cos(x)",
    "log": "log(abs(x) + 1)",
    "power": "abs(x) ** 1.7",
    "sin": "sin(x)",
    "tanh": "tanh(x)",
}


def values(precision: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 1, 500), rng.uniform(-750, 715, 500), np.arange(-20, 20)])
    y = rng.normal(0, 2, len(x))
    y[1000:1020] = 0.0
    special = [np.nan, np.inf, -np.inf, 709.782712893384, 709.7828, -745.1, -745.2, -708.9, -0.0]
    x[: len(special)] = special
    x[20:30], y[20:30] = 3.0, np.nan
    return {
        "x": x.astype(precision),
        "y": y.astype(precision),
        "n": np.arange(len(x), dtype=np.int32),
        "flag": x > 0,
    }


def make(precision: str) -> tuple[Program, dict[str, np.ndarray]]:
    given = values(precision)
    size = len(given["x"])
    arrays = {f"p.{k}": Array(f"p.{k}", "p", v) for k, v in given.items()}
    assigns, expected = [], {}
    for name, text in (EXPRESSIONS | LIBRARY).items():
        tree = parse_expression(text)
        arrays[f"p.{name}"] = Array(f"p.{name}", "p", np.zeros(size, precision))
        assigns.append(Assign(f"p.{name}", substitute(tree, lambda n: Name(f"p.{n}"))))
        with np.errstate(all="ignore"):
            wide = {k: v if v.dtype.kind == "f" else v.astype(precision) for k, v in given.items()}
            value = evaluator(tree, np.dtype(precision))(wide)
            expected[name] = np.asarray(value).astype(precision)
    # truth values and counters as targets; local names; a chain through both
    arrays["p.found"] = Array("p.found", "p", np.zeros(size, bool))
    arrays["p.count"] = Array("p.count", "p", np.full(size, 5, np.int32))
    for target, text in (
        ("_big", "p_x > p_y"),
        ("_twice", "p_y * 2"),
        ("p.found", "_big and not p_flag or _twice > 3"),
        ("p.count", "max(p_count - 1, 0) + p_found"),
    ):
        tree = substitute(parse_expression(text), lambda n: Name(n.replace("p_", "p.", 1)))
        assigns.append(Assign(target, tree))
    x, y, flag = given["x"], given["y"], given["flag"]
    expected["found"] = ((x > y) & ~flag) | (y * 2 > 3)
    expected["count"] = (4 + expected["found"]).astype(np.int32)
    program = Program(
        name="functions",
        dt=1e-3,
        precision=precision,
        sizes={"p": size},
        sources={},
        arrays=arrays,
        connectivity={},
        steps=(Update("p", tuple(assigns)),),
        records=(),
    )
    return program, expected


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_same_bits(cache, target, precision):
    program, expected = make(precision)
    engine = BACKEND.compile(program, target=target, cache_dir=cache)
    engine.run(1, Silent())
    for name, wanted in expected.items():
        found = engine.read(f"p.{name}")
        assert found.dtype == wanted.dtype
        if name in LIBRARY:
            np.testing.assert_allclose(
                found, wanted, rtol=3e-7 if precision == "float32" else 1e-15
            )
        else:
            different = ~((found == wanted) | ((found != found) & (wanted != wanted)))
            assert not different.any(), (name, found[different][:3], wanted[different][:3])

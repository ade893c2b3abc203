"""The functions and operators of the language give NumPy's bits on every target."""

from __future__ import annotations

import ctypes
import subprocess

import numpy as np
import pytest

from neuro.backends.brian2 import BACKEND
from neuro.backends.brian2.compiler import COMPILE_FLAGS, compiler
from neuro.backends.brian2.printing import OWN
from neuro.equations.c_functions import C_FUNCTIONS
from neuro.equations.elementary import RECIPES
from neuro.equations.evaluation import OPERATIONS, evaluator
from neuro.equations.expression import Name, parse_expression, substitute
from neuro.program import Array, Assign, Program, Update
from neuro.progress import Silent

EXPRESSIONS = {
    "abs": "abs(x)",
    "clip": "clip(x, -1.5, y)",
    "divide": "x / y",
    "cos": "cos(x)",
    "exp": "exp(x)",
    "exprel": "exprel(x)",
    "floor": "floor(x)",
    "log": "log(x)",
    "max": "max(x, y)",
    "min": "min(x, y)",
    "mod": "x % y",
    "power": "x ** y",
    "root": "abs(x) ** 1.7",
    "sign": "sign(x)",
    "sin": "sin(x)",
    "sqrt": "sqrt(abs(x))",
    "tanh": "tanh(x)",
    "trunc": "trunc(x)",
    "where": "where(x > y and not (x > 5), x * 0.1, y - 1)",
    "sum": "(x + 0.1) + (y + 0.3)",  # SymPy would reorder these
    "again": "x - (0.1 - (x - y))",
    "product": "x * (y * 0.3)",
    "truth": "(x > y) + 2 * (x < y)",
    "counter": "n * 0.1 - x",
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
    for name, text in EXPRESSIONS.items():
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
        different = ~((found == wanted) | ((found != found) & (wanted != wanted)))
        assert not different.any(), (name, found[different][:3], wanted[different][:3])


def test_every_function_is_written_in_c():
    assert set(C_FUNCTIONS) == set(OWN)
    names = {"power": "**"}
    assert {names.get(name, name) for name in RECIPES} <= set(OWN)


def hard_values(precision: str) -> tuple[np.ndarray, np.ndarray]:
    """A million pairs: any bits at all (subnormal, infinite, NaN), ordinary numbers, and edges."""
    rng = np.random.default_rng(2)
    bits = np.dtype(precision.replace("float", "uint"))
    any_bits = [rng.integers(0, np.iinfo(bits).max, 500_000, bits, True) for _ in range(2)]
    x, y = (a.view(precision) for a in any_bits)
    wide = np.exp2(rng.uniform(-20, 26, 250_000)) * rng.choice([-1, 1], 250_000)
    near = rng.normal(0, 1, 250_000)
    whole = rng.integers(-9, 9, 250_000)
    edges = [0, 5e-324, 1e-45, 2.0**-1022, 2.0**-126, 0.5, 0.625, 1, 2, 3, 50, 88.7, 104, 709.79]
    edges += [716.3, 717, 745.1, 745.2, 2.0**25, 2.0**45, 2.0**53, 2.0**71, 3e38, 1e308, np.inf]
    edges = np.array([*edges, np.nan])
    first, second = np.meshgrid(*2 * [np.concatenate([edges, -edges])])
    with np.errstate(over="ignore"):
        return (
            np.concatenate([x, wide, near, first.ravel()], dtype=precision, casting="same_kind"),
            np.concatenate([y, near, whole, second.ravel()], dtype=precision, casting="same_kind"),
        )


@pytest.mark.build
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_c_gives_the_bits_of_numpy(tmp_path, precision):
    real = {"float64": "double", "float32": "float"}[precision]
    names = ["**", *(name for name in RECIPES if name != "power")]
    text = "#include <math.h>\n#include <stdint.h>\n#include <string.h>\n"
    for name in names:
        arguments = "x[i], y[i]" if name == "**" else "x[i]"
        text += C_FUNCTIONS[name].text(OWN[name], precision) + (
            f'extern "C" void many_{OWN[name]}(const {real}* x, const {real}* y, {real}* z, long n)'
            f"{{ for (long i = 0; i < n; i++) z[i] = {OWN[name]}({arguments}); }}\n"
        )
    (tmp_path / "twins.cpp").write_text(text)
    command = [compiler(), *COMPILE_FLAGS, "-shared", "-fPIC", "twins.cpp", "-o", "twins.so"]
    subprocess.run(command, cwd=tmp_path, check=True)
    library = ctypes.CDLL(str(tmp_path / "twins.so"))
    x, y = hard_values(precision)
    found = np.empty_like(x)
    for name in names:
        pointers = (ctypes.c_void_p(a.ctypes.data) for a in (x, y, found))
        getattr(library, f"many_{OWN[name]}")(*pointers, ctypes.c_long(len(x)))
        wanted = OPERATIONS[name](x, y) if name == "**" else OPERATIONS[name](x)
        assert wanted.dtype == x.dtype
        same = (found == wanted) & (np.signbit(found) == np.signbit(wanted))
        different = ~(same | ((found != found) & (wanted != wanted)))
        assert not different.any(), (name, x[different][:3], y[different][:3])

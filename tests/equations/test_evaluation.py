"""Expressions are folded without changing what they mean."""

import numpy as np
import pytest

from neuro.equations.evaluation import evaluate, fold
from neuro.equations.expression import Const, parse_expression, to_text


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("x + 0", "x"),
        ("0 + x", "x"),
        ("x - 0", "x"),
        ("0 - x", "(0.0 - x)"),
        ("1 * x * 1 / 1", "x"),
        ("1 / x", "(1.0 / x)"),
        ("0 * x", "(0.0 * x)"),  # not 0: x may be infinite
        ("x ** 1", "(x ** 1.0)"),
        ("2 * 3 * x + (0 + 0)", "(6.0 * x)"),
        ("x + 2 + 3", "((x + 2.0) + 3.0)"),  # the order stays
        ("exp(0) * x", "x"),
        ("where(1 < 2, x, y)", "where(True, x, y)"),
    ],
)
def test_fold(text, folded):
    assert to_text(fold(parse_expression(text))) == folded


def test_folded_constants_are_those_of_double_precision():
    assert fold(parse_expression("0.1 * 0.2 / 0.3")) == Const(0.1 * 0.2 / 0.3)


@pytest.mark.parametrize(
    "text",
    [
        "p + q",
        "p - q",
        "-p",
        "p * q + (x > 1)",
        "2 * (p + q)",
        "1 * p + 1 * q",
        "p + 0 + (q - 0)",
        "(x > 0) + (x > 1)",
        "((x > 0) - (x > 1)) * x",
        "max(p, q) + p",
        "where(x > 0, p, q) + q",
        "abs(p) + abs(q)",
        "(p and q) + (p or q) + (not p)",
        "(p == q) + p",
        "True + p + True",
        "x * p - q",
    ],
)
def test_truth_values_count_one_and_zero(text):
    x = np.array([-1.0, 0.5, 2.0, 3.0])
    p, q = np.array([True, True, False, True]), np.array([True, False, False, True])
    got = evaluate(fold(parse_expression(text), {"p", "q"}), {"x": x, "p": p, "q": q})
    python = []
    for a, b, y in zip(p.tolist(), q.tolist(), x.tolist(), strict=True):
        names = {"p": a, "q": b, "x": y, "where": lambda c, s, t: s if c else t}
        python.append(float(eval(text, {"__builtins__": {"max": max, "abs": abs}}, names)))
    assert np.asarray(got, float).tolist() == python


def test_conditions_stay_conditions():
    for text in ("p and x > 1", "not p", "p == q", "where(p, x, 2)"):
        assert fold(parse_expression(text), {"p", "q"}) == parse_expression(text)

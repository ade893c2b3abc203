"""The portable functions: accurate, right at the edges, the same bits whoever runs the recipe."""

import math
import struct

import numpy as np
import pytest
from mpmath import mp, mpf

from neuro.equations import functions
from neuro.equations.dimensions import dimension
from neuro.equations.elementary import RECIPES
from neuro.equations.expression import parse_expression
from neuro.equations.functions import cos, exp, exprel, log, power, sin, tanh
from neuro.equations.recipe import EXPONENT_OFFSET
from neuro.errors import UnitError
from neuro.units import DIMENSIONLESS, UNITS

#: Of one argument; ``power`` takes two.
UNARY = {"cos": cos, "exp": exp, "exprel": exprel, "log": log, "sin": sin, "tanh": tanh}
INF, NAN = math.inf, math.nan
EDGES = np.array(
    [
        *(0.0, 5e-324, 2.0**-1022, 2.0**-1022 * (1 - 2.0**-52), 1e-17, 1 / 3, 0.5, 0.625, 1.0, 2.0),
        *(3.0, 50.0, 709.78, 709.79, 716.0, 717.0, 745.1, 745.2, 1e22, 2.0**24, 2.0**44, 2.0**45),
        *(2.0**53 - 1, 2.0**53, 2.0**70, 2.0**71, 1.7976931348623157e308, INF, NAN),
    ]
)
EDGES = np.concatenate([EDGES, -EDGES])


def anywhere(rng, low, high, size):
    """Numbers of both signs whose binary exponents are uniform."""
    return np.exp2(rng.uniform(low, high, size)) * rng.choice([-1.0, 1.0], size)


def error(found, exact, *arguments):
    """Largest relative error, and the arguments where it is."""
    mp.prec = 180
    errors = []
    for value, *at in zip(found, *arguments, strict=True):
        true = exact(*(mpf(float(a)) for a in at))
        errors.append((float(abs((mpf(float(value)) - true) / true)), at))
    return max(errors)


RNG = np.random.default_rng(0)
NEAR_ONE = 1 + anywhere(RNG, -40, -2, 1000)
NEAR_QUARTERS = np.concatenate(
    # a double next to a multiple of pi/2 has the smallest sine or cosine
    [np.nextafter(k * math.pi / 2, to) for k in RNG.integers(1, 2**24, 200) for to in [(0, INF)]]
)


@pytest.mark.parametrize(
    ("name", "x", "bound"),
    [
        ("exp", RNG.uniform(-700, 700, 1500), 2.3e-16),
        ("exp", RNG.normal(0, 1, 1500), 2.3e-16),
        ("exprel", RNG.uniform(-3, 3, 1500), 6e-16),
        ("exprel", anywhere(RNG, -70, 9, 1500), 6e-16),
        ("exprel", RNG.uniform(709, 716, 300), 6e-16),  # e^x alone is infinite
        ("log", RNG.uniform(0.4, 2.5, 1500), 1.8e-16),
        ("log", 1 + anywhere(RNG, -52, -1, 1500), 1.8e-16),
        ("log", np.exp2(RNG.uniform(-1074, 1024, 1500)), 1.8e-16),
        ("sin", RNG.uniform(-4, 4, 1500), 2e-16),
        ("sin", anywhere(RNG, -40, 25, 1500), 2e-16),
        ("sin", NEAR_QUARTERS, 2e-16),
        ("cos", RNG.uniform(-4, 4, 1500), 2e-16),
        ("cos", anywhere(RNG, -40, 25, 1500), 2e-16),
        ("cos", NEAR_QUARTERS, 2e-16),
        ("tanh", RNG.uniform(-1, 1, 1500), 3e-16),
        ("tanh", anywhere(RNG, -1000, 5, 1500), 3e-16),
    ],
)
def test_relative_error_against_arbitrary_precision(name, x, bound):
    exact = {"exprel": lambda x: mp.expm1(x) / x}.get(name) or getattr(mp, name)
    found, where = error(UNARY[name](x), exact, x)
    assert found < bound, where


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (RNG.uniform(0.1, 10, 1000), RNG.uniform(-5, 5, 1000)),
        (NEAR_ONE, RNG.uniform(-700, 700, 1000) / np.log(NEAR_ONE)),
        (np.exp2(RNG.uniform(-1000, 1000, 1000)), RNG.uniform(-1, 1, 1000)),
        (RNG.uniform(0, 2.0**-1022, 500), RNG.uniform(-0.9, 0.9, 500)),
        (RNG.uniform(0.5, 2, 1000), RNG.uniform(-1000, 1000, 1000)),
    ],
)
def test_relative_error_of_powers(x, y):
    found, where = error(power(x, y), lambda x, y: x**y, x, y)
    assert found < 2e-16, where


def test_large_angles():
    rng = np.random.default_rng(1)
    # From 2^25 on as if x itself were rounded more coarsely; from 2^45 on not a number.
    x = anywhere(rng, 25, 45, 1000)
    for function, exact in ((sin, mp.sin), (cos, mp.cos)):
        mp.prec = 180
        true = np.array([float(exact(mpf(v))) for v in x])
        assert np.all(np.abs(function(x) - true) < np.abs(x) * 2.0**-52)
        assert np.isnan(function(np.array([2.0**45, -(2.0**45), 1e300, INF, -INF]))).all()


def test_symmetry():
    rng = np.random.default_rng(1)
    x = np.concatenate([anywhere(rng, -1074, 44, 3000), rng.integers(-99, 99, 999) * math.pi / 4])
    for odd in (sin, tanh):
        assert np.array_equal(odd(-x), -odd(x))
        assert np.signbit(odd(-0.0))
        assert not np.signbit(odd(0.0))
    assert np.array_equal(cos(-x), cos(x))


def test_edges():
    cases = {
        "exp": {0: 1, 710: INF, -746: 0, INF: INF, -INF: 0, -745.133: 5e-324},
        "exprel": {0: 1, 5e-324: 1, -1e-300: 1, INF: INF, -INF: 0, 717: INF, -1e308: 1e-308},
        "log": {-0.0: -INF, -1: NAN, -INF: NAN, INF: INF, 1: 0},
        "sin": {0: 0, 5e-324: 5e-324, INF: NAN},
        "cos": {0: 1, 5e-324: 1, -INF: NAN},
        "tanh": {INF: 1, -INF: -1, 1e300: 1, -20: -1, 5e-324: 5e-324, 0: 0},
    }
    for name, values in cases.items():
        for x, y in values.items():
            assert UNARY[name](x) == y or (y != y and np.isnan(UNARY[name](x))), (name, x)
        assert np.isnan(UNARY[name](NAN))
    mixed = exp(np.array([-1e9, 0.0, np.nan, 1e9]))
    assert np.array_equal(mixed, [0, 1, np.nan, np.inf], equal_nan=True)
    assert 0 < exp(-745.0) < 1e-322  # subnormal
    assert np.isfinite(exp(709.7))
    assert log(5e-324) == pytest.approx(-1074 * math.log(2), rel=1e-15)


def test_powers_at_the_edges_are_those_of_numpy():
    x, y = (a.ravel() for a in np.meshgrid(EDGES, EDGES))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    found = power(x, y)
    # 1e-15 for ordinary values; 0, infinity, NaN and signs must be the same
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)
    known = ~np.isnan(expected)
    assert np.array_equal(np.signbit(found[known]), np.signbit(expected[known]))


def test_whole_powers_are_exact():
    base = np.arange(-60.0, 61)
    for exponent in range(1, 40):
        true = np.array([float(int(b) ** exponent) for b in base])
        fits = np.abs(true) < 2.0**53
        assert np.array_equal(power(base, exponent)[fits], true[fits])


@pytest.mark.parametrize("name", [*UNARY, "power"])
def test_float32_is_rounded_once(name):
    x = np.linspace(-80, 80, 999).astype(np.float32)
    arguments = (np.abs(x), x[::-1] / np.float32(17)) if name == "power" else (x,)
    function = getattr(functions, name)
    narrow = function(*arguments)
    assert narrow.dtype == np.float32
    wide = function(*(a.astype(np.float64) for a in arguments))
    with np.errstate(over="ignore"):
        assert np.array_equal(narrow, wide.astype(np.float32), equal_nan=True)


def test_any_shape_and_type():
    rng = np.random.default_rng(1)
    x = np.abs(anywhere(rng, -3, 3, 2 * functions.BLOCK + 3))  # more than one block
    for name, function in UNARY.items():
        whole = function(x)
        some = [0, functions.BLOCK - 1, functions.BLOCK, len(x) - 1]
        assert [function(x[i]) for i in some] == whole[some].tolist(), name
        assert np.array_equal(function(x[:6].reshape(2, 3).T), whole[:6].reshape(2, 3).T)
        assert np.array_equal(function(x[::3]), whole[::3])
        assert isinstance(function(2), np.float64)
        assert function(np.array([1, 2])).dtype == np.float64
        assert function(np.zeros((0, 2))).shape == (0, 2)
        assert x[5] == np.abs(x[5]) != whole[5]  # the argument is left alone
    whole = power(x, 1.7)
    assert power(x[-1], 1.7) == whole[-1]
    assert np.array_equal(power(x[:2, None], np.array([1.7, 2.5, 1.7]))[:, 2], whole[:2])
    assert isinstance(power(4, 0.5), np.float64)


def run_in_python(name, *arguments):
    """A recipe with Python's own floats, from the description of the operations alone."""

    def bits(a):
        return struct.unpack("<Q", struct.pack("<d", a))[0]

    def ldexp(a, k):
        h = k // 2
        return a * 2.0**h * 2.0 ** (k - h)

    def divide(a, b):
        return a / b if b else math.copysign(INF, a) * math.copysign(1, b) if a else NAN

    table = {
        "absolute": abs,
        "add": lambda a, b: a + b,
        "both": lambda a, b: a and b,
        "copysign": math.copysign,
        "divide": divide,
        "equal": lambda a, b: a == b,
        "exponent": lambda a: float(((bits(a) + EXPONENT_OFFSET) >> 52) - 1023),
        "floor": lambda a: float(math.floor(a)),
        "ldexp": ldexp,
        "less": lambda a, b: a < b,
        "maximum": max,
        "minimum": min,
        "multiply": lambda a, b: a * b,
        "subtract": lambda a, b: a - b,
        "where": lambda c, a, b: a if c else b,
    }
    values = list(arguments)
    for operation in RECIPES[name].operations:
        operands = (values[x] if isinstance(x, int) else x for x in operation.operands)
        values.append(table[operation.name](*operands))
    return values[-1]


@pytest.mark.parametrize("name", [*UNARY, "power"])
def test_recipes_mean_the_same_to_another_interpreter(name):
    rng = np.random.default_rng(1)
    x = anywhere(rng, -8, 8, 500)
    x = np.concatenate([np.abs(x) if name in ("log", "power") else x, [2.0**-1030]])
    arguments = (x, rng.normal(0, 5, len(x))) if name == "power" else (x,)
    found = getattr(functions, name)(*arguments)
    plain = [run_in_python(name, *map(float, a)) for a in zip(*arguments, strict=True)]
    assert plain == found.tolist()


@pytest.mark.parametrize(
    ("name", "x", "bits"),
    [
        ("exp", 1.0, "0x1.5bf0a8b14576ap+1"),
        ("exp", -60.0, "0x1.5ae191a99585ap-87"),
        ("exp", 0.3, "0x1.599058c8c1a96p+0"),
        ("exp", -7.25, "0x1.7455fe323fafep-11"),
        ("exprel", -0.3, "0x1.ba563f4c9b7f0p-1"),
        ("exprel", 2.5, "0x1.1e4597a8e4d62p+2"),
        ("log", 0.3, "-0x1.34378fcbda721p+0"),
        ("log", 1e-310, "-0x1.64e69394d9508p+9"),
        ("sin", 12345.6, "-0x1.83b9626da2d7fp-1"),
        ("sin", 0.9, "0x1.91103985da841p-1"),
        ("cos", 12345.6, "0x1.4e62cef481db3p-1"),
        ("cos", 0.9, "0x1.3e43a9692e21cp-1"),
        ("tanh", 0.3, "0x1.2a4dda7d914fap-2"),
        ("tanh", -1.7, "-0x1.deedf00d3e7f5p-1"),
    ],
)
def test_golden_bits(name, x, bits):
    # The same bits on every machine and backend: a change here changes spike trains.
    assert float(UNARY[name](x)).hex() == bits


def test_golden_bits_of_powers():
    assert float(power(2.7, 3.3)).hex() == "0x1.a83fa3634a624p+4"
    assert float(power(0.013, -0.7)).hex() == "0x1.4e78ce60c36b2p+4"


def test_exprel_takes_and_gives_a_pure_number():
    known = dict.fromkeys("vs", UNITS["volt"])
    assert dimension(parse_expression("exprel(v / s)"), known, "m") == DIMENSIONLESS
    with pytest.raises(UnitError, match="exprel of v"):
        dimension(parse_expression("exprel(v)"), known, "m")

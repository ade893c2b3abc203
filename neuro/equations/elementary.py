"""The recipes of ``exp``, ``log``, ``sin``, ``cos``, ``tanh``, ``exprel`` and ``**``.

The functions of a C library, of NumPy (which picks a SIMD version per processor) and of a GPU
differ in the last bit, and one such bit can end as another spike train. So the language has its
own, each a fixed sequence of elementary operations (:mod:`neuro.equations.recipe`).

Approximations and coefficients are those of the Cephes library (S. L. Moshier, *Methods and
Programs for Mathematical Functions*, 1989; ``exp.c``, ``log.c``, ``sin.c``, ``tanh.c``); those of
the power's 2^z are of FDLIBM (Sun Microsystems, 1993; ``e_pow.c``), as is the way in which its
logarithm is kept in two parts. Largest relative errors found in 10^5 random arguments a range, and
at hard ones:

======== ======= ================================================================================
exp      2.4e-16
log      1.5e-16 Subnormal numbers included.
sin, cos 2.0e-16 For ``|x| <= 2^25``. Beyond, the error is at most ``|x| 2^-52``, as though x were
                 off by this; NaN from 2^45, where it would spoil the second digit.
tanh     2.8e-16
exprel   6.0e-16
``**``   1.4e-16 Whole powers are exact where they fit.
======== ======= ================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from neuro.equations.recipe import (
    Recipe,
    Value,
    absolute,
    copysign,
    equal,
    exponent,
    floor,
    ldexp,
    maximum,
    minimum,
    polynomial,
    record,
    where,
)

LOG2_E = 1.4426950408889634073599
EXP_LN2 = (6.93145751953125e-1, 1.42860682030941723212e-6)
EXP_P = (1.26177193074810590878e-4, 3.02994407707441961300e-2, 9.99999999999999999910e-1)
EXP_Q = (
    3.00198505138664455042e-6,
    2.52448340349684104192e-3,
    2.27265548208155028766e-1,
    2.00000000000000000005e0,
)

LOG_LN2 = (0.693359375, -2.121944400546905827679e-4)
LOG_P = (
    1.01875663804580931796e-4,
    4.97494994976747001425e-1,
    4.70579119878881725854e0,
    1.44989225341610930846e1,
    1.79368678507819816313e1,
    7.70838733755885391666e0,
)
LOG_Q = (
    1.12873587189167450590e1,
    4.52279145837532221105e1,
    8.29875266912776603211e1,
    7.11544750618563894466e1,
    2.31251620126765340583e1,
)

#: pi/2 in three parts of 28 bits, whose products with whole numbers up to 2^25 are exact, and rest.
HALF_PI = (
    1.570796325802803,
    9.920935739593517e-10,
    5.721188709663575e-18,
    1.6446256936324258e-26,
)
SIN_MAX = 2.0**45
SIN = (
    1.58962301576546568060e-10,
    -2.50507477628578072866e-8,
    2.75573136213857245213e-6,
    -1.98412698295895385996e-4,
    8.33333333332211858878e-3,
    -1.66666666666666307295e-1,
)
COS = (
    -1.13585365213876817300e-11,
    2.08757008419747316778e-9,
    -2.75573141792967388112e-7,
    2.48015872888517045348e-5,
    -1.38888888888730564116e-3,
    4.16666666666665929218e-2,
)

TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_Q = (1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)

#: 2 atanh(s) = 2/3 s (3 + s^2 + s^4 (3/5 + 3/7 s^2 + ...)), to 2^-68 for |s| < 0.172.
ATANH = tuple(3 / (2 * n + 5) for n in reversed(range(12)))
#: 2 / (3 ln 2) and ln 2: rounded, then as a short number and the rest.
POWER_SCALE = (9.61796693925975554329e-1, 9.61796700954437255859e-1, -7.02846165095275826516e-9)
POWER_LN2 = (6.93147180559945286227e-1, 6.93147182464599609375e-1, -1.90465429995776804525e-9)
POWER_EXP = (
    4.13813679705723846039e-8,
    -1.65339022054652515390e-6,
    6.61375632143793436117e-5,
    -2.77777777770155933842e-3,
    1.66666666666666019037e-1,
)

_SMALLEST_NORMAL = 2.0**-1022


def _exp(x: Value) -> Value:
    k, growth = _exp_parts(minimum(maximum(x, -746.0), 710.0))
    return ldexp(growth + 1.0, k)


def _exp_parts(x: Value) -> tuple[Value, Value]:
    """``(k, g)`` with ``e^x = 2^k (1 + g)``, k whole and g between -0.3 and 0.42."""
    k = floor(x * LOG2_E + 0.5)
    r = (x - k * EXP_LN2[0]) - k * EXP_LN2[1]
    rr = r * r
    p = polynomial(rr, EXP_P) * r
    q = polynomial(rr, EXP_Q)
    return k, p / (q - p) * 2.0


def _exprel(x: Value) -> Value:
    """``e^x - 1 = (2^k - 1) + 2^k g``, times 2^-16 because e^x / x overflows later than e^x."""
    above = minimum(x, 720.0)
    k, growth = _exp_parts(maximum(above, -50.0))
    k = k - 16.0
    excess = (ldexp(1.0, k) - 2.0**-16) + ldexp(growth, k)
    return where(absolute(x) < 2.0**-54, 1.0, excess / (above * 2.0**-16))


def _tanh(x: Value) -> Value:
    a = absolute(x)
    z = a * a
    small = a + a * (z * (polynomial(z, TANH_P) / polynomial(z, TANH_Q, monic=True)))
    k, growth = _exp_parts(minimum(a * 2.0, 60.0))
    large = 1.0 - 2.0 / (ldexp(growth + 1.0, k) + 1.0)
    return copysign(where(a < 0.625, small, large), x)


def _sin(x: Value) -> Value:
    return _sine(absolute(x), 0.0) * copysign(1.0, x)


def _cos(x: Value) -> Value:
    return _sine(absolute(x), 1.0)


def _sine(x: Value, quarters: float) -> Value:
    """Sine of ``x`` and some quarter turns, for ``x >= 0``."""
    k = floor(x * (2 / math.pi) + 0.5)
    r, r_low = _two_sum(x - k * HALF_PI[0], k * -HALF_PI[1])
    r, r_lower = _two_sum(r, k * -HALF_PI[2])
    low = (r_low + r_lower) - k * HALF_PI[3]
    r_high = r + low
    r_low = (r - r_high) + low
    z = r_high * r_high
    sine = r_high + (r_high * z * polynomial(z, SIN) + r_low)
    cosine = (1.0 - z * 0.5) + (z * z * polynomial(z, COS) - r_high * r_low)
    turns = (k + quarters) * 0.25
    halves = (turns - floor(turns)) * 2.0  # 0, 1/2, 1 or 3/2
    half = floor(halves)
    value = where(half < halves, cosine, sine) * (1.0 - half * 2.0)
    return where(x < SIN_MAX, value, math.nan)


def _two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """Sum and its rounding error (Knuth 1969)."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _log(x: Value) -> Value:
    e, m = _binary(x)
    f = m - 1.0
    z = f * f
    y = f * (z * (polynomial(f, LOG_P) / polynomial(f, LOG_Q, monic=True)))
    y = (y + e * LOG_LN2[1]) - z * 0.5
    y = (f + y) + e * LOG_LN2[0]
    return where(x > 0.0, where(x < math.inf, y, x), where(equal(x, 0.0), -math.inf, math.nan))


def _binary(x: Value) -> tuple[Value, Value]:
    """``(e, m)`` of ``x = m 2^e`` for finite ``x > 0``, m between 0.707 and 1.415."""
    subnormal = x < _SMALLEST_NORMAL
    normal = where(subnormal, x * 2.0**54, x)
    e = exponent(normal)
    return where(subnormal, e - 54.0, e), ldexp(normal, 0.0 - e)


def _power(x: Value, y: Value) -> Value:
    a = absolute(x)
    b = _within(y, 2.0**70)  # whole and even, and as good as infinite
    normal = _positive_power(a, b)
    edge = where(b > 0.0, a, where(b < 0.0, 1.0 / a, b))
    size = where(equal(a + a, a), edge, normal)  # for a = 0 and a = infinity
    half = b * 0.5
    signed = where(floor(half) < half, copysign(size, x), size)
    undefined = (x < 0.0) & (a < math.inf) & (a > 0.0)
    real = where(equal(floor(b), b), signed, where(undefined, math.nan, size))
    return where(equal(y, 0.0), 1.0, where(equal(x, 1.0), 1.0, real))


def _positive_power(x: Value, y: Value) -> Value:
    """``2^(y log2 x)`` for finite ``x > 0`` and ``|y| <= 2^70``."""
    e, m = _binary(x)
    log_high, log_low = _log2(e, m)
    y_high = _high(y)
    z_high = y_high * log_high
    z_low = (y - y_high) * log_high + y * log_low
    k = floor(_within(z_high + z_low, 1100.0) + 0.5)
    # r + r_low = (z - k) ln 2; the limits matter only where the result is 0 or infinite
    d, d_low = _within(z_high - k, 1.0), _within(z_low, 1.0)
    t = _high(d + d_low)
    u, v = t * POWER_LN2[1], (d_low - (t - d)) * POWER_LN2[0] + t * POWER_LN2[2]
    r = u + v
    r_low = v - (r - u)
    c = r - r * r * polynomial(r * r, POWER_EXP)
    return ldexp(1.0 + (r + (r * c / (2.0 - c) + r_low)), k)


def _log2(e: Value, m: Value) -> tuple[Value, Value]:
    """``log2(m 2^e)`` in two parts, the first of 26 bits: 2 atanh((m - 1) / (m + 1)) / ln 2."""
    f, g = m - 1.0, m + 1.0
    s = f / g
    s_high, g_high = _high(s), _high(g)
    s_low = ((f - s_high * g_high) - s_high * (m - (g_high - 1.0))) / g
    # t = 3 + s^2 + s^4 ...
    z = s * s
    square = s_high * s_high
    rest = z * z * polynomial(z, ATANH) + s_low * (s_high + s)
    t_high = _high((square + 3.0) + rest)
    t_low = rest - ((t_high - 3.0) - square)
    # p = s t
    u, v = s_high * t_high, s_low * t_high + t_low * s
    p_high = _high(u + v)
    p_low = v - (p_high - u)
    # log2 = 2 / (3 ln 2) p + e
    u, v = p_high * POWER_SCALE[1], p_high * POWER_SCALE[2] + p_low * POWER_SCALE[0]
    high = _high((u + v) + e)
    return high, v - ((high - e) - u)


def _high(x: Value) -> Value:
    """The first 26 bits of ``x``, rounded; the rest has no more (Veltkamp; Dekker 1971)."""
    c = x * 134217729.0
    return c - (c - x)


def _within(x: Value, bound: float) -> Value:
    return maximum(minimum(x, bound), -bound)


RECIPES: Mapping[str, Recipe] = {
    "cos": record(_cos, 1),
    "exp": record(_exp, 1),
    "exprel": record(_exprel, 1),
    "log": record(_log, 1),
    "power": record(_power, 2),
    "sin": record(_sin, 1),
    "tanh": record(_tanh, 1),
}

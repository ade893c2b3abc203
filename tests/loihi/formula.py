"""Loihi's network in plain integers, written down from its description alone."""

import numpy as np


def representable(w, bits, mode):
    sign = -1 if mode == "inhibitory" else 1
    low, shift = (-256, 9 - bits) if mode == "mixed" else (0, 8 - bits)
    return sign * ((np.clip(sign * w, low, 255) >> shift) << shift)


def decayed(x, d):
    return np.sign(x) * ((np.abs(x) * (4096 - d)) >> 12)


def shifted(a, exponent):
    return a << exponent if exponent > 0 else a >> -exponent


def wrapped(u):
    u = np.where(u > 1 << 23, u - (1 << 24), u)
    return np.where(u <= -(1 << 23), u + (1 << 24), u)


def run(steps, given, into, back, p):
    """Spikes, u and v of a population with inputs and recurrent connections.

    ``given`` has shape [steps, inputs]; ``into`` and ``back`` are (weights [pre, post], exponent);
    ``p`` holds du, dv, vth, bias_mant, bias_exp.
    """
    n = into[0].shape[1]
    u, v, out = (np.zeros(n, np.int64) for _ in range(3))
    before = np.zeros(into[0].shape[0], np.int64)
    rows = []
    for k in range(steps):
        a = shifted(before @ into[0], into[1]) + shifted(out @ back[0], back[1])
        u = wrapped(decayed(u, p["du"] + 1) + (a << 6))
        limit = (1 << 23) - 1
        v = np.clip(decayed(v, p["dv"]) + u + (p["bias_mant"] << p["bias_exp"]), -limit, limit)
        out = (v > p["vth"] << 6).astype(np.int64)
        v[out > 0] = 0
        rows.append((out, u, v))
        before = given[k]
    return tuple(np.array(r) for r in zip(*rows, strict=True))

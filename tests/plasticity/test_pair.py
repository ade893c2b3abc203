"""Pair STDP: every pair of spikes, its window, its dependence on the weight."""

import numpy as np
import pytest

import neuro as nr

TP, TM, AP, AM = 12, 25, 0.02, 0.03  # time constants in steps of 1 ms


def trains(seed=0, steps=400):
    rng = np.random.default_rng(seed)
    return [np.flatnonzero(rng.random(steps) < p) for p in (0.06, 0.05)]


def pairs(pre, post, pairing):
    """Sum of the window over pairs; a coincidence is pre before post."""
    total = 0.0
    for spike in post:
        earlier = pre[pre <= spike]
        chosen = earlier if pairing == "all" else earlier[-1:]
        total += AP * np.exp(-(spike - chosen) / TP).sum()
    for arrival in pre:
        earlier = post[post < arrival]
        chosen = earlier if pairing == "all" else earlier[-1:]
        total -= AM * np.exp(-(arrival - chosen) / TM).sum()
    return total


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("pairing", ["all", "nearest"])
def test_sum_over_pairs(protocol, pairing, sparse):
    rule = nr.PairSTDP(TP * 1e-3, TM * 1e-3, AP, AM, pairing=pairing)
    for seed in range(3):
        pre, post = trains(seed)
        pre = pre[pre > 0]
        post = np.union1d(post[post > 0], pre[3:5])  # with coincidences
        w = protocol(rule, pre, post, steps=400, sparse=sparse)
        assert w[-1] - 0.5 == pytest.approx(pairs(pre, post, pairing), rel=1e-10)


def test_all_and_nearest_differ_where_spikes_crowd(protocol):
    rules = [nr.PairSTDP(TP * 1e-3, TM * 1e-3, AP, AM, pairing=p) for p in ("all", "nearest")]
    one = [protocol(r, [10], [20])[-1] for r in rules]
    assert one[0] == one[1]
    burst = [protocol(r, [8, 10], [20])[-1] - 0.5 for r in rules]
    assert burst[1] == pytest.approx(AP * np.exp(-10 / TP), rel=1e-12)
    assert burst[0] == pytest.approx(AP * (np.exp(-10 / TP) + np.exp(-1.0)), rel=1e-12)


@pytest.mark.parametrize("lag", [-40, -7, -1, 0, 1, 13, 40])
@pytest.mark.parametrize("dt", [1e-3, 0.1e-3])
def test_window(protocol, lag, dt):
    # Song, Miller & Abbott 2000, eq. 2: A+ exp(-dt / tau+) after, -A- exp(dt / tau-) before.
    rule = nr.PairSTDP(20e-3, 20e-3, 0.005, 0.00525)
    w = protocol(rule, [50], [50 + lag], dt=dt)
    expected = (0.005 if lag >= 0 else -0.00525) * np.exp(-abs(lag) * dt / 20e-3)
    assert w[-1] - 0.5 == pytest.approx(expected, rel=1e-10)
    changed = np.flatnonzero(np.diff(w)) + 1  # the change comes with the later of the two
    assert changed.tolist() == [max(50, 50 + lag)]


def test_multiplicative_changes_shrink_towards_the_bounds(protocol):
    rule = nr.PairSTDP(TP * 1e-3, TM * 1e-3, 0.3, 0.4, 0.1, 0.9, dependence="multiplicative")
    for w0 in (0.1, 0.35, 0.9):
        up = protocol(rule, [10], [16], w0=w0)[-1] - w0
        assert up == pytest.approx(0.3 * (0.9 - w0) * np.exp(-6 / TP), rel=1e-12, abs=1e-15)
        down = protocol(rule, [16], [10], w0=w0)[-1] - w0
        assert down == pytest.approx(-0.4 * (w0 - 0.1) * np.exp(-6 / TM), rel=1e-12, abs=1e-15)


def test_multiplicative_fixed_point(protocol):
    # Pre at n T, post d later: in each period w -> w - a-(w - lo) y, then w + a+(hi - w) x, with
    # the traces of the periodic state; both maps are linear in w.
    period, d, low, high, up, down = 20, 6, 0.1, 0.9, 0.05, 0.08
    x = np.exp(-d / TP) / (1 - np.exp(-period / TP))
    y = np.exp(-(period - d) / TM) / (1 - np.exp(-period / TM))
    # After pre: (1 - down y) w + down y low. After post: (1 - up x) that + up x high.
    shrink = (1 - up * x) * (1 - down * y)
    fixed = ((1 - up * x) * down * y * low + up * x * high) / (1 - shrink)
    assert low < fixed < high
    rule = nr.PairSTDP(TP * 1e-3, TM * 1e-3, up, down, low, high, dependence="multiplicative")
    pre = np.arange(20, 6000, period)
    for w0 in (low, high):
        w = protocol(rule, pre, pre + d, w0=w0, steps=6010)
        assert w[-1] == pytest.approx(fixed, rel=1e-9)


def test_additive_ends_at_a_bound(protocol):
    pre = np.arange(20, 2000, 20)
    for sign, end in ((1, 0.8), (-1, 0.2)):
        rule = nr.PairSTDP(a_plus=0.02, a_minus=0.02, w_min=0.2, w_max=0.8)
        w = protocol(rule, pre, pre + sign * 3, steps=2050)
        assert w[-1] == end
        assert w.min() >= 0.2
        assert w.max() <= 0.8


def test_bounds_hold_after_every_change(protocol):
    # Clipping at the end of each event, not of the step: from 0.5 up to 0.6, then down by 0.2.
    rule = nr.PairSTDP(1e3, 1e3, a_plus=9.0, a_minus=0.2, w_max=0.6)
    w = protocol(rule, [10, 30], [20])
    assert w[20] == 0.6
    assert w[30] == pytest.approx(0.4, rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau_plus": 0.0}, "tau_plus of PairSTDP.*> 0"),
        ({"tau_minus": -1.0}, "tau_minus of PairSTDP.*> 0"),
        ({"dependence": "linear"}, "dependence of PairSTDP is 'linear'.*additive, multiplicative"),
        ({"pairing": "next"}, "pairing of PairSTDP is 'next'.*all, nearest"),
        ({"dependence": "multiplicative", "w_min": 0.0}, "PairSTDP: multiplicative.*w_max"),
        ({"w_min": 1.0, "w_max": 0.0}, "PairSTDP: w_min 1 is above w_max 0"),
        ({"w_min": np.nan}, "w_min of PairSTDP.*finite"),
        ({"w_max": "big"}, "w_max of PairSTDP: 'big' is not a number"),
        ({"tau_plus": [0.01, 0.02]}, "tau_plus of PairSTDP has 2 values"),
    ],
)
def test_mistakes(given, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.PairSTDP(**given)

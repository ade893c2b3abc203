"""Sources: statistics, independence of how time is cut, images and windows."""

from itertools import pairwise

import numpy as np
import pytest

import neuro as nr
from neuro.sources import BLOCK


def draw(source, size, steps, seed=0, dt=1e-3, name="s"):
    k, i = source.lower(seed, name, size, dt).events(0, steps)
    spikes = np.zeros((steps, size), bool)
    spikes[k, i] = True
    assert np.all(np.diff(k * size + i) > 0)  # sorted by step, then unit; no doubles
    return spikes


def test_poisson_rate_per_unit():
    rates = np.array([0.0, 20.0, 200.0, 1000.0])
    spikes = draw(nr.Poisson(rates), 4, 20_000)
    mean = spikes.mean(0) / 1e-3
    sd = np.sqrt(rates * 1e-3 * (1 - rates * 1e-3) / 20_000) / 1e-3
    assert np.all(np.abs(mean - rates) <= 4 * sd)
    assert mean[0] == 0
    assert mean[3] == 1000


def test_names_and_seeds_give_independent_trains():
    trains = [
        draw(nr.Poisson(200.0), 50, 2000, seed, name=name).ravel()
        for seed, name in ((0, "a"), (0, "b"), (1, "a"))
    ]
    correlation = np.corrcoef(trains)
    assert np.abs(correlation[np.triu_indices(3, 1)]).max() < 0.02
    assert np.array_equal(trains[0], draw(nr.Poisson(200.0), 50, 2000, 0, name="a").ravel())


@pytest.mark.parametrize(
    "source",
    [
        nr.Poisson(100.0),
        nr.WindowedPoisson(np.full(36, 400.0), (6, 6), 3, stop=0.5),
        nr.PoissonImages(np.eye(36)[:7], 500.0, duration=0.05, gap=0.02),
        nr.SpikeTimes([700, 3, 3], [1, 5, 2]),
    ],
)
def test_any_cut_of_time_gives_the_same_spikes(source):
    lowered = source.lower(3, "s", 36, 1e-3)
    whole = lowered.events(0, 900)
    cuts = [0, 1, 100, BLOCK, BLOCK + 1, 3 * BLOCK, 899, 900]
    parts = [lowered.events(a, b) for a, b in pairwise(cuts)]
    for i in range(2):
        assert np.array_equal(whole[i], np.concatenate([p[i] for p in parts]))
    assert len(whole[0])


def test_window_support_and_uniform_position():
    # The window of the released code: "10" covers 11 x 11 pixels, corners 0..17 of 28 - 11.
    source = nr.WindowedPoisson(np.full(784, 1000.0), (28, 28), 11)
    spikes = draw(source, 784, 6000).reshape(-1, 28, 28)
    assert np.all(spikes.sum((1, 2)) == 121)
    corners = []
    for frame in spikes:
        rows, columns = np.flatnonzero(frame.any(1)), np.flatnonzero(frame.any(0))
        assert np.ptp(rows) == np.ptp(columns) == 10
        corners.append((rows[0], columns[0]))
    for axis in np.array(corners).T:
        counts = np.bincount(axis, minlength=18)
        assert len(counts) == 18
        expected = 6000 / 18
        assert ((counts - expected) ** 2 / expected).sum() < 40.8  # chi2, 17 dof, p = 0.001
    assert abs(np.corrcoef(np.array(corners).T)[0, 1]) < 0.05


def test_window_probability_is_clipped_and_follows_the_image():
    # A pixel of the 6 x 6 corner is covered by 1 of 16 window positions, the centre by 9.
    image = np.zeros((6, 6))
    image[0, 0], image[2, 2], image[5, 5] = 0.3, 0.3, 5.0
    spikes = draw(nr.WindowedPoisson(image.ravel() * 1000, (6, 6), 3), 36, 40_000)
    mean = spikes.mean(0).reshape(6, 6)
    assert mean[0, 0] == pytest.approx(0.3 / 16, rel=0.1)
    assert mean[2, 2] == pytest.approx(0.3 * 9 / 16, rel=0.05)
    assert mean[5, 5] == pytest.approx(1.0 / 16, rel=0.1)
    assert np.count_nonzero(mean) == 3


def test_source_stops():
    spikes = draw(nr.WindowedPoisson(np.full(4, 900.0), (2, 2), stop=0.1), 4, 300)
    assert spikes[:100].any(1).all()
    assert not spikes[100:].any()


def test_images_in_sequence():
    images = np.array([[1.0, 0.0], [0.0, 0.5]])
    spikes = draw(nr.PoissonImages(images, 1000.0, duration=0.4, gap=0.1), 2, 1500)
    assert spikes[:400, 0].all()
    assert not spikes[:400, 1].any()
    assert not spikes[400:500].any()
    assert spikes[500:900, 1].mean() == pytest.approx(0.5, abs=0.1)
    assert not spikes[500:900, 0].any()
    assert not spikes[900:].any()


def test_spike_times_in_steps_and_seconds():
    for source in (
        nr.SpikeTimes([5, 2], [0, 1]),
        nr.SpikeTimes([5e-3, 2.0004e-3], [0, 1]),
        nr.SpikeTimes(np.array([5, 2], np.uint8), np.array([0, 1], np.int8)),
    ):
        k, i = source.lower(0, "s", 2, 1e-3).events(0, 10)
        assert k.tolist() == [2, 5]
        assert i.tolist() == [1, 0]
    assert not len(nr.SpikeTimes([], []).lower(0, "s", 2, 1e-3).events(0, 10)[0])


# --- rates that change -------------------------------------------------------------------------


def within(counts, p, n):
    """Counts of n draws with probabilities p, to 4.5 standard deviations."""
    return np.all(np.abs(counts - n * p) <= 4.5 * np.sqrt(n * p * (1 - p)) + 1e-9)


def test_rates_of_intervals():
    rates = np.array([100.0, 0.0, 400.0, 1000.0])
    spikes = draw(nr.ModulatedPoisson(rates, interval=0.1), 50, 600)
    counts = spikes.reshape(6, 100, 50).sum((1, 2))
    assert within(counts, np.array([0.1, 0.0, 0.4, 1.0, 0.0, 0.0]), 5000)
    again = draw(nr.ModulatedPoisson(rates, interval=0.1, repeat=True), 50, 1200)
    counts = again.reshape(3, 4, 100, 50).sum((2, 3))
    assert within(counts, rates / 1000, 5000)
    assert np.array_equal(again[:400], spikes[:400])  # the same numbers behind both
    assert not np.array_equal(again[400:800], again[:400])  # but never twice


def test_rates_of_intervals_and_units():
    rates = np.array([[50.0, 500.0], [900.0, 0.0]])
    spikes = draw(nr.ModulatedPoisson(rates, interval=5e-3, repeat=True), 2, 40_000)
    counts = spikes.reshape(4000, 2, 5, 2).sum((0, 2))
    assert within(counts, rates / 1000, 20_000)


@pytest.mark.parametrize("dt", [1e-3, 0.5e-3])
def test_rate_expression(dt):
    # 20 periods; each phase of the sine against its own probability, evaluated at step starts.
    source = nr.ModulatedPoisson("100 + 90 * sin(2 * pi * 5 * t)")
    spikes = draw(source, 200, round(4 / dt), dt=dt)
    per_phase = spikes.reshape(20, round(0.2 / dt), 200).sum((0, 2))
    t = np.arange(round(0.2 / dt)) * dt
    assert within(per_phase, (100 + 90 * np.sin(2 * np.pi * 5 * t)) * dt, 4000)


def test_rate_expression_with_parameters_of_units():
    source = nr.ModulatedPoisson(
        "peak * (t >= start) * exp(-(t - start) / tau)",
        parameters={"peak": [100.0, 500.0, 900.0], "start": 0.05, "tau": 0.02},
    )
    counts = np.zeros((100, 3))
    for seed in range(200):
        counts += draw(source, 3, 100, seed)
    t = np.arange(100)[:, None] * 1e-3
    p = np.array([0.1, 0.5, 0.9]) * (t >= 0.05) * np.exp(-(t - 0.05) / 0.02)
    assert within(counts, np.where(t >= 0.05, p, 0.0), 200)


def test_a_constant_expression_is_a_constant_rate():
    sources = nr.ModulatedPoisson("150"), nr.ModulatedPoisson([150.0], interval=1.0)
    one, two = (draw(s, 20, 700) for s in sources)
    assert np.array_equal(one, two)
    conditions = draw(nr.ModulatedPoisson("100 * ((t > 0.1) + (t > 0.3))"), 200, 500)
    means = [conditions[a:b].mean() for a, b in ((0, 100), (101, 300), (301, 500))]
    assert means == pytest.approx([0, 0.1, 0.2], abs=0.01)


def test_only_rates_of_the_steps_that_are_run_are_checked():
    # The expression is negative from 1 s on: a run of one second is fine, one more step is not.
    lowered = nr.ModulatedPoisson("500 * (1 - t)").lower(0, "s", 3, 1e-3)
    assert len(lowered.events(0, 1000)[0]) > 500
    with pytest.raises(nr.CompileError, match="s: .*gives -0.5 Hz at t = 1.001 s.*1000 Hz"):
        lowered.events(900, 1002)
    for text, value in (("2000", "2000"), ("log(t - 1)", "nan"), ("1 / t", "inf")):
        lowered = nr.ModulatedPoisson(text).lower(0, "s", 3, 1e-3)
        with pytest.raises(nr.CompileError, match=f"gives {value} Hz at t = 0 s"):
            lowered.events(0, 1)


MODULATED = [
    nr.ModulatedPoisson([200.0, 30.0], interval=0.1, repeat=True),
    nr.ModulatedPoisson("100 + 50 * cos(40 * t)"),
    nr.ModulatedPoisson("a * t", parameters={"a": np.linspace(0, 900, 36)}),
]


@pytest.mark.parametrize("source", MODULATED)
def test_modulated_sources_do_not_depend_on_cuts(source):
    lowered = source.lower(3, "s", 36, 1e-3)
    whole = lowered.events(0, 900)
    cuts = [0, 1, 100, BLOCK, BLOCK + 1, 3 * BLOCK, 899, 900]
    parts = [lowered.events(a, b) for a, b in pairwise(cuts)]
    for i in range(2):
        assert np.array_equal(whole[i], np.concatenate([p[i] for p in parts]))
    assert len(whole[0])


# --- batches -----------------------------------------------------------------------------------


def train(source, item, size=20, steps=600, seed=0):
    return source.lower(seed, "s", size, 1e-3).replica(item).events(0, steps)


@pytest.mark.parametrize("source", [nr.Poisson(200.0), *MODULATED[:2],
                                    nr.WindowedPoisson(np.full(20, 400.0), (4, 5), 3)])  # fmt: skip
def test_items_of_a_batch_have_their_own_numbers(source):
    def spikes(item):
        k, i = train(source, item)
        found = np.zeros((600, 20))
        found[k, i] = 1
        return found

    alone = source.lower(0, "s", 20, 1e-3).events(0, 600)
    for a, b in zip(alone, train(source, 0), strict=True):
        assert np.array_equal(a, b)  # item 0 is the run without a batch
    zero, one, two = (spikes(i) for i in range(3))
    mean = (zero + one + two) / 3
    noise = [(s - mean).ravel() for s in (zero, one, two)]
    assert not np.array_equal(one, two)
    assert np.corrcoef(noise)[0, 1] < 0  # what deviates from the mean is not shared
    assert abs(zero.mean() - one.mean()) < 0.02
    assert np.array_equal(one, spikes(1))


def test_replayed_spikes_are_the_same_in_every_item():
    for item in (0, 3):
        k, i = train(nr.SpikeTimes([4, 2], [1, 0]), item)
        assert (k.tolist(), i.tolist()) == ([2, 4], [0, 1])


def test_a_source_for_each_item():
    source = nr.PerItem([nr.SpikeTimes([1], [0]), nr.Poisson(300.0), nr.Poisson(300.0)])
    assert train(source, 0)[0].tolist() == [1]
    for a, b in zip(train(source, 1), train(nr.Poisson(300.0), 1), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(train(source, 1)[0], train(source, 2)[0])
    lowered = source.lower(0, "s", 20, 1e-3)
    assert lowered.events(0, 5)[0].tolist() == [1]
    with pytest.raises(nr.CompileError, match="s: PerItem has 3 sources.*item 3"):
        lowered.replica(3)


# --- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nr.ModulatedPoisson([1.0, 2.0]), "ModulatedPoisson.*need interval="),
        (lambda: nr.ModulatedPoisson([1.0], interval=0.0), "interval of ModulatedPoisson.*> 0"),
        (lambda: nr.ModulatedPoisson([1.0], interval=[1.0, 2.0]), "one number as interval"),
        (lambda: nr.ModulatedPoisson([-1.0], interval=1.0), "rate of ModulatedPoisson.*>= 0"),
        (lambda: nr.ModulatedPoisson(np.ones((2, 2, 2)), interval=1.0), r"shape \(2, 2, 2\)"),
        (lambda: nr.ModulatedPoisson("20", interval=1.0), "has no interval; leave it out"),
        (lambda: nr.ModulatedPoisson("a * t"), "unknown name 'a'; known: pi, t"),
        (lambda: nr.ModulatedPoisson("20 *"), "rate of ModulatedPoisson: cannot read"),
        (
            lambda: nr.ModulatedPoisson([1.0], interval=1.0, parameters={"a": 1.0}),
            "parameters belong to an expression",
        ),
        (lambda: nr.ModulatedPoisson("t", parameters={"t": 1.0}), "'t' is reserved"),
        (lambda: nr.PerItem([]), "sources of PerItem are empty"),
        (lambda: nr.PerItem(nr.Poisson(1.0)), r"sources of PerItem are Poisson\(.*sequence"),
        (lambda: nr.PerItem([nr.Poisson(1.0), 3]), "sources of PerItem: item 1 is 3, not a source"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(nr.DescriptionError, match=message):
        make()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (nr.ModulatedPoisson(np.ones((2, 4)), interval=1.0), r"rate of population 'p'.*\(2, 4\)"),
        (nr.ModulatedPoisson("a", parameters={"a": [1.0, 2.0]}), r"a of population 'p'.*\(2,\)"),
        (nr.PerItem([nr.Poisson(1.0), nr.Poisson([1.0, 2.0])]), r"'p', item 1.*\(2,\)"),
        (nr.PerItem([nr.SpikeTimes([0], [7])]), "'p', item 0: unit 7"),
    ],
)
def test_sources_that_do_not_fit(source, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.Network().population("p", source, 3)


def test_sources_that_do_not_fit_the_step():
    for source, message in (
        (nr.ModulatedPoisson([10.0, 2000.0], interval=1.0), "p: rate 2000 Hz.*2 spikes per step"),
        (nr.ModulatedPoisson([10.0], interval=1.5e-3), "interval of p is 0.0015.*0.001 or 0.002"),
    ):
        net = nr.Network()
        net.population("p", source, 3)
        with pytest.raises(nr.CompileError, match=message):
            nr.compile(net)


def test_quantities():
    from brian2 import Hz, kHz, ms, second

    source = nr.ModulatedPoisson(np.array([0.1, 0.2]) * kHz, interval=20 * ms)
    assert source == nr.ModulatedPoisson([100.0, 200.0], interval=0.02)
    with pytest.raises(nr.UnitError, match="interval of ModulatedPoisson"):
        nr.ModulatedPoisson([1.0], interval=3 * Hz)
    with pytest.raises(nr.UnitError, match="rate of ModulatedPoisson"):
        nr.ModulatedPoisson(np.array([1.0]) * second, interval=1.0)

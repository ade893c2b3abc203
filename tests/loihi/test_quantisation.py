"""Quantisation against the float network, closed forms and hand-made cases."""

import json

import numpy as np
import pytest
import scipy.sparse

import neuro as nr
from neuro.loihi.comparison import _coincidence
from neuro.loihi.membranes import decays, membrane
from neuro.loihi.weight_rounding import Rounding, rounded

DT = 1e-3
EXPONENTIAL = {"exc": nr.Exponential(5e-3)}


def traces(net, steps, variable="v", precision="float64"):
    """A variable of every population that records it, as [steps, units]."""
    with nr.compile(net, dt=DT, precision=precision) as sim:
        rec = sim.run_steps(steps, False)
    return {r.owner: rec.trace(r.owner, variable) for r in net.recorders if r.variable == variable}


def in_volts(quantised, steps):
    found = traces(quantised.network, steps, precision="loihi")
    return {name: quantised.volts(name, v) for name, v in found.items()}


def driven(model, weights, rate=40.0, units=6, inputs=10, seed=1, **options):
    net = nr.Network("driven", seed=seed)
    source = net.population("in", nr.Poisson(rate=rate), inputs)
    cells = net.population("out", model, units)
    net.connect(source, cells, weights, **options)
    net.record(cells, "v")
    return net


# --- the closed form of the error --------------------------------------------------------------


@pytest.mark.parametrize("tau_s", [0, 5])
@pytest.mark.parametrize("tau_m", [5, 17, 100, 311, 1000])
def test_error_is_the_closed_form(tau_m, tau_s):
    """Compartments at several thresholds against exact arithmetic; u and v cut, decays rounded."""
    rng = np.random.default_rng([tau_m, tau_s])
    a, b = np.exp(-1 / tau_m), np.exp(-1 / tau_s) if tau_s else 0.0
    synapses = {"syn": nr.Exponential(tau_s * DT)} if tau_s else None
    net = nr.Network("one")
    by = decays(
        membrane(net.population("x", nr.LIF(tau_m * DT, synapses=synapses), 1), 0, DT), "x"
    )
    steps, warm = 14 * tau_m + 2000, 6 * tau_m + 100
    spikes = rng.random((steps, 12)) < 2 / 12
    at, unit = spikes.nonzero()
    checked = 0
    for threshold in (300, 3000, 30000, 120000):
        whole = 0.7 * threshold * (1 - a) * (1 - b) / 2.0
        for exponent in (0, 2, -2):
            weight = round(whole / 2.0**exponent)
            if not 5 <= weight <= 254:
                continue
            net = nr.Network("pair")
            source = net.population("in", nr.SpikeTimes(at, unit), 12)
            model = nr.loihi.LIF(by.du, by.dv, 131071, ports={"input": exponent})
            cells = net.population("out", model, 1)
            # Any remainder is as frequent as any other when bits are shifted out.
            weights = weight + rng.permutation(np.repeat([-2, -1, 0, 1], 3))
            net.connect(source, cells, weights[:, None])
            net.record(cells, "v")
            v = traces(net, steps, precision="loihi")["out"][:, 0]
            exact, u, expected = 0.0, 0.0, np.empty(steps)
            sums = np.concatenate([[0], spikes[:-1] @ weights]) * 2.0**exponent * 64
            for k in range(steps):
                u = b * u + sums[k]
                exact = a * exact + u
                expected[k] = exact
            limit = 64 * threshold
            measured = np.mean(v[warm:] - expected[warm:]) / limit
            predicted = by.predicted_error(
                limit,
                mean=expected[warm:].mean() / limit,
                busy=np.mean(spikes.any(1)),
                exponents=(exponent,),
                match="peak",
            )
            # Where gain and loss all but cancel, a share of both is asked for.
            gain = (by.gain - 1) * expected[warm:].mean() / limit
            both = 0.1 * (abs(gain) + abs(predicted - gain))
            assert measured == pytest.approx(predicted, rel=0.2, abs=max(both, 1e-5)), (
                threshold,
                exponent,
            )
            checked += 1
    assert checked


TAUS = np.array([5, 7, 10, 23, 50, 100, 200, 333, 500, 700, 911, 1000])


def subthreshold(tau_m, tau_s, weight):
    """Mean 0.8 of the threshold, half of it constant, half from spikes."""
    synapses = {"syn": nr.Exponential(tau_s * DT)} if tau_s else None
    rate = 0.4 / (weight * tau_m * DT * (tau_s or 1)) * (tau_m if tau_s else 1) / 40
    model = nr.LIF(tau_m * DT, bias=0.4, synapses=synapses, v_threshold=1.0)
    net = nr.Network("below", seed=int(tau_m))
    source = net.population("in", nr.Poisson(rate=min(rate, 900.0)), 40)
    cells = net.population("out", model, 4)
    net.connect(source, cells, np.full((40, 4), weight))
    net.record(cells, "v")
    net.record(cells)
    return net


@pytest.mark.parametrize("tau_s", [0, 5])
@pytest.mark.parametrize("tau_m", TAUS)
def test_automatic_thresholds_keep_the_error_below_two_percent(tau_m, tau_s):
    net = subthreshold(tau_m, tau_s, 0.01 if tau_s == 0 else 0.02)
    quantised = nr.loihi.quantise(net, DT)
    steps = int(14 * tau_m) + 2000
    exact, found = traces(net, steps)["out"], in_volts(quantised, steps)["out"]
    assert exact.max() < 1, "the test wants no spikes"
    late = slice(int(6 * tau_m), None)
    assert exact[late].mean() > 0.5
    assert abs(np.mean(found[late] - exact[late])) < 0.02
    assert abs(quantised.report.populations["out"].error) < 0.02
    assert not quantised.report.worrying


def test_what_would_happen_without_making_up_for_rounded_decays():
    # 4096 (1 - exp(-1/911)) = 4.49, rounded to 4: the steady state is 12 % too high.
    net = subthreshold(911, 0, 0.01)
    quantised = nr.loihi.quantise(net, DT, match="peak")
    error = quantised.report.populations["out"].error
    assert error == pytest.approx(4096 * -np.expm1(-1 / 911) / 4 - 1, rel=0.02)
    assert quantised.report.worrying == ["out"]
    exact, found = traces(net, 12000)["out"][6000:], in_volts(quantised, 12000)["out"][6000:]
    # Constant input is made up for in any case; it is 0.4 of the mean.
    assert np.mean(found - exact) == pytest.approx(error * (exact.mean() - 0.4), rel=0.2)


# --- every step of the voltage -----------------------------------------------------------------

SAME = {
    "delta": nr.LIF(20e-3, v_threshold=50.0),
    "exponential": nr.LIF(20e-3, v_threshold=50.0, synapses=EXPONENTIAL),
    "equal time constants": nr.LIF(5e-3, v_threshold=50.0, synapses=EXPONENTIAL),
    "rest, reset and bias": nr.LIF(
        30e-3, v_threshold=30.0, v_reset=-6.0, v_rest=-4.0, bias=3.0, v_init=2.0
    ),
    "no leak": nr.IF(v_threshold=90.0, bias=5.0, tau=0.3, v_init=-1.0),
    "no leak, exponential": nr.IF(v_threshold=90.0, tau=20e-3, synapses=EXPONENTIAL),
    "per unit": nr.LIF(
        np.linspace(5e-3, 50e-3, 6),
        v_threshold=np.linspace(30.0, 60.0, 6),
        v_rest=np.linspace(-2.0, 2.0, 6),
        bias=np.linspace(-1.0, 3.0, 6),
        synapses={"exc": nr.Exponential(np.linspace(3e-3, 9e-3, 6))},
    ),
    "drawn": nr.LIF(nr.Uniform(10e-3, 40e-3), v_threshold=50.0, bias=nr.Normal(0.0, 1.0)),
}


@pytest.mark.parametrize("name", SAME)
def test_voltage_follows_step_by_step(name):
    """Weights of 8 bits err by less than 0.4 % of the largest, so v does by as much of its swing.

    A step of delay too many or too few would be off by the size of a whole arrival.
    """
    rng = np.random.default_rng(3)
    net = driven(SAME[name], rng.uniform(0.3, 1.0, (10, 6)), delay=2e-3)
    quantised = nr.loihi.quantise(net, DT)
    exact, found = traces(net, 300)["out"], in_volts(quantised, 300)["out"]
    assert np.ptp(exact) > 1.5
    assert np.abs(found - exact).max() < 0.008 * np.ptp(exact)
    assert quantised.network.projections["in_out"].delay == (
        pytest.approx(3e-3) if "exponential" in name or name in ("equal time constants", "per unit")
        else pytest.approx(2e-3)
    )


def connections():
    rng = np.random.default_rng(4)
    delays = rng.integers(1, 9, (10, 6)) * DT
    sparse = scipy.sparse.random_array((10, 6), density=0.5, rng=rng)
    yield "sparse", {"weights": sparse}
    yield "gain", {"weights": rng.uniform(0, 1, (10, 6)), "gain": 0.4}
    yield "synaptic delays", {"weights": rng.uniform(0, 1, (10, 6)), "delay": delays}
    yield "drawn delays", {"weights": sparse, "delay": nr.Uniform(1e-3, 8e-3)}
    yield "multapses", {"weights": nr.fixed_in_degree(8, weight=nr.Uniform(0.1, 0.4))}
    yield "negative", {"weights": rng.normal(0, 0.5, (10, 6))}


@pytest.mark.parametrize(("name", "options"), [*connections()])
@pytest.mark.parametrize("late", [False, True])
def test_every_kind_of_connection(name, options, late):
    synapses = {"syn": nr.Exponential(4e-3)} if late else None
    model = nr.LIF(15e-3, v_threshold=25.0, synapses=synapses)
    net = driven(model, **{"rate": 60.0, **options})
    exact = traces(net, 300)["out"]
    found = in_volts(nr.loihi.quantise(net, DT), 300)["out"]
    assert np.ptp(exact) > 0.4
    assert np.abs(found - exact).max() < 0.02 * np.ptp(exact), name


def test_convolution_and_pooling():
    rng = np.random.default_rng(5)
    net = nr.Network("images", seed=2)
    source = net.population("in", nr.Poisson(rate=80.0), (2, 6, 6))
    middle = net.population("middle", nr.LIF(10e-3, v_threshold=0.8), (3, 4, 4))
    last = net.population("last", nr.LIF(10e-3, v_threshold=40.0), (3, 2, 2))
    net.connect(source, middle, nr.convolution(rng.normal(0.1, 0.3, (3, 2, 3, 3))))
    net.connect(middle, last, nr.pooling(2, 1.0))
    net.record(middle, "v")
    quantised = nr.loihi.quantise(net, DT)
    kernel = net.projections["in_middle"].connector.kernel
    assert quantised.weights("in_middle").shape == kernel.shape
    assert np.abs(quantised.weights("in_middle") - kernel).max() < 0.005 * np.abs(kernel).max()
    assert quantised.weights("middle_last") == pytest.approx(np.ones((1, 1, 2, 2)), rel=1e-3)
    exact, found = traces(net, 12)["middle"], in_volts(quantised, 12)["middle"]
    assert np.abs(found - exact)[:5].max() < 0.02
    comparison = nr.loihi.compare(net, quantised, DT, 2000)
    assert all(abs(c.relative) < 0.05 for c in comparison.populations.values()), str(comparison)


def test_convolution_onto_unlike_units_is_refused():
    net = nr.Network("images")
    source = net.population("in", nr.Poisson(rate=80.0), (1, 4, 4))
    synapses = {"syn": nr.Exponential(5e-3)}
    model = nr.LIF(np.linspace(5e-3, 20e-3, 4), synapses=synapses)
    cells = net.population("out", model, (1, 2, 2))
    net.connect(source, cells, nr.convolution(np.ones((1, 1, 3, 3))))
    with pytest.raises(nr.CompileError, match="'in_out' shares one kernel.*'out'"):
        nr.loihi.quantise(net, DT)


def test_tied_weights_become_a_copy_in_the_scale_of_their_target():
    rng = np.random.default_rng(6)
    net = nr.Network("tied", seed=2)
    one = net.population("one", nr.LIF(20e-3, v_threshold=5.0, bias=6.0), 7)
    two = net.population("two", nr.LIF(10e-3, v_threshold=2.0, bias=1.0), 5)
    forward = net.connect(one, two, rng.uniform(0.2, 1.0, (7, 5)))
    net.connect(two, one, nr.transpose_of(forward), name="back", gain=0.5)
    quantised = nr.loihi.quantise(net, DT)
    expected = 0.5 * net.projections["one_two"].connector.weights.T
    assert quantised.weights("back") == pytest.approx(expected, abs=0.005)
    assert quantised.weights("one_two") == pytest.approx(2 * expected.T, abs=0.005)
    sparse = scipy.sparse.random_array((7, 5), density=0.4, rng=rng)
    net = nr.Network("tied", seed=2)
    one = net.population("one", nr.LIF(20e-3, v_threshold=5.0, bias=6.0), 7)
    two = net.population("two", nr.LIF(10e-3, v_threshold=2.0, bias=1.0), 5)
    forward = net.connect(one, two, sparse)
    net.connect(two, one, nr.transpose_of(forward), name="back")
    quantised = nr.loihi.quantise(net, DT)
    program = nr.lower(quantised.network, DT)
    dense = np.zeros((5, 7))
    back = program.connectivity["back"]
    dense[back.rows, back.targets] = quantised.weights("back")
    assert dense == pytest.approx(sparse.toarray().T, abs=0.005)


# --- spikes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("comparison", "expected"), [(">=", [11, 31]), (">", [31])])
def test_a_weight_of_one_threshold_relays_spikes(comparison, expected):
    net = nr.Network("relay")
    source = net.population("in", nr.SpikeTimes([10, 30], [0, 0]), 1)
    cells = net.population("out", nr.LIF(comparison=comparison), 1)
    net.connect(source, cells, [[1.0]])
    net.record(cells)
    for precision in ("float64", "loihi"):
        with nr.compile(net, precision=precision) as sim:
            assert sim.run_steps(50, False).spikes(cells)[0].tolist() == expected


@pytest.mark.parametrize("weight", [0.1, 0.21, 0.5, 0.7, 1.0, 1.3, 4.0])
def test_whole_numbers_of_arrivals_to_threshold(weight):
    # Without leak: a spike every ceil(1 / weight) arrivals.
    net = nr.Network("count")
    arrivals = np.arange(200)
    source = net.population("in", nr.SpikeTimes(arrivals, np.zeros(200, int)), 1)
    cells = net.population("out", nr.IF(v_threshold=1.0 - 1e-6), 1)
    net.connect(source, cells, [[weight]])
    net.record(cells)
    with nr.compile(net, precision="loihi") as sim:
        spikes = sim.run_steps(201, False).spikes(cells)[0]
    assert np.all(np.diff(spikes) == np.ceil(1 / weight - 1e-5))


def test_rates_stay():
    rng = np.random.default_rng(7)
    net = nr.Network("loop", seed=3)
    source = net.population("in", nr.Poisson(rate=30.0), 80)
    synapses = {"exc": nr.Exponential(5e-3), "inh": nr.Exponential(5e-3)}
    model = nr.LIF(20e-3, v_rest=-0.1, v_reset=-0.2, bias=0.3, t_ref=3e-3, synapses=synapses)
    cells = net.population("cells", model, 60)
    last = net.population("last", nr.LIF(30e-3, t_ref=2e-3), 30)
    net.connect(source, cells, rng.uniform(0, 0.8, (80, 60)), port="exc")
    net.connect(cells, cells, -rng.uniform(0, 0.4, (60, 60)), port="inh", delay=2e-3)
    net.connect(cells, last, rng.normal(0.06, 0.1, (60, 30)))
    found = nr.loihi.compare(net, nr.loihi.quantise(net, DT), DT, 4000)
    for name, change in found.populations.items():
        assert change.spikes > 1000
        assert abs(change.relative) < 0.05, str(found)
        assert change.rate == pytest.approx(change.spikes / (4.0 * net.populations[name].size))
    assert json.loads(json.dumps(found.as_dict()))["steps"] == 4000
    assert "coincidence" in str(found) and "<table>" in found.to_html()


def test_the_current_never_overflows():
    # All inputs in every step, and refractory units, whose current goes on: the worst there is.
    rng = np.random.default_rng(8)
    net = nr.Network("flood")
    steps = np.repeat(np.arange(400), 30)
    source = net.population("in", nr.SpikeTimes(steps, np.tile(np.arange(30), 400)), 30)
    for i, (low, high) in enumerate([(0, 1), (-1, 0), (-1, 1)]):
        model = nr.LIF(20e-3, t_ref=5e-3, synapses={"syn": nr.Exponential(50e-3)})
        cells = net.population(f"out{i}", model, 8)
        net.connect(source, cells, rng.uniform(low, high, (30, 8)))
        net.record(cells, "I_syn")
    quantised = nr.loihi.quantise(net, DT)
    currents = traces(quantised.network, 400, "u", "loihi")
    for name, u in currents.items():
        assert np.all(np.abs(u) < 2**23)
        # From rest to the plateau on one side, never across: it did not wrap.
        assert np.all(np.diff(np.abs(u), axis=0)[:40] >= 0), name
        assert np.abs(u).max() > 2**21  # and the room is used
    assert quantised.network.recorders[0].variable == "u"
    looser = nr.loihi.quantise(net, DT, together=0.1)
    assert looser.scales["out0"] > 2 * quantised.scales["out0"]


def test_inhibition_has_room_below_the_reset():
    net = driven(nr.LIF(50e-3), -np.ones((10, 6)) * 0.2, rate=300.0)
    quantised = nr.loihi.quantise(net, DT, headroom=60.0)
    assert quantised.report.populations["out"].lowest >= 59
    exact, found = traces(net, 300)["out"], in_volts(quantised, 300)["out"]
    assert exact.min() < -20
    assert np.abs(found - exact).max() < 0.05
    shallow = in_volts(nr.loihi.quantise(net, DT, headroom=4.0), 300)["out"]
    assert shallow.min() >= -8.5


# --- weights -----------------------------------------------------------------------------------


def rounding(weights, bits=8, mode="excitatory", seed=0, **how):
    return rounded(np.asarray(weights), bits, mode, Rounding(**how), np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("weights", "mode", "exponent", "whole"),
    [
        ([255.0, 1.4], "excitatory", 0, [255, 1]),
        ([256.0, 3.1], "excitatory", 1, [128, 2]),
        ([510.0, 3.1], "excitatory", 1, [255, 2]),
        ([-510.0, -3.1], "inhibitory", 1, [-255, -2]),
        ([254.0, -3.1], "mixed", 0, [254, -4]),
        ([255.0, -3.1], "mixed", 1, [128, -2]),
        ([100.2, 0.6], "excitatory", 0, [100, 1]),  # -1 would fit, but sums would be cut
        ([10.2, 0.1], "excitatory", -2, [41, 0]),
        ([1.0, 0.004], "excitatory", -5, [32, 0]),
        ([0.0, 0.0], "excitatory", 0, [0, 0]),
    ],
)
def test_exponents_and_whole_numbers(weights, mode, exponent, whole):
    found = rounding(weights, mode=mode)
    assert found.format.exponent == exponent
    assert found.weights.tolist() == whole
    top = max(np.abs(weights)) or 1
    error = np.abs(np.array(whole) * 2.0**exponent - weights)
    assert found.max_error == pytest.approx(error.max() / top)
    assert found.rms_error == pytest.approx(np.sqrt(np.mean(error**2)) / top)
    assert found.saturated == 0


def test_percentile_lets_outliers_saturate():
    weights = np.append(np.linspace(100, 200, 999), 4000.0)
    most, some = rounding(weights), rounding(weights, exponents="percentile", percentile=99.0)
    assert (most.format.exponent, some.format.exponent) == (4, 0)
    assert most.saturated == 0
    assert some.saturated == pytest.approx(1e-3)
    assert some.weights.max() == 255
    assert np.abs(some.weights - weights)[:-1].max() <= 0.5


def test_least_error_is_the_least():
    rng = np.random.default_rng(9)
    for bits in (3, 8):
        weights = np.append(rng.exponential(20.0, 2000), 900.0)
        errors = []
        for exponent in range(-8, 8):
            step = 2.0 ** (exponent + 8 - bits)
            top = 2.0**exponent * (256 - 2 ** (8 - bits))
            errors.append(np.sum((np.clip(np.rint(weights / step) * step, 0, top) - weights) ** 2))
        found = rounding(weights, bits, exponents="error")
        assert found.format.exponent == np.argmin(errors) - 8
        assert found.rms_error <= rounding(weights, bits).rms_error


def test_stochastic_rounding_is_right_in_the_mean_and_repeats():
    weights = np.full(20_000, 10.3) + np.linspace(0, 200, 20_000).round()
    found = rounding(weights, rounding="stochastic")
    assert found.format.exponent == 0
    assert np.unique(found.weights - np.floor(weights)).tolist() == [0, 1]
    # 0.3 of 20,000: the standard deviation of the mean is 0.0032.
    assert np.mean(found.weights - np.floor(weights)) == pytest.approx(0.3, abs=0.013)
    net = driven(nr.LIF(20e-3), np.random.default_rng(2).uniform(0, 1, (10, 6)))

    def weights_of(**options):
        return nr.loihi.quantise(net, DT, rounding="stochastic", **options).weights("in_out")

    assert np.array_equal(weights_of(), weights_of())
    assert np.array_equal(weights_of(), weights_of(seed=1))  # the network's
    assert not np.array_equal(weights_of(), weights_of(seed=2))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("mode", ["auto", "mixed"])
def test_bits_and_signs(bits, mode):
    weights = np.random.default_rng(2).uniform(0, 1, (10, 6))
    net = driven(nr.LIF(20e-3), weights)
    quantised = nr.loihi.quantise(net, DT, bits={"in_out": bits}, sign_mode=mode)
    found = quantised.report.projections["in_out"]
    assert (found.bits, found.sign_mode) == (bits, "excitatory" if mode == "auto" else "mixed")
    levels = 2**bits - 1 if mode == "auto" else 2 ** (bits - 1) - 1
    error = np.abs(quantised.weights("in_out") - weights).max() / weights.max()
    assert found.max_error == pytest.approx(error, rel=1e-6)
    if bits > 2:
        assert error <= 1.001 * 0.5 / levels
    chip = nr.lower(quantised.network, DT, "loihi").chip
    assert chip.projections["in_out"].bits <= bits


def test_scales_relate_the_weights():
    """w in volts, through whole numbers and back, with what rounded decays ask for."""
    weights = np.random.default_rng(2).normal(0, 1, (10, 6))
    model = nr.LIF(11e-3, v_threshold=9.0, synapses=EXPONENTIAL)
    quantised = nr.loihi.quantise(driven(model, weights), DT, match="mean")
    whole = quantised.network.projections["in_out"].connector.weights
    report = quantised.report.populations["out"]
    ratio = whole / weights
    chosen = np.abs(weights) > 1
    assert np.ptp(ratio[chosen]) < 0.02 * ratio[chosen].mean()
    assert quantised.weights("in_out") == pytest.approx(weights, abs=0.02)
    # The steady response of v to one spike a step is the same: exact sums of geometric series.
    a, b = np.exp(-1 / 11), np.exp(-1 / 5)
    jump = 5 / (11 - 5) * (a - b)
    exponent = quantised.report.projections["in_out"].exponent
    response = 64 * 2.0**exponent * whole / quantised.scales["out"]
    response = response * 4096 / (report.du[0] + 1) * 4096 / report.dv[0]
    exact = quantised.weights("in_out") * jump / ((1 - a) * (1 - b))
    assert response == pytest.approx(exact, rel=1e-9)


# --- whole numbers and back --------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
def test_dequantised(bits):
    weights = np.random.default_rng(1).normal(0, 0.3, (50, 40))
    found = nr.loihi.dequantised(weights, bits=bits)
    step = np.abs(weights).max() / (2 ** (bits - 1) - 1)
    assert np.abs(found - weights).max() <= step / 2 * 1.001
    assert len(np.unique(found)) <= 2**bits
    assert nr.loihi.dequantised(found, bits=bits) == pytest.approx(found, abs=1e-12)
    assert np.array_equal(nr.loihi.dequantised(np.zeros((3, 2))), np.zeros((3, 2)))
    one = nr.loihi.dequantised(np.abs(weights), bits=bits)
    assert np.abs(one - np.abs(weights)).max() <= np.abs(weights).max() / (2**bits - 1) / 1.99


def test_classification_on_digits_is_kept():
    """A trained MRNN with weights of 8 bits loses at most one point."""
    from neuro import datasets
    from neuro.learning.presets import preset
    from neuro.models.mrnn import MRNN
    from neuro.random import stream

    data, settings = datasets.load("digits"), preset("digits", joint=True)
    model = MRNN((64, 100, 10), seed=1)
    model.fit(
        data.train_images,
        data.train_labels,
        learning_rates=settings.learning_rates,
        epochs=4,
        stream=stream(1, "order"),
    )

    def accuracy():
        return np.mean(model.predict(data.test_images) == data.test_labels)

    before, trained = accuracy(), model.get_weights()
    assert before > 0.8
    model.load_weights([nr.loihi.dequantised(w) for w in trained])
    assert accuracy() > before - 0.01
    model.load_weights([nr.loihi.dequantised(w, bits=2) for w in trained])
    assert accuracy() < before - 0.01  # the measure notices when it is too much


# --- reports -----------------------------------------------------------------------------------


def test_report_for_people_and_programs():
    net = driven(nr.LIF(911e-3, synapses=EXPONENTIAL), np.full((10, 6), 0.5))
    net.population("b", nr.IF(), 2)
    report = nr.loihi.quantise(net, DT, match="peak").report
    text, plain = str(report), json.loads(json.dumps(report.as_dict()))
    assert plain["populations"]["out"]["dv"] == [4, 4]
    assert plain["populations"]["out"]["tau_m"] == [0.911, 0.911]
    assert plain["populations"]["out"]["tau_m_chip"][0] == pytest.approx(
        -1e-3 / np.log(1 - 4 / 4096)
    )
    assert plain["populations"]["out"]["tau_s_chip"][0] == pytest.approx(
        -1e-3 / np.log(1 - 742 / 4096)
    )
    assert plain["populations"]["b"]["tau_m_chip"] == [np.inf, np.inf]
    assert plain["projections"]["in_out"]["sign_mode"] == "excitatory"
    assert "above 2% of the threshold: out" in text
    assert all(name in text for name in ("911 ms", "in_out", "excitatory"))
    assert report.to_html().count("<table>") == 2
    assert "<td>in_out</td>" in report._repr_html_()


def test_compile_quantises_by_itself():
    net = driven(nr.LIF(20e-3, v_threshold=5.0), np.random.default_rng(0).uniform(0, 1, (10, 6)))
    expected = nr.loihi.quantise(net, DT)
    with nr.compile(net, dt=DT, precision="loihi") as sim:
        v = sim.run_steps(100, False).trace("out", "v")
        assert sim.program.quantisation == expected.report
        assert sim.program.chip.projections["in_out"].sign_mode == "excitatory"
    assert np.array_equal(v, traces(expected.network, 100, precision="loihi")["out"])
    assert np.array_equal(v, np.rint(v))
    with nr.compile(expected.network, dt=DT, precision="loihi") as sim:
        assert sim.program.quantisation is None
    with nr.compile(net, dt=DT) as sim:
        assert sim.program.chip is None


def test_the_rest_of_the_network_is_kept():
    net = nr.Network("kept", seed=11)
    source = net.population("in", nr.Poisson(rate=20.0), (2, 3))
    cells = net.population("out", nr.LIF(), 4, positions=np.arange(4.0)[:, None])
    net.connect(source, cells, 0.4, name="way")
    net.record(cells, "spikes", units=[1, 2])
    net.record(cells, "v", every=5)
    net.record("way", "w")
    made = nr.loihi.quantise(net, DT).network
    assert (made.name, made.seed) == ("kept", 11)
    assert made.populations["in"] == net.populations["in"]
    assert made.populations["out"].shape == (4,)
    assert np.array_equal(made.populations["out"].positions, net.populations["out"].positions)
    assert list(made.projections) == ["way"]
    assert made.recorders == net.recorders


def events(*pairs):
    steps, units = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(steps, np.int64), np.array(units, np.int64)


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ([], [], 1.0),
        ([(3, 0)], [], 0.0),
        ([(3, 0)], [(4, 0)], 1.0),
        ([(3, 0)], [(5, 0)], 0.0),
        ([(3, 0)], [(3, 1)], 0.0),
        ([(3, 0), (4, 0)], [(4, 0)], 2 / 3),
        ([(3, 0), (9, 1)], [(2, 0), (10, 1), (20, 1)], 4 / 5),
    ],
)
def test_coincidence(one, two, expected):
    assert _coincidence(*events(*one), *events(*two)) == pytest.approx(expected)
    assert _coincidence(*events(*two), *events(*one)) == pytest.approx(expected)


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nr.AdEx(), "'out': AdEx has no form.*nr.LIF and nr.IF"),
        (nr.NeuronModel("v : 1"), "neuron model has no"),
        (nr.LIF(reset="subtract"), "'out': reset='subtract'.*use reset='value'"),
        (nr.LIF(synapses={"a": nr.Alpha()}), "synapse 'a' is Alpha.*Exponential or Delta"),
        (
            nr.LIF(synapses={"a": nr.Exponential(5e-3), "b": nr.Exponential(9e-3)}),
            "'a' and 'b' decay at different speeds.*one time constant",
        ),
        (
            nr.LIF(synapses={"a": nr.Exponential(5e-3), "b": nr.Delta()}),
            "'a' and 'b' decay at different speeds",
        ),
        (nr.LIF(tau_m=20.0), "'out': tau_m is too long.*4096 steps"),
        (nr.LIF(synapses={"a": nr.Exponential(20.0)}), "tau of the synapses is too long"),
        (nr.LIF(v_threshold=-1.0), "v_threshold must lie above v_reset.*-1 V"),
        (nr.LIF(t_ref=64e-3), "t_ref of population 'out' is 64 steps"),
        (nr.loihi.LIF(0, 0, 9), "'out' has whole numbers already"),
    ],
)
def test_refused_models(model, message):
    net = nr.Network("refused")
    net.population("fine", nr.LIF(), 2)
    net.population("out", model, 2)
    with pytest.raises(nr.CompileError, match=message):
        nr.compile(net, precision="loihi")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plasticity": nr.PairSTDP()}, "'way' is plastic.*8 bits.*learning= of backend 'lava'"),
        ({"short_term": nr.TsodyksMarkram()}, "'way' has short-term plasticity"),
        ({"delay": 64e-3}, "delay of projection 'way' is 64 steps"),
    ],
)
def test_refused_projections(options, message):
    net = nr.Network("refused")
    net.population("in", nr.Poisson(rate=1.0), 2)
    net.population("out", nr.LIF(), 2)
    net.connect("in", "out", 0.5, name="way", **options)
    with pytest.raises(nr.CompileError, match=message):
        nr.compile(net, precision="loihi")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 9}, "bits are 9"),
        ({"sign_mode": "inhibitory"}, "sign mode of projection 'in_out' is to be inhibitory.*0.5"),
        ({"sign_mode": "both"}, "'both'"),
        ({"exponents": "least"}, "exponents='least'.*percentile"),
        ({"rounding": "up"}, "rounding='up'.*stochastic"),
        ({"percentile": 0.0}, "percentile is 0"),
        ({"match": "both"}, "match='both'.*mean"),
        ({"together": 0.0}, "together is 0"),
        ({"headroom": -1.0}, "headroom is -1"),
    ],
)
def test_refused_options(options, message):
    with pytest.raises(nr.DescriptionError, match=message):
        nr.loihi.quantise(driven(nr.LIF(), np.full((10, 6), 0.5)), DT, **options)


def test_unknown_names():
    quantised = nr.loihi.quantise(driven(nr.LIF(), np.full((10, 6), 0.5)), DT)
    with pytest.raises(nr.DescriptionError, match="no projection 'x'; it has in_out"):
        quantised.weights("x")
    with pytest.raises(nr.DescriptionError, match="no population 'in' with v; it has out"):
        quantised.volts("in", np.zeros(1))

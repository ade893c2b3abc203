"""Rules: every change of a weight against a loop over the spikes, and short-term plasticity."""

import numpy as np
import pytest

import neuro as nr

PRE = [10.0, 30.0, 45.0, 47.0, 80.0]
POST = [13.0, 25.0, 45.0, 60.0, 62.0]


def pairs(dependence, w, pre, post):
    """Weight after all spikes: of all pairs, arrivals first where both come in one step."""
    tau_plus, tau_minus, a_plus, a_minus, w_min, w_max = 15.0, 25.0, 0.1, 0.12, 0.001, 0.02
    up, down = {
        "AdditiveWeightDependence": (lambda w: w_max, lambda w: w_max),
        "MultiplicativeWeightDependence": (lambda w: w_max - w, lambda w: w - w_min),
        "AdditivePotentiationMultiplicativeDepression": (lambda w: w_max, lambda w: w),
        "GutigWeightDependence": (
            lambda w: w_max * (1 - w / w_max) ** 0.3,
            lambda w: w_max * ((w - w_min) / w_max) ** 0.6,
        ),
    }[dependence]
    events = sorted([(t, 0) for t in pre] + [(t, 1) for t in post])
    for t, is_post in events:
        if is_post:
            x = sum(np.exp(-(t - s) / tau_plus) for s in pre if s <= t)
            w += a_plus * up(w) * x
        else:
            y = sum(np.exp(-(t - s) / tau_minus) for s in post if s < t)
            w -= a_minus * down(w) * y
        w = min(max(w, w_min), w_max)
    return w


def two_cells(sim, synapse, post_times=POST, weight=200.0):
    """A source that spikes at PRE, and a cell that a strong input makes spike at given times."""
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=PRE))
    driver = sim.Population(1, sim.SpikeSourceArray(spike_times=np.array(post_times) - 1.0))
    cell = sim.Population(1, sim.IF_curr_delta(tau_m=1.0))
    cell.record("spikes")
    plastic = sim.Projection(source, cell, sim.OneToOneConnector(), synapse)
    sim.Projection(
        driver, cell, sim.OneToOneConnector(), sim.StaticSynapse(weight=weight, delay=1.0)
    )
    return cell, plastic


@pytest.mark.parametrize(
    ("dependence", "more"),
    [
        ("AdditiveWeightDependence", {}),
        ("MultiplicativeWeightDependence", {}),
        ("AdditivePotentiationMultiplicativeDepression", {}),
        ("GutigWeightDependence", {"mu_plus": 0.3, "mu_minus": 0.6}),
    ],
)
def test_pairs_change_weights_as_documented(sim, recorded, dependence, more):
    delay = 2.0
    sim.setup(timestep=0.1)
    synapse = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(
            tau_plus=15.0, tau_minus=25.0, A_plus=0.1, A_minus=0.12
        ),
        weight_dependence=getattr(sim, dependence)(w_min=0.001, w_max=0.02, **more),
        dendritic_delay_fraction=0,
        weight=0.012,
        delay=delay,
    )
    cell, plastic = two_cells(sim, synapse)
    w = [plastic.get("weight", format="list", with_address=False)[0]]
    for stop in (40.0, 100.0):
        sim.run_until(stop)
        w.append(plastic.get("weight", format="list", with_address=False)[0])
    np.testing.assert_allclose(recorded(cell)[0][0], POST)
    arrivals = [t + delay for t in PRE]
    early = [t for t in arrivals if t < 40], [t for t in POST if t < 40]
    expected = [0.012, pairs(dependence, 0.012, *early), pairs(dependence, 0.012, arrivals, POST)]
    assert len(set(expected)) == 3
    np.testing.assert_allclose(w, expected, rtol=1e-10)


def test_vogels_rule(sim):
    sim.setup(timestep=0.1)
    synapse = sim.STDPMechanism(
        timing_dependence=sim.Vogels2011Rule(tau=20.0, eta=0.001, rho=0.4),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=1.0),
        dendritic_delay_fraction=0,
        weight=0.5,
        delay=1.0,
    )
    _, plastic = two_cells(sim, synapse)
    sim.run(100.0)
    w, pre = 0.5, [t + 1.0 for t in PRE]
    for t, is_post in sorted([(t, 0) for t in pre] + [(t, 1) for t in POST]):
        if is_post:
            w += 0.001 * sum(np.exp(-(t - s) / 20.0) for s in pre if s <= t)
        else:
            w += 0.001 * (sum(np.exp(-(t - s) / 20.0) for s in POST if s < t) - 0.4)
    assert plastic.get("weight", "array")[0, 0] == pytest.approx(w, rel=1e-10)


@pytest.mark.parametrize("tau_facil", [0.0, 50.0])
def test_resources_of_tsodyks_and_markram(sim, recorded, tau_facil):
    """Amplitude of every arrival, by the exact solution between two arrivals."""
    sim.setup(timestep=0.1)
    times = [5.0, 15.0, 25.0, 35.0, 70.0]
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=times))
    cell = sim.Population(1, sim.IF_curr_exp(tau_syn_E=3.0, v_thresh=1e3))
    synapse = sim.TsodyksMarkramSynapse(
        U=0.4, tau_rec=100.0, tau_facil=tau_facil, weight=2.0, delay=1.0
    )
    sim.Projection(source, cell, sim.OneToOneConnector(), synapse)
    cell.record("isyn_exc")
    sim.run(80.0)
    x, y, u, last, current, expected = 1.0, 0.0, 0.0, 0.0, 0.0, []
    for t in times:
        h = t - last
        z = 1 - x - y
        decay, recover = np.exp(-h / 3.0), np.exp(-h / 100.0)
        z = z * recover + y * 100.0 / (100.0 - 3.0) * (recover - decay)
        y *= decay
        u = u * np.exp(-h / tau_facil) if tau_facil else 0.0
        u += 0.4 * (1 - u)
        used = u * (1 - y - z)
        y += used
        x = 1 - y - z
        current = current * decay + 2.0 * used
        expected.append(current)
        last = t
    found = recorded(cell)[1]["isyn_exc"][[round((t + 1.1) / 0.1) for t in times], 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert found[1] != pytest.approx(found[0])


def test_parameters_of_rules_that_differ_between_connections(sim):
    sim.setup(timestep=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cells = sim.Population(3, sim.IF_curr_exp(tau_syn_E=[3.0, 3.0, 6.0], v_thresh=1e3))
    prj = sim.Projection(
        source,
        cells,
        sim.FromListConnector(
            [(0, 0, 1.0, 1.0, 0.2), (0, 1, 1.0, 1.0, 0.6), (0, 2, 1.0, 1.0, 0.2)],
            column_names=["weight", "delay", "U"],
        ),
        sim.TsodyksMarkramSynapse(),
    )
    cells.record("isyn_exc")
    sim.run(6.1)
    assert prj.get("U", "list", with_address=False) == [0.2, 0.6, 0.2]
    assert len(prj.parts) == 3
    signal = cells.get_data().segments[0].analogsignals[0].magnitude
    np.testing.assert_allclose(signal[-1], [0.2, 0.6, 0.2])


def test_what_cannot_be_said_is_refused(sim):
    pair, additive = sim.SpikePairRule(), sim.AdditiveWeightDependence()
    with pytest.raises(nr.DescriptionError, match="set dendritic_delay_fraction=0"):
        sim.STDPMechanism(timing_dependence=pair, weight_dependence=additive)
    with pytest.raises(nr.DescriptionError, match="timing_dependence .* is None"):
        sim.STDPMechanism(weight_dependence=additive, dendritic_delay_fraction=0)
    with pytest.raises(nr.DescriptionError, match="weight_dependence .* is None"):
        sim.STDPMechanism(timing_dependence=pair, dendritic_delay_fraction=0)
    with pytest.raises(nr.DescriptionError, match="voltage_dependence"):
        sim.STDPMechanism(pair, additive, "yes", dendritic_delay_fraction=0)
    with pytest.raises(nr.DescriptionError, match="SimpleStochasticSynapse is not available"):
        sim.SimpleStochasticSynapse(p=0.3)

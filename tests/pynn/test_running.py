"""Several runs, changes between them, reset, and what is recorded."""

import numpy as np
import pytest
from pyNN.random import NumpyRNG

import neuro as nr


def network(sim, **options):
    """Noisy input, plastic and depressing synapses with delays of their own, a cell that spikes."""
    sim.setup(timestep=0.1, seed=5, **options)
    source = sim.Population(15, sim.SpikeSourcePoisson(rate=60.0))
    cells = sim.Population(6, sim.IF_cond_exp(tau_refrac=2.0), label="cells")
    stdp = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(A_plus=0.05, A_minus=0.05),
        weight_dependence=sim.AdditiveWeightDependence(w_max=0.06),
        dendritic_delay_fraction=0,
        weight=0.03,
        delay=lambda d: 1.0 + 0.3 * d,
    )
    plastic = sim.Projection(
        source, cells, sim.FixedProbabilityConnector(0.7, rng=NumpyRNG(seed=1)), stdp
    )
    depressing = sim.TsodyksMarkramSynapse(U=0.5, tau_rec=80.0, weight=0.02, delay=4.0)
    sim.Projection(cells, cells, sim.AllToAllConnector(allow_self_connections=False), depressing)
    noise = sim.NoisyCurrentSource(mean=0.1, stdev=0.2, dt=0.5)
    noise.inject_into(cells)
    sim.StepCurrentSource(times=[10.0, 42.0], amplitudes=[0.2, 0.0]).inject_into(cells[:3])
    cells.record(["spikes", "v"])
    return cells, plastic


def outcome(cells, plastic, segment=0):
    data = cells.get_data().segments[segment]
    return (
        [np.array(train) for train in data.spiketrains],
        np.array(data.analogsignals[0]),
        plastic.get("weight", "list"),
    )


def assert_equal(one, other):
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one[1], other[1])
    assert one[2] == other[2]


@pytest.mark.parametrize("anew", [False, True])
def test_pieces_are_the_whole(sim, anew):
    """Also when the network is compiled anew in between, spikes on their way included."""
    cells, plastic = network(sim)
    sim.run(60.0)
    whole = outcome(cells, plastic)
    assert sum(map(len, whole[0])) > 10
    assert len({w for _, _, w in whole[2]}) > 5
    cells, plastic = network(sim)
    for stop in (13.0, 30.5, 44.2, 60.0):
        if anew:
            cells.set(tau_m=20.0)  # as it is
        assert sim.run_until(stop) == pytest.approx(stop)
    assert_equal(outcome(cells, plastic), whole)
    assert sim.get_current_time() == pytest.approx(60.0)


def test_reset_begins_again(sim):
    cells, plastic = network(sim)
    described = plastic.get("weight", "list")
    sim.run(40.0)
    first = outcome(cells, plastic)
    assert first[2] != described
    sim.reset(annotations={"part": 1})
    assert sim.get_current_time() == 0.0
    assert plastic.get("weight", "list") == described
    sim.run(40.0)
    assert_equal(outcome(cells, plastic, 1), first)
    data = cells.get_data()
    assert [s.name for s in data.segments] == ["segment000", "segment001"]
    assert data.segments[0].annotations["part"] == 1
    np.testing.assert_array_equal(data.segments[0].analogsignals[0].magnitude, first[1])
    sim.reset()
    cells.initialize(v=-60.0)
    plastic.set(weight=0.0)
    sim.run(1.0)
    last = outcome(cells, plastic, 2)
    assert np.all(last[1][0] == -60.0)
    assert {w for _, _, w in last[2]} == {0.0}


def test_parameters_and_states_change_between_runs(sim, recorded):
    sim.setup(timestep=0.1)
    cells = sim.Population(3, sim.IF_curr_exp(tau_m=20.0, v_rest=-65.0, v_thresh=0.0))
    cells.record("v")
    sim.run(5.0)
    cells[0:1].set(v_rest=-55.0)
    cells[1].tau_m = 10.0
    cells[1:2].initialize(v=-60.0)
    cells[2].set_initial_value("v", -50.0)
    assert cells.get("v_rest").tolist() == [-55.0, -65.0, -65.0]
    assert cells[1].tau_m == pytest.approx(10.0)
    assert cells[1:3].get("tau_m").tolist() == pytest.approx([10.0, 20.0])
    assert cells[2].get_initial_value("v") == pytest.approx(-50.0)
    sim.run(10.0)
    v = recorded(cells)[1]["v"]
    t = np.arange(1, 101) * 0.1
    np.testing.assert_allclose(v[:51, 0], -65.0, atol=1e-10)
    np.testing.assert_allclose(v[51:, 0], -55.0 - 10 * np.exp(-t / 20), atol=1e-10)
    np.testing.assert_allclose(v[51:, 1], -65.0 + 5 * np.exp(-t / 10), atol=1e-10)
    np.testing.assert_allclose(v[51:, 2], -65.0 + 15 * np.exp(-t / 20), atol=1e-10)
    with pytest.raises(nr.DescriptionError, match="no state variable 'w'"):
        cells.initialize(w=1.0)


def test_the_network_grows_between_runs(sim, recorded):
    sim.setup(timestep=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[9.5, 12.0]))
    sim.run(10.0)
    late = sim.Population(2, sim.IF_curr_exp(), label="late")
    late.record("isyn_exc")
    sim.Projection(source, late, sim.AllToAllConnector(), sim.StaticSynapse(weight=1.0, delay=2.0))
    sim.run(3.0)
    late.record("v")
    source.set(spike_times=[13.5])
    sim.run(3.0)
    segment = late.get_data().segments[0]
    signals = {s.name: s for s in segment.analogsignals}
    assert float(signals["isyn_exc"].t_start) == 10.0
    current = signals["isyn_exc"].magnitude[:, 0]
    # The spike at 9.5 ms was before there was a synapse; the next two arrive after 2 ms.
    assert [float(x) for x in np.flatnonzero(np.diff(current) > 0.5) + 1] == [41.0, 56.0]
    v = signals["v"].magnitude
    assert v.shape == (61, 2)
    assert np.all(np.isnan(v[:30]))
    assert np.all(np.isfinite(v[30:]))


def test_data_are_cleared_and_thinned(sim, recorded):
    sim.setup(timestep=0.1)
    cells = sim.Population(4, sim.IF_curr_exp(i_offset=1.0), label="cells")
    cells.record("spikes")
    cells[1:3].record("v", sampling_interval=0.5)
    sim.run(50.0)
    block = cells.get_data(clear=True)
    signal = block.segments[0].analogsignals[0]
    assert signal.shape == (101, 2)
    assert float(signal.sampling_period) == 0.5
    assert signal.array_annotations["channel_index"].tolist() == [1, 2]
    count = len(block.segments[0].spiketrains[0])
    assert count == 1
    assert cells.get_spike_counts() == dict.fromkeys(cells.all_cells, 0)
    sim.run(10.0)
    later = cells.get_data().segments[0]
    assert float(later.analogsignals[0].t_start) == 50.0
    assert later.analogsignals[0].shape == (21, 2)
    np.testing.assert_array_equal(later.analogsignals[0].magnitude[0], signal.magnitude[-1])
    assert len(later.spiketrains[0]) == 1
    assert cells.mean_spike_count() == 1.0
    only = cells[2:3].get_data("v").segments[0]
    assert only.analogsignals[0].shape == (21, 1)
    assert len(only.spiketrains) == 0
    cells.record(None)
    sim.run(1.0)
    assert not cells.get_data().segments[0].analogsignals
    with pytest.raises(nr.DescriptionError, match="multiple of the time step"):
        cells.record("v", sampling_interval=0.25)


def test_current_sources_are_recorded(sim):
    sim.setup(timestep=0.1, seed=1)
    cells = sim.Population(2, sim.IF_curr_exp(v_thresh=1e3, tau_m=10.0, cm=1.0))
    sources = {
        "dc": sim.DCSource(amplitude=0.5, start=2.0, stop=4.0),
        "step": sim.StepCurrentSource(times=[1.0, 3.0], amplitudes=[0.1, 0.3]),
        "ac": sim.ACSource(amplitude=0.2, offset=0.1, frequency=100.0, phase=90.0, start=1.0),
        "noise": sim.NoisyCurrentSource(mean=1.0, stdev=0.1, start=0.5, stop=8.0, dt=0.2),
    }
    for source in sources.values():
        source.inject_into(cells[0:1])
        source.record()
    cells.record("v")
    sim.run(6.0)
    sim.run(4.0)
    data = {key: source.get_data() for key, source in sources.items()}
    t = np.arange(101) * 0.1
    current = {key: signal.magnitude[:, 0] for key, signal in data.items()}
    np.testing.assert_allclose(current["dc"], np.where((t > 1.95) & (t < 3.95), 0.5, 0.0))
    np.testing.assert_allclose(current["step"], np.select([t < 0.95, t < 2.95], [0.0, 0.1], 0.3))
    sine = 0.1 + 0.2 * np.sin(2 * np.pi * 0.1 * (t - 1.0) + np.pi / 2)
    np.testing.assert_allclose(current["ac"], np.where(t > 0.95, sine, 0.0), atol=1e-12)
    noise = current["noise"]
    assert np.all(noise[:5] == 0)
    assert np.all(noise[80:] == 0)
    assert np.all(noise[5:79:2] == noise[6:80:2])
    assert len(np.unique(noise[5:80])) == 38
    assert noise[5:80].mean() == pytest.approx(1.0, abs=0.05)
    # All of it entered the first cell: each step holds its current.
    total = sum(current.values())[:-1]
    v = [-65.0]
    for amplitude in total:
        v.append(-65.0 + (v[-1] + 65.0) * np.exp(-0.01) + amplitude * 10 * (1 - np.exp(-0.01)))
    found = cells.get_data().segments[0].analogsignals[0].magnitude
    np.testing.assert_allclose(found[:, 0], v, atol=1e-9)
    np.testing.assert_allclose(found[:, 1], -65.0, atol=1e-9)


def test_current_sources_change_and_are_refused(sim):
    sim.setup(timestep=0.1)
    cells = sim.Population(1, sim.IF_curr_exp(v_thresh=1e3, tau_m=10.0))
    source = sim.DCSource(amplitude=0.5)
    cells.inject(source)
    cells[0].inject(source)  # twice
    cells.record("v")
    sim.run(5.0)
    source.amplitude = 0.0
    assert source.amplitude == 0.0
    sim.run(5.0)
    v = cells.get_data().segments[0].analogsignals[0].magnitude[:, 0] + 65.0
    peak = 2 * 0.5 * 10.0 * (1 - np.exp(-0.5))
    assert v[50] == pytest.approx(peak)
    assert v[100] == pytest.approx(peak * np.exp(-0.5))
    with pytest.raises(nr.DescriptionError, match="2 times but 1 amplitudes"):
        sim.StepCurrentSource(times=[1.0, 2.0], amplitudes=[1.0])
    with pytest.raises(nr.DescriptionError, match="ascend"):
        sim.StepCurrentSource(times=[2.0, 1.0], amplitudes=[1.0, 2.0])
    with pytest.raises(nr.DescriptionError, match="at least the time step"):
        sim.NoisyCurrentSource(dt=0.01)
    with pytest.raises(nr.DescriptionError, match="neurons here are points"):
        source.inject_into(cells, location="soma")
    with pytest.raises(TypeError, match="spike source"):
        sim.Population(1, sim.SpikeSourceArray()).inject(source)
    with pytest.raises(nr.DescriptionError, match="nothing was recorded"):
        source.get_data()


def test_callbacks_and_ends(sim):
    sim.setup(timestep=0.1)
    sim.Population(1, sim.IF_curr_exp())
    seen = []

    def note(t):
        seen.append(round(t, 6))
        return t + 2.5

    sim.run(10.0, callbacks=[note])
    assert seen == [0.0, 2.5, 5.0, 7.5, 10.0]
    assert sim.run_for(0.0) == 10.0
    with pytest.raises(ValueError, match="past"):
        sim.run_until(5.0)
    sim.end()
    with pytest.raises(nr.BackendError, match=r"begin with setup\(\)"):
        sim.run(1.0)


def test_weights_and_data_stay_readable_after_the_end(sim, tmp_path):
    cells, plastic = network(sim)
    cells.record("spikes", to_file=str(tmp_path / "spikes.pkl"))
    sim.run(30.0)
    before = outcome(cells, plastic)
    sim.end()
    assert (tmp_path / "spikes.pkl").exists()
    assert_equal(outcome(cells, plastic), before)


def test_rules_cannot_be_mixed_up_while_running(sim):
    _, plastic = network(sim)
    sim.run(1.0)
    shape = plastic.shape
    plastic.set(A_plus=np.random.default_rng(0).choice([0.01, 0.02], shape))
    with pytest.raises(nr.DescriptionError, match="different from connection to connection"):
        sim.run(1.0)
    plastic.set(A_plus=0.01)
    sim.run(1.0)

"""Cell types: against closed forms, SciPy's integrators, and PyNN on Brian2."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

#: With a weight that moves v by some millivolts.
CELLS = {
    "IF_cond_exp": (0.05, 0.05, 0.6),
    "IF_cond_alpha": (0.05, 0.05, 0.6),
    "Izhikevich": (3.0, -3.0, 0.01),
}


def drive_all(sim, **options):
    """Every cell type with spikes at both receptors and currents of all kinds that change."""
    sim.setup(timestep=0.1, **options)
    first = sim.Population(2, sim.SpikeSourceArray(spike_times=[5.0, 12.0, 12.5, 20.0, 21.0, 32.0]))
    second = sim.Population(2, sim.SpikeSourceArray(spike_times=[8.0, 22.0, 22.5, 33.0]))
    made = {}
    for name, (exc, inh, current) in CELLS.items():
        cells = made[name] = sim.Population(2, getattr(sim, name)(), label=name)
        for source, weight, delay, receptor in (
            (first, exc, 1.5, "excitatory"),
            (second, inh, 0.5, "inhibitory"),
        ):
            synapse = sim.StaticSynapse(weight=weight, delay=delay)
            sim.Projection(source, cells, sim.AllToAllConnector(), synapse, receptor_type=receptor)
        sim.DCSource(amplitude=current, start=10.3, stop=30.0).inject_into(cells[0:1])
        sim.StepCurrentSource(
            times=[3.0, 15.0, 32.0], amplitudes=[0.2 * current, 0.5 * current, -0.2 * current]
        ).inject_into(cells[1:2])
        wanted = ("v", "u", "gsyn_exc", "gsyn_inh")
        cells.record(["spikes", *(v for v in wanted if cells.can_record(v))])
    sine = {"amplitude": 0.1, "start": 3.0, "stop": 36.0, "frequency": 30.0, "offset": 0.05}
    sim.ACSource(phase=40.0, **sine).inject_into(made["IF_cond_exp"])
    sim.run(40.0)
    return made


def test_membranes_and_currents_are_those_of_brian2(sim, oracle, recorded):
    ours = {name: recorded(cells) for name, cells in drive_all(sim, integrator="Euler").items()}
    theirs = {name: recorded(cells) for name, cells in drive_all(oracle).items()}
    for name, (trains, signals) in ours.items():
        their_trains, their_signals = theirs[name]
        for one, other in zip(trains, their_trains, strict=True):
            assert len(one)
            np.testing.assert_allclose(one, other, atol=1e-9, err_msg=name)
        for variable, values in signals.items():
            assert values.shape == (401, 2)
            np.testing.assert_allclose(
                values, their_signals[variable], atol=1e-8, err_msg=f"{name} {variable}"
            )


def test_current_of_an_exponential_synapse_in_closed_form(sim, recorded):
    sim.setup(timestep=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_curr_exp(tau_m=20.0, cm=0.5, tau_syn_E=5.0, v_rest=-65.0))
    sim.Projection(source, cell, sim.OneToOneConnector(), sim.StaticSynapse(weight=0.8, delay=2.0))
    cell.record(["v", "isyn_exc"])
    sim.run(60.0)
    signals = recorded(cell)[1]
    # A spike of the step at 5 ms arrives in the step at 7 ms and is there when that step ends.
    since = np.arange(601) * 0.1 - 7.1
    course = np.where(since > -1e-9, np.exp(-since / 5.0), 0.0)
    np.testing.assert_allclose(signals["isyn_exc"][:, 0], 0.8 * course, atol=1e-12)
    rise = 0.8 / 0.5 * 20.0 * 5.0 / (20.0 - 5.0)
    v = -65.0 + rise * np.where(since > 0, np.exp(-since / 20.0) - np.exp(-since / 5.0), 0.0)
    np.testing.assert_allclose(signals["v"][:, 0], v, atol=1e-10)


@pytest.mark.parametrize("receptor", ["excitatory", "inhibitory"])
def test_current_of_an_alpha_synapse_in_closed_form(sim, recorded, receptor):
    """Of both receptors: pyNN.brian2 takes the excitatory time constant for both."""
    sim.setup(timestep=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_curr_alpha(tau_syn_E=2.0, tau_syn_I=4.0))
    sign, tau = {"excitatory": (1, 2.0), "inhibitory": (-1, 4.0)}[receptor]
    sim.Projection(
        source,
        cell,
        sim.OneToOneConnector(),
        sim.StaticSynapse(weight=sign * 0.8, delay=2.0),
        receptor_type=receptor,
    )
    cell.record(["v", "isyn_exc", "isyn_inh"])
    sim.run(60.0)
    since = np.maximum(np.arange(601) * 0.1 - 7.1, 0.0)
    current = sign * 0.8 * since / tau * np.exp(1 - since / tau)
    signals = recorded(cell)[1]
    name = {"excitatory": "isyn_exc", "inhibitory": "isyn_inh"}[receptor]
    np.testing.assert_allclose(signals[name][:, 0], current, atol=1e-12)
    v = solve_ivp(
        lambda t, v: -v / 20.0 + sign * 0.8 * t / tau * np.exp(1 - t / tau),
        (0.0, 53.0),
        [0.0],
        t_eval=np.arange(530) * 0.1,
        rtol=1e-10,
        atol=1e-12,
    ).y[0]
    np.testing.assert_allclose(signals["v"][71:601, 0] + 65.0, v, atol=1e-8)


def test_inhibitory_conductance_pulls_to_its_reversal_potential(sim, recorded):
    sim.setup(timestep=0.02)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0]))
    cell = sim.Population(1, sim.IF_cond_exp(e_rev_I=-75.0, tau_syn_I=5.0))
    sim.Projection(
        source,
        cell,
        sim.OneToOneConnector(),
        sim.StaticSynapse(weight=0.05, delay=1.0),
        receptor_type="inhibitory",
    )
    cell.record(["v", "gsyn_inh"])
    sim.run(40.0)
    expected = solve_ivp(
        lambda t, v: -(v + 65.0) / 20.0 + 0.05 * np.exp(-t / 5.0) * (-75.0 - v),
        (0.0, 34.0),
        [-65.0],
        t_eval=np.arange(1699) * 0.02,
        rtol=1e-10,
        atol=1e-12,
    ).y[0]
    signals = recorded(cell)[1]
    assert signals["gsyn_inh"].max() == pytest.approx(0.05)
    np.testing.assert_allclose(signals["v"][301:2000, 0], expected, atol=5e-3)


def test_a_step_of_v_counts_in_the_step_of_its_arrival(sim, recorded):
    """Where pyNN.brian2 tests the threshold in the next step, after some decay."""
    sim.setup(timestep=0.1)
    source = sim.Population(1, sim.SpikeSourceArray(spike_times=[5.0, 10.0]))
    cell = sim.Population(1, sim.IF_curr_delta(tau_refrac=1.0))
    sim.Projection(source, cell, sim.OneToOneConnector(), sim.StaticSynapse(weight=10.0, delay=2.0))
    cell.record(["v", "spikes"])
    sim.run(20.0)
    trains, signals = recorded(cell)
    v = signals["v"][:, 0]
    assert v[70] == -65.0
    assert v[71] == pytest.approx(-55.0, abs=1e-12)
    assert v[72] == pytest.approx(-65.0 + 10 * np.exp(-0.1 / 20), abs=1e-12)
    np.testing.assert_allclose(trains[0], [12.0])
    assert v[121] == -65.0


@pytest.mark.parametrize(("tau_refrac", "gap"), [(0.1, 0), (2.0, 20), (2.05, 20)])
def test_refractory_period_in_closed_form(sim, recorded, tau_refrac, gap):
    """v is held for the whole steps of the period; then it rises as it did first."""
    sim.setup(timestep=0.1)
    cell = sim.Population(1, sim.IF_curr_exp(i_offset=1.0, tau_refrac=tau_refrac, cm=1.0))
    cell.record(["spikes", "v"])
    sim.run(100.0)
    # v reaches threshold after -tau ln(1 - 15 / 20), in the step before that time.
    rise = int(np.ceil(20.0 * np.log(4.0) / 0.1))
    expected = [rise - 1]
    while expected[-1] < 1000:
        expected.append(expected[-1] + rise + max(gap - 1, 0))
    trains, signals = recorded(cell)
    np.testing.assert_allclose(trains[0], np.array(expected[:-1]) * 0.1)
    held = signals["v"][rise : rise + max(gap, 1), 0]
    assert np.all(held == -65.0)


def test_adaptive_exponential_neuron_converges_to_its_equations(sim, recorded):
    sim.setup(timestep=0.01)
    cell = sim.Population(1, sim.EIF_cond_exp_isfa_ista(i_offset=1.5, tau_refrac=2.0))
    cell.record(["spikes", "w"])
    sim.run(25.0)

    def slope(t, y):
        v, w = y
        v_dot = (-(v + 70.6) + 2.0 * np.exp((v + 50.4) / 2.0)) / 9.3667 + (1.5 - w) / 0.281
        return [v_dot, (4e-3 * (v + 70.6) - w) / 144.0]

    def spike(t, y):
        return y[0] + 40.0

    spike.terminal = True
    times, y, t = [], [-70.6, 0.0], 0.0
    while True:
        found = solve_ivp(slope, (t, 25.0), y, events=spike, rtol=1e-8, atol=1e-9)
        if not found.t_events[0].size:
            break
        times.append(found.t_events[0][0])
        # While v is held at rest, w decays to 0.
        y, t = [-70.6, (found.y[1, -1] + 0.0805) * np.exp(-2.0 / 144.0)], times[-1] + 2.0
    trains, signals = recorded(cell)
    assert len(times) == 2
    np.testing.assert_allclose(trains[0], times, atol=0.1)
    assert signals["w"].max() > 0.16


def test_hodgkin_huxley_neuron_converges_to_its_equations(sim, recorded):
    """One spike for each time v passes -40 mV; pyNN.brian2 counts every step above."""
    sim.setup(timestep=0.01)
    cell = sim.Population(1, sim.HH_cond_exp(i_offset=0.4))
    cell.record(["spikes", "v", "m", "n", "h"])
    sim.run(8.0)

    def slope(t, y):
        v, m, h, n = y
        u = v + 63.0
        a_m, b_m = (
            0.32 * (13 - u) / np.expm1((13 - u) / 4),
            0.28 * (u - 40) / np.expm1((u - 40) / 5),
        )
        a_h, b_h = 0.128 * np.exp((17 - u) / 18), 4 / (1 + np.exp((40 - u) / 5))
        a_n, b_n = 0.032 * (15 - u) / np.expm1((15 - u) / 5), 0.5 * np.exp((10 - u) / 40)
        current = 20.0 * m**3 * h * (50 - v) + 6.0 * n**4 * (-90 - v) + 0.01 * (-65 - v) + 0.4
        return [
            current / 0.2,
            a_m * (1 - m) - b_m * m,
            a_h * (1 - h) - b_h * h,
            a_n * (1 - n) - b_n * n,
        ]

    exact = solve_ivp(
        slope,
        (0, 8.0),
        [-65.0, 0.0, 1.0, 0.0],
        t_eval=np.arange(801) * 0.01,
        method="LSODA",
        rtol=1e-8,
        atol=1e-8,
    )
    trains, signals = recorded(cell)
    passes = np.flatnonzero((exact.y[0, 1:] > -40) & (exact.y[0, :-1] <= -40)) * 0.01
    assert len(passes) == 1
    np.testing.assert_allclose(trains[0], passes, atol=0.05)
    early = slice(0, 401)
    for row, name in enumerate(("v", "m", "h", "n")):
        tolerance = {"v": 0.2}.get(name, 5e-3)
        np.testing.assert_allclose(
            signals[name][early, 0], exact.y[row, early], atol=tolerance, err_msg=name
        )


def test_conductances_of_a_spike_hyperpolarise_the_adapting_neuron(sim, recorded):
    sim.setup(timestep=0.05)
    cell = sim.Population(2, sim.IF_cond_exp_gsfa_grr(i_offset=[0.0, 1.0], q_sfa=15.0))
    cell.record(["spikes", "v", "g_s", "g_r"])
    sim.run(100.0)
    trains, signals = recorded(cell)
    assert len(trains[0]) == 0
    assert len(trains[1]) >= 2
    after = round(trains[1][0] / 0.05) + 1
    assert signals["g_s"][after, 1] == pytest.approx(15.0)
    assert signals["g_r"][after + 40, 1] == pytest.approx(3000.0 * np.exp(-1.0), rel=1e-6)
    assert np.diff(trains[1])[-1] > trains[1][0]


def test_other_cell_types_run(sim, recorded):
    sim.setup(timestep=0.1)
    names = ["IF_facets_hardware1", "EIF_cond_alpha_isfa_ista", "SpikeSourceArray"]
    made = [sim.Population(3, getattr(sim, name)(), label=name) for name in names]
    for cells in made:
        cells.record(list(cells.celltype.recordable))
    sim.run(2.0)
    for cells in made:
        trains, signals = recorded(cells)
        assert len(trains) == 3
        for values in signals.values():
            assert values.shape == (21, 3)
            assert np.all(np.isfinite(values))


def test_poisson_sources_keep_their_rate_and_window(sim, recorded):
    sim.setup(timestep=0.1, seed=2)
    source = sim.Population(
        200, sim.SpikeSourcePoisson(rate=lambda i: 50.0 + 0 * i, start=100.0, duration=300.0)
    )
    source.record("spikes")
    sim.run(600.0)
    times = np.concatenate(recorded(source)[0])
    assert times.min() >= 100.0 - 1e-9
    assert times.max() < 400.0
    assert len(times) / 200 / 0.3 == pytest.approx(50.0, rel=0.06)


def test_spikes_too_close_for_the_time_step_all_happen(sim, recorded, caplog):
    sim.setup(timestep=1.0)
    source = sim.Population(2, sim.SpikeSourceArray(spike_times=[3.2, 3.4, 3.9, 5.0]))
    source.record("spikes")
    with caplog.at_level("WARNING", logger="PyNN"):
        sim.run(10.0)
    np.testing.assert_allclose(recorded(source)[0][0], [3.0, 4.0, 5.0, 6.0])
    assert "6 spikes" in caplog.text

"""What the rules and the placement see is the network that runs."""

from __future__ import annotations

import numpy as np
import pytest

import neuro as nr
from neuro.connectivity import Dense, Sparse
from neuro.loihi.deployment import deploy
from neuro.loihi.draft import draft
from neuro.loihi.rules import WARNING

DT = 1e-3


def tangled(t_ref: float = 0.0, plasticity: nr.PlasticityRule | None = None) -> nr.Network:
    """Dense, sparse, convolved and tied projections, with delays of all kinds."""
    rng = np.random.default_rng(5)
    net = nr.Network("tangled", seed=3)
    net.population("in", nr.Poisson(rate=80.0), size=(1, 5, 4))
    net.population("mid", nr.LIF(tau_m=15e-3, t_ref=t_ref), size=(2, 3, 2))
    net.population("out", nr.LIF(synapses={"exc": nr.Exponential(4e-3)}), size=7)
    kernel = rng.normal(0.2, 0.3, (2, 1, 3, 3))
    net.connect("in", "mid", nr.convolution(kernel), name="conv", delay=3 * DT)
    net.connect("mid", "out", rng.normal(0, 2.0, (12, 7)), name="up")
    net.connect("out", "mid", nr.transpose_of(net.projections["up"]), name="down", delay=2 * DT)
    sparse = nr.fixed_probability(0.4, weight=nr.Uniform(-0.2, 0.4))
    net.connect("mid", "mid", sparse, name="loop", delay=nr.Uniform(1 * DT, 9 * DT))
    net.connect("out", "out", nr.fixed_in_degree(3, 0.5), name="few", plasticity=plasticity)
    return net


def spread(synapses: Dense | Sparse, values: np.ndarray) -> np.ndarray:
    """Matrix [pre, post] of values, one per synapse."""
    if isinstance(synapses, Dense):
        return values.reshape(synapses.n_pre, synapses.n_post)
    matrix = np.zeros((synapses.n_pre, synapses.n_post))
    np.add.at(matrix, (synapses.rows, synapses.targets), values)
    return matrix


def test_weights_and_delays_are_those_of_the_integer_network() -> None:
    made = draft(tangled(), DT)
    assert made.integers is not None and set(made.links) == {"conv", "up", "down", "loop", "few"}
    with nr.compile(made.integers, dt=DT) as sim:
        for name, link in made.links.items():
            synapses = link.wiring.synapses
            assert link.format is not None and link.weights is not None
            if isinstance(synapses, Sparse):
                assert all(
                    np.all(np.diff(synapses.targets[a:b]) >= 0)
                    for a, b in zip(synapses.row_start, synapses.row_start[1:], strict=False)
                )
            weights = np.asarray(sim.weights(name))
            assert weights.any() and np.array_equal(spread(synapses, link.weights), weights)
            steps = np.rint(sim.synapses(name).delay / DT).astype(int)
            assert link.delay == steps.max() - 1
            assert np.array_equal(np.broadcast_to(made.delays[name], steps.shape), steps)
            assert link.wiring.delay_bits == int(link.delay).bit_length()


def test_layers_are_those_that_the_chip_is_told() -> None:
    net = tangled()
    made = draft(net, DT)
    chip = nr.loihi.chip_of(nr.loihi.quantise(net, DT).network, DT)
    assert made.layers.keys() == chip.populations.keys()
    for name, layer in made.layers.items():
        assert layer.compartments is not None
        for key, value in vars(chip.populations[name]).items():
            assert np.array_equal(getattr(layer.compartments, key), value), (name, key)
    for name, kind in chip.projections.items():
        assert made.links[name].format == kind


@pytest.mark.parametrize("target", ["loihi1", "loihi2"])
def test_a_network_and_its_integers_give_the_same_report(target: str) -> None:
    net = tangled()
    made = deploy(net, DT, target, duration=50 * DT)
    again = deploy(nr.loihi.quantise(net, DT).network, DT, target, duration=50 * DT)
    assert made.fits
    assert made.placement == again.placement and made.estimate == again.estimate
    assert made.layers == again.layers


def test_activity_is_that_of_precision_loihi() -> None:
    net = tangled()
    made = deploy(net, DT, duration=100 * DT)
    for name in net.populations:
        net.record(name, "spikes")
    with nr.compile(net, dt=DT, precision="loihi") as sim:
        recording = sim.run(100 * DT, progress=False)
        events = 0
        for name in made.links:
            table = sim.synapses(name)
            counts = np.bincount(recording.spikes(net.projections[name].pre)[1], minlength=20)
            events += int(counts[table.pre].sum())
    assert made.estimate.events["synaptic operations"] == events > 1000


def test_the_described_network_is_left_as_it_was() -> None:
    net, same = (tangled(t_ref=70 * DT, plasticity=nr.PairSTDP()) for _ in range(2))
    for frozen in (True, False):
        deploy(net, DT, duration=5 * DT, frozen=frozen)
        assert net == same


def test_a_projection_without_integer_form_is_named_and_the_others_have_theirs() -> None:
    net = nr.Network("one bad")
    net.population("in", nr.Poisson(rate=10.0), size=(1, 4, 4))
    taus = np.linspace(5e-3, 50e-3, 4)
    net.population("out", nr.LIF(tau_m=20e-3, synapses={"exc": nr.Exponential(taus)}), (1, 2, 2))
    net.connect("in", "out", nr.convolution(np.ones((1, 1, 3, 3))), name="kernel")
    net.connect("in", "out", 0.2, name="good")
    with pytest.raises(nr.CompileError, match="'kernel' shares one kernel"):
        nr.loihi.quantise(net, DT)
    made = deploy(net, DT, duration=5 * DT)
    (found,) = made.violations
    assert (found.rule, found.where) == ("projection_supported", "kernel")
    assert "shares one kernel" in found.value
    assert made.links["good"].format is not None and made.links["kernel"].format is None
    assert made.layers[0].weight_exponent == made.links["good"].format.exponent
    assert made.layers[0].synapses == 16 * 4 + 4 * 9


def test_errors_of_quantisation_are_warnings() -> None:
    net = nr.Network("long")
    net.population("in", nr.Poisson(rate=100.0), size=50)
    net.population("out", nr.LIF(tau_m=8.0), size=2)  # the slowest decay: 4 s
    net.connect("in", "out", weights=np.random.default_rng(5).normal(0.0, 5.0, (50, 2)))
    made = deploy(net, DT, duration=5 * DT)
    report = made.quantisation
    assert report is not None and made.fits
    warned = [v.where for v in made.warnings if v.rule == "quantisation_error"]
    assert warned == report.worrying == ["out"]
    assert all(v.severity == WARNING for v in made.warnings)

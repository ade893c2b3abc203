"""Predictive columns in their chip form: the changes of the other form, and what an engine has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.datasets import load
from neuro.errors import CompileError
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.learning.presets import preset
from neuro.models.predictive.chip import LEARNING_STEPS, chip_network
from neuro.models.predictive.columns import PredictiveColumns
from neuro.models.predictive.cost import activity, deployment
from neuro.models.predictive.network import ColumnWeights, predictive_network

K, M, N = 3, 4, 6
RULES = ("feedback", "feedforward", "prior")
GATE = np.array([0.0, 0.6, 0.25])


def column_weights() -> ColumnWeights:
    draw = np.random.default_rng(0)
    return ColumnWeights(
        draw.normal(0, 0.3, (K, M, N)), draw.normal(0, 0.3, (K, N, M)), draw.random((K, M)) * 0.2
    )


def image() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    draw = np.random.default_rng(1)
    return draw.random(N) * 0.9, draw.random(N), draw.random(M)


def stacked(made: nr.Simulation, name: str) -> NDArray[np.float64]:
    return np.array([made.values(f"{name}_{k}", "w") for k in range(K)])


Spikes = tuple[NDArray[np.int64], NDArray[np.int64]]


def chip_run(
    settings: PredictiveSettings, spikes: dict[str, Spikes], after: int = 0
) -> list[NDArray[np.float64]]:
    net = chip_network(settings, column_weights(), plastic=RULES)
    for k in range(K):
        net.record(f"A1_{k}", "spikes")
    rates, phases, membranes = image()
    with nr.compile(net, "reference", 1e-3) as sim:
        sim.set_values("A0", "rate", rates)
        sim.set_values("A0", "phase", phases)
        for k in range(K):
            sim.set_values(f"A1_{k}", "v", membranes)
        sim.run_steps(settings.presentation, False)
        start = [stacked(sim, name) for name in RULES]
        assert np.array_equal(start[0].ravel(), column_weights().feedback.ravel())
        for k in range(K):
            sim.set_values(f"gate_{k}", "gate", GATE[k])
        recording = sim.run_steps(LEARNING_STEPS + after, False)
        for k in range(K):
            spikes[f"A1_{k}"] = recording.spikes(f"A1_{k}")
        return [stacked(sim, name) for name in RULES]


@pytest.mark.parametrize("events", ["graded", "spiking"])
def test_weights_change_as_in_the_other_form(events: str) -> None:
    settings = PredictiveSettings(events=events, latents=M, presentation=31)
    net = predictive_network(settings, column_weights(), learning=True)
    net.record("A1", "spikes")
    rates, phases, membranes = image()
    with nr.compile(net, "reference", 1e-3) as sim:
        sim.set_values("A0", "rate", rates)
        sim.set_values("A0", "phase", phases)
        sim.set_values("A1", "v", np.tile(membranes, K))
        sim.run_steps(settings.presentation, False)
        sim.set_values("A2", "gate", GATE)
        last = sim.run_steps(1, False).spikes("A1")[1]
        expected = [sim.values(name, "w").reshape(K, -1) for name in RULES]
    spikes: dict[str, Spikes] = {}
    found = chip_run(settings, spikes)
    # A spike in the step in which the gate opens, so that one more step of delay would show.
    assert len(last)
    for k in range(K):
        steps, units = spikes[f"A1_{k}"]
        own = last[last // M == k] - k * M
        assert np.array_equal(units[steps == settings.presentation], own)
    before = column_weights()
    for name, mine, theirs in zip(RULES, found, expected, strict=True):
        start = getattr(before, name).reshape(K, -1)
        assert (np.abs(theirs - start).max(axis=1) > 1e-4).tolist() == [False, True, True]
        assert np.array_equal(mine.reshape(K, -1)[0], start[0])
        np.testing.assert_allclose(mine.reshape(K, -1), theirs, rtol=1e-12, atol=1e-14)
    # The gate has shut by itself.
    for mine, later in zip(found, chip_run(settings, {}, after=20), strict=True):
        assert np.array_equal(mine, later)


def test_the_engine_has_two_of_the_three_rules() -> None:
    settings = PredictiveSettings(latents=M)
    net = chip_network(settings, column_weights()[:1], plastic=RULES)
    report = nr.loihi.learning_report(net, 1e-3)
    assert [rule.verdict for rule in report.rules] == ["yes", "no", "yes"]
    assert not report.fits
    feedback = report["feedback_0"].translation
    assert feedback is not None
    assert feedback.dw_text == "u0*x1*y1 - u0*x2*y1 - u0*y2*w"
    assert [port.source for port in feedback.ports] == ["E0_0.y1@post", "E0_0.y2@post"]
    prior = report["prior_0"].translation
    assert prior is not None
    assert prior.dw_text == "u0*y1 - u0*y2*w"
    reason = report["feedforward_0"].reason
    assert reason.startswith("E0_0.held in the statements of the rule at 'feedforward_0'")
    assert "traces that count spikes, without a sign" in reason
    assert str(report).splitlines()[0].endswith("Loihi's learning engine has 2 of 3 rules")
    assert nr.loihi.learning_report(chip_network(settings, column_weights()), 1e-3).fits


def test_with_the_engines_own_timing_one_trace_of_the_source_is_enough() -> None:
    net = chip_network(PredictiveSettings(latents=M), column_weights()[:1])
    feedback = nr.loihi.learning_report(net, 1e-3, timing="engine")["feedback_0"]
    assert feedback.verdict == "differs"
    assert feedback.text.startswith("dw = u0*x1*y1 - u0*y2*w; a step in whose step the source")


def test_the_form_for_simulators_does_not_fit_and_says_why() -> None:
    net = predictive_network(PredictiveSettings(latents=M), column_weights(), learning=True)
    report = nr.loihi.learning_report(net, 1e-3)
    terms = {"feedback": "A1.zs", "feedforward": "E0.es", "prior": "A2.gate"}
    for rule in report.rules:
        assert rule.reason.startswith(f"{terms.pop(rule.projection)} in the statements")
    assert not terms
    with pytest.raises(CompileError, match="'sense' does not learn; those that do: feedback, f"):
        report["sense"]
    with pytest.raises(CompileError, match="timing 'late' is unknown"):
        nr.loihi.learning_report(net, 1e-3, timing="late")


def test_whole_numbers_are_refused_with_the_population_and_its_model() -> None:
    settings = PredictiveSettings(latents=M)
    net = predictive_network(settings, column_weights())
    with pytest.raises(CompileError, match="'A0': sensory unit has no form in Loihi's whole"):
        nr.loihi.quantise(net, dt=1e-3)
    made = nr.loihi.deploy(net, dt=1e-3, target="loihi2")
    broken = {(v.rule, v.where, v.value) for v in made.violations}
    assert broken == {
        ("model_supported", "A0", "sensory unit"),
        ("model_supported", "E0", "graded error unit"),
        ("model_supported", "A1", "latent unit"),
        ("model_supported", "A2", "context unit"),
    }


def test_rules_and_traces_that_make_no_sense_are_refused() -> None:
    settings = PredictiveSettings(latents=M)
    with pytest.raises(nr.DescriptionError, match="'sense' is no projection of a column; choose"):
        chip_network(settings, column_weights(), plastic=("sense",))
    with pytest.raises(nr.DescriptionError, match="trace_decay is 0; .* choose more than 0"):
        chip_network(PredictiveSettings(trace_decay=0.0), column_weights())


def in_sequence(model: PredictiveColumns, seed: int) -> float:
    """Learn digits, two classes after two, a hundred images of each; accuracy on all."""
    data, draw = load("digits"), np.random.default_rng(seed)
    images, labels = data.flat(data.train_images), data.train_labels
    classes = draw.permutation(10)
    for task in classes.reshape(5, 2):
        chosen = [draw.permutation(np.flatnonzero(labels == c))[:100] for c in task]
        order = draw.permutation(np.concatenate(chosen))
        for first in range(0, len(order), 20):
            batch = order[first : first + 20]
            model.learn(images[batch], labels[batch])
    answers = model.predict(data.flat(data.test_images))
    return float(np.mean(answers == data.test_labels))


@pytest.mark.slow
def test_whole_number_weights_are_as_good_as_floats() -> None:
    settings = preset("digits", learner="pc")
    assert isinstance(settings, PredictiveSettings)
    whole = replace(settings, integer_weights=True)
    accuracy = [
        [in_sequence(PredictiveColumns(s, 64, 10, seed), seed) for seed in range(3)]
        for s in (settings, whole)
    ]
    floats, integers = np.mean(accuracy, axis=1)
    assert floats > 0.9
    assert abs(floats - integers) <= 0.02


def test_columns_are_placed_and_an_image_costs_what_its_events_cost() -> None:
    data = load("digits")
    images, labels = data.flat(data.train_images)[:40], data.train_labels[:40]
    model = PredictiveColumns(PredictiveSettings(latents=6, columns=12), 64, 10)
    with pytest.raises(nr.DescriptionError, match="learned nothing yet; teach them"):
        deployment(model, images[0])
    model.learn(images, labels)
    with pytest.raises(nr.DescriptionError, match=r"image \(40, 64\); expected one, \(64,\)"):
        deployment(model, images)
    used = len(model.pool.used)
    made = deployment(model, images[0], "loihi1")
    assert [(layer.name, layer.neurons) for layer in made.layers] == [
        ("A0", 64), ("E0", 64 * used), ("A1", 6 * used), ("A2", used),
    ]
    rules = [violation.rule for violation in made.violations]
    assert sorted(set(rules)) == ["graded_events", "model_supported"]
    counted = activity(model, images[:1])
    events = made.estimate.events
    # What is sent in the last step arrives after the end; phases of A0 differ.
    assert events["synaptic operations"] == pytest.approx(
        counted["synaptic_operations_per_sample"], rel=0.05
    )
    assert made.energy_joule == pytest.approx(counted["joule_per_sample"], rel=0.15)


def test_a_deployment_names_the_rule_that_the_chip_lacks() -> None:
    net = chip_network(PredictiveSettings(latents=M), column_weights()[:1], plastic=RULES)
    made = nr.loihi.deploy(net, dt=1e-3, target="loihi2", duration=33e-3)
    others = [v.where for v in made.violations if v.rule != "model_supported"]
    assert others == ["feedforward_0"]

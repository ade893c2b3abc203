"""The network of predictive columns: against the equations written out, locality, backends."""

import numpy as np
import pytest

import neuro as nr
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.network import ColumnWeights, predictive_network
from neuro.program import Plasticity, array_of

K, M, N = 3, 4, 6


def column_weights(seed=0, size=0.3):
    draw = np.random.default_rng(seed)
    return ColumnWeights(
        draw.normal(0, size, (K, M, N)), draw.normal(0, size, (K, N, M)), draw.random((K, M)) * 0.2
    )


def written_out(s, w, rates, phases, v, gate):
    """One image, from the equations of the specification, with an error one step late."""
    feedback, forward, prior = w.feedback.copy(), w.feedforward.copy(), w.prior.copy()
    p, v = phases.copy(), np.tile(v, (K, 1))
    u, es = np.zeros((K, N)), np.zeros((K, N))
    zs, above, below = np.zeros((K, M)), np.zeros((K, N)), np.zeros((K, N))
    sensed, latent, error, mean = np.zeros(N), np.zeros((K, M)), np.zeros((K, N)), 0.0
    spikes = []
    for _ in range(s.presentation + 1):
        new_p = p + rates
        now_sensed = (new_p >= 1).astype(float)
        p = new_p - now_sensed
        predicted = np.einsum("kmn,km->kn", feedback, latent)
        u = s.error_decay * u + (1 - s.error_decay) * (sensed - predicted)
        if s.events == "graded":
            out = u.copy()
        else:
            above, below = above + np.maximum(u, 0), below + np.maximum(-u, 0)
            up, down = above >= s.error_threshold, below >= s.error_threshold
            above, below = above - s.error_threshold * up, below - s.error_threshold * down
            out = s.error_threshold * (up.astype(float) - down)
        es = s.trace_decay * es + (1 - s.trace_decay) * out
        drive = np.einsum("knm,kn->km", forward, error)
        v = np.maximum(s.latent_decay * v + s.error_gain * drive + mean, -1)
        now_latent = (v >= 1).astype(float)
        v = v - now_latent
        zs = s.trace_decay * zs + (1 - s.trace_decay) * now_latent
        sensed, latent, error, mean = now_sensed, now_latent, out, prior
        spikes.append(now_latent)
    q = 1 - s.trace_decay ** (s.presentation + 1)
    products = np.einsum("km,kn->kmn", zs, es) / q**2
    feedback += gate[:, None, None] * (products - s.weight_decay * feedback)
    forward += gate[:, None, None] * (products.transpose(0, 2, 1) - s.weight_decay * forward)
    share = s.prior_rate / s.learning_rate
    prior = prior + gate[:, None] * share * (zs / q - prior)
    return np.array(spikes), es, feedback, forward, prior


def simulated(s, w, rates, phases, v, gate, backend="reference", **options):
    net = predictive_network(s, w, learning=True)
    net.record("A1", "spikes")
    with nr.compile(net, backend, **options) as sim:
        for owner, variable, values in (
            ("A0", "rate", rates),
            ("A0", "phase", phases),
            ("A1", "v", np.tile(v, K)),
        ):
            sim.set_values(owner, variable, values)
        first = sim.run_steps(s.presentation, False).spikes("A1")
        sim.set_values("A2", "gate", gate)
        last = sim.run_steps(1, False).spikes("A1")
        raster = np.zeros((s.presentation + 1, K * M))
        for steps, units in (first, last):
            raster[steps, units] = 1
        es = sim.values("E0", "es").reshape(K, N)
        values = [sim.values(p, "w") for p in ("feedback", "feedforward", "prior")]
    feedback, forward, prior = values
    return (
        raster.reshape(-1, K, M),
        es,
        feedback.reshape(K, M, N),
        forward.reshape(K, N, M),
        prior.reshape(K, M),
    )


def case(seed=1):
    draw = np.random.default_rng(seed)
    gate = np.array([0.0, 0.6, 0.0])
    return draw.random(N) * 0.9, draw.random(N), draw.random(M), gate


@pytest.mark.parametrize("events", ["graded", "spiking"])
def test_the_network_is_the_equations(events):
    settings = PredictiveSettings(events=events, latents=M)
    given = (settings, column_weights(), *case())
    expected, found = written_out(*given), simulated(*given)
    assert expected[0].sum() > 20
    assert np.array_equal(found[0], expected[0])
    for a, b in zip(found[1:], expected[1:], strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("backend", "options"), [("torch", {}), ("brian2", {"target": "numpy"})]
)
@pytest.mark.parametrize("events", ["graded", "spiking"])
def test_spikes_and_weights_are_the_same_on_every_backend(events, backend, options):
    settings = PredictiveSettings(events=events, latents=M)
    given = (settings, column_weights(), *case())
    for a, b in zip(simulated(*given), simulated(*given, backend, **options), strict=True):
        assert np.array_equal(a, b)


def test_columns_whose_gate_is_shut_stay_as_they_are():
    w = column_weights()
    _, _, feedback, forward, prior = simulated(PredictiveSettings(latents=M), w, *case())
    for k, learns in enumerate([False, True, False]):
        assert np.array_equal(feedback[k], w.feedback[k]) != learns
        assert np.array_equal(forward[k], w.feedforward[k]) != learns
        assert np.array_equal(prior[k], w.prior[k]) != learns


@pytest.mark.parametrize(
    ("regulariser", "factor"), [("none", set()), ("isi-cv", {"A1.free"})]
)
def test_rules_read_nothing_but_their_two_neurons_their_weight_and_the_gate(regulariser, factor):
    settings = PredictiveSettings(latents=M, regulariser=regulariser)
    net = predictive_network(settings, column_weights(), learning=True)
    rules = [s for s in nr.lower(net, 1e-3).steps if isinstance(s, Plasticity)]
    read = {rule.projection: {array_of(name) for name in rule.reads} for rule in rules}
    assert read == {
        "feedback": {"feedback.w", "A2.gate", "E0.es", "A1.zs"} | factor,
        "feedforward": {"feedforward.w", "A2.gate", "E0.es", "A1.zs"} | factor,
        "prior": {"prior.w", "A2.gate", "A1.zs"} | factor,
    }
    for rule in rules:
        assert rule.writes == (f"{rule.projection}.w",)
        # The neurons are those of the synapse itself: their variables are read on their own side.
        assert {array_of(name).split(".")[0] for name in rule.reads} <= {
            rule.projection,
            rule.source,
            rule.target,
            "A2",
        }


def test_weights_that_do_not_belong_together_are_refused():
    w = column_weights()
    with pytest.raises(nr.DescriptionError, match=r"needs feedforward \(3, 6, 4\)"):
        ColumnWeights(w.feedback, w.feedback, w.prior)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"error_decay": 1.0}, "error_decay is 1; a factor from 0 to below 1"),
        ({"events": "loud"}, "events is 'loud'; choose from"),
        ({"columns": 0}, "columns is 0; at least 1"),
        ({"clip": 3.0}, "asks for 1.5 spikes a step"),
        ({"strength": 1.5}, "strength is 1.5; from 0 to 1"),
        ({"error_threshold": 0.0}, "error_threshold is 0; above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values, message):
    with pytest.raises(nr.DescriptionError, match=message):
        PredictiveSettings(**values)

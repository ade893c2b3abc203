"""A whole seed of offline reactivation, small."""

from dataclasses import replace

import numpy as np
import pytest

from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import STARTS, ReactivationSettings
from neuro.models.reactivation.experiment import (
    CURVE,
    divergence_matrix,
    in_spikes,
    outcome,
    prepare,
    run_seed,
)

pytestmark = pytest.mark.xdist_group("reactivation experiment")  # they share networks

SMALL = ReactivationSettings(
    task="anchor", units=32, cells=24, steps=20, batches=400, batch_size=32, trajectories=80,
    offline_steps=200, learning_rate=5e-3,
)  # fmt: skip
WALK = replace(SMALL, task="position", cells=60, leak=0.2, noise=0.01, batches=30, offline_steps=40)

CONDITIONS = {
    "noisy_k1", "noisy_sqrt2", "noisy_k2", "clean_no_noise", "clean_noise", "clean_snr_matched",
    "untrained",
}  # fmt: skip
MEASURES = {"kl", "step_ratio", "resultant", "spread", "off_manifold", "peak_ratio"}


@pytest.fixture(scope="module")
def experiment():
    return prepare(SMALL, 3)


@pytest.fixture(scope="module")
def found(experiment):
    return outcome(experiment)


def test_every_condition_has_every_measure(found):
    conditions = found.measures["conditions"]
    assert set(conditions) >= CONDITIONS
    for measures in conditions.values():
        assert set(measures) >= MEASURES
        assert np.isfinite(list(measures.values())).all()


def test_noise_of_each_condition(experiment, found):
    noise = {name: m["noise"] for name, m in found.measures["conditions"].items()}
    assert noise["noisy_k1"] == 0.1
    assert noise["noisy_sqrt2"] == noise["clean_noise"] == noise["untrained"]
    assert noise["noisy_sqrt2"] == pytest.approx(0.02**0.5)
    assert (noise["clean_no_noise"], noise["noisy_k2"]) == (0, 0.2)
    norms = [getattr(experiment, name).life.stretch.norm for name in ("clean", "noisy")]
    assert noise["clean_snr_matched"] == pytest.approx(0.02**0.5 * norms[0] / norms[1])
    assert noise["clean_snr_matched"] < noise["clean_noise"]


def test_what_the_claim_says_even_of_small_networks(found):
    measures = found.measures["conditions"]
    assert measures["noisy_sqrt2"]["kl"] < 0.3
    assert measures["clean_no_noise"]["kl"] > 1.5 * measures["noisy_sqrt2"]["kl"]
    assert measures["untrained"]["kl"] > measures["clean_no_noise"]["kl"]
    assert measures["clean_noise"]["step_ratio"] > 1.5 * measures["noisy_sqrt2"]["step_ratio"]
    spreads = [point["spread"] for point in found.measures["temperature"]]
    assert len(spreads) == len(CURVE)
    assert spreads == sorted(spreads)


@pytest.mark.parametrize("pools", ["integrate", "stochastic"])
def test_the_networks_in_spikes(experiment, pools, monkeypatch):
    monkeypatch.setattr("neuro.models.reactivation.experiment.SPIKING_TRAJECTORIES", 40)
    monkeypatch.setattr("neuro.models.reactivation.experiment.SPIKING_STEPS", 40)
    found = in_spikes(experiment, "native", pools)
    assert found["backend"] == "native"
    conditions = {"noisy_k1", "noisy_sqrt2", "clean_noise"}
    if pools == "integrate":
        conditions.add("noisy_k0")
    assert set(found["conditions"]) == conditions
    assert found["awake"]["noisy"]["spikes"] < 1.5 * found["awake"]["noisy"]["rate"]
    for name in ("noisy_k1", "noisy_sqrt2"):
        rate, spikes = (found["conditions"][name][how] for how in ("rate", "spikes"))
        assert spikes["step"] == pytest.approx(rate["step"], rel=0.5)
        assert spikes["peak_ratio"] == pytest.approx(rate["peak_ratio"], abs=0.15)


def test_starts_and_burn_in(experiment):
    lived = experiment.noisy.lived.start
    point, uniform = (
        replace(experiment, settings=replace(SMALL, start=start, burn_in=130))
        for start in STARTS[1:][::-1]
    )
    assert np.array_equal(experiment.starts(), lived)
    assert len(set(point.starts())) == 1
    assert abs(np.exp(1j * uniform.starts()).mean()) < 0.3 < abs(np.exp(1j * lived).mean())
    dream = uniform.dream(uniform.noisy, 0.1)
    whole = replace(uniform, settings=replace(uniform.settings, burn_in=0)).dream(
        uniform.noisy, 0.1
    )
    assert np.array_equal(dream.decoded, whole.decoded[130:])
    assert np.array_equal(dream.peaks, whole.peaks[130:])
    assert np.array_equal(dream.states, whole.states[130:])
    late = point.dream(point.clean, 0.0)
    assert late.decoded.std(axis=1).max() < 1e-6


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"start": "bed"}, "start 'bed' is unknown"),
        ({"burn_in": 199}, "from 0 to offline_steps - 2"),
    ],
)
def test_starts_that_do_not_fit(changed, message):
    with pytest.raises(DescriptionError, match=message):
        replace(SMALL, **changed)


def test_an_untrained_network_is_held_against_the_trained_ones_life(experiment):
    own = experiment.dream(*experiment.plan()["untrained"])
    measured = experiment.compared(experiment.untrained, own)
    space = experiment.task.space
    life = experiment.noisy.life.stretch.decoded
    assert measured["step_ratio"] == pytest.approx(
        space.distances(own.decoded).mean() / space.distances(life).mean()
    )
    assert measured["peak_ratio"] == pytest.approx(
        own.peaks.mean() / experiment.untrained.life.stretch.peaks.mean()
    )


def test_networks_of_a_seed_live_the_same_life(experiment):
    weights = [getattr(experiment, n).network.get_weights() for n in ("noisy", "clean")]
    assert not np.array_equal(weights[0]["recurrent"], weights[1]["recurrent"])
    assert experiment.noisy.lived is experiment.clean.lived
    again = prepare(SMALL, 3)
    assert np.array_equal(again.noisy.network.get_weights()["recurrent"], weights[0]["recurrent"])
    assert again.noisy.life.error == experiment.noisy.life.error


def test_losses_are_those_of_the_last_batches(experiment, found):
    awake = found.measures["awake"]
    for name in ("noisy", "clean"):
        assert awake[name]["loss"] == np.mean(experiment.losses[name][-50:])
        assert awake[name]["loss"] < np.mean(experiment.losses[name][:50]) / 2
    assert np.isnan(awake["untrained"]["loss"])


def test_figures_have_what_they_show(found):
    for name in ("noisy_awake", "noisy_offline", "clean_awake", "clean_offline"):
        assert found.arrays[f"{name}_decoded"].shape[1] == 6
        assert np.abs(found.arrays[f"{name}_occupied"]).max() <= np.pi
    assert found.arrays["noisy_offline_projected"].shape == (4000, 2)
    assert found.arrays["noisy_offline_colour"].shape == (4000,)
    assert len(found.measures["explained_variance"]["noisy awake"]) == 10


@pytest.fixture(scope="module")
def rough():
    """Densities of few points: here they need not be smooth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neuro.analysis.reactivation.KDE_POINTS", 400)
        patch.setattr("neuro.analysis.reactivation.KDE_SAMPLES", 200)
        yield


@pytest.fixture(scope="module")
def walks(rough):
    return run_seed(WALK, 0, bias="both")


def test_walks_with_a_pull_and_without(walks):
    measures = walks.measures
    assert measures["seed"] == 0
    assert set(measures["biased"]["conditions"]) >= CONDITIONS
    spread = [m["awake"]["clean"]["spread"] for m in (measures, measures["biased"])]
    assert all(np.isfinite(spread))
    assert "turns" not in measures
    assert "biased_noisy_awake_decoded" in walks.arrays


def test_the_matrix_of_divergences(walks):
    matrix = walks.measures["divergence_matrix"]
    assert len(matrix) == 8
    columns = ["unbiased noisy", "unbiased clean", "biased noisy", "biased clean"]
    assert all(list(row) == columns for row in matrix.values())
    # Its entries are those of the conditions where they are the same thing.
    kl = walks.measures["conditions"]["noisy_sqrt2"]["kl"]
    assert matrix["unbiased noisy"]["unbiased noisy"] == pytest.approx(kl)
    assert matrix["biased clean"]["biased clean"] == pytest.approx(
        walks.measures["biased"]["conditions"]["clean_no_noise"]["kl"]
    )


def test_cells_are_those_of_the_seed(rough):
    both = [prepare(replace(WALK, batches=2), 1, biased=b) for b in (False, True)]
    assert np.array_equal(both[0].task.places, both[1].task.places)
    assert divergence_matrix(*both)["uniform"]["unbiased clean"] >= 0


def test_turns_that_go_one_way():
    heads = replace(SMALL, task="head-direction", batches=150)
    turns = run_seed(heads, 0, bias="biased").measures["turns"]
    assert turns["clean awake"]["mean"] > 0.1
    assert set(turns) == {"noisy awake", "noisy offline", "clean awake", "clean offline"}

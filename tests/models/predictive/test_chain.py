"""The chain of areas: its equations, its rules, learning, and the same on every backend."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import neuro as nr
from neuro.datasets import load
from neuro.equations.expression import names
from neuro.errors import DescriptionError
from neuro.learning.chain_settings import ChainSettings
from neuro.learning.spike_intervals import IntervalCounters
from neuro.models.predictive.chain import PredictiveChain
from neuro.models.predictive.chain_network import chain_network, initial_weights
from neuro.program import Plasticity

Array = NDArray[np.float64]

# Large weights and few steps: every area is busy from the first image on.
BUSY = ChainSettings(presentation=16, initial_weights=0.2, tonic=0.1, batch_size=3)
SIZES = (9, 6, 4, 3)


def chain(
    sizes: tuple[int, ...] = SIZES, settings: ChainSettings = BUSY, **options: Any
) -> PredictiveChain:
    chosen = {"backend": "reference", "precision": "float64", "seed": 3, **options}
    return PredictiveChain(sizes, settings, **chosen)


def some(n: int, seed: int = 0, pixels: int = SIZES[0]) -> tuple[Array, NDArray[np.int64]]:
    r = np.random.default_rng(seed)
    return r.random((n, pixels)), r.integers(0, 3, n)


# --- the equations ---------------------------------------------------------------------------


def by_hand(
    made: PredictiveChain, image: Array, label: int | None, counter: int
) -> tuple[list[Array], list[Array], list[Array]]:
    """The equations of the module's docstring, written down once more: traces z, e and spikes."""
    s, sizes, top = made.settings, made.sizes, len(made.sizes) - 1
    phases = np.split(
        nr.random.stream(made.seed, "chain phases", counter).random(sum(sizes)),
        np.cumsum(sizes)[:-1],
    )
    v = [p.copy() for p in phases]
    spikes = [np.zeros(n) for n in sizes]
    u = [np.zeros(n) for n in sizes[:-1]]
    z, count = [np.zeros(n) for n in sizes], [np.zeros(n) for n in sizes]
    e = [np.zeros(n) for n in sizes[:-1]]
    rates = s.encoding.rates(image[None])[0]
    for _ in range(s.presentation):
        was, errors = [x.copy() for x in spikes], [x.copy() for x in u]
        v[0] += rates
        for i in range(1, top + 1):
            if i == top and label is not None:
                v[i] = v[i] + s.label_rate * (np.arange(sizes[i]) == label)
                continue
            gain = s.error_gain if i == 1 else s.upper_gain
            drive = gain * errors[i - 1] @ made.weights[f"F{i - 1}"]
            if i < top:
                drive = drive - s.own_gain * errors[i] + s.tonic
            else:
                drive = drive - s.inhibition * (was[i].sum() - was[i])
            v[i] = np.maximum(s.latent_decay * v[i] + drive, -1.0)
        for i in range(top + 1):
            spikes[i] = (v[i] >= 1.0).astype(float)
            v[i] = v[i] - spikes[i]
            z[i] = s.trace_decay * z[i] + (1 - s.trace_decay) * spikes[i]
            count[i] += spikes[i]
        for i in range(top):
            a = s.error_decay
            u[i] = a * u[i] + (1 - a) * (was[i] - was[i + 1] @ made.weights[f"W{i}"])
            e[i] = s.trace_decay * e[i] + (1 - s.trace_decay) * u[i]
    return [x / s.trace_norm for x in z], [x / s.trace_norm for x in e], count


@pytest.mark.parametrize("sizes", [(9, 3), (9, 6, 3), SIZES, (9, 7, 6, 5, 3)])
def test_spikes_and_errors_are_those_of_the_equations(sizes: tuple[int, ...]) -> None:
    made, (images, _) = chain(sizes), some(2)
    found = made.respond(images)
    for i, image in enumerate(images):
        z, e, count = by_hand(made, image, None, -1)
        np.testing.assert_allclose(found.classes[i], z[-1], rtol=1e-9)
        np.testing.assert_allclose(found.errors[i], [np.square(x).sum() for x in e], rtol=1e-9)
        assert [found.events[f"A{k}"][i] for k in range(len(sizes))] == [x.sum() for x in count]
    assert all(found.events[f"A{k}"].sum() > 0 for k in range(len(sizes)))


def test_weights_change_by_error_times_activity_less_decay_of_each_image() -> None:
    made, (images, labels) = chain(), some(2)
    before = {name: w.copy() for name, w in made.weights.items()}
    expected = {name: w.copy() for name, w in before.items()}
    eta, lam = 0.3, made.settings.weight_decay
    for counter, (image, label) in enumerate(zip(images, labels, strict=True)):
        z, e, _ = by_hand(made, image, int(label), counter)
        for i in range(len(SIZES) - 1):
            expected[f"W{i}"] += eta * (np.outer(z[i + 1], e[i]) - lam * before[f"W{i}"])
            expected[f"F{i}"] += eta * (np.outer(e[i], z[i + 1]) - lam * before[f"F{i}"])
    made.learn(images, labels, rate=eta)
    for name, w in made.weights.items():
        np.testing.assert_allclose(w, expected[name], rtol=1e-9, atol=1e-12)
        assert np.abs(w - before[name]).max() > 1e-3


def test_learning_step_by_step_in_the_plastic_network_alone_gives_the_same_weights() -> None:
    """The driver runs most steps without plasticity; the plastic network must not notice."""
    made, (images, labels) = chain(), some(1)
    net = chain_network(SIZES, BUSY, initial_weights(SIZES, BUSY.initial_weights, 3))
    sim = nr.compile(net)
    phases = np.split(
        nr.random.stream(3, "chain phases", 0).random(sum(SIZES)), np.cumsum(SIZES)[:-1]
    )
    sim.set_values("A0", "rate", BUSY.encoding.rates(images)[0])
    sim.set_values("A0", "phase", phases[0])
    for i in range(1, len(SIZES)):
        sim.set_values(f"A{i}", "v", phases[i])
    top = f"A{len(SIZES) - 1}"
    sim.set_values(top, "label", BUSY.label_rate * (np.arange(SIZES[-1]) == labels[0]))
    sim.set_values("learning", "rate", 0.3)
    sim.run_steps(BUSY.presentation - 1)
    np.testing.assert_array_equal(sim.weights("W0"), made.weights["W0"])
    sim.run_steps(1)
    made.learn(images, labels, rate=0.3)
    for name, w in made.weights.items():
        # The driver adds the change to the weight, which rounds once more.
        np.testing.assert_allclose(sim.weights(name), w, rtol=1e-14, atol=1e-16)


# --- the rules -------------------------------------------------------------------------------


def test_rules_read_only_both_neurons_the_weight_and_the_declared_third_factor() -> None:
    net = chain_network(SIZES, BUSY, initial_weights(SIZES, 0.1, 0))
    program = nr.lower(net, 1e-3)
    steps = [s for s in program.steps if isinstance(s, Plasticity)]
    assert sorted(s.projection for s in steps) == ["F0", "F1", "F2", "W0", "W1", "W2"]
    for step in steps:
        kind, i = step.projection[0], int(step.projection[1:])
        error, above = ("post", "pre") if kind == "W" else ("pre", "post")
        local = {f"E{i}.e@{error}", f"A{i + 1}.z@{above}", f"{step.projection}.w"}
        assert not (step.on_pre or step.on_post)
        (assign,) = step.on_step
        assert set(names(assign.expression)) == local | {"learning.rate@shared"}
        assert assign.target == f"{step.projection}.w"


def test_no_weights_are_tied_and_no_gradient_is_built() -> None:
    import torch

    made = chain(backend="torch")
    made.learn(*some(3), rate=0.1)
    owners = {s.synapses for s in made.program.steps if hasattr(s, "synapses")}
    assert {"W0", "F0", "W1", "F1", "W2", "F2"} <= owners
    tensors = made._plastic.simulation.engine._memory.tensors.values()  # type: ignore[attr-defined]
    assert not any(t.requires_grad or t.grad_fn is not None for t in tensors)
    assert all(isinstance(t, torch.Tensor) for t in tensors)


# --- importance by spike intervals ------------------------------------------------------------


def protected(kind: str, **options: Any) -> PredictiveChain:
    return chain(settings=replace(BUSY, regulariser=kind, strength=0.8), **options)


def test_units_count_their_intervals_of_each_image_alone() -> None:
    made, (images, labels) = protected("isi-cv"), some(4)
    net = chain_network(SIZES, made.settings, made.weights)
    net.record("A1", "spikes")
    net.record("A2", "spikes")
    expected = {area: IntervalCounters(SIZES[area]) for area in (1, 2)}
    for counter, (image, label) in enumerate(zip(images, labels, strict=True)):
        sim = nr.compile(net)
        phases = np.split(
            nr.random.stream(3, "chain phases", counter).random(sum(SIZES)), np.cumsum(SIZES)[:-1]
        )
        sim.set_values("A0", "rate", BUSY.encoding.rates(image[None])[0])
        sim.set_values("A0", "phase", phases[0])
        for i in range(1, 4):
            sim.set_values(f"A{i}", "v", phases[i])
        sim.set_values("A3", "label", BUSY.label_rate * (np.arange(3) == label))
        recording = sim.run_steps(BUSY.presentation)
        for area, counters in expected.items():
            train = np.zeros((BUSY.presentation, SIZES[area]), bool)
            train[recording.spikes(f"A{area}")] = True
            counters.add(train)
    made.learn(images, labels, rate=0.0)
    for area, counters in expected.items():
        for name in ("n", "s1", "s2"):
            ours = getattr(made.importance[area].counters, name)
            assert ours.tolist() == getattr(counters, name).tolist()
        assert counters.n.max() > 3


def test_a_unit_learns_at_its_own_rate_and_class_synapses_at_that_of_their_other_end() -> None:
    plain, made, (images, labels) = chain(), protected("isi-cv"), some(3)
    for kept in (plain, made):
        kept.learn(images, labels, rate=0.3)
    for name, w in plain.weights.items():  # nothing is important before a task is over
        np.testing.assert_allclose(made.weights[name], w, rtol=1e-12, atol=1e-14)
    made.finish_task()
    plain.weights = {name: w.copy() for name, w in made.weights.items()}
    before = {name: w.copy() for name, w in made.weights.items()}
    for kept in (plain, made):
        kept.learn(images, labels, rate=0.3)
    factor = {area: 1 - 0.8 * found.omega for area, found in made.importance.items()}
    assert factor[1].std() > 0.02
    for area, end in ((0, 1), (1, 2)):
        for name, by_unit in ((f"W{area}", factor[end][:, None]), (f"F{area}", factor[end])):
            change = by_unit * (plain.weights[name] - before[name])
            np.testing.assert_allclose(
                made.weights[name] - before[name], change, rtol=1e-9, atol=1e-13
            )
    for name, by_unit in (("W2", factor[2]), ("F2", factor[2][:, None])):
        change = by_unit * (plain.weights[name] - before[name])
        np.testing.assert_allclose(
            made.weights[name] - before[name], change, rtol=1e-9, atol=1e-13
        )


def test_controls_are_as_plastic_in_all_and_backends_agree() -> None:
    images, labels = some(5)
    kinds = ("isi-cv", "uniform", "shuffled")
    made = {kind: protected(kind) for kind in kinds} | {
        "torch": protected("isi-cv", backend="torch"),
    }
    for one in made.values():
        one.learn(images, labels, rate=0.3)
        one.finish_task()
    for area in (1, 2):
        real, uniform, shuffled, torch = (one.importance[area].omega for one in made.values())
        assert uniform == pytest.approx([real.mean()] * len(real))
        assert sorted(shuffled) == sorted(real)
        assert torch.tolist() == real.tolist()
    assert made["uniform"].memory()["importance"] == 8 * (6 * (6 + 4) + 4)
    assert chain().memory()["importance"] == 0


# --- backends and batches --------------------------------------------------------------------


OTHERS = {
    "torch": {"backend": "torch", "ordered": True, "delivery": "sparse"},
    "torch, dense": {"backend": "torch"},
    "brian2": {"backend": "brian2", "target": "numpy"},
}


@pytest.mark.parametrize("name", OTHERS)
def test_same_spikes_and_weights_on_every_backend(name: str) -> None:
    ours, theirs = chain(), chain(**OTHERS[name])
    for first in (0, 3):
        images, labels = some(3, first)
        for made in (ours, theirs):
            made.learn(images, labels, rate=0.3)
    images, _ = some(4, 9)
    a, b = ours.respond(images), theirs.respond(images)
    exact = name != "torch, dense"  # matrix products add in another order
    for key, w in ours.weights.items():
        np.testing.assert_allclose(theirs.weights[key], w, rtol=0, atol=0 if exact else 1e-12)
    for owner, events in a.events.items():
        np.testing.assert_array_equal(b.events[owner], events)
    assert sum(a.events["A2"]) > 0


def test_images_that_do_not_fill_a_batch_are_learned_and_answered_alike() -> None:
    images, labels = some(5)
    small, large = (chain(backend="torch", settings=replace(BUSY, batch_size=b)) for b in (2, 8))
    for made in (small, large):
        made.learn(images, labels, rate=0.2)
        assert made.seen == 5
    for name, w in small.weights.items():
        np.testing.assert_allclose(large.weights[name], w, rtol=1e-12, atol=1e-14)
    one = np.concatenate([small.respond(images[i : i + 1]).classes for i in range(5)])
    np.testing.assert_array_equal(one, small.respond(images).classes)
    assert small.respond(images[:0]).classes.shape == (0, 3)


# --- learning --------------------------------------------------------------------------------


def test_learning_lowers_the_error_of_images_not_seen_and_aligns_both_ways() -> None:
    data = load("digits")
    x, y = data.flat(data.train_images).astype(float), data.train_labels
    made = PredictiveChain((64, 32, 10), ChainSettings(presentation=32), seed=0)
    before = made.respond(x[-100:])
    for first in range(0, 200, 20):
        made.learn(x[first : first + 20], y[first : first + 20], rate=0.1)
    after = made.respond(x[-100:])
    assert after.errors[:, 0].mean() < 0.6 * before.errors[:, 0].mean()
    up, down = made.weights["F0"].T.ravel(), made.weights["W0"].ravel()
    assert up @ down > 0.9 * np.linalg.norm(up) * np.linalg.norm(down)


def test_answering_changes_nothing_and_rate_zero_learns_nothing() -> None:
    made, (images, labels) = chain(), some(2)
    before = {name: w.copy() for name, w in made.weights.items()}
    made.respond(images)
    made.learn(images, labels, rate=0.0)
    for name, w in made.weights.items():
        np.testing.assert_array_equal(w, before[name])


def test_memory_is_that_of_the_arrays() -> None:
    made = chain()
    synapses = 2 * sum(a * b for a, b in itertools.pairwise(SIZES))
    assert made.memory()["weights"] == 8 * synapses
    units, errors = sum(SIZES[1:]), sum(SIZES[:-1])
    assert made.memory()["traces"] == 8 * (units + errors)
    assert made.memory()["total"] == sum(v for k, v in made.memory().items() if k != "total")
    # An image unit reaches its error unit; an error unit of area 1 the area above and its own.
    assert made.fan_out()["A0"] == 1
    assert made.fan_out()["E1"] == SIZES[2] + 1
    assert made.fan_out()["A1"] == SIZES[0] + 1


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((9,), "at least 2"), ((9, 0, 3), "area 1 has 0 units"), ((9, 2.5, 3), "area 1 has 2.5")],
)
def test_impossible_areas_are_refused(sizes: Any, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        PredictiveChain(sizes)


def test_impossible_images_labels_and_rates_are_refused() -> None:
    made, (images, labels) = chain(), some(2)
    with pytest.raises(DescriptionError, match=r"images have shape \(2, 8\); .* 9 units"):
        made.respond(images[:, :8])
    with pytest.raises(DescriptionError, match="brightness is >= 0"):
        made.respond(-images)
    with pytest.raises(DescriptionError, match=r"label 3 has no unit: .* 0\.\.2"):
        made.learn(images, np.array([0, 3]), rate=0.1)
    with pytest.raises(DescriptionError, match="2 images need 2 whole numbers"):
        made.learn(images, labels[:1], rate=0.1)


def test_weights_that_grow_without_bound_are_refused_and_not_kept() -> None:
    made, (images, labels) = chain(), some(2)

    def learn_often() -> None:
        for _ in range(5):
            made.learn(images, labels, rate=1e200)

    with np.errstate(all="ignore"), pytest.raises(DescriptionError, match="lower one of the two"):
        learn_often()
    assert all(np.isfinite(w).all() for w in made.weights.values())


@pytest.mark.parametrize(
    "change",
    [
        {"presentation": 0},
        {"hidden": (10, 0)},
        {"error_decay": 1.0},
        {"label_rate": 1.5},
        {"label_rate": 0.0},
        {"tonic": float("nan")},
        {"weight_decay": -0.1},
        {"strength": 1.5},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(DescriptionError, match=next(iter(change))):
        ChainSettings(**change)

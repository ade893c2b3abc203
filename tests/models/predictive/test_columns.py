"""Recruiting, learning, answering and keeping of predictive columns."""

from dataclasses import replace

import numpy as np
import pytest

import neuro as nr
from neuro.learning.predictive_settings import PredictiveSettings, predictive_settings
from neuro.learning.spike_intervals import IntervalCounters
from neuro.models.predictive.columns import Effort, PredictiveColumns
from neuro.models.predictive.cost import learning_memory, predictive_formula
from neuro.models.predictive.learner import PredictiveLearner
from neuro.models.predictive.network import ColumnWeights, predictive_network
from neuro.models.predictive.pool import UNKNOWN, ColumnPool, rounded
from neuro.progress import Silent

SMALL = PredictiveSettings(latents=4, columns=6, presentation=16, batch_size=5, maturity=10)
PROTECTED = replace(SMALL, regulariser="isi-cv", strength=0.8)


@pytest.fixture(scope="module")
def digits():
    """Training and test images of two digits, small and few."""
    data = nr.datasets.load("digits")
    images, labels = data.flat(data.train_images), data.train_labels
    chosen = np.flatnonzero(labels < 2)[:40]
    return images[chosen], labels[chosen]


# --- the pool ----------------------------------------------------------------------------------


def pool(columns=6, classes=3, **settings):
    return ColumnPool(replace(SMALL, columns=columns, **settings), 5, classes, 0)


def test_a_new_class_gets_a_free_column():
    assert pool().spares([2, 0, 2]) == {2: 0, 0: 1}


def test_a_young_column_is_not_joined_by_another():
    p = pool()
    p.label[:2], p.learned[:2] = [0, 1], [9, 10]
    assert p.spares([0, 1]) == {1: 2}  # class 0 learns on with its young one


def test_free_columns_are_kept_back_for_classes_to_come():
    p = pool(columns=3)
    p.label[:2], p.learned[:2] = [0, 1], 50
    assert p.spares([0]) == {}  # the last one is for class 2
    assert p.spares([2]) == {2: 2}
    p.label[2] = 2
    assert p.spares([0]) == {}  # the pool is empty; nothing breaks


def test_who_learns():
    p = pool(surprise=0.4)
    p.label[:2], p.learned[:2] = 0, 10
    two = np.array([0, 1])
    assert p.learner(two, np.array([0.3, 0.2]), 1.0, 3) == 1  # predicts best
    assert p.learner(two, np.array([0.5, 0.41]), 1.0, 3) == 3  # all are surprised: a new one
    assert p.learner(two, np.array([0.5, 0.41]), 2.0, 3) == 1  # of a stronger image that is little
    assert p.learner(two, np.array([0.5, 0.41]), 1.0, None) == 1  # none is free
    p.label[3], p.learned[3] = 0, 3
    three = np.array([0, 1, 3])
    assert p.learner(three, np.array([0.5, 0.41, 9.0]), 1.0, None) == 3  # the young one learns on
    assert p.learner(three, np.array([0.5, 0.3, 0.1]), 1.0, None) == 3  # best, though young
    assert p.learner(three, np.array([0.5, 0.3, 0.35]), 1.0, None) == 1
    assert p.learner(np.array([3]), np.array([5.0]), 1.0, None) == 3  # the young are not surprised


def test_there_must_be_a_column_for_every_class():
    with pytest.raises(nr.DescriptionError, match="columns is 2, but there are 3 classes"):
        pool(columns=2)


def test_rounding_keeps_the_mean_and_the_bounds():
    draw = np.random.default_rng(0)
    values = np.full(100_000, 0.3 / 256)
    found = rounded(values, draw)
    assert set(np.unique(found * 256)) == {0.0, 1.0}
    assert found.mean() == pytest.approx(values.mean(), rel=0.03)
    assert np.array_equal(rounded(np.array([2.0, -2.0, 0.25]), draw) * 256, [127, -127, 64])


# --- learning ----------------------------------------------------------------------------------


def learned(digits, settings=SMALL, count=20, **options):
    images, labels = digits
    model = PredictiveColumns(settings, 64, 2, seed=3, **options)
    for first in range(0, count, settings.batch_size):
        part = slice(first, first + settings.batch_size)
        model.learn(images[part], labels[part])
        model.pool.finish_task()
    return model


def same(a, b):
    return (
        all(
            np.array_equal(x.largest, y.largest)
            and np.array_equal(x.counters.sums(), y.counters.sums())
            for x, y in zip(a.pool.importance, b.pool.importance, strict=True)
        )
        and np.array_equal(a.pool.label, b.pool.label)
        and np.array_equal(a.pool.learned, b.pool.learned)
        and all(np.array_equal(x, y) for x, y in zip(a.get_weights(), b.get_weights(), strict=True))
    )


@pytest.mark.parametrize(
    ("backend", "options"),
    [("torch", {"ordered": True}), ("brian2", {"target": "numpy"})],
)
@pytest.mark.parametrize("settings", [SMALL, PROTECTED], ids=["plain", "protected"])
def test_learned_weights_are_the_same_on_every_backend(digits, backend, options, settings):
    given = {"settings": settings, "count": 15, "precision": "float64"}
    reference = learned(digits, **given, backend="reference")
    assert len(reference.pool.used) >= 2
    assert same(reference, learned(digits, **given, backend=backend, **options))


def test_sums_in_another_order_agree(digits):
    reference = learned(digits, backend="reference", precision="float64")
    quick = learned(digits, backend="torch", precision="float64")
    for a, b in zip(reference.get_weights(), quick.get_weights(), strict=True):
        assert np.allclose(a, b, rtol=0, atol=1e-9)


def test_other_columns_are_bit_identical_after_another_class(digits):
    images, labels = digits
    model = learned(digits, count=0)
    model.learn(images[labels == 0][:10], labels[labels == 0][:10])
    before, mine = model.get_weights(), model.pool.learned.copy()
    model.learn(images[labels == 1][:10], labels[labels == 1][:10])
    first = len(before[0])
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b[:first])
        assert len(b) > first
    assert np.array_equal(mine[:first], model.pool.learned[:first])


def test_the_columns_of_a_class_learn_as_in_the_whole_network(digits):
    """An image is shown to its class's columns only: the others would not have changed it."""
    images, labels = digits
    model = learned(digits, backend="reference", precision="float64")
    pool = model.pool
    label, image = int(labels[30]), images[30:31]
    whole = pool.weights[pool.used]
    start = model._starts("training", model.shown, image)
    settings = model.settings
    expected = {}
    net = predictive_network(settings, whole, learning=True)
    with nr.compile(net) as sim:
        sim.set_values("A0", "rate", start.rates[0])
        sim.set_values("A0", "phase", start.phases[0])
        sim.set_values("A1", "v", np.tile(start.membranes[0], len(pool.used)))
        sim.run_steps(settings.presentation, False)
        power = np.square(sim.values("E0", "es").reshape(len(pool.used), -1)).sum(axis=1)
        own = pool.label[pool.used] == label
        gates = np.zeros(len(pool.used))
        best = np.where(own, power, np.inf).argmin()
        gates[best] = settings.rate(pool.learned[pool.used[best]])
        sim.set_values("A2", "gate", gates)
        sim.run_steps(1, False)
        expected["feedback"] = sim.values("feedback", "w").reshape(whole.feedback.shape)
    model.settings = pool.settings = replace(settings, surprise=1e9)  # none is recruited
    model.learn(image, labels[30:31])
    assert np.array_equal(pool.weights.feedback[pool.used], expected["feedback"])


def test_feedforward_weights_become_the_transpose_of_feedback_weights(digits):
    model = learned(digits, count=40)
    w = model.pool.weights[model.pool.used[:1]]
    a, b = w.feedback[0].ravel(), w.feedforward[0].T.ravel()
    assert a @ b / np.sqrt((a @ a) * (b @ b)) > 0.9


def test_whole_number_weights(digits):
    model = learned(digits, replace(SMALL, integer_weights=True))
    for values in model.get_weights()[:2]:
        steps = values * 256
        assert np.array_equal(steps, np.rint(steps))
        assert np.abs(steps).max() <= 127
        assert np.abs(steps).max() > 10


def test_answers(digits):
    images, labels = digits
    model = learned(digits, count=40)
    assert np.mean(model.predict(images) == labels) > 0.9
    scores = model.scores(images[:7])
    assert scores.shape == (7, 2)
    assert np.array_equal(scores.argmax(axis=1), model.predict(images[:7]))


def test_a_shortlist_judges_as_all_do(digits):
    images, _ = digits
    model = learned(digits, count=40, backend="reference", precision="float64")
    whole, few, effort = model.errors(images[:6]), SMALL.presentation, Effort()
    model.settings = replace(model.settings, shortlist=1, glance=4, answer_after=10)
    found = model.errors(images[:6], effort)
    columns = whole.shape[1]
    assert columns >= 2
    assert np.array_equal(np.isfinite(found).sum(axis=1), np.ones(6))
    assert effort.steps == 6 * (4 + 10)
    assert effort.column_steps == 6 * (4 * columns + 10)
    model.settings = replace(model.settings, answer_after=few)
    found = model.errors(images[:6])
    kept = np.isfinite(found)
    assert np.array_equal(found[kept], whole[kept])
    model.settings = replace(model.settings, shortlist=columns)
    assert np.array_equal(model.errors(images[:6]), whole)


def test_choice_units_spike_most_for_the_column_of_least_error(digits):
    images, _ = digits
    model = learned(digits, count=40)
    weights = model.pool.weights[model.pool.used]
    net = predictive_network(model.settings, weights, choice=True)
    errors = model.errors(images[:20])
    start = model._starts("test", 0, images[:20])
    agreed = 0
    with nr.compile(net) as sim:
        fresh = sim.state()
        for i in range(20):
            sim.restore(fresh)
            sim.set_values("A0", "rate", start.rates[i])
            sim.set_values("A0", "phase", start.phases[i])
            sim.set_values("A1", "v", np.tile(start.membranes[i], weights.columns))
            _, units = sim.run_steps(2 * model.settings.presentation, False).spikes("choice")
            agreed += np.bincount(units, minlength=weights.columns).argmax() == errors[i].argmin()
    assert agreed >= 18


# --- images without a label --------------------------------------------------------------------


def test_who_learns_an_image_of_unknown_class():
    p = pool(certainty=1.5)
    p.label[:3] = [0, 0, 1]
    three = np.arange(3)
    assert p.guessed(three, np.array([0.25, 0.2, 0.31])) == 1  # own rivals may be near
    assert p.guessed(three, np.array([0.25, 0.2, 0.29])) is None  # another class may not
    assert p.guessed(three, np.array([0.5, 0.4, 0.2])) == 2
    assert p.guessed(np.arange(2), np.array([0.25, 0.2])) == 1  # only one class is known yet


def test_an_unknown_class_recruits_no_column():
    p = pool()
    assert p.spares([UNKNOWN]) == {}
    assert p.spares([UNKNOWN, 2]) == {2: 0}
    p.label[:2], p.learned[:2] = [0, 1], 50
    assert p.spares([UNKNOWN, 0]) == {0: 2}


def test_an_image_of_unknown_class_teaches_the_column_that_predicts_it(digits):
    images, labels = digits
    model, told = learned(digits, count=30), learned(digits, count=30)
    before = model.pool.learned.copy()
    answers = model.predict(images[35:40])
    assert np.array_equal(answers, labels[35:40])  # else the next lines would test nothing
    for one in (model, told):
        one.settings = one.pool.settings = replace(SMALL, certainty=1.0, surprise=1e9)
    model.learn(images[35:40], np.full(5, UNKNOWN))
    told.learn(images[35:40], labels[35:40])
    assert same(model, told)
    assert model.pool.learned.sum() == before.sum() + 5


def test_known_and_unknown_classes_in_one_batch(digits):
    images, labels = digits
    mixed, told = learned(digits, count=30), learned(digits, count=30)
    for one in (mixed, told):
        one.settings = one.pool.settings = replace(SMALL, certainty=1.0, surprise=1e9)
    some = labels[35:40].copy()
    some[[1, 3]] = UNKNOWN
    mixed.learn(images[35:40], some)
    told.learn(images[35:40], labels[35:40])
    assert same(mixed, told)


def test_nothing_is_learned_where_classes_are_close_or_none_is_known(digits):
    images, labels = digits
    model = learned(digits)
    before = model.get_weights()
    model.settings = model.pool.settings = replace(SMALL, certainty=1e9)
    model.learn(images[20:25], np.full(5, UNKNOWN))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.shown == 25
    fresh = PredictiveColumns(SMALL, 64, 2, seed=3)
    fresh.learn(images[:5], np.full(5, UNKNOWN))
    assert len(fresh.pool.used) == 0
    fresh.learn(images[5:10], labels[5:10])
    assert len(fresh.pool.used) > 0


# --- importance by spike intervals --------------------------------------------------------------


def test_latent_units_count_the_intervals_of_images_that_their_column_learns(digits):
    images, labels = digits
    made = PredictiveColumns(PROTECTED, 64, 2, seed=3, backend="reference", precision="float64")
    expected = [IntervalCounters(SMALL.latents) for _ in range(SMALL.columns)]
    for image, label in zip(images[:12, None], labels[:12, None], strict=True):
        before, counted = made.pool.learned.copy(), made.shown
        weights = made.pool.weights.astype("float64")
        made.learn(image, label)
        (column,) = np.flatnonzero(made.pool.learned != before)
        net = predictive_network(PROTECTED, weights[[column]], learning=True)
        net.record("A1", "spikes")
        sim = nr.compile(net)
        start = made._starts("training", counted, image)
        sim.set_values("A0", "rate", start.rates[0])
        sim.set_values("A0", "phase", start.phases[0])
        sim.set_values("A1", "v", start.membranes[0])
        train = np.zeros((SMALL.presentation + 1, SMALL.latents), bool)
        train[sim.run_steps(SMALL.presentation + 1).spikes("A1")] = True
        expected[column].add(train)
    for one, counters in zip(made.pool.importance, expected, strict=True):
        assert one.counters.sums().tolist() == counters.sums().tolist()
    assert sum(counters.n.min() > 3 for counters in expected) >= 2


def test_a_latent_unit_learns_at_its_own_rate(digits):
    images, labels = digits
    made, plain = (
        learned(digits, settings=s, backend="reference", precision="float64", count=10)
        for s in (PROTECTED, SMALL)
    )
    plain.pool.weights = made.pool.weights.astype("float64")
    plain.pool.learned, plain.pool.label = made.pool.learned.copy(), made.pool.label.copy()
    before = made.get_weights()
    for model in (made, plain):
        model.learn(images[10:11], labels[10:11])
    factor = 1 - 0.8 * np.array([made.pool.importance[c].omega for c in made.pool.used])
    assert factor.std() > 0.02
    shapes = factor[:, :, None], factor[:, None, :], factor
    for w, a, b, rate in zip(before, made.get_weights(), plain.get_weights(), shapes, strict=True):
        assert np.abs(b - w).max() > 1e-4
        np.testing.assert_allclose(a - w, rate * (b - w), rtol=1e-9, atol=1e-13)


def test_controls_hold_back_as_much_in_each_column(digits):
    kinds = ("isi-cv", "uniform", "shuffled")
    settings = [replace(PROTECTED, regulariser=kind) for kind in kinds]
    made = [learned(digits, settings=one, count=5) for one in settings]
    for column in made[0].pool.used:
        real, uniform, shuffled = (one.pool.importance[column].omega for one in made)
        assert uniform == pytest.approx([real.mean()] * SMALL.latents)
        assert sorted(shuffled) == sorted(real)
        assert real.max() > 0
    # Six numbers a latent unit.
    assert learning_memory(PROTECTED, 64, 3)["importance"] == 4 * 6 * 3 * SMALL.latents
    assert learning_memory(SMALL, 64, 3)["importance"] == 0


# --- power failures ----------------------------------------------------------------------------


class PowerCutError(Exception):
    """In place of a dead battery."""


class Fuse(Silent):
    """A meter that breaks after so many images."""

    def __init__(self, images):
        self.left = images

    def advance(self, n):
        self.left -= n
        if self.left < 0:
            raise PowerCutError


@pytest.mark.parametrize("settings", [SMALL, PROTECTED], ids=["plain", "protected"])
def test_learning_goes_on_after_a_power_cut(digits, tmp_path, settings):
    images, labels = digits
    settings = replace(settings, batch_size=1, checkpoint_every=4)
    tasks = [np.flatnonzero(labels == 0)[9:], *(np.flatnonzero(labels == c)[:9] for c in (0, 1))]
    tasks[0] = tasks[0][:3]

    def live(folder, fuse):
        learner = PredictiveLearner(settings, 64, 2, seed=1)
        learner.checkpoints = folder
        for number, chosen in enumerate(tasks):
            generator = np.random.default_rng(number)
            learner.fit(images[chosen], labels[chosen], generator, fuse)
        return learner

    whole = live(tmp_path / "whole", Silent())
    for cut in (2, 6, 9, 13):
        folder = tmp_path / str(cut)
        with pytest.raises(PowerCutError):
            live(folder, Fuse(cut))
        assert same(live(folder, Silent()).model, whole.model)


def test_a_checkpoint_of_another_run_is_refused(digits, tmp_path):
    model = learned(digits)
    model.save(tmp_path / "kept", done=7)
    again = PredictiveColumns(SMALL, 64, 2, seed=3)
    assert again.load(tmp_path / "kept") == 7
    assert same(model, again)
    assert again.shown == model.shown
    with pytest.raises(nr.DescriptionError, match="columns of another run"):
        PredictiveColumns(SMALL, 64, 2, seed=4).load(tmp_path / "kept")


# --- costs -------------------------------------------------------------------------------------


def test_memory_formula():
    assert predictive_formula(196, 20, 10) == 334_888
    assert predictive_formula(196, 20, 10, integer_weights=True) == 99_688
    overhead = predictive_formula(196, 20, 10) - 10 * (2 * 196 * 20 + 20 + 1) * 4
    assert overhead == 20_448


def test_memory_is_that_of_the_arrays():
    settings = PredictiveSettings()
    found = learning_memory(settings, 196, 10)
    assert found["weights"] == 4 * 10 * (2 * 196 * 20 + 20)
    assert found["traces"] == 4 * (10 * 196 + 10 * 20 + 196)
    assert found["total"] == sum(v for k, v in found.items() if k != "total")
    assert learning_memory(settings, 196, 20)["weights"] == 2 * found["weights"]
    small = learning_memory(replace(settings, integer_weights=True), 196, 10)
    assert found["weights"] - small["weights"] == 3 * 10 * 2 * 196 * 20


def test_measures(digits):
    images, _ = digits
    learner = PredictiveLearner(SMALL, 64, 2, seed=3)
    learner.model = learned(digits)
    learner.predict(images[:8])
    found = learner.measures()
    columns = found["columns"]
    assert columns == len(learner.model.pool.used)
    rates = SMALL.encoding.rates(images[:8])
    assert found["area_spikes"]["A0"] == pytest.approx(16 * rates.sum() / 8, rel=0.05)
    assert found["error_events_per_sample"] == 16 * 64 * columns
    spikes = found["area_spikes"]
    assert found["spikes_per_sample"] == spikes["A0"] + spikes["A1"]
    assert found["synaptic_operations_per_sample"] == pytest.approx(
        spikes["A0"] * columns + spikes["A1"] * 64 + 16 * 64 * columns * 4 + 16 * columns * 4
    )


def test_settings_that_ship():
    with pytest.raises(nr.DescriptionError, match="no regulariser 'ewc'; it has none, isi-cv, un"):
        predictive_settings("mnist", regulariser="ewc")
    assert predictive_settings("mnist", regulariser="shuffled").regulariser == "shuffled"
    assert predictive_settings("mnist", regulariser="shuffled", joint=True).regulariser == "none"
    assert predictive_settings("digits").latents == 12
    assert predictive_settings("features").norm == 5


def test_images_that_do_not_fit(digits):
    images, labels = digits
    with pytest.raises(nr.DescriptionError, match=r"expected \[n, 64\] and \[n\]"):
        PredictiveColumns(SMALL, 64, 2).learn(images, labels[:3])


def test_blank_weights_have_shapes():
    w = ColumnWeights(np.zeros((2, 3, 4)), np.zeros((2, 4, 3)), np.zeros((2, 3)))
    assert (w.columns, (w - w).columns, w[:1].columns) == (2, 2, 1)


def test_labels_that_are_no_class(digits):
    images, labels = digits
    with pytest.raises(nr.DescriptionError, match="label 7 is no class; expected 0 to 1, or -1"):
        PredictiveColumns(SMALL, 64, 2).learn(images, np.where(labels == 1, 7, labels))


def test_batches_grow_as_learning_rates_fall():
    settings = predictive_settings("mnist")
    assert [settings.batch(n) for n in (0, 150, 750, 10**6)] == [10, 20, 40, 40]
    assert replace(settings, batch_size=1, batch_limit=1).batch(10**6) == 1
    jointly = predictive_settings("mnist", joint=True)
    assert (jointly.batch(0), jointly.batch(10**6)) == (50, 100)
    # Tasks that look different recruit fresh columns for classes that have learned much.
    domain = predictive_settings("mnist", domain=True)
    assert domain.batch(0) == domain.batch(10**6) == 25

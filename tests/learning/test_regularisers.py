"""EWC, SI and LwF against closed forms and finite differences."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from neuro.errors import DescriptionError
from neuro.learning.ewc import ElasticWeights, diagonal_fisher
from neuro.learning.feedforward import Pass, forward, softmax_within
from neuro.learning.lwf import LearningWithoutForgetting, distillation
from neuro.learning.regulariser import Learned, Regulariser, Tether
from neuro.learning.synaptic_intelligence import SynapticIntelligence
from neuro.models.feedforward import FeedForward

NONE: frozenset[int] = frozenset()


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


def learned(weights: list[torch.Tensor], images: torch.Tensor, **more: object) -> Learned:
    def look(x: torch.Tensor) -> Pass:
        return forward(x, weights, [1.0] * (len(weights) - 1))

    return Learned(weights, images, more.get("allowed"), look, np.random.default_rng(0))


# --- elastic weight consolidation ------------------------------------------------------------


@pytest.mark.parametrize("allowed", [None, [[True, True, False, True]] * 7])
def test_fisher_of_a_softmax_linear_model_is_its_closed_form(
    allowed: list[list[bool]] | None,
) -> None:
    # For p = softmax(x W): F of W[i, j] is the sum over images of x_i^2 p_j (1 - p_j).
    x, w = draw(7, 3), draw(3, 4, seed=1).requires_grad_()
    mask = None if allowed is None else torch.tensor(allowed)
    p = softmax_within((x @ w).detach(), mask)
    (found,) = diagonal_fisher(Pass([x], [x @ w]), mask)
    np.testing.assert_allclose(found, x.square().T @ (p * (1 - p)), rtol=1e-12, atol=1e-15)


def test_fisher_of_a_deep_network_is_the_sum_over_images_and_classes() -> None:
    weights = [draw(*s, seed=i).requires_grad_() for i, s in enumerate(pairwise((3, 6, 5, 4)))]
    x = draw(5, 3, seed=9)
    expected = [torch.zeros_like(w) for w in weights]
    for row in x:
        logp = forward(row[None], weights, [0.75, 0.75]).currents[-1].log_softmax(-1)[0]
        for k in range(4):
            grads = torch.autograd.grad(logp[k], weights, retain_graph=True)
            for into, g in zip(expected, grads, strict=True):
                into += logp[k].exp().detach() * g.square()
    found = diagonal_fisher(forward(x, weights, [0.75, 0.75]))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-10, atol=1e-15)
        assert theirs.abs().max() > 0.01


def test_ewc_pulls_towards_the_weights_at_the_beginning_with_the_fisher_of_all_tasks() -> None:
    x = draw(600, 3, seed=2)
    w1, w2, w3 = (draw(3, 4, seed=i).requires_grad_() for i in (3, 4, 5))
    guard = ElasticWeights(strength=6.0, fisher_images=10_000)
    guard.begin([w1], NONE)
    assert guard.tethers() == []
    guard.finish(learned([w1], x))
    guard.begin([w2], NONE)  # between tasks the weights may move: sleep
    guard.finish(learned([w2], x))
    guard.begin([w3], NONE)
    p1, p2 = ((x @ w).detach().softmax(-1) for w in (w1, w2))
    fisher = (x.square().T @ (p1 * (1 - p1) + p2 * (1 - p2))) / len(x)
    (tether,) = guard.tethers()
    np.testing.assert_allclose(tether.stiffness, 6.0 * fisher, rtol=1e-12)
    assert np.array_equal(tether.anchor, w3.detach())


def test_a_tether_is_pulled_implicitly() -> None:
    # The implicit step solves w' = w - rate * k * (w' - anchor).
    k, anchor, start = draw(2, 3).abs() * 10.0 ** draw(2, 3, seed=1), draw(2, 3, seed=2), draw(2, 3)
    w = start.clone()
    Tether(k, anchor).pull(w, 0.3)
    np.testing.assert_allclose(w, start - 0.3 * k * (w - anchor), rtol=1e-9, atol=1e-12)


def test_descent_with_a_tether_ends_where_the_whole_loss_is_least() -> None:
    # One image, one class: the loss of output weights alone is ((c - h w)+ ...)^2 / 2, a line.
    model = FeedForward((1, 1, 2), seed=0)
    model.load_weights([[[1.0]], [[0.5, 0.5]]])

    class Held(Regulariser):
        def tethers(self) -> list[Tether]:
            free = torch.zeros(1, 1), torch.ones(1, 1)
            return [Tether(*free), Tether(torch.tensor([[3.0, 3e6]]), torch.tensor([[0.2, 0.7]]))]

    model.fit(np.ones((1, 1)), np.array([1]), learning_rates=(0.0, 0.1), epochs=400, momentum=0.5,
              stream=np.random.default_rng(0), regulariser=Held())  # fmt: skip
    # d/dw of (w - y)^2 / 2 + k (w - anchor)^2 / 2 vanishes at (y + k * anchor) / (1 + k).
    expected = [[3 * 0.2 / 4, (1 + 3e6 * 0.7) / (1 + 3e6)]]
    np.testing.assert_allclose(model.get_weights()[1], expected, rtol=1e-5)
    assert model.get_weights()[0] == [[1.0]]


def test_ewc_draws_as_many_images_as_it_is_told() -> None:
    x = torch.eye(6, dtype=torch.float64)
    w = torch.zeros(6, 2, dtype=torch.float64, requires_grad=True)
    guard = ElasticWeights(1.0, fisher_images=2)
    guard.finish(learned([w], x))
    rows = (guard.fisher[0] > 0).all(1)
    assert int(rows.sum()) == 2
    np.testing.assert_allclose(guard.fisher[0][rows], 0.25 / 2)


# --- synaptic intelligence -------------------------------------------------------------------


def descend(
    guard: SynapticIntelligence, a: torch.Tensor, w: torch.Tensor, rate: float, n: int
) -> torch.Tensor:
    """Gradient descent on w.A.w / 2 (w a row vector), telling the guard of every step."""
    guard.begin([w], NONE)
    for _ in range(n):
        g = w @ a
        new = w - rate * g
        guard.stepped([g], [w], [new])
        w = new
    return w


def test_si_path_integral_on_a_quadratic_loss() -> None:
    curvature = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)
    start = torch.tensor([[2.0, -1.0, 0.3]], dtype=torch.float64)
    guard = SynapticIntelligence(1.0)
    rate, n = 0.01, 150
    end = descend(guard, torch.diag(curvature), start, rate, n)
    # Exactly: theta_t = q^t theta_0 with q = 1 - rate * a, a geometric sum.
    q = 1 - rate * curvature
    exact = rate * curvature**2 * start**2 * (1 - q ** (2 * n)) / (1 - q**2)
    np.testing.assert_allclose(guard.path[0], exact, rtol=1e-12)
    # In the limit of small steps: what each weight took off the loss.
    drop = 0.5 * curvature * (start**2 - end**2)
    np.testing.assert_allclose(guard.path[0], drop, rtol=0.02)


def test_si_contributions_add_up_to_the_fall_of_the_loss() -> None:
    b = draw(4, 4, seed=3)
    a = b @ b.T / 4 + torch.eye(4, dtype=torch.float64)
    start = draw(1, 4, seed=4)
    guard = SynapticIntelligence(1.0)
    end = descend(guard, a, start, 1e-3, 700)
    loss = [float(0.5 * w @ a @ w.T) for w in (start, end)]
    assert float(guard.path[0].sum()) == pytest.approx(loss[0] - loss[1], rel=5e-3)
    assert loss[0] - loss[1] > 0.5


def test_si_importance_and_its_term() -> None:
    guard = SynapticIntelligence(strength=3.0, damping=0.5)
    start = torch.zeros(1, 3, dtype=torch.float64)
    end = torch.tensor([[1.0, 2.0, 1.0]], dtype=torch.float64)
    guard.begin([start], NONE)
    assert guard.tethers() == []
    guard.stepped([torch.tensor([[-2.0, 1.0, 0.0]], dtype=torch.float64)], [start], [end])
    guard.finish(learned([end], start))
    # omega = (2, -2, 0); the negative one counts as 0; damped by the squared way plus 0.5.
    np.testing.assert_allclose(guard.importance[0], [[2 / 1.5, 0.0, 0.0]])
    slept = end + 10.0
    guard.begin([slept], NONE)
    assert not guard.path[0].any()
    (tether,) = guard.tethers()  # c * Omega * d^2 is k * d^2 / 2 with k = 2 * c * Omega
    np.testing.assert_allclose(tether.stiffness, [[2 * 3 * 2 / 1.5, 0, 0]])
    assert np.array_equal(tether.anchor, slept)
    guard.finish(learned([slept], start))
    np.testing.assert_allclose(guard.importance[0], [[2 / 1.5, 0.0, 0.0]])  # it adds up


def test_si_is_told_the_gradient_of_the_tasks_own_loss() -> None:
    # Two steps of the network by hand: the penalty moves weights, but is no work for the task.
    class Watch(SynapticIntelligence):
        def stepped(self, gradients, before, after):
            seen.append((gradients[0].clone(), before[0].clone(), after[0].clone()))
            super().stepped(gradients, before, after)

    seen: list[tuple[torch.Tensor, ...]] = []
    images = np.random.default_rng(0).random((4, 3), np.float32)
    labels = np.array([0, 1, 1, 0])
    guard = Watch(strength=2.0)
    model = FeedForward((3, 5, 2), loss="cross-entropy", seed=1)

    def fit() -> None:
        model.fit(images, labels, learning_rates=(0.5, 0.5), epochs=2, batch_size=4,
                  stream=np.random.default_rng(0), regulariser=guard)  # fmt: skip

    fit()
    for gradient, before, after in seen:
        np.testing.assert_allclose(after - before, -0.5 * gradient, atol=1e-7)
    guard.importance = [torch.full_like(w, 0.1) for w in model.weights]
    seen.clear()
    fit()
    anchor = seen[0][1]
    for gradient, before, after in seen:
        pull = 2 * 2.0 * 0.1 * (after - anchor)
        np.testing.assert_allclose(after - before, -0.5 * (gradient + pull), atol=1e-6)
    assert pull.abs().max() > 1e-3


# --- learning without forgetting -------------------------------------------------------------


def test_lwf_gradient_by_finite_differences() -> None:
    x = draw(6, 3)
    now = [draw(3, 7, seed=1), draw(7, 5, seed=2)]
    then = [draw(3, 7, seed=3), draw(7, 5, seed=4)]
    guard = LearningWithoutForgetting(1.5, temperature=2.0, keep=0.8)
    guard.begin(then, frozenset({0, 3}))
    guard.begin(then, frozenset({1, 2}))  # the task being learned: {1, 2}; known: {0, 3}

    def term(weights: list[torch.Tensor]) -> torch.Tensor:
        found = guard.loss(weights, x, forward(x, weights, [0.8]).currents[-1])
        assert found is not None
        return found

    free = [w.clone().requires_grad_() for w in now]
    grads = torch.autograd.grad(term(free), free)
    for layer in (0, 1):
        for index in ((0, 0), (2, 3), (1, 4)):
            values = []
            for shift in (1e-6, -1e-6):
                moved = [w.clone() for w in now]
                moved[layer][index] += shift
                values.append(term(moved).item())
            assert float(grads[layer][index]) == pytest.approx(
                (values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8
            )
    assert not grads[1][:, [1, 2, 4]].any()  # only known classes are held
    assert grads[1][:, [0, 3]].any()


def test_distillation_golden() -> None:
    # T = 2: q = softmax([ln 3, 0]) = (3/4, 1/4), p = (1/2, 1/2); -sum q ln p = ln 2, times T^2.
    old = torch.tensor([[2 * np.log(3.0), 0.0, 50.0]])
    new = torch.tensor([[1.0, 1.0, -50.0]], requires_grad=True)
    term = distillation(new, old, [[0, 1]], 2.0)
    assert term.item() == pytest.approx(4 * np.log(2))
    # Its gradient is T (p - q).
    np.testing.assert_allclose(torch.autograd.grad(term, [new])[0], [[-0.5, 0.5, 0.0]], atol=1e-6)


def test_lwf_heads() -> None:
    w = [draw(2, 6)]
    one = LearningWithoutForgetting(1.0)
    many = LearningWithoutForgetting(1.0, heads=[(0, 1), (2, 3), (4, 5)])
    for guard in (one, many):
        guard.begin(w, frozenset({0, 1}))
        assert guard.old_heads() == []
        assert guard.loss(w, draw(1, 2), draw(1, 6)) is None
        guard.begin(w, frozenset({2, 3}))
        assert guard.old_heads() == [[0, 1]]
        guard.begin(w, frozenset({4, 5, 0}))  # with a rehearsed class
    assert one.old_heads() == [[0, 1, 2, 3]]
    assert many.old_heads() == [[0, 1], [2, 3]]
    # Each head is a softmax of its own: moving a head as a whole changes nothing.
    new, old = draw(4, 6, seed=1), draw(4, 6, seed=2)
    moved = new + torch.tensor([5.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    apart = [float(distillation(u, old, many.old_heads(), 2.0)) for u in (new, moved)]
    assert apart[0] == pytest.approx(apart[1])
    shared = [float(distillation(u, old, one.old_heads(), 2.0)) for u in (new, moved)]
    assert abs(shared[0] - shared[1]) > 0.1


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ElasticWeights(-1.0), "strength of ewc is -1.0"),
        (lambda: ElasticWeights(1.0, 0), "fisher_images of ewc is 0"),
        (lambda: SynapticIntelligence(float("nan")), "strength of si is nan"),
        (lambda: SynapticIntelligence(1.0, 0.0), "damping of si is 0.0"),
        (lambda: LearningWithoutForgetting(1.0, 0.0), "temperature of lwf is 0.0"),
    ],
)
def test_settings_out_of_range(make, message: str) -> None:
    with pytest.raises(DescriptionError, match=message):
        make()


@pytest.mark.parametrize("guard", [ElasticWeights(1.0), LearningWithoutForgetting(1.0)])
def test_what_needs_probabilities_says_so(guard: ElasticWeights) -> None:
    model = FeedForward((2, 3, 2), loss="mse")
    with pytest.raises(DescriptionError, match="needs loss cross-entropy, the network has 'mse'"):
        model.fit([[0.0, 1.0]], [1], learning_rates=(0.1, 0.1), epochs=1,
                  stream=np.random.default_rng(0), regulariser=guard)  # fmt: skip

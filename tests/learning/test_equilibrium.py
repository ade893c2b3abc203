"""Equilibrium propagation against the equations, against finite differences, against BPTT."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from neuro.errors import DescriptionError
from neuro.learning import bptt
from neuro.learning.activations import ACTIVATIONS, activation
from neuro.learning.equilibrium import (
    DYNAMICS,
    ESTIMATORS,
    LOSSES,
    EquilibriumSettings,
    Workspace,
    add_gradients,
    ep_gradients,
    free_states,
)

NETS = {1: (5, 4, 3), 2: (5, 4, 4, 3), 3: (5, 4, 3, 4, 3)}
BATCH = 4

# --- the oracle: the equations of the specification, one loop a sum, NumPy, no buffers ---------

RHO = {
    "hard_sigmoid": lambda u: np.clip(u, 0, 1),
    "steep_sigmoid": lambda u: 1 / (1 + np.exp(-4 * (u - 0.5))),
    "wide_hard_sigmoid": lambda u: np.clip(u / 2, 0, 1),
    "tanh": np.tanh,
}
SLOPE = {
    "hard_sigmoid": lambda s: np.ones_like(s),
    "steep_sigmoid": lambda s: 4 * RHO["steep_sigmoid"](s) * (1 - RHO["steep_sigmoid"](s)),
    "wide_hard_sigmoid": lambda s: np.full_like(s, 0.5),
    "tanh": lambda s: 1 - np.tanh(s) ** 2,
}


def softmax(s):
    e = np.exp(s - s.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def oracle_step(x, states, weights, biases, st, y=None, beta=0.0):
    """All layers at once from the old states."""
    rho, slope = RHO[st.activation], SLOPE[st.activation]
    energy, linear = st.dynamics == "energy", st.loss == "cross-entropy"
    last = len(states) - 1
    seen = [rho(s) if energy and i < last else s for i, s in enumerate(states)]
    below = [x, *seen]
    new = []
    for i, s in enumerate(states):
        u = below[i] @ weights[i] + (biases[i] if biases else 0)
        if i < last:
            u = u + seen[i + 1] @ weights[i + 1].T
        pull = 0.0
        if i == last and y is not None:
            pull = beta * (y - (softmax(s) if linear else s))
        flat = i == last and linear
        if st.dynamics == "prototypical":
            new.append(u + pull if flat else rho(u + pull))
        elif st.dynamics == "leaky":
            new.append(s + st.step_size * (-s + (u if flat else rho(u)) + pull))
        else:
            force = u + pull if i == last else slope(s) * u
            moved = s + st.step_size * (-s + force)
            new.append(moved if flat else np.clip(moved, 0, 1))
    return new


def oracle_relax(x, states, steps, *args, **kwargs):
    for _ in range(steps):
        old, states = states, oracle_step(x, states, *args, **kwargs)
        if all(np.abs(a - b).max() < 1e-16 for a, b in zip(old, states, strict=True)):
            break  # settled: further steps change nothing
    return states


def oracle_free(x, weights, biases, st):
    zero = [np.zeros((len(x), w.shape[1])) for w in weights]
    return oracle_relax(x, zero, st.free_steps, weights, biases, st)


def oracle_gradients(x, y, weights, biases, st, sign=1):
    free = oracle_free(x, weights, biases, st)

    def nudged(beta):
        return oracle_relax(x, free, st.nudged_steps, weights, biases, st, y, beta)

    if st.estimator == "symmetric":
        plus, minus, distance = nudged(st.beta), nudged(-st.beta), 2 * st.beta
    else:
        beta = st.beta * (sign if st.estimator == "random-sign" else 1)
        plus, minus, distance = nudged(beta), free, beta
    if st.dynamics == "energy":
        rho = RHO[st.activation]
        plus = [*(rho(s) for s in plus[:-1]), plus[-1]]
        minus = [*(rho(s) for s in minus[:-1]), minus[-1]]
    grad_w, grad_b = [], []
    for i in range(len(weights)):
        pre_plus, pre_minus = ([x, *plus][i], [x, *minus][i])
        outer = pre_plus.T @ plus[i] - pre_minus.T @ minus[i]
        grad_w.append(-outer / (distance * len(x)))
        grad_b.append(-(plus[i] - minus[i]).sum(0) / (distance * len(x)))
    return grad_w, grad_b if biases else []


# --- problems ----------------------------------------------------------------------------------


def problem(hidden=1, *, bias=True, seed=0, scale=0.6):
    """A small network whose outputs lie inside (0, 1), so that no corner of a clamp is near."""
    rng = np.random.default_rng([seed, hidden])
    sizes = NETS[hidden]
    weights = [rng.uniform(-1, 1, s) * scale * s[0] ** -0.5 for s in itertools.pairwise(sizes)]
    biases = [rng.uniform(0.35, 0.6, n) for n in sizes[1:]] if bias else []
    x = rng.random((BATCH, sizes[0]))
    y = np.eye(sizes[-1])[rng.integers(0, sizes[-1], BATCH)]
    return x, y, weights, biases


def torched(x, y, weights, biases, dtype=torch.float64):
    def make(a):
        return torch.tensor(a, dtype=dtype)

    return make(x), make(y), [make(w) for w in weights], [make(b) for b in biases]


def numpied(gradients):
    return [g.numpy() for part in gradients for g in part]


def together(gradients):
    return np.concatenate([np.ravel(g) for g in gradients])


def cosine(a, b):
    return a @ b / np.sqrt((a @ a) * (b @ b))


# --- the equations -----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", NETS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_phases_follow_the_equations_step_by_step(dynamics, name, loss, hidden):
    """Few steps, so that an update from new instead of old states cannot hide in convergence."""
    data = problem(hidden, scale=1.5)
    x, y, weights, biases = torched(*data)
    for steps, estimator in itertools.product((1, 2, 5), ESTIMATORS):
        st = EquilibriumSettings(
            dynamics=dynamics,
            activation=name,
            loss=loss,
            step_size=0.3,
            free_steps=steps,
            nudged_steps=steps + 1,
            beta=0.4,
            estimator=estimator,
        )
        work = Workspace(NETS[hidden], st, dtype=torch.float64)
        found = free_states(x, weights, biases, st, work)
        for a, b in zip(found, oracle_free(data[0], *data[2:], st), strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=1e-14)
        for sign in (1, -1):
            found = ep_gradients(x, y, weights, biases, st, work=work, sign=sign)
            expected = oracle_gradients(*data, st, sign)
            for a, b in zip(numpied(found), [*expected[0], *expected[1]], strict=True):
                np.testing.assert_allclose(a, b, rtol=0, atol=2e-14)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_without_biases(dynamics):
    data = problem(2, bias=False, scale=1.5)
    st = EquilibriumSettings(dynamics=dynamics, activation="steep_sigmoid", free_steps=4)
    found, no_biases = ep_gradients(*torched(*data), st)
    expected, _ = oracle_gradients(*data, st)
    assert no_biases == []
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=1e-14)


@pytest.mark.parametrize("hidden", NETS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_the_differentiable_step_follows_the_equations(dynamics, hidden):
    data = problem(hidden, scale=1.5)
    for name, loss in itertools.product(ACTIVATIONS, LOSSES):
        st = EquilibriumSettings(dynamics=dynamics, activation=name, loss=loss, step_size=0.3)
        x, y, weights, biases = torched(*data)
        rng = np.random.default_rng(5)
        states = [rng.random((BATCH, n)) for n in NETS[hidden][1:]]
        driven = bptt.drive(x, weights, biases)
        old = [torch.tensor(s) for s in states]
        found = bptt.step(old, driven, weights, biases, st, y, 0.3)
        expected = oracle_step(data[0], states, data[2], data[3], st, data[1], 0.3)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.numpy(), b, rtol=0, atol=1e-14)


# --- the gradient ------------------------------------------------------------------------------


def effective_loss(outputs, y, st):
    """The loss that the rule descends, per example: its derivative is the nudge without beta."""
    if st.loss == "cross-entropy":
        return -(y * np.log(softmax(outputs))).sum(1)
    if st.dynamics == "leaky" and st.activation == "steep_sigmoid":
        return -(y * np.log(outputs) + (1 - y) * np.log(1 - outputs)).sum(1) / 4
    if st.dynamics == "leaky" and st.activation == "wide_hard_sigmoid":
        return ((outputs - y) ** 2).sum(1)
    if st.dynamics == "leaky" and st.activation == "tanh":
        return (-0.5 * np.log(1 - outputs**2) - y * np.arctanh(outputs)).sum(1)
    return 0.5 * ((outputs - y) ** 2).sum(1)


def finite_differences(x, y, weights, biases, st, h=1e-5):
    """Central differences of the mean loss at the free fixed point, every parameter."""
    gradients = []
    for parameter in [*weights, *biases]:
        gradient = np.zeros_like(parameter)
        for index in np.ndindex(parameter.shape):
            kept = parameter[index]
            losses = []
            for shift in (h, -h):
                parameter[index] = kept + shift
                outputs = oracle_free(x, weights, biases, st)[-1]
                losses.append(effective_loss(outputs, y, st).mean())
            parameter[index] = kept
            gradient[index] = (losses[0] - losses[1]) / (2 * h)
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("hidden", NETS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["hard_sigmoid", "steep_sigmoid"])
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_gradient_is_that_of_the_free_fixed_point(dynamics, name, loss, hidden):
    data = problem(hidden, scale=0.5)
    settled = EquilibriumSettings(
        dynamics=dynamics,
        activation=name,
        loss=loss,
        step_size=0.7,
        free_steps=150,
        nudged_steps=150,
        beta=1e-4,
    )
    exact = together(finite_differences(*data, settled))
    assert np.abs(exact).max() > 1e-2
    # The error is of order beta for one nudge and of order beta squared for two.
    for estimator, tolerance in (("symmetric", 1e-5), ("one-sided", 3e-3), ("random-sign", 3e-3)):
        st = settled.with_(estimator=estimator)
        for sign in (1, -1):
            found = together(numpied(ep_gradients(*torched(*data), st, sign=sign)))
            error = np.linalg.norm(found - exact) / np.linalg.norm(exact)
            assert error < tolerance, (estimator, sign)


@pytest.mark.parametrize("hidden", NETS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_gradient_equals_truncated_bptt_after_each_number_of_steps(dynamics, name, loss, hidden):
    """Ernoult et al. 2019: from a settled state, k nudged steps equal k steps back in time."""
    data = torched(*problem(hidden, scale=0.5))
    for nudged in (1, 3, 8):
        st = EquilibriumSettings(
            dynamics=dynamics,
            activation=name,
            loss=loss,
            free_steps=120,
            nudged_steps=nudged,
            beta=1e-4,
        )
        found = together(numpied(ep_gradients(*data, st)))
        expected = together(numpied(bptt.truncated_gradients(*data, st, matched=True)))
        assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected), nudged


def test_bptt_of_settled_network_is_the_gradient_of_its_loss():
    data = problem(2, scale=0.5)
    for dynamics, loss in itertools.product(DYNAMICS, LOSSES):
        st = EquilibriumSettings(
            dynamics=dynamics, activation="hard_sigmoid", loss=loss, free_steps=200,
            nudged_steps=100,
        )  # fmt: skip
        found = together(numpied(bptt.truncated_gradients(*torched(*data), st)))
        exact = together(finite_differences(*data, st))
        np.testing.assert_allclose(found, exact, rtol=0, atol=1e-8)


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_bptt_through_the_whole_free_phase_is_exact_before_it_settles(dynamics):
    """Five steps, all with a graph: the derivative of the loss after exactly five steps."""
    data = problem(2, scale=1.0)
    st = EquilibriumSettings(
        dynamics=dynamics, activation="hard_sigmoid", free_steps=5, nudged_steps=5
    )
    found = together(numpied(bptt.truncated_gradients(*torched(*data), st)))
    np.testing.assert_allclose(found, together(finite_differences(*data, st)), rtol=0, atol=1e-8)


def test_bptt_refuses_more_steps_back_than_forward():
    st = EquilibriumSettings(free_steps=3, nudged_steps=4)
    with pytest.raises(DescriptionError, match="nudged_steps 4 exceeds free_steps 3"):
        bptt.truncated_gradients(*torched(*problem()), st)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_one_step_of_descent_lowers_the_loss(dynamics, estimator):
    data = problem(2)
    st = EquilibriumSettings(
        dynamics=dynamics, estimator=estimator, beta=0.1, free_steps=60, nudged_steps=30
    )
    x, y, weights, biases = torched(*data)
    work = Workspace(NETS[2], st, dtype=torch.float64)

    def loss():
        outputs = free_states(x, weights, biases, st, work)[-1].numpy()
        return effective_loss(outputs, data[1], st).mean()

    before = loss()
    add_gradients(
        weights, biases, x, y, weights, biases, st, work, keep=1.0, scales=[-0.05] * 3, sign=-1
    )
    assert loss() < before - 1e-4


def test_matched_loss_has_the_derivative_of_the_nudge():
    """dL/ds = (s - y) / rho'(u) for the leaky form; checked by differences in s."""
    s = np.linspace(0.1, 0.7, 7)[:, None]
    y = np.full_like(s, 0.3)
    for name in ACTIVATIONS:
        st = EquilibriumSettings(dynamics="leaky", activation=name)

        def loss(v, st=st):
            return bptt.matched_loss(torch.tensor(v), torch.tensor(y), st).numpy()

        slope = (loss(s + 1e-6) - loss(s - 1e-6)) / 2e-6
        inverse = {
            "hard_sigmoid": s,
            "wide_hard_sigmoid": 2 * s,
            "steep_sigmoid": np.log(s / (1 - s)) / 4 + 0.5,
            "tanh": np.arctanh(s),
        }[name]
        rho = activation(name)
        rise = (rho(torch.tensor(inverse + 1e-6)) - rho(torch.tensor(inverse - 1e-6))) / 2e-6
        np.testing.assert_allclose(slope, ((s - y) / rise.numpy())[:, 0], rtol=1e-6, atol=1e-8)


# --- buffers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", DYNAMICS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_buffers_carry_nothing_from_batch_to_batch(dynamics, estimator):
    st = EquilibriumSettings(
        dynamics=dynamics,
        activation="tanh",
        estimator=estimator,
        free_steps=5,
        nudged_steps=3,
    )
    x, y, weights, biases = torched(*problem(2))
    work = Workspace(NETS[2], st, dtype=torch.float64)
    fresh = {
        n: numpied(ep_gradients(x[:n], y[:n], weights, biases, st)) for n in range(1, BATCH + 1)
    }
    for n in (2, 4, 1, 4, 3, 2, 4):
        found = numpied(ep_gradients(x[:n], y[:n], weights, biases, st, work=work))
        for a, b in zip(found, fresh[n], strict=True):
            np.testing.assert_array_equal(a, b)
        free_states(torch.full_like(x, 7.0), weights, biases, st, work)


def test_smaller_batches_use_the_memory_of_the_full_one():
    st = EquilibriumSettings(dynamics="energy", activation="tanh")
    x, y, weights, biases = torched(*problem(2))
    work = Workspace(NETS[2], st, dtype=torch.float64)
    ep_gradients(x, y, weights, biases, st, work=work)
    held = {name: t.data_ptr() for name, t in work.memory._flat.items()}
    for n in (1, 2, 3, 4) * 3:
        ep_gradients(x[:n], y[:n], weights, biases, st, work=work)
    assert {name: t.data_ptr() for name, t in work.memory._flat.items()} == held
    for phase in work._phases.values():
        storage = phase.state.flat.untyped_storage().data_ptr()
        assert storage in held.values()


def test_layouts_do_not_pile_up():
    st = EquilibriumSettings(free_steps=1, nudged_steps=1)
    weights = torched(*problem())[2]
    work = Workspace(NETS[1], st, dtype=torch.float64)
    for n in range(40, 0, -1):  # growing memory would start over by itself
        free_states(torch.zeros(n, 5, dtype=torch.float64), weights, [], st, work)
    assert len(work._phases) <= Workspace.LAYOUTS


@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_add_gradients_keeps_and_scales(keep):
    st = EquilibriumSettings(activation="steep_sigmoid")
    x, y, weights, biases = torched(*problem(2))
    grad_w, grad_b = ep_gradients(x, y, weights, biases, st)
    into_w = [torch.ones_like(w) for w in weights]
    into_b = [torch.ones_like(b) for b in biases]
    work = Workspace(NETS[2], st, dtype=torch.float64)
    scales = [2.0, -3.0, 0.5]
    add_gradients(into_w, into_b, x, y, weights, biases, st, work, keep=keep, scales=scales)
    for into, gradients in ((into_w, grad_w), (into_b, grad_b)):
        for a, g, scale in zip(into, gradients, scales, strict=True):
            np.testing.assert_allclose(a.numpy(), keep + scale * g.numpy(), rtol=0, atol=1e-14)


def test_gradient_buffers_may_hold_anything_when_nothing_is_kept():
    st = EquilibriumSettings()
    x, y, weights, biases = torched(*problem())
    into_w = [torch.full_like(w, torch.nan) for w in weights]
    into_b = [torch.full_like(b, torch.nan) for b in biases]
    add_gradients(
        into_w, into_b, x, y, weights, biases, st, Workspace(NETS[1], st, dtype=torch.float64)
    )
    assert all(bool(torch.isfinite(t).all()) for t in [*into_w, *into_b])


# --- kinds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_single_precision_agrees_with_double(dynamics):
    """Also at a small beta, where subtracting two outer products would leave only noise."""
    data = problem(2)
    st = EquilibriumSettings(dynamics=dynamics, activation="steep_sigmoid", beta=0.01)
    wide = together(numpied(ep_gradients(*torched(*data), st)))
    narrow = together(numpied(ep_gradients(*torched(*data, dtype=torch.float32), st)))
    assert narrow.dtype == np.float32
    assert np.linalg.norm(narrow - wide) < 1e-4 * np.linalg.norm(wide)


def test_no_graph_is_built():
    st = EquilibriumSettings()
    x, y, weights, biases = torched(*problem())
    for t in [x, *weights, *biases]:
        t.requires_grad_()
    work = Workspace(NETS[1], st, dtype=torch.float64)
    with torch.enable_grad():
        states = free_states(x, weights, biases, st, work)
        gradients = ep_gradients(x, y, weights, biases, st, work=work)
    assert not any(t.requires_grad for t in [*states, *gradients[0], *gradients[1]])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dynamics", DYNAMICS)
def test_cuda_agrees_with_the_cpu(dynamics):
    data = torched(*problem(2))
    st = EquilibriumSettings(dynamics=dynamics, activation="steep_sigmoid")
    on_gpu = [t.cuda() if isinstance(t, torch.Tensor) else [v.cuda() for v in t] for t in data]
    found = ep_gradients(*on_gpu, st)
    for a, b in zip([*found[0], *found[1]], numpied(ep_gradients(*data, st)), strict=True):
        np.testing.assert_allclose(a.cpu().numpy(), b, rtol=0, atol=1e-12)


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dynamics": "hopfield"}, "dynamics: 'hopfield'.*prototypical, energy, leaky"),
        ({"loss": "l1"}, "loss: 'l1'.*mse, cross-entropy"),
        ({"estimator": "two"}, "estimator: 'two'.*symmetric, one-sided, random-sign"),
        ({"activation": "relu"}, "activation: 'relu'.*hard_sigmoid.*mysig"),
        ({"step_size": 0.0}, "step_size: 0.0"),
        ({"step_size": 1.5}, "step_size: 1.5"),
        ({"step_size": float("nan")}, "step_size: nan"),
        ({"free_steps": 0}, "free_steps: 0"),
        ({"nudged_steps": 2.5}, "nudged_steps: 2.5"),
        ({"beta": 0.0}, "beta: 0.0"),
        ({"beta": -0.1}, "beta: -0.1"),
        ({"beta": float("nan")}, "beta: nan"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, message):
    with pytest.raises(DescriptionError, match=message):
        EquilibriumSettings(**wrong)


def test_names_of_the_literature_are_accepted():
    assert EquilibriumSettings(activation="mysig").activation == "steep_sigmoid"
    assert EquilibriumSettings(activation="my_hard_sig").activation == "wide_hard_sigmoid"
    assert EquilibriumSettings(activation="mysig") == EquilibriumSettings(
        activation="steep_sigmoid"
    )


def test_activations_have_their_published_values():
    u = torch.tensor([-0.5, 0.0, 0.25, 0.5, 1.5, 3.0], dtype=torch.float64)
    for name, rho in RHO.items():
        np.testing.assert_allclose(activation(name)(u).numpy(), rho(u.numpy()), atol=1e-15)
    assert float(activation("mysig")(torch.tensor(0.5))) == 0.5
    assert activation("my_hard_sig")(torch.tensor([1.0, 3.0])).tolist() == [0.5, 1.0]


# --- the benchmark's peer ----------------------------------------------------------------------


def test_benchmark_peer_has_the_same_gradient():
    from neuro.benchmarks.equilibrium import SETTINGS, PrimitiveFunctionEP

    data = problem(2, bias=False, scale=1.5)
    x, y, weights, _ = torched(*data)
    peer = PrimitiveFunctionEP(weights, SETTINGS)
    peer.backward(x, y)
    found, _ = ep_gradients(x, y, weights, [], SETTINGS)
    for layer, g in zip(peer.synapses, found, strict=True):
        np.testing.assert_allclose(layer.weight.grad.numpy().T, g.numpy(), rtol=0, atol=1e-12)


def test_benchmark_reports_what_it_measured():
    from neuro.benchmarks.equilibrium import case

    threads = torch.get_num_threads()
    result = case(repeats=1, batches=1)
    assert torch.get_num_threads() == threads
    assert set(result) == {"case", "peer", "ours", "theirs", "ratio", "bar", "holds"}
    assert result["ratio"] == pytest.approx(result["ours"] / result["theirs"])
    assert result["holds"] == (result["ratio"] >= result["bar"])

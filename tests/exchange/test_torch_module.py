"""Networks as torch modules: the same spikes forwards, gradients of a loop by hand backwards."""

import numpy as np
import pytest
import torch

import neuro as nr
from neuro.conformance.scenarios import SCENARIOS
from neuro.errors import CompileError, DescriptionError
from neuro.program import Plasticity

DT = 1e-3


def without_gradient(net):
    """Why a module cannot be made of a network, if so."""
    rules = any(p.plasticity or p.short_term for p in net.projections.values())
    return rules or any(isinstance(p.delay, np.ndarray | nr.Uniform | nr.Normal)
                        for p in net.projections.values())  # fmt: skip


def events(program, steps):
    """What the sources of a program send, [steps, 1, units]."""
    found = {}
    for name, source in program.sources.items():
        found[name] = torch.zeros(steps, 1, program.sizes[name])
        step, unit = source.events(0, steps)
        found[name][step, 0, unit] = 1
    return found


def can(scenario):
    net = scenario.network(exact=True)
    return scenario.precision == "float64" and net.inputs and not without_gradient(net)


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS.values() if can(s)], ids=lambda s: s.name
)
def test_every_description_spikes_as_on_the_reference(scenario):
    net, steps = scenario.network(exact=True), min(scenario.steps, 250)
    program = nr.lower(net, scenario.dt)
    assert not any(isinstance(step, Plasticity) for step in program.steps)
    module = nr.to_torch(net, scenario.dt, precision="float64")
    with torch.no_grad():
        outputs, _ = module(events(program, steps))
    if isinstance(outputs, torch.Tensor):
        outputs = {net.outputs[0]: outputs}
    with nr.compile(net, dt=scenario.dt) as sim:
        recording = sim.run_steps(steps, False)
    for name in {r.owner for r in net.recorders if r.variable == "spikes"} - set(net.inputs):
        expected = np.zeros((steps, net.populations[name].size))
        expected[recording.spikes(name)] = 1
        found = (outputs[name][:, 0] != 0).numpy()
        if not getattr(net.populations[name].model, "emits", ""):
            assert np.array_equal(found, expected), name


# --- gradients ---------------------------------------------------------------------------------

STEPS, BATCH = 30, 4


def recurrent(**options):
    net = nr.Network("recurrent", seed=1)
    draw = np.random.default_rng(0)
    inp = net.population("inp", nr.Poisson(50.0), 6)
    hid = net.population("hid", nr.LIF(tau_m=10e-3, **options), 5)
    out = net.population("out", nr.LeakyIntegrator(tau_m=20e-3), 2)
    net.connect(inp, hid, draw.normal(0.3, 0.3, (6, 5)))
    net.connect(hid, hid, draw.normal(0, 0.2, (5, 5)), delay=2e-3)
    net.connect(hid, out, draw.normal(0, 1, (5, 2)))
    net.record(hid)
    net.record(out, "v")
    return net


def given(seed=0):
    return torch.as_tensor(np.random.default_rng(seed).random((STEPS, BATCH, 6)) < 0.3).double()


class Surrogate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 0).double()

    @staticmethod
    def backward(ctx, g):
        (u,) = ctx.saved_tensors
        return g / (1 + 25 * u.abs()) ** 2


def by_hand(x, w_in, w_rec, w_out, reset, detach):
    """The network above as people write it."""
    keep, keep_out = np.exp(-DT / 10e-3), np.exp(-DT / 20e-3)
    v, out = x.new_zeros(BATCH, 5), x.new_zeros(BATCH, 2)
    spikes, traces = [x.new_zeros(BATCH, 5)] * 2, []
    for step in range(STEPS):
        v = keep * v
        if step:
            v = v + x[step - 1] @ w_in
        v = v + spikes[-2] @ w_rec
        s = Surrogate.apply(v - 1.0)
        out = keep_out * out + spikes[-1] @ w_out
        chosen = s.detach() if detach else s
        v = v - chosen * (v if reset == "value" else 1.0)
        spikes.append(s)
        traces.append(out)
    return torch.stack(spikes[2:]), torch.stack(traces)


@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("reset", ["value", "subtract"])
def test_gradients_are_those_of_a_loop_by_hand(reset, detach):
    net = recurrent(reset=reset)
    module = nr.to_torch(net, DT, precision="float64", detach_reset=detach)
    x, goal = given().requires_grad_(), torch.randn(STEPS, BATCH, 2, dtype=torch.float64)
    found, _ = module(x, record=("out.v",))
    loss = ((found["out.v"] - goal) ** 2).mean() + found["hid"].mean()
    weights = [module.weights[n] for n in ("inp_hid", "hid_hid", "hid_out")]
    gradients = torch.autograd.grad(loss, [x, *weights])
    own = [w.detach().clone().requires_grad_() for w in weights]
    y = x.detach().clone().requires_grad_()
    spikes, out = by_hand(y, *own, reset, detach)
    assert spikes.sum() > 40
    assert torch.equal(spikes, found["hid"])
    expected = torch.autograd.grad(((out - goal) ** 2).mean() + spikes.mean(), [y, *own])
    for a, b in zip(gradients, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
        assert a.abs().max() > 0


@pytest.mark.parametrize("comparison", [">", ">="])
def test_a_threshold_that_is_not_reached_pulls_up(comparison):
    net = nr.Network("one")
    inp = net.population("inp", nr.Poisson(1.0), 1)
    out = net.population("out", nr.LIF(comparison=comparison, t_ref=2e-3), 1)
    net.connect(inp, out, 0.5, name="con")
    net.record(out)
    module = nr.to_torch(net, DT)
    spikes, _ = module(torch.ones(2, 1, 1))
    spikes.sum().backward()
    assert spikes.sum() == 0
    assert module.weights["con"].grad.item() == pytest.approx(1 / (1 + 25 * 0.5) ** 2, rel=1e-3)


def test_pieces_are_as_good_as_the_whole():
    net = recurrent(t_ref=3e-3)
    module = nr.to_torch(net, DT, precision="float64")
    x = given()
    whole, last = module(x, record=("out.v",))
    first, state = module(x[:11], record=("out.v",))
    second, end = module(x[11:], state, record=("out.v",))
    for name, value in whole.items():
        assert torch.equal(torch.cat([first[name], second[name]]), value)
    assert all(torch.equal(last[name], end[name]) for name in last)


def test_sources_that_are_not_given_send_what_they_do():
    net = recurrent()
    net.connect(net.population("other", nr.Poisson(300.0), 4), "hid", 0.3)
    module = nr.to_torch(net, DT, precision="float64")
    x = given()
    spikes = module(x)[0]
    first, state = module(x[:9])
    second, _ = module(x[9:], state)
    assert torch.equal(torch.cat([first, second]), spikes)
    assert not torch.equal(spikes, nr.to_torch(recurrent(), DT, precision="float64")(x)[0])
    inputs = [nr.SpikeTimes(*(i.numpy() for i in x[:, b].nonzero().T)) for b in range(BATCH)]
    net.drive("inp", nr.PerItem(inputs))
    with nr.compile(net, "torch", dt=DT, batch=BATCH) as sim:
        recording = sim.run_steps(STEPS, False)
    for item in range(BATCH):
        expected = np.zeros((STEPS, 5))
        expected[recording.spikes("hid", item=item)] = 1
        assert np.array_equal(spikes[:, item].detach().numpy(), expected)


def test_items_draw_their_own_numbers_as_in_a_batch_of_the_backend():
    net = nr.Network("noisy", seed=3)
    net.population("inp", nr.Poisson(1.0), 1)
    cells = net.population("cells", nr.NeuronModel("v : 1", threshold="rand() < 0.3"), 7)
    net.record(cells)
    spikes, _ = nr.to_torch(net, DT, precision="float64")(torch.zeros(20, 3, 1))
    with nr.compile(net, "torch", dt=DT, batch=3) as sim:
        recording = sim.run_steps(20, False)
    for item in range(3):
        expected = np.zeros((20, 7))
        expected[recording.spikes("cells", item=item)] = 1
        assert np.array_equal(spikes[:, item].numpy(), expected)


# --- learning ----------------------------------------------------------------------------------


def test_it_learns_and_what_it_learned_runs_everywhere():
    """Which of two halves of the inputs is louder, told by the first spikes of two cells."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 2, (64,), generator=draw)
    rates = torch.full((64, 10), 0.1)
    rates[labels == 0, :5] = rates[labels == 1, 5:] = 0.25
    x = (torch.rand(25, 64, 10, generator=draw) < rates).float()
    net = nr.Network("two", seed=0)
    inp = net.population("inp", nr.Poisson(1.0), 10)
    hid = net.population("hid", nr.LIF(tau_m=10e-3), 16)
    out = net.population("out", nr.LIF(tau_m=20e-3), 2)
    start = np.random.default_rng(0)
    net.connect(inp, hid, start.normal(0, 0.5, (10, 16)))
    net.connect(hid, out, start.normal(0, 0.3, (16, 2)))
    net.record(out)
    module = nr.to_torch(net, DT)
    learner = torch.optim.Adam(module.parameters(), 0.02)

    def right(spikes):
        return float((spikes.sum(0).argmax(1) == labels).float().mean())

    before = right(module(x)[0])
    for _ in range(40):
        counts = module(x)[0].sum(0)
        learner.zero_grad()
        torch.nn.functional.cross_entropy(counts, labels).backward()
        learner.step()
    spikes = module(x)[0]
    assert before < 0.75
    assert right(spikes) > 0.9
    learned = module.to_network()
    assert learned != net
    for item in range(4):
        learned.drive("inp", nr.SpikeTimes(*(i.numpy() for i in x[:, item].nonzero().T)))
        with nr.compile(learned, dt=DT, precision="float32") as sim:
            found = np.zeros((25, 2))
            found[sim.run_steps(25, False).spikes("out")] = 1
        assert np.array_equal(found, spikes[:, item].detach().numpy())
    assert isinstance(net.populations["inp"].model, nr.Poisson)


def test_weights_of_every_kind_come_back():
    net = nr.Network("kinds")
    image = net.population("image", nr.Poisson(1.0), (2, 5, 5))
    conv = net.population("conv", nr.IF(), (3, 4, 4))
    some = net.population("some", nr.IF(), 6)
    kernel = np.random.default_rng(0).normal(size=(3, 2, 2, 2))
    net.connect(image, conv, nr.convolution(kernel))
    net.connect(conv, some, nr.fixed_probability(0.3, weight=0.5))
    net.record(some)
    module = nr.to_torch(net, DT, precision="float64")
    assert {n: tuple(w.shape) for n, w in module.weights.items()} == {
        "image_conv": (3, 2, 2, 2),
        "conv_some": (nr.lower(net, DT).connectivity["conv_some"].count,),
    }
    with torch.no_grad():
        for weight in module.weights.values():
            weight *= 2
    made = nr.lower(module.to_network(), DT)
    old = nr.lower(net, DT)
    for name in module.weights:
        np.testing.assert_array_equal(
            made.arrays[f"{name}.w"].initial, 2 * old.arrays[f"{name}.w"].initial
        )


# --- refusals ----------------------------------------------------------------------------------


def two_sources():
    net = recurrent()
    net.population("other", nr.Poisson(1.0), 2)
    return net


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (lambda: {"in": torch.zeros(3, 1, 6)}, "inputs for in; the sources are inp, other"),
        (dict, "inputs for nothing; the sources are inp, other"),
        (
            lambda: {"inp": torch.zeros(3, 1, 6), "other": torch.zeros(4, 1, 2)},
            "steps and batch the same for all",
        ),
        (
            lambda: {"inp": torch.zeros(3, 1, 7), "other": torch.zeros(3, 1, 2)},
            r"'inp' has the shape \(3, 1, 7\); expected \[steps, batch, 6\]",
        ),
    ],
)
def test_inputs_that_do_not_fit(inputs, message):
    with pytest.raises(DescriptionError, match=message):
        nr.to_torch(two_sources(), DT)(inputs())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"plasticity": nr.PairSTDP()}, "has a plasticity rule; modules learn by gradients"),
        ({"short_term": nr.TsodyksMarkram()}, "plasticity"),
        ({"delay": nr.Uniform(1e-3, 4e-3)}, "has a delay for every synapse; give one"),
    ],
)
def test_what_has_no_gradient_is_refused(options, message):
    net = recurrent()
    net.connect("inp", "out", 0.1, **options)
    with pytest.raises(CompileError, match=message):
        nr.to_torch(net, DT)


def test_settings_are_checked():
    with pytest.raises(DescriptionError, match="precision 'float16'; choose float32, float64"):
        nr.to_torch(recurrent(), DT, precision="float16")
    with pytest.raises(DescriptionError, match="slope of to_torch"):
        nr.to_torch(recurrent(), DT, slope=0.0)

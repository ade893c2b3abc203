"""Modules of torch libraries as networks: the same spikes, one step later per layer."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

import neuro as nr
from neuro.errors import DescriptionError

DT = 1e-3
STEPS = 40

pytestmark = pytest.mark.xdist_group("torch libraries")  # they take seconds to be imported


def library(name):
    """A library; `make setup` installs it, and other environments may do without."""
    return pytest.importorskip(name)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def given(*shape, p=0.4):
    return (torch.rand(STEPS, *shape) < p).double()


def spikes_here(net, x, steps=STEPS, names=None):
    """Spikes of populations as [steps, units], single populations by name."""
    net.drive("input", nr.SpikeTimes(*(i.numpy() for i in x.flatten(1).nonzero().T)))
    names = names or net.outputs
    for name in names:
        if name not in net.outputs:
            net.record(name)
    with nr.compile(net, dt=DT) as sim:
        recording = sim.run_steps(steps, False)
    found = {}
    for name in names:
        found[name] = np.zeros((steps, net.populations[name].size))
        found[name][recording.spikes(name)] = 1
    return found


def agree(found, theirs, layer):
    theirs = torch.stack(theirs).flatten(1).detach().numpy()
    assert theirs.sum() > 20
    assert np.array_equal(found[layer:], theirs[: STEPS - layer])
    assert not np.array_equal(found[layer - 1 : -1], theirs[: STEPS - layer])


# --- snnTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [True, False])
@pytest.mark.parametrize("reset", ["subtract", "zero", "none"])
def test_snntorch(reset, delay):
    snn = library("snntorch")
    one = snn.Leaky(beta=0.9, threshold=0.7, reset_mechanism=reset, reset_delay=delay)
    two = snn.Synaptic(alpha=0.7, beta=torch.linspace(0.5, 0.9, 4).double(), reset_mechanism=reset)
    module = nn.Sequential(nn.Linear(6, 8), one, nn.Dropout(0.5), nn.Linear(8, 4), two).double()
    with torch.no_grad():
        module[3].weight *= 2
        module[3].weight += 0.3
    x = given(6)
    memory, (current, memory_2) = one.init_leaky(), two.init_synaptic()
    first, second = [], []
    for value in x:
        spike, memory = one(module[0](value), memory)
        spike_2, current, memory_2 = two(module[3](spike.double()), current, memory_2)
        first.append(spike)
        second.append(spike_2)
    net = nr.from_torch(module, 6, DT)
    assert list(net.populations) == ["input", "node_1", "node_4", "bias"]
    found = spikes_here(net, x, names=["node_4", "node_1"])
    if reset == "none":  # they fire on and on
        assert np.array_equal(found["node_1"][1:], torch.stack(first).detach().numpy()[:-1])
        return
    agree(found["node_1"], first, 1)
    agree(found["node_4"], second, 2)


def test_snntorch_convolutions():
    snn = library("snntorch")
    leaky, last = snn.Leaky(beta=0.8), snn.Leaky(beta=0.9)
    module = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1, stride=2), nn.BatchNorm2d(3), leaky,
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 5), last,
    ).double()  # fmt: skip
    norm = module[1]
    norm.running_mean.uniform_(-0.2, 0.2)
    norm.running_var.uniform_(0.2, 0.5)
    nn.init.uniform_(norm.weight, 1, 3)
    nn.init.uniform_(module[5].weight, 0, 0.4)
    module.eval()
    x = given(2, 8, 8)
    memory, memory_2, first, second = leaky.init_leaky(), last.init_leaky(), [], []
    with torch.no_grad():
        for value in x:
            spike, memory = leaky(module[1](module[0](value[None])), memory)
            spike_2, memory_2 = last(module[5](module[4](module[3](spike.double()))), memory_2)
            first.append(spike[0])
            second.append(spike_2[0])
    net = nr.from_torch(module, (2, 8, 8), DT)
    assert net.populations["node_2"].shape == (3, 4, 4)
    found = spikes_here(net, x, names=["node_6", "node_2"])
    agree(found["node_2"], first, 1)
    agree(found["node_6"], second, 2)


# --- Norse -------------------------------------------------------------------------------------


@pytest.mark.parametrize("subtracts", [True, False])
def test_norse(subtracts):
    norse = library("norse.torch")
    functional = importlib.import_module("norse.torch.functional.lif_box")
    resets = importlib.import_module("norse.torch.functional.reset")
    box = functional.LIFBoxParameters(
        v_th=torch.tensor(0.2),
        reset_method=resets.reset_subtract if subtracts else resets.reset_value,
    )
    module = norse.SequentialState(
        nn.Linear(6, 8), norse.LIFBoxCell(box), nn.Linear(8, 4),
        norse.LIFCell(norse.LIFParameters(v_th=torch.tensor(0.1))), nn.Linear(4, 3), norse.LICell(),
    ).double()  # fmt: skip
    x, state, read = given(6, p=0.6), None, []
    with torch.no_grad():
        for value in x:
            out, state = module(value[None], state)
            read.append(out[0])
    net = nr.from_torch(module, 6, DT)
    net.drive("input", nr.SpikeTimes(*(i.numpy() for i in x.nonzero().T)))
    net.record("node_3")
    with nr.compile(net, dt=DT) as sim:
        recording = sim.run_steps(STEPS, False)
    assert len(recording.spikes("node_3")[0]) > 10
    found = recording.trace(net.outputs[0], "v")
    # Their constants are in single precision.
    np.testing.assert_allclose(found[3:], torch.stack(read).numpy()[:-3], rtol=1e-5, atol=1e-7)


def test_the_time_step_of_norse_is_checked():
    norse = library("norse.torch")
    module = norse.SequentialState(nn.Linear(2, 2), norse.LIFBoxCell(dt=5e-4))
    with pytest.raises(DescriptionError, match=r"has dt = 0.0005 s, not 0.001 s"):
        nr.from_torch(module, 2, DT)


# --- SpikingJelly ------------------------------------------------------------------------------


@pytest.mark.parametrize("decays", [True, False])
@pytest.mark.parametrize("rest", [None, 0.0, -0.3])
def test_spikingjelly(rest, decays):
    neuron = library("spikingjelly.activation_based.neuron")
    first = neuron.IFNode(v_threshold=0.8, v_reset=rest)
    second = neuron.LIFNode(tau=3.0, decay_input=decays, v_threshold=0.2, v_reset=rest)
    module = nn.Sequential(nn.Linear(6, 8), first, nn.Linear(8, 4), second).double()
    x, one, two = given(6), [], []
    with torch.no_grad():
        module[2].weight += 0.8
        for value in x:
            one.append(first(module[0](value[None]))[0])
            two.append(second(module[2](one[-1][None]))[0])
    found = spikes_here(nr.from_torch(module, 6, DT), x, names=["node_3", "node_1"])
    agree(found["node_1"], one, 1)
    agree(found["node_3"], two, 2)


# --- plain torch, and what is refused ----------------------------------------------------------


class Block(nn.Module):
    """A module of one's own."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.inner = nn.Sequential(nn.Identity(), nn.Linear(4, 2))


def test_modules_are_opened_and_maps_without_neurons_are_read_by_a_relay():
    block = Block().double()
    net = nr.from_torch(block, 3, DT, name="block")
    assert (net.name, list(net.populations)) == ("block", ["input", "output", "bias"])
    x = given(3)
    net.drive("input", nr.SpikeTimes(*(i.numpy() for i in x.nonzero().T)))
    with nr.compile(net, dt=DT) as sim:
        found = sim.run_steps(STEPS, False).trace("output", "v")
    expected = block.inner(block.first(x)).detach().numpy()
    np.testing.assert_allclose(found[1:], expected[:-1], rtol=1e-12)


def test_normalisation_of_units_and_signals():
    for module, shape in (
        (nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5, affine=False)), (3,)),
        (nn.Sequential(nn.Conv1d(2, 5, 3, padding="same"), nn.BatchNorm1d(5)), (2, 7)),
    ):
        norm = module.double().eval()[1]
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
        x = given(*shape)
        net = nr.from_torch(module, shape, DT)
        net.drive("input", nr.SpikeTimes(*(i.numpy() for i in x.flatten(1).nonzero().T)))
        with nr.compile(net, dt=DT) as sim:
            found = sim.run_steps(STEPS, False).trace("output", "v")
        expected = module(x).flatten(1).detach().numpy()
        np.testing.assert_allclose(found[1:], expected[:-1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU()), r"layer '1' is torch.*ReLU, .* no counterpart"),
        (nn.Sequential(nn.Linear(4, 2)), r"'0' has a weight of shape \(2, 4\) and gets"),
        (nn.Sequential(nn.Flatten(0)), "flattens the batch as well"),
        (nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), "pads with circular"),
        (nn.AvgPool2d(2, ceil_mode=True), "has ceil_mode"),
        (nn.BatchNorm1d(3, track_running_stats=False), "normalises by its batch"),
        (nn.Identity(), "Identity has no layers"),
        (3, "3 is not a torch module"),
    ],
)
def test_layers_without_counterpart_are_refused(module, message):
    with pytest.raises(DescriptionError, match=message):
        nr.from_torch(module, 3, DT)


def test_options_of_snntorch_without_counterpart_are_refused():
    snn = library("snntorch")
    with pytest.warns(UserWarning, match="unstable"):
        module = nn.Sequential(nn.Linear(3, 2), snn.Leaky(beta=0.9, inhibition=True))
    with pytest.raises(DescriptionError, match="layer '1' has inhibition"):
        nr.from_torch(module, 3, DT)

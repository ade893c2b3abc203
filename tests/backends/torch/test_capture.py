"""What a CUDA graph needs, as far as it can be seen without a GPU."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neuro.backends.torch.capture import Graphs
from neuro.conformance.scenarios import SCENARIOS
from neuro.lowering import lower
from neuro.progress import Silent

#: Operations whose result, or shape, depends on values: the host would have to wait for them.
LOOKS = {"nonzero", "_local_scalar_dense", "item", "masked_select", "unique", "is_nonzero"}


class Blind(TorchDispatchMode):
    """Refuses operations that look at values, and counts the others."""

    done = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in LOOKS, name
        if name == "index" or name == "index_put_":
            assert all(i is None or i.dtype != torch.bool for i in args[1]), "index by truth values"
        self.done += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "name",
    [
        "adex",
        "convolution_and_pooling",
        "everything_in_one_loop",
        "reward_stdp",
        "short_term_plasticity_with_synaptic_delays",
        "sigma_delta",
        "stdp_on_tied_weights",
        "user_rule",
        "voltage_homeostasis",
    ],
)
@pytest.mark.parametrize("ordered", [True, False])
def test_steps_with_truth_values_never_look_at_them(name, engine, monkeypatch, ordered):
    scenario = SCENARIOS[name]
    program = lower(scenario.network(exact=False), scenario.dt)
    ours = engine(program, delivery="dense", ordered=ordered, batch=2)
    run, blind = ours._run_block, Blind()

    def block(steps):
        with blind:
            run(steps)

    monkeypatch.setattr(ours, "_run_block", block)
    ours.run(12, Silent())
    assert blind.done > 12 * 5


def test_the_check_above_can_fail():
    """A look at values is refused."""
    with pytest.raises(AssertionError, match="nonzero"), Blind():
        torch.ones(2).nonzero()


class Machine:
    """Stands for a GPU: work is put on it, or into the graph that is being captured."""

    def __init__(self):
        self.log, self.graph = [], None

    def work(self, what):
        (self.log if self.graph is None else self.graph.work).append(what)


@pytest.fixture
def machine(monkeypatch):
    made = Machine()

    class Graph:
        def __init__(self):
            self.work = []

        def replay(self):
            made.log.extend(["start", *self.work])

    @contextmanager
    def capturing(graph):
        made.graph = graph
        yield
        made.graph = None

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", capturing)
    return made


def test_a_chunk_is_run_then_captured_then_replayed(machine):
    graphs, calls = Graphs(), []

    def chunk(name):
        calls.append(name)
        machine.work(name)

    for key in ("a", "a", "b", "a", "b", "b"):
        graphs.run(key, lambda key=key: chunk(key))
    assert calls == ["a", "a", "b", "b"]  # once as it is, once for the graph
    assert machine.log == ["a", "start", "a", "b", "start", "a", "start", "b", "start", "b"]


def test_the_number_of_graphs_is_bounded(machine, monkeypatch):
    import neuro.backends.torch.capture as module

    monkeypatch.setattr(module, "MOST", 1)
    graphs = Graphs()
    for key in ("a", "a", "b", "b", "b", "a"):
        graphs.run(key, lambda key=key: machine.work(key))
    assert machine.log == ["a", "start", "a", "b", "b", "b", "start", "a"]

"""On a GPU: the bits of the reference, with and without graphs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuro.conformance.scenarios import SCENARIOS
from neuro.lowering import lower
from neuro.progress import Silent

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU")

DEEP = [
    "convolution_and_pooling",
    "everything_in_one_loop",
    "hodgkin_huxley",
    "reward_stdp",
    "short_term_plasticity_with_synaptic_delays",
    "sigma_delta",
    "stdp_on_tied_weights",
    "synaptic_delays",
    "user_rule",
    "voltage_homeostasis",
]


@pytest.fixture
def small_chunks(monkeypatch):
    """Graphs are captured at the second chunk of a kind and replayed from the third."""
    import neuro.backends.torch.engine as module

    monkeypatch.setattr(module, "CHUNK_STEPS", 20)


@pytest.mark.parametrize("capture", ["none", "graph"])
@pytest.mark.parametrize("name", DEEP)
def test_scenarios(name, engine, reference, same_record, same_state, small_chunks, capture):
    scenario = SCENARIOS[name]
    program = lower(scenario.network(exact=False), scenario.dt)
    ours, theirs = engine(program, device="cuda", capture=capture), reference(program)
    for steps in (130, 7, 60):
        same_record(ours.run(steps, Silent()), theirs.run(steps, Silent()))
        same_state(ours.state(), theirs.state())


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_plastic_loop_in_a_batch(
    loop, engine, reference, item_of, recorded_item, same_record, small_chunks, precision
):
    program = loop(precision)
    record = engine(program, device="cuda", batch=3).run(500, Silent())
    for item in range(3):
        expected = reference(item_of(program, item)).run(500, Silent())
        same_record(recorded_item(record, item), expected)
        assert len(expected.spikes["exc"][0]) > 500


def test_checkpoints_move_between_devices(loop, engine, same_record, small_chunks):
    program = loop()
    gpu, cpu = engine(program, device="cuda"), engine(program, device="cpu")
    gpu.run(97, Silent())
    cpu.restore(gpu.state())
    same_record(cpu.run(50, Silent()), gpu.run(50, Silent()))
    gpu.restore(cpu.state())
    same_record(cpu.run(90, Silent()), gpu.run(90, Silent()))


def test_weights_set_between_replays(loop, engine, same_record, small_chunks):
    program = loop()
    engines = engine(program, device="cuda"), engine(program, device="cpu")
    for one in engines:
        one.run(100, Silent())
        one.write("e.w", 0.5 * one.read("e.w"))
        one.write("exc.v", np.linspace(0, 0.9, 24))
    same_record(engines[0].run(60, Silent()), engines[1].run(60, Silent()))

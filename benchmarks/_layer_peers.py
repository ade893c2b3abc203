"""One LIF layer in snnTorch, Norse and SpikingJelly; a script for the environment of the peers.

It imports nothing of neuro. Started with the path of a case (made by
:mod:`neuro.benchmarks._layer_case`), it prints a line of JSON with the version of each peer, or
why it cannot be imported. Then, for each line of standard input that names a peer, it runs the
layer once and prints seconds and number of spikes.

All peers multiply the spikes of all steps with the weights at once, which is quickest.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch

Run = Callable[[], torch.Tensor]


def snntorch(weights: torch.Tensor, decay: float, spikes: torch.Tensor) -> Run:
    """``Leaky`` that resets to zero, called step by step."""
    import snntorch

    leaky = snntorch.Leaky(beta=decay, threshold=1.0, reset_mechanism="zero")

    def run() -> torch.Tensor:
        currents = spikes @ weights
        v = torch.zeros_like(currents[0])
        emitted = []
        for current in currents:
            spike, v = leaky(current, v)
            emitted.append(spike)
        return torch.stack(emitted)

    return run


def norse(weights: torch.Tensor, decay: float, spikes: torch.Tensor) -> Run:
    """``lif_box``: its input has the factor dt / tau, here taken out of the weights."""
    from norse.torch.functional import lif_box

    share = 1.0 - decay
    parameters = lif_box.LIFBoxParameters(tau_mem_inv=torch.tensor(share / 1e-3))
    scaled = weights / share

    def run() -> torch.Tensor:
        currents = spikes @ scaled
        state = lif_box.LIFBoxFeedForwardState(v=torch.zeros_like(currents[0]))
        emitted = []
        for current in currents:
            spike, state = lif_box.lif_box_feed_forward_step(current, state, parameters, 1e-3)
            emitted.append(spike)
        return torch.stack(emitted)

    return run


def spikingjelly(weights: torch.Tensor, decay: float, spikes: torch.Tensor) -> Run:
    """``LIFNode`` in its multi-step mode."""
    from spikingjelly.activation_based import functional, neuron

    node = neuron.LIFNode(
        tau=1.0 / (1.0 - decay), decay_input=False, v_threshold=1.0, v_reset=0.0, step_mode="m"
    ).eval()

    def run() -> torch.Tensor:
        functional.reset_net(node)
        found: torch.Tensor = node(spikes @ weights)
        return found

    return run


PEERS = {"snnTorch": snntorch, "Norse": norse, "SpikingJelly": spikingjelly}


def main(path: str) -> None:
    """Answer the questions of a benchmark."""
    case: Any = np.load(path)
    torch.set_num_threads(int(case["threads"]))
    weights = torch.from_numpy(case["weights"])
    shape = case["steps"], case["batch"], len(weights)
    spikes = torch.zeros(tuple(map(int, shape)))
    spikes[tuple(torch.from_numpy(i) for i in case["spikes"])] = 1.0
    runs, versions = {}, {}
    for name, make in PEERS.items():
        try:
            runs[name] = make(weights, float(case["decay"]), spikes)
            versions[name] = metadata.version(name.lower())
        except Exception as error:  # whatever a peer stumbles over, the others go on
            versions[name] = f"missing: {error}"
    print(json.dumps({"versions": versions, "ready": list(runs)}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        emitted = runs[line.strip()]()
        seconds = time.perf_counter() - start
        print(json.dumps([seconds, int(emitted.sum())]), flush=True)


if __name__ == "__main__":
    with torch.no_grad():
        main(sys.argv[1])

"""A spiking classifier trained in snnTorch; a script for the environment of the peers.

It imports nothing of neuro. Started with the path of a case (made by
:mod:`neuro.benchmarks.surrogate_snntorch`), it prints a line of JSON with the version of snnTorch.
Then, for each line of standard input that names a sequence of the case, it trains a fresh network
on it and prints seconds and test accuracy. ``gradient FILE`` writes the outputs of the fresh
network for the first batch, and the gradient of its loss, into a file.

The products with the weights are made for all steps at once, which is quickest.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np
import torch


class Classifier(torch.nn.Module):
    """Two products with weights, a layer of ``Leaky``, and one that does not spike."""

    def __init__(self, case: Any) -> None:
        import snntorch
        from snntorch import surrogate

        super().__init__()
        self.layers = torch.nn.ModuleList()
        for w in (torch.from_numpy(case["w0"]), torch.from_numpy(case["w1"])):
            layer = torch.nn.Linear(len(w) - 1, w.shape[1])
            layer.load_state_dict({"weight": w[:-1].t(), "bias": w[-1]})
            self.layers.append(layer)
        decay, slope = float(case["decay"]), float(case["slope"])
        gradient = surrogate.fast_sigmoid(slope=slope)
        self.hidden = snntorch.Leaky(beta=decay, spike_grad=gradient)
        self.readout = snntorch.Leaky(beta=decay, spike_grad=gradient, reset_mechanism="none")

    def forward(self, trains: torch.Tensor) -> torch.Tensor:
        """Mean potentials of the readout, ``[batch, classes]``."""
        membrane = torch.zeros(trains.shape[1], self.layers[0].out_features)
        emitted = []
        for current in self.layers[0](trains):
            spike, membrane = self.hidden(current, membrane)
            emitted.append(spike)
        membrane = torch.zeros(trains.shape[1], self.layers[1].out_features)
        potentials = []
        for current in self.layers[1](torch.stack(emitted)):
            _, membrane = self.readout(current, membrane)
            potentials.append(membrane)
        return torch.stack(potentials).mean(0)


def batches(case: Any, name: str) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Spike trains ``[steps, batch, units]`` and labels, in order."""
    steps, units, size = int(case["steps"]), len(case["w0"]) - 1, int(case["batch"])
    packed, labels, ends = case[f"{name}_trains"], case[f"{name}_labels"], case[f"{name}_ends"]
    start = 0
    for end in ends.tolist():
        for first in range(start, end, size):
            part = slice(first, min(first + size, end))
            bits = np.unpackbits(packed[part], axis=1, count=steps * units)
            trains = bits.reshape(-1, steps, units).swapaxes(0, 1)
            yield (
                torch.from_numpy(np.ascontiguousarray(trains)).float(),
                torch.from_numpy(labels[part]),
            )
        start = end


def train(case: Any, name: str) -> tuple[float, float]:
    """Seconds of all training steps, and accuracy on the test images."""
    network = Classifier(case)
    adam = torch.optim.Adam(network.parameters(), lr=float(case["learning_rate"]))
    seconds = 0.0
    for trains, labels in batches(case, name):
        start = time.perf_counter()
        adam.zero_grad()
        torch.nn.functional.cross_entropy(network(trains), labels).backward()
        adam.step()
        seconds += time.perf_counter() - start
    with torch.no_grad():
        right = sum(int((network(x).argmax(1) == y).sum()) for x, y in batches(case, "test"))
    return seconds, right / len(case["test_labels"])


def gradient(case: Any, path: str) -> None:
    """Write outputs for the first batch, and gradients ``[pre + 1, post]``."""
    network = Classifier(case)
    trains, labels = next(batches(case, "naive"))
    outputs = network(trains)
    torch.nn.functional.cross_entropy(outputs, labels).backward()
    found = [
        torch.cat([layer.weight.grad.t(), layer.bias.grad[None]]).numpy()
        for layer in network.layers
    ]
    np.savez(path, outputs=outputs.detach().numpy(), w0=found[0], w1=found[1])


def main(path: str) -> None:
    """Answer the questions of the benchmark."""
    case = dict(np.load(path))
    torch.set_num_threads(1)
    print(json.dumps(metadata.version("snntorch")), flush=True)
    for line in sys.stdin:
        words = line.split()
        answer = gradient(case, words[1]) if words[0] == "gradient" else train(case, words[0])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

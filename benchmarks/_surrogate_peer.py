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
from numpy.typing import NDArray


class Classifier(torch.nn.Module):
    """Two products with weights, a layer of ``Leaky``, and one that does not spike."""

    def __init__(self, case: Any) -> None:
        import snntorch
        from snntorch import surrogate

        super().__init__()
        self.first, self.second = linear(case["w0"]), linear(case["w1"])
        decay, slope = float(case["decay"]), float(case["slope"])
        gradient = surrogate.fast_sigmoid(slope=slope)
        self.hidden = snntorch.Leaky(beta=decay, spike_grad=gradient)
        self.readout = snntorch.Leaky(beta=decay, spike_grad=gradient, reset_mechanism="none")

    def forward(self, trains: torch.Tensor) -> torch.Tensor:
        """Mean potentials of the readout, ``[batch, classes]``."""
        currents = self.first(trains)
        membrane = torch.zeros_like(currents[0])
        emitted = []
        for current in currents:
            spike, membrane = self.hidden(current, membrane)
            emitted.append(spike)
        currents = self.second(torch.stack(emitted))
        membrane = torch.zeros_like(currents[0])
        potentials = []
        for current in currents:
            _, membrane = self.readout(current, membrane)
            potentials.append(membrane)
        return torch.stack(potentials).mean(0)


def linear(w: NDArray[np.float32]) -> torch.nn.Linear:
    """A product with weights ``[pre + 1, post]``, biases last."""
    layer = torch.nn.Linear(len(w) - 1, w.shape[1])
    given = torch.from_numpy(w)
    layer.load_state_dict({"weight": given[:-1].t(), "bias": given[-1]})
    return layer


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
        loss = torch.nn.functional.cross_entropy(network(trains), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        seconds += time.perf_counter() - start
    with torch.no_grad():
        right = sum(int((network(x).argmax(1) == y).sum()) for x, y in batches(case, "test"))
    return seconds, right / len(case["test_labels"])


def gradient(case: Any, path: str) -> str:
    """Write outputs for the first batch, and gradients ``[pre + 1, post]``; gives the path."""
    network = Classifier(case)
    trains, labels = next(batches(case, "naive"))
    outputs = network(trains)
    loss = torch.nn.functional.cross_entropy(outputs, labels)
    found = {"outputs": outputs.detach().numpy()}
    for name, layer in (("w0", network.first), ("w1", network.second)):
        of = torch.autograd.grad(loss, (layer.weight, layer.bias), retain_graph=True)
        found[name] = torch.cat([of[0].t(), of[1][None]]).numpy()
    np.savez(path, **found)
    return path


def main(path: str) -> None:
    """Answer the questions of the benchmark."""
    case = dict(np.load(path))
    torch.set_num_threads(1)
    print(json.dumps(metadata.version("snntorch")), flush=True)
    for line in sys.stdin:
        question, _, file = line.strip().partition(" ")
        answer = gradient(case, file) if file else train(case, question)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

"""The time loop of noisy recurrent networks beside a plain loop of torch operations.

The peer is what one writes first: a Python loop over steps, autograd through it. Both get the same
weights, inputs and noise, on one thread; states and gradients are compared before they are timed.
Training is a run with its gradients by the recurrent weights, input weights and biases; offline is
a run alone.

Run ``python -m neuro.benchmarks.reactivation_loop``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from neuro.errors import BackendError
from neuro.models.reactivation.network import NoisyRNN
from neuro.random import stream

#: Units, trajectories, steps.
SIZES = ((64, 16, 50), (64, 64, 50), (128, 64, 50), (128, 200, 100))
LEAK = 0.5
NAMES = ("recurrent", "inputs", "bias")
#: Ours against the plain loop.
BAR = 5.0
#: Largest relative difference between the two.
TOLERANCE = 1e-4


class Pair:
    """The same network twice."""

    def __init__(self, units: int, trajectories: int, steps: int) -> None:
        self.net = NoisyRNN(1, units, units, leak=LEAK, seed=0)
        draw = stream(0, "benchmarks.reactivation", units, trajectories)
        self.start = self.net.tensor(draw.random((trajectories, units)))
        self.inputs = self.net.tensor(draw.normal(size=(steps, trajectories, 1)))
        self.noise = self.net.tensor(0.1 * draw.normal(size=(steps, trajectories, units)))
        self.gradient = self.net.tensor(draw.normal(size=(steps, trajectories, units)))
        self.leaves = {n: self.net.weights[n].clone().requires_grad_() for n in NAMES}

    def ours(self) -> Tensor:
        """Offline."""
        return self.net.run(self.start, self.inputs, self.noise)

    def ours_trained(self) -> list[Tensor]:
        """With gradients."""
        self.ours()
        found = self.net.loop.backward(self.gradient)
        drive = found.drive.flatten(0, 1)
        return [found.recurrent, self.inputs.flatten(0, 1).T @ drive, drive.sum(0)]

    def plain(self) -> Tensor:
        """The equations as a loop."""
        w, r, states = self.leaves, self.start, []
        for u, noise in zip(self.inputs, self.noise, strict=True):
            active = torch.relu(r @ w["recurrent"] + u @ w["inputs"] + w["bias"])
            r = (1 - LEAK) * r + LEAK * active + noise
            states.append(r)
        return torch.stack(states)

    def plain_offline(self) -> Tensor:
        """Without a graph."""
        with torch.no_grad():
            return self.plain()

    def plain_trained(self) -> list[Tensor]:
        """With autograd."""
        found = torch.autograd.grad(self.plain(), list(self.leaves.values()), self.gradient)
        return list(found)

    def check(self) -> None:
        """Refuse to time what does not agree.

        Raises
        ------
        BackendError
        """
        for a, b in zip(
            [self.ours(), *self.ours_trained()],
            [self.plain_offline(), *self.plain_trained()],
            strict=True,
        ):
            apart = float((a - b).abs().max() / b.abs().max())
            if apart > TOLERANCE:
                raise BackendError(f"the two loops differ by {apart:g}; this is a bug of neuro")


def case(repeats: int = 7, seconds: float = 0.3) -> list[dict[str, Any]]:
    """Time both loops by turns.

    Parameters
    ----------
    repeats : int
        Whose medians are compared.
    seconds : float
        Of each.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [result for sizes in SIZES for result in _compare(sizes, repeats, seconds)]
    finally:
        torch.set_num_threads(threads)


def _compare(sizes: tuple[int, int, int], repeats: int, seconds: float) -> list[dict[str, Any]]:
    pair = Pair(*sizes)
    pair.check()
    made = []
    for what, ours, plain in (
        ("training", pair.ours_trained, pair.plain_trained),
        ("offline", pair.ours, pair.plain_offline),
    ):
        pairs = [(_rate(ours, seconds), _rate(plain, seconds)) for _ in range(repeats)]
        fast, slow = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        made.append(
            {
                "case": "noisy network, {} units, {} trajectories, {} steps: ".format(*sizes)
                + f"{what}, runs/s, one thread",
                "peer": "a Python loop of torch operations",
                "ours": fast,
                "theirs": slow,
                "ratio": fast / slow,
                "bar": BAR,
                "holds": fast / slow >= BAR,
            }
        )
    return made


def _rate(work: Callable[[], object], seconds: float) -> float:
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        work()
        done += 1
    return done / (time.perf_counter() - begin)


if __name__ == "__main__":
    for result in case():
        print(f"{result['case']}: {result['ratio']:.2f}")

"""Explicit equilibrium-propagation updates beside the usual autograd form.

The peer writes the dynamics as published code does (Laborieux et al. 2021): a primitive function
Phi of the states, whose gradient autograd takes in every step, and a parameter gradient that is
the difference of Phi between the nudged phases. Both train the same 784-512-10 network on the
same batches in one process, interleaved, on one thread.

Run ``python -m neuro.benchmarks.equilibrium``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from neuro.learning.equilibrium import EquilibriumSettings
from neuro.models.mrnn import MRNN
from neuro.random import stream

#: The peer's own published setting for one hidden layer.
SETTINGS = EquilibriumSettings(
    dynamics="prototypical",
    activation="steep_sigmoid",
    free_steps=30,
    nudged_steps=10,
    beta=0.1,
    estimator="symmetric",
)
SIZES = (784, 512, 10)
BATCH = 50
RATES = (0.1, 0.05)
BAR = 8.0


class PrimitiveFunctionEP(torch.nn.Module):
    """Equilibrium propagation through autograd over the primitive function Phi.

    Parameters
    ----------
    weights : sequence of Tensor
        Initial weights, [pre, post].
    settings : EquilibriumSettings
        Form ``prototypical`` with ``mse`` and the symmetric estimator.
    """

    def __init__(self, weights: Sequence[Tensor], settings: EquilibriumSettings) -> None:
        super().__init__()
        self.settings = settings
        self.units = [w.shape[1] for w in weights]
        self.synapses = torch.nn.ModuleList()
        for w in weights:
            layer = torch.nn.Linear(w.shape[0], w.shape[1], bias=False, dtype=w.dtype)
            layer.weight.data = w.t().clone()
            self.synapses.append(layer)

    def phi(self, x: Tensor, neurons: list[Tensor], y: Tensor | None, beta: float) -> Tensor:
        """Sum over layers of s^l . W s^(l-1), less beta times the loss; [batch]."""
        layers = [x, *neurons]
        total = torch.zeros(x.shape[0], dtype=x.dtype)
        for i, synapse in enumerate(self.synapses):
            total = total + (synapse(layers[i]) * layers[i + 1]).sum(1)
        if y is not None:
            total = total - beta * 0.5 * (neurons[-1] - y).square().sum(1)
        return total

    def relax(
        self, x: Tensor, neurons: list[Tensor], y: Tensor | None, beta: float, steps: int
    ) -> list[Tensor]:
        """Iterate s <- rho(dPhi/ds)."""
        rho = self.settings.rho
        for _ in range(steps):
            neurons = [s.detach().requires_grad_() for s in neurons]
            phi = self.phi(x, neurons, y, beta).sum()
            neurons = [rho(g) for g in torch.autograd.grad(phi, neurons)]
        return [s.detach() for s in neurons]

    def backward(self, x: Tensor, y: Tensor) -> None:
        """Leave the gradient of the batch-mean loss in ``.grad`` of the parameters."""
        s = self.settings
        zero = [x.new_zeros(x.shape[0], units) for units in self.units]
        free = self.relax(x, zero, None, 0.0, s.free_steps)
        plus = self.relax(x, free, y, s.beta, s.nudged_steps)
        minus = self.relax(x, free, y, -s.beta, s.nudged_steps)
        contrast = self.phi(x, minus, None, 0.0).mean() - self.phi(x, plus, None, 0.0).mean()
        torch.autograd.backward(contrast / (2.0 * s.beta))


def case(repeats: int = 7, batches: int = 10) -> dict[str, object]:
    """Time both forms of training on the same synthetic images.

    Parameters
    ----------
    repeats : int
        Interleaved repeats; the medians are compared.
    batches : int
        Batches of each repeat.

    Returns
    -------
    dict
        ``case``, ``peer``, ``ours`` and ``theirs`` (samples per second), ``ratio``
        (ours / theirs), ``bar`` and ``holds``.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _compare(repeats, batches)
    finally:
        torch.set_num_threads(threads)


def _compare(repeats: int, batches: int) -> dict[str, object]:
    draw = stream(0, "benchmarks.equilibrium")
    images = draw.random((BATCH * batches, SIZES[0])).astype(np.float32)
    labels = draw.integers(0, SIZES[-1], len(images))
    s = SETTINGS
    model = MRNN(
        SIZES,
        dynamics=s.dynamics,
        activation=s.activation,
        free_steps=s.free_steps,
        nudged_steps=s.nudged_steps,
        beta=s.beta,
        estimator=s.estimator,
    )
    peer = PrimitiveFunctionEP(model.weights, s)
    optimizer = torch.optim.SGD(
        [
            {"params": layer.parameters(), "lr": rate}
            for layer, rate in zip(peer.synapses, RATES, strict=True)
        ]
    )
    x, y = torch.from_numpy(images), torch.eye(SIZES[-1])[torch.from_numpy(labels)]

    def train_ours() -> None:
        model.fit(
            images, labels, learning_rates=RATES, epochs=1, batch_size=BATCH, stream=stream(1, "b")
        )

    def train_theirs() -> None:
        order = torch.from_numpy(stream(1, "b").permutation(len(x)))
        for chosen in torch.split(order, BATCH):
            optimizer.zero_grad()
            peer.backward(x[chosen], y[chosen])
            optimizer.step()

    ours, theirs = [], []
    train_ours()  # warm-up
    train_theirs()
    for _ in range(repeats):
        ours.append(len(x) / _seconds(train_ours))
        theirs.append(len(x) / _seconds(train_theirs))
    fast, slow = statistics.median(ours), statistics.median(theirs)
    return {
        "case": "equilibrium propagation, 784-512-10, T1=30, T2=10, batch 50, training samples/s",
        "peer": "autograd over the primitive function (torch), same batches",
        "ours": fast,
        "theirs": slow,
        "ratio": fast / slow,
        "bar": BAR,
        "holds": fast / slow >= BAR,
    }


def _seconds(work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


if __name__ == "__main__":
    for key, value in case().items():
        print(f"{key}: {value}")

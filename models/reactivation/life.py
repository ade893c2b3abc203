"""Waking and offline life of a network, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neuro.analysis.reactivation import Stretch
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.tasks import Task, Trajectories

CHUNK = 100
"""Steps that are simulated, and decoded, together."""

STATES = 200
"""Steps of which states are kept, evenly spaced."""


class Runner(Protocol):
    """Something that runs a network, as rates or as spikes."""

    @property
    def network(self) -> NoisyRNN:
        """The network, which encodes and reads out."""
        ...

    def pieces(self, start: Tensor, inputs: NDArray[np.float64]) -> Iterator[Tensor]:
        """States ``[steps, trajectories, units]``, some steps at a time.

        Parameters
        ----------
        start : Tensor, shape [trajectories, units]
        inputs : ndarray, shape [steps, trajectories, inputs]
        """
        ...


@dataclass(frozen=True, eq=False)
class Rates:
    """The network as it was trained.

    Attributes
    ----------
    network : NoisyRNN
    noise : float
    generator : numpy.random.Generator
        Of the noise.
    noise_kind : {"gaussian", "uniform01"}
    """

    network: NoisyRNN
    noise: float
    generator: np.random.Generator
    noise_kind: str = "gaussian"

    def pieces(self, start: Tensor, inputs: NDArray[np.float64]) -> Iterator[Tensor]:
        """See :class:`Runner`."""
        net = self.network
        for first in range(0, len(inputs), CHUNK):
            part = net.tensor(inputs[first : first + CHUNK])
            steps, count, _ = part.shape
            noise = net.noise(self.noise, steps, count, self.generator, self.noise_kind)
            states = net.run(start, part, noise)
            start = states[-1].clone()
            yield states


@dataclass(frozen=True, eq=False)
class Life:
    """A stretch awake, and what was true.

    Attributes
    ----------
    stretch : Stretch
    error : float
        Mean distance of what was decoded from what was true.
    """

    stretch: Stretch
    error: float


def awake(runner: Runner, task: Task, lived: Trajectories) -> Life:
    """Show a network how it moves.

    Parameters
    ----------
    runner : Runner
    task : Task
    lived : Trajectories
    """
    stretch = _decoded(runner, task, lived.start, lived.inputs)
    return Life(stretch, float(task.space.errors(stretch.decoded, lived.states).mean()))


def offline(
    runner: Runner, task: Task, start: NDArray[np.float64], steps: int, *, burn_in: int = 0
) -> Stretch:
    """Leave a network to itself: no input, only noise.

    Parameters
    ----------
    runner : Runner
    task : Task
    start : ndarray, shape [trajectories] or [trajectories, 2]
        Where it is when the input stops.
    steps : int
    burn_in : int
        The first of them, which are not kept.
    """
    return _decoded(runner, task, start, np.zeros((steps, len(start), task.inputs)), burn_in)


@torch.no_grad()
def _decoded(
    runner: Runner,
    task: Task,
    start: NDArray[np.float64],
    inputs: NDArray[np.float64],
    burn_in: int = 0,
) -> Stretch:
    network = runner.network
    first = network.encode(task.code(start))
    every, done = max(1, (len(inputs) - burn_in) // STATES), 0
    left = burn_in
    decoded: list[NDArray[Any]] = []
    peaks: list[NDArray[Any]] = []
    kept: list[NDArray[Any]] = []
    for piece in runner.pieces(first, inputs):
        states, left = piece[left:], max(0, left - len(piece))
        if not len(states):
            continue
        outputs = network.outputs(states)
        decoded.append(task.decode(outputs))
        peaks.append(outputs.amax(dim=-1).double().cpu().numpy())
        kept.append(states[-done % every :: every].double().cpu().numpy())
        done += len(states)
    return Stretch(np.concatenate(decoded), np.concatenate(peaks), np.concatenate(kept))

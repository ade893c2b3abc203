"""Waking and offline life of a network, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neuro.analysis.reactivation import Stretch
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.tasks import Task, Trajectories

CHUNK = 100
"""Steps that are simulated, and decoded, together."""

STATES = 200
"""Steps of which states are kept, evenly spaced."""


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


def awake(
    network: NoisyRNN,
    task: Task,
    lived: Trajectories,
    *,
    noise: float,
    generator: np.random.Generator,
    noise_kind: str = "gaussian",
) -> Life:
    """Show a network how it moves.

    Parameters
    ----------
    network : NoisyRNN
    task : Task
    lived : Trajectories
    noise : float
    generator : numpy.random.Generator
        Of the noise.
    noise_kind : {"gaussian", "uniform01"}
    """
    stretch = _decoded(network, task, lived.start, lived.inputs, noise, generator, noise_kind)
    return Life(stretch, float(task.space.errors(stretch.decoded, lived.states).mean()))


def offline(
    network: NoisyRNN,
    task: Task,
    start: np.ndarray,
    steps: int,
    *,
    noise: float,
    generator: np.random.Generator,
    noise_kind: str = "gaussian",
) -> Stretch:
    """Leave a network to itself: no input, only noise.

    Parameters
    ----------
    start : ndarray, shape [trajectories] or [trajectories, 2]
        Where it is when the input stops.
    steps : int
    network, task, noise, generator, noise_kind
        See :func:`awake`.
    """
    nothing = np.zeros((steps, len(start), task.inputs))
    return _decoded(network, task, start, nothing, noise, generator, noise_kind)


@torch.no_grad()
def _decoded(
    network: NoisyRNN,
    task: Task,
    start: np.ndarray,
    inputs: np.ndarray,
    noise: float,
    generator: np.random.Generator,
    noise_kind: str,
) -> Stretch:
    code = task.code(start).to(network.device, network.dtype)
    every = max(1, len(inputs) // STATES)
    decoded, peaks, kept = [], [], []
    for first, states in _run(network, code, inputs, noise, generator, noise_kind):
        outputs = network.outputs(states)
        decoded.append(task.decode(outputs))
        peaks.append(outputs.amax(dim=-1).double().cpu().numpy())
        kept.append(states[-first % every :: every].double().cpu().numpy())
    return Stretch(np.concatenate(decoded), np.concatenate(peaks), np.concatenate(kept))


def _run(
    network: NoisyRNN,
    code: Tensor,
    inputs: np.ndarray,
    noise: float,
    generator: np.random.Generator,
    noise_kind: str,
) -> Iterator[tuple[int, Tensor]]:
    """States piece by piece, each with the number of its first step."""
    start = None
    for first in range(0, len(inputs), CHUNK):
        part = network.tensor(inputs[first : first + CHUNK])
        steps, count, _ = part.shape
        disturbed = network.noise(noise, steps, count, generator, noise_kind)
        states = network.run(code, part, disturbed, start=start)
        start = states[-1].clone()
        yield first, states

"""Training: minimise the error of what is reported, under noise or without."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neuro.atomic import replacing
from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import ReactivationSettings
from neuro.models.reactivation.network import NoisyRNN
from neuro.models.reactivation.tasks import (
    AnchoredHeadDirection,
    HeadDirection,
    Position,
    Task,
    Trajectories,
)
from neuro.progress import Progress, Silent
from neuro.random import stream

BLOCK = 50
"""Batches whose trajectories are drawn together."""

KEPT_EVERY = 500
"""Batches between two checkpoints."""

MOMENTS = ("exp_avg", "exp_avg_sq")
"""What Adam keeps of each weight."""


def make_task(settings: ReactivationSettings, *, biased: bool, seed: int) -> Task:
    """The task of some settings.

    Parameters
    ----------
    settings : ReactivationSettings
    biased : bool
        Whether movement is biased: counter-clockwise, or towards the middle.
    seed : int
        Of place cells.

    Raises
    ------
    DescriptionError
        If a task that is anchored is to be biased as well.
    """
    if settings.task == "position":
        return Position(settings.cells, biased=biased, seed=seed)
    if settings.task == "head-direction":
        return HeadDirection(settings.cells, biased=biased)
    if biased:
        raise DescriptionError("task 'anchor' has its anchor for a bias; leave the other out")
    return AnchoredHeadDirection(settings.cells)


def make_network(settings: ReactivationSettings, task: Task, seed: int, device: str) -> NoisyRNN:
    """An untrained network for a task."""
    return NoisyRNN(
        task.inputs,
        settings.units,
        task.cells,
        leak=settings.leak,
        kind=settings.kind,
        activation=settings.activation,
        bias=settings.bias,
        seed=seed,
        device=device,
    )


@dataclass
class Training:
    """A network while it is trained.

    Attributes
    ----------
    network : NoisyRNN
    losses : list of float
        Mean squared error of each batch so far.
    """

    settings: ReactivationSettings
    task: Task
    noise: float
    seed: int
    network: NoisyRNN
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        tensors = list(self.network.weights.values())
        self._adam = torch.optim.Adam(tensors, lr=self.settings.learning_rate)
        self._block: tuple[int, Trajectories] | None = None

    def run(self, progress: Progress | None = None, checkpoint: Path | None = None) -> None:
        """Train to the end.

        Parameters
        ----------
        progress : Progress, optional
            Is told of every batch.
        checkpoint : Path, optional
            File to go on from, if there, and to keep what was learned in.

        Raises
        ------
        FloatingPointError
            If the loss is no longer finite.
        """
        meter = progress or Silent()
        if checkpoint is not None and checkpoint.is_file():
            self._load(checkpoint)
            meter.advance(len(self.losses))
        while len(self.losses) < self.settings.batches:
            self._step(len(self.losses))
            meter.advance(1)
            done = len(self.losses)
            if checkpoint is not None and (done % KEPT_EVERY == 0 or done == self.settings.batches):
                self._save(checkpoint)

    def _step(self, batch: int) -> None:
        net, lived = self.network, self._trajectories(batch)
        steps, count = lived.states.shape[:2]
        generator = stream(self.seed, "reactivation training noise", batch)
        loss, gradients = net.loss_and_gradients(
            self.task.code(lived.start).to(net.device, net.dtype),
            net.tensor(lived.inputs),
            self.task.code(lived.states).to(net.device, net.dtype),
            net.noise(self.noise, steps, count, generator, self.settings.noise_kind),
        )
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in batch {batch}; lower learning_rate"
                f" ({self.settings.learning_rate:g})"
            )
        for name, tensor in net.weights.items():
            tensor.grad = gradients[name]
        for group in self._adam.param_groups:
            group["lr"] = self.settings.rate(batch)
        self._adam.step()
        self.losses.append(loss)

    def _trajectories(self, batch: int) -> Trajectories:
        """Those of a batch; the same with noise and without."""
        block, place = divmod(batch, BLOCK)
        size = self.settings.batch_size
        if self._block is None or self._block[0] != block:
            generator = stream(self.seed, "reactivation training", block)
            drawn = self.task.trajectories(BLOCK * size, self.settings.steps, generator)
            self._block = block, drawn
        drawn, part = self._block[1], slice(place * size, (place + 1) * size)
        return Trajectories(drawn.start[part], drawn.inputs[:, part], drawn.states[:, part])

    def _save(self, path: Path) -> None:
        arrays: dict[str, Any] = {"losses": self.losses}
        for name, tensor in self.network.weights.items():
            arrays[f"weight {name}"] = tensor.cpu().numpy()
            for moment in MOMENTS:
                arrays[f"{moment} {name}"] = self._adam.state[tensor][moment].cpu().numpy()
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)

    def _load(self, path: Path) -> None:
        with np.load(path) as kept:
            self.losses = kept["losses"].tolist()
            names = list(self.network.weights)
            self.network.load_weights({n: kept[f"weight {n}"] for n in names})
            for name, tensor in self.network.weights.items():
                moments = {m: self.network.tensor(kept[f"{m} {name}"]) for m in MOMENTS}
                step = torch.tensor(float(len(self.losses)))
                self._adam.state[tensor] = {"step": step, **moments}


def train(
    settings: ReactivationSettings,
    task: Task,
    *,
    noise: float,
    seed: int,
    device: str = "cpu",
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> Training:
    """Train a network.

    Parameters
    ----------
    settings : ReactivationSettings
    task : Task
    noise : float
        Of states while it is trained; 0 for a network that never knew noise.
    seed : int
        Of weights, trajectories and noise.
    device : str
    progress, checkpoint
        See :meth:`Training.run`.
    """
    network = make_network(settings, task, seed, device)
    made = Training(settings, task, noise, seed, network)
    made.run(progress, checkpoint)
    return made

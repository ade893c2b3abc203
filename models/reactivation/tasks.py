r"""What an animal does awake: it turns its head, or walks in a box, and is told how it moves.

The network gets changes (turns, displacements) and shall report the place where they lead, as the
activity of cells that each prefer one place. Generators as in Krishna et al. 2024
(arXiv:2505.17003) and its released code, which go back to Erdem & Hasselmo 2012 (Eur. J. Neurosci.
35:916) and Sorscher et al. 2019; where paper and code disagree it is said here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neuro.analysis.reactivation import Circle, Plane, Space, wrapped
from neuro.errors import DescriptionError
from neuro.random import stream

FloatArray = NDArray[np.float64]

DT = 0.02
"""Seconds per step."""

TURN = 11.52 * DT
"""Standard deviation of a turn, radians a step."""

NEAREST = 3
"""Most active cells whose preferred places are averaged when activity is decoded."""


@dataclass(frozen=True, eq=False)
class Trajectories:
    """Some stretches of waking life.

    Attributes
    ----------
    start : ndarray, shape [trajectories] or [trajectories, 2]
        Where they begin.
    inputs : ndarray, shape [steps, trajectories, inputs]
        Changes.
    states : ndarray, shape [steps, trajectories] or [steps, trajectories, 2]
        Where each change leads.
    """

    start: FloatArray
    inputs: FloatArray
    states: FloatArray

    def first(self, count: int) -> Trajectories:
        """So many of them."""
        return Trajectories(self.start[:count], self.inputs[:, :count], self.states[:, :count])


class Task(ABC):
    """A task.

    Parameters
    ----------
    cells : int
        Output cells.

    Attributes
    ----------
    inputs : int
        Numbers that tell a change.
    space : Space
        Where states live.
    """

    inputs: int
    space: Space

    def __init__(self, cells: int) -> None:
        if cells < NEAREST:
            raise DescriptionError(f"{type(self).__name__} cells: {cells}; at least {NEAREST}")
        self.cells = cells

    @abstractmethod
    def trajectories(self, count: int, steps: int, generator: np.random.Generator) -> Trajectories:
        """Draw trajectories."""

    @abstractmethod
    def anywhere(self, count: int, generator: np.random.Generator) -> FloatArray:
        """Draw states from all alike, ``[count]`` or ``[count, 2]``."""

    @abstractmethod
    def code(self, states: ArrayLike) -> Tensor:
        """Activity of the cells at states ``[..., cells]``, float32."""

    @abstractmethod
    def decode(self, outputs: Tensor) -> FloatArray:
        """State that activities ``[..., cells]`` stand for."""


class HeadDirection(Task):
    r"""Turning on the spot; cells prefer angles all around.

    Turns are independent, :math:`N(0, 0.23^2)` radians a step. Cells have von Mises tuning with
    peak 1, :math:`e^{\kappa (\cos(\theta - \theta_i) - 1)}`, :math:`\kappa = (\pi / 6)^{-2}` (the
    paper writes a density; the code has the peak).

    Parameters
    ----------
    cells : int
    biased : bool
        Only counter-clockwise turns.
    """

    inputs = 1
    concentration = (np.pi / 6) ** -2

    def __init__(self, cells: int = 512, *, biased: bool = False) -> None:
        super().__init__(cells)
        self.space: Space = Circle()
        self.biased = biased
        self.preferred = -np.pi + 2 * np.pi * np.arange(cells) / cells

    def trajectories(self, count: int, steps: int, generator: np.random.Generator) -> Trajectories:
        """Draw trajectories from all headings alike."""
        start = self.anywhere(count, generator)
        turns = generator.normal(0.0, TURN, (steps, count))
        if self.biased:
            turns = np.abs(turns)
        return Trajectories(start, turns[..., None], wrapped(start + np.cumsum(turns, axis=0)))

    def anywhere(self, count: int, generator: np.random.Generator) -> FloatArray:
        """Draw headings from all alike."""
        return generator.uniform(-np.pi, np.pi, count)

    def code(self, states: ArrayLike) -> Tensor:
        """Activity of the cells at angles ``[...]``, ``[..., cells]``."""
        angles = torch.as_tensor(np.asarray(states), dtype=torch.float32)[..., None]
        preferred = torch.as_tensor(self.preferred, dtype=torch.float32)
        return torch.exp(self.concentration * (torch.cos(angles - preferred) - 1.0))

    def decode(self, outputs: Tensor) -> FloatArray:
        """Circular mean of the angles that the most active cells prefer."""
        best = outputs.detach().topk(NEAREST, dim=-1).indices.cpu().numpy()
        found: FloatArray = np.angle(np.exp(1j * self.preferred[best]).sum(axis=-1))
        return found


class AnchoredHeadDirection(HeadDirection):
    r"""Turning with a pull towards heading 0, so that headings are not all alike.

    Turns are :math:`N(0, 0.23^2) - 0.05 \sin\theta`; trajectories begin in the stationary law, a
    von Mises one with concentration about 1.9. Not in the paper: where all headings are as
    frequent, anything that diffuses revisits them.
    """

    pull = 0.05
    burn_in = 150

    def __init__(self, cells: int = 512) -> None:
        super().__init__(cells)

    def trajectories(self, count: int, steps: int, generator: np.random.Generator) -> Trajectories:
        """Draw trajectories that begin in the stationary law."""
        heading = generator.uniform(-np.pi, np.pi, count)
        noise = generator.normal(0.0, TURN, (self.burn_in + steps, count))
        turns = np.empty((steps, count))
        states = np.empty((steps, count))
        start = heading
        for step, turn in enumerate(noise, start=-self.burn_in):
            if step == 0:
                start = heading
            turn = turn - self.pull * np.sin(heading)
            heading = wrapped(heading + turn)
            if step >= 0:
                turns[step], states[step] = turn, heading
        return Trajectories(start, turns[..., None], states)


class Position(Task):
    r"""Walking in a square box of 2.2 m; cells prefer places.

    Speeds are independent from step to step, Rayleigh with scale :math:`0.26 \pi` m/s (the code;
    the paper's table says 0.2 m/s), headings do a random walk with turns as in
    :class:`HeadDirection`. Nearer than 3 cm to a wall and facing it, one slows down to a quarter
    and turns along it. Walls are not solid: they may be overstepped a little. Cell activities are
    a softmax of :math:`-d^2 / (2 \cdot 0.2^2)` over cells (the code; the paper writes Gaussians).

    Parameters
    ----------
    cells : int
    biased : bool
        Each step also moves 5 % of the way to the middle, and is told so.
    seed : int
        Of the cells' places; tasks with the same seed have the same cells.
    """

    inputs = 2
    side, width = 2.2, 0.2
    near_wall, slow = 0.03, 0.25
    pull = 0.05
    speed = 0.26 * np.pi

    def __init__(self, cells: int = 512, *, biased: bool = False, seed: int = 0) -> None:
        super().__init__(cells)
        self.space: Space = Plane()
        self.biased = biased
        half = self.side / 2
        self.places = stream(seed, "place cells").uniform(-half, half, (cells, 2))

    def trajectories(self, count: int, steps: int, generator: np.random.Generator) -> Trajectories:
        """Draw trajectories from all positions in the box alike."""
        place = self.anywhere(count, generator)
        heading = generator.uniform(0.0, 2 * np.pi, count)
        speeds = generator.rayleigh(self.speed, (steps + 1, count))
        turns = generator.normal(0.0, TURN, (steps + 1, count))
        moves = np.empty((steps + 1, count, 2))
        states = np.empty((steps + 1, count, 2))
        for step, (speed, turn) in enumerate(zip(speeds, turns, strict=True)):
            slower, along = self._at_wall(place, heading)
            towards = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
            move = (speed * slower * DT)[:, None] * towards
            if self.biased:
                move = move - self.pull * place
            place = place + move
            heading = heading + along + turn
            moves[step], states[step] = move, place
        # The first step is dropped: nobody starts facing a wall.
        return Trajectories(states[0], moves[1:], states[1:])

    def anywhere(self, count: int, generator: np.random.Generator) -> FloatArray:
        """Draw positions from all in the box alike."""
        half = self.side / 2
        return generator.uniform(-half, half, (count, 2))

    def _at_wall(self, place: FloatArray, heading: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Factor on the speed, and the turn that a wall ahead forces."""
        half = self.side / 2
        gaps = np.stack([half - place[:, 0], half - place[:, 1], half + place[:, 0],
                         half + place[:, 1]])  # fmt: skip
        nearest = gaps.argmin(axis=0)
        angle = wrapped(heading - nearest * np.pi / 2)
        facing = (gaps.min(axis=0) < self.near_wall) & (np.abs(angle) < np.pi / 2)
        turn = np.sign(angle) * (np.pi / 2 - np.abs(angle))
        return np.where(facing, self.slow, 1.0), np.where(facing, turn, 0.0)

    def code(self, states: ArrayLike) -> Tensor:
        """Activity of the cells at positions ``[..., 2]``, ``[..., cells]``."""
        places = torch.as_tensor(self.places, dtype=torch.float32)
        there = torch.as_tensor(np.asarray(states), dtype=torch.float32)
        # |x - c|^2 without |x|^2, which is the same for all cells.
        nearness = there @ places.T - places.square().sum(dim=1) / 2
        return torch.softmax(nearness / self.width**2, dim=-1)

    def decode(self, outputs: Tensor) -> FloatArray:
        """Mean of the places that the most active cells prefer, ``[..., 2]``."""
        best = outputs.detach().topk(NEAREST, dim=-1).indices.cpu().numpy()
        found: FloatArray = self.places[best].mean(axis=-2)
        return found

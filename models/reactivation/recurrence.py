r"""Loops over time of noisy recurrent networks, and their gradients.

A leaky network and a gated one, with a leak :math:`a` per step and noise outside the rectifier:

.. math::
    J_t &= \phi(W r_{t-1} + d_t), \qquad r_t = (1 - a) r_{t-1} + a J_t + \xi_t \\
    z &= \sigma(U_z r + d^z), \quad g = \sigma(U_g r + d^g), \quad c = \tanh(U_c (g r) + d^c),
    \quad r_t = r + a (1 - z)(c - r) + \xi_t

:math:`d` is what inputs and biases drive, computed for all steps at once outside; so is the part of
the gradient that weights get. What remains for every step is a product of matrices and a few
operations in place, in buffers that are kept from call to call: no graph is recorded. The leaky
network, the one that experiments are made of, is compiled for processors
(:mod:`neuro.models.reactivation.kernels`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import ACTIVATIONS, check_network

COMPILED_ON = ("cpu",)
"""Types of devices whose leaky networks run in compiled loops."""


@dataclass(frozen=True, eq=False)
class Gradients:
    """Derivatives of a loss.

    Attributes
    ----------
    start : Tensor, shape [trajectories, units]
    drive : Tensor, shape [steps, trajectories, gates x units]
    recurrent : Tensor, shape [units, gates x units]
    """

    start: Tensor
    drive: Tensor
    recurrent: Tensor


class Loop(ABC):
    """A network over time.

    Tensors that it returns are its own buffers: the next call writes into them.

    Attributes
    ----------
    gates : int
        Blocks of ``drive``, each as wide as there are units.
    """

    gates: int

    def __init__(self, leak: float) -> None:
        if not 0.0 < leak <= 1.0:
            raise DescriptionError(f"leak is {leak:g}; above 0 and at most 1")
        self.leak = leak
        self._buffers: dict[str, Tensor] = {}

    @abstractmethod
    def forward(
        self, start: Tensor, drive: Tensor, recurrent: Tensor, noise: Tensor | None
    ) -> Tensor:
        """Run.

        Parameters
        ----------
        start : Tensor, shape [trajectories, units]
        drive : Tensor, shape [steps, trajectories, gates x units]
        recurrent : Tensor, shape [units, gates x units]
            From unit to unit.
        noise : Tensor, shape [steps, trajectories, units], optional
            Is added to the states.

        Returns
        -------
        Tensor, shape [steps, trajectories, units]
            States.
        """

    @abstractmethod
    def backward(self, gradient: Tensor) -> Gradients:
        """From the derivatives by the states that :meth:`forward` gave last."""

    def _buffer(self, name: str, like: Tensor, steps: int, width: int) -> Tensor:
        """Room for a number a step, trajectory and column, written anew by each call."""
        shape = (steps, like.shape[0], width)
        kept = self._buffers.get(name)
        if kept is None or (kept.shape, kept.dtype) != (shape, like.dtype):
            self._buffers[name] = kept = like.new_empty(shape)
        return kept

    def _begin(self, start: Tensor, steps: int) -> Tensor:
        """States with the start before them, ``[steps + 1, trajectories, units]``."""
        states = self._buffer("states", start, steps + 1, start.shape[1])
        states[0] = start
        return states


class LeakyLoop(Loop):
    """The leaky network: compiled on a processor, in torch on other devices.

    Parameters
    ----------
    leak : float
    activation : {"relu", "tanh", "sigmoid", "identity"}
    """

    gates = 1

    def __init__(self, leak: float, activation: str = "relu") -> None:
        super().__init__(leak)
        self.activation = activation
        self._recurrent = torch.empty(0)

    def forward(
        self, start: Tensor, drive: Tensor, recurrent: Tensor, noise: Tensor | None
    ) -> Tensor:
        """Run; see :class:`Loop`."""
        steps, width = len(drive), start.shape[1]
        states = self._begin(start, steps)
        active = self._buffer("active", start, steps, width)
        self._recurrent = recurrent
        if start.device.type in COMPILED_ON:
            from neuro.models.reactivation import kernels

            kernels.leaky_forward(
                drive.contiguous().numpy(),
                recurrent.contiguous().numpy(),
                (drive[:0] if noise is None else noise).contiguous().numpy(),
                self.leak,
                ACTIVATIONS.index(self.activation),
                states.numpy(),
                active.numpy(),
            )
        else:
            self._in_torch(drive, recurrent, noise, states, active)
        return states[1:]

    def _in_torch(
        self, drive: Tensor, recurrent: Tensor, noise: Tensor | None, states: Tensor, active: Tensor
    ) -> None:
        for step, (push, j) in enumerate(zip(drive.unbind(), active.unbind(), strict=True)):
            before, after = states[step], states[step + 1]
            torch.addmm(push, before, recurrent, out=j)
            if self.activation != "identity":
                getattr(j, f"{self.activation}_")()
            torch.lerp(before, j, self.leak, out=after)
            if noise is not None:
                after.add_(noise[step])

    def backward(self, gradient: Tensor) -> Gradients:
        """Backpropagation through time; see :class:`Loop`."""
        steps, _, width = gradient.shape
        states, active = self._buffers["states"], self._buffers["active"]
        drive = self._buffer("gradient of drive", gradient[0], steps, width)
        start = torch.zeros_like(gradient[0])
        back = self._recurrent.T.contiguous()
        if gradient.device.type in COMPILED_ON:
            from neuro.models.reactivation import kernels

            kernels.leaky_backward(
                gradient.contiguous().numpy(),
                active.numpy(),
                back.numpy(),
                self.leak,
                ACTIVATIONS.index(self.activation),
                drive.numpy(),
                start.numpy(),
            )
        else:
            start = self._back_in_torch(gradient, active, back, drive, start)
        recurrent = states[:-1].flatten(0, 1).T @ drive.flatten(0, 1)
        return Gradients(start, drive, recurrent)

    def _back_in_torch(
        self, gradient: Tensor, active: Tensor, back: Tensor, drive: Tensor, now: Tensor
    ) -> Tensor:
        slopes, then = self._slopes(active).mul_(self.leak), torch.empty_like(now)
        for given, slope, pushed in zip(
            reversed(gradient.unbind()),
            reversed(slopes.unbind()),
            reversed(drive.unbind()),
            strict=True,
        ):
            now.add_(given)
            torch.mul(now, slope, out=pushed)
            torch.addmm(now, pushed, back, beta=1.0 - self.leak, out=then)
            now, then = then, now
        return now

    def _slopes(self, active: Tensor) -> Tensor:
        """Derivatives of the activation, by its values; written in their place."""
        if self.activation == "relu":
            return torch.gt(active, 0, out=active)
        if self.activation == "tanh":
            return active.square_().neg_().add_(1.0)
        if self.activation == "sigmoid":
            return active.sub_(active.square())
        return active.fill_(1.0)


class GatedLoop(Loop):
    """The gated network; blocks of ``drive`` and ``recurrent`` are those of z, g and c."""

    gates = 3

    def __init__(self, leak: float) -> None:
        super().__init__(leak)
        self._recurrent = torch.empty(0)

    def forward(
        self, start: Tensor, drive: Tensor, recurrent: Tensor, noise: Tensor | None
    ) -> Tensor:
        """Run; see :class:`Loop`."""
        steps, width = len(drive), start.shape[1]
        states = self._begin(start, steps)
        gates = self._buffer("gates", start, steps, 2 * width)
        passed = self._buffer("passed", start, steps, width)
        wanted = self._buffer("wanted", start, steps, width)
        self._recurrent = recurrent
        to_gates = recurrent[:, : 2 * width].contiguous()
        to_wanted = recurrent[:, 2 * width :].contiguous()
        for step in range(steps):
            before, after = states[step], states[step + 1]
            torch.addmm(drive[step, :, : 2 * width], before, to_gates, out=gates[step])
            gates[step].sigmoid_()
            z, g = gates[step, :, :width], gates[step, :, width:]
            torch.mul(g, before, out=passed[step])
            torch.addmm(drive[step, :, 2 * width :], passed[step], to_wanted, out=wanted[step])
            wanted[step].tanh_()
            torch.sub(wanted[step], before, out=after)
            after.mul_(1.0 - z).mul_(self.leak).add_(before)
            if noise is not None:
                after.add_(noise[step])
        return states[1:]

    def backward(self, gradient: Tensor) -> Gradients:
        """Backpropagation through time; see :class:`Loop`."""
        steps, _, width = gradient.shape
        names = ("states", "gates", "passed", "wanted")
        states, gates, passed, wanted = (self._buffers[name] for name in names)
        drive = self._buffer("gradient of drive", gradient[0], steps, 3 * width)
        from_gates = self._recurrent[:, : 2 * width].T.contiguous()
        from_wanted = self._recurrent[:, 2 * width :].T.contiguous()
        now = torch.zeros_like(gradient[0])
        for step in range(steps - 1, -1, -1):
            before, c = states[step], wanted[step]
            z, g = gates[step, :, :width], gates[step, :, width:]
            now = now + gradient[step]
            moved = now * (self.leak * (1.0 - z))
            by_c = drive[step, :, 2 * width :]
            torch.mul(moved, 1.0 - c * c, out=by_c)
            by_passed = by_c @ from_wanted
            drive[step, :, :width] = now * (-self.leak * (c - before)) * z * (1.0 - z)
            drive[step, :, width : 2 * width] = by_passed * before * g * (1.0 - g)
            now = now - moved + by_passed * g
            now.addmm_(drive[step, :, : 2 * width], from_gates)
        flat = drive.flatten(0, 1)
        recurrent = torch.cat(
            [
                states[:-1].flatten(0, 1).T @ flat[:, : 2 * width],
                passed.flatten(0, 1).T @ flat[:, 2 * width :],
            ],
            dim=1,
        )
        return Gradients(now, drive, recurrent)


def make_loop(kind: str, leak: float, activation: str = "relu") -> Loop:
    """The loop of a kind of network.

    Raises
    ------
    DescriptionError
        See :func:`neuro.learning.reactivation_settings.check_network`.
    """
    check_network(kind, activation)
    return GatedLoop(leak) if kind == "gated" else LeakyLoop(leak, activation)

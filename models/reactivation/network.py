"""A noisy recurrent network that keeps track of where it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.reactivation_settings import check_noise
from neuro.models import weight_matrices
from neuro.models.reactivation.recurrence import make_loop
from neuro.random import stream


class NoisyRNN:
    r"""Encoder, recurrent units with noise in their states, linear decoder.

    .. math:: r_0 = E y_0, \qquad r_t = f(r_{t-1}, u_t) + s \xi_t, \qquad o_t = D r_t

    with f one of :mod:`neuro.models.reactivation.recurrence` (Krishna et al. 2024,
    arXiv:2505.17003, section 3). The paper has no biases; without them a rectified network without
    input has no isolated states of rest, and activity decays or grows offline.

    Parameters
    ----------
    inputs, units, cells : int
        Numbers that tell a change; recurrent units; output cells.
    leak : float
        :math:`a`, part of the state that is renewed in a step.
    kind : {"leaky", "gated"}
    activation : {"relu", "tanh", "sigmoid", "identity"}
        Of leaky networks.
    bias : bool
        Whether recurrent units have biases, 0 at first.
    seed : int
        Of the weights: uniform in plus or minus one over the root of a unit's inputs.
    device : str
    precision : {"float32", "float64"}

    Attributes
    ----------
    weights : dict of str to Tensor
        ``encoder`` [cells, units], ``inputs`` [inputs, gates x units], ``recurrent`` [units,
        gates x units], ``bias`` [gates x units] (if any), ``decoder`` [units, cells].

    Examples
    --------
    >>> net = NoisyRNN(1, 8, 12, leak=0.5, seed=1)
    >>> states = net.run(net.encode(torch.zeros(3, 12)), torch.zeros(5, 3, 1))
    >>> states.shape, net.outputs(states).shape
    (torch.Size([5, 3, 8]), torch.Size([5, 3, 12]))
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        cells: int,
        *,
        leak: float,
        kind: str = "leaky",
        activation: str = "relu",
        bias: bool = True,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        for name, number in (("inputs", inputs), ("units", units), ("cells", cells)):
            if number < 1:
                raise DescriptionError(f"NoisyRNN {name}: {number}; at least 1")
        self.loop = make_loop(kind, leak, activation)
        self.units, self.kind = units, kind
        self.dtype = getattr(torch, precision)
        self.device = torch.device(device)
        wide = self.loop.gates * units
        shapes = {
            "encoder": (cells, units),
            "inputs": (inputs, wide),
            "recurrent": (units, wide),
            "decoder": (units, cells),
        }
        self.weights: dict[str, Tensor] = {}
        for name, shape in shapes.items():
            limit = shape[0] ** -0.5
            drawn = stream(seed, f"reactivation {name}").uniform(-limit, limit, shape)
            self.weights[name] = self.tensor(drawn)
        if bias:
            self.weights["bias"] = self.tensor(np.zeros(wide))

    def tensor(self, values: ArrayLike) -> Tensor:
        """Numbers where the network is and as it has them."""
        return torch.as_tensor(np.asarray(values)).to(self.device, self.dtype)

    # --- weights -----------------------------------------------------------------------------

    def get_weights(self) -> dict[str, NDArray[np.float64]]:
        """Float64 copies of the weights by name."""
        names, tensors = self.weights.keys(), list(self.weights.values())
        return dict(zip(names, weight_matrices.copied(tensors), strict=True))

    def load_weights(self, weights: Mapping[str, ArrayLike]) -> None:
        """Take weights.

        Raises
        ------
        DescriptionError
            If names, shapes or values do not fit; the network is then unchanged.
        """
        if set(weights) != set(self.weights):
            raise DescriptionError(
                f"NoisyRNN.load_weights: given {', '.join(sorted(weights))}; this network has"
                f" {', '.join(sorted(self.weights))}"
            )
        given = [weights[name] for name in self.weights]
        weight_matrices.load(
            list(self.weights.values()), given, "NoisyRNN.load_weights", "see NoisyRNN.weights"
        )

    # --- running -----------------------------------------------------------------------------

    def drive(self, inputs: Tensor) -> Tensor:
        """What inputs ``[steps, trajectories, inputs]`` and biases drive."""
        found = inputs @ self.weights["inputs"]
        return found + self.weights["bias"] if "bias" in self.weights else found

    def encode(self, code: Tensor) -> Tensor:
        """States ``[..., units]`` in which activity of the cells ``[..., cells]`` starts them."""
        return code.to(self.device, self.dtype) @ self.weights["encoder"]

    def run(self, start: Tensor, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """States over time.

        Parameters
        ----------
        start : Tensor, shape [trajectories, units]
        inputs : Tensor, shape [steps, trajectories, inputs]
        noise : Tensor, shape [steps, trajectories, units], optional

        Returns
        -------
        Tensor, shape [steps, trajectories, units]
            A buffer: the next run overwrites it.
        """
        return self.loop.forward(start, self.drive(inputs), self.weights["recurrent"], noise)

    def outputs(self, states: Tensor) -> Tensor:
        """Activity of the cells ``[..., cells]`` at states ``[..., units]``."""
        return states @ self.weights["decoder"]

    def loss_and_gradients(
        self, code: Tensor, inputs: Tensor, targets: Tensor, noise: Tensor | None
    ) -> tuple[float, dict[str, Tensor]]:
        """Mean squared error of the outputs, and its derivatives by all weights.

        Parameters
        ----------
        code : Tensor, shape [trajectories, cells]
            Activity of the cells at the start.
        inputs, noise
            See :meth:`run`.
        targets : Tensor, shape [steps, trajectories, cells]
        """
        states = self.run(self.encode(code), inputs, noise)
        flat = states.flatten(0, 1)
        wrong = self.outputs(flat).sub_(targets.flatten(0, 1))
        loss = float(torch.dot(wrong.view(-1), wrong.view(-1))) / wrong.numel()
        wrong.mul_(2.0 / wrong.numel())
        back = (wrong @ self.weights["decoder"].T).view_as(states)
        decoder = flat.T @ wrong
        found = self.loop.backward(back)
        drive = found.drive.flatten(0, 1)
        gradients = {
            "encoder": code.T @ found.start,
            "inputs": inputs.flatten(0, 1).T @ drive,
            "recurrent": found.recurrent,
            "decoder": decoder,
        }
        if "bias" in self.weights:
            gradients["bias"] = drive.sum(dim=0)
        return loss, gradients

    def noise(
        self,
        size: float,
        steps: int,
        trajectories: int,
        generator: np.random.Generator,
        kind: str = "gaussian",
    ) -> Tensor | None:
        """Noise of states ``[steps, trajectories, units]``; None if its size is 0.

        Raises
        ------
        DescriptionError
            If the size is negative or there is no such noise.
        """
        check_noise(kind)
        if not 0.0 <= size < float("inf"):
            raise DescriptionError(f"noise of size {size!r}; finite and at least 0")
        if size == 0.0:
            return None
        shape = (steps, trajectories, self.units)
        draw = generator.standard_normal if kind == "gaussian" else generator.random
        return self.tensor(draw(shape, np.float32)).mul_(size)

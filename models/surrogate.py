"""A feed-forward network of spiking units, trained by a surrogate gradient through time.

The gradient-based baseline of continual learning with spikes: images become spike trains
(:class:`~neuro.learning.encoding.Encoding`), hidden layers are leaky integrate-and-fire units, the
readout is leaky. The pass and its gradient are in :mod:`neuro.learning.surrogate`; what may protect
earlier tasks, in :mod:`neuro.learning.regulariser`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional

from neuro.errors import DescriptionError
from neuro.learning.encoding import Encoding
from neuro.learning.regulariser import Learned, Regulariser, Tether
from neuro.learning.surrogate import READOUTS, Dynamics, SpikingPass, forward
from neuro.models import weight_matrices
from neuro.models.feedforward import same_head
from neuro.random import stream as random_stream

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class SpikeCounts:
    """Spikes of some images.

    Attributes
    ----------
    images : int
    layers : tuple of int
        Spikes of the input and of each hidden layer, over all images.
    """

    images: int
    layers: tuple[int, ...]

    def __add__(self, other: SpikeCounts) -> SpikeCounts:
        layers = tuple(a + b for a, b in zip(self.layers, other.layers, strict=True))
        return SpikeCounts(self.images + other.images, layers)


class SurrogateLIF:
    """A spiking classifier without recurrence.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input first; at least one hidden layer.
    steps : int
        Length of the spike trains.
    decay : float
        Factor of a potential per step, in (0, 1).
    reset : float, optional
        What a spike takes off the potential of the next step (the threshold is 1). None: as much
        as ``decay``, i.e. 1 at once, before the leak. 1: after the leak, as ``snntorch.Leaky``.
    slope : float
        Slope k of the surrogate 1 / (1 + k|u - 1|)².
    readout : {"mean", "max", "last"}
        What is read from the potentials of the last layer: their mean over time, their maximum,
        or the last ones.
    encoding : Encoding
        How images become spikes.
    heads : sequence of sequences of int, optional
        Classes that are told apart from each other, one group a task; None: all from all.
    seed : int
        Seed of the initial weights and of the phases of the encoding; equal on every device.
    device : str
        Torch device.

    Attributes
    ----------
    weights : list of Tensor
        ``[pre + 1, post]``, float32, input side first; the last row holds the biases. At first
        uniform in ± 1/sqrt(pre).
    counted : SpikeCounts or None
        Spikes of the images last predicted.

    Examples
    --------
    >>> import numpy as np
    >>> model = SurrogateLIF((4, 20, 2), seed=1)
    >>> images, labels = np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1])
    >>> model.fit(images, labels, epochs=30, stream=np.random.default_rng(0))
    >>> model.predict(images).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        steps: int = 32,
        decay: float = 0.95,
        reset: float | None = None,
        slope: float = 25.0,
        readout: str = "mean",
        encoding: Encoding | None = None,
        heads: Sequence[Sequence[int]] | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.sizes = tuple(int(n) for n in sizes)
        if len(self.sizes) < 3 or min(self.sizes) < 1:
            raise DescriptionError(
                f"SurrogateLIF sizes: {self.sizes} is not a network; give at least three positive "
                f"integers: inputs, hidden units (one or more layers), outputs"
            )
        if steps < 1:
            raise DescriptionError(f"SurrogateLIF steps: {steps}; at least 1")
        if not 0.0 < decay < 1.0:
            raise DescriptionError(f"SurrogateLIF decay: {decay!r} must lie between 0 and 1")
        reset = decay if reset is None else reset
        for name, value in (("reset", reset), ("slope", slope)):
            if not 0.0 <= value < float("inf"):
                raise DescriptionError(f"SurrogateLIF {name}: {value!r} must be finite and >= 0")
        if readout not in READOUTS:
            raise DescriptionError(
                f"SurrogateLIF readout: {readout!r} is unknown; choose {', '.join(READOUTS)}"
            )
        self.steps = steps
        self.dynamics = Dynamics(decay, reset, slope, readout)
        self.encoding = Encoding() if encoding is None else encoding
        self.seed = seed
        self.device = torch.device(device)
        self.weights = [
            torch.tensor(self._initial(i), device=self.device).requires_grad_()
            for i in range(len(self.sizes) - 1)
        ]
        self.counted: SpikeCounts | None = None
        self._allowed = None if heads is None else same_head(heads, self.sizes[-1], self.device)
        self._adam: torch.optim.Adam | None = None
        self._batches = 0

    def __repr__(self) -> str:
        return f"SurrogateLIF({self.sizes}, steps={self.steps}, {self.dynamics})"

    def _initial(self, i: int) -> FloatArray:
        pre, post = self.sizes[i], self.sizes[i + 1]
        limit = pre**-0.5
        drawn = random_stream(self.seed, "surrogate.init", i).uniform(
            -limit, limit, (pre + 1, post)
        )
        return drawn.astype(np.float32)

    # --- weights -----------------------------------------------------------------------------

    def get_weights(self) -> list[NDArray[np.float64]]:
        """Float64 copies of the weight matrices, each ``[pre + 1, post]``, biases last."""
        return weight_matrices.copied(self.weights)

    def load_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy weight matrices ``[pre + 1, post]`` into the network; Adam's state stays.

        Raises
        ------
        DescriptionError
            If number, shapes or values do not fit; the network is then unchanged.
        """
        where, axes = "SurrogateLIF.load_weights", "[pre + 1, post]"
        weight_matrices.load(self.weights, weights, where, axes, ", biases last")

    @property
    def optimiser_arrays(self) -> list[Tensor]:
        """What Adam keeps of each weight; nothing before the first training."""
        states = self._adam.state.values() if self._adam is not None else ()
        return [s[name] for s in states for name in ("exp_avg", "exp_avg_sq")]

    # --- inference ---------------------------------------------------------------------------

    def encode(self, images: ArrayLike, phases: np.random.Generator) -> Tensor:
        """Spike trains ``[steps, n, features]`` of images, units starting at random phases."""
        rates = self.encoding.rates(np.asarray(images, np.float64))
        return self._trains(rates, phases)

    def _trains(self, rates: NDArray[np.float64], phases: np.random.Generator) -> Tensor:
        trains = self.encoding.spikes(rates, phases.random(rates.shape), self.steps)
        return torch.from_numpy(trains).to(self.device, torch.float32)

    def labels(self, labels: ArrayLike) -> Tensor:
        """Labels ``[n]`` on the device of the network."""
        return torch.tensor(np.asarray(labels, np.int64), device=self.device)

    def run(self, trains: Tensor) -> SpikingPass:
        """The pass on spike trains ``[steps, n, features]``; autograd can follow it."""
        return forward(trains, self.weights, self.dynamics)

    def look(self, x: Tensor) -> SpikingPass:
        """The pass on images ``[n, features]``; equal images give equal passes."""
        trains = self.encode(x.cpu().numpy(), random_stream(self.seed, "surrogate.look"))
        return self.run(trains)

    @torch.no_grad()
    def outputs(self, images: ArrayLike, batch_size: int = 200) -> FloatArray:
        """Outputs ``[images, classes]``; equal images give equal outputs."""
        array = np.asarray(images, np.float32)
        found = np.empty((len(array), self.sizes[-1]), np.float32)
        counted = SpikeCounts(0, (0,) * (len(self.sizes) - 1))
        phases = random_stream(self.seed, "surrogate.look")
        for start in range(0, len(array), batch_size):
            part = slice(start, start + batch_size)
            seen = self.run(self.encode(array[part], phases))
            found[part] = seen.output.cpu().numpy()
            spikes = tuple(int(layer.sum(dtype=torch.float64)) for layer in seen.inputs)
            counted += SpikeCounts(len(found[part]), spikes)
        self.counted = counted
        return found

    @torch.no_grad()
    def states(self, images: ArrayLike, batch_size: int = 200) -> list[FloatArray]:
        """Spikes a step of each hidden layer, and outputs: ``[images, units]`` each."""
        array = np.asarray(images, np.float32)
        found = [np.empty((len(array), n), np.float32) for n in self.sizes[1:]]
        phases = random_stream(self.seed, "surrogate.look")
        for start in range(0, len(array), batch_size):
            part = slice(start, start + batch_size)
            seen = self.run(self.encode(array[part], phases))
            layers = [*(s.mean(0) for s in seen.inputs[1:]), seen.output]
            for whole, layer in zip(found, layers, strict=True):
                whole[part] = layer.cpu().numpy()
        return found

    def predict(self, images: ArrayLike, batch_size: int = 200) -> NDArray[np.int64]:
        """Label of each image: the largest output, the first one of a tie."""
        labels: NDArray[np.int64] = self.outputs(images, batch_size).argmax(1).astype(np.int64)
        return labels

    # --- learning ----------------------------------------------------------------------------

    def loss(self, output: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of outputs ``[batch, classes]``, within each label's head."""
        if self._allowed is not None:
            output = output.masked_fill(~self._allowed[labels], -torch.inf)
        return functional.cross_entropy(output, labels)

    def fit(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        learning_rate: float = 5e-3,
        epochs: int = 3,
        batch_size: int = 32,
        restart: bool = False,
        stream: np.random.Generator,
        regulariser: Regulariser | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """Train on labelled images by Adam on the mean cross-entropy of mini-batches.

        A quadratic term of the regulariser is added to the loss.

        Parameters
        ----------
        images : array_like
            ``[n, features]``, not negative.
        labels : array_like
            ``[n]`` integers.
        learning_rate : float
            Of Adam.
        epochs, batch_size : int
            Passes over the images; images per step.
        restart : bool
            Whether Adam's averages start anew; otherwise those of the last call go on.
        stream : numpy.random.Generator
            Shuffles the images; equal streams give equal results.
        regulariser : Regulariser, optional
            Protects what was learned in earlier calls.
        progress : callable, optional
            Called after each batch with its number of images.

        Raises
        ------
        DescriptionError
            For arguments that cannot mean anything.
        FloatingPointError
            If the weights are no longer finite afterwards.
        """
        x = np.asarray(images, np.float32)
        y = self.labels(labels)
        self._check(x, y, learning_rate, epochs, batch_size)
        guard = Regulariser() if regulariser is None else regulariser
        adam = self.optimiser(learning_rate, restart)
        rates = self.encoding.rates(x)
        guard.begin(self.weights, frozenset(y.tolist()))
        tethers = guard.tethers()
        for _ in range(epochs):
            order = stream.permutation(len(x))
            for chosen in (order[i : i + batch_size] for i in range(0, len(x), batch_size)):
                phases = random_stream(self.seed, "surrogate.phases", self._batches)
                self._batches += 1
                trains = self._trains(rates[chosen], phases)
                self.step(trains, y[torch.from_numpy(chosen)], adam, tethers)
                if progress is not None:
                    progress(len(chosen))
        if not all(bool(torch.isfinite(w).all()) for w in self.weights):
            raise FloatingPointError(
                f"SurrogateLIF.fit: weights are not finite at learning_rate {learning_rate}; "
                f"lower it, or the strength of the regulariser"
            )
        within = None if self._allowed is None else self._allowed[y]
        seen_images = torch.from_numpy(x).to(self.device)
        guard.finish(Learned(self.weights, seen_images, within, self.look, stream))

    def optimiser(self, learning_rate: float, restart: bool = False) -> torch.optim.Adam:
        """Adam with the averages of earlier trainings, or anew."""
        if self._adam is None or restart:
            self._adam = torch.optim.Adam(self.weights, lr=learning_rate)
        for group in self._adam.param_groups:
            group["lr"] = learning_rate
        return self._adam

    def step(
        self,
        trains: Tensor,
        labels: Tensor,
        adam: torch.optim.Adam,
        tethers: Sequence[Tether] = (),
    ) -> None:
        """One step of Adam on a mini-batch.

        Parameters
        ----------
        trains : Tensor
            ``[steps, batch, features]``, as :meth:`encode` gives them.
        labels : Tensor
            ``[batch]``.
        adam : torch.optim.Adam
            From :meth:`optimiser`.
        tethers : sequence of Tether
            Quadratic terms of the loss, one for each weight matrix, or none.
        """
        loss = self.loss(self.run(trains).output, labels)
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for tether, w, gradient in zip(tethers, self.weights, gradients, strict=False):
                gradient.addcmul_(tether.stiffness, w - tether.anchor)
        for w, gradient in zip(self.weights, gradients, strict=True):
            w.grad = gradient
        adam.step()

    def _check(
        self, x: FloatArray, y: Tensor, learning_rate: float, epochs: int, batch_size: int
    ) -> None:
        if x.ndim != 2 or x.shape[1] != self.sizes[0] or len(x) == 0 or y.shape != (len(x),):
            raise DescriptionError(
                f"SurrogateLIF.fit: images {x.shape} and labels {tuple(y.shape)} do not fit; "
                f"give [n, {self.sizes[0]}] and [n]"
            )
        if int(y.min()) < 0 or int(y.max()) >= self.sizes[-1]:
            raise DescriptionError(
                f"SurrogateLIF.fit labels: {int(y.min())}..{int(y.max())} must lie in "
                f"0..{self.sizes[-1] - 1}"
            )
        if not 0 < learning_rate < float("inf"):
            raise DescriptionError(
                f"SurrogateLIF.fit learning_rate: {learning_rate!r} must be finite and above 0"
            )
        for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
            if value < least:
                raise DescriptionError(f"SurrogateLIF.fit {name}: {value}; at least {least}")

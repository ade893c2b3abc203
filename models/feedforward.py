"""A feed-forward network of rectified units: the baseline of sleep replay in earlier work.

The network of Tadros, Krishnan, Ramyaa & Bazhenov 2022 (Nat. Commun. 13:7742) as released:
rectified hidden and output units, no biases, dropout, gradient descent with momentum. Its pass is
in :mod:`neuro.learning.feedforward`; what may protect earlier tasks, in
:mod:`neuro.learning.regulariser`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.feedforward import Pass, forward, readout
from neuro.learning.regulariser import Learned, Regulariser
from neuro.models import weight_matrices
from neuro.random import stream as random_stream

FloatArray = NDArray[np.float32]


class FeedForward:
    """A classifier without biases and recurrence.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input first; at least one hidden layer.
    loss : {"mse", "cross-entropy"}
        ``mse``: half the squared error of rectified outputs (derivative taken as 1);
        ``cross-entropy``: of the softmax of linear outputs.
    dropout : float
        Share of hidden units, in [0, 1), that is silenced for each training image.
    initial_weights : float, optional
        Initial weights are uniform in ± this; None: ± 1/sqrt(fan_in).
    heads : sequence of sequences of int, optional
        Classes that are told apart from each other, one group a task; None: all from all.
    seed : int
        Seed of the initial weights; equal on every device.
    device : str
        Torch device.

    Attributes
    ----------
    weights : list of Tensor
        ``[pre, post]``, float32, input side first.

    Examples
    --------
    >>> import numpy as np
    >>> model = FeedForward((4, 20, 2), seed=1)
    >>> images, labels = np.eye(4, dtype=np.float32), np.array([0, 0, 1, 1])
    >>> model.fit(images, labels, learning_rates=(0.5, 0.5), epochs=100,
    ...           stream=np.random.default_rng(0))
    >>> model.predict(images).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        loss: str = "mse",
        dropout: float = 0.0,
        initial_weights: float | None = None,
        heads: Sequence[Sequence[int]] | None = None,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self.sizes = tuple(int(n) for n in sizes)
        if len(self.sizes) < 3 or min(self.sizes) < 1:
            raise DescriptionError(
                f"FeedForward sizes: {self.sizes} is not a network; give at least three positive "
                f"integers: inputs, hidden units (one or more layers), outputs"
            )
        if not 0.0 <= dropout < 1.0:
            raise DescriptionError(f"FeedForward dropout: {dropout!r} must lie in [0, 1)")
        if initial_weights is not None and not 0.0 < initial_weights < float("inf"):
            raise DescriptionError(
                f"FeedForward initial_weights: {initial_weights!r} must be a finite number above 0"
            )
        self.readout = readout(loss)
        self.loss = loss
        self.dropout = float(dropout)
        self.device = torch.device(device)
        self.weights = [
            self._tensor(self._initial(i, seed, initial_weights)).requires_grad_()
            for i in range(len(self.sizes) - 1)
        ]
        # The momentum of one task goes on into the next, as in the released code.
        self._velocity = [torch.zeros_like(w, requires_grad=False) for w in self.weights]
        self._allowed = None if heads is None else same_head(heads, self.sizes[-1], self.device)

    def __repr__(self) -> str:
        return f"FeedForward({self.sizes}, loss={self.loss!r}, dropout={self.dropout})"

    def _initial(self, i: int, seed: int, bound: float | None) -> FloatArray:
        shape = self.sizes[i], self.sizes[i + 1]
        limit = shape[0] ** -0.5 if bound is None else bound
        drawn = random_stream(seed, "feedforward.init", i).uniform(-limit, limit, shape)
        return drawn.astype(np.float32)

    def _tensor(self, array: ArrayLike) -> Tensor:
        return torch.tensor(np.asarray(array), dtype=torch.float32, device=self.device)

    # --- weights -----------------------------------------------------------------------------

    def get_weights(self) -> list[NDArray[np.float64]]:
        """Float64 copies of the weight matrices, each ``[pre, post]``."""
        return weight_matrices.copied(self.weights)

    def load_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy weight matrices ``[pre, post]`` into the network.

        Raises
        ------
        DescriptionError
            If number, shapes or values do not fit; the network is then unchanged.
        """
        weight_matrices.load(self.weights, weights, "FeedForward.load_weights", "[pre, post]")

    # --- inference ---------------------------------------------------------------------------

    def look(self, x: Tensor) -> Pass:
        """The pass in test mode: hidden activity times the share that dropout keeps."""
        return forward(x, self.weights, [1.0 - self.dropout] * (len(self.weights) - 1))

    @torch.no_grad()
    def states(self, images: ArrayLike, batch_size: int = 1000) -> list[FloatArray]:
        """Activity of every layer above the input in test mode, ``[images, units]`` each."""
        array = np.asarray(images, np.float32)
        found = [np.empty((len(array), n), np.float32) for n in self.sizes[1:]]
        for start in range(0, len(array), batch_size):
            part = slice(start, start + batch_size)
            seen = self.look(self._tensor(array[part]))
            for whole, a in zip(found, [*seen.inputs[1:], self._outputs(seen)], strict=True):
                whole[part] = a.cpu().numpy()
        return found

    def outputs(self, images: ArrayLike, batch_size: int = 1000) -> FloatArray:
        """Outputs ``[images, classes]`` in test mode."""
        array = np.asarray(images, np.float32)
        parts = [array[i : i + batch_size] for i in range(0, len(array), batch_size)]
        with torch.no_grad():
            read = [self._outputs(self.look(self._tensor(p))).cpu().numpy() for p in parts]
        return np.concatenate([np.empty((0, self.sizes[-1]), np.float32), *read])

    def predict(self, images: ArrayLike, batch_size: int = 1000) -> NDArray[np.int64]:
        """Label of each image: the most active output, the first one of a tie."""
        labels: NDArray[np.int64] = self.outputs(images, batch_size).argmax(1).astype(np.int64)
        return labels

    def _outputs(self, seen: Pass) -> Tensor:
        return self.readout.outputs(seen.currents[-1])

    # --- learning ----------------------------------------------------------------------------

    def fit(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        learning_rates: Sequence[float],
        epochs: int,
        batch_size: int = 100,
        momentum: float = 0.0,
        stream: np.random.Generator,
        regulariser: Regulariser | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Learn by stochastic gradient descent with momentum.

        Parameters
        ----------
        images : array_like
            ``[n, features]``, usually in [0, 1].
        labels : array_like of int
            ``[n]``.
        learning_rates : sequence of float
            One per weight matrix, input side first.
        epochs, batch_size : int
            Passes over the images; images per step.
        momentum : float
            In [0, 1). The velocity goes on from the last call.
        stream : numpy.random.Generator
            Shuffles images and draws dropout; equal streams give equal results.
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
        x = self._tensor(images)
        y = torch.tensor(np.asarray(labels, np.int64), device=self.device)
        self._check(x, y, learning_rates, epochs, batch_size, momentum)
        guard = Regulariser() if regulariser is None else regulariser
        if self.loss not in guard.losses:
            raise DescriptionError(
                f"{type(guard).__name__} needs loss {' or '.join(guard.losses)}, "
                f"the network has {self.loss!r}"
            )
        targets = torch.eye(self.sizes[-1], device=self.device)
        guard.begin(self.weights, frozenset(y.tolist()))
        tethers = guard.tethers()
        for _ in range(epochs):
            order = torch.from_numpy(stream.permutation(len(x))).to(self.device)
            for chosen in torch.split(order, batch_size):
                allowed = None if self._allowed is None else self._allowed[y[chosen]]
                seen = forward(x[chosen], self.weights, self._masks(len(chosen), stream))
                error = self.readout.error(seen.currents[-1].detach(), targets[y[chosen]], allowed)
                before = [w.detach().clone() for w in self.weights] if guard.watches_steps else []
                own = self._step(seen, error / len(chosen), learning_rates, momentum, guard)
                for tether, w, rate in zip(tethers, self.weights, learning_rates, strict=False):
                    # In the long run a gradient moves a weight by this much: the momentum's sum.
                    tether.pull(w.detach(), rate / (1.0 - momentum))
                if before:
                    guard.stepped(own, before, [w.detach() for w in self.weights])
                if progress is not None:
                    progress(len(chosen))
        if not all(bool(torch.isfinite(w).all()) for w in self.weights):
            raise FloatingPointError(
                f"FeedForward.fit: weights are not finite at learning_rates "
                f"{tuple(learning_rates)} and momentum {momentum}; lower them, or the strength of "
                f"the regulariser"
            )
        within = None if self._allowed is None else self._allowed[y]
        guard.finish(Learned(self.weights, x, within, self.look, stream))

    def _step(
        self,
        seen: Pass,
        error: Tensor,
        rates: Sequence[float],
        momentum: float,
        guard: Regulariser,
    ) -> Sequence[Tensor]:
        """One step of descent from the error that output currents send back.

        Returns the gradients of the task's own loss.
        """
        extra = guard.loss(self.weights, seen.inputs[0], seen.currents[-1])
        own = torch.autograd.grad(
            seen.currents[-1], self.weights, error, retain_graph=extra is not None
        )
        descended = list(own)
        if extra is not None:
            added = torch.autograd.grad(extra, self.weights, materialize_grads=True)
            descended = [a + b for a, b in zip(own, added, strict=True)]
        with torch.no_grad():
            for w, v, g, rate in zip(self.weights, self._velocity, descended, rates, strict=True):
                v.mul_(momentum).add_(g, alpha=rate)
                w.sub_(v)
        return own

    def _masks(self, rows: int, stream: np.random.Generator) -> list[Tensor | float]:
        """Which hidden units take part, for each image of a batch."""
        if self.dropout == 0.0:
            return [1.0] * (len(self.sizes) - 2)
        return [
            self._tensor(stream.random((rows, n), dtype=np.float32) >= self.dropout)
            for n in self.sizes[1:-1]
        ]

    def _check(
        self,
        x: Tensor,
        y: Tensor,
        rates: Sequence[float],
        epochs: int,
        batch_size: int,
        momentum: float,
    ) -> None:
        if x.ndim != 2 or x.shape[1] != self.sizes[0] or len(x) == 0 or y.shape != (len(x),):
            raise DescriptionError(
                f"FeedForward.fit: images {tuple(x.shape)} and labels {tuple(y.shape)} do not fit; "
                f"give [n, {self.sizes[0]}] and [n]"
            )
        if int(y.min()) < 0 or int(y.max()) >= self.sizes[-1]:
            raise DescriptionError(
                f"FeedForward.fit labels: {int(y.min())}..{int(y.max())} must lie in "
                f"0..{self.sizes[-1] - 1}"
            )
        if len(rates) != len(self.weights) or not all(0 <= r < float("inf") for r in rates):
            raise DescriptionError(
                f"FeedForward.fit learning_rates: {tuple(rates)} must be {len(self.weights)} "
                f"finite numbers >= 0, one per weight matrix"
            )
        for name, value, least in (("epochs", epochs, 0), ("batch_size", batch_size, 1)):
            if value < least:
                raise DescriptionError(f"FeedForward.fit {name}: {value}; at least {least}")
        if not 0.0 <= momentum < 1.0:
            raise DescriptionError(f"FeedForward.fit momentum: {momentum!r} must lie in [0, 1)")


def same_head(heads: Sequence[Sequence[int]], classes: int, device: torch.device) -> Tensor:
    """Bool ``[classes, classes]``: row c marks the classes that c is told apart from."""
    allowed = torch.zeros(classes, classes, dtype=torch.bool)
    for head in heads:
        for c in head:
            allowed[c, list(head)] = True
    if not bool(allowed.diagonal().all()):
        raise DescriptionError(f"FeedForward heads: {heads} must hold each of {classes} classes")
    return allowed.to(device)

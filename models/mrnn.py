"""A multilayer recurrent network that learns by equilibrium propagation.

Hidden and output layers drive each other through the same weights, used forwards and, transposed,
backwards. This is the awake network of Kubo, Delanois & Bazhenov (2025), arXiv:2508.14081; its
dynamics and gradients are in :mod:`neuro.learning.relaxation` and
:mod:`neuro.learning.equilibrium`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.bptt import truncated_gradients
from neuro.learning.equilibrium import (
    EquilibriumSettings,
    Workspace,
    add_gradients,
    ep_gradients,
    free_states,
)
from neuro.learning.sleep import spiking_network
from neuro.network import Network
from neuro.random import stream as random_stream
from neuro.sources import Source

FloatArray = NDArray[np.floating]

RULES = ("equilibrium", "bptt", "bptt-open")
READOUTS = ("state", "current")


class MRNN:
    """A layered recurrent network with symmetric feedback.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input first, e.g. ``(784, 256, 10)``; at least one hidden layer.
    dynamics : {"leaky", "prototypical", "energy"}
        Form of the relaxation, see :mod:`neuro.learning.relaxation`.
    activation : str
        ``hard_sigmoid``, ``steep_sigmoid`` (``mysig``), ``wide_hard_sigmoid``
        (``my_hard_sig``) or ``tanh``.
    bias : bool
        Whether layers have a bias.
    step_size : float
        Step of ``leaky`` and ``energy``, in (0, 1].
    free_steps, nudged_steps : int
        Steps of the free phase and of each nudged phase.
    beta : float
        Strength of the nudge.
    estimator : {"symmetric", "one-sided", "random-sign"}
        How the phases are contrasted.
    loss : {"mse", "cross-entropy"}
        What is descended.
    readout : {"state", "current"}
        What :meth:`outputs` are, and :meth:`predict` compares: the states of the output layer, or
        its input currents. The order is the same, except among units that the activation clips:
        those tie in their states, at 0 for many images after sleep has weakened the weights.
    seed : int
        Seed of the initial weights, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the default of
        ``torch.nn.Linear``. The same seed gives the same weights on every device.
    device : str
        Torch device.
    dtype : torch.dtype
        ``torch.float32`` or ``torch.float64``.

    Attributes
    ----------
    weights : list of Tensor
        One ``[pre, post]`` per pair of layers.
    biases : list of Tensor
        One ``[units]`` per layer after the input; empty without biases.
    settings : EquilibriumSettings
        Everything about dynamics and learning.

    Examples
    --------
    >>> import numpy as np
    >>> model = MRNN((4, 8, 2), seed=1)
    >>> images, labels = np.eye(4), np.array([0, 0, 1, 1])
    >>> model.fit(images, labels, learning_rates=(0.5, 0.2), epochs=100,
    ...           stream=np.random.default_rng(0))
    >>> model.predict(images).tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        dynamics: str = "leaky",
        activation: str = "hard_sigmoid",
        bias: bool = False,
        step_size: float = 0.5,
        free_steps: int = 20,
        nudged_steps: int = 6,
        beta: float = 0.5,
        estimator: str = "symmetric",
        loss: str = "mse",
        readout: str = "state",
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.sizes = _checked_sizes(sizes)
        if dtype not in (torch.float32, torch.float64):
            raise DescriptionError(
                f"MRNN dtype: {dtype} is not supported; choose torch.float32 or torch.float64"
            )
        self.settings = EquilibriumSettings(
            dynamics=dynamics,
            activation=activation,
            loss=loss,
            step_size=step_size,
            free_steps=free_steps,
            nudged_steps=nudged_steps,
            beta=beta,
            estimator=estimator,
        )
        if readout not in READOUTS:
            raise DescriptionError(
                f"MRNN readout: {readout!r} is unknown; choose one of {', '.join(READOUTS)}"
            )
        self.readout = readout
        self.bias = bool(bias)
        self.device = torch.device(device)
        self.dtype = dtype
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        self._work = Workspace(self.sizes, self.settings, device=self.device, dtype=dtype)
        self.reset(seed)

    def __repr__(self) -> str:
        s = self.settings
        return (
            f"MRNN({self.sizes}, dynamics={s.dynamics!r}, activation={s.activation!r}, "
            f"estimator={s.estimator!r}, loss={s.loss!r}, bias={self.bias}, seed={self.seed})"
        )

    # --- weights -----------------------------------------------------------------------------

    def reset(self, seed: int) -> None:
        """Draw fresh initial weights and biases from ``seed``."""
        self.seed = int(seed)
        self.weights, self.biases = [], []
        for i, (fan_in, units) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            draw = random_stream(self.seed, "mrnn.init", i)
            bound = fan_in**-0.5
            self.weights.append(self._tensor(draw.uniform(-bound, bound, (fan_in, units))))
            if self.bias:
                self.biases.append(self._tensor(draw.uniform(-bound, bound, units)))

    def get_weights(self) -> list[NDArray[np.float64]]:
        """Return float64 copies of the weight matrices, each ``[pre, post]``."""
        return [w.to("cpu", torch.float64, copy=True).numpy() for w in self.weights]

    def load_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Copy weight matrices into the network.

        Parameters
        ----------
        weights : sequence of array_like
            One ``[pre, post]`` per pair of layers.
        """
        if len(weights) != len(self.weights):
            raise DescriptionError(
                f"MRNN.load_weights: got {len(weights)} matrices for sizes {self.sizes}; "
                f"give {len(self.weights)}"
            )
        arrays = [np.asarray(w, dtype=np.float64) for w in weights]
        # All are checked before any is changed, so a failed load leaves the network as it was.
        for i, (array, mine) in enumerate(zip(arrays, self.weights, strict=True)):
            wanted = tuple(mine.shape)
            if array.shape != wanted:
                hint = " (it looks transposed)" if array.shape == wanted[::-1] else ""
                raise DescriptionError(
                    f"MRNN.load_weights: matrix {i} has shape {array.shape}{hint}; "
                    f"give [pre, post] = {wanted}"
                )
            _check_finite(array, f"MRNN.load_weights: matrix {i}")
        for array, mine in zip(arrays, self.weights, strict=True):
            mine.copy_(self._tensor(array))

    def to_network(
        self, source: Source, *, thresholds: Sequence[float], **settings: Any
    ) -> Network:
        """Return the spiking network with these weights.

        Biases stay behind: the spiking neurons have none (sleep leaves them as they are).

        Parameters
        ----------
        source : Source
            What drives the input layer, e.g. ``WindowedPoisson`` or ``PoissonImages``.
        thresholds : sequence of float
            One per layer after the input.
        **settings
            See :func:`neuro.learning.sleep.spiking_network`: ``decay``, ``gains``,
            ``plasticity``, ``feedback_gain``, ``feedback_plasticity``, ``dt``, ``seed``, ``name``.

        Returns
        -------
        Network
            Populations ``layer0`` to ``layerL``, projections ``forward1`` to ``forwardL``. Read
            ``sim.weights("forward1")``... and give them to :meth:`load_weights` to wake up.
        """
        return spiking_network(self.get_weights(), source, thresholds=thresholds, **settings)

    # --- inference ---------------------------------------------------------------------------

    def free_states(self, x: ArrayLike | Tensor) -> list[Tensor]:
        """Return the states after the free phase.

        Parameters
        ----------
        x : array_like or Tensor
            Images, [batch, ...] with ``sizes[0]`` values each.

        Returns
        -------
        list of Tensor
            [batch, units] per layer after the input; new tensors.
        """
        images = self._images(x, "MRNN.free_states")
        return [s.clone() for s in self._relax(self._tensor(images))]

    def states(self, images: ArrayLike, batch_size: int = 1000) -> list[FloatArray]:
        """Return the free-phase states as NumPy arrays, [images, units] per layer."""
        array = self._images(images, "MRNN.states")
        _check_positive(batch_size, "MRNN.states batch_size")
        kind = np.float32 if self.dtype == torch.float32 else np.float64
        found = [np.empty((len(array), n), kind) for n in self.sizes[1:]]
        for start in range(0, len(array), batch_size):
            part = slice(start, start + batch_size)
            for whole, s in zip(found, self._relax(self._tensor(array[part])), strict=True):
                whole[part] = s.cpu().numpy()
        return found

    def outputs(self, images: ArrayLike, batch_size: int = 1000) -> FloatArray:
        """Return the output layer after the free phase as ``readout`` says, [images, outputs]."""
        states = self.states(images, batch_size)
        if self.readout == "state":
            return states[-1]
        below = torch.from_numpy(states[-2]).to(self.device)
        if self.settings.dynamics == "energy":
            below = self.settings.rho(below)
        current = below @ self.weights[-1]
        if self.biases:
            current += self.biases[-1]
        found: FloatArray = current.cpu().numpy()
        return found

    def predict(self, images: ArrayLike, batch_size: int = 1000) -> NDArray[np.int64]:
        """Return the label of each image: the largest of :meth:`outputs`, the first of a tie."""
        labels: NDArray[np.int64] = self.outputs(images, batch_size).argmax(1).astype(np.int64)
        return labels

    # --- learning ----------------------------------------------------------------------------

    def gradients(
        self,
        x: ArrayLike | Tensor,
        y: ArrayLike | Tensor,
        *,
        sign: int = 1,
        rule: str = "equilibrium",
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return the gradient of the batch-mean loss, to be descended.

        Parameters
        ----------
        x : array_like or Tensor
            Images, [batch, ...] with ``sizes[0]`` values each.
        y : array_like or Tensor
            Integer labels [batch], or targets [batch, outputs].
        sign : {1, -1}
            Sign of beta for the ``random-sign`` estimator; the others ignore it.
        rule : {"equilibrium", "bptt", "bptt-open"}
            Equilibrium propagation, or truncated back-propagation through time
            (:func:`neuro.learning.bptt.truncated_gradients`), with ``open_outputs`` or without.

        Returns
        -------
        weight_gradients, bias_gradients : list of Tensor
            New tensors shaped as :attr:`weights` and :attr:`biases`.
        """
        _check_rule(rule, "MRNN.gradients")
        if sign not in (1, -1):
            raise DescriptionError(f"MRNN.gradients sign: {sign!r} must be 1 or -1")
        images = self._images(x, "MRNN.gradients", at_least=1)
        inputs = self._tensor(images)
        targets = self._tensor(self._targets(y, len(images), "MRNN.gradients"))
        if rule != "equilibrium":
            return self._through_time(inputs, targets, rule)
        return ep_gradients(
            inputs,
            targets,
            self.weights,
            self.biases,
            self.settings,
            work=self._work,
            sign=sign,
        )

    @torch.no_grad()
    def fit(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        *,
        learning_rates: Sequence[float],
        epochs: int,
        batch_size: int = 20,
        stream: np.random.Generator,
        momentum: float = 0.0,
        rule: str = "equilibrium",
        progress: Callable[[int], object] | None = None,
    ) -> None:
        """Learn by stochastic gradient descent.

        Parameters
        ----------
        images : array_like
            [images, ...] with ``sizes[0]`` values each, usually in [0, 1].
        labels : array_like
            Integer labels [images], or targets [images, outputs].
        learning_rates : sequence of float
            One per weight matrix (and its bias), input side first.
        epochs : int
            Passes over the images.
        batch_size : int
            Images per step; the last batch of an epoch may be smaller.
        stream : numpy.random.Generator
            Shuffles the images of each epoch, and draws the signs of ``random-sign``. Equal
            streams give equal results.
        momentum : float
            In [0, 1). The velocity starts at zero in every call: carried over, that of the last
            task would push the next one's outputs.
        rule : {"equilibrium", "bptt", "bptt-open"}
            Where the gradients come from, see :meth:`gradients`.
        progress : callable, optional
            Called after each batch with the number of samples done so far, over all epochs.

        Raises
        ------
        neuro.errors.DescriptionError
            For arguments that cannot mean anything.
        FloatingPointError
            If the weights are no longer finite afterwards.
        """
        array = self._images(images, "MRNN.fit", at_least=1)
        inputs = self._tensor(array)
        targets = self._tensor(self._targets(labels, len(array), "MRNN.fit"))
        rates = _checked_rates(learning_rates, len(self.weights))
        _check_rule(rule, "MRNN.fit")
        _check_positive(batch_size, "MRNN.fit batch_size")
        if not isinstance(stream, np.random.Generator):
            raise DescriptionError(
                f"MRNN.fit stream: {type(stream).__name__} is not a numpy.random.Generator; "
                f"make one with neuro.random.stream(seed, name)"
            )
        if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
            raise DescriptionError(f"MRNN.fit epochs: {epochs!r} must be an integer >= 0")
        if not 0.0 <= momentum < 1.0:
            raise DescriptionError(f"MRNN.fit momentum: {momentum!r} must lie in [0, 1)")

        update = _Descent(self, rates, momentum, rule)
        count = len(array)
        rows = min(batch_size, count)
        whole = inputs.new_empty(rows, self.sizes[0]), targets.new_empty(rows, self.sizes[-1])
        done = 0
        for _ in range(epochs):
            order = torch.from_numpy(stream.permutation(count)).to(self.device)
            signs = [1] * -(-count // batch_size)
            if self.settings.estimator == "random-sign":
                signs = (2 * stream.integers(0, 2, len(signs)) - 1).tolist()
            for sign, chosen in zip(signs, torch.split(order, batch_size), strict=True):
                batch = whole
                if len(chosen) < len(whole[0]):  # the last one of an epoch
                    batch = whole[0][: len(chosen)], whole[1][: len(chosen)]
                torch.index_select(inputs, 0, chosen, out=batch[0])
                torch.index_select(targets, 0, chosen, out=batch[1])
                update(*batch, sign)
                done += len(chosen)
                if progress is not None:
                    progress(done)
        if not all(bool(torch.isfinite(w).all()) for w in [*self.weights, *self.biases]):
            raise FloatingPointError(
                f"MRNN.fit: weights are not finite after {done} samples at learning_rates "
                f"{rates}; lower them, or the momentum"
            )

    # --- helpers -----------------------------------------------------------------------------

    def _tensor(self, array: ArrayLike) -> Tensor:
        """A new tensor of the model's kind; never a view of the user's memory."""
        return torch.tensor(np.asarray(array), device=self.device, dtype=self.dtype)

    def _relax(self, x: Tensor) -> list[Tensor]:
        return free_states(x, self.weights, self.biases, self.settings, self._work)

    def _through_time(
        self, x: Tensor, targets: Tensor, rule: str
    ) -> tuple[list[Tensor], list[Tensor]]:
        return truncated_gradients(
            x, targets, self.weights, self.biases, self.settings,
            open_outputs=rule == "bptt-open",
        )  # fmt: skip

    def _images(self, images: ArrayLike | Tensor, who: str, at_least: int = 0) -> FloatArray:
        if isinstance(images, Tensor):
            images = images.detach().cpu().numpy()
        array = np.asarray(images)
        if array.dtype.kind not in "fiub":
            raise DescriptionError(
                f"{who} images: dtype {array.dtype} is not numeric; give floats in [0, 1]"
            )
        per_image = int(np.prod(array.shape[1:]))
        if array.ndim < 2 or per_image != self.sizes[0]:
            raise DescriptionError(
                f"{who} images: shape {array.shape} does not fit the input layer; give "
                f"[images, ...] with {self.sizes[0]} values per image"
            )
        if len(array) < at_least:
            raise DescriptionError(f"{who} images: none were given; give at least {at_least}")
        array = array.reshape(len(array), per_image)
        _check_finite(array, f"{who} images")
        return array

    def _targets(self, labels: ArrayLike | Tensor, count: int, who: str) -> NDArray[np.generic]:
        """One row of targets per image: one-hot for labels."""
        if isinstance(labels, Tensor):
            labels = labels.detach().cpu().numpy()
        array = np.asarray(labels)
        outputs = self.sizes[-1]
        if array.shape == (count, outputs) and array.dtype.kind in "fiub":
            _check_finite(array, f"{who} targets")
            return array
        if array.shape != (count,):
            raise DescriptionError(
                f"{who} labels: shape {array.shape} does not fit {count} images; give labels "
                f"({count},) or targets ({count}, {outputs})"
            )
        if array.dtype.kind not in "iu":
            raise DescriptionError(
                f"{who} labels: dtype {array.dtype} is not an integer; give class numbers"
            )
        bad = (array < 0) | (array >= outputs)
        if bad.any():
            raise DescriptionError(
                f"{who} labels: {array[bad][0]} at index {int(bad.argmax())} lies outside "
                f"0..{outputs - 1}, the outputs of sizes {self.sizes}"
            )
        one_hot = np.zeros((count, outputs))
        one_hot[np.arange(count), array] = 1.0
        return one_hot


class _Descent:
    """One step of gradient descent with the velocity, if any, of one call of ``fit``."""

    def __init__(self, model: MRNN, rates: list[float], momentum: float, rule: str) -> None:
        self.model, self.rates, self.momentum, self.rule = model, rates, momentum, rule
        # Gradients go straight into the weights unless something must be kept between steps.
        self.direct = momentum == 0.0 and rule == "equilibrium"
        self.velocity_w = [] if self.direct else [torch.zeros_like(w) for w in model.weights]
        self.velocity_b = [] if self.direct else [torch.zeros_like(b) for b in model.biases]

    def __call__(self, x: Tensor, y: Tensor, sign: int) -> None:
        model = self.model
        settings, weights, biases = model.settings, model.weights, model.biases
        if self.direct:
            add_gradients(
                weights, biases, x, y, weights, biases, settings, model._work,
                keep=1.0, scales=[-rate for rate in self.rates], sign=sign,
            )  # fmt: skip
            return
        if self.rule != "equilibrium":
            grad_w, grad_b = model._through_time(x, y, self.rule)
            pairs = [*zip(self.velocity_w, grad_w, strict=True)]
            pairs += zip(self.velocity_b, grad_b, strict=True)
            for velocity, gradient in pairs:
                velocity.mul_(self.momentum).add_(gradient)
        else:
            add_gradients(
                self.velocity_w, self.velocity_b, x, y, weights, biases, settings, model._work,
                keep=self.momentum, sign=sign,
            )  # fmt: skip
        for w, v, rate in zip(weights, self.velocity_w, self.rates, strict=True):
            w.sub_(v, alpha=rate)
        for b, v, rate in zip(biases, self.velocity_b, self.rates, strict=False):
            b.sub_(v, alpha=rate)


def _checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    whole = all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in sizes)
    if len(sizes) < 3 or not whole or min(sizes) < 1:
        raise DescriptionError(
            f"MRNN sizes: {tuple(sizes)} is not a network; give at least three positive "
            f"integers: inputs, hidden units (one or more layers), outputs"
        )
    return tuple(int(n) for n in sizes)


def _checked_rates(rates: Sequence[float], count: int) -> list[float]:
    found = [float(r) for r in rates]
    if len(found) != count or not all(0.0 <= r < float("inf") for r in found):
        raise DescriptionError(
            f"MRNN.fit learning_rates: {found} must be {count} finite numbers >= 0, one per "
            f"weight matrix, input side first"
        )
    return found


def _check_rule(rule: str, who: str) -> None:
    if rule not in RULES:
        raise DescriptionError(f"{who} rule: {rule!r} is unknown; choose one of {', '.join(RULES)}")


def _check_positive(value: int, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise DescriptionError(f"{what}: {value!r} must be an integer of at least 1")


def _check_finite(array: NDArray[np.generic], what: str) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise DescriptionError(
            f"{what}: {array[where]} at index {where} is not finite; clean the data first"
        )

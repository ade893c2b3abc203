"""Check that the equilibrium-propagation gradient of a network is that of its loss.

Two references, both free of the code under test: central finite differences of the loss at the
free fixed point, and back-propagation through the last steps of the relaxation. Everything is
computed in float64 on the CPU, whatever the model uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning import bptt
from neuro.learning.equilibrium import EquilibriumSettings, ep_gradients
from neuro.random import stream

#: Steps of a relaxation that counts as settled, for a step size of 1.
SETTLED_STEPS = 300
#: A state that changes by less than this in a step, in float64, counts as settled.
SETTLED = 1e-15
#: Values of one weight matrix, or of the states, over all copies that are relaxed together.
CHUNK_VALUES = 2_000_000


class EquilibriumModel(Protocol):
    """What :func:`check_gradient` reads; :class:`neuro.models.mrnn.MRNN` has it."""

    @property
    def settings(self) -> EquilibriumSettings:
        """Dynamics, activation, loss and estimator."""
        ...

    @property
    def weights(self) -> list[Tensor]:
        """One ``[pre, post]`` per pair of layers."""
        ...

    @property
    def biases(self) -> list[Tensor]:
        """One ``[units]`` per layer, or none."""
        ...


@dataclass(frozen=True)
class Agreement:
    """How one estimated gradient compares with a reference.

    Attributes
    ----------
    name : str
        ``W1`` is the matrix from the input to the first hidden layer, ``b1`` its bias.
    reference : str
        ``finite differences`` or ``bptt``.
    entries : int
        Values compared.
    cosine : float
        Cosine of the angle between the two; 1 is parallel. NaN if one of them is zero.
    norm_ratio : float
        Length of the estimate over that of the reference.
    relative_error : float
        Length of the difference over that of the reference.
    """

    name: str
    reference: str
    entries: int
    cosine: float
    norm_ratio: float
    relative_error: float


@dataclass(frozen=True)
class GradientCheck:
    """Result of :func:`check_gradient`.

    Attributes
    ----------
    rows : tuple of Agreement
        One per parameter and reference.
    settings : EquilibriumSettings
        Settings under which the gradient was estimated.
    residual : float
        Largest change of a state in one more free step: 0 for a settled network.
    outputs_left_out : float
        Fraction of outputs that were given their own state as target, see
        :func:`check_gradient`.
    min_cosine, norm_tolerance : float
        What :attr:`passed` asks for.
    """

    rows: tuple[Agreement, ...]
    settings: EquilibriumSettings
    residual: float
    outputs_left_out: float
    min_cosine: float
    norm_tolerance: float

    def row_passed(self, row: Agreement) -> bool:
        """Whether one comparison is within the bounds; NaN is not."""
        close = abs(row.norm_ratio - 1.0) <= self.norm_tolerance
        return row.cosine > self.min_cosine and close

    @property
    def passed(self) -> bool:
        """Whether every comparison is within the bounds."""
        return bool(self.rows) and all(self.row_passed(row) for row in self.rows)

    def format(self) -> str:
        """Return a text table, with a verdict and what may explain a failure."""
        s = self.settings
        lines = [
            (
                f"dynamics {s.dynamics}, activation {s.activation}, loss {s.loss}, "
                f"estimator {s.estimator}"
            ),
            (
                f"beta {s.beta:g}, {s.free_steps} free and {s.nudged_steps} nudged steps, "
                f"residual {self.residual:.1e}"
            ),
            "",
            (
                f"{'':4} {'reference':18} {'entries':>8} {'cosine':>11} {'norm ratio':>11} "
                f"{'rel. error':>11}"
            ),
        ]
        for row in self.rows:
            mark = "" if self.row_passed(row) else "  <-- outside"
            lines.append(
                f"{row.name:4} {row.reference:18} {row.entries:8d} {row.cosine:11.7f} "
                f"{row.norm_ratio:11.7f} {row.relative_error:11.2e}{mark}"
            )
        if self.outputs_left_out:
            lines += ["", f"{self.outputs_left_out:.1%} of the outputs left out: on a bound"]
        verdict = "passed" if self.passed else "FAILED"
        lines += [
            "",
            (
                f"{verdict}: cosine > {self.min_cosine:g}, norm ratio within "
                f"{self.norm_tolerance:g} of 1"
            ),
        ]
        if not self.passed:
            lines += self._explanations()
        return "\n".join(lines)

    def _explanations(self) -> Iterator[str]:
        s = self.settings
        if self.residual > 1e-8:
            yield (
                f"The network has not settled (residual {self.residual:.1e}): raise free_steps, "
                f"or it oscillates: lower step_size or the weights."
            )
        if s.estimator != "symmetric":
            yield (
                f"The {s.estimator} estimator has an error proportional to beta {s.beta:g}: "
                f"symmetric has one of its square."
            )
        if s.beta > 1e-4:
            yield f"beta {s.beta:g} bends the answer of the network: try 1e-4."
        if s.rho.squash == "clamp":
            yield (
                f"{s.activation} has corners, and the nudge may carry a unit over one: "
                f"try steep_sigmoid, or a smaller beta."
            )


def check_gradient(
    model: EquilibriumModel,
    x: Tensor | np.ndarray,
    y: Tensor | np.ndarray,
    *,
    beta: float | None = 1e-4,
    free_steps: int | None = None,
    nudged_steps: int | None = None,
    max_entries: int = 200,
    difference: float = 1e-5,
    min_cosine: float = 0.9999,
    norm_tolerance: float = 1e-3,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradient of equilibrium propagation with two references.

    In the ``leaky`` form an output on a bound of a clamping activation still answers the nudge,
    although no small change of a weight moves it: there the rule follows no loss (see
    :func:`neuro.learning.bptt.matched_loss`). Such outputs are left out, by making their own
    state their target, and counted in the result.

    Parameters
    ----------
    model : EquilibriumModel
        An :class:`~neuro.models.mrnn.MRNN`, or anything with its settings, weights and biases.
        It is not changed.
    x : Tensor or ndarray
        Input, [batch, sizes[0]].
    y : Tensor or ndarray
        Integer labels [batch], or targets [batch, outputs].
    beta : float, optional
        Strength of the nudge; None takes the model's own. The estimate is exact for beta -> 0:
        a large one bends the answer, and carries units over the corners of clamping activations.
    free_steps, nudged_steps : int, optional
        Phase lengths; by default long enough to settle (300 steps / step size).
    max_entries : int
        Finite differences visit at most this many entries per matrix, drawn by ``seed``.
    difference : float
        Half-width of the central difference in a weight.
    min_cosine, norm_tolerance : float
        Bounds of :attr:`GradientCheck.passed`.
    seed : int
        Seed of the choice of entries.

    Returns
    -------
    GradientCheck
        One row per parameter and reference; ``print(check.format())`` shows it.
    """
    weights = [w.detach().to("cpu", torch.float64, copy=True) for w in model.weights]
    biases = [b.detach().to("cpu", torch.float64, copy=True) for b in model.biases]
    settings = _settled(model.settings, beta, free_steps, nudged_steps)
    inputs, targets = _batch(x, y, weights)
    targets, left_out = _leave_out(inputs, targets, weights, biases, settings)

    estimate = _flatten(ep_gradients(inputs, targets, weights, biases, settings))
    through_time = _flatten(
        bptt.truncated_gradients(inputs, targets, weights, biases, settings, matched=True)
    )
    names = [f"W{i + 1}" for i in range(len(weights))]
    names += [f"b{i + 1}" for i in range(len(biases))]
    with torch.no_grad():
        driven = bptt.drive(inputs, weights, biases)
        free = _relax(bptt.rest(driven, weights), driven, weights, biases, settings)
        after = bptt.step(free, driven, weights, biases, settings)
        rows = []
        for i, name in enumerate(names):
            draw = stream(seed, "gradient_check", i)
            size = estimate[i].numel()
            chosen = np.sort(draw.permutation(size)[:max_entries])
            exact = _finite_differences(
                i, chosen, inputs, targets, free, weights, biases, settings, difference
            )
            found = estimate[i].flatten()[torch.from_numpy(chosen)]
            rows.append(_compare(name, "finite differences", found, exact))
            rows.append(_compare(name, "bptt", estimate[i], through_time[i]))
    residual = max(float((a - b).abs().max()) for a, b in zip(after, free, strict=True))
    return GradientCheck(
        rows=tuple(rows),
        settings=settings,
        residual=residual,
        outputs_left_out=left_out,
        min_cosine=min_cosine,
        norm_tolerance=norm_tolerance,
    )


def _settled(
    settings: EquilibriumSettings, beta: float | None, free: int | None, nudged: int | None
) -> EquilibriumSettings:
    step = 1.0 if settings.dynamics == "prototypical" else settings.step_size
    enough = math.ceil(SETTLED_STEPS / step)
    free = enough if free is None else free
    return settings.with_(
        beta=settings.beta if beta is None else beta,
        free_steps=free,
        nudged_steps=min(enough, free) if nudged is None else nudged,
    )


def _batch(
    x: Tensor | np.ndarray, y: Tensor | np.ndarray, weights: list[Tensor]
) -> tuple[Tensor, Tensor]:
    inputs = torch.tensor(np.asarray(x), dtype=torch.float64)
    given = np.asarray(y)
    units, outputs = weights[0].shape[0], weights[-1].shape[1]
    if inputs.ndim != 2 or inputs.shape[1] != units or len(inputs) == 0:
        raise DescriptionError(
            f"check_gradient x: shape {tuple(inputs.shape)} must be [batch, {units}]"
        )
    if given.shape == (len(inputs), outputs):
        return inputs, torch.tensor(given, dtype=torch.float64)
    if given.shape != (len(inputs),) or given.dtype.kind not in "iu":
        raise DescriptionError(
            f"check_gradient y: {given.dtype} of shape {given.shape} must be integer labels "
            f"({len(inputs)},) or targets ({len(inputs)}, {outputs})"
        )
    if given.min() < 0 or given.max() >= outputs:
        raise DescriptionError(
            f"check_gradient y: labels {given.min()}..{given.max()} must lie in 0..{outputs - 1}"
        )
    return inputs, torch.eye(outputs, dtype=torch.float64)[torch.tensor(given.astype(np.int64))]


def _flatten(gradients: tuple[list[Tensor], list[Tensor]]) -> list[Tensor]:
    return [*gradients[0], *gradients[1]]


@torch.no_grad()
def _leave_out(
    x: Tensor,
    targets: Tensor,
    weights: list[Tensor],
    biases: list[Tensor],
    settings: EquilibriumSettings,
) -> tuple[Tensor, float]:
    """Targets that nudge no output which sits on a bound, and the fraction so changed."""
    if settings.dynamics != "leaky" or settings.loss != "mse" or settings.rho.squash != "clamp":
        return targets, 0.0
    driven = bptt.drive(x, weights, biases)
    outputs = _relax(bptt.rest(driven, weights), driven, weights, biases, settings)[-1]
    # A leaky state only approaches its bound.
    on_bound = (outputs < 1e-9) | (outputs > 1.0 - 1e-9)
    out = on_bound & ((outputs - targets).abs() > 1e-9)
    return torch.where(on_bound, outputs, targets), float(out.double().mean())


def _relax(
    states: list[Tensor],
    driven: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
) -> list[Tensor]:
    """Free phase from ``states``, stopped early once it has settled."""
    for _ in range(settings.free_steps):
        new = bptt.step(states, driven, weights, biases, settings)
        moved = max(float((a - b).abs().max()) for a, b in zip(new, states, strict=True))
        states = new
        if moved < SETTLED:
            break
    return states


def _finite_differences(
    parameter: int,
    entries: np.ndarray,
    x: Tensor,
    targets: Tensor,
    free: list[Tensor],
    weights: list[Tensor],
    biases: list[Tensor],
    settings: EquilibriumSettings,
    difference: float,
) -> Tensor:
    """Central differences of the batch-mean loss in chosen entries of one parameter, [entries].

    All perturbed networks of a chunk relax together, from the free state of the original: the
    parameter gets a leading axis.
    """
    held = [*weights, *biases]
    original = held[parameter]
    losses = []
    per_chunk = max(1, CHUNK_VALUES // max(original.numel(), sum(s.numel() for s in free)))
    signed = [(entry, sign) for entry in entries for sign in (difference, -difference)]
    for start in range(0, len(signed), per_chunk):
        part = signed[start : start + per_chunk]
        stacked = original.expand(len(part), *original.shape).clone()
        flat = stacked.view(len(part), -1)
        for i, (entry, shift) in enumerate(part):
            flat[i, entry] += shift
        # [copies, 1, units] lets a bias broadcast over the batch.
        held[parameter] = stacked if parameter < len(weights) else stacked.unsqueeze(1)
        w, b = held[: len(weights)], held[len(weights) :]
        driven = bptt.drive(x, w, b)
        if driven.ndim == 2:
            driven = driven.expand(len(part), *driven.shape)
        states = [s.expand(len(part), *s.shape) for s in free]
        outputs = _relax(states, driven, w, b, settings)[-1]
        losses.append(bptt.matched_loss(outputs, targets, settings).mean(-1))
    loss = torch.cat(losses)
    return (loss[0::2] - loss[1::2]) / (2.0 * difference)


def _compare(name: str, reference: str, found: Tensor, exact: Tensor) -> Agreement:
    length, wanted = float(found.norm()), float(exact.norm())
    defined = length > 0.0 and wanted > 0.0
    return Agreement(
        name=name,
        reference=reference,
        entries=found.numel(),
        cosine=float((found * exact).sum()) / (length * wanted) if defined else math.nan,
        norm_ratio=length / wanted if defined else math.nan,
        relative_error=float((found - exact).norm()) / wanted if defined else math.nan,
    )

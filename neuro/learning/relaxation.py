r"""How a layered network with symmetric feedback relaxes: settings, buffers and steps.

Notation. Layers are :math:`s^0 = x` (clamped input), hidden :math:`s^1 \dots s^{L-1}` and output
:math:`s^L`, each ``[batch, units]``. ``weights[l]`` joins layer l to layer l+1 and is stored
``[pre, post]``; feedback uses its transpose. The input current of a layer is

.. math:: u^l = s^{l-1} W^l + b^l + s^{l+1} (W^{l+1})^T

without the last term for the output. All layers update at once from the old states (Jacobi),
beginning at zero for every batch. With target y, nudge :math:`\beta` and
:math:`e = y - s^L` (``mse``) or :math:`e = y - \mathrm{softmax}(s^L)` (``cross-entropy``), one
step is

``prototypical`` (Laborieux et al. 2021)
    :math:`s \leftarrow \rho(u)`, output :math:`s^L \leftarrow \rho(u^L + \beta e)`
``energy`` (Scellier & Bengio 2017, Ernoult et al. 2019)
    :math:`s \leftarrow [s + \epsilon(-s + \rho'(s) u)]_0^1` with u read from :math:`\rho(s)`,
    output :math:`s^L \leftarrow [s^L + \epsilon(-s^L + u^L + \beta e)]_0^1`
``leaky`` (Ernoult et al. 2019, ``--discrete``)
    :math:`s \leftarrow s + \epsilon(-s + \rho(u))`,
    output :math:`s^L \leftarrow s^L + \epsilon(-s^L + \rho(u^L) + \beta e)`

For ``cross-entropy`` the output is linear in every form: neither :math:`\rho` nor the clip acts
on it. In ``energy`` the output has no :math:`\rho'`, which makes it a linear unit: what feeds
back from it and what enters its outer product is :math:`s^L` itself. (For ``hard_sigmoid``
:math:`\rho(s^L) = s^L`, so this is Ernoult's rule; for the others reading :math:`\rho(s^L)`
without :math:`\rho'` follows no energy, and its contrast is not quite a gradient: 5 % short
and 8 degrees off for ``steep_sigmoid`` in a 5-4-3 network at beta = 1e-4.)

Steps write to preallocated memory with ``out=``; nothing here uses autograd. The same equations
without buffers are :func:`neuro.learning.bptt.step`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neuro.errors import DescriptionError
from neuro.learning.activations import Activation, activation

DYNAMICS = ("prototypical", "energy", "leaky")
ESTIMATORS = ("symmetric", "one-sided", "random-sign")
LOSSES = ("mse", "cross-entropy")


@dataclass(frozen=True)
class EquilibriumSettings:
    """How a network relaxes and how its gradient is estimated; checked when made.

    Attributes
    ----------
    dynamics : {"prototypical", "energy", "leaky"}
        Form of the step, see the module's list.
    activation : str
        Name in :data:`neuro.learning.activations.ACTIVATIONS` (aliases are resolved).
    loss : {"mse", "cross-entropy"}
        ``mse`` is half the squared error summed over outputs, averaged over the batch.
    step_size : float
        epsilon of ``energy`` and ``leaky``, in (0, 1]; ``prototypical`` has none.
    free_steps, nudged_steps : int
        Steps of the free phase (T1) and of each nudged phase (T2).
    beta : float
        Strength of the nudge, > 0.
    estimator : {"symmetric", "one-sided", "random-sign"}
        ``symmetric`` contrasts a phase with +beta and one with -beta, both from the free state
        (Laborieux et al. 2021); ``one-sided`` contrasts +beta with the free state;
        ``random-sign`` is one-sided with a sign drawn for each batch.
    """

    dynamics: str = "leaky"
    activation: str = "hard_sigmoid"
    loss: str = "mse"
    step_size: float = 0.5
    free_steps: int = 20
    nudged_steps: int = 6
    beta: float = 0.5
    estimator: str = "symmetric"

    def __post_init__(self) -> None:
        for name, choices in (
            ("dynamics", DYNAMICS),
            ("loss", LOSSES),
            ("estimator", ESTIMATORS),
        ):
            value = getattr(self, name)
            if value not in choices:
                raise DescriptionError(
                    f"{name}: {value!r} is unknown; choose one of {', '.join(choices)}"
                )
        object.__setattr__(self, "activation", activation(self.activation).name)
        if not 0.0 < self.step_size <= 1.0:
            raise DescriptionError(f"step_size: {self.step_size!r} must lie in (0, 1]")
        for name in ("free_steps", "nudged_steps"):
            steps = getattr(self, name)
            if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
                raise DescriptionError(f"{name}: {steps!r} must be an integer of at least 1")
        if not 0.0 < self.beta < float("inf"):
            raise DescriptionError(f"beta: {self.beta!r} must be a finite number above 0")

    @property
    def rho(self) -> Activation:
        """The activation function."""
        return activation(self.activation)

    @property
    def output_is_squashed(self) -> bool:
        """Whether the activation (in ``energy``: the clip) acts on the output layer."""
        return self.loss == "mse"

    def with_(self, **changes: object) -> EquilibriumSettings:
        """Return a copy with some settings changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


# --- buffers ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layers:
    """States of all layers but the input, in one stretch of memory.

    Attributes
    ----------
    flat : Tensor
        All values, [rows * sum(units)].
    squashed : Tensor
        The part of ``flat`` on which the activation acts.
    hidden : Tensor
        The part of ``flat`` that holds the hidden layers.
    layer : list of Tensor
        One contiguous view [rows, units] per layer, the output last.
    parts : list of list of Tensor
        The same rows again, cut into one part per nudge: ``parts[i][l]`` is [batch, units].
    """

    flat: Tensor
    squashed: Tensor
    hidden: Tensor
    layer: list[Tensor]
    parts: list[list[Tensor]]


class Memory:
    """A named set of flat tensors that grow to the largest size asked for and are then reused."""

    def __init__(self, device: torch.device | str, dtype: torch.dtype) -> None:
        self.device = torch.device(device)
        self.dtype = dtype
        self._flat: dict[str, Tensor] = {}

    def take(self, name: str, size: int) -> tuple[Tensor, bool]:
        """Return the first ``size`` values of a buffer, and whether it had to move to grow."""
        held = self._flat.get(name)
        grown = held is None or held.numel() < size
        if held is None or grown:
            held = self._flat[name] = torch.zeros(size, device=self.device, dtype=self.dtype)
        return held[:size], grown


class Phase:
    """The buffers of one relaxation: views into shared memory, made once per batch size.

    A phase holds ``parts`` copies of the batch, one per nudge, stacked along the rows so that
    they relax in the same matrix products.

    Attributes
    ----------
    state, spare : Layers
        States and, each step, the currents or next states.
    rate : Layers or None
        rho(s), where the dynamics need it.
    slope : Tensor or None
        State-dependent part of rho'(s) of the hidden layers.
    drive : list of Tensor
        Current of the first hidden layer from the clamped input: all rows, then per part.
    pull_to : list of Tensor
        Constant part of the output's current: all rows, then per part.
    target_pull : list of Tensor
        beta * target, for a nudge outside rho: all rows, then per part.
    pull_by : list of Tensor
        Factor of the output in the nudge, [rows, 1]: all rows, then per part.
    softmax : Tensor
        Scratch for the cross-entropy nudge, [rows, outputs].
    """

    def __init__(
        self,
        memory: Memory,
        tag: str,
        batch: int,
        parts: int,
        units: Sequence[int],
        settings: EquilibriumSettings,
    ) -> None:
        self.batch, self.rows = batch, batch * parts
        self.moved = False
        self._memory, self._tag = memory, tag
        self._units, self._squash_output = tuple(units), settings.output_is_squashed
        self.state = self._layers("state")
        self.spare = self._layers("spare")
        self.rate: Layers | None = None
        self.slope: Tensor | None = None
        if settings.dynamics == "energy" and not settings.rho.is_identity_inside:
            self.rate = self._layers("rate")
            self.slope = self._layers("slope").hidden
        self.drive = self._cut(self._block("drive", units[0]))
        self.pull_to = self._cut(self._block("pull_to", units[-1]))
        self.target_pull = self._cut(self._block("target_pull", units[-1]))
        self.pull_by = self._cut(self._block("pull_by", 1))
        self.softmax = self._block("softmax", units[-1])

    def _cut(self, block: Tensor) -> list[Tensor]:
        return [block, *torch.split(block, self.batch)]

    def _take(self, name: str, size: int) -> Tensor:
        flat, moved = self._memory.take(f"{self._tag}.{name}", size)
        self.moved |= moved
        return flat

    def _block(self, name: str, width: int) -> Tensor:
        return self._take(name, self.rows * width).view(self.rows, width)

    def _layers(self, name: str) -> Layers:
        flat = self._take(name, self.rows * sum(self._units))
        stretches = torch.split(flat, [self.rows * n for n in self._units])
        hidden = flat[: self.rows * sum(self._units[:-1])]
        layer = [s.view(self.rows, n) for s, n in zip(stretches, self._units, strict=True)]
        per_layer = [torch.split(s, self.batch) for s in layer]
        return Layers(
            flat=flat,
            squashed=flat if self._squash_output else hidden,
            hidden=hidden,
            layer=layer,
            parts=[list(part) for part in zip(*per_layer, strict=True)],
        )


class Workspace:
    """Preallocated buffers of a network, reused from batch to batch.

    It carries no result from one batch to the next: each relaxation overwrites all that it
    reads. Smaller batches use the front of the same memory.

    Parameters
    ----------
    sizes : sequence of int
        Units per layer, input first.
    settings : EquilibriumSettings
        Decides which buffers are needed.
    device, dtype
        Where and how the states are held.
    """

    #: Layouts kept: a full batch, the last one of an epoch, and those of a prediction.
    LAYOUTS = 8

    def __init__(
        self,
        sizes: Sequence[int],
        settings: EquilibriumSettings,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.units = tuple(sizes[1:])
        self.settings = settings
        self.memory = Memory(device, dtype)
        self._phases: dict[tuple[str, int], Phase] = {}

    def phase(self, tag: str, batch: int, parts: int = 1) -> Phase:
        """Return the buffers of phase ``tag`` for ``parts`` copies of ``batch`` examples."""
        found = self._phases.get((tag, batch))
        if found is None:
            made = Phase(self.memory, tag, batch, parts, self.units, self.settings)
            if made.moved or len(self._phases) >= self.LAYOUTS:
                # Views into memory that was outgrown would keep the old memory alive.
                self._phases.clear()
            found = self._phases[tag, batch] = made
        return found


# --- one relaxation --------------------------------------------------------------------------


@dataclass(frozen=True)
class PreparedNetwork:
    """Weights and biases, prepared for the relaxations of one batch.

    Attributes
    ----------
    weights : list of Tensor
        As stored, [pre, post].
    feedback : list of Tensor
        Their transposes, [post, pre]; entry 0 is unused (nothing feeds back to the input).
    base : list of Tensor
        gain * bias + offset per layer, [units].
    gain : float
        Factor of every current of the hidden layers.
    output_gain : float
        Factor of the current of the output layer.
    """

    weights: list[Tensor]
    feedback: list[Tensor]
    base: list[Tensor]
    gain: float
    output_gain: float


def prepare(
    weights: Sequence[Tensor], biases: Sequence[Tensor], settings: EquilibriumSettings
) -> PreparedNetwork:
    """Weights and biases with the slope and offset of the activation multiplied in, once."""
    rho = settings.rho
    gain, offset = rho.gain, rho.offset
    if settings.dynamics == "energy":
        offset = 0.0  # the gain is the constant part of rho'(s); nothing is squashed
    output_gain, output_offset = gain, offset
    if settings.dynamics == "energy" or not settings.output_is_squashed:
        output_gain, output_offset = 1.0, 0.0
    gains = [gain] * (len(weights) - 1) + [output_gain]
    offsets = [offset] * (len(weights) - 1) + [output_offset]
    if biases:
        base = [b * g + c for b, g, c in zip(biases, gains, offsets, strict=True)]
    else:
        base = [w.new_full((w.shape[1],), c) for w, c in zip(weights, offsets, strict=True)]
    # A contiguous copy of the transpose makes the many small products faster than a view.
    feedback = [w if i == 0 else w.t().contiguous() for i, w in enumerate(weights)]
    return PreparedNetwork(list(weights), feedback, base, gain, output_gain)


def set_drive(phase: Phase, x: Tensor, net: PreparedNetwork) -> None:
    """The clamped input's part of the first current: the same in every step of every phase."""
    torch.addmm(net.base[0], x, net.weights[0], alpha=net.gain, out=phase.drive[0])


def _currents(rates: list[Tensor], out: list[Tensor], phase: Phase, net: PreparedNetwork) -> None:
    """Write gain * u + offset of every layer to ``out``, read from the old ``rates``."""
    last = len(out) - 1
    torch.addmm(phase.drive[0], rates[1], net.feedback[1], alpha=net.gain, out=out[0])
    for i in range(1, last):
        torch.addmm(net.base[i], rates[i - 1], net.weights[i], alpha=net.gain, out=out[i])
        out[i].addmm_(rates[i + 1], net.feedback[i + 1], alpha=net.gain)
    torch.addmm(
        phase.pull_to[0], rates[last - 1], net.weights[last], alpha=net.output_gain, out=out[last]
    )


def _pull_back(current: Tensor, output: Tensor, phase: Phase, loss: str) -> None:
    """Add the part of the nudge that depends on the output: ``pull_by`` * s or softmax(s)."""
    if loss == "cross-entropy":
        torch.softmax(output, 1, out=phase.softmax)
        output = phase.softmax
    current.addcmul_(output, phase.pull_by[0])


def _relax_prototypical(
    phase: Phase, steps: int, net: PreparedNetwork, settings: EquilibriumSettings, nudged: bool
) -> None:
    rho, loss = settings.rho, settings.loss
    old, new = phase.state, phase.spare
    for _ in range(steps):
        _currents(old.layer, new.layer, phase, net)
        if nudged:
            _pull_back(new.layer[-1], old.layer[-1], phase, loss)
        rho.squash_(new.squashed)
        old, new = new, old
    phase.state, phase.spare = old, new


def _relax_leaky(
    phase: Phase, steps: int, net: PreparedNetwork, settings: EquilibriumSettings, nudged: bool
) -> None:
    rho, loss, step = settings.rho, settings.loss, settings.step_size
    state, current = phase.state, phase.spare
    for _ in range(steps):
        _currents(state.layer, current.layer, phase, net)
        rho.squash_(current.squashed)
        if nudged:
            current.layer[-1].add_(phase.target_pull[0])
            _pull_back(current.layer[-1], state.layer[-1], phase, loss)
        state.flat.lerp_(current.flat, step)


def read_rates(phase: Phase, rho: Activation) -> None:
    """rho(s) of the hidden layers and a plain copy of the linear output."""
    assert phase.rate is not None
    torch.mul(phase.state.hidden, rho.gain, out=phase.rate.hidden)
    if rho.offset:
        phase.rate.hidden.add_(rho.offset)
    rho.squash_(phase.rate.hidden)
    phase.rate.layer[-1].copy_(phase.state.layer[-1])


def _relax_energy(
    phase: Phase, steps: int, net: PreparedNetwork, settings: EquilibriumSettings, nudged: bool
) -> None:
    rho, loss, step = settings.rho, settings.loss, settings.step_size
    state, current, rate, slope = phase.state, phase.spare, phase.rate, phase.slope
    for _ in range(steps):
        if rate is None or slope is None:
            _currents(state.layer, current.layer, phase, net)
        else:
            read_rates(phase, rho)
            _currents(rate.layer, current.layer, phase, net)
            # The gain of rho' is already in the currents; these are its state-dependent parts.
            if rho.squash == "sigmoid":
                torch.addcmul(rate.hidden, rate.hidden, rate.hidden, value=-1.0, out=slope)
                current.hidden.mul_(slope)
            elif rho.squash == "tanh":
                torch.mul(rate.hidden, rate.hidden, out=slope)
                current.hidden.addcmul_(current.hidden, slope, value=-1.0)
        if nudged:
            _pull_back(current.layer[-1], state.layer[-1], phase, loss)
        state.flat.lerp_(current.flat, step)
        state.squashed.clamp_(0.0, 1.0)


_RELAX: dict[str, Callable[[Phase, int, PreparedNetwork, EquilibriumSettings, bool], None]] = {
    "prototypical": _relax_prototypical,
    "energy": _relax_energy,
    "leaky": _relax_leaky,
}


def relax(
    phase: Phase, steps: int, net: PreparedNetwork, settings: EquilibriumSettings, *, nudged: bool
) -> None:
    """Take ``steps`` steps from ``phase.state`` and leave the result there.

    The constants of ``phase`` (drive, and the pulls of the output) must have been set. Without
    ``nudged`` only those of a free phase are read.
    """
    _RELAX[settings.dynamics](phase, steps, net, settings, nudged)

r"""Equilibrium propagation in explicit updates: relax, nudge, contrast.

A layered network with symmetric feedback settles into a *free* state; a weak pull of its output
towards the target moves it to a *nudged* state; the difference of the two is the gradient of the
loss (Scellier & Bengio 2017, *Front. Comput. Neurosci.* 11:24). Nothing here uses autograd.

Notation. Layers are :math:`s^0 = x` (clamped input), hidden :math:`s^1 \dots s^{L-1}` and output
:math:`s^L`, each ``[batch, units]``. ``weights[l]`` joins layer l to layer l+1 and is stored
``[pre, post]``; feedback uses its transpose. The input current of a layer is

.. math:: u^l = s^{l-1} W^l + b^l + s^{l+1} (W^{l+1})^T

without the last term for the output. All layers update at once from the old states (Jacobi),
beginning at zero for every batch. With target y, nudge :math:`\beta` and
:math:`e = y - s^L` (``mse``) or :math:`e = y - \mathrm{softmax}(s^L)` (``cross-entropy``), one
step is

============== ================================================================ =================
dynamics       hidden layers                                                    source
============== ================================================================ =================
`prototypical` :math:`s \leftarrow \rho(u)`,                                    Laborieux et al.
               output :math:`s^L \leftarrow \rho(u^L + \beta e)`                2021
`energy`       :math:`s \leftarrow [s + \epsilon(-s + \rho'(s) u)]_0^1` with    Scellier & Bengio
               u read from :math:`\rho(s)`, output                              2017, Ernoult et
               :math:`s^L \leftarrow [s^L + \epsilon(-s^L + u^L + \beta e)]_0^1` al. 2019
`leaky`        :math:`s \leftarrow s + \epsilon(-s + \rho(u))`, output          Ernoult et al.
               :math:`s^L \leftarrow s^L + \epsilon(-s^L + \rho(u^L) + \beta e)` 2019, `--discrete`
============== ================================================================ =================

For ``cross-entropy`` the output is linear in every form: neither :math:`\rho` nor the clip acts
on it. In ``energy`` the output has no :math:`\rho'`, which makes it a linear unit: what feeds
back from it and what enters its outer product is :math:`s^L` itself. (For ``hard_sigmoid``
:math:`\rho(s^L) = s^L`, so this is Ernoult's rule; for the others reading :math:`\rho(s^L)`
without :math:`\rho'` follows no energy, and its contrast is not quite a gradient: 5 % short
and 8 degrees off for ``steep_sigmoid`` in a 5-4-3 network at beta = 1e-4.)

In ``leaky`` the nudge acts outside :math:`\rho`, so the contrast is the gradient of a loss whose
derivative is :math:`-e / \rho'(u^L)`, see :func:`neuro.learning.bptt.matched_loss`.
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
        Form of the step, see the module's table.
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


class _Memory:
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


class _Phase:
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
        memory: _Memory,
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
        self.memory = _Memory(device, dtype)
        self._phases: dict[tuple[str, int], _Phase] = {}

    def phase(self, tag: str, batch: int, parts: int = 1) -> _Phase:
        """Return the buffers of phase ``tag`` for ``parts`` copies of ``batch`` examples."""
        found = self._phases.get((tag, batch))
        if found is None:
            made = _Phase(self.memory, tag, batch, parts, self.units, self.settings)
            if made.moved or len(self._phases) >= self.LAYOUTS:
                # Views into memory that was outgrown would keep the old memory alive.
                self._phases.clear()
            found = self._phases[tag, batch] = made
        return found


# --- one relaxation --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Network:
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


def _prepare(
    weights: Sequence[Tensor], biases: Sequence[Tensor], settings: EquilibriumSettings
) -> _Network:
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
    return _Network(list(weights), feedback, base, gain, output_gain)


def _set_drive(phase: _Phase, x: Tensor, net: _Network) -> None:
    """The clamped input's part of the first current: the same in every step of every phase."""
    torch.addmm(net.base[0], x, net.weights[0], alpha=net.gain, out=phase.drive[0])


def _currents(rates: list[Tensor], out: list[Tensor], phase: _Phase, net: _Network) -> None:
    """Write gain * u + offset of every layer to ``out``, read from the old ``rates``."""
    last = len(out) - 1
    torch.addmm(phase.drive[0], rates[1], net.feedback[1], alpha=net.gain, out=out[0])
    for i in range(1, last):
        torch.addmm(net.base[i], rates[i - 1], net.weights[i], alpha=net.gain, out=out[i])
        out[i].addmm_(rates[i + 1], net.feedback[i + 1], alpha=net.gain)
    torch.addmm(
        phase.pull_to[0], rates[last - 1], net.weights[last], alpha=net.output_gain, out=out[last]
    )


def _pull_back(current: Tensor, output: Tensor, phase: _Phase, loss: str) -> None:
    """Add the part of the nudge that depends on the output: ``pull_by`` * s or softmax(s)."""
    if loss == "cross-entropy":
        torch.softmax(output, 1, out=phase.softmax)
        output = phase.softmax
    current.addcmul_(output, phase.pull_by[0])


def _relax_prototypical(
    phase: _Phase, steps: int, net: _Network, settings: EquilibriumSettings, nudged: bool
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
    phase: _Phase, steps: int, net: _Network, settings: EquilibriumSettings, nudged: bool
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


def _read_rates(phase: _Phase, rho: Activation) -> None:
    """rho(s) of the hidden layers and a plain copy of the linear output."""
    assert phase.rate is not None
    torch.mul(phase.state.hidden, rho.gain, out=phase.rate.hidden)
    if rho.offset:
        phase.rate.hidden.add_(rho.offset)
    rho.squash_(phase.rate.hidden)
    phase.rate.layer[-1].copy_(phase.state.layer[-1])


def _relax_energy(
    phase: _Phase, steps: int, net: _Network, settings: EquilibriumSettings, nudged: bool
) -> None:
    rho, loss, step = settings.rho, settings.loss, settings.step_size
    state, current, rate, slope = phase.state, phase.spare, phase.rate, phase.slope
    for _ in range(steps):
        if rate is None or slope is None:
            _currents(state.layer, current.layer, phase, net)
        else:
            _read_rates(phase, rho)
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


_RELAX: dict[str, Callable[[_Phase, int, _Network, EquilibriumSettings, bool], None]] = {
    "prototypical": _relax_prototypical,
    "energy": _relax_energy,
    "leaky": _relax_leaky,
}


# --- phases ----------------------------------------------------------------------------------


def _run_free(x: Tensor, net: _Network, settings: EquilibriumSettings, work: Workspace) -> _Phase:
    phase = work.phase("free", x.shape[0])
    _set_drive(phase, x, net)
    phase.state.flat.zero_()
    phase.pull_to[0].copy_(net.base[-1])
    _RELAX[settings.dynamics](phase, settings.free_steps, net, settings, False)
    return phase


def _run_nudged(
    free: _Phase,
    targets: Tensor,
    signed_betas: Sequence[float],
    net: _Network,
    settings: EquilibriumSettings,
    work: Workspace,
) -> _Phase:
    """Relax once with each beta from the free state; all of them as one batch, stacked."""
    phase = work.phase("nudged", free.batch, len(signed_betas))
    inside = net.output_gain  # the nudge is part of the current, scaled as the current is
    outside = settings.dynamics == "leaky"
    for i, beta in enumerate(signed_betas):
        phase.drive[1 + i].copy_(free.drive[0])
        for mine, its in zip(phase.state.parts[i], free.state.layer, strict=True):
            mine.copy_(its)
        phase.pull_by[1 + i].fill_(-beta if outside else -beta * inside)
        if outside:
            phase.pull_to[1 + i].copy_(net.base[-1])
            torch.mul(targets, beta, out=phase.target_pull[1 + i])
        else:
            torch.add(net.base[-1], targets, alpha=beta * inside, out=phase.pull_to[1 + i])
    _RELAX[settings.dynamics](phase, settings.nudged_steps, net, settings, True)
    return phase


@torch.no_grad()
def free_states(
    x: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    work: Workspace,
) -> list[Tensor]:
    """Relax freely from zero.

    Parameters
    ----------
    x : Tensor
        Clamped input, [batch, sizes[0]].
    weights : sequence of Tensor
        [pre, post], one per pair of layers.
    biases : sequence of Tensor
        [units] per layer; empty for a network without biases.
    settings : EquilibriumSettings
        Form, activation and number of steps.
    work : Workspace
        Buffers for this network.

    Returns
    -------
    list of Tensor
        States [batch, units] of each layer after the input. They are views into ``work``: copy
        them before the next call.
    """
    return _run_free(x, _prepare(weights, biases, settings), settings, work).state.layer


@torch.no_grad()
def add_gradients(
    into_weights: Sequence[Tensor],
    into_biases: Sequence[Tensor],
    x: Tensor,
    targets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    work: Workspace,
    *,
    keep: float = 0.0,
    scales: Sequence[float] | None = None,
    sign: int = 1,
) -> None:
    r"""Run both phases and write ``into <- keep * into + scale * gradient``.

    ``keep=0, scale=1`` gives the gradient, ``keep=momentum, scale=1`` a momentum buffer, and
    ``keep=1, scale=-rate`` on the weights themselves one step of gradient descent.

    With states + and - of the two phases, a distance :math:`d` between their betas and batch
    size B the gradient of the batch-mean loss is (Laborieux et al. 2021, eq. 5, for d = 2 beta)

    .. math:: \hat g_{W^l} = -\frac{1}{d B} \left[(s_+^{l-1})^T s_+^l
              - (s_-^{l-1})^T s_-^l\right], \quad
              \hat g_{b^l} = -\frac{1}{d B} \sum (s_+^l - s_-^l)

    with :math:`\rho(s)` for the hidden s in ``energy``. The bracket is computed as
    :math:`(\Delta s^{l-1})^T s_+^l + (s_-^{l-1})^T \Delta s^l`, which differs only in rounding:
    two nearly equal outer products are never subtracted.

    Parameters
    ----------
    into_weights, into_biases : sequence of Tensor
        Where the result goes, shaped as ``weights`` and ``biases``; may be those themselves.
    x, targets : Tensor
        [batch, sizes[0]] and [batch, sizes[-1]].
    weights, biases, settings, work
        As in :func:`free_states`.
    keep : float
        Factor of what ``into`` held.
    scales : sequence of float, optional
        One factor of the gradient per weight matrix (and its bias); 1 by default.
    sign : {1, -1}
        Sign of beta in the ``random-sign`` estimator; others ignore it.
    """
    net = _prepare(weights, biases, settings)
    free = _run_free(x, net, settings, work)
    beta = settings.beta
    if settings.estimator == "symmetric":
        nudged = _run_nudged(free, targets, (beta, -beta), net, settings, work)
        distance = 2.0 * beta
    else:
        distance = sign * beta if settings.estimator == "random-sign" else beta
        nudged = _run_nudged(free, targets, (distance,), net, settings, work)
    plus, minus = _contrasted(free, nudged, settings)
    # The free phase is over, so what its steps wrote to is free to hold the difference.
    deltas = free.spare.layer
    for a, b, delta in zip(plus, minus, deltas, strict=True):
        torch.sub(a, b, out=delta)
    per_gradient = -1.0 / (distance * free.batch)
    factors = [per_gradient * s for s in ([1.0] * len(weights) if scales is None else scales)]
    into_weights[0].addmm_(x.t(), deltas[0], beta=keep, alpha=factors[0])
    for i in range(1, len(deltas)):
        into_weights[i].addmm_(deltas[i - 1].t(), plus[i], beta=keep, alpha=factors[i])
        into_weights[i].addmm_(minus[i - 1].t(), deltas[i], alpha=factors[i])
    for into, delta, factor in zip(into_biases, deltas, factors, strict=False):
        total = delta.sum(0).mul_(factor)
        into.copy_(total) if keep == 0.0 else into.mul_(keep).add_(total)


def _contrasted(
    free: _Phase, nudged: _Phase, settings: EquilibriumSettings
) -> tuple[list[Tensor], list[Tensor]]:
    """The presynaptic and postsynaptic factors of both phases, [batch, units] per layer."""
    if nudged.rate is not None:
        _read_rates(nudged, settings.rho)
    parts = (nudged.rate or nudged.state).parts
    if settings.estimator == "symmetric":
        return parts[0], parts[1]
    if free.rate is not None:
        _read_rates(free, settings.rho)
    return parts[0], (free.rate or free.state).layer


def ep_gradients(
    x: Tensor,
    targets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    settings: EquilibriumSettings,
    *,
    work: Workspace | None = None,
    sign: int = 1,
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the equilibrium-propagation gradient of the batch-mean loss, to be descended.

    Parameters are those of :func:`add_gradients`; without ``work`` buffers are made for the call.

    Returns
    -------
    weight_gradients, bias_gradients : list of Tensor
        New tensors shaped as ``weights`` and ``biases``.
    """
    if work is None:
        sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)]
        work = Workspace(sizes, settings, device=x.device, dtype=x.dtype)
    into_w = [torch.empty_like(w, requires_grad=False) for w in weights]
    into_b = [torch.empty_like(b, requires_grad=False) for b in biases]
    add_gradients(into_w, into_b, x, targets, weights, biases, settings, work, sign=sign)
    return into_w, into_b

r"""Inter-areal predictive coding in columns, as a network of populations and synapses.

Areas: A0 senses. A1 has K columns of M latent units; each column predicts the whole of A0 and has
error units of its own, E0. A2 has one unit per column, which stands for a class, tells latent
units what to expect, and gates learning. All learning is local: products of traces of the two
neurons of a synapse, its own weight, and the gate of its column.

=========== ============ ======================================================================
population  units        state
=========== ============ ======================================================================
A0          N            integrate-and-fire encoder; rate and phase are set for each image
E0          K x N        error u (signed events), slow trace es
novelty     N            an error unit that nobody predicts: the power of the input itself
A1          K x M        membrane v, slow trace zs
A2          K            gate: learning rate of the column, 0 where it does not learn
power       K            P, sum of squared slow errors
choice      K            membrane v; most spikes: the column that predicts best
=========== ============ ======================================================================

In each step, of all columns side by side (spikes and errors of the step before arrive):

.. math::
    u &\leftarrow a u + (1 - a)(s_0 - G s_1) \\
    e_s &\leftarrow a_s e_s + (1 - a_s) o, \quad o = u \text{ (or signed spikes of it)} \\
    v &\leftarrow \max(b v + g F o + \mu, -1), \quad s_1 = [v \ge 1], \quad v \leftarrow v - s_1 \\
    z_s &\leftarrow a_s z_s + (1 - a_s) s_1

and once an image, in the step after its last, where the gate is open:

.. math::
    \Delta G &= \eta (e_s z_s / q^2 - \lambda G), \quad
    \Delta F = \eta (e_s z_s / q^2 - \lambda F), \quad
    \Delta\mu = \eta \frac{\eta_\mu}{\eta_0} (z_s / q - \mu)

q = 1 - a_s^T corrects traces that start at zero. With a regulariser :math:`\eta` becomes
:math:`\eta (1 - \gamma \Omega_j)` in all plastic synapses of latent unit j, whose importance is
:math:`\Omega_j` (:mod:`neuro.learning.spike_intervals`).

Feedback carries predictions, feedforward carries errors (Rao & Ballard 1999, Nat. Neurosci. 2:79);
explicit error units and local updates as in Ororbia 2019 (arXiv:1908.08655); one generative model
per class as in van de Ven et al. 2021 (arXiv:2104.10093).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.connectors import block_diagonal, dense, from_sparse, one_to_one
from neuro.errors import DescriptionError
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.interval_counting import FACTOR, counting
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule

FloatArray = NDArray[np.float64]

DT = 1e-3
"""Seconds per time step."""

DECISION_FROM = 12
"""Time step from which on the units of ``choice`` listen: before, errors have not settled."""


@dataclass(frozen=True, eq=False)
class ColumnWeights:
    """Weights of some columns.

    Attributes
    ----------
    feedback : ndarray, shape [..., columns, latents, inputs]
        G transposed, A1 to E0: what a latent spike predicts.
    feedforward : ndarray, shape [..., columns, inputs, latents]
        F transposed, E0 to A1: what an error does to latent units.
    prior : ndarray, shape [..., columns, latents]
        mu, A2 to A1, in spikes per step.
    """

    feedback: FloatArray
    feedforward: FloatArray
    prior: FloatArray

    def __post_init__(self) -> None:
        *lead, m, n = self.feedback.shape
        up, prior = (*lead, n, m), (*lead, m)
        if self.feedforward.shape != up or self.prior.shape != prior:
            raise DescriptionError(
                f"feedback [columns, latents, inputs] = {self.feedback.shape} needs feedforward"
                f" {up} and prior {prior}, not {self.feedforward.shape} and {self.prior.shape}"
            )

    @property
    def columns(self) -> int:
        """How many columns."""
        return int(self.prior.shape[-2])

    def __getitem__(self, index: Any) -> ColumnWeights:
        """Those of some columns, as an index of the leading axes says."""
        return ColumnWeights(self.feedback[index], self.feedforward[index], self.prior[index])

    def astype(self, precision: str) -> ColumnWeights:
        """A copy in float32 or float64."""
        return ColumnWeights(
            self.feedback.astype(precision),
            self.feedforward.astype(precision),
            self.prior.astype(precision),
        )

    def __sub__(self, other: ColumnWeights) -> ColumnWeights:
        return ColumnWeights(
            self.feedback - other.feedback,
            self.feedforward - other.feedforward,
            self.prior - other.prior,
        )


def sensory_unit(rates: float | FloatArray = 0.0) -> NeuronModel:
    """Integrate-and-fire encoder: counts ``rate``, at first the one given, up to one spike."""
    return NeuronModel(
        "rate : 1\nphase : 1",
        initial={"rate": rates},
        before="phase += rate",
        threshold="phase >= 1",
        reset="phase -= 1",
        name="sensory unit",
    )


def error_unit(settings: PredictiveSettings) -> NeuronModel:
    """Leaky membrane of what is sensed less what is predicted, with signed events."""
    parameters = {"a": settings.error_decay, "a_s": settings.trace_decay}
    membrane = "u = a * u + (1 - a) * (sensed - predicted)"
    trace = "es = a_s * es + (1 - a_s) * {}"
    if settings.events == "graded":
        return NeuronModel(
            "u : 1\nes : 1",
            parameters=parameters,
            inputs={"sensed": "1", "predicted": "1"},
            before=f"{membrane}; {trace.format('u')}",
            threshold="u == u",  # in every step, also at 0
            emits="u",
            name="graded error unit",
        )
    return NeuronModel(
        "u : 1\nes : 1\nabove : 1\nbelow : 1\no : 1",
        parameters={**parameters, "theta": settings.error_threshold},
        inputs={"sensed": "1", "predicted": "1"},
        before=f"""
            {membrane}
            above += max(u, 0)
            below += max(-u, 0)
            o = where(above >= theta, theta, 0) - where(below >= theta, theta, 0)
            above = where(above >= theta, above - theta, above)
            below = where(below >= theta, below - theta, below)
            {trace.format("o")}
        """,
        threshold="o > 0 or o < 0",
        emits="o",
        name="spiking error unit",
    )


def latent_unit(settings: PredictiveSettings) -> NeuronModel:
    """LIF unit with subtractive reset and a floor, driven by errors and a prior."""
    return NeuronModel(
        "v : 1\nzs : 1",
        parameters={
            "b": settings.latent_decay,
            "g": settings.error_gain,
            "a_s": settings.trace_decay,
        },
        inputs={"error": "1", "prior": "1"},
        before="v = max(b * v + g * error + prior, -1); zs = a_s * zs",
        threshold="v >= 1",
        reset="v -= 1; zs += 1 - a_s",
        name="latent unit",
    )


def context_unit() -> NeuronModel:
    """Unit of A2: active in every step; its ``gate`` is the learning rate of its column."""
    return NeuronModel("gate : 1", threshold="gate == gate", name="context unit")


def square_unit(settings: PredictiveSettings) -> NeuronModel:
    """Interneuron with an expansive output: the square of the slow trace of one error unit."""
    return NeuronModel(
        "es : 1",
        parameters={"a_s": settings.trace_decay},
        inputs={"error": "1"},
        before="es = a_s * es + (1 - a_s) * error",
        threshold="es == es",
        emits="es * es",
        name="square unit",
    )


def power_unit() -> NeuronModel:
    """Adds up the squared slow errors of a column."""
    return NeuronModel(
        "P : 1",
        inputs={"errors": "1"},
        before="P = errors",
        threshold="P == P",
        emits="P",
        name="power unit",
    )


def choice_unit() -> NeuronModel:
    """LIF unit that spikes the more, the less error its column has, compared with the mean."""
    return NeuronModel(
        "v : 1\nage : 1\nbetter : 1",
        parameters={"first": float(DECISION_FROM), "tiny": 1e-12},
        inputs={"own": "1", "mean": "1"},
        before="""
            age += 1
            better = (mean - own) / max(mean, tiny)
            v = max(0.9 * v + where(age >= first, 2 * better, 0), -1)
        """,
        threshold="v >= 1",
        reset="v -= 1",
        name="choice unit",
    )


def error_rule(settings: PredictiveSettings, *, upwards: bool) -> PlasticityRule:
    """Trace of the error times trace of the latent unit, and decay, once an image.

    ``upwards``: of E0 to A1 (the error is presynaptic), else of A1 to E0.
    """
    pre, post = "pre", "post"
    error, latent = (pre, post) if upwards else (post, pre)
    rate = learning_rate(settings, latent)
    return PlasticityRule(
        on_step=f"w += {rate} * (es_{error} * zs_{latent} / q2 - decay * w)",
        every=_pulse(settings),
        parameters={"q2": zero_start(settings) ** 2, "decay": settings.weight_decay},
        factors=("gate",),
        name="feedforward error rule" if upwards else "feedback error rule",
    )


def prior_rule(settings: PredictiveSettings) -> PlasticityRule:
    """Running mean of the latent units' rates, once an image."""
    return PlasticityRule(
        on_step=f"w += {learning_rate(settings, 'post')} * share * (zs_post / q - w)",
        every=_pulse(settings),
        parameters={
            "q": zero_start(settings),
            "share": settings.prior_rate / settings.learning_rate,
        },
        factors=("gate",),
        name="prior rule",
    )


def learning_rate(settings: PredictiveSettings, latent: str) -> str:
    """Learning rate in a rule: that of the column, and of its latent unit if some are protected."""
    return "gate" if settings.regulariser == "none" else f"gate * {FACTOR}_{latent}"


def _pulse(settings: PredictiveSettings) -> float:
    return (settings.presentation + 1) * DT


def zero_start(settings: PredictiveSettings) -> float:
    """What a trace that began at zero lacks at the pulse."""
    return 1.0 - settings.trace_decay ** (settings.presentation + 1)


def predictive_network(
    settings: PredictiveSettings,
    weights: ColumnWeights,
    *,
    learning: bool = False,
    choice: bool = False,
    rates: float | FloatArray = 0.0,
) -> Network:
    """The columns as a network.

    Parameters
    ----------
    settings : PredictiveSettings
    weights : ColumnWeights
    learning : bool
        With the learning rules (and the ``novelty`` units that tell what is new).
    choice : bool
        With the populations ``squares``, ``power`` and ``choice``, whose spikes are recorded.
    rates : float or ndarray, shape [inputs]
        Spikes per step of A0 until others are set.

    Returns
    -------
    Network
        Every synapse takes one time step; an error therefore reaches A1 one step late.
    """
    k, m, n = weights.feedback.shape
    net = Network("predictive coding")
    sensed = net.population("A0", sensory_unit(rates), n)
    errors = net.population("E0", error_unit(settings), (k, n))
    latent = latent_unit(settings)
    protected = learning and settings.regulariser != "none"
    latents = net.population("A1", counting(latent) if protected else latent, (k, m))
    context = net.population("A2", context_unit(), k)
    gate = {"gate": (context, "gate")} if learning else None
    net.connect(sensed, errors, _to_every_column(n, k), port="sensed", name="sense")
    net.connect(
        latents,
        errors,
        block_diagonal(weights.feedback),
        port="predicted",
        plasticity=error_rule(settings, upwards=False) if learning else None,
        factors=gate,
        name="feedback",
    )
    net.connect(
        errors,
        latents,
        block_diagonal(weights.feedforward),
        port="error",
        plasticity=error_rule(settings, upwards=True) if learning else None,
        factors=gate,
        name="feedforward",
    )
    net.connect(
        context,
        latents,
        block_diagonal(weights.prior[:, None, :]),
        port="prior",
        plasticity=prior_rule(settings) if learning else None,
        factors=gate,
        name="prior",
    )
    if learning:
        novelty = net.population("novelty", error_unit(settings), n)
        net.connect(sensed, novelty, one_to_one(1.0), port="sensed", name="novel")
    if choice:
        squares = net.population("squares", square_unit(settings), (k, n))
        power = net.population("power", power_unit(), k)
        chosen = net.population("choice", choice_unit(), k)
        net.connect(errors, squares, one_to_one(1.0), name="slow_errors")
        net.connect(squares, power, block_diagonal(1.0, k), name="sums")
        net.connect(power, chosen, one_to_one(1.0), port="own", name="own")
        net.connect(power, chosen, dense(1.0 / k), port="mean", name="pool")
        net.record(chosen, "spikes")
    return net


def _to_every_column(inputs: int, columns: int) -> object:
    """Unit i of A0 to error unit i of every column, weight 1."""
    import scipy.sparse

    once = scipy.sparse.eye_array(inputs, format="csr")
    return from_sparse(scipy.sparse.hstack([once] * columns))

r"""Predictive columns in the form in which a neuromorphic chip can learn them.

The rules of :mod:`neuro.models.predictive.network` read variables of both neurons of a synapse.
Loihi's learning engine has, of the source, traces that count its spikes, and of the target numbers
that the target sends (y1, y2, y3). So here

* every column has populations of its own, whose synapses are full matrices;
* a unit ``gate`` spikes once when a column shall learn, and its spike carries the learning rate;
* units of E0 and A1 answer the gate for one step with :math:`y_1 = \eta e_s / q` (in A1:
  :math:`\eta z_s / q`) and :math:`y_2 = \eta`, both 0 at all other times;
* synapses keep a trace x of the spikes of their source.

.. math::
    \Delta G = x y_1 / q - \lambda G y_2, \quad \Delta\mu = \sigma (y_1 - \mu y_2),
    \quad \Delta F = e_s y_1 / q - \lambda F y_2

Changes are those of the other form. They come one step later, when spikes of the image's last
step have arrived, so that x is :math:`z_s`. Rules of G and :math:`\mu` fit the engine; that of F
does not, for its trace is one of signed errors. Splitting E0 into a positive and a negative
population with plastic synapses each would change the rule: each half would see one sign only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from neuro.connectors import dense, one_to_one
from neuro.errors import DescriptionError
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.models.predictive.network import (
    DT,
    ColumnWeights,
    context_unit,
    error_unit,
    latent_unit,
    sensory_unit,
    zero_start,
)
from neuro.network import Network
from neuro.neurons import NeuronModel
from neuro.plasticity import PlasticityRule

FITTING = ("feedback", "prior")
"""Projections of a column whose rules a chip's learning engine has."""

LEARNING_STEPS = 2
"""Time steps that learning takes after an image: a gate's spike, and its arrival."""


def gate_unit() -> NeuronModel:
    """Spikes once when its ``gate`` is set, and sends the value: a learning rate."""
    return NeuronModel(
        "gate : 1", threshold="gate > 0", reset="gate = 0", emits="gate", name="gate unit"
    )


def teaching(unit: NeuronModel, trace: str, settings: PredictiveSettings) -> NeuronModel:
    """A unit that also answers a gate: y1, y2 and ``held``, its trace as the image left it."""
    return NeuronModel(
        f"{unit.equations}\ny1 : 1\ny2 : 1\nheld : 1",
        parameters={**unit.parameters, "q": zero_start(settings)},
        inputs={**unit.inputs, "gate": "1"},
        before=f"held = {trace}; y1 = gate * {trace} / q; y2 = gate\n{unit.before}",
        threshold=unit.threshold,
        reset=unit.reset,
        emits=unit.emits,
        name=unit.name,
    )


def chip_rules(settings: PredictiveSettings) -> dict[str, PlasticityRule]:
    """Rules of a column's plastic projections, by name."""
    q, decay = zero_start(settings), settings.weight_decay
    share = settings.prior_rate / settings.learning_rate
    a_s = settings.trace_decay
    if a_s == 0:
        raise DescriptionError(
            "preset: trace_decay is 0; a synapse's trace of its source lasts longer than a step, so"
            " choose more than 0"
        )
    return {
        "feedback": PlasticityRule(
            on_pre="x += gain",
            on_step="w += x * y1_post / q - decay * w * y2_post",
            pre_traces="dx/dt = -x / tau : 1",
            parameters={
                "q": q,
                "decay": decay,
                "gain": 1.0 - a_s,
                "tau": (-DT / math.log(a_s), "second"),
            },
            name="feedback error rule with a trace of spikes",
        ),
        "feedforward": PlasticityRule(
            on_step="w += held_pre * y1_post / q - decay * w * y2_post",
            parameters={"q": q, "decay": decay},
            name="feedforward error rule with a signed trace",
        ),
        "prior": PlasticityRule(
            on_step="w += share * y1_post - share * w * y2_post",
            parameters={"share": share},
            name="prior rule",
        ),
    }


def chip_network(
    settings: PredictiveSettings,
    weights: ColumnWeights,
    *,
    plastic: Collection[str] = FITTING,
) -> Network:
    """The columns as a network whose rules read what a chip's synapses know.

    To learn an image: set rates, phases and membranes as in the other form, run
    ``settings.presentation`` steps, set ``gate_k.gate`` of the columns k that learn, and run
    :data:`LEARNING_STEPS` more.

    Parameters
    ----------
    settings : PredictiveSettings
        With ``trace_decay`` above 0.
    weights : ColumnWeights
    plastic : collection of str
        Which of ``feedback``, ``feedforward`` and ``prior`` learn.

    Returns
    -------
    Network
        Populations ``A0``, and of each column k ``E0_k``, ``A1_k``, ``A2_k``, ``gate_k``;
        projections ``feedback_k``, ``feedforward_k``, ``prior_k`` and others that do not learn.
    """
    rules = chip_rules(settings)
    if unknown := set(plastic) - set(rules):
        raise DescriptionError(
            f"plastic: {min(unknown)!r} is no projection of a column; choose from"
            f" {', '.join(rules)}"
        )
    chosen = {name: rule for name, rule in rules.items() if name in plastic}
    net = Network("predictive coding on a chip")
    net.population("A0", sensory_unit(), weights.feedback.shape[-1])
    for k in range(weights.columns):
        _column(net, k, weights[k], settings, chosen)
    return net


def _column(
    net: Network,
    k: int,
    weights: ColumnWeights,
    settings: PredictiveSettings,
    rules: Mapping[str, PlasticityRule],
) -> None:
    m, n = weights.feedback.shape
    errors = net.population(f"E0_{k}", teaching(error_unit(settings), "es", settings), n)
    latents = net.population(f"A1_{k}", teaching(latent_unit(settings), "zs", settings), m)
    context = net.population(f"A2_{k}", context_unit(), 1)
    gate = net.population(f"gate_{k}", gate_unit(), 1)
    net.connect("A0", errors, one_to_one(1.0), port="sensed", name=f"sense_{k}")
    net.connect(gate, errors, dense(1.0), port="gate", name=f"gate_errors_{k}")
    net.connect(gate, latents, dense(1.0), port="gate", name=f"gate_latents_{k}")
    for name, source, target, port, values in (
        ("feedback", latents, errors, "predicted", weights.feedback),
        ("feedforward", errors, latents, "error", weights.feedforward),
        ("prior", context, latents, "prior", weights.prior[None, :]),
    ):
        net.connect(
            source, target, values, port=port, plasticity=rules.get(name), name=f"{name}_{k}"
        )

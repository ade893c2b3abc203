"""What predictive columns cost: bytes of the learning machine, spikes and operations an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.learning.ledger import inference_energy
from neuro.learning.predictive_settings import PredictiveSettings
from neuro.loihi.deployment import Deployment, deploy
from neuro.lowering import lower
from neuro.models.predictive.columns import RECORDED, Effort, PredictiveColumns
from neuro.models.predictive.interval_counting import VARIABLES
from neuro.models.predictive.network import DT, ColumnWeights, predictive_network

PLASTIC = ("feedback", "feedforward", "prior")
"""Projections that learn."""

KINDS = ("weights", "wiring", "traces", "states", "buffers", "importance")
"""What memory is for."""


def predictive_formula(
    inputs: int, latents: int, columns: int, *, integer_weights: bool = False
) -> int:
    """Bytes of weights and traces in float32, or with weights of one byte.

    For each column G, F, mu and a count; two numbers an error unit, four a latent unit, two an
    input. The simulator also holds buffers of arrivals: :func:`learning_memory`.

    Examples
    --------
    >>> predictive_formula(196, 20, 10)
    334888
    """
    width = 1 if integer_weights else 4
    weights = columns * (2 * inputs * latents * width + 4 * (latents + 1))
    return weights + 4 * (2 * inputs * columns + 4 * latents * columns + 2 * inputs)


def learning_memory(settings: PredictiveSettings, inputs: int, columns: int) -> dict[str, int]:
    """Bytes of every array of the network that learns one image at a time.

    Counted from the arrays of the lowered program, in the precision of the settings.

    Returns
    -------
    dict
        ``weights`` (plastic ones), ``wiring`` (fixed ones), ``traces`` (slow ones, which rules
        read), ``states`` (of all units), ``buffers`` (arrivals and events on their way),
        ``importance`` (intervals counted by latent units, with a regulariser), ``bookkeeping``
        (label and count of each column) and ``total``.
    """
    k, m, n = columns, settings.latents, inputs
    blank = ColumnWeights(np.zeros((k, m, n)), np.zeros((k, n, m)), np.zeros((k, m)))
    net = predictive_network(settings, blank, learning=True)
    program = lower(net, DT, settings.precision)
    found = dict.fromkeys(KINDS, 0)
    for array in program.arrays.values():
        if array.variable == "w":
            kind = "weights" if array.owner in PLASTIC else "wiring"
        elif array.variable in ("es", "zs"):
            kind = "traces"
        elif array.variable in VARIABLES:
            kind = "importance"
        else:
            kind = "states" if array.unit else "buffers"
        whole = settings.integer_weights and array.name in ("feedback.w", "feedforward.w")
        found[kind] += array.initial.size * (1 if whole else array.initial.itemsize)
    found["bookkeeping"] = k * 2 * np.dtype(np.int64).itemsize
    return {**found, "total": sum(found.values())}


def activity(model: PredictiveColumns, images: NDArray[np.floating]) -> dict[str, Any]:
    """Spikes and synaptic operations per image, measured while images are judged.

    An operation is one event at one synapse: graded errors count in every step, signed spikes of
    errors where they occur.

    Returns
    -------
    dict
        ``spikes_per_sample`` (of A0 and A1), ``area_spikes`` by population,
        ``error_events_per_sample``, ``synaptic_operations_per_sample``, ``joule_per_sample``
        (see :func:`neuro.learning.ledger.inference_energy`).
    """
    n, m = model.inputs, model.settings.latents
    effort = Effort()
    model.errors(images, effort)
    sensed, errors, latent = (effort.events[p] / len(images) for p in RECORDED)
    column_steps = effort.column_steps / len(images)
    operations = effort.sensed / len(images) + latent * n + errors * m + column_steps * m
    updates = effort.steps / len(images) * n + column_steps * (n + m + 1)
    return {
        "spikes_per_sample": sensed + latent,
        "area_spikes": {"A0": sensed, "A1": latent},
        "error_events_per_sample": errors,
        "synaptic_operations_per_sample": operations,
        "joule_per_sample": inference_energy(operations, updates, sensed + latent + errors),
    }


def deployment(
    model: PredictiveColumns, image: NDArray[np.floating], target: str = "loihi2"
) -> Deployment:
    """Where the used columns go on a chip, what the chip refuses, and what one image costs.

    Neurons of predictive columns have no form in Loihi's whole numbers, which is reported; they
    are placed, and energy is counted, from a simulation in floats. Squares and sums that decide
    are left out.

    Parameters
    ----------
    model : PredictiveColumns
    image : ndarray, shape [inputs]
        Is shown for as long as images are judged.
    target : {"loihi1", "loihi2"}

    Returns
    -------
    Deployment

    Raises
    ------
    DescriptionError
        If nothing was learned yet, or the image has another size.
    """
    settings, used = model.settings, model.pool.used
    if not len(used):
        raise DescriptionError("deployment: the columns have learned nothing yet; teach them first")
    if np.shape(image) != (model.inputs,):
        raise DescriptionError(
            f"deployment: image {np.shape(image)}; expected one, ({model.inputs},)"
        )
    (rates,) = settings.encoding.rates(np.asarray(image)[None])
    net = predictive_network(settings, model.pool.weights[used], rates=rates)
    steps = settings.answer_after or settings.presentation
    return deploy(net, DT, target, duration=steps * DT)

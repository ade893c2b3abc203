r"""Neurons of NIR (Neuromorphic Intermediate Representation) as models, and back.

Source: Pedersen et al. 2024, *Nature Communications* 15:8122. NIR gives equations in continuous
time; what a discrete step makes of them it leaves open. Here an input current of a step flows
during the whole step, and equations are integrated exactly (or by Euler's method). Integrators
without a time constant, ``I`` and ``IF``, gain :math:`r I` a step, as all importers of NIR have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neuro.errors import DescriptionError
from neuro.neurons import NeuronModel
from neuro.neurons.integrate_and_fire import reset_text

FloatArray = NDArray[np.float64]

PORT = "I"
"""Input port of every model."""

BIAS = "bias"
"""Parameter that is added to the input of every step."""


@dataclass(frozen=True)
class Conventions:
    """What NIR leaves open.

    Attributes
    ----------
    integrator : {"auto", "Euler"}
        How leaky models advance: exactly, or as most torch libraries do.
    reset : {"value", "subtract"}
        After a spike to ``v_reset``, as NIR says, or down by ``v_threshold - v_reset``.
    """

    integrator: str = "auto"
    reset: str = "value"


@dataclass(frozen=True)
class Form:
    """A neuron of NIR as a model.

    Attributes
    ----------
    parameters : dict
        Name in NIR to unit.
    variable : str
        What it gives where it does not spike.
    spikes : bool
    build : callable
        Keyword arguments of :class:`NeuronModel`, from conventions.
    """

    parameters: Mapping[str, str]
    variable: str
    spikes: bool
    build: Callable[[Conventions], dict[str, Any]]


def _leaky(how: Conventions) -> dict[str, Any]:
    return {
        "equations": f"dv/dt = (v_leak - v + r * ({PORT} + bias)) / tau : 1",
        "integrator": how.integrator,
        "positive": ("tau",),
        "initial": {"v": "v_leak"},
    }


def _current_based(how: Conventions) -> dict[str, Any]:
    return {
        "equations": f"dcurrent/dt = (-current + w_in * ({PORT} + bias)) / tau_syn : 1\n"
        "dv/dt = (v_leak - v + r * current) / tau_mem : 1",
        "integrator": how.integrator,
        "positive": ("tau_syn", "tau_mem"),
        "initial": {"v": "v_leak"},
    }


def _integrator(how: Conventions) -> dict[str, Any]:
    return {"equations": "v : 1", "before": f"v += r * ({PORT} + bias)"}


def _comparator(how: Conventions) -> dict[str, Any]:
    return {"equations": "v : 1", "before": f"v = {PORT} + bias"}


def _spiking(build: Callable[[Conventions], dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def built(how: Conventions) -> dict[str, Any]:
        reset = reset_text(how.reset, "v_threshold", "from_nir")
        return {**build(how), "threshold": "v > v_threshold", "reset": reset}

    return built


_TIMES = {"tau": "second", "tau_syn": "second", "tau_mem": "second"}


def _form(
    names: str, build: Callable[[Conventions], dict[str, Any]], *, spikes: bool = True
) -> Form:
    units = {name: _TIMES.get(name, "1") for name in names.split()}
    return Form(units, "v", spikes, build)


FORMS: Mapping[str, Form] = {
    "I": _form("r", _integrator, spikes=False),
    "LI": _form("tau r v_leak", _leaky, spikes=False),
    "CubaLI": _form("tau_syn tau_mem r v_leak w_in", _current_based, spikes=False),
    "IF": _form("r v_threshold v_reset", _spiking(_integrator)),
    "LIF": _form("tau r v_leak v_threshold v_reset", _spiking(_leaky)),
    "CubaLIF": _form("tau_syn tau_mem r v_leak v_threshold v_reset w_in", _spiking(_current_based)),
    "Threshold": _form("threshold", _comparator),
}
"""Of every kind of node that has a state or a threshold."""

RELAY = "relay"
"""Name of the model that passes its input on: outputs of a graph that no neuron gives."""


def relay(bias: FloatArray) -> NeuronModel:
    """A unit that sends what arrives, plus a bias."""
    return NeuronModel(
        "v : 1",
        parameters={BIAS: (_compact(bias), "1")},
        inputs={PORT: "1"},
        before=f"v = {PORT} + bias",
        threshold="v == v",
        emits="v",
        name=RELAY,
    )


def model_of(
    kind: str, values: Mapping[str, Any], bias: FloatArray, how: Conventions
) -> NeuronModel:
    """The model of a node.

    Parameters
    ----------
    kind : str
        Name of the class of the node, a key of :data:`FORMS`.
    values : mapping
        Its parameters by name.
    bias : ndarray, shape [units]
        Added to the input of every step.
    how : Conventions
    """
    form = FORMS[kind]
    parameters = {
        name: (_compact(np.asarray(values[name], np.float64).ravel()), unit)
        for name, unit in form.parameters.items()
    }
    parameters[BIAS] = (_compact(bias), "1")
    text = form.build(how)
    if kind == "Threshold":
        text = {**_comparator(how), "threshold": "v > threshold"}
    elif not form.spikes:  # its potential is there in every step
        text |= {"threshold": "v == v", "emits": "v"}
    return NeuronModel(parameters=parameters, inputs={PORT: "1"}, name=f"NIR {kind}", **text)


def node_values(
    model: NeuronModel, size: int
) -> tuple[str, dict[str, FloatArray], FloatArray] | None:
    """Kind, parameters per unit and bias of a model that :func:`model_of` made; None of others."""
    kind = model.name.removeprefix("NIR ")
    if kind not in FORMS or any(
        not isinstance(v, float | np.ndarray) for v in model.parameters.values()
    ):
        return None
    found = {
        n: np.broadcast_to(np.asarray(v, np.float64), size) for n, v in model.parameters.items()
    }
    if set(found) != {*FORMS[kind].parameters, BIAS}:
        return None
    bias = found.pop(BIAS)
    for integrator in ("auto", "Euler"):
        for reset in ("value", "subtract"):
            if model_of(kind, found, bias, Conventions(integrator, reset)) == model:
                return kind, found, bias
    return None


def per_unit(value: Any, size: int, where: str) -> FloatArray:
    """A parameter of a node, one for each unit."""
    given = np.asarray(value, np.float64).ravel()
    if given.size not in (1, size):
        raise DescriptionError(f"{where} has {given.size} values for {size} units")
    return np.broadcast_to(given, size).copy()


def _compact(values: FloatArray) -> float | FloatArray:
    """One number where all units have the same."""
    flat = np.asarray(values, np.float64).ravel()
    return float(flat[0]) if np.all(flat == flat[0]) else flat

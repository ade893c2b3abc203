"""Settings of offline reactivation (:mod:`neuro.models.reactivation`): quick, and the paper's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from neuro.errors import DescriptionError
from neuro.learning.settings import Options

TASKS = ("head-direction", "anchor", "position")

PRESETS = ("quick", "paper")

NOISES = ("gaussian", "uniform01")
"""Noise of states: of mean 0, or U[0, 1) as in the code that was released with the paper, whose
mean of one half is a constant drive besides."""

STARTS = ("lived", "uniform", "point")
"""Where networks are when the input stops."""

KINDS = ("leaky", "gated")
"""Networks, see :mod:`neuro.models.reactivation.recurrence`."""

ACTIVATIONS = ("relu", "tanh", "sigmoid", "identity")
"""What leaky networks do with what drives them."""


def check_noise(kind: str) -> None:
    """Refuse noise that does not exist.

    Raises
    ------
    DescriptionError
    """
    if kind not in NOISES:
        raise DescriptionError(f"noise {kind!r} is unknown; choose {', '.join(NOISES)}")


def check_network(kind: str, activation: str) -> None:
    """Refuse networks that do not exist.

    Raises
    ------
    DescriptionError
        If the kind is unknown, or the activation, or a gated network is asked for another one.
    """
    if kind not in KINDS:
        raise DescriptionError(f"network {kind!r} is unknown; choose {', '.join(KINDS)}")
    if activation not in ACTIVATIONS:
        raise DescriptionError(
            f"activation {activation!r} is unknown; choose {', '.join(ACTIVATIONS)}"
        )
    if kind == "gated" and activation != "relu":
        raise DescriptionError(
            f"activation {activation!r} means nothing to a gated network; leave it at relu"
        )


@dataclass(frozen=True, kw_only=True)
class ReactivationSettings(Options):
    r"""A network, how it is trained, and how it is looked at.

    Attributes
    ----------
    task : {"head-direction", "anchor", "position"}
    units, cells : int
        Recurrent units; output cells.
    leak : float
        :math:`a`, part of the state that is renewed in a step.
    noise : float
        :math:`s`, standard deviation of the noise of a state in a step, awake.
    noise_kind : {"gaussian", "uniform01"}
        See :data:`NOISES`.
    kind : {"leaky", "gated"}
    activation : {"relu", "tanh", "sigmoid", "identity"}
    bias : bool
        Whether recurrent units have biases. The paper has none.
    steps : int
        T, length of a stretch of waking life, in training and when the network is looked at.
    batch_size, batches : int
        Stretches a batch; batches, each of fresh stretches.
    learning_rate : float
        Of Adam.
    annealed : bool
        Whether the learning rate falls to 0 along half a cosine.
    offline_steps : int
        :math:`T_q`.
    burn_in : int
        Of these, how many pass before the network is looked at.
    start : {"lived", "uniform", "point"}
        Where it is when the input stops: where waking stretches begin, anywhere, or (all of them)
        at one place.
    trajectories : int
        Stretches that are looked at.
    """

    task: str
    units: int = 64
    cells: int = 64
    leak: float = 0.5
    noise: float = 0.1
    noise_kind: str = "gaussian"
    kind: str = "leaky"
    activation: str = "relu"
    bias: bool = True
    steps: int = 50
    batch_size: int = 64
    batches: int = 3000
    learning_rate: float = 3e-3
    annealed: bool = True
    offline_steps: int = 1000
    burn_in: int = 0
    start: str = "lived"
    trajectories: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        check_network(self.kind, self.activation)
        check_noise(self.noise_kind)
        if self.task not in TASKS:
            raise DescriptionError(f"task {self.task!r} is unknown; choose {', '.join(TASKS)}")
        for name, least in (
            ("batch_size", 1), ("units", 1), ("cells", 3), ("steps", 2), ("batches", 0),
            ("offline_steps", 2), ("trajectories", 2),
        ):  # fmt: skip
            if getattr(self, name) < least:
                raise DescriptionError(
                    f"preset: {name} is {getattr(self, name)}; at least {least}"
                )
        if self.start not in STARTS:
            raise DescriptionError(
                f"preset: start {self.start!r} is unknown; choose {', '.join(STARTS)}"
            )
        if not 0 <= self.burn_in <= self.offline_steps - 2:
            raise DescriptionError(
                f"preset: burn_in is {self.burn_in}; from 0 to offline_steps - 2, which is"
                f" {self.offline_steps - 2}"
            )
        if self.learning_rate <= 0:
            raise DescriptionError(f"preset: learning_rate is {self.learning_rate:g}; above 0")
        if self.noise <= 0:
            raise DescriptionError(
                f"preset: noise is {self.noise:g}; above 0 (networks without it are trained for"
                " comparison anyway)"
            )

    def rate(self, batch: int) -> float:
        """Learning rate of a batch, counted from 0."""
        if not self.annealed:
            return self.learning_rate
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * batch / self.batches))


# Reduced sizes for a desktop: a network is trained in about half a minute.
_QUICK: Mapping[str, Mapping[str, Any]] = {
    "head-direction": {},
    "anchor": {},
    "position": {
        "units": 128,
        "cells": 128,
        "leak": 0.2,
        "noise": 0.01,
        "batches": 2500,
        "learning_rate": 2e-3,
        "trajectories": 150,
    },
}
# Sizes of the paper (appendix) and of its released code; no biases, no annealing.
_FAITHFUL = {"steps": 100, "batch_size": 200, "learning_rate": 1e-3, "annealed": False,
             "bias": False, "cells": 512, "trajectories": 200}  # fmt: skip
_PAPER: Mapping[str, Mapping[str, Any]] = {
    "head-direction": {**_FAITHFUL, "units": 128, "batches": 20_000},
    "anchor": {**_FAITHFUL, "units": 128, "batches": 20_000},
    "position": {**_FAITHFUL, "units": 512, "leak": 0.2, "noise": 0.01, "batches": 2500},
}


def reactivation_settings(task: str, preset: str = "quick") -> ReactivationSettings:
    """Settings for a task.

    Raises
    ------
    DescriptionError
        If there is no such task or preset.
    """
    settings = ReactivationSettings(task=task)
    if preset not in PRESETS:
        raise DescriptionError(f"preset {preset!r} is unknown; choose {', '.join(PRESETS)}")
    return replace(settings, **{"quick": _QUICK, "paper": _PAPER}[preset][task])

r"""Activation functions of rate units, as equilibrium propagation uses them.

Every function here is an affine map followed by one of three squashing functions,

.. math:: \rho(u) = \mathrm{squash}(g\,u + c),

so a relaxation folds :math:`g` and :math:`c` into its matrix products and pays one elementwise
operation per step. Rates and inputs are dimensionless.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from neuro.errors import DescriptionError


@dataclass(frozen=True)
class Activation:
    r"""One activation :math:`\rho(u) = \mathrm{squash}(g u + c)`.

    Attributes
    ----------
    name : str
        Canonical name.
    squash : {"clamp", "sigmoid", "tanh"}
        ``clamp`` is clip(., 0, 1), ``sigmoid`` the logistic function.
    gain, offset : float
        :math:`g` and :math:`c`.
    """

    name: str
    squash: str
    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, u: Tensor) -> Tensor:
        """Return rho(u) as a new tensor that autograd can follow; any shape."""
        scaled = u * self.gain + self.offset
        if self.squash == "clamp":
            return scaled.clamp(0.0, 1.0)
        return scaled.sigmoid() if self.squash == "sigmoid" else scaled.tanh()

    def squash_(self, scaled: Tensor) -> Tensor:
        """Squash a tensor that already holds g*u + c, in place."""
        if self.squash == "clamp":
            return scaled.clamp_(0.0, 1.0)
        return scaled.sigmoid_() if self.squash == "sigmoid" else scaled.tanh_()

    def slope(self, rate: Tensor) -> Tensor:
        """Return rho'(u) for the rate = rho(u); any shape.

        A clamped unit at a bound counts as inside it (slope g): relaxations start from states of
        exactly zero and could never leave them otherwise.
        """
        if self.squash == "clamp":
            return torch.full_like(rate, self.gain)
        if self.squash == "sigmoid":
            return self.gain * rate * (1.0 - rate)
        return self.gain * (1.0 - rate * rate)

    @property
    def is_identity_inside(self) -> bool:
        """True when rho(s) = s for every s in [0, 1]."""
        return self.squash == "clamp" and self.gain == 1.0 and self.offset == 0.0


#: The activations, by canonical name.
ACTIVATIONS: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("hard_sigmoid", "clamp"),  # clip(u, 0, 1), Scellier & Bengio (2017)
        Activation("steep_sigmoid", "sigmoid", 4.0, -2.0),  # logistic(4 (u - 1/2))
        Activation("wide_hard_sigmoid", "clamp", 0.5),  # clip(u / 2, 0, 1)
        Activation("tanh", "tanh"),
    )
}

#: Names used by the equilibrium-propagation literature's code (Laborieux et al. 2021).
ALIASES: dict[str, str] = {"mysig": "steep_sigmoid", "my_hard_sig": "wide_hard_sigmoid"}


def activation(name: str) -> Activation:
    """Look an activation up by name or alias.

    Parameters
    ----------
    name : str
        One of :data:`ACTIVATIONS` or :data:`ALIASES`.

    Raises
    ------
    neuro.errors.DescriptionError
        If the name is unknown; the message lists the choices.
    """
    found = ACTIVATIONS.get(ALIASES.get(name, name))
    if found is None:
        choices = ", ".join([*ACTIVATIONS, *ALIASES])
        raise DescriptionError(f"activation: {name!r} is unknown; choose one of {choices}")
    return found

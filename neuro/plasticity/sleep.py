"""The rule of sleep replay consolidation."""

from __future__ import annotations

from neuro.description import Parameter
from neuro.errors import DescriptionError
from neuro.plasticity.rule import PlasticityRule


class SleepReplay(PlasticityRule):
    r"""The rule of sleep replay consolidation.

    At each postsynaptic spike, for every presynaptic unit,

    .. math::
        w \leftarrow w + \begin{cases} +\Delta_+\, g(w) & \text{pre spike arrived in this step}\\
        -\Delta_-\, g(w) & \text{otherwise}\end{cases},\qquad
        g(w) = \frac{2}{1 + e^{w/s}}

    Weights well above the slope s are frozen, negative ones move most. Source: Tadros et al. 2022
    (Nat. Commun. 13:7742) as released, where s = 0.001; ``gate="hard"`` is the limit s -> 0,
    g(w) = 2 for w <= 0, else 0, which suits integer chips.

    Parameters
    ----------
    increment, decrement : float
        :math:`\Delta_+, \Delta_-`, in raw weight units.
    slope : float, default 0.001
        s, in raw weight units; ignored by the hard gate.
    gate : {"sigmoid", "hard"}
        Form of g.
    """

    def __init__(
        self, increment: float, decrement: float, slope: float = 0.001, gate: str = "sigmoid"
    ) -> None:
        if gate not in ("sigmoid", "hard"):
            raise DescriptionError(f"gate of SleepReplay is {gate!r}; use 'sigmoid' or 'hard'")
        for key, value in (("increment", increment), ("decrement", decrement)):
            Parameter(minimum=0.0).read(value, f"{key} of SleepReplay")
        Parameter(minimum=0.0, exclusive=True).read(slope, "slope of SleepReplay")
        g = (
            "2 / (1 + exp(clip(w / slope, -60, 60)))"
            if gate == "sigmoid"
            else "where(w <= 0, 2, 0)"
        )
        super().__init__(
            on_post=f"w += (increment * pre_spike - decrement * (1 - pre_spike)) * {g}",
            parameters={"increment": increment, "decrement": decrement}
            | ({"slope": slope} if gate == "sigmoid" else {}),
            name="SleepReplay",
        )

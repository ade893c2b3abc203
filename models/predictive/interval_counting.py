"""Units that count their own inter-spike intervals, and hold a factor on learning rates.

The counters are those of :class:`neuro.learning.spike_intervals.IntervalCounters`, as state of the
units themselves, so that any backend counts; a rule that reads :data:`FACTOR` of one of its two
neurons stays local.
"""

from __future__ import annotations

from neuro.neurons import NeuronModel

COUNTED = ("n", "s1", "s2")
"""Variables of a counting unit: its intervals' number, sum, and sum of squares."""

FACTOR = "free"
"""Variable of a unit: factor on the learning rate of its synapses."""

VARIABLES = (*COUNTED, "age", "last", FACTOR)
"""All that counting adds to a unit."""


def counting(unit: NeuronModel) -> NeuronModel:
    """A unit without differential equations that also counts, from step to step and at spikes.

    ``last`` is 0 before the first spike, so with all state reset for an image no interval is
    counted to the image before.
    """
    age, interval = "age += 1", "age - last"
    sums = (
        f"n += where(last > 0, 1, 0); s1 += where(last > 0, {interval}, 0);"
        f" s2 += where(last > 0, ({interval}) * ({interval}), 0); last = age"
    )
    return NeuronModel(
        "\n".join([unit.equations, *(f"{name} : 1" for name in VARIABLES)]),
        parameters=unit.parameters,
        inputs=unit.inputs,
        before=f"{unit.before}\n{age}",
        after=unit.after,
        threshold=unit.threshold,
        reset=f"{unit.reset}\n{sums}",
        emits=unit.emits,
        initial={**unit.initial, FACTOR: 1.0},
        name=f"counting {unit.name}",
    )

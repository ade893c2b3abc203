"""Song, Miller & Abbott 2000: Poisson inputs learn at one neuron, by neuro and by hand in Brian2.

The parameters are those of Brian2's example.

Run ``python -m neuro.benchmarks.brian2_stdp``.
"""

from __future__ import annotations

from typing import Any

import neuro as nr
from neuro.benchmarks._brian2_pair import Pair, compare


def song(inputs: int, gmax: float) -> nr.Network:
    """The network; spikes of the neuron are recorded."""
    net = nr.Network("stdp", seed=0)
    pre = net.population("inputs", nr.Poisson(15.0), inputs)
    cell = nr.LIF(
        tau_m=10e-3,
        v_threshold=-54e-3,
        v_reset=-60e-3,
        v_rest=-74e-3,
        comparison=">",
        synapses={"exc": nr.Conductance(nr.Exponential(5e-3), 0.0)},
    )
    post = net.population("cell", cell, 1)
    rule = nr.PairSTDP(20e-3, 20e-3, 0.01 * gmax, 0.01 * 1.05 * gmax, 0.0, gmax)
    net.connect(pre, post, nr.dense(nr.Uniform(0.0, gmax)), port="exc", plasticity=rule)
    net.record(post)
    return net


def case(inputs: int = 1000, duration: float = 100.0, repeats: int = 5) -> list[dict[str, Any]]:
    """Time, and peak of memory; fewer inputs have stronger synapses."""
    gmax = 10.0 / inputs
    pair = Pair(
        title=f"STDP, {inputs:,} inputs, {duration:g} s",
        network=song(inputs, gmax),
        dt=1e-4,
        duration=duration,
        peer="_handwritten_stdp",
        data={"inputs": inputs, "gmax": gmax},
        tolerance=0.25,
        native_bar=1.5,
    )
    return compare(pair, repeats)


if __name__ == "__main__":
    for row in case():
        print(row)

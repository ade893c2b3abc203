"""A layer of 1000 LIF neurons, batch 32, 1000 steps: the torch backend beside its peers.

In a step 5 % of the inputs spike, which is much for a spiking network. The peers are snnTorch,
Norse and SpikingJelly (:mod:`neuro.benchmarks._layer_peers`).

Run ``make bench-env`` once, then ``python -m neuro.benchmarks.torch_layers``.
"""

from __future__ import annotations

from neuro.benchmarks._layer_case import measure


def case() -> dict[str, object]:
    """Time all of them; figures are network steps per second."""
    return measure(0.05)


if __name__ == "__main__":
    print(case())

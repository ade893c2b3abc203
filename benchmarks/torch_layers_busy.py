"""As :mod:`neuro.benchmarks.torch_layers`, with 20 % of the inputs active in each step.

Run ``make bench-env`` once, then ``python -m neuro.benchmarks.torch_layers_busy``.
"""

from __future__ import annotations

from neuro.benchmarks._layer_case import measure


def case() -> dict[str, object]:
    """Time all of them; figures are network steps per second."""
    return measure(0.2)


if __name__ == "__main__":
    print(case())

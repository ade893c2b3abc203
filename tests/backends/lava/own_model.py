"""Runs rules with Lava's model of LearningDense and with ours; prints the weights as JSON.

A script, run by test_learning.py in a process of its own, because Lava forks.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

STEPS, POST, PRE = 120, 6, 9

#: Text of a rule, and whether y1, y2, y3 come as graded spikes.
RULES: dict[str, tuple[dict[str, Any], bool]] = {
    "pairs": (
        {
            "dw": "y0*x1 - y0*x2 - x0*y1",
            "x1_impulse": 0.3,
            "x1_tau": 9.0,
            "x2_impulse": 0.2,
            "x2_tau": 1e-3,
            "y1_impulse": 0.4,
            "y1_tau": 4.0,
        },
        False,
    ),
    "sleep": (
        {
            "dw": "y0*t - y0*t*sgn(w-1*2^-1074) - y0*y1 + 3*2^-3*y0*y1*sgn(w-1*2^-1074)",
            "dt": "u0*x1 - u0*t",
            "x1_impulse": 0.3,
            "x1_tau": 1e-3,
            "y1_impulse": 0.2,
            "y1_tau": 1e-3,
        },
        False,
    ),
    "three factors": (
        {
            "dw": "y0*x1*y1 - x0*y2*(w-3*2^-2) + u0*y1*t",
            "dt": "y0*x1 - 2^-3*u0*t - x0*y2",
            "x1_impulse": 0.03,
            "x1_tau": 7.0,
        },
        True,
    ),
    "every fourth step": ({"dw": "u2*x1*y1", "x1_impulse": 0.03, "x1_tau": 7.0}, True),
    "of one sign": (
        {"dw": "y0*x1 - x0*y1", "x1_impulse": 0.1, "x1_tau": 5.0, "y1_impulse": 0.4, "y1_tau": 9.0},
        False,
    ),
}


def main() -> None:
    """Run every rule with both models."""
    from neuro.backends.lava.importing import import_lava

    import_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.models import PyLearningDenseModelFloat
    from lava.proc.dense.process import LearningDense
    from lava.proc.io.source import RingBuffer
    from lava.utils.weightutils import SignMode

    from neuro.backends.lava.processes.learning import PyEventLearningDense, rule_of

    def run(model: Any, name: str) -> list[list[float]]:
        text, three = RULES[name]
        draw = np.random.default_rng(5)
        sign = SignMode.EXCITATORY if name == "of one sign" else SignMode.MIXED
        start = draw.normal(0.0, 0.3, (POST, PRE))
        dense = LearningDense(
            weights=abs(start) if name == "of one sign" else start,
            learning_rule=rule_of(text, three),
            sign_mode=sign,
        )
        pre = RingBuffer(data=(draw.random((PRE, STEPS)) < 0.15).astype(int))
        post = RingBuffer(data=(draw.random((POST, STEPS)) < 0.15).astype(int))
        pre.s_out.connect(dense.s_in)
        post.s_out.connect(dense.s_in_bap)
        if three:
            for port in (dense.s_in_y1, dense.s_in_y2, dense.s_in_y3):
                RingBuffer(data=draw.normal(size=(POST, STEPS))).s_out.connect(port)
        config = Loihi2SimCfg(
            select_tag="floating_pt", exception_proc_model_map={LearningDense: model}
        )
        dense.run(RunSteps(STEPS), config)
        weights: list[list[float]] = dense.weights.get().tolist()
        dense.stop()
        return weights

    models = {"lava": PyLearningDenseModelFloat, "ours": PyEventLearningDense}
    print(json.dumps({n: {k: run(m, n) for k, m in models.items()} for n in RULES}))


if __name__ == "__main__":
    main()

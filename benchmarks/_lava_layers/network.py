"""Dense layers of LIF neurons as a Lava user would write them: a process per layer and connection.

Run as a program by :mod:`neuro.benchmarks._lava_case`. No spike is recorded: each recorder would
be a further process.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from neuro.backends.lava.importing import import_lava


def main(path: str) -> None:
    """Run; print seconds of the run, and the voltages of the last layer at the end."""
    import_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    case = np.load(path)
    whole = bool(case["whole"])
    number = int if whole else float
    source = RingBuffer(data=case["spikes"].astype(np.int32))
    below, kept = source.s_out, []
    for index in range(int(case["layers"])):
        weights = case[f"w{index}"]
        dense = Dense(weights=weights.T)
        layer = LIF(
            shape=(weights.shape[1],),
            du=number(case["du"]),
            dv=number(case["dv"]),
            vth=number(case["threshold"]),
        )
        below.connect(dense.s_in)
        dense.a_out.connect(layer.a_in)
        below = layer.s_out
        kept += [dense, layer]
    settings = Loihi2SimCfg(select_tag="fixed_pt" if whole else "floating_pt")
    for steps in (int(case["warm"]), int(case["steps"])):
        begun = time.perf_counter()
        layer.run(RunSteps(num_steps=steps), settings)
        seconds = time.perf_counter() - begun
    voltages = layer.v.get().tolist()
    layer.stop()
    print(json.dumps({"seconds": seconds, "voltages": voltages}))


if __name__ == "__main__":
    main(sys.argv[1])

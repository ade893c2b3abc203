"""Dense layers of LIF neurons as a Lava user would write them: a process per layer and connection.

Run as a program by :mod:`neuro.benchmarks.lava_fused`. No spike is recorded: each recorder would
be a further process.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from neuro.backends.lava.importing import import_lava


def main(path: str) -> None:
    """Run; print seconds of every run, and the voltages of the last layer at the end."""
    import_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    case = np.load(path)
    steps, runs, warm = (int(case[key]) for key in ("steps", "runs", "warm"))
    source = RingBuffer(data=case["spikes"].astype(np.int32))
    below, kept = source.s_out, []
    for index in range(int(case["layers"])):
        weights = case[f"w{index}"]
        dense = Dense(weights=weights.T)
        layer = LIF(
            shape=(weights.shape[1],), du=1.0, dv=float(case["dv"]), vth=float(case["threshold"])
        )
        below.connect(dense.s_in)
        dense.a_out.connect(layer.a_in)
        below = layer.s_out
        kept += [dense, layer]
    settings = Loihi2SimCfg(select_tag="floating_pt")
    seconds = []
    for length in (warm, *[steps] * runs):
        begun = time.perf_counter()
        layer.run(RunSteps(num_steps=length), settings)
        seconds.append(time.perf_counter() - begun)
    voltages = layer.v.get().tolist()
    layer.stop()
    print(json.dumps({"seconds": seconds[1:], "voltages": voltages}))


if __name__ == "__main__":
    main(sys.argv[1])

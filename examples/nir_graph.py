# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # A network from another framework, by NIR
#
# NIR is the graph format that most spiking frameworks write. Here a graph is made by hand, read,
# run, written, and read again.

# %%
import tempfile
from pathlib import Path

import nir
import numpy as np

import neuro as nr

draw = np.random.default_rng(1)
cells = 8


def lif(size: int) -> nir.LIF:
    """Neurons with a time constant of 10 ms."""
    return nir.LIF(*(np.full(size, value) for value in (10e-3, 1.0, 0.0, 0.1)))


graph = nir.NIRGraph(
    {
        "input": nir.Input(np.array([1, 6, 6])),
        "conv": nir.Conv2d((6, 6), draw.normal(0.3, 0.5, (2, 1, 3, 3)), 1, 0, 1, 1, np.zeros(2)),
        "maps": nir.LIF(*(np.full((2, 4, 4), v) for v in (5e-3, 1.0, 0.0, 0.1))),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "read": nir.Affine(draw.normal(0.3, 0.5, (3, 8)), np.array([0.0, 0.02, 0.0])),
        "out": lif(3),
        "output": nir.Output(np.array([3])),
    },
    [("input", "conv"), ("conv", "maps"), ("maps", "pool"), ("pool", "flat"), ("flat", "read"),
     ("read", "out"), ("out", "output")],
)  # fmt: skip

# %% [markdown]
# NIR has continuous time, so the time step must be given. Pooling, flattening and the affine map
# become one projection.

# %%
net = nr.from_nir(graph, dt=1e-3)
print(net)
net.drive(net.inputs[0], nr.Poisson(rate=200.0))
spikes = {}
for backend in ("reference", "torch"):
    with nr.compile(net, backend, dt=1e-3) as sim:
        spikes[backend] = sim.run(1.0).spikes(net.outputs[0])
    print(f"{backend}: {np.bincount(spikes[backend][1], minlength=3)} spikes")
assert np.array_equal(spikes["reference"], spikes["torch"])

# %%
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "net.nir"
    nr.to_nir(net, file, dt=1e-3)
    print(sorted(nir.read(file).nodes))
    assert nr.from_nir(file, dt=1e-3) == net

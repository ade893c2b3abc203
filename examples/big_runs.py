# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # Big runs: checkpoints, kills, sweeps
#
# Long simulations are written to a folder piece by piece. Killed at any time, the same line goes on
# where it was. Sweeps run in processes or on a Dask cluster, and resume as well.

# %%
import tempfile
from pathlib import Path

import numpy as np

import neuro as nr

net = nr.Network("long", seed=0)
inputs = net.population("inputs", nr.Poisson(rate=10.0), 50)
cells = net.population("cells", nr.LIF(), 20)
net.connect(inputs, cells, 0.1, plasticity=nr.PairSTDP(a_plus=1e-3, a_minus=1e-3, w_max=0.2))
net.record(cells)
folder = Path(tempfile.mkdtemp())

# %%
with nr.compile(net, dt=1e-3) as sim:
    recording = sim.run(5.0, to=folder / "long")
print(sorted(path.name for path in (folder / "long").iterdir()))
print(f"{len(recording.spikes(cells)[0])} spikes, read from the disk as they are asked for")

# %% [markdown]
# A new process, longer: what is there is not computed again. The numbers are those of one run.

# %%
with nr.compile(net, dt=1e-3) as sim:
    longer = sim.run(8.0, to=folder / "long").spikes(cells)
with nr.compile(net, dt=1e-3) as sim:
    whole = sim.run(8.0).spikes(cells)
assert np.array_equal(longer, whole)

# %% [markdown]
# A checkpoint is an ordinary file, and moves between backends:

# %%
with nr.compile(net, dt=1e-3) as sim:
    sim.run(4.0)
    nr.save(sim.state(), folder / "half.h5")
with nr.compile(net, "torch", dt=1e-3) as sim:
    sim.restore(nr.load(folder / "half.h5"))
    second = sim.run(4.0).spikes(cells)
assert np.array_equal(second, np.array(whole)[:, whole[0] >= 4000])
print("half on the reference, half on torch: the same spikes")

# %% [markdown]
# Sweeps: `neuro compare table.toml --jobs 8` runs every row of a table in processes, and
# `--executor dask --scheduler tcp://…` on a cluster; `neuro tune --jobs 8 --study …` searches on
# several machines that share a study. Interrupt either, and run the same line again.

# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # STDP finds what comes together
#
# One neuron hears 100 inputs. Half of them fire together in short bursts, half on their own; all at
# the same mean rate. Spike-timing-dependent plasticity tells them apart (Song, Miller & Abbott
# 2000, *Nature Neuroscience* 3:919; Song & Abbott 2001, *Neuron* 32:339).

# %%
import matplotlib.pyplot as plt
import numpy as np

import neuro as nr

SECONDS, RATE, BURST = 20.0, 20.0, 10.0

# %% [markdown]
# Spikes made by hand, as data: at each burst a unit of the first half spikes with probability 1/2.

# %%
draw = np.random.default_rng(0)
steps, units = [], []
for start in draw.integers(0, int(SECONDS * 1000) - 5, int(SECONDS * BURST)):
    for unit in np.flatnonzero(draw.random(50) < 0.5):
        steps.append(start + draw.integers(0, 3))
        units.append(unit)
background = np.where(np.arange(100) < 50, RATE - BURST / 2, RATE)
for unit, rate in enumerate(background):
    times = draw.integers(0, int(SECONDS * 1000), draw.poisson(rate * SECONDS))
    steps += times.tolist()
    units += [unit] * len(times)
spikes = np.unique(np.stack([steps, units]), axis=1)

# %%
net = nr.Network("receptive field", seed=0)
inputs = net.population("inputs", nr.SpikeTimes(*spikes), 100)
cell = net.population("cell", nr.LIF(tau_m=10e-3), 1)
stdp = nr.PairSTDP(a_plus=0.002, a_minus=0.0024, w_min=0.0, w_max=0.12)
net.connect(inputs, cell, 0.06, plasticity=stdp)
net.record(cell)

with nr.compile(net, dt=1e-3) as sim:
    history = []
    for _ in range(20):
        count = len(sim.run(SECONDS / 20).spikes(cell)[0])
        history.append(sim.weights("inputs_cell")[:, 0])
print(f"rate at the end: {count / (SECONDS / 20):.0f} Hz")

# %%
together, alone = history[-1][:50].mean(), history[-1][50:].mean()
print(f"weights at the end: {together:.3f} V together, {alone:.3f} V alone")
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
axes[0].imshow(np.array(history).T, aspect="auto", vmin=0, extent=(0, SECONDS, 100, 0))
axes[0].set(xlabel="time [s]", ylabel="input", title="weights")
axes[1].hist([history[-1][:50], history[-1][50:]], bins=15, label=["together", "alone"])
axes[1].set(xlabel="weight [V]", ylabel="inputs", title="at the end")
axes[1].legend()
assert together > 2 * alone

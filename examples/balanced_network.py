# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # A balanced network of excitation and inhibition
#
# Excitation and inhibition cancel on average, so cells fire irregularly, driven by fluctuations
# (van Vreeswijk & Sompolinsky 1996, *Science* 274:1724; Brunel 2000, *J. Comput. Neurosci.* 8:183).

# %%
import matplotlib.pyplot as plt
import numpy as np

import neuro as nr

net = nr.Network("balanced", seed=1)
outside = net.population("outside", nr.Poisson(rate=10.0), 1000)
cell = nr.LIF(tau_m=20e-3, v_threshold=20e-3, v_reset=10e-3, t_ref=2e-3)
exc = net.population("exc", cell, 800)
inh = net.population("inh", cell, 200)
for target in (exc, inh):
    net.connect(outside, target, nr.fixed_in_degree(100, weight=1.1e-3))
    net.connect(exc, target, nr.fixed_in_degree(80, weight=0.5e-3), delay=1.5e-3)
    net.connect(inh, target, nr.fixed_in_degree(20, weight=-3e-3), delay=1.5e-3)
net.record(exc)
print(net)

# %%
with nr.compile(net, dt=0.5e-3) as sim:
    sim.run(0.2)  # until it has settled
    recording = sim.run(2.0)
steps, units = recording.spikes(exc)
rates = np.bincount(units, minlength=800) / 2.0
print(f"mean rate {rates.mean():.1f} Hz")

# %% [markdown]
# Irregular: the coefficient of variation of intervals is near 1, as of a Poisson process.

# %%
variation = []
for unit in np.flatnonzero(rates > 3):
    intervals = np.diff(steps[units == unit])
    variation.append(intervals.std() / intervals.mean())
print(f"CV of intervals {np.mean(variation):.2f}, {len(variation)} cells")

figure, axes = plt.subplots(1, 3, figsize=(10, 3), layout="constrained", width_ratios=(2, 1, 1))
shown = (units < 100) & (steps < steps.min() + 1000)
axes[0].plot(0.5 * steps[shown], units[shown], "k|", markersize=2)
axes[0].set(xlabel="time [ms]", ylabel="cell")
axes[1].hist(rates, bins=30)
axes[1].set(xlabel="rate [Hz]", ylabel="cells")
axes[2].hist(variation, bins=30)
axes[2].set(xlabel="CV of intervals")
assert 1 < rates.mean() < 60
assert 0.6 < np.mean(variation) < 1.3

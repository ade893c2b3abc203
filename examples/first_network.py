# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # One network, two simulators, the same spikes
#
# A recurrent network of 50 neurons is driven by 100 Poisson inputs whose synapses learn by STDP.
# It is described once and run by the NumPy reference and by Brian2. Run this file as a script
# (`python examples/first_network.py [FIGURE.png]`) or open the notebook beside it.

# %%
import sys

import matplotlib.pyplot as plt
import numpy as np

import neuro as nr

# %% [markdown]
# The description: populations, projections, what to record. Nothing is simulated yet, but every
# mistake (a wrong shape, a negative delay, volts for seconds) is refused at its own line.

# %%
net = nr.Network("first", seed=1)
inputs = net.population("inputs", nr.Poisson(rate=40.0), size=100)
neurons = net.population("neurons", nr.LIF(tau_m=20e-3, v_threshold=1.0, t_ref=2e-3), size=50)
stdp = nr.PairSTDP(a_plus=0.002, a_minus=0.0025, w_min=0.0, w_max=0.4)
net.connect(inputs, neurons, nr.fixed_probability(0.2, weight=0.2), plasticity=stdp)
net.connect(neurons, neurons, nr.fixed_probability(0.1, nr.Normal(-0.1, 0.05)), delay=3e-3)
net.record(neurons, "spikes")
print(net)

# %% [markdown]
# What every backend will do in each time step of 1 ms:

# %%
print(nr.lower(net, dt=1e-3))

# %% [markdown]
# Run it on both, and compare to the last spike and the last bit of the learned weights.

# %%
spikes, weights = {}, {}
for backend in ("reference", "brian2"):
    with nr.compile(net, backend, dt=1e-3) as sim:
        spikes[backend] = sim.run(1.0).spikes(neurons)
        weights[backend] = sim.weights("inputs_neurons")
    print(f"{backend}: {len(spikes[backend][0])} spikes")

assert np.array_equal(spikes["reference"], spikes["brian2"])
assert np.array_equal(weights["reference"], weights["brian2"])
print("equal spikes, equal weights")

# %%
figure, (raster, histogram) = plt.subplots(
    1, 2, figsize=(8, 3), layout="constrained", width_ratios=(3, 1)
)
steps, units = spikes["reference"]
raster.plot(steps, units, "k|", markersize=2)
raster.set(xlabel="time [ms]", ylabel="neuron", title="spikes")
learned = weights["reference"]
histogram.hist(learned[learned > 0], bins=20)
histogram.set(xlabel="weight [V]", ylabel="synapses", title="after STDP")
if len(sys.argv) > 1 and sys.argv[1].endswith(".png"):
    figure.savefig(sys.argv[1], dpi=150)

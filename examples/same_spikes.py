# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
# ---

# %% [markdown]
# # One model, four backends, the same spikes
#
# A network with everything in it that usually makes simulators disagree: exponentials, delays,
# drawn parameters, noise in the membranes. Every backend runs the same program, with the same
# functions and the same random numbers, so every spike is the same.

# %%
import numpy as np

import neuro as nr

net = nr.Network("same", seed=4)
noisy = nr.NeuronModel(
    "dv/dt = (I_syn - v) / tau + sigma * sqrt(2 / tau) * xi : volt",
    parameters={"tau": (nr.Uniform(10e-3, 30e-3), "second"), "sigma": (0.2, "volt")},
    synapses={"exc": nr.Exponential(5e-3), "inh": nr.Exponential(10e-3)},
    threshold="v > 1",
    reset="v = 0",
    name="noisy LIF",
)
inputs = net.population("inputs", nr.Poisson(rate=20.0), 80)
cells = net.population("cells", noisy, 100)
net.connect(inputs, cells, nr.fixed_probability(0.3, nr.Normal(0.5, 0.1)), port="exc")
net.connect(cells, cells, -0.4, delay=nr.Uniform(1e-3, 8e-3), port="inh")
net.record(cells)
net.record(cells, "v", units=[0])

# %% [markdown]
# `nr.backends()` says what is installed here, and why something is not.

# %%
found = {}
for backend, why in nr.backends().items():
    if why is not True:
        print(f"{backend}: {why}")
        continue
    options = {"target": "numpy"} if backend == "brian2" else {}
    with nr.compile(net, backend, dt=1e-3, **options) as sim:
        recording = sim.run(0.5)
    found[backend] = recording.spikes(cells), recording.trace(cells, "v")
    print(f"{backend}: {len(found[backend][0][0])} spikes, last v {found[backend][1][-1, 0]!r}")

# %%
(steps, units), potential = found["reference"]
for backend, ((other_steps, other_units), other) in found.items():
    assert np.array_equal(steps, other_steps), backend
    assert np.array_equal(units, other_units), backend
    assert np.array_equal(potential, other), backend
print("equal to the last bit")
